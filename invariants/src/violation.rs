//! A violation: two facts that cannot both be true of a correct Raft.

use crate::fact::Observed;
use serde::Serialize;
use std::fmt;

/// The first violation of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// The name of the property, as in [`PROPERTIES`](crate::PROPERTIES).
    pub property: &'static str,
    /// What contradicts what, in one sentence.
    pub sentence: String,
    /// The earlier fact. `None` if the contradiction is not with a single fact.
    pub first: Option<Observed>,
    /// The fact at which the violation was found.
    pub second: Observed,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.sentence)
    }
}
