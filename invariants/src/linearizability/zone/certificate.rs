//! The proof that a key's history has no order: a few operations and the precedences that they force.

use crate::linearizability::operation::Call;
use std::fmt;

/// A few operations of one key that no order explains, whatever the rest of the history is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    /// The contradiction in one sentence.
    pub(crate) sentence: String,
    /// The operations, as indices of calls.
    pub(crate) calls: Vec<u32>,
    /// The forced precedences.
    pub(crate) edges: Vec<Edge>,
}

/// One operation must precede another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Edge {
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// The end of a sentence that starts with the first; [`OTHER_PLACEHOLDER`] stands for the second.
    pub(crate) reason: String,
}

/// Stands for the second operation, whose letter is not known yet.
pub(crate) const OTHER_PLACEHOLDER: &str = "{other}";

impl Certificate {
    pub(super) fn new(sentence: String, calls: impl IntoIterator<Item = u32>) -> Certificate {
        let mut certificate = Certificate { sentence, calls: Vec::new(), edges: Vec::new() };
        certificate.add(calls);
        certificate
    }

    pub(super) fn add(&mut self, calls: impl IntoIterator<Item = u32>) {
        self.calls.extend(calls);
        self.calls.sort_unstable();
        self.calls.dedup();
    }

    /// The first returned before the second was invoked.
    pub(super) fn add_real_time_edge(&mut self, history: &[Call], before: u32, after: u32) {
        let Some((returned, _)) = history[before as usize].returned else { return };
        let reason = format!("returned at {returned}, before the call at {}", history[after as usize].called);
        self.add_edge(before, after, reason);
    }

    /// Translates the indices into `calls` to indices into `history`, as given by `numbers`. Calls that were changed
    /// while shrinking appear in the sentence as they are in `history`.
    pub(crate) fn with_numbers(mut self, calls: &[Call], numbers: &[u32], history: &[Call]) -> Certificate {
        for &call in &self.calls {
            let (is, was) = (&calls[call as usize], &history[numbers[call as usize] as usize]);
            if is.operation != was.operation {
                self.sentence =
                    self.sentence.replace(&NamedCall(is).to_string(), &NamedCall(was).to_string());
            }
        }
        let renumber = |call: &mut u32| *call = numbers[*call as usize];
        self.calls.iter_mut().for_each(renumber);
        self.edges.iter_mut().for_each(|edge| {
            renumber(&mut edge.before);
            renumber(&mut edge.after);
        });
        self
    }

    /// The operation must precede itself.
    pub(super) fn add_self_edge(&mut self, call: u32, reason: String) {
        self.edges.push(Edge { before: call, after: call, reason });
    }

    pub(super) fn add_edge(&mut self, before: u32, after: u32, reason: String) {
        let edge = Edge { before, after, reason };
        if before != after && !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }
}

/// An operation by its identifier and request.
pub(super) struct NamedCall<'a>(pub(super) &'a Call);

impl fmt::Display for NamedCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.id, self.0.operation)
    }
}
