//! What came of many runs: sums only.

use super::SweepSettings;
use super::seeds::Seeds;
use crate::outcome::{COMMIT, Counts, Outcome, READ_ANSWERED, Verdict};
use crate::plan::GENERATOR_VERSION;
use invariants::Digest;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What a sweep must have seen at least once, or it has tried nothing: the milestone, and what is said where it is missing.
const REQUIRED_MILESTONES: [(&str, &str); 3] =
    [("leader-elected", "no leader"), ("write-acknowledged", "no write"), (READ_ANSWERED, "no read")];
/// In so many seeds every property that looks at all has looked.
const MIN_SEEDS_FOR_COVERAGE: u64 = 1_000;

/// What came of a sweep so far.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How it was set up.
    pub settings: SweepSettings,
    /// The version of what a seed means.
    pub generator_version: u32,
    /// The commits that the harness was built from: several where it went on, or was added up, with another.
    pub commits: Vec<String>,
    /// How many seeds were run.
    pub seeds: u64,
    /// Which.
    pub ran: Seeds,
    /// Where results were added up: which of the seeds that belong together nobody ran.
    pub missing: Seeds,
    /// How much happened in them, in all.
    pub counts: Counts,
    /// How often each property looked.
    pub checks: Vec<Tally>,
    /// How often each milestone was reached.
    pub milestones: Vec<Tally>,
    /// How often each kind of fault struck.
    pub faults: Vec<Tally>,
    /// In how many seeds all promises were kept.
    pub passed: u64,
    /// In how many seeds the exact search was not done within its budget.
    pub unknown: u64,
    /// The seeds that broke a promise, in their order.
    pub failures: Vec<FailureRecord>,
    /// The sum of the digests of all runs, each with its seed: the same in whichever order and parts they were run.
    pub digest: Digest,
    /// How long it took, by the clock on the wall. It is in no verdict.
    pub elapsed: Duration,
    /// Whether it was ended before its seeds or its time were over.
    pub cut_short: bool,
    /// How many workers did not see the bug that each of them was shown before its first seed.
    pub canaries_missed: u64,
    /// Why the first of the plans that could not be written in this session could not.
    pub first_write_error: Option<String>,
}

/// How often something was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// What.
    pub name: Cow<'static, str>,
    /// How often in all.
    pub count: u64,
    /// In how many seeds at least once.
    pub seeds: u64,
}

/// A seed that broke a promise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailureRecord {
    /// Which promise.
    pub property: String,
    /// By what kind of clash: with the property, its shape.
    pub clash: String,
    /// The seed.
    pub seed: u64,
    /// Where the case was written; `None` where it could not be.
    pub plan: Option<PathBuf>,
    /// What was promised and what was seen.
    pub sentence: String,
}

/// The failures of one shape: to a person they are the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureGroup<'a> {
    /// Which promise was broken.
    pub property: &'a str,
    /// By what kind of clash.
    pub clash: &'a str,
    /// By which seeds, in their order; there is at least one.
    pub failures: Vec<&'a FailureRecord>,
}

/// What came of one seed.
pub(super) struct SeedResult {
    /// The seed.
    pub(super) seed: u64,
    /// Its outcome; `None` where our own code broke off.
    pub(super) outcome: Option<Outcome>,
    /// What it broke.
    pub(super) failure: Option<FailureRecord>,
    /// Why its plan could not be written.
    pub(super) write_error: Option<String>,
}

impl Summary {
    /// A sweep before its first seed.
    #[must_use]
    pub fn new(settings: &SweepSettings) -> Summary {
        Summary {
            settings: settings.clone(),
            generator_version: GENERATOR_VERSION,
            commits: vec![COMMIT.to_owned()],
            seeds: 0,
            ran: Seeds::default(),
            missing: Seeds::default(),
            counts: Counts::default(),
            checks: Vec::new(),
            milestones: Vec::new(),
            faults: Vec::new(),
            passed: 0,
            unknown: 0,
            failures: Vec::new(),
            digest: Digest(0),
            elapsed: Duration::ZERO,
            cut_short: false,
            canaries_missed: 0,
            first_write_error: None,
        }
    }

    /// The failures by their shapes.
    #[must_use]
    pub fn groups(&self) -> Vec<FailureGroup<'_>> {
        let mut groups: BTreeMap<(&str, &str), Vec<&FailureRecord>> = BTreeMap::new();
        for found in &self.failures {
            groups.entry((&found.property, &found.clash)).or_default().push(found);
        }
        let group = |((property, clash), found)| FailureGroup { property, clash, failures: found };
        groups.into_iter().map(group).collect()
    }

    /// Which of a leader, a write and a read no seed has seen: `no leader`. A milestone that was not counted, because a
    /// ledger is older than it, is not missed.
    #[must_use]
    pub fn never_seen(&self) -> Vec<&'static str> {
        let is_missing = |name: &str| {
            self.milestones.iter().any(|milestone| milestone.name == name && milestone.count == 0)
        };
        REQUIRED_MILESTONES.into_iter().filter(|(name, _)| is_missing(name)).map(|(_, said)| said).collect()
    }

    /// The properties that were not left out and have never looked.
    #[must_use]
    pub fn never_checked(&self) -> Vec<&str> {
        self.checks.iter().filter(|property| property.count == 0).map(|property| &*property.name).collect()
    }

    /// Whether this can stand for kept promises: nothing is broken or missing, every worker saw its canary, and something was
    /// tried. In a small sweep a property may have had no occasion to look.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
            && self.missing.is_empty()
            && self.canaries_missed == 0
            && self.never_seen().is_empty()
            && (self.seeds < MIN_SEEDS_FOR_COVERAGE || self.never_checked().is_empty())
    }

    /// Checked events per second of real time.
    #[must_use]
    pub fn events_per_second(&self) -> f64 {
        per_second(self.counts.events, self.elapsed)
    }

    /// Simulated seconds per second of real time.
    #[must_use]
    pub fn simulated_per_second(&self) -> f64 {
        per_second(self.counts.simulated, self.elapsed) / 1e9
    }

    /// How many cores the jobs can have kept busy.
    #[must_use]
    pub fn cores(&self) -> usize {
        let there = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        self.settings.jobs.get().min(there)
    }

    /// Adds the next seed's run.
    pub(super) fn add_result(&mut self, finished: SeedResult) {
        self.seeds += 1;
        self.ran.insert(finished.seed..finished.seed + 1);
        // A run that our own code broke off has no outcome; the digest says so by its absence.
        if let Some(outcome) = finished.outcome {
            self.add_digest(Digest::EMPTY.then(finished.seed).then(outcome.digest.0));
            self.counts.add(&outcome.counts);
            add_counts(&mut self.checks, &outcome.checks);
            add_counts(&mut self.milestones, &outcome.milestones);
            add_counts(&mut self.faults, &outcome.faults);
            match outcome.verdict {
                Verdict::Passed => self.passed += 1,
                Verdict::Unknown(_) => self.unknown += 1,
                Verdict::Failed(_) => {}
            }
        }
        self.failures.extend(finished.failure);
        self.first_write_error = self.first_write_error.take().or(finished.write_error);
    }

    /// Adds the digest of more runs.
    pub(super) fn add_digest(&mut self, more: Digest) {
        self.digest = Digest(self.digest.0.wrapping_add(more.0));
    }
}

fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { count as f64 / took.as_secs_f64() }
}

/// Adds one run's counts by name. Names keep the order in which they first came, which is that of the runs.
fn add_counts(sums: &mut Vec<Tally>, counts: &[(&'static str, u64)]) {
    for (place, &(name, count)) in counts.iter().enumerate() {
        // Every run lists the same names in the same order, so that the first look nearly always finds it.
        let place = match sums.get(place) {
            Some(sum) if sum.name == name => place,
            _ => sums.iter().position(|sum| sum.name == name).unwrap_or_else(|| {
                sums.push(Tally { name: name.into(), count: 0, seeds: 0 });
                sums.len() - 1
            }),
        };
        sums[place].count += count;
        sums[place].seeds += u64::from(count > 0);
    }
}
