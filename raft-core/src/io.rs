//! The contract with the host. This is its only definition.
//!
//! The host steps the core with [`Input`]s and carries out its [`Effect`]s in three lanes, which may run
//! concurrently. Each lane keeps its order:
//!
//! | lane | effects | what the host does |
//! | --- | --- | --- |
//! | disk | [`Effect::Save`] | writes in order, each as one record that survives a power loss wholly or not at all; when a write and all before it are durable, steps [`Input::Saved`] |
//! | network | [`Effect::Send`] | sends at once; messages may be lost, duplicated, delayed and reordered |
//! | application | [`Effect::Restore`], [`Effect::Apply`], [`Effect::ReadNow`], [`Effect::Respond`] | carries out in order |
//!
//! A message that promises a write leaves the core only after that write is durable, so the host need not
//! order one lane after another. What boot recovered is write 0, still in flight: the host syncs what it has
//! read and steps `Saved(SaveId(0))`. Until then the core promises nothing that was recovered.
//!
//! The host decides when to make a snapshot. It takes the application's state after an applied entry and
//! steps [`Input::Compact`]. The write that follows replaces everything written before, as one record like
//! any other: write a new file, sync it, rename it over the old one, sync the directory.
//!
//! The host reports a failed write with [`Input::SaveFailed`]. What the disk holds is then unknown, so the
//! server stops: it grants no votes, acknowledges nothing and rejects every request. Only a restart brings it
//! back, and what a restart reads need not be durable. After a failed sync some systems keep the pages in the
//! page cache and write them with the next sync. Others mark them clean: reads still return them, no later
//! sync writes them, and a power loss discards them although every later sync succeeded. So recovery after a
//! failed sync must bypass the page cache (direct I/O, or after dropping the cache), or write all that it has
//! read to a new file, as for a snapshot, and sync that. `Saved(SaveId(0))` may be stepped only when the
//! recovered data is durable; a successful sync alone does not prove that.
//!
//! # What a host can do wrong
//!
//! | mistake | what happens |
//! | --- | --- |
//! | `Saved` with an ID that was never issued | [`Raft::step`](crate::Raft::step) panics: the host is not counting these writes |
//! | `Saved` again, or with an older ID | nothing |
//! | `Saved` or `SaveFailed` after `SaveFailed` | nothing: the failed write may have damaged those before it |
//! | `Saved` before the write is durable, or out of order | not detected. A power loss then breaks a promise: two leaders in a term, a committed entry lost |
//! | no `Saved`, not even for write 0 | the server promises nothing: no votes, no acknowledgements; a leader steps down after an election timeout |
//! | `Timer` early | nothing. Late, or never: late elections and heartbeats |
//! | `now` goes back | a deadline may expire twice. A lease may be used for longer than it was promised: stale reads |
//! | `Receive` of a message for another server | dropped. Duplicated or late messages are no mistake: networks do that |
//! | `Compact` of a state that is too old or too new | rejected, without effect |
//! | `Compact` with bytes that are not the state | not detected; followers install them |
//! | a [`Recovered`] that cannot have been saved | [`Raft::new`](crate::Raft::new) rejects it, and says where |
//! | a [`Recovered`] that lacks what was reported durable | not detected if it could have been saved. The server has lost promises: it must get another [`DirectoryId`](crate::DirectoryId) |
//! | a [`RequestId`] used twice | two responses with one ID |

use crate::ids::{Index, NodeId, ReadKey, RequestId, SaveId, Term};
use crate::log::{Entries, Entry};
use crate::membership::ConfChange;
use crate::message::Envelope;
use crate::response::Response;
use crate::snapshot::{Checkpoint, Snapshot};
use bytes::Bytes;
use std::fmt;

/// What the host steps a server with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The deadline has passed. Has no effect before it.
    Timer,
    /// A message arrived.
    Receive(Envelope),
    /// A client's command to append.
    Propose {
        /// Returned with the response.
        request: RequestId,
        /// The command.
        command: Bytes,
    },
    /// A linearizable read of the state.
    Read {
        /// Returned with the response.
        request: RequestId,
        /// Returned by the leader that confirms it.
        key: ReadKey,
    },
    /// A membership change.
    ConfChange {
        /// Returned with the response.
        request: RequestId,
        /// The change.
        change: ConfChange,
    },
    /// A transfer of leadership to another server.
    Transfer {
        /// Returned with the response.
        request: RequestId,
        /// The target.
        to: NodeId,
    },
    /// Every write up to this one is durable. IDs may be skipped.
    Saved(SaveId),
    /// A write has failed, or the host cannot know whether it succeeded.
    SaveFailed,
    /// The application's state, after which the log up to there can be discarded (7). Answered in the same
    /// step: rejected without effect if it is not newer than the newest snapshot, or newer than what was
    /// applied.
    Compact {
        /// Returned with the response.
        request: RequestId,
        /// The last entry that the state includes. It must have been applied.
        index: Index,
        /// The state.
        data: Bytes,
        /// Entries after this one stay, for followers that lag a little. Values above `index` mean `index`.
        keep: Index,
    },
}

/// What a server asks its host to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Disk: make this durable.
    Save {
        /// Identifies the write in [`Input::Saved`].
        id: SaveId,
        /// What to write.
        record: SaveRecord,
    },
    /// Network: send this.
    Send(Envelope),
    /// Application: replace the whole state by this snapshot.
    Restore(Snapshot),
    /// Application: these entries are committed, and durable on this server.
    Apply {
        /// The index of the first entry.
        first: Index,
        /// The entries, in log order.
        entries: Entries,
    },
    /// Nothing to do: this leader has confirmed a read of its own host or of a follower. Hosts may record it.
    ReadConfirmed {
        /// The read.
        key: ReadKey,
        /// The term that this server leads.
        term: Term,
        /// The read may be served once this index is applied.
        index: Index,
        /// How leadership was confirmed.
        confirmation: ReadConfirmation,
    },
    /// Application: answer this read from the current state.
    ReadNow {
        /// The request.
        request: RequestId,
        /// Why this state is new enough.
        confirmation: ReadConfirmation,
    },
    /// Application: the result of a request. Every request gets exactly one; a read gets this or a `ReadNow`.
    Respond {
        /// The request.
        request: RequestId,
        /// Its result.
        response: Response,
    },
}

/// Why a read may be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadConfirmation {
    /// A majority has confirmed this server as leader since the read began.
    Quorum,
    /// This server holds a lease.
    Lease,
    /// The leader has confirmed it: the read was forwarded.
    Leader,
}

/// One record of the write-ahead log: after a power loss it is wholly there or wholly gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaveRecord {
    /// The current term.
    pub term: Term,
    /// The vote in it.
    pub vote: Option<NodeId>,
    /// `entries` replace everything after this index.
    pub after: Index,
    /// The entries after `after`. The log ends with the last of them.
    pub entries: Entries,
    /// If given, this write replaces all earlier ones: `after` is the compacted index, `entries` the whole
    /// log after it.
    pub checkpoint: Option<Box<Checkpoint>>,
}

/// What a server's disk held: the start of a new incarnation. Rejected if it cannot have been saved
/// ([`Recovered::validate`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The saved term.
    pub term: Term,
    /// The saved vote in it. May name a server that is in no recovered configuration (6): the
    /// candidate may come from one that this server does not know yet.
    pub vote: Option<NodeId>,
    /// The newest snapshot and the compacted index; `None` if nothing was compacted.
    pub checkpoint: Option<Checkpoint>,
    /// The saved log after the compacted index, or from index 1.
    pub entries: Vec<Entry>,
}

impl fmt::Display for SaveRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}", self.term)?;
        if let Some(vote) = self.vote {
            write!(f, ", vote {vote}")?;
        }
        if let Some(checkpoint) = &self.checkpoint {
            write!(f, ", snapshot up to {}", checkpoint.snapshot.last)?;
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
