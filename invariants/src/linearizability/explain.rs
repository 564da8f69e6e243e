//! Why a key's history is not linearizable, in so many words.

use super::diagram::{LETTERS, WIDTH, diagram, letter, shortened, wrapped};
use super::operation::Call;
use serde::Serialize;
use std::fmt;

/// Of more operations than there are letters only the last ones are shown: those are nearest to the contradiction.
const SHOWN: usize = 24;

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
    /// from reads of lists and sets every element may be struck that none of them adds.
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

impl Explanation {
    /// The explanation as a text, for people who call things otherwise: `named` gets pieces of text in which keys, values
    /// and operations go by their numbers, and `line` knows where an operation was recorded.
    pub fn told(&self, named: impl Fn(&str) -> String, line: impl Fn(&Call) -> Option<usize>) -> String {
        let Explanation { key, sentence, stuck, operations, edges, .. } = self;
        let hidden = if operations.len() > LETTERS { operations.len() - SHOWN } else { 0 };
        let operations = &operations[hidden..];
        let line = |call| line(call).map_or_else(String::new, |line| format!(" (line {line})"));
        let mut lines = vec![wrapped(&named(&format!("k{key} is not linearizable: {sentence}.")), "", "  ")];
        let of = operations.iter().position(|call| call == stuck);
        let name = of.map_or_else(|| format!("{}{}", stuck.id, line(stuck)), |of| letter(of).to_string());
        let could = named(&format!("returned, all answers on k{key} could be put in an order."));
        lines.extend([wrapped(&format!("Before {name} {could}"), "", "  "), String::new()]);
        if hidden > 0 {
            lines.push(format!("  ... {hidden} operations that were called before these, and"));
        }
        for (place, call) in operations.iter().enumerate() {
            let (call, line) = (named(&call.to_string()), line(call));
            lines.push(shortened(&format!("  {}  {call}", letter(place)), WIDTH - line.len()) + &line);
        }
        lines.extend([String::new(), diagram(operations)]);
        let shown = edges.iter().filter(|edge| edge.before.min(edge.after) >= hidden);
        for Forced { before, after, why } in shown {
            let (before, after, why) = (letter(before - hidden), letter(after - hidden), named(why));
            lines.push(wrapped(&format!("{before} before {after}: {before} {why}"), "  ", "    "));
        }
        // The picture ends with a line of its own, so that an empty one comes before the reasons.
        lines.join("\n")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(str::to_string, |_| None))
    }
}
