//! Numbers for lists of words: equal lists get equal numbers, in the order in which they are first seen.

use hashbrown::HashTable;

/// A hash of words. Fixed: no verdict depends on it, and neither does any order.
pub(super) fn hash(words: &[u32]) -> u64 {
    const KEY: u64 = 0x517c_c1b7_2722_0a95;
    let folded =
        words.iter().fold(0, |hash: u64, word| (hash.rotate_left(5) ^ u64::from(*word)).wrapping_mul(KEY));
    // The table uses the lowest and the highest bits.
    (folded ^ folded >> 32).wrapping_mul(KEY)
}

/// Lists of words, numbered.
#[derive(Default)]
pub(super) struct Interner {
    words: Vec<u32>,
    /// Where each list ends.
    ends: Vec<usize>,
    table: HashTable<u32>,
}

impl Interner {
    pub(super) fn get(&self, id: u32) -> &[u32] {
        let id = id as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start..self.ends[id]]
    }

    /// The number of a list, and whether it is new.
    pub(super) fn intern(&mut self, list: &[u32]) -> (u32, bool) {
        let hashed = hash(list);
        if let Some(id) = self.table.find(hashed, |id| self.get(*id) == list) {
            return (*id, false);
        }
        let id = u32::try_from(self.ends.len()).expect("fewer than four billion lists");
        self.words.extend_from_slice(list);
        self.ends.push(self.words.len());
        let Interner { words, ends, table } = self;
        let list_of = |id: u32| {
            let start = (id as usize).checked_sub(1).map_or(0, |before| ends[before]);
            &words[start..ends[id as usize]]
        };
        table.insert_unique(hashed, id, |id| hash(list_of(*id)));
        (id, true)
    }
}

/// Lists of one length in one arena, numbered: the states of a cluster.
pub(super) struct Tuples {
    width: usize,
    words: Vec<u32>,
    table: HashTable<u32>,
}

impl Tuples {
    pub(super) fn new(width: usize) -> Tuples {
        Tuples { width, words: Vec::new(), table: HashTable::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len() / self.width
    }

    pub(super) fn get(&self, id: u32) -> &[u32] {
        let start = id as usize * self.width;
        &self.words[start..start + self.width]
    }

    /// Adds a tuple unless one with the same `canonical` form is there; returns its number if it is new. `canonical_of`
    /// gives the form of a tuple that is there.
    pub(super) fn insert(
        &mut self,
        tuple: &[u32],
        canonical: &[u32],
        canonical_of: impl Fn(&[u32], &mut [u32]),
    ) -> Option<u32> {
        let mut form = [0; MAX_WIDTH];
        let form = &mut form[..self.width];
        let hashed = hash(canonical);
        let Tuples { width, words, table } = self;
        let is_same = table.find(hashed, |id| {
            let start = *id as usize * *width;
            canonical_of(&words[start..start + *width], form);
            *form == *canonical
        });
        if is_same.is_some() {
            return None;
        }
        let id = u32::try_from(words.len() / *width).expect("fewer than four billion states");
        words.extend_from_slice(tuple);
        table.insert_unique(hashed, id, |id| {
            let mut form = [0; MAX_WIDTH];
            let form = &mut form[..*width];
            let start = *id as usize * *width;
            canonical_of(&words[start..start + *width], form);
            hash(form)
        });
        Some(id)
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>() + self.table.allocation_size()
    }
}

/// The longest tuple.
pub(super) const MAX_WIDTH: usize = 16;
