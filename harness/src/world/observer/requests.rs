//! What happened to each request: its copies, its effects and its answer.

use super::EventTime;
use super::responses::response_shows_write;
use crate::outcome::{Actor, Evidence, EvidenceKind, Rejection};
use crate::workload::RequestBody;
use invariants::linearizability::{Explanation, OrderingEdge};
use invariants::{Index, Node, Operation, Position, RequestId, Response, WitnessFailure};
use std::collections::BTreeMap;

/// All requests of a run.
pub(crate) struct Requests {
    /// The copies of each request that was not answered.
    copies: BTreeMap<RequestId, Copies>,
    /// The reply from the greatest index.
    furthest_reply: Option<(Index, ReceivedReply)>,
    /// The evidence of each request, if the history is recorded.
    traces: Option<BTreeMap<RequestId, Trace>>,
}

/// The copies of one request.
struct Copies {
    client: u64,
    body: RequestBody,
    /// How many may take effect: in flight, or at a server that has not rejected them.
    outstanding: u32,
    /// When a copy was rejected, by which server, and whether it had held the copy for a while. A late
    /// rejection is kept in preference to an immediate one: more can be wrong with it.
    rejection: Option<(EventTime, Node, bool)>,
}

/// A reply that reached a client.
#[derive(Clone, Copy)]
pub(super) struct ReceivedReply {
    when: EventTime,
    client: u64,
    id: RequestId,
}

/// What happened to a request: evidence for a failure.
#[derive(Default)]
struct Trace {
    call: Option<Evidence>,
    effects: Vec<Evidence>,
    answer: Option<Evidence>,
}

impl Requests {
    pub(super) fn new(traced: bool) -> Requests {
        Requests { copies: BTreeMap::new(), furthest_reply: None, traces: traced.then(BTreeMap::new) }
    }

    /// A copy of a request is in flight to a server.
    pub(crate) fn record_sent(
        &mut self,
        (at, step): EventTime,
        client: u64,
        id: RequestId,
        body: RequestBody,
    ) {
        self.copies
            .entry(id)
            .or_insert(Copies { client, body, outstanding: 0, rejection: None })
            .outstanding += 1;
        if let Some(traces) = &mut self.traces {
            traces.entry(id).or_default().call.get_or_insert_with(|| Evidence {
                at,
                step,
                actor: Actor::Client(client),
                request: Some(id),
                kind: EvidenceKind::Call(id, body.asked()),
            });
        }
    }

    /// A copy of a request can take no effect: it reached no server.
    pub(crate) fn record_dropped(&mut self, id: RequestId) {
        if let Some(copies) = self.copies.get_mut(&id) {
            copies.outstanding = copies.outstanding.saturating_sub(1);
        }
    }

    /// A copy of a request can take no effect: the server that received it rejected it, at once or after it
    /// had `held` it.
    pub(crate) fn record_rejected(&mut self, when: EventTime, node: Node, id: RequestId, held: bool) {
        self.record_dropped(id);
        if let Some(copies) = self.copies.get_mut(&id) {
            let keep_earlier = copies.rejection.is_some_and(|(.., held)| held) && !held;
            if !keep_earlier {
                copies.rejection = Some((when, node, held));
            }
        }
    }

    /// A request takes effect.
    pub(super) fn record_effect(&mut self, id: RequestId, evidence: impl Fn() -> Evidence) {
        if let Some(traces) = &mut self.traces {
            traces.entry(id).or_default().effects.push(evidence());
        }
    }

    /// A client received the response to its request. Its copies need not be watched any more: other checks notice a
    /// second effect.
    pub(super) fn record_answer(
        &mut self,
        id: RequestId,
        position: Position,
        response: &Response,
        when: EventTime,
    ) -> ReceivedReply {
        let client = self.copies.remove(&id).map_or(0, |copies| copies.client);
        let reply = ReceivedReply { when, client, id };
        if let Some(traces) = &mut self.traces {
            traces.entry(id).or_default().answer = Some(reply.evidence(position, Some(response)));
        }
        reply
    }

    /// This reply came from an index.
    pub(super) fn record_furthest(&mut self, index: Index, reply: ReceivedReply) {
        if self.furthest_reply.is_none_or(|(furthest, _)| furthest <= index) {
            self.furthest_reply = Some((index, reply));
        }
    }

    /// Whether no copy of a request can take effect any more.
    pub(crate) fn all_copies_rejected(&self, id: RequestId) -> bool {
        self.copies.get(&id).is_some_and(|copies| copies.outstanding == 0)
    }

    /// The requests that were rejected and not answered.
    pub(crate) fn rejections(&self) -> BTreeMap<RequestId, Rejection> {
        let final_rejection = |(id, copies): (&RequestId, &Copies)| {
            let ((at, _), node, _) = copies.rejection?;
            Some((*id, Rejection { at, node, is_final: copies.outstanding == 0 }))
        };
        self.copies.iter().filter_map(final_rejection).collect()
    }

    /// Evidence that a request was rejected.
    #[cold]
    pub(super) fn rejection_evidence(&self, id: RequestId) -> Option<Evidence> {
        let Copies { body, rejection, .. } = self.copies.get(&id)?;
        let ((at, step), node, _) = (*rejection)?;
        let kind = EvidenceKind::Rejection(id, body.asked());
        Some(Evidence { at, step, actor: Actor::Server(node), request: Some(id), kind })
    }

    /// The answer to a request, if it is recorded.
    pub(super) fn answer(&self, id: RequestId) -> Option<Evidence> {
        self.trace(id)?.answer.clone()
    }

    fn trace(&self, id: RequestId) -> Option<&Trace> {
        self.traces.as_ref()?.get(&id)
    }

    /// What a reply or an effect contradicts that the witness does not explain.
    #[cold]
    pub(super) fn witness_evidence(&self, broken: &WitnessFailure) -> Vec<Evidence> {
        let (own, other) = (self.trace(broken.id()), broken.other().and_then(|id| self.trace(id)));
        let effects = |trace: Option<&Trace>| trace.map_or_else(Vec::new, |trace| trace.effects.clone());
        match broken {
            WitnessFailure::NeverCalled { .. } => Vec::new(),
            WitnessFailure::AppliedTwice { .. }
            | WitnessFailure::AppliedAgain { .. }
            | WitnessFailure::NotApplied { .. } => effects(own),
            WitnessFailure::AppliedLate { .. } => {
                let from_reply =
                    |(index, reply): (Index, ReceivedReply)| reply.evidence(Position::Applied(index), None);
                self.furthest_reply.map(from_reply).into_iter().collect()
            }
            WitnessFailure::RealTimeOrder { .. } => {
                let answer = other.and_then(|trace| trace.answer.clone());
                answer.into_iter().chain(own.and_then(|trace| trace.call.clone())).collect()
            }
            WitnessFailure::WrongResponse { .. } => {
                effects(if broken.other().is_some() { other } else { own })
            }
        }
    }

    /// The evidence for an explanation: the effects or responses of the two operations whose order closes its
    /// cycle. If no operation wrote what was read: the rejections of requests that would have.
    pub(crate) fn explanation_evidence(&self, explanation: &Explanation) -> Vec<Evidence> {
        let stuck = explanation.stuck.id;
        let edges = &explanation.edges;
        let is_reversed = |edge: &&OrderingEdge| {
            edges.iter().any(|other| (other.before, other.after) == (edge.after, edge.before))
        };
        let last = edges.iter().rev().find(is_reversed).or(edges.last());
        let last = last.map(|edge| [edge.before, edge.after]);
        let ids = last
            .map_or(vec![stuck], |pair| pair.iter().map(|&index| explanation.operations[index].id).collect());
        let request_evidence = |id: &RequestId| {
            let trace = self.trace(*id)?;
            trace.effects.first().or(trace.answer.as_ref()).or(trace.call.as_ref()).cloned()
        };
        let mut evidence: Vec<Evidence> = ids.iter().filter_map(request_evidence).collect();
        if edges.is_empty()
            && let Some((_, response)) = &explanation.stuck.returned
        {
            for (id, copies) in self.copies.iter().filter(|(_, copies)| copies.outstanding == 0) {
                match copies.body {
                    RequestBody::Operation(Operation { key, action })
                        if key == explanation.key && response_shows_write(response, action) =>
                    {
                        evidence.extend(self.rejection_evidence(*id));
                    }
                    _ => {}
                }
            }
        }
        evidence
    }
}

impl ReceivedReply {
    /// This reply as evidence.
    pub(super) fn evidence(self, position: Position, response: Option<&Response>) -> Evidence {
        let ReceivedReply { when: (at, step), client, id } = self;
        let kind = EvidenceKind::Response(id, position, response.cloned());
        Evidence { at, step, actor: Actor::Client(client), request: Some(id), kind }
    }
}
