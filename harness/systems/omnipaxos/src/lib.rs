//! OmniPaxos under the harness: the crate `omnipaxos`, unmodified, with a disk, connections and an application.
//!
//! OmniPaxos is not Raft: Sequence Paxos replicates the log, and ballot leader election chooses who does it. So the harness
//! judges it as a black box: by what clients see, by liveness after healing, by panics and by determinism.
//!
//! *In*: plans of the harness. *Out*: a [`System`], with the complete command line in `main.rs`.
//!
//! - [`server`]: one server, and what waits for the disk;
//! - [`store`]: the storage that the library wants, and what of it goes to disk;
//! - [`link`]: connections, because the library expects links with sessions;
//! - [`entry`]: commands and snapshots; [`render`]: messages as lines of the timeline.

pub mod entry;
pub mod render;
pub mod link;
pub mod store;
pub mod server;

use harness::plan::Supports;
use harness::server::Server;
use harness::systems::{Profile, System};

/// Without snapshots: logs are synchronised entry by entry.
#[derive(Debug)]
pub enum OmniPaxos {}

impl System for OmniPaxos {
    const NAME: &'static str = "omnipaxos";
    const CARGO_ARGUMENTS: &'static str = "-p harness-omnipaxos --bin harness-omnipaxos";
    const VERSION: &'static str = "omnipaxos 0.2.4";
    const CASES: &'static str = "harness/systems/omnipaxos/cases";
    type Server = server::OmniServer<false>;

    fn profiles() -> &'static [Profile] {
        &[TRIMMED]
    }
}

/// Logs are trimmed. Apart, because what the library then loses would hide everything else.
const TRIMMED: Profile = Profile {
    name: "trimmed",
    about: "the leader trims the log, up to the entries that all servers have accepted",
    supports: Supports { snapshots: true, ..<server::OmniServer<false> as Server>::SUPPORTS },
};

/// With snapshots: by the plan, and whenever the library synchronises logs.
#[derive(Debug)]
pub enum OmniPaxosSnapshots {}

impl System for OmniPaxosSnapshots {
    const NAME: &'static str = "omnipaxos-snapshots";
    const CARGO_ARGUMENTS: &'static str = "-p harness-omnipaxos --bin snapshots";
    type Server = server::OmniServer<true>;
}
