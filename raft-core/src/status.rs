//! The state of a server, for metrics and debugging: a copy of plain values that cannot change the server.
//!
//! Takes time in proportion to the number of followers, whatever the size of log and snapshot, and shares the
//! configuration. Costs nothing unless it is called.

use crate::ids::{Index, LogId, NodeId, ReplicaKey, Term, Timestamp};
use crate::membership::Configuration;
use crate::progress::{Progress, ProgressState};
use crate::raft::Raft;
use crate::role::{Leader, Role};
use std::sync::Arc;

/// The state of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The server and its directory ID.
    pub replica: ReplicaKey,
    /// The current term.
    pub term: Term,
    /// The vote in it.
    pub vote: Option<NodeId>,
    /// The role, with its state.
    pub role: RoleStatus,
    /// The leader of the term, as far as this server knows.
    pub leader: Option<NodeId>,
    /// Whether a write has failed: the server makes no more promises.
    pub halted: bool,
    /// The configuration in force: the last one in the log, committed or not.
    pub configuration: Arc<Configuration>,
    /// The index of that configuration; 0 for the initial one.
    pub configuration_index: Index,
    /// The last compacted entry; 0@0 if there is none.
    pub compacted: LogId,
    /// The last entry of the log.
    pub last: LogId,
    /// Every entry up to here is durable on this server.
    pub durable_index: Index,
    /// The commit index.
    pub commit_index: Index,
    /// Everything up to here was handed to the application.
    pub last_applied: Index,
    /// The last entry that the newest snapshot includes.
    pub snapshot: Option<LogId>,
    /// A snapshot that this server is receiving from a leader.
    pub receiving: Option<ReceivingStatus>,
    /// How many forwarded requests wait for the leader, or for entries to be applied.
    pub pending_forwards: usize,
    /// How many promises wait for the disk.
    pub held_promises: usize,
}

/// A snapshot that is being received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceivingStatus {
    /// The last entry that it includes.
    pub last: LogId,
    /// How many bytes of it have arrived without a gap.
    pub received: u64,
}

/// A role, with its state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleStatus {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it could win.
    PreCandidate {
        /// The servers that granted it, sorted.
        granted: Vec<NodeId>,
    },
    /// Asks for votes.
    Candidate {
        /// The servers that voted for it, sorted.
        granted: Vec<NodeId>,
    },
    /// Leader of the term.
    Leader(LeaderStatus),
}

/// The state of a leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderStatus {
    /// Every other member of the configuration in force.
    pub followers: Vec<FollowerStatus>,
    /// A leadership transfer in progress.
    pub transfer: Option<TransferStatus>,
    /// How many proposals and changes of its own host are not applied yet.
    pub proposals: usize,
    /// How many reads wait for confirmation, of any server, or for entries to be applied, of its own host.
    pub reads: usize,
    /// The bytes that [`Config::max_uncommitted_bytes`](crate::Config::max_uncommitted_bytes) limits.
    pub uncommitted_bytes: u64,
}

/// The leader's view of a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowerStatus {
    /// The follower and its directory ID.
    pub replica: ReplicaKey,
    /// Up to here the follower's log is durable and equals the leader's.
    pub match_index: Index,
    /// The next entry to send.
    pub next_index: Index,
    /// How entries are sent to it.
    pub state: ProgressStatus,
    /// When its last response in this term arrived; before that, when the leader began to track it. On the
    /// leader's clock.
    pub last_contact: Timestamp,
}

/// How entries are sent to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressStatus {
    /// One message at a time, until the leader knows where the logs agree.
    Probe {
        /// Whether that message is in flight.
        waiting: bool,
    },
    /// Messages are pipelined.
    Replicate {
        /// How many messages are in flight.
        messages: usize,
        /// How many bytes of commands they carry.
        bytes: u64,
    },
    /// It gets a snapshot in place of compacted entries.
    Snapshot {
        /// The last entry that the snapshot includes.
        last: LogId,
        /// The size of the snapshot, in bytes.
        size: u64,
        /// How many of them were sent.
        sent: u64,
        /// How many of them the follower is known to have.
        received: u64,
    },
}

/// A leadership transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferStatus {
    /// The target.
    pub to: NodeId,
    /// When it fails, on the leader's clock.
    pub deadline: Timestamp,
    /// Whether `TimeoutNow` was sent. Until then the target lacks entries.
    pub timeout_now_sent: bool,
}

impl Raft {
    /// The state of this server. See [`crate::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        let log = &self.log;
        Status {
            replica: self.replica(),
            term: self.term,
            vote: self.vote,
            role: match &self.role {
                Role::Follower => RoleStatus::Follower,
                Role::PreCandidate { granted } => RoleStatus::PreCandidate { granted: granted.clone() },
                Role::Candidate { granted } => RoleStatus::Candidate { granted: granted.clone() },
                Role::Leader(leader) => RoleStatus::Leader(leader.status()),
            },
            leader: self.leader(),
            halted: self.is_halted(),
            configuration: log.configuration().clone(),
            configuration_index: log.configuration_index(),
            compacted: log.compacted(),
            last: log.last(),
            durable_index: self.saves.durable_index(),
            commit_index: self.commit_index,
            last_applied: self.last_applied,
            snapshot: self.snapshot.as_ref().map(|snapshot| snapshot.last),
            receiving: self.incoming.as_ref().map(|incoming| ReceivingStatus {
                last: incoming.last,
                received: incoming.data.len() as u64,
            }),
            pending_forwards: self.pending_forwards.len(),
            held_promises: self.saves.pending.len(),
        }
    }
}

impl Leader {
    fn status(&self) -> LeaderStatus {
        LeaderStatus {
            followers: self.progress.iter().map(Progress::status).collect(),
            transfer: self.transfer.map(|transfer| TransferStatus {
                to: transfer.to,
                deadline: transfer.deadline,
                timeout_now_sent: transfer.timeout_now_sent,
            }),
            proposals: self.proposals.len(),
            reads: self.reads.len(),
            uncommitted_bytes: self.uncommitted_bytes,
        }
    }
}

impl Progress {
    fn status(&self) -> FollowerStatus {
        let state = match &self.state {
            ProgressState::Probe { waiting } => ProgressStatus::Probe { waiting: *waiting },
            ProgressState::Replicate { in_flight, bytes } => {
                ProgressStatus::Replicate { messages: in_flight.len(), bytes: *bytes }
            }
            ProgressState::Snapshot { snapshot, received, sent, .. } => ProgressStatus::Snapshot {
                last: snapshot.last,
                size: snapshot.data.len() as u64,
                sent: *sent,
                received: *received,
            },
        };
        FollowerStatus {
            replica: self.replica,
            match_index: self.match_index,
            next_index: self.next_index,
            state,
            last_contact: self.last_contact,
        }
    }
}
