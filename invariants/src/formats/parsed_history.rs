//! A history as it was read, and what is said of it in the words of its file.

use super::display::{display_sentence, display_value, wrap_note};
use crate::fact::RequestId;
use crate::linearizability::{
    Action, Call, Content, Explanation, MalformedHistory, Object, Operation, Response, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// No history has more operations: so many, and the check of them, fit in 1 GiB.
pub const MAX_OPERATIONS: usize = 1_500_000;

/// No history shows more elements of lists and sets, counted in each answer.
pub const MAX_ELEMENTS: usize = 6_000_000;

/// No history has more keys and values that are no small whole numbers.
pub const MAX_NAMES: usize = 1_000_000;

/// How a file is to be read, as far as it does not say so itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadOptions {
    /// What a failed compare-and-set proves, in formats in which failure is one word.
    pub failed_cas: FailedCas,
    /// What each register or counter holds first, as the file would write it. `None`: nothing, or 0.
    pub initial: Option<String>,
    /// What the keys are. `None`: as the operations suggest.
    pub model: Option<Object>,
}

/// What a failed compare-and-set proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailedCas {
    /// That it did not happen, and no more.
    #[default]
    Dropped,
    /// That the register did not hold what was expected, unless its error names another reason.
    Mismatch,
}

/// A history as it was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParsedHistory {
    /// What clients saw.
    pub calls: Vec<Call>,
    /// The line of each call; 0 for those that stand for [`ReadOptions::initial`].
    pub lines: Vec<usize>,
    /// Whether lists were written as texts.
    pub lists_are_texts: bool,
    /// How keys and values are written.
    pub names: Names,
    /// The operations that failed and so did not happen, as far as they would have written something.
    pub(super) failed: Vec<FailedOperation>,
    /// The requests that failed for a reason that the file does not tell and that was taken for a mismatch, with the
    /// lines in which that stands.
    pub(super) assumed_mismatches: BTreeMap<RequestId, usize>,
    /// The session that wrote [`ReadOptions::initial`].
    pub(super) initial_session: Option<u64>,
    /// How many elements all answers show.
    pub(super) element_count: usize,
}

/// An operation that did not happen, by what its client was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FailedOperation {
    pub(super) operation: Operation,
    /// The lines of its call and of its return.
    pub(super) lines: (usize, usize),
}

impl ParsedHistory {
    /// How many operations the file has that may have happened.
    #[must_use]
    pub fn operations(&self) -> usize {
        match self.initial_session {
            Some(session) => self.calls.iter().filter(|call| call.id.session != session).count(),
            None => self.calls.len(),
        }
    }

    /// Whether each key has an operation besides that stands for [`ReadOptions::initial`].
    #[must_use]
    pub fn has_initial(&self) -> bool {
        self.initial_session.is_some()
    }

    /// Adds a call that stands in this line.
    pub(super) fn push(&mut self, call: Call, line: usize) -> Result<(), ParseError> {
        let too_many =
            |expected, reason: &str| Err(ParseError { line, expected, reason: reason.to_string() });
        if self.calls.len() == MAX_OPERATIONS {
            return too_many("at most 1500000 operations", "this is one more");
        }
        if let Some((_, Response::List(elements) | Response::Set(elements))) = &call.returned {
            self.element_count += elements.len();
            if self.element_count > MAX_ELEMENTS {
                return too_many(
                    "at most 6000000 elements in the answers of all reads",
                    "here they are exceeded",
                );
            }
        }
        self.calls.push(call);
        self.lines.push(line);
        Ok(())
    }

    /// Lets all registers hold this value first, and all counters stand at it: by an operation before all others.
    pub(super) fn set_initial(&mut self, first: InitialValue) -> Result<(), ParseError> {
        if matches!(first, InitialValue::Nothing) {
            return Ok(());
        }
        let objects: BTreeSet<(u64, Object)> =
            self.calls.iter().map(|call| (call.operation.key, Object::of(call.operation.action))).collect();
        let sessions: BTreeSet<u64> = self.calls.iter().map(|call| call.id.session).collect();
        let session = (0..).find(|session| !sessions.contains(session)).unwrap_or(u64::MAX);
        // Nothing of the file may be called while this happens.
        if self.calls.iter().any(|call| call.called == 0) {
            for call in &mut self.calls {
                call.called = call.called.saturating_add(1);
                if let Some((returned, _)) = &mut call.returned {
                    *returned = returned.saturating_add(1);
                }
            }
        }
        for (sequence, (key, object)) in (1..).zip(objects) {
            let action = match (object, first) {
                (Object::Register, InitialValue::Value { number, .. }) => Action::Put(number),
                (Object::Counter, InitialValue::Value { count: Some(count), .. }) => {
                    Action::CounterAdd(count)
                }
                (Object::Counter, InitialValue::Value { count: None, .. }) => {
                    return Err(initial_error("a whole number as --initial of a counter", "it is none"));
                }
                (object, _) => {
                    let reason = format!("{} is a {object}", self.names.key(key));
                    return Err(initial_error("registers or counters, where there is --initial", &reason));
                }
            };
            let id = RequestId { session, sequence };
            let operation = Operation { key, action };
            self.calls.push(Call { id, operation, called: 0, returned: Some((0, Response::Done)) });
            self.lines.push(0);
        }
        self.initial_session = Some(session);
        Ok(())
    }

    /// Gives processes with names the smallest numbers that are free; so far they have those of `named`.
    pub(super) fn name_processes(&mut self, named: BTreeMap<u64, String>) {
        let numbers: BTreeSet<u64> = self.calls.iter().map(|call| call.id.session).collect();
        let mut free = (0..).filter(|number| !numbers.contains(number));
        let numbers: BTreeMap<u64, u64> = named.keys().copied().zip(&mut free).collect();
        let new =
            |id: RequestId| RequestId { session: *numbers.get(&id.session).unwrap_or(&id.session), ..id };
        for call in &mut self.calls {
            call.id = new(call.id);
        }
        self.assumed_mismatches = std::mem::take(&mut self.assumed_mismatches)
            .into_iter()
            .map(|(id, line)| (new(id), line))
            .collect();
        self.names.processes =
            named.into_iter().filter_map(|(number, name)| Some((*numbers.get(&number)?, name))).collect();
    }

    /// A verdict on this history in the words of its file: keys and values as they are written there, operations with
    /// their lines.
    #[must_use]
    pub fn describe(&self, verdict: &Verdict) -> String {
        let line = |call: &Call| {
            let place = self.calls.iter().position(|other| other.id == call.id)?;
            self.lines.get(place).copied().filter(|&line| line > 0)
        };
        match verdict {
            Verdict::Violation(explanation) => {
                let mut told = explanation.format_with(|text| self.names.substitute(text), line);
                for note in self.notes(explanation) {
                    told.push('\n');
                    told.push_str(&wrap_note(&note));
                }
                told
            }
            verdict => self.names.substitute(&verdict.to_string()),
        }
    }

    /// What there is to know besides, in a sentence each: what the verdict rests on, and where a value may have come
    /// from that no operation of the history wrote.
    fn notes(&self, explanation: &Explanation) -> Vec<String> {
        let mut notes = Vec::new();
        let key = explanation.key;
        let mut of_note: Vec<&Call> = explanation.operations.iter().collect();
        if !of_note.contains(&&explanation.stuck) {
            of_note.push(&explanation.stuck);
        }
        let mut unwritten: BTreeSet<u64> = of_note.iter().flat_map(|call| observed_values(call)).collect();
        for call in self.calls.iter().filter(|call| call.operation.key == key) {
            if let Some(value) = written_value(call.operation.action) {
                unwritten.remove(&value);
            }
        }
        // By value: the first operation that failed to write it, and how many more there are.
        let mut failed: BTreeMap<u64, (&FailedOperation, usize)> = BTreeMap::new();
        for one in self.failed.iter().filter(|failed| failed.operation.key == key) {
            if let Some(value) = written_value(one.operation.action).filter(|value| unwritten.contains(value))
            {
                failed.entry(value).and_modify(|(_, more)| *more += 1).or_insert((one, 0));
            }
        }
        for (value, (FailedOperation { operation, lines: (called, returned) }, more)) in
            failed.iter().take(MAX_NOTES)
        {
            let more = match more {
                0 => String::new(),
                1 => " (and one more like it)".to_string(),
                more => format!(" (and {more} more like it)"),
            };
            notes.push(format!(
                "Only an operation that is said to have failed would have written {}: {}, in lines \
                 {called}-{returned}{more}.",
                self.names.value(*value),
                self.names.substitute(&operation.to_string())
            ));
        }
        let is_register = Object::of(explanation.stuck.operation.action) == Object::Register;
        if let Some(&value) = unwritten.iter().find(|value| !failed.contains_key(value))
            && self.initial_session.is_none()
            && is_register
        {
            let (name, key) = (self.names.value(value), self.names.key(key));
            notes.push(format!(
                "No operation wrote {name}. If {key} held it from the beginning, say so with --initial {name}."
            ));
        }
        for call in &explanation.operations {
            if let Some(line) = self.assumed_mismatches.get(&call.id) {
                notes.push(format!(
                    "This rests on --failed-cas mismatch: that the compare-and-set failed (line {line}) is taken as \
                     proof that it found another value."
                ));
            }
        }
        let sessions: BTreeSet<u64> = explanation.operations.iter().map(|call| call.id.session).collect();
        for session in sessions {
            if let Some(name) = self.names.processes.get(&session) {
                notes.push(format!("s{session} is process {name}."));
            }
            if self.initial_session == Some(session) {
                notes.push(format!("s{session} stands for --initial."));
            }
        }
        notes
    }

    /// What is wrong with a history as a whole, in terms of its lines.
    #[must_use]
    pub fn parse_error(&self, malformed: &MalformedHistory) -> ParseError {
        let line = |call: usize| self.lines.get(call).copied().unwrap_or(0);
        let reason = match malformed.other {
            None => self.names.substitute(&malformed.sentence),
            Some(other) => {
                format!("{}; see line {}", self.names.substitute(&malformed.sentence), line(other))
            }
        };
        ParseError { line: line(malformed.call), expected: "a history that can have happened", reason }
    }
}

/// So many values at most get a sentence about who failed to write them.
const MAX_NOTES: usize = 3;

/// What is to be held first.
#[derive(Clone, Copy)]
pub(super) enum InitialValue {
    /// Nothing, as without being told.
    Nothing,
    /// The value with this number; where it is a whole number, that as well.
    Value { number: u64, count: Option<i64> },
}

pub(super) fn initial_error(expected: &'static str, reason: &str) -> ParseError {
    ParseError { line: 0, expected, reason: reason.to_string() }
}

/// The values that a call saw.
fn observed_values(call: &Call) -> Vec<u64> {
    match (&call.returned, call.operation.action) {
        (Some((_, Response::Holds(Content::Present(value)))), _)
        | (Some((_, Response::Mismatch(Some(Content::Present(value))))), _)
        | (Some((_, Response::Dequeued(Some(value)))), _) => vec![*value],
        (Some((_, Response::Done)), Action::CompareAndSet { expect: Content::Present(value), .. }) => {
            vec![value]
        }
        (Some((_, Response::List(elements) | Response::Set(elements))), _) => elements.clone(),
        _ => Vec::new(),
    }
}

/// The value that an action writes.
fn written_value(action: Action) -> Option<u64> {
    match action {
        Action::Put(value)
        | Action::CompareAndSet { value, .. }
        | Action::Append(value)
        | Action::Replace(value)
        | Action::SetAdd(value)
        | Action::Enqueue(value) => Some(value),
        _ => None,
    }
}

/// How a file writes the keys, values and processes that had to be numbered. All others are called by their numbers, as
/// `k7`, `7` and `s7`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub(super) keys: BTreeMap<u64, String>,
    pub(super) values: BTreeMap<u64, String>,
    pub(super) processes: BTreeMap<u64, String>,
}

impl Names {
    /// The key with this number.
    #[must_use]
    pub fn key(&self, number: u64) -> String {
        self.keys.get(&number).cloned().unwrap_or_else(|| format!("k{number}"))
    }

    /// The value with this number.
    fn value(&self, number: u64) -> String {
        self.values.get(&number).cloned().unwrap_or_else(|| number.to_string())
    }

    /// A text about calls, with the names in it. That a word is a key is told by its `k`; that a number is a value, and
    /// no time or count, by its size: none of them comes near those that stand for what is written otherwise.
    #[must_use]
    pub fn substitute(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphanumeric()) {
            let (between, from) = rest.split_at(start);
            let end = from.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            told.push_str(between);
            told.push_str(self.find_name(word).map_or(word, String::as_str));
            rest = after;
        }
        told + rest
    }

    fn find_name(&self, word: &str) -> Option<&String> {
        match word.strip_prefix('k') {
            Some(key) => self.keys.get(&key.parse().ok()?),
            None => self.values.get(&word.parse().ok()?),
        }
    }
}

/// Numbers keys: those that are numbers keep them, so that people find them again; the others are numbered by their
/// names.
#[derive(Default)]
pub(super) struct KeyNumbers(BTreeMap<String, u64>);

/// The numbers of keys with names begin here.
const FIRST_NAMED_KEY: u64 = 1 << 32;

impl KeyNumbers {
    pub(super) fn number(&mut self, number: Option<u64>, name: impl FnOnce() -> String) -> u64 {
        let next = FIRST_NAMED_KEY + self.0.len() as u64;
        number
            .filter(|&number| number < FIRST_NAMED_KEY)
            .unwrap_or_else(|| *self.0.entry(name()).or_insert(next))
    }

    /// How many have names.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How those with names are called.
    pub(super) fn names(self) -> BTreeMap<u64, String> {
        self.0.into_iter().map(|(name, number)| (number, display_value(name))).collect()
    }
}

/// Refuses a history with too many names, in the line where that shows.
pub(super) fn check_name_count(names: usize, line: usize) -> Result<(), ParseError> {
    if names <= MAX_NAMES {
        return Ok(());
    }
    let expected = "at most 1000000 keys and values that are no small whole numbers";
    Err(ParseError { line, expected, reason: "this is one more".to_string() })
}

/// A line that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line's number, from 1; 0 where it is a matter of the whole file.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
    /// What is wrong with what stands there.
    pub reason: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "expected {}: {}", self.expected, display_sentence(&self.reason))
    }
}

impl std::error::Error for ParseError {}
