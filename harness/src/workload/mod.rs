//! What clients ask of a server, and what servers tell them.

mod draw;
pub mod kv;
pub mod client;

use invariants::{Operation, RequestId, Response};

/// What a client sends to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its name. A retry has the same one.
    pub id: RequestId,
    /// Everything in this session up to this number has been answered: the server may forget those answers.
    pub acknowledged: u64,
    /// What is asked.
    pub operation: Operation,
}

/// What a server sends back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// To which request.
    pub id: RequestId,
    /// What.
    pub answer: Answer,
}

/// How a request ended at a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
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
    /// Not here: certainly nothing happened. Perhaps there.
    NotLeader(Option<u64>),
    /// Not now: certainly nothing happened.
    Busy,
    /// It may have happened, or may happen yet.
    Unknown,
}
