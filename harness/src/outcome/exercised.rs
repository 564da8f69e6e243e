//! Which lines of a system were exercised: those whose switch was asked, because its answer mattered.
//!
//! Each catalogue of bugs counts its lines itself, on the thread of the run ([`Catalogue::take_exercised`]). A run takes
//! what was counted before it begins, and after it ends.

use raft_core::{BugInfo, Catalogue};
use std::collections::BTreeMap;

/// How many catalogues a system may have.
pub const MAX_CATALOGUES: usize = 4;
/// How many bugs a catalogue may have.
const MAX_BUGS: usize = u128::BITS as usize;

/// Lines of a system: a bit per bug of each catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Exercised([u128; MAX_CATALOGUES]);

impl Exercised {
    /// The lines of these catalogues that were exercised on this thread since the last call.
    #[inline]
    #[must_use]
    pub fn take(catalogues: &[Catalogue]) -> Exercised {
        let mut exercised = Exercised::default();
        if cfg!(feature = "bugs") {
            for (bits, catalogue) in exercised.0.iter_mut().zip(catalogues) {
                *bits = (catalogue.take_exercised)();
            }
        }
        exercised
    }

    /// Adds the lines of another set.
    #[inline]
    pub const fn add(&mut self, other: Exercised) {
        let mut number = 0;
        while number < MAX_CATALOGUES {
            self.0[number] |= other.0[number];
            number += 1;
        }
    }

    /// The numbers of the lines, ascending. A line has the same number in every run of a build.
    pub fn lines(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(catalogue, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                (bit < MAX_BUGS).then_some(catalogue * MAX_BUGS + bit)
            })
        })
    }

    /// Each line of the catalogues, by the name of its bug: 1 if it was exercised, otherwise 0. None without the feature
    /// `bugs`.
    #[must_use]
    pub fn of_each_line(self, catalogues: &[Catalogue]) -> Vec<(&'static str, u64)> {
        let counts = |(catalogue, bits): (&Catalogue, u128)| {
            let bugs = catalogue.bugs.iter().enumerate();
            bugs.map(move |(number, bug)| (bug.name, u64::from(bits & 1 << number != 0))).collect::<Vec<_>>()
        };
        let catalogues = catalogues.iter().zip(self.0).filter(|_| cfg!(feature = "bugs"));
        catalogues.flat_map(counts).collect()
    }

    /// The bugs whose lines these are, in the order of the catalogues.
    pub fn bugs(self, catalogues: &'static [Catalogue]) -> impl Iterator<Item = &'static BugInfo> {
        self.lines().filter_map(|line| bug_of_line(line, catalogues))
    }
}

/// The bug whose line has this number.
#[must_use]
pub(crate) fn bug_of_line(line: usize, catalogues: &[Catalogue]) -> Option<&'static BugInfo> {
    catalogues.get(line / MAX_BUGS)?.bugs.get(line % MAX_BUGS).copied()
}

/// In which situations each line was exercised: a situation is a number below 32.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Situations(BTreeMap<usize, u32>);

impl Situations {
    /// Adds lines that were exercised in one situation.
    pub fn add(&mut self, lines: Exercised, situation: u32) {
        for line in lines.lines() {
            *self.0.entry(line).or_default() |= 1 << situation;
        }
    }

    /// Each line with the bits of its situations, by line.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.0.iter().map(|(line, situations)| (*line, *situations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::BUILT_IN;

    #[test]
    fn lines_are_the_bits_of_all_catalogues() {
        let mut exercised = Exercised([0b101, 0, 1 << 127, 0]);
        exercised.add(Exercised([0b1, 0b10, 0, 0]));
        assert_eq!(exercised.lines().collect::<Vec<_>>(), [0, 2, 128 + 1, 2 * 128 + 127]);
        assert_eq!(Exercised::default().lines().next(), None);
    }

    #[test]
    fn each_line_belongs_to_one_bug() {
        let lines = BUILT_IN.catalogues.iter().map(|catalogue| (1 << catalogue.bugs.len()) - 1);
        let mut all = Exercised::default();
        all.0.iter_mut().zip(lines).for_each(|(bits, lines)| *bits = lines);
        let mut ids: Vec<_> = all.bugs(BUILT_IN.catalogues).map(|bug| bug.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(count, BUILT_IN.catalogues.iter().map(|catalogue| catalogue.bugs.len()).sum::<usize>());
    }
}
