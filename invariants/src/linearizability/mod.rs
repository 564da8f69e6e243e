//! Linearizability: could what the clients saw have come from one copy of the data that does one thing at a time?
//!
//! A history is a set of operations, each with the time of its call, and the time and content of its answer. It is
//! *linearizable* if the operations can be put in one order such that
//!
//! - a single copy that executes them in this order would give every client the answer it got, and
//! - an operation that returned before another was called stands before it.
//!
//! An operation whose client gave up is *unknown*: it may stand anywhere after its call, or not at all. A compare-and-set
//! that failed is an observation: it saw another content than it expected.
//!
//! # Which check when
//!
//! The **witness** ([`Witness`]) runs along with the simulation. Raft claims an order, its log; the witness verifies it
//! at each answer, in constant time. If it never fails, the history *is* linearizable, whatever the system is, across
//! all keys, and nothing further need be done. If it fails, "the system's own order is broken", and the run can be
//! stopped there; that is a fault of the system, but not yet one that a client could have noticed.
//!
//! The **search** ([`check`]) knows nothing but the clients' history, and finds an order or proves that there is none.
//! It gives the verdict on what the clients saw: after a witness has failed, and for systems that claim no order. It
//! works key by key, for a history is linearizable if each key's part is. The problem is hard in general, so it has a
//! [`Budget`] in steps and, besides "linearizable" and "violation", a third verdict, "unknown", which means what it
//! says.
//!
//! # What makes it cheap
//!
//! A workload that writes every value once, gives every deletion a number of its own and lets a failed compare-and-set
//! tell what it saw leaves the search nearly no choices.
//!
//! # Reading order
//!
//! [`Action`], [`Response`] and [`Call`] are the vocabulary, and [`Model`] is what each of them means. The witness
//! needs no more than these. `numbered` translates one key's calls into small numbers, `blocks` refutes a register at a
//! glance, `search` looks for an order (its head lists the rules that cut it short), `memo` is what it remembers,
//! `explain` finds the shortest bad beginning of a bad history, and `check` does this for each key.
//!
//! # What it leaves out
//!
//! Operations on several keys, except that the witness covers a history on many keys with one order. Elements that are
//! removed from lists. The near-linear check of histories in which each value is written once, a check that streams,
//! and the shrinking of bad histories to the three or four operations that matter.

mod operation;
mod model;
mod role;
mod ranked;
mod table;
mod witness;
mod interner;
mod zone;
mod trie;
mod numbered;
mod blocks;
mod memo;
mod search;
mod diagram;
mod explain;
mod shrink;
mod check;
mod explore;
mod stream;

pub use check::{
    Budget, Judged, Malformed, Report, Verdict, check, check_by_search, check_by_zones, order, report,
};
pub use explain::{Explanation, Forced, Method};
pub use explore::{Asked, Explored, explore};
pub use model::{List, Model, Register, answers, is_of_list};
pub use operation::{Action, Call, Content, Operation, Response};
pub use stream::{Broken, Stream, Streamed};
pub use witness::{Flaw, Position, Witness, WitnessFailure};
