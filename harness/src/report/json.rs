//! A sweep as one JSON object.

use crate::outcome::signature::FailureSignature;
use crate::sweep::{BelowFloor, CorpusRun, Pace, RareThing, Summary, Tally};
use serde::Serialize;
use std::ops::Range;

/// What `harness sweep --json` prints.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SweepReport {
    /// Number of seeds run.
    pub seeds: u64,
    /// The first of them. The others follow without a gap unless `ran` has several ranges.
    pub first_seed: u64,
    /// The seeds run, as half-open ranges.
    pub ran: Vec<Range<u64>>,
    /// After a merge: seeds of the sweep that were not run.
    pub missing: Vec<Range<u64>>,
    /// The window of the sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowReport>,
    /// Version of the plan generator.
    pub generator_version: u32,
    /// Commits the harness was built from, joined by commas.
    pub commit: String,
    /// The same as a list: several after a merge, or a resume with another build.
    pub commits: Vec<String>,
    /// The bug switched on.
    pub bug: Option<String>,
    /// Whether the sweep ended before its seeds or its time (`--for`) were used up.
    pub cut_short: bool,
    /// Total events.
    pub events: u64,
    /// Those that are heartbeats or responses to them.
    pub heartbeats: u64,
    /// Total simulated time.
    pub simulated_seconds: f64,
    /// Elapsed real time.
    pub wall_seconds: f64,
    /// Number of concurrent runs.
    pub jobs: u64,
    /// Checked events per second of real time.
    pub checked_events_per_second: f64,
    /// The same divided by the cores that the jobs can use.
    pub checked_events_per_second_per_core: f64,
    /// Operations that clients called.
    pub operations: u64,
    /// Those whose outcome stayed unknown to the client.
    pub unknown_operations: u64,
    /// Leader changes.
    pub leader_changes: u64,
    /// Power losses, one per server.
    pub power_losses: u64,
    /// Facts recorded.
    pub facts: u64,
    /// Checks of each property.
    pub properties: Vec<PropertyReport>,
    /// Each milestone: how often, and in how many seeds.
    pub milestones: Vec<MilestoneReport>,
    /// Each line on which correctness rests, by the name of the bug without it: how many seeds exercised it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exercised: Vec<NamedCount>,
    /// How often each kind of fault was injected.
    pub faults: Vec<NamedCount>,
    /// Checked events by the real time since the sweep, or each of its parts, began.
    pub pace: Pace,
    /// Whether a worker missed the canary: a known bug that it must catch before its first seed.
    pub canary_missed: bool,
    /// Which of "no leader", "no write" and "no read" holds for all seeds together.
    pub never_seen: Vec<String>,
    /// Enabled properties without a single check.
    pub never_checked: Vec<String>,
    /// What too few of the seeds reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub below_floor: Vec<BelowFloor>,
    /// Seeds in which all properties held.
    pub passed: u64,
    /// Seeds whose exact linearizability search exceeded its budget.
    pub unknown: u64,
    /// Seeds that violated a property. A merge lists the first 200 of each group, and the one with the smallest plan.
    pub failures: Vec<FailureReport>,
    /// The same seeds, grouped by signature.
    pub groups: Vec<GroupReport>,
    /// Known defects. Their failures are among those above, and do not fail the sweep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownReport>,
    /// Runs of plans of the corpus. They are in no other count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corpus: Vec<CorpusRun>,
    /// Milestones and lines that few seeds reached, and which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rare: Vec<RareThing>,
    /// Features left out of the plans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// After a merge: what is wrong with the parts, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Results that could not be written, a sentence each.
    pub not_written: Vec<String>,
    /// Sum of the digests of all runs, independent of their order and partition: 16 hexadecimal digits.
    pub digest: String,
}

/// A named range of seeds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WindowReport {
    /// Its name.
    pub name: String,
    /// Its first seed.
    pub start: u64,
    /// One more than its last seed.
    pub end: u64,
}

/// Checks of one property.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PropertyReport {
    /// The property.
    pub name: String,
    /// Comparisons that could have failed.
    pub checks: u64,
}

/// Counts of one milestone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MilestoneReport {
    /// The milestone.
    pub name: String,
    /// How often in all.
    pub count: u64,
    /// Number of seeds that reached it.
    pub seeds: u64,
}

/// A named count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NamedCount {
    /// The name.
    pub name: String,
    /// The count.
    pub count: u64,
}

/// A seed that violated a property.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FailureReport {
    /// The property, the kind of conflict, and who is concerned.
    pub signature: FailureSignature,
    /// The seed.
    pub seed: u64,
    /// Path of the stored case; `null` if it could not be written.
    pub plan: Option<String>,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// Failures with the same signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupReport {
    /// The property, the kind of conflict, and who is concerned.
    pub signature: FailureSignature,
    /// Number of seeds.
    pub count: u64,
    /// The first of them.
    pub first_seed: u64,
    /// After a merge: the smallest plan, if its size is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest: Option<SmallestReport>,
    /// With a baseline: whether it has no such failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_new: Option<bool>,
    /// The cases of the known defects that it shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
}

/// The smallest plan of a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SmallestReport {
    /// The seed that it comes from.
    pub seed: u64,
    /// Path of the stored case.
    pub plan: Option<String>,
    /// Its faults.
    pub faults: u64,
}

/// How often a known defect was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KnownReport {
    /// The name of its case.
    pub case: String,
    /// The property, the kind of conflict, and who is concerned.
    pub signature: FailureSignature,
    /// Number of seeds; 0: it did not appear.
    pub count: u64,
    /// The first of them.
    pub first_seed: Option<u64>,
}

impl SweepReport {
    /// The report of a sweep.
    #[must_use]
    pub fn of(summary: &Summary) -> SweepReport {
        let (settings, counts) = (&summary.settings, &summary.counts);
        let name = |tally: &Tally| tally.name.to_string();
        let named_counts = |tallies: &[Tally]| {
            tallies.iter().map(|tally| NamedCount { name: name(tally), count: tally.count }).collect()
        };
        SweepReport {
            seeds: summary.seeds,
            first_seed: summary.ran.nth(0).unwrap_or(settings.seeds.start),
            ran: summary.ran.clone().into(),
            missing: summary.missing.clone().into(),
            window: settings.window.as_ref().map(|window| WindowReport {
                name: window.name.clone(),
                start: window.seeds.start,
                end: window.seeds.end,
            }),
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
                .map(|tally| PropertyReport { name: name(tally), checks: tally.count })
                .collect(),
            milestones: (summary.milestones.iter())
                .map(|tally| MilestoneReport { name: name(tally), count: tally.count, seeds: tally.seeds })
                .collect(),
            exercised: named_counts(&summary.exercised),
            faults: named_counts(&summary.faults),
            pace: summary.pace.clone(),
            canary_missed: summary.canaries_missed > 0,
            never_seen: summary.never_seen().into_iter().map(str::to_owned).collect(),
            never_checked: summary.never_checked().into_iter().map(str::to_owned).collect(),
            below_floor: summary.below_floor(),
            passed: summary.passed,
            unknown: summary.unknown,
            failures: (summary.failures.iter())
                .map(|failure| FailureReport {
                    signature: failure.signature.clone(),
                    seed: failure.seed,
                    plan: failure.plan.as_ref().map(|path| path.display().to_string()),
                    message: failure.message.clone(),
                })
                .collect(),
            groups: (summary.groups().iter())
                .map(|group| GroupReport {
                    signature: group.signature.clone(),
                    count: group.count,
                    first_seed: group.failures[0].seed,
                    smallest: summary.merged.as_ref().and_then(|_| group.smallest()).map(|failure| {
                        SmallestReport {
                            seed: failure.seed,
                            plan: failure.smallest_plan().map(|path| path.display().to_string()),
                            faults: failure.plan_faults().unwrap_or_default(),
                        }
                    }),
                    is_new: summary.is_new(group.signature),
                    known: group.known.iter().map(|case| (*case).to_owned()).collect(),
                })
                .collect(),
            known: (summary.known_counts().iter())
                .map(|count| KnownReport {
                    case: count.defect.case.clone(),
                    signature: count.defect.signature.clone(),
                    count: count.seeds,
                    first_seed: count.first_seed,
                })
                .collect(),
            corpus: summary.corpus.clone(),
            rare: summary.rare.clone(),
            left_out: settings.left_out.clone(),
            problems: Vec::new(),
            not_written: Vec::new(),
            digest: format!("{:?}", summary.digest),
        }
    }
}
