//! The log: what is agreed on, entry by entry.
//!
//! What was compacted away (7) is known by its last entry alone, the *base*: everything up to it is committed.
//!
//! Invariants, kept by every method: indexes are dense from the base on; terms never fall; `runs` says where each term
//! begins, `configurations` where each configuration does, and both agree with `entries`.

use crate::ids::{Index, LogId, Term};
use crate::membership::Configuration;
use bytes::Bytes;
use std::collections::VecDeque;
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

impl Entry {
    /// How many bytes of commands it carries: what windows and limits count.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match &self.payload {
            Payload::Command(command) => command.len() as u64,
            Payload::Noop | Payload::Configuration(_) => 0,
        }
    }
}

/// Entries that follow each other, shared between everyone who needs them: sending to five peers is not five copies.
#[derive(Clone, Default)]
pub struct Entries {
    shared: Option<Arc<[Entry]>>,
    from: u32,
    to: u32,
}

impl Entries {
    /// None.
    pub const NONE: Entries = Entries { shared: None, from: 0, to: 0 };

    /// A part of these, without copying.
    #[must_use]
    pub(crate) fn part(&self, from: usize, to: usize) -> Entries {
        Entries { shared: self.shared.clone(), from: self.from + from as u32, to: self.from + to as u32 }
    }
}

impl Deref for Entries {
    type Target = [Entry];
    fn deref(&self) -> &[Entry] {
        self.shared.as_ref().map_or(&[], |shared| &shared[self.from as usize..self.to as usize])
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Entries {
        let shared: Arc<[Entry]> = entries.into_iter().collect();
        let to = u32::try_from(shared.len()).expect("a slice of a log has fewer than four billion entries");
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
    /// The last entry that is not kept; 0@0 while all are.
    base: LogId,
    /// What follows the base.
    entries: VecDeque<Entry>,
    /// Where each term begins, ascending in both; the first is the base's, if there is one.
    runs: Vec<(Index, Term)>,
    /// Where each configuration begins, ascending; the first is in force at the base: the founding one, at 0, or a later.
    configurations: Vec<(Index, Arc<Configuration>)>,
    /// The slices that came or were asked for last, each with where it begins, in a ring: what is applied is what was
    /// saved and sent a few steps ago.
    recent: [(Index, Entries); RECENT],
    /// The oldest of them.
    oldest: usize,
}

/// How many slices are remembered: what came with this message, and what the message before it committed, and as much
/// again for a leader that sends to some what others have.
const RECENT: usize = 4;

impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        self.base == other.base && self.entries == other.entries
    }
}

impl Log {
    /// The log of a group that was founded like this, with these entries from index 1 on.
    ///
    /// # Panics
    /// Where terms fall.
    #[must_use]
    pub fn new(founding: Configuration, entries: Vec<Entry>) -> Log {
        Log::after(LogId::default(), Arc::new(founding), entries)
    }

    /// The log of which only this is kept: `entries` after `base`, where `configuration` was in force.
    ///
    /// # Panics
    /// Where terms fall.
    #[must_use]
    pub fn after(base: LogId, configuration: Arc<Configuration>, entries: Vec<Entry>) -> Log {
        let mut log = Log {
            base,
            entries: VecDeque::with_capacity(entries.len()),
            runs: Vec::new(),
            configurations: vec![(base.index, configuration)],
            recent: Default::default(),
            oldest: 0,
        };
        if base.index > Index(0) {
            log.runs.push((base.index, base.term));
        }
        entries.into_iter().for_each(|entry| log.append(entry));
        log
    }

    /// The last entry that is not kept: everything up to it is committed. 0@0 while all are kept.
    #[must_use]
    pub const fn base(&self) -> LogId {
        self.base
    }

    /// The last entry's place; 0@0 in an empty log.
    #[must_use]
    pub fn last(&self) -> LogId {
        LogId {
            index: Index(self.base.index.0 + self.entries.len() as u64),
            term: self.runs.last().map_or(Term(0), |&(_, term)| term),
        }
    }

    /// The term of the entry at `index`; 0 at index 0 of a log that keeps all. Nothing before the base, which is no
    /// term of 0: who took it for one would match logs that were never compared. Nothing beyond the end.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(self.base.term),
            place => self.entries.get(place as usize - 1).map(|entry| entry.term),
        }
    }

    /// The configuration in force at `index`: the newest up to there.
    #[must_use]
    pub fn configuration_at(&self, index: Index) -> &Arc<Configuration> {
        let after = self.configurations.partition_point(|&(start, _)| start <= index);
        &self.configurations[after.saturating_sub(1)].1
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

    /// All configurations of this log, each with its place; the first is in force at the base, and the founding one
    /// stands at 0.
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
        self.entries.push_back(entry);
    }

    /// Adds all of `entries` after the first `skip`.
    pub fn append_rest(&mut self, entries: Entries, skip: usize) {
        let first = self.last().index.next();
        entries[skip..].iter().for_each(|entry| self.append(entry.clone()));
        self.remember(first, Entries { from: entries.from + skip as u32, ..entries });
    }

    /// Cuts everything after `index`.
    pub fn truncate(&mut self, index: Index) {
        assert!(index >= self.base.index, "a cut after {index} of a log that begins after {}", self.base);
        self.entries.truncate((index.0 - self.base.index.0) as usize);
        while self.runs.last().is_some_and(|&(start, _)| start > index) {
            self.runs.pop();
        }
        // A configuration goes with its entry: the one before it is in force again (6).
        while self.configurations.last().is_some_and(|&(start, _)| start > index) {
            self.configurations.pop();
        }
        self.recent = Default::default();
    }

    /// Forgets everything up to `index`, which is committed and stands in a snapshot (7).
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.term_at(index).filter(|_| index > self.base.index) else { return };
        let at_base = self.configuration_at(index).clone();
        self.entries.drain(..(index.0 - self.base.index.0) as usize);
        self.base = LogId { index, term };
        let gone = self.runs.partition_point(|&(start, _)| start <= index) - 1;
        self.runs.drain(..gone);
        self.runs[0].0 = index;
        self.configurations.retain(|&(start, _)| start > index);
        self.configurations.insert(0, (index, at_base));
        self.recent = Default::default();
    }

    /// Becomes the log that a snapshot stands for: nothing is kept, and `configuration` is in force (7).
    pub fn restart_after(&mut self, base: LogId, configuration: Arc<Configuration>) {
        *self = Log::after(base, configuration, Vec::new());
    }

    /// The last of the entries from `first` on that fit into one message, and their bytes: so many entries, so many bytes,
    /// and always one. Nothing fits where `first` is not kept.
    #[must_use]
    pub fn batch(&self, first: Index, most: usize, most_bytes: u64) -> (Index, u64) {
        let (mut end, mut bytes) = (first.previous(), 0);
        let Some(start) = first.0.checked_sub(self.base.index.0 + 1) else { return (end, bytes) };
        let start = start as usize;
        for entry in self.entries.range(start..).take(most) {
            if bytes > 0 && bytes + entry.size() > most_bytes {
                break;
            }
            bytes += entry.size();
            end = end.next();
        }
        (end, bytes)
    }

    /// The entries from `first` to `last`, both included; none where `first` is beyond `last`.
    ///
    /// # Panics
    /// Where `first` is not kept, or `last` is beyond the end.
    pub fn entries(&mut self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        // The newest first: it is what most ask for.
        for age in 1..=RECENT {
            let (start, recent) = &self.recent[(self.oldest + RECENT - age) % RECENT];
            if first >= *start && last.0 - start.0 < u64::from(recent.to - recent.from) {
                return recent.part((first.0 - start.0) as usize, (last.0 - start.0) as usize + 1);
            }
        }
        let place = |index: Index| (index.0 - self.base.index.0) as usize;
        let entries: Entries = self.entries.range(place(first) - 1..place(last)).cloned().collect();
        self.remember(first, entries.clone());
        entries
    }

    fn remember(&mut self, first: Index, entries: Entries) {
        self.recent[self.oldest] = (first, entries);
        self.oldest = (self.oldest + 1) % RECENT;
    }

    /// The greatest place up to `index` whose term is at most `term`. Where two logs disagree at `index`, and one of
    /// them has `term` there, they cannot agree anywhere between: so a conflict skips whole terms (5.3).
    #[must_use]
    pub fn last_at_most(&self, index: Index, term: Term) -> LogId {
        let index = index.min(self.last().index);
        let below = self.runs.partition_point(|&(start, run)| start <= index && run <= term);
        let Some(&(_, run)) = below.checked_sub(1).and_then(|place| self.runs.get(place)) else {
            // Before the base everything is committed, and nothing is known of the terms there.
            return LogId::default();
        };
        let end = self.runs.get(below).map_or(index, |&(start, _)| start.previous().min(index));
        LogId { index: end, term: run }
    }
}
