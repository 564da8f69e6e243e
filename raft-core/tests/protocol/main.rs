//! The protocol, step by step, on a table of servers: each module tests one part of it.
//!
//! One binary, because the table is large: every test file with a copy of its own would cost its compilation again.

#![expect(clippy::disallowed_methods, reason = "a test reads what the core prints")]

mod table;

mod batching;
#[cfg(feature = "bugs")]
mod bugs;
mod check_quorum;
mod elections;
mod forwarding;
mod host;
mod identity;
mod leases;
mod limits;
mod membership;
mod non_members;
mod reads;
mod replication;
mod rules;
mod saves;
mod scenarios;
mod schedules;
mod snapshots;
mod status;
mod transfer;
