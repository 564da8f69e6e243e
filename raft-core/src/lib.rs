//! Raft as a value and a function.
//!
//! # What it is
//!
//! [`Raft`] is one server of a group that keeps a replicated log (Ongaro and Ousterhout, *In Search of an
//! Understandable Consensus Algorithm*; sections in comments are of that paper, or of Ongaro's thesis where it says
//! so). It is a value: it can be cloned, compared and printed, and shares nothing. It has one function, [`Raft::step`],
//! which takes the time on the server's own clock and one [`Input`] and adds [`Effect`]s to a list, and one question,
//! [`Raft::deadline`]: when to step it at the latest. It has no clock, no disk, no network, no threads, and no way to
//! fail.
//!
//! ```
//! use raft_core::{Config, Effect, Input, Instant, NodeId, Raft, Recovered, SaveId};
//!
//! let config = Config {
//!     id: NodeId(1),
//!     voters: vec![NodeId(1)],
//!     election_timeout: 300_000_000,
//!     election_timeout_spread: 300_000_000,
//!     heartbeat_interval: 100_000_000,
//!     pre_vote: true,
//!     check_quorum: true,
//!     max_batch: 64,
//!     max_in_flight: 16,
//!     seed: 1,
//!     bug: None,
//! };
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
//! Stands in [`io`], and there only. In one sentence: effects form three lanes, disk, network and application, which
//! may run side by side; the core holds back every promise until the writes that it rests on are durable.
//!
//! # In which order to read it
//!
//! [`ids`], [`bug`], [`quorum`], [`membership`], [`config`], [`log`], [`message`], [`progress`] hold the nouns; [`io`] the
//! contract; [`saves`] what waits for the disk; [`raft`] the state and the dispatch; then a section of the paper each:
//! `transfer`, `change`, `election`, `replication`, `read`. [`session`] stands apart: exactly-once client requests for
//! any state machine.
//!
//! # What is left out
//!
//! Snapshots (7) and leader leases (thesis 6.4.1) are not here yet, so a log grows for ever; nor are reads and proposals
//! that a follower forwards, limits on what is uncommitted, and failing writes.

pub mod ids;
pub mod bug;
pub mod quorum;
pub mod membership;
pub mod config;
pub mod log;
pub mod message;
pub mod progress;
pub mod io;
pub mod saves;
pub mod raft;
mod transfer;
mod change;
mod election;
mod replication;
mod read;
pub mod session;

pub use bug::Bug;
pub use config::{Config, ConfigError};
pub use ids::{Index, Instant, LogId, NodeId, RequestId, SaveId, Term};
pub use io::{Answer, Effect, Input, Recovered, Refusal, Write};
pub use log::{Entries, Entry, Log, Payload};
pub use membership::{Change, Configuration, Step, Unfit};
pub use message::Message;
pub use raft::{Raft, Role};
