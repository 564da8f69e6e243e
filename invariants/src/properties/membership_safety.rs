//! **One change of the group at a time, each overlapping with the one before it.**
//!
//! *Source*: Raft paper, 6; thesis 4.1 with its amendment of 2015 (a leader changes the group only after it has committed
//! an entry of its own term), 4.2.2 (who may campaign), 4.3 (joint consensus). *Facts*: `Configured`, `Committed`,
//! `Leads`, `Appended`, `Campaigned`.
//!
//! *Reading*: a leader that puts a configuration into its log has committed the one before it, and an entry of its own
//! term. From one configuration to the next one voter comes or goes at the most, or a joint phase is entered from just
//! the old voters, or left to just the new ones. Who campaigns votes in the configuration in force in its log or in the
//! newest that it knows to be committed. Whoever follows takes configurations as they come, also those that a later
//! leader will cut, or those that come with a snapshot ("snapshot-consistency" asks whether that one is right).
//!
//! And a configuration does not contradict itself, whoever states it, in its log or in a snapshot: nobody is listed twice in
//! one half, no voter of the new half is a learner, and what an entry or a snapshot carries has a voter. An old voter
//! may be a learner while joint, and a server that joins may begin with an empty configuration, which no entry carries.
//!
//! *Blind spots*: a leader's commit index is taken at its word here. Looks only where configurations are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Configuration, Index, Node, Term};

/// One change of the group at a time, each overlapping with the one before it.
#[derive(Default, Debug)]
pub struct MembershipSafety {
    pub(crate) checks: u64,
}

impl MembershipSafety {
    /// Its name.
    pub const NAME: &str = "membership-safety";
    /// In one line.
    pub const ABOUT: &str =
        "the group changes by one committed step after the other, and only its voters campaign";

    /// A configuration was stated, as in force or in a snapshot: it contradicts itself, or not.
    pub(crate) fn check_valid(&mut self, scene: CheckContext<'_>) -> CheckResult {
        let Some((index, configuration)) = scene.observed.fact.configuration() else { return Ok(()) };
        let Some(flaw) = configuration.validation_error(index > 0) else { return Ok(()) };
        let sentence =
            format!("n{} states at {index} the group {configuration}, which {flaw}", scene.node.id);
        scene.violation(Self::NAME, None, sentence)
    }

    pub(crate) fn check_configuration(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        next: &Configuration,
    ) -> CheckResult {
        let node = scene.node;
        // Followers, and whoever states at boot what it has recovered, decide nothing.
        let (Some(led), Some((since, before))) = (node.leader_of, node.newest_configuration()) else {
            return Ok(());
        };
        // The founding group is nobody's decision.
        if index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let id = node.id;
        let sentence = if since > node.commit_index {
            format!("n{id} changes the group at {index} although its change at {since} is not committed")
        } else if node.log.term_at(node.commit_index) != Some(led) {
            format!(
                "n{id} leads term {led} and changes the group at {index} before it has committed anything in it"
            )
        } else if !majorities_overlap(before, next) {
            format!(
                "n{id} changes the group at {index} from {before} to {next}, whose majorities need not overlap"
            )
        } else {
            return Ok(());
        };
        scene.violation(Self::NAME, scene.shadow.leader_fact(led), sentence)
    }

    pub(crate) fn check_campaign(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let node = scene.node;
        let Some((_, in_force)) = node.newest_configuration() else { return Ok(()) };
        // The request may have waited for the disk while somebody else won, and changed the group: it asks for nothing.
        if scene.shadow.leaderships.contains_key(&term) {
            return Ok(());
        }
        self.checks += 1;
        let votes = |configuration: &Configuration| {
            configuration.voters.contains(&node.id) || configuration.joint.contains(&node.id)
        };
        if votes(in_force) || node.committed_configuration().is_some_and(votes) {
            return Ok(());
        }
        let sentence = format!("n{} campaigns in term {term} and has no vote in {in_force}", node.id);
        scene.violation(Self::NAME, None, sentence)
    }
}

/// Whether every majority of one has a member in every majority of the other.
fn majorities_overlap(before: &Configuration, next: &Configuration) -> bool {
    let same = |one: &[Node], other: &[Node]| {
        one.len() == other.len() && one.iter().all(|node| other.contains(node))
    };
    match (before.joint.is_empty(), next.joint.is_empty()) {
        (true, true) => {
            let lacks =
                |one: &[Node], other: &[Node]| one.iter().filter(|node| !other.contains(node)).count();
            lacks(&before.voters, &next.voters) + lacks(&next.voters, &before.voters) <= 1
        }
        (true, false) => same(&before.voters, &next.joint),
        (false, true) => same(&before.voters, &next.voters),
        (false, false) => same(&before.voters, &next.voters) && same(&before.joint, &next.joint),
    }
}
