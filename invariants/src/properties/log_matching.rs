//! **Log matching**: if two logs have an entry of the same index and term, they are equal up to that entry.
//!
//! *Source*: Raft paper, figure 3 and 5.3; a snapshot covers committed entries: 7; TLA+: `LogMatchingInv` (etcd).
//! *Facts*: `Appended`, `SavedEntry`, `Started`, `Truncated`, `Saved`, `SnapshotInstalled`, `SavedSnapshot`,
//! `Committed`.
//!
//! *Check*: the first statement of (index, term) fixes the entry and everything before it. All later ones, in memory
//! and on disk, are compared with it. A restart must find a log that ends with an entry that was written before, and
//! its digest of the log (after a snapshot: of the rest) must fit the entries first stated. A snapshot replaces the
//! beginning of a log, so its last entry must be committed: in memory, on disk and after a restart.
//!
//! *Blind spots*: a wrong entry that only one server ever has. Snapshots are not checked before the first commit of a
//! leader. A recording must begin with an empty cluster; otherwise the first restart finds entries that no server
//! wrote.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, SnapshotStep, Write};
use crate::fact::{Digest, Fact, Index, LogId, Term};
use crate::state::{Entry, TermRuns};

/// Equal index and term mean equal logs up to there.
#[derive(Default, Debug)]
pub struct LogMatching {
    pub(crate) checks: u64,
}

impl LogMatching {
    /// The name.
    pub const NAME: &str = "log-matching";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "equal index and term mean equal logs up to there, in memory, on disk and after a restart";

    pub(crate) fn check_append(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        term: Term,
        entry: Digest,
    ) -> CheckResult {
        self.check_write(context, &context.node.log, LogId { index, term }, entry, Write::Append)
    }

    pub(crate) fn check_saved_entry(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        term: Term,
        entry: Digest,
    ) -> CheckResult {
        self.check_write(context, &context.node.durable.log, LogId { index, term }, entry, Write::Save)
    }

    fn check_write(
        &mut self,
        context: CheckContext<'_>,
        log: &TermRuns,
        id: LogId,
        entry: Digest,
        write: Write,
    ) -> CheckResult {
        let entries = &context.cluster.entries;
        let Some(known) = entries.find(id) else { return Ok(()) };
        self.checks += 1;
        // Equal entries after different predecessors violate the property too (5.3, by induction).
        let index = id.index - 1;
        let previous = log.term_at(index).map(|term| LogId { index, term });
        let prefix = previous.and_then(|previous| entries.prefix_digest(previous));
        let follows = prefix.is_none_or(|prefix| prefix.then_entry(id.term, entry) == known.prefix_digest);
        if known.digest == entry && follows {
            return Ok(());
        }
        let (node, writer) = (context.node.id, known.origin.node);
        let conflict = if known.digest == entry {
            Conflict::EntryAfterOtherLog { node, write, entry: id, writer }
        } else {
            Conflict::EntryDiffers { node, write, entry: id, content: entry, writer, written: known.digest }
        };
        let first = Fact::Appended { index: id.index, term: id.term, entry: known.digest };
        context.violation(Self::NAME, Some(known.origin.observed(first)), conflict)
    }

    pub(crate) fn check_start(
        &mut self,
        context: CheckContext<'_>,
        base: LogId,
        last: LogId,
        digest: Digest,
    ) -> CheckResult {
        let start = LogId::default();
        if (base, last) == (start, start) {
            return Ok(());
        }
        if base != start {
            self.check_snapshot_committed(context, base, SnapshotStep::StartInsteadOfEntries)?;
        }
        self.checks += 1;
        let (node, entries) = (context.node.id, &context.cluster.entries);
        if entries.prefix_digest(last).is_none() {
            return context.violation(Self::NAME, None, Conflict::StartedWithUnwrittenLog { node, last });
        }
        let found = entries.digest_between(base, last);
        if found == Some(digest) {
            return Ok(());
        }
        let written = |known: &Entry| {
            let appended = Fact::Appended { index: last.index, term: last.term, entry: known.digest };
            known.origin.observed(appended)
        };
        let conflict = match found {
            None => Conflict::StartedAfterOtherBase { node, last, base },
            Some(_) => Conflict::StartedWithOtherLog { node, base, last },
        };
        context.violation(Self::NAME, entries.find(last).map(written), conflict)
    }

    pub(crate) fn check_install(&mut self, context: CheckContext<'_>, last: LogId) -> CheckResult {
        self.check_snapshot_committed(context, last, SnapshotStep::Install)
    }

    pub(crate) fn check_saved_snapshot(
        &mut self,
        context: CheckContext<'_>,
        base: LogId,
        last: LogId,
    ) -> CheckResult {
        self.check_snapshot_committed(context, last, SnapshotStep::Save)?;
        if base.index > last.index {
            let conflict = Conflict::CompactedBeyondSnapshot { node: context.node.id, last, base };
            return context.violation(Self::NAME, None, conflict);
        }
        self.check_snapshot_committed(context, base, SnapshotStep::SaveInsteadOfEntries)
    }

    fn check_snapshot_committed(
        &mut self,
        context: CheckContext<'_>,
        id: LogId,
        step: SnapshotStep,
    ) -> CheckResult {
        if context.cluster.committed_log.last().index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let Some((first, committed)) = context.committed_instead(id) else { return Ok(()) };
        let conflict = Conflict::SnapshotNotCommitted { node: context.node.id, step, entry: id, committed };
        context.violation(Self::NAME, first, conflict)
    }
}
