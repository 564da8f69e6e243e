//! Parts that a server may be made of, so that an adapter is about its Raft and nothing else.
//!
//! *In*: a [`Host`](crate::server::Host), and what a Raft library gives its user: entries to save and to apply, moments at
//! which a read may be served, changes of role. *Out*: bytes on the disk, replies, and the facts that follow from both.
//! Used by systems, here and in other packages. Each part works alone.
//!
//! - [`OpenRequests`]: which requests wait for an answer, under which number, and what to answer when the server cannot
//!   know. Reads wait in it until an index is applied.
//! - [`Application`]: the key-value application with its sessions, snapshots and compaction policy.
//! - [`DurableLog`]: term, vote, entries and snapshots in one file, with several syncs in flight.
//!   [`wal`] is its format.
//! - [`MemoryLog`]: the same in memory, for a library that reads the log through its user.
//! - [`StatedState`]: the facts about term, role and commit index. [`StatedCounts`]: those about what a leader counts.
//! - [`PendingTransfer`]: a transfer of leadership.
//! - [`HeldUntilSaved`]: messages that may leave only after a save.
//! - [`HostLie`] and [`LogBug`]: bugs that the durable log has on request, to show that the properties see them. A system
//!   offers them in [`Server::CATALOGUES`](crate::server::Server::CATALOGUES).

pub mod wal;
mod bugs;
mod durable_log;
mod memory_log;
mod stated_state;
mod stated_counts;
mod compaction;
mod application;
mod requests;
mod transfer;

pub use application::{Application, DueSnapshot};
pub use bugs::{CATALOGUES, HostLie, LogBug};
pub use durable_log::{DurableLog, HeldUntilSaved, Rewrite, Save, SyncOutcome, entry_digest};
pub use memory_log::{LogEntry, MemoryLog};
pub use requests::{OpenRequests, Requester};
pub use stated_counts::{Counted, StatedCounts};
pub use stated_state::StatedState;
pub use transfer::PendingTransfer;
