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

use super::model::{Model, Register, is_of_list};
use super::operation::{Action, Content, Operation, Response};
use super::ranked::Ranked;
use super::table::Table;
use crate::fact::{Index, RequestId, Time};
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// Where the system says an operation stands in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// In the log, at this index.
    Log(Index),
    /// Nowhere in the log: a read, answered from the state after this index was applied.
    Applied(Index),
}

/// A place in the order: mutations at `(index, false)`, reads after them at `(applied, true)`.
type Place = (Index, bool);

/// No operation: the end of the numbers.
const NOBODY: u32 = u32::MAX;

/// So many old contents of a key are no burden.
const MANY: usize = 32;

/// An operation, from its call on.
#[derive(Clone, Debug)]
struct Asked {
    id: RequestId,
    operation: Operation,
    called: Time,
    answered: Option<Time>,
    /// The greatest place of all operations that had returned at the call, and whose it was: for the sentences.
    floor: Place,
    floor_by: u32,
    /// Which use of its place in memory this is.
    use_of: u64,
    /// By how many it is kept: while it is open or the floor, and by each open operation whose floor it is.
    kept: u32,
    /// Whether it may still be answered.
    awaits: bool,
    /// The index at which it first had effect; 0 before that.
    index: Index,
    /// What the register held just before.
    before: Content,
}

/// What a key held, when.
#[derive(Clone, Debug)]
enum History {
    /// The contents of a register, each with the index that wrote it and the operation behind that; the first one that
    /// matters first.
    Register { versions: Vec<(Index, Content, RequestId)>, most: usize },
    /// A list only grows until it is replaced, so one copy holds all its versions: element *i* was added at `indexes[i]`.
    /// An era is the index of a replacement, and where it begins.
    List { elements: Vec<u64>, indexes: Vec<Index>, eras: Vec<(Index, usize)> },
}

/// Verifies the order that a system claims, one event after the other, in constant amortised time each.
#[derive(Clone, Debug)]
pub struct Witness {
    /// By number; numbers are used again.
    operations: Vec<Asked>,
    free: Vec<u32>,
    numbers: Table,
    sessions: Ranked<Session>,
    /// All operations that may still be answered, by call, and some that may not: number and use.
    awaiting: VecDeque<(u32, u64)>,
    uses: u64,
    keys: Ranked<History>,
    /// The greatest place of all operations that have returned, and whose it is.
    floor: Place,
    floor_by: u32,
    /// The last index applied, and the greatest one that any answer was given from.
    applied: Index,
    answered_from: Index,
    /// Applications that the session table answered. Rare.
    repeats: BTreeSet<(u32, Index)>,
    looked: u64,
}

/// What is remembered of a session's operations for ever.
#[derive(Clone, Copy, Default, Debug)]
struct Session {
    /// The greatest number that one had.
    newest: u64,
    /// Which of the newest were mutations: the lowest bit for the newest of all.
    mutations: u64,
}

impl Session {
    fn called(&mut self, sequence: u64, is_read: bool) {
        let newer = sequence.saturating_sub(self.newest);
        if newer > 0 {
            self.mutations =
                u32::try_from(newer).ok().and_then(|by| self.mutations.checked_shl(by)).unwrap_or(0);
            self.newest = sequence;
        }
        if !is_read {
            self.mutations |= self.bit(sequence);
        }
    }

    /// The bit of one of the newest; nothing for one long ago.
    fn bit(&self, sequence: u64) -> u64 {
        self.newest
            .checked_sub(sequence)
            .and_then(|age| u32::try_from(age).ok())
            .and_then(|age| 1_u64.checked_shl(age))
            .unwrap_or(0)
    }
}

impl Default for Witness {
    fn default() -> Self {
        Witness::new()
    }
}

impl Witness {
    /// A witness that has seen nothing.
    #[must_use]
    pub const fn new() -> Witness {
        Witness {
            operations: Vec::new(),
            free: Vec::new(),
            numbers: Table::new(),
            sessions: Ranked::new(),
            awaiting: VecDeque::new(),
            uses: 0,
            keys: Ranked::new(),
            floor: (0, false),
            floor_by: NOBODY,
            applied: 0,
            answered_from: 0,
            repeats: BTreeSet::new(),
            looked: 0,
        }
    }

    /// How many answers were compared with a replay.
    #[must_use]
    pub const fn looked(&self) -> u64 {
        self.looked
    }

    /// A client calls. A retry of the same request is no new call.
    pub fn called(&mut self, id: RequestId, operation: Operation, now: Time) {
        let number = self.free.pop().unwrap_or_else(|| {
            u32::try_from(self.operations.len()).expect("fewer than four thousand million are open")
        });
        assert!(number != NOBODY, "fewer than four thousand million are open");
        assert!(self.numbers.insert(id, number), "{id} was called twice");
        let session = self.sessions.get_or_insert_with(id.session, Session::default);
        session.called(id.sequence, operation.action.is_read());
        let history = self.keys.get_or_insert_with(operation.key, || match is_of_list(operation.action) {
            false => History::Register { versions: vec![(0, Content::INITIAL, id)], most: MANY },
            true => History::List { elements: Vec::new(), indexes: Vec::new(), eras: vec![(0, 0)] },
        });
        assert_eq!(
            matches!(history, History::List { .. }),
            is_of_list(operation.action),
            "a key is a register or a list throughout, but {id} asks otherwise: {operation}"
        );
        self.uses += 1;
        let asked = Asked {
            id,
            operation,
            called: now,
            answered: None,
            floor: self.floor,
            floor_by: self.floor_by,
            use_of: self.uses,
            kept: 1,
            awaits: true,
            index: 0,
            before: Content::INITIAL,
        };
        match self.operations.get_mut(number as usize) {
            Some(place) => *place = asked,
            None => self.operations.push(asked),
        }
        if self.floor_by != NOBODY {
            self.operations[self.floor_by as usize].kept += 1;
        }
        self.awaiting.push_back((number, self.uses));
    }

    /// Some node is the first one to apply the log entry at `index`, which carries this request. Entries without a
    /// request need not be told. `effect` is false where the node found the request in its session table, and may be
    /// false where executing it changed nothing.
    ///
    /// # Errors
    /// Where that breaks the order: see [`Flaw`].
    pub fn applied(&mut self, index: Index, id: RequestId, effect: bool) -> Result<(), WitnessFailure> {
        assert!(
            index > self.applied,
            "index {index} is told after {}, but the log has an order",
            self.applied
        );
        self.applied = index;
        let Some(number) = self.numbers.get(id) else { return self.applied_again(index, id, effect) };
        let needed_from = self.needed_from();
        let asked = &mut self.operations[number as usize];
        if asked.operation.action.is_read() {
            return Ok(());
        }
        if asked.index != 0 {
            if effect {
                return Err(self.applied_twice(index, number));
            }
            self.repeats.insert((number, index));
            return Ok(());
        }
        match (self.keys.get_mut(asked.operation.key).expect("made at the call"), asked.operation.action) {
            (History::Register { versions, most }, action) => {
                let &(_, before, _) = versions.last().expect("it begins with the initial content");
                let after = Register.step(&before, &action, None).expect("anything may happen to a register");
                if !effect && after != before {
                    return Ok(()); // Refused: see below.
                }
                asked.before = before;
                if after != before {
                    versions.push((index, after, id));
                    if versions.len() > *most {
                        let first = up_to(versions, needed_from, |version| version.0).saturating_sub(1);
                        versions.drain(..first);
                        *most = MANY.max(2 * versions.len());
                    }
                }
            }
            // Executing it would have changed something and did not: it was refused, perhaps because its session had
            // expired. So it has no place in the order, and must not be acknowledged.
            (History::List { .. }, Action::Append(_) | Action::Replace(_)) if !effect => return Ok(()),
            (
                History::List { elements, indexes, eras },
                Action::Append(element) | Action::Replace(element),
            ) => {
                if matches!(asked.operation.action, Action::Replace(_)) {
                    if eras.len() > MANY {
                        let first = up_to(eras, needed_from, |era| era.0).saturating_sub(1);
                        let (_, start) = eras[first];
                        eras.drain(..first);
                        elements.drain(..start);
                        indexes.drain(..start);
                        for era in eras.iter_mut() {
                            era.1 -= start;
                        }
                    }
                    eras.push((index, elements.len()));
                }
                elements.push(element);
                indexes.push(index);
            }
            (History::List { .. }, action) => unreachable!("{action:?} of a list, refused at the call"),
        }
        asked.index = index;
        if asked.floor_by != NOBODY && (index, false) <= asked.floor {
            return Err(self.before_its_floor(number, (index, false)));
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
    pub fn answered(
        &mut self,
        id: RequestId,
        position: Position,
        response: &Response,
        now: Time,
    ) -> Result<(), WitnessFailure> {
        let number = self.numbers.get(id).unwrap_or_else(|| panic!("{id} is answered, but is not open"));
        let asked = &mut self.operations[number as usize];
        asked.answered = Some(now);
        self.looked += 1;
        let place = match asked.operation.action.is_read() {
            true => self.read(number, position, response)?,
            false => self.mutation(number, position, response)?,
        };
        self.answered_from = self.answered_from.max(place.0);
        if self.floor_by == NOBODY || place > self.floor {
            self.operations[number as usize].kept += 1;
            let before = self.floor_by;
            (self.floor, self.floor_by) = (place, number);
            self.release(before);
        }
        self.forget(number);
        Ok(())
    }

    /// A client will take no answer to its request. A mutation may have happened, or may happen yet.
    pub fn gave_up(&mut self, id: RequestId) {
        let Some(number) = self.numbers.get(id) else { return };
        let asked = &mut self.operations[number as usize];
        asked.awaits = false;
        if asked.operation.action.is_read() {
            self.forget(number);
        }
    }

    /// A request whose client gave up will not be applied any more: its session has expired, or has gone on.
    pub fn retired(&mut self, id: RequestId) {
        if let Some(number) = self.numbers.get(id) {
            self.forget(number);
        }
    }

    /// How many entries are remembered: operations, and contents of keys. The elements of lists are not counted.
    #[must_use]
    pub fn live(&self) -> usize {
        let contents = self.keys.iter().map(|history| match history {
            History::Register { versions, .. } => versions.len(),
            History::List { eras, .. } => eras.len(),
        });
        self.operations.len() - self.free.len() + contents.sum::<usize>()
    }

    /// An operation is open no more.
    #[inline]
    fn forget(&mut self, number: u32) {
        let asked = &mut self.operations[number as usize];
        asked.awaits = false;
        let floor_by = std::mem::replace(&mut asked.floor_by, NOBODY);
        self.numbers.remove(asked.id);
        if !self.repeats.is_empty() {
            self.repeats.retain(|&(other, _)| other != number);
        }
        self.release(floor_by);
        self.release(number);
    }

    /// One of those that keep an operation does so no more.
    #[inline]
    fn release(&mut self, number: u32) {
        if number == NOBODY {
            return;
        }
        let asked = &mut self.operations[number as usize];
        asked.kept -= 1;
        if asked.kept == 0 {
            asked.use_of = 0;
            self.free.push(number);
        }
    }

    /// No answer is given any more from an index below this one.
    #[inline]
    fn needed_from(&mut self) -> Index {
        while let Some(&(number, use_of)) = self.awaiting.front() {
            let asked = &self.operations[number as usize];
            if asked.use_of == use_of && asked.awaits {
                return asked.floor.0;
            }
            self.awaiting.pop_front();
        }
        self.floor.0
    }

    /// A request was applied that is not open.
    fn applied_again(&self, index: Index, id: RequestId, effect: bool) -> Result<(), WitnessFailure> {
        let Some(session) = self.sessions.get(id.session).filter(|session| id.sequence <= session.newest)
        else {
            return Err(never_called(index, id));
        };
        if effect && session.mutations & session.bit(id.sequence) != 0 {
            let sentence = format!("{id} was done with, and had an effect again at index {index}");
            return Err(WitnessFailure { flaw: Flaw::AppliedTwice, id, sentence });
        }
        Ok(())
    }

    #[inline]
    fn read(&self, number: u32, position: Position, response: &Response) -> Result<Place, WitnessFailure> {
        let asked = &self.operations[number as usize];
        let place = match position {
            Position::Log(index) => (index, false),
            Position::Applied(index) => (index, true),
        };
        if place < asked.floor {
            return Err(self.before_its_floor(number, place));
        }
        let explained = match (self.history(asked), response) {
            (History::Register { versions, .. }, Response::Holds(content)) => {
                versions[up_to(versions, place.0, |version| version.0) - 1].1 == *content
            }
            (History::List { elements, indexes, eras }, Response::List(read)) => {
                let (_, from) = eras[up_to(eras, place.0, |era| era.0) - 1];
                elements[from..up_to(indexes, place.0, |index| *index)] == **read
            }
            _ => false,
        };
        if explained { Ok(place) } else { Err(self.read_unexplained(number, place.0, response)) }
    }

    #[inline]
    fn mutation(
        &self,
        number: u32,
        position: Position,
        response: &Response,
    ) -> Result<Place, WitnessFailure> {
        let asked = &self.operations[number as usize];
        let applied = match position {
            Position::Log(index) => {
                asked.index != 0 && (asked.index == index || self.repeats.contains(&(number, index)))
            }
            Position::Applied(_) => false,
        };
        if !applied {
            return Err(self.not_applied(number, position));
        }
        let explained = match asked.operation.action {
            Action::Append(_) | Action::Replace(_) => *response == Response::Done,
            action => Register.step(&asked.before, &action, Some(response)).is_some(),
        };
        if explained { Ok((asked.index, false)) } else { Err(self.mutation_unexplained(number, response)) }
    }

    #[inline]
    fn history(&self, asked: &Asked) -> &History {
        self.keys.get(asked.operation.key).expect("made at the call")
    }
}

/// How many of the first `entries` have an index of at most `index`. Most reads are of the newest state, so the search
/// begins at the end.
#[inline]
fn up_to<T>(entries: &[T], index: Index, at: impl Fn(&T) -> Index) -> usize {
    for (place, entry) in entries.iter().enumerate().rev().take(4) {
        if at(entry) <= index {
            return place + 1;
        }
    }
    entries.partition_point(|entry| at(entry) <= index)
}

/// The system's own order is broken. That is not yet a verdict on what the clients saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WitnessFailure {
    /// What is wrong with the order.
    pub flaw: Flaw,
    /// The request at which it was noticed.
    pub id: RequestId,
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
pub enum Flaw {
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
    WitnessFailure { flaw: Flaw::NeverCalled, id, sentence }
}

/// The sentences. None of them is on a path that a correct system takes.
impl Witness {
    fn failure(&self, flaw: Flaw, number: u32, sentence: String) -> WitnessFailure {
        WitnessFailure { flaw, id: self.operations[number as usize].id, sentence }
    }

    #[cold]
    fn applied_twice(&self, index: Index, number: u32) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let sentence = format!("{asked} had its effect at index {}, and again at index {index}", asked.index);
        self.failure(Flaw::AppliedTwice, number, sentence)
    }

    #[cold]
    fn applied_late(&self, number: u32) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let sentence = format!(
            "{asked} was first applied at index {}, after an answer had been given from index {}",
            asked.index, self.answered_from
        );
        self.failure(Flaw::AppliedLate, number, sentence)
    }

    #[cold]
    fn not_applied(&self, number: u32, position: Position) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let claim = match position {
            Position::Log(index) => format!("from log index {index}"),
            Position::Applied(index) => format!("from applied index {index}, though it is no read"),
        };
        let truth = match asked.index {
            0 => "no node has applied it with effect".to_string(),
            index => format!("it had its effect at index {index}"),
        };
        self.failure(Flaw::NotApplied, number, format!("{asked} was answered {claim}, but {truth}"))
    }

    #[cold]
    fn before_its_floor(&self, number: u32, place: Place) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let other = &self.operations[asked.floor_by as usize];
        let sentence = format!(
            "{other} had returned when {asked} was called, but the order has the second, at {}, before the first, at {}",
            Shown(place),
            Shown(asked.floor)
        );
        self.failure(Flaw::RealTime, number, sentence)
    }

    #[cold]
    fn read_unexplained(&self, number: u32, index: Index, response: &Response) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let replay = match self.history(asked) {
            History::Register { versions, .. } => {
                match versions[up_to(versions, index, |version| version.0) - 1] {
                    (0, content, _) => format!("\"{content}\", as in the beginning"),
                    (at, content, by) => format!("\"{content}\", since {by} at index {at}"),
                }
            }
            History::List { elements, indexes, eras } => {
                let (_, from) = eras[up_to(eras, index, |era| era.0) - 1];
                format!("{:?}", &elements[from..up_to(indexes, index, |index| *index)])
            }
        };
        let sentence = format!(
            "{asked} was told \"{response}\" from index {index}, but the log up to there leaves {replay}"
        );
        self.failure(Flaw::Answer, number, sentence)
    }

    #[cold]
    fn mutation_unexplained(&self, number: u32, response: &Response) -> WitnessFailure {
        let asked = &self.operations[number as usize];
        let held = match self.history(asked) {
            History::Register { .. } => format!(", where the log before it leaves \"{}\"", asked.before),
            History::List { .. } => String::new(),
        };
        let sentence =
            format!("{asked} was told \"{response}\", but was applied at index {}{held}", asked.index);
        self.failure(Flaw::Answer, number, sentence)
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; called at {}", self.id, self.operation, self.called)?;
        match self.answered {
            Some(answered) => write!(f, ", answered at {answered})"),
            None => f.write_str(", not answered)"),
        }
    }
}

/// A place in words.
struct Shown(Place);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            (index, false) => write!(f, "log index {index}"),
            (index, true) => write!(f, "applied index {index}"),
        }
    }
}
