//! The built-in system: `raft-core` on a real write-ahead log.

pub mod wal;
pub mod node;

pub use node::Node;
