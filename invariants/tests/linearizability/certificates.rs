//! What an explanation shows convicts by itself: all orders of its operations are tried.

use crate::brute::brute_force;
use crate::chance::{Chance, execution, kind, spoil};
use crate::common::is_conclusive;
use invariants::linearizability::{Action, Budget, Call, Content, Explanation, Response, Verdict, check};

/// The operations of an explanation, made independent of what is not among them: see [`Explanation::operations`].
pub fn alone(explanation: &Explanation, history: &[Call]) -> Vec<Call> {
    let (until, _) = *explanation.stuck.returned.as_ref().expect("it returned");
    let mut of_key = history.to_vec();
    of_key.retain(|call| call.operation.key == explanation.key && call.called <= until);
    for call in &mut of_key {
        call.returned.take_if(|(returned, _)| *returned > until);
    }
    let failed = |call: &Call| matches!(call.returned, Some((_, Response::Mismatch(_))));
    let writes = |calls: &[Call], content: Content| {
        content == Content::INITIAL
            || calls.iter().filter(|call| !failed(call)).any(|call| match call.operation.action {
                Action::Put(value)
                | Action::CompareAndSet { value, .. }
                | Action::Append(value)
                | Action::Replace(value) => content == Content::Present(value),
                Action::Delete(deletion) => content == Content::Absent(deletion),
                _ => false,
            })
    };
    let among = &explanation.operations;
    let missing = |content| !writes(among, content) && writes(&of_key, content);
    let mut calls = among.clone();
    for call in &mut calls {
        if let Action::CompareAndSet { expect, value } = call.operation.action
            && !failed(call)
            && missing(expect)
        {
            call.operation.action = Action::Put(value);
        }
        if let Some((_, Response::List(elements))) = &mut call.returned {
            elements.retain(|&element| !missing(Content::Present(element)));
        }
    }
    calls
}

#[test]
fn what_is_explained_is_bad_by_itself() {
    let mut chance = Chance(5);
    let (mut looked, mut round_and_round, mut operations) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut chance);
        let mut history = execution(&mut chance, kind).history;
        spoil(&mut chance, &mut history);
        let Ok(Verdict::Violation(explanation)) = check(&history, Budget::default()) else { continue };
        let alone = alone(&explanation, &history);
        assert!(!brute_force(&alone), "round {round}, {kind:?}:\n{explanation}\n{alone:#?}\n{history:#?}");
        let told = explanation.to_string();
        assert!(told.lines().all(|line| line.len() <= 96) && told.is_ascii(), "round {round}:\n{told}");
        round_and_round += usize::from(is_conclusive(&explanation));
        looked += 1;
        operations += explanation.operations.len();
    }
    assert!(looked > 3_000, "{looked} bad histories");
    assert!(round_and_round > 500, "{round_and_round} circles");
    assert!(operations < 4 * looked, "{operations} operations explain {looked} histories");
}
