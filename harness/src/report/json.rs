//! A sweep as one object for programs. Its keys and their types stay.

use crate::sweep::{Summary, Tally};
use serde::Serialize;
use std::ops::Range;

/// What `harness sweep --json` prints.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SweepReport {
    /// How many seeds were run.
    pub seeds: u64,
    /// The first of them; the others follow without a gap, unless `ran` has several ranges.
    pub first_seed: u64,
    /// Which they were: from each `start` up to and without its `end`.
    pub ran: Vec<Range<u64>>,
    /// Where results were added up: those that belong to them and that nobody ran.
    pub missing: Vec<Range<u64>>,
    /// The version of what a seed means.
    pub generator_version: u32,
    /// The commit that the harness was built from.
    pub commit: String,
    /// All commits, where it went on, or was added up, with another.
    pub commits: Vec<String>,
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
    /// Which of "no leader", "no write" and "no read" is true of all seeds together.
    pub never_seen: Vec<String>,
    /// The properties that were not left out and have never looked.
    pub never_looked: Vec<String>,
    /// In how many seeds all promises were kept.
    pub kept: u64,
    /// In how many seeds the exact search was not done within its budget.
    pub unknown: u64,
    /// The seeds that broke a promise.
    pub failures: Vec<FailureReport>,
    /// The same seeds by what was broken and how.
    pub groups: Vec<GroupReport>,
    /// Results that could not be written, a sentence each.
    pub not_written: Vec<String>,
    /// The sum of the digests of all runs, the same in whatever parts they were run: sixteen hexadecimal digits.
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
    /// By what kind of clash.
    pub clash: String,
    /// The seed.
    pub seed: u64,
    /// The path of the case that was written; `null` where it could not be.
    pub plan: Option<String>,
    /// What was promised and what was seen.
    pub sentence: String,
}

/// Failures that are the same to a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupReport {
    /// Which promise.
    pub property: String,
    /// By what kind of clash.
    pub clash: String,
    /// How many seeds broke it like this.
    pub count: u64,
    /// The first of them.
    pub first_seed: u64,
}

impl SweepReport {
    /// The report of this sweep.
    #[must_use]
    pub fn of(summary: &Summary) -> SweepReport {
        let (settings, counts) = (&summary.settings, &summary.counts);
        let name = |tally: &Tally| tally.name.to_string();
        SweepReport {
            seeds: summary.seeds,
            first_seed: summary.ran.nth(0).unwrap_or(settings.seeds.start),
            ran: summary.ran.ranges().to_vec(),
            missing: summary.missing.ranges().to_vec(),
            generator_version: summary.generator_version,
            commit: summary.commits.join(", "),
            commits: summary.commits.clone(),
            bug: settings.bug.clone(),
            cut_short: summary.cut_short,
            events: counts.events,
            heartbeats: counts.heartbeats,
            simulated_seconds: counts.simulated as f64 / 1e9,
            wall_seconds: summary.elapsed.as_secs_f64(),
            jobs: settings.jobs.get() as u64,
            checked_events_per_second: summary.events_per_second(),
            checked_events_per_second_per_core: summary.events_per_second() / summary.cores() as f64,
            operations: counts.operations,
            unknown_operations: counts.unknown_operations,
            leader_changes: counts.leader_changes,
            power_losses: counts.power_losses,
            facts: counts.facts,
            properties: (summary.checks.iter())
                .map(|tally| PropertyReport { name: name(tally), looked: tally.count })
                .collect(),
            milestones: (summary.milestones.iter())
                .map(|tally| MilestoneReport { name: name(tally), count: tally.count, seeds: tally.seeds })
                .collect(),
            faults: (summary.faults.iter())
                .map(|tally| NamedCount { name: name(tally), count: tally.count })
                .collect(),
            blind: summary.canaries_missed > 0,
            never_seen: summary.never_seen().into_iter().map(str::to_owned).collect(),
            never_looked: summary.never_checked().into_iter().map(str::to_owned).collect(),
            kept: summary.passed,
            unknown: summary.unknown,
            failures: (summary.failures.iter())
                .map(|found| FailureReport {
                    property: found.property.clone(),
                    clash: found.clash.clone(),
                    seed: found.seed,
                    plan: found.plan.as_ref().map(|path| path.display().to_string()),
                    sentence: found.sentence.clone(),
                })
                .collect(),
            groups: (summary.groups().iter())
                .map(|group| GroupReport {
                    property: group.property.to_owned(),
                    clash: group.clash.to_owned(),
                    count: group.failures.len() as u64,
                    first_seed: group.failures[0].seed,
                })
                .collect(),
            not_written: Vec::new(),
            digest: format!("{:?}", summary.digest),
        }
    }
}
