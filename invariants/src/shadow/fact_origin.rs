//! Where and when a fact was stated, without the fact.

use crate::fact::{Fact, Node, Observed, Time};

/// Enough to state a fact again when it turns out to be one side of a clash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactOrigin {
    /// True time.
    pub at: Time,
    /// The event of the run.
    pub step: u64,
    /// Whose fact it was.
    pub node: Node,
}

impl FactOrigin {
    /// The place of this fact.
    pub fn of(observed: &Observed) -> FactOrigin {
        FactOrigin { at: observed.at, step: observed.step, node: observed.node }
    }

    /// The fact back in its place.
    pub fn observed(self, fact: Fact) -> Observed {
        Observed { at: self.at, step: self.step, node: self.node, fact }
    }
}
