//! Text formats of facts and histories.
//!
//! A format is a pair of functions between text and our types, or one of them; the caller opens the files. Blank
//! lines and a leading byte order mark are skipped. Text that cannot be read is a [`ParseError`] with the line number
//! and what was expected there.
//!
//! - [`facts`]: facts, one [`Observed`](crate::fact::Observed) per line.
//! - [`histories`]: client histories, one [`Call`](crate::linearizability::Call) per line.
//! - [`kvsim`]: histories of a small simulator with known verdicts, used by the tests.
//! - [`jepsen`]: histories as Jepsen and Porcupine write them, in EDN, JSON, columns and logs.
//! - [`operations`]: a table of operations, in CSV.
//!
//! [`decode_text`] turns the bytes of a file into text and decompresses gzip; [`read_history`] detects the format of
//! a history by its content, never by its name. Verdicts use numbers for keys and values that the file names
//! otherwise; [`ParsedHistory::describe`] replaces them with the file's names.
//!
//! # Outcomes
//!
//! | format | it happened | it did not happen | a compare-and-set that found another value | the outcome is unknown |
//! |---|---|---|---|---|
//! | [`histories`] | `"done"`, `{"holds":C}`, `{"list":[..]}` etc. | omitted from the file | `{"mismatch":C}`, a response | no `returned` |
//! | [`kvsim`] | `ok` | omitted from the file | `fail`, a response; `observed` says what it found | `unknown` |
//! | [`jepsen`] | `:ok` | `:fail` | cannot be told: `:fail` says only that it did not happen; see below | `:info`, or no return |
//! | [`operations`] | a row with a return | an outcome of failure | cannot be told, as in Jepsen | no return, or an outcome that says so |
//!
//! If a format has one word for failure, a failed compare-and-set is dropped like any other failed operation,
//! whatever reason is given. If the system under test fails a compare-and-set only when it found another value, set
//! [`FailedCas::Mismatch`]. A verdict that depends on this names the line.
//!
//! # Limits
//!
//! Every dimension of a history has a limit, so that it and everything derived from it fits in 1 GiB of memory:
//! [`MAX_BYTES`],
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
    FailedCas, MAX_ELEMENTS, MAX_NAMES, MAX_OPERATIONS, ParseError, ParsedHistory, ReadOptions,
};

use display::display_value;
use lines::strip_byte_order_mark;
use std::fmt;

/// A format of histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Our own format: [`histories`].
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
    /// Maps whose lists are written as texts: [`jepsen`].
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

/// Reads a history and detects its format by its beginning.
///
/// # Errors
/// No format is recognised, a line does not fit the recognised format, or the history is empty.
pub fn read_history(text: &str) -> Result<(Format, ParsedHistory), ParseError> {
    read_history_with(text, &ReadOptions::default())
}

/// Like [`read_history`], with options for what the file does not say.
///
/// # Errors
/// As [`read_history`]; also if the file cannot be read with these options.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
pub fn read_history_with(text: &str, options: &ReadOptions) -> Result<(Format, ParsedHistory), ParseError> {
    let no_history = |reason: &str| ParseError { line: 0, expected: "a history", reason: reason.to_string() };
    let text = strip_byte_order_mark(text);
    let Some((before, first)) = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty()) else {
        return Err(no_history("nothing was recorded in it"));
    };
    let format = detect_format(text, first)?.ok_or_else(|| ParseError {
        line: before + 1,
        expected: "a JSON object, a line of a Jepsen log, or an EDN map",
        reason: format!("it begins with {:?}", first.trim_start().chars().take(20).collect::<String>()),
    })?;
    let history = match format {
        Format::JepsenMaps | Format::PorcupineText => jepsen::read_maps(text, options),
        Format::JepsenJson => jepsen::read_json(text, options),
        Format::JepsenLog => jepsen::read_log(text, options),
        Format::JepsenColumns => jepsen::read_columns(text, options),
        Format::Operations => operations::read(text, options),
        Format::Kvsim => kvsim::read_parsed_with(text, options),
        Format::Calls => histories::read_parsed_with(text, options),
    };
    let history = history.map_err(|mut error| {
        error.reason = format!("{} (the file was taken for {format})", error.reason);
        error
    })?;
    match format {
        _ if history.calls.is_empty() => {
            Err(no_history("nothing was recorded in it that may have happened to a client"))
        }
        Format::JepsenMaps if history.lists_are_texts => Ok((Format::PorcupineText, history)),
        format => Ok((format, history)),
    }
}

/// Detects the format of a text by its beginning and its first line. Rejects known files that hold no history.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
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
        "it holds the results of Jepsen's checker ({name}); the history is in history.edn or history.txt beside it"
    );
    ParseError { line: 0, expected: "a history", reason }
}

/// Applies the options to a format whose values are numbers; rejects those that do not apply.
fn apply_options(mut history: ParsedHistory, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    if let Some(model) = options.model {
        let mismatch = history
            .calls
            .iter()
            .zip(&history.lines)
            .find(|(call, _)| crate::linearizability::Object::of(call.operation.action) != model);
        if let Some((call, &line)) = mismatch {
            let reason = format!("it is {}, which is no operation of a {model}", call.operation);
            return Err(ParseError { line, expected: "operations of the given model", reason });
        }
    }
    match options.initial.as_deref().map(str::trim) {
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
            history.set_initial(parsed_history::InitialValue::Value { number, count })?;
        }
    }
    Ok(history)
}
