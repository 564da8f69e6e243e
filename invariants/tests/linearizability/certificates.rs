//! An explanation is a proof by itself: brute force finds no order of its operations.

use crate::brute_force::brute_force;
use crate::common::is_conclusive;
use crate::random_histories::{TestRng, corrupt, execution, kind};
use invariants::linearizability::{Action, Budget, Call, Content, Explanation, Response, Verdict, check};

/// The operations of an explanation, made independent of all others: see [`Explanation::operations`].
pub(crate) fn standalone(explanation: &Explanation, history: &[Call]) -> Vec<Call> {
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
    let shown = &explanation.operations;
    let missing = |content| !writes(shown, content) && writes(&of_key, content);
    let mut calls = shown.clone();
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
fn the_operations_of_an_explanation_have_no_order() {
    let mut rng = TestRng(5);
    let (mut checked, mut cycles, mut operations) = (0, 0, 0);
    for round in 0..20_000 {
        let kind = kind(&mut rng);
        let mut history = execution(&mut rng, kind).history;
        corrupt(&mut rng, &mut history);
        let Ok(Verdict::Violation(explanation)) = check(&history, Budget::default()) else { continue };
        let standalone = standalone(&explanation, &history);
        assert!(
            !brute_force(&standalone),
            "round {round}, {kind:?}:\n{explanation}\n{standalone:#?}\n{history:#?}"
        );
        let message = explanation.to_string();
        assert!(
            message.lines().all(|line| line.len() <= 96) && message.is_ascii(),
            "round {round}:\n{message}"
        );
        cycles += usize::from(is_conclusive(&explanation));
        checked += 1;
        operations += explanation.operations.len();
    }
    assert!(checked > 3_000, "{checked} bad histories");
    assert!(cycles > 500, "{cycles} cycles");
    assert!(operations < 4 * checked, "{operations} operations explain {checked} histories");
}
