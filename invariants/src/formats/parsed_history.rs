//! A parsed history, and verdicts on it in the names of its file.

use super::display::{display_sentence, display_value};
use crate::fact::RequestId;
use crate::linearizability::{
    Action, Call, Content, DisplayNamed, Explanation, Line, MalformedHistory, Names, Object, Operation,
    Response, Verdict, add_text, join_lines,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

/// Maximum number of operations: they and their check fit in 1 GiB.
pub const MAX_OPERATIONS: usize = 1_500_000;

/// Maximum number of elements of lists and sets in all responses.
pub const MAX_ELEMENTS: usize = 6_000_000;

/// Maximum number of keys and values that are not small whole numbers.
pub const MAX_NAMES: usize = 1_000_000;

/// How to read what a file does not say itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadOptions {
    /// What a failed compare-and-set proves, in formats with one word for failure.
    pub failed_cas: FailedCas,
    /// The initial value of each register or counter, as the file would write it. `None`: absent, or 0.
    pub initial: Option<String>,
    /// The kind of object of every key. `None`: inferred from the operations.
    pub model: Option<Object>,
}

/// What a failed compare-and-set proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailedCas {
    /// Only that it did not happen.
    #[default]
    Dropped,
    /// That the register did not hold the expected value, unless its error names another reason.
    Mismatch,
}

/// A history as read from a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParsedHistory {
    /// The calls.
    pub calls: Vec<Call>,
    /// The line of each call; 0 for calls that write [`ReadOptions::initial`].
    pub lines: Vec<usize>,
    /// Whether lists were written as texts.
    pub lists_are_texts: bool,
    /// How the file writes keys, values and processes.
    pub names: Names,
    /// Operations that failed, did not happen, and would have written something.
    pub(super) failed: Vec<FailedOperation>,
    /// Requests that failed without a stated reason and are assumed to have found another value
    /// ([`FailedCas::Mismatch`]), with the line of the failure.
    pub(super) assumed_mismatches: BTreeMap<RequestId, usize>,
    /// The session that writes [`ReadOptions::initial`].
    pub(super) initial_session: Option<u64>,
    /// The number of elements in all responses.
    pub(super) element_count: usize,
}

/// An operation that did not happen according to its response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FailedOperation {
    pub(super) operation: Operation,
    /// The lines of its call and its return.
    pub(super) lines: (usize, usize),
}

impl ParsedHistory {
    /// The number of operations in the file that may have happened.
    #[must_use]
    pub fn operations(&self) -> usize {
        match self.initial_session {
            Some(session) => self.calls.iter().filter(|call| call.id.session != session).count(),
            None => self.calls.len(),
        }
    }

    /// Whether [`ReadOptions::initial`] is set, so that each key has one operation more than the file.
    #[must_use]
    pub fn has_initial(&self) -> bool {
        self.initial_session.is_some()
    }

    /// Adds the call of a line.
    pub(super) fn push(&mut self, call: Call, line: usize) -> Result<(), ParseError> {
        let limit_exceeded =
            |expected, reason: &str| Err(ParseError { line, expected, reason: reason.to_string() });
        if self.calls.len() == MAX_OPERATIONS {
            return limit_exceeded("at most 1500000 operations", "this is one more");
        }
        let elements = match &call.returned {
            Some((_, Response::List(elements))) => &elements[..],
            Some((_, Response::Set(elements))) => elements,
            _ => &[],
        };
        if !elements.is_empty() {
            self.element_count += elements.len();
            if self.element_count > MAX_ELEMENTS {
                return limit_exceeded(
                    "at most 6000000 elements in the answers of all reads",
                    "here they are exceeded",
                );
            }
        }
        self.calls.push(call);
        self.lines.push(line);
        Ok(())
    }

    /// Sets the initial value of all registers or counters, by an operation before all others.
    pub(super) fn set_initial(&mut self, initial: InitialValue) -> Result<(), ParseError> {
        if matches!(initial, InitialValue::Nothing) {
            return Ok(());
        }
        let objects: BTreeSet<(u64, Object)> =
            self.calls.iter().map(|call| (call.operation.key, Object::of(call.operation.action))).collect();
        let sessions: BTreeSet<u64> = self.calls.iter().map(|call| call.id.session).collect();
        let session = (0..).find(|session| !sessions.contains(session)).unwrap_or(u64::MAX);
        // Time 0 must be free of calls of the file.
        if self.calls.iter().any(|call| call.called == 0) {
            for call in &mut self.calls {
                call.called = call.called.saturating_add(1);
                if let Some((returned, _)) = &mut call.returned {
                    *returned = returned.saturating_add(1);
                }
            }
        }
        for (sequence, (key, object)) in (1..).zip(objects) {
            let action = match (object, initial) {
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

    /// Gives named processes the smallest free session numbers instead of those that they have in `named`.
    pub(super) fn name_processes(&mut self, named: BTreeMap<u64, String>) {
        let numbers: BTreeSet<u64> = self.calls.iter().map(|call| call.id.session).collect();
        let mut free = (0..).filter(|number| !numbers.contains(number));
        let numbers: BTreeMap<u64, u64> = named.keys().copied().zip(&mut free).collect();
        let renumber =
            |id: RequestId| RequestId { session: *numbers.get(&id.session).unwrap_or(&id.session), ..id };
        for call in &mut self.calls {
            call.id = renumber(call.id);
        }
        self.assumed_mismatches = std::mem::take(&mut self.assumed_mismatches)
            .into_iter()
            .map(|(id, line)| (renumber(id), line))
            .collect();
        self.names.processes =
            named.into_iter().filter_map(|(number, name)| Some((*numbers.get(&number)?, name))).collect();
    }

    /// A verdict on this history with the file's names of keys and values, and with the lines of operations.
    #[must_use]
    pub fn describe(&self, verdict: &Verdict) -> String {
        join_lines(&self.describe_lines(verdict))
    }

    /// The same line by line.
    #[must_use]
    pub fn describe_lines(&self, verdict: &Verdict) -> Vec<Line> {
        let line = |call: &Call| {
            let position = self.calls.iter().position(|other| other.id == call.id)?;
            self.lines.get(position).copied().filter(|&line| line > 0)
        };
        match verdict {
            Verdict::Violation(explanation) => {
                let mut lines = explanation.describe(&self.names, line);
                for note in self.notes(explanation) {
                    add_text(&mut lines, &note, "", "  ");
                }
                lines
            }
            verdict => vec![Line::Text(verdict.named(&self.names).to_string())],
        }
    }

    /// Additional notes, one sentence each: assumptions of the verdict, and where a value may come from that no
    /// operation of the history wrote.
    fn notes(&self, explanation: &Explanation) -> Vec<String> {
        let mut notes = Vec::new();
        let key = explanation.key;
        let mut calls: Vec<&Call> = explanation.operations.iter().collect();
        if !calls.contains(&&explanation.stuck) {
            calls.push(&explanation.stuck);
        }
        let mut unwritten: BTreeSet<u64> = calls.iter().flat_map(|call| observed_values(call)).collect();
        for call in self.calls.iter().filter(|call| call.operation.key == key) {
            if let Some(value) = written_value(call.operation.action) {
                unwritten.remove(&value);
            }
        }
        // For each value: the first failed operation that would have written it, and how many more there are.
        let mut failed: BTreeMap<u64, (&FailedOperation, usize)> = BTreeMap::new();
        for operation in self.failed.iter().filter(|failed| failed.operation.key == key) {
            if let Some(value) =
                written_value(operation.operation.action).filter(|value| unwritten.contains(value))
            {
                failed.entry(value).and_modify(|(_, more)| *more += 1).or_insert((operation, 0));
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
                operation.named(&self.names)
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

    /// The error for a malformed history, with its line.
    #[must_use]
    pub fn parse_error(&self, malformed: &MalformedHistory) -> ParseError {
        let line = |call: usize| self.lines.get(call).copied().unwrap_or(0);
        let mut reason = malformed.named(&self.names).to_string();
        if let Some(other) = malformed.other() {
            write!(reason, "; see line {}", line(other)).expect("writing to a String cannot fail");
        }
        ParseError { line: line(malformed.index), expected: "a history that can have happened", reason }
    }
}

/// Maximum number of values with a note about failed writes.
const MAX_NOTES: usize = 3;

/// The initial value of an object.
#[derive(Clone, Copy)]
pub(super) enum InitialValue {
    /// Absent, which is the default.
    Nothing,
    /// The value with this number; `count` if it is a whole number.
    Value { number: u64, count: Option<i64> },
}

pub(super) fn initial_error(expected: &'static str, reason: &str) -> ParseError {
    ParseError { line: 0, expected, reason: reason.to_string() }
}

/// The values that a call observed.
fn observed_values(call: &Call) -> Vec<u64> {
    match (&call.returned, call.operation.action) {
        (Some((_, Response::Holds(Content::Present(value)))), _)
        | (Some((_, Response::Mismatch(Some(Content::Present(value))))), _)
        | (Some((_, Response::Dequeued(Some(value)))), _) => vec![*value],
        (Some((_, Response::Done)), Action::CompareAndSet { expect: Content::Present(value), .. }) => {
            vec![value]
        }
        (Some((_, Response::List(elements))), _) => elements.clone(),
        (Some((_, Response::Set(elements))), _) => elements.to_vec(),
        _ => Vec::new(),
    }
}

/// The value that an action writes, if any.
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

/// Assigns numbers to keys: numeric keys keep theirs, others are numbered in the order in which they appear.
#[derive(Default)]
pub(super) struct KeyNumbers(BTreeMap<String, u64>);

/// Named keys get numbers from here.
const FIRST_NAMED_KEY: u64 = 1 << 32;

impl KeyNumbers {
    pub(super) fn number(&mut self, number: Option<u64>, name: impl FnOnce() -> String) -> u64 {
        let next = FIRST_NAMED_KEY + self.0.len() as u64;
        number
            .filter(|&number| number < FIRST_NAMED_KEY)
            .unwrap_or_else(|| *self.0.entry(name()).or_insert(next))
    }

    /// The number of named keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The names by number.
    pub(super) fn names(self) -> BTreeMap<u64, String> {
        self.0.into_iter().map(|(name, number)| (number, display_value(name))).collect()
    }
}

/// Rejects a history with too many names, at the line that exceeds the limit.
pub(super) fn check_name_count(names: usize, line: usize) -> Result<(), ParseError> {
    if names <= MAX_NAMES {
        return Ok(());
    }
    let expected = "at most 1000000 keys and values that are no small whole numbers";
    Err(ParseError { line, expected, reason: "this is one more".to_string() })
}

/// A line that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line number, from 1; 0 if the error concerns the whole file.
    pub line: usize,
    /// What was expected.
    pub expected: &'static str,
    /// What was found instead.
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
