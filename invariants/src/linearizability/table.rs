//! A small map from requests to numbers, for what is open.

use crate::fact::RequestId;

/// Open addressing with a fixed hash. What is removed leaves no trace, so the table is as large as the most that were in it
/// at once.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    entries: Vec<Option<(RequestId, u32)>>,
    len: usize,
}

impl Table {
    pub(crate) const fn new() -> Table {
        Table { entries: Vec::new(), len: 0 }
    }

    #[inline]
    fn home(&self, id: RequestId) -> usize {
        // Two multiplications by odd numbers without a pattern; their high halves depend on every bit.
        let mixed =
            id.session.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id.sequence.wrapping_mul(0xd1b5_4a32_d192_ed03);
        (mixed >> 32) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn next(&self, place: usize) -> usize {
        (place + 1) & (self.entries.len() - 1)
    }

    /// Where the request is, or the empty place where it belongs.
    #[inline]
    fn place(&self, id: RequestId) -> usize {
        let mut place = self.home(id);
        while self.entries[place].is_some_and(|(other, _)| other != id) {
            place = self.next(place);
        }
        place
    }

    #[inline]
    pub(crate) fn get(&self, id: RequestId) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        self.entries[self.place(id)].map(|(_, number)| number)
    }

    /// Returns whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, id: RequestId, number: u32) -> bool {
        if 2 * self.len >= self.entries.len() {
            let larger = vec![None; (2 * self.entries.len()).max(64)];
            for (id, number) in std::mem::replace(&mut self.entries, larger).into_iter().flatten() {
                let place = self.place(id);
                self.entries[place] = Some((id, number));
            }
        }
        let place = self.place(id);
        let is_new = self.entries[place].replace((id, number)).is_none();
        self.len += usize::from(is_new);
        is_new
    }

    pub(crate) fn remove(&mut self, id: RequestId) {
        if self.len == 0 {
            return;
        }
        let mut hole = self.place(id);
        if self.entries[hole].take().is_none() {
            return;
        }
        self.len -= 1;
        // Whoever stands behind because this place was taken moves up.
        let mut place = self.next(hole);
        while let Some((other, _)) = self.entries[place] {
            let mask = self.entries.len() - 1;
            let (from_home, from_hole) =
                (place.wrapping_sub(self.home(other)) & mask, place.wrapping_sub(hole) & mask);
            if from_home >= from_hole {
                self.entries[hole] = self.entries[place].take();
                hole = place;
            }
            place = self.next(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn is_a_map() {
        let (mut table, mut twin) = (Table::new(), BTreeMap::new());
        let mut lot = 1_u64;
        for round in 0..20_000_u32 {
            lot = lot.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            let id = RequestId { session: (lot >> 40) % 9, sequence: (lot >> 50) % 13 };
            if lot >> 63 == 0 {
                assert_eq!(table.insert(id, round), twin.insert(id, round).is_none());
            } else {
                table.remove(id);
                twin.remove(&id);
            }
            assert_eq!(table.len, twin.len());
            assert_eq!(table.get(id), twin.get(&id).copied());
        }
        assert!(twin.iter().all(|(id, number)| table.get(*id) == Some(*number)));
    }
}
