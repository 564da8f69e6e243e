//! One register with few values, eight clients, and many calls whose outcome is unknown: what recorded histories look
//! like, and what a search finds hard. Each verdict stands next to that of a plain search by Wing, Gong and Lowe.

use crate::chance::Chance;
use invariants::fact::RequestId;
use invariants::linearizability::{
    Action, Budget, Call, Content, Model, Operation, RegisterModel, Response, Verdict, check,
};
use std::collections::BTreeSet;

/// A register that is read, written and compared-and-set by eight clients. Whether a failed compare-and-set is told; a
/// client with an unknown outcome goes on under another name.
fn recorded(seed: u64, calls: usize, values: u64, unknown: u64, tells_mismatch: bool) -> Vec<Call> {
    #[derive(Clone, Copy)]
    enum Phase {
        Idle,
        Called(usize),
        Happened(usize),
    }
    let mut chance = Chance(seed);
    let mut history: Vec<Call> = Vec::new();
    let mut clients = [Phase::Idle; 8];
    let mut names = [0, 1, 2, 3, 4, 5, 6, 7];
    // Given up, and not yet happened.
    let mut late: Vec<usize> = Vec::new();
    let mut held = Content::INITIAL;
    let mut now = 0;
    let happens = |held: &mut Content, call: &mut Call| {
        let action = call.operation.action;
        let answer = match action {
            Action::Get => Response::Holds(*held),
            Action::CompareAndSet { expect, .. } if expect != *held => Response::Mismatch(None),
            _ => Response::Done,
        };
        *held = RegisterModel.step(held, &action, None).expect("a register");
        call.returned = Some((0, answer));
    };
    while history.len() < calls || clients.iter().any(|phase| !matches!(phase, Phase::Idle)) {
        now += 1;
        let client = chance.below(8) as usize;
        if !late.is_empty() && chance.percent(10) {
            let call = late.swap_remove(chance.below(late.len() as u64) as usize);
            happens(&mut held, &mut history[call]);
            history[call].returned = None;
        }
        clients[client] = match clients[client] {
            Phase::Idle if history.len() == calls => Phase::Idle,
            Phase::Idle => {
                let value = chance.below(values);
                let action = match chance.below(4) {
                    0 | 1 => Action::Get,
                    2 => Action::Put(value),
                    _ => Action::CompareAndSet { expect: Content::Present(chance.below(values)), value },
                };
                history.push(Call {
                    id: RequestId { session: names[client], sequence: now },
                    operation: Operation { key: 0, action },
                    called: now,
                    returned: None,
                });
                Phase::Called(history.len() - 1)
            }
            Phase::Called(call) => {
                if !history[call].operation.action.is_read() && chance.percent(unknown) {
                    if chance.percent(50) {
                        late.push(call);
                    }
                    names[client] += 8;
                    Phase::Idle
                } else {
                    happens(&mut held, &mut history[call]);
                    Phase::Happened(call)
                }
            }
            Phase::Happened(call) => {
                if let Some((returned, _)) = &mut history[call].returned {
                    *returned = now;
                }
                Phase::Idle
            }
        };
    }
    if !tells_mismatch {
        history.retain(|call| !matches!(call.returned, Some((_, Response::Mismatch(_)))));
    }
    history
}

/// Another value for one of the first reads, where not much is open yet.
fn break_a_read(chance: &mut Chance, history: &mut [Call], values: u64) {
    let reads: Vec<usize> =
        (0..history.len() / 8).filter(|&place| history[place].operation.action.is_read()).collect();
    let read = &mut history[reads[chance.below(reads.len() as u64) as usize]];
    if let Some((_, Response::Holds(content))) = &mut read.returned {
        let Content::Present(value) = *content else { return };
        *content = Content::Present((value + 1 + chance.below(values - 1)) % values);
    }
}

/// The search of Wing and Gong as Lowe remembers it: calls in their order, each placed where it is legal, back at a
/// return whose call has no place; a set of pairs of state and placed calls. `None`: more steps than that.
fn plain_search(history: &[Call], mut steps: u64) -> Option<bool> {
    // Calls and returns by time; at the same time calls first. Whoever never returns does so at the end.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (place, call) in history.iter().enumerate() {
        events.push((call.called, false, place));
        events.push((call.returned.as_ref().map_or(u64::MAX, |&(returned, _)| returned), true, place));
    }
    events.sort_unstable();
    let (mut before, mut after): (Vec<usize>, Vec<usize>) =
        ((0..events.len() + 2).map(|at| at.wrapping_sub(1)).collect(), (1..events.len() + 3).collect());
    let mut return_of = vec![0; history.len()];
    for (at, &(_, is_return, place)) in (1..).zip(&events) {
        if is_return {
            return_of[place] = at;
        }
    }
    let end = events.len() + 1;
    let mut placed = vec![0_u64; history.len().div_ceil(64)];
    let mut seen: BTreeSet<(Content, Vec<u64>)> = BTreeSet::new();
    let mut stack: Vec<(usize, Content)> = Vec::new();
    let (mut state, mut at) = (Content::INITIAL, after[0]);
    loop {
        if after[0] == end {
            return Some(true);
        }
        let (_, is_return, place) = events[at - 1];
        steps = steps.checked_sub(1)?;
        if !is_return {
            let call = &history[place];
            let response = call.returned.as_ref().map(|(_, response)| response);
            if let Some(next) = RegisterModel.step(&state, &call.operation.action, response) {
                placed[place / 64] |= 1 << (place % 64);
                if seen.insert((next, placed.clone())) {
                    stack.push((at, state));
                    state = next;
                    for gone in [at, return_of[place]] {
                        let (left, right) = (before[gone], after[gone]);
                        after[left] = right;
                        before[right] = left;
                    }
                    at = after[0];
                    continue;
                }
                placed[place / 64] &= !(1 << (place % 64));
            }
            at = after[at];
        } else {
            let Some((back, was)) = stack.pop() else { return Some(false) };
            let (_, _, place) = events[back - 1];
            for gone in [return_of[place], back] {
                let (left, right) = (before[gone], after[gone]);
                after[left] = gone;
                before[right] = gone;
            }
            placed[place / 64] &= !(1 << (place % 64));
            state = was;
            at = after[back];
        }
    }
}

/// The verdict, and how it compares with the plain search where that comes to an end.
fn judged(history: &[Call], told: &str) -> (Verdict, Option<bool>) {
    let verdict = check(history, Budget::default()).expect("well formed");
    assert!(!matches!(verdict, Verdict::Unknown { .. }), "{told}: {verdict}");
    let plain = plain_search(history, 100_000);
    if let Some(linearizable) = plain {
        assert_eq!(verdict == Verdict::Linearizable, linearizable, "{told}: {verdict}");
    }
    (verdict, plain)
}

#[test]
fn many_unknown_calls_on_few_values_are_decided_by_default() {
    let (mut good, mut compared) = (0, 0);
    for unknown in [12, 24, 40] {
        for seed in 0..20 {
            let told = format!("{unknown} % unknown, seed {seed}");
            let history = recorded(seed, 1_200, 5, unknown, seed % 2 == 0);
            let (verdict, plain) = judged(&history, &told);
            assert_eq!(verdict, Verdict::Linearizable, "{told}");
            good += 1;
            compared += u32::from(plain.is_some());
        }
    }
    assert!(good == 60 && compared > 40, "{compared} of {good} compared");
}

/// With one read broken. Where much is open that may have happened, that may be explained all the same.
#[test]
fn a_broken_read_among_unknown_calls_is_decided_by_default() {
    let (mut bad, mut compared) = (0, 0);
    for unknown in [2, 12] {
        for seed in 100..120 {
            let told = format!("{unknown} % unknown, seed {seed}");
            let mut history = recorded(seed, 1_200, 5, unknown, seed % 2 == 0);
            break_a_read(&mut Chance(seed), &mut history, 5);
            let (verdict, plain) = judged(&history, &told);
            bad += u32::from(verdict != Verdict::Linearizable);
            compared += u32::from(plain.is_some());
        }
    }
    assert!(bad > 12 && compared > 15, "{bad} bad, {compared} compared");
}
