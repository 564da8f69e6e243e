//! How many events a sweep checked, by the time since it began.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When there are more intervals, they become twice as long: a sweep of any length keeps few numbers.
const MAX_INTERVALS: usize = 128;
/// The longest interval: 272 years. The damaged ledger that says more cannot overflow a sum.
const MAX_SECONDS: u64 = 1 << 33;

/// Events by elapsed real time. No verdict depends on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// Length of an interval in seconds: a power of two.
    pub seconds: u64,
    /// The events of each interval, the first of which begins with the sweep.
    pub events: Vec<u64>,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { seconds: 1, events: Vec::new() }
    }
}

impl Pace {
    /// Whether no events were counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Adds the events of a run that ended after this time.
    pub(super) fn note(&mut self, elapsed: Duration, events: u64) {
        while elapsed.as_secs() / self.seconds >= MAX_INTERVALS as u64 {
            self.double();
        }
        let interval = (elapsed.as_secs() / self.seconds) as usize;
        self.add_at(interval, events);
    }

    /// Adds the events of another machine, or of the same one in another process.
    pub(super) fn add(&mut self, mut more: Pace) {
        while self.seconds < more.seconds {
            self.double();
        }
        while more.seconds < self.seconds {
            more.double();
        }
        more.events.into_iter().enumerate().for_each(|(interval, events)| self.add_at(interval, events));
    }

    /// Whether the numbers are possible.
    pub(super) fn is_plausible(&self) -> bool {
        self.seconds.is_power_of_two() && self.seconds <= MAX_SECONDS && self.events.len() <= MAX_INTERVALS
    }

    fn add_at(&mut self, interval: usize, events: u64) {
        let needed = self.events.len().max(interval + 1);
        self.events.resize(needed, 0);
        self.events[interval] = self.events[interval].saturating_add(events);
    }

    fn double(&mut self) {
        let sum = |pair: &[u64]| pair.iter().fold(0, |sum: u64, events| sum.saturating_add(*events));
        self.events = self.events.chunks(2).map(sum).collect();
        self.seconds *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, from all runs.
    fn simple(runs: &[(u64, u64)], seconds: u64) -> Vec<u64> {
        let length = runs.iter().map(|(at, _)| at / seconds + 1).max().unwrap_or(0);
        let in_interval = |interval| runs.iter().filter(move |(at, _)| at / seconds == interval);
        (0..length).map(|interval| in_interval(interval).map(|(_, events)| events).sum()).collect()
    }

    fn pace(runs: &[(u64, u64)]) -> Pace {
        let mut pace = Pace::default();
        runs.iter().for_each(|(at, events)| pace.note(Duration::from_secs(*at), *events));
        pace
    }

    proptest! {
        #[test]
        fn intervals_grow_and_lose_nothing(runs in prop::collection::vec((0_u64..5_000, 1_u64..100), 1..50), other in prop::collection::vec((0_u64..300, 1_u64..100), 0..50)) {
            let mut one = pace(&runs);
            prop_assert!(one.is_plausible());
            let last = runs.iter().map(|(at, _)| *at).max().unwrap_or(0);
            prop_assert!(one.seconds == 1 || last / (one.seconds / 2) >= MAX_INTERVALS as u64, "no longer than needed");
            prop_assert_eq!(&one.events, &simple(&runs, one.seconds));
            one.add(pace(&other));
            prop_assert!(one.is_plausible());
            let all: Vec<_> = runs.iter().chain(&other).copied().collect();
            prop_assert_eq!(&one.events, &simple(&all, one.seconds));
        }
    }

    #[test]
    fn impossible_numbers_are_found() {
        assert!(!Pace { seconds: 0, events: vec![] }.is_plausible());
        assert!(!Pace { seconds: 3, events: vec![] }.is_plausible());
        assert!(!Pace { seconds: 1 << 40, events: vec![] }.is_plausible());
        assert!(!Pace { seconds: 1, events: vec![0; MAX_INTERVALS + 1] }.is_plausible());
    }
}
