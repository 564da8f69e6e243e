//! Sums on majorities. No Raft in sight.

/// How many of `voters` make a majority.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The greatest value that a majority has reached: the median, rounded to the safe side. Sorts `reached`.
///
/// # Panics
/// Where there are no voters.
pub fn reached_by_majority<T: Ord + Copy>(reached: &mut [T]) -> T {
    assert!(!reached.is_empty(), "a group without voters decides nothing");
    if let [a, b, c] = *reached {
        return a.max(b).min(a.min(b).max(c));
    }
    reached.sort_unstable();
    // Ascending: the value here and all after it are at least as great, and they are a majority.
    reached[reached.len() - majority(reached.len())]
}
