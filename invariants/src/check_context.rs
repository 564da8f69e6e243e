//! What a property is shown: the past and one new fact.

use crate::fact::{Fact, Index, LogId, Node, Observed};
use crate::shadow::{NodeShadow, Shadow};
use crate::violation::Violation;

/// What a property answers: nothing, or the clash.
pub(crate) type CheckResult = Result<(), Box<Violation>>;

/// One server's fact against everything before it.
#[derive(Clone, Copy)]
pub(crate) struct CheckContext<'a> {
    /// The past.
    pub shadow: &'a Shadow,
    /// The server whose fact it is, in the past.
    pub node: &'a NodeShadow,
    /// The fact.
    pub observed: &'a Observed,
}

impl CheckContext<'_> {
    /// How a person is told that the server's log now ends with `after`.
    #[cold]
    pub fn describe_truncation(&self, after: Index) -> String {
        let node = self.node.id;
        match self.observed.fact {
            Fact::SnapshotInstalled { last, .. } => {
                format!("n{node} replaces its log by a snapshot up to {last}")
            }
            _ => format!("n{node} cuts its log to {after}"),
        }
    }

    /// A snapshot stands for a log that is committed. What a person is told of one up to `id` that does not, and the fact
    /// that speaks against it.
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

    /// The fact contradicts `first`, or the past as a whole.
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

/// Servers as a person writes them: `n1, n2 and n3`.
pub(crate) fn format_nodes(nodes: impl IntoIterator<Item = Node>) -> String {
    let names: Vec<String> = nodes.into_iter().map(|node| format!("n{node}")).collect();
    match names.split_last() {
        None => "nobody".into(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
