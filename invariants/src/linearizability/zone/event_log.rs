//! What was said of each of many keys, noted in the order of time and read key by key.
//!
//! Notes are taken in blocks, one after the other in memory. So the blocks that are being written lie near each other
//! however many keys there are, nothing is ever moved, and no key takes much more than it needs.

use super::registers::RegisterEvent;
use crate::fact::Time;
use crate::linearizability::operation::Content;
use crate::linearizability::role::Role;

/// So many notes to a block. A key with one note takes a whole one.
const EVENTS_PER_BLOCK: usize = 10;

/// A key with many notes takes so many blocks at once: what lies together is fetched together when they are read. It takes
/// no more than it has.
const MAX_BLOCKS_AT_ONCE: usize = 8;

/// No block: the end of the numbers.
const NONE: u32 = u32::MAX;

/// A [`RegisterEvent`] in three words, for the memory of a million of them has to be fetched from the machine first. An exchange
/// takes two notes: what it expected, and then what it wrote.
#[derive(Clone, Copy, Debug)]
struct PackedEvent {
    called: Time,
    /// How long it took, and in the lowest bits what it says.
    duration_and_kind: u64,
    /// The number of the content.
    number: u64,
}

/// What a note says, in three bits; the fourth tells whether the content is a value.
const SEES: u64 = 0;
const SEES_OTHER: u64 = 1;
const WRITES: u64 = 2;
const EXPECTS: u64 = 3;
const SELF_CONTRADICTORY: u64 = 4;
const IS_PRESENT: u64 = 8;
const KIND_BITS: u32 = 4;

/// Took for ever.
const NEVER: u64 = u64::MAX >> KIND_BITS;

impl PackedEvent {
    #[inline]
    fn new(says: u64, content: Content, called: Time, took: u64) -> PackedEvent {
        let (is_present, number) = match content {
            Content::Absent(deletion) => (0, deletion),
            Content::Present(value) => (IS_PRESENT, value),
        };
        PackedEvent { called, duration_and_kind: took << KIND_BITS | is_present | says, number }
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

/// All notes.
#[derive(Default, Debug)]
pub(super) struct EventLog {
    /// Block by block.
    notes: Vec<PackedEvent>,
    /// By block: the next one of the same key, written or not, or the next free one.
    next: Vec<u32>,
    /// The first free block, and one more than its number; 0: none is.
    free: u32,
}

/// The notes of one key.
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
    /// Takes a note. False: it is beyond what can be noted.
    #[inline]
    #[must_use]
    pub(super) fn push(
        &mut self,
        row: &mut KeyEvents,
        RegisterEvent { called, returned, role }: RegisterEvent,
    ) -> bool {
        let took = if returned == Time::MAX { NEVER } else { returned - called };
        if took >= NEVER && returned != Time::MAX {
            return false; // In nanoseconds that is decades.
        }
        let (says, content) = match role {
            Role::Sees(content) => (SEES, content),
            Role::SeesOther(content) => (SEES_OTHER, content),
            Role::Writes(content) => (WRITES, content),
            Role::Exchanges { expect, value } => {
                self.push_packed(row, PackedEvent::new(EXPECTS, expect, called, took));
                (WRITES, value)
            }
            Role::SelfContradictory(content) => (SELF_CONTRADICTORY, content),
            Role::Nothing => return true,
        };
        self.push_packed(row, PackedEvent::new(says, content, called, took));
        true
    }

    #[inline]
    fn push_packed(&mut self, row: &mut KeyEvents, note: PackedEvent) {
        let place = row.len as usize % EVENTS_PER_BLOCK;
        if place == 0 {
            self.extend_row(row);
        }
        self.notes[row.last as usize * EVENTS_PER_BLOCK + place] = note;
        row.len += 1;
    }

    fn extend_row(&mut self, row: &mut KeyEvents) {
        if row.len > 0 && self.next[row.last as usize] != NONE {
            row.last = self.next[row.last as usize];
            return;
        }
        let block = match self.free.checked_sub(1) {
            Some(block) => {
                self.free = std::mem::replace(&mut self.next[block as usize], NONE);
                block
            }
            None => self.add_blocks((row.len() / EVENTS_PER_BLOCK).clamp(1, MAX_BLOCKS_AT_ONCE)),
        };
        match row.len {
            0 => row.first = block,
            _ => self.next[row.last as usize] = block,
        }
        row.last = block;
    }

    /// So many new blocks, one behind the other. Returns the first.
    fn add_blocks(&mut self, blocks: usize) -> u32 {
        let empty = PackedEvent { called: 0, duration_and_kind: 0, number: 0 };
        self.notes.resize(self.notes.len() + blocks * EVENTS_PER_BLOCK, empty);
        let first = self.next.len() as u32;
        let last = u32::try_from(self.next.len() + blocks - 1).expect("fewer than four thousand million");
        self.next.extend(first + 1..=last);
        self.next.push(NONE);
        first
    }

    /// The notes of a key, in the order in which they were taken.
    pub(super) fn of(&self, row: KeyEvents) -> impl Iterator<Item = RegisterEvent> {
        let (mut block, mut left) = (row.first, row.len());
        let mut notes = std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let start = block as usize * EVENTS_PER_BLOCK;
            let some = &self.notes[start..start + left.min(EVENTS_PER_BLOCK)];
            left -= some.len();
            block = self.next[block as usize];
            Some(some)
        })
        .flatten();
        std::iter::from_fn(move || {
            let &note = notes.next()?;
            let content = note.content();
            let role = match note.duration_and_kind & (IS_PRESENT - 1) {
                SEES => Role::Sees(content),
                SEES_OTHER => Role::SeesOther(content),
                WRITES => Role::Writes(content),
                EXPECTS => Role::Exchanges { expect: content, value: notes.next()?.content() },
                _ => Role::SelfContradictory(content),
            };
            let took = note.duration_and_kind >> KIND_BITS;
            let returned = if took == NEVER { Time::MAX } else { note.called + took };
            Some(RegisterEvent { called: note.called, returned, role })
        })
    }

    /// Forgets the notes of a key.
    pub(super) fn forget(&mut self, row: &mut KeyEvents) {
        let mut block = row.first;
        while block != NONE {
            let next = self.next[block as usize];
            self.next[block as usize] = self.free;
            self.free = block + 1;
            block = next;
        }
        *row = KeyEvents::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read() {
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
        let (mut notes, mut rows, mut twins) =
            (EventLog::default(), [KeyEvents::EMPTY; 3], vec![Vec::new(); 3]);
        for at in 0..3_000 {
            let key = at % 7 % 3;
            let called = 1_000 * at as u64;
            let returned = if at % 11 == 0 { Time::MAX } else { called + at as u64 % 900 };
            let noted = RegisterEvent { called, returned, role: roles(at) };
            assert!(notes.push(&mut rows[key], noted));
            twins[key].push(noted);
            if at % 500 == 0 {
                notes.forget(&mut rows[key]);
                twins[key].clear();
            }
        }
        let said = |noted: RegisterEvent| (noted.called, noted.returned, noted.role);
        for (row, twin) in rows.into_iter().zip(twins) {
            assert!(notes.of(row).map(said).eq(twin.into_iter().map(said)));
        }
        let decades =
            RegisterEvent { called: 0, returned: Time::MAX - 1, role: Role::Writes(Content::INITIAL) };
        let mut row = KeyEvents::EMPTY;
        assert!(!notes.push(&mut row, decades));
    }
}
