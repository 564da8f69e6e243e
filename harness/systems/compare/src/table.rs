//! Rows of two values, laid out for any width.

use std::fmt::Write;
use textwrap::{Options, fill};

/// The least width of a column.
const MIN_COLUMN: usize = 10;

/// A line of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// A heading.
    Heading(String),
    /// What is measured, and both values.
    Values(String, [String; 2]),
    /// A sentence.
    Note(String),
    /// Something to type, which is never wrapped.
    Command(String),
}

/// The rows as text of this width. Where three columns do not fit, values stand below each other.
#[must_use]
pub fn render(names: [&str; 2], rows: &[Row], width: usize) -> String {
    let values = || {
        rows.iter()
            .filter_map(|row| if let Row::Values(label, values) = row { Some((label, values)) } else { None })
    };
    let label_width = values().map(|(label, _)| label.chars().count()).max().unwrap_or(0) + 2;
    let column = |side: usize| {
        let widest = values().map(|(_, values)| values[side].chars().count()).max().unwrap_or(0);
        widest.max(names[side].len()).max(MIN_COLUMN) + 2
    };
    let columns = [column(0), column(1)];
    let fits = label_width + columns[0] + columns[1] <= width;
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{}", line.trim_end()).expect("text can always grow");
    for row in rows {
        match row {
            Row::Heading(heading) if fits => {
                line("");
                line(&format!(
                    "{heading:label_width$}{:>left$}{:>right$}",
                    names[0],
                    names[1],
                    left = columns[0],
                    right = columns[1]
                ));
            }
            Row::Heading(heading) => {
                line("");
                line(&fill(heading, width));
            }
            Row::Values(label, [left, right]) if fits => line(&format!(
                "  {label:rest$}{left:>first$}{right:>second$}",
                rest = label_width - 2,
                first = columns[0],
                second = columns[1]
            )),
            Row::Values(label, values) => {
                line(&fill(label, Options::new(width).initial_indent("  ").subsequent_indent("  ")));
                for (name, value) in names.iter().zip(values) {
                    line(&format!("    {name} {value}"));
                }
            }
            Row::Note(note) => line(&fill(note, width)),
            Row::Command(command) => line(&format!("  {command}")),
        }
    }
    text
}
