//! Syncs of a disk fail.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// Syncs of a disk that complete during the fault fail and make nothing durable. A server that stopped because of
    /// it restarts when the fault ends.
    DiskError "disk-error", formerly [],
    "syncs of a disk that complete during the fault fail; a server that stopped restarts when the fault ends", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The node whose syncs fail.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failing(Node);

impl FaultType for DiskError {
    type Active = Failing;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Failing>> {
        let node = host.resolve(self.node)?;
        host.fail_syncs(node);
        Some(Begun::Until(Failing(node), self.lasts))
    }
}

impl End for Failing {
    fn end(self, host: &mut dyn FaultHost) {
        host.end_sync_errors(self.0);
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syncs of n{} succeed", self.0)
    }
}
