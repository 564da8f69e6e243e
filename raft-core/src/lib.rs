//! Raft as a value and a function.
//!
//! # What it is
//!
//! [`Raft`] is one server of a group that keeps a replicated log (Ongaro and Ousterhout, *In Search of an
//! Understandable Consensus Algorithm*; sections in comments are of that paper, or of Ongaro's thesis where it says
//! so). It is a value: it can be cloned, compared and printed, and shares nothing. It has one function, [`Raft::step`],
//! which takes the time on the server's own clock and one [`Input`] and adds [`Effect`]s to a list, and one question,
//! [`Raft::deadline`]: when to step it at the latest. It has no clock, no disk, no network, no threads, and no way to
//! fail. (Where several things have happened meanwhile, [`Raft::step_all`] takes them in one go, for the price of one
//! write.)
//!
//! ```
//! use raft_core::{Config, Effect, Input, Instant, NodeId, Raft, Recovered, SaveId};
//!
//! let config = Config::new(NodeId(1), vec![NodeId(1)]);
//! let mut raft = Raft::new(config, Recovered::default(), Instant(0)).unwrap();
//! let mut effects = Vec::new();
//! raft.step(Instant(0), Input::Saved(SaveId(0)), &mut effects); // nothing was recovered, so nothing is to be synced
//! raft.step(raft.deadline().unwrap(), Input::Timer, &mut effects);
//! let Some(Effect::Save { id, .. }) = effects.pop() else { panic!("a candidate saves its vote first") };
//! assert!(!raft.leads(), "a vote counts once it is durable");
//! raft.step(Instant(700_000_000), Input::Saved(id), &mut effects);
//! assert!(raft.leads(), "alone in its group, one vote is a majority");
//! ```
//!
//! # The contract with the host
//!
//! Stands in [`io`], and there only, with what happens to a host that breaks it. In one sentence: effects form three lanes, disk, network and application, which
//! may run side by side; the core holds back every promise until the writes that it rests on are durable.
//!
//! # What it can do
//!
//! - Elections with pre-vote and check-quorum; leadership passes on; any change of the group through joint consensus,
//!   with learners. Each life of a server has an [`DirectoryId`]: one whose disk was emptied has forgotten what it
//!   promised, and does not count as the one that promised it.
//! - Replication in windows of messages and of bytes. A leader that holds too much uncommitted is
//!   [busy](Refusal::Busy) and says so; then certainly nothing happened.
//! - Snapshots: the host hands its state over when it likes ([`Input::Compact`]), and the log before it goes. Followers
//!   that lack what is gone are sent the snapshot, in parts.
//! - Reads without writing: by a round of asking, or by a lease, which rests on a bound that the host gives for how far
//!   clocks stray ([`Config::lease_drift`]). Where the host wants it, followers pass reads and proposals on.
//! - A disk that refuses a write ([`Input::SaveFailed`]) ends this incarnation: it promises nothing any more, refuses
//!   as [halted](Refusal::Halted), and a restart finds out what is there.
//!
//! - [`Raft::status`] says what a server is doing: for a leader, how far each follower is and how it is sent what it lacks.
//!
//! What [`Config::new`] leaves off stays off until it is asked for: leases, forwarding, identities, limits in bytes.
//!
//! # In which order to read it
//!
//! [`ids`], [`bug`], [`quorum`], [`membership`], [`config`], [`log`], [`snapshot`], [`answer`], [`message`],
//! [`progress`] hold the nouns; [`io`] the contract; [`recovery`] what a disk can have kept; [`saves`] what waits for the
//! disk; [`raft`] the state and the dispatch; then a section of the paper each: `transfer`, `change`, `election`,
//! `replication`, `read`, `install`, `forward`. [`status`] is for metrics and debugging. [`session`] stands apart: exactly-once client requests for any state machine, in sessions that may end by
//! log time, which stands in the log and so is the same for all servers.
//!
//! # What is left out
//!
//! How letters, writes and snapshots look as bytes, and how they get anywhere: that is the host's; so is when to make a
//! snapshot, and drawing identities. The core never learns how far the application is. It keeps the newest snapshot in
//! memory, whole, and gathers the parts of the next one there.

pub mod ids;
pub mod bug;
pub mod quorum;
pub mod membership;
pub mod config;
pub mod log;
pub mod snapshot;
pub mod answer;
pub mod message;
pub mod progress;
pub mod io;
pub mod recovery;
pub mod saves;
pub mod raft;
mod transfer;
mod change;
mod election;
mod replication;
mod read;
mod install;
mod forward;
pub mod status;
pub mod session;

pub use answer::{Rejection, Response};
pub use bug::Bug;
pub use config::{Config, ConfigError};
pub use ids::{DirectoryId, Index, LogId, NodeId, ReplicaKey, RequestId, SaveId, Term, Timestamp};
pub use io::{Effect, Input, ReadConfirmation, Recovered, SaveRecord};
pub use log::{Entries, Entry, Log, Payload};
pub use membership::{ConfChange, ConfChangeError, ConfChangeOp, Configuration, Malformed};
pub use message::{Envelope, Message};
pub use raft::{Raft, Role};
pub use recovery::{RecoveredError, StartError};
pub use snapshot::{Checkpoint, Snapshot, SnapshotChunk};
pub use status::Status;
