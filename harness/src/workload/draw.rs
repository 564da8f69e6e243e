//! Draws from a stream, in integers.

use crate::plan::Chance;
use crate::rng::Stream;
use rand::{RngCore, SeedableRng};

/// What clients draw.
pub(crate) trait Draw {
    /// Any number below `end`, which is at least one.
    fn below(&mut self, end: u64) -> u64;
    /// Whether something of this chance happens.
    fn chance(&mut self, chance: Chance) -> bool;
    /// A stream for one decision: however much of it is used, the next decision's is the same.
    fn lot(&mut self) -> Stream;
}

impl Draw for Stream {
    fn below(&mut self, end: u64) -> u64 {
        (u128::from(self.next_u64()) * u128::from(end) >> 64) as u64
    }

    fn chance(&mut self, chance: Chance) -> bool {
        self.below(1_000_000) < u64::from(chance.0)
    }

    fn lot(&mut self) -> Stream {
        Stream::seed_from_u64(self.next_u64())
    }
}
