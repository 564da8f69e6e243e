//! What a clash involves, and which facts of its causal past can matter to it.

use super::has_exact_events;
use crate::outcome::{Actor, EvidenceKind, Failure};
use invariants::{Fact, Index, Node, Observed, RequestId, Term};
use std::collections::BTreeSet;

/// What the clash involves.
#[derive(Default)]
pub(super) struct Relevance {
    steps: Vec<u64>,
    kinds: Vec<std::mem::Discriminant<Fact>>,
    /// The lowest index involved; earlier entries do not matter.
    lowest_index: Option<Index>,
    /// Whether the clash consists of certain events, so that everything it involves is known.
    has_exact_events: bool,
    /// The indexes, requests, terms and servers of its facts and evidence.
    indexes: BTreeSet<Index>,
    requests: BTreeSet<RequestId>,
    terms: BTreeSet<Term>,
    nodes: BTreeSet<Node>,
}

impl Relevance {
    pub(super) fn from_failure(failure: &Failure) -> Relevance {
        let mut relevance = Relevance { has_exact_events: has_exact_events(failure), ..Relevance::default() };
        for fact in failure.facts().into_iter().flat_map(|facts| facts.first.iter().chain([&facts.second])) {
            relevance.steps.push(fact.step);
            relevance.nodes.insert(fact.node);
            relevance.add_fact(&fact.fact);
        }
        for evidence in &failure.evidence {
            relevance.requests.extend(evidence.request);
            if let Actor::Server(node) = evidence.actor {
                relevance.nodes.insert(node);
            }
            match &evidence.kind {
                EvidenceKind::Fact(fact) => relevance.add_fact(fact),
                other => relevance.indexes.extend(other.index()),
            }
        }
        relevance.requests.extend(failure.requests());
        relevance.lowest_index = relevance.indexes.first().copied();
        relevance
    }

    fn add_fact(&mut self, fact: &Fact) {
        self.kinds.push(std::mem::discriminant(fact));
        self.indexes.extend(fact.index());
        self.requests.extend(fact.request());
        self.terms.extend(fact.term());
    }

    /// Whether one of the two clashing facts belongs to this event.
    pub(super) fn contains_step(&self, step: u64) -> bool {
        self.steps.contains(&step)
    }

    /// Whether the clash has a fact of this kind.
    pub(super) fn has_fact_kind(&self, fact: &Fact) -> bool {
        self.kinds.contains(&std::mem::discriminant(fact))
    }

    /// Whether the clash involves this term.
    pub(super) fn is_about_term(&self, term: Term) -> bool {
        self.terms.contains(&term)
    }

    /// Whether a fact changes something that the clash can depend on.
    pub(super) fn is_relevant(&self, observed: &Observed) -> bool {
        let is_recent = |index: Index| self.lowest_index.is_none_or(|lowest| index >= lowest);
        let is_relevant_request = |id: &RequestId| {
            let any_may_matter = !self.has_exact_events && self.requests.is_empty();
            any_may_matter || self.requests.contains(id)
        };
        match &observed.fact {
            Fact::TermChanged { .. }
            | Fact::Leads { .. }
            | Fact::SteppedDown { .. }
            | Fact::Voted { .. }
            | Fact::Campaigned { .. }
            | Fact::Truncated { .. }
            | Fact::SnapshotInstalled { .. }
            | Fact::Crashed
            | Fact::PowerLost
            | Fact::Wiped
            | Fact::Damaged
            | Fact::Started { .. } => true,
            Fact::Configured { index, .. } => *index > 0,
            Fact::Appended { index, .. } => is_recent(*index),
            // Operations of other requests change no server state.
            Fact::ReadServed { read, .. } | Fact::ReadArrived { read } | Fact::ReadConfirmed { read, .. } => {
                is_relevant_request(read)
            }
            Fact::WriteAcknowledged { index, write } => {
                is_relevant_request(write) || self.indexes.contains(index)
            }
            // What other leaders count, or earlier, does not matter.
            Fact::Counts { match_index, .. } => {
                self.has_fact_kind(&observed.fact)
                    && is_recent(*match_index)
                    && self.nodes.contains(&observed.node)
            }
            // An acknowledgement binds only the server that sends it.
            Fact::Acknowledged { index, .. } if self.has_exact_events => {
                self.has_fact_kind(&observed.fact) && is_recent(*index) && self.nodes.contains(&observed.node)
            }
            other => self.has_fact_kind(other) && other.index().is_none_or(is_recent),
        }
    }
}
