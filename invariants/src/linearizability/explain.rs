//! Why a key's history is not linearizable, in so many words.

use super::diagram::{WIDTH, diagram, letter, shortened, wrapped};
use super::operation::Call;
use serde::Serialize;
use std::fmt;

/// What told that a key is linearizable or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The zones of contents that were written once each.
    Zones,
    /// The search for an order.
    Search,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Zones => "zones",
            Method::Search => "search",
        })
    }
}

/// A few operations of a key that no order explains, whatever the others of the history are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    /// The key.
    pub key: u64,
    /// What found it.
    pub method: Method,
    /// The contradiction in a sentence.
    pub sentence: String,
    /// The operation whose return made it so: everything that had returned before can be put in an order.
    pub stuck: Call,
    /// The operations that contradict each other, by time of call. What they depend on is among them; only a
    /// compare-and-set may stand without the one that wrote what it expected, and then counts as a plain write, and
    /// from reads of lists every element may be struck that none of them adds.
    pub operations: Vec<Call>,
    /// What must stand before what, and why. By [`Method::Zones`] this goes round in a circle, but where an operation
    /// contradicts itself: it saw what nobody wrote, or one thing twice. By [`Method::Search`] it is what time forces, and
    /// leaves an order open; that none of those is right had to be tried.
    pub edges: Vec<Forced>,
}

/// One operation must stand before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Forced {
    /// The place of the one among the operations of the explanation.
    pub before: usize,
    /// The place of the other.
    pub after: usize,
    /// Why, as the end of a sentence that began with the first one.
    pub why: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { key, sentence, stuck, operations, edges, .. } = self;
        writeln!(f, "{}", wrapped(&format!("k{key} is not linearizable: {sentence}."), "", "  "))?;
        let of = operations.iter().position(|call| call == stuck);
        let name = of.map_or_else(|| stuck.id.to_string(), |place| letter(place).to_string());
        writeln!(f, "Before {name} returned, all answers on k{key} could be put in an order.")?;
        writeln!(f)?;
        for (place, call) in operations.iter().enumerate() {
            writeln!(f, "{}", shortened(&format!("  {}  {call}", letter(place)), WIDTH))?;
        }
        write!(f, "\n{}", diagram(operations))?;
        if !edges.is_empty() {
            writeln!(f)?;
        }
        let mut lines: Vec<String> = Vec::new();
        for Forced { before, after, why } in edges {
            let line = format!("{} before {}: {} {why}", letter(*before), letter(*after), letter(*before));
            lines.push(wrapped(&line, "  ", "    "));
        }
        f.write_str(&lines.join("\n"))
    }
}
