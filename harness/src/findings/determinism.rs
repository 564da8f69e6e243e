//! Whether a run depends on anything but its plan: the same plan is run in several ways, and the events are compared.
//!
//! A system under test runs in the same process, so a hash map, a clock, a thread or a generator of its own can change a
//! run. A failure is always confirmed by two more runs; this also finds what never failed.

use super::investigate::{Finding, first_difference};
use super::reproducer::RunFn;
use crate::outcome::{
    DETERMINISM, Difference, Engine, Failure, FailureCause, Options, Outcome, Recording, RunRecord, Verdict,
};
use crate::plan::Plan;
use std::fmt;
use std::panic::resume_unwind;
use std::thread;

/// A way to run a plan again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variation {
    /// On a new thread, where nothing was used before.
    FreshThread,
    /// On another engine.
    Engine(Engine),
}

impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variation::FreshThread => f.write_str("a fresh thread"),
            Variation::Engine(engine) => write!(f, "the engine {}", engine.name()),
        }
    }
}

/// Runs a plan on this thread, on a fresh one, and on these engines. Returns the first way in which it differs from the
/// run on this thread.
///
/// # Panics
///
/// This build lacks an engine.
#[must_use]
pub fn find_difference(
    plan: &Plan,
    options: &Options,
    engines: &[Engine],
    run: &RunFn<'_>,
) -> Option<(Variation, Difference)> {
    let options = Options { record: Recording { digests: true, ..options.record }, ..options.clone() };
    let here = run(plan, &options);
    if let Some(difference) = difference(&here, &run_on_a_fresh_thread(plan, &options, run)) {
        return Some((Variation::FreshThread, difference));
    }
    engines.iter().find_map(|&engine| {
        let other = run(plan, &Options { engine, ..options.clone() });
        Some((Variation::Engine(engine), difference(&here, &other)?))
    })
}

/// The finding about a plan that passed on this thread, and runs otherwise on a fresh one.
#[must_use]
pub fn differs_on_a_fresh_thread(
    plan: &Plan,
    outcome: &Outcome,
    options: &Options,
    run: &RunFn<'_>,
) -> Option<Finding> {
    let (_, difference) = find_difference(plan, options, &[], run)?;
    let failure = Failure::new(DETERMINISM, FailureCause::Nondeterminism(difference));
    let outcome = Outcome { verdict: Verdict::Failed(Box::new(failure)), ..outcome.clone() };
    Finding::of(plan, &outcome, options)
}

fn run_on_a_fresh_thread(plan: &Plan, options: &Options, run: &RunFn<'_>) -> RunRecord {
    thread::scope(|scope| scope.spawn(|| run(plan, options)).join())
        .unwrap_or_else(|panic| resume_unwind(panic))
}

fn difference(one: &RunRecord, other: &RunRecord) -> Option<Difference> {
    match first_difference(&one.digests, &other.digests) {
        Some(event) => Some(Difference::Event(event as u64)),
        None if one.outcome != other.outcome => Some(Difference::Outcomes),
        None => None,
    }
}
