//! The operations that are open: by name, in the order of their calls, and for as long as anybody speaks of them.

use super::LinearizationPoint;
use crate::fact::{Index, RequestId, Time};
use crate::linearizability::dense_map::DenseMap;
use crate::linearizability::fixed_hash_map::FixedHashMap;
use crate::linearizability::operation::{Action, Content, Operation};
use std::fmt;
use std::ops::{Index as At, IndexMut as AtMut};

/// No operation. Its place is the head of the ring of those that wait.
pub(super) const NO_CALL: u32 = 0;

/// An operation, from its call on.
#[derive(Clone, Debug)]
pub(super) struct PendingCall {
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    called: Time,
    /// The end of time: not yet.
    pub(super) answered: Time,
    /// The greatest place of all operations that had returned at the call, and whose it was: for the sentences.
    pub(super) floor: LinearizationPoint,
    pub(super) floor_by: u32,
    /// The number of its key.
    pub(super) key: u32,
    /// The index at which it first had effect; 0 before that.
    pub(super) index: Index,
    /// What the register held just before, and whether that was what the operation needed to be done.
    pub(super) before: Content,
    pub(super) matched: bool,
    /// By how many it is kept: while it is open or the floor, and by each open operation whose floor it is.
    references: u32,
    /// Its neighbours in the ring of those that may still be answered; itself, if it may not.
    earlier: u32,
    later: u32,
    /// If it is free: the next free one.
    next_free: u32,
}

impl PendingCall {
    #[inline]
    pub(super) const fn new(
        id: RequestId,
        operation: Operation,
        key: u32,
        called: Time,
        (floor, floor_by): (LinearizationPoint, u32),
    ) -> PendingCall {
        PendingCall {
            id,
            operation,
            called,
            answered: Time::MAX,
            floor,
            floor_by,
            key,
            index: 0,
            before: Content::INITIAL,
            matched: false,
            references: 1,
            earlier: NO_CALL,
            later: NO_CALL,
            next_free: NO_CALL,
        }
    }
}

/// All of them, by number; numbers are used again.
#[derive(Clone, Debug)]
pub(super) struct PendingCalls {
    operations: Vec<PendingCall>,
    /// The first free number.
    free: u32,
    /// How many numbers are in use.
    len: usize,
    sessions: DenseMap<Session>,
    /// The numbers of those that are not the newest of their session.
    older_calls: FixedHashMap<RequestId, u32>,
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
    /// One more than the newest.
    #[inline]
    fn advance(&mut self, sequence: u64, is_mutation: bool) {
        let by = u32::try_from(sequence - self.newest).unwrap_or(u32::MAX);
        self.mutations = self.mutations.checked_shl(by).unwrap_or(0) | u64::from(is_mutation);
        self.newest = sequence;
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

impl At<u32> for PendingCalls {
    type Output = PendingCall;

    #[inline]
    fn index(&self, number: u32) -> &PendingCall {
        &self.operations[number as usize]
    }
}

impl AtMut<u32> for PendingCalls {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut PendingCall {
        &mut self.operations[number as usize]
    }
}

impl PendingCalls {
    pub(super) fn new() -> PendingCalls {
        let nothing = Operation { key: 0, action: Action::Get };
        let name = RequestId { session: 0, sequence: 0 };
        // Kept as the first floor that there is, and for ever.
        let nobody = PendingCall {
            references: 2,
            ..PendingCall::new(name, nothing, 0, 0, (LinearizationPoint::START, NO_CALL))
        };
        PendingCalls {
            operations: vec![nobody],
            free: NO_CALL,
            len: 0,
            sessions: DenseMap::new(),
            older_calls: FixedHashMap::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// One more.
    #[inline]
    pub(super) fn insert(&mut self, asked: PendingCall) {
        let (id, is_mutation, floor_by) = (asked.id, !asked.operation.action.is_read(), asked.floor_by);
        if self.free == NO_CALL {
            self.add_free_slot();
        }
        let number = self.free;
        let newest = std::mem::replace(&mut self.operations[NO_CALL as usize].earlier, number);
        let place = &mut self.operations[number as usize];
        self.free = place.next_free;
        *place = PendingCall { earlier: newest, ..asked };
        self.operations[newest as usize].later = number;
        self.operations[floor_by as usize].references += 1;
        self.len += 1;
        self.register_id(id, number, is_mutation);
    }

    /// One number more that is free.
    #[cold]
    fn add_free_slot(&mut self) {
        let number = u32::try_from(self.operations.len()).expect("fewer than four thousand million are open");
        self.operations.push(PendingCall { next_free: self.free, ..self[NO_CALL].clone() });
        self.free = number;
    }

    #[inline]
    fn register_id(&mut self, id: RequestId, number: u32, is_mutation: bool) {
        let RequestId { session, sequence } = id;
        let first = || Session { newest: sequence, mutations: 0, open: NO_CALL };
        let session = self.sessions.get_or_insert_with(session, first);
        if sequence > session.newest && session.open == NO_CALL {
            session.open = number;
            session.advance(sequence, is_mutation);
        } else {
            self.register_id_out_of_order(id, number, is_mutation);
        }
    }

    /// The same for a session that has another one open, or had a newer one. Few have.
    #[cold]
    fn register_id_out_of_order(&mut self, id: RequestId, number: u32, is_mutation: bool) {
        let sequence = id.sequence;
        let session = self.sessions.get_mut(id.session).expect("it was found before");
        let is_new = if sequence < session.newest {
            self.older_calls.insert(id, number)
        } else {
            let before = std::mem::replace(&mut session.open, number);
            let newest = RequestId { sequence: session.newest, ..id };
            before == NO_CALL || (sequence > session.newest && self.older_calls.insert(newest, before))
        };
        assert!(is_new, "{id} was called twice");
        if sequence > session.newest {
            session.advance(sequence, is_mutation);
        } else if is_mutation {
            session.mutations |= session.bit(sequence);
        }
    }

    /// The number of an operation that is open.
    #[inline(always)]
    pub(super) fn find(&self, id: RequestId) -> Option<u32> {
        let session = self.sessions.get(id.session)?;
        if session.newest == id.sequence {
            Some(session.open).filter(|&number| number != NO_CALL)
        } else {
            self.older_calls.get(id).copied()
        }
    }

    /// Whether a request, as far as is remembered, was a mutation. `None`: there was no such request.
    pub(super) fn was_mutation(&self, id: RequestId) -> Option<bool> {
        let session = self.sessions.get(id.session).filter(|session| id.sequence <= session.newest)?;
        Some(session.mutations & session.bit(id.sequence) != 0)
    }

    /// The same for the last time: by its name it is not found any more.
    #[inline(always)]
    pub(super) fn take(&mut self, id: RequestId) -> Option<u32> {
        let session = self.sessions.get_mut(id.session)?;
        if session.newest == id.sequence {
            Some(std::mem::replace(&mut session.open, NO_CALL)).filter(|&number| number != NO_CALL)
        } else {
            self.older_calls.remove(id)
        }
    }

    /// An operation that was [taken](Open::take) waits no more. Whoever kept it as open still has to release it, or to
    /// hand it on.
    #[inline]
    pub(super) fn close(&mut self, number: u32) {
        let floor_by = std::mem::replace(&mut self.operations[number as usize].floor_by, NO_CALL);
        self.stop_waiting(number);
        self.release(floor_by);
    }

    /// An operation may be answered no more. To be told twice does no harm.
    #[inline]
    pub(super) fn stop_waiting(&mut self, number: u32) {
        let asked = &mut self.operations[number as usize];
        let earlier = std::mem::replace(&mut asked.earlier, number);
        let later = std::mem::replace(&mut asked.later, number);
        self.operations[earlier as usize].later = later;
        self.operations[later as usize].earlier = earlier;
    }

    /// One of those that keep an operation does so no more.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
        let asked = &mut self.operations[number as usize];
        asked.references -= 1;
        // Without a branch, for none could be foreseen. Nobody is always kept.
        let is_free = asked.references == 0;
        asked.next_free = self.free;
        self.free = if is_free { number } else { self.free };
        self.len -= usize::from(is_free);
    }

    /// No answer is given any more from before this place; `floor` is that of who calls now.
    pub(super) fn oldest_needed(&self, floor: LinearizationPoint) -> LinearizationPoint {
        match self.operations[NO_CALL as usize].later {
            NO_CALL => floor,
            oldest => self[oldest].floor,
        }
    }
}

impl fmt::Display for PendingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; called at {}", self.id, self.operation, Seconds(self.called))?;
        match self.answered {
            Time::MAX => f.write_str(", not answered)"),
            answered => write!(f, ", answered at {})", Seconds(answered)),
        }
    }
}

/// Nanoseconds as seconds, to the last one, so that two moments never look the same.
struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
