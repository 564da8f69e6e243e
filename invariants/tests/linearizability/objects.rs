//! Sets, counters, queues and mutexes: each check is compared with brute force over all orders of tiny
//! histories, on simple reference models.

use crate::random_histories::TestRng;
use invariants::RequestId;
use invariants::linearizability::{
    Action, Budget, Call, CallDefect, Object, Operation, Response, Verdict, check, check_by_search,
    find_order,
};

const OBJECTS: [Object; 4] = [Object::Set, Object::Counter, Object::Queue, Object::Mutex];

/// All four objects in the simplest form: the vector is the set or the queue; the number is the counter, or 1
/// while the mutex is held. Returns the response; `None`: the action is impossible now.
fn apply_action(state: &mut (Vec<u64>, i64), action: Action) -> Option<Response> {
    let (elements, number) = state;
    match action {
        Action::SetAdd(element) => {
            elements.retain(|other| *other != element);
            elements.push(element);
            elements.sort_unstable();
        }
        Action::SetRemove(element) => elements.retain(|other| *other != element),
        Action::SetRead => return Some(Response::Set(elements.as_slice().into())),
        Action::CounterAdd(more) => *number += more,
        Action::CounterRead => return Some(Response::Count(*number)),
        Action::Enqueue(value) => elements.push(value),
        Action::Dequeue if elements.is_empty() => return Some(Response::Dequeued(None)),
        Action::Dequeue => return Some(Response::Dequeued(Some(elements.remove(0)))),
        Action::Acquire if *number == 0 => *number = 1,
        Action::Release if *number == 1 => *number = 0,
        _ => return None,
    }
    Some(Response::Done)
}

/// Whether some order of the operations explains all responses. Those of unknown outcome may be left out.
fn has_order(history: &[Call], state: &(Vec<u64>, i64), placed: &mut [bool]) -> bool {
    if history.iter().zip(&*placed).all(|(call, &placed)| placed || call.returned.is_none()) {
        return true;
    }
    for next in 0..history.len() {
        let too_early = history.iter().zip(&*placed).any(|(other, &placed)| {
            !placed && matches!(other.returned, Some((returned, _)) if returned < history[next].called)
        });
        if placed[next] || too_early {
            continue;
        }
        let mut after = state.clone();
        let Some(response) = apply_action(&mut after, history[next].operation.action) else { continue };
        if !history[next].returned.as_ref().is_none_or(|(_, recorded)| *recorded == response) {
            continue;
        }
        placed[next] = true;
        if has_order(history, &after, placed) {
            return true;
        }
        placed[next] = false;
    }
    false
}

fn is_linearizable(history: &[Call]) -> bool {
    has_order(history, &(Vec::new(), 0), &mut vec![false; history.len()])
}

/// A tiny history of a correct object, sometimes with wrong responses.
fn history(rng: &mut TestRng, object: Object) -> Vec<Call> {
    let (operations, span, values) = (2 + rng.below(6), 4 + rng.below(30), 1 + rng.below(4));
    let unknown = [0, 15, 40][rng.below(3) as usize];
    let mut history = Vec::new();
    let mut times = Vec::new();
    for number in 0..operations {
        let value = 1 + rng.below(values);
        let action = match (object, rng.below(10)) {
            (Object::Set, 0..4) => Action::SetAdd(value),
            (Object::Set, 4 | 5) => Action::SetRemove(value),
            (Object::Set, _) => Action::SetRead,
            (Object::Counter, 0..6) => Action::CounterAdd(value as i64 - 2),
            (Object::Counter, _) => Action::CounterRead,
            (Object::Queue, 0..5) => Action::Enqueue(value),
            (Object::Queue, _) => Action::Dequeue,
            (_, draw) if draw < 5 => Action::Acquire,
            _ => Action::Release,
        };
        let called = rng.below(span);
        let returned = called + rng.below(span / 2 + 1);
        let is_unknown = rng.percent(unknown);
        if !is_unknown || rng.percent(50) {
            let end = if is_unknown { 2 * span } else { returned };
            times.push((called + rng.below(end - called + 1), number as usize));
        }
        history.push(Call {
            id: RequestId { session: number % 3, sequence: number },
            operation: Operation { key: 0, action },
            called,
            returned: (!is_unknown).then_some((returned, Response::Done)),
        });
    }
    times.sort_unstable();
    let mut state = (Vec::new(), 0);
    for (_, number) in times {
        let call = &mut history[number];
        let response = apply_action(&mut state, call.operation.action);
        if let Some((_, recorded)) = &mut call.returned {
            match response {
                Some(response) => *recorded = response,
                // It blocks forever.
                None => call.returned = None,
            }
        }
    }
    for _ in 0..rng.below(3) {
        let call = &mut history[rng.below(operations) as usize];
        let wrong_value = 1 + rng.below(values);
        match &mut call.returned {
            Some((_, Response::Set(elements))) if elements.is_empty() || rng.percent(50) => {
                if !elements.contains(&wrong_value) {
                    let mut more = elements.to_vec();
                    more.push(wrong_value);
                    more.sort_unstable();
                    *elements = more.into();
                }
            }
            Some((_, Response::Set(elements))) => *elements = elements[..elements.len() - 1].into(),
            Some((_, Response::Count(count))) => *count += wrong_value as i64,
            Some((_, Response::Dequeued(value))) => *value = rng.percent(70).then_some(wrong_value),
            Some((returned, _)) => *returned = call.called + (*returned - call.called) / 2,
            None => call.returned = Some((call.called + rng.below(span), Response::Done)),
        }
        if call.returned.as_ref().is_some_and(|(_, response)| {
            !invariants::linearizability::is_response_to(call.operation.action, response)
        }) {
            call.returned = None;
        }
    }
    history
}

#[test]
fn every_object_check_agrees_with_brute_force() {
    let mut rng = TestRng(7);
    for object in OBJECTS {
        let (mut good, mut bad) = (0, 0);
        for round in 0..4_000 {
            let history = history(&mut rng, object);
            let describe = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
            let linearizable = is_linearizable(&history);
            for verdict in [check(&history, Budget::default()), check_by_search(&history, Budget::default())]
            {
                let verdict = verdict.expect("well formed");
                let context = || format!("{object}, round {round}: {verdict}{}", describe());
                match &verdict {
                    Verdict::Linearizable => assert!(linearizable, "{}", context()),
                    Verdict::Violation(explanation) => {
                        assert!(!linearizable, "{}", context());
                        assert!(!is_linearizable(&explanation.operations), "{}", context());
                    }
                    Verdict::Unknown { .. } => panic!("{}", context()),
                }
            }
            let order = find_order(&history, Budget::default()).expect("well formed");
            assert_eq!(order.is_some(), linearizable, "{object}, round {round}{}", describe());
            let mut state = (Vec::new(), 0);
            for call in order.into_iter().flatten().map(|index| &history[index]) {
                let answered = apply_action(&mut state, call.operation.action);
                let wanted = call.returned.as_ref().map(|(_, response)| response);
                assert!(wanted.is_none() || answered.as_ref() == wanted, "{object}, {call}{}", describe());
            }
            good += u32::from(linearizable);
            bad += u32::from(!linearizable);
        }
        // Both verdicts must occur often enough for the comparison to mean something.
        assert!(good > 500 && bad > 500, "{object}: {good} good, {bad} bad");
    }
}

#[test]
fn a_key_must_be_one_object() {
    let call = |sequence, action| Call {
        id: RequestId { session: 1, sequence },
        operation: Operation { key: 0, action },
        called: sequence,
        returned: None,
    };
    let mixed = [call(0, Action::SetAdd(1)), call(1, Action::Enqueue(1))];
    let malformed = check(&mixed, Budget::default()).expect_err("two objects");
    assert_eq!((malformed.index, malformed.defect), (1, CallDefect::OtherObject(0, Object::Set)));
}

/// A good history stays good when all operations on one element of a set, or one value of a queue, are
/// removed. So shrinking may remove them from a bad one.
#[test]
fn removing_one_value_keeps_a_history_linearizable() {
    let mut rng = TestRng(11);
    for object in [Object::Set, Object::Queue] {
        let mut checked = 0;
        for round in 0..4_000 {
            let mut history = history(&mut rng, object);
            if !is_linearizable(&history) {
                continue;
            }
            let removed = 1 + rng.below(4);
            history.retain(|call| match (call.operation.action, &call.returned) {
                (Action::SetAdd(value) | Action::SetRemove(value) | Action::Enqueue(value), _) => {
                    value != removed
                }
                (_, Some((_, Response::Dequeued(value)))) => *value != Some(removed),
                _ => true,
            });
            for call in &mut history {
                if let Some((_, Response::Set(elements))) = &mut call.returned {
                    *elements = elements.iter().copied().filter(|element| *element != removed).collect();
                }
            }
            checked += 1;
            assert!(is_linearizable(&history), "{object}, round {round}, without {removed}: {history:?}");
        }
        assert!(checked > 1_000, "{object}: {checked}");
    }
}

/// A history like those of real systems: `calls` calls by five sequential clients, some of unknown outcome.
/// Values are written once. The holder of a mutex releases it, and a queue is drained at the end.
fn simulated(rng: &mut TestRng, object: Object, calls: u64, unknown: u64) -> Vec<Call> {
    let mut history: Vec<Call> = Vec::new();
    let mut state = (Vec::new(), 0);
    // The open call of each client, and whether it has taken effect.
    let mut clients: [Option<(usize, bool)>; 5] = [None; 5];
    let (mut names, mut holds_mutex) = ([0, 1, 2, 3, 4], [false; 5]);
    let mut pending: Vec<usize> = Vec::new();
    let mut now = 0;
    let end = |history: &[Call], state: &(Vec<u64>, i64)| {
        history.len() as u64 >= calls && (object != Object::Queue || state.0.is_empty())
    };
    while !end(&history, &state) || clients.iter().any(Option::is_some) {
        now += 1;
        if !pending.is_empty() && rng.percent(10) {
            let call = pending.swap_remove(rng.below(pending.len() as u64) as usize);
            apply_action(&mut state, history[call].operation.action);
        }
        let client = rng.below(5) as usize;
        match clients[client] {
            // A client that holds the mutex must still release it, because others wait.
            None if end(&history, &state) && !holds_mutex[client] => {}
            None => {
                let value = 1 + history.len() as u64;
                let action = match (object, rng.below(10)) {
                    (Object::Set, 0..7) => Action::SetAdd(value),
                    (Object::Set, _) => Action::SetRead,
                    (Object::Counter, 0..7) => Action::CounterAdd(1 + value as i64 % 5),
                    (Object::Counter, _) => Action::CounterRead,
                    (Object::Queue, draw) if draw < 6 && value <= calls => Action::Enqueue(value),
                    (Object::Queue, _) => Action::Dequeue,
                    _ if holds_mutex[client] => Action::Release,
                    _ => Action::Acquire,
                };
                history.push(Call {
                    id: RequestId { session: names[client], sequence: now },
                    operation: Operation { key: 0, action },
                    called: now,
                    returned: None,
                });
                clients[client] = Some((history.len() - 1, false));
            }
            Some((call, false)) => {
                let action = history[call].operation.action;
                if !action.is_read() && action != Action::Release && rng.percent(unknown) {
                    if rng.percent(50) && action != Action::Acquire {
                        pending.push(call);
                    }
                    clients[client] = None;
                    names[client] += 5;
                } else if let Some(response) = apply_action(&mut state, action) {
                    history[call].returned = Some((0, response));
                    clients[client] = Some((call, true));
                }
            }
            Some((call, true)) => {
                if let Some((returned, _)) = &mut history[call].returned {
                    *returned = now;
                }
                holds_mutex[client] = history[call].operation.action == Action::Acquire;
                clients[client] = None;
            }
        }
    }
    history
}

/// A thousand calls of five clients are decided within the default budget.
#[test]
fn realistic_histories_are_decided_within_the_default_budget() {
    for object in OBJECTS {
        for unknown in [0, 3, 10] {
            let (mut good, mut bad) = (0, 0);
            for seed in 0..6 {
                let mut rng = TestRng(seed);
                let mut history = simulated(&mut rng, object, 1_000, unknown);
                let context =
                    |verdict: &Verdict| format!("{object}, {unknown} % unknown, seed {seed}: {verdict}");
                let verdict = check(&history, Budget::default()).expect("well formed");
                assert_eq!(verdict, Verdict::Linearizable, "{}", context(&verdict));
                good += 1;
                // With one corruption: two responses of the same kind are swapped, or an acquire becomes a
                // release.
                let responses: Vec<usize> = (0..history.len())
                    .filter(|&index| match &history[index].returned {
                        Some((_, Response::Done)) => object == Object::Mutex,
                        Some((_, Response::Dequeued(value))) => value.is_some(),
                        answer => answer.is_some(),
                    })
                    .collect();
                let (one, other) = (responses[responses.len() / 4], responses[3 * responses.len() / 4]);
                if object == Object::Mutex {
                    history[one].operation.action = match history[one].operation.action {
                        Action::Acquire => Action::Release,
                        _ => Action::Acquire,
                    };
                } else {
                    let taken = history[one].returned.as_ref().map(|(_, answer)| answer.clone());
                    let given = history[other].returned.as_ref().map(|(_, answer)| answer.clone());
                    for (index, answer) in [(one, given), (other, taken)] {
                        if let (Some((_, old)), Some(new)) = (&mut history[index].returned, answer) {
                            *old = new;
                        }
                    }
                }
                let verdict = check(&history, Budget::default()).expect("well formed");
                assert!(!matches!(verdict, Verdict::Unknown { .. }), "{}", context(&verdict));
                if let Verdict::Violation(explanation) = verdict {
                    // A dequeue of unknown outcome may have removed a value that blocked others, so it stays.
                    let is_needed =
                        |call: &&Call| call.returned.is_some() || call.operation.action != Action::Dequeue;
                    let few = explanation.operations.iter().filter(is_needed).count();
                    assert!(few <= 6 || matches!(object, Object::Counter | Object::Mutex), "{explanation}");
                    bad += 1;
                }
            }
            assert!(
                good == 6 && (bad == 6 || object == Object::Mutex && bad > 0),
                "{object}, {unknown} % unknown: {bad} bad"
            );
        }
    }
}
