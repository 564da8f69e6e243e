//! The origin of a fact: when and by which server it was stated, without its content.

use crate::fact::{Fact, Node, Observed, Time};

/// What it takes to state a fact again as the first fact of a violation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactOrigin {
    /// True time.
    pub(crate) at: Time,
    /// The event of the run.
    pub(crate) step: u64,
    /// The server whose fact it was.
    pub(crate) node: Node,
}

impl FactOrigin {
    /// The origin of this fact.
    pub(crate) fn of(observed: &Observed) -> FactOrigin {
        FactOrigin { at: observed.at, step: observed.step, node: observed.node }
    }

    /// The fact with this origin.
    pub(crate) fn observed(self, fact: Fact) -> Observed {
        Observed { at: self.at, step: self.step, node: self.node, fact }
    }
}
