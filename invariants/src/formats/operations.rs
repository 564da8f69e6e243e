//! Operations as CSV: a header, then one row per operation, in any order.
//!
//! ```csv
//! call_ns,return_ns,client_id,op,key,value,output
//! 100,200,0,PUT,a,red,
//! 250,300,1,GET,a,,red
//! ```
//!
//! | column | also called | meaning |
//! |---|---|---|
//! | `call` | `call_ns`, `call_us`, `call_ms`, `call_time`, `start`, `start_ns`, `start_time`, `invoke`, `invoked` | when the client called: a whole number |
//! | `return` | `return_ns`, `return_us`, `return_ms`, `return_time`, `end`, `end_ns`, `end_time`, `complete`, `returned` | when the response came, in the same unit; empty without a response |
//! | `client` | `client_id`, `process`, `process_id`, `session`, `thread` | the client |
//! | `op` | `operation`, `f`, `function`, `type`, `kind` | the operation; see below |
//! | `key` | | the key; without the column there is one |
//! | `value` | `input`, `arg`, `argument` | the value written or appended |
//! | `expected` | `expect`, `old` | the value that a compare-and-set expected; empty for none |
//! | `output` | `result`, `response`, `read` | the value read; empty for none |
//! | `outcome` | `status` | `ok`, `fail` (it did not happen) or `unknown`; without the column a row with a return is `ok`, and any other `unknown` |
//!
//! The first four columns are required. Column names are case-insensitive; unknown columns are ignored. `op` is `get`
//! or `read`; `put`, `set` or `write`; `delete`; `cas`. A cell with a small whole number is that number; any other is
//! a text. A failed `cas` proves only that it did not happen, unless [`FailedCas::Mismatch`] is set.

#![expect(clippy::disallowed_methods, reason = "the recording comes from outside")]

use super::display_value;
use super::edn::LineCounter;
use super::lines::strip_byte_order_mark;
use super::parsed_history::{FailedOperation, InitialValue, KeyNumbers, check_name_count};
use super::{FailedCas, ParseError, ParsedHistory, ReadOptions};
use crate::fact::{RequestId, Time};
use crate::linearizability::{Action, Call, Content, Object, Operation, Response};
use std::collections::BTreeMap;

/// The columns and their names.
const COLUMNS: [(Column, &[&str]); 9] = [
    (
        Column::Call,
        &[
            "call",
            "call_ns",
            "call_us",
            "call_ms",
            "call_time",
            "start",
            "start_ns",
            "start_time",
            "invoke",
            "invoked",
        ],
    ),
    (
        Column::Return,
        &[
            "return",
            "return_ns",
            "return_us",
            "return_ms",
            "return_time",
            "end",
            "end_ns",
            "end_time",
            "complete",
            "returned",
        ],
    ),
    (Column::Client, &["client", "client_id", "process", "process_id", "session", "thread"]),
    (Column::Op, &["op", "operation", "f", "function", "type", "kind"]),
    (Column::Key, &["key"]),
    (Column::Value, &["value", "input", "arg", "argument"]),
    (Column::Expected, &["expected", "expect", "old"]),
    (Column::Output, &["output", "result", "response", "read"]),
    (Column::Outcome, &["outcome", "status"]),
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Call,
    Return,
    Client,
    Op,
    Key,
    Value,
    Expected,
    Output,
    Outcome,
}

fn find_column(name: &str) -> Option<Column> {
    let name = name.trim().trim_matches('"').to_ascii_lowercase();
    COLUMNS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|&(column, _)| column)
}

/// Whether a line is the header of such a table.
pub(super) fn is_header(line: &str) -> bool {
    let columns: Vec<Column> = line.split(',').filter_map(find_column).collect();
    [Column::Call, Column::Op].iter().all(|column| columns.contains(column))
}

/// Assigns numbers to values; small whole numbers keep theirs.
#[derive(Default)]
struct CellNumbers(BTreeMap<String, u64>);

/// Other values get numbers from here.
const FIRST_OTHER_VALUE: u64 = 1 << 62;

impl CellNumbers {
    fn number(&mut self, cell: &str) -> u64 {
        let number = cell
            .parse()
            .ok()
            .filter(|number: &u64| *number < FIRST_OTHER_VALUE && number.to_string() == cell);
        let next = FIRST_OTHER_VALUE + self.0.len() as u64;
        number.unwrap_or_else(|| *self.0.entry(cell.to_string()).or_insert(next))
    }

    fn content(&mut self, cell: &str) -> Content {
        if cell.is_empty() { Content::INITIAL } else { Content::Present(self.number(cell)) }
    }
}

/// Reads a table.
///
/// # Errors
/// The first row that is not an operation.
pub fn read(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    let text = strip_byte_order_mark(text);
    let mut lines = LineCounter::new(text);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().cloned().map_err(|error| csv_error(&error))?;
    let mut positions: BTreeMap<Column, usize> = BTreeMap::new();
    for (position, name) in header.iter().enumerate() {
        if let Some(column) = find_column(name)
            && positions.insert(column, position).is_some()
        {
            let reason = format!("{} is another one", display_value(name));
            return Err(ParseError { line: 1, expected: "one column of each kind", reason });
        }
    }
    for (column, names) in &COLUMNS[..4] {
        if !positions.contains_key(column) {
            let reason = format!("there is no column {}", names[0]);
            return Err(ParseError { line: 1, expected: "columns call, return, client and op", reason });
        }
    }
    if let Some(model) = options.model.filter(|&model| model != Object::Register) {
        let reason = format!("--model {model} is for others");
        return Err(ParseError { line: 0, expected: "registers, which is all that this format has", reason });
    }
    let (mut keys, mut values) = (KeyNumbers::default(), CellNumbers::default());
    let mut clients = KeyNumbers::default();
    let mut sequences: BTreeMap<u64, u64> = BTreeMap::new();
    let mut history = ParsedHistory::default();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error))? {
        // The position before the record; blank lines may come first.
        let before = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
        let rest = text[before..].trim_start_matches(['\r', '\n']);
        let line = lines.line(text.len() - rest.len());
        let cell =
            |column| positions.get(&column).and_then(|&position| record.get(position)).unwrap_or_default();
        let row = TableRow { line, cell: &cell };
        let whole = |cell: &str| cell.parse().ok().filter(|number: &u64| number.to_string() == cell);
        let key = cell(Column::Key);
        let key = keys.number(if key.is_empty() { Some(0) } else { whole(key) }, || format!("{key:?}"));
        let client = cell(Column::Client);
        let session = clients.number(whole(client), || client.to_string());
        let operation = Operation { key, action: row.action(&mut values)? };
        check_name_count(keys.len() + clients.len() + values.0.len(), line)?;
        let called = row.time(Column::Call)?.ok_or_else(|| row.error("a time as `call`", ""))?;
        let returned = row.time(Column::Return)?;
        if let Some(returned) = returned.filter(|&returned| returned < called) {
            let reason = format!("the call is at {called} and the return at {returned}");
            return Err(ParseError { line, expected: "a return after the call", reason });
        }
        let sequence = sequences.entry(session).or_insert(0);
        let id = RequestId { session, sequence: *sequence + 1 };
        let is_cas = matches!(operation.action, Action::CompareAndSet { .. });
        let returned = match (row.outcome(returned)?, returned) {
            (RowOutcome::Ok, Some(returned)) => Some((returned, row.response(operation.action, &mut values))),
            (RowOutcome::Ok | RowOutcome::Unknown, _) => None,
            (RowOutcome::Fail, Some(returned)) if is_cas && options.failed_cas == FailedCas::Mismatch => {
                history.assumed_mismatches.insert(id, line);
                Some((returned, Response::Mismatch(None)))
            }
            (RowOutcome::Fail, _) => {
                if !operation.action.is_read() {
                    history.failed.push(FailedOperation { operation, lines: (line, line) });
                }
                continue;
            }
        };
        *sequence += 1;
        history.push(Call { id, operation, called, returned }, line)?;
    }
    let initial = options.initial.as_deref().map(|text| match text.trim() {
        "" => InitialValue::Nothing,
        text => InitialValue::Value { number: values.number(text), count: None },
    });
    history.names.keys = keys.names();
    history.name_processes(clients.names());
    history.names.values =
        values.0.into_iter().map(|(value, number)| (number, display_value(value))).collect();
    if let Some(initial) = initial {
        history.set_initial(initial)?;
    }
    Ok(history)
}

fn csv_error(error: &csv::Error) -> ParseError {
    let line = error.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(0));
    ParseError { line, expected: "a table in CSV", reason: error.to_string() }
}

#[derive(Clone, Copy)]
enum RowOutcome {
    Ok,
    Fail,
    Unknown,
}

/// A row of the table.
struct TableRow<'r> {
    line: usize,
    cell: &'r dyn Fn(Column) -> &'r str,
}

impl TableRow<'_> {
    fn error(&self, expected: &'static str, cell: &str) -> ParseError {
        let reason = if cell.is_empty() {
            "it is empty".to_string()
        } else {
            format!("it is {}", display_value(cell))
        };
        ParseError { line: self.line, expected, reason }
    }

    fn time(&self, column: Column) -> Result<Option<Time>, ParseError> {
        match (self.cell)(column) {
            "" => Ok(None),
            cell => match cell.parse() {
                Ok(time) => Ok(Some(time)),
                Err(_) => Err(self.error("a time as a whole number from 0 on", cell)),
            },
        }
    }

    fn action(&self, values: &mut CellNumbers) -> Result<Action, ParseError> {
        let op = (self.cell)(Column::Op);
        let value = match (self.cell)(Column::Value) {
            "" => Err(self.error("what was written as `value`", "")),
            value => Ok(value),
        };
        match op.to_ascii_lowercase().as_str() {
            "get" | "read" => Ok(Action::Get),
            "put" | "set" | "write" => Ok(Action::Put(values.number(value?))),
            "delete" | "del" => Ok(Action::Delete(0)),
            "cas" | "compare_and_set" | "compare_and_swap" => {
                let expect = values.content((self.cell)(Column::Expected));
                Ok(Action::CompareAndSet { expect, value: values.number(value?) })
            }
            _ => Err(self.error("get, put, delete or cas as `op`", op)),
        }
    }

    fn outcome(&self, returned: Option<Time>) -> Result<RowOutcome, ParseError> {
        let cell = (self.cell)(Column::Outcome);
        match cell.to_ascii_lowercase().as_str() {
            "" if returned.is_none() => Ok(RowOutcome::Unknown),
            "ok" if returned.is_none() => Err(self.error("a time as `return` of what is ok", "")),
            "" | "ok" | "success" => Ok(RowOutcome::Ok),
            "fail" | "failed" => Ok(RowOutcome::Fail),
            "unknown" | "info" | "timeout" => Ok(RowOutcome::Unknown),
            _ => Err(self.error("ok, fail or unknown as `outcome`", cell)),
        }
    }

    fn response(&self, action: Action, values: &mut CellNumbers) -> Response {
        match action {
            Action::Get => Response::Holds(values.content((self.cell)(Column::Output))),
            _ => Response::Done,
        }
    }
}
