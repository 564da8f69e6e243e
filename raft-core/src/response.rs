//! Results of requests. Every request gets one response, which claims no more than the server knows.

use crate::ids::{Index, NodeId};
use crate::membership::ConfChangeError;
use std::fmt;

/// The result of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Response {
    /// The entry at this index was just handed out by [`Effect::Apply`](crate::Effect::Apply). A membership
    /// change through a joint phase with `auto_leave` is answered at the end of that phase: from then on the
    /// cluster does not need the removed servers. An explicit joint phase is answered once it is committed.
    Applied {
        /// The index of the entry.
        index: Index,
    },
    /// This server is not the leader; nothing was appended.
    NotLeader {
        /// The server that may be the leader.
        hint: Option<NodeId>,
    },
    /// Leadership was lost, or the leader's response to a forwarded request did not arrive or may belong to
    /// one of two copies. The proposal or change may or may not be committed; the transfer may have
    /// succeeded.
    Unknown,
    /// The transfer target campaigns at this server's request, and this server has stepped down.
    Transferred,
    /// The transfer in progress is cancelled; this server stays the leader.
    TransferCancelled,
    /// The state is this server's newest snapshot. The write that follows makes it durable.
    Compacted,
    /// The request had no effect.
    Rejected(Rejection),
}

/// Why a request was rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The leader has committed no entry of its own term yet, so it does not know which changes are
    /// committed.
    NoCommitInTerm,
    /// Another membership change is not committed yet. Only one may be in progress.
    ConfChangeInProgress,
    /// The change does not fit the current configuration.
    ConfChange(ConfChangeError),
    /// A leadership transfer is in progress.
    TransferInProgress,
    /// The transfer target is not another voter.
    TransferTargetNotVoter,
    /// The transfer target did not take over within an election timeout.
    TransferFailed,
    /// A newer transfer request replaced or cancelled this one.
    TransferSuperseded,
    /// The transfer target was made a learner, or removed, before it took over.
    TransferTargetRemoved,
    /// The leader has too many uncommitted bytes.
    TooMuchUncommitted,
    /// Too many requests wait on this server.
    TooManyRequests,
    /// The change would make a voter of a server that lacks too much of the log. Until it caught up, it could
    /// keep the cluster from committing (thesis 4.2.1).
    LearnerTooFarBehind,
    /// This server already has a snapshot of these entries or of more, perhaps from a leader.
    SnapshotOutdated,
    /// The snapshot includes entries that were not yet handed out by [`Effect::Apply`](crate::Effect::Apply),
    /// so the application cannot have that state.
    SnapshotNotApplied,
    /// A write of this server failed: it makes no promises until it is restarted.
    Halted,
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Applied { index } => write!(f, "applied at {index}"),
            Response::NotLeader { hint: Some(hint) } => write!(f, "not the leader; {hint} may be"),
            Response::NotLeader { hint: None } => write!(f, "not the leader"),
            Response::Unknown => write!(f, "outcome unknown"),
            Response::Transferred => write!(f, "leadership transferred"),
            Response::TransferCancelled => write!(f, "transfer cancelled"),
            Response::Compacted => write!(f, "compacted"),
            Response::Rejected(why) => write!(f, "rejected: {why}"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NoCommitInTerm => write!(f, "the leader has not committed an entry of its term yet"),
            Rejection::ConfChangeInProgress => write!(f, "another membership change is in progress"),
            Rejection::ConfChange(error) => error.fmt(f),
            Rejection::TransferInProgress => write!(f, "a leadership transfer is in progress"),
            Rejection::TransferTargetNotVoter => write!(f, "the transfer target is not another voter"),
            Rejection::TransferFailed => write!(f, "the transfer target did not take over in time"),
            Rejection::TransferSuperseded => write!(f, "another transfer request replaced this one"),
            Rejection::TransferTargetRemoved => write!(f, "the transfer target is no longer a voter"),
            Rejection::TooMuchUncommitted => write!(f, "too many bytes are uncommitted"),
            Rejection::TooManyRequests => write!(f, "too many requests are waiting"),
            Rejection::LearnerTooFarBehind => write!(f, "the new voter lacks too much of the log"),
            Rejection::SnapshotOutdated => write!(f, "this server already has this snapshot or a newer one"),
            Rejection::SnapshotNotApplied => {
                write!(f, "the snapshot includes entries that are not applied yet")
            }
            Rejection::Halted => write!(f, "a write of this server failed"),
        }
    }
}
