//! Sets, counters, queues and mutexes: the check of each next to all orders of tiny histories, tried one after the other
//! on plain models of their own.

use crate::chance::Chance;
use invariants::fact::RequestId;
use invariants::linearizability::{
    Action, Budget, Call, Object, Operation, Response, Verdict, check, check_by_search, order,
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
            !invariants::linearizability::answers(call.operation.action, response)
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
            let order = order(&history, Budget::default()).expect("well formed");
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
