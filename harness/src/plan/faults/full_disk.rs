//! A disk is full.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// The disk takes so many more bytes and is then full. The file system finds out when it writes back, so syncs fail, and
    /// what they covered is gone. A server that stopped because of it restarts when there is room again.
    FullDisk "full-disk", formerly [],
    "a disk takes so many more bytes, and then syncs fail until there is room again", {
        /// The server of the disk.
        node: Target => Slot::Target,
        /// How many bytes it still takes.
        room: u64 = 0 => Slot::Bytes,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// The node whose disk is full, and the number of this.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Full(Node, u64);

impl FaultType for FullDisk {
    type Active = Full;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} after {} bytes", self.node, self.room)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Full>> {
        let node = host.resolve(self.node)?;
        Some(Begun::Until(Full(node, host.fill_disk(node, self.room)), self.lasts))
    }
}

impl End for Full {
    fn end(self, host: &mut dyn FaultHost) {
        host.make_room(self.0, self.1);
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of n{} has room", self.0)
    }
}
