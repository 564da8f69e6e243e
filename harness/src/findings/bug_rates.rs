//! How soon each bug of a system is caught, and by which properties: the measure of world, workload and properties.
//!
//! *In*: a system, one of its bugs, a range of seeds. *Out*: a [`BugRun`]: the first seed that fails, how many fail, what
//! that cost. A bug that is caught within [`RateSettings::seeds`] seeds runs over all of these, which gives a rate; another
//! one goes on until it is caught, or until [`RateSettings::max_seeds`].
//!
//! Where many bugs are measured, each seed is run once without a bug first. In a run that never asks the switch of a bug, the
//! bug changes nothing: such seeds are counted as passed, with the time that the run without a bug took.
//!
//! The plan of the first failing seed is run again without the bug. If it fails then, too, the system has a defect of its
//! own, and says nothing about the bug: that ends the measurement.

use crate::findings::guided::{self, Guide, GuidedPlan};
use crate::outcome::{Exercised, Failure, Options, Outcome, Verdict};
use crate::plan::Plan;
use crate::server::BugInfo;
use crate::systems::SystemInfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// How many seeds to run, and what is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RateSettings {
    /// The seeds over which each bug runs.
    pub seeds: u64,
    /// The seeds over which a bug runs that was not caught before. At least `seeds`.
    pub max_seeds: u64,
    /// Whether only what clients, panics and liveness show counts.
    pub black_box: bool,
    /// Whether the runs are [guided], and end with the first that fails.
    #[serde(default)]
    pub guided: bool,
}

impl RateSettings {
    /// The seeds of a range, by its number. No two ranges share a seed.
    #[must_use]
    pub const fn range(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(self.max_seeds);
        start..start.saturating_add(self.max_seeds)
    }

    fn options(&self) -> Options {
        if self.black_box { Options::black_box() } else { Options::default() }
    }
}

/// One bug over one range of seeds.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct BugRun {
    /// The name of the bug.
    pub bug: String,
    /// The number of the range.
    pub range: u64,
    /// How many seeds ran.
    pub seeds: u64,
    /// How many of them failed.
    pub failing: u64,
    /// How many seeds it took to the first that fails, this one included.
    pub seeds_to_catch: Option<u64>,
    /// How many seeds failed by each property.
    pub fired: BTreeMap<String, u64>,
    /// CPU time up to the first failing seed, or of all if none fails, in seconds.
    pub cpu_seconds: f64,
}

/// Runs bugs over ranges of seeds on several threads, each of which measures its time by `cpu_time`. Calls `watch` for each
/// result, in the order in which they end. Ends early once `stop` is set.
///
/// # Errors
///
/// A seed fails without its bug, too.
pub fn measure_all(
    system: &SystemInfo,
    wanted: &[(&'static BugInfo, u64)],
    settings: &RateSettings,
    jobs: NonZeroUsize,
    cpu_time: fn() -> Duration,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(BugRun) -> Result<(), String>,
) -> Result<(), String> {
    let shared = RunsWithoutBug::new(system, wanted, settings, cpu_time);
    let next = AtomicUsize::new(0);
    let halt = AtomicBool::new(false);
    let stops = || stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let (results, arrivals) = channel();
        for _ in 0..jobs.get().min(wanted.len()) {
            let results = results.clone();
            let (next, stops, shared) = (&next, &stops, &shared);
            scope.spawn(move || {
                while let Some((bug, range)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = match settings.guided {
                        true => measure_guided(system, bug, *range, settings, cpu_time, stops),
                        false => measure(system, bug, *range, settings, shared, stops),
                    };
                    let Some(result) = result else { break };
                    // Without a receiver the measurement has ended.
                    drop(results.send(result));
                }
            });
        }
        drop(results);
        let result = arrivals.iter().try_for_each(|result| watch(result?));
        halt.store(true, Ordering::Relaxed);
        result
    })
}

/// Runs a bug over a range. `None`: it was stopped.
fn measure(
    system: &SystemInfo,
    bug: &BugInfo,
    range: u64,
    settings: &RateSettings,
    shared: &RunsWithoutBug,
    stops: &dyn Fn() -> bool,
) -> Option<Result<BugRun, String>> {
    let (options, cpu_time) = (settings.options(), shared.cpu_time);
    let mut cpu = Duration::ZERO;
    let mut run = BugRun { bug: bug.name.to_owned(), range, ..BugRun::default() };
    for seed in settings.range(range) {
        if run.seeds >= settings.seeds && run.seeds_to_catch.is_some() {
            break;
        }
        if stops() {
            return None;
        }
        run.seeds += 1;
        if let Some(spent) = shared.time_of_run_that_never_asks(seed, bug.name) {
            cpu += spent;
            continue;
        }
        let start = cpu_time();
        let plan = system.plan(seed, Some(bug.name));
        let failure = failure(system, &plan, &options);
        cpu += cpu_time() - start;
        let Some(failure) = failure else { continue };
        if run.seeds_to_catch.is_none() {
            run.seeds_to_catch = Some(run.seeds);
            run.cpu_seconds = cpu.as_secs_f64();
            if let Err(message) = check_without_bug(system, plan, bug, &options) {
                return Some(Err(message));
            }
        }
        run.failing += 1;
        *run.fired.entry(failure.property).or_default() += 1;
    }
    if run.seeds_to_catch.is_none() {
        run.cpu_seconds = cpu.as_secs_f64();
    }
    Some(Ok(run))
}

/// So many bugs of a range are worth the runs without one.
const MIN_BUGS_TO_SHARE: usize = 4;

/// Runs without a bug, each made when it is first needed.
struct RunsWithoutBug {
    system: SystemInfo,
    options: Options,
    cpu_time: fn() -> Duration,
    /// By seed: the lines that were exercised, and the time of the run. `None`: it failed.
    runs: BTreeMap<u64, OnceLock<Option<(Exercised, Duration)>>>,
}

impl RunsWithoutBug {
    /// No runs yet; and none ever if few bugs would share them.
    fn new(
        system: &SystemInfo,
        wanted: &[(&'static BugInfo, u64)],
        settings: &RateSettings,
        cpu_time: fn() -> Duration,
    ) -> RunsWithoutBug {
        let mut bugs: BTreeMap<u64, usize> = BTreeMap::new();
        wanted.iter().for_each(|(_, range)| *bugs.entry(*range).or_default() += 1);
        let shared =
            bugs.into_iter().filter(|(_, bugs)| *bugs >= MIN_BUGS_TO_SHARE && cfg!(feature = "bugs"));
        let runs = shared.flat_map(|(range, _)| settings.range(range)).map(|seed| (seed, OnceLock::new()));
        let runs = if settings.guided { BTreeMap::new() } else { runs.collect() };
        RunsWithoutBug { system: *system, options: settings.options(), cpu_time, runs }
    }

    /// The time of a seed's run if it passes without asking the switch of this bug: with the bug it is the same run.
    fn time_of_run_that_never_asks(&self, seed: u64, bug: &str) -> Option<Duration> {
        let run = self.runs.get(&seed)?.get_or_init(|| {
            let start = (self.cpu_time)();
            let outcome = self.system.run(&self.system.plan(seed, None), &self.options).outcome;
            let passed = !matches!(outcome.verdict, Verdict::Failed(_));
            passed.then(|| (outcome.exercised, (self.cpu_time)() - start))
        });
        let (exercised, spent) = run.as_ref()?;
        exercised.bugs(self.system.catalogues).all(|asked| asked.name != bug).then_some(*spent)
    }
}

/// Runs a bug in a guided sweep, up to the first run that fails. `None`: it was stopped.
fn measure_guided(
    system: &SystemInfo,
    bug: &BugInfo,
    range: u64,
    settings: &RateSettings,
    cpu_time: fn() -> Duration,
    stops: &dyn Fn() -> bool,
) -> Option<Result<BugRun, String>> {
    let (options, start) = (settings.options(), cpu_time());
    let mut run = BugRun { bug: bug.name.to_owned(), range, ..BugRun::default() };
    let mut failing = None;
    let run_plan = |plan: &Plan, options: &Options| system.run(plan, options);
    let mut guide = Guide::new(system, Some(bug.name), settings.range(range).start);
    let watch = &mut |plan: &GuidedPlan, outcome: &Outcome, _: &Guide| {
        run.seeds += 1;
        if let Verdict::Failed(failure) = &outcome.verdict {
            (run.failing, run.seeds_to_catch) = (1, Some(run.seeds));
            run.fired.insert(failure.property.clone(), 1);
            failing = Some(plan.plan.clone());
        }
        failing.is_none()
    };
    guided::sweep(&mut guide, settings.max_seeds, &options, NonZeroUsize::MIN, &run_plan, stops, watch);
    run.cpu_seconds = (cpu_time() - start).as_secs_f64();
    if stops() && failing.is_none() {
        return None;
    }
    let checked = failing.map_or(Ok(()), |plan| check_without_bug(system, plan, bug, &options));
    Some(checked.map(|()| run))
}

/// A plan that fails with a bug must not fail without it.
fn check_without_bug(
    system: &SystemInfo,
    plan: Plan,
    bug: &BugInfo,
    options: &Options,
) -> Result<(), String> {
    let without_bug = Plan { bug: None, ..plan };
    match failure(system, &without_bug, options) {
        Some(failure) => Err(format!(
            "the plan of seed {} fails without the bug {}, too: {}",
            without_bug.seed, bug.name, failure.cause
        )),
        None => Ok(()),
    }
}

fn failure(system: &SystemInfo, plan: &Plan, options: &Options) -> Option<Failure> {
    match system.run(plan, options).outcome.verdict {
        Verdict::Failed(failure) => Some(*failure),
        Verdict::Passed | Verdict::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::BUILT_IN;

    const SETTINGS: RateSettings = RateSettings { seeds: 20, max_seeds: 30, black_box: false, guided: false };

    fn bug(name: &str) -> &'static BugInfo {
        BUILT_IN.bugs().into_iter().find(|bug| bug.name == name).expect("it is in the catalogue")
    }

    fn results(wanted: &[(&'static BugInfo, u64)], settings: &RateSettings) -> Vec<BugRun> {
        let (mut results, stop) = (Vec::new(), AtomicBool::new(false));
        let jobs = NonZeroUsize::new(2).expect("2");
        let mut keep = |result| {
            results.push(result);
            Ok(())
        };
        measure_all(&BUILT_IN, wanted, settings, jobs, || Duration::ZERO, &stop, &mut keep)
            .expect("measured");
        results.sort_by_key(|run| (run.bug.clone(), run.range));
        results
    }

    #[test]
    fn ranges_share_no_seed() {
        assert_eq!([0, 1, 2].map(|number| SETTINGS.range(number)), [0..30, 30..60, 60..90]);
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn an_easy_bug_has_a_rate_and_a_hard_one_runs_to_the_end() {
        let easy = bug("no-truncate-on-conflict");
        // The power must fail twice at the right moments.
        let hard = bug("torn-tail-resurrected");
        let results = results(&[(easy, 0), (easy, 1), (hard, 0)], &SETTINGS);
        let [first, second, uncaught] = &results[..] else { panic!("{results:?}") };
        assert_eq!((first.seeds, second.seeds, uncaught.seeds), (20, 20, 30));
        assert!(first.seeds_to_catch.is_some() && first.failing > 1);
        assert_eq!(first.failing, first.fired.values().sum::<u64>());
        assert_ne!(first.fired, second.fired, "the ranges have other seeds");
        assert_eq!((uncaught.seeds_to_catch, uncaught.failing), (None, 0));
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn bugs_that_share_runs_have_the_results_of_bugs_alone() {
        let names = [
            "no-truncate-on-conflict",
            "torn-tail-resurrected",
            "joint-commit-one-side",
            "leader-local-read",
        ];
        let wanted: Vec<_> = names.iter().map(|name| (bug(name), 1)).collect();
        let alone = wanted.iter().flat_map(|bug| results(&[*bug], &SETTINGS));
        let alone: BTreeMap<_, _> = alone.map(|run| (run.bug.clone(), run)).collect();
        let together = results(&wanted, &SETTINGS);
        assert_eq!(together, alone.into_values().collect::<Vec<_>>());
        assert!(together.iter().any(|run| run.failing > 0) && together.iter().any(|run| run.failing == 0));
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn guided_runs_end_with_the_first_that_fails() {
        let settings = RateSettings { max_seeds: 200, guided: true, ..SETTINGS };
        let results = results(&[(bug("no-truncate-on-conflict"), 0)], &settings);
        assert_eq!((results[0].failing, results[0].fired.len()), (1, 1));
        assert_eq!(results[0].seeds_to_catch, Some(results[0].seeds));
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn a_black_box_is_judged_by_what_clients_see() {
        let settings = RateSettings { black_box: true, ..SETTINGS };
        let results = results(&[(bug("leader-local-read"), 0)], &settings);
        let of_clients = ["linearizability", "liveness", "no-panic", "wrong-answer"];
        assert!(results[0].fired.keys().all(|property| of_clients.contains(&property.as_str())));
    }

    #[test]
    #[cfg(feature = "bugs")]
    fn a_stopped_measurement_has_no_result() {
        let stop = AtomicBool::new(true);
        let jobs = NonZeroUsize::MIN;
        let mut refuse = |run: BugRun| Err(format!("{run:?}"));
        let wanted = [(bug("leader-local-read"), 0)];
        let measured =
            measure_all(&BUILT_IN, &wanted, &SETTINGS, jobs, || Duration::ZERO, &stop, &mut refuse);
        assert_eq!(measured, Ok(()));
    }
}
