//! One seed of a sweep: run, and where it fails run again before anything is said.

use super::SweepSettings;
use super::summary::{FailureRecord, SeedResult};
use crate::case::{Case, Expectation};
use crate::outcome::{DETERMINISM, Failure, HARNESS_PANIC, Options, Outcome, RunRecord, Verdict};
use crate::plan::file::{display_path, error_reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::reproducer::RunFn;
use crate::signature::FailureSignature;
use crate::text::escape_lines;
use invariants::Digest;
use std::any::Any;
use std::path::PathBuf;

/// Judges seeds.
pub(super) struct SeedRunner<'a> {
    /// How the sweep is set up.
    pub(super) settings: &'a SweepSettings,
    /// How a plan is run.
    pub(super) run: &'a RunFn<'a>,
}

impl SeedRunner<'_> {
    /// Runs a seed. If it fails it is run again, and its case is written before anybody hears of it.
    pub(super) fn run_seed(&self, seed: u64) -> SeedResult {
        let plan = self.plan(seed);
        let options = Options { disabled: self.settings.disabled.clone(), ..Options::default() };
        let mut outcome = (self.run)(&plan, &options).outcome;
        let (mut found, mut unwritten) = (None, None);
        if let Verdict::Failed(failure) = &outcome.verdict {
            let failure =
                self.check_determinism(&plan, &options, &outcome).unwrap_or_else(|| (**failure).clone());
            let (seen, lost) = self.record_failure(plan, &failure, Some(&outcome));
            (found, unwritten) = (Some(seen), lost);
            outcome.verdict = Verdict::Failed(Box::new(failure));
        }
        SeedResult { seed, outcome: Some(outcome), failure: found, write_error: unwritten }
    }

    /// What is said of a seed in which our own code panicked.
    pub(super) fn result_of_harness_panic(&self, seed: u64, payload: &(dyn Any + Send)) -> SeedResult {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
        let sentence = format!("the harness itself panicked: {text}");
        let failure = Failure::new(HARNESS_PANIC, sentence);
        let (found, unwritten) = self.record_failure(self.plan(seed), &failure, None);
        SeedResult { seed, outcome: None, failure: Some(found), write_error: unwritten }
    }

    fn plan(&self, seed: u64) -> Plan {
        Plan { bug: self.settings.bug.clone(), ..generate(seed) }
    }

    /// Runs a failing plan twice more. `None`: all three runs were the same, and what failed is what the first one says.
    fn check_determinism(&self, plan: &Plan, options: &Options, first: &Outcome) -> Option<Failure> {
        let options = Options { digests: true, ..options.clone() };
        let second = (self.run)(plan, &options);
        let third = (self.run)(plan, &options);
        let sentence = if let Some(event) = first_difference(&second.digests, &third.digests) {
            format!("two runs of the same plan differ from event {event} on")
        } else if differs(&second, first) || differs(&third, first) {
            "two runs of the same plan ended differently, though two later ones agree on every event".into()
        } else {
            return None;
        };
        Some(Failure::new(DETERMINISM, sentence))
    }

    /// What was found, and why its plan could not be written, if so.
    fn record_failure(
        &self,
        plan: Plan,
        failure: &Failure,
        outcome: Option<&Outcome>,
    ) -> (FailureRecord, Option<String>) {
        let seed = plan.seed;
        let kept = self.write_case(plan, failure, outcome);
        let found = FailureRecord {
            property: failure.property.clone(),
            clash: FailureSignature::of(failure).clash,
            seed,
            sentence: failure.sentence.clone(),
            plan: kept.as_ref().ok().cloned(),
        };
        (found, kept.err())
    }

    /// Writes a failing plan as a case. Where that is not possible its seed still tells all of it.
    fn write_case(
        &self,
        plan: Plan,
        failure: &Failure,
        outcome: Option<&Outcome>,
    ) -> Result<PathBuf, String> {
        // The bug is in the name, so that trying one out never replaces what was found in earnest.
        let bug = plan.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.settings.out.join(format!("seed-{}{bug}.toml", plan.seed));
        let without: String =
            self.settings.disabled.iter().map(|property| format!(", without {property}")).collect();
        let story = format!(
            "Found by a sweep as seed {}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
            plan.seed,
            failure.property,
            escape_lines(&failure.sentence)
        );
        // With a bug switched on it did what it should; without one it is to be mended.
        let expect = match plan.bug {
            Some(_) => Expectation::Caught(failure.property.clone()),
            None => Expectation::Passed,
        };
        std::fs::create_dir_all(&self.settings.out).map_err(|error| {
            format!("{}: cannot be made: {}", display_path(&self.settings.out), error_reason(&error))
        })?;
        let case = match outcome {
            Some(outcome) => Case::new(story, expect, outcome, plan),
            None => Case { description: story, expect, commit: None, milestones: Vec::new(), shrunk: None, plan },
        };
        case.write(&path).map_err(|error| error.to_string())?;
        Ok(path)
    }
}

fn differs(record: &RunRecord, first: &Outcome) -> bool {
    record.outcome != *first
}

/// The number of the first event, counted from 1, after which two runs are no longer the same.
fn first_difference(one: &[Digest], other: &[Digest]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (same < one.len() || same < other.len()).then_some(same + 1)
}
