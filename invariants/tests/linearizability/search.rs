//! The search on hand-made histories: malformed input, many open operations, budgets and explanations.

use invariants::linearizability::{
    Action, Budget, Call, Content, Operation, Response, UnknownReason, Verdict, check, check_by_search,
    report_with_deadline,
};
use invariants::{RequestId, Time};
use std::time::Duration;

fn call(session: u64, action: Action, called: Time, returned: Option<(Time, Response)>) -> Call {
    let id = RequestId { session, sequence: called };
    Call { id, operation: Operation { key: 3, action }, called, returned }
}

fn put(session: u64, value: u64, called: Time, returned: Time) -> Call {
    call(session, Action::Put(value), called, Some((returned, Response::Done)))
}

fn get(session: u64, value: u64, called: Time, returned: Time) -> Call {
    let content = if value == 0 { Content::INITIAL } else { Content::Present(value) };
    call(session, Action::Get, called, Some((returned, Response::Holds(content))))
}

fn verdict_of(history: &[Call]) -> Verdict {
    check(history, Budget::default()).expect("well formed")
}

#[test]
fn an_empty_history_is_linearizable() {
    assert_eq!(verdict_of(&[]), Verdict::Linearizable);
    assert_eq!(check(&[], Budget { steps: 0, ..Budget::default() }), Ok(Verdict::Linearizable));
    assert_eq!(verdict_of(&[call(1, Action::Get, 5, None)]), Verdict::Linearizable);
}

#[test]
fn a_stale_read_is_explained() {
    let history = [put(1, 5, 0, 10), put(2, 6, 20, 30), get(1, 5, 40, 50), get(2, 6, 60, 70)];
    let Verdict::Violation(explanation) = verdict_of(&history) else { panic!("a stale read") };
    insta::assert_snapshot!(explanation);
    // The near miss: the second write is still open.
    let history = [put(1, 5, 0, 10), put(2, 6, 20, 41), get(1, 5, 40, 50), get(2, 6, 60, 70)];
    assert_eq!(verdict_of(&history), Verdict::Linearizable);
}

#[test]
fn touching_intervals_are_concurrent() {
    assert_eq!(verdict_of(&[put(1, 5, 0, 10), get(2, 0, 10, 20)]), Verdict::Linearizable);
    assert_ne!(verdict_of(&[put(1, 5, 0, 10), get(2, 0, 11, 20)]), Verdict::Linearizable);
}

#[test]
fn an_unknown_write_may_happen_late_but_only_once() {
    let unknown = call(1, Action::Put(5), 0, None);
    let late = [unknown.clone(), put(2, 6, 1, 2), get(2, 6, 3, 4), get(2, 5, 900, 901)];
    assert_eq!(verdict_of(&late), Verdict::Linearizable);
    let twice = [unknown, get(2, 5, 1, 2), put(2, 6, 3, 4), get(2, 6, 5, 6), get(2, 5, 7, 8)];
    assert_ne!(verdict_of(&twice), Verdict::Linearizable);
}

#[test]
fn the_order_of_the_calls_in_the_history_does_not_matter() {
    let mut history = vec![put(1, 5, 0, 10), put(2, 6, 20, 30), get(1, 6, 40, 50), get(2, 6, 60, 70)];
    assert_eq!(verdict_of(&history), Verdict::Linearizable);
    history.reverse();
    assert_eq!(verdict_of(&history), Verdict::Linearizable);
    history.push(get(3, 5, 80, 90));
    history.rotate_right(2);
    let Verdict::Violation(explanation) = verdict_of(&history) else { panic!("a stale read") };
    assert_eq!(explanation.stuck, get(3, 5, 80, 90));
}

/// All writes are open at once, and each is read once.
#[test]
fn hundreds_of_open_operations_are_decided() {
    for clients in [10, 64, 65, 300, 700] {
        let mut history: Vec<Call> = (1..=clients).map(|value| put(value, value, value, 50_000)).collect();
        history.extend((1..=clients).map(|value| get(value, value, 1_000 + 10 * value, 1_005 + 10 * value)));
        assert_eq!(verdict_of(&history), Verdict::Linearizable, "{clients}");
        history.push(get(1, 1, 20_000, 20_001));
        assert!(matches!(verdict_of(&history), Verdict::Violation(_)), "{clients}");
    }
}

/// The reason is not the budget, because no budget helps. A self-contradiction is still reported.
#[test]
fn too_many_open_operations_give_unknown_with_that_reason() {
    let wide = |clients: u64| -> Vec<Call> {
        (0..clients).map(|session| put(session, session % 2, session, 50_000)).collect()
    };
    assert_eq!(verdict_of(&wide(8_192)), Verdict::Linearizable);
    let verdict = verdict_of(&wide(9_000));
    assert_eq!(verdict, Verdict::Unknown { key: 3, reason: UnknownReason::TooManyPending(9_000) });
    assert_eq!(
        verdict.to_string(),
        "unknown: 9000 operations are open at once on k3, more than the 8192 that can be searched; \
         neither steps nor bytes would help"
    );
    let mut history = wide(9_000);
    history.push(get(9_001, 7, 60_000, 60_001));
    assert!(matches!(verdict_of(&history), Verdict::Violation(_)));
}

/// Many writes of few values are open at once, and the reads fit no order: the search must remember many
/// states.
fn hard() -> Vec<Call> {
    let mut history: Vec<Call> = (0..14).map(|at| put(at, 1 + at % 7, at, 1_000 + at)).collect();
    history.extend((0..20).map(|at| get(20, 1 + at % 2, 100 + 10 * at, 105 + 10 * at)));
    history
}

#[test]
fn the_memory_budget_is_respected() {
    let steps = u64::MAX;
    assert!(matches!(check(&hard(), Budget { steps, ..Budget::default() }), Ok(Verdict::Violation(_))));
    for bytes in [0, 1_000, 4_000] {
        let reason = UnknownReason::Bytes(bytes);
        assert_eq!(
            check(&hard(), Budget { steps, bytes }),
            Ok(Verdict::Unknown { key: 3, reason }),
            "{bytes}"
        );
    }
}

/// `length` compare-and-sets, each of which returns while a few others are open, and a read that is wrong by one.
fn chain_with_a_wrong_read(length: u64) -> Vec<Call> {
    let cas = |at: u64| {
        let action = Action::CompareAndSet { expect: Content::Present((at + 2) % 3), value: at % 3 };
        call(at, action, 10 + 10 * at, Some((55 + 10 * at, Response::Done)))
    };
    let mut history = vec![put(0, 0, 1, 2)];
    history.extend((1..=length).map(cas));
    let (called, wrong) = (20 * length + 100, Response::Holds(Content::Present((length + 2) % 3)));
    history.push(call(length + 1, Action::Get, called, Some((called + 5, wrong))));
    history
}

/// The explanation uses the same budget. A proven violation stays one when the budget runs out there.
#[test]
fn the_budget_covers_the_explanation() {
    for length in [40, 4_000, 8_000] {
        for steps in [3 * length, 100 * length, Budget::default().steps] {
            let history = chain_with_a_wrong_read(length);
            let verdict = check(&history, Budget { steps, ..Budget::default() }).expect("well formed");
            let Verdict::Violation(explanation) = verdict else { panic!("{length}, {steps}: {verdict}") };
            assert_eq!(Some(&explanation.stuck), history.last(), "{length}, {steps}");
            // The explanation stays readable.
            let lines = explanation.to_string().lines().count();
            assert!(lines < 400, "{length}, {steps}: {lines} lines");
            let left = check_by_search(&explanation.operations, Budget::default());
            assert!(matches!(left, Ok(Verdict::Violation(_))), "{length}, {steps}");
        }
    }
}

/// All searches together stay within the budget, however many keys there are.
#[test]
fn the_budget_is_shared_by_all_keys() {
    let steps = 40_000;
    let verdict_of = |keys: u64| {
        let each = (0..keys).flat_map(|key| {
            let mut history = hard();
            history.iter_mut().for_each(|call| {
                call.operation.key = key;
                call.id.session += 100 * key;
            });
            history
        });
        check(&each.collect::<Vec<Call>>(), Budget { steps, ..Budget::default() })
    };
    assert!(matches!(verdict_of(1), Ok(Verdict::Violation(_))), "{:?}", verdict_of(1));
    assert_eq!(verdict_of(200), Ok(Verdict::Unknown { key: 0, reason: UnknownReason::Steps(steps) }));
}

/// A deadline turns a verdict only into "unknown", and the message names the option that would help.
#[test]
fn a_deadline_gives_unknown_and_never_a_wrong_verdict() {
    let time = Duration::from_nanos(1);
    let within =
        |history: &[Call], budget| report_with_deadline(history, budget, time).expect("well formed").verdict;
    let mut verdicts = [0; 3];
    for clients in [2, 4, 6, 7] {
        let mut history: Vec<Call> =
            (0..2 * clients).map(|at| put(at, 1 + at % clients, at, 1_000 + at)).collect();
        history.extend((0..20).map(|at| get(20, 1 + at % 2, 100 + 10 * at, 105 + 10 * at)));
        let verdict = within(&history, Budget::default());
        match &verdict {
            Verdict::Unknown { reason, .. } => assert_eq!(*reason, UnknownReason::Time(time)),
            verdict => assert_eq!(
                matches!(verdict, Verdict::Linearizable),
                verdict_of(&history) == Verdict::Linearizable,
                "{clients}: {verdict}"
            ),
        }
        verdicts[match verdict {
            Verdict::Linearizable => 0,
            Verdict::Violation(_) => 1,
            Verdict::Unknown { .. } => 2,
        }] += 1;
    }
    assert!(verdicts[2] > 0 && verdicts[0] + verdicts[1] > 0, "{verdicts:?}");
    let unknown = |reason| Verdict::Unknown { key: 3, reason }.to_string();
    assert!(unknown(UnknownReason::Time(Duration::from_millis(2_500))).contains("2.5 s did not suffice"));
    for (reason, option) in [
        (UnknownReason::Steps(7), "--steps"),
        (UnknownReason::Bytes(7), "--bytes"),
        (UnknownReason::Time(time), "--seconds"),
    ] {
        assert!(unknown(reason).contains(option), "{}", unknown(reason));
    }
}

#[test]
fn a_hard_key_does_not_hide_a_bad_one() {
    // Values repeat, so that a search is needed.
    let mut history: Vec<Call> = (1..10).map(|at| put(1, at % 3, 10 * at, 10 * at + 5)).collect();
    let steps = 3;
    assert_eq!(
        check(&history, Budget { steps, ..Budget::default() }),
        Ok(Verdict::Unknown { key: 3, reason: UnknownReason::Steps(steps) })
    );
    for mut call in [put(2, 5, 0, 10), get(2, 0, 20, 30)] {
        call.operation.key = 9;
        history.push(call);
    }
    let Ok(Verdict::Violation(explanation)) = check(&history, Budget { steps, ..Budget::default() }) else {
        panic!("the violation on k9 must be found")
    };
    assert_eq!(explanation.key, 9);
}

#[test]
fn malformed_histories_are_rejected() {
    let error_of = |history: &[Call]| check(history, Budget::default()).expect_err("malformed").to_string();
    assert_eq!(
        error_of(&[put(1, 5, 0, 10), put(1, 6, 20, 30), put(1, 5, 0, 10)]),
        "call 2 of the history: s1#0 stands in the history twice"
    );
    assert_eq!(
        error_of(&[put(1, 5, 20, 10)]),
        "call 0 of the history: s1#20 returned at 10, before its call at 20"
    );
    assert_eq!(
        error_of(&[put(1, 5, 0, 10), call(1, Action::Get, 20, Some((30, Response::Done)))]),
        "call 1 of the history: s1#20 asked \"get k3\" and was told \"done\""
    );
    assert_eq!(
        error_of(&[put(1, 5, 0, 10), call(1, Action::List, 20, None)]),
        "call 1 of the history: s1#20 has a key be a register and a list: list k3"
    );
}

#[test]
fn every_kind_of_contradiction_is_explained() {
    let cas = |session, expect, value, called, returned| {
        let expect = Content::Present(expect);
        call(session, Action::CompareAndSet { expect, value }, called, Some((returned, Response::Done)))
    };
    let mismatch = |session, expect, value, called, returned| {
        let expect = Content::Present(expect);
        let action = Action::CompareAndSet { expect, value };
        call(session, action, called, Some((returned, Response::Mismatch(None))))
    };
    let found = |session, expect, called, returned| {
        let expect = Content::Present(expect);
        let response = Response::Mismatch(Some(expect));
        call(session, Action::CompareAndSet { expect, value: 9 }, called, Some((returned, response)))
    };
    let append = |session, element, called, returned| {
        call(session, Action::Append(element), called, Some((returned, Response::Done)))
    };
    let replace = |session, element, called, returned| {
        call(session, Action::Replace(element), called, Some((returned, Response::Done)))
    };
    let list = |session, elements: &[u64], called, returned| {
        call(session, Action::List, called, Some((returned, Response::List(elements.to_vec()))))
    };
    let histories = [
        vec![put(1, 5, 0, 10), cas(1, 5, 6, 20, 50), cas(2, 5, 7, 25, 45)],
        vec![put(1, 5, 0, 10), cas(2, 5, 6, 20, 30), get(3, 6, 31, 32), get(2, 5, 40, 50)],
        vec![get(1, 5, 0, 10)],
        vec![get(1, 5, 0, 10), put(2, 5, 20, 30)],
        vec![append(1, 1, 0, 10), append(2, 2, 20, 30), list(1, &[2], 40, 50)],
        vec![append(1, 1, 0, 10), append(2, 2, 5, 30), list(1, &[1, 2], 40, 50), list(2, &[2, 1], 45, 55)],
        vec![append(1, 1, 0, 10), list(2, &[1, 1], 20, 30)],
        vec![put(1, 5, 0, 10), found(2, 5, 20, 30)],
        vec![cas(1, 5, 6, 0, 20), cas(2, 6, 5, 5, 25)],
        vec![list(1, &[1], 0, 10)],
        vec![append(1, 2, 0, 10), append(1, 1, 20, 30), list(2, &[1, 2], 40, 50)],
        vec![append(1, 1, 0, 10), list(2, &[1], 11, 15), list(2, &[], 20, 30)],
        vec![append(1, 1, 0, 50), list(2, &[1], 5, 10), list(3, &[], 20, 30)],
        vec![append(1, 1, 0, 10), replace(1, 2, 20, 30), list(2, &[1, 2], 40, 50)],
        vec![
            replace(1, 1, 0, 10),
            append(1, 2, 20, 30),
            replace(1, 3, 40, 50),
            list(2, &[1, 2], 25, 45),
            list(2, &[3, 2], 60, 70),
        ],
        // Values repeat, so that a search is needed before zones apply.
        vec![put(1, 5, 0, 10), put(2, 6, 20, 30), put(1, 6, 21, 31), get(3, 5, 40, 50), get(3, 6, 60, 70)],
        // The mismatch does not say what it found, so that only a search can decide.
        vec![put(1, 5, 0, 10), mismatch(2, 5, 6, 20, 30)],
    ];
    let messages: Vec<String> = histories
        .iter()
        .map(|history| match verdict_of(history) {
            Verdict::Violation(explanation) => explanation.to_string(),
            other => panic!("{other}: {history:?}"),
        })
        .collect();
    assert!(
        messages
            .iter()
            .flat_map(|messages| messages.lines())
            .all(|line| line.len() <= 100 && line.is_ascii())
    );
    insta::assert_snapshot!(messages.join("\n\n"));
}
