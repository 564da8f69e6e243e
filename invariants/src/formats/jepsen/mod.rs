//! Jepsen histories: events (calls and returns) in the order in which they happened.
//!
//! ```text
//! {:process 1, :type :invoke, :f :cas, :key "a", :value [3 4]}
//! {:process 1, :type :info, :f :cas, :key "a", :value [3 4]}
//! {"process":1,"type":"ok","f":"read","value":3}
//! 0   :invoke :read   nil
//! INFO  jepsen.util - 0   :invoke :read   nil
//! 2021-02-26 11:42:48,806{GMT}  INFO  [jepsen worker 1] jepsen.util: 1  :invoke  :write  [0 2]
//! ```
//!
//! The first form is that of `history.edn`: [EDN](https://github.com/edn-format/edn), as a sequence of maps, a vector
//! of maps, or a map with a `:history`; a map may have a tag (`#jepsen.history.Op{...}`). The second is the same in
//! JSON. The third is that of `history.txt`: process, type, function, value, and possibly an error. The others are
//! lines of `jepsen.log`, old and new; lines of other loggers and stack traces are skipped.
//!
//! `:invoke` starts an operation of a process; `:ok`, `:fail` or `:info` ends it. `:ok` means that it happened.
//! `:fail` means only that it did not happen, also for a `:cas`, unless
//! [`FailedCas::Mismatch`](super::FailedCas::Mismatch) is set. Even then its value (`:timed-out`) or its `:error`
//! (`:connection-refused`) may give another reason; then it proves no mismatch. An error that begins with one of
//! `:did-not-succeed`, `:precondition-failed`, `:cas-failed`, `:compare-failed` and `:value-mismatch` does mean a
//! mismatch. `:info` means that the outcome is unknown; the process is never used again. The return of a write
//! repeats the value of the call; another value is rejected.
//!
//! `:f` is one of
//!
//! | object | `:f` |
//! |---|---|
//! | register | `:read` or `:get`; `:write` or `:put` (`nil` empties it); `:cas` with `[expected new]` |
//! | list | `:read`, `:append` |
//! | text, as Porcupine has it | `:get`, `:put`, `:append`: a text is a list of the pieces that were appended, each of which ends with its only `y`, and a put replaces them all |
//! | set | `:add`, `:remove`, `:read` |
//! | counter | `:add` with a number; `:inc` or `:increment`, `:dec` or `:decrement`, by 1 or by a number; `:read` |
//! | queue | `:enqueue`, `:dequeue`; `:drain`, which is as many dequeues at once |
//! | mutex | `:acquire`, `:release` |
//!
//! A key with an `:append` is a list, other keys are registers. If `:add` may be of a set or of a counter, the values
//! read decide. [`ReadOptions::model`] overrides all this. A `:txn` of one micro-operation is that operation (`:r`,
//! `:w`, `:append`); longer transactions and every other `:f` are rejected.
//!
//! If there is no `:key` and the value of every call is a pair (of reads `[key nil]`), the history has many keys, as
//! `jepsen.independent` writes them: the first of each pair is the key, the second the value.
//!
//! Values, keys and processes may be of any type. Events of the process `:nemesis` are skipped, as are `:info` events
//! without a call of a named process. The time of an event is its line number, or one more than the previous time if
//! that is larger. `:time` is ignored, since clocks may run backwards.

mod event;
mod interpret;

use super::display_value;
use super::edn::Edn;
use super::parsed_history::{MAX_ELEMENTS, MAX_OPERATIONS};
use super::{ParseError, ParsedHistory, ReadOptions};
use event::{Event, EventKind, Function};
use std::collections::BTreeMap;

pub(super) use event::is_columns;

/// Reads log lines.
///
/// # Errors
/// The first line that is not an event, or contradicts an earlier one.
pub fn read_log(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_log(text), options)
}

/// Reads the columns of `history.txt`.
///
/// # Errors
/// The first line that is not an event, or contradicts an earlier one.
pub fn read_columns(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_columns(text), options)
}

/// Reads EDN maps.
///
/// # Errors
/// The first line that is not an event, or contradicts an earlier one.
pub fn read_maps(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_maps(text), options)
}

/// Reads JSON objects.
///
/// # Errors
/// The first line that is not an event, or contradicts an earlier one.
pub fn read_json(text: &str, options: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_json(text), options)
}

/// An operation of the file.
struct JepsenOperation<'a> {
    /// Its process, numbered in order of appearance.
    process: u32,
    line: u32,
    called: u32,
    function: Function,
    key: Edn<'a>,
    /// The value of the call; for a completed operation with a result, the result.
    value: Edn<'a>,
    completion: Completion,
}

/// How an operation ended.
#[derive(Clone, Copy)]
enum Completion {
    Open,
    Unknown,
    Done {
        at: u32,
    },
    Failed {
        at: u32,
        line: u32,
        /// Whether the failure may be that of a compare-and-set that found another value.
        may_be_mismatch: bool,
    },
}

impl<'a> JepsenOperation<'a> {
    /// Replaces the value with the result; a pair with a key stays a pair. Returns false if the result is for another
    /// key.
    fn set_result(&mut self, result: Edn<'a>) -> bool {
        self.value = match (std::mem::replace(&mut self.value, Edn::Nil), result) {
            (Edn::Vector(mut called), result) if called.len() == 2 && self.key == Edn::Nil => match result {
                Edn::Vector(returned) if returned.len() == 2 && returned[0] == called[0] => {
                    Edn::Vector(returned)
                }
                Edn::Vector(returned) if returned.len() == 2 => return false,
                result => {
                    called[1] = result;
                    Edn::Vector(called)
                }
            },
            (_, result) => result,
        };
        true
    }

    /// Whether its value can only be a pair of a key and a value.
    fn is_keyed_pair(&self) -> bool {
        let Edn::Vector(pair) = &self.value else { return false };
        let is_pair = match self.function {
            // A compare-and-set has a pair of values in any case.
            Function::Cas => matches!(&pair[..], [_, Edn::Vector(_)]),
            _ => pair.len() == 2,
        };
        is_pair && self.key == Edn::Nil
    }
}

/// A process and its last operation.
struct Process {
    last_operation: u32,
    /// The line of the last return.
    return_line: u32,
    kind: EventKind,
}

/// The events read so far.
#[derive(Default)]
struct EventPairing<'a> {
    operations: Vec<JepsenOperation<'a>>,
    numbers: BTreeMap<Edn<'a>, u32>,
    processes: Vec<Process>,
    newest_time: u32,
    elements: usize,
}

/// Pairs calls with returns.
fn pair_events<'a>(
    events: impl Iterator<Item = Result<Option<Event<'a>>, ParseError>>,
    options: &ReadOptions,
) -> Result<ParsedHistory, ParseError> {
    let mut pairing = EventPairing::default();
    for event in events {
        if let Some(event) = event? {
            pairing.add(event)?;
        }
    }
    let EventPairing { operations, numbers, .. } = pairing;
    let mut processes: Vec<(u32, Edn<'a>)> =
        numbers.into_iter().map(|(name, number)| (number, name)).collect();
    processes.sort_unstable_by_key(|(number, _)| *number);
    interpret::build_history(operations, processes.into_iter().map(|(_, name)| name).collect(), options)
}

impl<'a> EventPairing<'a> {
    fn add(&mut self, event: Event<'a>) -> Result<(), ParseError> {
        let line = event.line;
        let error = |expected, reason| Err(ParseError { line, expected, reason });
        let time = u32::try_from(line).unwrap_or(u32::MAX).max(self.newest_time + 1);
        let is_named = !matches!(event.process, Edn::Number(_));
        let next = self.processes.len();
        let name = |event: &Event<'_>| display_value(&event.process);
        let known = self.numbers.get(&event.process).copied();
        if is_named && event.kind == EventKind::Info {
            let is_open =
                known.is_some_and(|process| self.processes[process as usize].kind == EventKind::Invoke);
            if !is_open {
                return Ok(());
            }
        }
        self.newest_time = time;
        let process = known.map(|process| &self.processes[process as usize]);
        if event.kind == EventKind::Invoke {
            match process {
                Some(Process { kind: EventKind::Invoke, last_operation, .. }) => {
                    let open = self.operations[*last_operation as usize].line;
                    let reason = format!("process {} still has the one of line {open} open", name(&event));
                    return error("one call at a time in each process", reason);
                }
                Some(Process { kind: EventKind::Info, return_line, .. }) => {
                    let reason = format!(
                        "process {} has an unknown outcome in line {return_line} and calls again",
                        name(&event)
                    );
                    return error("no call of a process whose last outcome is unknown", reason);
                }
                _ => {}
            }
            if self.operations.len() == 2 * MAX_OPERATIONS {
                return error("at most 1500000 operations that may have happened", "this is far more".into());
            }
            self.count_elements(line, &event.value)?;
            let last = self.operations.len() as u32;
            let new = Process { last_operation: last, return_line: 0, kind: EventKind::Invoke };
            let number = match known {
                Some(process) => {
                    self.processes[process as usize] = new;
                    process
                }
                None => {
                    self.processes.push(new);
                    self.numbers.insert(event.process, next as u32);
                    next as u32
                }
            };
            let Some(function) = event.function else { return Ok(()) };
            self.operations.push(JepsenOperation {
                process: number,
                line: line as u32,
                called: time,
                function,
                key: event.key,
                value: event.value.unwrap_or(Edn::Nil),
                completion: Completion::Open,
            });
            return Ok(());
        }
        let last = match process {
            Some(process) if process.kind == EventKind::Invoke => process.last_operation as usize,
            Some(Process { return_line, .. }) => {
                let reason =
                    format!("the last call of process {} has returned in line {return_line}", name(&event));
                return error("a call before its return", reason);
            }
            None => {
                let reason = format!("process {} has not called before", name(&event));
                return error("a call before its return", reason);
            }
        };
        let operation = &self.operations[last];
        let has_other_key =
            operation.key != event.key && (event.kind == EventKind::Ok || event.key != Edn::Nil);
        if event.function.is_some_and(|function| function != operation.function) || has_other_key {
            let reason = format!("in line {} process {} called something else", operation.line, name(&event));
            return error("the return of what was called", reason);
        }
        if event.contradicts(operation.function, &operation.value) {
            let reason = format!(
                "process {} called :{} {} in line {} and returns from {}",
                name(&event),
                operation.function.name(),
                display_value(&operation.value),
                operation.line,
                display_value(event.value.as_ref().unwrap_or(&Edn::Nil))
            );
            return error("the return of what was called", reason);
        }
        let has_result = operation.function.has_result();
        if event.kind == EventKind::Ok && has_result {
            self.count_elements(line, &event.value)?;
        }
        if let Some(process) = known.and_then(|process| self.processes.get_mut(process as usize)) {
            (process.kind, process.return_line) = (event.kind, line as u32);
        }
        let operation = &mut self.operations[last];
        operation.completion = match event.kind {
            EventKind::Ok => Completion::Done { at: time },
            EventKind::Fail => {
                Completion::Failed { at: time, line: line as u32, may_be_mismatch: event.may_be_mismatch() }
            }
            EventKind::Info | EventKind::Invoke => Completion::Unknown,
        };
        if event.kind == EventKind::Ok && has_result && !operation.set_result(event.value.unwrap_or(Edn::Nil))
        {
            let reason = format!("the call in line {} names another key", operation.line);
            return error("the return of what was called", reason);
        }
        Ok(())
    }

    fn count_elements(&mut self, line: usize, value: &Option<Edn<'a>>) -> Result<(), ParseError> {
        self.elements += value.as_ref().map_or(0, Edn::count_members);
        if self.elements <= MAX_ELEMENTS {
            return Ok(());
        }
        let expected = "at most 6000000 elements in the values of all operations";
        Err(ParseError { line, expected, reason: "here they are exceeded".to_string() })
    }
}
