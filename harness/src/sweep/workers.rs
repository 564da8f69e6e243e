//! The threads of a sweep: each takes a seed after the other. The results are folded in the order of the seeds.

#![expect(clippy::disallowed_types, reason = "a sweep may be limited by time")]

use super::in_flight::InFlight;
use super::seed_runner::SeedRunner;
use super::seeds::Seeds;
use super::summary::{SeedResult, Summary};
use crate::findings::guard::HangWatch;
use crate::outcome::{Options, RunProgress, Verdict};
use crate::plan::Plan;
use crate::systems::BUILT_IN;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How far the seeds handed out may be ahead of the last one folded: results that wait are kept in memory.
const MAX_AHEAD: u64 = 4_096;
/// How often `watch` is called if no seed ends, and how often runs are looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Hands out seeds to the workers.
pub(super) struct WorkQueue {
    /// The seeds not run before, and their number.
    remaining: Seeds,
    count: u64,
    /// Position in `remaining` of the next seed to hand out.
    next: AtomicU64,
    /// How many of them are folded.
    folded: AtomicU64,
    deadline: Option<Instant>,
    stop: &'static AtomicBool,
    /// Too many runs hang.
    halted: AtomicBool,
    /// Workers that missed the canary.
    canaries_missed: AtomicU64,
    runner: SeedRunner,
    workers: Vec<Mutex<Worker>>,
    in_flight: Option<InFlight>,
}

/// What a worker does.
#[derive(Default)]
struct Worker {
    /// Counts the threads of this worker that were given up.
    given_up: u64,
    /// The seed that it runs, and how far the run is.
    run: Option<(u64, Arc<RunProgress>)>,
}

/// What a worker reports.
enum Report {
    /// The result of a seed.
    Finished(Box<SeedResult>),
    /// The worker has ended.
    Ended,
}

/// Reports the end of a worker, whatever ends it.
struct EndReport(Option<Sender<Report>>);

impl Drop for EndReport {
    fn drop(&mut self) {
        if let Some(reports) = self.0.take() {
            // Without a receiver the sweep has ended.
            drop(reports.send(Report::Ended));
        }
    }
}

impl WorkQueue {
    pub(super) fn new(
        remaining: Seeds,
        deadline: Option<Instant>,
        stop: &'static AtomicBool,
        runner: SeedRunner,
    ) -> Arc<WorkQueue> {
        let count = remaining.count();
        let workers = runner.settings.jobs.get().min(usize::try_from(count).unwrap_or(usize::MAX));
        let in_flight = runner.settings.records_in_flight.then_some(&runner.settings.out);
        Arc::new(WorkQueue {
            // Without it a sweep that dies cannot say which seed it was, but goes on.
            in_flight: in_flight.and_then(|out| InFlight::create(out, workers).ok()),
            workers: (0..workers).map(|_| Mutex::default()).collect(),
            remaining,
            count,
            next: AtomicU64::new(0),
            folded: AtomicU64::new(0),
            deadline,
            stop,
            halted: AtomicBool::new(false),
            canaries_missed: AtomicU64::new(0),
            runner,
        })
    }

    /// Workers that missed the canary.
    pub(super) fn canaries_missed(&self) -> u64 {
        self.canaries_missed.load(Ordering::Relaxed)
    }

    fn worker(&self, number: usize) -> MutexGuard<'_, Worker> {
        self.workers[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

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
            if over || self.stop.load(Ordering::Relaxed) || self.halted.load(Ordering::Relaxed) {
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

    /// A worker takes a seed, or ends.
    fn set_in_flight(&self, number: usize, seed: Option<u64>) {
        if let Some(file) = &self.in_flight {
            file.set(number, seed);
        }
    }

    /// A worker has finished a run. False: the run was given up, and another thread is the worker.
    fn finish(&self, number: usize, given_up: u64) -> bool {
        let mut worker = self.worker(number);
        let is_current = worker.given_up == given_up;
        if is_current {
            worker.run = None;
        }
        is_current
    }
}

/// Starts a thread of a worker. Returns whether the operating system provides it.
fn start(queue: &Arc<WorkQueue>, number: usize, reports: &Sender<Report>, is_first: bool) -> bool {
    let given_up = queue.worker(number).given_up;
    let (queue, reports) = (queue.clone(), reports.clone());
    let spawned = thread::Builder::new().spawn(move || {
        let mut end = EndReport(Some(reports.clone()));
        if is_first {
            queue.check_canary();
        }
        if !run_seeds(&queue, number, given_up, &reports) {
            end.0 = None;
        }
    });
    spawned.is_ok()
}

/// Runs seeds until there are none. Returns false if another thread is the worker now.
fn run_seeds(queue: &Arc<WorkQueue>, number: usize, given_up: u64, reports: &Sender<Report>) -> bool {
    while let Some(seed) = queue.next_seed() {
        let progress = Arc::new(RunProgress::default());
        queue.worker(number).run = Some((seed, progress.clone()));
        queue.set_in_flight(number, Some(seed));
        let result = catch_unwind(AssertUnwindSafe(|| queue.runner.run_seed(seed, progress)));
        if !queue.finish(number, given_up) {
            return false;
        }
        let (result, has_panicked) = match result {
            Ok(result) => (result, false),
            Err(payload) => (queue.runner.result_of_harness_panic(seed, payload.as_ref()), true),
        };
        if reports.send(Report::Finished(Box::new(result))).is_err() {
            return false;
        }
        // The harness panicked and may have left this thread in any state: a fresh thread continues.
        if has_panicked {
            return !start(queue, number, reports, false);
        }
    }
    queue.set_in_flight(number, None);
    true
}

/// Runs all seeds and folds their results. Returns how many runs hang.
pub(super) fn run_all(
    queue: &Arc<WorkQueue>,
    summary: &mut Summary,
    mut watch: impl FnMut(&mut Summary),
) -> usize {
    let (reports, arrivals) = channel();
    let mut running = 0;
    for number in 0..queue.workers.len() {
        if !start(queue, number, &reports, true) {
            assert!(running > 0, "the operating system must provide at least one thread");
            break;
        }
        running += 1;
    }
    let stuck = fold_in_order(queue, (&reports, &arrivals), running, summary, &mut watch);
    // A thread that hangs keeps the queue, but not the file.
    if let Some(file) = &queue.in_flight {
        file.remove();
    }
    stuck
}

/// Folds results in the order of the seeds. Returns how many runs hang.
fn fold_in_order(
    queue: &Arc<WorkQueue>,
    (reports, arrivals): (&Sender<Report>, &Receiver<Report>),
    mut running: usize,
    summary: &mut Summary,
    watch: &mut impl FnMut(&mut Summary),
) -> usize {
    let mut early: BTreeMap<u64, SeedResult> = BTreeMap::new();
    let (mut next, mut stuck, mut looked) = (0, 0, Instant::now());
    let mut watches: Vec<Option<HangWatch>> = queue.workers.iter().map(|_| None).collect();
    while running > 0 {
        match arrivals.recv_timeout(WATCH_INTERVAL) {
            Ok(Report::Finished(result)) => drop(early.insert(result.seed, *result)),
            Ok(Report::Ended) => running -= 1,
            Err(RecvTimeoutError::Timeout) => watch(summary),
            Err(RecvTimeoutError::Disconnected) => unreachable!("this function has a sender"),
        }
        if looked.elapsed() >= WATCH_INTERVAL {
            looked = Instant::now();
            for (number, watch) in watches.iter_mut().enumerate() {
                let Some(result) = give_up_if_hanging(queue, number, watch) else { continue };
                early.insert(result.seed, result);
                stuck += 1;
                if stuck >= queue.runner.settings.max_stuck {
                    queue.halted.store(true, Ordering::Relaxed);
                }
                if !start(queue, number, reports, false) {
                    running -= 1;
                }
            }
        }
        while let Some(result) = queue.remaining.nth(next).and_then(|seed| early.remove(&seed)) {
            summary.add_result(result);
            next += 1;
            queue.folded.store(next, Ordering::Relaxed);
            watch(summary);
        }
    }
    let missing = queue.remaining.nth(next);
    assert!(early.is_empty(), "no result for seed {missing:?}, which was handed out");
    stuck
}

/// Looks at the run of a worker. If it hangs, gives up its thread and returns the result of its seed.
fn give_up_if_hanging(queue: &WorkQueue, number: usize, watch: &mut Option<HangWatch>) -> Option<SeedResult> {
    let mut worker = queue.worker(number);
    let (seed, progress) = worker.run.as_ref()?;
    let watch = match watch {
        Some(watch) if watch.is_of(progress) => watch,
        other => other.insert(HangWatch::new(progress.clone())),
    };
    let failure = watch.look(queue.runner.settings.hang_after)?;
    let seed = *seed;
    *worker = Worker { given_up: worker.given_up + 1, run: None };
    drop(worker);
    Some(queue.runner.result_without_end(seed, failure))
}
