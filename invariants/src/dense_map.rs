//! A map whose keys mostly arrive in ascending order.

use std::collections::BTreeMap;

/// An ordered map over `u64`. For dense ascending keys, such as sessions, sequences and keys of our own workloads, a
/// lookup is one comparison and an insertion a push. Any other order costs a logarithm.
#[derive(Clone, Debug)]
pub(crate) struct DenseMap<T> {
    /// Sorted: each key was the greatest when it was inserted.
    ascending: Vec<(u64, T)>,
    /// The keys that came below a greater one. Inserting them into the list would move all that follow.
    others: BTreeMap<u64, T>,
}

/// Where a key is.
enum Place {
    Ascending(usize),
    Other,
}

impl<T> DenseMap<T> {
    pub(crate) const fn new() -> DenseMap<T> {
        DenseMap { ascending: Vec::new(), others: BTreeMap::new() }
    }

    #[inline]
    fn find(&self, number: u64) -> Place {
        // The guess: no key between the first one and this one is missing.
        if let Some(&(first, _)) = self.ascending.first()
            && let Ok(guess) = usize::try_from(number.wrapping_sub(first))
            && let Some(&(found, _)) = self.ascending.get(guess)
            && found == number
        {
            return Place::Ascending(guess);
        }
        self.search(number)
    }

    /// [`Self::find`] without the guess. Most lookups are among the newest few keys.
    #[cold]
    fn search(&self, number: u64) -> Place {
        let recent = self.ascending.len().saturating_sub(16);
        let position = match self.ascending.get(recent) {
            Some(&(first, _)) if first <= number => {
                self.ascending[recent..].binary_search_by_key(&number, |&(key, _)| key).map(|at| recent + at)
            }
            _ => self.ascending.binary_search_by_key(&number, |&(key, _)| key),
        };
        position.map_or(Place::Other, Place::Ascending)
    }

    #[inline]
    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        match self.find(number) {
            Place::Ascending(at) => Some(&self.ascending[at].1),
            Place::Other => self.others.get(&number),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        match self.find(number) {
            Place::Ascending(at) => Some(&mut self.ascending[at].1),
            Place::Other => self.others.get_mut(&number),
        }
    }

    #[inline]
    pub(crate) fn get_or_insert_with(&mut self, number: u64, new: impl FnOnce() -> T) -> &mut T {
        match self.find(number) {
            Place::Ascending(at) => &mut self.ascending[at].1,
            Place::Other => self.other_or_insert(number, new),
        }
    }

    #[cold]
    fn other_or_insert(&mut self, number: u64, new: impl FnOnce() -> T) -> &mut T {
        if self.ascending.last().is_some_and(|&(last, _)| number < last) {
            return self.others.entry(number).or_insert_with(new);
        }
        self.ascending.push((number, new()));
        &mut self.ascending.last_mut().expect("it was pushed").1
    }

    /// All entries, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let mut ascending = self.ascending.iter().map(|(key, value)| (*key, value)).peekable();
        let mut others = self.others.iter().map(|(&key, value)| (key, value)).peekable();
        std::iter::from_fn(move || match (ascending.peek(), others.peek()) {
            (Some(&(first, _)), Some(&(other, _))) if other < first => others.next(),
            (Some(_), _) => ascending.next(),
            (None, _) => others.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(map.get_mut(number), model.get_mut(&number));
        }
        assert!(map.iter().eq(model.iter().map(|(&number, round)| (number, round))));
        assert!(!map.others.is_empty() && map.ascending.len() > 16);
    }
}
