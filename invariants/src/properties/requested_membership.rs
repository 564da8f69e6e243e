//! **Requested membership**: a committed configuration follows from the changes that operators requested.
//!
//! *Source*: Raft paper, 6; thesis 4 (a configuration is an entry that was requested), 4.3 (joint phases). *Facts*:
//! `Founded`, `ChangeRequested`, `ChangeAnswered`; compared with `Configured`, `Committed`, `SnapshotInstalled`.
//!
//! *Check*: a committed configuration is one of those that may be in force at that time: the initial one after all
//! changes that succeeded and any of those whose response is missing or unknown, during or after the joint phase
//! ([`PossibleConfigurations`]). It is compared once, when the first server knows it to be committed: other servers
//! may learn of it after it was replaced. A configuration that no entry carries is the initial one, or empty on a
//! server that is about to join. Order and duplicates within a list do not matter.
//!
//! *Blind spots*: uncommitted configurations may be truncated and are not compared. While responses are unknown,
//! several configurations are possible. Disk generations of members are not compared. If too many configurations are
//! possible, only the servers' numbers are compared. Checks only where the initial voters are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{ConfChange, ConfChangeResponse, Configuration, Index, Node, Observed};
use crate::membership::PossibleConfigurations;

/// A committed configuration follows from the changes that operators requested.
#[derive(Default, Debug)]
pub struct RequestedMembership {
    pub(crate) checks: u64,
    /// Set once the world has stated the initial voters.
    membership: Option<RequestedConfigurations>,
}

#[derive(Debug)]
struct RequestedConfigurations {
    initial: PossibleConfigurations,
    possible: PossibleConfigurations,
    /// The last fact of the world about membership.
    newest_fact: Observed,
    /// Committed configurations up to this index have been compared.
    compared_up_to: Index,
}

impl RequestedMembership {
    /// The name.
    pub const NAME: &str = "requested-membership";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a committed configuration follows from the changes that were requested";

    pub(crate) fn record_initial_voters(
        &mut self,
        context: CheckContext<'_>,
        voters: &[Node],
    ) -> CheckResult {
        self.membership.get_or_insert_with(|| {
            let initial = PossibleConfigurations::with_initial_voters(voters.iter().copied())
                .with_steps(context.cluster.contract.steps);
            RequestedConfigurations {
                possible: initial.clone(),
                initial,
                newest_fact: context.observed.clone(),
                compared_up_to: 0,
            }
        });
        Ok(())
    }

    pub(crate) fn record_request(
        &mut self,
        context: CheckContext<'_>,
        request: u64,
        change: &ConfChange,
    ) -> CheckResult {
        if let Some(membership) = &mut self.membership {
            membership.possible.record_request(request, change.clone(), |_| 0);
            membership.newest_fact = context.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn record_response(
        &mut self,
        context: CheckContext<'_>,
        request: u64,
        answer: ConfChangeResponse,
    ) -> CheckResult {
        if let Some(membership) = &mut self.membership {
            membership.possible.record_response(request, answer);
            membership.newest_fact = context.observed.clone();
        }
        Ok(())
    }

    pub(crate) fn check_configuration(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        let Some(membership) = &self.membership else { return Ok(()) };
        if index > 0 {
            return if index <= context.node.known_committed() {
                self.check_committed(context, index, stated)
            } else {
                Ok(())
            };
        }
        if stated.voters.is_empty() && stated.joint.is_empty() && stated.learners.is_empty() {
            return Ok(());
        }
        self.checks += 1;
        if membership.initial.contains(stated) {
            return Ok(());
        }
        let conflict = Conflict::StartedWithOtherConfiguration {
            node: context.node.id,
            configuration: stated.clone(),
            initial: membership.initial.configurations(),
        };
        context.violation(Self::NAME, Some(membership.newest_fact.clone()), conflict)
    }

    pub(crate) fn check_commit(&mut self, context: CheckContext<'_>, index: Index) -> CheckResult {
        let Some(RequestedConfigurations { compared_up_to, .. }) = self.membership else {
            return Ok(());
        };
        // Usually there is nothing new.
        match context.node.newest_configuration() {
            Some((newest, _)) if newest > compared_up_to => {}
            _ => return Ok(()),
        }
        let new_ones = context.node.configurations_between(compared_up_to, index);
        for (at, stated) in new_ones {
            self.check_committed(context, at, stated)?;
        }
        Ok(())
    }

    pub(crate) fn check_install(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        self.check_committed(context, index, stated)
    }

    /// Compares a committed configuration, unless its index has been compared.
    fn check_committed(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        stated: &Configuration,
    ) -> CheckResult {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        if index <= membership.compared_up_to {
            return Ok(());
        }
        membership.compared_up_to = index;
        self.checks += 1;
        if membership.possible.contains(stated) {
            return Ok(());
        }
        let conflict = Conflict::UnrequestedConfiguration {
            node: context.node.id,
            configuration: stated.clone(),
            index,
            possible: membership.possible.configurations(),
        };
        context.violation(Self::NAME, Some(membership.newest_fact.clone()), conflict)
    }
}
