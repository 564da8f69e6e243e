//! Draws from a stream, in integers.

use crate::plan::Probability;
use crate::rng::RngStream;
use rand::RngCore;

/// A number below `end`, by a draw.
pub(crate) fn scale_draw(end: u64, draw: u64) -> u64 {
    ((u128::from(draw) * u128::from(end)) >> 64) as u64
}

/// What clients draw.
pub(crate) trait DrawExt {
    /// Any number below `end`, which is at least one.
    fn draw_below(&mut self, end: u64) -> u64;
    /// Whether something of this chance happens.
    fn draw_bool(&mut self, chance: Probability) -> bool;
}

impl DrawExt for RngStream {
    fn draw_below(&mut self, end: u64) -> u64 {
        scale_draw(end, self.next_u64())
    }

    fn draw_bool(&mut self, chance: Probability) -> bool {
        self.draw_below(1_000_000) < u64::from(chance.0)
    }
}
