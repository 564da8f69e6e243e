//! Operations as a small picture: a line per process, time from left to right.

use super::operation::Call;
use crate::fact::Time;
use std::fmt::Write;

/// No line of an explanation is longer: whoever shows it moves it in, and has a hundred columns.
pub(crate) const MAX_LINE_WIDTH: usize = 96;
/// A moment takes at most so many columns.
const MAX_COLUMNS_PER_MOMENT: usize = 6;

/// So many operations have a letter of their own.
pub(crate) const MAX_LETTERS: usize = 62;

/// The letter of an operation in a picture, by its place among the operations.
pub(crate) fn letter(place: usize) -> char {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9');
    letters.clone().nth(place).unwrap_or('*')
}

/// A line per process (more where it had several operations open), each operation from its letter at the call to a bar
/// at the return; `>` where none is known. Only the order of moments is true to scale.
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
    let mut picture = String::new();
    for session in sessions {
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for (place, call) in operations.iter().enumerate().filter(|(_, call)| call.id.session == session) {
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
            row[from] = letter(place) as u8;
        }
        for (number, row) in rows.iter().enumerate() {
            let name = if number == 0 { format!("s{session}") } else { String::new() };
            let row = String::from_utf8_lossy(row);
            let line = format!("  {name:label$}  {row}");
            writeln!(picture, "{}", line.trim_end()).expect("a string takes all");
        }
    }
    picture
}

/// Breaks a text into lines of the picture's width; the first begins with `head`, and all others with `indent`.
pub(crate) fn wrap_text(text: &str, head: &str, indent: &str) -> String {
    let mut lines = head.to_string();
    let mut length = head.len();
    let mut is_first = true;
    for word in text.split_whitespace() {
        let mut word = word.to_string();
        if word.len() > MAX_LINE_WIDTH - indent.len() {
            word = elide_middle(&word, MAX_LINE_WIDTH - indent.len());
        }
        if !is_first && length + 1 + word.len() > MAX_LINE_WIDTH {
            lines.push('\n');
            lines.push_str(indent);
            length = indent.len();
        } else if !is_first {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(&word);
        length += word.len();
        is_first = false;
    }
    lines
}

/// A line with its middle left out where it is too long.
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
