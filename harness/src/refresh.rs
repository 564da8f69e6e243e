//! Searches near: a case whose plan no longer does what it did may do so again with other chance.
//!
//! A change of the code moves what happens when, and what hung by a hair no longer hangs there. The plan still says what
//! it takes; so the same plan is tried with many other seeds, before anybody calls its case stale.

use crate::case::{Case, Expectation};
use crate::outcome::{COMMIT, Options, Outcome, Verdict};
use crate::plan::Plan;
use crate::reproducer::RunFn;
use crate::shrink::first_that_fails;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many other seeds are tried.
pub const REFRESH_SEEDS: u64 = 2_000;
/// How many are looked at before anybody asks whether one of them was enough.
const SEEDS_PER_BATCH: u64 = 50;

/// Whether a plan still does what its case expects; and where a bug is switched on, that without it all is well.
#[must_use]
pub fn meets_expectation(case: &Case, plan: &Plan, run: &RunFn<'_>) -> bool {
    case.is_met_by(&run(plan, &Options::default()).outcome)
        && (plan.bug.is_none() || verdict_without_bug(plan, run) == Verdict::Passed)
}

/// What comes of a plan with its bug switched off.
#[must_use]
pub fn verdict_without_bug(plan: &Plan, run: &RunFn<'_>) -> Verdict {
    let without = Plan { bug: None, ..plan.clone() };
    run(&without, &Options::default()).outcome.verdict
}

/// The case with the first other seed with which it does what is expected of it.
#[must_use]
pub fn find_refreshed_case(case: &Case, run: &RunFn<'_>, jobs: NonZeroUsize) -> Option<Case> {
    let with_seed = |seed| Arc::new(Plan { seed, ..case.plan.clone() });
    for first in (1..=REFRESH_SEEDS).step_by(SEEDS_PER_BATCH as usize) {
        let plans: Vec<Arc<Plan>> = (first..first + SEEDS_PER_BATCH).map(with_seed).collect();
        if let Some(found) = first_that_fails(&plans, jobs, &|plan| meets_expectation(case, plan, run)) {
            let plan = (*plans[found]).clone();
            let outcome = run(&plan, &Options::default()).outcome;
            return Some(rebuild_case(case, plan, &outcome));
        }
    }
    None
}

/// The case as it would be made of this plan today.
#[must_use]
pub fn rebuild_case(case: &Case, plan: Plan, outcome: &Outcome) -> Case {
    let today = Case::new(case.story.clone(), case.expect.clone(), outcome, plan);
    // What a good run must reach was decided when the case was made: it is no less today.
    let decided = case.expect == Expectation::Passed && !case.milestones.is_empty();
    let milestones = if decided { case.milestones.clone() } else { today.milestones };
    Case { commit: Some(COMMIT.to_owned()), milestones, shrunk: case.shrunk, ..today }
}

#[cfg(test)]
mod tests {
    use super::{meets_expectation, verdict_without_bug};
    use crate::case::{Case, Expectation};
    use crate::outcome::{Counts, Failure, Options, Outcome, RunRecord, Verdict};
    use crate::plan::{Plan, generate};
    use invariants::Digest;

    fn ends(verdict: Verdict) -> RunRecord {
        RunRecord::from(Outcome {
            verdict,
            counts: Counts::default(),
            checks: vec![],
            milestones: vec![],
            faults: vec![],
            digest: Digest(0),
        })
    }

    #[test]
    fn who_fails_with_and_without_a_bug_has_not_caught_it() {
        let toast =
            Failure { property: "toast".into(), sentence: "it fell".into(), facts: None, evidence: vec![] };
        let fell = || ends(Verdict::Failed(Box::new(toast.clone())));
        let plan = Plan { bug: Some("butter".into()), ..generate(1) };
        let expect = Expectation::Caught("toast".into());
        let case = Case::new("It fell.".into(), expect, &fell().outcome, plan.clone());
        let always = |_: &Plan, _: &Options| fell();
        let with_it =
            |plan: &Plan, _: &Options| if plan.bug.is_some() { fell() } else { ends(Verdict::Passed) };
        assert!(meets_expectation(&case, &plan, &with_it) && !meets_expectation(&case, &plan, &always));
        assert_eq!(verdict_without_bug(&plan, &with_it), Verdict::Passed);
        assert_eq!(verdict_without_bug(&plan, &always), Verdict::Failed(Box::new(toast.clone())));
    }
}
