//! Deterministic simulation testing for Raft.
//!
//! # What a run does
//!
//! [`plan::generate()`] turns a seed into a [`plan::Plan`], and [`run`](systems::run::run) executes the plan. The [`world::World`]
//! holds links, disks and clocks; each node runs a [`server::Server`]; clients call operations. One event
//! happens at a time, in simulated time. A run has two phases:
//!
//! - a **fault phase**, which checks safety while faults happen;
//! - a **healed phase**, which ends all faults and checks liveness as well, also beside one permanent fault
//!   if the plan has one ([`plan::PermanentFault`]).
//!
//! Servers state facts, and so do disks and clients. The checker of the crate `invariants` checks each fact
//! at once. The result is an [`outcome::Outcome`].
//!
//! A run is single-threaded and depends on its plan only: the same plan has the same digest on every machine.
//!
//! # What a plan can contain
//!
//! [`plan`] lists its fields, and [`plan::FaultKind::ALL`] the faults. Disks tear writes, stall, fail to
//! sync, flip bits and are wiped; a server with a wiped disk returns with a new directory id, and the
//! operator may replace the old member by it. A fault may wait for a [`plan::Trigger`], such as the moment
//! between writing a new log file and renaming it. Servers take snapshots very often, serve reads by leases
//! on clocks that drift up to the assumed limit, forward requests, and have tight limits on bytes. Clients
//! send requests to random servers, and lose sessions by log time. Each of these is in some plans only: what
//! is always on hides the rest.
//!
//! # Where to start reading
//!
//! The chapter below, then the `mod` lines from top to bottom: each room uses only those above it. Chapters about one subject:
//! [determinism](support::rng), [bugs](systems::raft_core::bugs), [failure pages](report), and the [properties](invariants::properties).
//!
//! # What it leaves out
//!
//! See the README.
//!
#![doc = include_str!("../docs/architecture.md")]
//!
#![doc = include_str!("../docs/faults.md")]
//!
#![doc = include_str!("../docs/your-raft.md")]
//!
#![doc = include_str!("../docs/adding.md")]
#![cfg_attr(
    not(feature = "cli"),
    expect(dead_code, reason = "some functions of the rooms below are for the command line only")
)]

pub mod support;
pub mod plan;
pub mod outcome;
pub mod workload;
pub mod world;
pub mod server;
pub mod parts;
pub mod engine;
#[cfg(feature = "explore")]
pub mod explore;
pub mod systems;
pub mod findings;
pub mod sweep;
pub mod report;
pub mod testing;
#[cfg(feature = "cli")]
pub mod cli;
