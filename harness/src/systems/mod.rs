//! Systems under test. A system's types are named in its own folder and nowhere else.

pub mod raft_core;
