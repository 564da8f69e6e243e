//! Contents to small numbers.

use super::operation::Content;
use crate::fact::Digest;

/// Numbers contents from 0, in order of appearance.
#[derive(Default, Debug)]
pub(crate) struct Interner {
    /// Open addressing: a content's number and one, 0 where there is none.
    table: Vec<u32>,
    contents: Vec<Content>,
    /// Whether numbers are mixed up before they are looked for. Values are mostly counted by those who write them, and
    /// then it is best to leave them as they are: what is written at one time lies together.
    is_mixed: bool,
}

/// The least table.
const MIN_TABLE_SIZE: usize = 16;

/// So many contents in a row where none of them belongs are no accident: it is time to mix.
const MIX_THRESHOLD: usize = 64;

impl Interner {
    /// Forgets all. There is room for about as many contents again, for one key is mostly like the next.
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

    /// Where the content is, or the empty place where it belongs; and how far that is from where it should be.
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
        let mut far = 0;
        loop {
            let place = home.wrapping_add(far) & mask;
            let known = self.table[place];
            if known == 0 || self.contents[known as usize - 1] == content {
                return (place, far);
            }
            far += 1;
        }
    }

    #[inline]
    pub(crate) fn number(&mut self, content: Content) -> u32 {
        let (mut place, far) = self.find_slot(content);
        if far > MIX_THRESHOLD && !self.is_mixed {
            self.enable_mixing();
            (place, _) = self.find_slot(content);
        }
        if self.table[place] == 0 {
            if 2 * self.contents.len() >= self.table.len() {
                self.rehash(2 * self.table.len());
                (place, _) = self.find_slot(content);
            }
            self.contents.push(content);
            self.table[place] = u32::try_from(self.contents.len()).expect("fewer than four thousand million");
        }
        self.table[place] - 1
    }

    #[cold]
    fn enable_mixing(&mut self) {
        self.is_mixed = true;
        self.rehash(self.table.len());
    }

    /// Gives every content its place in a table of another size.
    #[cold]
    fn rehash(&mut self, size: usize) {
        self.table.clear();
        self.table.resize(size, 0);
        for number in 0..self.contents.len() {
            let (place, _) = self.find_slot(self.contents[number]);
            self.table[place] = number as u32 + 1;
        }
    }

    /// The content's number, or the end of the numbers.
    #[inline]
    pub(crate) fn get(&self, content: Content) -> u32 {
        self.table[self.find_slot(content).0].wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_contents_have_their_numbers() {
        // Counted, all in one place of the table, and a little of everything.
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
