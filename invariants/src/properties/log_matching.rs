//! **Log matching**: if two logs have an entry of the same index and term, they are equal up to and with that entry.
//!
//! *Source*: Raft paper, figure 3 and 5.3; that a snapshot stands for a committed log: 7. *Facts*: `Appended`,
//! `SavedEntry`, `Started`, `Truncated`, `Saved`, `SnapshotInstalled`, `SavedSnapshot`, `Committed`.
//!
//! *Reading*: the first writer of (index, term) decides what stands there and what stands before it. Every later writer
//! is compared with it, in memory and on disk. A restart must find a log that ends with an entry which somebody once
//! wrote, and its digest of the whole, or of what it finds after a snapshot, must be the shadow's own. A snapshot takes
//! the place of a log's beginning, so its last entry is committed, in memory, on disk and after a restart.
//!
//! *Blind spots*: a wrong entry that only one server ever has. A recording must begin with the cluster, or the first
//! restart finds entries nobody wrote. Snapshots are let go while no leader has committed anything.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Digest, Fact, Index, LogId, Term};
use crate::shadow::{Entry, TermRuns};

/// Equal index and term, equal logs up to there.
#[derive(Default, Debug)]
pub struct LogMatching {
    pub(crate) checks: u64,
}

impl LogMatching {
    /// Its name.
    pub const NAME: &str = "log-matching";
    /// In one line.
    pub const ABOUT: &str =
        "equal index and term mean equal logs up to there, in memory, on disk and after a restart";

    pub(crate) fn check_append(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        term: Term,
        entry: Digest,
    ) -> CheckResult {
        self.check_write(scene, &scene.node.log, LogId { index, term }, entry, "appends")
    }

    pub(crate) fn check_saved_entry(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        term: Term,
        entry: Digest,
    ) -> CheckResult {
        self.check_write(scene, &scene.node.durable.log, LogId { index, term }, entry, "saves")
    }

    fn check_write(
        &mut self,
        scene: CheckContext<'_>,
        log: &TermRuns,
        id: LogId,
        entry: Digest,
        verb: &str,
    ) -> CheckResult {
        let entries = &scene.shadow.entries;
        let Some(known) = entries.find(id) else { return Ok(()) };
        self.checks += 1;
        // Two equal entries after different predecessors are as bad as two different ones (5.3, by induction).
        let index = id.index - 1;
        let previous = log.term_at(index).map(|term| LogId { index, term });
        let prefix = previous.and_then(|previous| entries.prefix_digest(previous));
        let follows = prefix.is_none_or(|prefix| prefix.then_entry(id.term, entry) == known.prefix_digest);
        if known.digest == entry && follows {
            return Ok(());
        }
        let (node, writer) = (scene.node.id, known.origin.node);
        let sentence = if known.digest == entry {
            format!("n{node} {verb} {id} after a log that differs from the one in which n{writer} wrote it")
        } else {
            format!("n{node} {verb} {id} with {entry} although n{writer} wrote {} there", known.digest)
        };
        let first = Fact::Appended { index: id.index, term: id.term, entry: known.digest };
        scene.violation(Self::NAME, Some(known.origin.observed(first)), sentence)
    }

    pub(crate) fn check_start(
        &mut self,
        scene: CheckContext<'_>,
        base: LogId,
        last: LogId,
        digest: Digest,
    ) -> CheckResult {
        let nothing = LogId::default();
        if (base, last) == (nothing, nothing) {
            return Ok(());
        }
        if base != nothing {
            self.check_snapshot_committed(scene, base, "starts with a snapshot instead of everything up to")?;
        }
        self.checks += 1;
        let (node, entries) = (scene.node.id, &scene.shadow.entries);
        if entries.prefix_digest(last).is_none() {
            let sentence = format!("n{node} starts with a log that ends at {last}, which nobody ever wrote");
            return scene.violation(Self::NAME, None, sentence);
        }
        let found = entries.digest_between(base, last);
        if found == Some(digest) {
            return Ok(());
        }
        let wrote = |known: &Entry| {
            let written = Fact::Appended { index: last.index, term: last.term, entry: known.digest };
            known.origin.observed(written)
        };
        let sentence = if found.is_none() {
            format!("n{node} starts with a log up to {last} that does not come after {base}")
        } else if base == nothing {
            format!("n{node} starts with a log up to {last} that is not the one which was written")
        } else {
            format!(
                "n{node} starts with a log from {base} up to {last} that is not the one which was written"
            )
        };
        scene.violation(Self::NAME, entries.find(last).map(wrote), sentence)
    }

    pub(crate) fn check_install(&mut self, scene: CheckContext<'_>, last: LogId) -> CheckResult {
        self.check_snapshot_committed(scene, last, "replaces its log by a snapshot up to")
    }

    pub(crate) fn check_saved_snapshot(
        &mut self,
        scene: CheckContext<'_>,
        base: LogId,
        last: LogId,
    ) -> CheckResult {
        self.check_snapshot_committed(scene, last, "saves a snapshot up to")?;
        if base.index > last.index {
            let sentence =
                format!("n{} saves a snapshot up to {last} and only what comes after {base}", scene.node.id);
            return scene.violation(Self::NAME, None, sentence);
        }
        self.check_snapshot_committed(scene, base, "saves a snapshot instead of everything up to")
    }

    fn check_snapshot_committed(&mut self, scene: CheckContext<'_>, id: LogId, does: &str) -> CheckResult {
        if scene.shadow.committed_log.last().index == 0 {
            return Ok(());
        }
        self.checks += 1;
        let Some((first, why)) = scene.explain_uncommitted(id) else { return Ok(()) };
        scene.violation(Self::NAME, first, format!("n{} {does} {id} although {why}", scene.node.id))
    }
}
