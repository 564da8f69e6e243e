//! Histories as Jepsen writes them: events, calls and returns, in the order in which they happened.
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
//! The first form is that of `history.edn`: [EDN](https://github.com/edn-format/edn), one map after the other, a vector of
//! maps, or a map with a `:history`; a map may have a tag (`#jepsen.history.Op{...}`). The second is the same in JSON. The
//! third is that of `history.txt`: a process, a type, a function, a value, and an error where there is one. The others
//! are lines of `jepsen.log`, old and new, of which those of other loggers and stack traces are skipped.
//!
//! `:invoke` opens an operation of a process, `:ok`, `:fail` or `:info` ends it. `:ok` says that it happened. `:fail` says
//! that it did not happen, and nothing more: not of a `:cas` either, unless
//! [`FailedCas::Mismatch`](super::FailedCas::Mismatch) says so; even then its value (`:timed-out`) or its `:error`
//! (`:connection-refused`) may name another reason, and it tells nothing, while an error that begins with one of
//! `:did-not-succeed`, `:precondition-failed`, `:cas-failed`, `:compare-failed` and `:value-mismatch` does say what the
//! register did not hold. `:info` says that the outcome is unknown; the process is never used again. What returns from
//! a change repeats the value that was called with; another value is refused.
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
//! A key with an `:append` is a list, and other keys are registers. Where `:add` may be of a set or of a counter, the reads
//! tell. [`ReadOptions::model`] overrides all that. A `:txn` of one micro-operation is that operation (`:r`, `:w`, `:append`);
//! longer ones, and every other `:f`, are refused in the first line that has one.
//!
//! Where no `:key` is told and the value of every call is a pair, of reads `[key nil]`, the history is one of many keys as
//! `jepsen.independent` writes them: the first of each pair is the key, the second the value.
//!
//! Values, keys and processes are of any kind. Events of the process `:nemesis` are skipped, as are those of a named process that only
//! report something (`:info` without a call). Time is the number of the line, or, where several events stand in one,
//! what keeps them in their order; a `:time` is not looked at, for clocks may run backwards.

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
/// The first line that is no event, or clashes with another.
pub fn read_log(text: &str, reading: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_log(text), reading)
}

/// Reads the columns of `history.txt`.
///
/// # Errors
/// The first line that is no event, or clashes with another.
pub fn read_columns(text: &str, reading: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_columns(text), reading)
}

/// Reads EDN maps.
///
/// # Errors
/// The first line that is no event, or clashes with another.
pub fn read_maps(text: &str, reading: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_maps(text), reading)
}

/// Reads JSON objects.
///
/// # Errors
/// The first line that is no event, or clashes with another.
pub fn read_json(text: &str, reading: &ReadOptions) -> Result<ParsedHistory, ParseError> {
    pair_events(event::parse_json(text), reading)
}

/// An operation that has an end, or never gets one.
struct JepsenOperation<'a> {
    /// Its process, by number of appearance.
    process: u32,
    line: u32,
    called: u32,
    function: Function,
    key: Edn<'a>,
    /// What was called with; of an operation that answers something and is done, the answer.
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
        /// Whether it may have failed because a register did not hold what was expected.
        may_be_mismatch: bool,
    },
}

impl<'a> JepsenOperation<'a> {
    /// Puts the answer in the place of what was called with. A pair with a key stays one. Returns false where the answer
    /// is about another key.
    fn set_result(&mut self, answer: Edn<'a>) -> bool {
        self.value = match (std::mem::replace(&mut self.value, Edn::Nil), answer) {
            (Edn::Vector(mut asked), answer) if asked.len() == 2 && self.key == Edn::Nil => match answer {
                Edn::Vector(told) if told.len() == 2 && told[0] == asked[0] => Edn::Vector(told),
                Edn::Vector(told) if told.len() == 2 => return false,
                answer => {
                    asked[1] = answer;
                    Edn::Vector(asked)
                }
            },
            (_, answer) => answer,
        };
        true
    }

    /// Whether its value can only be a pair of a key and a value.
    fn is_keyed_pair(&self) -> bool {
        let Edn::Vector(pair) = &self.value else { return false };
        let is_pair = match self.function {
            // A compare-and-set has a pair of values as it is.
            Function::Cas => matches!(&pair[..], [_, Edn::Vector(_)]),
            _ => pair.len() == 2,
        };
        is_pair && self.key == Edn::Nil
    }
}

/// A process, and what it did last.
struct Process {
    last_operation: u32,
    /// The line of the return.
    return_line: u32,
    kind: EventKind,
}

/// What was read so far.
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
    reading: &ReadOptions,
) -> Result<ParsedHistory, ParseError> {
    let mut gathered = EventPairing::default();
    for event in events {
        if let Some(event) = event? {
            gathered.add(event)?;
        }
    }
    let EventPairing { operations: asked, numbers, .. } = gathered;
    let mut processes: Vec<(u32, Edn<'a>)> =
        numbers.into_iter().map(|(name, number)| (number, name)).collect();
    processes.sort_unstable_by_key(|(number, _)| *number);
    interpret::build_history(asked, processes.into_iter().map(|(_, name)| name).collect(), reading)
}

impl<'a> EventPairing<'a> {
    fn add(&mut self, event: Event<'a>) -> Result<(), ParseError> {
        let line = event.line;
        let clash = |expected, reason| Err(ParseError { line, expected, reason });
        let moment = u32::try_from(line).unwrap_or(u32::MAX).max(self.newest_time + 1);
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
        self.newest_time = moment;
        let process = known.map(|process| &self.processes[process as usize]);
        if event.kind == EventKind::Invoke {
            match process {
                Some(Process { kind: EventKind::Invoke, last_operation: last, .. }) => {
                    let open = self.operations[*last as usize].line;
                    let reason = format!("process {} still has the one of line {open} open", name(&event));
                    return clash("one call at a time in each process", reason);
                }
                Some(Process { kind: EventKind::Info, return_line: ended, .. }) => {
                    let reason = format!("process {} gave up in line {ended} and calls again", name(&event));
                    return clash("no call of a process whose last outcome is unknown", reason);
                }
                _ => {}
            }
            if self.operations.len() == 2 * MAX_OPERATIONS {
                return clash("at most 1500000 operations that may have happened", "this is far more".into());
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
                called: moment,
                function,
                key: event.key,
                value: event.value.unwrap_or(Edn::Nil),
                completion: Completion::Open,
            });
            return Ok(());
        }
        let last = match process {
            Some(process) if process.kind == EventKind::Invoke => process.last_operation as usize,
            Some(Process { return_line: ended, .. }) => {
                let reason =
                    format!("the last call of process {} has returned in line {ended}", name(&event));
                return clash("a call before its return", reason);
            }
            None => {
                let reason = format!("process {} has not called before", name(&event));
                return clash("a call before its return", reason);
            }
        };
        let asked = &self.operations[last];
        let has_other_key = asked.key != event.key && (event.kind == EventKind::Ok || event.key != Edn::Nil);
        if event.function.is_some_and(|function| function != asked.function) || has_other_key {
            let reason = format!("in line {} process {} asked something else", asked.line, name(&event));
            return clash("the return of what was called", reason);
        }
        if event.contradicts(asked.function, &asked.value) {
            let reason = format!(
                "process {} called :{} {} in line {} and returns from {}",
                name(&event),
                asked.function.name(),
                display_value(&asked.value),
                asked.line,
                display_value(event.value.as_ref().unwrap_or(&Edn::Nil))
            );
            return clash("the return of what was called", reason);
        }
        let answers = asked.function.has_result();
        if event.kind == EventKind::Ok && answers {
            self.count_elements(line, &event.value)?;
        }
        if let Some(process) = known.and_then(|process| self.processes.get_mut(process as usize)) {
            (process.kind, process.return_line) = (event.kind, line as u32);
        }
        let asked = &mut self.operations[last];
        asked.completion = match event.kind {
            EventKind::Ok => Completion::Done { at: moment },
            EventKind::Fail => {
                Completion::Failed { at: moment, line: line as u32, may_be_mismatch: event.may_be_mismatch() }
            }
            EventKind::Info | EventKind::Invoke => Completion::Unknown,
        };
        if event.kind == EventKind::Ok && answers && !asked.set_result(event.value.unwrap_or(Edn::Nil)) {
            let reason = format!("the call in line {} names another key", asked.line);
            return clash("the return of what was called", reason);
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
