//! One event, from each of the notations.

use crate::formats::ParseError;
use crate::formats::display_value;
use crate::formats::edn::{self, Edn, EdnReader};
use crate::formats::json;

/// A call or a return.
pub(super) struct Event<'a> {
    pub(super) line: usize,
    pub(super) process: Edn<'a>,
    pub(super) kind: EventKind,
    /// `None`: not told, of what did not return well.
    pub(super) function: Option<Function>,
    pub(super) key: Edn<'a>,
    /// `None`: not told.
    pub(super) value: Option<Edn<'a>>,
    /// Why it failed, where that is told.
    error: Option<Edn<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// What is asked, by its `:f`.
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

    /// Whether its return tells something else than its call.
    pub(super) fn has_result(self) -> bool {
        matches!(self, Function::Read | Function::Get | Function::Dequeue | Function::Drain)
    }
}

/// What there is of an event, as it was written.
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
    let wrong = |reason: String| ParseError { line, expected, reason };
    let map = match map.map_err(wrong)? {
        Edn::Tagged(tagged) => tagged.1,
        map => map,
    };
    let Edn::Map(pairs) = map else { return Err(wrong(format!("it is {}", display_value(map)))) };
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
    let word = text.split(|letter: char| letter.is_whitespace() || letter == ',').next();
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

/// What the logger of operations says in a line.
fn log_message(line: &str) -> Option<&str> {
    let said = match line.split_once("jepsen.util") {
        Some((_, said)) => said,
        // Another logger may say the same.
        None => return line.split_once(" - ").map(|(_, said)| said),
    };
    let said = said.strip_prefix(':').unwrap_or(said);
    if !said.starts_with(char::is_whitespace) {
        return None;
    }
    let said = said.trim_start();
    Some(said.strip_prefix("- ").unwrap_or(said))
}

/// An event in columns: process, type, function, value, and perhaps an error.
fn parse_row<'a>(
    line: usize,
    text: &'a str,
    expected: &'static str,
) -> Result<Option<Event<'a>>, ParseError> {
    let wrong = |reason: String| ParseError { line, expected, reason };
    let mut reader = EdnReader::new(text);
    let mut next = || match reader.rest() {
        Ok("") => Err(wrong("a process, a type, a function and a value are needed".into())),
        Ok(_) => reader.value().map_err(|error| wrong(error.reason)),
        Err(error) => Err(wrong(error.reason)),
    };
    let process = next()?;
    // What a nemesis does is printed however it can be.
    if is_nemesis(&process) {
        return Ok(None);
    }
    let (kind, function, value) = (next()?, next()?, next()?);
    // What an error is need not be EDN.
    let error = match reader.rest() {
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
        error,
    };
    Event::new(line, parts, expected)
}

/// Whether a process breaks things and asks nothing.
fn is_nemesis(process: &Edn<'_>) -> bool {
    matches!(process, Edn::Keyword(name) | Edn::Text(name) | Edn::Symbol(name) if name == "nemesis" || name == ":nemesis")
}

/// A keyword, or the text that stands for one in JSON.
fn keyword_name<'e>(value: &'e Edn<'_>) -> Option<&'e str> {
    match value {
        Edn::Keyword(word) => Some(word),
        Edn::Text(word) => Some(word.strip_prefix(':').unwrap_or(word)),
        _ => None,
    }
}

impl<'a> Event<'a> {
    /// `None` where it concerns no client.
    fn new(
        line: usize,
        parts: RawEvent<'a>,
        expected: &'static str,
    ) -> Result<Option<Event<'a>>, ParseError> {
        let wrong = |reason: &str| ParseError { line, expected, reason: reason.to_string() };
        let RawEvent { process, kind, function, key, value, error } = parts;
        let process = process.ok_or_else(|| wrong(":process is missing"))?;
        if is_nemesis(&process) {
            return Ok(None);
        }
        if process == Edn::Nil {
            return Err(wrong("the process is nil"));
        }
        let kind = kind.ok_or_else(|| wrong(":type is missing"))?;
        let kind = match keyword_name(&kind) {
            Some("invoke") => EventKind::Invoke,
            Some("ok") => EventKind::Ok,
            Some("fail") => EventKind::Fail,
            Some("info") => EventKind::Info,
            _ => return Err(wrong("the type is none of :invoke, :ok, :fail, :info")),
        };
        // A process with a name that only reports something is no client.
        let may_report = kind == EventKind::Info && !matches!(process, Edn::Number(_));
        let function = function.ok_or_else(|| wrong(":f is missing"))?;
        let Some(name) = keyword_name(&function) else { return Err(wrong("the function is no keyword")) };
        let (key, error) = (key.unwrap_or(Edn::Nil), error.filter(|error| *error != Edn::Nil));
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
                    _ => return Err(wrong("the micro-operation is no vector")),
                },
                _ => return Err(wrong("the transaction is no vector")),
            },
            ("txn", ..) if kind == EventKind::Fail || kind == EventKind::Info => {
                // It need not say again what was asked.
                (None, key, None)
            }
            ("txn" | "read" | "write", _, Some(count)) => {
                let reason =
                    format!("it is :{name} with {count} micro-operations; transactions are not judged");
                return Err(ParseError { line, expected: "a transaction of one micro-operation", reason });
            }
            ("txn", ..) => {
                let reason = "it is :txn with something else; transactions are not judged".to_string();
                return Err(ParseError { line, expected: "a transaction of one micro-operation", reason });
            }
            (_, Some(function), _) => (Some(function), key, value),
            (_, None, _) if may_report => return Ok(None),
            (name, None, _) => {
                let reason = format!("it is :{}, which is not judged", display_value(name));
                let expected = "an operation of a register, list, set, counter, queue or mutex as `:f`";
                return Err(ParseError { line, expected, reason });
            }
        };
        Ok(Some(Event { line, process, kind, function, key, value, error }))
    }

    /// Whether it cannot be the return of this call, for it repeats another value. What a read returns is its own
    /// business, and what does not return well may tell the reason in the place of the value.
    pub(super) fn contradicts(&self, function: Function, asked: &Edn<'_>) -> bool {
        if function.has_result() || matches!(function, Function::Acquire | Function::Release) {
            return false;
        }
        let Some(told) = &self.value else { return false };
        let is_repeated = match self.kind {
            EventKind::Ok => true,
            _ => std::mem::discriminant(told) == std::mem::discriminant(asked),
        };
        is_repeated && told != asked
    }

    /// Whether a compare-and-set that failed may not have found what it expected: no other reason is given.
    pub(super) fn may_be_mismatch(&self) -> bool {
        let reason = match &self.error {
            Some(Edn::Vector(reasons)) => reasons.first(),
            error => error.as_ref(),
        };
        matches!(self.value, Some(Edn::Vector(_)))
            && match reason {
                None => self.error.is_none(),
                Some(reason) => keyword_name(reason).is_some_and(|word| MISMATCHES.contains(&word)),
            }
    }
}

/// The errors of a compare-and-set that found something else than it expected.
const MISMATCHES: [&str; 5] =
    ["did-not-succeed", "precondition-failed", "cas-failed", "compare-failed", "value-mismatch"];

/// How many micro-operations a value consists of; `None` where it is no transaction.
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
