//! The vocabulary of histories: objects, actions, responses, calls.

use super::names::{DisplayNamed, Names, display_by_number};
use crate::fact::{RequestId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The content of a register. With a distinct number for each deletion, one absence can be told from another, so
/// every content of a history can be unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Empty since the deletion with this number. 0: never written, or deletions have no numbers.
    Absent(u64),
    /// Holds this value.
    Present(u64),
}

impl Content {
    /// The content of a register that was never written.
    pub const INITIAL: Content = Content::Absent(0);
}

/// An action on one key. A key is the same [`Object`] throughout a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Read a register.
    Get,
    /// Write a register.
    Put(u64),
    /// Delete a register's value; leaves the tombstone with this number.
    Delete(u64),
    /// Write a register if it holds the expected content.
    CompareAndSet {
        /// The content that it must hold.
        expect: Content,
        /// The value to write.
        value: u64,
    },
    /// Append an element to a list.
    Append(u64),
    /// Replace the whole list by one element.
    Replace(u64),
    /// Read a whole list.
    List,
    /// Add an element to a set.
    SetAdd(u64),
    /// Remove an element from a set.
    SetRemove(u64),
    /// Read a whole set.
    SetRead,
    /// Add to a counter.
    CounterAdd(i64),
    /// Read a counter.
    CounterRead,
    /// Append a value to a queue.
    Enqueue(u64),
    /// Remove the value at the head of a queue.
    Dequeue,
    /// Acquire a free mutex.
    Acquire,
    /// Release a held mutex.
    Release,
}

impl Action {
    /// Whether it never changes the state.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Action::Get | Action::List | Action::SetRead | Action::CounterRead)
    }
}

/// The kind of object that a key is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// Get, put, delete, compare-and-set.
    Register,
    /// Append, replace, read all of it.
    List,
    /// Add, remove, read all of it.
    Set,
    /// Add, read.
    Counter,
    /// Enqueue, dequeue: first in, first out.
    Queue,
    /// Acquire, release.
    Mutex,
}

impl Object {
    /// The object that supports an action.
    #[must_use]
    pub const fn of(action: Action) -> Object {
        match action {
            Action::Get | Action::Put(_) | Action::Delete(_) | Action::CompareAndSet { .. } => {
                Object::Register
            }
            Action::Append(_) | Action::Replace(_) | Action::List => Object::List,
            Action::SetAdd(_) | Action::SetRemove(_) | Action::SetRead => Object::Set,
            Action::CounterAdd(_) | Action::CounterRead => Object::Counter,
            Action::Enqueue(_) | Action::Dequeue => Object::Queue,
            Action::Acquire | Action::Release => Object::Mutex,
        }
    }
}

/// One request to one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// The key.
    pub key: u64,
    /// The action.
    pub action: Action,
}

/// The response to an operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Done (actions without a result; a compare-and-set that matched).
    Done,
    /// The content of the register (get).
    Holds(Content),
    /// A compare-and-set did not match and had no effect; with the register's content, if the system returns it.
    Mismatch(Option<Content>),
    /// All elements of the list (list).
    List(Vec<u64>),
    /// All elements of the set, distinct and ascending (set read).
    ///
    /// A slice, so that a response is no larger than a list: a check reads every response of a history.
    Set(Box<[u64]>),
    /// The value of the counter (counter read).
    Count(i64),
    /// The value removed from the queue; `None`: it was empty (dequeue).
    Dequeued(Option<u64>),
}

/// One operation of a client's history, from invocation to return.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Its identifier. A session whose operation has an unknown outcome is not used for new operations.
    pub id: RequestId,
    /// The request.
    pub operation: Operation,
    /// When the client invoked it.
    pub called: Time,
    /// When it returned, and the response. `None`: the client gave up, or the run ended; the operation may have taken
    /// effect, or may do so later.
    pub returned: Option<(Time, Response)>,
}

display_by_number!(Content, Operation, Response, Call);

impl DisplayNamed for Content {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Content::Absent(0) => f.write_str("nothing"),
            Content::Absent(deletion) => write!(f, "nothing since deletion {deletion}"),
            Content::Present(value) => write!(f, "{}", names.value(value)),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Object::Register => "register",
            Object::List => "list",
            Object::Set => "set",
            Object::Counter => "counter",
            Object::Queue => "queue",
            Object::Mutex => "mutex",
        })
    }
}

impl DisplayNamed for Operation {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value) = (names.key(self.key), |number| names.value(number));
        match self.action {
            Action::Get => write!(f, "get {key}"),
            Action::Put(written) => write!(f, "put {key}={}", value(written)),
            Action::Delete(0) => write!(f, "delete {key}"),
            Action::Delete(deletion) => write!(f, "delete {key} (deletion {deletion})"),
            Action::CompareAndSet { expect, value: written } => {
                write!(f, "cas {key} from {} to {}", expect.named(names), value(written))
            }
            Action::Append(element) => write!(f, "append {key}+={}", value(element)),
            Action::Replace(element) => write!(f, "replace {key}=[{}]", value(element)),
            Action::List => write!(f, "list {key}"),
            Action::SetAdd(element) => write!(f, "add to set {key}: {}", value(element)),
            Action::SetRemove(element) => write!(f, "remove from set {key}: {}", value(element)),
            Action::SetRead => write!(f, "read set {key}"),
            Action::CounterAdd(number) => write!(f, "add to counter {key}: {number}"),
            Action::CounterRead => write!(f, "read counter {key}"),
            Action::Enqueue(element) => write!(f, "enqueue {key}: {}", value(element)),
            Action::Dequeue => write!(f, "dequeue {key}"),
            Action::Acquire => write!(f, "acquire {key}"),
            Action::Release => write!(f, "release {key}"),
        }
    }
}

impl DisplayNamed for Response {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Done => f.write_str("done"),
            Response::Holds(content) => content.fmt_named(names, f),
            Response::Mismatch(None) => f.write_str("mismatch"),
            Response::Mismatch(Some(content)) => write!(f, "mismatch, it holds {}", content.named(names)),
            Response::List(elements) => write!(f, "[{}]", names.values(elements)),
            Response::Set(elements) => write!(f, "{{{}}}", names.values(elements)),
            Response::Count(count) => write!(f, "{count}"),
            Response::Dequeued(None) => f.write_str("empty"),
            Response::Dequeued(Some(value)) => write!(f, "{}", names.value(*value)),
        }
    }
}

impl DisplayNamed for Call {
    fn fmt_named(&self, names: &Names, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.operation.named(names))?;
        match &self.returned {
            Some((returned, response)) => {
                write!(f, " -> {} [{}..{returned}]", response.named(names), self.called)
            }
            None => write!(f, " -> unknown [{}..]", self.called),
        }
    }
}

impl Names {
    /// An operation with these names.
    #[must_use]
    pub fn operation(&self, operation: &Operation) -> impl fmt::Display {
        operation.named(self)
    }

    /// A response with these names.
    #[must_use]
    pub fn response(&self, response: &Response) -> impl fmt::Display {
        response.named(self)
    }
}
