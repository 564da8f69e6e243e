//! Who watches: folds every fact into the digest, and hands it to those who know what is right.

use crate::outcome::{
    Actor, Counts, Evidence, EvidenceKind, Failure, LINEARIZABILITY, Options, RUN_MILESTONES, Rejection,
    WITNESS, WRONG_ANSWER,
};
use crate::workload::RequestBody;
use invariants::linearizability::{
    Explanation, OrderingEdge, Stream, StreamVerdict, StreamViolation, ViolationKind,
};
use invariants::{
    Action, Checker, ConfChange, ConfChangeOp, Configuration, Content, Digest, Fact, Index, Node, Observed,
    Operation, Position, RequestId, Response, Time,
};
use invariants::{PROPERTIES, Violation, Witness, WitnessFailure, current_property_name};
use std::collections::BTreeMap;

/// Everybody who watches a run.
pub(crate) struct Observer {
    /// All observations so far, folded.
    pub(crate) digest: Digest,
    pub(crate) counts: Counts,
    pub(crate) checker: Option<Checker>,
    witness: Option<Witness>,
    /// What clients saw, whatever the system says of it.
    stream: Option<Stream>,
    /// How many answers were looked at: whether each belongs to what was asked. `None`: nobody looks.
    replies_checked: Option<u64>,
    /// The last index applied anywhere: the first to apply an entry tells the witness.
    applied: Index,
    /// What is known of the copies of each request that was not answered.
    request_copies: BTreeMap<RequestId, RequestCopies>,
    /// The sessions that were given to clients, to whom and when.
    sessions: BTreeMap<u64, (u64, EventTime)>,
    /// The answer that was given from the greatest index.
    furthest_reply: Option<(Index, ReceivedReply)>,
    /// What became of each request, where the history is kept.
    traces: Option<BTreeMap<RequestId, RequestTrace>>,
    /// Who led last.
    last_leader: (Node, u32),
    pub(crate) recorded_facts: Option<Vec<Observed>>,
    /// Situations that servers say they have reached.
    milestone_counts: [(&'static str, u64); RUN_MILESTONES.len()],
    /// The first broken promise.
    pub(crate) failure: Option<Box<Failure>>,
}

/// A moment: true time, and the number of the event.
pub(crate) type EventTime = (Time, u64);

/// The copies of a request.
struct RequestCopies {
    client: u64,
    ask: RequestBody,
    /// How many may have an effect: on their way, or with a server that did not refuse them.
    outstanding: u32,
    /// When one was refused, by whom, and whether that server had held it for a while: of such a refusal more can be wrong
    /// than of one on the spot.
    rejection: Option<(EventTime, Node, bool)>,
}

/// A client was answered.
#[derive(Clone, Copy)]
struct ReceivedReply {
    when: EventTime,
    client: u64,
    id: RequestId,
}

/// What became of a request: the sides that a clash may have.
#[derive(Default)]
struct RequestTrace {
    call: Option<Evidence>,
    effects: Vec<Evidence>,
    answer: Option<Evidence>,
}

impl Observer {
    pub(crate) fn new(options: &Options) -> Observer {
        // The names of what is no property of facts are somebody else's.
        let mut without: Vec<&str> = options.disabled.iter().map(|name| current_property_name(name)).collect();
        let looks = |name| !options.unchecked && !without.contains(&name);
        let (witness, stream, answers) = (looks(WITNESS), looks(LINEARIZABILITY), looks(WRONG_ANSWER));
        without.retain(|name| PROPERTIES.iter().any(|property| property.name == *name));
        let checker = || Checker::with_disabled(&without).expect("only names of properties are left");
        Observer {
            digest: Digest::EMPTY,
            counts: Counts::default(),
            checker: (!options.unchecked).then(checker),
            witness: witness.then(Witness::new),
            stream: stream.then(Stream::new),
            replies_checked: answers.then_some(0),
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

    /// One fact was stated. Returns whether all promises are kept so far.
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
        self.digest = fold_fact(self.digest, node, &fact);
        let first_applied = match fact {
            Fact::Leads { .. } if self.last_leader != (node, incarnation) => {
                // The first leader of a run took over from nobody.
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
        if self.checker.is_some() || self.recorded_facts.is_some() {
            self.check_fact(Observed { at, step, node, fact });
        }
        // After the checker: a property of facts says more than that their order does not add up.
        if let Some((index, id, effect, (entry, state))) = first_applied {
            let side = || {
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
                self.fail_witness(&broken, side());
            }
            if effect {
                self.record_effect(index, id, side);
            }
        }
        self.failure.is_none()
    }

    /// A copy of a request is on its way to a server.
    pub(crate) fn on_request_sent(
        &mut self,
        (at, step): EventTime,
        client: u64,
        id: RequestId,
        ask: RequestBody,
    ) {
        self.request_copies
            .entry(id)
            .or_insert(RequestCopies { client, ask, outstanding: 0, rejection: None })
            .outstanding += 1;
        if let Some(diary) = &mut self.traces {
            diary.entry(id).or_default().call.get_or_insert_with(|| Evidence {
                at,
                step,
                actor: Actor::Client(client),
                request: Some(id),
                kind: EvidenceKind::Text(format!("asks {id}, {ask}"), None),
            });
        }
    }

    /// A copy of a request has certainly no effect: it reached nobody.
    pub(crate) fn on_request_dropped(&mut self, id: RequestId) {
        if let Some(copies) = self.request_copies.get_mut(&id) {
            copies.outstanding = copies.outstanding.saturating_sub(1);
        }
    }

    /// A copy of a request has certainly no effect: the server that it reached says so, at once or after it had `held` it.
    pub(crate) fn on_request_rejected(&mut self, when: EventTime, node: Node, id: RequestId, held: bool) {
        self.on_request_dropped(id);
        if let Some(copies) = self.request_copies.get_mut(&id) {
            let said_more = copies.rejection.is_some_and(|(.., held)| held) && !held;
            if !said_more {
                copies.rejection = Some((when, node, held));
            }
        }
    }

    /// Whether no copy of a request can have an effect any more.
    pub(crate) fn all_copies_rejected(&self, id: RequestId) -> bool {
        self.request_copies.get(&id).is_some_and(|copies| copies.outstanding == 0)
    }

    /// That a request was refused.
    #[cold]
    fn rejection_evidence(&self, id: RequestId) -> Option<Evidence> {
        let RequestCopies { ask, rejection: refused, .. } = self.request_copies.get(&id)?;
        let ((at, step), node, _) = (*refused)?;
        let what = EvidenceKind::Text(format!("refuses {id}, {ask}: certainly nothing happened"), None);
        Some(Evidence { at, step, actor: Actor::Server(node), request: Some(id), kind: what })
    }

    /// What was refused and not answered.
    pub(crate) fn rejections(&self) -> BTreeMap<RequestId, Rejection> {
        let refused = |(id, copies): (&RequestId, &RequestCopies)| {
            let ((at, _), node, _) = copies.rejection?;
            Some((*id, Rejection { at, node, is_final: copies.outstanding == 0 }))
        };
        self.request_copies.iter().filter_map(refused).collect()
    }

    /// A client was given a session. Returns whether nobody was given it before: whoever shares one with another is
    /// answered what that one asked.
    pub(crate) fn registered(&mut self, client: u64, session: u64, now: EventTime) -> bool {
        self.digest = self.digest.then(client).then(session);
        if let Some((other, before)) = self.sessions.insert(session, (client, now)) {
            if self.witness.is_some() {
                let sentence =
                    format!("session {session} was given to c{client} although c{other} was given it before");
                let given = |client, (at, step): EventTime| Evidence {
                    at,
                    step,
                    actor: Actor::Client(client),
                    request: None,
                    kind: EvidenceKind::Text(format!("is given session {session}"), None),
                };
                let sides = [given(other, before), given(client, now)];
                self.fail(Failure::new(WITNESS, sentence).with_evidence(sides));
            }
            return false;
        }
        true
    }

    /// A request has its effect. Some copy of it must have been free to: "not here" and "not now" are certain (they are
    /// never said of what may happen yet).
    fn record_effect(&mut self, index: Index, id: RequestId, side: impl Fn() -> Evidence) {
        if self.witness.is_some() && self.all_copies_rejected(id) {
            let sentence = format!(
                "{id} has its effect at {index} although each copy of it was refused: its client knows that nothing \
                 happened"
            );
            let refusal = self.rejection_evidence(id);
            self.fail(Failure::new(WITNESS, sentence).with_evidence(refusal.into_iter().chain([side()])));
        }
        if let Some(diary) = &mut self.traces {
            diary.entry(id).or_default().effects.push(side());
        }
    }

    #[inline]
    fn check_fact(&mut self, observed: Observed) {
        if let Some(checker) = &mut self.checker
            && let Err(violation) = checker.observe(&observed)
        {
            self.fail_property(violation);
        }
        if let Some(kept) = &mut self.recorded_facts {
            kept.push(observed);
        }
    }

    /// A client calls.
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

    /// A client was told how its request ended. Returns whether all promises are kept so far.
    pub(crate) fn answered(
        &mut self,
        id: RequestId,
        place: Position,
        response: &Response,
        now: EventTime,
    ) -> bool {
        let place_word = match place {
            Position::Log(index) => index << 1,
            Position::Applied(index) => index << 1 | 1,
        };
        self.digest = self.digest.then(id.session).then(id.sequence).then(place_word);
        self.digest = fold_response(self.digest, response);
        // No copy of it needs to be watched any more: a second effect is noticed elsewhere.
        let client = self.request_copies.remove(&id).map_or(0, |copies| copies.client);
        let told = ReceivedReply { when: now, client, id };
        if let Some(diary) = &mut self.traces {
            diary.entry(id).or_default().answer = Some(told.evidence(place, Some(response)));
        }
        if let Some(witness) = &mut self.witness
            && let Err(broken) = witness.record_response(id, place, response, now.0)
        {
            self.fail_witness(&broken, told.evidence(place, Some(response)));
        }
        let (Position::Log(index) | Position::Applied(index)) = place;
        if self.furthest_reply.is_none_or(|(furthest, _)| furthest <= index) {
            self.furthest_reply = Some((index, told));
        }
        // After the witness: that sees faults which no client happens to notice, and knows the order that was broken.
        if let Some(stream) = &mut self.stream
            && let Err(broken) = stream.record_response(id, response)
        {
            self.fail_linearizability(&broken);
        }
        self.failure.is_none()
    }

    /// An answer reaches a client.
    pub(crate) fn count_reply(&mut self) {
        if let Some(answers) = &mut self.replies_checked {
            *answers += 1;
        }
    }

    /// An answer does not belong to what was asked. Whoever got it takes no notice of it. Returns whether all promises are
    /// kept so far.
    #[cold]
    pub(crate) fn answered_wrongly(&mut self, sentence: String, sides: [Evidence; 1]) -> bool {
        if self.replies_checked.is_some() {
            self.fail(Failure::new(WRONG_ANSWER, sentence).with_evidence(sides));
        }
        self.failure.is_none()
    }

    /// A client will take no answer any more. No observation, only leave to forget.
    pub(crate) fn gave_up(&mut self, id: RequestId) {
        if let Some(witness) = &mut self.witness {
            witness.record_abandoned(id);
        }
        if let Some(stream) = &mut self.stream {
            stream.record_abandoned(id);
        }
    }

    /// A client knows that its request did not happen and never will. Returns whether all promises are kept so far.
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

    /// Whether what clients saw was found to be in order, and that by itself: not every workload tells enough for that.
    pub(crate) fn is_linearizable(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.verdict() == StreamVerdict::Linearizable)
    }

    /// How often each promise was looked at.
    pub(crate) fn checks(&self) -> Vec<(&'static str, u64)> {
        let properties = self.checker.iter().flat_map(Checker::checks);
        let answers = self.replies_checked.iter().map(|answers| (WRONG_ANSWER, *answers));
        let witness = self.witness.iter().map(|witness| (WITNESS, witness.checks()));
        let stream = self.stream.iter().map(|stream| (LINEARIZABILITY, stream.checks()));
        properties.chain(answers).chain(witness).chain(stream).collect()
    }

    /// What the run has reached.
    pub(crate) fn milestones(&self) -> Vec<(&'static str, u64)> {
        let reached = self.checker.iter().flat_map(|checker| checker.milestones().iter());
        reached.map(|(milestone, count)| (milestone.name(), count)).chain(self.milestone_counts).collect()
    }

    /// A server has reached a situation that no fact tells.
    pub(crate) fn count_milestone(&mut self, milestone: &str) {
        if let Some(told) = self.milestone_counts.iter_mut().find(|told| told.0 == milestone) {
            told.1 += 1;
        }
    }

    #[cold]
    fn fail_property(&mut self, violation: Box<Violation>) {
        self.fail(Failure {
            property: violation.property.to_owned(),
            sentence: violation.sentence.clone(),
            facts: Some(violation),
            evidence: Vec::new(),
        });
    }

    #[cold]
    fn fail_witness(&mut self, broken: &WitnessFailure, now: Evidence) {
        let diary = |id: Option<RequestId>| self.traces.as_ref()?.get(&id?);
        let (own, other) = (diary(Some(broken.id)), diary(broken.with));
        let effects =
            |diary: Option<&RequestTrace>| diary.map_or_else(Vec::new, |diary| diary.effects.clone());
        let mut sides = match broken.flaw {
            ViolationKind::NeverCalled => Vec::new(),
            ViolationKind::AppliedTwice | ViolationKind::NotApplied => effects(own),
            ViolationKind::AppliedLate => {
                let told =
                    |(index, told): (Index, ReceivedReply)| told.evidence(Position::Applied(index), None);
                self.furthest_reply.map(told).into_iter().collect()
            }
            ViolationKind::RealTime => {
                let answer = other.and_then(|diary| diary.answer.clone());
                answer.into_iter().chain(own.and_then(|diary| diary.call.clone())).collect()
            }
            ViolationKind::Answer => effects(if broken.with.is_some() { other } else { own }),
        };
        sides.push(now);
        self.fail(Failure::new(WITNESS, broken.sentence.clone()).with_evidence(sides));
    }

    /// What clashes in an explanation: where each of the two operations whose order closes its circle had its effect, or
    /// what its client was told. Where nobody wrote what was seen: who refused to write it.
    pub(crate) fn evidence(&self, explanation: &Explanation) -> Vec<Evidence> {
        let stuck = explanation.stuck.id;
        let edges = &explanation.edges;
        let is_turned = |edge: &&OrderingEdge| {
            edges.iter().any(|other| (other.before, other.after) == (edge.after, edge.before))
        };
        let last = edges.iter().rev().find(is_turned).or(edges.last());
        let last = last.map(|edge| [edge.before, edge.after]);
        let ids = last.map_or(vec![stuck], |places| {
            places.iter().map(|&place| explanation.operations[place].id).collect()
        });
        let side = |id: &RequestId| {
            let diary = self.traces.as_ref()?.get(id)?;
            diary.effects.first().or(diary.answer.as_ref()).or(diary.call.as_ref()).cloned()
        };
        let mut sides: Vec<Evidence> = ids.iter().filter_map(side).collect();
        if edges.is_empty()
            && let Some((_, seen)) = &explanation.stuck.returned
        {
            for (id, copies) in self.request_copies.iter().filter(|(_, copies)| copies.outstanding == 0) {
                match copies.ask {
                    RequestBody::Operation(Operation { key, action })
                        if key == explanation.key && response_shows_write(seen, action) =>
                    {
                        sides.extend(self.rejection_evidence(*id));
                    }
                    _ => {}
                }
            }
        }
        sides
    }

    #[cold]
    fn fail_linearizability(&mut self, broken: &StreamViolation) {
        let answer = self.traces.as_ref().and_then(|diary| diary.get(&broken.id)?.answer.clone());
        self.fail(Failure::new(LINEARIZABILITY, broken.to_string()).with_evidence(answer));
    }

    /// A promise was broken. Only the first one counts: what comes after follows from it.
    #[cold]
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert_with(|| Box::new(failure));
    }
}

impl ReceivedReply {
    /// This as a side of a clash.
    fn evidence(self, place: Position, response: Option<&Response>) -> Evidence {
        let (ReceivedReply { when: (at, step), client, id }, Position::Log(index) | Position::Applied(index)) =
            (self, place);
        let told = match (response, place) {
            (None, _) => format!("is answered on {id}, from index {index}"),
            (Some(response), Position::Log(_)) => format!("is told \"{response}\" on {id}, at index {index}"),
            (Some(response), Position::Applied(_)) => {
                format!("is told \"{response}\" on {id}, from index {index}")
            }
        };
        let what = EvidenceKind::Text(told, Some(index));
        Evidence { at, step, actor: Actor::Client(client), request: Some(id), kind: what }
    }
}

/// Whether an answer shows what this would have written.
fn response_shows_write(seen: &Response, action: Action) -> bool {
    let written = match action {
        Action::Put(value) | Action::CompareAndSet { value, .. } => Content::Present(value),
        Action::Append(value) | Action::Replace(value) => Content::Present(value),
        Action::Delete(deletion) => Content::Absent(deletion),
        // No client of a run asks for other objects than registers and lists.
        _ => return false,
    };
    match seen {
        Response::Holds(content) | Response::Mismatch(Some(content)) => *content == written,
        Response::List(elements) => elements.iter().any(|element| Content::Present(*element) == written),
        _ => false,
    }
}

/// A digest followed by one fact: whose, which, and each of its words.
#[inline]
fn fold_fact(digest: Digest, node: Node, fact: &Fact) -> Digest {
    let head = |kind: u64| digest.then(node << 8 | kind);
    // What a server states may be anything.
    let voter = |vote: Option<Node>| vote.map_or(0, |node| node.wrapping_add(1));
    match *fact {
        Fact::Started { term, vote, base, last, digest } => head(1)
            .then(term)
            .then(voter(vote))
            .then(base.index)
            .then(base.term)
            .then(last.index)
            .then(last.term)
            .then(digest.0),
        Fact::TermChanged { term } => head(2).then(term),
        Fact::Appended { index, term, entry } => head(3).then(index).then(term).then(entry.0),
        Fact::Truncated { after } => head(4).then(after),
        Fact::Leads { term } => head(5).then(term),
        Fact::SteppedDown { term } => head(6).then(term),
        Fact::Committed { index } => head(7).then(index),
        Fact::Applied { index, entry, state, request, effect } => {
            let digest = head(8).then(index).then(entry.0).then(state.0).then(u64::from(effect));
            request.map_or(digest, |id| digest.then(id.session).then(id.sequence))
        }
        Fact::Configured { index, ref configuration } => {
            fold_configuration(head(9).then(index), configuration)
        }
        Fact::Voted { term, candidate } => head(10).then(term).then(candidate),
        Fact::Campaigned { term } => head(11).then(term),
        Fact::Acknowledged { term, index } => head(12).then(term).then(index),
        Fact::ReadServed { read, applied } => head(13).then(read.session).then(read.sequence).then(applied),
        Fact::Saved { term, vote, after } => {
            head(14).then(term).then(voter(vote)).then(after.map_or(0, |index| index.wrapping_add(1)))
        }
        Fact::SavedEntry { index, term, entry } => head(15).then(index).then(term).then(entry.0),
        Fact::SavedRecovered => head(16),
        Fact::Crashed => head(17),
        Fact::PowerLost => head(18),
        Fact::Restarted => head(19),
        Fact::Wiped => head(20),
        Fact::WriteAcknowledged { index, write } => {
            head(21).then(index).then(write.session).then(write.sequence)
        }
        Fact::ReadAsked { read } => head(22).then(read.session).then(read.sequence),
        Fact::SnapshotTaken { last, state, ref configuration } => {
            fold_configuration(head(23).then(last.index).then(last.term).then(state.0), configuration)
        }
        Fact::SnapshotInstalled { last, ref configuration } => {
            fold_configuration(head(24).then(last.index).then(last.term), configuration)
        }
        Fact::Restored { index, state } => head(25).then(index).then(state.0),
        Fact::SavedSnapshot { base, last } => {
            head(26).then(base.index).then(base.term).then(last.index).then(last.term)
        }
        Fact::Quiet => head(27),
        Fact::Founded { ref voters } => {
            voters.iter().fold(head(28).then(voters.len() as u64), |digest, node| digest.then(*node))
        }
        Fact::ChangeRequested { request, ref change } => {
            change.ops().iter().fold(head(29).then(request).then(change_kind_code(change)), |digest, op| {
                match *op {
                    ConfChangeOp::Voter(node) => digest.then(1).then(node),
                    ConfChangeOp::Learner(node) => digest.then(2).then(node),
                    ConfChangeOp::Remove(node) => digest.then(3).then(node),
                }
            })
        }
        Fact::ChangeAnswered { request, answer } => head(30).then(request).then(answer as u64),
    }
}

/// A number for how a change is made.
fn change_kind_code(change: &ConfChange) -> u64 {
    match change {
        ConfChange::Steps(_) => 1,
        ConfChange::Joint(_) => 2,
        ConfChange::Leave => 3,
    }
}

/// A digest followed by who belongs to a group, and by what else is known of it.
fn fold_configuration(digest: Digest, configuration: &Configuration) -> Digest {
    let sets = [&configuration.voters, &configuration.joint, &configuration.learners];
    let digest = configuration.digest.map_or(digest, |whole| digest.then(whole.0));
    sets.iter().fold(digest, |digest, set| {
        set.iter().fold(digest.then(set.len() as u64), |digest, node| digest.then(*node))
    })
}

/// A digest followed by what a client was told.
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
