//! The witness on hand-made logs: violations that it must report, and near misses that must pass.

use invariants::RequestId;
use invariants::linearizability::{
    Action, Content, Operation, Position, Replay, Response, Witness, WitnessFailure,
};

/// A witness with a clock that advances with each event.
struct Scenario {
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

impl Scenario {
    fn new() -> Scenario {
        Scenario { witness: Witness::new(), now: 0 }
    }

    /// Each session makes one call, on key 1.
    fn call(&mut self, session: u64, action: Action) -> &mut Scenario {
        self.now += 10;
        self.witness.record_call(id(session), Operation { key: 1, action }, self.now);
        self
    }

    fn apply(&mut self, index: u64, session: u64) -> &mut Scenario {
        self.witness.record_apply(index, id(session), true).unwrap_or_else(|failure| panic!("{failure}"));
        self
    }

    fn try_respond(
        &mut self,
        session: u64,
        at: Position,
        response: &Response,
    ) -> Result<(), Box<WitnessFailure>> {
        self.now += 10;
        self.witness.record_response(id(session), at, response, self.now)
    }

    fn respond(&mut self, session: u64, at: Position, response: &Response) -> &mut Scenario {
        self.try_respond(session, at, response).unwrap_or_else(|failure| panic!("{failure}"));
        self
    }

    /// A put from call to response.
    fn put(&mut self, session: u64, value: u64, index: u64) -> &mut Scenario {
        self.call(session, Action::Put(value)).apply(index, session);
        self.respond(session, Position::Log(index), &Response::Done)
    }
}

fn kind(result: Result<(), Box<WitnessFailure>>) -> &'static str {
    result.expect_err("the witness must report a violation").kind()
}

#[test]
fn a_stale_read_is_reported() {
    let mut scenario = Scenario::new();
    scenario.put(1, 5, 3).call(2, Action::Get);
    let failure = scenario.try_respond(2, Position::Applied(2), &ABSENT).unwrap_err();
    assert_eq!((failure.kind(), failure.id(), failure.other()), ("real-time-order", id(2), Some(id(1))));
    assert_eq!(
        failure.to_string(),
        "s1#1 (put k1=5; called at 0.000000010s, answered at 0.000000020s) had returned when \
         s2#1 (get k1; called at 0.000000030s, answered at 0.000000040s) was called, \
         but the order has the second, at applied index 2, before the first, at log index 3"
    );
}

#[test]
fn a_read_called_before_the_write_returned_may_miss_it() {
    let mut scenario = Scenario::new();
    scenario.call(2, Action::Get).put(1, 5, 3).respond(2, Position::Applied(2), &ABSENT);
}

#[test]
fn reads_that_go_back_in_time_are_reported() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5)).apply(3, 1);
    scenario.call(2, Action::Get).respond(2, Position::Applied(3), &holds(5));
    scenario.call(3, Action::Get);
    assert_eq!(kind(scenario.try_respond(3, Position::Applied(2), &ABSENT)), "real-time-order");
}

#[test]
fn concurrent_reads_may_show_the_same_value() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5)).apply(3, 1);
    scenario.call(2, Action::Get).respond(2, Position::Applied(3), &holds(5));
    scenario.call(3, Action::Get).respond(3, Position::Applied(3), &holds(5));
    scenario.call(4, Action::Get).respond(4, Position::Applied(6), &holds(5)).respond(
        1,
        Position::Log(3),
        &Response::Done,
    );
    assert_eq!(scenario.witness.checks(), 4);
}

#[test]
fn a_read_that_contradicts_the_log_is_reported() {
    let mut scenario = Scenario::new();
    scenario.put(1, 5, 3).call(2, Action::Get);
    let failure = scenario.try_respond(2, Position::Applied(4), &ABSENT).unwrap_err();
    let WitnessFailure::WrongResponse { replay, .. } = &*failure else { panic!("{failure}") };
    assert_eq!(*replay, Replay::Written { index: 4, content: Content::Present(5), writer: id(1), at: 3 });
    assert!(
        failure.to_string().ends_with(
            "told \"nothing\" from index 4, but the log up to there leaves \"5\", since s1#1 at index 3"
        ),
        "{failure}"
    );
}

#[test]
fn a_lost_write_is_reported_even_without_a_read() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5));
    assert_eq!(kind(scenario.try_respond(1, Position::Log(3), &Response::Done)), "not-applied");
    // The log has another entry at the index of the response.
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5)).call(2, Action::Put(6)).apply(3, 2).apply(4, 1);
    assert_eq!(kind(scenario.try_respond(1, Position::Log(3), &Response::Done)), "not-applied");
}

#[test]
fn an_abandoned_write_may_happen_later() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5)).put(2, 6, 3);
    scenario.call(3, Action::Get).respond(3, Position::Applied(3), &holds(6));
    scenario.apply(9, 1).call(4, Action::Get).respond(4, Position::Applied(9), &holds(5));
}

#[test]
fn an_effect_before_the_call_is_reported() {
    let mut scenario = Scenario::new();
    let failure = scenario.witness.record_apply(3, id(1), true).unwrap_err();
    assert_eq!(failure.kind(), "never-called");
    // An entry is applied at or below an index that a response has named, before or after the call.
    for index in [6, 7] {
        let mut scenario = Scenario::new();
        scenario.call(2, Action::Get).respond(2, Position::Applied(7), &ABSENT).call(1, Action::Put(5));
        assert_eq!(kind(scenario.witness.record_apply(index, id(1), true)), "real-time-order");
        let mut scenario = Scenario::new();
        scenario.call(2, Action::Get).call(1, Action::Put(5)).respond(2, Position::Applied(7), &ABSENT);
        assert_eq!(kind(scenario.witness.record_apply(index, id(1), true)), "applied-late");
    }
    let mut scenario = Scenario::new();
    scenario.call(2, Action::Get).respond(2, Position::Applied(7), &ABSENT).put(1, 5, 8);
}

#[test]
fn a_repeated_effect_is_reported() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Append(5)).apply(3, 1);
    assert_eq!(kind(scenario.witness.record_apply(4, id(1), true)), "applied-twice");
}

#[test]
fn a_retry_from_the_session_table_may_name_either_index() {
    for named in [3, 5] {
        let mut scenario = Scenario::new();
        scenario.call(1, Action::Put(5)).apply(3, 1).put(2, 6, 4);
        scenario.witness.record_apply(5, id(1), false).expect("a repeat from the session table passes");
        scenario.respond(1, Position::Log(named), &Response::Done);
        // It took effect at 3, whichever index it names.
        scenario.call(3, Action::Get).respond(3, Position::Applied(5), &holds(6));
    }
}

#[test]
fn a_rejected_request_takes_no_effect_and_must_not_succeed() {
    let mut scenario = Scenario::new();
    scenario.call(1, Action::Put(5));
    scenario.witness.record_apply(3, id(1), false).expect("an apply without effect passes");
    scenario.call(2, Action::Get).respond(2, Position::Applied(3), &ABSENT);
    assert_eq!(kind(scenario.try_respond(1, Position::Log(3), &Response::Done)), "not-applied");
}

#[test]
fn a_compare_and_set_is_checked_at_its_own_index() {
    let respond_to_cas = |effect: bool, response: Response| {
        let mut scenario = Scenario::new();
        scenario.put(1, 5, 1).call(2, cas(5, 6)).call(3, cas(5, 7)).apply(2, 2);
        scenario.witness.record_apply(3, id(3), effect).expect("a mismatch passes with or without an effect");
        scenario.put(4, 5, 4);
        scenario.try_respond(3, Position::Log(3), &response)
    };
    for effect in [false, true] {
        assert_eq!(respond_to_cas(effect, Response::Mismatch(Some(Content::Present(6)))), Ok(()));
        assert_eq!(respond_to_cas(effect, Response::Mismatch(None)), Ok(()));
        assert_eq!(
            kind(respond_to_cas(effect, Response::Mismatch(Some(Content::Present(7))))),
            "wrong-response"
        );
        assert_eq!(kind(respond_to_cas(effect, Response::Done)), "wrong-response");
    }
}

#[test]
fn a_list_read_is_checked_at_its_index() {
    let mut scenario = Scenario::new();
    for (session, index) in [(1, 2), (2, 3), (3, 7)] {
        scenario.call(session, Action::Append(10 * session)).apply(index, session);
    }
    let long = Response::List(vec![10, 20]);
    scenario.call(4, Action::List).call(5, Action::List).call(6, Action::List).call(7, Action::List);
    scenario.respond(4, Position::Applied(6), &long).respond(
        5,
        Position::Applied(1),
        &Response::List(vec![]),
    );
    let swapped = Response::List(vec![20, 10]);
    assert_eq!(kind(scenario.try_respond(6, Position::Applied(6), &swapped)), "wrong-response");
    assert_eq!(kind(scenario.try_respond(7, Position::Applied(7), &long)), "wrong-response");
}

#[test]
fn a_read_through_the_log_is_checked_at_its_index() {
    let mut scenario = Scenario::new();
    scenario.put(1, 5, 1).call(2, Action::Get).call(3, Action::Put(6)).apply(2, 2).apply(3, 3);
    scenario.respond(3, Position::Log(3), &Response::Done).respond(2, Position::Log(2), &holds(5));
}

#[test]
fn any_session_and_sequence_numbers_work() {
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
