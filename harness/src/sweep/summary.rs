//! The sums over the runs of a sweep.

use super::SweepSettings;
use super::failures::{self, CorpusFailure, CorpusRun, FailureGroup, FailureRecord, UnlistedFailures};
use super::pace::Pace;
use super::parts::MergedParts;
use super::rare::{self, RARE_BELOW, RareThing};
use super::seeds::Seeds;
use crate::findings::known::KnownDefect;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{COMMIT, Counts, Outcome, READ_ANSWERED, Verdict};
use crate::plan::GENERATOR_VERSION;
use invariants::Digest;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Milestones that every sweep must reach, and what is reported if one is missing.
const REQUIRED_MILESTONES: [(&str, &str); 3] =
    [("leader-elected", "no leader"), ("write-acknowledged", "no write"), (READ_ANSWERED, "no read")];
/// With so many seeds every enabled property must have been checked.
const MIN_SEEDS_FOR_COVERAGE: u64 = 1_000;

/// The results of a sweep so far. A ledger stores the seeds and their sums.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Summary {
    /// The settings.
    #[serde(skip)]
    pub settings: SweepSettings,
    /// Version of the plan generator.
    #[serde(skip)]
    pub generator_version: u32,
    /// Commits the harness was built from: several after a merge, or a resume with another build.
    #[serde(skip)]
    pub commits: Vec<String>,
    /// Number of seeds run.
    #[serde(skip)]
    pub seeds: u64,
    /// The seeds run.
    pub ran: Seeds,
    /// After a merge: seeds of the sweep that were not run.
    #[serde(skip)]
    pub missing: Seeds,
    /// Total counts.
    pub counts: Counts,
    /// Checks of each property.
    pub checks: Vec<Tally>,
    /// Each milestone reached.
    pub milestones: Vec<Tally>,
    /// Each line on which correctness rests, by the name of the bug without it: how many seeds exercised it. Empty without
    /// the feature `bugs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exercised: Vec<Tally>,
    /// Milestones and lines that few seeds reached, and which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rare: Vec<RareThing>,
    /// Runs of plans of the corpus, which are in no other sum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corpus: Vec<CorpusRun>,
    /// Each kind of fault injected.
    pub faults: Vec<Tally>,
    /// Seeds in which all properties held.
    pub passed: u64,
    /// Seeds whose exact linearizability search exceeded its budget.
    pub unknown: u64,
    /// Seeds that violated a property, ascending. After a merge the first ones of each group.
    pub failures: Vec<FailureRecord>,
    /// Seeds that violated a property and are only counted, after a merge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<UnlistedFailures>,
    /// Sum of the digests of all runs, each with its seed: independent of order and partition.
    pub digest: Digest,
    /// Elapsed real time. No verdict depends on it.
    #[serde(rename = "seconds", serialize_with = "seconds::serialize")]
    pub elapsed: Duration,
    /// Events by elapsed real time. No verdict depends on it.
    #[serde(skip_serializing_if = "Pace::is_empty")]
    pub pace: Pace,
    /// Whether it ended before its seeds or its time were used up.
    #[serde(skip)]
    pub cut_short: bool,
    /// Runs of this process that hang, and keep a thread each.
    #[serde(skip)]
    pub stuck: usize,
    /// Workers that missed the canary.
    pub canaries_missed: u64,
    /// After a merge: its parts.
    #[serde(skip)]
    pub merged: Option<MergedParts>,
    /// What failed before; the others are new.
    #[serde(skip)]
    pub baseline: Option<Baseline>,
    /// Why the first plan that could not be written in this session could not.
    #[serde(skip)]
    pub first_write_error: Option<String>,
}

/// The failures of an earlier sweep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Baseline {
    /// Where they come from.
    pub name: String,
    /// How they failed.
    pub signatures: BTreeSet<FailureSignature>,
}

/// A duration as a number of seconds.
pub(super) mod seconds {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;
    use std::time::Duration;

    pub(in crate::sweep) fn serialize<S: Serializer>(
        elapsed: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(elapsed.as_secs_f64())
    }

    pub(in crate::sweep) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A count by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "(String, u64, u64)", into = "(Cow<'static, str>, u64, u64)")]
pub struct Tally {
    /// The name.
    pub name: Cow<'static, str>,
    /// How often in all.
    pub count: u64,
    /// Number of seeds in which it is not zero.
    pub seeds: u64,
}

impl From<(String, u64, u64)> for Tally {
    fn from((name, count, seeds): (String, u64, u64)) -> Tally {
        Tally { name: name.into(), count, seeds }
    }
}

impl From<Tally> for (Cow<'static, str>, u64, u64) {
    fn from(Tally { name, count, seeds }: Tally) -> Self {
        (name, count, seeds)
    }
}

/// How often a sweep saw a known defect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownCount<'a> {
    /// The defect.
    pub defect: &'a KnownDefect,
    /// Number of seeds.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: Option<u64>,
}

/// The result of one seed.
pub(super) struct SeedResult {
    /// The seed.
    pub(super) seed: u64,
    /// The outcome; `None` if the harness panicked.
    pub(super) outcome: Option<Outcome>,
    /// The failure, if any.
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
            ..Summary::default()
        }
    }

    /// The failures by signature.
    #[must_use]
    pub fn groups(&self) -> Vec<FailureGroup<'_>> {
        let mut groups: BTreeMap<&FailureSignature, Vec<&FailureRecord>> = BTreeMap::new();
        for failure in &self.failures {
            groups.entry(&failure.signature).or_default().push(failure);
        }
        let known = |signature| self.settings.known_as(signature).map(|known| known.case.as_str()).collect();
        let group = |(signature, failures): (_, Vec<_>)| {
            let count = (failures.len() as u64).saturating_add(self.unlisted_of(signature));
            FailureGroup { signature, failures, count, known: known(signature) }
        };
        groups.into_iter().map(group).collect()
    }

    /// Failures of a group that are only counted.
    fn unlisted_of(&self, signature: &FailureSignature) -> u64 {
        self.unlisted.iter().find(|group| group.signature == *signature).map_or(0, |group| group.count)
    }

    /// The listed failures that show no known defect.
    pub fn new_failures(&self) -> impl Iterator<Item = &FailureRecord> {
        self.failures.iter().filter(|failure| !self.settings.is_known(&failure.signature))
    }

    /// Number of seeds that failed, except by known defects, and by them.
    #[must_use]
    pub fn failure_counts(&self) -> (u64, u64) {
        let listed = self.new_failures().count() as u64;
        let mut counts = (listed, self.failures.len() as u64 - listed);
        for group in &self.unlisted {
            let sum = if self.settings.is_known(&group.signature) { &mut counts.1 } else { &mut counts.0 };
            *sum = sum.saturating_add(group.count);
        }
        counts
    }

    /// Sets the shrunk plans of these seeds.
    #[cfg(feature = "cli")]
    pub(crate) fn set_shrunk_plans(&mut self, plans: Vec<(u64, failures::ShrunkPlan)>) {
        for (seed, plan) in plans {
            let failure = self.failures.iter_mut().find(|failure| failure.seed == seed);
            failure.into_iter().for_each(|failure| failure.shrunk = Some(plan.clone()));
        }
    }

    /// Plans of the corpus that fail, and show no known defect.
    pub fn corpus_failures(&self) -> impl Iterator<Item = &CorpusFailure> {
        let failures = self.corpus.iter().filter_map(|run| run.failure.as_ref());
        failures.filter(|failure| !self.settings.is_known(&failure.signature))
    }

    /// How often each known defect was seen.
    #[must_use]
    pub fn known_counts(&self) -> Vec<KnownCount<'_>> {
        let count = |defect: &KnownDefect| {
            let seeds = self.failures.iter().filter(|failure| failure.signature == defect.signature);
            let listed = seeds.clone().count() as u64;
            let count = listed.saturating_add(self.unlisted_of(&defect.signature));
            (count, seeds.map(|failure| failure.seed).min())
        };
        let counts = self.settings.known.iter().map(|defect| (defect, count(defect)));
        counts.map(|(defect, (seeds, first_seed))| KnownCount { defect, seeds, first_seed }).collect()
    }

    /// Whether failures of this kind are new since the baseline; `None` without one.
    #[must_use]
    pub fn is_new(&self, signature: &FailureSignature) -> Option<bool> {
        self.baseline.as_ref().map(|baseline| !baseline.signatures.contains(signature))
    }

    /// Which of a leader, a write and a read no seed reached, as `no leader`. A milestone that an older ledger did
    /// not count is not reported.
    #[must_use]
    pub fn never_seen(&self) -> Vec<&'static str> {
        let has_facts = self.settings.system.supports.facts;
        let is_missing = |name: &str| {
            // Without facts only clients can tell, and the liveness of each run includes a write.
            (has_facts || name == READ_ANSWERED)
                && self.milestones.iter().any(|milestone| milestone.name == name && milestone.count == 0)
        };
        REQUIRED_MILESTONES
            .into_iter()
            .filter(|(name, _)| is_missing(name))
            .map(|(_, report)| report)
            .collect()
    }

    /// Enabled properties without a single check, though the system does what they are about.
    #[must_use]
    pub fn never_checked(&self) -> Vec<&str> {
        self.without_checks(true).collect()
    }

    /// Properties without a single check, because the system does not do what they are about.
    #[must_use]
    pub fn left_out(&self) -> Vec<&str> {
        self.without_checks(false).collect()
    }

    fn without_checks(&self, can_check: bool) -> impl Iterator<Item = &str> {
        let without = self.checks.iter().filter(|property| property.count == 0);
        let names = without.map(|property| &*property.name);
        names.filter(move |name| self.settings.system.can_check(name) == can_check)
    }

    /// Whether the sweep passed: no new failure, no missing seed, no missed canary, the required milestones were
    /// reached, and a large sweep of default plans got to everything often enough. In a small sweep a property may have had no occasion for a check.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.new_failures().next().is_none()
            && self.corpus_failures().next().is_none()
            && self.missing.is_empty()
            && self.canaries_missed == 0
            && self.never_seen().is_empty()
            && (self.seeds < MIN_SEEDS_FOR_COVERAGE || self.never_checked().is_empty())
            && self.below_floor().is_empty()
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

    /// Cores that the jobs can keep busy.
    #[must_use]
    pub fn cores(&self) -> usize {
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        self.settings.jobs.get().min(available)
    }

    /// Adds the result of the next seed.
    pub(super) fn add_result(&mut self, finished: SeedResult) {
        self.seeds += 1;
        self.ran.insert(finished.seed..finished.seed + 1);
        // A run in which the harness panicked has no outcome, and its digest is missing from the sum.
        if let Some(outcome) = finished.outcome {
            self.add_digest(Digest::EMPTY.then(finished.seed).then(outcome.digest.0));
            self.counts.add(&outcome.counts);
            add_tallies(&mut self.checks, tallies_of_run(&outcome.checks));
            add_tallies(&mut self.milestones, tallies_of_run(&outcome.milestones));
            let lines = outcome.exercised.of_each_line(self.settings.system.catalogues);
            add_tallies(&mut self.exercised, tallies_of_run(&lines));
            note_rare(&mut self.rare, rare::MILESTONE, finished.seed, &outcome.milestones, &self.milestones);
            note_rare(&mut self.rare, rare::LINE, finished.seed, &lines, &self.exercised);
            self.pace.note(self.elapsed, outcome.counts.events);
            add_tallies(&mut self.faults, tallies_of_run(&outcome.faults));
            match outcome.verdict {
                Verdict::Passed => self.passed += 1,
                Verdict::Unknown(_) => self.unknown += 1,
                Verdict::Failed(_) => {}
            }
        }
        self.failures.extend(finished.failure);
        self.first_write_error = self.first_write_error.take().or(finished.write_error);
    }

    /// Adds the results of other seeds of the same sweep. No sum overflows.
    pub(super) fn add(&mut self, more: Summary) {
        self.seeds += more.ran.count();
        self.ran.insert_all(&more.ran);
        self.elapsed = self.elapsed.saturating_add(more.elapsed);
        self.passed += more.passed;
        self.unknown += more.unknown;
        self.counts.add(&more.counts);
        add_tallies(&mut self.checks, more.checks);
        add_tallies(&mut self.milestones, more.milestones);
        add_tallies(&mut self.exercised, more.exercised);
        self.pace.add(more.pace);
        let (milestones, lines) = (&self.milestones, &self.exercised);
        let total = |kind: &str, name: &str| {
            let tallies = if kind == rare::LINE { lines } else { milestones };
            tallies.iter().find(|tally| tally.name == name).map_or(0, |tally| tally.seeds)
        };
        rare::add(&mut self.rare, more.rare, total);
        let is_new = |run: &CorpusRun| !self.corpus.iter().any(|other| other.name == run.name);
        let corpus: Vec<CorpusRun> = more.corpus.into_iter().filter(is_new).collect();
        self.corpus.extend(corpus);
        add_tallies(&mut self.faults, more.faults);
        self.failures.extend(more.failures);
        more.unlisted.iter().for_each(|group| {
            failures::add_unlisted(&mut self.unlisted, &group.signature, group.count);
        });
        self.canaries_missed = self.canaries_missed.saturating_add(more.canaries_missed);
        self.add_digest(more.digest);
        let new = |commit: &String| !self.commits.contains(commit);
        let commits: Vec<String> = more.commits.into_iter().filter(new).collect();
        self.commits.extend(commits);
    }

    /// Lists at most `max` failures of each group and counts the others.
    pub(super) fn limit_listed(&mut self, max: usize) {
        let failures = std::mem::take(&mut self.failures);
        self.failures = failures::limit(failures, &mut self.unlisted, max);
    }

    /// Adds the digest of further runs.
    fn add_digest(&mut self, more: Digest) {
        self.digest = Digest(self.digest.0.wrapping_add(more.0));
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

fn tallies_of_run(counts: &[(&'static str, u64)]) -> impl Iterator<Item = Tally> {
    let tally = |&(name, count)| Tally { name: Cow::Borrowed(name), count, seeds: u64::from(count > 0) };
    counts.iter().map(tally)
}

/// Notes which things of this kind a seed reached, and few others did. `sums`: of all seeds, this one included.
fn note_rare(
    things: &mut Vec<RareThing>,
    kind: &str,
    seed: u64,
    counts: &[(&'static str, u64)],
    sums: &[Tally],
) {
    for (position, (name, _)) in counts.iter().enumerate().filter(|(_, (_, count))| *count > 0) {
        // Nearly always at the same position: see `add_tallies`.
        let same = sums.get(position).filter(|tally| tally.name == *name);
        let tally = same.or_else(|| sums.iter().find(|tally| tally.name == *name));
        if let Some(total @ ..=RARE_BELOW) = tally.map(|tally| tally.seeds) {
            rare::note(things, kind, name, total, seed);
        }
    }
}

/// Adds counts by name. Names keep the order of their first occurrence.
fn add_tallies(sums: &mut Vec<Tally>, more: impl IntoIterator<Item = Tally>) {
    for (position, tally) in more.into_iter().enumerate() {
        // Every run lists the same names in the same order: the first comparison nearly always succeeds.
        let same = match sums.get(position) {
            Some(sum) if sum.name == tally.name => Some(position),
            _ => sums.iter().position(|sum| sum.name == tally.name),
        };
        match same {
            Some(position) => {
                let sum = &mut sums[position];
                sum.count = sum.count.saturating_add(tally.count);
                sum.seeds = sum.seeds.saturating_add(tally.seeds);
            }
            None => sums.push(tally),
        }
    }
}
