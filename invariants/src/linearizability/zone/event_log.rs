//! A log of events of many keys, written in order of time and read key by key.
//!
//! A key's events are in linked blocks of one array. So the blocks in use are close together however many keys there
//! are, nothing is moved, and a key wastes at most one allocation of blocks.

use super::registers::RegisterEvent;
use crate::fact::Time;
use crate::linearizability::operation::Content;
use crate::linearizability::role::Role;

/// Events per block, also for a key with one event.
const EVENTS_PER_BLOCK: usize = 10;

/// A key with many events allocates up to so many blocks at once, so that they are contiguous when read, but never
/// more than it has filled.
const MAX_BLOCKS_AT_ONCE: usize = 8;

/// No block.
const NONE: u32 = u32::MAX;

/// A [`RegisterEvent`] in three words, because reading a million of them is bound by memory. An exchange takes two:
/// what it expected, then what it wrote.
#[derive(Clone, Copy, Debug)]
struct PackedEvent {
    called: Time,
    /// The duration, and in the lowest bits the kind.
    duration_and_kind: u64,
    /// The number of the content.
    number: u64,
}

/// The kind of event, in three bits; the fourth says whether the content is a value.
const SEES: u64 = 0;
const SEES_OTHER: u64 = 1;
const WRITES: u64 = 2;
const EXPECTS: u64 = 3;
const SELF_CONTRADICTORY: u64 = 4;
const IS_PRESENT: u64 = 8;
const KIND_BITS: u32 = 4;

/// The duration of an operation that did not return.
const NEVER: u64 = u64::MAX >> KIND_BITS;

impl PackedEvent {
    #[inline]
    fn new(kind: u64, content: Content, called: Time, duration: u64) -> PackedEvent {
        let (is_present, number) = match content {
            Content::Absent(deletion) => (0, deletion),
            Content::Present(value) => (IS_PRESENT, value),
        };
        PackedEvent { called, duration_and_kind: duration << KIND_BITS | is_present | kind, number }
    }

    #[inline]
    fn content(self) -> Content {
        if self.duration_and_kind & IS_PRESENT == 0 {
            Content::Absent(self.number)
        } else {
            Content::Present(self.number)
        }
    }
}

/// The events of all keys.
#[derive(Default, Debug)]
pub(super) struct EventLog {
    /// Block by block.
    events: Vec<PackedEvent>,
    /// By block: the next one of the same key, in use or not; of a free block, the next free one.
    next: Vec<u32>,
    /// One more than the number of the first free block; 0: none is free.
    free: u32,
}

/// The list of one key's events.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyEvents {
    first: u32,
    last: u32,
    len: u32,
}

impl KeyEvents {
    pub(super) const EMPTY: KeyEvents = KeyEvents { first: NONE, last: NONE, len: 0 };

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }
}

impl EventLog {
    /// Appends an event. Returns false if its duration does not fit.
    #[inline]
    #[must_use]
    pub(super) fn push(
        &mut self,
        key: &mut KeyEvents,
        RegisterEvent { called, returned, role }: RegisterEvent,
    ) -> bool {
        let duration = if returned == Time::MAX { NEVER } else { returned - called };
        if duration >= NEVER && returned != Time::MAX {
            return false; // Decades, in nanoseconds.
        }
        let (kind, content) = match role {
            Role::Sees(content) => (SEES, content),
            Role::SeesOther(content) => (SEES_OTHER, content),
            Role::Writes(content) => (WRITES, content),
            Role::Exchanges { expect, value } => {
                self.push_packed(key, PackedEvent::new(EXPECTS, expect, called, duration));
                (WRITES, value)
            }
            Role::SelfContradictory(content) => (SELF_CONTRADICTORY, content),
            Role::Nothing => return true,
        };
        self.push_packed(key, PackedEvent::new(kind, content, called, duration));
        true
    }

    #[inline]
    fn push_packed(&mut self, key: &mut KeyEvents, event: PackedEvent) {
        let offset = key.len as usize % EVENTS_PER_BLOCK;
        if offset == 0 {
            self.extend_key(key);
        }
        self.events[key.last as usize * EVENTS_PER_BLOCK + offset] = event;
        key.len += 1;
    }

    fn extend_key(&mut self, key: &mut KeyEvents) {
        if key.len > 0 && self.next[key.last as usize] != NONE {
            key.last = self.next[key.last as usize];
            return;
        }
        let block = match self.free.checked_sub(1) {
            Some(block) => {
                self.free = std::mem::replace(&mut self.next[block as usize], NONE);
                block
            }
            None => self.add_blocks((key.len() / EVENTS_PER_BLOCK).clamp(1, MAX_BLOCKS_AT_ONCE)),
        };
        match key.len {
            0 => key.first = block,
            _ => self.next[key.last as usize] = block,
        }
        key.last = block;
    }

    /// Allocates so many linked blocks. Returns the first.
    fn add_blocks(&mut self, blocks: usize) -> u32 {
        let empty = PackedEvent { called: 0, duration_and_kind: 0, number: 0 };
        self.events.resize(self.events.len() + blocks * EVENTS_PER_BLOCK, empty);
        let first = self.next.len() as u32;
        let last = u32::try_from(self.next.len() + blocks - 1).expect("fewer than 2^32 blocks");
        self.next.extend(first + 1..=last);
        self.next.push(NONE);
        first
    }

    /// The events of a key, in the order in which they were appended.
    pub(super) fn of(&self, key: KeyEvents) -> impl Iterator<Item = RegisterEvent> {
        let (mut block, mut left) = (key.first, key.len());
        let mut events = std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let start = block as usize * EVENTS_PER_BLOCK;
            let block_events = &self.events[start..start + left.min(EVENTS_PER_BLOCK)];
            left -= block_events.len();
            block = self.next[block as usize];
            Some(block_events)
        })
        .flatten();
        std::iter::from_fn(move || {
            let &event = events.next()?;
            let content = event.content();
            let role = match event.duration_and_kind & (IS_PRESENT - 1) {
                SEES => Role::Sees(content),
                SEES_OTHER => Role::SeesOther(content),
                WRITES => Role::Writes(content),
                EXPECTS => Role::Exchanges { expect: content, value: events.next()?.content() },
                _ => Role::SelfContradictory(content),
            };
            let duration = event.duration_and_kind >> KIND_BITS;
            let returned = if duration == NEVER { Time::MAX } else { event.called + duration };
            Some(RegisterEvent { called: event.called, returned, role })
        })
    }

    /// Removes the events of a key.
    pub(super) fn forget(&mut self, key: &mut KeyEvents) {
        let mut block = key.first;
        while block != NONE {
            let next = self.next[block as usize];
            self.next[block as usize] = self.free;
            self.free = block + 1;
            block = next;
        }
        *key = KeyEvents::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back_per_key() {
        let contents = [Content::INITIAL, Content::Absent(u64::MAX), Content::Present(7)];
        let roles = |at: usize| {
            let (content, other) = (contents[at % 3], contents[(at + 1) % 3]);
            match at % 5 {
                0 => Role::Sees(content),
                1 => Role::SeesOther(content),
                2 => Role::Writes(content),
                3 => Role::Exchanges { expect: content, value: other },
                _ => Role::SelfContradictory(content),
            }
        };
        let (mut events, mut keys, mut models) =
            (EventLog::default(), [KeyEvents::EMPTY; 3], vec![Vec::new(); 3]);
        for at in 0..3_000 {
            let key = at % 7 % 3;
            let called = 1_000 * at as u64;
            let returned = if at % 11 == 0 { Time::MAX } else { called + at as u64 % 900 };
            let event = RegisterEvent { called, returned, role: roles(at) };
            assert!(events.push(&mut keys[key], event));
            models[key].push(event);
            if at % 500 == 0 {
                events.forget(&mut keys[key]);
                models[key].clear();
            }
        }
        let fields = |event: RegisterEvent| (event.called, event.returned, event.role);
        for (key, model) in keys.into_iter().zip(models) {
            assert!(events.of(key).map(fields).eq(model.into_iter().map(fields)));
        }
        let decades =
            RegisterEvent { called: 0, returned: Time::MAX - 1, role: Role::Writes(Content::INITIAL) };
        let mut key = KeyEvents::EMPTY;
        assert!(!events.push(&mut key, decades));
    }
}
