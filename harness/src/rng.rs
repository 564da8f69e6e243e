//! All chance has a name: every component draws from a stream of its own, so that taking one thing away leaves the
//! rest alone.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator with a fixed algorithm. What it yields is part of what a stored plan means.
pub type Stream = Xoshiro256PlusPlus;

/// The stream called `label` of a run: the same for the same seed and label, and unrelated to every other.
#[must_use]
pub fn stream(seed: u64, label: &str, numbers: [u64; 2]) -> Stream {
    let mut state = mix(seed ^ 0x6a09_e667_f3bc_c908);
    for byte in label.bytes() {
        state = mix(state ^ u64::from(byte));
    }
    for number in numbers {
        state = mix(state ^ number);
    }
    Stream::seed_from_u64(state)
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
const fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
