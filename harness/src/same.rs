//! The question that shrinking asks: does this plan fail in the same way?

use crate::outcome::{Failure, Options, Outcome, PROGRESS, Record, Verdict};
use crate::plan::Plan;
use crate::shape::Shape;

/// One run of a plan, on whatever system.
pub type Run<'a> = dyn Fn(&Plan, &Options) -> Record + Sync + 'a;

/// A failure that smaller plans shall show as well.
#[derive(Clone, Debug)]
pub struct Same {
    shape: Shape,
    options: Options,
}

impl Same {
    /// The failure of a run, if it is one.
    #[must_use]
    pub fn of(plan: &Plan, outcome: &Outcome, options: &Options) -> Option<Same> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        // What was broken in the storm is looked for in storms: the peace after each of them would only take time.
        let storm_only = failure.property != PROGRESS && outcome.counts.simulated < plan.storm.0;
        let options = Options { storm_only, without: options.without.clone(), ..Options::default() };
        Some(Same { shape: Shape::of(failure), options })
    }

    /// The shape of the failure.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether a plan fails in this way; and where a bug is switched on, that it is the bug: without it all is well.
    pub fn fails(&self, run: &Run<'_>, plan: &Plan) -> bool {
        if !self.is_shown_by(&run(plan, &self.options).outcome) {
            return false;
        }
        plan.bug.is_none() || {
            let without_it = Plan { bug: None, ..plan.clone() };
            run(&without_it, &Options { storm_only: false, ..self.options.clone() }).outcome.verdict
                == Verdict::Kept
        }
    }

    /// Whether a run failed in this way.
    #[must_use]
    pub fn is_shown_by(&self, outcome: &Outcome) -> bool {
        matches!(&outcome.verdict, Verdict::Failed(failure) if self.is_shape_of(failure))
    }

    fn is_shape_of(&self, failure: &Failure) -> bool {
        Shape::of(failure) == self.shape
    }
}
