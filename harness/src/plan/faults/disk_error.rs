//! Syncs of a disk fail.

use super::{Begun, End, FaultHost, FaultType, Slot, SyncErrors};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// Syncs of a disk that complete during the fault fail and make nothing durable. A server that stopped because of
    /// it restarts when the fault ends. With `drops`, the page cache takes what a failed sync covered for clean, and goes on
    /// showing it, as Linux does: no later sync makes it durable, unless it is written again. (Rebello et al., Can
    /// Applications Recover from fsync Failures?, ATC 2020.)
    DiskError "disk-error", formerly [],
    "syncs of a disk that complete during the fault fail; a server that stopped restarts when the fault ends", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// Whether what a failed sync covered is dropped.
        drops: bool = false => Slot::Flag,
        /// Whether only the first sync fails, as the kernel reports an error once.
        once: bool = false => Slot::Flag,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The node whose syncs fail.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failing(Node, SyncErrors);

impl FaultType for DiskError {
    type Active = Failing;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)?;
        f.write_str(if self.once { " once" } else { "" })?;
        f.write_str(if self.drops { " and drops what it covers" } else { "" })
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Failing>> {
        let node = host.resolve(self.node)?;
        let errors = SyncErrors { drops: self.drops, once: self.once };
        host.fail_syncs(node, errors);
        Some(Begun::Until(Failing(node, errors), self.lasts))
    }
}

impl End for Failing {
    fn end(self, host: &mut dyn FaultHost) {
        host.end_sync_errors(self.0, self.1);
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syncs of n{} succeed", self.0)
    }
}
