//! What was said of each of many keys, noted in the order of time and read key by key.
//!
//! Notes are taken in blocks, one after the other in memory. So the blocks that are being written lie near each other
//! however many keys there are, nothing is ever moved, and no key takes much more than it needs.

use super::registers::Noted;

/// So many notes to a block. A key with one note takes a whole one.
const BLOCK: usize = 8;

/// No block: the end of the numbers.
const NONE: u32 = u32::MAX;

/// All notes.
#[derive(Default, Debug)]
pub(super) struct Notes {
    /// Block by block.
    noted: Vec<Noted>,
    /// By block: the next one of the same key, or the next free one.
    next: Vec<u32>,
    /// The first free block, and one more than its number; 0: none is.
    free: u32,
}

/// The notes of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    first: u32,
    last: u32,
    len: u32,
}

impl Row {
    pub(super) const EMPTY: Row = Row { first: NONE, last: NONE, len: 0 };

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }
}

impl Notes {
    #[inline]
    pub(super) fn push(&mut self, row: &mut Row, noted: Noted) {
        let place = row.len as usize % BLOCK;
        if place == 0 {
            self.lengthen(row);
        }
        self.noted[row.last as usize * BLOCK + place] = noted;
        row.len += 1;
    }

    fn lengthen(&mut self, row: &mut Row) {
        let block = match self.free.checked_sub(1) {
            Some(block) => {
                self.free = self.next[block as usize];
                block
            }
            None => {
                self.noted.resize(self.noted.len() + BLOCK, Noted::NOTHING);
                self.next.push(NONE);
                u32::try_from(self.next.len() - 1).expect("fewer than four thousand million")
            }
        };
        self.next[block as usize] = NONE;
        match row.len {
            0 => row.first = block,
            _ => self.next[row.last as usize] = block,
        }
        row.last = block;
    }

    /// The notes of a key, in the order in which they were taken.
    pub(super) fn of(&self, row: Row) -> impl Iterator<Item = Noted> {
        let (mut block, mut left) = (row.first, row.len());
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let start = block as usize * BLOCK;
            let some = &self.noted[start..start + left.min(BLOCK)];
            left -= some.len();
            block = self.next[block as usize];
            Some(some)
        })
        .flatten()
        .copied()
    }

    /// Forgets the notes of a key.
    pub(super) fn forget(&mut self, row: &mut Row) {
        let mut block = row.first;
        while block != NONE {
            let next = self.next[block as usize];
            self.next[block as usize] = self.free;
            self.free = block + 1;
            block = next;
        }
        *row = Row::EMPTY;
    }
}
