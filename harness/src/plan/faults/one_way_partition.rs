//! One link carries no messages.

use super::{Begun, Blocked, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::fmt;

fault! {
    /// No message passes from one server to another. The other direction works.
    OneWayPartition "one-way-partition", formerly ["cut"],
    "no message passes from one server to another; the other direction works", {
        /// The sender.
        from: Target => Slot::Target,
        /// The receiver.
        to: Target => Slot::Target,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for OneWayPartition {
    type Active = Blocked;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " from {} to {}", self.from, self.to)
    }

    fn invalid_field(&self) -> Option<(&'static str, &'static str)> {
        (self.from == self.to).then_some(("to", "is the same as `from`: a server has no link to itself"))
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Blocked>> {
        let (from, to) = (host.resolve(self.from)?, host.resolve(self.to)?);
        (from != to).then(|| Begun::Until(Blocked::block(vec![(from, to)], host), self.lasts))
    }
}
