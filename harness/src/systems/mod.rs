//! Systems under test. The types of a system are named only in its own folder.

pub mod raft_core;
pub mod run;
pub mod bench;
