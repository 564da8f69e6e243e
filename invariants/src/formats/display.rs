//! Text that comes from a file, made fit for a sentence.

use std::fmt::{Display, Write};

/// No name or value takes more columns in a sentence.
const MAX_VALUE_WIDTH: usize = 60;

/// A name or a value: control characters are visible, and the middle of a long one is left out.
pub(super) fn display_value(value: impl Display) -> String {
    let mut visible = EscapingWriter::default();
    write!(visible, "{value}").expect("a string takes all");
    visible.finish(MAX_VALUE_WIDTH)
}

/// A sentence that quotes a file: the same, at the length of a few lines.
pub(super) fn display_sentence(text: impl Display) -> String {
    let mut visible = EscapingWriter::default();
    write!(visible, "{text}").expect("a string takes all");
    visible.finish(4 * MAX_VALUE_WIDTH)
}

/// No line of an explanation is longer.
const MAX_LINE_WIDTH: usize = 96;

/// A sentence in lines of that width; the second and all others are indented.
pub(super) fn wrap_note(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > MAX_LINE_WIDTH {
            lines.push_str("\n  ");
            length = 2;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += width;
    }
    lines
}

/// Collects text. Its memory is bounded whatever is written: of a long text only the beginning and the end are kept.
#[derive(Default)]
struct EscapingWriter {
    head: String,
    tail: String,
    /// Characters that were left out between the two.
    gap: bool,
}

impl EscapingWriter {
    fn finish(self, widest: usize) -> String {
        let length = self.head.chars().count() + self.tail.chars().count();
        if !self.gap && length <= widest {
            return self.head + &self.tail;
        }
        let (front, back) = (widest * 2 / 3, widest / 3 - 5);
        let all = self.head + &self.tail;
        let start: String = all.chars().take(front).collect();
        let end: String = all.chars().skip(all.chars().count().saturating_sub(back)).collect();
        format!("{start} ... {end}")
    }
}

/// The parts that are kept while a text is written.
const KEPT_BYTES: usize = 2_048;

impl Write for EscapingWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            let part = if self.head.len() < KEPT_BYTES { &mut self.head } else { &mut self.tail };
            match letter {
                // Characters that move the cursor, and those that reorder what stands around them.
                letter
                    if letter.is_control()
                        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(part, "{}", letter.escape_default())?;
                }
                letter => part.push(letter),
            }
        }
        if self.tail.len() > 2 * KEPT_BYTES {
            let mut cut = self.tail.len() - KEPT_BYTES;
            while !self.tail.is_char_boundary(cut) {
                cut += 1;
            }
            self.tail.drain(..cut);
            self.gap = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_visible() {
        assert_eq!(display_value("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(display_value("gr\u{fc}n"), "gr\u{fc}n");
    }

    #[test]
    fn long_values_are_cut_in_the_middle() {
        for length in [61, 1_000, 100_000, 1_000_000] {
            let value = format!("<{}>", "\u{e9}".repeat(length - 2));
            let shown = display_value(&value);
            assert!(shown.starts_with("<\u{e9}") && shown.ends_with("\u{e9}>") && shown.contains(" ... "));
            assert!(shown.chars().count() <= MAX_VALUE_WIDTH, "{shown}");
        }
        let value = "x".repeat(MAX_VALUE_WIDTH);
        assert_eq!(display_value(&value), value);
    }
}
