//! What a generator of plans rolls. Integers only, so that a seed means the same plan on every machine.

use super::{Probability, SimDuration};
use crate::rng::{self, RngStream};
use rand::RngCore;

/// A named stream of chance with the few throws that plans need.
pub(super) struct PlanRng(RngStream);

impl PlanRng {
    /// The dice of this name.
    pub(super) fn new(seed: u64, label: &str, number: u64) -> PlanRng {
        PlanRng(rng::stream(seed, label, [number, 0]))
    }

    /// A number from `least` to `most`, both included.
    pub(super) fn in_range(&mut self, least: u64, most: u64) -> u64 {
        assert!(least <= most, "nothing lies between {least} and {most}");
        let count = u128::from(most - least) + 1;
        // The upper half of the product: below `count`, and uneven by less than anyone could notice.
        least + ((u128::from(self.0.next_u64()) * count) >> 64) as u64
    }

    /// A duration from `least` to `most` milliseconds.
    pub(super) fn millis(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::millis(self.in_range(least, most))
    }

    /// A duration from `least` to `most` times ten microseconds.
    pub(super) fn hundredths_of_millis(&mut self, least: u64, most: u64) -> SimDuration {
        SimDuration::micros(self.in_range(least, most) * 10)
    }

    /// A chance from `least` to `most` tenths of a percent.
    pub(super) fn permille(&mut self, least: u32, most: u32) -> Probability {
        Probability(self.in_range(u64::from(least), u64::from(most)) as u32 * 1_000)
    }

    /// Whether something happens that happens so often in a hundred times.
    pub(super) fn chance_percent(&mut self, chance: u64) -> bool {
        self.in_range(1, 100) <= chance
    }

    /// One of these, each as likely as the other.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.in_range(0, choices.len() as u64 - 1) as usize]
    }

    /// One of these, each as likely as its weight says.
    pub(super) fn pick_weighted<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total: u64 = choices.iter().map(|&(weight, _)| weight).sum();
        let mut left = self.in_range(1, total);
        for &(weight, choice) in choices {
            if left <= weight {
                return choice;
            }
            left -= weight;
        }
        unreachable!("a throw of at most the sum of all weights falls on one of them")
    }
}
