//! A disk of the table: what is durable, what is issued but not synced, and what a power loss takes.

use raft_core::{Entry, Index, LogId, NodeId, Recovered, SaveId, SaveRecord, Term};
use std::collections::{BTreeSet, VecDeque};

/// One server's disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    /// What survives a power loss.
    pub(crate) durable: Recovered,
    /// What was issued and is not synced, oldest first.
    pub(crate) pending: VecDeque<Pending>,
    /// Whether writes wait for the test to sync them. Otherwise they are synced at once.
    pub(crate) slow: bool,
    /// What a process crash left unsynced in the page cache.
    page_cache: Vec<SaveRecord>,
    /// Every entry that was ever durable here.
    ever_durable: BTreeSet<(Index, Term)>,
    /// The last index of every snapshot that was ever durable here, at most.
    max_snapshot_index: Index,
}

/// A write that is not synced yet. Write 0 is the page cache found at start.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) id: SaveId,
    pub(crate) writes: Vec<SaveRecord>,
}

impl Disk {
    /// Makes the oldest pending write durable.
    pub(crate) fn sync_one(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        for write in &pending.writes {
            self.make_durable(write);
        }
        Some(pending)
    }

    /// Stops the process: pending writes stay in the page cache.
    pub(crate) fn process_crash(&mut self) {
        self.page_cache = self.pending.drain(..).flat_map(|pending| pending.writes).collect();
    }

    /// Cuts the power: everything unsynced is lost, except the oldest `synced` writes. Returns what is lost.
    pub(crate) fn power_loss(&mut self, synced: usize) -> Vec<SaveRecord> {
        for _ in 0..synced {
            self.sync_one();
        }
        let page_cache = std::mem::take(&mut self.page_cache);
        page_cache.into_iter().chain(self.pending.drain(..).flat_map(|pending| pending.writes)).collect()
    }

    /// Starts a new incarnation: it reads everything, synced or not, and must sync it as write 0.
    pub(crate) fn recover(&mut self) -> Recovered {
        let mut recovered = self.durable.clone();
        let writes = std::mem::take(&mut self.page_cache);
        for write in &writes {
            replay(&mut recovered, write);
        }
        self.pending.push_back(Pending { id: SaveId(0), writes });
        recovered
    }

    /// Whether this entry, or a snapshot that covers it, was ever durable here. The caller knows that the entry is the
    /// committed one.
    pub(crate) fn was_ever_durable(&self, id: LogId) -> bool {
        self.ever_durable.contains(&(id.index, id.term)) || self.max_snapshot_index >= id.index
    }

    /// The durable entry at an index, unless it was compacted.
    pub(crate) fn entry(&self, index: Index) -> Option<&Entry> {
        let position = index.0.checked_sub(compacted(&self.durable).index.0 + 1)?;
        self.durable.entries.get(position as usize)
    }

    /// Whether this vote is durable.
    pub(crate) fn has_durable_vote(&self, term: Term, vote: NodeId) -> bool {
        self.durable.term == term && self.durable.vote == Some(vote)
    }

    fn make_durable(&mut self, write: &SaveRecord) {
        replay(&mut self.durable, write);
        if let Some(synced) = &write.checkpoint {
            self.max_snapshot_index = self.max_snapshot_index.max(synced.snapshot.last.index);
        }
        let first = write.after.0 + 1;
        self.ever_durable
            .extend((first..).zip(write.entries.iter()).map(|(index, entry)| (Index(index), entry.term)));
    }
}

fn replay(recovered: &mut Recovered, write: &SaveRecord) {
    recovered.term = write.term;
    recovered.vote = write.vote;
    if let Some(synced) = &write.checkpoint {
        recovered.checkpoint = Some((**synced).clone());
        recovered.entries.clear();
    }
    let after = write
        .after
        .0
        .checked_sub(compacted(recovered).index.0)
        .expect("a write must start after the compacted entries");
    assert!(after as usize <= recovered.entries.len(), "a write must not leave a gap in the log");
    recovered.entries.truncate(after as usize);
    recovered.entries.extend(write.entries.iter().cloned());
}

/// The last compacted entry of what is on a disk.
pub(crate) fn compacted(recovered: &Recovered) -> LogId {
    recovered.checkpoint.as_ref().map_or(LogId::default(), |synced| synced.compacted)
}
