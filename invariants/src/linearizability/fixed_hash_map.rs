//! A small map from names to anything, for what is open.

use super::operation::Content;
use crate::fact::RequestId;

/// What a [`FixedHashMap`] goes by.
pub(crate) trait MapKey: Copy + Eq {
    /// A number whose high half depends on every bit of the name.
    fn hash_bits(self) -> u64;
}

/// Two odd numbers without a pattern.
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

/// Open addressing with a fixed hash. What is removed leaves no trace, so the table is as large as the most that were in it
/// at once.
#[derive(Clone, Debug)]
pub(crate) struct FixedHashMap<N, T> {
    entries: Vec<Option<(N, T)>>,
    len: usize,
}

impl<N: MapKey, T: Copy> FixedHashMap<N, T> {
    pub(crate) const fn new() -> FixedHashMap<N, T> {
        FixedHashMap { entries: Vec::new(), len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home_slot(&self, name: N) -> usize {
        (name.hash_bits() >> 32) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn next_slot(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    /// Where the name is, or the empty place where it belongs.
    #[inline]
    fn find_slot(&self, name: N) -> usize {
        let mut place = self.home_slot(name);
        while self.entries[place].is_some_and(|(other, _)| other != name) {
            place = self.next_slot(place);
        }
        place
    }

    #[inline]
    pub(crate) fn get(&self, name: N) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        self.entries[self.find_slot(name)].as_ref().map(|(_, value)| value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, name: N) -> Option<&mut T> {
        if self.len == 0 {
            return None;
        }
        let place = self.find_slot(name);
        self.entries[place].as_mut().map(|(_, value)| value)
    }

    /// Returns whether the name is new.
    #[inline]
    pub(crate) fn insert(&mut self, name: N, value: T) -> bool {
        if 4 * (self.len + 1) > 3 * self.entries.len() {
            self.grow();
        }
        let place = self.find_slot(name);
        let is_new = self.entries[place].replace((name, value)).is_none();
        self.len += usize::from(is_new);
        is_new
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![None; (2 * self.entries.len()).max(8)];
        for (name, value) in std::mem::replace(&mut self.entries, larger).into_iter().flatten() {
            let place = self.find_slot(name);
            self.entries[place] = Some((name, value));
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, name: N) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        self.remove_at(self.find_slot(name))
    }

    fn remove_at(&mut self, place: usize) -> Option<T> {
        let (_, removed) = self.entries[place].take()?;
        self.len -= 1;
        // Whoever stands behind because this place was taken moves up.
        let mask = self.entries.len() - 1;
        let (mut hole, mut place) = (place, self.next_slot(place));
        while let Some((other, _)) = self.entries[place] {
            let (from_home, from_hole) =
                (place.wrapping_sub(self.home_slot(other)) & mask, place.wrapping_sub(hole) & mask);
            if from_home >= from_hole {
                self.entries[hole] = self.entries[place].take();
                hole = place;
            }
            place = self.next_slot(place);
        }
        Some(removed)
    }

    /// Removes what is not to be kept.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&T) -> bool) {
        for place in 0..self.entries.len() {
            // Whoever moves up to this place is looked at next.
            while self.entries[place].as_ref().is_some_and(|(_, value)| !keeps(value)) {
                self.remove_at(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn is_a_map() {
        let (mut table, mut twin) = (FixedHashMap::new(), BTreeMap::new());
        let mut lot = 1_u64;
        for round in 0..20_000_u32 {
            lot = lot.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            let id = RequestId { session: (lot >> 40) % 9, sequence: (lot >> 50) % 13 };
            if round % 1_000 == 0 {
                let keeps = |value: &u32| !value.is_multiple_of(3);
                table.retain(keeps);
                twin.retain(|_, value| keeps(value));
            }
            if lot >> 63 == 0 {
                assert_eq!(table.insert(id, round), twin.insert(id, round).is_none());
            } else {
                assert_eq!(table.remove(id), twin.remove(&id));
            }
            assert_eq!(table.len(), twin.len());
            assert_eq!(table.get(id), twin.get(&id));
            assert_eq!(table.get_mut(id), twin.get_mut(&id));
        }
        assert!(twin.iter().all(|(id, number)| table.get(*id) == Some(number)));
    }
}
