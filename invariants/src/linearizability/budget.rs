//! The limits of a check's cost.
//!
//! A [`Budget`] counts steps and bytes, so a verdict does not depend on the machine. Only
//! [`report_with_deadline`](super::report_with_deadline()) limits time as well; a deadline can only turn a verdict
//! into "unknown".

#![expect(clippy::disallowed_types, reason = "a deadline that the caller set")]

use serde::Serialize;
use std::time::{Duration, Instant};

/// The limits of one check: the search of all keys and the explanation of a violation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Steps of all searches together. A step takes well under a microsecond; with more than 64 operations pending at
    /// once on the key it counts several times.
    pub steps: u64,
    /// Bytes that a search may memoize, besides the indexed history: some hundred bytes per operation.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 4_000_000, bytes: 1 << 30 }
    }
}

/// The limit that a check reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Budget::steps`].
    Steps,
    /// [`Budget::bytes`].
    Bytes,
    /// The deadline.
    Time,
}

/// Search steps between two checks of the clock, where there is a deadline.
pub(crate) const TURNS_PER_CLOCK_CHECK: u32 = 1 << 12;

fn now() -> Instant {
    Instant::now()
}

/// What is left of a budget.
#[derive(Debug)]
pub(crate) struct RemainingBudget {
    steps: u64,
    bytes: u64,
    deadline: Option<Instant>,
}

impl RemainingBudget {
    pub(crate) fn new(budget: Budget, time: Option<Duration>) -> RemainingBudget {
        // A duration too long for the clock is no limit.
        let deadline = time.and_then(|time| now().checked_add(time));
        RemainingBudget { steps: budget.steps, bytes: budget.bytes, deadline }
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes these steps off the budget.
    pub(crate) const fn spend(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// Whether the deadline has passed.
    pub(crate) fn deadline_passed(&self) -> bool {
        self.deadline.is_some_and(|deadline| now() >= deadline)
    }

    /// Whether no step or no time is left.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps == 0 || self.deadline_passed()
    }

    /// The remaining budget, limited to these steps and bytes.
    pub(crate) fn limited_to(&self, steps: u64, bytes: u64) -> RemainingBudget {
        RemainingBudget { steps: self.steps.min(steps), bytes: self.bytes.min(bytes), ..*self }
    }
}
