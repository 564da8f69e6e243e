//! All links get worse.

use super::{Begun, End, FaultHost, FaultType, NetworkDegradation, Slot};
use crate::plan::{Probability, SimDuration};
use std::fmt;

fault! {
    /// All links get worse.
    DegradedNetwork "degraded-network", formerly ["weather"],
    "all links lose, duplicate and reorder more messages", {
        /// How often a message is lost.
        loss: Probability => Slot::Probability,
        /// How often it is delivered twice.
        duplication: Probability => Slot::Probability,
        /// How often later messages may overtake it.
        reordering: Probability => Slot::Probability,
        /// How much longer such a message may take.
        delay: SimDuration => Slot::Delay,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The number of a degradation.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Degradation(u64);

impl FaultType for DegradedNetwork {
    type Active = Degradation;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DegradedNetwork { loss, duplication, reordering, delay, .. } = self;
        write!(f, " {loss} lost, {duplication} duplicated, {reordering} reordered by up to {delay}")
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Degradation>> {
        let DegradedNetwork { loss, duplication, reordering, delay, lasts } = *self;
        let number = host.degrade_network(NetworkDegradation { loss, duplication, reordering, delay });
        Some(Begun::Until(Degradation(number), lasts))
    }
}

impl End for Degradation {
    fn end(self, host: &mut dyn FaultHost) {
        host.end_degradation(self.0);
    }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the network recovers")
    }
}
