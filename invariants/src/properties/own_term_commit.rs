//! **A leader commits by count only entries of its own term.**
//!
//! *Source*: Raft paper, 5.4.2 and figure 8; figure 2, last rule for leaders. *Facts*: `Committed`, `Leads`, `Appended`.
//!
//! *Reading*: the entry at the commit index that a leader states is of the term that it leads. Older entries below it are
//! carried along.
//!
//! *Blind spots*: a leader that leaps over the wrong index within one step and states only the last. Looks only where
//! logs are stated.

use crate::fact::{Index, LogId, Term};
use crate::scene::{Scene, Verdict};

/// A leader commits by count only entries of its own term.
#[derive(Default, Debug)]
pub struct OwnTermCommit {
    pub(crate) looked: u64,
}

impl OwnTermCommit {
    /// Its name.
    pub const NAME: &str = "own-term-commit";
    /// In one line.
    pub const ABOUT: &str = "a leader's commit index moves to entries of its own term only";

    pub(crate) fn leader_commits(&mut self, scene: Scene<'_>, led: Term, index: Index) -> Verdict {
        // What a server already knew to be committed before it was elected is not committed by count.
        if scene.shadow.entries.is_empty() || index <= scene.node.committed {
            return Ok(());
        }
        self.looked += 1;
        let node = scene.node.id;
        let sentence = match scene.node.log.term_at(index) {
            Some(term) if term == led => return Ok(()),
            Some(term) => format!("n{node} leads term {led} and commits {}", LogId { index, term }),
            None => format!(
                "n{node} leads term {led} and commits {index}, but its log ends at {}",
                scene.node.log.last()
            ),
        };
        scene.clash(Self::NAME, scene.shadow.leads_of(led), sentence)
    }
}
