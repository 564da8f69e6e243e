//! One event, from each of the notations.

use crate::formats::Misread;
use crate::formats::edn::{self, Edn, Reader};
use crate::formats::json;
use crate::formats::shown::shown;

/// A call or a return.
pub(super) struct Event<'a> {
    pub(super) line: usize,
    pub(super) process: Edn<'a>,
    pub(super) kind: Kind,
    /// `None`: not told, of what did not return well.
    pub(super) function: Option<Function>,
    pub(super) key: Edn<'a>,
    /// `None`: not told.
    pub(super) value: Option<Edn<'a>>,
    /// Why it failed, where that is told.
    error: Option<Edn<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
    pub(super) fn answers(self) -> bool {
        matches!(self, Function::Read | Function::Get | Function::Dequeue | Function::Drain)
    }
}

/// What there is of an event, as it was written.
#[derive(Default)]
struct Parts<'a> {
    process: Option<Edn<'a>>,
    kind: Option<Edn<'a>>,
    function: Option<Edn<'a>>,
    key: Option<Edn<'a>>,
    value: Option<Edn<'a>>,
    error: Option<Edn<'a>>,
}

/// The events of EDN maps.
pub(super) fn of_maps(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, Misread>> {
    const EVENT: &str = "an event, as in {:process 0, :type :invoke, :f :read, :key \"a\", :value nil}";
    edn::values(text).map(|(line, map)| of_map(line, map, EVENT))
}

/// The events of JSON objects.
pub(super) fn of_json(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, Misread>> {
    const EVENT: &str = "an event, as in {\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}";
    json::values(text).map(|(line, map)| of_map(line, map, EVENT))
}

fn of_map<'a>(
    line: usize,
    map: Result<Edn<'a>, String>,
    expected: &'static str,
) -> Result<Option<Event<'a>>, Misread> {
    let wrong = |reason: String| Misread { line, expected, reason };
    let map = match map.map_err(wrong)? {
        Edn::Tagged(tagged) => tagged.1,
        map => map,
    };
    let Edn::Map(pairs) = map else { return Err(wrong(format!("it is {}", shown(map)))) };
    let mut parts = Parts::default();
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
pub(super) fn of_columns(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, Misread>> {
    let lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    lines.map(|(before, text)| of_row(before + 1, text, "an event, as in 0 :invoke :read nil"))
}

/// Whether a line is an event in columns.
pub(in crate::formats) fn is_columns(line: &str) -> bool {
    let mut reader = Reader::new(line);
    let process = reader.value();
    process.is_ok_and(|process| !matches!(process, Edn::Map(_) | Edn::Vector(_)))
        && reader.rest().is_ok_and(begins_with_type)
}

fn begins_with_type(text: &str) -> bool {
    let word = text.split(|letter: char| letter.is_whitespace() || letter == ',').next();
    matches!(word, Some(":invoke" | ":ok" | ":fail" | ":info"))
}

/// The events of a log.
pub(super) fn of_log(text: &str) -> impl Iterator<Item = Result<Option<Event<'_>>, Misread>> {
    text.lines().enumerate().map(|(before, text)| match message(text) {
        Some(row) if is_columns(row) => {
            of_row(before + 1, row, "an event, as in INFO jepsen.util - 0 :invoke :read nil")
        }
        _ => Ok(None),
    })
}

/// What the logger of operations says in a line.
fn message(line: &str) -> Option<&str> {
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
fn of_row<'a>(line: usize, text: &'a str, expected: &'static str) -> Result<Option<Event<'a>>, Misread> {
    let wrong = |reason: String| Misread { line, expected, reason };
    let mut reader = Reader::new(text);
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
    let parts = Parts {
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
fn word<'e>(value: &'e Edn<'_>) -> Option<&'e str> {
    match value {
        Edn::Keyword(word) => Some(word),
        Edn::Text(word) => Some(word.strip_prefix(':').unwrap_or(word)),
        _ => None,
    }
}

impl<'a> Event<'a> {
    /// `None` where it concerns no client.
    fn new(line: usize, parts: Parts<'a>, expected: &'static str) -> Result<Option<Event<'a>>, Misread> {
        let wrong = |reason: &str| Misread { line, expected, reason: reason.to_string() };
        let Parts { process, kind, function, key, value, error } = parts;
        let process = process.ok_or_else(|| wrong(":process is missing"))?;
        if is_nemesis(&process) {
            return Ok(None);
        }
        if process == Edn::Nil {
            return Err(wrong("the process is nil"));
        }
        let kind = kind.ok_or_else(|| wrong(":type is missing"))?;
        let kind = match word(&kind) {
            Some("invoke") => Kind::Invoke,
            Some("ok") => Kind::Ok,
            Some("fail") => Kind::Fail,
            Some("info") => Kind::Info,
            _ => return Err(wrong("the type is none of :invoke, :ok, :fail, :info")),
        };
        // A process with a name that only reports something is no client.
        let may_report = kind == Kind::Info && !matches!(process, Edn::Number(_));
        let function = function.ok_or_else(|| wrong(":f is missing"))?;
        let Some(name) = word(&function) else { return Err(wrong("the function is no keyword")) };
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
            ("txn", ..) if kind == Kind::Fail || kind == Kind::Info => {
                // It need not say again what was asked.
                (None, key, None)
            }
            ("txn" | "read" | "write", _, Some(count)) => {
                let reason =
                    format!("it is :{name} with {count} micro-operations; transactions are not judged");
                return Err(Misread { line, expected: "a transaction of one micro-operation", reason });
            }
            ("txn", ..) => {
                let reason = "it is :txn with something else; transactions are not judged".to_string();
                return Err(Misread { line, expected: "a transaction of one micro-operation", reason });
            }
            (_, Some(function), _) => (Some(function), key, value),
            (_, None, _) if may_report => return Ok(None),
            (name, None, _) => {
                let reason = format!("it is :{}, which is not judged", shown(name));
                let expected = "an operation of a register, list, set, counter, queue or mutex as `:f`";
                return Err(Misread { line, expected, reason });
            }
        };
        Ok(Some(Event { line, process, kind, function, key, value, error }))
    }

    /// Whether it cannot be the return of this call, for it repeats another value. What a read returns is its own
    /// business, and what does not return well may tell the reason in the place of the value.
    pub(super) fn contradicts(&self, function: Function, asked: &Edn<'_>) -> bool {
        if function.answers() || matches!(function, Function::Acquire | Function::Release) {
            return false;
        }
        let Some(told) = &self.value else { return false };
        let is_repeated = match self.kind {
            Kind::Ok => true,
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
                Some(reason) => word(reason).is_some_and(|word| MISMATCHES.contains(&word)),
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
    match word(name)? {
        "r" => Some(Function::Read),
        "w" => Some(Function::Write),
        "append" => Some(Function::Append),
        _ => None,
    }
}
