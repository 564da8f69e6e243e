//! A disk on the table: what is durable, what was issued and is not yet, what a loss of power takes.

use raft_core::{Entry, Index, LogId, NodeId, Recovered, SaveId, SaveRecord, Term};
use std::collections::{BTreeSet, VecDeque};

/// One server's disk.
#[derive(Clone, Default)]
pub struct Disk {
    /// What survives a loss of power.
    pub durable: Recovered,
    /// What was issued and is not synced, oldest first.
    pub pending: VecDeque<Pending>,
    /// Whether somebody has to say when a write is synced. Otherwise it is at once.
    pub slow: bool,
    /// What a process crash left unsynced in the page cache.
    cache: Vec<SaveRecord>,
    /// Every entry that ever was durable here.
    ever: BTreeSet<(Index, Term)>,
    /// How far a snapshot that ever was durable here goes.
    snapshot_upto: Index,
}

/// A write that is not yet synced. Write 0 is the page cache that boot found.
#[derive(Clone)]
pub struct Pending {
    pub id: SaveId,
    pub writes: Vec<SaveRecord>,
}

impl Disk {
    /// The oldest write not yet synced becomes durable.
    pub fn sync_one(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        for write in &pending.writes {
            self.harden(write);
        }
        Some(pending)
    }

    /// The process is gone: what it wrote stays in the page cache.
    pub fn process_crash(&mut self) {
        self.cache = self.pending.drain(..).flat_map(|pending| pending.writes).collect();
    }

    /// The power is gone, and with it everything that was not synced, but for the oldest `kept` writes.
    pub fn power_loss(&mut self, kept: usize) -> Vec<SaveRecord> {
        for _ in 0..kept {
            self.sync_one();
        }
        let cache = std::mem::take(&mut self.cache);
        cache.into_iter().chain(self.pending.drain(..).flat_map(|pending| pending.writes)).collect()
    }

    /// A new incarnation reads everything, synced or not, and has to sync it as write 0.
    pub fn boot(&mut self) -> Recovered {
        let mut recovered = self.durable.clone();
        let writes = std::mem::take(&mut self.cache);
        for write in &writes {
            replay(&mut recovered, write);
        }
        self.pending.push_back(Pending { id: SaveId(0), writes });
        recovered
    }

    /// Whether this entry ever was durable here, or a snapshot of it: who calls knows that it is the committed one.
    pub fn ever_had(&self, id: LogId) -> bool {
        self.ever.contains(&(id.index, id.term)) || self.snapshot_upto >= id.index
    }

    /// What is durable at a place of the log that was not compacted away.
    pub fn entry(&self, index: Index) -> Option<&Entry> {
        let place = index.0.checked_sub(compacted(&self.durable).index.0 + 1)?;
        self.durable.entries.get(place as usize)
    }

    /// How long the durable log is, what was compacted away included.
    pub fn length(&self) -> Index {
        Index(compacted(&self.durable).index.0 + self.durable.entries.len() as u64)
    }

    /// Whether the durable vote is this one.
    pub fn voted(&self, term: Term, vote: NodeId) -> bool {
        self.durable.term == term && self.durable.vote == Some(vote)
    }

    fn harden(&mut self, write: &SaveRecord) {
        replay(&mut self.durable, write);
        if let Some(kept) = &write.checkpoint {
            self.snapshot_upto = self.snapshot_upto.max(kept.snapshot.last.index);
        }
        let first = write.after.0 + 1;
        self.ever
            .extend((first..).zip(write.entries.iter()).map(|(index, entry)| (Index(index), entry.term)));
    }
}

fn replay(recovered: &mut Recovered, write: &SaveRecord) {
    recovered.term = write.term;
    recovered.vote = write.vote;
    if let Some(kept) = &write.checkpoint {
        recovered.checkpoint = Some((**kept).clone());
        recovered.entries.clear();
    }
    let after =
        write.after.0.checked_sub(compacted(recovered).index.0).expect("a write begins before the log does");
    assert!(after as usize <= recovered.entries.len(), "a write leaves a gap in the log");
    recovered.entries.truncate(after as usize);
    recovered.entries.extend(write.entries.iter().cloned());
}

/// The last entry that a disk no longer keeps.
pub fn compacted(recovered: &Recovered) -> LogId {
    recovered.checkpoint.as_ref().map_or(LogId::default(), |kept| kept.compacted)
}
