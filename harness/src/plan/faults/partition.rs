//! The cluster is split in two.

use super::{Begun, Blocked, FaultHost, FaultType, Slot};
use crate::plan::{SimDuration, Target};
use invariants::Node;
use std::fmt;

fault! {
    /// No message passes between these servers and the others.
    Partition "partition", formerly ["split"], "no message passes between some servers and the others", {
        /// The servers on one side.
        side: Vec<Target> => Slot::Targets,
        /// Duration.
        lasts: SimDuration => Slot::Lasts,
    }
}

impl FaultType for Partition {
    type Active = Blocked;

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.side.iter().try_for_each(|node| write!(f, " {node}"))
    }

    fn invalid_field(&self) -> Option<(&'static str, &'static str)> {
        let reason = "is empty: a partition needs at least one server on this side";
        self.side.is_empty().then_some(("side", reason))
    }

    fn begin(&self, host: &mut dyn FaultHost) -> Option<Begun<Blocked>> {
        let side: Vec<Node> = self.side.iter().flat_map(|target| host.resolve_all(*target)).collect();
        let servers = 1..=host.nodes();
        let pairs = servers.clone().flat_map(|from| servers.clone().map(move |to| (from, to)));
        let links: Vec<_> = pairs.filter(|(from, to)| side.contains(from) != side.contains(to)).collect();
        (!links.is_empty()).then(|| Begun::Until(Blocked::block(links, host), self.lasts))
    }
}
