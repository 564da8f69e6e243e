//! Majority arithmetic, independent of Raft.

/// The size of a majority of `voters`.
#[must_use]
pub(crate) const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The greatest value that a majority has reached: the median, or the lower of the two middle values. May
/// sort `reached`.
///
/// # Panics
/// If `reached` is empty.
pub(crate) fn majority_value<T: Ord + Copy>(reached: &mut [T]) -> T {
    assert!(!reached.is_empty(), "a majority needs at least one voter");
    match *reached {
        [a, b, c] => return median(a, b, c),
        // Neither the least of the first four nor the greatest can be the median of five: three candidates
        // are left.
        [a, b, c, d, e] => return median(a.min(b).max(c.min(d)), a.max(b).min(c.max(d)), e),
        _ => {}
    }
    reached.sort_unstable();
    // Ascending order: this value and those after it form a majority.
    reached[reached.len() - majority(reached.len())]
}

/// The median of three.
fn median<T: Ord + Copy>(a: T, b: T, c: T) -> T {
    a.max(b).min(a.min(b).max(c))
}
