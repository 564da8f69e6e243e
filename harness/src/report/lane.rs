//! Who is concerned by an event.

use serde::{Serialize, Serializer};
use std::fmt;

/// A server or a client by number, displayed as `n1` or `c1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LaneId {
    /// A server.
    Server(u64),
    /// A client.
    Client(u64),
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LaneId::Server(number) => write!(f, "n{number}"),
            LaneId::Client(number) => write!(f, "c{number}"),
        }
    }
}

impl Serialize for LaneId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
