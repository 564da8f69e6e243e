//! A disk on the table: what is durable, what was issued and is not yet, what a loss of power takes.

use raft_core::{Index, LogId, NodeId, Recovered, SaveId, Term, Write};
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
    cache: Vec<Write>,
    /// Every entry that ever was durable here.
    ever: BTreeSet<(Index, Term)>,
}

/// A write that is not yet synced. Write 0 is the page cache that boot found.
#[derive(Clone)]
pub struct Pending {
    pub id: SaveId,
    pub writes: Vec<Write>,
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
    pub fn power_loss(&mut self, kept: usize) -> Vec<Write> {
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

    /// Whether this entry ever was durable here.
    pub fn ever_had(&self, id: LogId) -> bool {
        self.ever.contains(&(id.index, id.term))
    }

    /// Whether the durable vote is this one.
    pub fn voted(&self, term: Term, vote: NodeId) -> bool {
        self.durable.term == term && self.durable.vote == Some(vote)
    }

    fn harden(&mut self, write: &Write) {
        replay(&mut self.durable, write);
        let first = write.after.0 + 1;
        self.ever
            .extend((first..).zip(write.entries.iter()).map(|(index, entry)| (Index(index), entry.term)));
    }
}

fn replay(recovered: &mut Recovered, write: &Write) {
    recovered.term = write.term;
    recovered.vote = write.vote;
    assert!(write.after.0 as usize <= recovered.entries.len(), "a write leaves a gap in the log");
    recovered.entries.truncate(write.after.0 as usize);
    recovered.entries.extend(write.entries.iter().cloned());
}
