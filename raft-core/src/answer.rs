//! How requests end: every one is answered, and never with more than is known.

use crate::ids::{Index, NodeId};
use crate::membership::Unfit;
use std::fmt;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
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
    Stays,
    /// The state is this server's newest snapshot. The write that follows makes it durable.
    Compacted,
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
    /// The one that leadership was to pass to did not take it within an election timeout.
    TransferFailed,
    /// Leadership was to pass to another server instead, or to stay.
    CalledOff,
    /// The one that leadership was to pass to was made a learner, or removed, before it could take it.
    TargetRemoved,
    /// So much is uncommitted that the leader takes no more for now.
    Busy,
    /// So many requests wait here that no more are taken for now.
    Full,
    /// The change would make a voter of a server that lacks too much of the log: it could keep the group from committing
    /// anything until it has caught up (thesis 4.2.1).
    Behind,
    /// This server has a snapshot of the same entries, or of more: perhaps it came from a leader meanwhile.
    SnapshotOutdated,
    /// The snapshot is of entries that were not handed out yet by [`Effect::Apply`](crate::Effect::Apply): nobody has that
    /// state.
    SnapshotNotApplied,
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
            Answer::Stays => write!(f, "leadership stays"),
            Answer::Compacted => write!(f, "compacted"),
            Answer::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooEarly => write!(f, "this leader has not committed anything of its term yet"),
            Refusal::ChangeUnderWay => write!(f, "another change is under way"),
            Refusal::Unfit(unfit) => unfit.fmt(f),
            Refusal::TransferUnderWay => write!(f, "leadership is being passed on"),
            Refusal::NoSuchVoter => write!(f, "leadership can only pass to another voter"),
            Refusal::TransferFailed => write!(f, "leadership was not taken in time"),
            Refusal::CalledOff => write!(f, "the transfer was called off"),
            Refusal::TargetRemoved => write!(f, "the one to take leadership is no voter any more"),
            Refusal::Busy => write!(f, "too much is uncommitted"),
            Refusal::Full => write!(f, "too many requests are under way"),
            Refusal::Behind => write!(f, "a server that is to vote lacks too much of the log"),
            Refusal::SnapshotOutdated => write!(f, "there is a snapshot that is as new or newer"),
            Refusal::SnapshotNotApplied => write!(f, "the snapshot is of entries that were not applied yet"),
            Refusal::Halted => write!(f, "this server's disk has failed"),
        }
    }
}
