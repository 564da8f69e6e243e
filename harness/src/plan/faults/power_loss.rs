//! Servers lose power.

use super::{Begun, Down, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// The servers lose power: any subset of the unsynced writes is lost, and the last one may be torn.
    PowerLoss "power-loss", formerly [],
    "some servers or all lose power; any subset of the unsynced writes is lost", {
        /// The servers; empty: all.
        nodes: Vec<Target> = Vec::new() => Slot::Targets,
        /// Downtime.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for PowerLoss {
    type Active = Down;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes.is_empty() {
            return f.write_str(" of all");
        }
        self.nodes.iter().try_for_each(|node| write!(f, " {node}"))
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Down>> {
        let mut nodes: Vec<Node> = match self.nodes.is_empty() {
            true => (1..=host.nodes()).collect(),
            false => self.nodes.iter().flat_map(|target| host.resolve_all(*target)).collect(),
        };
        nodes.sort_unstable();
        nodes.dedup();
        nodes.iter().for_each(|node| host.take_down(*node, true));
        (!nodes.is_empty()).then_some(Begun::Until(Down(nodes), self.lasts))
    }
}
