//! Runs one seed of a sweep; a failure is confirmed by further runs before it is reported.

use super::SweepSettings;
use super::summary::{FailureRecord, SeedResult};
use crate::findings::case::{Case, Expectation};
use crate::findings::reproducer::RunFn;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{DETERMINISM, Difference, Failure, FailureCause, HARNESS_PANIC, Options, Outcome, RunRecord, Verdict};
use crate::plan::file::{display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::support::text::escape_lines;
use invariants::Digest;
use std::any::Any;
use std::path::PathBuf;

/// Runs seeds.
pub(super) struct SeedRunner<'a> {
    /// The settings of the sweep.
    pub(super) settings: &'a SweepSettings,
    /// The function that runs a plan.
    pub(super) run: &'a RunFn<'a>,
}

impl SeedRunner<'_> {
    /// Runs a seed. A failure is run again for determinism, and its case is written before this returns.
    pub(super) fn run_seed(&self, seed: u64) -> SeedResult {
        let plan = self.plan(seed);
        let options = Options { disabled: self.settings.disabled.clone(), ..Options::default() };
        let mut outcome = (self.run)(&plan, &options).outcome;
        let (mut record, mut write_error) = (None, None);
        if let Verdict::Failed(failure) = &outcome.verdict {
            let failure =
                self.check_determinism(&plan, &options, &outcome).unwrap_or_else(|| (**failure).clone());
            let (failure_record, error) = self.record_failure(plan, &failure, Some(&outcome));
            (record, write_error) = (Some(failure_record), error);
            outcome.verdict = Verdict::Failed(Box::new(failure));
        }
        SeedResult { seed, outcome: Some(outcome), failure: record, write_error }
    }

    /// The result of a seed whose run panicked in the harness.
    pub(super) fn result_of_harness_panic(&self, seed: u64, payload: &(dyn Any + Send)) -> SeedResult {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        let failure = Failure::new(HARNESS_PANIC, FailureCause::HarnessPanic(text.to_owned()));
        let (record, write_error) = self.record_failure(self.plan(seed), &failure, None);
        SeedResult { seed, outcome: None, failure: Some(record), write_error }
    }

    fn plan(&self, seed: u64) -> Plan {
        Plan { bug: self.settings.bug.clone(), ..generate(seed) }
    }

    /// Runs a failing plan twice more. `None`: all three runs agree.
    fn check_determinism(&self, plan: &Plan, options: &Options, first: &Outcome) -> Option<Failure> {
        let options = Options { digests: true, ..options.clone() };
        let second = (self.run)(plan, &options);
        let third = (self.run)(plan, &options);
        let difference = if let Some(event) = first_difference(&second.digests, &third.digests) {
            Difference::Event(event as u64)
        } else if differs(&second, first) || differs(&third, first) {
            Difference::Outcomes
        } else {
            return None;
        };
        Some(Failure::new(DETERMINISM, FailureCause::Nondeterminism(difference)))
    }

    /// The record of a failure, and the error if its case could not be written.
    fn record_failure(
        &self,
        plan: Plan,
        failure: &Failure,
        outcome: Option<&Outcome>,
    ) -> (FailureRecord, Option<String>) {
        let seed = plan.seed;
        let written = self.write_case(plan, failure, outcome);
        let record = FailureRecord {
            signature: FailureSignature::of(failure),
            seed,
            message: failure.cause.to_string(),
            plan: written.as_ref().ok().cloned(),
        };
        (record, written.err())
    }

    /// Writes a failing plan as a case.
    fn write_case(
        &self,
        plan: Plan,
        failure: &Failure,
        outcome: Option<&Outcome>,
    ) -> Result<PathBuf, String> {
        // The bug is part of the name: a sweep with a bug does not replace a real failure.
        let bug = plan.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.settings.out.join(format!("seed-{}{bug}.toml", plan.seed));
        let disabled: String =
            self.settings.disabled.iter().map(|property| format!(", disabled: {property}")).collect();
        let description = format!(
            "Found by a sweep as seed {}@{GENERATOR_VERSION}{disabled}.\n{}: {}\n",
            plan.seed,
            failure.property,
            escape_lines(&failure.cause.to_string())
        );
        // With a bug, the failure is expected; without one, it has to be fixed.
        let expect = match plan.bug {
            Some(_) => Expectation::Caught(failure.property.clone()),
            None => Expectation::Passed,
        };
        std::fs::create_dir_all(&self.settings.out).map_err(|error| {
            format!("{}: cannot be created: {}", display_path(&self.settings.out), error_reason(&error))
        })?;
        let case = match outcome {
            Some(outcome) => Case::new(description, expect, outcome, plan),
            None => Case { commit: None, ..Case::without_run(description, expect, plan) },
        };
        let case = Case { signature: Some(FailureSignature::of(failure)), ..case };
        case.write(&path).map_err(|error| error.to_string())?;
        Ok(path)
    }
}

fn differs(record: &RunRecord, first: &Outcome) -> bool {
    record.outcome != *first
}

/// The number of the first event that differs, counted from 1.
fn first_difference(one: &[Digest], other: &[Digest]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (same < one.len() || same < other.len()).then_some(same + 1)
}
