//! What is judged, as text: facts and histories from anywhere.
//!
//! A format here is a pair of functions between text and our own types, or one of them; opening files is the caller's.
//! Blank lines are skipped, and so is a mark of byte order at the beginning. What cannot be read is a [`ParseError`] with
//! the number of the line and what was expected there.
//!
//! - [`facts`]: what nodes made true, one [`Observed`](crate::fact::Observed) per line.
//! - [`histories`]: what clients saw, one [`Call`](crate::linearizability::Call) per line.
//! - [`kvsim`]: histories of a small simulator with known verdicts, which the tests are made of.
//! - [`jepsen`]: histories as Jepsen and Porcupine have them, in EDN, JSON, columns and logs.
//! - [`operations`]: a table of operations, in CSV.
//!
//! [`text`] makes a text of a file, unpacked where it is compressed with gzip; [`read_history`] tells the formats of
//! histories from each other, by content and never by name. What is said of a history has numbers for all that its
//! file names otherwise; [`ParsedHistory::told`] says it in the words of the file.
//!
//! # What answers mean
//!
//! | format | it happened | it did not happen | a compare-and-set that found another value | the outcome is unknown |
//! |---|---|---|---|---|
//! | [`histories`] | `"done"`, `{"holds":C}`, `{"list":[..]}` and their like | left out of the file | `{"mismatch":C}`, an answer | no `returned` |
//! | [`kvsim`] | `ok` | left out of the file | `fail`, an answer; `observed` tells what it found | `unknown` |
//! | [`jepsen`] | `:ok` | `:fail` | cannot be told, for `:fail` says only that it did not happen; see below | `:info`, or no return |
//! | [`operations`] | a row with a return | an outcome of failure | cannot be told, as in Jepsen | no return, or an outcome that says so |
//!
//! Where failure is one word, a failed compare-and-set is dropped like any other failed operation, whatever reason is
//! given. Who knows that the system under test fails a compare-and-set only where it found another value can say so:
//! [`FailedCas::Mismatch`]. A verdict that rests on that names the line.
//!
//! # Sizes
//!
//! Each size of a history has a bound that fits in 1 GiB of memory with all that is made of it: [`MAX_BYTES`],
//! [`MAX_OPERATIONS`], [`MAX_ELEMENTS`], [`MAX_NAMES`].

mod display;
mod parsed_history;
mod input;
mod lines;
pub mod facts;
pub mod histories;
pub mod kvsim;
mod edn;
mod json;
pub mod jepsen;
pub mod operations;

pub use input::{MAX_BYTES, decode_text, too_large_error};
pub use parsed_history::{
    FailedCas, MAX_ELEMENTS, MAX_NAMES, MAX_OPERATIONS, Names, ParseError, ParsedHistory, ReadOptions,
};

use display::display_value;
use lines::strip_byte_order_mark;
use std::fmt;

/// A way of writing histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Our own: [`histories`].
    Calls,
    /// [`kvsim`]
    Kvsim,
    /// Log lines: [`jepsen`].
    JepsenLog,
    /// The columns of `history.txt`: [`jepsen`].
    JepsenColumns,
    /// Maps: [`jepsen`].
    JepsenMaps,
    /// JSON objects: [`jepsen`].
    JepsenJson,
    /// Maps about texts: [`jepsen`].
    PorcupineText,
    /// CSV: [`operations`].
    Operations,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Calls => "JSON lines, a call each",
            Format::Kvsim => "JSON lines, an operation of a process each",
            Format::JepsenLog => "a Jepsen log of a register",
            Format::JepsenColumns => "Jepsen's history.txt",
            Format::JepsenMaps => "Jepsen maps",
            Format::JepsenJson => "Jepsen's maps as JSON",
            Format::PorcupineText => "Porcupine's key-value text",
            Format::Operations => "CSV, an operation each",
        })
    }
}

/// Reads a history in whatever format it is, which its beginning tells.
///
/// # Errors
/// Where no format is recognised, or the first line that does not fit the one recognised. Where nothing was recorded,
/// for that is rather a mistake than a history.
pub fn read_history(text: &str) -> Result<(Format, ParsedHistory), ParseError> {
    read_history_with(text, &ReadOptions::default())
}

/// The same, with what the file does not say itself.
///
/// # Errors
/// As [`read_history`]; and where the file cannot be read so.
pub fn read_history_with(text: &str, reading: &ReadOptions) -> Result<(Format, ParsedHistory), ParseError> {
    let nothing = |reason: &str| ParseError { line: 0, expected: "a history", reason: reason.to_string() };
    let text = strip_byte_order_mark(text);
    let Some((before, first)) = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty()) else {
        return Err(nothing("nothing was recorded in it"));
    };
    let guess = detect_format(text, first)?.ok_or_else(|| ParseError {
        line: before + 1,
        expected: "a JSON object, a line of a Jepsen log, or an EDN map",
        reason: format!("it begins with {:?}", first.trim_start().chars().take(20).collect::<String>()),
    })?;
    let recorded = match guess {
        Format::JepsenMaps | Format::PorcupineText => jepsen::read_maps(text, reading),
        Format::JepsenJson => jepsen::read_json(text, reading),
        Format::JepsenLog => jepsen::read_log(text, reading),
        Format::JepsenColumns => jepsen::read_columns(text, reading),
        Format::Operations => operations::read(text, reading),
        Format::Kvsim => kvsim::read_parsed_with(text, reading),
        Format::Calls => histories::read_parsed_with(text, reading),
    };
    let recorded = recorded.map_err(|mut misread| {
        misread.reason = format!("{} (the file was taken for {guess})", misread.reason);
        misread
    })?;
    match guess {
        _ if recorded.calls.is_empty() => {
            Err(nothing("nothing was recorded in it that may have happened to a client"))
        }
        Format::JepsenMaps if recorded.lists_are_texts => Ok((Format::PorcupineText, recorded)),
        guess => Ok((guess, recorded)),
    }
}

/// The format of a text, by its beginning and its first line. What is known and holds no history is refused by name.
fn detect_format(text: &str, first: &str) -> Result<Option<Format>, ParseError> {
    let start = text.trim_start();
    let inside = |open| start.strip_prefix(open).map(str::trim_start);
    let is_json_array = inside('[').is_some_and(json::is_object);
    Ok(
        if is_json_array
            || json::is_object(start)
            || inside('{').is_some_and(|inside| inside.starts_with('}'))
        {
            let fields = json::first_fields(text);
            let has = |name: &str| fields.iter().any(|field| field == name);
            if has("valid?") && !has("process") {
                return Err(checker_results_error("results.json"));
            }
            let is_jepsen = is_json_array || has("history") || (has("process") && has("type") && !has("op"));
            Some(match is_jepsen {
                true => Format::JepsenJson,
                false if has("process") => Format::Kvsim,
                false => Format::Calls,
            })
        } else if start.starts_with(['{', '[', '(', '#', ';']) {
            if let Some((_, Ok(edn::Edn::Map(pairs)))) = edn::values(text).next() {
                let has = |name: &str| {
                    pairs.iter().any(|(key, _)| matches!(key, edn::Edn::Keyword(key) if key == name))
                };
                if has("valid?") && !has("process") {
                    return Err(checker_results_error("results.edn"));
                }
            }
            Some(Format::JepsenMaps)
        } else if jepsen::is_columns(first) {
            Some(Format::JepsenColumns)
        } else if operations::is_header(first) {
            Some(Format::Operations)
        } else if first.contains(":invoke") || text.contains("jepsen.util") {
            Some(Format::JepsenLog)
        } else {
            None
        },
    )
}

fn checker_results_error(name: &str) -> ParseError {
    let reason = format!(
        "it is what a checker of Jepsen found ({name}); the history is in history.edn or history.txt beside it"
    );
    ParseError { line: 0, expected: "a history", reason }
}

/// Refuses options that mean nothing to a format whose values are numbers.
fn apply_options(mut recorded: ParsedHistory, reading: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    if let Some(model) = reading.model {
        let other = recorded
            .calls
            .iter()
            .zip(&recorded.lines)
            .find(|(call, _)| crate::linearizability::Object::of(call.operation.action) != model);
        if let Some((call, &line)) = other {
            let reason = format!("it is {}, which is no operation of a {model}", call.operation);
            return Err(ParseError { line, expected: "operations of the given model", reason });
        }
    }
    match reading.initial.as_deref().map(str::trim) {
        None | Some("null" | "nil") => {}
        Some(value) => {
            let number = value.parse().map_err(|_| {
                let reason = format!("it is {}", display_value(value));
                parsed_history::initial_error(
                    "a whole number as --initial, as all values of this format are",
                    &reason,
                )
            })?;
            let count = value.parse().ok();
            recorded.set_initial(parsed_history::InitialValue::Value { number, count })?;
        }
    }
    Ok(recorded)
}
