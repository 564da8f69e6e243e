//! The witness: a Raft hands us an order (its log), and we only have to verify it, while the run goes on.
//!
//! The system states at which log index a mutation took effect and after which applied index a read was answered.
//! That is one total order over all operations: by index, and a read after the mutation with the index that it names.
//! Three things are verified about it.
//!
//! - **It is an order of what was asked**: an applied request was called before, has an effect once, and an answered
//!   mutation has been applied. The effect of a retry that the session table answers is the first application.
//! - **It explains the answers**: replaying the log on the model gives each answer.
//! - **It respects real time**: at each call the witness remembers the `floor`, the greatest place of all operations
//!   that had returned by then. The operation's own place must be above it; a read may share it.
//!
//! *Why a pass proves linearizability, whatever the system is.* The replayed order contains each operation that
//! returned, and of the others only some that were called; the model accepts it; and for any x that returned before y
//! was called, the floor of y is at least the place of x, so x stands before y. (Reads that share a place stand in the
//! order of their calls.) An order with these three qualities is what linearizable means. No index needs to be
//! honest: a lie can only make the check fail. And as there is one order for all keys, the pass covers all of them
//! at once.
//!
//! A failure proves less: *this* order is broken, perhaps another one explains what the clients saw. It is the sharper
//! oracle all the same, for it sees faults that no client happened to notice. So it is reported under its own name,
//! and the verdict on the history is left to the exact search.
//!
//! It forgets what can no longer matter, so that a run of any length costs little memory: an operation once it is
//! answered, and a content of a key once nobody may be answered from so long ago, which the floor of the oldest open
//! operation tells. What stays is a word per session, and each operation whose client [gave up](Witness::gave_up), until
//! it is [retired](Witness::retired).
//!
//! "Had returned by then" is taken from the order of the calls of this interface: in a simulation the order of events
//! is the truth, also between two events at the same nanosecond. Times only appear in sentences.
//!
//! Two rooms: `open` knows the operations that are open, by name and in the order of their calls, and `meaning` what each
//! key held when.

mod key_history;
mod pending_calls;

use super::dense_map::DenseMap;
use super::operation::{Object, Operation, Response};
use crate::fact::{Index, RequestId, Time};
use key_history::{ApplyOutcome, KeyHistory};
use pending_calls::{NO_CALL, PendingCall, PendingCalls};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// Where the system says an operation stands in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// In the log, at this index.
    Log(Index),
    /// Nowhere in the log: a read, answered from the state after this index was applied.
    Applied(Index),
}

/// A place in the order: twice the index, and one more for reads, which stand behind the mutation with that index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct LinearizationPoint(u64);

impl LinearizationPoint {
    /// Before everything.
    const START: LinearizationPoint = LinearizationPoint(0);

    const fn at(position: Position) -> LinearizationPoint {
        match position {
            // Of an index beyond all that can be a log's only matters that it is beyond.
            Position::Log(index) => LinearizationPoint(index.saturating_mul(2)),
            Position::Applied(index) => LinearizationPoint(index.saturating_mul(2).saturating_add(1)),
        }
    }

    const fn index(self) -> Index {
        self.0 / 2
    }
}

/// Verifies the order that a system claims, one event after the other, in constant amortised time each.
#[derive(Clone, Debug)]
pub struct Witness {
    open: PendingCalls,
    /// Numbers of keys, whether each is a list, and what it held.
    keys: DenseMap<(u32, bool)>,
    histories: Vec<KeyHistory>,
    /// The greatest place of all operations that have returned, and whose it is.
    floor: LinearizationPoint,
    floor_by: u32,
    /// The last index applied, and the greatest one that any answer was given from.
    applied: Index,
    answered_from: Index,
    /// Applications that the session table answered. Rare.
    repeated_applies: BTreeSet<(u32, Index)>,
    checks: u64,
}

impl Default for Witness {
    fn default() -> Self {
        Witness::new()
    }
}

impl Witness {
    /// A witness that has seen nothing.
    #[must_use]
    pub fn new() -> Witness {
        Witness {
            open: PendingCalls::new(),
            keys: DenseMap::new(),
            histories: Vec::new(),
            floor: LinearizationPoint::START,
            floor_by: NO_CALL,
            applied: 0,
            answered_from: 0,
            repeated_applies: BTreeSet::new(),
            checks: 0,
        }
    }

    /// How many answers were compared with a replay.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    /// A client calls. A retry of the same request is no new call.
    pub fn record_call(&mut self, id: RequestId, operation: Operation, now: Time) {
        let is_list = match Object::of(operation.action) {
            Object::Register => false,
            Object::List => true,
            object => panic!("a witness replays registers and lists, but {id} asks a {object}: {operation}"),
        };
        let &mut (key, was_list) = self.keys.get_or_insert_with(operation.key, || {
            self.histories.push(KeyHistory::new(is_list));
            let key = u32::try_from(self.histories.len() - 1).expect("fewer than four thousand million keys");
            (key, is_list)
        });
        assert_eq!(
            was_list, is_list,
            "a key is a register or a list throughout, but {id} asks otherwise: {operation}"
        );
        self.open.insert(PendingCall::new(id, operation, key, now, (self.floor, self.floor_by)));
    }

    /// Some node is the first one to apply the log entry at `index`, which carries this request. Entries without a
    /// request need not be told. `effect` is false where the node found the request in its session table, and may be
    /// false where executing it changed nothing.
    ///
    /// # Errors
    /// Where that breaks the order: see [`Flaw`].
    pub fn record_apply(&mut self, index: Index, id: RequestId, effect: bool) -> Result<(), WitnessFailure> {
        assert!(
            index > self.applied,
            "index {index} is told after {}, but the log has an order",
            self.applied
        );
        self.applied = index;
        let Some(number) = self.open.find(id) else { return self.check_closed_apply(index, id, effect) };
        let asked = &self.open[number];
        if asked.operation.action.is_read() {
            return Ok(());
        }
        if asked.index != 0 {
            if effect {
                return Err(self.applied_twice(index, number));
            }
            self.repeated_applies.insert((number, index));
            return Ok(());
        }
        let (key, action) = (asked.key as usize, asked.operation.action);
        let held = &mut self.histories[key];
        if held.should_forget() {
            held.forget_before(self.open.oldest_needed(self.floor).index());
        }
        let (before, matched) = match held.apply(index, id, action, effect) {
            ApplyOutcome::After(before, matched) => (before, matched),
            // Executing it would have changed something and did not: it was refused, perhaps because its session had
            // expired. So it has no place in the order, and must not be acknowledged.
            ApplyOutcome::Rejected => return Ok(()),
        };
        let asked = &mut self.open[number];
        (asked.index, asked.before, asked.matched) = (index, before, matched);
        let place = LinearizationPoint::at(Position::Log(index));
        if place <= asked.floor {
            return Err(self.real_time_failure(number, place));
        }
        if index <= self.answered_from {
            return Err(self.applied_late(number));
        }
        Ok(())
    }

    /// A client is told the outcome of its request, with the place that the system gives it. A retried mutation may
    /// name the index of its first application or of the one that the session table answered.
    ///
    /// # Errors
    /// Where that breaks the order: see [`Flaw`].
    pub fn record_response(
        &mut self,
        id: RequestId,
        position: Position,
        response: &Response,
        now: Time,
    ) -> Result<(), WitnessFailure> {
        let number = self.open.take(id).unwrap_or_else(|| panic!("{id} is answered, but is not open"));
        let asked = &mut self.open[number];
        asked.answered = now;
        self.checks += 1;
        // By where it stands rather than by what was asked: a processor that foresaw the other one learns of that sooner.
        let place = match position {
            Position::Applied(_) => self.check_read(number, position, response)?,
            Position::Log(index) => self.check_logged(number, index, response)?,
        };
        self.answered_from = self.answered_from.max(place.index());
        self.close(number);
        // Of the two that were kept until now, as an open one and as the floor, the greater is the floor.
        let is_floor = place > self.floor;
        let other = if is_floor { self.floor_by } else { number };
        self.floor_by = if is_floor { number } else { self.floor_by };
        self.floor = self.floor.max(place);
        self.open.release(other);
        Ok(())
    }

    /// A client will take no answer to its request. A mutation may have happened, or may happen yet.
    #[cold]
    pub fn record_abandoned(&mut self, id: RequestId) {
        let Some(number) = self.open.find(id) else { return };
        match self.open[number].operation.action.is_read() {
            true => self.retire(id),
            false => self.open.stop_waiting(number),
        }
    }

    /// A request whose client gave up will not be applied any more: its session has expired, or has gone on.
    #[cold]
    pub fn retire(&mut self, id: RequestId) {
        if let Some(number) = self.open.take(id) {
            self.close(number);
            self.open.release(number);
        }
    }

    /// How many entries are remembered: operations, and contents of keys. The elements of lists are not counted.
    #[must_use]
    pub fn live_entries(&self) -> usize {
        self.open.len() + self.histories.iter().map(KeyHistory::live_entries).sum::<usize>()
    }

    /// An operation is open no more.
    #[inline]
    fn close(&mut self, number: u32) {
        if !self.repeated_applies.is_empty() {
            self.repeated_applies.retain(|&(other, _)| other != number);
        }
        self.open.close(number);
    }

    /// A request was applied that is not open.
    fn check_closed_apply(&self, index: Index, id: RequestId, effect: bool) -> Result<(), WitnessFailure> {
        match self.open.was_mutation(id) {
            None => Err(never_called(index, id)),
            Some(true) if effect => {
                let sentence = format!("{id} was done with, and had an effect again at index {index}");
                Err(WitnessFailure { flaw: ViolationKind::AppliedTwice, id, with: None, sentence })
            }
            Some(_) => Ok(()),
        }
    }

    #[inline]
    fn check_read(
        &self,
        number: u32,
        position: Position,
        response: &Response,
    ) -> Result<LinearizationPoint, WitnessFailure> {
        let asked = &self.open[number];
        if !asked.operation.action.is_read() {
            return Err(self.not_applied(number, position));
        }
        let place = LinearizationPoint::at(position);
        if place < asked.floor {
            return Err(self.real_time_failure(number, place));
        }
        let (Position::Log(index) | Position::Applied(index)) = position;
        let explained = self.histories[asked.key as usize].explains_read(index, response);
        if explained { Ok(place) } else { Err(self.read_unexplained(number, index, response)) }
    }

    /// Few systems send their reads through the log.
    #[cold]
    fn check_logged_read(
        &self,
        number: u32,
        index: Index,
        response: &Response,
    ) -> Result<LinearizationPoint, WitnessFailure> {
        self.check_read(number, Position::Log(index), response)
    }

    #[inline]
    fn check_logged(
        &self,
        number: u32,
        index: Index,
        response: &Response,
    ) -> Result<LinearizationPoint, WitnessFailure> {
        let asked = &self.open[number];
        if asked.operation.action.is_read() {
            return self.check_logged_read(number, index, response);
        }
        if asked.index == 0 || (asked.index != index && !self.repeated_applies.contains(&(number, index))) {
            return Err(self.not_applied(number, Position::Log(index)));
        }
        if key_history::allows_response(asked.before, asked.matched, response) {
            Ok(LinearizationPoint::at(Position::Log(asked.index)))
        } else {
            Err(self.mutation_unexplained(number, response))
        }
    }
}

/// The system's own order is broken. That is not yet a verdict on what the clients saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WitnessFailure {
    /// What is wrong with the order.
    pub flaw: ViolationKind,
    /// The request at which it was noticed.
    pub id: RequestId,
    /// The other one that it clashes with, where that is known.
    pub with: Option<RequestId>,
    /// What was claimed and what contradicts it, with requests, indexes and times.
    pub sentence: String,
}

impl fmt::Display for WitnessFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "witness: the system's own order is broken: {}", self.sentence)
    }
}

/// What can be wrong with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// It holds a request that no client made.
    NeverCalled,
    /// One request has two effects.
    AppliedTwice,
    /// An answered request is not where it should be in it, or not in it at all.
    NotApplied,
    /// An index was applied after an answer had been given from there or beyond.
    AppliedLate,
    /// An operation that began after another had returned stands before it.
    RealTime,
    /// An answer differs from what a replay gives.
    Answer,
}

#[cold]
fn never_called(index: Index, id: RequestId) -> WitnessFailure {
    let sentence = format!("{id} was applied at index {index}, but no client had called it");
    WitnessFailure { flaw: ViolationKind::NeverCalled, id, with: None, sentence }
}

/// The sentences. None of them is on a path that a correct system takes.
impl Witness {
    fn failure(&self, flaw: ViolationKind, number: u32, sentence: String) -> WitnessFailure {
        WitnessFailure { flaw, id: self.open[number].id, with: None, sentence }
    }

    #[cold]
    fn applied_twice(&self, index: Index, number: u32) -> WitnessFailure {
        let asked = &self.open[number];
        let sentence = format!("{asked} had its effect at index {}, and again at index {index}", asked.index);
        self.failure(ViolationKind::AppliedTwice, number, sentence)
    }

    #[cold]
    fn applied_late(&self, number: u32) -> WitnessFailure {
        let asked = &self.open[number];
        let sentence = format!(
            "{asked} was first applied at index {}, after an answer had been given from index {}",
            asked.index, self.answered_from
        );
        self.failure(ViolationKind::AppliedLate, number, sentence)
    }

    #[cold]
    fn not_applied(&self, number: u32, position: Position) -> WitnessFailure {
        let asked = &self.open[number];
        let claim = match position {
            Position::Log(index) => format!("from log index {index}"),
            Position::Applied(index) => format!("from applied index {index}, though it is no read"),
        };
        let truth = match asked.index {
            0 => "no node has applied it with effect".to_string(),
            index => format!("it had its effect at index {index}"),
        };
        self.failure(ViolationKind::NotApplied, number, format!("{asked} was answered {claim}, but {truth}"))
    }

    #[cold]
    fn real_time_failure(&self, number: u32, place: LinearizationPoint) -> WitnessFailure {
        let asked = &self.open[number];
        let other = &self.open[asked.floor_by];
        let sentence = format!(
            "{other} had returned when {asked} was called, but the order has the second, at {place}, before the first, at {}",
            asked.floor
        );
        WitnessFailure { with: Some(other.id), ..self.failure(ViolationKind::RealTime, number, sentence) }
    }

    #[cold]
    fn read_unexplained(&self, number: u32, index: Index, response: &Response) -> WitnessFailure {
        let asked = &self.open[number];
        let (replay, with) = self.histories[asked.key as usize].describe(index);
        let sentence = format!(
            "{asked} was told \"{response}\" from index {index}, but the log up to there leaves {replay}"
        );
        WitnessFailure { with, ..self.failure(ViolationKind::Answer, number, sentence) }
    }

    #[cold]
    fn mutation_unexplained(&self, number: u32, response: &Response) -> WitnessFailure {
        let asked = &self.open[number];
        let held = match self.histories[asked.key as usize].is_list() {
            false => format!(", where the log before it leaves \"{}\"", asked.before),
            true => String::new(),
        };
        let sentence =
            format!("{asked} was told \"{response}\", but was applied at index {}{held}", asked.index);
        self.failure(ViolationKind::Answer, number, sentence)
    }
}

impl fmt::Display for LinearizationPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.0.is_multiple_of(2) { "log" } else { "applied" };
        write!(f, "{which} index {}", self.index())
    }
}
