//! What a Raft must never do, and must sometimes do: facts in, verdicts out.
//!
//! A Raft keeps its promises or it does not, and whoever looks at it needs to know nothing of how it is built. So this
//! crate knows no Raft. It knows [facts](fact::Fact): what a server makes true for others, in plain numbers. A fact is
//!
//! - a **claim** of the server about its own state ("my log has a new last entry, 5@3"),
//! - a **promise**, stated by the act of letting a message go ("a vote for n2 in term 4 has left me"), or
//! - a **truth** that a server cannot state: the disk says what is durable, the world says who died, the clients say what
//!   they have seen. A host that lies about its fsync cannot lie here, where a simulated disk speaks for itself.
//!
//! A [`Checker`] takes one fact after the other and compares each with everything before it. It answers at the first two
//! facts that cannot both be true of a correct Raft, with one sentence for a person. How it looks does not depend on how
//! long the run is: no property walks a log.
//!
//! # Judge your own Raft
//!
//! State what your servers do, as far as you can, in the order in which it happens. What you cannot state, leave out: the
//! properties that need it then say that they have [looked](Checker::looked) zero times, which is not the same as
//! having passed.
//!
//! ```
//! use invariants::{Checker, Fact, Observed};
//!
//! let mut checker = Checker::new();
//! let mut saw = |step, node, fact| checker.observe(&Observed { at: step * 1_000, step, node, fact });
//!
//! saw(1, 1, Fact::Leads { term: 7 })?;
//! saw(2, 1, Fact::SteppedDown { term: 7 })?;
//! let clash = saw(3, 3, Fact::Leads { term: 7 }).unwrap_err();
//!
//! assert_eq!(clash.to_string(), "election-safety: n3 leads term 7 although n1 already leads it");
//! assert_eq!(clash.first.unwrap().step, 1);
//! # Ok::<(), Box<invariants::Violation>>(())
//! ```
//!
//! A stream of facts begins with the cluster: each server's first `Started` finds an empty log. Facts of one server come
//! in the order in which they became true; a fact of one server that follows from another's comes after it.
//!
//! # Reading order
//!
//! [`fact`] and [`violation`] are the whole language. [`membership`] keeps which configurations may be in force by what
//! operators asked for. The shadow rebuilds every log, vote, term and configuration from
//! facts, in memory and on disk, with what snapshots stand for. [`milestones`] counts the situations that tell a good
//! run from a walk in the park. [`properties`] has one file for each thing that must hold, with its source in the Raft
//! paper or thesis, its reading and its blind spots. [`checker`] hands each fact to those that it concerns.
//! [`linearizability`] judges what clients saw, and knows no server (what that costs: `cargo bench -p invariants`).
//! [`formats`] reads and writes facts and histories.
//!
//! # What it leaves out
//!
//! Liveness: that something *should* have happened by now depends on what the world did, and the world knows that.
//! Time: facts carry it for the reader, no verdict depends on it. So a read by a lease is judged like any other, by
//! what it saw, and not by the clocks that it counted on.

pub mod fact;
pub mod violation;
pub mod membership;
mod shadow;
pub mod milestones;
mod check_context;
pub mod properties;
mod former_names;
pub mod checker;
pub mod linearizability;
pub mod formats;

pub use checker::{Checker, PROPERTIES, Property, UnknownProperty};
pub use fact::{
    ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, Digest, Fact, Index, LogId, Node, Observed,
    RequestId, Term, Time,
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
pub use violation::Violation;
