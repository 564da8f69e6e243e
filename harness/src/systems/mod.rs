//! Systems under test. The types of a system are named only in its own folder.
//!
//! *In*: the interface of [`server`](crate::server) and the [`engine`](crate::engine). *Out*: a run of a plan
//! ([`run`]), its measurements (`bench`), and what findings and the command line must know about a system
//! ([`SystemInfo`]). Used by findings, sweeps and the command line.

pub mod raft_core;
pub mod run;
mod system;
pub mod bench;

pub use system::{BUILT_IN, CASES_DIR, Profile, System, SystemInfo};
