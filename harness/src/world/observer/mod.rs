//! The observer: folds every fact into the digest and passes it to the checkers.

mod responses;
mod requests;

use crate::outcome::{
    Actor, Counts, Evidence, EvidenceKind, Failure, FailureCause, LINEARIZABILITY, Options, RUN_MILESTONES,
    WITNESS, WRONG_ANSWER,
};
use invariants::linearizability::{Stream, StreamVerdict, StreamViolation};
use invariants::{
    Checker, Contract, Digest, Fact, Index, Node, Observed, Operation, PROPERTIES, Position, RequestId,
    Response, Time, Violation, Witness, WitnessFailure,
};
use requests::Requests;
use responses::fold_response;
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
    /// What happened to each request.
    pub(crate) requests: Requests,
    /// The sessions that clients got, with the client and the time.
    sessions: BTreeMap<u64, (u64, EventTime)>,
    /// The last leader and its incarnation.
    last_leader: (Node, u32),
    pub(crate) recorded_facts: Option<Vec<Observed>>,
    /// Counts of the milestones that servers report.
    milestone_counts: Vec<(&'static str, u64)>,
    /// The first failure.
    pub(crate) failure: Option<Box<Failure>>,
}

/// True time and the number of the event.
pub(crate) type EventTime = (Time, u64);

impl Observer {
    pub(crate) fn new(options: &Options, contract: Contract) -> Observer {
        let record = options.record;
        let properties = PROPERTIES.iter().map(|property| property.name);
        let disabled: Vec<&str> = properties.filter(|name| !options.checks(name)).collect();
        Observer {
            digest: Digest::EMPTY,
            counts: Counts::default(),
            checker: Checker::with_disabled(&disabled)
                .expect("these are names of properties")
                .with_contract(contract),
            witness: options.checks(WITNESS).then(Witness::new),
            stream: options.checks(LINEARIZABILITY).then(Stream::new),
            replies_checked: options.checks(WRONG_ANSWER).then_some(0),
            applied: 0,
            requests: Requests::new(record.history),
            sessions: BTreeMap::new(),
            last_leader: (0, 0),
            recorded_facts: record.facts.then(Vec::new),
            milestone_counts: RUN_MILESTONES.map(|(name, _)| (name, 0)).to_vec(),
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
            Fact::Applied { index, entry, state, request, effect, session } if index == self.applied + 1 => {
                self.applied = index;
                request.map(|id| (index, id, effect, (entry, state, session)))
            }
            _ => None,
        };
        self.check_fact(Observed { at, step, node, fact });
        // After the checker: a violated property says more than a wrong order of effects.
        if let Some((index, id, effect, (entry, state, session))) = first_applied {
            let evidence = || {
                let fact = Fact::Applied { index, entry, state, request: Some(id), effect, session };
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
                self.fail_witness(broken, evidence());
            }
            if effect {
                self.record_effect(index, id, evidence);
            }
        }
        self.failure.is_none()
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
        if self.witness.is_some() && self.requests.all_copies_rejected(id) {
            let cause = FailureCause::RejectedTakesEffect { id, index };
            let rejection = self.requests.rejection_evidence(id);
            self.fail(Failure::new(WITNESS, cause).with_evidence(rejection.into_iter().chain([evidence()])));
        }
        self.requests.record_effect(id, evidence);
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
        let reply = self.requests.record_answer(id, position, response, now);
        if let Some(witness) = &mut self.witness
            && let Err(broken) = witness.record_response(id, position, response, now.0)
        {
            self.fail_witness(broken, reply.evidence(position, Some(response)));
        }
        let (Position::Log(index) | Position::Applied(index)) = position;
        self.requests.record_furthest(index, reply);
        // After the witness: it notices faults that no client sees, and knows the order that was violated.
        if let Some(stream) = &mut self.stream
            && let Err(broken) = stream.record_response(id, response)
        {
            self.fail_linearizability(broken);
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
            self.fail_linearizability(broken);
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
        reached
            .map(|(milestone, count)| (milestone.name(), count))
            .chain(self.milestone_counts.iter().copied())
            .collect()
    }

    /// Counts a milestone that a server reports.
    pub(crate) fn count_milestone(&mut self, milestone: &'static str) {
        match self.milestone_counts.iter_mut().find(|entry| entry.0 == milestone) {
            Some(entry) => entry.1 += 1,
            None => self.milestone_counts.push((milestone, 1)),
        }
    }

    #[cold]
    fn fail_property(&mut self, violation: Box<Violation>) {
        self.fail(Failure::new(violation.property, FailureCause::Facts(violation)));
    }

    #[cold]
    fn fail_witness(&mut self, broken: Box<WitnessFailure>, now: Evidence) {
        let mut evidence = self.requests.witness_evidence(&broken);
        evidence.push(now);
        self.fail(Failure::new(WITNESS, FailureCause::Order(broken)).with_evidence(evidence));
    }

    #[cold]
    fn fail_linearizability(&mut self, broken: Box<StreamViolation>) {
        let answer = self.requests.answer(broken.id);
        self.fail(Failure::new(LINEARIZABILITY, FailureCause::Response(broken)).with_evidence(answer));
    }

    /// Records a failure. Only the first one counts, since later ones may follow from it.
    #[cold]
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert_with(|| Box::new(failure));
    }
}
