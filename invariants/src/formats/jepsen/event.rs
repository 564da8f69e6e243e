//! Parses one event from each of the notations.

#![expect(clippy::disallowed_methods, reason = "the recording comes from outside")]

use crate::formats::ParseError;
use crate::formats::display_value;
use crate::formats::edn::{self, Edn, EdnReader};
use crate::formats::json;

/// A call or a return.
pub(super) struct Event<'a> {
    pub(super) line: usize,
    pub(super) process: Edn<'a>,
    pub(super) kind: EventKind,
    /// May be `None` if the event is not `:ok`.
    pub(super) function: Option<Function>,
    pub(super) key: Edn<'a>,
    /// `None` if not stated.
    pub(super) value: Option<Edn<'a>>,
    /// The reason of a failure, if stated.
    error: Option<Edn<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// The function of an operation, its `:f`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Function {
    Read,
    Get,
    Write,
    Put,
    Cas,
    Append,
    Add,
    Remove,
    Increment,
    Decrement,
    Enqueue,
    Dequeue,
    Drain,
    Acquire,
    Release,
}

const FUNCTIONS: [(&str, Function); 17] = [
    ("read", Function::Read),
    ("get", Function::Get),
    ("write", Function::Write),
    ("put", Function::Put),
    ("cas", Function::Cas),
    ("append", Function::Append),
    ("add", Function::Add),
    ("remove", Function::Remove),
    ("inc", Function::Increment),
    ("increment", Function::Increment),
    ("dec", Function::Decrement),
    ("decrement", Function::Decrement),
    ("enqueue", Function::Enqueue),
    ("dequeue", Function::Dequeue),
    ("drain", Function::Drain),
    ("acquire", Function::Acquire),
    ("release", Function::Release),
];

impl Function {
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |&(name, _)| name)
    }

    /// Whether the value of its return is a result rather than the value of its call.
    pub(super) fn has_result(self) -> bool {
        matches!(self, Function::Read | Function::Get | Function::Dequeue | Function::Drain)
    }
}

/// The parts of an event as they are written.
#[derive(Default)]
struct RawEvent<'a> {
    process: Option<Edn<'a>>,
    kind: Option<Edn<'a>>,
    function: Option<Edn<'a>>,
    key: Option<Edn<'a>>,
    value: Option<Edn<'a>>,
    error: Option<Edn<'a>>,
}

/// The events of EDN maps.
pub(super) fn parse_maps(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, ParseError>> {
    const EVENT: &str = "an event, as in {:process 0, :type :invoke, :f :read, :key \"a\", :value nil}";
    edn::values(text).map(|(line, map)| parse_map(line, map, EVENT))
}

/// The events of JSON objects.
pub(super) fn parse_json(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, ParseError>> {
    const EVENT: &str = "an event, as in {\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}";
    json::values(text).map(|(line, map)| parse_map(line, map, EVENT))
}

fn parse_map<'a>(
    line: usize,
    map: Result<Edn<'a>, String>,
    expected: &'static str,
) -> Result<Option<Event<'a>>, ParseError> {
    let error = |reason: String| ParseError { line, expected, reason };
    let map = match map.map_err(error)? {
        Edn::Tagged(tagged) => tagged.1,
        map => map,
    };
    let Edn::Map(pairs) = map else { return Err(error(format!("it is {}", display_value(map)))) };
    let mut parts = RawEvent::default();
    for (key, value) in pairs {
        let Edn::Keyword(key) = key else { continue };
        let part = match key.as_ref() {
            "process" => &mut parts.process,
            "type" => &mut parts.kind,
            "f" => &mut parts.function,
            "key" => &mut parts.key,
            "value" => &mut parts.value,
            "error" => &mut parts.error,
            _ => continue,
        };
        *part = Some(value);
    }
    Event::new(line, parts, expected)
}

/// The events of `history.txt`.
pub(super) fn parse_columns(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, ParseError>> {
    let lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    lines.map(|(before, text)| parse_row(before + 1, text, "an event, as in 0 :invoke :read nil"))
}

/// Whether a line is an event in columns.
pub(in crate::formats) fn is_columns(line: &str) -> bool {
    let mut reader = EdnReader::new(line);
    let process = reader.value();
    process.is_ok_and(|process| !matches!(process, Edn::Map(_) | Edn::Vector(_)))
        && reader.rest().is_ok_and(begins_with_type)
}

fn begins_with_type(text: &str) -> bool {
    let word = text.split(|character: char| character.is_whitespace() || character == ',').next();
    matches!(word, Some(":invoke" | ":ok" | ":fail" | ":info"))
}

/// The events of a log.
pub(super) fn parse_log(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, ParseError>> {
    text.lines().enumerate().map(|(before, text)| match log_message(text) {
        Some(row) if is_columns(row) => {
            parse_row(before + 1, row, "an event, as in INFO jepsen.util - 0 :invoke :read nil")
        }
        _ => Ok(None),
    })
}

/// The message of a log line, if the logger of operations may have written it.
fn log_message(line: &str) -> Option<&str> {
    let message = match line.split_once("jepsen.util") {
        Some((_, message)) => message,
        // Other loggers may write events too.
        None => return line.split_once(" - ").map(|(_, message)| message),
    };
    let message = message.strip_prefix(':').unwrap_or(message);
    if !message.starts_with(char::is_whitespace) {
        return None;
    }
    let message = message.trim_start();
    Some(message.strip_prefix("- ").unwrap_or(message))
}

/// Parses an event in columns: process, type, function, value, and possibly an error.
fn parse_row<'a>(
    line: usize,
    text: &'a str,
    expected: &'static str,
) -> Result<Option<Event<'a>>, ParseError> {
    let error = |reason: String| ParseError { line, expected, reason };
    let mut reader = EdnReader::new(text);
    let mut next = || match reader.rest() {
        Ok("") => Err(error("a process, a type, a function and a value are needed".into())),
        Ok(_) => reader.value().map_err(|cause| error(cause.reason)),
        Err(cause) => Err(error(cause.reason)),
    };
    let process = next()?;
    // A nemesis may print anything.
    if is_nemesis(&process) {
        return Ok(None);
    }
    let (kind, function, value) = (next()?, next()?, next()?);
    // An error need not be EDN.
    let failure = match reader.rest() {
        Ok("") => None,
        Ok(rest) => Some(reader.value().unwrap_or_else(|_| Edn::Symbol(rest.into()))),
        Err(_) => Some(Edn::Symbol("unreadable".into())),
    };
    let parts = RawEvent {
        process: Some(process),
        kind: Some(kind),
        function: Some(function),
        key: None,
        value: Some(value),
        error: failure,
    };
    Event::new(line, parts, expected)
}

/// Whether the process is a nemesis, which injects faults and is not a client.
fn is_nemesis(process: &Edn<'_>) -> bool {
    matches!(process, Edn::Keyword(name) | Edn::Text(name) | Edn::Symbol(name) if name == "nemesis" || name == ":nemesis")
}

/// The name of a keyword, or of the text that stands for it in JSON.
fn keyword_name<'e>(value: &'e Edn<'_>) -> Option<&'e str> {
    match value {
        Edn::Keyword(word) => Some(word),
        Edn::Text(word) => Some(word.strip_prefix(':').unwrap_or(word)),
        _ => None,
    }
}

impl<'a> Event<'a> {
    /// `None` if the event is not that of a client.
    fn new(
        line: usize,
        parts: RawEvent<'a>,
        expected: &'static str,
    ) -> Result<Option<Event<'a>>, ParseError> {
        let error = |reason: &str| ParseError { line, expected, reason: reason.to_string() };
        let RawEvent { process, kind, function, key, value, error: failure } = parts;
        let process = process.ok_or_else(|| error(":process is missing"))?;
        if is_nemesis(&process) {
            return Ok(None);
        }
        if process == Edn::Nil {
            return Err(error("the process is nil"));
        }
        let kind = kind.ok_or_else(|| error(":type is missing"))?;
        let kind = match keyword_name(&kind) {
            Some("invoke") => EventKind::Invoke,
            Some("ok") => EventKind::Ok,
            Some("fail") => EventKind::Fail,
            Some("info") => EventKind::Info,
            _ => return Err(error("the type is none of :invoke, :ok, :fail, :info")),
        };
        // A named process that only reports something is not a client.
        let may_report = kind == EventKind::Info && !matches!(process, Edn::Number(_));
        let function = function.ok_or_else(|| error(":f is missing"))?;
        let Some(name) = keyword_name(&function) else { return Err(error("the function is no keyword")) };
        let (key, failure) = (key.unwrap_or(Edn::Nil), failure.filter(|failure| *failure != Edn::Nil));
        let known = FUNCTIONS.iter().find(|(known, _)| *known == name).map(|&(_, function)| function);
        let operations = value.as_ref().and_then(micro_operations);
        let (function, key, value) = match (name, known, operations) {
            ("txn" | "read" | "write" | "append", _, Some(1)) => match value {
                Some(Edn::Vector(mut operations)) => match operations.pop() {
                    Some(Edn::Vector(mut operation)) => {
                        let (value, key) = (operation.pop(), operation.pop().unwrap_or(Edn::Nil));
                        let function = operation.pop().and_then(|name| micro_function(&name));
                        (function, key, value)
                    }
                    _ => return Err(error("the micro-operation is no vector")),
                },
                _ => return Err(error("the transaction is no vector")),
            },
            ("txn", ..) if kind == EventKind::Fail || kind == EventKind::Info => {
                // The return need not repeat the transaction.
                (None, key, None)
            }
            ("txn" | "read" | "write", _, Some(count)) => {
                let reason =
                    format!("it is :{name} with {count} micro-operations; transactions are not checked");
                return Err(ParseError { line, expected: "a transaction of one micro-operation", reason });
            }
            ("txn", ..) => {
                let reason = "it is :txn with something else; transactions are not checked".to_string();
                return Err(ParseError { line, expected: "a transaction of one micro-operation", reason });
            }
            (_, Some(function), _) => (Some(function), key, value),
            (_, None, _) if may_report => return Ok(None),
            (name, None, _) => {
                let reason = format!("it is :{}, which is not supported", display_value(name));
                let expected = "an operation of a register, list, set, counter, queue or mutex as `:f`";
                return Err(ParseError { line, expected, reason });
            }
        };
        Ok(Some(Event { line, process, kind, function, key, value, error: failure }))
    }

    /// Whether it cannot be the return of this call because it repeats another value. Results may differ from the
    /// call, and an event that is not `:ok` may state the reason instead of the value.
    pub(super) fn contradicts(&self, function: Function, called: &Edn<'_>) -> bool {
        if function.has_result() || matches!(function, Function::Acquire | Function::Release) {
            return false;
        }
        let Some(value) = &self.value else { return false };
        let is_repeated = match self.kind {
            EventKind::Ok => true,
            _ => std::mem::discriminant(value) == std::mem::discriminant(called),
        };
        is_repeated && value != called
    }

    /// Whether a failed compare-and-set may have found another value: no other reason is stated.
    pub(super) fn may_be_mismatch(&self) -> bool {
        let reason = match &self.error {
            Some(Edn::Vector(reasons)) => reasons.first(),
            error => error.as_ref(),
        };
        matches!(self.value, Some(Edn::Vector(_)))
            && match reason {
                None => self.error.is_none(),
                Some(reason) => keyword_name(reason).is_some_and(|word| MISMATCH_ERRORS.contains(&word)),
            }
    }
}

/// Errors of a compare-and-set that found another value than expected.
const MISMATCH_ERRORS: [&str; 5] =
    ["did-not-succeed", "precondition-failed", "cas-failed", "compare-failed", "value-mismatch"];

/// The number of micro-operations in a value; `None` if it is not a transaction.
fn micro_operations(value: &Edn<'_>) -> Option<usize> {
    let Edn::Vector(operations) = value else { return None };
    let is_one = |operation: &Edn<'_>| matches!(operation, Edn::Vector(parts) if parts.len() == 3 && micro_function(&parts[0]).is_some());
    (!operations.is_empty() && operations.iter().all(is_one)).then_some(operations.len())
}

fn micro_function(name: &Edn<'_>) -> Option<Function> {
    match keyword_name(name)? {
        "r" => Some(Function::Read),
        "w" => Some(Function::Write),
        "append" => Some(Function::Append),
        _ => None,
    }
}
