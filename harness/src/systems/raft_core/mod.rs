//! The built-in system: `raft-core` on the harness's durable log.

pub mod bugs;
pub mod directory_id;
mod entry;
mod application_lane;
pub mod node;
#[cfg(feature = "explore")]
mod explored_disk;
#[cfg(feature = "explore")]
mod explored_server;
#[cfg(feature = "explore")]
mod explored_facts;
#[cfg(feature = "explore")]
pub mod explored;

pub use node::RaftServer;
