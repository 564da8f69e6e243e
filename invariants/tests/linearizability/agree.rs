//! The checks next to each other, on simulated histories with simulated faults.

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

/// Lets a witness see all that happened. Whether it lets all of it pass.
pub fn witnessed(simulated: &Simulated) -> bool {
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
            Event::GaveUp(call) => witness.record_abandoned(of(call).id),
            Event::Retired(call) => witness.retire(of(call).id),
        }
        true
    })
}

/// A run of any length costs the witness little memory.
#[test]
fn the_witness_forgets() {
    let setup = Setup { operations: 100_000, clients: 20, keys: 3, lists: 1, ..Setup::default() };
    let simulated = simulate(setup);
    let (mut witness, mut most) = (Witness::new(), 0);
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
                    most = most.max(witness.live_entries());
                }
            }
            Event::GaveUp(call) => witness.record_abandoned(of(call).id),
            Event::Retired(call) => witness.retire(of(call).id),
        }
    }
    // A list that is given up for a fresh one leaves an entry.
    assert!(most < 4_000, "{most} entries");
}

/// A small history of one kind or another.
pub fn setup(seed: u64, fault: Fault) -> Setup {
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
fn zones_and_search_agree_on_faults_and_without() {
    let (mut good, mut bad, mut passed) = (0, 0, 0);
    for seed in 0..60 {
        for fault in FAULTS.into_iter().chain([Fault::None]) {
            let simulated = simulate(setup(seed, fault));
            let history = &simulated.history;
            let searched = check_by_search(history, Budget::default()).expect("well formed");
            let zoned = check_by_zones(history).expect("well formed");
            let told = format!("seed {seed}, {fault:?}: {zoned} and {searched}");
            // What a failed compare-and-set did not tell is left to the search.
            if !matches!(zoned, Verdict::Unknown { .. }) {
                assert_eq!(is_good(&zoned), is_good(&searched), "{told}");
            }
            let is_good = is_good(&searched);
            let witnessed = witnessed(&simulated);
            assert!(is_good || !witnessed, "{told}: the witness lets it pass");
            assert!(fault != Fault::None || (is_good && witnessed), "{told}");
            good += u32::from(is_good);
            bad += u32::from(!is_good);
            passed += u32::from(is_good && !witnessed);
        }
    }
    assert!(good > 80 && bad > 200, "{good} good, {bad} bad");
    assert!(passed > 5, "{passed} faults that no client could notice");
}

/// Each key by itself, for the orders of several keys need not fit together.
pub fn accepted(history: &[Call], order: &[usize]) {
    let mut start = 0;
    while start < order.len() {
        let key = history[order[start]].operation.key;
        let end = order[start..].iter().position(|&call| history[call].operation.key != key);
        let end = end.map_or(order.len(), |length| start + length);
        accepted_alone(history, key, &order[start..end]);
        start = end;
    }
}

fn accepted_alone(history: &[Call], key: u64, order: &[usize]) {
    let calls: Vec<usize> = (0..history.len()).filter(|&call| history[call].operation.key == key).collect();
    // What happens is squeezed between calls and returns: each place as early as the order allows.
    let mut moment = 0;
    let mut events: Vec<(u64, u8, usize, usize)> = Vec::new();
    for (place, &call) in order.iter().enumerate() {
        moment = moment.max(history[call].called);
        events.push((moment, 1, place, call));
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
                let position = positions[number].expect("whatever returned has a place before that");
                witness
                    .record_response(call.id, position, response, now)
                    .unwrap_or_else(|failure| panic!("{failure}"));
            }
        }
    }
}

#[test]
fn the_order_that_the_search_finds_is_accepted_by_the_witness() {
    let mut looked = 0;
    for seed in 0..60 {
        for domain in [0, 3] {
            let setup = Setup { domain, telling: seed % 2 == 0, ..setup(seed, Fault::None) };
            let simulated = simulate(setup);
            let order = find_order(&simulated.history, Budget::default()).expect("well formed");
            accepted(&simulated.history, &order.unwrap_or_else(|| panic!("{setup:?}")));
            looked += 1;
        }
    }
    assert_eq!(looked, 120);
}

#[test]
fn a_long_violation_shrinks_to_a_handful() {
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
