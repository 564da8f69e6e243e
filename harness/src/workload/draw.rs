//! Random draws with integer arithmetic.

use crate::plan::Probability;
use crate::support::rng::{self, RngStream};
use rand::RngCore;

/// The distributions that clients use.
pub(crate) trait DrawExt {
    /// A number below `end`, which must be at least 1.
    fn draw_below(&mut self, end: u64) -> u64;
    /// True with this probability.
    fn draw_bool(&mut self, probability: Probability) -> bool;
}

impl DrawExt for RngStream {
    fn draw_below(&mut self, end: u64) -> u64 {
        rng::scale(self.next_u64(), u64::BITS, end.into())
    }

    fn draw_bool(&mut self, probability: Probability) -> bool {
        self.draw_below(1_000_000) < u64::from(probability.0)
    }
}
