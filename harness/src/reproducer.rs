//! The question that shrinking asks: does this plan fail in the same way?

use crate::outcome::{Failure, LIVENESS, Options, Outcome, RunRecord, Verdict};
use crate::plan::Plan;
use crate::signature::FailureSignature;

/// One run of a plan, on whatever system.
pub type RunFn<'a> = dyn Fn(&Plan, &Options) -> RunRecord + Sync + 'a;

/// A failure that smaller plans shall show as well.
#[derive(Clone, Debug)]
pub struct Reproducer {
    signature: FailureSignature,
    options: Options,
}

impl Reproducer {
    /// The failure of a run, if it is one.
    #[must_use]
    pub fn from_outcome(plan: &Plan, outcome: &Outcome, options: &Options) -> Option<Reproducer> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        // What was broken in the storm is looked for in storms: the peace after each of them would only take time.
        let storm_only = failure.property != LIVENESS && outcome.counts.simulated < plan.storm.0;
        let options = Options {
            fault_phase_only: storm_only,
            disabled: options.disabled.clone(),
            ..Options::default()
        };
        Some(Reproducer { signature: FailureSignature::of(failure), options })
    }

    /// The shape of the failure.
    #[must_use]
    pub fn signature(&self) -> &FailureSignature {
        &self.signature
    }

    /// Whether a plan fails in this way; and where a bug is switched on, that it is the bug: without it all is well.
    pub fn reproduces(&self, run: &RunFn<'_>, plan: &Plan) -> bool {
        if !self.matches_outcome(&run(plan, &self.options).outcome) {
            return false;
        }
        plan.bug.is_none() || {
            let without_it = Plan { bug: None, ..plan.clone() };
            run(&without_it, &Options { fault_phase_only: false, ..self.options.clone() }).outcome.verdict
                == Verdict::Passed
        }
    }

    /// Whether a run failed in this way.
    #[must_use]
    pub fn matches_outcome(&self, outcome: &Outcome) -> bool {
        matches!(&outcome.verdict, Verdict::Failed(failure) if self.matches_failure(failure))
    }

    fn matches_failure(&self, failure: &Failure) -> bool {
        FailureSignature::of(failure) == self.signature
    }
}
