//! What a property checks: one new fact against the state before it.

use crate::fact::{Fact, Index, LogId, Node, Observed};
use crate::shadow::{NodeShadow, Shadow};
use crate::violation::Violation;

/// The result of a check: nothing, or a violation.
pub(crate) type CheckResult = Result<(), Box<Violation>>;

/// A server's fact and the state before it.
#[derive(Clone, Copy)]
pub(crate) struct CheckContext<'a> {
    /// The state of the cluster before the fact.
    pub shadow: &'a Shadow,
    /// The state of the fact's server before the fact.
    pub node: &'a NodeShadow,
    /// The fact.
    pub observed: &'a Observed,
}

impl CheckContext<'_> {
    /// Describes that the server's log now ends with `after`.
    #[cold]
    pub fn describe_truncation(&self, after: Index) -> String {
        let node = self.node.id;
        match self.observed.fact {
            Fact::SnapshotInstalled { last, .. } => {
                format!("n{node} replaces its log with a snapshot up to {last}")
            }
            _ => format!("n{node} truncates its log to {after}"),
        }
    }

    /// Why a snapshot up to `id` does not cover only committed entries, with the fact that contradicts it; `None` if
    /// it does.
    pub fn explain_uncommitted(&self, id: LogId) -> Option<(Option<Observed>, String)> {
        let committed = &self.shadow.committed_log;
        if committed.contains(id) {
            return None;
        }
        let sentence = match committed.term_at(id.index) {
            Some(term) => format!("{} is committed", LogId { index: id.index, term }),
            None => format!("no leader has committed further than {}", committed.last()),
        };
        Some((self.shadow.commit_fact(id.index), sentence))
    }

    /// A violation by this fact; `first` is the earlier fact that it contradicts, if it is a single one.
    #[cold]
    pub fn violation(
        &self,
        property: &'static str,
        first: Option<Observed>,
        sentence: String,
    ) -> CheckResult {
        Err(Box::new(Violation { property, sentence, first, second: self.observed.clone() }))
    }
}

/// Formats a list of servers: `n1, n2 and n3`.
pub(crate) fn format_nodes(nodes: impl IntoIterator<Item = Node>) -> String {
    let names: Vec<String> = nodes.into_iter().map(|node| format!("n{node}")).collect();
    match names.split_last() {
        None => "no server".into(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
