//! Measures how small failures become: shrinks a few failing seeds of every bug.
//!
#![expect(clippy::disallowed_types, reason = "a survey measures how long shrinking takes")]
#![doc = include_str!("survey.md")]

use crate::findings::investigate::investigate;
use crate::findings::shrink::ShrinkSettings;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{Options, RunRecord};
use crate::plan::Plan;
use crate::systems::SystemInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many failing seeds to shrink per bug.
pub const SEEDS_PER_BUG: usize = 5;
/// How many seeds to try per bug.
pub const MAX_SEEDS: u64 = 2_000;

/// The result for one failing plan.
#[derive(Clone, PartialEq, Debug)]
pub struct SurveyRow {
    /// The bug.
    pub bug: &'static str,
    /// The seed.
    pub seed: u64,
    /// How it failed.
    pub signature: FailureSignature,
    /// Its size before shrinking.
    pub before: FailureSize,
    /// Its size after shrinking.
    pub after: FailureSize,
    /// How many runs shrinking took.
    pub runs: u64,
    /// How long shrinking took.
    pub elapsed: Duration,
    /// Whether nothing more can be removed.
    pub is_minimal: bool,
    /// Lines of its timeline.
    pub timeline_lines: u64,
    /// Whether the shrunk plan fails with the same signature.
    pub same_signature: bool,
}

/// The size of a failure.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FailureSize {
    /// Faults in the plan.
    pub faults: u64,
    /// Operations that clients called until the failure.
    pub operations: u64,
}

/// Shrinks the first failing seeds of each wanted bug, one after the other. `lines` counts the lines of a
/// failure's timeline. Calls `watch` for each row. Ends early once `stop` is set.
pub fn survey(
    system: &SystemInfo,
    wanted: &dyn Fn(&str) -> bool,
    settings: &ShrinkSettings,
    lines: &dyn Fn(&Plan, &RunRecord) -> u64,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&SurveyRow),
) -> Vec<SurveyRow> {
    let mut rows = Vec::new();
    let run = |plan: &Plan, options: &Options| system.run(plan, options);
    for bug in system.bugs().into_iter().filter(|bug| wanted(bug.name)) {
        let options = Options::default();
        let with_bug = |seed| system.plan(seed, Some(bug.name));
        let finding = |plan| investigate(&plan, &options, &run).ok();
        for finding in (0..MAX_SEEDS).map(with_bug).filter_map(finding).take(SEEDS_PER_BUG) {
            let start = Instant::now();
            let Some(shrunk) = finding.shrink(settings, &run, stop, &mut |_| {}) else { continue };
            let size = |plan: &Plan, operations| FailureSize { faults: plan.faults.len() as u64, operations };
            let row = SurveyRow {
                bug: bug.name,
                seed: finding.plan.seed,
                signature: shrunk.signature,
                before: size(&finding.plan, shrunk.shrunk.operations),
                after: size(&shrunk.result.plan, shrunk.record.outcome.counts.operations),
                runs: shrunk.result.runs,
                elapsed: start.elapsed(),
                is_minimal: shrunk.result.is_minimal,
                timeline_lines: lines(&shrunk.result.plan, &shrunk.record),
                same_signature: shrunk.same_signature,
            };
            watch(&row);
            rows.push(row);
            if stop.load(Ordering::Relaxed) {
                return rows;
            }
        }
    }
    rows
}
