//! Many runs, side by side on threads of the operating system, each in a runtime of its own.
//!
//! Whatever the threads do, results are folded in the order of the seeds: what a sweep says is the same for any number of
//! jobs. What was found is written the moment it is found, and only sums are kept, so that a sweep may be as long as it
//! likes.

mod seeds;
mod summary;
mod seed_runner;
pub mod ledger;

pub use crate::outcome::HARNESS_PANIC;
pub use seeds::Seeds;
pub use summary::{FailureGroup, FailureRecord, Summary, Tally};

use crate::outcome::{COMMIT, Options, Verdict};
use crate::plan::Plan;
use crate::reproducer::RunFn;
use seed_runner::SeedRunner;
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

/// What shall be swept, and how.
#[derive(Clone, Debug)]
pub struct SweepSettings {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// Which seeds all machines have together, where this is one of several; else the same.
    pub all_seeds: Range<u64>,
    /// How many runs are under way at once.
    pub jobs: NonZeroUsize,
    /// For how long new runs begin, where that is bounded.
    pub time_limit: Option<Duration>,
    /// The folder for failing plans; made when there is one.
    pub out: PathBuf,
    /// The bug that is switched on in each plan.
    pub bug: Option<String>,
    /// Properties that shall not look.
    pub disabled: Vec<String>,
    /// Plans that must fail: one of them at least, in each worker before its first seed, or the sweep is blind. None: nobody
    /// asks.
    pub canary_plans: Vec<Plan>,
}

/// How far ahead of the slowest seed others may run: what waits to be folded is kept in memory.
const MAX_AHEAD: u64 = 4_096;
/// How often somebody who watches hears of a sweep in which no seed ends.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Runs all seeds until they are done, the time is over or `stop` is set; then what is under way is finished.
///
/// `watch` hears of the sum so far after each seed, and from time to time in between.
pub fn sweep(
    settings: &SweepSettings,
    run: &RunFn<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    resume(Summary::new(settings), run, stop, watch)
}

/// Goes on with a sweep of which some seeds are done: with those that are not, wherever they are.
pub fn resume(
    mut summary: Summary,
    run: &RunFn<'_>,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    let settings = &summary.settings.clone();
    let (began, took_before, blind_before) = (Instant::now(), summary.elapsed, summary.canaries_missed);
    let all = Seeds::from(settings.seeds.clone());
    let left = all.difference(&summary.ran);
    if !left.is_empty() && !summary.commits.iter().any(|commit| commit == COMMIT) {
        summary.commits.push(COMMIT.to_owned());
    }
    let shop = WorkQueue {
        count: left.count(),
        remaining: left,
        next: AtomicU64::new(0),
        folded: AtomicU64::new(0),
        deadline: settings.time_limit.and_then(|lasts| began.checked_add(lasts.saturating_sub(took_before))),
        stop,
        canaries_missed: AtomicU64::new(0),
        runner: SeedRunner { settings, run },
    };
    let told = |summary: &mut Summary| {
        summary.elapsed = took_before + began.elapsed();
        summary.canaries_missed = blind_before + shop.canaries_missed.load(Ordering::Relaxed);
    };
    let (results, arrivals) = channel();
    thread::scope(|scope| {
        let useful = settings.jobs.get().min(usize::try_from(shop.count).unwrap_or(usize::MAX));
        for already in 0..useful {
            let (shop, results) = (&shop, results.clone());
            let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                shop.check_canary();
                run_worker(scope, shop, &results);
            });
            if spawned.is_err() {
                assert!(already > 0, "the system gives us no thread at all");
                break;
            }
        }
        // The arrivals end when the last worker has dropped its sender; this one would keep them open.
        drop(results);
        fold_in_order(&shop, &arrivals, &mut summary, |summary| {
            told(summary);
            watch(summary);
        });
    });
    told(&mut summary);
    // Where a sweep that goes on filled a hole, what it found there came last.
    summary.failures.sort_by_key(|found| found.seed);
    let time_is_over = settings.time_limit.is_some_and(|lasts| summary.elapsed >= lasts);
    summary.cut_short = summary.seeds < all.count() && !time_is_over;
    summary
}

/// Where the workers get their seeds.
struct WorkQueue<'a> {
    /// The seeds that were not run before, and how many they are.
    remaining: Seeds,
    count: u64,
    /// The place among them of the next that nobody has.
    next: AtomicU64,
    /// How many of them are folded.
    folded: AtomicU64,
    deadline: Option<Instant>,
    stop: &'a AtomicBool,
    /// How many workers did not see the canary.
    canaries_missed: AtomicU64,
    runner: SeedRunner<'a>,
}

impl WorkQueue<'_> {
    /// Whoever does not see a bug that is switched on sees nothing: each worker is shown one.
    fn check_canary(&self) {
        let canary = &self.runner.settings.canary_plans;
        let fails = |plan: &Plan| {
            let judged = catch_unwind(AssertUnwindSafe(|| (self.runner.run)(plan, &Options::default())));
            judged.is_ok_and(|record| matches!(record.outcome.verdict, Verdict::Failed(_)))
        };
        if !canary.is_empty() && !canary.iter().any(fails) {
            self.canaries_missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next seed that nobody has. A seed that was handed out is always run: otherwise there would be a hole in the
    /// order, and what lies behind it could never be folded.
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
        let place = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        self.remaining.nth(place)
    }
}

/// A worker: seed after seed, until there are none.
fn run_worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    shop: &'scope WorkQueue<'scope>,
    results: &Sender<SeedResult>,
) {
    while let Some(seed) = shop.next_seed() {
        let judged = catch_unwind(AssertUnwindSafe(|| shop.runner.run_seed(seed)));
        let (finished, broken) = match judged {
            Ok(finished) => (finished, false),
            Err(payload) => (shop.runner.result_of_harness_panic(seed, payload.as_ref()), true),
        };
        if results.send(finished).is_err() {
            return;
        }
        if broken {
            // Our own code broke off in the middle, and nobody knows what it left in this thread: a fresh one goes on.
            let results = results.clone();
            scope.spawn(move || run_worker(scope, shop, &results));
            return;
        }
    }
}

/// Folds what arrives, in the order of the seeds.
fn fold_in_order(
    shop: &WorkQueue<'_>,
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
        while let Some(finished) = shop.remaining.nth(next).and_then(|seed| early.remove(&seed)) {
            summary.add_result(finished);
            next += 1;
            shop.folded.store(next, Ordering::Relaxed);
            watch(summary);
        }
    }
    let lost = shop.remaining.nth(next);
    assert!(early.is_empty(), "seeds from {lost:?} on were handed out and never came back");
}

#[cfg(test)]
mod tests;
