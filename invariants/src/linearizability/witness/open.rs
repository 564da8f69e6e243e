//! The operations that are open: by name, in the order of their calls, and for as long as anybody speaks of them.

use super::Place;
use crate::fact::{Index, RequestId, Time};
use crate::linearizability::operation::{Content, Operation};
use crate::linearizability::ranked::Ranked;
use crate::linearizability::table::Table;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Index as At, IndexMut as AtMut};

/// No operation: the end of the numbers.
pub(super) const NOBODY: u32 = u32::MAX;

/// An operation, from its call on.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    called: Time,
    pub(super) answered: Option<Time>,
    /// The greatest place of all operations that had returned at the call, and whose it was: for the sentences.
    pub(super) floor: Place,
    pub(super) floor_by: u32,
    /// The number of its key.
    pub(super) key: u32,
    /// The index at which it first had effect; 0 before that.
    pub(super) index: Index,
    /// What the register held just before.
    pub(super) before: Content,
    /// Which use of its place in memory this is.
    use_of: u64,
    /// By how many it is kept: while it is open or the floor, and by each open operation whose floor it is.
    kept: u32,
    /// Whether it may still be answered.
    pub(super) awaits: bool,
}

impl Asked {
    #[inline]
    pub(super) const fn new(
        id: RequestId,
        operation: Operation,
        key: u32,
        called: Time,
        (floor, floor_by): (Place, u32),
    ) -> Asked {
        Asked {
            id,
            operation,
            called,
            answered: None,
            floor,
            floor_by,
            key,
            index: 0,
            before: Content::INITIAL,
            use_of: 0,
            kept: 1,
            awaits: true,
        }
    }
}

/// All of them, by number; numbers are used again.
#[derive(Clone, Debug)]
pub(super) struct Open {
    operations: Vec<Asked>,
    free: Vec<u32>,
    sessions: Ranked<Session>,
    /// The numbers of those that are not the newest of their session.
    older: Table,
    /// All operations that may still be answered, by call, and some that may not: number and use.
    awaiting: VecDeque<(u32, u64)>,
    uses: u64,
}

/// What is remembered of a session's operations for ever.
#[derive(Clone, Copy, Debug)]
struct Session {
    /// The greatest number that one had.
    newest: u64,
    /// Which of the newest were mutations: the lowest bit for the newest of all.
    mutations: u64,
    /// The newest one, while it is open. A session mostly has no other.
    open: u32,
}

impl Session {
    /// The bit of one of the newest; nothing for one long ago.
    fn bit(&self, sequence: u64) -> u64 {
        self.newest
            .checked_sub(sequence)
            .and_then(|age| u32::try_from(age).ok())
            .and_then(|age| 1_u64.checked_shl(age))
            .unwrap_or(0)
    }
}

impl At<u32> for Open {
    type Output = Asked;

    #[inline]
    fn index(&self, number: u32) -> &Asked {
        &self.operations[number as usize]
    }
}

impl AtMut<u32> for Open {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut Asked {
        &mut self.operations[number as usize]
    }
}

impl Open {
    pub(super) const fn new() -> Open {
        Open {
            operations: Vec::new(),
            free: Vec::new(),
            sessions: Ranked::new(),
            older: Table::new(),
            awaiting: VecDeque::new(),
            uses: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.operations.len() - self.free.len()
    }

    /// One more.
    #[inline]
    pub(super) fn insert(&mut self, mut asked: Asked) {
        let number = self.free.pop().unwrap_or_else(|| {
            u32::try_from(self.operations.len()).expect("fewer than four thousand million are open")
        });
        assert!(number != NOBODY, "fewer than four thousand million are open");
        self.name(asked.id, number, !asked.operation.action.is_read());
        self.uses += 1;
        asked.use_of = self.uses;
        if asked.floor_by != NOBODY {
            self.keep(asked.floor_by);
        }
        match self.operations.get_mut(number as usize) {
            Some(place) => *place = asked,
            None => self.operations.push(asked),
        }
        self.awaiting.push_back((number, self.uses));
        if self.awaiting.len() > 2 * self.operations.len() {
            self.oldest();
        }
    }

    #[inline]
    fn name(&mut self, id: RequestId, number: u32, is_mutation: bool) {
        let RequestId { session, sequence } = id;
        let first = || Session { newest: sequence, mutations: 0, open: NOBODY };
        let session = self.sessions.get_or_insert_with(session, first);
        let newer = sequence.saturating_sub(session.newest);
        let is_new = match (newer, session.newest == sequence) {
            (0, true) => std::mem::replace(&mut session.open, number) == NOBODY,
            (0, false) => self.older.insert(id, number),
            _ => {
                let before = std::mem::replace(&mut session.open, number);
                if before != NOBODY {
                    self.older.insert(RequestId { sequence: session.newest, ..id }, before);
                }
                let by = u32::try_from(newer).unwrap_or(u32::MAX);
                session.mutations = session.mutations.checked_shl(by).unwrap_or(0);
                session.newest = sequence;
                true
            }
        };
        assert!(is_new, "{id} was called twice");
        if is_mutation {
            session.mutations |= session.bit(sequence);
        }
    }

    /// The number of an operation that is open.
    #[inline]
    pub(super) fn find(&self, id: RequestId) -> Option<u32> {
        let session = self.sessions.get(id.session)?;
        if session.newest == id.sequence {
            Some(session.open).filter(|&number| number != NOBODY)
        } else {
            self.older.get(id)
        }
    }

    /// Whether a request, as far as is remembered, was a mutation. `None`: there was no such request.
    pub(super) fn was_mutation(&self, id: RequestId) -> Option<bool> {
        let session = self.sessions.get(id.session).filter(|session| id.sequence <= session.newest)?;
        Some(session.mutations & session.bit(id.sequence) != 0)
    }

    /// An operation is open no more.
    #[inline]
    pub(super) fn forget(&mut self, number: u32) {
        let asked = &mut self.operations[number as usize];
        asked.awaits = false;
        let floor_by = std::mem::replace(&mut asked.floor_by, NOBODY);
        match self.sessions.get_mut(asked.id.session) {
            Some(session) if session.newest == asked.id.sequence => session.open = NOBODY,
            _ => self.older.remove(asked.id),
        }
        self.release(floor_by);
        self.release(number);
    }

    /// One more keeps an operation.
    #[inline]
    pub(super) fn keep(&mut self, number: u32) {
        self.operations[number as usize].kept += 1;
    }

    /// One of those that keep an operation does so no more.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
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

    /// The operation that has been open for longest.
    #[inline]
    fn oldest(&mut self) -> Option<&Asked> {
        while let Some(&(number, use_of)) = self.awaiting.front() {
            let asked = &self.operations[number as usize];
            if asked.use_of == use_of && asked.awaits {
                break;
            }
            self.awaiting.pop_front();
        }
        self.awaiting.front().map(|&(number, _)| &self.operations[number as usize])
    }

    /// No answer is given any more from before this place; `floor` is that of who calls now.
    pub(super) fn needed_from(&mut self, floor: Place) -> Place {
        self.oldest().map_or(floor, |asked| asked.floor)
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
