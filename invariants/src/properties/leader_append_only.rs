//! **Leader append-only**: a leader never overwrites or deletes entries in its log; it only appends new ones.
//!
//! *Source*: Raft paper, figure 3 and 5.3. *Facts*: `Leads`, `SteppedDown`, `Crashed`, `PowerLost`, `TermChanged`,
//! `Truncated`, `Appended`, `SnapshotInstalled`.
//!
//! *Check*: from `Leads` until it steps down, crashes or adopts a newer term, a server truncates nothing, installs no
//! snapshot, and appends only entries of its own term. Every server appends right after its last entry: before it
//! overwrites entries it must state the truncation.
//!
//! *Blind spots*: entries that a former leader loses in a power failure are not truncated, and are allowed to go.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId, Term};

/// A leader only appends, and only entries of its own term.
#[derive(Default, Debug)]
pub struct LeaderAppendOnly {
    pub(crate) checks: u64,
}

impl LeaderAppendOnly {
    /// The name.
    pub const NAME: &str = "leader-append-only";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a leader truncates nothing and appends only entries of its own term, in order";

    pub(crate) fn check_truncate(&mut self, context: CheckContext<'_>, after: Index) -> CheckResult {
        let (node, last) = (context.node.id, context.node.log.last());
        if after >= last.index {
            return Ok(());
        }
        self.checks += 1;
        let Some(term) = context.node.leading_term() else { return Ok(()) };
        let conflict = Conflict::LeaderTruncated { node, term, last, after };
        context.violation(Self::NAME, context.cluster.leaderships.fact(term), conflict)
    }

    pub(crate) fn check_install(&mut self, context: CheckContext<'_>, last: LogId) -> CheckResult {
        self.checks += 1;
        let Some(term) = context.node.leading_term() else { return Ok(()) };
        let conflict = Conflict::LeaderInstalledSnapshot { node: context.node.id, term, last };
        context.violation(Self::NAME, context.cluster.leaderships.fact(term), conflict)
    }

    pub(crate) fn check_append(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        term: Term,
    ) -> CheckResult {
        let (node, last) = (context.node.id, context.node.log.last());
        let id = LogId { index, term };
        if index != last.index + 1 {
            return context.violation(Self::NAME, None, Conflict::AppendNotAtEnd { node, entry: id, last });
        }
        let Some(led) = context.node.leading_term() else { return Ok(()) };
        self.checks += 1;
        if term == led {
            return Ok(());
        }
        let conflict = Conflict::LeaderAppendedOtherTerm { node, term: led, entry: id };
        context.violation(Self::NAME, context.cluster.leaderships.fact(led), conflict)
    }
}
