//! The log: what is agreed on, entry by entry.
//!
//! What was compacted away (7) is known by its last entry alone, the *base*: everything up to it is committed.
//!
//! Invariants, kept by every method: indexes are dense from the base on; terms never fall; no slice is empty; `runs` says
//! where each term begins, `configurations` where each configuration does, and both agree with the entries.

use crate::ids::{Index, LogId, Term};
use crate::membership::Configuration;
use bytes::Bytes;
use std::fmt;
use std::ops::{ControlFlow, Deref};
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

/// What a command costs a leader besides its bytes: the entry around it, and the request that waits for it. A constant, so
/// that a leader refuses at the same place on every machine.
pub const ENTRY_COST: u64 = 64;

impl Entry {
    /// How many bytes of commands it carries: what messages and windows count.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match &self.payload {
            Payload::Command(command) => command.len() as u64,
            Payload::Noop | Payload::Configuration(_) => 0,
        }
    }

    /// What it counts for in [`Config::max_uncommitted_bytes`](crate::Config::max_uncommitted_bytes): its command and
    /// [`ENTRY_COST`]. Only commands count.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        match &self.payload {
            Payload::Command(command) => ENTRY_COST + command.len() as u64,
            Payload::Noop | Payload::Configuration(_) => 0,
        }
    }
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

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.to == self.from
    }

    /// A part of these, without copying.
    #[must_use]
    pub(crate) fn slice(&self, from: usize, to: usize) -> Entries {
        Entries { shared: self.shared.clone(), from: self.from + from, to: self.from + to }
    }

    /// Keeps only this part. Where that is the lesser part of what is shared it is copied, so that what nobody can ask for
    /// any more does not stay in memory.
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

/// The entries from `first` to `last`, where this slice, with where it begins, has them all.
#[inline]
fn slice_of((start, slice): &(Index, Entries), first: Index, last: Index) -> Option<Entries> {
    let has = first >= *start && last.0 - start.0 < slice.len() as u64;
    has.then(|| slice.slice((first.0 - start.0) as usize, (last.0 - start.0) as usize + 1))
}

/// The log of one server.
#[derive(Clone, Debug)]
pub struct Log {
    /// The last entry that is not kept; 0@0 while all are.
    compacted: LogId,
    /// The last entry of all; the base where none is kept.
    last: LogId,
    /// What follows the base, in the slices in which it came, each with where it begins: nothing is copied on its way from
    /// a message into the log and on into a write, a message or the application.
    slices: Vec<(Index, Entries)>,
    /// What was appended since entries were last asked for: it follows the slices, and becomes the next of them.
    fresh: Vec<Entry>,
    /// Where each term begins, ascending in both; the first is the base's, if there is one.
    runs: Vec<(Index, Term)>,
    /// Where each configuration begins, ascending; the first is in force at the base: the founding one, at 0, or a later.
    configurations: Vec<(Index, Arc<Configuration>)>,
    /// The newest of what was asked for across slices, each with where it begins, in a ring: what is sent to one follower
    /// is sent to others, and applied.
    joined_cache: [(Index, Entries); JOINED_CACHE],
    /// The oldest of them.
    oldest_joined: usize,
}

/// How many copies across slices are remembered.
const JOINED_CACHE: usize = 4;

/// How many slices are tried one by one, before the place of an index is searched.
const NEWEST_SLICES: usize = 4;

impl PartialEq for Log {
    fn eq(&self, other: &Log) -> bool {
        self.compacted == other.compacted
            && self.last == other.last
            && self.from(self.compacted.index.next()).eq(other.from(other.compacted.index.next()))
    }
}

impl Log {
    /// The log of a group that was founded like this, with these entries from index 1 on.
    ///
    /// # Panics
    /// Where terms fall.
    #[must_use]
    pub fn new(founding: Configuration, entries: Vec<Entry>) -> Log {
        Log::compacted_at(LogId::default(), Arc::new(founding), entries)
    }

    /// The log of which only this is kept: `entries` after `compacted`, where `configuration` was in force.
    ///
    /// # Panics
    /// Where terms fall.
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

    /// The last entry that is not kept: everything up to it is committed. 0@0 while all are kept.
    #[must_use]
    pub const fn compacted(&self) -> LogId {
        self.compacted
    }

    /// The last entry's place; 0@0 in an empty log.
    #[must_use]
    pub const fn last(&self) -> LogId {
        self.last
    }

    /// The term of the entry at `index`; 0 at index 0 of a log that keeps all. Nothing before the base, which is no
    /// term of 0: who took it for one would match logs that were never compared. Nothing beyond the end.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index < self.compacted.index || index > self.last.index {
            return None;
        }
        // Most ask for what is new.
        if let Some(&(start, term)) = self.runs.last()
            && start <= index
        {
            return Some(term);
        }
        let runs = self.runs.partition_point(|&(start, _)| start <= index);
        Some(runs.checked_sub(1).map_or(Term(0), |run| self.runs[run].1))
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
    pub fn configuration_index(&self) -> Index {
        self.configurations.last().expect("the founding one is always there").0
    }

    /// The newest configuration that is known to be committed where everything up to `commit` is: the one in force, or
    /// the one before it, for a leader puts the next one into its log only when that is committed. So a server knows it
    /// even after a restart, when it has forgotten how far everything is committed.
    #[must_use]
    pub fn committed_configuration(&self, commit: Index) -> &Arc<Configuration> {
        let last = self.configurations.len() - 1;
        let committed = if self.configuration_index() <= commit { last } else { last.saturating_sub(1) };
        &self.configurations[committed].1
    }

    /// Adds an entry at the end.
    ///
    /// # Panics
    /// Where its term is below the last one's.
    pub fn append(&mut self, entry: Entry) {
        self.index_entry(&entry);
        self.fresh.push(entry);
    }

    /// Adds all of `entries` after the first `skip`, without copying them.
    ///
    /// # Panics
    /// Where terms fall.
    pub fn append_rest(&mut self, entries: Entries, skip: usize) {
        if skip >= entries.len() {
            return;
        }
        self.collect_fresh();
        let first = self.last.index.next();
        entries[skip..].iter().for_each(|entry| self.index_entry(entry));
        self.slices.push((first, Entries { from: entries.from + skip, ..entries }));
    }

    /// What an entry at the end means for terms and configurations.
    fn index_entry(&mut self, entry: &Entry) {
        let last = self.last;
        assert!(entry.term >= last.term, "terms in a log never fall: {} after {last}", entry.term);
        self.last = LogId { index: last.index.next(), term: entry.term };
        if entry.term > last.term {
            self.runs.push((self.last.index, entry.term));
        }
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configurations.push((self.last.index, configuration.clone()));
        }
    }

    /// What was appended one by one becomes a slice.
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

    /// Cuts everything after `index`.
    pub fn truncate(&mut self, index: Index) {
        assert!(
            index >= self.compacted.index,
            "a cut after {index} of a log that begins after {}",
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
        // A configuration goes with its entry: the one before it is in force again (6).
        while self.configurations.last().is_some_and(|&(start, _)| start > index) {
            self.configurations.pop();
        }
        let term = self.runs.last().map_or(Term(0), |&(_, term)| term);
        self.last = LogId { index: self.last.index.min(index), term };
        self.joined_cache = Default::default();
    }

    /// Forgets everything up to `index`, which is committed and stands in a snapshot (7).
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.term_at(index).filter(|_| index > self.compacted.index) else { return };
        let at_base = self.configuration_at(index).clone();
        self.collect_fresh();
        let gone = self.slice_position(index);
        self.slices.drain(..gone);
        let (first, slice) = self.slices.first_mut().expect("the entry at `index` is kept");
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
        self.configurations.insert(0, (index, at_base));
        self.joined_cache = Default::default();
    }

    /// Becomes the log that a snapshot stands for: nothing is kept, and `configuration` is in force (7).
    pub fn reset_to_snapshot(&mut self, compacted: LogId, configuration: Arc<Configuration>) {
        *self = Log::compacted_at(compacted, configuration, Vec::new());
    }

    /// The last of the entries from `first` on that fit into one message, and their bytes: so many entries, so many bytes,
    /// and always one. Nothing fits where `first` is not kept.
    #[must_use]
    pub fn batch(&self, first: Index, most: usize, most_bytes: u64) -> (Index, u64) {
        let (mut end, mut bytes) = (first.previous(), 0);
        if first <= self.compacted.index {
            return (end, bytes);
        }
        let _ = self.from(first).take(most).try_for_each(|entry| {
            if bytes > 0 && bytes + entry.size() > most_bytes {
                return ControlFlow::Break(());
            }
            bytes += entry.size();
            end = end.next();
            ControlFlow::Continue(())
        });
        (end, bytes)
    }

    /// The entries from `first` to `last`, both included; none where `first` is beyond `last`. For reading: it copies
    /// entries, not their commands.
    ///
    /// # Panics
    /// Where `first` is not kept, or `last` is beyond the end.
    #[must_use]
    pub fn entries(&self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        self.assert_contains_range(first, last);
        self.from(first).take((last.0 + 1 - first.0) as usize).cloned().collect()
    }

    /// As [`Log::entries`], for what leaves this server: entries that are asked for again are shared, not copied again.
    ///
    /// # Panics
    /// As [`Log::entries`].
    #[inline]
    pub fn share(&mut self, first: Index, last: Index) -> Entries {
        if first > last {
            return Entries::NONE;
        }
        self.collect_fresh();
        // Most ask for what is new, and the application for what was new just before.
        let part = self.slices.iter().rev().take(2).find_map(|slice| slice_of(slice, first, last));
        part.unwrap_or_else(|| self.older_entries(first, last))
    }

    /// The entries from `first` to `last`, which are not all in one of the two newest slices.
    fn older_entries(&mut self, first: Index, last: Index) -> Entries {
        self.assert_contains_range(first, last);
        let part = slice_of(&self.slices[self.slice_position(first)], first, last);
        if let Some(part) = part
            .or_else(|| self.joined_cache.iter().find_map(|joined_cache| slice_of(joined_cache, first, last)))
        {
            return part;
        }
        let entries: Entries = self.from(first).take((last.0 + 1 - first.0) as usize).cloned().collect();
        self.joined_cache[self.oldest_joined] = (first, entries.clone());
        self.oldest_joined = (self.oldest_joined + 1) % JOINED_CACHE;
        entries
    }

    fn assert_contains_range(&self, first: Index, last: Index) {
        assert!(
            first > self.compacted.index && last <= self.last.index,
            "{first} to {last} of a log from {} to {}",
            self.compacted,
            self.last
        );
    }

    /// What the entries from `first` to `last`, which are kept, cost together ([`Entry::cost`]).
    pub(crate) fn cost(&self, first: Index, last: Index) -> u64 {
        let count = (last.0 + 1).saturating_sub(first.0) as usize;
        if count == 0 { 0 } else { self.from(first).take(count).map(Entry::cost).sum() }
    }

    /// All entries from `first` on, which is kept or would be the next.
    fn from(&self, first: Index) -> impl Iterator<Item = &Entry> {
        let fresh = Index(self.last.index.0 + 1 - self.fresh.len() as u64);
        let (mut slices, mut begun, mut newest) = (&self.slices[..0], &[][..], &self.fresh[..]);
        if first < fresh {
            let place = self.slice_position(first);
            let (start, slice) = &self.slices[place];
            (begun, slices) = (&slice[(first.0 - start.0) as usize..], &self.slices[place + 1..]);
        } else {
            newest = &newest[(first.0 - fresh.0) as usize..];
        }
        begun.iter().chain(slices.iter().flat_map(|(_, slice)| slice.iter())).chain(newest)
    }

    /// The place of the slice that has the entry at `index`, which is in one.
    fn slice_position(&self, index: Index) -> usize {
        // Most ask for what is new.
        let newest = self.slices.len().saturating_sub(NEWEST_SLICES)..self.slices.len();
        for place in newest.rev() {
            if self.slices[place].0 <= index {
                return place;
            }
        }
        self.slices.partition_point(|&(first, _)| first <= index) - 1
    }

    /// The greatest place up to `index` whose term is at most `term`. Where two logs disagree at `index`, and one of
    /// them has `term` there, they cannot agree anywhere between: so a conflict skips whole terms (5.3).
    #[must_use]
    pub fn last_at_or_below_term(&self, index: Index, term: Term) -> LogId {
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
