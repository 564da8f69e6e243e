//! A sweep as one object for programs. Its keys and their types stay.

use crate::outcome::COMMIT;
use crate::plan::GENERATOR_VERSION;
use crate::sweep::{Summary, Tally};
use serde::Serialize;

/// What `harness sweep --json` prints.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SweepReport {
    /// How many seeds were run.
    pub seeds: u64,
    /// The first of them; the others follow without a gap.
    pub first_seed: u64,
    /// The version of what a seed means.
    pub generator_version: u32,
    /// The commit that the harness was built from.
    pub commit: String,
    /// The bug that was switched on.
    pub bug: Option<String>,
    /// Whether the sweep was ended before its seeds or its time (`--for`) were over.
    pub cut_short: bool,
    /// Events, in all.
    pub events: u64,
    /// Those of them that were heartbeats and their answers.
    pub heartbeats: u64,
    /// Simulated time, in all.
    pub simulated_seconds: f64,
    /// Real time.
    pub wall_seconds: f64,
    /// How many runs were under way at once.
    pub jobs: u64,
    /// Checked events per second of real time.
    pub checked_events_per_second: f64,
    /// The same by the cores that the jobs can have kept busy.
    pub checked_events_per_second_per_core: f64,
    /// Operations that clients called.
    pub operations: u64,
    /// Those of them whose outcome stayed unknown to their client.
    pub unknown_operations: u64,
    /// How often leadership passed on.
    pub leader_changes: u64,
    /// How many servers lost their power.
    pub power_losses: u64,
    /// The facts that were stated.
    pub facts: u64,
    /// How often each property looked.
    pub properties: Vec<PropertyReport>,
    /// How often each milestone was reached, and in how many seeds.
    pub milestones: Vec<MilestoneReport>,
    /// How often each kind of fault struck.
    pub faults: Vec<NamedCount>,
    /// Whether some worker did not see the bug that it was shown before its first seed.
    pub blind: bool,
    /// In how many seeds all promises were kept.
    pub kept: u64,
    /// In how many seeds the exact search was not done within its budget.
    pub unknown: u64,
    /// The seeds that broke a promise.
    pub failures: Vec<FailureReport>,
    /// The digests of all runs, folded in the order of the seeds: sixteen hexadecimal digits.
    pub digest: String,
}

/// How often a property looked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PropertyReport {
    /// Its name.
    pub name: String,
    /// Comparisons that could have failed.
    pub looked: u64,
}

/// How often a milestone was reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MilestoneReport {
    /// Its name.
    pub name: String,
    /// How often in all.
    pub count: u64,
    /// In how many seeds at least once.
    pub seeds: u64,
}

/// How often something with a name happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NamedCount {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// A seed that broke a promise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FailureReport {
    /// Which promise.
    pub property: String,
    /// The seed.
    pub seed: u64,
    /// The path of the case that was written; `null` where it could not be.
    pub plan: Option<String>,
    /// What was promised and what was seen.
    pub sentence: String,
}

impl SweepReport {
    /// The report of this sweep.
    #[must_use]
    pub fn of(summary: &Summary) -> SweepReport {
        let (settings, counts) = (&summary.settings, &summary.counts);
        let name = |tally: &Tally| tally.name.to_string();
        SweepReport {
            seeds: summary.seeds,
            first_seed: settings.seeds.start,
            generator_version: GENERATOR_VERSION,
            commit: COMMIT.to_owned(),
            bug: settings.bug.clone(),
            cut_short: summary.cut_short,
            events: counts.events,
            heartbeats: counts.heartbeats,
            simulated_seconds: counts.simulated as f64 / 1e9,
            wall_seconds: summary.took.as_secs_f64(),
            jobs: settings.jobs.get() as u64,
            checked_events_per_second: summary.events_per_second(),
            checked_events_per_second_per_core: summary.events_per_second() / summary.cores() as f64,
            operations: counts.operations,
            unknown_operations: counts.unknown_operations,
            leader_changes: counts.leader_changes,
            power_losses: counts.power_losses,
            facts: counts.facts,
            properties: (summary.looked.iter())
                .map(|tally| PropertyReport { name: name(tally), looked: tally.count })
                .collect(),
            milestones: (summary.milestones.iter())
                .map(|tally| MilestoneReport { name: name(tally), count: tally.count, seeds: tally.seeds })
                .collect(),
            faults: (summary.faults.iter())
                .map(|tally| NamedCount { name: name(tally), count: tally.count })
                .collect(),
            blind: summary.blind > 0,
            kept: summary.kept,
            unknown: summary.unknown,
            failures: (summary.failures.iter())
                .map(|found| FailureReport {
                    property: found.property.clone(),
                    seed: found.seed,
                    plan: found.plan.as_ref().map(|path| path.display().to_string()),
                    sentence: found.sentence.clone(),
                })
                .collect(),
            digest: format!("{:?}", summary.digest),
        }
    }
}
