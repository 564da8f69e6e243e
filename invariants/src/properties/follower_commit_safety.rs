//! **Followers commit what a leader has committed**, and nothing else.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (`leaderCommit`). *Facts*: `Committed`, `Leads`, `Appended`, `Truncated`.
//!
//! *Reading*: the commit index of a server that does not lead is at most the furthest that any leader has committed, and
//! its log has the committed entry there; by log matching, everything before it too.
//!
//! *Blind spots*: a commit index that is lower after a restart is let go, since it is volatile. Looks only where logs are
//! stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Index, LogId};

/// Followers commit what a leader has committed.
#[derive(Default, Debug)]
pub struct FollowerCommitSafety {
    pub(crate) checks: u64,
}

impl FollowerCommitSafety {
    /// Its name.
    pub const NAME: &str = "follower-commit-safety";
    /// In one line.
    pub const ABOUT: &str =
        "who does not lead commits only what some leader has committed, and has it in its log";

    pub(crate) fn check_follower_commit(&mut self, scene: CheckContext<'_>, index: Index) -> CheckResult {
        let (shadow, node) = (scene.shadow, scene.node.id);
        if shadow.entries.is_empty() || index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let Some(term) = shadow.committed_log.term_at(index) else {
            let furthest = shadow.committed_log.last();
            let sentence =
                format!("n{node} commits {index} although no leader has committed further than {furthest}");
            return scene.violation(Self::NAME, shadow.commit_fact(index), sentence);
        };
        let committed = LogId { index, term };
        let sentence = match scene.node.log.term_at(index) {
            Some(own) if own == term => return Ok(()),
            Some(own) => {
                format!("n{node} commits {} although {committed} is committed", LogId { index, term: own })
            }
            None => format!("n{node} commits {committed} although its log ends at {}", scene.node.log.last()),
        };
        scene.violation(Self::NAME, shadow.commit_fact(index), sentence)
    }
}
