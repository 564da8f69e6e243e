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
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo<const W: usize> {
    /// `None` where there is none; a power of two of places, at most half of them taken.
    table: Vec<Option<Configuration<W>>>,
    len: usize,
}

impl<const W: usize> Memo<W> {
    pub(crate) fn contains(&self, configuration: &Configuration<W>) -> bool {
        self.len > 0 && self.table[place(&self.table, configuration)].is_some()
    }

    /// How many bytes it takes.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.table.len() * size_of::<Option<Configuration<W>>>()) as u64
    }

    /// Remembers a configuration, unless that would take more than `bytes` bytes: then says so.
    #[must_use]
    pub(crate) fn insert(&mut self, configuration: Configuration<W>, bytes: u64) -> bool {
        if 2 * self.len >= self.table.len() {
            let larger = (2 * self.table.len()).max(64);
            // Both tables are there while the one moves into the other.
            if ((larger + self.table.len()) * size_of::<Option<Configuration<W>>>()) as u64 > bytes {
                return false;
            }
            let mut larger = vec![None; larger];
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
        true
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
            assert!(memo.insert(configuration(number), u64::MAX));
            assert!(memo.insert(configuration(number), u64::MAX));
            assert!(memo.contains(&configuration(number)));
        }
        assert_eq!(memo.len, 1000);
        assert!(!memo.clone().insert(configuration(1000), 0) || memo.table.len() > 2000);
        assert!((0..1000).all(|number| memo.contains(&configuration(number))));
    }

    /// Also in the moment in which the old table moves into a larger one.
    #[test]
    fn takes_no_more_bytes_than_it_may() {
        let configuration = |next| Configuration { next, state: 0, open: [0] };
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
            assert_eq!(
                refused.map(u64::from),
                Some(memo.bytes() / size_of::<Option<Configuration<1>>>() as u64 / 2)
            );
        }
    }
}
