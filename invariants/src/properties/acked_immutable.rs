//! **Acknowledged entries are immutable**: a follower truncates nothing that it has acknowledged to the leader of its
//! current term.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (a follower deletes only entries that conflict with the leader's), 7 and
//! figure 13 (entries after a snapshot whose last entry is in the log are retained). *Facts*: `Acknowledged`,
//! `Truncated`, `SnapshotInstalled`, `TermChanged`, `Started`.
//!
//! *Check*: the acknowledged log equals the leader's, and a leader never changes its log, so nothing that it sends
//! can conflict with it. Only the leader of a higher term may replace these entries, after the follower has adopted
//! that term. A leader's snapshot either covers the acknowledged entries or leaves those after it in place.
//! Compaction does not change the log.
//!
//! *Blind spots*: entries that are lost without a truncation: in a power failure or with a disk.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Fact, Index};

/// A follower truncates nothing that it has acknowledged in its current term.
#[derive(Default, Debug)]
pub struct AckedImmutable {
    pub(crate) checks: u64,
}

impl AckedImmutable {
    /// The name.
    pub const NAME: &str = "acked-immutable";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a follower truncates nothing that it has acknowledged in its current term";

    /// The log now ends with `after`.
    pub(crate) fn check_truncate(&mut self, context: CheckContext<'_>, after: Index) -> CheckResult {
        let node = context.node;
        let Some(ack) = node.furthest_ack.filter(|ack| node.term == Some(ack.term)) else {
            return Ok(());
        };
        if after >= node.log.last().index {
            return Ok(());
        }
        self.checks += 1;
        if after >= ack.index {
            return Ok(());
        }
        let first = Fact::Acknowledged { term: ack.term, index: ack.index };
        let conflict = Conflict::AckedTruncated {
            node: node.id,
            truncation: context.truncation(after),
            term: ack.term,
            acked: ack.index,
        };
        context.violation(Self::NAME, Some(ack.origin.observed(first)), conflict)
    }
}
