//! Text from outside, as a sentence can show it: file names, stories, keys, values, messages of a panic.
//!
//! A terminal obeys control characters, and characters that have no width or that turn the direction of writing around
//! change what a line seems to say. All of them are shown by their numbers. JSON needs none of this.

use std::borrow::Cow;

/// How many characters of a value a sentence shows: with the rest of the sentence, about a line.
const MAX_VALUE_CHARS: usize = 100;
/// How many characters a line has that repeats what came from outside.
const MAX_LINE_CHARS: usize = 1_000;

/// A text in which every character can be seen, in one line: `\u{1b}` for an escape, `\n` for the end of a line.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, is_visible)
}

/// The same of a text that has several lines: they stay lines.
#[must_use]
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_unless(text, |c| c == '\n' || is_visible(c))
}

/// A value for a sentence: visible, and cut where it is longer than a line.
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

/// A line in which no value is longer than a line: words are cut, and of words without an end the later ones are left out.
#[must_use]
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

fn escape_unless(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            _ if stays(c) => escaped.push(c),
            '\n' | '\r' | '\t' => escaped.extend(c.escape_default()),
            _ => escaped.extend(c.escape_unicode()),
        }
    }
    escaped.into()
}

/// Whether a character takes up room of its own or, like an accent, belongs to one that does.
fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The standard library knows what can be printed. An accent alone counts as invisible there, behind a letter it does
    // not. These letters and marks print as nothing although it thinks otherwise.
    let blank = matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
    let letter_and_this: String = ['a', c].iter().collect();
    !blank && letter_and_this.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::{display_line, display_value, escape, escape_lines};
    use proptest::prelude::*;

    #[test]
    fn what_moves_the_cursor_or_the_direction_is_shown_by_its_number() {
        let told = [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{7f}\u{9b}2J", "\\u{7f}\\u{9b}2J"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("\u{2066}x\u{2069}\u{200f}\u{61c}", "\\u{2066}x\\u{2069}\\u{200f}\\u{61c}"),
            ("no\u{200b}thing\u{feff}\u{2060}\u{ad}", "no\\u{200b}thing\\u{feff}\\u{2060}\\u{ad}"),
            ("one\u{2028}two", "one\\u{2028}two"),
            ("\u{3164}\u{e0041}\u{fe0f}", "\\u{3164}\\u{e0041}\\u{fe0f}"),
        ];
        for (text, right) in told {
            assert_eq!(escape(text), right);
        }
        assert_eq!(escape_lines("a\nb\u{1b}\n"), "a\nb\\u{1b}\n");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["it's a \"plan\" in C:\\plans", "größer", "e\u{301}", "日本語", "🙂", "נתונים"]
        {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn a_long_value_is_cut() {
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
            fn nothing_visible_is_lost_and_nothing_else_is_left(text: String) {
                let seen = escape(&text);
                prop_assert!(!seen.chars().any(char::is_control));
                prop_assert_eq!(escape(&seen), seen.as_ref());
    prop_assert_eq!(escape_lines(&text).matches('\n').count(), text.matches('\n').count());
            }
        }
}
