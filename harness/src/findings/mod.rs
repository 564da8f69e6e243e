//! What a failing plan becomes: confirmed, shrunk, signed, and kept as a case.
//!
//! *In*: plans and a way to run them. *Out*: smaller plans, cases and their evidence. Used by sweeps, reports and the command
//! line; knows no system.

pub mod guard;
pub mod child;
pub mod shrink;
pub mod reproducer;
#[cfg(feature = "proptest")]
pub mod strategy;
pub mod case;
pub mod investigate;
pub mod known;
pub mod avoid;
pub mod determinism;
pub mod refresh;
pub mod survey;
pub mod exercised;
pub mod guided;
pub mod bug_rates;
