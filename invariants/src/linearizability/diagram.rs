//! A diagram of operations: a line per process, time from left to right.

use super::operation::Call;
use crate::fact::Time;
use std::fmt;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// The width of an explanation's lines. Callers indent it and have a hundred columns.
pub(crate) const MAX_LINE_WIDTH: usize = 96;
/// The most columns between two moments.
const MAX_COLUMNS_PER_MOMENT: usize = 6;

/// A line of an explanation, without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// A line that may be wrapped.
    Text(String),
    /// A line of a diagram, in which columns matter.
    Diagram(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Line::Text(line) | Line::Diagram(line)) = self;
        f.write_str(line)
    }
}

/// The lines as one text.
pub(crate) fn join_lines(lines: &[Line]) -> String {
    lines.iter().map(Line::to_string).collect::<Vec<_>>().join("\n")
}

/// Adds a text, wrapped, after an empty line if the diagram precedes it.
pub(crate) fn add_text(lines: &mut Vec<Line>, text: &str, head: &str, indent: &str) {
    if let Some(Line::Diagram(_)) = lines.last() {
        lines.push(Line::Text(String::new()));
    }
    lines.extend(wrap_text(text, head, indent));
}

/// The number of operations that can have a letter.
pub(crate) const MAX_LETTERS: usize = 62;

/// The letter of an operation in a diagram, by its index.
pub(crate) fn letter(index: usize) -> char {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9');
    letters.clone().nth(index).unwrap_or('*')
}

/// A line per session (more where it has several operations pending), each operation from its letter at the
/// invocation to a bar at the return; `>`: no return. Distances show the order of moments, not durations.
pub(crate) fn diagram(operations: &[Call]) -> Vec<Line> {
    let mut moments: Vec<Time> = operations
        .iter()
        .flat_map(|call| [Some(call.called), call.returned.as_ref().map(|(returned, _)| *returned)])
        .flatten()
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let mut sessions: Vec<u64> = Vec::new();
    for call in operations {
        if !sessions.contains(&call.id.session) {
            sessions.push(call.id.session);
        }
    }
    let label = sessions.iter().map(|session| format!("s{session}").len()).max().unwrap_or(0);
    let width = MAX_LINE_WIDTH - label - 4;
    let column = |time: Time| {
        let moment = moments.partition_point(|&moment| moment < time);
        if moments.len() * MAX_COLUMNS_PER_MOMENT <= width {
            moment * MAX_COLUMNS_PER_MOMENT
        } else {
            moment * (width - 1) / moments.len().max(1)
        }
    };
    let end = moments.last().map_or(0, |&last| column(last)) + 2;
    let mut diagram = Vec::new();
    for session in sessions {
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for (index, call) in operations.iter().enumerate().filter(|(_, call)| call.id.session == session) {
            let from = column(call.called);
            let to = call.returned.as_ref().map(|(returned, _)| column(*returned));
            let last = to.unwrap_or(end).max(from);
            let is_free = |row: &Vec<u8>| row[from..=last].iter().all(|&byte| byte == b' ');
            let row = match rows.iter().position(is_free) {
                Some(row) => row,
                None => {
                    rows.push(vec![b' '; end + 1]);
                    rows.len() - 1
                }
            };
            let row = &mut rows[row];
            row[from..=last].fill(b'-');
            row[last] = if to.is_some() { b'|' } else { b'>' };
            row[from] = letter(index) as u8;
        }
        for (number, row) in rows.iter().enumerate() {
            let name = if number == 0 { format!("s{session}") } else { String::new() };
            let row = String::from_utf8_lossy(row);
            diagram.push(Line::Diagram(format!("  {name:label$}  {row}").trim_end().to_string()));
        }
    }
    diagram
}

/// Wraps a text at the diagram's width; the first line starts with `head`, the others with `indent`.
pub(crate) fn wrap_text(text: &str, head: &str, indent: &str) -> impl Iterator<Item = Line> {
    let options = Options::new(MAX_LINE_WIDTH)
        .initial_indent(head)
        .subsequent_indent(indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(|line| Line::Text(line.into_owned()))
}

/// Replaces the middle of a line that is too long by dots.
pub(crate) fn elide_middle(line: &str, width: usize) -> String {
    let length = line.chars().count();
    if length <= width {
        return line.to_string();
    }
    let (head, tail) = (width / 2 - 2, width - width / 2 - 3);
    let head: String = line.chars().take(head).collect();
    let tail: String = line.chars().skip(length - tail).collect();
    format!("{head} ... {tail}")
}
