//! **A leader commits by count only entries of its own term.**
//!
//! *Source*: Raft paper, 5.4.2 and figure 8; figure 2, last rule for leaders. *Facts*: `Committed`, `Leads`, `Appended`.
//!
//! *Reading*: the entry at the commit index that a leader states is of the term that it leads. Older entries below it are
//! carried along.
//!
//! *Blind spots*: a leader that leaps over the wrong index within one step and states only the last. Looks only where
//! logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Index, LogId, Term};

/// A leader commits by count only entries of its own term.
#[derive(Default, Debug)]
pub struct CurrentTermCommit {
    pub(crate) checks: u64,
}

impl CurrentTermCommit {
    /// Its name.
    pub const NAME: &str = "current-term-commit";
    /// In one line.
    pub const ABOUT: &str = "a leader's commit index moves to entries of its own term only";

    pub(crate) fn check_leader_commit(
        &mut self,
        scene: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        // What a server already knew to be committed before it was elected is not committed by count.
        if scene.shadow.entries.is_empty() || index <= scene.node.commit_index {
            return Ok(());
        }
        self.checks += 1;
        let node = scene.node.id;
        let sentence = match scene.node.log.term_at(index) {
            Some(term) if term == led => return Ok(()),
            Some(term) => format!("n{node} leads term {led} and commits {}", LogId { index, term }),
            None => format!(
                "n{node} leads term {led} and commits {index}, but its log ends at {}",
                scene.node.log.last()
            ),
        };
        scene.violation(Self::NAME, scene.shadow.leader_fact(led), sentence)
    }
}
