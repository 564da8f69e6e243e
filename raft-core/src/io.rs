//! The contract with the host: this is the place where it is written.
//!
//! The host steps the core with [`Input`]s and carries out its [`Effect`]s, in three lanes that may run side by side,
//! each in its own order:
//!
//! | lane | effects | what the host does |
//! | --- | --- | --- |
//! | disk | [`Effect::Save`] | writes in order, each as one record that a power loss takes wholly or not at all; when a write and all before it are durable, steps [`Input::Saved`] |
//! | network | [`Effect::Send`] | sends at once; messages may be lost, doubled, late |
//! | application | [`Effect::Restore`], [`Effect::Apply`], [`Effect::ReadNow`], [`Effect::Answer`] | carries out in order |
//!
//! Nothing that promises a write leaves the core before that write is durable, so a host that carries out the lanes
//! cannot get the order wrong. What boot recovered is write 0, still in flight: the host syncs what it has read and
//! steps `Saved(SaveId(0))` before anything recovered may be promised.
//!
//! When to make a snapshot is the host's policy. It takes one of its application after some entry that was applied and
//! steps [`Input::Compact`]; the write that follows replaces everything written before, and is one record like any
//! other: a new file that is written, synced, renamed over the old one, and the directory synced.
//!
//! A disk that refuses a write is told to the core by [`Input::SaveFailed`]. Nobody knows what such a disk keeps, so the
//! server takes part no more: it votes for nobody, acknowledges nothing, and refuses every request. A restart is the way
//! back, but what it reads is not always what is durable. Some systems keep the pages of a failed sync in the page cache and
//! write them with the next sync; others mark them clean, so that reads still show them, no later sync writes them, and a
//! loss of power takes them, though every sync since has ended well. So recovery after a failed sync must not believe the
//! page cache: it reads past it (direct I/O, or after the cache was dropped), or it writes again all that it has read, into
//! a new file as for a snapshot, and syncs that. `Saved(SaveId(0))` may be stepped only when this is durable: a sync alone
//! does not show that.
//!
//! # What a host can do wrong
//!
//! | mistake | what happens |
//! | --- | --- |
//! | `Saved` with an id that was never issued | [`Raft::step`](crate::Raft::step) panics: whatever the host counts, it is not these writes |
//! | `Saved` again, or with an older id | nothing |
//! | `Saved` or `SaveFailed` after `SaveFailed` | nothing: a write that was refused may have taken those before it along |
//! | `Saved` before the write is durable, or not in order | not noticed. After a power loss a promise is broken: two leaders in a term, a committed entry lost |
//! | no `Saved`, not even for write 0 | the server promises nothing: no votes, no acknowledgements; a leader steps down after an election timeout |
//! | `Timer` early | nothing. Late, or never: late elections and heartbeats |
//! | `now` goes back | what was due earlier may be due again. A lease may be held for longer than it was promised: stale reads |
//! | `Receive` of what is not for this server | dropped. Twice or late is no mistake: networks do that |
//! | `Compact` of a state that is too old or too new | refused, without effect |
//! | `Compact` with bytes that are not the state | not noticed; followers install them |
//! | a [`Recovered`] that cannot have been saved | [`Raft::new`](crate::Raft::new) refuses it, and says where |
//! | a [`Recovered`] that lacks what was reported durable | not noticed where it could have been saved. The server has forgotten promises: it must have another [`DirectoryId`](crate::Identity) |
//! | a request's name used twice | two answers under one name |

use crate::answer::Response;
use crate::ids::{Index, NodeId, RequestId, SaveId, Term};
use crate::log::{Entries, Entry};
use crate::membership::ConfChange;
use crate::message::Envelope;
use crate::snapshot::{Checkpoint, Snapshot};
use bytes::Bytes;
use std::fmt;

/// What can happen to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The deadline is due. Stepping it early does nothing.
    Timer,
    /// A letter came in.
    Receive(Envelope),
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
    ConfChange {
        /// The name under which it is answered.
        request: RequestId,
        /// How.
        change: ConfChange,
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
    /// The disk has refused a write, or cannot tell what became of it.
    SaveFailed,
    /// The application hands over its state: the log before it can go (7). Answered in the same step: refused, and without
    /// effect, where the state is not newer than the newest snapshot, or newer than what was applied.
    Compact {
        /// The name under which it is answered.
        request: RequestId,
        /// After which entry: one that was applied.
        index: Index,
        /// The state.
        data: Bytes,
        /// Entries after this one stay, for followers that are a little behind. Beyond `index` it means `index`.
        keep: Index,
    },
}

/// What a server wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Disk: make this durable.
    Save {
        /// Its number.
        id: SaveId,
        /// What to write.
        record: SaveRecord,
    },
    /// Network: send this.
    Send(Envelope),
    /// Application: the state is what this snapshot says; what was before is gone.
    Restore(Snapshot),
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
        /// How it is known that this state is new enough.
        confirmation: ReadConfirmation,
    },
    /// Application: this is how the request ended. Every request gets one answer; a read gets this or a `ReadNow`.
    Respond {
        /// Which.
        request: RequestId,
        /// How.
        response: Response,
    },
}

/// How it is known that a read may be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadConfirmation {
    /// A majority has said, since it was asked, that this server leads.
    Quorum,
    /// This server holds a lease.
    Lease,
    /// The leader has said so: it was passed on to it.
    Leader,
}

/// One record of the write-ahead log: after a loss of power it is wholly there or wholly gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaveRecord {
    /// The current term.
    pub term: Term,
    /// The vote in it.
    pub vote: Option<NodeId>,
    /// What the log kept when `entries` were added: everything after this is replaced by them.
    pub after: Index,
    /// What follows `after`. The log ends with the last of them.
    pub entries: Entries,
    /// Where given, this write replaces all that were made before: `after` is the base, and `entries` the whole log
    /// after it.
    pub checkpoint: Option<Box<Checkpoint>>,
}

/// What a server's disk kept: everything that a new incarnation starts from. Refused where it cannot have been saved
/// ([`Recovered::validate`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The saved term.
    pub term: Term,
    /// The saved vote in it. Not always for a member of a configuration that was recovered: see [`crate::recovery`].
    pub vote: Option<NodeId>,
    /// The newest snapshot, and where the log begins; nothing where all of the log is kept.
    pub checkpoint: Option<Checkpoint>,
    /// The saved log, from the base on, or from index 1.
    pub entries: Vec<Entry>,
}

impl fmt::Display for SaveRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}", self.term)?;
        if let Some(vote) = self.vote {
            write!(f, ", vote {vote}")?;
        }
        if let Some(kept) = &self.checkpoint {
            write!(f, ", snapshot up to {}", kept.snapshot.last)?;
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
