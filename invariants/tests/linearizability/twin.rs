//! The search next to a stupid one: all orders of tiny histories, tried one after the other. And the witness next to
//! both: what it lets pass must be linearizable.

use crate::brute::brute_force;
use crate::chance::{Chance, Execution, Kind, execution, kind, spoil};
use invariants::fact::Time;
use invariants::linearizability::{
    Action, Budget, Call, ExploreOutcome, ListModel, ModelOperation, Object, Position, RegisterModel,
    Response, Verdict, Witness, check, check_by_search, check_by_zones, explore,
};
use std::collections::BTreeMap;

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
                witness.record_call(call.id, call.operation, now);
                true
            }
            (1, Some(&Position::Log(index))) => witness.record_apply(index, call.id, true).is_ok(),
            (1, _) => true,
            (_, position) => {
                let (_, response) = call.returned.as_ref().expect("it returned");
                position.is_some_and(|&position| {
                    witness.record_response(call.id, position, response, now).is_ok()
                })
            }
        }
    })
}

/// Each key by the search that knows no model.
fn explored(history: &[Call]) -> bool {
    (0..2).all(|key| {
        let asked: Vec<ModelOperation<Action, Response>> = history
            .iter()
            .filter(|call| call.operation.key == key)
            .map(|call| ModelOperation {
                called: call.called,
                action: call.operation.action,
                returned: call.returned.clone(),
            })
            .collect();
        let is_list = asked.first().is_some_and(|asked| Object::of(asked.action) == Object::List);
        let explored = match is_list {
            true => explore(&ListModel, &asked, Budget::default()),
            false => explore(&RegisterModel, &asked, Budget::default()),
        };
        assert_ne!(explored, ExploreOutcome::Unknown);
        matches!(explored, ExploreOutcome::Order(_))
    })
}

#[test]
fn all_checks_agree_with_all_orders_tried() {
    agree(1, 20_000);
}

/// The size for a night: `cargo test --release -p invariants --test linearizability -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn all_checks_agree_with_all_orders_tried_a_million_times() {
    agree(1_000, 1_000_000);
}

fn agree(seed: u64, rounds: u32) {
    let mut chance = Chance(seed);
    let (mut good, mut bad, mut refuted, mut passed, mut unclear) = (0, 0, 0, 0, 0);
    for round in 0..rounds {
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
        let explored = explored(&history);
        assert_eq!(explored, linearizable, "round {round}: explored{}", told());
        let searched = check_by_search(&history, Budget::default()).expect("well formed");
        assert_eq!(searched == Verdict::Linearizable, linearizable, "round {round}: {searched}{}", told());
        match check_by_zones(&history).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "round {round}: zones{}", told()),
            Verdict::Violation(_) => assert!(!linearizable, "round {round}: zones{}", told()),
            Verdict::Unknown { .. } => unclear += 1,
        }
        // Without a step to spend it may not know, but must not be wrong.
        match check(&history, Budget { steps: 0, ..Budget::default() }).expect("well formed") {
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
    assert!(good > rounds / 4 && bad > rounds / 4, "{good} good, {bad} bad");
    assert!(
        refuted > rounds / 20 && passed > rounds / 40 && unclear < rounds / 2,
        "{refuted} refuted at a glance, {passed} in vain, {unclear} unclear"
    );
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
