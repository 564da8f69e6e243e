//! A check that every explanation must pass.

use invariants::linearizability::{Explanation, Method};

/// Asserts that an explanation by zones shows a cycle or an operation that no order allows, and that one by
/// search says that all orders were tried. Returns whether it shows a cycle.
pub(crate) fn is_conclusive(explanation: &Explanation) -> bool {
    /// Messages of contradictions that hold in every order.
    const SELF_CONTRADICTORY: [&str; 5] = [
        ", which was never written",
        ", which was never added",
        " failed because it found what it expected",
        " twice, which was added once",
        " but in lists of which one had replaced the other; it was added once",
    ];
    let message = explanation.to_string();
    assert!(!message.contains("the other saw") && !message.contains("{other}"), "{message}");
    if explanation.method == Method::Search {
        assert!(explanation.sentence.ends_with("was tried, and none explains all answers"), "{message}");
        return false;
    }
    let shows_cycle = has_cycle(explanation);
    let is_self_contradictory = SELF_CONTRADICTORY.iter().any(|words| explanation.sentence.contains(words));
    assert!(shows_cycle || is_self_contradictory, "these operations have a legal order:\n{message}");
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
