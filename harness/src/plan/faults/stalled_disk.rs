//! No sync of a disk completes.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// No sync of a disk completes until the fault ends.
    StalledDisk "stalled-disk", formerly [], "no sync of a disk completes until the fault ends", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The node of a stalled disk.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Stalled(Node);

impl FaultType for StalledDisk {
    type Active = Stalled;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Stalled>> {
        let node = host.resolve(self.node)?;
        host.stall_disk(node);
        Some(Begun::Until(Stalled(node), self.lasts))
    }
}

impl End for Stalled {
    fn end(self, host: &mut dyn FaultHost) {
        host.end_stalled_disk(self.0);
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of n{} resumes", self.0)
    }
}
