//! All checks compared with brute force on tiny histories. The witness is compared too: what it passes must
//! be linearizable.

use crate::brute_force::brute_force;
use crate::random_histories::{Execution, Kind, TestRng, corrupt, execution, kind};
use invariants::Time;
use invariants::linearizability::{
    Action, Budget, Call, ExploreOutcome, ListModel, ModelOperation, Object, Position, RegisterModel,
    Response, Verdict, Witness, check, check_by_search, check_by_zones, explore,
};
use std::collections::BTreeMap;

/// Whether a witness passes the execution.
fn passes_witness(execution: &Execution, history: &[Call]) -> bool {
    // At equal times calls first, then effects, then responses: touching intervals are concurrent.
    let mut events = Vec::new();
    for (number, call) in history.iter().enumerate() {
        events.push((call.called, 0, 0, number));
        if let Some((returned, _)) = call.returned {
            events.push((returned, 2, 0, number));
        }
    }
    let mut positions = BTreeMap::new();
    for (order, &(time, number, position)) in execution.happened.iter().enumerate() {
        events.push((time, 1, order, number));
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

/// Whether the model-independent search finds an order for each key.
fn is_explorable(history: &[Call]) -> bool {
    (0..2).all(|key| {
        let operations: Vec<ModelOperation<Action, Response>> = history
            .iter()
            .filter(|call| call.operation.key == key)
            .map(|call| ModelOperation {
                called: call.called,
                action: call.operation.action,
                returned: call.returned.clone(),
            })
            .collect();
        let is_list =
            operations.first().is_some_and(|operation| Object::of(operation.action) == Object::List);
        let outcome = match is_list {
            true => explore(&ListModel, &operations, Budget::default()),
            false => explore(&RegisterModel, &operations, Budget::default()),
        };
        assert_ne!(outcome, ExploreOutcome::Unknown);
        matches!(outcome, ExploreOutcome::Order(_))
    })
}

#[test]
fn all_checks_agree_with_brute_force() {
    agree(1, 20_000);
}

/// For nightly runs: `cargo test --release -p invariants --test linearizability -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn all_checks_agree_with_brute_force_a_million_times() {
    agree(1_000, 1_000_000);
}

fn agree(seed: u64, rounds: u32) {
    let mut rng = TestRng(seed);
    let (mut good, mut bad, mut refuted, mut passed, mut unclear) = (0, 0, 0, 0, 0);
    for round in 0..rounds {
        let kind = kind(&mut rng);
        let execution = execution(&mut rng, kind);
        let mut history = execution.history.clone();
        for _ in 0..rng.below(5) {
            corrupt(&mut rng, &mut history);
        }
        let describe = || history.iter().map(|call| format!("\n  {call}")).collect::<String>();
        let linearizable = brute_force(&history);
        let verdict = check(&history, Budget::default()).expect("well formed");
        assert_eq!(verdict == Verdict::Linearizable, linearizable, "round {round}, {verdict}{}", describe());
        assert!(!matches!(verdict, Verdict::Unknown { .. }), "round {round}, {verdict}{}", describe());
        let is_explorable = is_explorable(&history);
        assert_eq!(is_explorable, linearizable, "round {round}: explored{}", describe());
        let searched = check_by_search(&history, Budget::default()).expect("well formed");
        assert_eq!(
            searched == Verdict::Linearizable,
            linearizable,
            "round {round}: {searched}{}",
            describe()
        );
        match check_by_zones(&history).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "round {round}: zones{}", describe()),
            Verdict::Violation(_) => assert!(!linearizable, "round {round}: zones{}", describe()),
            Verdict::Unknown { .. } => unclear += 1,
        }
        // Without a step to spend the verdict may be unknown, but not wrong.
        match check(&history, Budget { steps: 0, ..Budget::default() }).expect("well formed") {
            Verdict::Linearizable => assert!(linearizable, "round {round}: zero steps{}", describe()),
            Verdict::Violation(_) => {
                assert!(!linearizable, "round {round}: refuted with zero steps{}", describe());
                refuted += 1;
            }
            Verdict::Unknown { .. } => {}
        }
        let untouched = history == execution.history;
        let passes_witness = passes_witness(&execution, &history);
        assert!(
            passes_witness || !untouched,
            "round {round}: the witness rejects a correct execution{}",
            describe()
        );
        assert!(
            linearizable || !passes_witness,
            "round {round}: the witness passes a violation{}",
            describe()
        );
        good += u32::from(linearizable);
        bad += u32::from(!linearizable);
        passed += u32::from(passes_witness && !untouched);
    }
    // All outcomes must occur often enough for the comparison to mean something.
    assert!(good > rounds / 4 && bad > rounds / 4, "{good} good, {bad} bad");
    assert!(
        refuted > rounds / 20 && passed > rounds / 40 && unclear < rounds / 2,
        "{refuted} refuted with zero steps, {passed} corrupted but passed by the witness, {unclear} unclear"
    );
}

#[test]
fn the_explained_prefix_is_the_shortest_bad_one() {
    let mut rng = TestRng(2);
    let mut checked = 0;
    for round in 0..4_000 {
        let kind = kind(&mut rng);
        let mut history = execution(&mut rng, kind).history;
        corrupt(&mut rng, &mut history);
        let Ok(Verdict::Violation(explanation)) = check(&history, Budget::default()) else { continue };
        let (until, _) = *explanation.stuck.returned.as_ref().expect("it returned");
        let prefix = |keeps: &dyn Fn(Time) -> bool| -> Vec<Call> {
            let mut calls: Vec<Call> =
                history.iter().filter(|call| call.operation.key == explanation.key).cloned().collect();
            for call in &mut calls {
                call.returned.take_if(|(returned, _)| !keeps(*returned));
            }
            calls
        };
        let context = format!("round {round}: {explanation}");
        assert!(!brute_force(&prefix(&|returned| returned <= until)), "{context}");
        assert!(brute_force(&prefix(&|returned| returned < until)), "{context}");
        checked += 1;
    }
    assert!(checked > 500, "{checked} bad histories");
}

#[test]
fn removing_reads_or_widening_calls_keeps_a_history_linearizable() {
    let mut rng = TestRng(3);
    let mut checked = 0;
    for round in 0..10_000 {
        let kind = Kind { operations: 12, ..kind(&mut rng) };
        let mut history = execution(&mut rng, kind).history;
        corrupt(&mut rng, &mut history);
        if check(&history, Budget::default()) != Ok(Verdict::Linearizable) {
            continue;
        }
        let at = rng.below(history.len() as u64) as usize;
        let call = &mut history[at];
        match rng.below(3) {
            0 if call.operation.action.is_read() => drop(history.remove(at)),
            1 => call.called -= rng.below(call.called + 1),
            _ => {
                if let Some((returned, _)) = &mut call.returned {
                    *returned += rng.below(10);
                }
            }
        }
        assert_eq!(
            check(&history, Budget::default()),
            Ok(Verdict::Linearizable),
            "round {round}: {history:?}"
        );
        checked += 1;
    }
    assert!(checked > 3_000, "{checked} good histories");
}
