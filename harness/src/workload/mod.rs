//! What clients ask of a server, and what servers tell them.

mod draw;
pub mod kv;
pub mod client;

use invariants::linearizability::is_response_to;
use invariants::{Action, Operation, RequestId, Response};
use std::fmt;

/// What a client sends to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its name. A retry has the same one. A registration is in session 0, which does not exist.
    pub id: RequestId,
    /// Everything in this session up to this number has been answered: the server may forget those answers.
    pub acknowledged_up_to: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What a client may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestBody {
    /// A session to ask in. Only in runs in which sessions end (`clients.session`); it goes through the log.
    RegisterSession,
    /// Something of one key.
    Operation(Operation),
}

impl Request {
    /// What is asked, where it only wants to know: such a request need not go through the log.
    #[must_use]
    pub fn read_operation(&self) -> Option<Operation> {
        match self.body {
            RequestBody::Operation(operation) if operation.action.is_read() => Some(operation),
            RequestBody::Operation(_) | RequestBody::RegisterSession => None,
        }
    }
}

impl RequestBody {
    /// Whether this has the form of an answer to what is asked. `ends`: whether sessions end in this run. `nodes`: how many
    /// servers there are.
    #[must_use]
    pub fn accepts(&self, answer: &ClientResponse, ends: bool, nodes: u64) -> bool {
        match (self, answer) {
            (_, ClientResponse::NotLeader(Some(node))) => (1..=nodes).contains(node),
            (
                _,
                ClientResponse::NotLeader(None) | ClientResponse::Busy | ClientResponse::TransferInProgress,
            ) => true,
            (_, ClientResponse::Halted | ClientResponse::Unknown) => true,
            // 0 is the session of nobody.
            (RequestBody::RegisterSession, ClientResponse::SessionRegistered { session }) => *session > 0,
            (RequestBody::Operation(_), ClientResponse::SessionExpired) => ends,
            (RequestBody::Operation(operation), ClientResponse::Written { response, .. }) => {
                is_response_to(operation.action, response)
            }
            (RequestBody::Operation(operation), ClientResponse::Read { response, .. }) => {
                operation.action.is_read() && is_response_to(operation.action, response)
            }
            _ => false,
        }
    }

    /// What could come of it, in words.
    #[must_use]
    pub const fn expected_responses(&self) -> &'static str {
        match self {
            RequestBody::RegisterSession => {
                "a session above 0, a refusal that names a server of this plan or none, or \"nobody knows\""
            }
            RequestBody::Operation(Operation { action, .. }) => match action {
                Action::Get => "what the register holds, or a refusal, an ended session or \"nobody knows\"",
                Action::List => "the list, or a refusal, an ended session or \"nobody knows\"",
                Action::CompareAndSet { .. } => {
                    "\"done\" or \"mismatch\" with its index, or a refusal, an ended session or \"nobody knows\""
                }
                _ => "\"done\" with its index, or a refusal, an ended session or \"nobody knows\"",
            },
        }
    }
}

impl fmt::Display for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestBody::RegisterSession => f.write_str("a session"),
            RequestBody::Operation(operation) => operation.fmt(f),
        }
    }
}

/// What a server sends back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// To which request.
    pub id: RequestId,
    /// What.
    pub response: ClientResponse,
}

/// How a request ended at a server. What [`RequestBody::accepts`] says no to is a wrong answer, and breaks a property of that
/// name; so does an answer to a request that its client never made. A late one, or a second one, is dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientResponse {
    /// A mutation took effect (now or when it was first tried) in the entry at `index`.
    Written {
        /// The log index at which it had its effect.
        index: u64,
        /// What it came to.
        response: Response,
    },
    /// A read was answered from the state after `applied`.
    Read {
        /// The applied index.
        applied: u64,
        /// What was there.
        response: Response,
    },
    /// There is a new session of this number, and nobody else has it.
    SessionRegistered {
        /// The log index of its registration.
        session: u64,
    },
    /// The session of this request has ended, or never was: the request has no effect from now on. An earlier copy of it
    /// may have had one while the session lived.
    SessionExpired,
    /// Not here: certainly nothing happened. Perhaps there.
    NotLeader(Option<u64>),
    /// Not now, for so much is under way already: certainly nothing happened.
    Busy,
    /// Not now, for the server passes its lead on: certainly nothing happened.
    TransferInProgress,
    /// Not here until it is restarted, for the server's disk has failed: certainly nothing happened.
    Halted,
    /// It may have happened, or may happen yet.
    Unknown,
}

impl ClientResponse {
    /// Whether it says that certainly nothing happened, and nothing will.
    #[must_use]
    pub const fn is_rejection(&self) -> bool {
        matches!(
            self,
            ClientResponse::NotLeader(_)
                | ClientResponse::Busy
                | ClientResponse::TransferInProgress
                | ClientResponse::Halted
        )
    }
}

impl fmt::Display for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientResponse::Written { index, response } => write!(f, "{response}, at index {index}"),
            ClientResponse::Read { applied, response } => write!(f, "{response}, from index {applied}"),
            ClientResponse::SessionRegistered { session } => write!(f, "session {session}"),
            ClientResponse::SessionExpired => f.write_str("its session has ended"),
            ClientResponse::NotLeader(None) => f.write_str("not here"),
            ClientResponse::NotLeader(Some(node)) => write!(f, "not here, perhaps n{node}"),
            ClientResponse::Busy => f.write_str("not now"),
            ClientResponse::TransferInProgress => f.write_str("not now: it hands over"),
            ClientResponse::Halted => f.write_str("not here: its disk has failed"),
            ClientResponse::Unknown => f.write_str("nobody knows"),
        }
    }
}
