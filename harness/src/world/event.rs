//! What can be in flight.

use crate::workload::client::Alarm;
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
    Platter { node: Node, number: u32 },
    /// The server that asked for a sync is told how it ended.
    Synced { node: Node, token: u64, incarnation: u32, well: bool },
    /// A client's pause or patience ends.
    Alarm { client: u64, alarm: Alarm },
    /// The time of a planned fault has come.
    Fault { number: u32 },
    /// A fault that struck is over.
    Over { number: u32 },
    /// The storm is over.
    Calm,
    /// Progress was asked until now.
    Bound { stage: u32 },
}

/// The kinds of events, as the digest knows them. Their numbers are part of what a digest means.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Message = 1,
    Request = 2,
    Reply = 3,
    Timer = 4,
    Platter = 5,
    Synced = 6,
    Alarm = 7,
    Fault = 8,
    Over = 9,
    SyncFailed = 10,
}
