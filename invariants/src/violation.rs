//! Two facts that cannot both be true of a correct Raft.

use crate::fact::Observed;
use serde::Serialize;
use std::fmt;

/// The first clash of a run: the property that noticed, the two facts, and one sentence for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// The property's name, as `Checker::properties` lists it.
    pub property: &'static str,
    /// What was promised and what was seen, by whom.
    pub sentence: String,
    /// The earlier fact. Absent where the earlier side is no single fact.
    pub first: Option<Observed>,
    /// The fact at which the clash was noticed.
    pub second: Observed,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.sentence)
    }
}
