//! What a server is doing, for metrics and debugging: a copy of plain values, and nothing in it moves the server.
//!
//! It takes time in proportion to the number of followers, whatever the size of log and snapshot, and shares the
//! configuration. Nothing is kept up to date for it, so a server that nobody asks pays nothing.

use crate::ids::{Index, LogId, NodeId, ReplicaKey, Term, Timestamp};
use crate::membership::Configuration;
use crate::progress::{Progress, ProgressState};
use crate::raft::{Leader, Raft, Role};
use std::sync::Arc;

/// What a server is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Which server, and which life of it.
    pub peer: ReplicaKey,
    /// The current term.
    pub term: Term,
    /// The vote in it.
    pub vote: Option<NodeId>,
    /// The role, with what belongs to it.
    pub role: RoleStatus,
    /// The leader of the term, as far as this server knows.
    pub leader: Option<NodeId>,
    /// Whether its disk has refused a write: it takes part no more.
    pub halted: bool,
    /// The configuration in force: the last one in the log, committed or not.
    pub configuration: Arc<Configuration>,
    /// Where that configuration stands.
    pub configuration_index: Index,
    /// What the log begins after: everything up to here was compacted away.
    pub compacted: LogId,
    /// Where the log ends.
    pub last: LogId,
    /// Every entry up to here is durable on this server.
    pub durable_index: Index,
    /// Everything up to here is known to be committed.
    pub commit_index: Index,
    /// Everything up to here was handed to the application.
    pub last_applied: Index,
    /// The last entry that the newest snapshot stands for.
    pub snapshot: Option<LogId>,
    /// A snapshot that a leader is sending to this server.
    pub receiving: Option<ReceivingStatus>,
    /// How many requests were passed on to a leader, and wait for it or for entries to be applied.
    pub forwarded: usize,
}

/// A snapshot on its way to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceivingStatus {
    /// The last entry that it stands for.
    pub last: LogId,
    /// How many bytes of it have come, without a gap.
    pub received: u64,
}

/// A role, with what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleStatus {
    /// Listens to a leader, or waits for one.
    Follower,
    /// Asks whether it could win.
    PreCandidate {
        /// Which servers said yes.
        granted: Vec<NodeId>,
    },
    /// Asks for votes.
    Candidate {
        /// Which servers voted for it.
        granted: Vec<NodeId>,
    },
    /// Leads the term.
    Leader(LeaderStatus),
}

/// What a leader is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderStatus {
    /// Every other member of the configuration in force.
    pub followers: Vec<FollowerStatus>,
    /// A transfer of leadership that is under way.
    pub transfer: Option<TransferStatus>,
    /// How many proposals and changes wait to be applied, of its own host.
    pub proposals: usize,
    /// How many reads wait to be confirmed, of any server, or to be applied, of its own host.
    pub reads: usize,
    /// What [`Config::max_uncommitted_bytes`](crate::Config::max_uncommitted_bytes) limits.
    pub uncommitted_bytes: u64,
}

/// What a leader knows of a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowerStatus {
    /// Which server, and which life of it.
    pub peer: ReplicaKey,
    /// Everything up to here is durable there and equals the leader's log.
    pub match_index: Index,
    /// The next entry to send.
    pub next_index: Index,
    /// How entries are sent to it.
    pub state: ProgressStatus,
    /// When it last answered in this term; before that, when the leader began to count on it. On the leader's clock.
    pub last_contact: Timestamp,
}

/// How entries are sent to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgressStatus {
    /// One message at a time, until it is known where the logs agree.
    Probe {
        /// Whether that message is on its way.
        waiting: bool,
    },
    /// Messages follow each other without waiting for answers.
    Replicate {
        /// How many messages are on their way.
        messages: usize,
        /// How many bytes of commands they carry.
        bytes: u64,
    },
    /// It is sent a snapshot instead of entries that were compacted away.
    Snapshot {
        /// The last entry that the snapshot stands for.
        last: LogId,
        /// How many bytes the snapshot has.
        size: u64,
        /// How many of them were sent.
        sent: u64,
        /// How many of them the follower is known to have.
        received: u64,
    },
}

/// A transfer of leadership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferStatus {
    /// To which server.
    pub to: NodeId,
    /// When it is given up, on the leader's clock.
    pub until: Timestamp,
    /// Whether that server was told to campaign. Until then it lacks entries.
    pub timeout_now_sent: bool,
}

impl Raft {
    /// What this server is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let log = &self.log;
        Status {
            peer: self.replica(),
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
            forwarded: self.pending_forwards.len(),
        }
    }
}

impl Leader {
    fn status(&self) -> LeaderStatus {
        LeaderStatus {
            followers: self.progress.iter().map(Progress::status).collect(),
            transfer: self.transfer.map(|transfer| TransferStatus {
                to: transfer.to,
                until: transfer.deadline,
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
            peer: self.peer,
            match_index: self.match_index,
            next_index: self.next_index,
            state,
            last_contact: self.last_contact,
        }
    }
}
