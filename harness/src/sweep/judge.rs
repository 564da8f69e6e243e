//! One seed of a sweep: run, and where it fails run again before anything is said.

use super::Settings;
use super::summary::{Finished, Found};
use crate::case::{Case, Expect};
use crate::outcome::{DETERMINISM, Failure, Options, Outcome, Record, Verdict};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::same::Run;
use crate::shape::Shape;
use invariants::Digest;
use std::any::Any;
use std::path::PathBuf;

/// The harness itself panicked, outside of what it catches of the system under test.
pub const HARNESS: &str = "harness-panic";

/// Judges seeds.
pub(super) struct Judge<'a> {
    /// How the sweep is set up.
    pub(super) settings: &'a Settings,
    /// How a plan is run.
    pub(super) run: &'a Run<'a>,
}

impl Judge<'_> {
    /// Runs a seed. If it fails it is run again, and its case is written before anybody hears of it.
    pub(super) fn judge(&self, seed: u64) -> Finished {
        let plan = self.plan(seed);
        let options = Options { without: self.settings.without.clone(), ..Options::default() };
        let mut outcome = (self.run)(&plan, &options).outcome;
        let mut found = None;
        if let Verdict::Failed(failure) = &outcome.verdict {
            let failure = self.confirm(&plan, &options, &outcome).unwrap_or_else(|| (**failure).clone());
            found = Some(self.found(plan, &failure, Some(&outcome)));
            outcome.verdict = Verdict::Failed(Box::new(failure));
        }
        Finished { seed, outcome: Some(outcome), found }
    }

    /// What is said of a seed in which our own code panicked.
    pub(super) fn broken(&self, seed: u64, payload: &(dyn Any + Send)) -> Finished {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
        let sentence = format!("the harness itself panicked: {text}");
        let failure = Failure::told(HARNESS, sentence);
        Finished { seed, outcome: None, found: Some(self.found(self.plan(seed), &failure, None)) }
    }

    fn plan(&self, seed: u64) -> Plan {
        Plan { bug: self.settings.bug.clone(), ..generate(seed) }
    }

    /// Runs a failing plan twice more. `None`: all three runs were the same, and what failed is what the first one says.
    fn confirm(&self, plan: &Plan, options: &Options, first: &Outcome) -> Option<Failure> {
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
        Some(Failure::told(DETERMINISM, sentence))
    }

    fn found(&self, plan: Plan, failure: &Failure, outcome: Option<&Outcome>) -> Found {
        Found {
            property: failure.property.clone(),
            clash: Shape::of(failure).clash,
            seed: plan.seed,
            sentence: failure.sentence.clone(),
            plan: self.keep(plan, failure, outcome),
        }
    }

    /// Writes a failing plan as a case. `None` where that was not possible: its seed still tells all of it.
    fn keep(&self, plan: Plan, failure: &Failure, outcome: Option<&Outcome>) -> Option<PathBuf> {
        // The bug is in the name, so that trying one out never replaces what was found in earnest.
        let bug = plan.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.settings.out.join(format!("seed-{}{bug}.toml", plan.seed));
        let without: String =
            self.settings.without.iter().map(|property| format!(", without {property}")).collect();
        let story = format!(
            "Found by a sweep as seed {}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
            plan.seed, failure.property, failure.sentence
        );
        // With a bug switched on it did what it should; without one it is to be mended.
        let expect = match plan.bug {
            Some(_) => Expect::Caught(failure.property.clone()),
            None => Expect::Passed,
        };
        std::fs::create_dir_all(&self.settings.out).ok()?;
        let case = match outcome {
            Some(outcome) => Case::new(story, expect, outcome, plan),
            None => Case { story, expect, commit: None, milestones: Vec::new(), shrunk: None, plan },
        };
        case.write(&path).ok()?;
        Some(path)
    }
}

fn differs(record: &Record, first: &Outcome) -> bool {
    record.outcome != *first
}

/// The number of the first event, counted from 1, after which two runs are no longer the same.
fn first_difference(one: &[Digest], other: &[Digest]) -> Option<usize> {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    (same < one.len() || same < other.len()).then_some(same + 1)
}
