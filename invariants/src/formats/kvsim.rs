//! The histories of `kvsim`, a small simulated key-value store that can be made to misbehave: one operation per line,
//! by time of call.
//!
//! ```json
//! {"process":2,"op":"cas","key":"k1","expect":null,"value":1,"call":11,"return":748,"outcome":"ok"}
//! {"process":0,"op":"list","key":"k7","result":[1,2],"call":36,"return":2052,"outcome":"ok"}
//! ```
//!
//! `op` is `read`, `write`, `delete` or `cas` of registers, `append` or `list` of lists. `null` as a value is absence;
//! one absence is like another. `outcome` is `ok`, `fail` (a `cas` that did not match: it tells `observed`, or not) or
//! `unknown` (then `return` is `null`). A process becomes a session and counts its requests; keys are
//! numbers behind a `k`, and others are numbered in the order in which they appear.

use super::lines::lines;
use super::recorded::{Keys, few_names};
use super::{Misread, Reading, Recorded, with_numbers};
use crate::fact::{RequestId, Time};
use crate::linearizability::{Action, Call, Content, Operation, Response};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// An operation as it stands in its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    process: u64,
    op: Op,
    key: String,
    value: Option<u64>,
    expect: Option<u64>,
    /// The outer `None`: not told. The inner one: told that there is nothing.
    #[serde(default, deserialize_with = "told")]
    observed: Option<Option<u64>>,
    result: Option<Seen>,
    call: Time,
    #[serde(rename = "return")]
    returned: Option<Time>,
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Read,
    Write,
    Delete,
    Cas,
    Append,
    List,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Fail,
    Unknown,
}

/// What a read saw.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seen {
    One(u64),
    All(Vec<u64>),
}

fn told<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(field).map(Some)
}

fn content(value: Option<u64>) -> Content {
    value.map_or(Content::INITIAL, Content::Present)
}

/// Reads a whole history.
///
/// # Errors
/// The first line that is no operation.
pub fn read(text: &str) -> Result<Vec<Call>, Misread> {
    Ok(read_recorded(text)?.calls)
}

/// The same, with the line of each operation.
///
/// # Errors
/// The first line that is no operation, or clashes with another.
pub fn read_recorded(text: &str) -> Result<Recorded, Misread> {
    let mut keys = Keys::default();
    // By process: how often it called, when its last operation returned, and in which line that stands.
    let mut processes: BTreeMap<u64, (u64, Option<Time>, usize)> = BTreeMap::new();
    let mut recorded = Recorded::default();
    let mut newest = (0, 0);
    for line in lines::<Line>(text, "an operation with process, op, key, call, return and outcome") {
        let (number, line) = line?;
        let clash = |expected, reason| Misread { line: number, expected, reason };
        let (then, before) = newest;
        if line.call < then {
            let reason = format!("the call at {} comes after the one at {then} in line {before}", line.call);
            return Err(clash("operations by time of call", reason));
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
                return Err(clash("one call at a time in each process", reason));
            }
            None => {
                let reason = format!("process {process} never heard of its operation in line {before}");
                return Err(clash("no call of a process whose last outcome is unknown", reason));
            }
        }
        *sequence += 1;
        let id = RequestId { session: process, sequence: *sequence };
        let misread =
            |(expected, reason): (_, &str)| Misread { line: number, expected, reason: reason.into() };
        let (action, called) = (line.action().map_err(misread)?, line.call);
        let answer = line.returned(action).map_err(misread)?;
        if let Some((returned, _)) = answer
            && returned < called
        {
            let reason = format!("the call is at {called} and the return at {returned}");
            return Err(clash("a return after the call", reason));
        }
        (*returned, *before) = (answer.as_ref().map(|&(returned, _)| returned), number);
        recorded.push(Call { id, operation: Operation { key, action }, called, returned: answer }, number)?;
        few_names(keys.len(), number)?;
    }
    recorded.names.keys = keys.names();
    Ok(recorded)
}

/// The same, with what the file does not say itself.
pub(super) fn read_recorded_as(text: &str, reading: &Reading) -> Result<Recorded, Misread> {
    with_numbers(read_recorded(text)?, reading)
}

impl Line {
    /// The number of a key that is named by one.
    fn number(&self) -> Option<u64> {
        let digits = self.key.strip_prefix('k')?;
        digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
    }

    fn action(&self) -> Result<Action, (&'static str, &'static str)> {
        let value = self.value.ok_or(("a number as `value`", "a write, cas or append has one"));
        Ok(match self.op {
            Op::Read => Action::Get,
            Op::Write => Action::Put(value?),
            Op::Delete => Action::Delete(0),
            Op::Cas => Action::CompareAndSet { expect: content(self.expect), value: value? },
            Op::Append => Action::Append(value?),
            Op::List => Action::List,
        })
    }

    fn returned(self, action: Action) -> Result<Option<(Time, Response)>, (&'static str, &'static str)> {
        let response = match (self.outcome, action, self.result) {
            (Outcome::Unknown, ..) if self.returned.is_none() => return Ok(None),
            (Outcome::Unknown, ..) => return Err(("null as `return`", "the outcome is unknown")),
            (Outcome::Fail, Action::CompareAndSet { .. }, _) => {
                Response::Mismatch(self.observed.map(content))
            }
            (Outcome::Fail, ..) => return Err(("`cas`", "nothing else fails")),
            (Outcome::Ok, Action::Get, None) => Response::Holds(Content::INITIAL),
            (Outcome::Ok, Action::Get, Some(Seen::One(value))) => Response::Holds(Content::Present(value)),
            (Outcome::Ok, Action::List, Some(Seen::All(elements))) => Response::List(elements),
            (Outcome::Ok, Action::Get | Action::List, _) => {
                return Err(("a `result`", "a read has a number or null, a list has numbers"));
            }
            (Outcome::Ok, ..) => Response::Done,
        };
        let returned = self.returned.ok_or(("a time as `return`", "the outcome is known"))?;
        Ok(Some((returned, response)))
    }
}
