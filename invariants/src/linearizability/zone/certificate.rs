//! The proof that a key's history has no order: a few operations and the precedences that they force.

use crate::linearizability::contradiction::{Argument, Contradiction, OrderingEdge, OrderingReason};

/// A few operations of one key that no order explains, whatever the rest of the history is. Operations are indices of
/// calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    pub(crate) contradiction: Contradiction,
    /// The operations, in ascending order: also those of the contradiction and of the edges.
    pub(crate) calls: Vec<usize>,
    /// The forced precedences.
    pub(crate) edges: Vec<OrderingEdge>,
}

impl Certificate {
    pub(super) fn new(mut contradiction: Contradiction) -> Certificate {
        let mut calls = Vec::new();
        contradiction.for_each_call(&mut |call| calls.push(*call));
        calls.sort_unstable();
        calls.dedup();
        Certificate { contradiction, calls, edges: Vec::new() }
    }

    pub(super) fn add(&mut self, call: usize) {
        if let Err(at) = self.calls.binary_search(&call) {
            self.calls.insert(at, call);
        }
    }

    /// Adds both operations, and that the first must precede the second.
    pub(super) fn add_edge(&mut self, before: usize, after: usize, reason: OrderingReason) {
        self.add(before);
        self.add(after);
        let edge = OrderingEdge { before, after, reason };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }

    /// The same proof with other indices of the calls.
    #[must_use]
    pub(crate) fn renumbered(mut self, number: impl Fn(usize) -> usize) -> Certificate {
        let edges = self.edges.iter_mut().flat_map(|edge| [&mut edge.before, &mut edge.after]);
        self.calls.iter_mut().chain(edges).for_each(|call| *call = number(*call));
        self.contradiction.for_each_call(&mut |call| *call = number(*call));
        self
    }
}
