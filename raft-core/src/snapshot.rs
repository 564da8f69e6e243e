//! Snapshots: the application's state in place of the entries that led to it (7).

use crate::ids::LogId;
use crate::membership::Configuration;
use bytes::Bytes;
use std::sync::Arc;

/// The application's state after an entry, and the configuration at that entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The last entry that it includes.
    pub last: LogId,
    /// The whole configuration at that entry: both halves while joint, learners, directory IDs.
    pub configuration: Arc<Configuration>,
    /// The application's state, sessions included. The core does not interpret it.
    pub data: Bytes,
}

/// A chunk of a snapshot, as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotChunk {
    /// The last entry that the snapshot includes.
    pub last: LogId,
    /// The configuration at that entry.
    pub configuration: Arc<Configuration>,
    /// The size of the whole snapshot, in bytes.
    pub size: u64,
    /// The position of `data` in it.
    pub offset: u64,
    /// The bytes of the chunk.
    pub data: Bytes,
}

impl SnapshotChunk {
    /// The chunk that begins at `offset`, at most `max_bytes` bytes long. Does not copy.
    #[must_use]
    pub fn of(snapshot: &Snapshot, offset: u64, max_bytes: usize) -> SnapshotChunk {
        let Snapshot { last, configuration, data } = snapshot;
        let start = (offset as usize).min(data.len());
        let end = start.saturating_add(max_bytes).min(data.len());
        SnapshotChunk {
            last: *last,
            configuration: configuration.clone(),
            size: data.len() as u64,
            offset,
            data: data.slice(start..end),
        }
    }
}

/// What a server stores in place of the beginning of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The newest snapshot.
    pub snapshot: Snapshot,
    /// The last compacted entry. It is at or before the end of the snapshot, so that nothing between the two
    /// is missing; before it if entries stay for followers that lag.
    pub compacted: LogId,
    /// The configuration at `compacted`.
    pub configuration: Arc<Configuration>,
    /// Whether a leader sent it, in place of the whole log. Otherwise it was made here, and the log
    /// continues.
    pub installed: bool,
}
