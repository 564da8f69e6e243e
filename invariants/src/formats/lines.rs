//! One JSON object per line.

use super::ParseError;
use super::display::display_sentence;
use serde::de::DeserializeOwned;

/// Maximum length of a line: a parsed object takes at most eight times the memory of its line.
const MAX_LINE_BYTES: usize = 16 << 20;

/// Removes the byte order mark that some editors write at the beginning.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
pub(super) fn strip_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Parses every non-blank line as an object; returns it with its line number.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
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

/// Describes an error of one JSON line without names of our types.
#[expect(clippy::disallowed_methods, reason = "serde_json tells what is wrong only as text")]
pub(super) fn json_error_reason(error: &serde_json::Error) -> String {
    let (text, column) = (error.to_string(), error.column());
    // Removes the line number of the error, which is always 1.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let mut reason = match text {
        "recursion limit exceeded" => "it is nested too deeply".to_string(),
        text => text.to_string(),
    };
    for (type_name, description) in [
        ("expected struct Line", "expected an object"),
        ("expected internally tagged enum Fact", "expected an object with `fact`"),
        ("expected struct Observed", "expected an object"),
        ("expected struct Configuration", "expected an object with `voters`"),
        ("expected struct LogId", "expected an object with `index` and `term`"),
        ("expected struct RequestId", "expected an object with `session` and `sequence`"),
        ("expected u64", "expected a whole number from 0 to 18446744073709551615"),
        ("expected i64", "expected a whole number"),
    ] {
        if let Some(start) = reason.strip_suffix(type_name) {
            reason = format!("{start}{description}");
        }
    }
    format!("{} (column {column})", display_sentence(reason))
}
