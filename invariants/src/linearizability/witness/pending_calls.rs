//! The pending operations, by identifier and in order of invocation, kept as long as anything refers to them.

use super::{LinearizationPoint, WitnessedCall};
use crate::dense_map::DenseMap;
use crate::fact::{Index, RequestId, Time};
use crate::linearizability::fixed_hash_map::FixedHashMap;
use crate::linearizability::operation::{Action, Content, Operation};
use std::ops::{Index as At, IndexMut as AtMut};

/// No operation. Its entry is the head of the ring of waiting operations.
pub(super) const NO_CALL: u32 = 0;

/// An operation since its invocation.
#[derive(Clone, Debug)]
pub(super) struct PendingCall {
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    called: Time,
    /// [`Time::MAX`]: not returned.
    pub(super) answered: Time,
    /// The floor at the invocation, that is, the greatest linearization point of all operations that had returned;
    /// and the operation that has it, for messages.
    pub(super) floor: LinearizationPoint,
    pub(super) floor_by: u32,
    /// The number of its key.
    pub(super) key: u32,
    /// The index at which it first took effect; 0: not yet.
    pub(super) index: Index,
    /// What the register held just before, and whether that was what the operation required.
    pub(super) before: Content,
    pub(super) matched: bool,
    /// The number of references: one while it is pending or the floor, and one per pending operation whose floor it
    /// is.
    references: u32,
    /// Its neighbours in the ring of operations that may still return; itself, if it is not in the ring.
    earlier: u32,
    later: u32,
    /// The next free number, if this one is free.
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

    /// The operation as evidence.
    pub(super) fn witnessed(&self) -> WitnessedCall {
        let answered = Some(self.answered).filter(|&answered| answered != Time::MAX);
        WitnessedCall { id: self.id, operation: self.operation, called: self.called, answered }
    }
}

/// All operations that are referenced, by number; numbers are reused.
#[derive(Clone, Debug)]
pub(super) struct PendingCalls {
    operations: Vec<PendingCall>,
    /// The first free number.
    free: u32,
    /// How many numbers are in use.
    len: usize,
    sessions: DenseMap<Session>,
    /// The numbers of the pending operations that are not the newest of their session.
    older_calls: FixedHashMap<RequestId, u32>,
}

/// What is kept of a session for good.
#[derive(Clone, Copy, Debug)]
struct Session {
    /// The greatest sequence.
    newest: u64,
    /// Which of the newest requests were mutations: the lowest bit for the newest one.
    mutations: u64,
    /// The newest operation, while it is pending. Most sessions have no other.
    open: u32,
}

impl Session {
    /// Advances to a greater sequence.
    #[inline]
    fn advance(&mut self, sequence: u64, is_mutation: bool) {
        let by = u32::try_from(sequence - self.newest).unwrap_or(u32::MAX);
        self.mutations = self.mutations.checked_shl(by).unwrap_or(0) | u64::from(is_mutation);
        self.newest = sequence;
    }

    /// The bit of a request; 0 if it is too old.
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
        let operation = Operation { key: 0, action: Action::Get };
        let id = RequestId { session: 0, sequence: 0 };
        // The first floor. It is never released.
        let no_call = PendingCall {
            references: 2,
            ..PendingCall::new(id, operation, 0, 0, (LinearizationPoint::START, NO_CALL))
        };
        PendingCalls {
            operations: vec![no_call],
            free: NO_CALL,
            len: 0,
            sessions: DenseMap::new(),
            older_calls: FixedHashMap::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Inserts an operation.
    #[inline]
    pub(super) fn insert(&mut self, call: PendingCall) {
        let (id, is_mutation, floor_by) = (call.id, !call.operation.action.is_read(), call.floor_by);
        if self.free == NO_CALL {
            self.add_free_slot();
        }
        let number = self.free;
        let newest = std::mem::replace(&mut self.operations[NO_CALL as usize].earlier, number);
        let entry = &mut self.operations[number as usize];
        self.free = entry.next_free;
        *entry = PendingCall { earlier: newest, ..call };
        self.operations[newest as usize].later = number;
        self.operations[floor_by as usize].references += 1;
        self.len += 1;
        self.register_id(id, number, is_mutation);
    }

    /// Adds a free number.
    #[cold]
    fn add_free_slot(&mut self) {
        let number = u32::try_from(self.operations.len()).expect("fewer than 2^32 operations are pending");
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

    /// [`Self::register_id`] for a session with another pending operation, or with a newer one. Rare.
    #[cold]
    fn register_id_out_of_order(&mut self, id: RequestId, number: u32, is_mutation: bool) {
        let sequence = id.sequence;
        let session = self.sessions.get_mut(id.session).expect("register_id has inserted the session");
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

    /// The number of a pending operation.
    #[inline(always)]
    pub(super) fn find(&self, id: RequestId) -> Option<u32> {
        let session = self.sessions.get(id.session)?;
        if session.newest == id.sequence {
            Some(session.open).filter(|&number| number != NO_CALL)
        } else {
            self.older_calls.get(id).copied()
        }
    }

    /// Whether a request was a mutation, as far as is still known. `None`: there was no such request.
    pub(super) fn was_mutation(&self, id: RequestId) -> Option<bool> {
        let session = self.sessions.get(id.session).filter(|session| id.sequence <= session.newest)?;
        Some(session.mutations & session.bit(id.sequence) != 0)
    }

    /// Finds a pending operation and removes its identifier.
    #[inline(always)]
    pub(super) fn take(&mut self, id: RequestId) -> Option<u32> {
        let session = self.sessions.get_mut(id.session)?;
        if session.newest == id.sequence {
            Some(std::mem::replace(&mut session.open, NO_CALL)).filter(|&number| number != NO_CALL)
        } else {
            self.older_calls.remove(id)
        }
    }

    /// Takes an operation that was [taken](PendingCalls::take) out of the ring. The caller must still release its
    /// reference, or pass it on.
    #[inline]
    pub(super) fn close(&mut self, number: u32) {
        let floor_by = std::mem::replace(&mut self.operations[number as usize].floor_by, NO_CALL);
        self.stop_waiting(number);
        self.release(floor_by);
    }

    /// Takes an operation out of the ring of those that may still return. Idempotent.
    #[inline]
    pub(super) fn stop_waiting(&mut self, number: u32) {
        let call = &mut self.operations[number as usize];
        let earlier = std::mem::replace(&mut call.earlier, number);
        let later = std::mem::replace(&mut call.later, number);
        self.operations[earlier as usize].later = later;
        self.operations[later as usize].earlier = earlier;
    }

    /// Drops one reference to an operation.
    #[inline]
    pub(super) fn release(&mut self, number: u32) {
        let call = &mut self.operations[number as usize];
        call.references -= 1;
        // Without a branch, which would be unpredictable. [`NO_CALL`] is never free.
        let is_free = call.references == 0;
        call.next_free = self.free;
        self.free = if is_free { number } else { self.free };
        self.len -= usize::from(is_free);
    }

    /// No later response is given from before this point; `floor` is that of an operation invoked now.
    pub(super) fn oldest_needed(&self, floor: LinearizationPoint) -> LinearizationPoint {
        match self.operations[NO_CALL as usize].later {
            NO_CALL => floor,
            oldest => self[oldest].floor,
        }
    }
}
