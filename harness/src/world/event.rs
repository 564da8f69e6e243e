//! What can be in flight.

use crate::workload::client::Timer;
use crate::workload::{Reply, Request};
use invariants::Node;

/// One thing that will be popped from the queue.
pub(crate) enum Event<M> {
    /// A message arrives at whoever lives there then.
    Message { from: Node, to: Node, message: M },
    /// A client's request arrives at a server.
    Request { client: u64, to: Node, request: Request },
    /// A server's answer arrives at a client.
    Reply { from: Node, client: u64, reply: Reply },
    /// Perhaps a server's deadline is due.
    Timer { node: Node },
    /// A disk may have finished what the sync of this number asked for.
    SyncDone { node: Node, number: u32 },
    /// The server that asked for a sync is told how it ended.
    SyncReport { node: Node, token: u64, incarnation: u32, succeeded: bool },
    /// A client's pause or patience ends.
    ClientTimer { client: u64, timer: Timer },
    /// The time of a planned fault has come.
    Fault { number: u32 },
    /// A fault that struck is over.
    FaultEnd { number: u32 },
    /// The storm is over.
    Heal,
    /// Progress was asked until now.
    LivenessDeadline { stage: u32 },
}

/// The kinds of events, as the digest knows them. Their numbers are part of what a digest means.
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
}
