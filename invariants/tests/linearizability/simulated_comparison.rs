//! The checks compared with each other on simulated histories with simulated faults.

use crate::simulator::{Event, FAULTS, Fault, Setup, Simulated, simulate};
use invariants::linearizability::{
    Budget, Call, Position, Verdict, Witness, check, check_by_search, check_by_zones, find_order,
};

fn is_good(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Linearizable => true,
        Verdict::Violation(_) => false,
        Verdict::Unknown { .. } => panic!("{verdict}"),
    }
}

/// Whether a witness passes all events.
pub(crate) fn passes_witness(simulated: &Simulated) -> bool {
    let mut witness = Witness::new();
    simulated.events.iter().all(|&event| {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => witness.record_call(of(call).id, of(call).operation, of(call).called),
            Event::Applied(call, index) => return witness.record_apply(index, of(call).id, true).is_ok(),
            Event::Answered(call, position) => {
                let (now, response) = of(call).returned.as_ref().expect("answered");
                return witness.record_response(of(call).id, position, response, *now).is_ok();
            }
            Event::Abandoned(call) => witness.record_abandoned(of(call).id),
            Event::Retired(call) => witness.retire(of(call).id),
        }
        true
    })
}

/// The witness needs bounded memory for a run of any length.
#[test]
fn the_witness_needs_bounded_memory() {
    let setup = Setup { operations: 100_000, clients: 20, keys: 3, lists: 1, ..Setup::default() };
    let simulated = simulate(setup);
    let (mut witness, mut max_live_entries) = (Witness::new(), 0);
    for &event in &simulated.events {
        let of = |call: usize| &simulated.history[call];
        match event {
            Event::Called(call) => witness.record_call(of(call).id, of(call).operation, of(call).called),
            Event::Applied(call, index) => {
                witness.record_apply(index, of(call).id, true).unwrap_or_else(|failure| panic!("{failure}"));
            }
            Event::Answered(call, position) => {
                let (now, response) = of(call).returned.as_ref().expect("answered");
                let answered = witness.record_response(of(call).id, position, response, *now);
                answered.unwrap_or_else(|failure| panic!("{failure}"));
                if call % 64 == 0 {
                    max_live_entries = max_live_entries.max(witness.live_entries());
                }
            }
            Event::Abandoned(call) => witness.record_abandoned(of(call).id),
            Event::Retired(call) => witness.retire(of(call).id),
        }
    }
    // Each list that is replaced by a fresh key leaves one entry.
    assert!(max_live_entries < 4_000, "{max_live_entries} entries");
}

/// The setup of a small history.
pub(crate) fn setup(seed: u64, fault: Fault) -> Setup {
    let lists = matches!(fault, Fault::LostAppend | Fault::DoubledAppend | Fault::ReorderedAppend);
    Setup {
        seed,
        operations: 50 + 37 * (seed as usize % 20),
        clients: 2 + seed as usize % 9,
        keys: 1 + seed % 4,
        unknown: 10 * (seed % 5),
        lists: if lists { 4 } else { seed % 3 },
        fault,
        ..Setup::default()
    }
}

#[test]
fn zones_and_search_agree_with_and_without_faults() {
    let (mut good, mut bad, mut passed) = (0, 0, 0);
    for seed in 0..60 {
        for fault in FAULTS.into_iter().chain([Fault::None]) {
            let simulated = simulate(setup(seed, fault));
            let history = &simulated.history;
            let by_search = check_by_search(history, Budget::default()).expect("well formed");
            let by_zones = check_by_zones(history).expect("well formed");
            let context = format!("seed {seed}, {fault:?}: {by_zones} and {by_search}");
            // A mismatch without a found value is left to the search.
            if !matches!(by_zones, Verdict::Unknown { .. }) {
                assert_eq!(is_good(&by_zones), is_good(&by_search), "{context}");
            }
            let is_good = is_good(&by_search);
            let passes_witness = passes_witness(&simulated);
            assert!(is_good || !passes_witness, "{context}: the witness passes a violation");
            assert!(fault != Fault::None || (is_good && passes_witness), "{context}");
            good += u32::from(is_good);
            bad += u32::from(!is_good);
            passed += u32::from(is_good && !passes_witness);
        }
    }
    assert!(good > 80 && bad > 200, "{good} good, {bad} bad");
    assert!(passed > 5, "{passed} faults that no client could notice");
}

/// Asserts that the witness accepts this order, each key separately: the orders of several keys need not fit
/// together.
pub(crate) fn assert_accepted(history: &[Call], order: &[usize]) {
    let mut start = 0;
    while start < order.len() {
        let key = history[order[start]].operation.key;
        let end = order[start..].iter().position(|&call| history[call].operation.key != key);
        let end = end.map_or(order.len(), |length| start + length);
        assert_key_accepted(history, key, &order[start..end]);
        start = end;
    }
}

fn assert_key_accepted(history: &[Call], key: u64, order: &[usize]) {
    let calls: Vec<usize> = (0..history.len()).filter(|&call| history[call].operation.key == key).collect();
    // Effects between calls and returns, each as early as the order allows.
    let mut time = 0;
    let mut events: Vec<(u64, u8, usize, usize)> = Vec::new();
    for (order_index, &call) in order.iter().enumerate() {
        time = time.max(history[call].called);
        events.push((time, 1, order_index, call));
    }
    for call in calls {
        events.push((history[call].called, 0, 0, call));
        if let Some((returned, _)) = history[call].returned {
            events.push((returned, 2, 0, call));
        }
    }
    events.sort_unstable();
    let (mut witness, mut index) = (Witness::new(), 0);
    let mut positions = vec![None; history.len()];
    for (now, what, _, number) in events {
        let call = &history[number];
        match what {
            0 => witness.record_call(call.id, call.operation, now),
            1 if call.operation.action.is_read() => positions[number] = Some(Position::Applied(index)),
            1 => {
                index += 1;
                positions[number] = Some(Position::Log(index));
                witness.record_apply(index, call.id, true).unwrap_or_else(|failure| panic!("{failure}"));
            }
            _ => {
                let (_, response) = call.returned.as_ref().expect("answered");
                let position = positions[number].expect("a returned call must have a position");
                witness
                    .record_response(call.id, position, response, now)
                    .unwrap_or_else(|failure| panic!("{failure}"));
            }
        }
    }
}

#[test]
fn the_witness_accepts_the_order_found_by_the_search() {
    let mut checked = 0;
    for seed in 0..60 {
        for domain in [0, 3] {
            let setup = Setup { domain, shows_mismatch: seed % 2 == 0, ..setup(seed, Fault::None) };
            let simulated = simulate(setup);
            let order = find_order(&simulated.history, Budget::default()).expect("well formed");
            assert_accepted(&simulated.history, &order.unwrap_or_else(|| panic!("{setup:?}")));
            checked += 1;
        }
    }
    assert_eq!(checked, 120);
}

#[test]
fn the_explanation_of_a_long_history_is_small() {
    for (seed, fault) in (1..).zip(FAULTS) {
        let lists = matches!(fault, Fault::LostAppend | Fault::DoubledAppend | Fault::ReorderedAppend);
        for domain in [0, 5000] {
            let setup = Setup {
                seed,
                operations: 10_000,
                keys: 10,
                lists: if lists { 10 } else { 0 },
                domain,
                fault,
                ..Setup::default()
            };
            let simulated = simulate(setup);
            let verdict = check(&simulated.history, Budget::default()).expect("well formed");
            let Verdict::Violation(explanation) = verdict else { panic!("{setup:?}: {verdict}") };
            assert!(explanation.operations.len() <= 6, "{setup:?}:\n{explanation}");
        }
    }
}
