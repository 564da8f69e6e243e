//! One seed of a sweep: run, and where it fails run again before anything is said.

use super::Settings;
use super::summary::{Finished, Found};
use crate::case::{Case, Expect};
use crate::outcome::{DETERMINISM, Failure, HARNESS, Options, Outcome, Record, Verdict};
use crate::plan::file::{named, reason};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::same::Run;
use crate::shape::Shape;
use crate::text::visible_lines;
use invariants::Digest;
use std::any::Any;
use std::path::PathBuf;

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
        let (mut found, mut unwritten) = (None, None);
        if let Verdict::Failed(failure) = &outcome.verdict {
            let failure = self.confirm(&plan, &options, &outcome).unwrap_or_else(|| (**failure).clone());
            let (seen, lost) = self.found(plan, &failure, Some(&outcome));
            (found, unwritten) = (Some(seen), lost);
            outcome.verdict = Verdict::Failed(Box::new(failure));
        }
        Finished { seed, outcome: Some(outcome), found, unwritten }
    }

    /// What is said of a seed in which our own code panicked.
    pub(super) fn broken(&self, seed: u64, payload: &(dyn Any + Send)) -> Finished {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
        let sentence = format!("the harness itself panicked: {text}");
        let failure = Failure::told(HARNESS, sentence);
        let (found, unwritten) = self.found(self.plan(seed), &failure, None);
        Finished { seed, outcome: None, found: Some(found), unwritten }
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

    /// What was found, and why its plan could not be written, if so.
    fn found(&self, plan: Plan, failure: &Failure, outcome: Option<&Outcome>) -> (Found, Option<String>) {
        let seed = plan.seed;
        let kept = self.keep(plan, failure, outcome);
        let found = Found {
            property: failure.property.clone(),
            clash: Shape::of(failure).clash,
            seed,
            sentence: failure.sentence.clone(),
            plan: kept.as_ref().ok().cloned(),
        };
        (found, kept.err())
    }

    /// Writes a failing plan as a case. Where that is not possible its seed still tells all of it.
    fn keep(&self, plan: Plan, failure: &Failure, outcome: Option<&Outcome>) -> Result<PathBuf, String> {
        // The bug is in the name, so that trying one out never replaces what was found in earnest.
        let bug = plan.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let path = self.settings.out.join(format!("seed-{}{bug}.toml", plan.seed));
        let without: String =
            self.settings.without.iter().map(|property| format!(", without {property}")).collect();
        let story = format!(
            "Found by a sweep as seed {}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
            plan.seed,
            failure.property,
            visible_lines(&failure.sentence)
        );
        // With a bug switched on it did what it should; without one it is to be mended.
        let expect = match plan.bug {
            Some(_) => Expect::Caught(failure.property.clone()),
            None => Expect::Passed,
        };
        std::fs::create_dir_all(&self.settings.out)
            .map_err(|error| format!("{}: cannot be made: {}", named(&self.settings.out), reason(&error)))?;
        let case = match outcome {
            Some(outcome) => Case::new(story, expect, outcome, plan),
            None => Case { story, expect, commit: None, milestones: Vec::new(), shrunk: None, plan },
        };
        case.write(&path).map_err(|error| error.to_string())?;
        Ok(path)
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
