//! A whole Raft cluster in one thread, from one number: broken, watched, replayed.
//!
//! # What happens
//!
//! A seed gives a [`plan::Plan`]; the plan is what runs. [`run`] lays out a [`world::World`] of links, disks and
//! clocks, puts a [`server::Server`] on each node and clients around them, and lets things happen one after another on
//! simulated time: first a storm, in which everything breaks and safety is asked, then peace, in which progress is
//! asked, also beside a server that stays ill where the plan says so ([`plan::Held`]). Everything that a server states,
//! and everything that its disk and its clients see, goes to the checker of the crate `invariants` at once. What came
//! of it is an [`outcome::Outcome`].
//!
//! All of it is one thread and follows from the plan alone: the same plan has the same digest on every machine.
//!
//! # What a plan brings about
//!
//! Its fields are the list ([`plan`]), and [`plan::FaultKind::ALL`] that of what breaks. Disks tear, stall, refuse to
//! sync, rot and are emptied; then a server comes back with another identity, and whoever runs the group may put it in
//! the old one's place. A fault may wait for a [`plan::Trigger`], such as the one between a new log file and its name.
//! Servers make snapshots far too often, read by leases on clocks that are as bad as they count on, pass requests on,
//! and are short of bytes; clients ask anybody, and lose their sessions by log time. Each of it in some runs only: what
//! is everywhere hides the rest.
//!
//! # Your own Raft
//!
//! Implement [`server::Server`] for it: boot from a disk, be stepped when something arrives, say when a timer is due.
//! Then [`run::run_with`] runs any plan on it. [`systems::raft_core::node`] is such a server, in a page or three.
//!
//! [`strategy::plans`] offers plans to proptest, so that a property test of your server is a few lines.
//!
//! # In which order to read it
//!
//! The `mod` lines below: first what shall happen ([`plan`]), then what there is ([`workload`], [`world`]), the seam
//! ([`server`]), how it moves ([`cluster`], and [`pump`], the only place that names the simulator underneath), the
//! built-in system ([`systems`]), one run ([`run`]), and then everything for people: cases and plans [`near`] them,
//! sweeps with a [ledger](sweep::ledger) that outlives them, smaller plans ([`shrink`] knows only plans and stands
//! above all that; [`same`] says what it asks), reports, the command line.
//!
//! # What it leaves out
//!
//! Stands in the README, under "What it does not do".

#[cfg(not(madsim))]
compile_error!(
    "the harness simulates only under `--cfg madsim`: start cargo inside the repository, whose .cargo/config.toml \
     sets it, and keep it in RUSTFLAGS if you set that variable"
);

pub mod rng;
pub mod text;
pub mod names;
pub mod bugs;
pub mod plan;
pub mod shrink;
pub mod outcome;
pub mod signature;
pub mod workload;
pub mod world;
pub mod server;
pub mod cluster;
pub mod pump;
pub mod systems;
pub mod run;
pub mod reproducer;
pub mod strategy;
pub mod vocabulary;
pub mod bench;
pub mod case;
pub mod refresh;
pub mod sweep;
pub mod survey;
pub mod report;
pub mod cli;
