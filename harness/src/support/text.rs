//! Escapes text from outside (file names, descriptions, keys, values, panic messages) for terminals.
//!
//! Terminals interpret control characters; characters without width or with a change of writing direction alter what a
//! line seems to say. All of these are escaped. JSON does not need it.

use std::borrow::Cow;

/// The most characters of a value in a message: about one line.
const MAX_VALUE_CHARS: usize = 100;
/// The most characters of a line that repeats text from outside.
const MAX_LINE_CHARS: usize = 1_000;

/// Escapes a text into one visible line: `\u{1b}` for an escape character, `\n` for a line end.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, is_visible)
}

/// Escapes a text, but keeps its line ends.
#[must_use]
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_unless(text, |c| c == '\n' || is_visible(c))
}

/// A value for a message: escaped and truncated.
#[must_use]
pub fn display_value(value: &str) -> String {
    let mut rest = value.chars();
    let head: String = rest.by_ref().take(MAX_VALUE_CHARS).collect();
    let head = escape(&head).into_owned();
    match rest.count() {
        0 => head,
        more => format!("{head}... ({more} more characters)"),
    }
}

/// A line in which each word is escaped and truncated, and which is itself truncated.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the text comes from outside")]
pub fn display_line(line: &str) -> String {
    let is_long = |word: &&str| word.chars().nth(MAX_VALUE_CHARS).is_some();
    let words = line
        .split(' ')
        .map(|word| if is_long(&word) { display_value(word) } else { escape(word).into_owned() });
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_LINE_CHARS) {
        None => line,
        Some((end, _)) => format!("{}... ({} more characters)", &line[..end], line[end..].chars().count()),
    }
}

/// The first line of a text, such as the message of a failure.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the message of a panic comes from the system under test")]
pub fn display_first_line(text: &str) -> String {
    display_line(text.lines().next().unwrap_or(text))
}

/// The lines of a text.
#[expect(clippy::disallowed_methods, reason = "the message of a panic comes from the system under test")]
pub fn display_lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(display_line)
}

fn escape_unless(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&is_kept) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if is_kept(c) => escaped.push(c),
            '\n' | '\r' | '\t' => escaped.extend(c.escape_default()),
            _ => escaped.extend(c.escape_unicode()),
        }
    }
    escaped.into()
}

/// Whether a character is printed by itself or, like an accent, with the character before it.
fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `escape_debug` knows which characters are printable. It treats an accent as invisible unless a letter precedes
    // it. The characters of this list print as nothing, although it considers them visible.
    let is_blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    let after_letter: String = ['a', c].iter().collect();
    !is_blank && after_letter.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests {
    use super::{display_line, display_value, escape, escape_lines};
    use proptest::prelude::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        let cases = [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{7f}\u{9b}2J", "\\u{7f}\\u{9b}2J"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
            ("no\u{200b}thing\u{feff}\u{2060}\u{ad}", "no\\u{200b}thing\\u{feff}\\u{2060}\\u{ad}"),
            ("one\u{2028}two", "one\\u{2028}two"),
            ("\u{3164}\u{e0041}\u{fe0f}", "\\u{3164}\\u{e0041}\\u{fe0f}"),
        ];
        for (text, escaped) in cases {
            assert_eq!(escape(text), escaped);
        }
        assert_eq!(escape_lines("a\nb\u{1b}\n"), "a\nb\\u{1b}\n");
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["it's a \"plan\" in C:\\plans", "größer", "e\u{301}", "日本語", "🙂", "נתונים"]
        {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn long_values_are_truncated() {
        assert_eq!(display_value(&"x".repeat(100)), "x".repeat(100));
        let long = display_value(&("x".repeat(100) + "\u{1b}rest"));
        assert_eq!(long, "x".repeat(100) + "... (5 more characters)");
        assert!(display_value(&"\u{1b}".repeat(1_000)).len() < 700);
        let line = format!("read of `{}` at 5 s", "y".repeat(200));
        assert_eq!(
            display_line(&line),
            format!("read of `{}... (102 more characters) at 5 s", "y".repeat(99))
        );
        let words = display_line(&"word ".repeat(1_000));
        assert!(words.ends_with("... (4000 more characters)") && words.len() < 1_100, "{words}");
    }

    proptest! {
            #[test]
            fn escaped_text_has_no_control_characters_and_is_stable(text: String) {
                let escaped = escape(&text);
                prop_assert!(!escaped.chars().any(char::is_control));
                prop_assert_eq!(escape(&escaped), escaped.as_ref());
    prop_assert_eq!(escape_lines(&text).matches('\n').count(), text.matches('\n').count());
            }
        }
}
