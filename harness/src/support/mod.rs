//! What every room may use: random streams, text for terminals, suggestions for misspelled names, logs of servers.
//!
//! Nothing here knows plans, worlds or servers.

pub mod rng;
pub mod text;
pub mod suggest;
pub mod program;
pub mod logs;
