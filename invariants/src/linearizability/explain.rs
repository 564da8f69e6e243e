//! Why a key's history is not linearizable, in so many words.

use super::diagram::{MAX_LETTERS, MAX_LINE_WIDTH, diagram, elide_middle, letter, wrap_text};
use super::operation::Call;
use serde::Serialize;
use std::fmt;

/// Of more operations than there are letters only the last ones are shown: those are nearest to the contradiction.
const MAX_SHOWN: usize = 24;

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
    pub edges: Vec<OrderingEdge>,
}

/// One operation must stand before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OrderingEdge {
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
    pub fn format_with(
        &self,
        named: impl Fn(&str) -> String,
        line: impl Fn(&Call) -> Option<usize>,
    ) -> String {
        let Explanation { key, sentence, stuck, operations, edges, .. } = self;
        let hidden = if operations.len() > MAX_LETTERS { operations.len() - MAX_SHOWN } else { 0 };
        let operations = &operations[hidden..];
        let line = |call| line(call).map_or_else(String::new, |line| format!(" (line {line})"));
        let mut lines =
            vec![wrap_text(&named(&format!("k{key} is not linearizable: {sentence}.")), "", "  ")];
        let of = operations.iter().position(|call| call == stuck);
        let name = of.map_or_else(|| format!("{}{}", stuck.id, line(stuck)), |of| letter(of).to_string());
        let could = named(&format!("returned, all answers on k{key} could be put in an order."));
        lines.extend([wrap_text(&format!("Before {name} {could}"), "", "  "), String::new()]);
        if hidden > 0 {
            lines.push(format!("  ... {hidden} operations that were called before these, and"));
        }
        for (place, call) in operations.iter().enumerate() {
            let (call, line) = (named(&call.to_string()), line(call));
            lines.push(
                elide_middle(&format!("  {}  {call}", letter(place)), MAX_LINE_WIDTH - line.len()) + &line,
            );
        }
        lines.extend([String::new(), diagram(operations)]);
        let shown = edges.iter().filter(|edge| edge.before.min(edge.after) >= hidden);
        for OrderingEdge { before, after, why } in shown {
            let (before, after, why) = (letter(before - hidden), letter(after - hidden), named(why));
            lines.push(wrap_text(&format!("{before} before {after}: {before} {why}"), "  ", "    "));
        }
        // The picture ends with a line of its own, so that an empty one comes before the reasons.
        lines.join("\n")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format_with(str::to_string, |_| None))
    }
}
