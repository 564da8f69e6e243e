//! The disk of an explored server: what is durable, and the writes in flight, of which a power loss leaves the first ones.

use super::entry::payload_digest;
use super::node::fact_log_id;
use invariants::{Digest, Fact};
use raft_core::{Checkpoint, Entry, Index, LogId, NodeId, Recovered, SaveRecord, Term, canonical};
use std::collections::VecDeque;

/// The disk of one server.
#[derive(Clone, Default, Debug)]
pub(super) struct Disk {
    term: Term,
    vote: Option<NodeId>,
    checkpoint: Option<Checkpoint>,
    /// The entries after the compacted ones.
    entries: Vec<Entry>,
    /// Writes that are not durable. After a restart the first of them is what was recovered.
    unsynced: VecDeque<SaveRecord>,
    /// Whether the first of them is.
    is_recovered: bool,
}

impl Disk {
    /// The durable term.
    pub(super) fn term(&self) -> u64 {
        self.term.0
    }

    /// The number of writes that are not durable.
    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// A write begins.
    pub(super) fn write(&mut self, record: SaveRecord) {
        self.unsynced.push_back(record);
    }

    /// All writes in flight are lost, except the newest.
    pub(super) fn lose_all_but(&mut self, newest: usize) {
        self.unsynced.drain(..self.unsynced.len() - newest);
        self.is_recovered = false;
    }

    /// The oldest write is durable. Returns the facts.
    pub(super) fn sync_one(&mut self) -> Vec<Fact> {
        let record = self.unsynced.pop_front().expect("a write in flight");
        let is_recovered = std::mem::take(&mut self.is_recovered);
        let last = self.last().index;
        let mut facts = Vec::new();
        if is_recovered {
            facts.push(Fact::SavedRecovered);
        } else {
            let (term, vote) = (record.term.0, record.vote.map(|vote| vote.0));
            let is_rewrite = record.checkpoint.is_some();
            let after = (!is_rewrite && record.after < last).then_some(record.after.0);
            facts.push(Fact::Saved { term, vote, after });
            match &record.checkpoint {
                Some(checkpoint) => facts.push(Fact::SavedSnapshot {
                    base: fact_log_id(checkpoint.compacted),
                    last: fact_log_id(checkpoint.snapshot.last),
                }),
                None => {
                    facts.extend((record.after.0 + 1..).zip(&record.entries[..]).map(|(index, entry)| {
                        Fact::SavedEntry { index, term: entry.term.0, entry: payload_digest(&entry.payload) }
                    }))
                }
            }
        }
        self.apply(record);
        facts
    }

    fn apply(&mut self, record: SaveRecord) {
        (self.term, self.vote) = (record.term, record.vote);
        match record.checkpoint {
            Some(checkpoint) => {
                self.checkpoint = Some(*checkpoint);
                self.entries = record.entries.to_vec();
            }
            None => {
                self.entries.truncate((record.after.0 - self.compacted().index.0) as usize);
                self.entries.extend_from_slice(&record.entries);
            }
        }
    }

    fn compacted(&self) -> LogId {
        self.checkpoint.as_ref().map_or(LogId::default(), |checkpoint| checkpoint.compacted)
    }

    fn last(&self) -> LogId {
        let compacted = self.compacted();
        match self.entries.last() {
            Some(entry) => {
                LogId { index: Index(compacted.index.0 + self.entries.len() as u64), term: entry.term }
            }
            None => compacted,
        }
    }

    /// The power is lost, and the oldest `survivors` of the writes in flight are found after it. That they are durable is
    /// not known until they were synced again.
    pub(super) fn lose_power(&mut self, survivors: usize) -> Recovered {
        let durable = Disk { unsynced: VecDeque::new(), is_recovered: false, ..self.clone() };
        let mut found = durable.clone();
        self.unsynced.drain(..survivors).for_each(|record| found.apply(record));
        let Disk { term, vote, checkpoint, entries, .. } = found;
        let after = checkpoint.as_ref().map_or(Index(0), |checkpoint| checkpoint.compacted.index);
        let record = SaveRecord {
            term,
            vote,
            after,
            entries: entries.iter().cloned().collect(),
            checkpoint: checkpoint.clone().map(Box::new),
        };
        *self = Disk { unsynced: VecDeque::from([record]), is_recovered: true, ..durable };
        Recovered { term, vote, checkpoint, entries }
    }

    /// What decides how it behaves from here on.
    pub(super) fn words(&self, renaming: &canonical::Renaming, words: &mut Vec<u32>) {
        let Disk { term, vote, checkpoint, entries, unsynced, is_recovered } = self;
        let whole = SaveRecord {
            term: *term,
            vote: *vote,
            after: self.compacted().index,
            entries: entries.iter().cloned().collect(),
            checkpoint: checkpoint.clone().map(Box::new),
        };
        whole.canonical_words(renaming, words);
        words.extend([u32::from(*is_recovered), unsynced.len() as u32]);
        unsynced.iter().for_each(|record| record.canonical_words(renaming, words));
    }
}

/// The fact with which a server starts.
pub(super) fn started_fact(recovered: &Recovered) -> Fact {
    let Recovered { term, vote, checkpoint, entries } = recovered;
    let base = checkpoint.as_ref().map_or(LogId::default(), |checkpoint| checkpoint.compacted);
    let last = entries
        .last()
        .map_or(base, |entry| LogId { index: Index(base.index.0 + entries.len() as u64), term: entry.term });
    let fold =
        |digest: Digest, entry: &Entry| digest.then_entry(entry.term.0, payload_digest(&entry.payload));
    Fact::Started {
        term: term.0,
        vote: vote.map(|vote| vote.0),
        base: fact_log_id(base),
        last: fact_log_id(last),
        digest: entries.iter().fold(Digest::EMPTY, fold),
    }
}
