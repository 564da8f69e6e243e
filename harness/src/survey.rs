//! How small failures become: every bug, a few seeds each, shrunk.
//!
#![doc = include_str!("survey.md")]

use crate::bugs;
use crate::outcome::{Options, RunRecord, Verdict};
use crate::plan::{Plan, generate};
use crate::reproducer::Reproducer;
use crate::run::run;
use crate::shrink::{ShrinkResult, ShrinkSettings, ShrinkStatus, shrink};
use crate::signature::FailureSignature;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many seeds of each bug.
pub const SEEDS_PER_BUG: usize = 5;
/// How many seeds are looked at for those.
pub const MAX_SEEDS: u64 = 2_000;

/// What came of one failing plan.
#[derive(Clone, PartialEq, Debug)]
pub struct SurveyRow {
    /// The bug.
    pub bug: &'static str,
    /// The seed.
    pub seed: u64,
    /// How it failed.
    pub signature: FailureSignature,
    /// How many faults and operations there were.
    pub before: FailureSize,
    /// How many are left.
    pub after: FailureSize,
    /// How many runs that took.
    pub runs: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether nothing more could go.
    pub is_minimal: bool,
    /// How many lines its timeline has.
    pub timeline_lines: u64,
    /// Whether the shrunk plan fails in the same way.
    pub same_signature: bool,
}

/// How large a failure is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FailureSize {
    /// How many faults the plan has.
    pub faults: u64,
    /// How many operations clients called until it failed.
    pub operations: u64,
}

/// A failure that was shrunk.
#[derive(Clone, PartialEq, Debug)]
pub struct ShrunkFailure {
    /// How it failed.
    pub signature: FailureSignature,
    /// How large it was.
    pub before: FailureSize,
    /// How large it is.
    pub after: FailureSize,
    /// Whether the shrunk plan fails in the same way.
    pub same_signature: bool,
    /// The run of the shrunk plan, with all that its page needs.
    pub record: RunRecord,
    /// What came of shrinking.
    pub result: ShrinkResult,
}

/// Shrinks a plan, if it fails.
pub fn shrink_failure(
    plan: &Plan,
    options: &Options,
    settings: &ShrinkSettings,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&ShrinkStatus<'_>),
) -> Option<ShrunkFailure> {
    let outcome = run(plan, options).outcome;
    let same = Reproducer::from_outcome(plan, &outcome, options)?;
    let shrunk = shrink(plan, settings, &|plan| same.reproduces(&run, plan), stop, watch);
    let record = run(&shrunk.plan, &record_everything(options));
    let in_the_end = &record.outcome;
    let size = |plan: &Plan, operations| FailureSize { faults: plan.faults.len() as u64, operations };
    Some(ShrunkFailure {
        signature: same.signature().clone(),
        before: size(plan, outcome.counts.operations),
        after: size(&shrunk.plan, in_the_end.counts.operations),
        same_signature: same.matches_outcome(in_the_end),
        record,
        result: shrunk,
    })
}

/// The same run with all that its page needs.
#[must_use]
pub fn record_everything(options: &Options) -> Options {
    Options { trace: true, facts: true, history: true, ..options.clone() }
}

/// Shrinks the first few failing seeds of each of these bugs, one after the other. `lines` says how many lines the
/// timeline of a failure has.
pub fn survey(
    wanted: &dyn Fn(&str) -> bool,
    settings: &ShrinkSettings,
    lines: &dyn Fn(&Plan, &RunRecord) -> u64,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&SurveyRow),
) -> Vec<SurveyRow> {
    let mut rows = Vec::new();
    for bug in bugs::all().into_iter().filter(|bug| wanted(bug.name)) {
        let options = Options::default();
        let with_bug = |seed| Plan { bug: Some(bug.name.to_owned()), ..generate(seed) };
        let fails = |plan: &Plan| matches!(run(plan, &options).outcome.verdict, Verdict::Failed(_));
        for plan in (0..MAX_SEEDS).map(with_bug).filter(fails).take(SEEDS_PER_BUG) {
            let began = Instant::now();
            let Some(smaller) = shrink_failure(&plan, &options, settings, stop, &mut |_| {}) else {
                continue;
            };
            let row = SurveyRow {
                bug: bug.name,
                seed: plan.seed,
                signature: smaller.signature,
                before: smaller.before,
                after: smaller.after,
                runs: smaller.result.runs,
                elapsed: began.elapsed(),
                is_minimal: smaller.result.is_minimal,
                timeline_lines: lines(&smaller.result.plan, &smaller.record),
                same_signature: smaller.same_signature,
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
