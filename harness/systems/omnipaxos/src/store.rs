//! The storage of the library: its own store in memory, with a list of what a step has changed.
//!
//! The library's contract is that an operation is durable when it returns, and that a batch is atomic. The disk of the
//! harness is asynchronous. So the server writes all changes of one step as one record with a checksum, and lets nothing
//! leave that the step has produced before that record is durable: seen from outside, the operation returned then.

use crate::entry::{Command, Image};
use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::storage::{StopSign, Storage, StorageOp, StorageResult};
use omnipaxos_storage::memory_storage::MemoryStorage;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard};

/// A change of the state, as it is written to disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change<const SNAPSHOTS: bool> {
    /// The log was cut before the entry at this position, then these follow.
    Append(usize, Vec<Command<SNAPSHOTS>>),
    /// The round in which entries were accepted last.
    AcceptedRound(Ballot),
    /// How many entries are decided.
    Decided(usize),
}

/// The whole state except the promise, as it is written to disk when a snapshot has replaced the beginning of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct State<const SNAPSHOTS: bool> {
    accepted_round: Option<Ballot>,
    decided: usize,
    compacted: usize,
    snapshot: Option<Image<SNAPSHOTS>>,
    entries: Vec<Command<SNAPSHOTS>>,
}

/// What a step has changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Changes<const SNAPSHOTS: bool> {
    /// The promised ballot, changed or not.
    pub promise: Option<Ballot>,
    /// What was changed.
    pub kind: ChangeKind<SNAPSHOTS>,
}

/// How to write what was changed.
#[derive(Clone, PartialEq, Debug)]
pub enum ChangeKind<const SNAPSHOTS: bool> {
    /// These changes in order; none if only the promise has changed.
    Some(Vec<Change<SNAPSHOTS>>),
    /// Everything, because a snapshot has replaced the beginning of the log.
    All(Box<State<SNAPSHOTS>>),
}

/// The store of one server. Clones share it: the library owns one, the server another.
#[derive(Clone)]
pub struct Store<const SNAPSHOTS: bool>(Arc<Mutex<Inner<SNAPSHOTS>>>);

struct Inner<const SNAPSHOTS: bool> {
    memory: MemoryStorage<Command<SNAPSHOTS>>,
    changes: Vec<Change<SNAPSHOTS>>,
    promise_changed: bool,
    compacted: bool,
}

impl<const SNAPSHOTS: bool> Store<SNAPSHOTS> {
    /// A store with what was recovered: the promise, the state, and the changes after it.
    ///
    /// # Errors
    /// An operation of the library's store has failed.
    pub fn recover(
        initial: Image<SNAPSHOTS>,
        promise: Option<Ballot>,
        state: Option<State<SNAPSHOTS>>,
        changes: Vec<Change<SNAPSHOTS>>,
    ) -> StorageResult<Store<SNAPSHOTS>> {
        let mut memory = MemoryStorage::default();
        memory.set_snapshot(Some(initial))?;
        if let Some(State { accepted_round, decided, compacted, snapshot, entries }) = state {
            memory.trim(compacted)?;
            memory.set_compacted_idx(compacted)?;
            memory.set_snapshot(snapshot)?;
            memory.append_entries(entries)?;
            memory.set_decided_idx(decided)?;
            if let Some(round) = accepted_round {
                memory.set_accepted_round(round)?;
            }
        }
        for change in changes {
            match change {
                Change::Append(from, entries) => memory.append_on_prefix(from, entries)?,
                Change::AcceptedRound(round) => memory.set_accepted_round(round)?,
                Change::Decided(index) => memory.set_decided_idx(index)?,
            }
        }
        if let Some(promise) = promise {
            memory.set_promise(promise)?;
        }
        let inner = Inner { memory, changes: Vec::new(), promise_changed: false, compacted: false };
        Ok(Store(Arc::new(Mutex::new(inner))))
    }

    /// Takes what was changed since the last call, if anything was.
    ///
    /// # Errors
    /// An operation of the library's store has failed.
    pub fn take_changes(&self) -> StorageResult<Option<Changes<SNAPSHOTS>>> {
        let mut inner = self.inner();
        let changes = std::mem::take(&mut inner.changes);
        let promise_changed = std::mem::take(&mut inner.promise_changed);
        let compacted = std::mem::take(&mut inner.compacted);
        if changes.is_empty() && !promise_changed && !compacted {
            return Ok(None);
        }
        let memory = &inner.memory;
        let kind = if compacted {
            let compacted = memory.get_compacted_idx()?;
            ChangeKind::All(Box::new(State {
                accepted_round: memory.get_accepted_round()?,
                decided: memory.get_decided_idx()?,
                compacted,
                snapshot: memory.get_snapshot()?,
                entries: memory.get_suffix(compacted)?,
            }))
        } else {
            ChangeKind::Some(changes)
        };
        Ok(Some(Changes { promise: memory.get_promise()?, kind }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<SNAPSHOTS>> {
        self.0.lock().expect("a server has one thread")
    }
}

impl<const SNAPSHOTS: bool> Inner<SNAPSHOTS> {
    /// The position after the last entry.
    fn end(&self) -> StorageResult<usize> {
        Ok(self.memory.get_compacted_idx()? + self.memory.get_log_len()?)
    }
}

/// Forwards each operation to the store in memory, and remembers it.
impl<const SNAPSHOTS: bool> Storage<Command<SNAPSHOTS>> for Store<SNAPSHOTS> {
    fn write_atomically(&mut self, ops: Vec<StorageOp<Command<SNAPSHOTS>>>) -> StorageResult<()> {
        for op in ops {
            match op {
                StorageOp::AppendEntry(entry) => self.append_entry(entry)?,
                StorageOp::AppendEntries(entries) => self.append_entries(entries)?,
                StorageOp::AppendOnPrefix(from, entries) => self.append_on_prefix(from, entries)?,
                StorageOp::SetPromise(ballot) => self.set_promise(ballot)?,
                StorageOp::SetDecidedIndex(index) => self.set_decided_idx(index)?,
                StorageOp::SetAcceptedRound(ballot) => self.set_accepted_round(ballot)?,
                StorageOp::SetCompactedIdx(index) => self.set_compacted_idx(index)?,
                StorageOp::Trim(index) => self.trim(index)?,
                StorageOp::SetStopsign(stop_sign) => self.set_stopsign(stop_sign)?,
                StorageOp::SetSnapshot(snapshot) => self.set_snapshot(snapshot)?,
            }
        }
        Ok(())
    }

    fn append_entry(&mut self, entry: Command<SNAPSHOTS>) -> StorageResult<()> {
        self.append_entries(vec![entry])
    }

    fn append_entries(&mut self, entries: Vec<Command<SNAPSHOTS>>) -> StorageResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner();
        let end = inner.end()?;
        inner.changes.push(Change::Append(end, entries.clone()));
        inner.memory.append_entries(entries)
    }

    fn append_on_prefix(&mut self, from: usize, entries: Vec<Command<SNAPSHOTS>>) -> StorageResult<()> {
        let mut inner = self.inner();
        let compacted = inner.memory.get_compacted_idx()?;
        if from < compacted {
            return Err(format!("entries after {from}, but the log begins after {compacted}").into());
        }
        inner.changes.push(Change::Append(from, entries.clone()));
        inner.memory.append_on_prefix(from, entries)
    }

    fn set_promise(&mut self, ballot: Ballot) -> StorageResult<()> {
        let mut inner = self.inner();
        inner.promise_changed = true;
        inner.memory.set_promise(ballot)
    }

    fn set_decided_idx(&mut self, index: usize) -> StorageResult<()> {
        let mut inner = self.inner();
        inner.changes.push(Change::Decided(index));
        inner.memory.set_decided_idx(index)
    }

    fn get_decided_idx(&self) -> StorageResult<usize> {
        self.inner().memory.get_decided_idx()
    }

    fn set_accepted_round(&mut self, ballot: Ballot) -> StorageResult<()> {
        let mut inner = self.inner();
        inner.changes.push(Change::AcceptedRound(ballot));
        inner.memory.set_accepted_round(ballot)
    }

    fn get_accepted_round(&self) -> StorageResult<Option<Ballot>> {
        self.inner().memory.get_accepted_round()
    }

    fn get_entries(&self, from: usize, to: usize) -> StorageResult<Vec<Command<SNAPSHOTS>>> {
        let inner = self.inner();
        if from < inner.memory.get_compacted_idx()? {
            // By the contract, where not all entries exist. The store in memory computes a negative position.
            return Ok(Vec::new());
        }
        inner.memory.get_entries(from, to)
    }

    fn get_log_len(&self) -> StorageResult<usize> {
        self.inner().memory.get_log_len()
    }

    fn get_suffix(&self, from: usize) -> StorageResult<Vec<Command<SNAPSHOTS>>> {
        let inner = self.inner();
        if from < inner.memory.get_compacted_idx()? {
            return Ok(Vec::new());
        }
        inner.memory.get_suffix(from)
    }

    fn get_promise(&self) -> StorageResult<Option<Ballot>> {
        self.inner().memory.get_promise()
    }

    /// Configurations never change here.
    fn set_stopsign(&mut self, stop_sign: Option<StopSign>) -> StorageResult<()> {
        match stop_sign {
            Some(_) => Err("a stop sign, but no other configuration was requested".into()),
            None => Ok(()),
        }
    }

    fn get_stopsign(&self) -> StorageResult<Option<StopSign>> {
        Ok(None)
    }

    fn trim(&mut self, index: usize) -> StorageResult<()> {
        let mut inner = self.inner();
        let compacted = inner.memory.get_compacted_idx()?;
        if index < compacted {
            return Err(format!("trims up to {index}, but the log begins after {compacted}").into());
        }
        inner.compacted = true;
        inner.memory.trim(index)
    }

    fn set_compacted_idx(&mut self, index: usize) -> StorageResult<()> {
        let mut inner = self.inner();
        inner.compacted = true;
        inner.memory.set_compacted_idx(index)
    }

    fn get_compacted_idx(&self) -> StorageResult<usize> {
        self.inner().memory.get_compacted_idx()
    }

    fn set_snapshot(&mut self, snapshot: Option<Image<SNAPSHOTS>>) -> StorageResult<()> {
        let mut inner = self.inner();
        inner.compacted = true;
        inner.memory.set_snapshot(snapshot)
    }

    fn get_snapshot(&self) -> StorageResult<Option<Image<SNAPSHOTS>>> {
        self.inner().memory.get_snapshot()
    }
}
