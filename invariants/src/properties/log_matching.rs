//! **Log matching**: if two logs have an entry of the same index and term, they are equal up to and with that entry.
//!
//! *Source*: Raft paper, figure 3 and 5.3. *Facts*: `Appended`, `SavedEntry`, `Started`, `Truncated`, `Saved`.
//!
//! *Reading*: the first writer of (index, term) decides what stands there and what stands before it. Every later writer
//! is compared with it, in memory and on disk. A restart must find a log that ends with an entry which somebody once
//! wrote, and its digest of the whole must be the shadow's own.
//!
//! *Blind spots*: a wrong entry that only one server ever has. A recovered log whose base is a snapshot is compared by
//! its last entry only. A recording must begin with the cluster, or the first restart finds entries nobody wrote.

use crate::fact::{Digest, Fact, Index, LogId, Term};
use crate::scene::{Scene, Verdict};
use crate::shadow::Runs;

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
        if last.index == 0 {
            return Ok(());
        }
        self.looked += 1;
        let node = scene.node.id;
        let Some(known) = scene.shadow.entries.find(last) else {
            let sentence = format!("n{node} starts with a log that ends at {last}, which nobody ever wrote");
            return scene.clash(Self::NAME, None, sentence);
        };
        if base.index > 0 || digest == known.prefix {
            return Ok(());
        }
        let first =
            known.seen.fact(Fact::Appended { index: last.index, term: last.term, entry: known.entry });
        let sentence =
            format!("n{node} starts with a log up to {last} that is not the one which was written");
        scene.clash(Self::NAME, Some(first), sentence)
    }
}
