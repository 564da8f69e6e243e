//! Sweeps: many seeds, run on operating system threads, each in its own runtime.
//!
//! Results are folded in the order of the seeds, so that the summary is the same for any number of jobs. A failing
//! plan is written to disk at once, and only sums stay in memory: the length of a sweep is not bounded by memory.

#![expect(clippy::disallowed_types, reason = "a sweep may be limited by time, and measures its speed")]

mod seeds;
mod summary;
mod seed_runner;
pub mod ledger;

pub use crate::outcome::HARNESS_PANIC;
pub use seeds::Seeds;
pub use summary::{FailureGroup, FailureRecord, Summary, Tally};

use crate::findings::reproducer::RunFn;
use crate::outcome::{COMMIT, Options, Verdict};
use crate::plan::Plan;
use crate::systems::{BUILT_IN, SystemInfo};
use seed_runner::SeedRunner;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};
use summary::SeedResult;

/// What to sweep, and how. A ledger stores all but the settings of the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweepSettings {
    /// The system.
    #[serde(skip, default = "built_in")]
    pub system: SystemInfo,
    /// The seeds of this machine.
    pub seeds: Range<u64>,
    /// The seeds of all machines together; the same as `seeds` on a single machine.
    #[serde(alias = "shared")]
    pub all_seeds: Range<u64>,
    /// Concurrent runs.
    #[serde(skip, default = "one_job")]
    pub jobs: NonZeroUsize,
    /// Time after which no new run starts.
    #[serde(alias = "lasts")]
    pub time_limit: Option<Duration>,
    /// Folder for failing plans, created with the first of them.
    #[serde(skip)]
    pub out: PathBuf,
    /// The bug switched on in each plan.
    pub bug: Option<String>,
    /// Properties not checked.
    #[serde(alias = "without")]
    pub disabled: Vec<String>,
    /// Canaries: plans with a known bug of the built-in system. Each worker must see at least one of them fail before its first seed. Empty:
    /// no canary check.
    #[serde(skip)]
    pub canary_plans: Vec<Plan>,
}

const fn built_in() -> SystemInfo {
    BUILT_IN
}

const fn one_job() -> NonZeroUsize {
    NonZeroUsize::MIN
}

impl Default for SweepSettings {
    /// No seeds.
    fn default() -> SweepSettings {
        SweepSettings {
            system: BUILT_IN,
            seeds: 0..0,
            all_seeds: 0..0,
            jobs: one_job(),
            time_limit: None,
            out: PathBuf::new(),
            bug: None,
            disabled: Vec::new(),
            canary_plans: Vec::new(),
        }
    }
}

/// How far the seeds handed out may be ahead of the last one folded: results that wait are kept in memory.
const MAX_AHEAD: u64 = 4_096;
/// How often `watch` is called if no seed ends.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// The bug of the canary plans: nearly every plan exposes it.
const CANARY_BUG: &str = "match-from-sent-index";
/// Number of canary plans.
const CANARY_PLANS: u64 = 20;

/// The usual canary plans. None without the feature `bugs`.
#[must_use]
pub fn canary_plans() -> Vec<Plan> {
    match BUILT_IN.check_bug(CANARY_BUG) {
        Ok(()) => (0..CANARY_PLANS).map(|seed| BUILT_IN.plan(seed, Some(CANARY_BUG))).collect(),
        Err(_) => Vec::new(),
    }
}

/// Runs all seeds until they are done, the time is over or `stop` is set. Runs in progress are finished.
///
/// `watch` is called with the sums after each seed, and periodically in between.
pub fn sweep(
    settings: &SweepSettings,
    run: &RunFn<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    resume(Summary::new(settings), run, stop, watch)
}

/// Continues a sweep: runs the seeds that `summary` does not contain.
pub fn resume(
    mut summary: Summary,
    run: &RunFn<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    let settings = &summary.settings.clone();
    let (began, took_before, missed_before) = (Instant::now(), summary.elapsed, summary.canaries_missed);
    let all = Seeds::from(settings.seeds.clone());
    let left = all.difference(&summary.ran);
    if !left.is_empty() && !summary.commits.iter().any(|commit| commit == COMMIT) {
        summary.commits.push(COMMIT.to_owned());
    }
    let queue = WorkQueue {
        count: left.count(),
        remaining: left,
        next: AtomicU64::new(0),
        folded: AtomicU64::new(0),
        deadline: settings.time_limit.and_then(|limit| began.checked_add(limit.saturating_sub(took_before))),
        stop,
        canaries_missed: AtomicU64::new(0),
        runner: SeedRunner { settings, run },
    };
    let update = |summary: &mut Summary| {
        summary.elapsed = took_before + began.elapsed();
        summary.canaries_missed = missed_before + queue.canaries_missed.load(Ordering::Relaxed);
    };
    let (results, arrivals) = channel();
    thread::scope(|scope| {
        let workers = settings.jobs.get().min(usize::try_from(queue.count).unwrap_or(usize::MAX));
        for already in 0..workers {
            let (queue, results) = (&queue, results.clone());
            let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                queue.check_canary();
                run_worker(scope, queue, &results);
            });
            if spawned.is_err() {
                assert!(already > 0, "the operating system must provide at least one thread");
                break;
            }
        }
        // `arrivals` ends when the last worker drops its sender: drop this one too.
        drop(results);
        fold_in_order(&queue, &arrivals, &mut summary, |summary| {
            update(summary);
            watch(summary);
        });
    });
    update(&mut summary);
    // A resumed sweep may have filled gaps: their failures were added last.
    summary.failures.sort_by_key(|found| found.seed);
    let time_is_over = settings.time_limit.is_some_and(|limit| summary.elapsed >= limit);
    summary.cut_short = summary.seeds < all.count() && !time_is_over;
    summary
}

/// Hands out seeds to the workers.
struct WorkQueue<'a> {
    /// The seeds not run before, and their number.
    remaining: Seeds,
    count: u64,
    /// Position in `remaining` of the next seed to hand out.
    next: AtomicU64,
    /// How many of them are folded.
    folded: AtomicU64,
    deadline: Option<Instant>,
    stop: &'a AtomicBool,
    /// Workers that missed the canary.
    canaries_missed: AtomicU64,
    runner: SeedRunner<'a>,
}

impl WorkQueue<'_> {
    /// Checks that the harness of this worker detects a known bug (canary).
    fn check_canary(&self) {
        let canary = &self.runner.settings.canary_plans;
        let fails = |plan: &Plan| {
            let result = catch_unwind(AssertUnwindSafe(|| BUILT_IN.run(plan, &Options::default())));
            result.is_ok_and(|record| matches!(record.outcome.verdict, Verdict::Failed(_)))
        };
        if !canary.is_empty() && !canary.iter().any(fails) {
            self.canaries_missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the next seed. A seed handed out is always run: a gap would block the folding of all later ones.
    fn next_seed(&self) -> Option<u64> {
        loop {
            let over = self.deadline.is_some_and(|until| Instant::now() >= until);
            if over || self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if self.next.load(Ordering::Relaxed).saturating_sub(self.folded.load(Ordering::Relaxed))
                < MAX_AHEAD
            {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let take = |next: u64| (next < self.count).then_some(next.saturating_add(1));
        let position = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        self.remaining.nth(position)
    }
}

/// A worker: runs seeds until there are none.
fn run_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    queue: &'scope WorkQueue<'scope>,
    results: &Sender<SeedResult>,
) {
    while let Some(seed) = queue.next_seed() {
        let result = catch_unwind(AssertUnwindSafe(|| queue.runner.run_seed(seed)));
        let (finished, has_panicked) = match result {
            Ok(finished) => (finished, false),
            Err(payload) => (queue.runner.result_of_harness_panic(seed, payload.as_ref()), true),
        };
        if results.send(finished).is_err() {
            return;
        }
        if has_panicked {
            // The harness panicked and may have left this thread in any state: a fresh thread continues.
            let results = results.clone();
            scope.spawn(move || run_worker(scope, queue, &results));
            return;
        }
    }
}

/// Folds results in the order of the seeds.
fn fold_in_order(
    queue: &WorkQueue<'_>,
    arrivals: &Receiver<SeedResult>,
    summary: &mut Summary,
    mut watch: impl FnMut(&mut Summary),
) {
    let mut early: BTreeMap<u64, SeedResult> = BTreeMap::new();
    let mut next = 0;
    loop {
        match arrivals.recv_timeout(WATCH_INTERVAL) {
            Ok(finished) => drop(early.insert(finished.seed, finished)),
            Err(RecvTimeoutError::Timeout) => watch(summary),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while let Some(finished) = queue.remaining.nth(next).and_then(|seed| early.remove(&seed)) {
            summary.add_result(finished);
            next += 1;
            queue.folded.store(next, Ordering::Relaxed);
            watch(summary);
        }
    }
    let missing = queue.remaining.nth(next);
    assert!(early.is_empty(), "no result for seed {missing:?}, which was handed out");
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
