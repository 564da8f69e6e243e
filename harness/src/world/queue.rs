//! What is yet to happen, in the order in which it will.
//!
//! The heap holds only when and where: twenty-four bytes that move through the caches while the payloads lie still in
//! a slab. Nothing is allocated once the queue has been as long as it gets.

use invariants::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Things that will happen, by time; of one time, in the order in which they were put here.
pub struct Queue<E> {
    heap: BinaryHeap<HeapEntry>,
    slab: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
    /// During which event each payload was put here, by its slot.
    causes: Vec<u64>,
    /// The event that is happening.
    current_event: u64,
    /// During which one it was put here.
    cause: u64,
}

/// When something happens, and where in the slab it lies.
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
    /// Reversed: the heap's greatest is what happens first.
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
    /// An empty queue with room for what an ordinary run has in flight.
    #[must_use]
    pub fn new() -> Queue<E> {
        Queue {
            heap: BinaryHeap::with_capacity(256),
            slab: Vec::with_capacity(256),
            free: Vec::with_capacity(256),
            sequence: 0,
            causes: Vec::with_capacity(256),
            current_event: 0,
            cause: 0,
        }
    }

    /// Lets something happen at this time, after everything else that was put at the same time.
    pub fn push(&mut self, at: Time, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = Some(event);
                self.causes[slot as usize] = self.current_event;
                slot
            }
            None => {
                self.slab.push(Some(event));
                self.causes.push(self.current_event);
                u32::try_from(self.slab.len() - 1).expect("fewer than 2^32 things are in flight")
            }
        };
        self.heap.push(HeapEntry { at, sequence: self.sequence, slot });
        self.sequence += 1;
    }

    /// What happens next, and when.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        let place = self.heap.pop()?;
        let event = self.slab[place.slot as usize].take().expect("each place has its payload");
        self.cause = self.causes[place.slot as usize];
        self.free.push(place.slot);
        Some((place.at, event))
    }

    /// From now on, what is put here was put here during this event.
    #[inline]
    pub fn set_current_event(&mut self, event: u64) {
        self.current_event = event;
    }

    /// During which event that was put here which was taken out last.
    #[must_use]
    pub fn cause(&self) -> u64 {
        self.cause
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        self.heap.peek().map(|place| place.at)
    }

    /// How many things are yet to happen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing will ever happen again.
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
    fn a_place_is_small() {
        assert_eq!(size_of::<HeapEntry>(), 24);
    }

    #[test]
    fn the_slab_is_used_again() {
        let mut queue = Queue::new();
        for round in 0..10_000_u64 {
            queue.push(round, round);
            queue.push(round, round);
            queue.pop();
            queue.pop();
        }
        assert!(queue.is_empty());
        assert_eq!(queue.slab.len(), 2);
    }

    proptest! {
        #[test]
        fn things_happen_by_time_and_then_as_they_were_put(times in prop::collection::vec(0..20_u64, 0..200)) {
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
