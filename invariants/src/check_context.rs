//! What a property checks: one new fact against the state before it.

use crate::conflict::{CommittedInstead, Conflict, Truncation};
use crate::fact::{Fact, Index, LogId, Observed};
use crate::state::{ClusterState, ServerState};
use crate::violation::Violation;

/// The result of a check: nothing, or a violation.
pub(crate) type CheckResult = Result<(), Box<Violation>>;

/// A server's fact and the state before it.
#[derive(Clone, Copy)]
pub(crate) struct CheckContext<'a> {
    /// The state of the cluster before the fact.
    pub cluster: &'a ClusterState,
    /// The state of the fact's server before the fact.
    pub node: &'a ServerState,
    /// The fact.
    pub observed: &'a Observed,
}

impl CheckContext<'_> {
    /// The server's log now ends with `after`.
    pub(crate) fn truncation(&self, after: Index) -> Truncation {
        match self.observed.fact {
            Fact::SnapshotInstalled { last, .. } => Truncation::BySnapshot(last),
            _ => Truncation::After(after),
        }
    }

    /// What is committed instead of `id`, with the fact that states it; `None` if `id` is committed.
    pub(crate) fn committed_instead(&self, id: LogId) -> Option<(Option<Observed>, CommittedInstead)> {
        let committed = &self.cluster.committed_log;
        if committed.contains(id) {
            return None;
        }
        let instead = match committed.term_at(id.index) {
            Some(term) => CommittedInstead::Other(LogId { index: id.index, term }),
            None => CommittedInstead::Nothing(committed.last()),
        };
        Some((self.cluster.commits.fact(id.index), instead))
    }

    /// A violation by this fact; `first` is the earlier fact that it contradicts, if it is a single one.
    #[cold]
    pub(crate) fn violation(
        &self,
        property: &'static str,
        first: Option<Observed>,
        conflict: Conflict,
    ) -> CheckResult {
        Err(Box::new(Violation { property, conflict, first, second: self.observed.clone() }))
    }
}
