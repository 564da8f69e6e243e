//! Two systems on the same plan, side by side: for those who choose a Raft.
//!
//! *In*: a seed and two systems. *Out*: a table of [`measure::Measures`], and the commands that repeat the runs.
//!
//! The plan is that of the seed, without whatever one of the two does not support, and without forwarding: then the server
//! that answers is the one that leads. Everything is measured from outside, in the fault phase: by what clients see, and by
//! what servers send. So a system that says nothing about itself is measured in the same way.
//!
//! - [`systems`]: which systems there are, one line each;
//! - [`measure`]: what is measured, and how;
//! - [`table`]: rows, and how they are laid out; [`report`]: the rows of a comparison.

pub mod systems;
pub mod measure;
pub mod table;
pub mod report;
