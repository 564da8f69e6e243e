//! Snapshots: a state in place of the entries that led to it (7).

use crate::ids::LogId;
use crate::membership::Configuration;
use bytes::Bytes;
use std::sync::Arc;

/// The application's state after everything up to an entry, and the group as it then was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The last entry that it stands for.
    pub last: LogId,
    /// The group after that entry, whole: both halves while joint, learners, identities.
    pub configuration: Arc<Configuration>,
    /// The application's state, sessions included. The core never looks at it.
    pub data: Bytes,
}

/// A part of a snapshot, as it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotChunk {
    /// The last entry that the snapshot stands for.
    pub last: LogId,
    /// The group after that entry.
    pub configuration: Arc<Configuration>,
    /// How many bytes the whole snapshot has.
    pub size: u64,
    /// Where in it `data` begins.
    pub offset: u64,
    /// The part's bytes.
    pub data: Bytes,
}

impl SnapshotChunk {
    /// The part that begins at `offset`, of at most `most` bytes, without copying.
    #[must_use]
    pub fn of(snapshot: &Snapshot, offset: u64, most: usize) -> SnapshotChunk {
        let Snapshot { last, configuration, data } = snapshot;
        let start = (offset as usize).min(data.len());
        let end = start.saturating_add(most).min(data.len());
        SnapshotChunk {
            last: *last,
            configuration: configuration.clone(),
            size: data.len() as u64,
            offset,
            data: data.slice(start..end),
        }
    }
}

/// What a server keeps in place of the beginning of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The newest snapshot.
    pub snapshot: Snapshot,
    /// The last entry that is not kept. Not beyond the snapshot, so nothing is missing between the two; before it where
    /// entries stay for followers that are behind.
    pub compacted: LogId,
    /// The group at the base.
    pub configuration: Arc<Configuration>,
    /// Whether it came from a leader, in place of the whole log: else it was made here, and the log goes on as it was.
    pub installed: bool,
}
