//! Draws from a stream, in integers.

use crate::plan::Chance;
use crate::rng::Stream;
use rand::RngCore;

/// A number below `end`, by a draw.
pub(crate) fn share_of(end: u64, draw: u64) -> u64 {
    ((u128::from(draw) * u128::from(end)) >> 64) as u64
}

/// What clients draw.
pub(crate) trait Draw {
    /// Any number below `end`, which is at least one.
    fn below(&mut self, end: u64) -> u64;
    /// Whether something of this chance happens.
    fn chance(&mut self, chance: Chance) -> bool;
}

impl Draw for Stream {
    fn below(&mut self, end: u64) -> u64 {
        share_of(end, self.next_u64())
    }

    fn chance(&mut self, chance: Chance) -> bool {
        self.below(1_000_000) < u64::from(chance.0)
    }
}
