//! A small hash map with a fixed hash.

use super::operation::Content;
use crate::fact::RequestId;

/// A key of a [`FixedHashMap`].
pub(crate) trait MapKey: Copy + Eq {
    /// A hash whose high half depends on every bit of the key.
    fn hash_bits(self) -> u64;
}

/// Two odd numbers with irregular bits.
const HASH_MULTIPLIERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

impl MapKey for RequestId {
    #[inline]
    fn hash_bits(self) -> u64 {
        self.session.wrapping_mul(HASH_MULTIPLIERS[0]) ^ self.sequence.wrapping_mul(HASH_MULTIPLIERS[1])
    }
}

impl MapKey for Content {
    #[inline]
    fn hash_bits(self) -> u64 {
        match self {
            Content::Absent(deletion) => deletion.wrapping_mul(HASH_MULTIPLIERS[0]),
            Content::Present(value) => value.wrapping_mul(HASH_MULTIPLIERS[1]),
        }
    }
}

/// Open addressing with linear probing. Removal shifts entries back, without tombstones, so the table's size depends
/// only on the most entries at one time.
#[derive(Clone, Debug)]
pub(crate) struct FixedHashMap<K, T> {
    entries: Vec<Option<(K, T)>>,
    len: usize,
}

impl<K: MapKey, T: Copy> FixedHashMap<K, T> {
    pub(crate) const fn new() -> FixedHashMap<K, T> {
        FixedHashMap { entries: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home_slot(&self, key: K) -> usize {
        (key.hash_bits() >> 32) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn next_slot(&self, slot: usize) -> usize {
        (slot + 1) & (self.entries.len() - 1)
    }

    /// The slot of the key, or the free slot for it.
    #[inline]
    fn find_slot(&self, key: K) -> usize {
        let mut slot = self.home_slot(key);
        while self.entries[slot].is_some_and(|(other, _)| other != key) {
            slot = self.next_slot(slot);
        }
        slot
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        self.entries[self.find_slot(key)].as_ref().map(|(_, value)| value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut T> {
        if self.len == 0 {
            return None;
        }
        let slot = self.find_slot(key);
        self.entries[slot].as_mut().map(|(_, value)| value)
    }

    /// Returns whether the key is new.
    #[inline]
    pub(crate) fn insert(&mut self, key: K, value: T) -> bool {
        if 4 * (self.len + 1) > 3 * self.entries.len() {
            self.grow();
        }
        let slot = self.find_slot(key);
        let is_new = self.entries[slot].replace((key, value)).is_none();
        self.len += usize::from(is_new);
        is_new
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![None; (2 * self.entries.len()).max(8)];
        for (key, value) in std::mem::replace(&mut self.entries, larger).into_iter().flatten() {
            let slot = self.find_slot(key);
            self.entries[slot] = Some((key, value));
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, key: K) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        self.remove_at(self.find_slot(key))
    }

    fn remove_at(&mut self, slot: usize) -> Option<T> {
        let (_, removed) = self.entries[slot].take()?;
        self.len -= 1;
        // Shift back the entries that were displaced past this slot.
        let mask = self.entries.len() - 1;
        let (mut hole, mut slot) = (slot, self.next_slot(slot));
        while let Some((other, _)) = self.entries[slot] {
            let (from_home, from_hole) =
                (slot.wrapping_sub(self.home_slot(other)) & mask, slot.wrapping_sub(hole) & mask);
            if from_home >= from_hole {
                self.entries[hole] = self.entries[slot].take();
                hole = slot;
            }
            slot = self.next_slot(slot);
        }
        Some(removed)
    }

    /// Removes the entries for which `keeps` is false.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&T) -> bool) {
        for slot in 0..self.entries.len() {
            // Removal may shift another entry into this slot.
            while self.entries[slot].as_ref().is_some_and(|(_, value)| !keeps(value)) {
                self.remove_at(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_behaves_as_a_map() {
        let (mut table, mut model) = (FixedHashMap::new(), BTreeMap::new());
        let mut rng = 1_u64;
        for round in 0..20_000_u32 {
            rng = rng.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            let id = RequestId { session: (rng >> 40) % 9, sequence: (rng >> 50) % 13 };
            if round % 1_000 == 0 {
                let keeps = |value: &u32| !value.is_multiple_of(3);
                table.retain(keeps);
                model.retain(|_, value| keeps(value));
            }
            if rng >> 63 == 0 {
                assert_eq!(table.insert(id, round), model.insert(id, round).is_none());
            } else {
                assert_eq!(table.remove(id), model.remove(&id));
            }
            assert_eq!(table.len(), model.len());
            assert_eq!(table.get(id), model.get(&id));
            assert_eq!(table.get_mut(id), model.get_mut(&id));
        }
        assert!(model.iter().all(|(id, number)| table.get(*id) == Some(number)));
    }
}
