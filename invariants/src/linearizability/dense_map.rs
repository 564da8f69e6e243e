//! A map whose keys are mostly dense and inserted in ascending order.

/// An ordered map over `u64`. For dense ascending keys, such as sessions, sequences and keys of our own workloads, a
/// lookup is one comparison and an insertion a push. Other keys take a binary search.
#[derive(Clone, Debug)]
pub(crate) struct DenseMap<T> {
    entries: Vec<(u64, T)>,
    /// The key of the first entry, if there is one.
    first: u64,
}

impl<T> DenseMap<T> {
    pub(crate) const fn new() -> DenseMap<T> {
        DenseMap { entries: Vec::new(), first: 0 }
    }

    /// The index of `number`, or where to insert it.
    #[inline]
    fn find(&self, number: u64) -> Result<usize, usize> {
        // The guess: no key between the first one and this one is missing.
        if let Ok(guess) = usize::try_from(number.wrapping_sub(self.first))
            && let Some(&(found, _)) = self.entries.get(guess)
            && found == number
        {
            return Ok(guess);
        }
        self.binary_search(number)
    }

    /// [`Self::find`] without the guess.
    #[cold]
    fn binary_search(&self, number: u64) -> Result<usize, usize> {
        match self.entries.last() {
            Some(&(last, _)) if last < number => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&number, |&(number, _)| number),
        }
    }

    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.find(number).ok().map(|at| &self.entries[at].1)
    }

    /// All entries, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.entries.iter().map(|(number, value)| (*number, value))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.find(number).ok().map(|at| &mut self.entries[at].1)
    }

    #[inline]
    pub(crate) fn get_or_insert_with(&mut self, number: u64, new: impl FnOnce() -> T) -> &mut T {
        match self.find(number) {
            Ok(at) => &mut self.entries[at].1,
            Err(at) => self.insert(at, number, new),
        }
    }

    #[cold]
    fn insert(&mut self, at: usize, number: u64, new: impl FnOnce() -> T) -> &mut T {
        self.entries.insert(at, (number, new()));
        self.first = self.entries[0].0;
        &mut self.entries[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_behaves_as_a_map_for_any_numbers() {
        let mut model = BTreeMap::new();
        let mut map = DenseMap::new();
        let mut number = 1_u64;
        for round in 0..2000_u64 {
            // Dense runs, then jumps, then extremes.
            number = match round % 50 {
                49 => number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                48 => u64::MAX - round % 3,
                47 => round % 5,
                _ => number.wrapping_add(1),
            };
            assert_eq!(map.get(number), model.get(&number));
            let value = *model.entry(number).or_insert(round);
            assert_eq!(*map.get_or_insert_with(number, || round), value);
        }
        assert!(model.iter().all(|(number, round)| map.get(*number) == Some(round)));
        assert_eq!(map.entries.len(), model.len());
    }
}
