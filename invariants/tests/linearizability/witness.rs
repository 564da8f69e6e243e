//! The witness on hand-made logs: what it must notice, and next to each the near miss that it must let go.

use invariants::fact::RequestId;
use invariants::linearizability::{
    Action, Content, Operation, Position, Response, ViolationKind, Witness, WitnessFailure,
};

/// A witness, and a clock that moves with each event.
struct Story {
    witness: Witness,
    now: u64,
}

const fn id(session: u64) -> RequestId {
    RequestId { session, sequence: 1 }
}

const ABSENT: Response = Response::Holds(Content::INITIAL);

const fn holds(value: u64) -> Response {
    Response::Holds(Content::Present(value))
}

const fn cas(expect: u64, value: u64) -> Action {
    Action::CompareAndSet { expect: Content::Present(expect), value }
}

impl Story {
    fn new() -> Story {
        Story { witness: Witness::new(), now: 0 }
    }

    /// Each session asks once, of key 1.
    fn call(&mut self, session: u64, action: Action) -> &mut Story {
        self.now += 10;
        self.witness.record_call(id(session), Operation { key: 1, action }, self.now);
        self
    }

    fn apply(&mut self, index: u64, session: u64) -> &mut Story {
        self.witness.record_apply(index, id(session), true).unwrap_or_else(|failure| panic!("{failure}"));
        self
    }

    fn try_answer(&mut self, session: u64, at: Position, response: &Response) -> Result<(), WitnessFailure> {
        self.now += 10;
        self.witness.record_response(id(session), at, response, self.now)
    }

    fn answer(&mut self, session: u64, at: Position, response: &Response) -> &mut Story {
        self.try_answer(session, at, response).unwrap_or_else(|failure| panic!("{failure}"));
        self
    }

    /// A put, from call to answer.
    fn put(&mut self, session: u64, value: u64, index: u64) -> &mut Story {
        self.call(session, Action::Put(value)).apply(index, session);
        self.answer(session, Position::Log(index), &Response::Done)
    }
}

fn flaw(result: Result<(), WitnessFailure>) -> ViolationKind {
    result.expect_err("the witness should have noticed").flaw
}

#[test]
fn a_stale_read_is_noticed() {
    let mut story = Story::new();
    story.put(1, 5, 3).call(2, Action::Get);
    let failure = story.try_answer(2, Position::Applied(2), &ABSENT).unwrap_err();
    assert_eq!((failure.flaw, failure.id), (ViolationKind::RealTime, id(2)));
    assert_eq!(
        failure.to_string(),
        "witness: the system's own order is broken: \
         s1#1 (put k1=5; called at 0.000000010s, answered at 0.000000020s) had returned when \
         s2#1 (get k1; called at 0.000000030s, answered at 0.000000040s) was called, \
         but the order has the second, at applied index 2, before the first, at log index 3"
    );
}

#[test]
fn an_old_read_that_was_asked_before_the_write_returned_is_let_go() {
    let mut story = Story::new();
    story.call(2, Action::Get).put(1, 5, 3).answer(2, Position::Applied(2), &ABSENT);
}

#[test]
fn reads_that_go_back_in_time_are_noticed() {
    let mut story = Story::new();
    story.call(1, Action::Put(5)).apply(3, 1);
    story.call(2, Action::Get).answer(2, Position::Applied(3), &holds(5));
    story.call(3, Action::Get);
    assert_eq!(flaw(story.try_answer(3, Position::Applied(2), &ABSENT)), ViolationKind::RealTime);
}

#[test]
fn reads_of_one_moment_are_let_go() {
    let mut story = Story::new();
    story.call(1, Action::Put(5)).apply(3, 1);
    story.call(2, Action::Get).answer(2, Position::Applied(3), &holds(5));
    story.call(3, Action::Get).answer(3, Position::Applied(3), &holds(5));
    story.call(4, Action::Get).answer(4, Position::Applied(6), &holds(5)).answer(
        1,
        Position::Log(3),
        &Response::Done,
    );
    assert_eq!(story.witness.checks(), 4);
}

#[test]
fn a_read_of_what_the_log_does_not_say_is_noticed() {
    let mut story = Story::new();
    story.put(1, 5, 3).call(2, Action::Get);
    let failure = story.try_answer(2, Position::Applied(4), &ABSENT).unwrap_err();
    assert_eq!(failure.flaw, ViolationKind::Answer);
    assert!(
        failure.sentence.ends_with(
            "told \"nothing\" from index 4, but the log up to there leaves \"5\", since s1#1 at index 3"
        ),
        "{failure}"
    );
}

#[test]
fn a_lost_write_is_noticed_even_if_nobody_reads_it() {
    let mut story = Story::new();
    story.call(1, Action::Put(5));
    assert_eq!(flaw(story.try_answer(1, Position::Log(3), &Response::Done)), ViolationKind::NotApplied);
    // Another entry is at the index that the answer names.
    let mut story = Story::new();
    story.call(1, Action::Put(5)).call(2, Action::Put(6)).apply(3, 2).apply(4, 1);
    assert_eq!(flaw(story.try_answer(1, Position::Log(3), &Response::Done)), ViolationKind::NotApplied);
}

#[test]
fn a_write_of_a_client_that_gave_up_may_happen_later() {
    let mut story = Story::new();
    story.call(1, Action::Put(5)).put(2, 6, 3);
    story.call(3, Action::Get).answer(3, Position::Applied(3), &holds(6));
    story.apply(9, 1).call(4, Action::Get).answer(4, Position::Applied(9), &holds(5));
}

#[test]
fn an_effect_before_the_call_is_noticed() {
    let mut story = Story::new();
    let failure = story.witness.record_apply(3, id(1), true).unwrap_err();
    assert_eq!(failure.flaw, ViolationKind::NeverCalled);
    // An entry slips in at or below an index that somebody was told of, before the call or after it.
    for index in [6, 7] {
        let mut story = Story::new();
        story.call(2, Action::Get).answer(2, Position::Applied(7), &ABSENT).call(1, Action::Put(5));
        assert_eq!(flaw(story.witness.record_apply(index, id(1), true)), ViolationKind::RealTime);
        let mut story = Story::new();
        story.call(2, Action::Get).call(1, Action::Put(5)).answer(2, Position::Applied(7), &ABSENT);
        assert_eq!(flaw(story.witness.record_apply(index, id(1), true)), ViolationKind::AppliedLate);
    }
    let mut story = Story::new();
    story.call(2, Action::Get).answer(2, Position::Applied(7), &ABSENT).put(1, 5, 8);
}

#[test]
fn a_double_effect_is_noticed() {
    let mut story = Story::new();
    story.call(1, Action::Append(5)).apply(3, 1);
    assert_eq!(flaw(story.witness.record_apply(4, id(1), true)), ViolationKind::AppliedTwice);
}

#[test]
fn a_retry_from_the_session_table_is_let_go_under_either_index() {
    for named in [3, 5] {
        let mut story = Story::new();
        story.call(1, Action::Put(5)).apply(3, 1).put(2, 6, 4);
        story.witness.record_apply(5, id(1), false).expect("the table answers");
        story.answer(1, Position::Log(named), &Response::Done);
        // It had its effect at 3, whichever index it names.
        story.call(3, Action::Get).answer(3, Position::Applied(5), &holds(6));
    }
}

#[test]
fn a_refused_request_has_no_place_and_no_success() {
    let mut story = Story::new();
    story.call(1, Action::Put(5));
    story.witness.record_apply(3, id(1), false).expect("refused");
    story.call(2, Action::Get).answer(2, Position::Applied(3), &ABSENT);
    assert_eq!(flaw(story.try_answer(1, Position::Log(3), &Response::Done)), ViolationKind::NotApplied);
}

#[test]
fn a_compare_and_set_is_answered_from_its_own_index() {
    let told = |effect: bool, response: Response| {
        let mut story = Story::new();
        story.put(1, 5, 1).call(2, cas(5, 6)).call(3, cas(5, 7)).apply(2, 2);
        story.witness.record_apply(3, id(3), effect).expect("an effect or none, for it does not match");
        story.put(4, 5, 4);
        story.try_answer(3, Position::Log(3), &response)
    };
    for effect in [false, true] {
        assert_eq!(told(effect, Response::Mismatch(Some(Content::Present(6)))), Ok(()));
        assert_eq!(told(effect, Response::Mismatch(None)), Ok(()));
        assert_eq!(flaw(told(effect, Response::Mismatch(Some(Content::Present(7))))), ViolationKind::Answer);
        assert_eq!(flaw(told(effect, Response::Done)), ViolationKind::Answer);
    }
}

#[test]
fn a_list_is_read_as_it_was() {
    let mut story = Story::new();
    for (session, index) in [(1, 2), (2, 3), (3, 7)] {
        story.call(session, Action::Append(10 * session)).apply(index, session);
    }
    let long = Response::List(vec![10, 20]);
    story.call(4, Action::List).call(5, Action::List).call(6, Action::List).call(7, Action::List);
    story.answer(4, Position::Applied(6), &long).answer(5, Position::Applied(1), &Response::List(vec![]));
    let swapped = Response::List(vec![20, 10]);
    assert_eq!(flaw(story.try_answer(6, Position::Applied(6), &swapped)), ViolationKind::Answer);
    assert_eq!(flaw(story.try_answer(7, Position::Applied(7), &long)), ViolationKind::Answer);
}

#[test]
fn a_read_through_the_log_has_a_place_there() {
    let mut story = Story::new();
    story.put(1, 5, 1).call(2, Action::Get).call(3, Action::Put(6)).apply(2, 2).apply(3, 3);
    story.answer(3, Position::Log(3), &Response::Done).answer(2, Position::Log(2), &holds(5));
}

#[test]
fn any_numbers_will_do() {
    let mut witness = Witness::new();
    let numbers = [u64::MAX, 0, 7, 1 << 40, 8, 6, u64::MAX - 1];
    let names =
        || numbers.iter().flat_map(|&session| numbers.map(|sequence| RequestId { session, sequence }));
    for (value, id) in (0..).zip(names()) {
        witness.record_call(id, Operation { key: id.session, action: Action::Put(value) }, 0);
    }
    for (index, id) in (1..).zip(names()) {
        witness.record_apply(index, id, true).expect("called before");
        witness.record_response(id, Position::Log(index), &Response::Done, 1).expect("applied before");
    }
    let read = RequestId { session: 9, sequence: 9 };
    witness.record_call(read, Operation { key: 1 << 40, action: Action::Get }, 2);
    witness
        .record_response(read, Position::Applied(u64::MAX), &holds(27), 3)
        .expect("the last put of that session");
}
