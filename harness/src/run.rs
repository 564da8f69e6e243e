//! One run: two phases.

use crate::outcome::{Options, Record};
use crate::plan::Plan;

/// Runs a plan on the built-in system.
pub fn run(plan: &Plan, options: &Options) -> Record {
    let _ = (plan, options);
    unimplemented!("being written")
}
