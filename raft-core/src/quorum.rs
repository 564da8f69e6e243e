//! Sums on majorities. No Raft in sight.

/// How many of `voters` make a majority.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The greatest value that a majority has reached: the median, rounded to the safe side. May sort `reached`.
///
/// # Panics
/// Where there are no voters.
pub fn majority_value<T: Ord + Copy>(reached: &mut [T]) -> T {
    assert!(!reached.is_empty(), "a group without voters decides nothing");
    match *reached {
        [a, b, c] => return median(a, b, c),
        // Neither the least of four nor the greatest is in the middle of five: the two others are left, and the fifth.
        [a, b, c, d, e] => return median(a.min(b).max(c.min(d)), a.max(b).min(c.max(d)), e),
        _ => {}
    }
    reached.sort_unstable();
    // Ascending: the value here and all after it are at least as great, and they are a majority.
    reached[reached.len() - majority(reached.len())]
}

/// The second of three.
fn median<T: Ord + Copy>(a: T, b: T, c: T) -> T {
    a.max(b).min(a.min(b).max(c))
}
