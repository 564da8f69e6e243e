//! **Who belongs to the group is what its operator asked for.**
//!
//! *Source*: Raft paper, 6; thesis 4 (a configuration is an entry that somebody asked for), 4.3 (a joint phase passes from
//! one to the next). *Facts*: `Founded`, `ChangeRequested`, `ChangeAnswered`, and what they are compared with:
//! `Configured`, `Committed`, `SnapshotInstalled`.
//!
//! *Reading*: a configuration that is committed is one of those that may be in force then: the founding one after the
//! changes that succeeded, and after any of those that have no answer yet or whose answer is unknown, in the joint phase or
//! behind it ([`PossibleConfigurations`]). It is compared once, when the first server knows it to be committed: who learns of
//! it later may do so when another has long taken its place. What no entry carries is the founding configuration, or empty on
//! a server that is to join. Order and repetition within a list mean nothing here. What is not committed may be cut, and is
//! not compared.
//!
//! *Blind spots*: while answers are unknown, more configurations are possible than one. Which disk generation of a server is
//! a member. Where more than a few hundred configurations are possible, only names are compared. Looks only where the world
//! says who founded the group.

use crate::check_context::{CheckContext, CheckResult, format_nodes};
use crate::fact::{ConfChange, ConfChangeResponse, Configuration, Index, Node, Observed};
use crate::membership::PossibleConfigurations;

/// Who belongs to the group is what its operator asked for.
#[derive(Default, Debug)]
pub struct RequestedMembership {
    pub(crate) checks: u64,
    /// Once the world has said who founded the group.
    membership: Option<RequestedConfigurations>,
}

#[derive(Debug)]
struct RequestedConfigurations {
    initial: PossibleConfigurations,
    possible: PossibleConfigurations,
    /// What the world said last.
    newest_fact: Observed,
    /// Committed configurations up to this index were compared.
    compared_up_to: Index,
}

impl RequestedMembership {
    /// Its name.
    pub const NAME: &str = "requested-membership";
    /// In one line.
    pub const ABOUT: &str = "a committed configuration follows from the changes that were asked for";

    pub(crate) fn record_initial_voters(&mut self, scene: CheckContext<'_>, voters: &[Node]) -> CheckResult {
        self.membership.get_or_insert_with(|| {
            let founding = PossibleConfigurations::with_initial_voters(voters.iter().copied());
            RequestedConfigurations {
                possible: founding.clone(),
                initial: founding,
                newest_fact: scene.observed.clone(),
                compared_up_to: 0,
            }
        });
        Ok(())
    }

    pub(crate) fn record_request(
        &mut self,
        scene: CheckContext<'_>,
        request: u64,
        change: &ConfChange,
    ) -> CheckResult {
        if let Some(group) = &mut self.membership {
            group.possible.record_request(request, change.clone(), |_| 0);
            group.newest_fact = scene.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn record_response(
        &mut self,
        scene: CheckContext<'_>,
        request: u64,
        answer: ConfChangeResponse,
    ) -> CheckResult {
        if let Some(group) = &mut self.membership {
            group.possible.record_response(request, answer);
            group.newest_fact = scene.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn check_configuration(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        let Some(group) = &self.membership else { return Ok(()) };
        if index > 0 {
            return if index <= scene.node.commit_index {
                self.check_committed(scene, index, stated)
            } else {
                Ok(())
            };
        }
        if stated.voters.is_empty() && stated.joint.is_empty() && stated.learners.is_empty() {
            return Ok(());
        }
        self.checks += 1;
        if group.initial.contains(stated) {
            return Ok(());
        }
        let id = scene.node.id;
        let sentence = format!(
            "n{id} begins with the configuration {}, but the group was founded as {}",
            describe_configuration(stated),
            describe_possible(&group.initial)
        );
        scene.violation(Self::NAME, Some(group.newest_fact.clone()), sentence)
    }

    pub(crate) fn check_commit(&mut self, scene: CheckContext<'_>, index: Index) -> CheckResult {
        let Some(RequestedConfigurations { compared_up_to: compared, .. }) = self.membership else {
            return Ok(());
        };
        // Nearly always nothing is new.
        match scene.node.newest_configuration() {
            Some((newest, _)) if newest > compared => {}
            _ => return Ok(()),
        }
        let news = scene.node.configurations_between(compared, index);
        for (at, stated) in news {
            self.check_committed(scene, at, stated)?;
        }
        Ok(())
    }

    pub(crate) fn check_install(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        self.check_committed(scene, index, stated)
    }

    /// A committed configuration, unless it is known.
    fn check_committed(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        let Some(group) = &mut self.membership else { return Ok(()) };
        if index <= group.compared_up_to {
            return Ok(());
        }
        group.compared_up_to = index;
        self.checks += 1;
        if group.possible.contains(stated) {
            return Ok(());
        }
        let id = scene.node.id;
        let sentence = format!(
            "n{id} has committed the configuration {} at {index}, and nobody asked for it: possible is {}",
            describe_configuration(stated),
            describe_possible(&group.possible)
        );
        scene.violation(Self::NAME, Some(group.newest_fact.clone()), sentence)
    }
}

/// The configurations that may be in force, as a person reads them.
fn describe_possible(possible: &PossibleConfigurations) -> String {
    const SHOWN: usize = 4;
    let all = possible.configurations();
    let mut shown: Vec<String> = all.iter().take(SHOWN).map(describe_configuration).collect();
    if all.len() > SHOWN {
        shown.push(format!("{} more", all.len() - SHOWN));
    }
    shown.join(" or ")
}

/// A configuration with its learners.
fn describe_configuration(configuration: &Configuration) -> String {
    match configuration.learners.as_slice() {
        [] => configuration.to_string(),
        learners => format!("{configuration} and learner {}", format_nodes(learners.iter().copied())),
    }
}
