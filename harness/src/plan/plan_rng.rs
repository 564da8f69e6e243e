//! The random generator of plans. It uses integers only, so a seed gives the same plan on every machine.

use super::{Probability, SimDuration};
use crate::support::rng::{self, RngStream};
use rand::RngCore;

/// A named random stream with the distributions that plans need.
pub(crate) struct PlanRng(RngStream);

impl PlanRng {
    /// The stream of this label.
    pub(crate) fn new(seed: u64, label: &str, number: u64) -> PlanRng {
        PlanRng(rng::stream(seed, label, [number, 0]))
    }

    /// A number from `least` to `most`, inclusive.
    pub(crate) fn in_range(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "empty range: {least} to {most}");
        let count = u128::from(most - least) + 1;
        least + rng::scale(self.0.next_u64(), u64::BITS, count)
    }

    /// A duration from `least` to `most` milliseconds.
    pub(crate) fn millis(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::millis(self.in_range(least, most))
    }

    /// A duration from `least` to `most` times ten microseconds.
    pub(crate) fn hundredths_of_millis(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::micros(self.in_range(least, most) * 10)
    }

    /// A probability from `least` to `most` tenths of a percent.
    pub(crate) fn permille(&mut self, least: u32, most: u32) -> Probability {
        Probability(self.in_range(u64::from(least), u64::from(most)) as u32 * 1_000)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance_percent(&mut self, percent: u64) -> bool {
        self.in_range(1, 100) <= percent
    }

    /// One of the choices, all equally likely.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.in_range(0, choices.len() as u64 - 1) as usize]
    }

    /// One of the choices, by weight.
    pub(crate) fn pick_weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|&(weight, _)| weight).sum();
        let mut left = self.in_range(1, total);
        for &(weight, choice) in choices {
            if left <= weight {
                return choice;
            }
            left -= weight;
        }
        unreachable!("a draw up to the sum of all weights falls on one of them")
    }
}
