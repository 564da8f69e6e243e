//! The built-in system: `raft-core` with a write-ahead log.

pub mod bugs;
pub mod wal;
pub mod directory_id;
mod entry;
mod disk_lane;
mod compaction;
mod application_lane;
pub mod node;

pub use node::RaftServer;
