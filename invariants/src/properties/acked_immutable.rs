//! **What was acknowledged stays for that term**: a follower cuts nothing that it has acknowledged to the leader of the
//! term that it is still in.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (a follower deletes only entries that conflict with the leader's), 7 and
//! figure 13 (entries after a snapshot whose last entry is in the log are kept). *Facts*: `Acknowledged`, `Truncated`,
//! `SnapshotInstalled`, `TermChanged`, `Started`.
//!
//! *Reading*: an acknowledged log equals the leader's, and a leader never changes its log, so nothing of its own can
//! conflict with it. Only the leader of a higher term may replace it, and a follower adopts that term first. A snapshot
//! of the leader covers what was acknowledged, or leaves in place what was acknowledged beyond it. A compaction leaves
//! the log as it is.
//!
//! *Blind spots*: what is lost without being cut: with the power, or with a disk.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Index};

/// A follower cuts nothing that it has acknowledged in its current term.
#[derive(Default, Debug)]
pub struct AckedImmutable {
    pub(crate) checks: u64,
}

impl AckedImmutable {
    /// Its name.
    pub const NAME: &str = "acked-immutable";
    /// In one line.
    pub const ABOUT: &str = "a follower cuts nothing that it has acknowledged in its current term";

    /// The log ends with `after` from now on.
    pub(crate) fn check_truncate(&mut self, scene: CheckContext<'_>, after: Index) -> CheckResult {
        let node = scene.node;
        let Some(given) = node.furthest_ack.filter(|given| node.term == Some(given.term)) else {
            return Ok(());
        };
        if after >= node.log.last().index {
            return Ok(());
        }
        self.checks += 1;
        if after >= given.index {
            return Ok(());
        }
        let first = Fact::Acknowledged { term: given.term, index: given.index };
        let sentence = format!(
            "{} in term {}, in which it has acknowledged {}",
            scene.describe_truncation(after),
            given.term,
            given.index
        );
        scene.violation(Self::NAME, Some(given.origin.observed(first)), sentence)
    }
}
