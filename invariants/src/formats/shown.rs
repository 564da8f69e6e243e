//! Text that comes from a file, made fit for a sentence.

use std::fmt::{Display, Write};

/// No name or value takes more columns in a sentence.
const WIDEST: usize = 60;

/// A name or a value: control characters are visible, and the middle of a long one is left out.
pub(super) fn shown(value: impl Display) -> String {
    let mut visible = Visible::default();
    write!(visible, "{value}").expect("a string takes all");
    visible.finish(WIDEST)
}

/// A sentence that quotes a file: the same, at the length of a few lines.
pub(super) fn sentence(text: impl Display) -> String {
    let mut visible = Visible::default();
    write!(visible, "{text}").expect("a string takes all");
    visible.finish(4 * WIDEST)
}

/// No line of an explanation is longer.
const WIDTH: usize = 96;

/// A sentence in lines of that width; the second and all others are indented.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if length > 0 && length + 1 + width > WIDTH {
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
struct Visible {
    head: String,
    tail: String,
    /// Characters that were left out between the two.
    gap: bool,
}

impl Visible {
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
const KEPT: usize = 2_048;

impl Write for Visible {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            let part = if self.head.len() < KEPT { &mut self.head } else { &mut self.tail };
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
        if self.tail.len() > 2 * KEPT {
            let mut cut = self.tail.len() - KEPT;
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
        assert_eq!(shown("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(shown("gr\u{fc}n"), "gr\u{fc}n");
    }

    #[test]
    fn long_values_are_cut_in_the_middle() {
        for length in [61, 1_000, 100_000, 1_000_000] {
            let value = format!("<{}>", "\u{e9}".repeat(length - 2));
            let shown = shown(&value);
            assert!(shown.starts_with("<\u{e9}") && shown.ends_with("\u{e9}>") && shown.contains(" ... "));
            assert!(shown.chars().count() <= WIDEST, "{shown}");
        }
        let value = "x".repeat(WIDEST);
        assert_eq!(shown(&value), value);
    }
}
