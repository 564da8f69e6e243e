//! The trace: what happens in a run, event by event, as data.

use crate::plan::PermanentFaultKind;
use crate::support::logs::LogLine;
use invariants::{Node, RequestId, Time};
use std::fmt;

/// One line of the trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceLine {
    /// True time in nanoseconds.
    pub at: Time,
    /// The number of the event.
    pub step: u64,
    /// The number of the event that caused it: for a message, the event in which it was sent.
    pub cause: u64,
    /// The server concerned; 0: the world or a client.
    pub node: Node,
    /// What happened.
    pub event: TraceEvent,
}

/// What happened. Messages, requests, responses and commands are rendered by the code that defines them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TraceEvent {
    /// A server boots.
    Boot,
    /// A message between servers arrives, or what became of it instead.
    Message {
        /// The sender.
        from: Node,
        /// The receiver.
        to: Node,
        /// The message, as the system renders it.
        message: String,
        /// What becomes of it.
        fate: MessageFate,
    },
    /// A client's request arrives.
    Request {
        /// The client.
        client: u64,
        /// The receiver.
        to: Node,
        /// The request.
        id: RequestId,
        /// Its content.
        body: String,
    },
    /// A server's reply arrives.
    Reply {
        /// The sender.
        from: Node,
        /// The client.
        client: u64,
        /// The request.
        id: RequestId,
        /// The response.
        response: String,
    },
    /// A server's deadline is reached.
    Timer,
    /// A sync ends.
    Sync {
        /// The server's number for it.
        token: u64,
        /// Whether its data is durable.
        succeeded: bool,
    },
    /// A planned fault begins.
    FaultBegins {
        /// Its position in the plan, from 1.
        number: u64,
        /// Its kind.
        kind: &'static str,
        /// The servers it affects.
        targets: Vec<Node>,
    },
    /// A server crashes in the middle of a step: what it does from here on to the end of the step is not carried out.
    StepCut,
    /// A fault ends.
    FaultEnds {
        /// Its position in the plan, from 1; `None` for what a fault of the plan led to, such as a crash in a step.
        number: Option<u64>,
        /// What its end means, as its kind describes it.
        end: String,
    },
    /// The fault phase is over.
    HealedPhaseBegins,
    /// The permanent fault begins.
    PermanentFault {
        /// The server.
        node: Node,
        /// Its kind.
        kind: PermanentFaultKind,
    },
    /// The leader of a run with a permanent fault crashes once in the healed phase.
    LeaderCrash,
    /// The operator submits a command.
    OperatorCommand(String),
    /// A server responds to the operator.
    OperatorResponse(String),
    /// A server whose disk was wiped may belong to a configuration again.
    Readmitted,
    /// A server stops until its next incarnation.
    FailStop(String),
    /// A server panics.
    Panic(String),
    /// A note of the system under test.
    Note(String),
    /// A line that the system under test logs.
    Log(LogLine),
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageFate {
    /// It arrives.
    Delivered,
    /// The network loses it.
    Lost,
    /// The network will deliver it twice.
    Duplicated,
    /// The network holds it, and will deliver it late.
    Held,
    /// There is no such receiver.
    NoReceiver,
}

impl TraceEvent {
    /// Whether a fault begins or ends, or all do.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(
            self,
            TraceEvent::FaultBegins { .. } | TraceEvent::FaultEnds { .. } | TraceEvent::HealedPhaseBegins
        )
    }

    /// Whether it only says that a server boots, time has passed, or a sync is done.
    #[must_use]
    pub const fn is_routine(&self) -> bool {
        matches!(self, TraceEvent::Boot | TraceEvent::Timer | TraceEvent::Sync { .. })
    }
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceEvent::Boot => f.write_str("boots"),
            TraceEvent::Message { from, to, message, fate } => {
                write!(f, "n{from} -> n{to}  {message}")?;
                match fate {
                    MessageFate::Delivered => Ok(()),
                    MessageFate::Lost => f.write_str("  lost"),
                    MessageFate::Duplicated => f.write_str("  duplicated"),
                    MessageFate::Held => f.write_str("  held"),
                    MessageFate::NoReceiver => write!(f, "  dropped: there is no n{to}"),
                }
            }
            TraceEvent::Request { client, to, id, body } => write!(f, "c{client} -> n{to}  {id} {body}"),
            TraceEvent::Reply { from, client, id, response } => {
                write!(f, "n{from} -> c{client}  {id} {response}")
            }
            TraceEvent::Timer => f.write_str("timer"),
            TraceEvent::Sync { token, succeeded: true } => write!(f, "sync {token} is durable"),
            TraceEvent::Sync { token, succeeded: false } => write!(f, "sync {token} has failed"),
            TraceEvent::FaultBegins { number, kind, targets } => {
                write!(f, "fault {number} begins: {kind}")?;
                targets.iter().try_for_each(|node| write!(f, " n{node}"))
            }
            TraceEvent::StepCut => {
                f.write_str("crashes in the middle of a step: what follows in it is not carried out")
            }
            TraceEvent::FaultEnds { end, .. } => write!(f, "a fault is over: {end}"),
            TraceEvent::HealedPhaseBegins => f.write_str("all faults end: the healed phase begins"),
            TraceEvent::PermanentFault { node, kind } => write!(f, "permanent fault of n{node}: {kind}"),
            TraceEvent::LeaderCrash => f.write_str("crashes once more"),
            TraceEvent::OperatorCommand(command) => write!(f, "the operator submits {command}"),
            TraceEvent::OperatorResponse(response) => write!(f, "responds to the operator: {response}"),
            TraceEvent::Readmitted => f.write_str("may belong to the group again"),
            TraceEvent::FailStop(reason) => write!(f, "takes no part: {reason}"),
            TraceEvent::Panic(message) => write!(f, "panics: {message}"),
            TraceEvent::Note(text) => f.write_str(text),
            TraceEvent::Log(line) => line.fmt(f),
        }
    }
}
