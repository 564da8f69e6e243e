//! The histories of `kvsim`, a small simulated key-value store with injectable bugs: one operation per line, ordered
//! by call time.
//!
//! ```json
//! {"process":2,"op":"cas","key":"k1","expect":null,"value":1,"call":11,"return":748,"outcome":"ok"}
//! {"process":0,"op":"list","key":"k7","result":[1,2],"call":36,"return":2052,"outcome":"ok"}
//! ```
//!
//! `op` is `read`, `write`, `delete` or `cas` of registers, `append` or `list` of lists. A value `null` means absent;
//! all absences are equal. `outcome` is `ok`, `fail` (a `cas` that did not match; `observed` may say what it found)
//! or `unknown` (then `return` is `null`). A process becomes a session that counts its requests. A key `k<number>`
//! has that number; other keys are numbered in the order in which they appear.

use super::lines::parse_lines;
use super::parsed_history::{KeyNumbers, check_name_count};
use super::{ParseError, ParsedHistory, ReadOptions, apply_options};
use crate::fact::{RequestId, Time};
use crate::linearizability::{Action, Call, Content, Operation, Response};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// An operation as it is written in its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    process: u64,
    op: KvsimOp,
    key: String,
    value: Option<u64>,
    expect: Option<u64>,
    /// Outer `None`: not stated. Inner `None`: stated to be absent.
    #[serde(default, deserialize_with = "deserialize_observed")]
    observed: Option<Option<u64>>,
    result: Option<ReadResult>,
    call: Time,
    #[serde(rename = "return")]
    returned: Option<Time>,
    outcome: KvsimOutcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum KvsimOp {
    Read,
    Write,
    Delete,
    Cas,
    Append,
    List,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum KvsimOutcome {
    Ok,
    Fail,
    Unknown,
}

/// The result of a read.
#[derive(Deserialize)]
#[serde(untagged)]
enum ReadResult {
    One(u64),
    All(Vec<u64>),
}

fn deserialize_observed<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(field).map(Some)
}

fn content(value: Option<u64>) -> Content {
    value.map_or(Content::INITIAL, Content::Present)
}

/// Reads a whole history.
///
/// # Errors
/// The first line that is not an operation, or contradicts an earlier one.
pub fn read(text: &str) -> Result<Vec<Call>, ParseError> {
    Ok(read_parsed(text)?.calls)
}

/// Like [`read`], with the line of each operation.
///
/// # Errors
/// The first line that is not an operation, or contradicts an earlier one.
pub fn read_parsed(text: &str) -> Result<ParsedHistory, ParseError> {
    let mut keys = KeyNumbers::default();
    // For each process: its number of calls, when its last operation returned, and the line of that operation.
    let mut processes: BTreeMap<u64, (u64, Option<Time>, usize)> = BTreeMap::new();
    let mut history = ParsedHistory::default();
    let mut newest = (0, 0);
    for line in parse_lines::<Line>(text, "an operation with process, op, key, call, return and outcome") {
        let (number, line) = line?;
        let error = |expected, reason| ParseError { line: number, expected, reason };
        let (newest_call, before) = newest;
        if line.call < newest_call {
            let reason =
                format!("the call at {} comes after the one at {newest_call} in line {before}", line.call);
            return Err(error("operations by time of call", reason));
        }
        newest = (line.call, number);
        let key = keys.number(line.number(), || format!("{:?}", line.key));
        let process = line.process;
        let (sequence, returned, before) = processes.entry(process).or_insert((0, Some(0), number));
        match *returned {
            Some(returned) if returned <= line.call => {}
            Some(returned) => {
                let reason = format!(
                    "process {process} calls at {}, and its operation in line {before} returned at {returned}",
                    line.call
                );
                return Err(error("one call at a time in each process", reason));
            }
            None => {
                let reason = format!("process {process} never heard of its operation in line {before}");
                return Err(error("no call of a process whose last outcome is unknown", reason));
            }
        }
        *sequence += 1;
        let id = RequestId { session: process, sequence: *sequence };
        let value_error =
            |(expected, reason): (_, &str)| ParseError { line: number, expected, reason: reason.into() };
        let (action, called) = (line.action().map_err(value_error)?, line.call);
        let response = line.returned(action).map_err(value_error)?;
        if let Some((returned, _)) = response
            && returned < called
        {
            let reason = format!("the call is at {called} and the return at {returned}");
            return Err(error("a return after the call", reason));
        }
        (*returned, *before) = (response.as_ref().map(|&(returned, _)| returned), number);
        history
            .push(Call { id, operation: Operation { key, action }, called, returned: response }, number)?;
        check_name_count(keys.len(), number)?;
    }
    history.names.keys = keys.names();
    Ok(history)
}

/// Like [`read_parsed`], with options for what the file does not say.
pub(super) fn read_parsed_with(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    apply_options(read_parsed(text)?, options)
}

impl Line {
    /// The number in a key `k<number>`.
    #[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
    fn number(&self) -> Option<u64> {
        let digits = self.key.strip_prefix('k')?;
        digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
    }

    fn action(&self) -> Result<Action, (&'static str, &'static str)> {
        let value = self.value.ok_or(("a number as `value`", "a write, cas or append has one"));
        Ok(match self.op {
            KvsimOp::Read => Action::Get,
            KvsimOp::Write => Action::Put(value?),
            KvsimOp::Delete => Action::Delete(0),
            KvsimOp::Cas => Action::CompareAndSet { expect: content(self.expect), value: value? },
            KvsimOp::Append => Action::Append(value?),
            KvsimOp::List => Action::List,
        })
    }

    fn returned(self, action: Action) -> Result<Option<(Time, Response)>, (&'static str, &'static str)> {
        let response = match (self.outcome, action, self.result) {
            (KvsimOutcome::Unknown, ..) if self.returned.is_none() => return Ok(None),
            (KvsimOutcome::Unknown, ..) => return Err(("null as `return`", "the outcome is unknown")),
            (KvsimOutcome::Fail, Action::CompareAndSet { .. }, _) => {
                Response::Mismatch(self.observed.map(content))
            }
            (KvsimOutcome::Fail, ..) => return Err(("`cas`", "nothing else fails")),
            (KvsimOutcome::Ok, Action::Get, None) => Response::Holds(Content::INITIAL),
            (KvsimOutcome::Ok, Action::Get, Some(ReadResult::One(value))) => {
                Response::Holds(Content::Present(value))
            }
            (KvsimOutcome::Ok, Action::List, Some(ReadResult::All(elements))) => Response::List(elements),
            (KvsimOutcome::Ok, Action::Get | Action::List, _) => {
                return Err(("a `result`", "a read has a number or null, a list has numbers"));
            }
            (KvsimOutcome::Ok, ..) => Response::Done,
        };
        let returned = self.returned.ok_or(("a time as `return`", "the outcome is known"))?;
        Ok(Some((returned, response)))
    }
}
