//! How requests end: every one is answered, and never with more than is known.

use crate::ids::{Index, NodeId};
use crate::membership::ConfChangeError;
use std::fmt;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Response {
    /// The proposal stands at this index and was just handed out by [`Effect::Apply`](crate::Effect::Apply). A change that
    /// goes by way of a joint phase which ends by itself is answered at its end: from then on the group can do without
    /// whoever is in it no more. A joint phase that was asked for is answered when it is in force for good.
    Applied {
        /// Where it stands.
        index: Index,
    },
    /// This server does not lead; nothing was appended. Perhaps that one does.
    NotLeader {
        /// Who may lead.
        hint: Option<NodeId>,
    },
    /// Leadership was lost, or the leader's word on what was passed on to it did not come, or came of one of two copies:
    /// the proposal or change may be committed yet, or not; the transfer may have succeeded.
    Unknown,
    /// The server that leadership was to pass to campaigns with this server's blessing, and this server has made way.
    Transferred,
    /// Leadership stays here: the transfer that was under way is called off.
    TransferCancelled,
    /// The state is this server's newest snapshot. The write that follows makes it durable.
    Compacted,
    /// Not now, or not at all; certainly nothing happened.
    Rejected(Rejection),
}

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// This leader has committed no entry of its own term yet, so it does not know which changes are committed.
    NoCommitInTerm,
    /// Another change is not yet committed: one at a time.
    ConfChangeInProgress,
    /// The change does not fit the group as it is.
    ConfChange(ConfChangeError),
    /// Leadership is being passed on.
    TransferInProgress,
    /// Leadership can only pass to another voter.
    TransferTargetNotVoter,
    /// The one that leadership was to pass to did not take it within an election timeout.
    TransferFailed,
    /// Leadership was to pass to another server instead, or to stay.
    TransferSuperseded,
    /// The one that leadership was to pass to was made a learner, or removed, before it could take it.
    TransferTargetRemoved,
    /// So much is uncommitted that the leader takes no more for now.
    TooMuchUncommitted,
    /// So many requests wait here that no more are taken for now.
    TooManyRequests,
    /// The change would make a voter of a server that lacks too much of the log: it could keep the group from committing
    /// anything until it has caught up (thesis 4.2.1).
    LearnerTooFarBehind,
    /// This server has a snapshot of the same entries, or of more: perhaps it came from a leader meanwhile.
    SnapshotOutdated,
    /// The snapshot is of entries that were not handed out yet by [`Effect::Apply`](crate::Effect::Apply): nobody has that
    /// state.
    SnapshotNotApplied,
    /// This server's disk refused a write: it takes part no more until it is restarted.
    Halted,
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Applied { index } => write!(f, "applied at {index}"),
            Response::NotLeader { hint: Some(hint) } => write!(f, "not the leader, perhaps {hint} is"),
            Response::NotLeader { hint: None } => write!(f, "not the leader"),
            Response::Unknown => write!(f, "unknown"),
            Response::Transferred => write!(f, "transferred"),
            Response::TransferCancelled => write!(f, "leadership stays"),
            Response::Compacted => write!(f, "compacted"),
            Response::Rejected(why) => write!(f, "refused: {why}"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NoCommitInTerm => write!(f, "this leader has not committed anything of its term yet"),
            Rejection::ConfChangeInProgress => write!(f, "another change is under way"),
            Rejection::ConfChange(unfit) => unfit.fmt(f),
            Rejection::TransferInProgress => write!(f, "leadership is being passed on"),
            Rejection::TransferTargetNotVoter => write!(f, "leadership can only pass to another voter"),
            Rejection::TransferFailed => write!(f, "leadership was not taken in time"),
            Rejection::TransferSuperseded => write!(f, "the transfer was called off"),
            Rejection::TransferTargetRemoved => write!(f, "the one to take leadership is no voter any more"),
            Rejection::TooMuchUncommitted => write!(f, "too much is uncommitted"),
            Rejection::TooManyRequests => write!(f, "too many requests are under way"),
            Rejection::LearnerTooFarBehind => write!(f, "a server that is to vote lacks too much of the log"),
            Rejection::SnapshotOutdated => write!(f, "there is a snapshot that is as new or newer"),
            Rejection::SnapshotNotApplied => {
                write!(f, "the snapshot is of entries that were not applied yet")
            }
            Rejection::Halted => write!(f, "this server's disk has failed"),
        }
    }
}
