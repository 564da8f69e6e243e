//! All chance has a name: every component draws from a stream of its own, so that taking one thing away leaves the
//! rest alone.
//!
#![doc = include_str!("../docs/determinism.md")]

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator with a fixed algorithm. What it yields is part of what a stored plan means.
pub type RngStream = Xoshiro256PlusPlus;

/// The stream called `label` of a run: the same for the same seed and label, and unrelated to every other.
#[must_use]
pub fn stream(seed: u64, label: &str, numbers: [u64; 2]) -> RngStream {
    RngStream::seed_from_u64(stream_key(seed, label, numbers))
}

/// Chance of one kind, by count: the draw for the third decision of a kind is what it is, however many decisions of other
/// kinds were made before, or of the same kind elsewhere. So one draw more in one place moves nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CounterRng(u64);

impl CounterRng {
    /// The draws called `label` of a run.
    #[must_use]
    pub fn new(seed: u64, label: &str, numbers: [u64; 2]) -> CounterRng {
        CounterRng(stream_key(seed, label, numbers))
    }

    /// The draw for the decision of this count.
    #[inline]
    #[must_use]
    pub const fn at(self, count: u64) -> u64 {
        // SplitMix64 at a place of its sequence: a step of an odd constant, and its finaliser.
        mix(self.0.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

/// Where the sequence of this name begins.
fn stream_key(seed: u64, label: &str, numbers: [u64; 2]) -> u64 {
    let mut state = mix(seed ^ 0x6a09_e667_f3bc_c908);
    for byte in label.bytes() {
        state = mix(state ^ u64::from(byte));
    }
    for number in numbers {
        state = mix(state ^ number);
    }
    state
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
const fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
