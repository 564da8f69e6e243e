//! Contents to small numbers.

use super::operation::Content;
use crate::fact::Digest;

/// Numbers contents from 0, in order of appearance.
#[derive(Default, Debug)]
pub(crate) struct Interner {
    /// Open addressing: a content's number and one, 0 where there is none.
    table: Vec<u32>,
    contents: Vec<Content>,
}

impl Interner {
    /// Forgets all, and makes room for the contents of `operations` operations, each of which names at most two.
    pub(crate) fn clear(&mut self, operations: usize) {
        self.contents.clear();
        self.table.clear();
        self.table.resize((4 * operations + 8).next_power_of_two(), 0);
    }

    /// The content with this number.
    pub(crate) fn content(&self, number: u32) -> Content {
        self.contents[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.contents.len()
    }

    /// Where the content is, or the empty place where it belongs.
    #[inline]
    fn place(&self, content: Content) -> usize {
        let (kind, number) = match content {
            Content::Absent(deletion) => (0, deletion),
            Content::Present(value) => (1, value),
        };
        let mask = self.table.len() - 1;
        let mut place = Digest(kind).then(number).0 as usize & mask;
        while self.table[place] != 0 && self.contents[self.table[place] as usize - 1] != content {
            place = (place + 1) & mask;
        }
        place
    }

    #[inline]
    pub(crate) fn number(&mut self, content: Content) -> u32 {
        let place = self.place(content);
        if self.table[place] == 0 {
            self.contents.push(content);
            self.table[place] = u32::try_from(self.contents.len()).expect("fewer than four thousand million");
        }
        self.table[place] - 1
    }

    /// The content's number, or the end of the numbers.
    #[inline]
    pub(crate) fn get(&self, content: Content) -> u32 {
        self.table[self.place(content)].wrapping_sub(1)
    }
}
