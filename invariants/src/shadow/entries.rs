//! Every entry that ever stood in a log, by index and term, as its first writer wrote it.
//!
//! By the Log Matching Property (paper, 5.3) index and term name one entry and one log before it, so the table holds the
//! digest of that whole prefix, folded here and not taken from any server. A server that forgot its log cannot forge it.

use super::fact_origin::FactOrigin;
use crate::fact::{Digest, LogId, Term};
use std::collections::BTreeMap;

/// One entry and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its term.
    pub term: Term,
    /// Its content.
    pub digest: Digest,
    /// The whole log up to and with it.
    pub prefix_digest: Digest,
    /// The term of the entry before it.
    pub prev_log_term: Term,
    /// Who wrote it first.
    pub origin: FactOrigin,
    /// The next entry at the same index in [`Entries::arena`], or [`NONE`].
    next_in_chain: u32,
    /// How many entries hang after it.
    chain_len: u32,
}

/// So many links of a chain are followed; what hangs further down is in a map.
const MAX_CHAIN_LINKS: u32 = 8;

const NONE: u32 = u32::MAX;

/// The table: dense by index; entries of several terms at one index hang in a chain, the newest first.
#[derive(Default, Debug)]
pub(crate) struct Entries {
    heads: Vec<u32>,
    arena: Vec<Entry>,
    /// Where the entries are that hang deep in long chains.
    overflow: BTreeMap<LogId, u32>,
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
            if links == MAX_CHAIN_LINKS {
                return self.overflow.get(&id).map(|&at| &self.arena[at as usize]);
            }
            let entry = &self.arena[at as usize];
            if entry.term == id.term {
                return Some(entry);
            }
            at = entry.next_in_chain;
            links += 1;
        }
        None
    }

    /// The digest of the log that ends with this entry; the empty log's for 0@0.
    pub fn prefix_digest(&self, id: LogId) -> Option<Digest> {
        if id == LogId::default() {
            Some(Digest::EMPTY)
        } else {
            self.find(id).map(|entry| entry.prefix_digest)
        }
    }

    /// The entries after `base` up to `last`, folded as a server folds what it recovers; `None` if `last` does not follow
    /// `base`. It walks from one to the other: this is for restarts.
    pub fn digest_between(&self, base: LogId, last: LogId) -> Option<Digest> {
        if base == LogId::default() {
            return self.prefix_digest(last);
        }
        let (mut at, mut walked) = (last, Vec::new());
        while at.index > base.index {
            let entry = self.find(at)?;
            walked.push((at.term, entry.digest));
            at = LogId { index: at.index - 1, term: entry.prev_log_term };
        }
        let fold = |digest: Digest, &(term, entry): &(Term, Digest)| digest.then_entry(term, entry);
        (at == base).then(|| walked.iter().rev().fold(Digest::EMPTY, fold))
    }

    /// Writes down the entry after `previous`, unless its name is taken: the first writer wins. An entry after a log
    /// that nobody ever had is not written down; such a log is a clash by itself.
    pub fn record(&mut self, previous: LogId, term: Term, entry: Digest, seen: FactOrigin) {
        let index = previous.index + 1;
        if self.find(LogId { index, term }).is_some() {
            return;
        }
        let Some(prefix) = self.prefix_digest(previous) else { return };
        let position = previous.index as usize;
        if position == self.heads.len() {
            self.heads.push(NONE);
        }
        let id = u32::try_from(self.arena.len()).expect("a run has fewer than four billion entries");
        let prefix = prefix.then_entry(term, entry);
        let head = self.heads[position];
        let after = if head == NONE { 0 } else { self.arena[head as usize].chain_len + 1 };
        self.arena.push(Entry {
            term,
            digest: entry,
            prefix_digest: prefix,
            prev_log_term: previous.term,
            origin: seen,
            next_in_chain: head,
            chain_len: after,
        });
        self.heads[position] = id;
        if after >= MAX_CHAIN_LINKS {
            // One entry is now beyond the links that are followed.
            let fallen = (0..MAX_CHAIN_LINKS).fold(id, |at, _| self.arena[at as usize].next_in_chain);
            self.overflow.insert(LogId { index, term: self.arena[fallen as usize].term }, fallen);
        }
    }
}
