//! Only some links work.

use super::{Begun, Blocked, FaultHost, FaultType, Shape, Slot};
use crate::plan::{SimDuration, Target};
use std::fmt;

fault! {
    /// Only some links work, so that servers disagree on who is reachable: routes fail one by one, and one server may reach
    /// a majority that does not reach itself. (Alfatafta et al., Toward a Generic Fault Tolerance Technique for Partial
    /// Network Partitioning, OSDI 2020; Ng et al., Omni-Paxos, EuroSys 2023.)
    Topology "topology", formerly [], "messages pass only along a bridge, a ring, a chain, a star or a lone link", {
        /// Which links work.
        shape: Shape => Slot::Shape,
        /// The server where the shape begins.
        center: Target => Slot::Target,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for Topology {
    type Active = Blocked;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {} at {}", self.shape.name(), self.center)
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Blocked>> {
        let (center, nodes) = (host.resolve(self.center)?, host.nodes());
        let place = |node: u64| (node + nodes - center) % nodes;
        let pairs = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| (from, to)));
        let links: Vec<_> =
            pairs.filter(|(from, to)| !self.shape.connects(place(*from), place(*to), nodes)).collect();
        (!links.is_empty()).then(|| Begun::Until(Blocked::block(links, host), self.lasts))
    }
}
