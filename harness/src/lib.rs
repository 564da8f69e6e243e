//! chapter

pub mod rng;
pub mod names;
pub mod bugs;
pub mod plan;
pub mod outcome;
pub mod run;
pub mod vocabulary;
pub mod bench;
pub mod case;
pub mod sweep;
pub mod report;
pub mod cli;
