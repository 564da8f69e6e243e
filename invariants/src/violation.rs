//! A violation: two facts that cannot both be true of a correct Raft.

use crate::conflict::Conflict;
use crate::fact::Observed;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::fmt;

/// The first violation of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The name of the property, as in [`PROPERTIES`](crate::PROPERTIES).
    pub property: &'static str,
    /// What contradicts what.
    pub conflict: Conflict,
    /// The earlier fact. `None` if the contradiction is not with a single fact.
    pub first: Option<Observed>,
    /// The fact at which the violation was found.
    pub second: Observed,
}

/// With the conflict also as a sentence, for readers of the JSON.
impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Violation { property, conflict, first, second } = self;
        let mut fields = serializer.serialize_struct("Violation", 5)?;
        fields.serialize_field("property", property)?;
        fields.serialize_field("conflict", conflict)?;
        fields.serialize_field("sentence", &conflict.to_string())?;
        fields.serialize_field("first", first)?;
        fields.serialize_field("second", second)?;
        fields.end()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.conflict)
    }
}
