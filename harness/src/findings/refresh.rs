//! Refreshes a case whose plan no longer has the expected result, by trying the same plan with other seeds.
//!
//! A change of the code shifts the timing of events, and a plan that failed narrowly may stop failing. Its faults and
//! settings still fit, so many other seeds are tried before the case counts as stale.

use crate::findings::case::{Case, Expectation};
use crate::findings::reproducer::{RunFn, verdict_without_bug};
use crate::findings::shrink::first_that_fails;
use crate::outcome::{COMMIT, Options, Outcome, Verdict};
use crate::plan::Plan;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How many seeds are tried.
pub const REFRESH_SEEDS: u64 = 2_000;
/// How many seeds are tried in parallel before the first success among them ends the search.
const SEEDS_PER_BATCH: u64 = 50;

/// Whether a plan meets the expectation of its case; and if it enables a bug, whether it passes without it.
#[must_use]
pub fn meets_expectation(case: &Case, plan: &Plan, run: &RunFn<'_>) -> bool {
    let options = Options::default();
    case.is_met_by(&run(plan, &options).outcome)
        && (plan.bug.is_none() || verdict_without_bug(plan, &options, run) == Verdict::Passed)
}

/// The case with the first other seed that meets its expectation.
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

/// The case as it would be created from this plan today.
#[must_use]
pub fn rebuild_case(case: &Case, plan: Plan, outcome: &Outcome) -> Case {
    let rebuilt = Case::new(case.description.clone(), case.expect.clone(), outcome, plan);
    // The milestones of a passing case were fixed when it was created, and stay required.
    let keeps_milestones = case.expect == Expectation::Passed && !case.milestones.is_empty();
    let milestones = if keeps_milestones { case.milestones.clone() } else { rebuilt.milestones };
    let (system, version, shrunk) = (case.system.clone(), case.version.clone(), case.shrunk);
    Case { commit: Some(COMMIT.to_owned()), system, version, milestones, shrunk, ..rebuilt }
}

#[cfg(test)]
mod tests {
    use super::meets_expectation;
    use crate::findings::case::{Case, Expectation};
    use crate::outcome::{Counts, Exercised, Failure, FailureCause, Options, Outcome, RunRecord, Verdict};
    use crate::plan::{Plan, generate};
    use invariants::Digest;

    fn run_with(verdict: Verdict) -> RunRecord {
        RunRecord::from(Outcome {
            verdict,
            counts: Counts::default(),
            checks: vec![],
            milestones: vec![],
            faults: vec![],
            exercised: Exercised::default(),
            digest: Digest(0),
        })
    }

    #[test]
    fn a_failure_that_remains_without_the_bug_is_not_caught_by_it() {
        let failure = Failure::new("some-property", FailureCause::Unstable { changes: 3 });
        let failed = || run_with(Verdict::Failed(Box::new(failure.clone())));
        let plan = Plan { bug: Some("some-bug".into()), ..generate(1) };
        let expect = Expectation::Caught("some-property".into());
        let case = Case::new("It failed.".into(), expect, &failed().outcome, plan.clone());
        let always = |_: &Plan, _: &Options| failed();
        let with_bug =
            |plan: &Plan, _: &Options| if plan.bug.is_some() { failed() } else { run_with(Verdict::Passed) };
        assert!(meets_expectation(&case, &plan, &with_bug) && !meets_expectation(&case, &plan, &always));
    }
}
