//! **Follower commit safety**: a follower commits only what a leader has committed.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (`leaderCommit`); TLA+: `LogInv` (etcd). *Facts*: `Committed`, `Leads`,
//! `Appended`, `Truncated`.
//!
//! *Check*: the commit index of a server that does not lead is at most the highest that any leader has committed, and
//! its log has the committed entry there; by log matching, also everything before it.
//!
//! *Blind spots*: a lower commit index after a restart is allowed, since the commit index is volatile. Checks only
//! where logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId};

/// A follower commits only what a leader has committed.
#[derive(Default, Debug)]
pub struct FollowerCommitSafety {
    pub(crate) checks: u64,
}

impl FollowerCommitSafety {
    /// The name.
    pub const NAME: &str = "follower-commit-safety";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a follower commits only what a leader has committed, and has it in its log";

    pub(crate) fn check_follower_commit(&mut self, context: CheckContext<'_>, index: Index) -> CheckResult {
        let (cluster, node) = (context.cluster, context.node.id);
        if cluster.entries.is_empty() || index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let Some(term) = cluster.committed_log.term_at(index) else {
            let last = cluster.committed_log.last();
            let conflict = Conflict::CommittedBeyondLeaders { node, index, last };
            return context.violation(Self::NAME, cluster.commits.fact(index), conflict);
        };
        let committed = LogId { index, term };
        let conflict = match context.node.log.term_at(index) {
            Some(own) if own == term => return Ok(()),
            Some(own) => Conflict::CommittedOtherEntry { node, entry: LogId { index, term: own }, committed },
            None => Conflict::CommittedMissingEntry { node, committed, last: context.node.log.last() },
        };
        context.violation(Self::NAME, cluster.commits.fact(index), conflict)
    }
}
