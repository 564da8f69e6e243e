//! The configurations from which the search knows no way out.

use crate::fact::Digest;

/// A place in the search: the first return whose operation has no place yet, which of the operations open there have
/// none, and the state. Everything else follows from these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SearchState<const W: usize> {
    /// Below [`u32::MAX`].
    pub(crate) next: u32,
    /// Below 2^31.
    pub(crate) state: u32,
    /// Whether the search must go on with an operation that the last one made legal.
    pub(crate) must_use_last: bool,
    /// Those that have to find a place.
    pub(crate) open: [u64; W],
    /// Those that may be left out. A configuration with fewer of them has fewer ways out.
    pub(crate) optional: [u64; W],
}

/// The same in fewer bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct MemoEntry<const W: usize> {
    /// [`EMPTY`]: there is none.
    next: u32,
    /// Twice the state, and one more where it is bound.
    state: u32,
    open: [u64; W],
    optional: [u64; W],
}

const EMPTY: u32 = u32::MAX;

/// So many configurations that differ in optional operations alone stand together, where each of them is compared. Any
/// further ones stand apart, and are found by equals only.
const MAX_COMPARED: u32 = 32;

/// A set of configurations: open addressing, a fixed hash, no memory before the first insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo<const W: usize> {
    /// A power of two of places, at most half of them taken.
    table: Vec<MemoEntry<W>>,
    len: usize,
}

impl<const W: usize> Memo<W> {
    /// Whether it remembers a configuration with the same optional operations or more, and all else alike. It may miss
    /// one with more.
    pub(crate) fn contains(&self, configuration: &SearchState<W>) -> bool {
        let entry = MemoEntry::of(configuration);
        self.len > 0 && matches!(find_slot(&self.table, &entry), MemoSlot::Covered)
    }

    /// How many bytes it takes.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.table.len() * size_of::<MemoEntry<W>>()) as u64
    }

    /// Remembers a configuration, unless that would take more than `bytes` bytes: then says so.
    #[must_use]
    pub(crate) fn insert(&mut self, configuration: SearchState<W>, bytes: u64) -> bool {
        if 2 * self.len >= self.table.len() {
            let larger = (2 * self.table.len()).max(64);
            // Both tables are there while the one moves into the other.
            if ((larger + self.table.len()) * size_of::<MemoEntry<W>>()) as u64 > bytes {
                return false;
            }
            let mut larger = vec![MemoEntry::EMPTY; larger];
            self.len = 0;
            for known in self.table.drain(..).filter(|entry| entry.next != EMPTY) {
                if let MemoSlot::Free(place) = find_slot(&larger, &known) {
                    larger[place] = known;
                    self.len += 1;
                }
            }
            self.table = larger;
        }
        let entry = MemoEntry::of(&configuration);
        if let MemoSlot::Free(place) = find_slot(&self.table, &entry) {
            self.table[place] = entry;
            self.len += 1;
        }
        true
    }
}

impl<const W: usize> MemoEntry<W> {
    const EMPTY: MemoEntry<W> = MemoEntry { next: EMPTY, state: 0, open: [0; W], optional: [0; W] };

    fn of(configuration: &SearchState<W>) -> MemoEntry<W> {
        let &SearchState { next, state, must_use_last: bound, open, optional } = configuration;
        MemoEntry { next, state: 2 * state + u32::from(bound), open, optional }
    }

    fn has_same_key(&self, other: &MemoEntry<W>) -> bool {
        self.next == other.next && self.state == other.state && self.open == other.open
    }

    /// Whether everything optional here is optional there.
    fn is_covered_by(&self, other: &MemoEntry<W>) -> bool {
        self.optional.iter().zip(&other.optional).all(|(mine, others)| mine & !others == 0)
    }
}

/// Where an entry is.
enum MemoSlot {
    /// It, or one that covers it, is there.
    Covered,
    /// It belongs here.
    Free(usize),
}

fn find_slot<const W: usize>(table: &[MemoEntry<W>], entry: &MemoEntry<W>) -> MemoSlot {
    let mut digest = Digest::EMPTY.then(u64::from(entry.next) << 32 | u64::from(entry.state));
    for &word in &entry.open {
        digest = digest.then(word);
    }
    let mask = table.len() - 1;
    let mut place = digest.0 as usize & mask;
    let mut together = 0;
    while table[place].next != EMPTY {
        if table[place].has_same_key(entry) {
            if entry.is_covered_by(&table[place]) {
                return MemoSlot::Covered;
            }
            together += 1;
            if together == MAX_COMPARED {
                return find_exact_slot(table, entry, digest);
            }
        }
        place = (place + 1) & mask;
    }
    MemoSlot::Free(place)
}

#[cold]
fn find_exact_slot<const W: usize>(table: &[MemoEntry<W>], entry: &MemoEntry<W>, digest: Digest) -> MemoSlot {
    let digest = entry.optional.iter().fold(digest, |digest, &word| digest.then(word));
    let mask = table.len() - 1;
    let mut place = digest.0 as usize & mask;
    while table[place].next != EMPTY {
        if table[place] == *entry {
            return MemoSlot::Covered;
        }
        place = (place + 1) & mask;
    }
    MemoSlot::Free(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_set() {
        let mut memo = Memo::<2>::default();
        let configuration = |number: u64| SearchState {
            next: number as u32 % 7,
            state: number as u32 / 7,
            must_use_last: number.is_multiple_of(2),
            open: [number, !number],
            optional: [0; 2],
        };
        for number in 0..1000 {
            assert!(!memo.contains(&configuration(number)));
            assert!(memo.insert(configuration(number), u64::MAX));
            assert!(memo.insert(configuration(number), u64::MAX));
            assert!(memo.contains(&configuration(number)));
        }
        assert_eq!(memo.len, 1000);
        assert!(!memo.clone().insert(configuration(1000), 0) || memo.table.len() > 2000);
        assert!((0..1000).all(|number| memo.contains(&configuration(number))));
    }

    #[test]
    fn fewer_optional_operations_are_covered_by_more() {
        let with = |optional| SearchState {
            next: 1,
            state: 1,
            must_use_last: false,
            open: [7],
            optional: [optional],
        };
        let mut memo = Memo::<1>::default();
        assert!(memo.insert(with(0b1100), u64::MAX));
        for (optional, covered) in
            [(0b1100, true), (0b0100, true), (0, true), (0b0110, false), (0b1101, false)]
        {
            assert_eq!(memo.contains(&with(optional)), covered, "{optional:b}");
            let other = SearchState { open: [6], ..with(optional) };
            assert!(!memo.contains(&other), "{optional:b}");
        }
    }

    /// However many of them there are: then only equals are found.
    #[test]
    fn nothing_that_was_inserted_is_lost() {
        let with = |optional| SearchState {
            next: 1,
            state: 1,
            must_use_last: false,
            open: [7],
            optional: [optional],
        };
        let mut memo = Memo::<1>::default();
        // Of the same size, so none covers another.
        let three: Vec<u64> = (0..1_u64 << 16).filter(|bits| bits.count_ones() == 3).collect();
        for &optional in &three {
            assert!(!memo.contains(&with(optional)));
            assert!(memo.insert(with(optional), u64::MAX));
        }
        assert!(three.iter().all(|&optional| memo.contains(&with(optional))));
        assert!(!memo.contains(&with(0b1111)));
    }

    /// Also in the moment in which the old table moves into a larger one.
    #[test]
    fn takes_no_more_bytes_than_it_may() {
        let configuration =
            |next| SearchState { next, state: 0, must_use_last: false, open: [0], optional: [0] };
        for most in [0, 5_000, 100_000, 1_000_000] {
            let mut memo = Memo::<1>::default();
            let mut before = 0;
            let refused = (0..).find(|&next| {
                before = memo.bytes();
                let is_refused = !memo.insert(configuration(next), most);
                let grown = if memo.bytes() > before { before } else { 0 };
                assert!(memo.bytes() + grown <= most, "{} and {grown} of {most}", memo.bytes());
                is_refused
            });
            assert_eq!(refused.map(u64::from), Some(memo.bytes() / size_of::<MemoEntry<1>>() as u64 / 2));
        }
    }
}
