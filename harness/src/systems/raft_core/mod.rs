//! The built-in system: `raft-core` on the harness's durable log.

pub mod bugs;
pub mod directory_id;
mod entry;
mod application_lane;
pub mod node;

pub use node::RaftServer;
