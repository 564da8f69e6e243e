//! What is wrong with the order that a system claims, as data.

use super::Position;
use crate::fact::{Index, RequestId, Time};
use crate::linearizability::operation::{Content, Operation, Response};
use serde::Serialize;
use std::fmt;

/// The system's own order is broken. That is not yet a verdict on the history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WitnessFailure {
    /// The order contains a request that no client made.
    NeverCalled {
        /// The request.
        id: RequestId,
        /// Where it was applied.
        index: Index,
    },
    /// A request takes effect twice.
    AppliedTwice {
        /// The operation.
        call: WitnessedCall,
        /// Where it took effect.
        indexes: [Index; 2],
    },
    /// A request takes effect that had returned or been retired.
    AppliedAgain {
        /// The request.
        id: RequestId,
        /// Where it took effect again.
        index: Index,
    },
    /// An index was applied after a response had been given from it or a later one.
    AppliedLate {
        /// The operation.
        call: WitnessedCall,
        /// Where it was first applied.
        index: Index,
        /// The index of the response.
        answered_from: Index,
    },
    /// A request that returned is elsewhere in the order, or not in it.
    NotApplied {
        /// The operation.
        call: WitnessedCall,
        /// Where its response says that it is.
        claimed: Position,
        /// Where it took effect.
        applied: Option<Index>,
    },
    /// An operation precedes another that returned before its invocation.
    RealTimeOrder {
        /// The operation.
        call: WitnessedCall,
        /// Its position.
        position: Position,
        /// The other operation.
        earlier: WitnessedCall,
        /// The position of that.
        earlier_position: Position,
    },
    /// The response to a read differs from the replay.
    WrongRead {
        /// The read.
        call: WitnessedCall,
        /// The response.
        response: Response,
        /// The index from which it was read.
        index: Index,
        /// What the replay leaves there.
        replay: ReplayedState,
    },
    /// The response to a mutation differs from the replay.
    WrongResult {
        /// The mutation.
        call: WitnessedCall,
        /// The response.
        response: Response,
        /// Where it was applied.
        index: Index,
        /// What the register held before that; `None`: it is no register.
        before: Option<Content>,
    },
}

/// An operation with its times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct WitnessedCall {
    /// Its identifier.
    pub id: RequestId,
    /// The request.
    pub operation: Operation,
    /// When it was called.
    pub called: Time,
    /// When it was answered.
    pub answered: Option<Time>,
}

/// What a replay of the log leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayedState {
    /// The content of a register.
    Register {
        /// The content.
        content: Content,
        /// Who wrote it, and at which index; `None`: it is the initial content.
        writer: Option<(RequestId, Index)>,
    },
    /// The elements of a list.
    List(Vec<u64>),
}

impl WitnessFailure {
    /// The kind: a stable name, the same whatever the requests and indexes are.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            WitnessFailure::NeverCalled { .. } => "never-called",
            WitnessFailure::AppliedTwice { .. } | WitnessFailure::AppliedAgain { .. } => "applied-twice",
            WitnessFailure::AppliedLate { .. } => "applied-late",
            WitnessFailure::NotApplied { .. } => "not-applied",
            WitnessFailure::RealTimeOrder { .. } => "real-time-order",
            WitnessFailure::WrongRead { .. } | WitnessFailure::WrongResult { .. } => "wrong-response",
        }
    }

    /// The request at which it was detected.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        match self {
            WitnessFailure::NeverCalled { id, .. } | WitnessFailure::AppliedAgain { id, .. } => *id,
            WitnessFailure::AppliedTwice { call, .. }
            | WitnessFailure::AppliedLate { call, .. }
            | WitnessFailure::NotApplied { call, .. }
            | WitnessFailure::RealTimeOrder { call, .. }
            | WitnessFailure::WrongRead { call, .. }
            | WitnessFailure::WrongResult { call, .. } => call.id,
        }
    }

    /// The other request involved, if known.
    #[must_use]
    pub const fn other(&self) -> Option<RequestId> {
        match self {
            WitnessFailure::RealTimeOrder { earlier, .. } => Some(earlier.id),
            WitnessFailure::WrongRead {
                replay: ReplayedState::Register { writer: Some((id, _)), .. },
                ..
            } => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Display for WitnessFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WitnessFailure::NeverCalled { id, index } => {
                write!(f, "{id} was applied at index {index}, but no client had called it")
            }
            WitnessFailure::AppliedTwice { call, indexes: [first, again] } => {
                write!(f, "{call} took effect at index {first}, and again at index {again}")
            }
            WitnessFailure::AppliedAgain { id, index } => {
                write!(f, "{id} had returned or been retired, and took effect again at index {index}")
            }
            WitnessFailure::AppliedLate { call, index, answered_from } => write!(
                f,
                "{call} was first applied at index {index}, after a response had been given from index \
                 {answered_from}"
            ),
            WitnessFailure::NotApplied { call, claimed, applied } => {
                let no_read = match claimed {
                    Position::Log(_) => "",
                    Position::Applied(_) => ", though it is no read",
                };
                write!(f, "{call} was answered from {claimed}{no_read}, but ")?;
                match applied {
                    Some(index) => write!(f, "it took effect at index {index}"),
                    None => f.write_str("no node has applied it with effect"),
                }
            }
            WitnessFailure::RealTimeOrder { call, position, earlier, earlier_position } => write!(
                f,
                "{earlier} had returned when {call} was called, but the order has the second, at {position}, before \
                 the first, at {earlier_position}"
            ),
            WitnessFailure::WrongRead { call, response, index, replay } => write!(
                f,
                "{call} was told \"{response}\" from index {index}, but the log up to there leaves {replay}"
            ),
            WitnessFailure::WrongResult { call, response, index, before } => {
                write!(f, "{call} was told \"{response}\", but was applied at index {index}")?;
                match before {
                    Some(before) => write!(f, ", where the log before it leaves \"{before}\""),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for WitnessedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; called at {}", self.id, self.operation, Seconds(self.called))?;
        match self.answered {
            None => f.write_str(", not answered)"),
            Some(answered) => write!(f, ", answered at {})", Seconds(answered)),
        }
    }
}

impl fmt::Display for ReplayedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayedState::Register { content, writer: None } => write!(f, "\"{content}\", as initially"),
            ReplayedState::Register { content, writer: Some((writer, index)) } => {
                write!(f, "\"{content}\", since {writer} at index {index}")
            }
            ReplayedState::List(elements) => write!(f, "{elements:?}"),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Log(index) => write!(f, "log index {index}"),
            Position::Applied(index) => write!(f, "applied index {index}"),
        }
    }
}

/// Nanoseconds as seconds, with all digits, so that different times never look the same.
struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
