//! A check that every explanation must pass.

use invariants::linearizability::{Contradiction, Explanation};

/// Asserts that an explanation shows a cycle, or an operation that no order allows, or that all orders were tried.
/// Returns whether it shows a cycle.
pub(crate) fn is_conclusive(explanation: &Explanation) -> bool {
    let holds_in_every_order = match explanation.contradiction {
        Contradiction::NoOrder {} => return false,
        Contradiction::NeverWritten { .. }
        | Contradiction::NeverAdded { .. }
        | Contradiction::FoundWhatItExpected { .. }
        | Contradiction::SeenTwice { .. }
        | Contradiction::SeenInTwoLists { .. } => true,
        _ => false,
    };
    let shows_cycle = has_cycle(explanation);
    assert!(shows_cycle || holds_in_every_order, "these operations have a legal order:\n{explanation}");
    shows_cycle
}

/// Whether no order satisfies all edges: repeatedly removes the operations without predecessors.
fn has_cycle(explanation: &Explanation) -> bool {
    let mut remaining: Vec<usize> = (0..explanation.operations.len()).collect();
    loop {
        let has_predecessor = |operation: &usize| {
            explanation.edges.iter().any(|edge| edge.after == *operation && remaining.contains(&edge.before))
        };
        let rest: Vec<usize> = remaining.iter().copied().filter(has_predecessor).collect();
        if rest.len() == remaining.len() {
            return !remaining.is_empty();
        }
        remaining = rest;
    }
}
