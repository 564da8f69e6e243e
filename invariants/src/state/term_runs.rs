//! The terms of a log as runs of equal terms.
//!
//! Terms never decrease along a log and change only with elections, so even a long log has few runs. A lookup checks
//! the last run first, then does a binary search.

use crate::fact::{Index, LogId, Term};

/// The terms of one log, from index 1.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct TermRuns {
    /// First index and term of each run; indexes increase, and neighbours have different terms.
    runs: Vec<(Index, Term)>,
    /// The last index.
    last: Index,
}

impl TermRuns {
    /// The last index and its term; 0@0 while empty.
    pub(crate) fn last(&self) -> LogId {
        LogId { index: self.last, term: self.runs.last().map_or(0, |run| run.1) }
    }

    /// The term at `index`; 0 at index 0, `None` after the end.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        if index == 0 {
            return Some(0);
        }
        if index > self.last {
            return None;
        }
        let newest = self.runs.last().expect("a log with a last index has a run");
        if newest.0 <= index {
            return Some(newest.1);
        }
        let after = self.runs.partition_point(|run| run.0 <= index);
        Some(self.runs[after - 1].1)
    }

    /// The last index up to which both logs are equal, by log matching.
    pub(crate) fn common_with(&self, other: &TermRuns) -> Index {
        let (mut equal, mut until) = (0, self.last.min(other.last));
        while equal < until {
            let middle = until - (until - equal) / 2;
            if self.term_at(middle) == other.term_at(middle) {
                equal = middle;
            } else {
                until = middle - 1;
            }
        }
        equal
    }

    /// Whether the log contains this entry. True for 0@0.
    pub(crate) fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// Appends one entry.
    pub(crate) fn append(&mut self, term: Term) {
        self.extend_to(self.last + 1, term);
    }

    /// The entries after `from`. Terms at or below `from` are not meaningful in the result.
    pub(crate) fn suffix(&self, from: Index) -> TermRuns {
        let first = self.runs.partition_point(|run| run.0 <= from + 1).saturating_sub(1);
        let runs = if from < self.last { self.runs[first..].to_vec() } else { Vec::new() };
        TermRuns { runs, last: self.last }
    }

    /// The number of runs.
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Appends entries of one term, up to index `end`.
    fn extend_to(&mut self, end: Index, term: Term) {
        debug_assert!(end > self.last);
        if self.runs.last().is_none_or(|run| run.1 != term) {
            self.runs.push((self.last + 1, term));
        }
        self.last = end;
    }

    /// Appends the entries of `longer` from the end of this log up to `end`.
    pub(crate) fn extend_from(&mut self, longer: &TermRuns, end: Index) {
        debug_assert!(end <= longer.last);
        let first = longer.runs.partition_point(|run| run.0 <= self.last + 1).saturating_sub(1);
        for (position, &(start, term)) in longer.runs.iter().enumerate().skip(first) {
            if start > end {
                break;
            }
            let next = longer.runs.get(position + 1).map_or(longer.last, |run| run.0 - 1);
            if next.min(end) > self.last {
                self.extend_to(next.min(end), term);
            }
        }
    }

    /// Removes all entries after `after`. Amortised constant time: each run is removed once.
    pub(crate) fn truncate(&mut self, after: Index) {
        if after >= self.last {
            return;
        }
        self.last = after;
        while self.runs.last().is_some_and(|run| run.0 > after) {
            self.runs.pop();
        }
    }

    /// Empties the log.
    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Becomes a copy of `other` and reuses its own memory.
    pub(crate) fn copy_from(&mut self, other: &TermRuns) {
        self.runs.clone_from(&other.runs);
        self.last = other.last;
    }

    /// The last entry of each run.
    pub(crate) fn run_ends(&self) -> impl DoubleEndedIterator<Item = LogId> + '_ {
        self.runs.iter().enumerate().map(|(position, &(_, term))| LogId {
            index: self.runs.get(position + 1).map_or(self.last, |run| run.0 - 1),
            term,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Operation {
        Append { grow: Term },
        Truncate { after: Index },
        CopyHead { end: Index },
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            6 => (0..3u64).prop_map(|grow| Operation::Append { grow: grow / 2 }),
            1 => (0..40u64).prop_map(|after| Operation::Truncate { after }),
            1 => (0..40u64).prop_map(|end| Operation::CopyHead { end }),
        ];
        prop::collection::vec(operation, 0..120)
    }

    proptest! {
        /// The reference model is a terms list of terms.
        #[test]
        fn runs_behave_like_a_list_of_terms(operations in operations()) {
            let (mut runs, mut terms): (TermRuns, Vec<Term>) = Default::default();
            let mut term = 1;
            for operation in operations {
                match operation {
                    Operation::Append { grow } => {
                        term += grow;
                        runs.append(term);
                        terms.push(term);
                    }
                    Operation::Truncate { after } => {
                        runs.truncate(after);
                        terms.truncate(after as usize);
                    }
                    Operation::CopyHead { end } => {
                        // A shorter log catches up with a longer one.
                        let end = end.min(runs.last);
                        let mut copy = runs.clone();
                        copy.truncate(end / 2);
                        copy.extend_from(&runs, end);
                        prop_assert!((0..=end).all(|index| copy.term_at(index) == runs.term_at(index)));
                        prop_assert_eq!(copy.last.max(end / 2), end.max(end / 2));
                        runs = copy;
                        terms.truncate(end as usize);
                    }
                }
                let last = LogId { index: terms.len() as u64, term: terms.last().copied().unwrap_or(0) };
                prop_assert_eq!(runs.last(), last);
                prop_assert_eq!(runs.term_at(0), Some(0));
                for (position, &expected) in terms.iter().enumerate() {
                    prop_assert_eq!(runs.term_at(position as u64 + 1), Some(expected));
                }
                prop_assert_eq!(runs.term_at(last.index + 1), None);
                for from in 0..=last.index {
                    let after = runs.suffix(from);
                    prop_assert!((from + 1..last.index + 3).all(|index| after.term_at(index) == runs.term_at(index)));
                }
                let ends: Vec<LogId> = runs.run_ends().collect();
                let expected: Vec<LogId> = (1..=terms.len())
                    .filter(|&index| terms.get(index) != Some(&terms[index - 1]))
                    .map(|index| LogId { index: index as u64, term: terms[index - 1] })
                    .collect();
                prop_assert_eq!(ends, expected);
                prop_assert!(runs.runs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            }
        }
    }
}
