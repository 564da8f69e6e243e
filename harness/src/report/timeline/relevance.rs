//! What a clash is about, and what of its causal past can matter to it.

use super::has_exact_events;
use crate::outcome::{Actor, EvidenceKind, Failure};
use invariants::{Fact, Index, Node, Observed, RequestId, Term};
use std::collections::BTreeSet;

/// What the clash is about.
#[derive(Default)]
pub(super) struct Relevance {
    steps: Vec<u64>,
    kinds: Vec<std::mem::Discriminant<Fact>>,
    /// The lowest index that matters.
    lowest_index: Option<Index>,
    /// Whether it is between certain events, so that all that it is about is known.
    has_exact_events: bool,
    /// The places in the log, the requests and the terms that these name, and whose they are.
    indexes: BTreeSet<Index>,
    requests: BTreeSet<RequestId>,
    terms: BTreeSet<Term>,
    nodes: BTreeSet<Node>,
}

impl Relevance {
    pub(super) fn from_failure(failure: &Failure) -> Relevance {
        let mut relevance = Relevance { has_exact_events: has_exact_events(failure), ..Relevance::default() };
        for fact in failure.facts.iter().flat_map(|facts| facts.first.iter().chain([&facts.second])) {
            relevance.steps.push(fact.step);
            relevance.nodes.insert(fact.node);
            relevance.add_fact(&fact.fact);
        }
        for side in &failure.evidence {
            relevance.requests.extend(side.request);
            if let Actor::Server(node) = side.actor {
                relevance.nodes.insert(node);
            }
            match &side.kind {
                EvidenceKind::Fact(fact) => relevance.add_fact(fact),
                EvidenceKind::Text(_, index) => relevance.indexes.extend(*index),
            }
        }
        relevance.requests.extend(requests_in(&failure.sentence));
        relevance.lowest_index = relevance.indexes.first().copied();
        relevance
    }

    fn add_fact(&mut self, fact: &Fact) {
        self.kinds.push(std::mem::discriminant(fact));
        self.indexes.extend(index_of(fact));
        self.requests.extend(request_of(fact));
        self.terms.extend(term_of(fact));
    }

    /// Whether one of the two facts was stated in this event.
    pub(super) fn contains_step(&self, step: u64) -> bool {
        self.steps.contains(&step)
    }

    /// Whether the clash is of a fact of this kind.
    pub(super) fn has_fact_kind(&self, fact: &Fact) -> bool {
        self.kinds.contains(&std::mem::discriminant(fact))
    }

    /// Whether the clash is about what happened in this term.
    pub(super) fn is_about_term(&self, term: Term) -> bool {
        self.terms.contains(&term)
    }

    /// Whether a fact changes something that the clash can be about.
    pub(super) fn is_relevant(&self, observed: &Observed) -> bool {
        let late_enough = |index: Index| self.lowest_index.is_none_or(|lowest| index >= lowest);
        let is_of_request = |id: &RequestId| {
            let may_be_of_any = !self.has_exact_events && self.requests.is_empty();
            may_be_of_any || self.requests.contains(id)
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
            | Fact::Started { .. } => true,
            Fact::Configured { index, .. } => *index > 0,
            Fact::Appended { index, .. } => late_enough(*index),
            // What other clients read and wrote changes no server.
            Fact::ReadServed { read, .. } => is_of_request(read),
            Fact::WriteAcknowledged { index, write } => is_of_request(write) || self.indexes.contains(index),
            // An acknowledgement is a promise of the server that gives it, and of no other.
            Fact::Acknowledged { index, .. } if self.has_exact_events => {
                self.has_fact_kind(&observed.fact)
                    && late_enough(*index)
                    && self.nodes.contains(&observed.node)
            }
            other => self.has_fact_kind(other) && index_of(other).is_none_or(late_enough),
        }
    }
}

/// The place in the log that a fact is about.
pub(in crate::report) const fn index_of(fact: &Fact) -> Option<Index> {
    match fact {
        Fact::Appended { index, .. }
        | Fact::Committed { index }
        | Fact::Applied { index, .. }
        | Fact::Configured { index, .. }
        | Fact::Acknowledged { index, .. }
        | Fact::SavedEntry { index, .. }
        | Fact::WriteAcknowledged { index, .. } => Some(*index),
        Fact::Truncated { after } => Some(after.saturating_add(1)),
        _ => None,
    }
}

/// The request that a fact is about.
pub(in crate::report) const fn request_of(fact: &Fact) -> Option<RequestId> {
    match fact {
        Fact::Applied { request, .. } => *request,
        Fact::ReadServed { read, .. } | Fact::ReadAsked { read } => Some(*read),
        Fact::WriteAcknowledged { write, .. } => Some(*write),
        _ => None,
    }
}

/// The term that a fact is about, where it is about one.
const fn term_of(fact: &Fact) -> Option<Term> {
    match fact {
        Fact::Started { term, .. }
        | Fact::TermChanged { term }
        | Fact::Leads { term }
        | Fact::SteppedDown { term }
        | Fact::Voted { term, .. }
        | Fact::Campaigned { term }
        | Fact::Acknowledged { term, .. }
        | Fact::Saved { term, .. } => Some(*term),
        _ => None,
    }
}

/// The requests that a sentence names: `s1#2`.
pub(in crate::report) fn requests_in(sentence: &str) -> impl Iterator<Item = RequestId> {
    sentence.split(|c: char| !c.is_ascii_alphanumeric() && c != '#').filter_map(|word| {
        let (session, sequence) = word.strip_prefix('s')?.split_once('#')?;
        Some(RequestId { session: session.parse().ok()?, sequence: sequence.parse().ok()? })
    })
}
