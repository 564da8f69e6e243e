//! What clients ask of a key and what they are told: the vocabulary of histories.

use crate::fact::{RequestId, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a register holds. Every deletion leaves a tombstone with a number of its own, so that one absence can be told
/// from another and every content of a well-behaved history is written once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Nothing, since the deletion with this number. 0: since the beginning, or deletions have no numbers.
    Absent(u64),
    /// This value.
    Present(u64),
}

impl Content {
    /// What every register holds first.
    pub const INITIAL: Content = Content::Absent(0);
}

/// What is asked of one key. A key is one [`Object`] throughout a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Read a register.
    Get,
    /// Write a register.
    Put(u64),
    /// Empty a register, leaving the tombstone with this number.
    Delete(u64),
    /// Write a register if it holds what is expected.
    CompareAndSet {
        /// What it must hold.
        expect: Content,
        /// What it shall hold then.
        value: u64,
    },
    /// Add an element to the end of a list.
    Append(u64),
    /// Put one element in the place of all that a list holds.
    Replace(u64),
    /// Read a whole list.
    List,
    /// Put an element into a set.
    SetAdd(u64),
    /// Take an element out of a set.
    SetRemove(u64),
    /// Read a whole set.
    SetRead,
    /// Add to a counter.
    CounterAdd(i64),
    /// Read a counter.
    CounterRead,
    /// Put a value at the end of a queue.
    Enqueue(u64),
    /// Take the value at the head of a queue.
    Dequeue,
    /// Take a mutex that nobody holds.
    Acquire,
    /// Give a mutex back that is held.
    Release,
}

impl Action {
    /// Whether it never changes anything.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Action::Get | Action::List | Action::SetRead | Action::CounterRead)
    }
}

/// What a key is: the kind of thing that actions are asked of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// Get, put, delete, compare-and-set.
    Register,
    /// Append, replace, read the whole.
    List,
    /// Add, remove, read the whole.
    Set,
    /// Add, read.
    Counter,
    /// Enqueue, dequeue: first in, first out.
    Queue,
    /// Acquire, release.
    Mutex,
}

impl Object {
    /// The object that an action is asked of.
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
    /// What is asked of it.
    pub action: Action,
}

/// What the client was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Done (every action that only changes something; a compare-and-set that matched).
    Done,
    /// The register held this (get).
    Holds(Content),
    /// A compare-and-set did not match and had no effect; what the register held, where the system tells.
    Mismatch(Option<Content>),
    /// The whole list (list).
    List(Vec<u64>),
    /// The whole set, each element once and in rising order (set read).
    Set(Vec<u64>),
    /// What the counter stood at (counter read).
    Count(i64),
    /// The value that was taken from the queue; `None`: it was empty (dequeue).
    Dequeued(Option<u64>),
}

/// One operation of a client's history, from call to return.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Its name. A session whose operation stays unknown is never used again for new ones.
    pub id: RequestId,
    /// What was asked.
    pub operation: Operation,
    /// When the client called.
    pub called: Time,
    /// When the client was told what; `None`: it gave up, or the run ended. The operation may have happened, or may
    /// happen yet.
    pub returned: Option<(Time, Response)>,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Absent(0) => f.write_str("nothing"),
            Content::Absent(deletion) => write!(f, "nothing since deletion {deletion}"),
            Content::Present(value) => write!(f, "{value}"),
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

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key;
        match self.action {
            Action::Get => write!(f, "get k{key}"),
            Action::Put(value) => write!(f, "put k{key}={value}"),
            Action::Delete(0) => write!(f, "delete k{key}"),
            Action::Delete(deletion) => write!(f, "delete k{key} (deletion {deletion})"),
            Action::CompareAndSet { expect, value } => write!(f, "cas k{key} from {expect} to {value}"),
            Action::Append(element) => write!(f, "append k{key}+={element}"),
            Action::Replace(element) => write!(f, "replace k{key}=[{element}]"),
            Action::List => write!(f, "list k{key}"),
            Action::SetAdd(element) => write!(f, "add to set k{key}: {element}"),
            Action::SetRemove(element) => write!(f, "remove from set k{key}: {element}"),
            Action::SetRead => write!(f, "read set k{key}"),
            Action::CounterAdd(number) => write!(f, "add to counter k{key}: {number}"),
            Action::CounterRead => write!(f, "read counter k{key}"),
            Action::Enqueue(value) => write!(f, "enqueue k{key}: {value}"),
            Action::Dequeue => write!(f, "dequeue k{key}"),
            Action::Acquire => write!(f, "acquire k{key}"),
            Action::Release => write!(f, "release k{key}"),
        }
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Done => f.write_str("done"),
            Response::Holds(content) => write!(f, "{content}"),
            Response::Mismatch(None) => f.write_str("mismatch"),
            Response::Mismatch(Some(content)) => write!(f, "mismatch, it holds {content}"),
            Response::List(elements) => write!(f, "{elements:?}"),
            Response::Set(elements) => {
                f.write_str("{")?;
                for (place, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Response::Count(count) => write!(f, "{count}"),
            Response::Dequeued(None) => f.write_str("empty"),
            Response::Dequeued(Some(value)) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.operation)?;
        match &self.returned {
            Some((returned, response)) => write!(f, " -> {response} [{}..{returned}]", self.called),
            None => write!(f, " -> unknown [{}..]", self.called),
        }
    }
}
