//! Syncs of a disk take longer.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

/// The largest slowdown of a disk.
pub(crate) const MAX_FACTOR: u64 = 1_000;

fault! {
    /// Syncs of a disk take longer.
    SlowDisk "slow-disk", formerly [], "syncs of a disk take longer", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// How many times longer.
        factor: u64 => Slot::SyncFactor,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// A slow disk and its factor.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Slowed(Node, u64);

impl FaultType for SlowDisk {
    type Active = Slowed;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} {} times", self.node, self.factor)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Slowed>> {
        let (node, factor) = (host.resolve(self.node)?, self.factor.clamp(1, MAX_FACTOR));
        host.slow_disk(node, factor);
        Some(Begun::Until(Slowed(node, factor), self.lasts))
    }
}

impl End for Slowed {
    fn end(self, host: &mut dyn FaultHost) {
        host.end_slow_disk(self.0, self.1);
    }
}

impl fmt::Display for Slowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of n{} has its usual speed", self.0)
    }
}
