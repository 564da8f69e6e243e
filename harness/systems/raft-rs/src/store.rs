//! The log as raft-rs reads it.

use crate::message::{decode, from_bytes, to_bytes};
use harness::parts::wal::RecoveredLog;
use harness::parts::{MemoryLog, Rewrite};
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Result, Storage, StorageError};
use std::cell::Cell;

/// The log in memory, and the hard state of the newest ready.
pub(crate) struct Store {
    pub(crate) log: MemoryLog,
    pub(crate) hard_state: HardState,
    /// Whether a server needs a newer snapshot than there is.
    pub(crate) snapshot_wanted: Cell<bool>,
}

impl Store {
    /// What the disk had. All servers begin with the configuration `initial`.
    pub(crate) fn recovered(recovered: &RecoveredLog, initial: ConfState) -> Store {
        let log = MemoryLog::recovered(recovered, to_bytes(initial));
        let commit = recovered.note.first_chunk().map_or(0, |commit| u64::from_le_bytes(*commit));
        let (term, vote) = (recovered.term, recovered.vote.unwrap_or(0));
        // A snapshot implies that its entries are committed.
        let commit = commit.max(log.snapshot().last.index);
        let hard_state = HardState { term, vote, commit, ..HardState::default() };
        Store { log, hard_state, snapshot_wanted: Cell::new(false) }
    }

    /// Term and vote as the disk saves them, and the commit index as a note beside them.
    pub(crate) fn saved_state(&self) -> (u64, Option<u64>, [u8; 8]) {
        let HardState { term, vote, commit, .. } = self.hard_state;
        (term, (vote != 0).then_some(vote), commit.to_le_bytes())
    }

    /// The whole log for the disk.
    pub(crate) fn rewrite(&self) -> Rewrite {
        let (term, vote, note) = self.saved_state();
        self.log.rewrite(term, vote, note.to_vec().into())
    }
}

impl Storage for Store {
    fn initial_state(&self) -> Result<RaftState> {
        let configuration = from_bytes(&self.log.snapshot().compacted_configuration);
        Ok(RaftState::new(self.hard_state.clone(), configuration))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        if low <= self.log.base().index {
            return Err(Error::Store(StorageError::Compacted));
        }
        let entries = (low..).zip(self.log.entries(low..high));
        let mut entries = entries.map(|(index, entry)| decode(index, entry)).collect();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        let missing = match index < self.log.base().index {
            true => StorageError::Compacted,
            false => StorageError::Unavailable,
        };
        self.log.term(index).ok_or(Error::Store(missing))
    }

    fn first_index(&self) -> Result<u64> {
        Ok(self.log.base().index + 1)
    }

    fn last_index(&self) -> Result<u64> {
        Ok(self.log.last())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        let newest = self.log.snapshot();
        // A server rejects a snapshot of a group that it was no member of, as often as it gets it.
        let is_member = |state: &ConfState| {
            [&state.voters, &state.voters_outgoing, &state.learners]
                .into_iter()
                .any(|list| list.contains(&to))
        };
        if newest.last.index < request_index.max(1) || !is_member(&from_bytes(&newest.configuration)) {
            self.snapshot_wanted.set(true);
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot { data: newest.data.clone(), ..Snapshot::default() };
        let metadata = snapshot.mut_metadata();
        (metadata.index, metadata.term) = (newest.last.index, newest.last.term);
        metadata.set_conf_state(from_bytes(&newest.configuration));
        Ok(snapshot)
    }
}
