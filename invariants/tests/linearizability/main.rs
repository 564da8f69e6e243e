//! Linearizability: each check alone, compared with brute force, and compared with the others.

#![expect(clippy::disallowed_methods, reason = "a test reads explanations")]

mod brute_force;
mod brute_force_comparison;
mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod objects;
mod random_histories;
mod search;
mod simulated_comparison;
mod simulator;
mod speed;
mod stream;
mod unknown;
mod witness;
