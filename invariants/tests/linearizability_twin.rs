//! The search next to a stupid one: all orders of tiny histories, tried one after the other. And the witness next to
//! both: what it lets pass must be linearizable.

use invariants::fact::{RequestId, Time};
use invariants::linearizability::{
    Action, Budget, Call, Content, List, Model, Operation, Position, Register, Response, Verdict, Witness,
    check, is_of_list,
};
use std::collections::BTreeMap;

/// Whether some order explains the history, by trying all of them on all keys at once.
fn brute_force(history: &[Call]) -> bool {
    fn go(
        history: &[Call],
        placed: &mut Vec<bool>,
        registers: &BTreeMap<u64, Content>,
        lists: &BTreeMap<u64, Vec<u64>>,
    ) -> bool {
        if history.iter().zip(&*placed).all(|(call, &placed)| placed || call.returned.is_none()) {
            return true;
        }
        for next in 0..history.len() {
            let call = &history[next];
            let too_early = history.iter().zip(&*placed).any(|(other, &placed)| {
                !placed && other.returned.as_ref().is_some_and(|&(returned, _)| returned < call.called)
            });
            if placed[next] || too_early {
                continue;
            }
            let Operation { key, action } = call.operation;
            let response = call.returned.as_ref().map(|(_, response)| response);
            let (mut registers, mut lists) = (registers.clone(), lists.clone());
            let legal = if is_of_list(action) {
                let list = lists.entry(key).or_insert_with(|| List.initial());
                List.step(list, action, response).map(|after| *list = after).is_some()
            } else {
                let register = registers.entry(key).or_insert_with(|| Register.initial());
                Register.step(register, action, response).map(|after| *register = after).is_some()
            };
            placed[next] = true;
            if legal && go(history, placed, &registers, &lists) {
                return true;
            }
            placed[next] = false;
        }
        false
    }
    go(history, &mut vec![false; history.len()], &BTreeMap::new(), &BTreeMap::new())
}

/// A small generator with a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a history may contain.
#[derive(Clone, Copy, Debug)]
struct Kind {
    lists: bool,
    unique: bool,
    /// Whether a failed compare-and-set tells what it saw: percent.
    telling: u64,
    keys: u64,
    operations: u64,
    /// Small: much happens at the same time.
    span: Time,
    unknown: u64,
}

fn kind(chance: &mut Chance) -> Kind {
    Kind {
        lists: chance.percent(30),
        unique: chance.percent(50),
        telling: [100, 50, 0][chance.below(3) as usize],
        keys: 1 + chance.below(2),
        operations: 2 + chance.below(6),
        span: 4 + chance.below(30),
        unknown: [0, 10, 40][chance.below(3) as usize],
    }
}

/// What a correct system might do: each operation happens at a moment between call and return, or, where the client
/// gave up, later or never.
struct Execution {
    history: Vec<Call>,
    /// In the order in which they happened: when, which one, and its place in the log.
    happened: Vec<(Time, usize, Position)>,
}

fn execution(chance: &mut Chance, kind: Kind) -> Execution {
    let mut history = Vec::new();
    let mut moments = Vec::new();
    for number in 0..kind.operations {
        let called = chance.below(kind.span);
        let returned = called + chance.below(kind.span / 2 + 1);
        let value = if kind.unique { number + 1 } else { 1 + chance.below(2) };
        let deletion = if kind.unique { number + 1 } else { 0 };
        let expect = match chance.below(4) {
            0 => Content::INITIAL,
            1 => Content::Absent(deletion.saturating_sub(1)),
            _ => Content::Present(1 + chance.below(if kind.unique { kind.operations } else { 2 })),
        };
        let action = match (kind.lists, chance.below(10)) {
            (true, 0..5) => Action::Append(value),
            (true, _) => Action::List,
            (false, 0..4) => Action::Get,
            (false, 4..7) => Action::Put(value),
            (false, 7) => Action::Delete(deletion),
            (false, _) => Action::CompareAndSet { expect, value },
        };
        let unknown = chance.percent(kind.unknown);
        if !unknown || chance.percent(50) {
            let end = if unknown { 2 * kind.span } else { returned };
            moments.push((called + chance.below(end - called + 1), chance.below(100), number as usize));
        }
        history.push(Call {
            id: RequestId { session: number % 3, sequence: number },
            operation: Operation { key: chance.below(kind.keys), action },
            called,
            returned: (!unknown).then_some((returned, Response::Done)),
        });
    }
    moments.sort_unstable();
    let (mut index, mut registers, mut lists) = (0, BTreeMap::new(), BTreeMap::new());
    let mut happened = Vec::new();
    for (moment, _, number) in moments {
        let call = &mut history[number];
        let Operation { key, action } = call.operation;
        let register = registers.entry(key).or_insert(Content::INITIAL);
        let list: &mut Vec<u64> = lists.entry(key).or_default();
        let tells = chance.percent(kind.telling);
        let response = match action {
            Action::Get => Response::Holds(*register),
            Action::List => Response::List(list.clone()),
            Action::CompareAndSet { expect, .. } if expect != *register => {
                Response::Mismatch(tells.then_some(*register))
            }
            _ => Response::Done,
        };
        match action {
            Action::Get | Action::List => happened.push((moment, number, Position::Applied(index))),
            _ => {
                // Some indexes carry no request.
                index += 1 + chance.below(2);
                happened.push((moment, number, Position::Log(index)));
                if let Action::Append(element) = action {
                    list.push(element);
                } else {
                    *register = Register.step(register, action, None).expect("a register");
                }
            }
        }
        if let Some((_, answer)) = &mut call.returned {
            *answer = response;
        }
    }
    Execution { history, happened }
}

/// One lie of the system, or one of the clock.
fn spoil(chance: &mut Chance, history: &mut [Call]) {
    let operations = history.len() as u64;
    let call = &mut history[chance.below(operations) as usize];
    let Some((returned, response)) = &mut call.returned else { return };
    if chance.percent(30) {
        // The same answer, but the operation is shorter than it was.
        let middle = call.called + (*returned - call.called) / 2;
        if chance.percent(50) {
            *returned = middle
        } else {
            call.called = middle
        }
        return;
    }
    let other = match chance.below(4) {
        0 => Content::INITIAL,
        _ => Content::Present(1 + chance.below(operations)),
    };
    match response {
        Response::Holds(content) | Response::Mismatch(Some(content)) => *content = other,
        Response::List(elements) if chance.percent(50) => drop(elements.pop()),
        Response::List(elements) if elements.len() > 1 && chance.percent(50) => elements.swap(0, 1),
        Response::List(elements) => elements.push(1 + chance.below(operations)),
        Response::Mismatch(None) => *response = Response::Done,
        Response::Done if matches!(call.operation.action, Action::CompareAndSet { .. }) => {
            *response = Response::Mismatch(None);
        }
        // The acknowledged write is another one than was asked for: what the system did is lost.
        Response::Done => match &mut call.operation.action {
            Action::Put(value) | Action::Append(value) => *value = 1 + chance.below(operations),
            _ => {}
        },
    }
}

/// Lets a witness see it all as it happens.
fn witnessed(execution: &Execution, history: &[Call]) -> bool {
    // At the same time: first the calls, then what happens, then the answers, for touching is no precedence.
    let mut events = Vec::new();
    for (number, call) in history.iter().enumerate() {
        events.push((call.called, 0, 0, number));
        if let Some((returned, _)) = call.returned {
            events.push((returned, 2, 0, number));
        }
    }
    let mut positions = BTreeMap::new();
    for (order, &(moment, number, position)) in execution.happened.iter().enumerate() {
        events.push((moment, 1, order, number));
        positions.insert(number, position);
    }
    events.sort_unstable();
    let mut witness = Witness::new();
    events.into_iter().all(|(now, what, _, number)| {
        let call = &history[number];
        match (what, positions.get(&number)) {
            (0, _) => {
                witness.called(call.id, call.operation, now);
                true
            }
            (1, Some(&Position::Log(index))) => witness.applied(index, call.id, true).is_ok(),
            (1, _) => true,
            (_, position) => {
                let (_, response) = call.returned.as_ref().expect("it returned");
                position.is_some_and(|&position| witness.answered(call.id, position, response, now).is_ok())
            }
        }
    })
}

#[test]
fn the_search_agrees_with_all_orders_tried() {
    let mut chance = Chance(1);
    let (mut good, mut bad, mut refuted, mut passed) = (0, 0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut chance);
        let execution = execution(&mut chance, kind);
        let mut history = execution.history.clone();
        for _ in 0..chance.below(5) {
            spoil(&mut chance, &mut history);
        }
        let told = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
        let linearizable = brute_force(&history);
        let verdict = check(&history, Budget::default()).expect("well formed");
        assert_eq!(verdict == Verdict::Linearizable, linearizable, "round {round}, {verdict}{}", told());
        assert!(!matches!(verdict, Verdict::Unknown { .. }), "round {round}, {verdict}{}", told());
        // Without a step to spend it may not know, but must not be wrong.
        match check(&history, Budget { steps: 0 }).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "round {round}: not a step, and yet{}", told()),
            Verdict::Violation(_) => {
                assert!(!linearizable, "round {round}: refuted at a glance{}", told());
                refuted += 1;
            }
            Verdict::Unknown { .. } => {}
        }
        let untouched = history == execution.history;
        let witnessed = witnessed(&execution, &history);
        assert!(witnessed || !untouched, "round {round}: the witness refuses what happened{}", told());
        assert!(linearizable || !witnessed, "round {round}: the witness lets pass{}", told());
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
        passed += u32::from(witnessed && !untouched);
    }
    // Green alone would prove nothing.
    assert!(good > 5_000 && bad > 5_000, "{good} good, {bad} bad");
    assert!(refuted > 1_000 && passed > 500, "{refuted} refuted at a glance, {passed} spoiled in vain");
}

#[test]
fn what_is_called_the_shortest_bad_beginning_is() {
    let mut chance = Chance(2);
    let mut looked = 0;
    for round in 0..4_000 {
        let kind = kind(&mut chance);
        let mut history = execution(&mut chance, kind).history;
        spoil(&mut chance, &mut history);
        let Ok(Verdict::Violation(explanation)) = check(&history, Budget::default()) else { continue };
        let (until, _) = *explanation.stuck.returned.as_ref().expect("it returned");
        let beginning = |keeps: &dyn Fn(Time) -> bool| -> Vec<Call> {
            let mut calls: Vec<Call> =
                history.iter().filter(|call| call.operation.key == explanation.key).cloned().collect();
            for call in &mut calls {
                call.returned.take_if(|(returned, _)| !keeps(*returned));
            }
            calls
        };
        let told = format!("round {round}: {explanation}");
        assert!(!brute_force(&beginning(&|returned| returned <= until)), "{told}");
        assert!(brute_force(&beginning(&|returned| returned < until)), "{told}");
        looked += 1;
    }
    assert!(looked > 500, "{looked} bad histories");
}

#[test]
fn seeing_less_or_taking_longer_never_makes_it_worse() {
    let mut chance = Chance(3);
    let mut looked = 0;
    for round in 0..10_000 {
        let kind = Kind { operations: 12, ..kind(&mut chance) };
        let mut history = execution(&mut chance, kind).history;
        spoil(&mut chance, &mut history);
        if check(&history, Budget::default()) != Ok(Verdict::Linearizable) {
            continue;
        }
        let at = chance.below(history.len() as u64) as usize;
        let call = &mut history[at];
        match chance.below(3) {
            0 if call.operation.action.is_read() => drop(history.remove(at)),
            1 => call.called -= chance.below(call.called + 1),
            _ => {
                if let Some((returned, _)) = &mut call.returned {
                    *returned += chance.below(10);
                }
            }
        }
        assert_eq!(
            check(&history, Budget::default()),
            Ok(Verdict::Linearizable),
            "round {round}: {history:?}"
        );
        looked += 1;
    }
    assert!(looked > 3_000, "{looked} good histories");
}
