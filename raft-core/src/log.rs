//! The log.
//!
//! Compacted entries (7) are known by the last of them alone (`compacted`); all entries up to it are
//! committed.
//!
//! Invariants, kept by every method: indexes are contiguous from `compacted` on; terms never decrease; no
//! slice is empty; `runs` records where each term begins and `configurations` where each configuration does,
//! and both agree with the entries.

use crate::ids::{Index, LogId, Term};
use crate::membership::Configuration;
use bytes::Bytes;
use std::fmt;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

/// The content of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing: a new leader's first entry, which lets it commit entries of earlier terms (5.4.2, 8).
    Noop,
    /// A command for the state machine. The core does not interpret it.
    Command(Bytes),
    /// The configuration from here on, in force as soon as it is in the log (6).
    Configuration(Arc<Configuration>),
}

/// One entry. Its index is its position in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// The content.
    pub payload: Payload,
}

/// What a command counts besides its own bytes, in bytes: the entry and the waiting request. A constant, so
/// that every machine rejects at the same limit.
pub const ENTRY_COST: u64 = 64;

impl Entry {
    /// The bytes of its command: what messages and windows count.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match &self.payload {
            Payload::Command(command) => command.len() as u64,
            Payload::Noop | Payload::Configuration(_) => 0,
        }
    }

    /// What it counts in [`Config::max_uncommitted_bytes`](crate::Config::max_uncommitted_bytes): for a
    /// command, its bytes plus [`ENTRY_COST`].
    #[must_use]
    pub const fn cost(&self) -> u64 {
        match &self.payload {
            Payload::Command(command) => ENTRY_COST + command.len() as u64,
            Payload::Noop | Payload::Configuration(_) => 0,
        }
    }
}

/// Consecutive entries in shared memory: sending them to five followers makes no copies.
#[derive(Clone, Default)]
pub struct Entries {
    shared: Option<Arc<[Entry]>>,
    from: usize,
    to: usize,
}

impl Entries {
    /// No entries.
    pub const NONE: Entries = Entries { shared: None, from: 0, to: 0 };

    /// The number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there are no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.to == self.from
    }

    /// A range of these entries. Does not copy.
    #[must_use]
    pub(crate) fn slice(&self, from: usize, to: usize) -> Entries {
        Entries { shared: self.shared.clone(), from: self.from + from, to: self.from + to }
    }

    /// Keeps only this range. Copies it if it is less than half of the shared memory, so that the rest can be
    /// freed.
    fn narrow(&mut self, from: usize, to: usize) {
        (self.from, self.to) = (self.from + from, self.from + to);
        if self.shared.as_ref().is_some_and(|shared| self.len() < shared.len() / 2) {
            *self = self.iter().cloned().collect();
        }
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

/// The entries from `first` to `last`, if this slice holds them all. Its index is that of its first entry.
#[inline]
fn slice_of((start, slice): &(Index, Entries), first: Index, last: Index) -> Option<Entries> {
    let has = first >= *start && last.0 - start.0 < slice.len() as u64;
    has.then(|| slice.slice((first.0 - start.0) as usize, (last.0 - start.0) as usize + 1))
}

/// The log of one server.
#[derive(Clone, Debug)]
pub struct Log {
    /// The last compacted entry; 0@0 if there is none.
    compacted: LogId,
    /// The last entry of the log; `compacted` if there are no entries after it.
    last: LogId,
    /// The entries after `compacted`, as the slices in which they arrived, each with its first index: nothing
    /// is copied on the way from a message to the log, a write, another message or the application.
    slices: Vec<(Index, Entries)>,
    /// Entries appended since entries were last requested. They follow the slices and become the next one.
    fresh: Vec<Entry>,
    /// Where each term begins, ascending in both. The first is that of `compacted`, if entries were
    /// compacted.
    runs: Vec<(Index, Term)>,
    /// Where each configuration begins, ascending. The first is the one in force at `compacted`: the initial
    /// one, at 0, or a later one.
    configurations: Vec<(Index, Arc<Configuration>)>,
    /// A ring of the newest ranges that spanned slices, each with its first index: what is sent to one
    /// follower is also sent to others, and applied.
    joined_cache: [(Index, Entries); JOINED_CACHE],
    /// The position of the oldest of them.
    oldest_joined: usize,
}

/// The number of cached ranges.
const JOINED_CACHE: usize = 4;

/// How many slices are tried one by one before a binary search.
const NEWEST_SLICES: usize = 4;

impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        self.compacted == other.compacted
            && self.last == other.last
            && self.from(self.compacted.index.next()).eq(other.from(other.compacted.index.next()))
    }
}

impl Log {
    /// A log with this initial configuration and these entries from index 1 on.
    ///
    /// # Panics
    /// If terms decrease.
    #[must_use]
    pub fn new(initial: Configuration, entries: Vec<Entry>) -> Log {
        Log::compacted_at(LogId::default(), Arc::new(initial), entries)
    }

    /// A log with these entries after `compacted`, where `configuration` was in force.
    ///
    /// # Panics
    /// If terms decrease.
    #[must_use]
    pub fn compacted_at(compacted: LogId, configuration: Arc<Configuration>, entries: Vec<Entry>) -> Log {
        let mut log = Log {
            compacted,
            last: compacted,
            slices: Vec::new(),
            fresh: Vec::new(),
            runs: Vec::new(),
            configurations: vec![(compacted.index, configuration)],
            joined_cache: Default::default(),
            oldest_joined: 0,
        };
        if compacted.index > Index(0) {
            log.runs.push((compacted.index, compacted.term));
        }
        log.append_rest(entries.into_iter().collect(), 0);
        log
    }

    /// The last compacted entry: all entries up to it are committed. 0@0 if there is none.
    #[must_use]
    pub const fn compacted(&self) -> LogId {
        self.compacted
    }

    /// The last entry; 0@0 in an empty log.
    #[must_use]
    pub const fn last(&self) -> LogId {
        self.last
    }

    /// The term of the entry at `index`; 0 at index 0 if nothing was compacted. `None` before `compacted` and
    /// beyond the end: if a compacted entry read as term 0, logs would match that were never compared.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index < self.compacted.index || index > self.last.index {
            return None;
        }
        // Fast path: most calls are about the newest entries.
        if let Some(&(start, term)) = self.runs.last()
            && start <= index
        {
            return Some(term);
        }
        let runs = self.runs.partition_point(|&(start, _)| start <= index);
        Some(runs.checked_sub(1).map_or(Term(0), |run| self.runs[run].1))
    }

    /// The configuration in force at `index`; before `compacted`, the first one known.
    #[must_use]
    pub fn configuration_at(&self, index: Index) -> &Arc<Configuration> {
        let after = self.configurations.partition_point(|&(start, _)| start <= index);
        &self.configurations[after.saturating_sub(1)].1
    }

    /// Whether this log has the entry `id`, and so (log matching, 5.3) all entries before it.
    #[must_use]
    pub fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The configuration in force: the last one in the log, committed or not (6).
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configurations.last().expect("there must always be a configuration").1
    }

    /// All configurations of this log, each with its index. The first is the one in force at `compacted`; the
    /// index of the initial one is 0.
    #[must_use]
    pub fn configurations(&self) -> &[(Index, Arc<Configuration>)] {
        &self.configurations
    }

    /// The index of the configuration in force.
    #[must_use]
    pub fn configuration_index(&self) -> Index {
        self.configurations.last().expect("there must always be a configuration").0
    }

    /// The newest configuration that is known to be committed if all entries up to `commit` are: the one in
    /// force, or the one before it, because a leader appends a configuration only after the one before it is
    /// committed. So a server knows it even after a restart, when it does not know the commit index.
    #[must_use]
    pub fn committed_configuration(&self, commit: Index) -> &Arc<Configuration> {
        let last = self.configurations.len() - 1;
        let committed = if self.configuration_index() <= commit { last } else { last.saturating_sub(1) };
        &self.configurations[committed].1
    }

    /// Appends an entry.
    ///
    /// # Panics
    /// If its term is below that of the last entry.
    pub fn append(&mut self, entry: Entry) {
        self.index_entry(&entry);
        self.fresh.push(entry);
    }

    /// Appends `entries` without the first `skip`. Does not copy.
    ///
    /// # Panics
    /// If terms decrease.
    pub(crate) fn append_rest(&mut self, entries: Entries, skip: usize) {
        if skip >= entries.len() {
            return;
        }
        self.collect_fresh();
        let first = self.last.index.next();
        entries[skip..].iter().for_each(|entry| self.index_entry(entry));
        self.slices.push((first, Entries { from: entries.from + skip, ..entries }));
    }

    /// Records term and configuration of an entry at the end.
    fn index_entry(&mut self, entry: &Entry) {
        let last = self.last;
        assert!(entry.term >= last.term, "terms in a log must not decrease: {} after {last}", entry.term);
        self.last = LogId { index: last.index.next(), term: entry.term };
        if entry.term > last.term {
            self.runs.push((self.last.index, entry.term));
        }
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push((self.last.index, configuration.clone()));
        }
    }

    /// Makes a slice of the entries that were appended one by one.
    #[inline]
    fn collect_fresh(&mut self) {
        if !self.fresh.is_empty() {
            self.collect_fresh_slow();
        }
    }

    fn collect_fresh_slow(&mut self) {
        let first = Index(self.last.index.0 + 1 - self.fresh.len() as u64);
        self.slices.push((first, self.fresh.drain(..).collect()));
    }

    /// Removes all entries after `index`. Not inlined: appends hardly ever truncate.
    #[cold]
    pub(crate) fn truncate(&mut self, index: Index) {
        assert!(
            index >= self.compacted.index,
            "cannot truncate after {index}: the log begins after {}",
            self.compacted
        );
        self.collect_fresh();
        while self.slices.last().is_some_and(|&(first, _)| first > index) {
            self.slices.pop();
        }
        if let Some((first, slice)) = self.slices.last_mut() {
            slice.narrow(0, slice.len().min((index.0 + 1 - first.0) as usize));
        }
        while self.runs.last().is_some_and(|&(start, _)| start > index) {
            self.runs.pop();
        }
        // A removed configuration entry puts the one before it back in force (6).
        while self.configurations.last().is_some_and(|&(start, _)| start > index) {
            self.configurations.pop();
        }
        let term = self.runs.last().map_or(Term(0), |&(_, term)| term);
        self.last = LogId { index: self.last.index.min(index), term };
        self.joined_cache = Default::default();
    }

    /// Discards all entries up to `index`, which are committed and part of a snapshot (7).
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.term_at(index).filter(|_| index > self.compacted.index) else { return };
        let at_compacted = self.configuration_at(index).clone();
        self.collect_fresh();
        let gone = self.slice_position(index);
        self.slices.drain(..gone);
        let (first, slice) = self.slices.first_mut().expect("the entry at `index` must be in a slice");
        slice.narrow((index.0 + 1 - first.0) as usize, slice.len());
        *first = index.next();
        if slice.is_empty() {
            self.slices.remove(0);
        }
        self.compacted = LogId { index, term };
        let gone = self.runs.partition_point(|&(start, _)| start <= index) - 1;
        self.runs.drain(..gone);
        self.runs[0].0 = index;
        self.configurations.retain(|&(start, _)| start > index);
        self.configurations.insert(0, (index, at_compacted));
        self.joined_cache = Default::default();
    }

    /// Discards all entries in favour of a snapshot that ends at `compacted`, where `configuration` is in
    /// force (7).
    pub(crate) fn reset_to_snapshot(&mut self, compacted: LogId, configuration: Arc<Configuration>) {
        *self = Log::compacted_at(compacted, configuration, Vec::new());
    }

    /// The last of the entries from `first` on that fit into one message, and their bytes. At least one entry
    /// fits, unless `first` is compacted or beyond the end.
    #[must_use]
    pub(crate) fn batch(&self, first: Index, max_entries: usize, max_bytes: u64) -> (Index, u64) {
        let (mut end, mut bytes) = (first.previous(), 0);
        if first <= self.compacted.index {
            return (end, bytes);
        }
        let _ = self.from(first).take(max_entries).try_for_each(|entry| {
            if bytes > 0 && bytes + entry.size() > max_bytes {
                return ControlFlow::Break(());
            }
            bytes += entry.size();
            end = end.next();
            ControlFlow::Continue(())
        });
        (end, bytes)
    }

    /// The entries from `first` to `last`, both included; none if `first` is beyond `last`. For reading:
    /// copies entries, though not their commands.
    ///
    /// # Panics
    /// If `first` is compacted, or `last` is beyond the end.
    #[must_use]
    pub fn entries(&self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        self.assert_contains_range(first, last);
        self.from(first).take((last.0 + 1 - first.0) as usize).cloned().collect()
    }

    /// The same entries as [`Log::entries`], in shared memory: repeated requests do not copy again.
    ///
    /// # Panics
    /// As [`Log::entries`].
    #[inline]
    pub(crate) fn share(&mut self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        self.collect_fresh();
        // Fast path: most calls are about the newest slice; the application takes the one before.
        let shared = self.slices.iter().rev().take(2).find_map(|slice| slice_of(slice, first, last));
        shared.unwrap_or_else(|| self.older_entries(first, last))
    }

    /// The entries from `first` to `last`, if neither of the two newest slices holds them all. Not inlined, so
    /// that the fast path is.
    #[cold]
    fn older_entries(&mut self, first: Index, last: Index) -> Entries {
        self.assert_contains_range(first, last);
        let shared = slice_of(&self.slices[self.slice_position(first)], first, last);
        if let Some(shared) =
            shared.or_else(|| self.joined_cache.iter().find_map(|cached| slice_of(cached, first, last)))
        {
            return shared;
        }
        let entries: Entries = self.from(first).take((last.0 + 1 - first.0) as usize).cloned().collect();
        self.joined_cache[self.oldest_joined] = (first, entries.clone());
        self.oldest_joined = (self.oldest_joined + 1) % JOINED_CACHE;
        entries
    }

    fn assert_contains_range(&self, first: Index, last: Index) {
        assert!(
            first > self.compacted.index && last <= self.last.index,
            "entries {first} to {last} are not all in the log, which is from {} (exclusive) to {}",
            self.compacted,
            self.last
        );
    }

    /// The sum of [`Entry::cost`] from `first` to `last`, which must not be compacted.
    pub(crate) fn cost(&self, first: Index, last: Index) -> u64 {
        let count = (last.0 + 1).saturating_sub(first.0) as usize;
        if count == 0 { 0 } else { self.from(first).take(count).map(Entry::cost).sum() }
    }

    /// All entries from `first` on. `first` must be in the log or the next index.
    pub(crate) fn from(&self, first: Index) -> impl Iterator<Item = &Entry> {
        let fresh = Index(self.last.index.0 + 1 - self.fresh.len() as u64);
        let (mut slices, mut first_slice, mut newest) = (&self.slices[..0], &[][..], &self.fresh[..]);
        if first < fresh {
            let position = self.slice_position(first);
            let (start, slice) = &self.slices[position];
            (first_slice, slices) = (&slice[(first.0 - start.0) as usize..], &self.slices[position + 1..]);
        } else {
            newest = &newest[(first.0 - fresh.0) as usize..];
        }
        first_slice.iter().chain(slices.iter().flat_map(|(_, slice)| slice.iter())).chain(newest)
    }

    /// The position of the slice that holds the entry at `index`. One must.
    fn slice_position(&self, index: Index) -> usize {
        // Fast path: most calls are about the newest entries.
        let newest = self.slices.len().saturating_sub(NEWEST_SLICES)..self.slices.len();
        for position in newest.rev() {
            if self.slices[position].0 <= index {
                return position;
            }
        }
        self.slices.partition_point(|&(first, _)| first <= index) - 1
    }

    /// The last entry at or before `index` whose term is at most `term`. If two logs disagree at `index` and
    /// one of them has `term` there, they cannot agree between the two: a conflict skips whole terms (5.3).
    #[must_use]
    pub fn last_at_or_below_term(&self, index: Index, term: Term) -> LogId {
        let index = index.min(self.last().index);
        let below = self.runs.partition_point(|&(start, run)| start <= index && run <= term);
        let Some(&(_, run)) = below.checked_sub(1).and_then(|position| self.runs.get(position)) else {
            // All compacted entries are committed; their terms are unknown.
            return LogId::default();
        };
        let end = self.runs.get(below).map_or(index, |&(start, _)| start.previous().min(index));
        LogId { index: end, term: run }
    }
}
