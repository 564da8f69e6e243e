//! How small failures become: every bug, a few seeds each, shrunk.
//!
#![doc = include_str!("survey.md")]

use crate::bugs;
use crate::outcome::{Options, Record, Verdict};
use crate::plan::{Plan, generate};
use crate::run::run;
use crate::same::Same;
use crate::shape::Shape;
use crate::shrink::{Progress, Settings, Shrunk, shrink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many seeds of each bug.
pub const SEEDS_EACH: usize = 5;
/// How many seeds are looked at for those.
pub const MOST_SEEDS: u64 = 2_000;

/// What came of one failing plan.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The bug.
    pub bug: &'static str,
    /// The seed.
    pub seed: u64,
    /// How it failed.
    pub shape: Shape,
    /// How many faults and operations there were.
    pub before: Size,
    /// How many are left.
    pub after: Size,
    /// How many runs that took.
    pub runs: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether nothing more could go.
    pub done: bool,
    /// How many lines its timeline has.
    pub lines: u64,
    /// Whether the shrunk plan fails in the same way.
    pub same: bool,
}

/// How large a failure is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Size {
    /// How many faults the plan has.
    pub faults: u64,
    /// How many operations clients called until it failed.
    pub operations: u64,
}

/// A failure that was shrunk.
#[derive(Clone, PartialEq, Debug)]
pub struct Smaller {
    /// How it failed.
    pub shape: Shape,
    /// How large it was.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    /// Whether the shrunk plan fails in the same way.
    pub same: bool,
    /// The run of the shrunk plan, with all that its page needs.
    pub record: Record,
    /// What came of shrinking.
    pub shrunk: Shrunk,
}

/// Shrinks a plan, if it fails.
pub fn smaller(
    plan: &Plan,
    options: &Options,
    settings: &Settings,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Option<Smaller> {
    let outcome = run(plan, options).outcome;
    let same = Same::of(plan, &outcome, options)?;
    let shrunk = shrink(plan, settings, &|plan| same.fails(&run, plan), stop, watch);
    let record = run(&shrunk.plan, &watched(options));
    let in_the_end = &record.outcome;
    let size = |plan: &Plan, operations| Size { faults: plan.faults.len() as u64, operations };
    Some(Smaller {
        shape: same.shape().clone(),
        before: size(plan, outcome.counts.operations),
        after: size(&shrunk.plan, in_the_end.counts.operations),
        same: same.is_shown_by(in_the_end),
        record,
        shrunk,
    })
}

/// The same run with all that its page needs.
#[must_use]
pub fn watched(options: &Options) -> Options {
    Options { timeline: true, facts: true, history: true, ..options.clone() }
}

/// Shrinks the first few failing seeds of each of these bugs, one after the other. `lines` says how many lines the
/// timeline of a failure has.
pub fn survey(
    wanted: &dyn Fn(&str) -> bool,
    settings: &Settings,
    lines: &dyn Fn(&Plan, &Record) -> u64,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Row),
) -> Vec<Row> {
    let mut rows = Vec::new();
    for bug in bugs::all().into_iter().filter(|bug| wanted(bug.name)) {
        let options = Options::default();
        let with_bug = |seed| Plan { bug: Some(bug.name.to_owned()), ..generate(seed) };
        let fails = |plan: &Plan| matches!(run(plan, &options).outcome.verdict, Verdict::Failed(_));
        for plan in (0..MOST_SEEDS).map(with_bug).filter(fails).take(SEEDS_EACH) {
            let began = Instant::now();
            let Some(smaller) = smaller(&plan, &options, settings, stop, &mut |_| {}) else { continue };
            let row = Row {
                bug: bug.name,
                seed: plan.seed,
                shape: smaller.shape,
                before: smaller.before,
                after: smaller.after,
                runs: smaller.shrunk.runs,
                took: began.elapsed(),
                done: smaller.shrunk.done,
                lines: lines(&smaller.shrunk.plan, &smaller.record),
                same: smaller.same,
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
