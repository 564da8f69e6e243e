//! A bit on a disk flips.

use super::{Begun, Down, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::fmt;

/// How long the server is then down: it must read the disk again to notice.
const DOWNTIME: SimDuration = SimDuration::millis(50);

fault! {
    /// One synced bit flips, which shows when the server restarts.
    BitRot "bit-rot", formerly ["rot"], "one synced bit flips, which shows when the server restarts", {
        /// The server of the disk.
        node: Target => Slot::Target,
    }
}

impl FaultType for BitRot {
    type Active = Down;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Down>> {
        let node = host.resolve(self.node)?;
        if !host.flip_bit(node) {
            return None;
        }
        host.take_down(node, true);
        Some(Begun::Until(Down(vec![node]), DOWNTIME))
    }
}
