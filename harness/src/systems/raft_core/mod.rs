//! The built-in system: `raft-core` on a real write-ahead log.

pub mod wal;
pub mod identity;
mod entry;
mod disk_lane;
mod compaction;
mod application_lane;
pub mod node;

pub use node::Node;
