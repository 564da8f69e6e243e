//! **Membership safety**: one membership change at a time, each configuration overlapping with the one before it.
//!
//! *Source*: Raft paper, 6; thesis 4.1 with its amendment of 2015 (a leader changes the configuration only after it
//! has committed an entry of its own term), 4.2.2 (who may campaign), 4.3 (joint consensus). *Facts*: `Configured`,
//! `Committed`, `Leads`, `Appended`, `Campaigned`.
//!
//! *Check*: a leader that appends a configuration has committed the one before it and an entry of its own term.
//! Between two configurations at most one voter is added or removed, or a joint phase begins with exactly the old
//! voters, or ends with exactly the new ones. A candidate is a voter of the configuration in force in its log or of
//! the newest one that it knows to be committed. Followers accept any configuration that a leader or a snapshot
//! brings, also one that a later leader truncates (`snapshot-consistency` checks the one in a snapshot).
//!
//! A system may promise otherwise ([`Contract`](crate::Contract)): where a configuration takes effect when it is applied,
//! its entry is committed by then, and only the step between two configurations is checked; which steps are safe and
//! whether outsiders may campaign is part of the contract, too.
//!
//! A configuration, whether in a log or in a snapshot, must be valid: no list names a server twice, no voter of the
//! new half is a learner, and if an entry or a snapshot carries it, it has a voter. Allowed: a voter of the old half
//! that is a learner while joint, and an empty first configuration on a server that is about to join.
//!
//! *Blind spots*: a leader's commit index is believed here. Checks only where configurations are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::contract::{ConfigurationSteps, TakesEffect};
use crate::fact::{Configuration, Index, Node, Term, same_nodes};

/// One membership change at a time, each configuration overlapping with the one before it.
#[derive(Default, Debug)]
pub struct MembershipSafety {
    pub(crate) checks: u64,
}

impl MembershipSafety {
    /// The name.
    pub const NAME: &str = "membership-safety";
    /// What must hold, in one line.
    pub const ABOUT: &str = "membership changes one committed step at a time, and only voters campaign";

    /// Checks that a stated configuration is valid by itself.
    pub(crate) fn check_valid(&mut self, context: CheckContext<'_>) -> CheckResult {
        let Some((index, configuration)) = context.observed.fact.configuration() else { return Ok(()) };
        let Some(error) = configuration.validation_error(index > 0) else { return Ok(()) };
        let conflict = Conflict::InvalidConfiguration {
            node: context.node.id,
            configuration: configuration.clone(),
            index,
            error,
        };
        context.violation(Self::NAME, None, conflict)
    }

    pub(crate) fn check_configuration(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        next: &Configuration,
    ) -> CheckResult {
        let node = context.node;
        // Only a leader decides. Followers, and servers that state what they recovered, do not.
        let (Some(led), Some((since, before))) = (node.leading_term(), node.newest_configuration()) else {
            return Ok(());
        };
        // No leader decides on the first configuration.
        if index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let id = node.id;
        let contract = context.cluster.contract;
        let decides_now = contract.configurations == TakesEffect::Appended;
        let conflict = if decides_now && since > node.known_committed() {
            Conflict::ChangedBeforeLastCommitted { node: id, index, since }
        } else if decides_now && node.log.term_at(node.known_committed()) != Some(led) {
            Conflict::ChangedBeforeOwnCommit { node: id, term: led, index }
        } else if !majorities_overlap(contract.steps, before, next) {
            let (before, next) = (before.clone(), next.clone());
            Conflict::MajoritiesNeedNotOverlap { node: id, index, before, next }
        } else {
            return Ok(());
        };
        context.violation(Self::NAME, context.cluster.leaderships.fact(led), conflict)
    }

    pub(crate) fn check_campaign(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let node = context.node;
        let Some((_, in_force)) = node.newest_configuration() else { return Ok(()) };
        if context.cluster.contract.outsider_leads {
            return Ok(());
        }
        // The vote request waited for the disk while another server won this term and changed the configuration:
        // harmless.
        if context.cluster.leaderships.get(term).is_some() {
            return Ok(());
        }
        self.checks += 1;
        let votes =
            |configuration: &Configuration| configuration.halves().any(|half| half.contains(&node.id));
        if votes(in_force) || node.committed_configuration().is_some_and(votes) {
            return Ok(());
        }
        let configuration = in_force.clone();
        let conflict = Conflict::CampaignedWithoutVote { node: node.id, term, configuration };
        context.violation(Self::NAME, None, conflict)
    }
}

/// Whether every quorum of one has a member in every quorum of the other.
fn majorities_overlap(steps: ConfigurationSteps, before: &Configuration, next: &Configuration) -> bool {
    let differ_by_one_voter = || {
        let lacks = |one: &[Node], other: &[Node]| one.iter().filter(|node| !other.contains(node)).count();
        lacks(&before.voters, &next.voters) + lacks(&next.voters, &before.voters) <= 1
    };
    match (steps, before.is_joint(), next.is_joint()) {
        (_, false, false) => differ_by_one_voter(),
        (ConfigurationSteps::SharedHalf, ..) => {
            before.halves().any(|half| next.halves().any(|other| same_nodes(half, other)))
        }
        (ConfigurationSteps::Joint, false, true) => same_nodes(&before.voters, &next.joint),
        (ConfigurationSteps::Joint, true, false) => same_nodes(&before.voters, &next.voters),
        (ConfigurationSteps::Joint, true, true) => {
            same_nodes(&before.voters, &next.voters) && same_nodes(&before.joint, &next.joint)
        }
    }
}
