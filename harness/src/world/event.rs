//! Events in the queue.

use crate::workload::client::Timer;
use crate::workload::{Reply, Request};
use invariants::Node;

/// An event in the queue.
pub(crate) enum Event<M> {
    /// A message arrives at a node.
    Message { from: Node, to: Node, message: M },
    /// A client's request arrives at a server.
    Request { client: u64, to: Node, request: Request },
    /// A server's reply arrives at a client.
    Reply { from: Node, client: u64, reply: Reply },
    /// A server's deadline may be due.
    Timer { node: Node },
    /// The sync with this number may be done.
    SyncDone { node: Node, number: u32 },
    /// The server is to be informed how its sync ended.
    SyncReport { node: Node, token: u64, incarnation: u32, succeeded: bool },
    /// A client's think time or timeout ends.
    ClientTimer { client: u64, timer: Timer },
    /// A planned fault is due.
    Fault { number: u32 },
    /// A fault ends.
    FaultEnd { number: u32 },
    /// The fault phase ends.
    Heal,
    /// The deadline of the current liveness condition.
    LivenessDeadline { stage: u32 },
}

/// The kinds of events. Their numbers are part of the digest and must not change.
#[derive(Clone, Copy)]
pub(crate) enum EventKind {
    Message = 1,
    Request = 2,
    Reply = 3,
    Timer = 4,
    SyncDone = 5,
    SyncReport = 6,
    ClientTimer = 7,
    Fault = 8,
    FaultEnd = 9,
    SyncFailed = 10,
    Operator = 11,
}
