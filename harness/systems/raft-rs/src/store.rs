//! The log in memory: what raft-rs reads while the disk catches up.

use crate::message::{decode, encode, from_bytes, last_of, sorted, to_bytes};
use bytes::Bytes;
use harness::parts::Rewrite;
use harness::parts::wal::{RecoveredLog, WalCheckpoint};
use invariants::LogId;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};

/// The log of a server.
pub(crate) struct Store {
    /// As the newest ready gave it.
    pub(crate) hard_state: HardState,
    /// The entry before the first.
    pub(crate) base: LogId,
    entries: Vec<Entry>,
    /// The newest snapshot; empty if there is none.
    pub(crate) snapshot: Snapshot,
    /// Each applied configuration with the index from which it is in force, from the one at `base` on.
    configurations: Vec<(u64, ConfState)>,
}

impl Store {
    /// The log that the disk had. All servers begin with the configuration `initial`.
    pub(crate) fn recovered(log: RecoveredLog, initial: ConfState) -> Store {
        let mut snapshot = Snapshot::default();
        let (mut base, mut configuration) = (LogId::default(), initial);
        if let Some(checkpoint) = log.checkpoint {
            base = checkpoint.compacted;
            configuration = from_bytes(&checkpoint.compacted_configuration);
            let metadata = snapshot.mut_metadata();
            (metadata.index, metadata.term) = (checkpoint.last.index, checkpoint.last.term);
            metadata.set_conf_state(from_bytes(&checkpoint.configuration));
            snapshot.set_data(checkpoint.data);
        }
        let entries =
            (base.index + 1..).zip(&log.entries).map(|(index, entry)| decode(index, entry)).collect();
        let commit = log.note.first_chunk().map_or(0, |commit| u64::from_le_bytes(*commit));
        let hard_state = HardState {
            term: log.term,
            vote: log.vote.unwrap_or(0),
            // A snapshot implies that its entries are committed.
            commit: commit.max(snapshot.get_metadata().index),
            ..HardState::default()
        };
        Store { hard_state, base, entries, snapshot, configurations: vec![(base.index, configuration)] }
    }

    /// The configuration in force after all that was applied, and the index that carries it.
    pub(crate) fn configuration(&self) -> (u64, &ConfState) {
        let (index, state) = self.configurations.last().expect("there is always one");
        (*index, state)
    }

    pub(crate) fn configure(&mut self, index: u64, state: ConfState) {
        self.configurations.push((index, sorted(state)));
    }

    fn configuration_at(&self, index: u64) -> &ConfState {
        let position = self.configurations.partition_point(|(from, _)| *from <= index);
        &self.configurations[position - 1].1
    }

    /// Adds entries, in place of those from the first index on.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        self.entries.truncate((entries[0].index - self.base.index - 1) as usize);
        self.entries.extend_from_slice(entries);
    }

    /// A leader's snapshot replaces everything.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        self.entries.clear();
        self.base = last_of(&snapshot);
        self.configurations =
            vec![(self.base.index, sorted(snapshot.get_metadata().get_conf_state().clone()))];
        self.snapshot = snapshot;
    }

    /// Takes a snapshot at `index`, and drops the entries up to `keep_after`.
    pub(crate) fn compact(&mut self, index: u64, image: Bytes, keep_after: u64) {
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = (index, self.term(index).expect("the entry was applied"));
        metadata.set_conf_state(self.configuration_at(index).clone());
        snapshot.set_data(image);
        self.snapshot = snapshot;
        let base = keep_after.max(self.base.index);
        let base = LogId { index: base, term: self.term(base).expect("the entry is in the log") };
        let state = self.configuration_at(base.index).clone();
        self.entries.drain(..(base.index - self.base.index) as usize);
        self.configurations.retain(|(from, _)| *from > base.index);
        self.configurations.insert(0, (base.index, state));
        self.base = base;
    }

    /// The whole log for the disk.
    pub(crate) fn rewrite(&self) -> Rewrite {
        let hard_state = &self.hard_state;
        Rewrite {
            term: hard_state.term,
            vote: (hard_state.vote != 0).then_some(hard_state.vote),
            checkpoint: WalCheckpoint {
                last: last_of(&self.snapshot),
                configuration: to_bytes(self.snapshot.get_metadata().get_conf_state()).into(),
                data: self.snapshot.data.clone(),
                compacted: self.base,
                compacted_configuration: to_bytes(&self.configurations[0].1).into(),
            },
            entries: self
                .entries
                .iter()
                .map(encode)
                .map(|(term, kind, bytes)| (term, kind, bytes.into()))
                .collect(),
            note: hard_state.commit.to_le_bytes().to_vec().into(),
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.base.index + self.entries.len() as u64
    }
}

impl Storage for Store {
    fn initial_state(&self) -> Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.configurations[0].1.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.base.index {
            return Err(Error::Store(StorageError::Compacted));
        }
        let offset = self.base.index + 1;
        let mut entries = self.entries[(low - offset) as usize..(high - offset) as usize].to_vec();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        match index {
            _ if index == self.base.index => Ok(self.base.term),
            _ if index < self.base.index => Err(Error::Store(StorageError::Compacted)),
            _ => {
                let entry = self.entries.get((index - self.base.index - 1) as usize);
                entry.map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
            }
        }
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.base.index + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _: u64) -> Result<Snapshot> {
        match self.snapshot.get_metadata().index {
            index if index > 0 && index >= request_index => Ok(self.snapshot.clone()),
            _ => Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable)),
        }
    }
}
