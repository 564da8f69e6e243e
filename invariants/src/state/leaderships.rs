//! The leaders of all terms, and the log that each had at its election.

use super::fact_origin::FactOrigin;
use super::term_runs::TermRuns;
use crate::fact::{Fact, Index, LogId, Node, Observed, Term};
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::ops::Bound::{Excluded, Unbounded};

/// At most this many runs of leaders' logs are recorded. A leader that commits leaves few; only a long sequence of
/// terms in which nothing commits reaches this limit.
const MAX_LEADER_LOG_RUNS: usize = 1 << 24;

/// The first leader of a term, as of its election.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Which server, and when it stated so.
    pub(crate) origin: FactOrigin,
    /// Its incarnation.
    pub(crate) incarnation: u64,
    /// Its log at its election: the committed log up to this index, followed by these entries. `None` if it was not
    /// recorded because of [`MAX_LEADER_LOG_RUNS`].
    log: Option<(Index, TermRuns)>,
}

/// The first leader of each term, and the current leaders.
#[derive(Default, Debug)]
pub(crate) struct Leaderships {
    by_term: BTreeMap<Term, Leadership>,
    /// The number of runs in all recorded logs.
    log_runs: usize,
    current: BTreeSet<(Term, Node)>,
}

impl Leaderships {
    /// Records an election; the first one in a term wins.
    pub(super) fn record(
        &mut self,
        term: Term,
        origin: FactOrigin,
        incarnation: u64,
        log: &TermRuns,
        committed: &TermRuns,
    ) {
        let btree_map::Entry::Vacant(vacant) = self.by_term.entry(term) else { return };
        // The committed log only grows, so the shared prefix stays valid.
        let shared = if log.contains(committed.last()) { committed.last().index } else { 0 };
        let rest = log.suffix(shared);
        let is_remembered = self.log_runs + rest.run_count() <= MAX_LEADER_LOG_RUNS;
        self.log_runs += if is_remembered { rest.run_count() } else { 0 };
        let log = is_remembered.then_some((shared, rest));
        vacant.insert(Leadership { origin, incarnation, log });
    }

    /// `node` led the term `before` and now leads `now`.
    pub(super) fn update_current(&mut self, node: Node, before: Option<Term>, now: Option<Term>) {
        if let Some(term) = before {
            self.current.remove(&(term, node));
        }
        self.current.extend(now.map(|term| (term, node)));
    }

    /// Whether no election is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_term.is_empty()
    }

    /// The first leader of a term.
    pub(crate) fn get(&self, term: Term) -> Option<&Leadership> {
        self.by_term.get(&term)
    }

    /// The leaders of later terms.
    pub(crate) fn after(&self, term: Term) -> impl Iterator<Item = (Term, &Leadership)> {
        self.by_term.range((Excluded(term), Unbounded)).map(|(&term, leadership)| (term, leadership))
    }

    /// The newest term that has a leader.
    pub(crate) fn newest_term(&self) -> Option<Term> {
        self.by_term.last_key_value().map(|(&term, _)| term)
    }

    /// The fact with which the leader of `term` stated its election.
    pub(crate) fn fact(&self, term: Term) -> Option<Observed> {
        self.get(term).map(|leadership| leadership.origin.observed(Fact::Leads { term }))
    }

    /// Whether a server other than `node` leads a term below `term`.
    pub(crate) fn has_other_below(&self, term: Term, node: Node) -> bool {
        self.current.range(..(term, 0)).take(2).any(|&(_, other)| other != node)
    }

    /// The term at `index` in the log of the leader of `term`. A leader never changes the entries that it had at its
    /// election and appends only entries of its own term (paper, 5.3). `None` if no such leader is known.
    pub(crate) fn term_in_log(&self, committed: &TermRuns, term: Term, index: Index) -> Option<Term> {
        let leadership = self.get(term)?;
        leadership.log.as_ref()?;
        Some(leadership.term_when_elected(committed, index).unwrap_or(term))
    }
}

impl Leadership {
    /// Whether the leader had this entry at its election; `true` if its log was not recorded.
    pub(crate) fn had_entry_when_elected(&self, committed: &TermRuns, id: LogId) -> bool {
        self.log.is_none() || self.term_when_elected(committed, id.index) == Some(id.term)
    }

    fn term_when_elected(&self, committed: &TermRuns, index: Index) -> Option<Term> {
        let (shared, rest) = self.log.as_ref()?;
        if index <= *shared { committed.term_at(index) } else { rest.term_at(index) }
    }
}
