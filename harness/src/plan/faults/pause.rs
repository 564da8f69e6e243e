//! A server stops running for a while.

use super::{Begun, End, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// The server stops running and continues later.
    Pause "pause", formerly [], "a server stops running for a while", {
        /// The server.
        node: Target => Slot::Target,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

/// A paused incarnation.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Paused {
    node: Node,
    incarnation: u32,
}

impl FaultType for Pause {
    type Active = Paused;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.node)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Paused>> {
        let node = host.resolve(self.node).filter(|node| host.is_up(*node))?;
        let incarnation = host.pause(node);
        Some(Begun::Until(Paused { node, incarnation }, self.lasts))
    }
}

impl End for Paused {
    fn end(self, host: &mut dyn FaultHost) {
        host.resume(self.node, self.incarnation);
    }
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{} resumes", self.node)
    }
}
