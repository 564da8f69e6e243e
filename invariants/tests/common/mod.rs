//! What is asked of every explanation.

use invariants::linearizability::{Explanation, Method};

/// An explanation by zones goes round in a circle, or tells of an operation that contradicts itself, whatever the order;
/// one by search says that all orders were tried. Returns whether it goes round.
pub fn is_conclusive(explanation: &Explanation) -> bool {
    /// What contradicts itself in no matter which order.
    const BY_ITSELF: [&str; 5] = [
        ", which nobody wrote",
        ", which nobody added",
        " failed because it found what it expected",
        " twice, which was added once",
        " but in lists that were replaced by one another: it was added twice",
    ];
    let told = explanation.to_string();
    assert!(!told.contains("the other saw") && !told.contains("{other}"), "{told}");
    if explanation.method == Method::Search {
        assert!(explanation.sentence.ends_with("was tried, and none explains all answers"), "{told}");
        return false;
    }
    let goes_round = has_circle(explanation);
    let by_itself = BY_ITSELF.iter().any(|words| explanation.sentence.contains(words));
    assert!(goes_round || by_itself, "these have an order:\n{told}");
    goes_round
}

/// Whether no order satisfies all edges: those before whom nobody stands are taken away until nobody is left.
fn has_circle(explanation: &Explanation) -> bool {
    let mut left: Vec<usize> = (0..explanation.operations.len()).collect();
    loop {
        let waits = |place: &usize| {
            explanation.edges.iter().any(|edge| edge.after == *place && left.contains(&edge.before))
        };
        let rest: Vec<usize> = left.iter().copied().filter(waits).collect();
        if rest.len() == left.len() {
            return !left.is_empty();
        }
        left = rest;
    }
}
