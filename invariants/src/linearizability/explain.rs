//! The explanation of a violation, as text.

use super::contradiction::{Argument, Contradiction, Notation, OrderingEdge};
use super::diagram::{
    Line, MAX_LETTERS, MAX_LINE_WIDTH, add_text, diagram, elide_middle, join_lines, letter, wrap_text,
};
use super::names::{DisplayNamed, NUMBERS, Names};
use super::operation::Call;
use serde::Serialize;
use std::fmt;

/// Of more operations than there are letters, only the last ones are shown: they are nearest to the contradiction.
const MAX_SHOWN: usize = 24;

/// How a key was decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By the zones of unique contents.
    Zones,
    /// By the search for an order.
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

/// A few operations of one key that no order explains, whatever the rest of the history is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The key.
    pub key: u64,
    /// Why they have no order.
    pub contradiction: Contradiction,
    /// The operation whose return completes the violation: the history up to just before it is linearizable.
    pub stuck: Call,
    /// The contradicting operations by invocation time, with the operations that they depend on. Two exceptions: a
    /// compare-and-set whose expected content no operation here writes counts as a plain write; elements of list and
    /// set reads that no operation here adds are to be ignored.
    pub operations: Vec<Call>,
    /// The forced precedences. By zones they form a cycle, unless one operation contradicts itself (it observed what
    /// was never written, or one element twice). By search they are the real-time precedences only; the orders that
    /// they leave open were all tried.
    pub edges: Vec<OrderingEdge>,
}

impl Explanation {
    /// The kind: a stable name, the same whatever the operations are.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.edges.is_empty() { "self-contradictory-operation" } else { "unexplained-history" }
    }

    /// The letter by which the diagram and the sentences call the operation at a position among `operations`.
    #[must_use]
    pub fn letter(position: usize) -> char {
        letter(position)
    }

    /// The forced precedences, each as a sentence in the names of a file format, or by number. It calls the operations
    /// by their letters in the diagram.
    #[must_use]
    pub fn forced_order(&self, names: Option<&Names>) -> Vec<(&OrderingEdge, String)> {
        let sentence = |edge: &OrderingEdge| {
            let (before, after) = (letter(edge.before), letter(edge.after));
            let notation =
                Notation { operations: &self.operations, names: names.unwrap_or(&NUMBERS), other: after };
            format!("{before} before {after}: {before} {}", edge.reason.shown(notation))
        };
        self.edges.iter().map(|edge| (edge, sentence(edge))).collect()
    }

    /// The explanation line by line, with keys and values by number.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.describe(&NUMBERS, |_| None)
    }

    /// The explanation line by line, in the names of a file format; `line` returns the line in which an operation was
    /// recorded.
    pub(crate) fn describe(&self, names: &Names, line: impl Fn(&Call) -> Option<usize>) -> Vec<Line> {
        let Explanation { key, contradiction, stuck, operations, edges } = self;
        let skipped = if operations.len() > MAX_LETTERS { operations.len() - MAX_SHOWN } else { 0 };
        let shown = &operations[skipped..];
        let line = |call| line(call).map_or_else(String::new, |line| format!(" (line {line})"));
        let notation = Notation { operations, names, other: ' ' };
        let (key, contradiction) = (names.key(*key), contradiction.shown(notation));
        let head = format!("{key} is not linearizable: {contradiction}.");
        let mut lines: Vec<Line> = wrap_text(&head, "", "  ").collect();
        let stuck_index = shown.iter().position(|call| call == stuck);
        let stuck_name = stuck_index
            .map_or_else(|| format!("{}{}", stuck.id, line(stuck)), |index| letter(index).to_string());
        let before = format!("Before {stuck_name} returned, all answers on {key} could be put in an order.");
        lines.extend(wrap_text(&before, "", "  "));
        lines.push(Line::Text(String::new()));
        if skipped > 0 {
            lines.push(Line::Text(format!("  ... {skipped} operations that were called before these, and")));
        }
        for (index, call) in shown.iter().enumerate() {
            let (call, line) = (call.named(names), line(call));
            let call = elide_middle(&format!("  {}  {call}", letter(index)), MAX_LINE_WIDTH - line.len());
            lines.push(Line::Text(call + &line));
        }
        lines.push(Line::Text(String::new()));
        lines.extend(diagram(shown));
        for edge in edges.iter().filter(|edge| edge.before.min(edge.after) >= skipped) {
            let (before, after) = (letter(edge.before - skipped), letter(edge.after - skipped));
            let reason = edge.reason.shown(Notation { other: after, ..notation });
            add_text(&mut lines, &format!("{before} before {after}: {before} {reason}"), "  ", "    ");
        }
        lines
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join_lines(&self.lines()).fmt(f)
    }
}
