//! A log's terms as runs: where each term begins, and where the log ends.
//!
//! Terms never fall along a log and change only with elections, so a log of any length is a handful of runs. Which term
//! stands at an index is one look at the last run, or a binary search.

use crate::fact::{Index, LogId, Term};

/// The terms of one log, from index 1.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct TermRuns {
    /// The first index of each run and its term; starts grow, neighbours differ in term.
    runs: Vec<(Index, Term)>,
    /// The last index.
    last: Index,
}

impl TermRuns {
    /// The last index and its term; 0@0 while empty.
    pub fn last(&self) -> LogId {
        LogId { index: self.last, term: self.runs.last().map_or(0, |run| run.1) }
    }

    /// The term at `index`: 0 at 0, `None` beyond the end.
    pub fn term_at(&self, index: Index) -> Option<Term> {
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

    /// Whether this entry is here. 0@0 always is.
    pub fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// One more entry.
    pub fn append(&mut self, term: Term) {
        self.extend_to(self.last + 1, term);
    }

    /// Entries of one term, up to this index.
    /// The entries after `from`: of those before it nothing may be asked.
    pub fn suffix(&self, from: Index) -> TermRuns {
        let first = self.runs.partition_point(|run| run.0 <= from + 1).saturating_sub(1);
        let runs = if from < self.last { self.runs[first..].to_vec() } else { Vec::new() };
        TermRuns { runs, last: self.last }
    }

    /// How many runs there are.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    fn extend_to(&mut self, end: Index, term: Term) {
        debug_assert!(end > self.last);
        if self.runs.last().is_none_or(|run| run.1 != term) {
            self.runs.push((self.last + 1, term));
        }
        self.last = end;
    }

    /// What stands in `longer` after the end of this log, up to `end`.
    pub fn extend_from(&mut self, longer: &TermRuns, end: Index) {
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

    /// Cuts everything after `after`. Each run is dropped once, so a cut costs no more than the appends before it.
    pub fn truncate(&mut self, after: Index) {
        if after >= self.last {
            return;
        }
        self.last = after;
        while self.runs.last().is_some_and(|run| run.0 > after) {
            self.runs.pop();
        }
    }

    /// Empties the log.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Becomes a copy of `other`, in the memory that it has.
    pub fn copy_from(&mut self, other: &TermRuns) {
        self.runs.clone_from(&other.runs);
        self.last = other.last;
    }

    /// The last entry of each run.
    pub fn run_ends(&self) -> impl DoubleEndedIterator<Item = LogId> + '_ {
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
    enum Do {
        Append { grow: Term },
        Truncate { after: Index },
        CopyHead { end: Index },
    }

    fn verbs() -> impl Strategy<Value = Vec<Do>> {
        let verb = prop_oneof![
            6 => (0..3u64).prop_map(|grow| Do::Append { grow: grow / 2 }),
            1 => (0..40u64).prop_map(|after| Do::Truncate { after }),
            1 => (0..40u64).prop_map(|end| Do::CopyHead { end }),
        ];
        prop::collection::vec(verb, 0..120)
    }

    proptest! {
        /// The twin is a plain list of terms.
        #[test]
        fn runs_are_a_list_of_terms(verbs in verbs()) {
            let (mut runs, mut plain): (TermRuns, Vec<Term>) = Default::default();
            let mut term = 1;
            for verb in verbs {
                match verb {
                    Do::Append { grow } => {
                        term += grow;
                        runs.append(term);
                        plain.push(term);
                    }
                    Do::Truncate { after } => {
                        runs.truncate(after);
                        plain.truncate(after as usize);
                    }
                    Do::CopyHead { end } => {
                        // A shorter log catches up with a longer one from wherever it stands.
                        let end = end.min(runs.last);
                        let mut copy = runs.clone();
                        copy.truncate(end / 2);
                        copy.extend_from(&runs, end);
                        prop_assert!((0..=end).all(|index| copy.term_at(index) == runs.term_at(index)));
                        prop_assert_eq!(copy.last.max(end / 2), end.max(end / 2));
                        runs = copy;
                        plain.truncate(end as usize);
                    }
                }
                let last = LogId { index: plain.len() as u64, term: plain.last().copied().unwrap_or(0) };
                prop_assert_eq!(runs.last(), last);
                prop_assert_eq!(runs.term_at(0), Some(0));
                for (position, &expected) in plain.iter().enumerate() {
                    prop_assert_eq!(runs.term_at(position as u64 + 1), Some(expected));
                }
                prop_assert_eq!(runs.term_at(last.index + 1), None);
                for from in 0..=last.index {
                    let after = runs.suffix(from);
                    prop_assert!((from + 1..last.index + 3).all(|index| after.term_at(index) == runs.term_at(index)));
                }
                let ends: Vec<LogId> = runs.run_ends().collect();
                let expected: Vec<LogId> = (1..=plain.len())
                    .filter(|&index| plain.get(index) != Some(&plain[index - 1]))
                    .map(|index| LogId { index: index as u64, term: plain[index - 1] })
                    .collect();
                prop_assert_eq!(ends, expected);
                prop_assert!(runs.runs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
            }
        }
    }
}
