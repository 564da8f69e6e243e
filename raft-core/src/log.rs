//! The log: what is agreed on, entry by entry.
//!
//! Invariants, kept by every method: indexes are dense from 1; terms never fall; `runs` says where each term begins,
//! `configurations` where each configuration does, and both agree with `entries`.

use crate::ids::{Index, LogId, Term};
use crate::membership::Configuration;
use bytes::Bytes;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// What an entry asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing: a new leader's first entry, which lets it commit what it inherited (5.4.2, 8).
    Noop,
    /// A command for the state machine, which the core never reads.
    Command(Bytes),
    /// The group from here on: in force as soon as it stands in the log (6).
    Configuration(Arc<Configuration>),
}

/// One entry. Its index is its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// What it asks for.
    pub payload: Payload,
}

/// Entries that follow each other, shared between everyone who needs them: sending to five peers is not five copies.
#[derive(Clone, Default)]
pub struct Entries {
    shared: Option<Arc<[Entry]>>,
    from: usize,
    to: usize,
}

impl Entries {
    /// None.
    pub const NONE: Entries = Entries { shared: None, from: 0, to: 0 };

    /// A part of these, without copying.
    fn part(&self, from: usize, to: usize) -> Entries {
        Entries { shared: self.shared.clone(), from: self.from + from, to: self.from + to }
    }
}

impl Deref for Entries {
    type Target = [Entry];
    fn deref(&self) -> &[Entry] {
        self.shared.as_ref().map_or(&[], |shared| &shared[self.from..self.to])
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Entries {
        let shared: Arc<[Entry]> = entries.into_iter().collect();
        let to = shared.len();
        Entries { shared: Some(shared), from: 0, to }
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Entries) -> bool {
        **self == **other
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The log of one server.
#[derive(Clone, Debug)]
pub struct Log {
    entries: Vec<Entry>,
    /// Where each term begins, ascending in both.
    runs: Vec<(Index, Term)>,
    /// Where each configuration begins, ascending; the first is the founding one, at 0.
    configurations: Vec<(Index, Arc<Configuration>)>,
    /// The slice that was asked for last and where it begins: leaders save, send and apply the same one.
    recent: (Index, Entries),
}

impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        self.entries == other.entries
    }
}

impl Log {
    /// The log of a group that was founded like this, with these entries from index 1 on.
    ///
    /// # Panics
    /// Where terms fall.
    #[must_use]
    pub fn new(founding: Configuration, entries: Vec<Entry>) -> Log {
        let mut runs: Vec<(Index, Term)> = Vec::new();
        let mut configurations = vec![(Index(0), Arc::new(founding))];
        for (place, entry) in entries.iter().enumerate() {
            let newest = runs.last().map_or(Term(0), |&(_, term)| term);
            assert!(entry.term >= newest, "terms in a log never fall");
            if entry.term > newest {
                runs.push((Index(place as u64 + 1), entry.term));
            }
            if let Payload::Configuration(configuration) = &entry.payload {
                configurations.push((Index(place as u64 + 1), configuration.clone()));
            }
        }
        Log { entries, runs, configurations, recent: (Index(1), Entries::NONE) }
    }

    /// The last entry's place; 0@0 in an empty log.
    #[must_use]
    pub fn last(&self) -> LogId {
        LogId {
            index: Index(self.entries.len() as u64),
            term: self.runs.last().map_or(Term(0), |&(_, term)| term),
        }
    }

    /// The term of the entry at `index`; 0 at index 0, nothing beyond the end.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        match index {
            Index(0) => Some(Term(0)),
            Index(i) => self.entries.get(i as usize - 1).map(|entry| entry.term),
        }
    }

    /// Whether this log has the entry that `id` names, and so (log matching, 5.3) everything before it.
    #[must_use]
    pub fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The configuration in force: the last one in the log, committed or not (6).
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configurations.last().expect("the founding one is always there").1
    }

    /// All configurations of this log, each with its place; the founding one stands at 0.
    #[must_use]
    pub fn configurations(&self) -> &[(Index, Arc<Configuration>)] {
        &self.configurations
    }

    /// Where the configuration in force stands.
    #[must_use]
    pub fn configured_at(&self) -> Index {
        self.configurations.last().expect("the founding one is always there").0
    }

    /// The newest configuration that is known to be committed where everything up to `commit` is: the one in force, or
    /// the one before it, for a leader puts the next one into its log only when that is committed. So a server knows it
    /// even after a restart, when it has forgotten how far everything is committed.
    #[must_use]
    pub fn committed_configuration(&self, commit: Index) -> &Arc<Configuration> {
        let last = self.configurations.len() - 1;
        let committed = if self.configured_at() <= commit { last } else { last.saturating_sub(1) };
        &self.configurations[committed].1
    }

    /// Adds an entry at the end.
    ///
    /// # Panics
    /// Where its term is below the last one's.
    pub fn append(&mut self, entry: Entry) {
        let last = self.last();
        assert!(entry.term >= last.term, "terms in a log never fall: {} after {last}", entry.term);
        if entry.term > last.term {
            self.runs.push((last.index.next(), entry.term));
        }
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push((last.index.next(), configuration.clone()));
        }
        self.entries.push(entry);
    }

    /// Adds all of `entries` after the first `skip`.
    pub fn append_rest(&mut self, entries: &Entries, skip: usize) {
        let first = self.last().index.next();
        for entry in &entries[skip..] {
            self.append(entry.clone());
        }
        self.recent = (first, entries.part(skip, entries.len()));
    }

    /// Cuts everything after `index`.
    pub fn truncate(&mut self, index: Index) {
        self.entries.truncate(index.0 as usize);
        while self.runs.last().is_some_and(|&(start, _)| start > index) {
            self.runs.pop();
        }
        // A configuration goes with its entry: the one before it is in force again (6).
        while self.configurations.last().is_some_and(|&(start, _)| start > index) {
            self.configurations.pop();
        }
        self.recent = (Index(1), Entries::NONE);
    }

    /// The entries from `first` to `last`, both included; none where `first` is beyond `last`.
    ///
    /// # Panics
    /// Where `last` is beyond the end.
    pub fn entries(&mut self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        let (start, recent) = &self.recent;
        if first >= *start && last.0 < start.0 + recent.len() as u64 {
            return recent.part((first.0 - start.0) as usize, (last.0 - start.0) as usize + 1);
        }
        let entries: Entries = self.entries[first.0 as usize - 1..last.0 as usize].iter().cloned().collect();
        self.recent = (first, entries.clone());
        entries
    }

    /// The greatest place up to `index` whose term is at most `term`. Where two logs disagree at `index`, and one of
    /// them has `term` there, they cannot agree anywhere between: so a conflict skips whole terms (5.3).
    #[must_use]
    pub fn last_at_most(&self, index: Index, term: Term) -> LogId {
        let index = index.min(self.last().index);
        let below = self.runs.partition_point(|&(start, run)| start <= index && run <= term);
        let Some(&(_, run)) = below.checked_sub(1).and_then(|place| self.runs.get(place)) else {
            return LogId::default();
        };
        let end = self.runs.get(below).map_or(index, |&(start, _)| start.previous().min(index));
        LogId { index: end, term: run }
    }
}
