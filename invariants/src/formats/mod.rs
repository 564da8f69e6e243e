//! What is judged, as text: facts and histories from anywhere, one JSON object per line.
//!
//! A format here is a pair of functions between text and our own types; opening files is the caller's. Blank lines are
//! skipped. What cannot be read is a [`Misread`] with the number of the line and what was expected there.
//!
//! - [`facts`]: what nodes made true, one [`Observed`](crate::fact::Observed) per line.
//! - [`histories`]: what clients saw, one [`Call`] per line.
//! - [`kvsim`]: histories of a small simulator with known verdicts, which the tests are made of.
//! - [`jepsen`]: histories as Jepsen and Porcupine have them.
//!
//! [`read_history`] tells the three of histories from each other.

pub mod facts;
pub mod histories;
pub mod kvsim;
mod edn;
pub mod jepsen;

use crate::linearizability::{Call, Malformed};
use serde::de::DeserializeOwned;
use std::fmt;

/// A history as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// What clients saw.
    pub calls: Vec<Call>,
    /// The line of each call.
    pub lines: Vec<usize>,
    /// Whether lists were written as texts.
    pub texts: bool,
}

impl Recorded {
    /// What is wrong with a history as a whole, in terms of its lines.
    #[must_use]
    pub fn misread(&self, malformed: &Malformed) -> Misread {
        let line = |call: usize| self.lines.get(call).copied().unwrap_or(0);
        let reason = match malformed.other {
            None => malformed.sentence.clone(),
            Some(other) => format!("{}; see line {}", malformed.sentence, line(other)),
        };
        Misread { line: line(malformed.call), expected: "a history that can have happened", reason }
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

/// Reads a history in whatever format it is, which its first line tells.
///
/// # Errors
/// Where no format is recognised, or the first line that does not fit the one recognised.
pub fn read_history(text: &str) -> Result<(Format, Recorded), Misread> {
    let Some((before, first)) = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty()) else {
        // Nothing has happened, in any format.
        return Ok((Format::Calls, Recorded { calls: Vec::new(), lines: Vec::new(), texts: false }));
    };
    let start = first.trim_start();
    if start.starts_with("{:") || start.starts_with("{ :") {
        let recorded = jepsen::read_maps(text)?;
        let format = if recorded.texts { Format::PorcupineText } else { Format::JepsenMaps };
        return Ok((format, recorded));
    }
    if start.starts_with('{') {
        return match start.contains("\"process\"") {
            true => Ok((Format::Kvsim, kvsim::read_recorded(text)?)),
            false => Ok((Format::Calls, histories::read_recorded(text)?)),
        };
    }
    if first.contains(":invoke") || first.contains("jepsen.util") {
        return Ok((Format::JepsenLog, jepsen::read_log(text)?));
    }
    let expected = "a JSON object, a line of a Jepsen log, or an EDN map";
    Err(Misread {
        line: before + 1,
        expected,
        reason: format!("it begins with {:?}", start.chars().take(20).collect::<String>()),
    })
}

/// Numbers keys by their names: those that are numbers behind a prefix keep them, so that people find them again.
#[derive(Default)]
struct Keys(std::collections::BTreeMap<String, u64>);

/// The numbers of keys with other names begin here.
const NAMED: u64 = 1 << 32;

impl Keys {
    fn number(&mut self, name: &str, prefix: &str) -> u64 {
        let digits = name.strip_prefix(prefix).unwrap_or_default();
        match digits.parse::<u64>() {
            Ok(number) if number < NAMED && number.to_string() == digits => number,
            _ => {
                let next = NAMED + self.0.len() as u64;
                *self.0.entry(name.to_string()).or_insert(next)
            }
        }
    }
}

/// A line that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    /// The line's number, from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What is wrong with what stands there.
    pub reason: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected {}: {}", self.line, self.expected, self.reason)
    }
}

impl std::error::Error for Misread {}

/// The objects of all lines that are not blank, with the lines' numbers.
fn lines<T: DeserializeOwned>(
    text: &str,
    expected: &'static str,
) -> impl Iterator<Item = Result<(usize, T), Misread>> {
    let lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
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
