//! Makes text from a file fit for a message: escapes control characters and limits the length.

use std::fmt::{Display, Write};

/// Maximum width of a name or value in a sentence, in characters.
const MAX_VALUE_WIDTH: usize = 60;

/// A name or value with control characters escaped; a long one is shortened in the middle.
pub(super) fn display_value(value: impl Display) -> String {
    let mut writer = EscapingWriter::default();
    write!(writer, "{value}").expect("writing to a string never fails");
    writer.finish(MAX_VALUE_WIDTH)
}

/// A sentence that quotes a file: like [`display_value`], at the length of a few lines.
pub(super) fn display_sentence(text: impl Display) -> String {
    let mut writer = EscapingWriter::default();
    write!(writer, "{text}").expect("writing to a string never fails");
    writer.finish(4 * MAX_VALUE_WIDTH)
}

/// Collects text in bounded memory: only the beginning and the end of a long text are kept.
#[derive(Default)]
struct EscapingWriter {
    head: String,
    tail: String,
    /// Whether characters between the two were dropped.
    gap: bool,
}

impl EscapingWriter {
    fn finish(self, max_width: usize) -> String {
        let length = self.head.chars().count() + self.tail.chars().count();
        if !self.gap && length <= max_width {
            return self.head + &self.tail;
        }
        let (head_chars, tail_chars) = (max_width * 2 / 3, max_width / 3 - 5);
        let all = self.head + &self.tail;
        let start: String = all.chars().take(head_chars).collect();
        let end: String = all.chars().skip(all.chars().count().saturating_sub(tail_chars)).collect();
        format!("{start} ... {end}")
    }
}

/// The number of bytes kept at either end while a text is written.
const KEPT_BYTES: usize = 2_048;

impl Write for EscapingWriter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            let part = if self.head.len() < KEPT_BYTES { &mut self.head } else { &mut self.tail };
            match character {
                // Control characters, and characters that change the direction of the text around them.
                character
                    if character.is_control()
                        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    write!(part, "{}", character.escape_default())?;
                }
                character => part.push(character),
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
#[expect(clippy::disallowed_methods, reason = "a test reads what is displayed")]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(display_value("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(display_value("gr\u{fc}n"), "gr\u{fc}n");
    }

    #[test]
    fn long_values_are_shortened_in_the_middle() {
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
