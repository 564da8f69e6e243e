//! **Committed entries are immutable**: no other entry is committed in their place, no server truncates them, and no
//! commit index decreases.
//!
//! *Source*: Raft paper, 5.4 (a committed entry is durable and will be executed by all) and figure 2 (`commitIndex`
//! increases monotonically); TLA+: `LogInv` (etcd), `NoLogDivergence` (Vanlightly). *Facts*: `Committed`, `Leads`,
//! `Truncated`, `Appended`, `SnapshotInstalled`.
//!
//! *Check*: the committed log is what leaders have committed. A leader that commits must have the same entries up to
//! where both are committed. A server whose term is at least that of the leader that committed an entry must not
//! truncate from that entry: every leader that it can follow has it (5.4.3). The same for the entry after an
//! installed snapshot's last one: a server that has that last entry needs no snapshot and retains what follows
//! (figure 13). Within an incarnation the commit index does not decrease.
//!
//! Allowed: a server of an older term may truncate, since it follows an older leader that need not have the entry,
//! and it was not counted. After a restart the commit index may be lower, since it is volatile.
//!
//! *Blind spots*: entries are compared by index and term only; `log-matching` compares their contents. Entries that
//! are lost with a disk are not truncated. Checks only where logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId};

/// Committed entries never change.
#[derive(Default, Debug)]
pub struct CommittedImmutable {
    pub(crate) checks: u64,
}

impl CommittedImmutable {
    /// The name.
    pub const NAME: &str = "committed-immutable";
    /// What must hold, in one line.
    pub const ABOUT: &str = "no committed entry is replaced or truncated, and no commit index decreases";

    pub(crate) fn check_commit(&mut self, context: CheckContext<'_>, index: Index) -> CheckResult {
        let node = context.node;
        if index < node.known_committed() {
            let conflict =
                Conflict::CommitIndexLowered { node: node.id, from: node.known_committed(), to: index };
            return context.violation(Self::NAME, None, conflict);
        }
        if node.leading_term().is_none() {
            return Ok(());
        }
        let committed = &context.cluster.committed_log;
        let index = index.min(committed.last().index);
        let (Some(expected), Some(own)) = (committed.term_at(index), node.log.term_at(index)) else {
            return Ok(());
        };
        // A leader compared with its own earlier commit tells nothing: it cannot truncate in between.
        self.checks +=
            u64::from(context.cluster.commits.last_committer().is_some_and(|last| last != node.id));
        if own == expected {
            return Ok(());
        }
        let conflict = Conflict::CommittedOtherEntry {
            node: node.id,
            entry: LogId { index, term: own },
            committed: LogId { index, term: expected },
        };
        context.violation(Self::NAME, context.cluster.commits.fact(index), conflict)
    }

    /// The log now ends with `after`. The entries that a snapshot replaced up to there are committed
    /// (`log-matching`).
    pub(crate) fn check_truncate(&mut self, context: CheckContext<'_>, after: Index) -> CheckResult {
        let (node, committed) = (context.node, &context.cluster.committed_log);
        let index = after.saturating_add(1);
        let (Some(term), Some(own)) = (committed.term_at(index), node.log.term_at(index)) else {
            return Ok(());
        };
        let is_bound = context.cluster.commits.term(index) <= node.term;
        self.checks += u64::from(is_bound);
        if term != own || !is_bound {
            return Ok(());
        }
        let conflict = Conflict::CommittedTruncated {
            node: node.id,
            truncation: context.truncation(after),
            committed: LogId { index, term },
        };
        context.violation(Self::NAME, context.cluster.commits.fact(index), conflict)
    }
}
