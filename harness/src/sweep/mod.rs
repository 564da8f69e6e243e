//! Sweeps: many seeds, run on operating system threads, each in its own runtime.
//!
//! Results are folded in the order of the seeds, so that the summary is the same for any number of jobs. A failing
//! plan is written to disk at once, and only sums stay in memory: the length of a sweep is not bounded by memory.

#![expect(clippy::disallowed_types, reason = "a sweep may be limited by time, and measures its speed")]

mod seeds;
mod window;
mod parts;
mod failures;
mod rare;
mod pace;
mod summary;
mod floors;
mod seed_runner;
pub mod in_flight;
mod workers;
mod lock;
pub mod ledger;
pub mod merge;
pub mod corpus;

pub use crate::outcome::HARNESS_PANIC;
pub use failures::{CorpusFailure, CorpusRun, FailureGroup, FailureRecord, ShrunkPlan, UnlistedFailures};
pub use floors::{BelowFloor, FLOOR_SEEDS, Floors, MIN_MEDIAN};
pub use pace::Pace;
pub use parts::{AskedSeeds, MergedParts, Shards};
pub use rare::{RARE_BELOW, RareThing};
pub use seed_runner::SweepRun;
pub use seeds::Seeds;
pub use summary::{Baseline, KnownCount, Summary, Tally};
pub use window::{WINDOW_SEEDS, Window};

use crate::findings::guard::HANG_AFTER;
use crate::findings::known::KnownDefect;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{COMMIT, Failure};
use crate::plan::{Feature, Plan};
use crate::systems::{BUILT_IN, SystemInfo};
use seed_runner::SeedRunner;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use workers::WorkQueue;

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
    /// Which part of them this machine runs, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The window that they are in.
    #[serde(default, with = "window::by_name", skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
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
    /// What is left out of the plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Known defects: failures with their signatures are counted apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownDefect>,
    /// Canaries: plans with a known bug of the built-in system. Each worker must see at least one of them fail before its first seed. Empty:
    /// no canary check.
    #[serde(skip)]
    pub canary_plans: Vec<Plan>,
    /// How long a run may be without an event, in real time.
    #[serde(skip, default = "hang_after")]
    pub hang_after: Duration,
    /// Whether the seeds in flight stand in a file in `out`, for a sweep that can be resumed.
    #[serde(skip)]
    pub records_in_flight: bool,
    /// The sweep ends early if so many runs hang: their threads keep the processor busy.
    #[serde(skip, default = "max_stuck")]
    pub max_stuck: usize,
}

/// One of several machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    /// Its index, from 0.
    pub index: u64,
    /// Number of machines.
    pub count: u64,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.index.saturating_add(1), self.count)
    }
}

impl Shard {
    /// Its seeds.
    #[must_use]
    pub fn seeds(&self, all: &Range<u64>) -> Range<u64> {
        let length = u128::from(all.end - all.start);
        let place = |index: u64| all.start + (length * u128::from(index) / u128::from(self.count)) as u64;
        place(self.index)..place(self.index + 1)
    }
}

const fn hang_after() -> Duration {
    HANG_AFTER
}

const fn max_stuck() -> usize {
    usize::MAX
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
            shard: None,
            window: None,
            jobs: one_job(),
            time_limit: None,
            out: PathBuf::new(),
            bug: None,
            disabled: Vec::new(),
            left_out: Vec::new(),
            known: Vec::new(),
            canary_plans: Vec::new(),
            hang_after: HANG_AFTER,
            records_in_flight: false,
            max_stuck: usize::MAX,
        }
    }
}

impl SweepSettings {
    /// The plan of a seed.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let features = self.left_out.iter().filter_map(|name| Feature::named(name).ok());
        features.fold(self.system.plan(seed, self.bug.as_deref()), |plan, feature| feature.remove_from(plan))
    }

    /// The known defects that a failure shows.
    pub fn known_as(&self, signature: &FailureSignature) -> impl Iterator<Item = &KnownDefect> {
        self.known.iter().filter(move |known| known.signature == *signature)
    }

    /// Whether a failure shows a known defect.
    #[must_use]
    pub fn is_known(&self, signature: &FailureSignature) -> bool {
        self.known_as(signature).next().is_some()
    }
}

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
    run: SweepRun,
    stop: &'static AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    resume(Summary::new(settings), run, stop, watch)
}

/// Continues a sweep: runs the seeds that `summary` does not contain.
///
/// A run without an event for [`SweepSettings::hang_after`] is a failure. Its thread cannot be stopped and goes on until
/// the process ends, and another one takes its place.
pub fn resume(
    mut summary: Summary,
    run: SweepRun,
    stop: &'static AtomicBool,
    watch: &mut dyn FnMut(&Summary),
) -> Summary {
    let settings = summary.settings.clone();
    let (began, took_before, missed_before) = (Instant::now(), summary.elapsed, summary.canaries_missed);
    let all = Seeds::from(settings.seeds.clone());
    let left = all.difference(&summary.ran);
    if !left.is_empty() && !summary.commits.iter().any(|commit| commit == COMMIT) {
        summary.commits.push(COMMIT.to_owned());
    }
    let deadline = settings.time_limit.and_then(|limit| began.checked_add(limit.saturating_sub(took_before)));
    let queue = WorkQueue::new(left, deadline, stop, SeedRunner { settings: settings.clone(), run });
    let update = |summary: &mut Summary| {
        summary.elapsed = took_before + began.elapsed();
        summary.canaries_missed = missed_before + queue.canaries_missed();
    };
    summary.stuck = workers::run_all(&queue, &mut summary, |summary| {
        update(summary);
        watch(summary);
    });
    update(&mut summary);
    // A resumed sweep may have filled gaps: their failures were added last.
    summary.failures.sort_by_key(|found| found.seed);
    let time_is_over = settings.time_limit.is_some_and(|limit| summary.elapsed >= limit);
    summary.cut_short = summary.seeds < all.count() && !time_is_over;
    summary
}

/// Adds a seed whose run hangs or ends its process, and writes its plan.
pub fn add_failure_without_end(summary: &mut Summary, seed: u64, failure: Failure) {
    let settings = summary.settings.clone();
    let system = settings.system;
    let runner = SeedRunner { settings, run: Arc::new(move |plan, options| system.run(plan, options)) };
    summary.add_result(runner.result_without_end(seed, failure));
    summary.failures.sort_by_key(|found| found.seed);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
