//! Raft as a value and a function.
//!
//! # What it is
//!
//! [`Raft`] is one server of a cluster that replicates a log (Ongaro and Ousterhout, *In Search of an
//! Understandable Consensus Algorithm*; section numbers in comments refer to that paper, or to Ongaro's
//! thesis where they say so). It is a value: it can be cloned, compared and printed, and shares no mutable
//! state. [`Raft::step`] takes the time on the server's own clock and one [`Input`], and appends [`Effect`]s
//! to a list. [`Raft::deadline`] returns the latest time of the next step. [`Raft::step_all`] takes several
//! inputs at once and issues one write for all of them. The core has no clock, disk, network or threads, and
//! a step cannot fail.
//!
//! ```
//! use raft_core::{Config, Effect, Input, NodeId, Raft, Recovered, SaveId, Timestamp};
//!
//! let config = Config::new(NodeId(1), vec![NodeId(1)]);
//! let mut raft = Raft::new(config, Recovered::default(), Timestamp(0)).unwrap();
//! let mut effects = Vec::new();
//! raft.step(Timestamp(0), Input::Saved(SaveId(0)), &mut effects); // nothing was recovered: nothing to sync
//! raft.step(raft.deadline().unwrap(), Input::Timer, &mut effects);
//! let Some(Effect::Save { id, .. }) = effects.pop() else { panic!("a candidate must save its vote first") };
//! assert!(!raft.is_leader(), "a vote counts only once it is durable");
//! raft.step(Timestamp(700_000_000), Input::Saved(id), &mut effects);
//! assert!(raft.is_leader(), "in a cluster of one, one vote is a majority");
//! ```
//!
//! # The contract with the host
//!
//! [`io`] defines it, and lists what happens when a host breaks it. In short: effects form three lanes (disk,
//! network, application), which may run concurrently. The core defers each promise, such as a vote or an
//! acknowledgement, until the writes that it depends on are durable.
//!
//! # What it can do
//!
//! - Elections with pre-vote and check-quorum; leadership transfer; any membership change, through joint
//!   consensus where more than one voter changes; learners. A server whose disk was wiped gets a new
//!   [`DirectoryId`]: it has lost its promises, so it does not count as the replica that made them.
//! - Replication with limits on messages and bytes in flight. A leader with too many uncommitted bytes
//!   rejects proposals with [`Rejection::TooMuchUncommitted`]; a rejected request had no effect.
//! - Snapshots: the host passes in its state when it chooses to ([`Input::Compact`]), and the log up to there
//!   is discarded. A follower that needs discarded entries gets the snapshot, in chunks.
//! - Reads without log writes: by a round of heartbeats (read index), or by a lease, which depends on the
//!   host's bound on clock drift ([`Config::lease_drift`]). Optionally, followers forward reads and proposals
//!   to the leader.
//! - Disk errors: after a failed write ([`Input::SaveFailed`]) the server makes no more promises and rejects
//!   every request with [`Rejection::Halted`]. Only a restart, which reads the disk again, brings it back.
//! - [`Raft::status`] reports the state of a server and, on a leader, the progress of each follower.
//!
//! [`Config::new`] leaves leases, forwarding, directory IDs and byte limits off.
//!
//! # Where to find it
//!
//! Sections are of the paper, unless marked as of the thesis. Each module is one file in `src`, declared in
//! reading order: first the data (`ids` to `progress`), then the contract ([`io`]), what may be recovered
//! (`recovery`), the server (`saves` to `durable`), and a module for each topic.
//!
//! | topic | section | module | function |
//! | --- | --- | --- | --- |
//! | state and start | 5.1 | `raft` | `new`, `configuration` |
//! | dispatch, batches | 5.1 | `step` | `step`, `step_all`, `handle_input` |
//! | term rule | 5.1 | `step` | `on_envelope`, `become_follower` |
//! | writes, then promises, then entries | 5.1 | `durable` | `save`, `send_when_durable`, `apply` |
//! | writes in flight | | `saves` | `issue`, `complete`, `defer`, `release` |
//! | election | 5.2 | `election` | `on_election_timeout`, `campaign`, `count_vote` |
//! | election restriction | 5.4.1 | `election` | `on_request_vote`, `is_up_to_date` |
//! | pre-vote | thesis 9.6 | `election` | `on_pre_vote` |
//! | ignoring disruptive servers | thesis 4.2.3 | `election` | `ignores_vote_request` |
//! | log matching | 5.3 | `replication` | `on_append`, `merge_entries`, `on_append_rejected` |
//! | commit rule | 5.3, 5.4.2 | `replication` | `advance_commit` |
//! | flow control | thesis 10.2.1 | `progress` | `may_send`, `on_accepted`, `on_rejected` |
//! | read index | thesis 6.4 | `read` | `start_read`, `confirm_reads` |
//! | lease | thesis 6.4.1 | `read` | `holds_lease` |
//! | compaction | 7 | `install` | `compact` |
//! | snapshot transfer | 7 | `install` | `send_chunks`, `on_install_snapshot` |
//! | membership: rules of a change | 6, thesis 4 | `membership` | `after`, `simple`, `enter_joint`, `leave_joint` |
//! | membership: proposal, end of a joint phase | 6 | `change` | `propose_conf_change`, `on_commit_advanced` |
//! | majorities, also of joint configurations | 6 | `membership` | `is_quorum`, `quorum_value` |
//! | check-quorum | thesis 6.2 | `change` | `has_quorum_contact` |
//! | leadership transfer | thesis 3.10 | `transfer` | `transfer`, `maybe_send_timeout_now` |
//! | forwarding to the leader | thesis 6.4 | `forward` | `on_forward`, `on_forward_response` |
//! | invariants of one server | | `invariants` | `assert_invariants` |
//! | exactly-once requests | thesis 6.3 | `session` | `apply`, `register`, `expire` |
//!
//! A line that safety rests on carries a switch, `self.bug(Bug::...)`, with the feature `bugs`: [`Bug`] says
//! what breaks without it. [`status`] is for metrics and debugging. [`session`] is independent of the rest:
//! exactly-once client requests for any state machine, in sessions that may expire by log time, a clock that
//! is part of the log and so the same on every server.
//!
//! # What is left out
//!
//! The host decides how messages, writes and snapshots are encoded, how messages are delivered, when to make
//! a snapshot, and how directory IDs are drawn. The core hands out committed entries and never learns how far
//! the application has processed them. It keeps the newest snapshot in memory, whole, and assembles the
//! chunks of the next one in memory too.

// The core has no output but its effects.
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

mod ids;
mod bug;
mod quorum;
mod membership;
mod config;
mod log;
mod snapshot;
mod response;
mod message;
mod progress;
pub mod io;
mod recovery;
mod saves;
mod role;
mod raft;
mod step;
mod durable;
mod election;
mod replication;
mod read;
mod install;
mod change;
mod transfer;
mod forward;
mod invariants;
pub mod status;
pub mod session;
#[cfg(feature = "canonical")]
pub mod canonical;

#[doc(hidden)]
pub use bug::ask as ask_switch;
pub use bug::{Bug, BugInfo, Catalogue};
pub use config::{Config, ConfigError};
pub use ids::{DirectoryId, Index, LogId, NodeId, ReadKey, ReplicaKey, RequestId, SaveId, Term, Timestamp};
pub use io::{Effect, Input, ReadConfirmation, Recovered, SaveRecord};
pub use log::{ENTRY_COST, Entries, Entry, Log, Payload};
pub use membership::{ConfChange, ConfChangeError, ConfChangeOp, Configuration, MAX_MEMBERS, Malformed};
pub use message::{Envelope, ForwardOutcome, ForwardRequest, Message, MessageContext};
pub use raft::Raft;
pub use recovery::{RecoveredError, StartError};
pub use response::{Rejection, Response};
pub use role::{Leader, Role};
pub use snapshot::{Checkpoint, Snapshot, SnapshotChunk};
pub use status::Status;

#[cfg(test)]
mod reference_models;
