//! What is wrong with the order that a system claims, as data.

use super::Position;
use crate::evidence::evidence;
use crate::fact::{Index, RequestId, Time};
use crate::linearizability::operation::{Content, Operation, Response};
use serde::Serialize;
use std::fmt;

evidence! {
    /// The system's own order is broken. That is not yet a verdict on the history.
    WitnessFailure {
        NeverCalled = "never-called" { id: RequestId, index: Index }
            "{id} was applied at index {index}, but no client had called it";
        AppliedTwice = "applied-twice" { call: WitnessedCall, index: Index, again: Index }
            "{call} took effect at index {index}, and again at index {again}";
        AppliedAgain = "applied-again" { id: RequestId, index: Index }
            "{id} had returned or been retired, and took effect again at index {index}";
        AppliedLate = "applied-late" { call: WitnessedCall, index: Index, answered_from: Index }
            "{call} was first applied at index {index}, after a response had been given from index {answered_from}";
        NotApplied = "not-applied" { call: WitnessedCall, claimed: Position, applied: Option<Index> }
            "{call} was answered from {claimed}{no_read}, but {effect}",
            no_read = if matches!(claimed, Position::Applied(_)) { ", though it is no read" } else { "" },
            effect = fmt::from_fn(|f| match applied {
                Some(index) => write!(f, "it took effect at index {index}"),
                None => f.write_str("no node has applied it with effect"),
            });
        RealTimeOrder = "real-time-order" {
            call: WitnessedCall, position: Position, earlier: WitnessedCall, earlier_position: Position,
        }
            "{earlier} had returned when {call} was called, but the order has the second, at {position}, before the first, at {earlier_position}";
        WrongResponse = "wrong-response" { call: WitnessedCall, response: Response, replay: Replay }
            "{call} was told \"{response}\"{replay}";
    }
}

evidence! {
    /// What a replay of the log gives instead of a response.
    Replay {
        Initial = "initial" { index: Index, content: Content }
            " from index {index}, but the log up to there leaves \"{content}\", as initially";
        Written = "written" { index: Index, content: Content, writer: RequestId, at: Index }
            " from index {index}, but the log up to there leaves \"{content}\", since {writer} at index {at}";
        List = "list" { index: Index, elements: Vec<u64> }
            " from index {index}, but the log up to there leaves {elements:?}";
        MutatedList = "mutated-list" { index: Index } ", but was applied at index {index}";
        MutatedRegister = "mutated-register" { index: Index, before: Content }
            ", but was applied at index {index}, where the log before it leaves \"{before}\"";
    }
}

impl WitnessFailure {
    /// The request at which it was detected.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        match self {
            WitnessFailure::NeverCalled { id, .. } | WitnessFailure::AppliedAgain { id, .. } => *id,
            WitnessFailure::AppliedTwice { call, .. }
            | WitnessFailure::AppliedLate { call, .. }
            | WitnessFailure::NotApplied { call, .. }
            | WitnessFailure::RealTimeOrder { call, .. }
            | WitnessFailure::WrongResponse { call, .. } => call.id,
        }
    }

    /// The other request involved, if known.
    #[must_use]
    pub const fn other(&self) -> Option<RequestId> {
        match self {
            WitnessFailure::RealTimeOrder { earlier, .. } => Some(earlier.id),
            WitnessFailure::WrongResponse { replay: Replay::Written { writer, .. }, .. } => Some(*writer),
            _ => None,
        }
    }
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

impl fmt::Display for WitnessedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With all digits, so that different times never look the same.
        let seconds = |time: Time| {
            fmt::from_fn(move |f| write!(f, "{}.{:09}s", time / 1_000_000_000, time % 1_000_000_000))
        };
        write!(f, "{} ({}; called at {}", self.id, self.operation, seconds(self.called))?;
        match self.answered {
            None => f.write_str(", not answered)"),
            Some(answered) => write!(f, ", answered at {})", seconds(answered)),
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
