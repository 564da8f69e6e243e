//! The witness check: Raft provides a witness order, its log, which is verified online.
//!
//! The system states at which log index a mutation took effect, and after which applied index a read was served. That
//! is one total order over all operations: by index, and a read after the mutation with the index that it names.
//! Three things are verified:
//!
//! - **It is an order of the requests**: an applied request was invoked before and takes effect once, and a mutation
//!   that returned has been applied. The effect of a retry that the session table answers is the first application.
//! - **It explains the responses**: replaying the log on the model gives each response.
//! - **It respects real time**: at each invocation the witness stores the *floor*, the greatest linearization point
//!   of all operations that had returned. The operation's own linearization point must be above it; a read may share
//!   it.
//!
//! *Why a pass proves linearizability of any system.* The replayed order contains each operation that returned, and
//! otherwise only operations that were invoked; the model accepts it; and for any x that returned before y was
//! invoked, the floor of y is at least the linearization point of x, so x precedes y. (Reads that share a point are
//! ordered by their invocations.) That is the definition of linearizability. The indexes need not be honest: a false
//! one can only make the check fail. There is one order for all keys, so a pass covers all of them.
//!
//! A failure proves less: *this* order is broken, but another one may explain the responses. It is a sharper oracle,
//! because it detects faults that no client observed. So it is reported under its own name, and the verdict on the
//! history is left to the exact check.
//!
//! It forgets what no longer matters, so a run of any length takes little memory: an operation once it has returned,
//! and a content once no response can be given from an index that old, which follows from the floor of the oldest
//! pending operation. What stays is a [`DenseMap`] entry per session, and each operation whose client [gave
//! up](Witness::record_abandoned), until it is [retired](Witness::retire).
//!
//! "Had returned" refers to the order of the calls of this interface: in a simulation the order of events is exact,
//! also between events in the same nanosecond. Times appear only in messages.
//!
//! `pending_calls` has the pending operations, by identifier and in order of invocation; `key_history` has what each
//! key held at which index.

mod failure;
mod key_history;
mod pending_calls;

pub use failure::{Replay, WitnessFailure, WitnessedCall};

use super::operation::{Object, Operation, Response};
use crate::dense_map::DenseMap;
use crate::fact::{Index, RequestId, Time};
use key_history::{ApplyOutcome, KeyHistory};
use pending_calls::{NO_CALL, PendingCall, PendingCalls};
use serde::Serialize;
use std::collections::BTreeSet;

/// The position of an operation in the system's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// In the log, at this index.
    Log(Index),
    /// A read that is not in the log, served from the state after this index was applied.
    Applied(Index),
}

/// A point in the order: twice the index; one more for reads, which follow the mutation with that index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct LinearizationPoint(u64);

impl LinearizationPoint {
    /// Before all operations.
    const START: LinearizationPoint = LinearizationPoint(0);

    const fn at(position: Position) -> LinearizationPoint {
        match position {
            // Of an index beyond any log it matters only that it is beyond.
            Position::Log(index) => LinearizationPoint(index.saturating_mul(2)),
            Position::Applied(index) => LinearizationPoint(index.saturating_mul(2).saturating_add(1)),
        }
    }

    const fn index(self) -> Index {
        self.0 / 2
    }

    const fn position(self) -> Position {
        if self.0.is_multiple_of(2) { Position::Log(self.index()) } else { Position::Applied(self.index()) }
    }
}

/// Verifies the order that a system claims, one event at a time, in amortized constant time.
#[derive(Clone, Debug)]
pub struct Witness {
    open: PendingCalls,
    /// By key: its number and whether it is a list. By number: its history.
    keys: DenseMap<(u32, bool)>,
    histories: Vec<KeyHistory>,
    /// The greatest linearization point of all operations that returned, and the operation that has it.
    floor: LinearizationPoint,
    floor_by: u32,
    /// The last applied index, and the greatest index from which a response was given.
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
    /// A witness without events.
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

    /// The number of responses compared with a replay.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    /// A client invokes an operation. A retry of the same request is no new call.
    ///
    /// # Panics
    /// If the object is neither register nor list, if the key changes its object, or if the request was invoked
    /// before.
    pub fn record_call(&mut self, id: RequestId, operation: Operation, now: Time) {
        let is_list = match Object::of(operation.action) {
            Object::Register => false,
            Object::List => true,
            object => panic!("a witness replays registers and lists, but {id} uses a {object}: {operation}"),
        };
        let &mut (key, was_list) = self.keys.get_or_insert_with(operation.key, || {
            self.histories.push(KeyHistory::new(is_list));
            let key = u32::try_from(self.histories.len() - 1).expect("fewer than 2^32 keys");
            (key, is_list)
        });
        assert_eq!(
            was_list, is_list,
            "a key must stay a register or a list, but {id} changes that: {operation}"
        );
        self.open.insert(PendingCall::new(id, operation, key, now, (self.floor, self.floor_by)));
    }

    /// The first node applies the log entry at `index`, which carries this request. Entries without a request may be
    /// omitted. `effect` is false if the node found the request in its session table, and may be false if executing
    /// it changed nothing.
    ///
    /// # Errors
    /// If that breaks the order: see [`WitnessFailure`].
    ///
    /// # Panics
    /// If the index is not above the one before.
    pub fn record_apply(
        &mut self,
        index: Index,
        id: RequestId,
        effect: bool,
    ) -> Result<(), Box<WitnessFailure>> {
        assert!(index > self.applied, "index {index} must not be applied after index {}", self.applied);
        self.applied = index;
        let Some(number) = self.open.find(id) else { return self.check_closed_apply(index, id, effect) };
        let call = &self.open[number];
        if call.operation.action.is_read() {
            return Ok(());
        }
        if call.index != 0 {
            if effect {
                return Err(self.applied_twice(index, number));
            }
            self.repeated_applies.insert((number, index));
            return Ok(());
        }
        let (key, action) = (call.key as usize, call.operation.action);
        let history = &mut self.histories[key];
        if history.should_forget() {
            history.forget_before(self.open.oldest_needed(self.floor).index());
        }
        let (before, matched) = match history.apply(index, id, action, effect) {
            ApplyOutcome::After(before, matched) => (before, matched),
            // Executing it would have changed something and did not: it was rejected, perhaps because its session had
            // expired. So it has no linearization point and must not be acknowledged.
            ApplyOutcome::Rejected => return Ok(()),
        };
        let call = &mut self.open[number];
        (call.index, call.before, call.matched) = (index, before, matched);
        let point = LinearizationPoint::at(Position::Log(index));
        if point <= call.floor {
            return Err(self.real_time_failure(number, point));
        }
        if index <= self.answered_from {
            return Err(self.applied_late(number));
        }
        Ok(())
    }

    /// An operation returns, with its position in the system's order. A retried mutation may name the index of its
    /// first application or of one that the session table answered.
    ///
    /// # Errors
    /// If that breaks the order: see [`WitnessFailure`].
    ///
    /// # Panics
    /// If the request is not pending.
    pub fn record_response(
        &mut self,
        id: RequestId,
        position: Position,
        response: &Response,
        now: Time,
    ) -> Result<(), Box<WitnessFailure>> {
        let number = self.open.take(id).unwrap_or_else(|| panic!("{id} returned, but is not pending"));
        let call = &mut self.open[number];
        call.answered = now;
        self.checks += 1;
        // By the position rather than by the action: a mispredicted branch resolves sooner.
        let point = match position {
            Position::Applied(_) => self.check_read(number, position, response)?,
            Position::Log(index) => self.check_logged(number, index, response)?,
        };
        self.answered_from = self.answered_from.max(point.index());
        self.close(number);
        // `number` was referenced as pending, `floor_by` as the floor. The greater one is the new floor.
        let is_floor = point > self.floor;
        let other = if is_floor { self.floor_by } else { number };
        self.floor_by = if is_floor { number } else { self.floor_by };
        self.floor = self.floor.max(point);
        self.open.release(other);
        Ok(())
    }

    /// A client gives up. A mutation may still take effect.
    #[cold]
    pub fn record_abandoned(&mut self, id: RequestId) {
        let Some(number) = self.open.find(id) else { return };
        match self.open[number].operation.action.is_read() {
            true => self.retire(id),
            false => self.open.stop_waiting(number),
        }
    }

    /// A request of a client that gave up can no longer be applied: its session has expired, or has moved on.
    #[cold]
    pub fn retire(&mut self, id: RequestId) {
        if let Some(number) = self.open.take(id) {
            self.close(number);
            self.open.release(number);
        }
    }

    /// The entries in memory: operations, and contents of keys. Elements of lists are not counted.
    #[must_use]
    pub fn live_entries(&self) -> usize {
        self.open.len() + self.histories.iter().map(KeyHistory::live_entries).sum::<usize>()
    }

    /// Removes an operation from the pending ones.
    #[inline]
    fn close(&mut self, number: u32) {
        if !self.repeated_applies.is_empty() {
            self.repeated_applies.retain(|&(other, _)| other != number);
        }
        self.open.close(number);
    }

    /// A request was applied that is not pending.
    fn check_closed_apply(
        &self,
        index: Index,
        id: RequestId,
        effect: bool,
    ) -> Result<(), Box<WitnessFailure>> {
        match self.open.was_mutation(id) {
            None => Err(Box::new(WitnessFailure::NeverCalled { id, index })),
            Some(true) if effect => Err(Box::new(WitnessFailure::AppliedAgain { id, index })),
            Some(_) => Ok(()),
        }
    }

    #[inline]
    fn check_read(
        &self,
        number: u32,
        position: Position,
        response: &Response,
    ) -> Result<LinearizationPoint, Box<WitnessFailure>> {
        let call = &self.open[number];
        if !call.operation.action.is_read() {
            return Err(self.not_applied(number, position));
        }
        let point = LinearizationPoint::at(position);
        if point < call.floor {
            return Err(self.real_time_failure(number, point));
        }
        let (Position::Log(index) | Position::Applied(index)) = position;
        let is_explained = self.histories[call.key as usize].explains_read(index, response);
        if is_explained { Ok(point) } else { Err(self.read_unexplained(number, index, response)) }
    }

    /// Reads in the log are rare.
    #[cold]
    fn check_logged_read(
        &self,
        number: u32,
        index: Index,
        response: &Response,
    ) -> Result<LinearizationPoint, Box<WitnessFailure>> {
        self.check_read(number, Position::Log(index), response)
    }

    #[inline]
    fn check_logged(
        &self,
        number: u32,
        index: Index,
        response: &Response,
    ) -> Result<LinearizationPoint, Box<WitnessFailure>> {
        let call = &self.open[number];
        if call.operation.action.is_read() {
            return self.check_logged_read(number, index, response);
        }
        if call.index == 0 || (call.index != index && !self.repeated_applies.contains(&(number, index))) {
            return Err(self.not_applied(number, Position::Log(index)));
        }
        if key_history::allows_response(call.before, call.matched, response) {
            Ok(LinearizationPoint::at(Position::Log(call.index)))
        } else {
            Err(self.mutation_unexplained(number, response))
        }
    }
}

/// Evidence, off the hot path.
impl Witness {
    #[cold]
    fn applied_twice(&self, index: Index, number: u32) -> Box<WitnessFailure> {
        let call = &self.open[number];
        Box::new(WitnessFailure::AppliedTwice { call: call.witnessed(), index: call.index, again: index })
    }

    #[cold]
    fn applied_late(&self, number: u32) -> Box<WitnessFailure> {
        let (call, answered_from) = (&self.open[number], self.answered_from);
        Box::new(WitnessFailure::AppliedLate { call: call.witnessed(), index: call.index, answered_from })
    }

    #[cold]
    fn not_applied(&self, number: u32, claimed: Position) -> Box<WitnessFailure> {
        let call = &self.open[number];
        let applied = Some(call.index).filter(|&index| index != 0);
        Box::new(WitnessFailure::NotApplied { call: call.witnessed(), claimed, applied })
    }

    #[cold]
    fn real_time_failure(&self, number: u32, point: LinearizationPoint) -> Box<WitnessFailure> {
        let call = &self.open[number];
        Box::new(WitnessFailure::RealTimeOrder {
            call: call.witnessed(),
            position: point.position(),
            earlier: self.open[call.floor_by].witnessed(),
            earlier_position: call.floor.position(),
        })
    }

    #[cold]
    fn read_unexplained(&self, number: u32, index: Index, response: &Response) -> Box<WitnessFailure> {
        let replay = self.histories[self.open[number].key as usize].replay(index);
        self.wrong_response(number, response, replay)
    }

    #[cold]
    fn mutation_unexplained(&self, number: u32, response: &Response) -> Box<WitnessFailure> {
        let &PendingCall { key, index, before, .. } = &self.open[number];
        let replay = match self.histories[key as usize].is_list() {
            true => Replay::MutatedList { index },
            false => Replay::MutatedRegister { index, before },
        };
        self.wrong_response(number, response, replay)
    }

    fn wrong_response(&self, number: u32, response: &Response, replay: Replay) -> Box<WitnessFailure> {
        let (call, response) = (self.open[number].witnessed(), response.clone());
        Box::new(WitnessFailure::WrongResponse { call, response, replay })
    }
}
