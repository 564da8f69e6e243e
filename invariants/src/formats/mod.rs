//! What is judged, as text: facts and histories from anywhere, one JSON object per line.
//!
//! A format here is a pair of functions between text and our own types; opening files is the caller's. Blank lines are
//! skipped. What cannot be read is a [`Misread`] with the number of the line and what was expected there.
//!
//! - [`facts`]: what nodes made true, one [`Observed`](crate::fact::Observed) per line.
//! - [`histories`]: what clients saw, one [`Call`](crate::linearizability::Call) per line.
//! - [`kvsim`]: histories of a small simulator with known verdicts, which the tests are made of.

pub mod facts;
pub mod histories;
pub mod kvsim;

use serde::de::DeserializeOwned;
use std::fmt;

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
