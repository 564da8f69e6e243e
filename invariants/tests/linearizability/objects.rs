//! Sets, counters, queues and mutexes: the check of each next to all orders of tiny histories, tried one after the other
//! on plain models of their own.

use crate::chance::Chance;
use invariants::fact::RequestId;
use invariants::linearizability::{
    Action, Budget, Call, Object, Operation, Response, Verdict, check, check_by_search, find_order,
};

const OBJECTS: [Object; 4] = [Object::Set, Object::Counter, Object::Queue, Object::Mutex];

/// All four objects in the plainest form: a vector is the set or the queue, the number is the counter, or tells whether
/// the mutex is held. Answers what an action is told; `None`: it cannot happen now.
fn carry_out(held: &mut (Vec<u64>, i64), action: Action) -> Option<Response> {
    let (elements, number) = held;
    match action {
        Action::SetAdd(element) => {
            elements.retain(|other| *other != element);
            elements.push(element);
            elements.sort_unstable();
        }
        Action::SetRemove(element) => elements.retain(|other| *other != element),
        Action::SetRead => return Some(Response::Set(elements.clone())),
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

/// Whether some order of the operations explains all answers. Those of unknown outcome may be left out.
fn has_order(history: &[Call], held: &(Vec<u64>, i64), placed: &mut [bool]) -> bool {
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
        let mut after = held.clone();
        let Some(told) = carry_out(&mut after, history[next].operation.action) else { continue };
        if !history[next].returned.as_ref().is_none_or(|(_, response)| *response == told) {
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

/// A tiny history as a correct object leaves it, with a wrong answer now and then.
fn history(chance: &mut Chance, object: Object) -> Vec<Call> {
    let (operations, span, values) = (2 + chance.below(6), 4 + chance.below(30), 1 + chance.below(4));
    let unknown = [0, 15, 40][chance.below(3) as usize];
    let mut history = Vec::new();
    let mut moments = Vec::new();
    for number in 0..operations {
        let value = 1 + chance.below(values);
        let action = match (object, chance.below(10)) {
            (Object::Set, 0..4) => Action::SetAdd(value),
            (Object::Set, 4 | 5) => Action::SetRemove(value),
            (Object::Set, _) => Action::SetRead,
            (Object::Counter, 0..6) => Action::CounterAdd(value as i64 - 2),
            (Object::Counter, _) => Action::CounterRead,
            (Object::Queue, 0..5) => Action::Enqueue(value),
            (Object::Queue, _) => Action::Dequeue,
            (_, lot) if lot < 5 => Action::Acquire,
            _ => Action::Release,
        };
        let called = chance.below(span);
        let returned = called + chance.below(span / 2 + 1);
        let is_unknown = chance.percent(unknown);
        if !is_unknown || chance.percent(50) {
            let end = if is_unknown { 2 * span } else { returned };
            moments.push((called + chance.below(end - called + 1), number as usize));
        }
        history.push(Call {
            id: RequestId { session: number % 3, sequence: number },
            operation: Operation { key: 0, action },
            called,
            returned: (!is_unknown).then_some((returned, Response::Done)),
        });
    }
    moments.sort_unstable();
    let mut held = (Vec::new(), 0);
    for (_, number) in moments {
        let call = &mut history[number];
        let told = carry_out(&mut held, call.operation.action);
        if let Some((_, response)) = &mut call.returned {
            match told {
                Some(told) => *response = told,
                // It blocks for ever.
                None => call.returned = None,
            }
        }
    }
    for _ in 0..chance.below(3) {
        let call = &mut history[chance.below(operations) as usize];
        let lie = 1 + chance.below(values);
        match &mut call.returned {
            Some((_, Response::Set(elements))) if elements.is_empty() || chance.percent(50) => {
                if !elements.contains(&lie) {
                    elements.push(lie);
                    elements.sort_unstable();
                }
            }
            Some((_, Response::Set(elements))) => drop(elements.pop()),
            Some((_, Response::Count(count))) => *count += lie as i64,
            Some((_, Response::Dequeued(value))) => *value = chance.percent(70).then_some(lie),
            Some((returned, _)) => *returned = call.called + (*returned - call.called) / 2,
            None => call.returned = Some((call.called + chance.below(span), Response::Done)),
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
fn every_object_is_judged_as_by_all_orders_tried() {
    let mut chance = Chance(7);
    for object in OBJECTS {
        let (mut good, mut bad) = (0, 0);
        for round in 0..4_000 {
            let history = history(&mut chance, object);
            let told = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
            let linearizable = is_linearizable(&history);
            for verdict in [check(&history, Budget::default()), check_by_search(&history, Budget::default())]
            {
                let verdict = verdict.expect("well formed");
                let told = || format!("{object}, round {round}: {verdict}{}", told());
                match &verdict {
                    Verdict::Linearizable => assert!(linearizable, "{}", told()),
                    Verdict::Violation(explanation) => {
                        assert!(!linearizable, "{}", told());
                        assert!(!is_linearizable(&explanation.operations), "{}", told());
                    }
                    Verdict::Unknown { .. } => panic!("{}", told()),
                }
            }
            let order = find_order(&history, Budget::default()).expect("well formed");
            assert_eq!(order.is_some(), linearizable, "{object}, round {round}{}", told());
            let mut held = (Vec::new(), 0);
            for call in order.into_iter().flatten().map(|place| &history[place]) {
                let answered = carry_out(&mut held, call.operation.action);
                let wanted = call.returned.as_ref().map(|(_, response)| response);
                assert!(wanted.is_none() || answered.as_ref() == wanted, "{object}, {call}{}", told());
            }
            good += u32::from(linearizable);
            bad += u32::from(!linearizable);
        }
        // Green alone would prove nothing.
        assert!(good > 500 && bad > 500, "{object}: {good} good, {bad} bad");
    }
}

#[test]
fn a_key_is_one_object() {
    let call = |sequence, action| Call {
        id: RequestId { session: 1, sequence },
        operation: Operation { key: 0, action },
        called: sequence,
        returned: None,
    };
    let mixed = [call(0, Action::SetAdd(1)), call(1, Action::Enqueue(1))];
    let malformed = check(&mixed, Budget::default()).expect_err("two objects");
    assert_eq!((malformed.call, malformed.other), (1, Some(0)));
    assert!(malformed.sentence.contains("a key be a set and a queue"), "{malformed}");
}

/// What is left of a good history when an element of a set, or a value of a queue, goes with all that is about it, is good.
/// So it may be taken away from a bad one to see whether that is still bad.
#[test]
fn one_value_does_not_depend_on_another() {
    let mut chance = Chance(11);
    for object in [Object::Set, Object::Queue] {
        let mut looked = 0;
        for round in 0..4_000 {
            let mut history = history(&mut chance, object);
            if !is_linearizable(&history) {
                continue;
            }
            let gone = 1 + chance.below(4);
            history.retain(|call| match (call.operation.action, &call.returned) {
                (Action::SetAdd(value) | Action::SetRemove(value) | Action::Enqueue(value), _) => {
                    value != gone
                }
                (_, Some((_, Response::Dequeued(value)))) => *value != Some(gone),
                _ => true,
            });
            for call in &mut history {
                if let Some((_, Response::Set(elements))) = &mut call.returned {
                    elements.retain(|element| *element != gone);
                }
            }
            looked += 1;
            assert!(is_linearizable(&history), "{object}, round {round}, without {gone}: {history:?}");
        }
        assert!(looked > 1_000, "{object}: {looked}");
    }
}

/// What a test of a real system records: so many calls by five clients, one after the other each, with some of unknown
/// outcome. Values are written once. A mutex is given back by whoever holds it, and a queue is drained at the end.
fn recorded(chance: &mut Chance, object: Object, calls: u64, unknown: u64) -> Vec<Call> {
    let mut history: Vec<Call> = Vec::new();
    let mut held = (Vec::new(), 0);
    // What each client has called, and whether that has happened.
    let mut clients: [Option<(usize, bool)>; 5] = [None; 5];
    let (mut names, mut holds) = ([0, 1, 2, 3, 4], [false; 5]);
    let mut late: Vec<usize> = Vec::new();
    let mut now = 0;
    let end = |history: &[Call], held: &(Vec<u64>, i64)| {
        history.len() as u64 >= calls && (object != Object::Queue || held.0.is_empty())
    };
    while !end(&history, &held) || clients.iter().any(Option::is_some) {
        now += 1;
        if !late.is_empty() && chance.percent(10) {
            let call = late.swap_remove(chance.below(late.len() as u64) as usize);
            carry_out(&mut held, history[call].operation.action);
        }
        let client = chance.below(5) as usize;
        match clients[client] {
            // Whoever holds the mutex gives it back, for others wait.
            None if end(&history, &held) && !holds[client] => {}
            None => {
                let value = 1 + history.len() as u64;
                let action = match (object, chance.below(10)) {
                    (Object::Set, 0..7) => Action::SetAdd(value),
                    (Object::Set, _) => Action::SetRead,
                    (Object::Counter, 0..7) => Action::CounterAdd(1 + value as i64 % 5),
                    (Object::Counter, _) => Action::CounterRead,
                    (Object::Queue, lot) if lot < 6 && value <= calls => Action::Enqueue(value),
                    (Object::Queue, _) => Action::Dequeue,
                    _ if holds[client] => Action::Release,
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
                if !action.is_read() && action != Action::Release && chance.percent(unknown) {
                    if chance.percent(50) && action != Action::Acquire {
                        late.push(call);
                    }
                    clients[client] = None;
                    names[client] += 5;
                } else if let Some(told) = carry_out(&mut held, action) {
                    history[call].returned = Some((0, told));
                    clients[client] = Some((call, true));
                }
            }
            Some((call, true)) => {
                if let Some((returned, _)) = &mut history[call].returned {
                    *returned = now;
                }
                holds[client] = history[call].operation.action == Action::Acquire;
                clients[client] = None;
            }
        }
    }
    history
}

/// Each of these is decided by default and soon: a thousand calls of five clients.
#[test]
fn what_tests_of_real_systems_record_is_decided_by_default() {
    for object in OBJECTS {
        for unknown in [0, 3, 10] {
            let (mut good, mut bad) = (0, 0);
            for seed in 0..6 {
                let mut chance = Chance(seed);
                let mut history = recorded(&mut chance, object, 1_000, unknown);
                let told =
                    |verdict: &Verdict| format!("{object}, {unknown} % unknown, seed {seed}: {verdict}");
                let verdict = check(&history, Budget::default()).expect("well formed");
                assert_eq!(verdict, Verdict::Linearizable, "{}", told(&verdict));
                good += 1;
                // And with one lie: two answers of the same kind change places, or what was done is undone.
                let answers: Vec<usize> = (0..history.len())
                    .filter(|&place| match &history[place].returned {
                        Some((_, Response::Done)) => object == Object::Mutex,
                        Some((_, Response::Dequeued(value))) => value.is_some(),
                        answer => answer.is_some(),
                    })
                    .collect();
                let (one, other) = (answers[answers.len() / 4], answers[3 * answers.len() / 4]);
                if object == Object::Mutex {
                    history[one].operation.action = match history[one].operation.action {
                        Action::Acquire => Action::Release,
                        _ => Action::Acquire,
                    };
                } else {
                    let taken = history[one].returned.as_ref().map(|(_, answer)| answer.clone());
                    let given = history[other].returned.as_ref().map(|(_, answer)| answer.clone());
                    for (place, answer) in [(one, given), (other, taken)] {
                        if let (Some((_, old)), Some(new)) = (&mut history[place].returned, answer) {
                            *old = new;
                        }
                    }
                }
                let verdict = check(&history, Budget::default()).expect("well formed");
                assert!(!matches!(verdict, Verdict::Unknown { .. }), "{}", told(&verdict));
                if let Verdict::Violation(explanation) = verdict {
                    // A dequeue of unknown outcome may have taken what was in the way of others, so it stays.
                    let is_told =
                        |call: &&Call| call.returned.is_some() || call.operation.action != Action::Dequeue;
                    let few = explanation.operations.iter().filter(is_told).count();
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
