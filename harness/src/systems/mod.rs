//! Systems under test. The types of a system are named only in its own folder.
//!
//! *In*: the interface of [`server`](crate::server) and the [`engine`](crate::engine). *Out*: a run of a plan
//! ([`run`]), its measurements (`bench`). Used by findings, sweeps and the command line.

pub mod raft_core;
pub mod run;
pub mod bench;
