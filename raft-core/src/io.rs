//! The contract with the host: this is the place where it is written.
//!
//! The host steps the core with [`Input`]s and carries out its [`Effect`]s, in three lanes that may run side by side,
//! each in its own order:
//!
//! | lane | effects | what the host does |
//! | --- | --- | --- |
//! | disk | [`Effect::Save`] | writes in order, each as one record that a power loss takes wholly or not at all; when a write and all before it are durable, steps [`Input::Saved`] |
//! | network | [`Effect::Send`] | sends at once; messages may be lost, doubled, late |
//! | application | [`Effect::Apply`], [`Effect::ReadNow`], [`Effect::Answer`] | carries out in order |
//!
//! Nothing that promises a write leaves the core before that write is durable, so a host that carries out the lanes
//! cannot get the order wrong. What boot recovered is write 0, still in flight: the host syncs what it has read and
//! steps `Saved(SaveId(0))` before anything recovered may be promised.

use crate::ids::{Index, NodeId, RequestId, SaveId, Term};
use crate::log::{Entries, Entry};
use crate::membership::{Change, Unfit};
use crate::message::Message;
use bytes::Bytes;
use std::fmt;

/// What can happen to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The deadline is due. Stepping it early does nothing.
    Timer,
    /// A message came in.
    Message {
        /// The sender.
        from: NodeId,
        /// What it sent.
        message: Message,
    },
    /// A client's command shall be appended.
    Propose {
        /// The name under which it is answered.
        request: RequestId,
        /// What to append.
        command: Bytes,
    },
    /// A client wants to read the latest state.
    Read {
        /// The name under which it is answered.
        request: RequestId,
    },
    /// The group shall change.
    Change {
        /// The name under which it is answered.
        request: RequestId,
        /// How.
        change: Change,
    },
    /// Leadership shall pass to another server.
    Transfer {
        /// The name under which it is answered.
        request: RequestId,
        /// To whom.
        to: NodeId,
    },
    /// Every write up to this one is durable. Numbers may be skipped.
    Saved(SaveId),
}

/// What a server wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Disk: make this durable.
    Save {
        /// Its number.
        id: SaveId,
        /// What to write.
        write: Write,
    },
    /// Network: send this.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Application: these entries are committed, and durable here.
    Apply {
        /// The index of the first.
        first: Index,
        /// In order.
        entries: Entries,
    },
    /// Application: answer this read from the state as it now is.
    ReadNow {
        /// Which.
        request: RequestId,
    },
    /// Application: this is how the request ended. Every proposal gets one; every read gets one or a `ReadNow`.
    Answer {
        /// Which.
        request: RequestId,
        /// How.
        answer: Answer,
    },
}

/// One record of the write-ahead log: after a loss of power it is wholly there or wholly gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// The current term.
    pub term: Term,
    /// The vote in it.
    pub vote: Option<NodeId>,
    /// What the log kept when `entries` were added: everything after this is replaced by them.
    pub after: Index,
    /// What follows `after`. The log ends with the last of them.
    pub entries: Entries,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The proposal stands at this index and was just handed out by [`Effect::Apply`].
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
}

/// What a server's disk kept: everything that a new incarnation starts from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The saved term.
    pub term: Term,
    /// The saved vote in it.
    pub vote: Option<NodeId>,
    /// The saved log, from index 1 on.
    pub entries: Vec<Entry>,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}", self.term)?;
        if let Some(vote) = self.vote {
            write!(f, ", vote {vote}")?;
        }
        if let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) {
            write!(f, ", {}@{}", self.after.next(), first.term)?;
            if self.entries.len() > 1 {
                write!(f, "..{}@{}", self.after.0 + self.entries.len() as u64, last.term)?;
            }
        }
        Ok(())
    }
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
        }
    }
}
