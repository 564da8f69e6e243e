//! How requests end: every one is answered, and never with more than is known.

use crate::ids::{Index, NodeId};
use crate::membership::Unfit;
use std::fmt;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The proposal stands at this index and was just handed out by [`Effect::Apply`](crate::Effect::Apply).
    Applied {
        /// Where it stands.
        index: Index,
    },
    /// This server does not lead; nothing was appended. Perhaps that one does.
    NotLeader {
        /// Who may lead.
        hint: Option<NodeId>,
    },
    /// Leadership was lost: the proposal or change may be committed yet, or not; the transfer may have succeeded.
    Unknown,
    /// The server that leadership was to pass to campaigns with this server's blessing, and this server has made way.
    Transferred,
    /// Not now, or not at all; certainly nothing happened.
    Refused(Refusal),
}

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// This leader has committed no entry of its own term yet, so it does not know which changes are committed.
    TooEarly,
    /// Another change is not yet committed: one at a time.
    ChangeUnderWay,
    /// The change does not fit the group as it is.
    Unfit(Unfit),
    /// Leadership is being passed on.
    TransferUnderWay,
    /// Leadership can only pass to another voter.
    NoSuchVoter,
    /// The one that leadership was to pass to did not take it within an election timeout, or was removed.
    TransferFailed,
    /// So much is uncommitted that the leader takes no more for now.
    Busy,
    /// This server's disk refused a write: it takes part no more until it is restarted.
    Halted,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Applied { index } => write!(f, "applied at {index}"),
            Answer::NotLeader { hint: Some(hint) } => write!(f, "not the leader, perhaps {hint} is"),
            Answer::NotLeader { hint: None } => write!(f, "not the leader"),
            Answer::Unknown => write!(f, "unknown"),
            Answer::Transferred => write!(f, "transferred"),
            Answer::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooEarly => write!(f, "this leader has not committed anything yet"),
            Refusal::ChangeUnderWay => write!(f, "another change is under way"),
            Refusal::Unfit(unfit) => unfit.fmt(f),
            Refusal::TransferUnderWay => write!(f, "leadership is being passed on"),
            Refusal::NoSuchVoter => write!(f, "leadership can only pass to another voter"),
            Refusal::TransferFailed => write!(f, "leadership was not taken in time"),
            Refusal::Busy => write!(f, "too much is uncommitted"),
            Refusal::Halted => write!(f, "this server's disk has failed"),
        }
    }
}
