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
//! [`check`] is the front door. It works key by key, for a history is linearizable if each key's part is, and takes for
//! each key the cheapest check that is exact on it; [`report`] says which.
//!
//! The **zones** understand keys on which each content was written once: registers with compare-and-set and with
//! deletions that have a number each, lists with appends and replacements, any operation of unknown outcome. They need
//! near-linear time, and where they find a contradiction it is one of a handful of operations.
//!
//! The **search** takes the rest: repeated values, deletions without numbers, a failed compare-and-set that did not tell
//! what it found. It looks for an order or proves that there is none. The problem is hard in general, so it has a
//! [`Budget`] in steps and bytes for all of it, the explanation included, and, besides "linearizable" and "violation", a
//! third verdict, "unknown", which names what ran out. A violation that is proven stays one when the explanation runs out of
//! it; then more operations are shown than need be. Sets, counters, queues and mutexes are searched through [`explore()`] by their [`Model`]s; a model of
//! one's own has some thirty lines.
//!
//! The **stream** ([`Stream`]) is the check by zones while it all goes on, in memory that does not grow with the history.
//!
//! The **witness** ([`Witness`]) runs along with the simulation as well. Raft claims an order, its log; the witness
//! verifies it at each answer, in constant time. If it never fails, the history *is* linearizable, whatever the system
//! is, across all keys, and nothing further need be done. If it fails, "the system's own order is broken", and the run
//! can be stopped there; that is a fault of the system, but not yet one that a client could have noticed: the verdict on
//! that is [`check`]'s.
//!
//! A violation comes with an [`Explanation`]: the few operations that contradict each other, a picture of them, and what
//! forces what.
//!
//! ```
//! use invariants::formats::read_history;
//! use invariants::linearizability::{Budget, Verdict, check};
//!
//! let log = "INFO  jepsen.util - 0 :invoke :write 5
//! INFO  jepsen.util - 0 :ok :write 5
//! INFO  jepsen.util - 1 :invoke :read nil
//! INFO  jepsen.util - 1 :ok :read nil";
//! let (format, recorded) = read_history(log)?;
//! assert_eq!(format.to_string(), "a Jepsen log of a register");
//! let Verdict::Violation(explanation) = check(&recorded.calls, Budget::default())? else { panic!("a stale read") };
//! assert_eq!(explanation.operations.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What makes it cheap
//!
//! A workload that writes every value once, gives every deletion a number of its own and lets a failed compare-and-set
//! tell what it saw leaves nothing to search for. `cargo bench -p invariants` shows what each check costs, next to the
//! simplest other way to the same verdict; `-- speed zones` shows one line, and `given`, `shrink` and `memory` are the other
//! tables. As measured on a shared machine with two cores, 50 clients, 1 % unknown:
//!
//! | | ns per operation of 10,000 | of 1,000,000 | that, against 100 times 10,000 | a twin takes (of 10,000) | peak of 1,000,000 |
//! |---|---|---|---|---|---|
//! | zones, 1,000 operations per key | 42 | 61 | 1.1 | 3.5 times as long (search) | 114 MB |
//! | zones, one key | 44 | 61 | 1.1 | 3.8 (search) | 124 MB |
//! | search, 1,000 operations per key | 133 | 167 | 1.2 | 5.6 (all orders, without rules) | 92 MB |
//! | search, one key | 156 | 178 | 1.1 | 27 (all orders, without rules) | 178 MB |
//! | witness | 43 to 45 | 53 to 54 | 1.0 | 1.7 to 1.9 (sort by place and replay, once all is over) | 145 MB |
//! | stream | 147 to 195 | 158 to 212 | 1.0 | 0.3 to 0.4 (zones, which keep it all) | 145 MB |
//!
//! The peak includes the history, and for the last two the order of events. Of the time of the last two, 18 ns are the
//! telling: reading from memory what happened next, and who is concerned. A violation among 10,000 operations shrinks to 3
//! to 6 operations within 8 ms.
//!
//! # Reading order
//!
//! [`Action`], [`Response`] and [`Call`] are the vocabulary, [`Model`] is what each of them means, and `role` what an
//! operation says of its key. The witness needs no more than these. `zone` is the near-linear check; its head has the
//! argument. For the search `numbered` translates one key's calls into small numbers (`trie` those of a list), `blocks`
//! refutes a register at a glance, `search` looks for an order (its head lists the rules that cut it short) and `memo`
//! is what it remembers; `explore` is the search for other models, and `exact` chooses between the two. `shrink` makes a bad history small, `explain` and `diagram` tell it, `check` does this for each
//! key. `stream` are the zones while it all goes on.
//!
//! # What it leaves out
//!
//! Operations on several keys, except that the witness covers a history on many keys with one order. Elements that are
//! removed from lists.

mod budget;
mod operation;
mod model;
mod role;
mod dense_map;
mod fixed_hash_map;
mod witness;
mod interner;
mod zone;
mod trie;
mod indexed_history;
mod blocks;
mod memo;
mod search;
mod explore;
mod objects;
mod order_search;
mod diagram;
mod explain;
mod shrink;
mod check;
mod stream;

pub use budget::{Budget, Limit};
pub use check::{
    KeyReport, MalformedHistory, Report, UnknownReason, Verdict, check, check_by_search, check_by_zones,
    find_order, report, report_with_deadline,
};
pub use explain::{Explanation, Method, OrderingEdge};
pub use explore::{ExploreOutcome, ModelOperation, explore};
pub use model::{
    CounterModel, ListModel, Model, MutexModel, Placement, QueueModel, RegisterModel, SetModel,
    is_response_to,
};
pub use operation::{Action, Call, Content, Object, Operation, Response};
pub use stream::{Stream, StreamVerdict, StreamViolation};
pub use witness::{Position, ViolationKind, Witness, WitnessFailure};
