//! What a search may cost.

/// How much a search may cost, for each key. Never seconds: a verdict must not depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Steps of the search. A step is well under a microsecond; with more than 64 operations open at once on the key
    /// it counts several times.
    pub steps: u64,
    /// Bytes that the search may remember, besides the history in small numbers: some hundred bytes per operation.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { steps: 4_000_000, bytes: 1 << 30 }
    }
}
