//! Histories as Jepsen writes them: one event per line, calls and returns, in the order in which they happened.
//!
//! ```text
//! INFO  jepsen.util - 0   :invoke :read   nil
//! INFO  jepsen.util - 0   :ok     :read   3
//! {:process 1, :type :invoke, :f :cas, :key "a", :value [3 4]}
//! {:process 1, :type :info, :f :cas, :key "a", :value [3 4]}
//! ```
//!
//! The first form is that of a log and knows one key; the second is a map per line, or a vector of maps, where a map may
//! have a tag (`#jepsen.history.Op{...}`). `:invoke` opens an operation of a
//! process, `:ok`, `:fail` or `:info` ends it. `:info` says that the outcome is unknown; the process is never used
//! again. Whoever returns from what changes something repeats the value that was called with; another value is refused.
//!
//! `:fail` says that nothing happened; of a `:cas` moreover that the register did not hold what was expected, unless it
//! failed for another reason: then its value (`:timed-out`) or its `:error` (`:connection-refused`; in a log it stands
//! behind the value) names that, and it tells nothing. An error that begins with one of `:did-not-succeed`,
//! `:precondition-failed`, `:cas-failed`, `:compare-failed` and `:value-mismatch` does say what the register did not
//! hold. `:f` is
//!
//! - of registers `:read`, `:write`, `:cas` (`[expected new]`),
//! - of lists `:read` and `:append`,
//! - of texts, as Porcupine has them, `:get`, `:put`, `:append`: a text is a list of the pieces that were appended, each
//!   of which ends with its only `y`, and a put replaces them all.
//!
//! Where no `:key` is told and the value of every call is a pair, of reads `[key nil]`, the history is one of many keys as
//! `jepsen.independent` writes them: the first of each pair is the key, the second the value.
//!
//! Values are `nil`, numbers or texts. Events of processes that are no numbers (`:nemesis`) are skipped. Time is the
//! number of the line, or, where several events stand in one, what keeps them in their order; where a `:time` is told it
//! must not run backwards.

use super::edn::{self, Edn};
use super::{Keys, Misread, Recorded};
use crate::fact::RequestId;
use crate::linearizability::{Action, Call, Content, Operation, Response};
use std::collections::{BTreeMap, BTreeSet};

/// An event as it stands in its line.
struct Event {
    line: usize,
    /// When it happened: the number of the line, or, of several in one line, a later one for each.
    moment: u64,
    process: i64,
    kind: Kind,
    function: String,
    key: Edn,
    /// `None`: not told.
    value: Option<Edn>,
    time: Option<i64>,
    /// Why it failed, where that is told.
    error: Option<Edn>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// Reads log lines.
///
/// # Errors
/// The first line that is no event, or clashes with another.
pub fn read_log(text: &str) -> Result<Recorded, Misread> {
    let lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
    gathered(lines.map(|(before, text)| {
        let line = before + 1;
        let event = "an event, as in INFO jepsen.util - 0 :invoke :read nil";
        let wrong = |reason: &str| Misread { line, expected: event, reason: reason.to_string() };
        let (_, told) = text.split_once(" - ").ok_or_else(|| wrong("there is no \" - \""))?;
        let told = edn::read(&format!("[{told}]")).map_err(|reason| wrong(&reason))?;
        let Edn::Vector(told) = told else { return Err(wrong("it is something else")) };
        let mut told = told.into_iter();
        let (Some(process), Some(kind), Some(function), Some(value)) =
            (told.next(), told.next(), told.next(), told.next())
        else {
            return Err(wrong("a process, a type, a function and a value are needed"));
        };
        let error = told.next().filter(|error| *error != Edn::Nil);
        let event = Event::new(line, event, process, &kind, function, Edn::Nil, Some(value), None)?;
        Ok(event.map(|event| Event { error, ..event }))
    }))
}

/// Reads a map per line, or a vector of maps.
///
/// # Errors
/// The first line that is no event, or clashes with another.
pub fn read_maps(text: &str) -> Result<Recorded, Misread> {
    let events = edn::values(text).map(|(line, map)| {
        let event = "an event, as in {:process 0, :type :invoke, :f :read, :key \"a\", :value nil}";
        let wrong = |reason: String| Misread { line, expected: event, reason };
        let map = match map.map_err(wrong)? {
            Edn::Tagged(_, map) => *map,
            map => map,
        };
        if !matches!(map, Edn::Map(_)) {
            return Err(wrong(format!("it is {map}")));
        }
        let field = |name: &str| map.get(name).cloned().ok_or_else(|| wrong(format!(":{name} is missing")));
        let (process, kind, function) = (field("process")?, field("type")?, field("f")?);
        let optional = |name: &str| map.get(name).cloned();
        let time = if let Some(Edn::Number(time)) = map.get("time") { Some(*time) } else { None };
        let key = optional("key").unwrap_or(Edn::Nil);
        let event = Event::new(line, event, process, &kind, function, key, optional("value"), time)?;
        let error = optional("error").filter(|error| *error != Edn::Nil);
        Ok(event.map(|event| Event { error, ..event }))
    });
    let mut events: Vec<_> = events.collect();
    let all_clients = events.iter().flatten().flatten();
    let mut calls = all_clients.filter(|event| event.kind == Kind::Invoke).peekable();
    if calls.peek().is_some() && calls.all(Event::is_of_a_pair) {
        part_pairs(events.iter_mut().flatten().flatten());
    }
    gathered(events.into_iter())
}

/// Makes pairs of keys and values what they stand for. What returns without a pair of its own key says all of it about the
/// key that was called with.
fn part_pairs<'a>(events: impl Iterator<Item = &'a mut Event>) {
    let mut keys: BTreeMap<i64, Edn> = BTreeMap::new();
    for event in events {
        let called = keys.get(&event.process).cloned();
        let is_new = |key: &Edn| event.kind == Kind::Invoke || called.as_ref() == Some(key);
        if let Some(Edn::Vector(pair)) = &event.value
            && let [key, value] = &pair[..]
            && is_new(key)
        {
            (event.key, event.value) = (key.clone(), Some(value.clone()));
            keys.insert(event.process, event.key.clone());
        } else if let Some(called) = called {
            event.key = called;
        }
    }
}

impl Event {
    /// `None` where it concerns no client.
    #[allow(clippy::too_many_arguments)]
    fn new(
        line: usize,
        expected: &'static str,
        process: Edn,
        kind: &Edn,
        function: Edn,
        key: Edn,
        value: Option<Edn>,
        time: Option<i64>,
    ) -> Result<Option<Event>, Misread> {
        let wrong = |reason: &str| Misread { line, expected, reason: reason.to_string() };
        let process = match process {
            Edn::Number(process) => process,
            Edn::Keyword(_) => return Ok(None),
            _ => return Err(wrong("the process is neither a number nor a keyword")),
        };
        let kind = match kind {
            Edn::Keyword(kind) if kind == "invoke" => Kind::Invoke,
            Edn::Keyword(kind) if kind == "ok" => Kind::Ok,
            Edn::Keyword(kind) if kind == "fail" => Kind::Fail,
            Edn::Keyword(kind) if kind == "info" => Kind::Info,
            _ => return Err(wrong("the type is none of :invoke, :ok, :fail, :info")),
        };
        let Edn::Keyword(function) = function else { return Err(wrong("the function is no keyword")) };
        Ok(Some(Event { line, moment: line as u64, process, kind, function, key, value, time, error: None }))
    }

    /// Whether its value can only be a pair of a key and a value.
    fn is_of_a_pair(&self) -> bool {
        let Some(Edn::Vector(pair)) = &self.value else { return false };
        let is_pair = match self.function.as_str() {
            // A compare-and-set has a pair of values as it is.
            "cas" => matches!(&pair[..], [_, Edn::Vector(_)]),
            _ => pair.len() == 2,
        };
        is_pair && self.key == Edn::Nil
    }

    fn value(&self) -> &Edn {
        self.value.as_ref().unwrap_or(&Edn::Nil)
    }

    /// Whether it cannot be the return of this call, for it repeats another value. What a read returns is its own
    /// business, and whoever does not return well may tell the reason in the place of the value.
    fn contradicts(&self, invoked: &Event) -> bool {
        if matches!(self.function.as_str(), "read" | "get") {
            return false;
        }
        let (told, asked) = (self.value(), invoked.value());
        let is_repeated = match self.kind {
            Kind::Ok => self.value.is_some(),
            _ => std::mem::discriminant(told) == std::mem::discriminant(asked),
        };
        is_repeated && told != asked
    }

    /// Whether a compare-and-set that failed tells that it did not find what it expected.
    fn is_mismatch(&self) -> bool {
        let reason = match &self.error {
            Some(Edn::Vector(reasons)) => reasons.first(),
            error => error.as_ref(),
        };
        matches!(self.value(), Edn::Vector(_))
            && match reason {
                None => self.error.is_none(),
                Some(Edn::Keyword(word)) => MISMATCHES.contains(&word.as_str()),
                Some(_) => false,
            }
    }
}

/// The errors of a compare-and-set that found something else than it expected.
const MISMATCHES: [&str; 5] =
    ["did-not-succeed", "precondition-failed", "cas-failed", "compare-failed", "value-mismatch"];

/// What has an end, or never gets one.
struct Asked {
    invoked: Event,
    ended: Option<Event>,
}

/// Pairs calls with returns.
fn gathered(events: impl Iterator<Item = Result<Option<Event>, Misread>>) -> Result<Recorded, Misread> {
    let mut asked: Vec<Asked> = Vec::new();
    // By process: its last operation.
    let mut last: BTreeMap<i64, usize> = BTreeMap::new();
    let mut time: Option<(i64, usize)> = None;
    let mut moment = 0;
    for event in events {
        let Some(mut event) = event? else { continue };
        event.moment = event.moment.max(moment + 1);
        moment = event.moment;
        let clash = |expected, reason| Err(Misread { line: event.line, expected, reason });
        if let (Some(now), Some((then, line))) = (event.time, time)
            && now < then
        {
            return clash("time to run forward", format!("it is {now} here, and was {then} in line {line}"));
        }
        time = event.time.map(|now| (now, event.line)).or(time);
        let mine = last.get(&event.process).copied();
        let open = mine.filter(|&at| asked[at].ended.is_none());
        match (event.kind, open) {
            (Kind::Invoke, Some(open)) => {
                let reason = format!(
                    "process {} still has the one of line {} open",
                    event.process, asked[open].invoked.line
                );
                return clash("one call at a time in each process", reason);
            }
            (Kind::Invoke, None) => {
                if let Some(ended) = mine.and_then(|mine| asked[mine].ended.as_ref())
                    && ended.kind == Kind::Info
                {
                    let reason =
                        format!("process {} gave up in line {} and calls again", event.process, ended.line);
                    return clash("no call of a process whose last outcome is unknown", reason);
                }
                last.insert(event.process, asked.len());
                asked.push(Asked { invoked: event, ended: None });
            }
            (_, None) => {
                let reason = match mine.and_then(|mine| asked[mine].ended.as_ref()) {
                    Some(ended) => {
                        format!(
                            "the last call of process {} has returned in line {}",
                            event.process, ended.line
                        )
                    }
                    None => format!("process {} has not called before", event.process),
                };
                return clash("a call before its return", reason);
            }
            (_, Some(open)) => {
                let invoked = &asked[open].invoked;
                if invoked.function != event.function || invoked.key != event.key {
                    let reason =
                        format!("in line {} process {} asked something else", invoked.line, event.process);
                    return clash("the return of what was called", reason);
                }
                if event.contradicts(invoked) {
                    let reason = format!(
                        "process {} called :{} {} in line {} and returns from {}",
                        event.process,
                        invoked.function,
                        invoked.value(),
                        invoked.line,
                        event.value()
                    );
                    return clash("the return of what was called", reason);
                }
                asked[open].ended = Some(event);
            }
        }
    }
    calls(asked)
}

/// Numbers values. Small numbers stay what they are; whatever is written otherwise gets a number that none of them has.
#[derive(Default)]
struct Values(BTreeMap<Edn, u64>);

/// The numbers of other values begin here, behind the small ones.
const OTHERS: u64 = 1 << 62;

impl Values {
    /// `None`: it is neither a number nor a text.
    fn number(&mut self, value: &Edn) -> Option<u64> {
        match value {
            Edn::Number(number) if (0..OTHERS.cast_signed()).contains(number) => Some(number.cast_unsigned()),
            Edn::Number(_) => Some(self.other(value.clone())),
            Edn::Text(text) => Some(self.text(text)),
            _ => None,
        }
    }

    fn text(&mut self, text: &str) -> u64 {
        self.other(Edn::Text(text.to_string()))
    }

    fn other(&mut self, value: Edn) -> u64 {
        let next = OTHERS + self.0.len() as u64;
        *self.0.entry(value).or_insert(next)
    }
}

fn calls(asked: Vec<Asked>) -> Result<Recorded, Misread> {
    let lists: BTreeSet<Edn> = asked
        .iter()
        .filter(|asked| asked.invoked.function == "append")
        .map(|asked| asked.invoked.key.clone())
        .collect();
    let (mut keys, mut values) = (Keys::default(), Values::default());
    let texts_are_numbers = asked.iter().all(|asked| matches!(asked.invoked.key, Edn::Text(_)));
    let is_one_key = asked.iter().all(|asked| asked.invoked.key == Edn::Nil);
    let mut sequences: BTreeMap<i64, u64> = BTreeMap::new();
    let mut recorded = Recorded { calls: Vec::with_capacity(asked.len()), ..Recorded::default() };
    for Asked { invoked, ended } in asked {
        let is_text = matches!(invoked.function.as_str(), "get" | "put");
        recorded.texts |= is_text;
        let is_list = is_text || lists.contains(&invoked.key);
        let action = action(&invoked, is_list, &mut values)?;
        let returned = match ended {
            None => None,
            Some(ended) => match (ended.kind, action) {
                (Kind::Info | Kind::Invoke, _) => None,
                // It did not happen. Of some compare-and-sets this tells what the register did not hold.
                (Kind::Fail, Action::CompareAndSet { .. }) if ended.is_mismatch() => {
                    Some((ended.moment, Response::Mismatch(None)))
                }
                (Kind::Fail, _) => continue,
                (Kind::Ok, _) => Some((ended.moment, response(&ended, action, is_text, &mut values)?)),
            },
        };
        let sequence = sequences.entry(invoked.process).or_insert(0);
        *sequence += 1;
        let id = RequestId { session: invoked.process.cast_unsigned(), sequence: *sequence };
        let number = match &invoked.key {
            Edn::Nil if is_one_key => Some(0),
            Edn::Number(number) => u64::try_from(*number).ok(),
            Edn::Text(text) if texts_are_numbers => {
                text.parse().ok().filter(|n: &u64| n.to_string() == *text)
            }
            _ => None,
        };
        let operation = Operation { key: keys.number(number, || invoked.key.to_string()), action };
        recorded.lines.push(invoked.line);
        recorded.calls.push(Call { id, operation, called: invoked.moment, returned });
    }
    recorded.names.keys = keys.names();
    recorded.names.values = values.0.into_iter().map(|(value, number)| (number, value.to_string())).collect();
    Ok(recorded)
}

fn action(event: &Event, is_list: bool, values: &mut Values) -> Result<Action, Misread> {
    let wrong = |expected, reason: String| Misread { line: event.line, expected, reason };
    let mut number = |value: &Edn| {
        let number = values.number(value);
        number.ok_or_else(|| wrong("a number or a text as `:value`", format!("it is {value}")))
    };
    if matches!((event.value(), event.function.as_str()), (Edn::Text(text), "put" | "append")
        if is_list && (!text.ends_with('y') || text.matches('y').count() != 1))
    {
        return Err(wrong(
            "a piece of text that ends with its only y, as `:value`",
            format!("it is {}", event.value()),
        ));
    }
    Ok(match (event.function.as_str(), is_list) {
        ("read", false) => Action::Get,
        ("read" | "get", true) => Action::List,
        ("write", false) => match event.value() {
            Edn::Nil => Action::Delete(0),
            value => Action::Put(number(value)?),
        },
        ("put", true) => Action::Replace(number(event.value())?),
        ("append", true) => Action::Append(number(event.value())?),
        ("cas", false) => match event.value() {
            Edn::Vector(pair) if pair.len() == 2 => {
                let expect = match &pair[0] {
                    Edn::Nil => Content::INITIAL,
                    value => Content::Present(number(value)?),
                };
                Action::CompareAndSet { expect, value: number(&pair[1])? }
            }
            other => return Err(wrong("[expected new] as `:value` of a cas", format!("it is {other}"))),
        },
        (function, _) => {
            let reason = format!("it is :{function}");
            return Err(wrong(
                ":read, :write, :cas, :append, :get or :put, for registers or for lists",
                reason,
            ));
        }
    })
}

fn response(event: &Event, action: Action, is_text: bool, values: &mut Values) -> Result<Response, Misread> {
    let wrong =
        |expected| Err(Misread { line: event.line, expected, reason: format!("it is {}", event.value()) });
    Ok(match (action, event.value()) {
        (Action::Get, Edn::Nil) => Response::Holds(Content::INITIAL),
        (Action::Get, value) => match values.number(value) {
            Some(value) => Response::Holds(Content::Present(value)),
            None => return wrong("nil, a number or a text as what was read"),
        },
        (Action::List, Edn::Nil) => Response::List(Vec::new()),
        (Action::List, Edn::Text(text)) if is_text => {
            let pieces = text.split_inclusive('y');
            Response::List(pieces.map(|piece| values.text(piece)).collect())
        }
        (Action::List, Edn::Vector(elements)) => {
            match elements.iter().map(|element| values.number(element)).collect() {
                Some(elements) => Response::List(elements),
                None => return wrong("a list of numbers or texts as what was read"),
            }
        }
        (Action::List, _) => return wrong("a list as what was read"),
        _ => Response::Done,
    })
}
