//! What is judged, as text: facts and histories from anywhere, one JSON object per line.
//!
//! A format here is a pair of functions between text and our own types; opening files is the caller's. Blank lines are
//! skipped, and so is a mark of byte order at the beginning. What cannot be read is a [`Misread`] with the number of the
//! line and what was expected there.
//!
//! - [`facts`]: what nodes made true, one [`Observed`](crate::fact::Observed) per line.
//! - [`histories`]: what clients saw, one [`Call`] per line.
//! - [`kvsim`]: histories of a small simulator with known verdicts, which the tests are made of.
//! - [`jepsen`]: histories as Jepsen and Porcupine have them.
//!
//! [`read_history`] tells the three of histories from each other; [`text`] makes a text of a file. What is said of a
//! history has numbers for all that its file names otherwise; [`Recorded::told`] says it in the words of the file.

pub mod facts;
pub mod histories;
pub mod kvsim;
mod edn;
pub mod jepsen;

use crate::linearizability::{Call, Malformed, Verdict};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;

/// A history as it was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recorded {
    /// What clients saw.
    pub calls: Vec<Call>,
    /// The line of each call.
    pub lines: Vec<usize>,
    /// Whether lists were written as texts.
    pub texts: bool,
    /// How keys and values are written.
    pub names: Names,
}

impl Recorded {
    /// A verdict on this history in the words of its file: keys and values as they are written there, operations with
    /// their lines.
    #[must_use]
    pub fn told(&self, verdict: &Verdict) -> String {
        let line = |call: &Call| {
            let place = self.calls.iter().position(|other| other.id == call.id)?;
            self.lines.get(place).copied()
        };
        match verdict {
            Verdict::Violation(explanation) => explanation.told(|text| self.names.told(text), line),
            verdict => self.names.told(&verdict.to_string()),
        }
    }

    /// What is wrong with a history as a whole, in terms of its lines.
    #[must_use]
    pub fn misread(&self, malformed: &Malformed) -> Misread {
        let line = |call: usize| self.lines.get(call).copied().unwrap_or(0);
        let reason = match malformed.other {
            None => self.names.told(&malformed.sentence),
            Some(other) => format!("{}; see line {}", self.names.told(&malformed.sentence), line(other)),
        };
        Misread { line: line(malformed.call), expected: "a history that can have happened", reason }
    }
}

/// How a file writes the keys and values that had to be numbered. All others are called by their numbers, as `k7` and
/// `7`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    keys: BTreeMap<u64, String>,
    values: BTreeMap<u64, String>,
}

impl Names {
    /// The key with this number.
    #[must_use]
    pub fn key(&self, number: u64) -> String {
        self.keys.get(&number).cloned().unwrap_or_else(|| format!("k{number}"))
    }

    /// A text about calls, with the names in it. That a word is a key is told by its `k`; that a number is a value, and
    /// no time or count, by its size: none of them comes near those that stand for what is written otherwise.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphanumeric()) {
            let (between, from) = rest.split_at(start);
            let end = from.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            told.push_str(between);
            told.push_str(self.of_word(word).map_or(word, String::as_str));
            rest = after;
        }
        told + rest
    }

    fn of_word(&self, word: &str) -> Option<&String> {
        match word.strip_prefix('k') {
            Some(key) => self.keys.get(&key.parse().ok()?),
            None => self.values.get(&word.parse().ok()?),
        }
    }
}

/// A way of writing histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Our own: [`histories`].
    Calls,
    /// [`kvsim`]
    Kvsim,
    /// Log lines: [`jepsen`].
    JepsenLog,
    /// Maps: [`jepsen`].
    JepsenMaps,
    /// Maps about texts: [`jepsen`].
    PorcupineText,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Calls => "JSON lines, a call each",
            Format::Kvsim => "JSON lines, an operation of a process each",
            Format::JepsenLog => "a Jepsen log of a register",
            Format::JepsenMaps => "Jepsen maps",
            Format::PorcupineText => "Porcupine's key-value text",
        })
    }
}

/// The text of a file.
///
/// # Errors
/// Where it is not in UTF-8.
pub fn text(bytes: Vec<u8>) -> Result<String, Misread> {
    String::from_utf8(bytes).map_err(|error| {
        let (end, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = 1 + bytes[..end].iter().filter(|&&byte| byte == b'\n').count();
        Misread { line, expected: "text in UTF-8", reason: format!("there is a byte {:#04x}", bytes[end]) }
    })
}

/// Reads a history in whatever format it is, which its first line tells.
///
/// # Errors
/// Where no format is recognised, or the first line that does not fit the one recognised. Where nothing was recorded,
/// for that is rather a mistake than a history.
pub fn read_history(text: &str) -> Result<(Format, Recorded), Misread> {
    let nothing = |reason: &str| Misread { line: 0, expected: "a history", reason: reason.to_string() };
    let text = without_mark(text);
    let Some((before, first)) = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty()) else {
        return Err(nothing("nothing was recorded in it"));
    };
    let guess = guess(text.trim_start(), first).ok_or_else(|| Misread {
        line: before + 1,
        expected: "a JSON object, a line of a Jepsen log, or an EDN map",
        reason: format!("it begins with {:?}", first.trim_start().chars().take(20).collect::<String>()),
    })?;
    let recorded = match guess {
        Format::JepsenMaps | Format::PorcupineText => jepsen::read_maps(text),
        Format::JepsenLog => jepsen::read_log(text),
        Format::Kvsim => kvsim::read_recorded(text),
        Format::Calls => histories::read_recorded(text),
    };
    let recorded = recorded.map_err(|mut misread| {
        misread.reason = format!("{} (the file was taken for {guess})", misread.reason);
        misread
    })?;
    match guess {
        _ if recorded.calls.is_empty() => {
            Err(nothing("nothing was recorded in it that may have happened to a client"))
        }
        Format::JepsenMaps if recorded.texts => Ok((Format::PorcupineText, recorded)),
        guess => Ok((guess, recorded)),
    }
}

/// The format of a text, by its beginning and its first line.
fn guess(start: &str, first: &str) -> Option<Format> {
    let is_map = |text: &str| {
        let inside = text.strip_prefix('{').map(str::trim_start);
        inside.is_some_and(|inside| inside.starts_with(':')) || text.starts_with('#')
    };
    let vector = start.strip_prefix(['[', '(']).map(str::trim_start);
    if is_map(start) || vector.is_some_and(|inside| is_map(inside) || inside.starts_with([']', ')'])) {
        Some(Format::JepsenMaps)
    } else if start.starts_with('{') {
        Some(if first.contains("\"process\"") { Format::Kvsim } else { Format::Calls })
    } else if first.contains(":invoke") || first.contains("jepsen.util") {
        Some(Format::JepsenLog)
    } else {
        None
    }
}

/// Some editors put a mark of byte order before a text.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Numbers keys: those that are numbers keep them, so that people find them again; the others are numbered by their
/// names.
#[derive(Default)]
struct Keys(BTreeMap<String, u64>);

/// The numbers of keys with names begin here.
const NAMED: u64 = 1 << 32;

impl Keys {
    fn number(&mut self, number: Option<u64>, name: impl FnOnce() -> String) -> u64 {
        let next = NAMED + self.0.len() as u64;
        number.filter(|&number| number < NAMED).unwrap_or_else(|| *self.0.entry(name()).or_insert(next))
    }

    /// How those with names are called.
    fn names(self) -> BTreeMap<u64, String> {
        self.0.into_iter().map(|(name, number)| (number, name)).collect()
    }
}

/// A line that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    /// The line's number, from 1; 0 where it is a matter of the whole file.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What is wrong with what stands there.
    pub reason: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "expected {}: {}", self.expected, self.reason)
    }
}

impl std::error::Error for Misread {}

/// The objects of all lines that are not blank, with the lines' numbers.
fn lines<T: DeserializeOwned>(
    text: &str,
    expected: &'static str,
) -> impl Iterator<Item = Result<(usize, T), Misread>> {
    let lines = without_mark(text).lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    lines.map(move |(before, text)| {
        let line = before + 1;
        match serde_json::from_str(text) {
            Ok(object) => Ok((line, object)),
            // The error counts lines as well, and for it there is but one.
            Err(error) => {
                let (error, column) = (error.to_string(), error.column());
                let reason = error.split(" at line ").next().unwrap_or_default();
                Err(Misread { line, expected, reason: format!("{reason} (column {column})") })
            }
        }
    })
}
