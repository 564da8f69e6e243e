//! Linearizability of client histories.
//!
//! A history is a set of operations, each with the time of its invocation, and the time and content of its response.
//! It is *linearizable* if each operation can be given a linearization point between its invocation and its return
//! such that the sequential object, executed in that order, gives every response. Equivalently, there is one order of
//! the operations such that
//!
//! - the sequential object gives every response in this order, and
//! - an operation that returned before another was invoked precedes it.
//!
//! An operation that has not returned is *pending*. If its client gave up, its outcome is *unknown*: it may be
//! linearized at any time after its invocation, or never. A failed compare-and-set is an observation: it found other
//! content than it expected.
//!
//! # Which check when
//!
//! [`check()`] decides each key by itself, which is exact because linearizability is local (Herlihy and Wing 1990). For
//! each key it takes the cheapest check that is exact on it; [`report`] says which.
//!
//! The **zones** (Gibbons and Korach 1997) decide keys whose contents are unique, that is, written once each:
//! registers with compare-and-set and with numbered deletions, lists with appends and replacements, operations of
//! unknown outcome included. They take near-linear time, and a contradiction that they find consists of a handful of
//! operations.
//!
//! The **search** decides the rest: repeated values, deletions without numbers, a failed compare-and-set that did not
//! return the content. It finds an order or proves that there is none. The problem is NP-complete, so the search has
//! a [`Budget`] in steps and bytes, explanation included, and a third verdict, "unknown", which names the exhausted
//! limit. A violation that is proven stays one if the budget ends during its explanation; then the explanation has
//! more operations than necessary. Sets, counters, queues and mutexes are searched through [`explore()`] by their
//! [`Model`]s; a custom model takes some thirty lines.
//!
//! The **stream** ([`Stream`]) is the online check by zones, in memory that does not grow with the history.
//!
//! The **witness** ([`Witness`]) also runs online. Raft claims a witness order, its log; the witness check verifies
//! the order at each response, in constant time. If it never fails, the history *is* linearizable, for any system and
//! across all keys. If it fails, the system's own order is broken and the run can stop. That is a fault of the
//! system, but not necessarily one that clients can observe: [`check()`] decides that.
//!
//! A violation comes with an [`Explanation`]: a few operations that contradict each other, a diagram of them, and the
//! order that they force.
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
//! # Cost
//!
//! A workload that writes every value once, numbers its deletions and has failed compare-and-sets return the content
//! needs no search. `cargo bench -p invariants` measures each check next to its baseline, the simplest other way to
//! the same verdict; `-- speed zones` prints one line, and `given`, `shrink` and `memory` are the other tables.
//! Measured on a shared machine with two cores, 50 clients, 1 % unknown:
//!
//! | | ns per operation of 10,000 | of 1,000,000 | that, against 100 times 10,000 | baseline's time (of 10,000) | peak of 1,000,000 |
//! |---|---|---|---|---|---|
//! | zones, 1,000 operations per key | 42 | 61 | 1.1 | 3.5 times as long (search) | 114 MB |
//! | zones, one key | 44 | 61 | 1.1 | 3.8 (search) | 124 MB |
//! | search, 1,000 operations per key | 133 | 167 | 1.2 | 5.6 (all orders, without rules) | 92 MB |
//! | search, one key | 156 | 178 | 1.1 | 27 (all orders, without rules) | 178 MB |
//! | witness | 43 to 45 | 53 to 54 | 1.0 | 1.7 to 1.9 (sort by position and replay, offline) | 145 MB |
//! | stream | 147 to 195 | 158 to 212 | 1.0 | 0.3 to 0.4 (zones, which keep it all) | 145 MB |
//!
//! The peak includes the history, and for the last two the events. Of the time of the last two, 18 ns deliver the
//! events: reading from memory what happens next, and to which operation. A violation among 10,000 operations shrinks
//! to 3 to 6 operations within 8 ms.
//!
//! # Reading order
//!
//! [`Action`], [`Response`] and [`Call`] are the vocabulary, [`Model`] gives them meaning, and `role` is what an
//! operation requires of its key and does to it. The witness needs no more than these. `zone` is the near-linear
//! check; its chapter has the argument. For the search, `indexed_history` translates one key's calls into small
//! numbers (`trie`: those of a list), `blocks` refutes a register by a necessary condition, `search` looks for an
//! order (its chapter lists the pruning rules) and `memo` is its memoization table; `explore` is the search for other
//! models, and `order_search` chooses between the two. `shrink` reduces a bad history, `contradiction` is the evidence
//! as data, `explain` and `diagram` present it with the `names` of a file, `check` does all this for each key. `stream`
//! is the online version of `zone`.
//!
//! # Not covered
//!
//! Operations on several keys, except that the witness covers a history of many keys with one order. Removal of
//! elements from lists.

mod budget;
mod names;
mod operation;
mod model;
mod role;
mod fixed_hash_map;
mod witness;
mod interner;
mod contradiction;
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
    CallDefect, KeyReport, MalformedHistory, Report, UnknownReason, Verdict, check, check_by_search,
    check_by_zones, find_order, report, report_with_deadline,
};
pub use contradiction::{
    Contradiction, OrderEvidence, OrderingEdge, OrderingReason, Verb, ZoneLabel, ZoneOrder,
};
pub use diagram::Line;
pub(crate) use diagram::{add_text, join_lines};
pub use explain::{Explanation, Method};
pub use explore::{ExploreOutcome, ModelOperation, explore};
pub use model::{
    CounterModel, ListModel, Model, MutexModel, Placement, QueueModel, RegisterModel, SetModel,
    is_response_to,
};
pub(crate) use names::DisplayNamed;
pub use names::Names;
pub use operation::{Action, Call, Content, Object, Operation, Response};
pub use stream::{Stream, StreamContradiction, StreamVerdict, StreamViolation};
pub use witness::{Position, Replay, Witness, WitnessFailure, WitnessedCall};
