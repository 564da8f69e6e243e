//! The observer: folds every fact into the digest and passes it to the checkers.

use crate::outcome::{
    Actor, Counts, Evidence, EvidenceKind, Failure, FailureCause, LINEARIZABILITY, Options, RUN_MILESTONES,
    Rejection, WITNESS, WRONG_ANSWER,
};
use crate::workload::RequestBody;
use invariants::linearizability::{
    Explanation, OrderingEdge, Stream, StreamVerdict, StreamViolation, ViolationKind,
};
use invariants::{
    Action, Checker, Content, Digest, Fact, Index, Node, Observed, Operation, Position, RequestId, Response,
    Time,
};
use invariants::{PROPERTIES, Violation, Witness, WitnessFailure, current_property_name};
use std::collections::BTreeMap;

/// All checkers of a run, and its records.
pub(crate) struct Observer {
    /// All observations so far, folded.
    pub(crate) digest: Digest,
    pub(crate) counts: Counts,
    pub(crate) checker: Checker,
    witness: Option<Witness>,
    /// The check of client histories, independent of the order that servers report.
    stream: Option<Stream>,
    /// How many replies were matched with their requests; `None` if this is disabled.
    replies_checked: Option<u64>,
    /// The last index applied anywhere: only the first application of an entry goes to the witness.
    applied: Index,
    /// The copies of each request that was not answered.
    request_copies: BTreeMap<RequestId, RequestCopies>,
    /// The sessions that clients got, with the client and the time.
    sessions: BTreeMap<u64, (u64, EventTime)>,
    /// The reply from the greatest index.
    furthest_reply: Option<(Index, ReceivedReply)>,
    /// What happened to each request, if the history is recorded.
    traces: Option<BTreeMap<RequestId, RequestTrace>>,
    /// The last leader and its incarnation.
    last_leader: (Node, u32),
    pub(crate) recorded_facts: Option<Vec<Observed>>,
    /// Counts of the milestones that servers report.
    milestone_counts: [(&'static str, u64); RUN_MILESTONES.len()],
    /// The first failure.
    pub(crate) failure: Option<Box<Failure>>,
}

/// True time and the number of the event.
pub(crate) type EventTime = (Time, u64);

/// The copies of one request.
struct RequestCopies {
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
struct ReceivedReply {
    when: EventTime,
    client: u64,
    id: RequestId,
}

/// What happened to a request: evidence for a failure.
#[derive(Default)]
struct RequestTrace {
    call: Option<Evidence>,
    effects: Vec<Evidence>,
    answer: Option<Evidence>,
}

impl Observer {
    pub(crate) fn new(options: &Options) -> Observer {
        // Other names than those of fact properties are handled elsewhere.
        let mut disabled: Vec<&str> =
            options.disabled.iter().map(|name| current_property_name(name)).collect();
        let is_checked = |name| !options.unchecked && !disabled.contains(&name);
        let (witness, stream, wrong_answer) =
            (is_checked(WITNESS), is_checked(LINEARIZABILITY), is_checked(WRONG_ANSWER));
        disabled.retain(|name| PROPERTIES.iter().any(|property| property.name == *name));
        if options.unchecked {
            disabled = PROPERTIES.iter().map(|property| property.name).collect();
        }
        Observer {
            digest: Digest::EMPTY,
            counts: Counts::default(),
            checker: Checker::with_disabled(&disabled).expect("all names left are names of properties"),
            witness: witness.then(Witness::new),
            stream: stream.then(Stream::new),
            replies_checked: wrong_answer.then_some(0),
            applied: 0,
            request_copies: BTreeMap::new(),
            sessions: BTreeMap::new(),
            furthest_reply: None,
            traces: options.history.then(BTreeMap::new),
            last_leader: (0, 0),
            recorded_facts: options.facts.then(Vec::new),
            milestone_counts: RUN_MILESTONES.map(|(name, _)| (name, 0)),
            failure: None,
        }
    }

    /// Records a fact. Returns whether no property is violated so far.
    #[inline]
    pub(crate) fn record_fact(
        &mut self,
        at: Time,
        step: u64,
        node: Node,
        incarnation: u32,
        fact: Fact,
    ) -> bool {
        self.counts.facts += 1;
        self.digest = fact.digest(self.digest, node);
        let first_applied = match fact {
            Fact::Leads { .. } if self.last_leader != (node, incarnation) => {
                // The first leader of a run is not a change.
                self.counts.leader_changes += u64::from(self.last_leader.0 != 0);
                self.last_leader = (node, incarnation);
                None
            }
            Fact::Applied { index, entry, state, request, effect } if index == self.applied + 1 => {
                self.applied = index;
                request.map(|id| (index, id, effect, (entry, state)))
            }
            _ => None,
        };
        self.check_fact(Observed { at, step, node, fact });
        // After the checker: a violated property says more than a wrong order of effects.
        if let Some((index, id, effect, (entry, state))) = first_applied {
            let evidence = || {
                let fact = Fact::Applied { index, entry, state, request: Some(id), effect };
                Evidence {
                    at,
                    step,
                    actor: Actor::Server(node),
                    request: Some(id),
                    kind: EvidenceKind::Fact(fact),
                }
            };
            if let Some(witness) = &mut self.witness
                && let Err(broken) = witness.record_apply(index, id, effect)
            {
                self.fail_witness(&broken, evidence());
            }
            if effect {
                self.record_effect(index, id, evidence);
            }
        }
        self.failure.is_none()
    }

    /// A copy of a request is in flight to a server.
    pub(crate) fn on_request_sent(
        &mut self,
        (at, step): EventTime,
        client: u64,
        id: RequestId,
        body: RequestBody,
    ) {
        self.request_copies
            .entry(id)
            .or_insert(RequestCopies { client, body, outstanding: 0, rejection: None })
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
    pub(crate) fn on_request_dropped(&mut self, id: RequestId) {
        if let Some(copies) = self.request_copies.get_mut(&id) {
            copies.outstanding = copies.outstanding.saturating_sub(1);
        }
    }

    /// A copy of a request can take no effect: the server that received it rejected it, at once or after it
    /// had `held` it.
    pub(crate) fn on_request_rejected(&mut self, when: EventTime, node: Node, id: RequestId, held: bool) {
        self.on_request_dropped(id);
        if let Some(copies) = self.request_copies.get_mut(&id) {
            let keep_earlier = copies.rejection.is_some_and(|(.., held)| held) && !held;
            if !keep_earlier {
                copies.rejection = Some((when, node, held));
            }
        }
    }

    /// Whether no copy of a request can take effect any more.
    pub(crate) fn all_copies_rejected(&self, id: RequestId) -> bool {
        self.request_copies.get(&id).is_some_and(|copies| copies.outstanding == 0)
    }

    /// Evidence that a request was rejected.
    #[cold]
    fn rejection_evidence(&self, id: RequestId) -> Option<Evidence> {
        let RequestCopies { body, rejection, .. } = self.request_copies.get(&id)?;
        let ((at, step), node, _) = (*rejection)?;
        let kind = EvidenceKind::Rejection(id, body.asked());
        Some(Evidence { at, step, actor: Actor::Server(node), request: Some(id), kind })
    }

    /// The requests that were rejected and not answered.
    pub(crate) fn rejections(&self) -> BTreeMap<RequestId, Rejection> {
        let final_rejection = |(id, copies): (&RequestId, &RequestCopies)| {
            let ((at, _), node, _) = copies.rejection?;
            Some((*id, Rejection { at, node, is_final: copies.outstanding == 0 }))
        };
        self.request_copies.iter().filter_map(final_rejection).collect()
    }

    /// A client got a session. Returns whether no client got it before: clients that share a session get each
    /// other's responses.
    pub(crate) fn registered(&mut self, client: u64, session: u64, now: EventTime) -> bool {
        self.digest = self.digest.then(client).then(session);
        if let Some((other, before)) = self.sessions.insert(session, (client, now)) {
            if self.witness.is_some() {
                let session_evidence = |client, (at, step): EventTime| Evidence {
                    at,
                    step,
                    actor: Actor::Client(client),
                    request: None,
                    kind: EvidenceKind::Session(session),
                };
                let evidence = [session_evidence(other, before), session_evidence(client, now)];
                let cause = FailureCause::SharedSession { session, client, other };
                self.fail(Failure::new(WITNESS, cause).with_evidence(evidence));
            }
            return false;
        }
        true
    }

    /// A request takes effect. At least one copy must not have been rejected: a rejection says that the copy
    /// never takes effect.
    fn record_effect(&mut self, index: Index, id: RequestId, evidence: impl Fn() -> Evidence) {
        if self.witness.is_some() && self.all_copies_rejected(id) {
            let cause = FailureCause::RejectedTakesEffect { id, index };
            let rejection = self.rejection_evidence(id);
            self.fail(Failure::new(WITNESS, cause).with_evidence(rejection.into_iter().chain([evidence()])));
        }
        if let Some(traces) = &mut self.traces {
            traces.entry(id).or_default().effects.push(evidence());
        }
    }

    #[inline]
    fn check_fact(&mut self, observed: Observed) {
        if let Err(violation) = self.checker.observe(&observed) {
            self.fail_property(violation);
        }
        if let Some(recorded) = &mut self.recorded_facts {
            recorded.push(observed);
        }
    }

    /// A client calls an operation.
    pub(crate) fn called(&mut self, id: RequestId, operation: Operation, now: Time) {
        self.counts.operations += 1;
        self.digest = self.digest.then(id.session).then(id.sequence);
        if let Some(witness) = &mut self.witness {
            witness.record_call(id, operation, now);
        }
        if let Some(stream) = &mut self.stream {
            stream.record_call(id, operation);
        }
    }

    /// A client received the response to its request. Returns whether no property is violated so far.
    pub(crate) fn answered(
        &mut self,
        id: RequestId,
        position: Position,
        response: &Response,
        now: EventTime,
    ) -> bool {
        let position_code = match position {
            Position::Log(index) => index << 1,
            Position::Applied(index) => index << 1 | 1,
        };
        self.digest = self.digest.then(id.session).then(id.sequence).then(position_code);
        self.digest = fold_response(self.digest, response);
        // Its copies need not be watched any more: other checks notice a second effect.
        let client = self.request_copies.remove(&id).map_or(0, |copies| copies.client);
        let reply = ReceivedReply { when: now, client, id };
        if let Some(traces) = &mut self.traces {
            traces.entry(id).or_default().answer = Some(reply.evidence(position, Some(response)));
        }
        if let Some(witness) = &mut self.witness
            && let Err(broken) = witness.record_response(id, position, response, now.0)
        {
            self.fail_witness(&broken, reply.evidence(position, Some(response)));
        }
        let (Position::Log(index) | Position::Applied(index)) = position;
        if self.furthest_reply.is_none_or(|(furthest, _)| furthest <= index) {
            self.furthest_reply = Some((index, reply));
        }
        // After the witness: it notices faults that no client sees, and knows the order that was violated.
        if let Some(stream) = &mut self.stream
            && let Err(broken) = stream.record_response(id, response)
        {
            self.fail_linearizability(&broken);
        }
        self.failure.is_none()
    }

    /// A reply reaches a client.
    pub(crate) fn count_reply(&mut self) {
        if let Some(count) = &mut self.replies_checked {
            *count += 1;
        }
    }

    /// A reply does not match its request. The client ignores it. Returns whether no property is violated so
    /// far.
    #[cold]
    pub(crate) fn answered_wrongly(&mut self, cause: FailureCause, evidence: Evidence) -> bool {
        if self.replies_checked.is_some() {
            self.fail(Failure::new(WRONG_ANSWER, cause).with_evidence([evidence]));
        }
        self.failure.is_none()
    }

    /// A client stops waiting for a response. Not an observation: the checkers may forget the call.
    pub(crate) fn gave_up(&mut self, id: RequestId) {
        if let Some(witness) = &mut self.witness {
            witness.record_abandoned(id);
        }
        if let Some(stream) = &mut self.stream {
            stream.record_abandoned(id);
        }
    }

    /// A client knows that its request never takes effect. Returns whether no property is violated so far.
    pub(crate) fn failed(&mut self, id: RequestId) -> bool {
        if let Some(witness) = &mut self.witness {
            witness.record_abandoned(id);
        }
        if let Some(stream) = &mut self.stream
            && let Err(broken) = stream.record_failure(id)
        {
            self.fail_linearizability(&broken);
        }
        self.failure.is_none()
    }

    /// Whether the client history alone was shown to be linearizable. Not every workload allows that.
    pub(crate) fn is_linearizable(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.verdict() == StreamVerdict::Linearizable)
    }

    /// How often each property was checked.
    pub(crate) fn checks(&self) -> Vec<(&'static str, u64)> {
        let replies = self.replies_checked.iter().map(|replies| (WRONG_ANSWER, *replies));
        let witness = self.witness.iter().map(|witness| (WITNESS, witness.checks()));
        let stream = self.stream.iter().map(|stream| (LINEARIZABILITY, stream.checks()));
        self.checker.checks().chain(replies).chain(witness).chain(stream).collect()
    }

    /// How often each milestone was reached.
    pub(crate) fn milestones(&self) -> Vec<(&'static str, u64)> {
        let reached = self.checker.milestones().iter();
        reached.map(|(milestone, count)| (milestone.name(), count)).chain(self.milestone_counts).collect()
    }

    /// Counts a milestone that a server reports.
    pub(crate) fn count_milestone(&mut self, milestone: &str) {
        if let Some(entry) = self.milestone_counts.iter_mut().find(|entry| entry.0 == milestone) {
            entry.1 += 1;
        }
    }

    #[cold]
    fn fail_property(&mut self, violation: Box<Violation>) {
        self.fail(Failure::new(violation.property, FailureCause::Facts(violation)));
    }

    #[cold]
    fn fail_witness(&mut self, broken: &WitnessFailure, now: Evidence) {
        let trace = |id: Option<RequestId>| self.traces.as_ref()?.get(&id?);
        let (own, other) = (trace(Some(broken.id)), trace(broken.other));
        let effects =
            |trace: Option<&RequestTrace>| trace.map_or_else(Vec::new, |trace| trace.effects.clone());
        let mut evidence = match broken.kind {
            ViolationKind::NeverCalled => Vec::new(),
            ViolationKind::AppliedTwice | ViolationKind::NotApplied => effects(own),
            ViolationKind::AppliedLate => {
                let from_reply =
                    |(index, reply): (Index, ReceivedReply)| reply.evidence(Position::Applied(index), None);
                self.furthest_reply.map(from_reply).into_iter().collect()
            }
            ViolationKind::RealTimeOrder => {
                let answer = other.and_then(|trace| trace.answer.clone());
                answer.into_iter().chain(own.and_then(|trace| trace.call.clone())).collect()
            }
            ViolationKind::WrongResponse => effects(if broken.other.is_some() { other } else { own }),
        };
        evidence.push(now);
        self.fail(Failure::new(WITNESS, FailureCause::Order(broken.clone())).with_evidence(evidence));
    }

    /// The evidence for an explanation: the effects or responses of the two operations whose order closes its
    /// cycle. If no operation wrote what was read: the rejections of requests that would have.
    pub(crate) fn evidence(&self, explanation: &Explanation) -> Vec<Evidence> {
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
            let trace = self.traces.as_ref()?.get(id)?;
            trace.effects.first().or(trace.answer.as_ref()).or(trace.call.as_ref()).cloned()
        };
        let mut evidence: Vec<Evidence> = ids.iter().filter_map(request_evidence).collect();
        if edges.is_empty()
            && let Some((_, response)) = &explanation.stuck.returned
        {
            for (id, copies) in self.request_copies.iter().filter(|(_, copies)| copies.outstanding == 0) {
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

    #[cold]
    fn fail_linearizability(&mut self, broken: &StreamViolation) {
        let answer = self.traces.as_ref().and_then(|traces| traces.get(&broken.id)?.answer.clone());
        self.fail(
            Failure::new(LINEARIZABILITY, FailureCause::Response(broken.clone())).with_evidence(answer),
        );
    }

    /// Records a failure. Only the first one counts, since later ones may follow from it.
    #[cold]
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert_with(|| Box::new(failure));
    }
}

impl ReceivedReply {
    /// This reply as evidence.
    fn evidence(self, position: Position, response: Option<&Response>) -> Evidence {
        let ReceivedReply { when: (at, step), client, id } = self;
        let kind = EvidenceKind::Response(id, position, response.cloned());
        Evidence { at, step, actor: Actor::Client(client), request: Some(id), kind }
    }
}

/// Whether a response shows what this action would have written.
fn response_shows_write(response: &Response, action: Action) -> bool {
    let written = match action {
        Action::Put(value) | Action::CompareAndSet { value, .. } => Content::Present(value),
        Action::Append(value) | Action::Replace(value) => Content::Present(value),
        Action::Delete(deletion) => Content::Absent(deletion),
        // Runs use only registers and lists.
        _ => return false,
    };
    match response {
        Response::Holds(content) | Response::Mismatch(Some(content)) => *content == written,
        Response::List(elements) => elements.iter().any(|element| Content::Present(*element) == written),
        _ => false,
    }
}

/// A digest followed by a response.
fn fold_response(digest: Digest, response: &Response) -> Digest {
    let content = |digest: Digest, content: &Content| match *content {
        Content::Absent(number) => digest.then(0).then(number),
        Content::Present(value) => digest.then(1).then(value),
    };
    match response {
        Response::Done => digest.then(2),
        Response::Holds(holds) => content(digest.then(3), holds),
        Response::Mismatch(None) => digest.then(4),
        Response::Mismatch(Some(holds)) => content(digest.then(5), holds),
        Response::List(list) => list.iter().fold(digest.then(6), |digest, element| digest.then(*element)),
        Response::Set(set) => set.iter().fold(digest.then(7), |digest, element| digest.then(*element)),
        Response::Count(count) => digest.then(8).then(count.cast_unsigned()),
        Response::Dequeued(None) => digest.then(9),
        Response::Dequeued(Some(value)) => digest.then(10).then(*value),
    }
}
