//! Decides whether a plan reproduces a failure, and whether a bug is to blame. Searches for plans are built on it.

use crate::outcome::signature::FailureSignature;
use crate::outcome::{Failure, LIVENESS, Options, Outcome, RunRecord, Verdict};
use crate::plan::Plan;

/// Runs a plan on some system.
pub type RunFn<'a> = dyn Fn(&Plan, &Options) -> RunRecord + Sync + 'a;

/// The verdict of a plan with its bug disabled.
#[must_use]
pub fn verdict_without_bug(plan: &Plan, options: &Options, run: &RunFn<'_>) -> Verdict {
    run(&Plan { bug: None, ..plan.clone() }, options).outcome.verdict
}

/// A failure that smaller plans must reproduce.
#[derive(Clone, Debug)]
pub struct Reproducer {
    signature: FailureSignature,
    options: Options,
}

impl Reproducer {
    /// The failure of a run; `None` if it passed.
    #[must_use]
    pub fn from_outcome(plan: &Plan, outcome: &Outcome, options: &Options) -> Option<Reproducer> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        // A failure in the fault phase is looked for in fault phases only: healed phases would take time for nothing.
        let fault_phase_only = failure.property != LIVENESS && outcome.counts.simulated < plan.fault_phase.0;
        let options = Options { fault_phase_only, disabled: options.disabled.clone(), ..Options::default() };
        Some(Reproducer { signature: FailureSignature::of(failure), options })
    }

    /// The failure's signature.
    #[must_use]
    pub fn signature(&self) -> &FailureSignature {
        &self.signature
    }

    /// Whether a plan fails with this signature; and if it enables a bug, whether it passes without it.
    pub fn reproduces(&self, run: &RunFn<'_>, plan: &Plan) -> bool {
        if !self.matches_outcome(&run(plan, &self.options).outcome) {
            return false;
        }
        let options = Options { fault_phase_only: false, ..self.options.clone() };
        plan.bug.is_none() || verdict_without_bug(plan, &options, run) == Verdict::Passed
    }

    /// Whether a run failed with this signature.
    #[must_use]
    pub fn matches_outcome(&self, outcome: &Outcome) -> bool {
        matches!(&outcome.verdict, Verdict::Failed(failure) if self.matches_failure(failure))
    }

    fn matches_failure(&self, failure: &Failure) -> bool {
        FailureSignature::of(failure) == self.signature
    }
}
