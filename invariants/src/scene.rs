//! What a property is shown: the past and one new fact.

use crate::fact::{Node, Observed};
use crate::shadow::{NodeShadow, Shadow};
use crate::violation::Violation;

/// What a property answers: nothing, or the clash.
pub(crate) type Verdict = Result<(), Box<Violation>>;

/// One server's fact against everything before it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The past.
    pub shadow: &'a Shadow,
    /// The server whose fact it is, in the past.
    pub node: &'a NodeShadow,
    /// The fact.
    pub observed: &'a Observed,
}

impl Scene<'_> {
    /// The fact contradicts `first`, or the past as a whole.
    #[cold]
    pub fn clash(&self, property: &'static str, first: Option<Observed>, sentence: String) -> Verdict {
        Err(Box::new(Violation { property, sentence, first, second: self.observed.clone() }))
    }
}

/// Servers as a person writes them: `n1, n2 and n3`.
pub(crate) fn names(nodes: impl IntoIterator<Item = Node>) -> String {
    let names: Vec<String> = nodes.into_iter().map(|node| format!("n{node}")).collect();
    match names.split_last() {
        None => "nobody".into(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
