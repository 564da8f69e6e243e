//! Linearizability: each check alone, next to a stupid one, and next to the others.

mod agree;
mod brute;
mod certificates;
mod chance;
#[path = "../common/mod.rs"]
mod common;
mod objects;
mod simulator;
mod twin;
mod search;
mod speed;
mod stream;
mod unknown;
mod witness;
