//! Every entry that was ever in a log, by index and term, as first stated.
//!
//! By the Log Matching Property (paper, 5.3), index and term identify an entry and the whole log before it. So the
//! table also holds the digest of that prefix. It is computed here and not taken from any server.

use super::fact_origin::FactOrigin;
use crate::fact::{Digest, LogId, Term};
use std::collections::BTreeMap;

/// One entry and its origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Its term.
    pub(crate) term: Term,
    /// Its content.
    pub(crate) digest: Digest,
    /// Digest of the log up to and including it.
    pub(crate) prefix_digest: Digest,
    /// The term of the entry before it.
    pub(crate) prev_log_term: Term,
    /// Where it was first stated.
    pub(crate) origin: FactOrigin,
    /// The next entry of the same index in [`Entries::arena`], or [`NONE`].
    next_in_chain: u32,
    /// How many entries follow it in its chain.
    chain_len: u32,
}

/// A lookup follows at most this many links; entries further down a chain are found through a map.
const MAX_CHAIN_LINKS: u32 = 8;

const NONE: u32 = u32::MAX;

/// The table, dense by index. Entries of different terms at one index form a chain, the newest first.
#[derive(Default, Debug)]
pub(crate) struct Entries {
    heads: Vec<u32>,
    arena: Vec<Entry>,
    /// Positions of the entries beyond the first links of their chain.
    overflow: BTreeMap<LogId, u32>,
}

impl Entries {
    /// Whether no log fact was stated yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// The entry with this index and term.
    pub(crate) fn find(&self, id: LogId) -> Option<&Entry> {
        let mut at = *self.heads.get((id.index as usize).wrapping_sub(1))?;
        // A chain has one link for each term in which this index was written: few, and mostly the newest is wanted.
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

    /// The digest of the log that ends with this entry; for 0@0, of the empty log.
    pub(crate) fn prefix_digest(&self, id: LogId) -> Option<Digest> {
        if id == LogId::default() {
            Some(Digest::EMPTY)
        } else {
            self.find(id).map(|entry| entry.prefix_digest)
        }
    }

    /// The digest of the entries after `base` up to `last`, as in [`crate::Fact::Started`]; `None` if `last` does not
    /// follow `base`. Linear in the number of these entries; called at restarts only.
    pub(crate) fn digest_between(&self, base: LogId, last: LogId) -> Option<Digest> {
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

    /// Records the entry after `previous`. The first statement of an index and term wins. Ignored if `previous` is
    /// unknown: a log that no server had is a violation in itself.
    pub(crate) fn record(&mut self, previous: LogId, term: Term, entry: Digest, origin: FactOrigin) {
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
        let prefix_digest = prefix.then_entry(term, entry);
        let head = self.heads[position];
        let chain_len = if head == NONE { 0 } else { self.arena[head as usize].chain_len + 1 };
        self.arena.push(Entry {
            term,
            digest: entry,
            prefix_digest,
            prev_log_term: previous.term,
            origin,
            next_in_chain: head,
            chain_len,
        });
        self.heads[position] = id;
        if chain_len >= MAX_CHAIN_LINKS {
            // One entry is now beyond the links that a lookup follows.
            let demoted = (0..MAX_CHAIN_LINKS).fold(id, |at, _| self.arena[at as usize].next_in_chain);
            self.overflow.insert(LogId { index, term: self.arena[demoted as usize].term }, demoted);
        }
    }
}
