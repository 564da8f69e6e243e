//! raft-rs, the crate `raft` 0.7, as a system under test, unmodified.
//!
//! *In*: what the harness hands to a server. *Out*: what raft-rs makes of it, with the facts that follow. The library is
//! used as its documentation says: its asynchronous ready (`advance_append_async`, `on_persist_ready`), snapshots with
//! reports, joint consensus, read index and leases. Ticks are a tenth of a heartbeat; several that are due are made at
//! once, and a server is woken only for those that do something.
//!
//! Disk, client bookkeeping and application are parts of the harness. `README.md` tells what sweeps found.

mod message;
mod store;
mod server;

pub use message::RaftMessage;
pub use server::RaftRsServer;

use harness::plan::Supports;
use harness::systems::{Profile, System};

/// The system.
#[derive(Debug)]
pub enum RaftRs {}

impl System for RaftRs {
    const NAME: &'static str = "raft-rs";
    type Server = RaftRsServer;
    const CARGO_ARGUMENTS: &'static str = concat!("-p ", env!("CARGO_PKG_NAME"));
    const VERSION: &'static str = "raft 0.7.0";
    const CASES: &'static str = "harness/systems/raft-rs/cases";

    fn profiles() -> &'static [Profile] {
        &[Profile {
            name: "reused-ids",
            about: "a server that lost its disk returns under its old id, which the documentation forbids",
            supports: Supports { wipes: true, ..server::SUPPORTS },
        }]
    }
}
