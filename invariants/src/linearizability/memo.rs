//! The configurations from which the search knows no way out.

use crate::fact::Digest;

/// A place in the search: the first return whose operation has no place yet, which of the operations open there have
/// none, and the state. Everything else follows from these three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Configuration<const W: usize> {
    pub(crate) next: u32,
    pub(crate) state: u32,
    pub(crate) open: [u64; W],
}

/// A set of configurations: open addressing, a fixed hash, no memory before the first insertion.
#[derive(Debug, Default)]
pub(crate) struct Memo<const W: usize> {
    /// `None` where there is none; a power of two of places, at most half of them taken.
    table: Vec<Option<Configuration<W>>>,
    len: usize,
}

impl<const W: usize> Memo<W> {
    pub(crate) fn contains(&self, configuration: &Configuration<W>) -> bool {
        self.len > 0 && self.table[place(&self.table, configuration)].is_some()
    }

    pub(crate) fn insert(&mut self, configuration: Configuration<W>) {
        if 2 * self.len >= self.table.len() {
            let mut larger = vec![None; (2 * self.table.len()).max(64)];
            for known in self.table.drain(..).flatten() {
                let place = place(&larger, &known);
                larger[place] = Some(known);
            }
            self.table = larger;
        }
        let place = place(&self.table, &configuration);
        if self.table[place].replace(configuration).is_none() {
            self.len += 1;
        }
    }
}

/// Where the configuration is, or the empty place where it belongs.
fn place<const W: usize>(table: &[Option<Configuration<W>>], configuration: &Configuration<W>) -> usize {
    let mut digest = Digest::EMPTY.then(u64::from(configuration.next) << 32 | u64::from(configuration.state));
    for &word in &configuration.open {
        digest = digest.then(word);
    }
    let mask = table.len() - 1;
    let mut place = digest.0 as usize & mask;
    while table[place].is_some_and(|known| known != *configuration) {
        place = (place + 1) & mask;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_set() {
        let mut memo = Memo::<2>::default();
        let configuration = |number: u64| Configuration {
            next: number as u32 % 7,
            state: number as u32 / 7,
            open: [number, !number],
        };
        for number in 0..1000 {
            assert!(!memo.contains(&configuration(number)));
            memo.insert(configuration(number));
            memo.insert(configuration(number));
            assert!(memo.contains(&configuration(number)));
        }
        assert_eq!(memo.len, 1000);
        assert!((0..1000).all(|number| memo.contains(&configuration(number))));
    }
}
