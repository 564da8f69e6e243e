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

/// What a server keeps in place of the beginning of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The newest snapshot.
    pub snapshot: Snapshot,
    /// The last entry that is not kept. Not beyond the snapshot, so nothing is missing between the two; before it where
    /// entries stay for followers that are behind.
    pub base: LogId,
    /// The group at the base.
    pub configuration: Arc<Configuration>,
    /// Whether it came from a leader, in place of the whole log: else it was made here, and the log goes on as it was.
    pub installed: bool,
}
