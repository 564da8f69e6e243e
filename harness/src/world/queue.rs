//! The event queue: events by time.
//!
//! The heap holds entries of 24 bytes; payloads stay in place in a slab. Nothing is allocated once the queue
//! has reached its greatest length.

use invariants::Time;
use slab::Slab;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events by time; events of the same time in the order in which they were pushed.
pub struct Queue<E> {
    heap: BinaryHeap<HeapEntry>,
    /// Each payload, with the event during which it was pushed.
    slab: Slab<(u64, E)>,
    sequence: u64,
    /// The number of the current event.
    current_event: u64,
    /// The event during which the current one was pushed.
    cause: u64,
}

/// The time of an event, and its slot in the slab.
#[derive(Clone, Copy, PartialEq, Eq)]
struct HeapEntry {
    at: Time,
    sequence: u64,
    slot: u32,
}

impl HeapEntry {
    /// Time and sequence as one number: one comparison without a branch.
    const fn key(self) -> u128 {
        (self.at as u128) << 64 | self.sequence as u128
    }
}

impl Ord for HeapEntry {
    /// Reversed: the heap's maximum is the earliest event.
    fn cmp(&self, other: &HeapEntry) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for HeapEntry {
    fn partial_cmp(&self, other: &HeapEntry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Queue<E> {
    /// An empty queue with room for the events of a usual run.
    #[must_use]
    pub fn new() -> Queue<E> {
        Queue {
            heap: BinaryHeap::with_capacity(256),
            slab: Slab::with_capacity(256),
            sequence: 0,
            current_event: 0,
            cause: 0,
        }
    }

    /// Schedules an event at this time, after all others of the same time.
    #[inline]
    pub fn push(&mut self, at: Time, event: E) {
        self.push_caused_by(self.current_event, at, event);
    }

    /// The same for an event that an earlier event has caused.
    pub fn push_caused_by(&mut self, cause: u64, at: Time, event: E) {
        let slot = self.slab.insert((cause, event));
        let slot = u32::try_from(slot).expect("fewer than 2^32 events are in flight");
        self.heap.push(HeapEntry { at, sequence: self.sequence, slot });
        self.sequence += 1;
    }

    /// Takes the earliest event, with its time.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        let entry = self.heap.pop()?;
        let (cause, event) = self.slab.remove(entry.slot as usize);
        self.cause = cause;
        Some((entry.at, event))
    }

    /// Events that are pushed from now on have this event as their cause.
    #[inline]
    pub fn set_current_event(&mut self, event: u64) {
        self.current_event = event;
    }

    /// The event during which the one popped last was pushed.
    #[must_use]
    pub fn cause(&self) -> u64 {
        self.cause
    }

    /// The time of the earliest event.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// How many events are scheduled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no event is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heap_entry_has_24_bytes() {
        assert_eq!(size_of::<HeapEntry>(), 24);
    }

    #[test]
    fn free_slots_are_reused() {
        let mut queue = Queue::new();
        for round in 0..10_000_u64 {
            queue.push(round, round);
            queue.push(round, round);
            queue.pop();
            queue.pop();
        }
        assert!(queue.is_empty());
        assert_eq!(queue.slab.capacity(), 256);
    }

    proptest! {
        #[test]
        fn events_pop_by_time_then_in_push_order(times in prop::collection::vec(0..20_u64, 0..200)) {
            let mut queue = Queue::new();
            for (number, at) in times.iter().enumerate() {
                queue.push(*at, number);
            }
            let mut sorted: Vec<(u64, usize)> = times.iter().copied().enumerate().map(|(n, at)| (at, n)).collect();
            sorted.sort_unstable();
            let popped: Vec<(u64, usize)> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(popped, sorted);
        }
    }
}
