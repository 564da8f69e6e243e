//! One register with few values, eight clients and many calls of unknown outcome: typical of recorded
//! histories and hard for a search. Each verdict is compared with a plain search by Wing, Gong and Lowe.

use crate::random_histories::TestRng;
use invariants::RequestId;
use invariants::linearizability::{
    Action, Budget, Call, Content, Model, Operation, RegisterModel, Response, Verdict, check,
};
use std::collections::BTreeSet;

/// A history of a register with eight clients. A client with an unknown outcome continues under another name.
/// `keeps_mismatch`: failed compare-and-sets stay in the history.
fn simulated(seed: u64, calls: usize, values: u64, unknown: u64, keeps_mismatch: bool) -> Vec<Call> {
    #[derive(Clone, Copy)]
    enum Phase {
        Idle,
        Called(usize),
        Happened(usize),
    }
    let mut rng = TestRng(seed);
    let mut history: Vec<Call> = Vec::new();
    let mut clients = [Phase::Idle; 8];
    let mut names = [0, 1, 2, 3, 4, 5, 6, 7];
    // Abandoned calls that have not happened yet.
    let mut late: Vec<usize> = Vec::new();
    let mut content = Content::INITIAL;
    let mut now = 0;
    let execute = |content: &mut Content, call: &mut Call| {
        let action = call.operation.action;
        let response = match action {
            Action::Get => Response::Holds(*content),
            Action::CompareAndSet { expect, .. } if expect != *content => Response::Mismatch(None),
            _ => Response::Done,
        };
        *content = RegisterModel.step(content, &action, None).expect("a register");
        call.returned = Some((0, response));
    };
    while history.len() < calls || clients.iter().any(|phase| !matches!(phase, Phase::Idle)) {
        now += 1;
        let client = rng.below(8) as usize;
        if !late.is_empty() && rng.percent(10) {
            let call = late.swap_remove(rng.below(late.len() as u64) as usize);
            execute(&mut content, &mut history[call]);
            history[call].returned = None;
        }
        clients[client] = match clients[client] {
            Phase::Idle if history.len() == calls => Phase::Idle,
            Phase::Idle => {
                let value = rng.below(values);
                let action = match rng.below(4) {
                    0 | 1 => Action::Get,
                    2 => Action::Put(value),
                    _ => Action::CompareAndSet { expect: Content::Present(rng.below(values)), value },
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
                if !history[call].operation.action.is_read() && rng.percent(unknown) {
                    if rng.percent(50) {
                        late.push(call);
                    }
                    names[client] += 8;
                    Phase::Idle
                } else {
                    execute(&mut content, &mut history[call]);
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
    if !keeps_mismatch {
        history.retain(|call| !matches!(call.returned, Some((_, Response::Mismatch(_)))));
    }
    history
}

/// Changes the value of one of the first reads, where few calls are open.
fn break_a_read(rng: &mut TestRng, history: &mut [Call], values: u64) {
    let reads: Vec<usize> =
        (0..history.len() / 8).filter(|&call_index| history[call_index].operation.action.is_read()).collect();
    let read = &mut history[reads[rng.below(reads.len() as u64) as usize]];
    if let Some((_, Response::Holds(content))) = &mut read.returned {
        let Content::Present(value) = *content else { return };
        *content = Content::Present((value + 1 + rng.below(values - 1)) % values);
    }
}

/// The search of Wing and Gong with the memory of Lowe: places each call where it is legal, backtracks at the
/// return of an unplaced call, and remembers pairs of state and placed calls. `None`: out of steps.
fn plain_search(history: &[Call], mut steps: u64) -> Option<bool> {
    // Calls and returns by time, calls first at equal times. A call without a return returns at the end.
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (call_index, call) in history.iter().enumerate() {
        events.push((call.called, false, call_index));
        events.push((call.returned.as_ref().map_or(u64::MAX, |&(returned, _)| returned), true, call_index));
    }
    events.sort_unstable();
    let (mut before, mut after): (Vec<usize>, Vec<usize>) =
        ((0..events.len() + 2).map(|at| at.wrapping_sub(1)).collect(), (1..events.len() + 3).collect());
    let mut return_of = vec![0; history.len()];
    for (at, &(_, is_return, call_index)) in (1..).zip(&events) {
        if is_return {
            return_of[call_index] = at;
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
        let (_, is_return, call_index) = events[at - 1];
        steps = steps.checked_sub(1)?;
        if !is_return {
            let call = &history[call_index];
            let response = call.returned.as_ref().map(|(_, response)| response);
            if let Some(next) = RegisterModel.step(&state, &call.operation.action, response) {
                placed[call_index / 64] |= 1 << (call_index % 64);
                if seen.insert((next, placed.clone())) {
                    stack.push((at, state));
                    state = next;
                    for unlinked in [at, return_of[call_index]] {
                        let (left, right) = (before[unlinked], after[unlinked]);
                        after[left] = right;
                        before[right] = left;
                    }
                    at = after[0];
                    continue;
                }
                placed[call_index / 64] &= !(1 << (call_index % 64));
            }
            at = after[at];
        } else {
            let Some((back_at, old_state)) = stack.pop() else { return Some(false) };
            let (_, _, call_index) = events[back_at - 1];
            for unlinked in [return_of[call_index], back_at] {
                let (left, right) = (before[unlinked], after[unlinked]);
                after[left] = unlinked;
                before[right] = unlinked;
            }
            placed[call_index / 64] &= !(1 << (call_index % 64));
            state = old_state;
            at = after[back_at];
        }
    }
}

/// The verdict, and that of the plain search if it finishes, which must agree.
fn check_against_plain_search(history: &[Call], context: &str) -> (Verdict, Option<bool>) {
    let verdict = check(history, Budget::default()).expect("well formed");
    assert!(!matches!(verdict, Verdict::Unknown { .. }), "{context}: {verdict}");
    let plain = plain_search(history, 100_000);
    if let Some(linearizable) = plain {
        assert_eq!(verdict == Verdict::Linearizable, linearizable, "{context}: {verdict}");
    }
    (verdict, plain)
}

#[test]
fn many_unknown_calls_on_few_values_are_decided_by_default() {
    let (mut good, mut compared) = (0, 0);
    for unknown in [12, 24, 40] {
        for seed in 0..20 {
            let context = format!("{unknown} % unknown, seed {seed}");
            let history = simulated(seed, 1_200, 5, unknown, seed % 2 == 0);
            let (verdict, plain) = check_against_plain_search(&history, &context);
            assert_eq!(verdict, Verdict::Linearizable, "{context}");
            good += 1;
            compared += u32::from(plain.is_some());
        }
    }
    assert!(good == 60 && compared > 40, "{compared} of {good} compared");
}

/// With one wrong read. If many open calls may have happened, the history may still be linearizable.
#[test]
fn a_wrong_read_among_unknown_calls_is_decided_by_default() {
    let (mut bad, mut compared) = (0, 0);
    for unknown in [2, 12] {
        for seed in 100..120 {
            let context = format!("{unknown} % unknown, seed {seed}");
            let mut history = simulated(seed, 1_200, 5, unknown, seed % 2 == 0);
            break_a_read(&mut TestRng(seed), &mut history, 5);
            let (verdict, plain) = check_against_plain_search(&history, &context);
            bad += u32::from(verdict != Verdict::Linearizable);
            compared += u32::from(plain.is_some());
        }
    }
    assert!(bad > 12 && compared > 15, "{bad} bad, {compared} compared");
}
