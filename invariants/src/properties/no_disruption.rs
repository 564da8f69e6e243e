//! **No disruption**: while there is no fault and no request, a server outside the configuration cannot raise the
//! term of its members.
//!
//! *Source*: thesis 4.2.3 (disruptive servers), 9.6 (pre-vote), 6.2 (leaders and followers that miss heartbeats).
//! *Facts*: `Quiet`, `Campaigned`, `TermChanged`, `SteppedDown`; for the configuration, `Configured` and `Committed`.
//!
//! *Check*: once the world states `Quiet`, every member hears its leader and ignores vote requests from outside: it
//! does not enter a term in which an outsider has campaigned since. A member that was not stated to be quiet, because
//! it has a permanent fault, may not hear the leader: it is not checked, and counts as an outsider for the others.
//! Each candidacy of an outsider is one check: from then on every term change of a member is compared with it.
//!
//! Allowed: a term that was raised before may still be on its way. Checking stops once a member campaigns, crashes,
//! or stops leading for a reason of its own: then there is no leader to hear.
//!
//! *Blind spots*: with pre-vote outsiders mostly do not campaign, and their pre-vote requests are not facts. Checks
//! only where `Quiet` is stated, which requires pre-vote or check-quorum: without them 4.2.3 guarantees nothing.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, OutsiderReason};
use crate::fact::{Configuration, Node, Observed, Term};
use crate::state::ClusterState;
use std::collections::{BTreeMap, BTreeSet};

/// An outsider cannot raise the term of the members.
#[derive(Default, Debug)]
pub struct NoDisruption {
    pub(crate) checks: u64,
    /// The servers that are stated to be quiet.
    healed: BTreeSet<Node>,
    /// For each term, the first candidacy of an outsider since then.
    candidacies: BTreeMap<Term, Observed>,
    /// The event during which a leader stepped down; a term that it states in the same event is the reason.
    stepped_down_at: Option<u64>,
}

impl NoDisruption {
    /// The name.
    pub const NAME: &str = "no-disruption";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "after healing, with pre-vote or check-quorum, no outsider raises the term of the members";

    pub(crate) fn record_healed(&mut self, context: CheckContext<'_>) -> CheckResult {
        self.healed.insert(context.node.id);
        Ok(())
    }

    pub(crate) fn check_campaign(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(configuration) = self.committed_configuration(context.cluster) else { return Ok(()) };
        if self.is_healed_member(configuration, context.node.id) {
            self.reset();
        } else if configuration.members().any(|node| self.healed.contains(&node)) {
            self.checks += 1;
            self.candidacies.entry(term).or_insert_with(|| context.observed.clone());
        }
        Ok(())
    }

    pub(crate) fn check_term_change(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(configuration) = self.committed_configuration(context.cluster) else { return Ok(()) };
        let id = context.node.id;
        if !self.is_healed_member(configuration, id) {
            return Ok(());
        }
        if self.stepped_down_at.is_some_and(|step| step != context.observed.step) {
            self.reset();
            return Ok(());
        }
        let Some(first) = self.candidacies.get(&term) else { return Ok(()) };
        let other = first.node;
        let reason = match configuration.has(other) {
            true => OutsiderReason::PermanentFault,
            false => OutsiderReason::NotMember(configuration.clone()),
        };
        let conflict = Conflict::RaisedByOutsider { node: id, term, outsider: other, reason };
        context.violation(Self::NAME, Some(first.clone()), conflict)
    }

    pub(crate) fn record_step_down(&mut self, context: CheckContext<'_>) -> CheckResult {
        if self.healed.contains(&context.node.id) {
            self.stepped_down_at = Some(context.observed.step);
        }
        Ok(())
    }

    /// A server crashed or restarted.
    pub(crate) fn record_failure(&mut self, context: CheckContext<'_>) -> CheckResult {
        if self.healed.contains(&context.node.id) {
            self.reset();
        }
        Ok(())
    }

    /// The committed configuration once it is quiet. There are no requests, so it is the one in force.
    fn committed_configuration<'a>(&self, cluster: &'a ClusterState) -> Option<&'a Configuration> {
        if self.healed.is_empty() {
            return None;
        }
        cluster.configuration_at(cluster.committed_log.last().index).map(|known| &known.configuration)
    }

    fn is_healed_member(&self, configuration: &Configuration, node: Node) -> bool {
        configuration.has(node) && self.healed.contains(&node)
    }

    fn reset(&mut self) {
        self.healed.clear();
        self.candidacies.clear();
        self.stepped_down_at = None;
    }
}
