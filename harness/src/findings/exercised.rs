//! In how many seeds each line is exercised on which correctness rests.
//!
//! *In*: a system, a range of seeds. *Out*: for each line, in how many runs without a bug its switch was asked, because
//! the behaviour without the line would have differed. A bug whose line is hardly ever exercised tells of a world that
//! does not get there; a bug whose line is, and that is not caught, of a property that does not look.

use crate::outcome::{Options, Verdict};
use crate::systems::SystemInfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// In how many seeds each line was exercised.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ExercisedSeeds {
    /// How many seeds ran.
    pub seeds: u64,
    /// By the name of the bug; every bug of the system's catalogues has one.
    pub lines: BTreeMap<String, u64>,
}

impl ExercisedSeeds {
    fn of(system: &SystemInfo) -> ExercisedSeeds {
        let bugs = system.catalogues.iter().flat_map(|catalogue| catalogue.bugs);
        let lines = bugs.filter(|_| cfg!(feature = "bugs")).map(|bug| (bug.name.to_owned(), 0)).collect();
        ExercisedSeeds { seeds: 0, lines }
    }

    /// Adds one run.
    fn add(&mut self, names: impl Iterator<Item = &'static str>) {
        self.seeds += 1;
        for name in names {
            *self.lines.entry(name.to_owned()).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &ExercisedSeeds) {
        self.seeds += other.seeds;
        for (name, seeds) in &other.lines {
            *self.lines.entry(name.clone()).or_default() += seeds;
        }
    }
}

/// Runs these seeds without a bug, on several threads. `None`: it was stopped.
///
/// # Errors
///
/// A seed fails: its run ends early, and its lines say little.
pub fn measure(
    system: &SystemInfo,
    seeds: Range<u64>,
    jobs: NonZeroUsize,
    stop: &AtomicBool,
) -> Result<Option<ExercisedSeeds>, String> {
    let next = AtomicU64::new(seeds.start);
    let halt = AtomicBool::new(false);
    let stops = || stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed);
    let work = || {
        let mut counts = ExercisedSeeds::of(system);
        while !stops() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let run = system.run(&system.plan(seed, None), &Options::default());
            if let Verdict::Failed(failure) = &run.outcome.verdict {
                halt.store(true, Ordering::Relaxed);
                return Err(format!("seed {seed} fails without a bug: {}", failure.cause));
            }
            counts.add(run.outcome.exercised.bugs(system.catalogues).map(|bug| bug.name));
        }
        Ok(counts)
    };
    let mut total = ExercisedSeeds::of(system);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.get()).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let counts = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            total.merge(&counts);
            Ok::<(), String>(())
        })
    })?;
    Ok((!stops()).then_some(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::BUILT_IN;

    fn measured(seeds: Range<u64>, jobs: usize) -> ExercisedSeeds {
        let jobs = NonZeroUsize::new(jobs).expect("not 0");
        let measured = measure(&BUILT_IN, seeds, jobs, &AtomicBool::new(false));
        measured.expect("the core is correct").expect("it was not stopped")
    }

    #[test]
    fn counts_do_not_depend_on_threads() {
        let together = measured(0..12, 2);
        let mut apart = measured(0..5, 1);
        apart.merge(&measured(5..12, 3));
        assert_eq!(together, apart);
        assert_eq!(together.seeds, 12);
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn a_line_that_every_run_needs_is_exercised_in_every_run() {
        let counts = measured(0..12, 1);
        assert_eq!(counts.lines["self-vote-after-rv"], 12, "each run has an election");
        assert!(counts.lines.values().any(|seeds| *seeds == 0), "12 seeds do not reach all");
    }

    #[test]
    fn a_stopped_measurement_has_no_result() {
        let stopped = measure(&BUILT_IN, 0..3, NonZeroUsize::MIN, &AtomicBool::new(true));
        assert_eq!(stopped, Ok(None));
    }
}
