//! A monotonic clock runs at another rate.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// A monotonic clock runs at another rate.
    ClockRate "clock-rate", formerly [], "a monotonic clock runs at another rate", {
        /// The server of the clock.
        node: Target => Slot::Target,
        /// Parts per million faster (negative: slower) than true time; within ±500,000.
        drift: i64 => Slot::ClockRate,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The node of a clock and its drift.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Drifting(Node, i64);

impl FaultType for ClockRate {
    type Active = Drifting;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} {} ppm", self.node, self.drift)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Drifting>> {
        let node = host.resolve(self.node)?;
        host.add_clock_rate(node, self.drift);
        Some(Begun::Until(Drifting(node, self.drift), self.lasts))
    }
}

impl End for Drifting {
    fn end(self, host: &mut dyn FaultHost) {
        host.add_clock_rate(self.0, -self.1);
    }
}

impl fmt::Display for Drifting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock of n{} has its previous rate", self.0)
    }
}
