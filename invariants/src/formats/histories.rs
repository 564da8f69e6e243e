//! Client histories: one [`Call`] per line, in any order.
//!
//! ```json
//! {"session":1,"sequence":1,"key":4,"action":{"put":7},"called":10,"returned":15,"response":"done"}
//! {"session":2,"sequence":1,"key":4,"action":"get","called":12,"returned":19,"response":{"holds":{"present":7}}}
//! {"session":1,"sequence":2,"key":4,"action":{"delete":8},"called":20}
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `session`, `sequence` | identifies the request; unique |
//! | `key` | a number; each key is one object (register, list, ...) |
//! | `action` | of registers `"get"`, `{"put":7}`, `{"delete":8}` (with the number of its tombstone), `{"compare_and_set":{"expect":{"present":7},"value":9}}`; of lists `{"append":7}`, `{"replace":7}` (replaces the whole list), `"list"` |
//! | `called`, `returned` | times; without `returned` the outcome is unknown |
//! | `response` | the response, present with `returned`: `"done"`, `{"holds":C}`, `{"mismatch":C}` where C may be `null` for "unknown", `{"list":[7,8]}` |
//!
//! A content C is `{"present":7}`, or `{"absent":8}` after the deletion with number 8. Initially a register holds
//! `{"absent":0}`; if deletions have no numbers, it is always 0.

use super::lines::parse_lines;
use super::{ParseError, ParsedHistory, ReadOptions, apply_options};
use crate::fact::{RequestId, Time};
use crate::linearizability::{Action, Call, Operation, Response};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// A call as it is written in its line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    session: u64,
    sequence: u64,
    key: u64,
    action: Action,
    called: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returned: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
}

/// Writes one line per call.
///
/// # Errors
/// Those of `output`.
pub fn write<'a>(output: &mut impl Write, history: impl IntoIterator<Item = &'a Call>) -> io::Result<()> {
    for call in history {
        let (returned, response) = call.returned.clone().unzip();
        let (RequestId { session, sequence }, Operation { key, action }) = (call.id, call.operation);
        let line = Line { session, sequence, key, action, called: call.called, returned, response };
        serde_json::to_writer(&mut *output, &line)?;
        output.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads one call per line. [`check`](crate::linearizability::check()) decides whether the calls are consistent.
///
/// # Errors
/// The first line that is not a call.
pub fn read(text: &str) -> Result<Vec<Call>, ParseError> {
    Ok(read_parsed(text)?.calls)
}

/// Like [`read`], with the line of each call.
///
/// # Errors
/// The first line that is not a call.
pub fn read_parsed(text: &str) -> Result<ParsedHistory, ParseError> {
    let expected = "a call, as in {\"session\":1,\"sequence\":1,\"key\":4,\"action\":\"get\",\"called\":10}";
    let mut history = ParsedHistory::default();
    for line in parse_lines::<Line>(text, expected) {
        let (number, line) = line?;
        history.push(line.call(number)?, number)?;
    }
    Ok(history)
}

/// Like [`read_parsed`], with options for what the file does not say.
pub(super) fn read_parsed_with(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    apply_options(read_parsed(text)?, options)
}

impl Line {
    fn call(self, line: usize) -> Result<Call, ParseError> {
        let Line { session, sequence, key, action, called, returned, response } = self;
        if returned.is_some() != response.is_some() {
            let reason = "one of them is missing".to_string();
            return Err(ParseError {
                line,
                expected: "`returned` and `response` together, or neither",
                reason,
            });
        }
        let (id, operation) = (RequestId { session, sequence }, Operation { key, action });
        Ok(Call { id, operation, called, returned: returned.zip(response) })
    }
}
