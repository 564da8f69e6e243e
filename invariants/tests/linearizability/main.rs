//! Linearizability: each check alone, next to a stupid one, and next to the others.

mod brute;
mod chance;
mod twin;
mod search;
mod witness;
