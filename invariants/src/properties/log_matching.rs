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

use crate::fact::{Digest, Fact, Index, LogId, Term};
use crate::scene::{Scene, Verdict};
use crate::shadow::{Entry, Runs};

/// Equal index and term, equal logs up to there.
#[derive(Default, Debug)]
pub struct LogMatching {
    pub(crate) looked: u64,
}

impl LogMatching {
    /// Its name.
    pub const NAME: &str = "log-matching";
    /// In one line.
    pub const ABOUT: &str =
        "equal index and term mean equal logs up to there, in memory, on disk and after a restart";

    pub(crate) fn appends(&mut self, scene: Scene<'_>, index: Index, term: Term, entry: Digest) -> Verdict {
        self.writes(scene, &scene.node.log, LogId { index, term }, entry, "appends")
    }

    pub(crate) fn saves(&mut self, scene: Scene<'_>, index: Index, term: Term, entry: Digest) -> Verdict {
        self.writes(scene, &scene.node.durable.log, LogId { index, term }, entry, "saves")
    }

    fn writes(&mut self, scene: Scene<'_>, log: &Runs, id: LogId, entry: Digest, verb: &str) -> Verdict {
        let entries = &scene.shadow.entries;
        let Some(known) = entries.find(id) else { return Ok(()) };
        self.looked += 1;
        // Two equal entries after different predecessors are as bad as two different ones (5.3, by induction).
        let index = id.index - 1;
        let previous = log.term_at(index).map(|term| LogId { index, term });
        let prefix = previous.and_then(|previous| entries.prefix(previous));
        let follows = prefix.is_none_or(|prefix| prefix.then_entry(id.term, entry) == known.prefix);
        if known.entry == entry && follows {
            return Ok(());
        }
        let (node, writer) = (scene.node.id, known.seen.node);
        let sentence = if known.entry == entry {
            format!("n{node} {verb} {id} after a log that differs from the one in which n{writer} wrote it")
        } else {
            format!("n{node} {verb} {id} with {entry} although n{writer} wrote {} there", known.entry)
        };
        let first = Fact::Appended { index: id.index, term: id.term, entry: known.entry };
        scene.clash(Self::NAME, Some(known.seen.fact(first)), sentence)
    }

    pub(crate) fn starts(&mut self, scene: Scene<'_>, base: LogId, last: LogId, digest: Digest) -> Verdict {
        let nothing = LogId::default();
        if (base, last) == (nothing, nothing) {
            return Ok(());
        }
        if base != nothing {
            self.stands_for_committed(scene, base, "starts with a snapshot instead of everything up to")?;
        }
        self.looked += 1;
        let (node, entries) = (scene.node.id, &scene.shadow.entries);
        if entries.prefix(last).is_none() {
            let sentence = format!("n{node} starts with a log that ends at {last}, which nobody ever wrote");
            return scene.clash(Self::NAME, None, sentence);
        }
        let found = entries.fold_between(base, last);
        if found == Some(digest) {
            return Ok(());
        }
        let wrote = |known: &Entry| {
            let written = Fact::Appended { index: last.index, term: last.term, entry: known.entry };
            known.seen.fact(written)
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
        scene.clash(Self::NAME, entries.find(last).map(wrote), sentence)
    }

    pub(crate) fn installs(&mut self, scene: Scene<'_>, last: LogId) -> Verdict {
        self.stands_for_committed(scene, last, "replaces its log by a snapshot up to")
    }

    pub(crate) fn saves_snapshot(&mut self, scene: Scene<'_>, base: LogId, last: LogId) -> Verdict {
        self.stands_for_committed(scene, last, "saves a snapshot up to")?;
        if base.index > last.index {
            let sentence =
                format!("n{} saves a snapshot up to {last} and only what comes after {base}", scene.node.id);
            return scene.clash(Self::NAME, None, sentence);
        }
        self.stands_for_committed(scene, base, "saves a snapshot instead of everything up to")
    }

    fn stands_for_committed(&mut self, scene: Scene<'_>, id: LogId, does: &str) -> Verdict {
        if scene.shadow.committed.last().index == 0 {
            return Ok(());
        }
        self.looked += 1;
        let Some((first, why)) = scene.not_committed(id) else { return Ok(()) };
        scene.clash(Self::NAME, first, format!("n{} {does} {id} although {why}", scene.node.id))
    }
}
