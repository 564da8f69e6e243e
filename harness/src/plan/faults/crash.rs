//! A process crashes.

use super::{Begun, Down, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use std::fmt;

fault! {
    /// The process crashes and restarts after `lasts`. Its page cache survives.
    Crash "crash", formerly [], "a process crashes and restarts; its page cache survives", {
        /// The server.
        node: Target => Slot::Target,
        /// Downtime.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for Crash {
    type Active = Down;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Down>> {
        let node = host.resolve(self.node).filter(|node| host.is_up(*node))?;
        host.take_down(node, false);
        Some(Begun::Until(Down(vec![node]), self.lasts))
    }
}
