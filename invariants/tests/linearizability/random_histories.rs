//! Random histories of a correct system, and ways to corrupt them.

use invariants::linearizability::{
    Action, Call, Content, Model, Operation, Position, RegisterModel, Response,
};
use invariants::{RequestId, Time};
use std::collections::BTreeMap;

/// A small seeded generator.
pub(crate) struct TestRng(pub u64);

impl TestRng {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The parameters of a history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub lists: bool,
    pub unique: bool,
    /// Percentage of failed compare-and-sets that return what they found.
    pub shows_mismatch: u64,
    pub keys: u64,
    pub operations: u64,
    /// The smaller, the more operations overlap.
    pub span: Time,
    pub unknown: u64,
}

pub(crate) fn kind(rng: &mut TestRng) -> Kind {
    Kind {
        lists: rng.percent(30),
        unique: rng.percent(50),
        shows_mismatch: [100, 50, 0][rng.below(3) as usize],
        keys: 1 + rng.below(2),
        operations: 2 + rng.below(6),
        span: 4 + rng.below(30),
        unknown: [0, 10, 40][rng.below(3) as usize],
    }
}

/// An execution of a correct system: each operation takes effect between call and return, or, if abandoned,
/// later or never.
pub(crate) struct Execution {
    pub history: Vec<Call>,
    /// In the order in which they happened: when, which one, and its place in the log.
    pub happened: Vec<(Time, usize, Position)>,
}

pub(crate) fn execution(rng: &mut TestRng, kind: Kind) -> Execution {
    let mut history = Vec::new();
    let mut times = Vec::new();
    for number in 0..kind.operations {
        let called = rng.below(kind.span);
        let returned = called + rng.below(kind.span / 2 + 1);
        let value = if kind.unique { number + 1 } else { 1 + rng.below(2) };
        let deletion = if kind.unique { number + 1 } else { 0 };
        let expect = match rng.below(4) {
            0 => Content::INITIAL,
            1 => Content::Absent(deletion.saturating_sub(1)),
            _ => Content::Present(1 + rng.below(if kind.unique { kind.operations } else { 2 })),
        };
        let action = match (kind.lists, rng.below(10)) {
            (true, 0..4) => Action::Append(value),
            (true, 4) => Action::Replace(value),
            (true, _) => Action::List,
            (false, 0..4) => Action::Get,
            (false, 4..7) => Action::Put(value),
            (false, 7) => Action::Delete(deletion),
            (false, _) => Action::CompareAndSet { expect, value },
        };
        let unknown = rng.percent(kind.unknown);
        if !unknown || rng.percent(50) {
            let end = if unknown { 2 * kind.span } else { returned };
            times.push((called + rng.below(end - called + 1), rng.below(100), number as usize));
        }
        history.push(Call {
            id: RequestId { session: number % 3, sequence: number },
            operation: Operation { key: rng.below(kind.keys), action },
            called,
            returned: (!unknown).then_some((returned, Response::Done)),
        });
    }
    times.sort_unstable();
    let (mut index, mut registers, mut lists) = (0, BTreeMap::new(), BTreeMap::new());
    let mut happened = Vec::new();
    for (time, _, number) in times {
        let call = &mut history[number];
        let Operation { key, action } = call.operation;
        let register = registers.entry(key).or_insert(Content::INITIAL);
        let list: &mut Vec<u64> = lists.entry(key).or_default();
        let shows_mismatch = rng.percent(kind.shows_mismatch);
        let response = match action {
            Action::Get => Response::Holds(*register),
            Action::List => Response::List(list.clone()),
            Action::CompareAndSet { expect, .. } if expect != *register => {
                Response::Mismatch(shows_mismatch.then_some(*register))
            }
            _ => Response::Done,
        };
        match action {
            Action::Get | Action::List => happened.push((time, number, Position::Applied(index))),
            _ => {
                // Some indexes carry no request.
                index += 1 + rng.below(2);
                happened.push((time, number, Position::Log(index)));
                match action {
                    Action::Append(element) => list.push(element),
                    Action::Replace(element) => *list = vec![element],
                    _ => *register = RegisterModel.step(register, &action, None).expect("a register"),
                }
            }
        }
        if let Some((_, response_slot)) = &mut call.returned {
            *response_slot = response;
        }
    }
    Execution { history, happened }
}

/// Corrupts one response, one operation or one time.
pub(crate) fn corrupt(rng: &mut TestRng, history: &mut [Call]) {
    let operations = history.len() as u64;
    let call = &mut history[rng.below(operations) as usize];
    let Some((returned, response)) = &mut call.returned else { return };
    if rng.percent(30) {
        // The same response, but a shorter operation.
        let middle = call.called + (*returned - call.called) / 2;
        if rng.percent(50) {
            *returned = middle
        } else {
            call.called = middle
        }
        return;
    }
    let other = match rng.below(4) {
        0 => Content::INITIAL,
        _ => Content::Present(1 + rng.below(operations)),
    };
    match response {
        Response::Holds(content) | Response::Mismatch(Some(content)) => *content = other,
        Response::List(elements) if rng.percent(50) => drop(elements.pop()),
        Response::List(elements) if elements.len() > 1 && rng.percent(50) => elements.swap(0, 1),
        Response::List(elements) => elements.push(1 + rng.below(operations)),
        Response::Mismatch(None) => *response = Response::Done,
        Response::Done if matches!(call.operation.action, Action::CompareAndSet { .. }) => {
            *response = Response::Mismatch(None);
        }
        // Responses of other objects are corrupted in `objects`.
        Response::Set(_) | Response::Count(_) | Response::Dequeued(_) => {}
        // The history claims another write than the one that took effect.
        Response::Done => match &mut call.operation.action {
            Action::Put(value) | Action::Append(value) | Action::Replace(value) => {
                *value = 1 + rng.below(operations)
            }
            _ => {}
        },
    }
}
