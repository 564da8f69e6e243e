//! Numbers contents.

use super::operation::Content;
use crate::fact::Digest;

/// Numbers contents from 0, in order of appearance.
#[derive(Default, Debug)]
pub(crate) struct Interner {
    /// Open addressing: a content's number plus 1; 0: free.
    table: Vec<u32>,
    contents: Vec<Content>,
    /// Whether slots are chosen by a hash. At first they are chosen by the value itself: values are mostly counted
    /// up, so contents written at the same time share cache lines.
    is_mixed: bool,
}

/// The smallest table.
const MIN_TABLE_SIZE: usize = 16;

/// After a probe of so many occupied slots, slots are chosen by a hash.
const MIX_THRESHOLD: usize = 64;

impl Interner {
    /// Removes all contents. Keeps room for about as many, because one key is mostly like the next.
    pub(crate) fn clear(&mut self) {
        let room = (2 * self.contents.len()).next_power_of_two().max(MIN_TABLE_SIZE);
        self.contents.clear();
        self.is_mixed = false;
        self.table.clear();
        self.table.resize(room, 0);
    }

    /// The content with this number.
    pub(crate) fn content(&self, number: u32) -> Content {
        self.contents[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.contents.len()
    }

    /// The slot of the content, or the free slot for it; and its distance from the preferred slot.
    #[inline]
    fn find_slot(&self, content: Content) -> (usize, usize) {
        let mask = self.table.len() - 1;
        let (kind, number) = match content {
            Content::Absent(deletion) => (0, deletion),
            Content::Present(value) => (1, value),
        };
        let home = match self.is_mixed {
            false => (number as usize).wrapping_add(kind * self.table.len() / 2),
            true => Digest(kind as u64).then(number).0 as usize,
        };
        let mut distance = 0;
        loop {
            let slot = home.wrapping_add(distance) & mask;
            let occupant = self.table[slot];
            if occupant == 0 || self.contents[occupant as usize - 1] == content {
                return (slot, distance);
            }
            distance += 1;
        }
    }

    #[inline]
    pub(crate) fn number(&mut self, content: Content) -> u32 {
        let (mut slot, distance) = self.find_slot(content);
        if distance > MIX_THRESHOLD && !self.is_mixed {
            self.enable_mixing();
            (slot, _) = self.find_slot(content);
        }
        if self.table[slot] == 0 {
            if 2 * self.contents.len() >= self.table.len() {
                self.rehash(2 * self.table.len());
                (slot, _) = self.find_slot(content);
            }
            self.contents.push(content);
            self.table[slot] = u32::try_from(self.contents.len()).expect("fewer than 2^32 contents");
        }
        self.table[slot] - 1
    }

    #[cold]
    fn enable_mixing(&mut self) {
        self.is_mixed = true;
        self.rehash(self.table.len());
    }

    /// Inserts all contents into a table of this size.
    #[cold]
    fn rehash(&mut self, size: usize) {
        self.table.clear();
        self.table.resize(size, 0);
        for number in 0..self.contents.len() {
            let (slot, _) = self.find_slot(self.contents[number]);
            self.table[slot] = number as u32 + 1;
        }
    }

    /// The content's number, or [`u32::MAX`].
    #[inline]
    pub(crate) fn get(&self, content: Content) -> u32 {
        self.table[self.find_slot(content).0].wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_numbered_in_order_of_appearance() {
        // Consecutive, all with one preferred slot, and scattered.
        for step in [1, 1 << 20, 0x9e37_79b9_7f4a_7c15] {
            let mut interner = Interner::default();
            interner.clear();
            let contents =
                |at: u64| [Content::Present(at.wrapping_mul(step)), Content::Absent(at.wrapping_mul(step))];
            for (number, content) in (0..).zip((0..1_000).flat_map(contents)) {
                assert_eq!(interner.get(content), u32::MAX);
                assert_eq!(interner.number(content), number);
            }
            for (number, content) in (0..).zip((0..1_000).flat_map(contents)) {
                assert_eq!((interner.get(content), interner.number(content)), (number, number));
                assert_eq!(interner.content(number), content);
            }
            assert_eq!(interner.is_mixed, step == 1 << 20);
        }
    }
}
