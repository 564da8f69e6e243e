//! Histories as a correct system might leave them, and ways to spoil them.

use invariants::fact::{RequestId, Time};
use invariants::linearizability::{
    Action, Call, Content, Model, Operation, Position, RegisterModel, Response,
};
use std::collections::BTreeMap;

/// A small generator with a seed.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a history may contain.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub lists: bool,
    pub unique: bool,
    /// Whether a failed compare-and-set tells what it saw: percent.
    pub telling: u64,
    pub keys: u64,
    pub operations: u64,
    /// Small: much happens at the same time.
    pub span: Time,
    pub unknown: u64,
}

pub fn kind(chance: &mut Chance) -> Kind {
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
pub struct Execution {
    pub history: Vec<Call>,
    /// In the order in which they happened: when, which one, and its place in the log.
    pub happened: Vec<(Time, usize, Position)>,
}

pub fn execution(chance: &mut Chance, kind: Kind) -> Execution {
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
            (true, 0..4) => Action::Append(value),
            (true, 4) => Action::Replace(value),
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
                match action {
                    Action::Append(element) => list.push(element),
                    Action::Replace(element) => *list = vec![element],
                    _ => *register = RegisterModel.step(register, &action, None).expect("a register"),
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
pub fn spoil(chance: &mut Chance, history: &mut [Call]) {
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
        // Of what objects besides registers and lists answer, `objects` makes lies.
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {}
        // The acknowledged write is another one than was asked for: what the system did is lost.
        Response::Done => match &mut call.operation.action {
            Action::Put(value) | Action::Append(value) | Action::Replace(value) => {
                *value = 1 + chance.below(operations)
            }
            _ => {}
        },
    }
}
