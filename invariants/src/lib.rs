//! Checkers for Raft: facts and client histories in, verdicts out.
//!
//! This crate knows no Raft implementation. It checks [facts](Fact), statements in plain numbers about what
//! servers do. A fact is
//!
//! - a **claim** of a server about its own state ("my log has a new last entry, 5@3"),
//! - a **promise** that a server makes by sending a message ("I have sent n2 a vote in term 4"), or
//! - a **truth** that a server cannot state: the simulated disk states what is durable, the world states what crashed, the
//!   clients state what they have seen. A host that reports a sync that never happened does not deceive the checker.
//!
//! A [`Checker`] compares each fact with all facts before it and reports the first two facts that cannot both be true
//! of a correct Raft, with one sentence. The cost of a fact does not depend on the length of the run: no property
//! walks a log.
//!
//! # Check your own Raft
//!
//! State what your servers do, in the order in which it happens. Leave out what you cannot state: the properties that
//! need it then report zero [checks](Checker::checks), which is not the same as having passed.
//!
//! ```
//! use invariants::{Checker, Fact, Observed};
//!
//! let mut checker = Checker::new();
//! let mut observe = |step, node, fact| checker.observe(&Observed { at: step * 1_000, step, node, fact });
//!
//! observe(1, 1, Fact::Leads { term: 7 })?;
//! observe(2, 1, Fact::SteppedDown { term: 7 })?;
//! let violation = observe(3, 3, Fact::Leads { term: 7 }).unwrap_err();
//!
//! assert_eq!(violation.to_string(), "election-safety: n3 leads term 7 although n1 already leads it");
//! assert_eq!(violation.first.unwrap().step, 1);
//! # Ok::<(), Box<invariants::Violation>>(())
//! ```
//!
//! A stream of facts begins with an empty cluster: the first `Started` of each server has an empty log. The facts of
//! one server come in the order in which they became true. A fact that follows from another server's fact comes after
//! it.
//!
//! # Reading order
//!
//! - `fact`, `evidence`, `conflict`, `violation`: input and output.
//! - `membership`: the configurations that may be in force, from operators' requests and responses.
//! - [`Contract`]: what a system promises otherwise than the Raft paper.
//! - `state`: rebuilds logs, votes, terms, leaders and configurations from facts, in memory and on disk.
//! - `milestones`: counts situations that a meaningful run should reach.
//! - [`properties`]: one file for each property, with its source in the Raft paper or thesis and its blind spots; and
//!   which facts concern which property.
//! - `checker`: keeps the state that properties compare facts with, and passes each fact to them.
//! - [`linearizability`]: checks client histories without facts (costs: `cargo bench -p invariants`).
//! - [`formats`]: reads and writes facts and histories.
//!
//! # What is not checked here
//!
//! Liveness: what should have happened by now depends on the faults, which only the harness knows. Time: facts carry
//! it for the reader, and no verdict depends on it. So a lease read is checked like any other read: by what it
//! returned, not by clocks.

mod fact;
mod evidence;
mod conflict;
mod violation;
mod contract;
mod dense_map;
mod membership;
mod state;
mod milestones;
mod check_context;
pub mod properties;
mod former_names;
mod checker;
pub mod linearizability;
pub mod formats;

pub use checker::{Checker, UnknownProperty};
pub use conflict::{
    CommittedInstead, ConfigurationStep, Conflict, NodeList, OutsiderReason, ReasonFlaw, SnapshotStep,
    StateStep, Truncation, Write,
};
pub use contract::{ConfigurationSteps, Contract, TakesEffect};
pub use fact::{
    ClientFact, ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfigurationError, ConfirmedBy,
    Digest, DiskFact, Fact, Index, LogId, Node, Observed, RejectionReason, RequestId, ServerFact, SessionEnd,
    SessionOutcome, SessionUse, Term, Time, WorldFact,
};
pub use former_names::{
    FORMER_MILESTONE_NAMES, FORMER_PROPERTY_NAMES, current_milestone_name, current_property_name,
};
pub use linearizability::{
    Action, Budget, Call, Content, Object, Operation, Position, Response, Verdict, Witness, WitnessFailure,
    check,
};
pub use membership::{Member, PossibleConfigurations};
pub use milestones::{Milestone, Milestones};
pub use properties::{PROPERTIES, Property};
pub use state::{ClusterState, Role, ServerState};
pub use violation::Violation;
