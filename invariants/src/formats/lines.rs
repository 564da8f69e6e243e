//! One JSON object per line.

use super::ParseError;
use super::display::display_sentence;
use serde::de::DeserializeOwned;

/// No line is longer: an object takes at most eight times as much memory as its line.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Some editors put a mark of byte order before a text.
pub(super) fn strip_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The objects of all lines that are not blank, with the lines' numbers.
pub(super) fn parse_lines<T: DeserializeOwned>(
    text: &str,
    expected: &'static str,
) -> impl Iterator<Item = Result<(usize, T), ParseError>> {
    let lines = strip_byte_order_mark(text).lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    lines.map(move |(before, text)| {
        let line = before + 1;
        if text.len() > MAX_LINE_BYTES {
            return Err(ParseError { line, expected, reason: "the line is longer than 16 MiB".to_string() });
        }
        match serde_json::from_str(text) {
            Ok(object) => Ok((line, object)),
            Err(error) => Err(ParseError { line, expected, reason: json_error_reason(&error) }),
        }
    })
}

/// What is wrong with a piece of JSON that stands in one line, in words that know no type of ours.
pub(super) fn json_error_reason(error: &serde_json::Error) -> String {
    let (text, column) = (error.to_string(), error.column());
    // The error counts lines as well, and for it there is but one.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let mut plain = match text {
        "recursion limit exceeded" => "it is nested too deeply".to_string(),
        text => text.to_string(),
    };
    for (ours, words) in [
        ("expected struct Line", "expected an object"),
        ("expected internally tagged enum Fact", "expected an object with `fact`"),
        ("expected struct Observed", "expected an object"),
        ("expected struct Configuration", "expected an object with `voters`"),
        ("expected struct LogId", "expected an object with `index` and `term`"),
        ("expected struct RequestId", "expected an object with `session` and `sequence`"),
        ("expected u64", "expected a whole number from 0 to 18446744073709551615"),
        ("expected i64", "expected a whole number"),
    ] {
        if let Some(start) = plain.strip_suffix(ours) {
            plain = format!("{start}{words}");
        }
    }
    format!("{} (column {column})", display_sentence(plain))
}
