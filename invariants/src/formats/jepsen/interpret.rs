//! Interprets the operations of a history: which objects the keys are, and what the operations do to them.

use super::event::Function;
use super::{Completion, JepsenOperation};
use crate::fact::RequestId;
use crate::formats::display_value;
use crate::formats::edn::{self, Edn};
use crate::formats::parsed_history::{
    FailedOperation, InitialValue, KeyNumbers, check_name_count, initial_error,
};
use crate::formats::{FailedCas, ParseError, ParsedHistory, ReadOptions};
use crate::linearizability::{Action, Call, Content, Object, Operation, Response};
use std::collections::{BTreeMap, BTreeSet};

/// Assigns numbers to values. Small numbers keep theirs; any other value gets a number that no small number has.
#[derive(Default)]
struct EdnValueNumbers<'a>(BTreeMap<Edn<'a>, u64>);

/// Other values get numbers from here.
const FIRST_OTHER_VALUE: u64 = 1 << 62;

impl<'a> EdnValueNumbers<'a> {
    fn number(&mut self, value: Edn<'a>) -> u64 {
        match value {
            Edn::Number(number) if (0..FIRST_OTHER_VALUE.cast_signed()).contains(&number) => {
                number.cast_unsigned()
            }
            value => {
                let next = FIRST_OTHER_VALUE + self.0.len() as u64;
                *self.0.entry(value).or_insert(next)
            }
        }
    }

    fn content(&mut self, value: Edn<'a>) -> Content {
        match value {
            Edn::Nil => Content::INITIAL,
            value => Content::Present(self.number(value)),
        }
    }
}

/// Which objects the keys are.
enum KeyObjects<'a> {
    /// All keys are this object; whether lists are written as texts.
    All(Object, bool),
    /// These keys are lists, all others registers.
    ListKeys(BTreeSet<Edn<'a>>),
}

impl<'a> KeyObjects<'a> {
    fn infer(operations: &[JepsenOperation<'a>], given: Option<Object>) -> KeyObjects<'a> {
        use Function as F;
        let has =
            |wanted: &[Function]| operations.iter().any(|operation| wanted.contains(&operation.function));
        let is_text = || {
            let mut pieces = operations
                .iter()
                .filter(|operation| matches!(operation.function, F::Put | F::Append))
                .peekable();
            let has_pieces = pieces.peek().is_some();
            has(&[F::Get, F::Put])
                && (has(&[F::Append]) || has_pieces && pieces.all(|piece| is_text_piece(&piece.value)))
        };
        match given {
            Some(Object::List) => return KeyObjects::All(Object::List, is_text()),
            Some(given) => return KeyObjects::All(given, false),
            None => {}
        }
        if has(&[F::Enqueue, F::Dequeue, F::Drain]) {
            KeyObjects::All(Object::Queue, false)
        } else if has(&[F::Acquire, F::Release]) {
            KeyObjects::All(Object::Mutex, false)
        } else if has(&[F::Increment, F::Decrement]) {
            KeyObjects::All(Object::Counter, false)
        } else if has(&[F::Add, F::Remove]) {
            let reads_a_number = operations.iter().any(|operation| {
                operation.function == F::Read
                    && matches!(operation.completion, Completion::Done { .. })
                    && matches!(operation.value, Edn::Number(_))
            });
            let is_counter = reads_a_number && !has(&[F::Remove]);
            KeyObjects::All(if is_counter { Object::Counter } else { Object::Set }, false)
        } else if is_text() {
            KeyObjects::All(Object::List, true)
        } else {
            let appended = operations.iter().filter(|operation| operation.function == F::Append);
            KeyObjects::ListKeys(appended.map(|operation| operation.key.clone()).collect())
        }
    }

    fn object(&self, key: &Edn<'a>) -> Object {
        match self {
            KeyObjects::All(object, _) => *object,
            KeyObjects::ListKeys(lists) if !lists.is_empty() && lists.contains(key) => Object::List,
            KeyObjects::ListKeys(_) => Object::Register,
        }
    }

    fn are_texts(&self) -> bool {
        matches!(self, KeyObjects::All(Object::List, true))
    }
}

/// Whether it is a piece of text as Porcupine's histories append them.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
fn is_text_piece(value: &Edn<'_>) -> bool {
    matches!(value, Edn::Text(text) if text.ends_with('y') && text.matches('y').count() == 1)
}

/// Builds the calls of a history from its operations.
pub(super) fn build_history<'a>(
    mut operations: Vec<JepsenOperation<'a>>,
    processes: Vec<Edn<'a>>,
    options: &'a ReadOptions,
) -> Result<ParsedHistory, ParseError> {
    if !operations.is_empty() && operations.iter().all(JepsenOperation::is_keyed_pair) {
        for operation in &mut operations {
            if let Edn::Vector(pair) = std::mem::replace(&mut operation.value, Edn::Nil)
                && let Ok([key, value]) = <[Edn<'_>; 2]>::try_from(pair)
            {
                (operation.key, operation.value) = (key, value);
            }
        }
    }
    let objects = KeyObjects::infer(&operations, options.model);
    let texts_are_numbers = operations.iter().all(|operation| matches!(operation.key, Edn::Text(_)));
    let is_one_key = operations.iter().all(|operation| operation.key == Edn::Nil);
    let sessions = assign_sessions(&processes);
    let mut sequences = vec![0_u64; sessions.len()];
    let (mut keys, mut values) = (KeyNumbers::default(), EdnValueNumbers::default());
    let mut history = ParsedHistory { lists_are_texts: objects.are_texts(), ..ParsedHistory::default() };
    history.calls.reserve(operations.len().min(crate::formats::MAX_OPERATIONS));
    history.lines.reserve(operations.len().min(crate::formats::MAX_OPERATIONS));
    for operation in operations {
        let line = operation.line as usize;
        let number = match &operation.key {
            Edn::Nil if is_one_key => Some(0),
            Edn::Number(number) => u64::try_from(*number).ok(),
            Edn::Text(text) if texts_are_numbers => {
                text.parse().ok().filter(|n: &u64| n.to_string() == *text)
            }
            _ => None,
        };
        let object = objects.object(&operation.key);
        let key = keys.number(number, || operation.key.to_string());
        let JepsenOperation { process, called, function, value, completion, .. } = operation;
        let actions = OperationContext { object, texts: objects.are_texts(), line, function }.interpret(
            value,
            completion,
            &mut values,
        )?;
        check_name_count(keys.len() + values.0.len(), line)?;
        let session = sessions[process as usize];
        let sequence = &mut sequences[process as usize];
        for (action, response) in actions {
            let operation = Operation { key, action };
            *sequence += 1;
            let id = RequestId { session, sequence: *sequence };
            let is_cas = matches!(action, Action::CompareAndSet { .. });
            let returned = match completion {
                Completion::Open | Completion::Unknown => None,
                Completion::Done { at } => Some((u64::from(at), response)),
                Completion::Failed { at, line, may_be_mismatch: true }
                    if is_cas && options.failed_cas == FailedCas::Mismatch =>
                {
                    history.assumed_mismatches.insert(id, line as usize);
                    Some((u64::from(at), Response::Mismatch(None)))
                }
                Completion::Failed { line: failed, .. } => {
                    *sequence -= 1;
                    if !action.is_read() {
                        history.failed.push(FailedOperation { operation, lines: (line, failed as usize) });
                    }
                    continue;
                }
            };
            history.push(Call { id, operation, called: u64::from(called), returned }, line)?;
        }
    }
    let initial = match &options.initial {
        None => None,
        Some(value) => Some(parse_initial(value, &mut values)?),
    };
    history.names.keys = keys.names();
    history.names.values =
        values.0.into_iter().map(|(value, number)| (number, display_value(value))).collect();
    for (session, process) in sessions.iter().zip(&processes) {
        if !matches!(process, Edn::Number(0..)) {
            history.names.processes.insert(*session, display_value(process));
        }
    }
    if let Some(initial) = initial {
        history.set_initial(initial)?;
    }
    Ok(history)
}

/// Parses the initial value. A bare word is a text, since quotes do not survive a shell.
fn parse_initial<'a>(text: &'a str, values: &mut EdnValueNumbers<'a>) -> Result<InitialValue, ParseError> {
    let value = edn::read(text).map_err(|reason| {
        let reason = format!("{}: {reason}", display_value(text));
        initial_error("a value as --initial", &reason)
    })?;
    Ok(match value {
        Edn::Nil => InitialValue::Nothing,
        Edn::Number(number) => InitialValue::Value { number: values.number(value), count: Some(number) },
        Edn::Symbol(word) => InitialValue::Value { number: values.number(Edn::Text(word)), count: None },
        value => InitialValue::Value { number: values.number(value), count: None },
    })
}

/// The session numbers of processes: numeric processes keep their numbers, others take the smallest free ones.
fn assign_sessions(processes: &[Edn<'_>]) -> Vec<u64> {
    let number = |process: &Edn<'_>| match process {
        Edn::Number(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let taken: BTreeSet<u64> = processes.iter().filter_map(number).collect();
    let mut free = (0..).filter(|number| !taken.contains(number));
    processes.iter().map(|process| number(process).or_else(|| free.next()).unwrap_or(u64::MAX)).collect()
}

/// The context that gives an operation its meaning.
struct OperationContext {
    object: Object,
    texts: bool,
    line: usize,
    function: Function,
}

impl OperationContext {
    fn error<T>(&self, expected: &'static str, value: &Edn<'_>) -> Result<T, ParseError> {
        Err(ParseError { line: self.line, expected, reason: format!("it is {}", display_value(value)) })
    }

    /// The actions of the operation, each with its response if it is done.
    fn interpret<'a>(
        &self,
        value: Edn<'a>,
        completion: Completion,
        values: &mut EdnValueNumbers<'a>,
    ) -> Result<InterpretedActions, ParseError> {
        use Function as F;
        if !matches!(completion, Completion::Done { .. }) && self.function.has_result() {
            let action = match (self.object, self.function) {
                (Object::Register, F::Read | F::Get) => Action::Get,
                (Object::List, F::Read | F::Get) => Action::List,
                (Object::Set, F::Read) => Action::SetRead,
                (Object::Counter, F::Read) => Action::CounterRead,
                (Object::Queue, F::Dequeue) => Action::Dequeue,
                (Object::Queue, F::Drain) if matches!(completion, Completion::Failed { .. }) => {
                    return Ok(InterpretedActions::Many(Vec::new()));
                }
                (Object::Queue, F::Drain) => {
                    let reason = "how much of the queue it took is unknown".to_string();
                    return Err(ParseError { line: self.line, expected: "a :drain that returns", reason });
                }
                _ => return self.wrong_object_error(),
            };
            return Ok(InterpretedActions::One(action, Response::Done));
        }
        let (action, response) = match (self.object, self.function) {
            (Object::Register, F::Read | F::Get) => (Action::Get, Response::Holds(values.content(value))),
            (Object::Register, F::Write | F::Put) => match value {
                Edn::Nil => (Action::Delete(0), Response::Done),
                value => (Action::Put(values.number(value)), Response::Done),
            },
            (Object::Register, F::Cas) => match value {
                Edn::Vector(pair) if pair.len() == 2 => {
                    let mut pair = pair.into_iter();
                    let expect = values.content(pair.next().unwrap_or(Edn::Nil));
                    let value = values.number(pair.next().unwrap_or(Edn::Nil));
                    (Action::CompareAndSet { expect, value }, Response::Done)
                }
                other => return self.error("[expected new] as `:value` of a cas", &other),
            },
            (Object::List, F::Read | F::Get) => (Action::List, Response::List(self.elements(value, values)?)),
            (Object::List, F::Append | F::Put) if self.texts && !is_text_piece(&value) => {
                return self.error("a piece of text that ends with its only y, as `:value`", &value);
            }
            (Object::List, F::Append) => (Action::Append(values.number(value)), Response::Done),
            (Object::List, F::Put) => (Action::Replace(values.number(value)), Response::Done),
            (Object::Set, F::Add) => (Action::SetAdd(values.number(value)), Response::Done),
            (Object::Set, F::Remove) => (Action::SetRemove(values.number(value)), Response::Done),
            (Object::Set, F::Read) => {
                let mut elements = self.elements(value, values)?;
                elements.sort_unstable();
                if elements.windows(2).any(|pair| pair[0] == pair[1]) {
                    let reason = "one element occurs twice".to_string();
                    return Err(ParseError { line: self.line, expected: "a set as what was read", reason });
                }
                (Action::SetRead, Response::Set(elements.into()))
            }
            (Object::Counter, F::Read) => match value {
                Edn::Number(count) => (Action::CounterRead, Response::Count(count)),
                other => return self.error("a whole number as what was read from a counter", &other),
            },
            (Object::Counter, F::Add | F::Increment | F::Decrement) => {
                let number = match value {
                    Edn::Number(number) => number,
                    Edn::Nil if self.function != F::Add => 1,
                    other => return self.error("a whole number to add to a counter", &other),
                };
                let is_less = self.function == F::Decrement;
                (Action::CounterAdd(if is_less { number.wrapping_neg() } else { number }), Response::Done)
            }
            (Object::Queue, F::Enqueue) => (Action::Enqueue(values.number(value)), Response::Done),
            (Object::Queue, F::Dequeue) => {
                let taken = (value != Edn::Nil).then(|| values.number(value));
                (Action::Dequeue, Response::Dequeued(taken))
            }
            (Object::Queue, F::Drain) => {
                let taken = self.elements(value, values)?;
                return Ok(InterpretedActions::Many(taken));
            }
            (Object::Mutex, F::Acquire) => (Action::Acquire, Response::Done),
            (Object::Mutex, F::Release) => (Action::Release, Response::Done),
            _ => return self.wrong_object_error(),
        };
        Ok(InterpretedActions::One(action, response))
    }

    fn wrong_object_error<T>(&self) -> Result<T, ParseError> {
        let reason = format!("it is :{}, and the key was taken for a {}", self.function.name(), self.object);
        let expected = "an operation of the key's object as `:f`";
        Err(ParseError { line: self.line, expected, reason })
    }

    /// The numbers of the elements of a list, set or drain.
    fn elements<'a>(&self, value: Edn<'a>, values: &mut EdnValueNumbers<'a>) -> Result<Vec<u64>, ParseError> {
        match value {
            Edn::Nil => Ok(Vec::new()),
            Edn::Text(text) if self.texts => Ok(split_pieces(text, values)),
            Edn::Vector(elements) | Edn::Set(elements) => {
                Ok(elements.into_iter().map(|element| values.number(element)).collect())
            }
            other => self.error("a list or a set as what was read", &other),
        }
    }
}

/// The numbers of the pieces of a text.
#[expect(clippy::disallowed_methods, reason = "the recording comes from outside")]
fn split_pieces<'a>(text: std::borrow::Cow<'a, str>, values: &mut EdnValueNumbers<'a>) -> Vec<u64> {
    use std::borrow::Cow;
    match text {
        Cow::Borrowed(text) => {
            text.split_inclusive('y').map(|piece| values.number(Edn::Text(Cow::Borrowed(piece)))).collect()
        }
        Cow::Owned(text) => text
            .split_inclusive('y')
            .map(|piece| values.number(Edn::Text(Cow::Owned(piece.to_string()))))
            .collect(),
    }
}

/// The actions of one operation.
enum InterpretedActions {
    One(Action, Response),
    /// A dequeue of each of these values.
    Many(Vec<u64>),
}

impl IntoIterator for InterpretedActions {
    type Item = (Action, Response);
    type IntoIter = std::iter::Chain<
        std::option::IntoIter<(Action, Response)>,
        std::iter::Map<std::vec::IntoIter<u64>, fn(u64) -> (Action, Response)>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            InterpretedActions::One(action, response) => (Some((action, response)), Vec::new()),
            InterpretedActions::Many(many) => (None, many),
        };
        let dequeue: fn(u64) -> (Action, Response) =
            |value| (Action::Dequeue, Response::Dequeued(Some(value)));
        one.into_iter().chain(many.into_iter().map(dequeue))
    }
}
