//! Every entry that ever stood in a log, by index and term, as its first writer wrote it.
//!
//! By the Log Matching Property (paper, 5.3) index and term name one entry and one log before it, so the table holds the
//! digest of that whole prefix, folded here and not taken from any server. A server that forgot its log cannot forge it.

use super::seen::Seen;
use crate::fact::{Digest, LogId, Term};
use std::collections::BTreeMap;

/// One entry and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its term.
    pub term: Term,
    /// Its content.
    pub entry: Digest,
    /// The whole log up to and with it.
    pub prefix: Digest,
    /// The term of the entry before it.
    pub previous: Term,
    /// Who wrote it first.
    pub seen: Seen,
    /// The next entry at the same index in [`Entries::arena`], or [`NONE`].
    next: u32,
    /// How many entries hang after it.
    after: u32,
}

/// So many links of a chain are followed; what hangs further down is in a map.
const LINKS: u32 = 8;

const NONE: u32 = u32::MAX;

/// The table: dense by index; entries of several terms at one index hang in a chain, the newest first.
#[derive(Default, Debug)]
pub(crate) struct Entries {
    heads: Vec<u32>,
    arena: Vec<Entry>,
    /// Where the entries are that hang deep in long chains.
    deep: BTreeMap<LogId, u32>,
}

impl Entries {
    /// Whether no log fact was ever stated.
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// The entry of this name.
    pub fn find(&self, id: LogId) -> Option<&Entry> {
        let mut at = *self.heads.get((id.index as usize).wrapping_sub(1))?;
        // A chain has one link per term in which somebody wrote this index: few, and the newest is asked for most.
        let mut links = 0;
        while at != NONE {
            if links == LINKS {
                return self.deep.get(&id).map(|&at| &self.arena[at as usize]);
            }
            let entry = &self.arena[at as usize];
            if entry.term == id.term {
                return Some(entry);
            }
            at = entry.next;
            links += 1;
        }
        None
    }

    /// The digest of the log that ends with this entry; the empty log's for 0@0.
    pub fn prefix(&self, id: LogId) -> Option<Digest> {
        if id == LogId::default() { Some(Digest::EMPTY) } else { self.find(id).map(|entry| entry.prefix) }
    }

    /// The entries after `base` up to `last`, folded as a server folds what it recovers; `None` if `last` does not follow
    /// `base`. It walks from one to the other: this is for restarts.
    pub fn fold_between(&self, base: LogId, last: LogId) -> Option<Digest> {
        if base == LogId::default() {
            return self.prefix(last);
        }
        let (mut at, mut walked) = (last, Vec::new());
        while at.index > base.index {
            let entry = self.find(at)?;
            walked.push((at.term, entry.entry));
            at = LogId { index: at.index - 1, term: entry.previous };
        }
        let fold = |digest: Digest, &(term, entry): &(Term, Digest)| digest.then_entry(term, entry);
        (at == base).then(|| walked.iter().rev().fold(Digest::EMPTY, fold))
    }

    /// Writes down the entry after `previous`, unless its name is taken: the first writer wins. An entry after a log
    /// that nobody ever had is not written down; such a log is a clash by itself.
    pub fn record(&mut self, previous: LogId, term: Term, entry: Digest, seen: Seen) {
        let index = previous.index + 1;
        if self.find(LogId { index, term }).is_some() {
            return;
        }
        let Some(prefix) = self.prefix(previous) else { return };
        let position = previous.index as usize;
        if position == self.heads.len() {
            self.heads.push(NONE);
        }
        let id = u32::try_from(self.arena.len()).expect("a run has fewer than four billion entries");
        let prefix = prefix.then_entry(term, entry);
        let head = self.heads[position];
        let after = if head == NONE { 0 } else { self.arena[head as usize].after + 1 };
        self.arena.push(Entry { term, entry, prefix, previous: previous.term, seen, next: head, after });
        self.heads[position] = id;
        if after >= LINKS {
            // One entry is now beyond the links that are followed.
            let fallen = (0..LINKS).fold(id, |at, _| self.arena[at as usize].next);
            self.deep.insert(LogId { index, term: self.arena[fallen as usize].term }, fallen);
        }
    }
}
