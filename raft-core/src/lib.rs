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
//! Stands in [`io`], and there only. In one sentence: effects form three lanes, disk, network and application, which
//! may run side by side; the core holds back every promise until the writes that it rests on are durable.
//!
//! # In which order to read it
//!
//! [`ids`], [`bug`], [`quorum`], [`membership`], [`config`], [`log`], [`snapshot`], [`answer`], [`message`], [`progress`]
//! hold the nouns; [`io`] the contract; [`saves`] what waits for the disk; [`raft`] the state and the dispatch; then a
//! section of the paper each: `transfer`, `change`, `election`, `replication`, `read`, `install`, `forward`. [`session`]
//! stands apart: exactly-once client requests for any state machine.
//!
//! # What is left out
//!
//! How letters, writes and snapshots look as bytes, and how they get anywhere: that is the host's. The core keeps the
//! newest snapshot in memory.

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
pub mod saves;
pub mod raft;
mod transfer;
mod change;
mod election;
mod replication;
mod read;
mod install;
mod forward;
pub mod session;

pub use answer::{Answer, Refusal};
pub use bug::Bug;
pub use config::{Config, ConfigError};
pub use ids::{Identity, Index, Instant, LogId, NodeId, Peer, RequestId, SaveId, Term};
pub use io::{Confirmed, Effect, Input, Recovered, Write};
pub use log::{Entries, Entry, Log, Payload};
pub use membership::{Change, Configuration, Step, Unfit};
pub use message::{Letter, Message};
pub use raft::{Raft, Role};
pub use snapshot::{Kept, Part, Snapshot};
