//! Random draws with integer arithmetic.

use crate::plan::Probability;
use crate::support::rng::RngStream;
use rand::RngCore;

/// Maps a uniform draw to a number below `end`.
pub(crate) fn scale_draw(end: u64, draw: u64) -> u64 {
    ((u128::from(draw) * u128::from(end)) >> 64) as u64
}

/// The distributions that clients use.
pub(crate) trait DrawExt {
    /// A number below `end`, which must be at least 1.
    fn draw_below(&mut self, end: u64) -> u64;
    /// True with this probability.
    fn draw_bool(&mut self, probability: Probability) -> bool;
}

impl DrawExt for RngStream {
    fn draw_below(&mut self, end: u64) -> u64 {
        scale_draw(end, self.next_u64())
    }

    fn draw_bool(&mut self, probability: Probability) -> bool {
        self.draw_below(1_000_000) < u64::from(probability.0)
    }
}
