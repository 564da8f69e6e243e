//! Clients, the requests they send, and the application that executes them.
//!
//! *In*: a plan, and the world as clients see it ([`client::ClientContext`]). *Out*: requests, and what clients and
//! application state. Used by the world, by systems that execute commands, and by the engine.

mod draw;
pub mod kv;
pub mod client;

use crate::outcome::Asked;
use invariants::linearizability::is_response_to;
use invariants::{Action, Operation, RequestId, Response};
use std::fmt;

/// A message from a client to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The request's id; retries have the same one. A registration uses session 0, which does not exist.
    pub id: RequestId,
    /// The client has received all responses of this session up to this number: the server may forget them.
    pub acknowledged_up_to: u64,
    /// The content.
    pub body: RequestBody,
}

/// The content of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestBody {
    /// Register a session. Only in runs with sessions that expire (`clients.session`); it goes through the log.
    RegisterSession,
    /// An operation on one key.
    Operation(Operation),
}

impl Request {
    /// The operation, if it is a read: such a request need not go through the log.
    #[must_use]
    pub fn read_operation(&self) -> Option<Operation> {
        match self.body {
            RequestBody::Operation(operation) if operation.action.is_read() => Some(operation),
            RequestBody::Operation(_) | RequestBody::RegisterSession => None,
        }
    }
}

impl RequestBody {
    /// What it asks for.
    #[must_use]
    pub const fn asked(&self) -> Asked {
        match self {
            RequestBody::RegisterSession => Asked::Session,
            RequestBody::Operation(operation) => Asked::Operation(*operation),
        }
    }

    /// Whether this is a possible response to the request. `sessions_expire`: whether they do in this run. `nodes`: the
    /// number of servers.
    #[must_use]
    pub fn accepts(&self, response: &ClientResponse, sessions_expire: bool, nodes: u64) -> bool {
        match (self, response) {
            (_, ClientResponse::NotLeader(Some(node))) => (1..=nodes).contains(node),
            (
                _,
                ClientResponse::NotLeader(None) | ClientResponse::Busy | ClientResponse::TransferInProgress,
            ) => true,
            (_, ClientResponse::Halted | ClientResponse::Unknown) => true,
            // Session 0 does not exist.
            (RequestBody::RegisterSession, ClientResponse::SessionRegistered { session }) => *session > 0,
            (RequestBody::Operation(_), ClientResponse::SessionExpired) => sessions_expire,
            (RequestBody::Operation(operation), ClientResponse::Written { response, .. }) => {
                is_response_to(operation.action, response)
            }
            (RequestBody::Operation(operation), ClientResponse::Read { response, .. }) => {
                operation.action.is_read() && is_response_to(operation.action, response)
            }
            _ => false,
        }
    }

    /// The possible responses, for messages.
    #[must_use]
    pub const fn expected_responses(&self) -> &'static str {
        match self {
            RequestBody::RegisterSession => {
                "a session above 0, a rejection that names a server of this plan or none, or \"outcome unknown\""
            }
            RequestBody::Operation(Operation { action, .. }) => match action {
                Action::Get => {
                    "what the register holds, a rejection, \"session expired\" or \"outcome unknown\""
                }
                Action::List => "the list, a rejection, \"session expired\" or \"outcome unknown\"",
                Action::CompareAndSet { .. } => {
                    "\"done\" or \"mismatch\" with its index, a rejection, \"session expired\" or \"outcome unknown\""
                }
                _ => "\"done\" with its index, a rejection, \"session expired\" or \"outcome unknown\"",
            },
        }
    }
}

impl fmt::Display for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.asked().fmt(f)
    }
}

/// A message from a server to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The request that it answers.
    pub id: RequestId,
    /// The response.
    pub response: ClientResponse,
}

/// A server's response to a request. One that [`RequestBody::accepts`] rejects, or one to a request that the client
/// never made, violates the property `wrong-answer`. Late and duplicate responses are dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientResponse {
    /// A mutation took effect in the entry at `index`, now or at an earlier attempt.
    Written {
        /// The log index of the effect.
        index: u64,
        /// The result.
        response: Response,
    },
    /// A read of the state after `applied`.
    Read {
        /// The applied index.
        applied: u64,
        /// The result.
        response: Response,
    },
    /// A new session of this number, which no other client has.
    SessionRegistered {
        /// The log index of the registration.
        session: u64,
    },
    /// The session of this request has expired or never existed: the request has no effect from now on. An earlier copy
    /// may have had one before the session expired.
    SessionExpired,
    /// The server does not lead, and knows or does not know the leader. The request has no effect.
    NotLeader(Option<u64>),
    /// Too much is in progress. The request has no effect.
    Busy,
    /// The server is transferring its leadership. The request has no effect.
    TransferInProgress,
    /// The server's disk has failed, and it rejects requests until it restarts. The request has no effect.
    Halted,
    /// The request may have taken effect, or may do so later.
    Unknown,
}

impl ClientResponse {
    /// Whether the request certainly has no effect, now or later.
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
            ClientResponse::SessionExpired => f.write_str("session expired"),
            ClientResponse::NotLeader(None) => f.write_str("not leader"),
            ClientResponse::NotLeader(Some(node)) => write!(f, "not leader, try n{node}"),
            ClientResponse::Busy => f.write_str("busy"),
            ClientResponse::TransferInProgress => f.write_str("transferring leadership"),
            ClientResponse::Halted => f.write_str("disk failed"),
            ClientResponse::Unknown => f.write_str("outcome unknown"),
        }
    }
}
