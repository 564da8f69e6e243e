//! A disk is emptied.

use super::{Begun, Down, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::fmt;

fault! {
    /// The server crashes, its disk is emptied, and it restarts after `lasts`. At most one server per run is wiped,
    /// never one that the cluster cannot do without, and none while another disk is corrupted: Raft guarantees nothing
    /// if several servers forget what they persisted. Without these limits if the plan has
    /// [`unlimited_damage`](crate::plan::Plan::unlimited_damage).
    Wipe "wipe", formerly [], "a server crashes, its disk is emptied, and it restarts with nothing", {
        /// The server.
        node: Target => Slot::Target,
        /// Downtime.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for Wipe {
    type Active = Down;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Down>> {
        let node = host.resolve(self.node)?;
        if !host.wipe(node) {
            return None;
        }
        host.take_down(node, false);
        Some(Begun::Until(Down(vec![node]), self.lasts))
    }
}
