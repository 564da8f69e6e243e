//! The memoization table: the dead configurations of a search.

use crate::fact::Digest;

/// A configuration of the search: the first return whose operation is not placed, the pending operations that are not
/// placed, and the state. Everything else follows from these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SearchState<const W: usize> {
    /// Below [`u32::MAX`].
    pub(crate) next: u32,
    /// Below 2^31.
    pub(crate) state: u32,
    /// Whether the search must continue with an operation that the last one made legal.
    pub(crate) must_use_last: bool,
    /// Operations that must be placed.
    pub(crate) open: [u64; W],
    /// Operations that may be omitted. Fewer of them allow fewer orders.
    pub(crate) optional: [u64; W],
}

/// A configuration in fewer bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct MemoEntry<const W: usize> {
    /// [`EMPTY`]: a free slot.
    next: u32,
    /// Twice the state, plus 1 if `must_use_last`.
    state: u32,
    open: [u64; W],
    optional: [u64; W],
}

const EMPTY: u32 = u32::MAX;

/// So many configurations that differ only in optional operations share a probe sequence, in which all are compared.
/// Further ones are stored by their full digest and found only if equal.
const MAX_COMPARED: u32 = 32;

/// A set of configurations: open addressing, a fixed hash, no allocation before the first insertion.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo<const W: usize> {
    /// The length is a power of two, with at most half of the slots in use.
    table: Vec<MemoEntry<W>>,
    len: usize,
}

impl<const W: usize> Memo<W> {
    /// Whether it has a configuration with at least the same optional operations and all else equal. It may miss one
    /// with more.
    pub(crate) fn contains(&self, configuration: &SearchState<W>) -> bool {
        let entry = MemoEntry::of(configuration);
        self.len > 0 && matches!(find_slot(&self.table, &entry), MemoSlot::Covered)
    }

    /// The bytes of its table.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.table.len() * size_of::<MemoEntry<W>>()) as u64
    }

    /// Inserts a configuration. Returns false, without inserting it, if that would take more than `bytes` bytes.
    #[must_use]
    pub(crate) fn insert(&mut self, configuration: SearchState<W>, bytes: u64) -> bool {
        if 2 * self.len >= self.table.len() {
            let larger = (2 * self.table.len()).max(64);
            // Both tables exist during the copy.
            if ((larger + self.table.len()) * size_of::<MemoEntry<W>>()) as u64 > bytes {
                return false;
            }
            let mut larger = vec![MemoEntry::EMPTY; larger];
            self.len = 0;
            for entry in self.table.drain(..).filter(|entry| entry.next != EMPTY) {
                if let MemoSlot::Free(slot) = find_slot(&larger, &entry) {
                    larger[slot] = entry;
                    self.len += 1;
                }
            }
            self.table = larger;
        }
        let entry = MemoEntry::of(&configuration);
        if let MemoSlot::Free(slot) = find_slot(&self.table, &entry) {
            self.table[slot] = entry;
            self.len += 1;
        }
        true
    }
}

impl<const W: usize> MemoEntry<W> {
    const EMPTY: MemoEntry<W> = MemoEntry { next: EMPTY, state: 0, open: [0; W], optional: [0; W] };

    fn of(configuration: &SearchState<W>) -> MemoEntry<W> {
        let &SearchState { next, state, must_use_last, open, optional } = configuration;
        MemoEntry { next, state: 2 * state + u32::from(must_use_last), open, optional }
    }

    fn has_same_key(&self, other: &MemoEntry<W>) -> bool {
        self.next == other.next && self.state == other.state && self.open == other.open
    }

    /// Whether the other entry has all optional operations of this one.
    fn is_covered_by(&self, other: &MemoEntry<W>) -> bool {
        self.optional.iter().zip(&other.optional).all(|(mine, others)| mine & !others == 0)
    }
}

/// Result of a lookup.
enum MemoSlot {
    /// An entry that is equal or covers it exists.
    Covered,
    /// The free slot for it.
    Free(usize),
}

fn find_slot<const W: usize>(table: &[MemoEntry<W>], entry: &MemoEntry<W>) -> MemoSlot {
    let mut digest = Digest::EMPTY.then(u64::from(entry.next) << 32 | u64::from(entry.state));
    for &word in &entry.open {
        digest = digest.then(word);
    }
    let mask = table.len() - 1;
    let mut slot = digest.0 as usize & mask;
    let mut compared = 0;
    while table[slot].next != EMPTY {
        if table[slot].has_same_key(entry) {
            if entry.is_covered_by(&table[slot]) {
                return MemoSlot::Covered;
            }
            compared += 1;
            if compared == MAX_COMPARED {
                return find_exact_slot(table, entry, digest);
            }
        }
        slot = (slot + 1) & mask;
    }
    MemoSlot::Free(slot)
}

#[cold]
fn find_exact_slot<const W: usize>(table: &[MemoEntry<W>], entry: &MemoEntry<W>, digest: Digest) -> MemoSlot {
    let digest = entry.optional.iter().fold(digest, |digest, &word| digest.then(word));
    let mask = table.len() - 1;
    let mut slot = digest.0 as usize & mask;
    while table[slot].next != EMPTY {
        if table[slot] == *entry {
            return MemoSlot::Covered;
        }
        slot = (slot + 1) & mask;
    }
    MemoSlot::Free(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserted_configurations_are_found_and_no_others() {
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
    fn an_entry_covers_subsets_of_its_optional_operations() {
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

    /// Beyond [`MAX_COMPARED`] only equal entries are found.
    #[test]
    fn entries_beyond_the_compared_ones_are_found() {
        let with = |optional| SearchState {
            next: 1,
            state: 1,
            must_use_last: false,
            open: [7],
            optional: [optional],
        };
        let mut memo = Memo::<1>::default();
        // All of one size, so none covers another.
        let three: Vec<u64> = (0..1_u64 << 16).filter(|bits| bits.count_ones() == 3).collect();
        for &optional in &three {
            assert!(!memo.contains(&with(optional)));
            assert!(memo.insert(with(optional), u64::MAX));
        }
        assert!(three.iter().all(|&optional| memo.contains(&with(optional))));
        assert!(!memo.contains(&with(0b1111)));
    }

    /// Also during the copy into a larger table.
    #[test]
    fn the_table_never_exceeds_its_byte_limit() {
        let configuration =
            |next| SearchState { next, state: 0, must_use_last: false, open: [0], optional: [0] };
        for most in [0, 5_000, 100_000, 1_000_000] {
            let mut memo = Memo::<1>::default();
            let mut before = 0;
            let rejected = (0..).find(|&next| {
                before = memo.bytes();
                let is_rejected = !memo.insert(configuration(next), most);
                let grown = if memo.bytes() > before { before } else { 0 };
                assert!(memo.bytes() + grown <= most, "{} and {grown} of {most}", memo.bytes());
                is_rejected
            });
            assert_eq!(rejected.map(u64::from), Some(memo.bytes() / size_of::<MemoEntry<1>>() as u64 / 2));
        }
    }
}
