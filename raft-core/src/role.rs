//! The role of a server, and the state that only a leader has.

use crate::ids::{Index, NodeId, ReadKey, ReplicaKey, RequestId, Timestamp};
use crate::io::ReadConfirmation;
use crate::progress::Progress;
use std::collections::VecDeque;

/// The role of a server, with the state that only this role has.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it could win an election (thesis 9.6).
    PreCandidate {
        /// The servers that granted it, sorted, without duplicates.
        granted: Vec<NodeId>,
    },
    /// Asks for votes (5.2).
    Candidate {
        /// The servers that voted for it, sorted, without duplicates.
        granted: Vec<NodeId>,
    },
    /// Leader of its term.
    Leader(Leader),
}

/// The state that only a leader has.
#[derive(Clone, PartialEq, Debug)]
pub struct Leader {
    /// One for each other member of the configuration in force.
    pub(crate) progress: Vec<Progress>,
    /// When to check which followers need a heartbeat.
    pub(crate) heartbeat_due: Timestamp,
    /// When to check that a majority still responds.
    pub(crate) quorum_due: Timestamp,
    /// The leadership transfer in progress.
    pub(crate) transfer: Option<Transfer>,
    /// Proposals and changes of its own host that are not applied yet, by index.
    pub(crate) proposals: VecDeque<(Index, RequestId)>,
    pub(crate) reads: PendingReads,
    /// Whether `TimeoutNow` was sent in this term. Voters then accept the target whatever they promised to
    /// this leader, so no lease holds for the rest of the term; not even after the transfer has failed,
    /// because the message may still arrive.
    pub(crate) timeout_now_sent: bool,
    /// The cost of its own uncommitted commands (`Entry::cost`).
    pub(crate) uncommitted_bytes: u64,
}

/// A leadership transfer in progress (`transfer.rs`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Transfer {
    pub(crate) request: RequestId,
    pub(crate) to: NodeId,
    /// When it fails.
    pub(crate) deadline: Timestamp,
    /// Whether `TimeoutNow` was sent to the target.
    pub(crate) timeout_now_sent: bool,
}

/// The reads that a leader has not served yet (`read.rs`).
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct PendingReads {
    /// The newest round of leadership confirmation.
    pub(crate) round: u64,
    /// Rounds up to here were confirmed by a majority.
    pub(crate) confirmed_round: u64,
    /// Reads from before an entry of this term was committed.
    pub(crate) before_first_commit: Vec<(Origin, ReadKey)>,
    /// Reads that wait for a round, ordered by round.
    pub(crate) awaiting_quorum: VecDeque<PendingRead>,
    /// Confirmed reads of this server's host that wait for entries to be applied.
    pub(crate) awaiting_apply: VecDeque<PendingRead>,
}

impl PendingReads {
    /// The number of reads that wait.
    pub(crate) fn len(&self) -> usize {
        self.before_first_commit.len() + self.awaiting_quorum.len() + self.awaiting_apply.len()
    }

    /// Whether no read waits for confirmation and no round is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.before_first_commit.is_empty()
            && self.awaiting_quorum.is_empty()
            && self.confirmed_round == self.round
    }
}

/// A read that is not served yet.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PendingRead {
    pub(crate) origin: Origin,
    pub(crate) key: ReadKey,
    /// The index to apply first: the commit index when the read began.
    pub(crate) index: Index,
    /// The round that must be confirmed first.
    pub(crate) round: u64,
    /// How leadership is confirmed.
    pub(crate) confirmation: ReadConfirmation,
}

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Origin {
    /// This server's host.
    Local(RequestId),
    /// Another replica that forwarded it, with its forward ID.
    Forwarded(ReplicaKey, u64),
}
