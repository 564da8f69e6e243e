//! **Log matching**: if two logs have an entry of the same index and term, they are equal up to that entry.
//!
//! *Source*: Raft paper, figure 3 and 5.3; a snapshot covers committed entries: 7; TLA+: `LogMatchingInv` (etcd).
//! *Facts*: `Appended`, `SavedEntry`, `Started`, `Truncated`, `Saved`, `SnapshotInstalled`, `SavedSnapshot`,
//! `Committed`.
//!
//! *Check*: the first statement of (index, term) fixes the entry and everything before it. All later ones, in memory
//! and on disk, are compared with it. A restart must find a log that ends with an entry that was written before, and
//! its digest of the log (after a snapshot: of the rest) must be the shadow's. A snapshot replaces the beginning of a
//! log, so its last entry must be committed: in memory, on disk and after a restart.
//!
//! *Blind spots*: a wrong entry that only one server ever has. Snapshots are not checked before the first commit of a
//! leader. A recording must begin with an empty cluster; otherwise the first restart finds entries that no server
//! wrote.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Digest, Fact, Index, LogId, Term};
use crate::shadow::{Entry, TermRuns};

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
        self.check_write(context, &context.node.log, LogId { index, term }, entry, "appends")
    }

    pub(crate) fn check_saved_entry(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        term: Term,
        entry: Digest,
    ) -> CheckResult {
        self.check_write(context, &context.node.durable.log, LogId { index, term }, entry, "saves")
    }

    fn check_write(
        &mut self,
        context: CheckContext<'_>,
        log: &TermRuns,
        id: LogId,
        entry: Digest,
        verb: &str,
    ) -> CheckResult {
        let entries = &context.shadow.entries;
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
        let sentence = if known.digest == entry {
            format!("n{node} {verb} {id} after a log that differs from the one in which n{writer} wrote it")
        } else {
            format!("n{node} {verb} {id} with {entry} although n{writer} wrote {} there", known.digest)
        };
        let first = Fact::Appended { index: id.index, term: id.term, entry: known.digest };
        context.violation(Self::NAME, Some(known.origin.observed(first)), sentence)
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
            self.check_snapshot_committed(
                context,
                base,
                "starts with a snapshot instead of the entries up to",
            )?;
        }
        self.checks += 1;
        let (node, entries) = (context.node.id, &context.shadow.entries);
        if entries.prefix_digest(last).is_none() {
            let sentence = format!("n{node} starts with a log that ends at {last}, which no server wrote");
            return context.violation(Self::NAME, None, sentence);
        }
        let found = entries.digest_between(base, last);
        if found == Some(digest) {
            return Ok(());
        }
        let written = |known: &Entry| {
            let appended = Fact::Appended { index: last.index, term: last.term, entry: known.digest };
            known.origin.observed(appended)
        };
        let sentence = if found.is_none() {
            format!("n{node} starts with a log up to {last} that does not follow {base}")
        } else if base == start {
            format!("n{node} starts with a log up to {last} that differs from the one that was written")
        } else {
            format!(
                "n{node} starts with a log from {base} up to {last} that differs from the one that was written"
            )
        };
        context.violation(Self::NAME, entries.find(last).map(written), sentence)
    }

    pub(crate) fn check_install(&mut self, context: CheckContext<'_>, last: LogId) -> CheckResult {
        self.check_snapshot_committed(context, last, "replaces its log with a snapshot up to")
    }

    pub(crate) fn check_saved_snapshot(
        &mut self,
        context: CheckContext<'_>,
        base: LogId,
        last: LogId,
    ) -> CheckResult {
        self.check_snapshot_committed(context, last, "saves a snapshot up to")?;
        if base.index > last.index {
            let sentence = format!(
                "n{} saves a snapshot up to {last} and only the entries after {base}",
                context.node.id
            );
            return context.violation(Self::NAME, None, sentence);
        }
        self.check_snapshot_committed(context, base, "saves a snapshot instead of the entries up to")
    }

    fn check_snapshot_committed(&mut self, context: CheckContext<'_>, id: LogId, does: &str) -> CheckResult {
        if context.shadow.committed_log.last().index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let Some((first, why)) = context.explain_uncommitted(id) else { return Ok(()) };
        context.violation(Self::NAME, first, format!("n{} {does} {id} although {why}", context.node.id))
    }
}
