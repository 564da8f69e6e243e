//! A diagram of operations: a line per process, time from left to right.

use super::operation::Call;
use crate::fact::Time;
use std::fmt::Write;

/// The width of an explanation's lines. Callers indent it and have a hundred columns.
pub(crate) const MAX_LINE_WIDTH: usize = 96;
/// The most columns between two moments.
const MAX_COLUMNS_PER_MOMENT: usize = 6;

/// The number of operations that can have a letter.
pub(crate) const MAX_LETTERS: usize = 62;

/// The letter of an operation in a diagram, by its index.
pub(crate) fn letter(index: usize) -> char {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9');
    letters.clone().nth(index).unwrap_or('*')
}

/// A line per session (more where it has several operations pending), each operation from its letter at the
/// invocation to a bar at the return; `>`: no return. Distances show the order of moments, not durations.
pub(crate) fn diagram(operations: &[Call]) -> String {
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
    let mut diagram = String::new();
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
            let line = format!("  {name:label$}  {row}");
            writeln!(diagram, "{}", line.trim_end()).expect("writing to a String cannot fail");
        }
    }
    diagram
}

/// Wraps a text at the diagram's width; the first line starts with `head`, the others with `indent`.
pub(crate) fn wrap_text(text: &str, head: &str, indent: &str) -> String {
    let mut lines = head.to_string();
    let mut width = head.len();
    for (number, word) in text.split_whitespace().enumerate() {
        let word = elide_middle(word, MAX_LINE_WIDTH - indent.len());
        let word_width = word.chars().count();
        if number > 0 && width + 1 + word_width > MAX_LINE_WIDTH {
            lines += "\n";
            lines += indent;
            width = indent.len();
        } else if number > 0 {
            lines += " ";
            width += 1;
        }
        lines += &word;
        width += word_width;
    }
    lines
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
