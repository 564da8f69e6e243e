//! Sets of seeds, as ranges.

use rangemap::RangeSet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Ranges listed when displayed.
const MAX_NAMED_RANGES: usize = 8;

/// A set of seeds.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Range<u64>>", into = "Vec<Range<u64>>")]
pub struct Seeds(RangeSet<u64>);

impl Seeds {
    /// Adds a range. It may overlap the set, or be empty.
    pub fn insert(&mut self, seeds: Range<u64>) {
        if !seeds.is_empty() {
            self.0.insert(seeds);
        }
    }

    /// Adds all seeds of another set.
    pub fn insert_all(&mut self, seeds: &Seeds) {
        seeds.ranges().for_each(|range| self.insert(range.clone()));
    }

    /// The seeds that are not in `others`.
    #[must_use]
    pub fn difference(&self, others: &Seeds) -> Seeds {
        let mut left = self.clone();
        others.ranges().for_each(|range| left.0.remove(range.clone()));
        left
    }

    /// The seeds in both sets.
    #[must_use]
    pub fn intersection(&self, others: &Seeds) -> Seeds {
        Seeds(self.0.intersection(&others.0).collect())
    }

    /// Whether a seed is in the set.
    #[must_use]
    pub fn contains(&self, seed: u64) -> bool {
        self.0.contains(&seed)
    }

    /// The seed at a position in ascending order, counted from 0. Linear in the number of ranges.
    #[must_use]
    pub fn nth(&self, mut position: u64) -> Option<u64> {
        for range in self.ranges() {
            let length = range.end - range.start;
            if position < length {
                return Some(range.start + position);
            }
            position -= length;
        }
        None
    }

    /// Number of seeds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges().map(|range| range.end - range.start).sum()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more than the largest seed.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.0.last().map(|range| range.end)
    }

    /// The ranges, ascending. No two touch.
    pub fn ranges(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

impl From<Range<u64>> for Seeds {
    fn from(range: Range<u64>) -> Seeds {
        Seeds::from(vec![range])
    }
}

impl From<Vec<Range<u64>>> for Seeds {
    fn from(ranges: Vec<Range<u64>>) -> Seeds {
        let mut seeds = Seeds::default();
        ranges.into_iter().for_each(|range| seeds.insert(range));
        seeds
    }
}

impl From<Seeds> for Vec<Range<u64>> {
    fn from(seeds: Seeds) -> Vec<Range<u64>> {
        seeds.0.into_iter().collect()
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (position, Range { start, end }) in self.ranges().take(MAX_NAMED_RANGES).enumerate() {
            f.write_str(if position == 0 { "" } else { ", " })?;
            // A sweep bounded by time has no last seed to name.
            match *end {
                u64::MAX => write!(f, "from {start} on")?,
                end => write!(f, "{start}..{end}")?,
            }
        }
        match self.ranges().count().saturating_sub(MAX_NAMED_RANGES) {
            0 => Ok(()),
            more => write!(f, " and {more} more ranges"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests {
    use super::Seeds;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::ops::Range;

    fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        prop::collection::vec((0..40_u64, 0..8_u64).prop_map(|(start, length)| start..start + length), 0..8)
    }

    /// The reference model: a set of numbers.
    fn each<'a>(ranges: impl IntoIterator<Item = &'a Range<u64>>) -> BTreeSet<u64> {
        ranges.into_iter().cloned().flatten().collect()
    }

    proptest! {
        #[test]
        fn range_sets_match_the_reference_model(one in ranges(), other in ranges()) {
            let (a, b) = (Seeds::from(one.clone()), Seeds::from(other.clone()));
            let (x, y) = (each(&one), each(&other));
            prop_assert!(a.ranges().zip(a.ranges().skip(1)).all(|(one, next)| one.end < next.start), "{:?}", a);
            prop_assert_eq!(each(a.ranges()), x.clone());
            prop_assert_eq!(a.count(), x.len() as u64);
            prop_assert_eq!(each(a.difference(&b).ranges()), &x - &y);
            prop_assert_eq!(each(a.intersection(&b).ranges()), &x & &y);
            let in_order: Vec<u64> = (0..a.count()).map(|position| a.nth(position).unwrap()).collect();
            prop_assert_eq!(in_order, x.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(a.nth(a.count()), None);
            prop_assert!((0..50).all(|seed| a.contains(seed) == x.contains(&seed)));
        }
    }

    #[test]
    fn ranges_display_as_they_are_typed() {
        let display = |ranges: &[Range<u64>]| Seeds::from(ranges.to_vec()).to_string();
        assert_eq!(display(&[5..9, 0..3]), "0..3, 5..9");
        assert_eq!(display(&[0..3, 7..u64::MAX]), "0..3, from 7 on");
        let many: Vec<_> = (0..10).map(|number| number * 3..number * 3 + 1).collect();
        assert!(display(&many).ends_with("21..22 and 2 more ranges"), "{}", display(&many));
        assert_eq!(display(&[]), "none");
    }
}
