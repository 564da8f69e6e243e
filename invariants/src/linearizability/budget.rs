//! What a check may cost.
//!
//! A [`Budget`] counts steps and bytes, so a verdict never depends on the machine. Only whoever asks for a report
//! [`within`](super::report_within()) some time sets a deadline as well, and that can only turn a verdict into "unknown".

use serde::Serialize;
use std::time::{Duration, Instant};

/// How much a check may cost: the search for an order of every key, and the explanation of a violation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Steps of all searches together. A step is well under a microsecond; with more than 64 operations open at once on
    /// the key it counts several times.
    pub steps: u64,
    /// Bytes that a search may remember, besides the history in small numbers: some hundred bytes per operation.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 4_000_000, bytes: 1 << 30 }
    }
}

/// What a check ran out of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Budget::steps`].
    Steps,
    /// [`Budget::bytes`].
    Bytes,
    /// The time that was given.
    Time,
}

/// So many turns of a search pass between two looks at the clock, where there is a deadline.
pub(crate) const TURNS_PER_CLOCK_CHECK: u32 = 1 << 12;

#[allow(clippy::disallowed_methods, reason = "a deadline that somebody who waits has set")]
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
        // A time too long for a clock is no limit.
        let deadline = time.and_then(|time| now().checked_add(time));
        RemainingBudget { steps: budget.steps, bytes: budget.bytes, deadline }
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// This many steps were done.
    pub(crate) const fn spend(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// Whether the time is over.
    pub(crate) fn deadline_passed(&self) -> bool {
        self.deadline.is_some_and(|deadline| now() >= deadline)
    }

    /// Whether nothing more may be tried.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps == 0 || self.deadline_passed()
    }

    /// As much of it as one part may take: at most so many steps, and so many bytes.
    pub(crate) fn limited_to(&self, steps: u64, bytes: u64) -> RemainingBudget {
        RemainingBudget { steps: self.steps.min(steps), bytes: self.bytes.min(bytes), ..*self }
    }
}
