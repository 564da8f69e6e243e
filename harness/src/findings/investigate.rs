//! What a failing plan becomes: confirmed by further runs, shrunk, recorded for its page, and described as a case.
//!
//! Sweeps, `run`, `shrink` and the survey come here with a failing plan. Searches for another plan that fails in the
//! same way run their candidates by themselves: `shrink` with a [`Reproducer`], and `refresh` with other seeds.

use crate::findings::case::{Case, Expectation, ShrunkFrom};
use crate::findings::reproducer::{Reproducer, RunFn};
use crate::findings::shrink::{ShrinkResult, ShrinkSettings, ShrinkStatus, shrink};
use crate::outcome::signature::FailureSignature;
use crate::outcome::{
    DETERMINISM, Difference, Failure, FailureCause, HARNESS_PANIC, Options, Outcome, Recording, RunRecord,
    Verdict,
};
use crate::plan::Plan;
use crate::support::text::escape_lines;
use crate::systems::SystemInfo;
use invariants::Digest;
use std::sync::atomic::AtomicBool;

/// A failing plan and what is known about it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The plan.
    pub plan: Plan,
    /// How it failed.
    pub failure: Failure,
    /// The outcome of its run; `None` if the harness panicked.
    pub outcome: Option<Outcome>,
    options: Options,
}

/// Runs a plan. If it fails, runs it twice more: a plan whose runs differ violates determinism, whatever else it did.
///
/// # Errors
///
/// The outcome, if the plan does not fail.
pub fn investigate(plan: &Plan, options: &Options, run: &RunFn<'_>) -> Result<Finding, Box<Outcome>> {
    let outcome = run(plan, options).outcome;
    let Some(finding) = Finding::of(plan, &outcome, options) else { return Err(Box::new(outcome)) };
    let difference = check_determinism(plan, options, &outcome, run);
    Ok(Finding { failure: difference.unwrap_or(finding.failure), ..finding })
}

/// Runs a failing plan twice more. `None`: all three runs agree.
fn check_determinism(plan: &Plan, options: &Options, first: &Outcome, run: &RunFn<'_>) -> Option<Failure> {
    let record = Recording { digests: true, ..options.record };
    let options = Options { record, ..options.clone() };
    let (second, third) = (run(plan, &options), run(plan, &options));
    let difference = match first_difference(&second.digests, &third.digests) {
        Some(event) => Difference::Event(event as u64),
        None if second.outcome != *first || third.outcome != *first => Difference::Outcomes,
        None => return None,
    };
    Some(Failure::new(DETERMINISM, FailureCause::Nondeterminism(difference)))
}

/// The number of the first event that differs, counted from 1.
pub(crate) fn first_difference(one: &[Digest], other: &[Digest]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (same < one.len() || same < other.len()).then_some(same + 1)
}

impl Finding {
    /// The finding of a run that is not confirmed by others; `None` if it did not fail.
    #[must_use]
    pub fn of(plan: &Plan, outcome: &Outcome, options: &Options) -> Option<Finding> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        let (plan, failure, outcome) = (plan.clone(), (**failure).clone(), Some(outcome.clone()));
        Some(Finding { plan, failure, outcome, options: options.clone() })
    }

    /// A plan in whose run the harness panicked with this message.
    #[must_use]
    pub fn harness_panic(plan: Plan, options: &Options, message: &str) -> Finding {
        let failure = Failure::new(HARNESS_PANIC, FailureCause::HarnessPanic(message.to_owned()));
        Finding::without_end(plan, options, failure)
    }

    /// A plan whose run failed without an end: it hangs, aborts, or panicked in the harness.
    #[must_use]
    pub fn without_end(plan: Plan, options: &Options, failure: Failure) -> Finding {
        Finding { plan, failure, outcome: None, options: options.clone() }
    }

    /// The signature of its failure.
    #[must_use]
    pub fn signature(&self) -> FailureSignature {
        FailureSignature::of(&self.failure)
    }

    /// Its run, with everything recorded that a page shows.
    #[must_use]
    pub fn record(&self, run: &RunFn<'_>) -> RunRecord {
        run(&self.plan, &self.options_for_page())
    }

    fn options_for_page(&self) -> Options {
        Options { record: Recording::PAGE, ..self.options.clone() }
    }

    /// The case of this plan for a system. `origin`: where it comes from.
    #[must_use]
    pub fn to_case(&self, origin: &str, system: &SystemInfo) -> Case {
        let Finding { plan, failure, outcome, options } = self;
        let disabled: String =
            options.disabled.iter().map(|property| format!(", disabled: {property}")).collect();
        let cause = failure.cause.to_string();
        let description = format!("{origin}{disabled}.\n{}: {}\n", failure.property, escape_lines(&cause));
        // With a bug, the failure is expected; without one, it has to be fixed.
        let expect = match plan.bug {
            Some(_) => Expectation::Caught(failure.property.clone()),
            None => Expectation::Passed,
        };
        let case = match outcome {
            Some(outcome) => Case::new(description, expect, outcome, plan.clone()),
            None => Case::without_run(description, expect, plan.clone()),
        };
        let version = system.recorded_version();
        Case { signature: Some(self.signature()), system: system.full_name(), version, ..case }
    }

    /// Shrinks the plan. `None` if there is nothing to shrink, or the smaller plan does not fail in another run.
    pub fn shrink(
        &self,
        settings: &ShrinkSettings,
        run: &RunFn<'_>,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(&ShrinkStatus<'_>),
    ) -> Option<ShrunkFinding> {
        let before = self.outcome.as_ref()?;
        let reproducer = Reproducer::from_outcome(&self.plan, before, &self.options)?;
        let result = shrink(&self.plan, settings, &|plan| reproducer.reproduces(run, plan), stop, watch);
        let record = run(&result.plan, &self.options_for_page());
        let finding = Finding::of(&result.plan, &record.outcome, &self.options)?;
        let shrunk = ShrunkFrom {
            faults: self.plan.faults.len() as u64,
            operations: before.counts.operations,
            runs: result.runs,
        };
        let same_signature = reproducer.matches_outcome(&record.outcome);
        Some(ShrunkFinding {
            finding,
            signature: reproducer.signature().clone(),
            same_signature,
            shrunk,
            record,
            result,
        })
    }
}

/// A finding with a smaller plan.
#[derive(Clone, Debug)]
pub struct ShrunkFinding {
    /// The finding.
    pub finding: Finding,
    /// The signature before shrinking.
    pub signature: FailureSignature,
    /// Whether the smaller plan fails with the same signature.
    pub same_signature: bool,
    /// The size before shrinking.
    pub shrunk: ShrunkFrom,
    /// The run of the smaller plan, with everything that its page shows.
    pub record: RunRecord,
    /// The result of shrinking.
    pub result: ShrinkResult,
}

impl ShrunkFinding {
    /// The case of the smaller plan. `origin`: where it comes from.
    #[must_use]
    pub fn to_case(&self, origin: &str, system: &SystemInfo) -> Case {
        let case = self.finding.to_case(origin, system);
        let milestones = if case.expect == Expectation::Passed { Vec::new() } else { case.milestones };
        Case { shrunk: Some(self.shrunk), milestones, ..case }
    }
}
