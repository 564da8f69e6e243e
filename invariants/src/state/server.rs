//! The state of one server as its facts describe it: in memory, on disk, and the promises it has sent.

use super::answers::{Answers, Sent};
use super::fact_origin::FactOrigin;
use super::node_clock::NodeClock;
use super::sorted::count_prefix;
use super::term_runs::TermRuns;
use crate::fact::{Configuration, Index, LogId, Node, Observed, Term, Time};

/// Term, vote and log, as a disk holds them or as a restart recovered them.
#[derive(Clone, Default, Debug)]
pub(crate) struct PersistentState {
    /// The term.
    pub(crate) term: Term,
    /// The vote in that term.
    pub(crate) vote: Option<Node>,
    /// The log.
    pub(crate) log: TermRuns,
}

/// A vote that was sent. A candidacy is a vote for oneself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentVote {
    /// The term of the election.
    pub(crate) term: Term,
    /// The server that it was given to.
    pub(crate) candidate: Node,
    /// When it was sent.
    pub(crate) origin: FactOrigin,
    /// The replica generation that gave it.
    replica_generation: u64,
}

/// The membership of a server whose disk was wiped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WipeState {
    /// It is still listed as the replica that it was. Configurations up to this index tell nothing new.
    StillMember(Index),
    /// The configuration at this index does not list it: a later one that does means a new replica.
    Removed(Index),
}

/// The furthest acknowledgement in the newest term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledgement {
    /// The term of the leader that received it.
    pub(crate) term: Term,
    /// The acknowledged index.
    pub(crate) index: Index,
    /// When it was sent.
    pub(crate) origin: FactOrigin,
}

/// What a server does.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Role {
    /// It does not run, or has not yet stated that it does.
    #[default]
    Down,
    /// It neither campaigns nor leads.
    Follower,
    /// It campaigns.
    Candidate,
    /// It leads this term.
    Leader(Term),
}

/// The state of one server.
#[derive(Debug)]
pub struct ServerState {
    /// Its number.
    pub id: Node,
    /// What it does.
    pub role: Role,
    /// Its current term, if it has started.
    pub term: Option<Term>,
    /// The commit index that it has stated in this incarnation. A snapshot alone does not raise it.
    pub commit_index: Index,
    /// The last index that it applied or restored in this incarnation, if any.
    pub applied_index: Option<Index>,
    /// How often it has started.
    pub(crate) incarnation: u64,
    /// Its log in memory.
    pub(crate) log: TermRuns,
    /// What is known to be on its disk.
    pub(crate) durable: PersistentState,
    /// Where its log began when it last started or installed a snapshot. [`Self::log`] always begins at 0@0: entries
    /// that a snapshot covers are committed and therefore known.
    pub(crate) compacted: Index,
    /// The first promise in the highest term that it has promised in since its disk was wiped, and that term.
    pub(crate) highest_promise: Option<(Term, Observed)>,
    /// The furthest acknowledgement in the newest term since its disk was wiped.
    pub(crate) furthest_ack: Option<Acknowledgement>,
    /// What the last start recovered.
    recovered: PersistentState,
    /// The votes that it has sent, by term.
    sent_votes: Vec<SentVote>,
    /// Counts the replicas that this server has been. A vote binds the replica that gave it. A server with a wiped
    /// disk counts as the same replica until it was removed from the cluster and added again.
    replica_generation: u64,
    wipe_state: Option<WipeState>,
    /// For each term, the highest index at which an entry of that term was ever durable here.
    ever_durable: Vec<(Term, Index)>,
    /// The identity of its disk; 0 if it has stated none.
    pub(super) identity: u64,
    /// Its answers to leaders.
    pub(crate) answers: Answers,
    /// The clock of its node.
    pub(super) clock: NodeClock,
    /// For how long after each answer, on that clock, it has promised to elect no other leader; 0 if it has not.
    pub(crate) lease_promise: u64,
    /// The highest term of which it has sent a vote or a vote request since its last answer to a leader of a lower one.
    pub(super) newest_candidacy: Term,
    /// Its configurations, by the index of the entry that carries each.
    configurations: Vec<(Index, Configuration)>,
    /// For each of them, the number of the fact that stated it.
    configured_at: Vec<u64>,
}

impl ServerState {
    /// A server without facts.
    pub(crate) fn new(id: Node) -> ServerState {
        ServerState {
            id,
            role: Role::Down,
            term: None,
            commit_index: 0,
            applied_index: None,
            incarnation: 0,
            log: TermRuns::default(),
            durable: PersistentState::default(),
            compacted: 0,
            highest_promise: None,
            furthest_ack: None,
            recovered: PersistentState::default(),
            sent_votes: Vec::new(),
            replica_generation: 0,
            wipe_state: None,
            ever_durable: Vec::new(),
            identity: 0,
            answers: Answers::default(),
            clock: NodeClock::default(),
            lease_promise: 0,
            newest_candidacy: 0,
            configurations: Vec::new(),
            configured_at: Vec::new(),
        }
    }

    /// The term that it leads, if it leads.
    #[must_use]
    pub fn leading_term(&self) -> Option<Term> {
        match self.role {
            Role::Leader(term) => Some(term),
            _ => None,
        }
    }

    /// The last index of its log.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.log.last().index
    }

    /// The term at an index of its log, whether or not a snapshot covers it; 0 at index 0, `None` after the end.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }

    /// The last index of the log on its disk, as far as the disk has stated it.
    #[must_use]
    pub fn durable_last_index(&self) -> Index {
        self.durable.log.last().index
    }

    /// The term at an index of the log on its disk.
    #[must_use]
    pub fn durable_term_at(&self, index: Index) -> Option<Term> {
        self.durable.log.term_at(index)
    }

    /// The configuration in force in its log, if stated.
    #[must_use]
    pub fn configuration(&self) -> Option<&Configuration> {
        self.configurations.last().map(|configured| &configured.1)
    }

    /// The index up to which it knows that entries are committed: its commit index, or what its snapshot covers.
    pub(crate) fn known_committed(&self) -> Index {
        self.commit_index.max(self.compacted)
    }

    /// The vote that its current replica generation sent in `term`.
    pub(crate) fn sent_vote(&self, term: Term) -> Option<&SentVote> {
        self.sent_votes_in(term).find(|vote| vote.replica_generation == self.replica_generation)
    }

    /// Whether it sent this candidate a vote in `term`, in any replica generation: a vote that was sent may be
    /// counted.
    pub(crate) fn voted_for(&self, candidate: Node, term: Term) -> bool {
        self.sent_votes_in(term).any(|vote| vote.candidate == candidate)
    }

    fn sent_votes_in(&self, term: Term) -> impl Iterator<Item = &SentVote> {
        let newest_first = self.sent_votes[..self.count_votes_up_to(term)].iter().rev();
        newest_first.take_while(move |vote| vote.term == term)
    }

    /// Takes a newly stated configuration into account: it may remove or re-add this server after its disk was wiped.
    pub(crate) fn update_membership(&mut self, index: Index, configuration: &Configuration) {
        match (self.wipe_state, configuration.has(self.id)) {
            (Some(WipeState::StillMember(since)), false) if index > since => {
                self.wipe_state = Some(WipeState::Removed(index));
            }
            (Some(WipeState::Removed(since)), true) if index > since => {
                self.replica_generation += 1;
                self.wipe_state = None;
            }
            _ => {}
        }
    }

    /// If its disk was wiped and it is still listed as the old replica: the index of the newest configuration at the
    /// wipe.
    pub(crate) fn wiped_member_since(&self) -> Option<Index> {
        match self.wipe_state {
            Some(WipeState::StillMember(since)) => Some(since),
            _ => None,
        }
    }

    /// Fact number `fact` states at `at` that it answers the leader of `term`, and acknowledges `acked`.
    #[inline]
    pub(super) fn record_answer(&mut self, term: Term, acked: Index, fact: u64, at: Time) {
        let sent = Sent { fact, clock: self.clock.elapsed(at) };
        // It promises anew. Only a server that came back with an empty disk answers a leader of a lower term.
        self.newest_candidacy = self.newest_candidacy.min(term);
        self.answers.record(term, self.identity, acked, sent);
    }

    /// Whether, at `at`, its promise to the leader of `term` still holds: the time since its last answer is not over on its
    /// clock, and it has had no part in the election of another leader since.
    pub(crate) fn promises_lease(&self, term: Term, at: Time) -> bool {
        let holds = |answer: Sent| self.clock.elapsed(at).saturating_sub(answer.clock) <= self.lease_promise;
        self.newest_candidacy <= term && self.answers.last(term).is_some_and(holds)
    }

    /// The identity of its disk; 0 if it has stated none.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// Whether it has ever sent a vote.
    pub(crate) fn has_voted(&self) -> bool {
        !self.sent_votes.is_empty()
    }

    /// The highest index at which an entry of `term` was ever durable here. It counts even if it was lost since: the
    /// leader of `term` may have counted it.
    pub(crate) fn ever_durable(&self, term: Term) -> Index {
        let until = count_prefix(&self.ever_durable, |saved| saved.0 <= term);
        self.ever_durable[..until].last().filter(|saved| saved.0 == term).map_or(0, |saved| saved.1)
    }

    /// The configurations that were in force here at some time since the fact of this number, the newest first.
    pub(crate) fn in_force_since(&self, fact: u64) -> impl Iterator<Item = &Configuration> {
        let newest_first = self.configurations.iter().zip(&self.configured_at).rev();
        // The first one that is older than the fact was in force at its time; those before it were not.
        let mut is_past = false;
        newest_first
            .take_while(move |&(_, &since)| !std::mem::replace(&mut is_past, since <= fact))
            .map(|((_, configuration), _)| configuration)
    }

    /// The configuration in force, with the index of the entry that carries it.
    pub(crate) fn newest_configuration(&self) -> Option<(Index, &Configuration)> {
        self.configurations.last().map(|configured| (configured.0, &configured.1))
    }

    /// The newest configuration that it knows to be committed: the last one or the one before it, since at most one
    /// configuration is uncommitted.
    #[must_use]
    pub fn committed_configuration(&self) -> Option<&Configuration> {
        let mut newest_first = self.configurations.iter().rev();
        let in_force = newest_first.next()?;
        let committed = if in_force.0 <= self.known_committed() { in_force } else { newest_first.next()? };
        Some(&committed.1)
    }

    /// The configurations at indexes after `after` up to `until`, in order.
    pub(crate) fn configurations_between(
        &self,
        after: Index,
        until: Index,
    ) -> impl Iterator<Item = (Index, &Configuration)> {
        let first =
            self.configurations.iter().rposition(|known| known.0 <= after).map_or(0, |position| position + 1);
        let later = self.configurations[first..].iter().take_while(move |known| known.0 <= until);
        later.map(|(index, configuration)| (*index, configuration))
    }

    /// The configurations at indexes after `after` up to `until`, each with its predecessor, as (before, after)
    /// pairs; the newest first.
    pub(crate) fn configuration_changes(
        &self,
        after: Index,
        until: Index,
    ) -> impl Iterator<Item = (&Configuration, &Configuration)> {
        let changes = self.configurations.windows(2).rev().take_while(move |pair| pair[1].0 > after);
        changes.filter(move |pair| pair[1].0 <= until).map(|pair| (&pair[0].1, &pair[1].1))
    }

    pub(super) fn start(&mut self, term: Term, vote: Option<Node>, base: Index, log: TermRuns) {
        self.incarnation += 1;
        self.role = Role::Follower;
        self.term = Some(term);
        self.commit_index = 0;
        self.applied_index = None;
        self.compacted = base;
        self.recovered.term = term;
        self.recovered.vote = vote;
        self.recovered.log.copy_from(&log);
        self.log = log;
        // Each incarnation states its configurations again.
        self.configurations.clear();
        self.configured_at.clear();
    }

    /// The process ended and lost its state machine.
    pub(super) fn stop(&mut self) {
        self.role = Role::Down;
        self.applied_index = None;
    }

    /// A snapshot replaced the log with `log`; its configuration is no longer carried by an entry.
    pub(super) fn install(&mut self, log: TermRuns, index: Index, configuration: &Configuration, fact: u64) {
        self.log = log;
        self.compacted = index;
        self.configurations.clear();
        self.configured_at.clear();
        self.configurations.push((index, configuration.clone()));
        self.configured_at.push(fact);
    }

    pub(super) fn change_term(&mut self, term: Term) {
        self.term = Some(term);
        self.end_leadership_below(term, Role::Follower);
    }

    pub(super) fn campaign(&mut self, term: Term, observed: &Observed) {
        self.end_leadership_below(term, Role::Candidate);
        self.record_vote(term, self.id, observed);
    }

    /// A leader that adopts a newer term leads no more, whether or not it states so (paper, 5.1).
    fn end_leadership_below(&mut self, term: Term, role: Role) {
        if self.leading_term().is_none_or(|led| led < term) {
            self.role = role;
        }
    }

    pub(super) fn truncate(&mut self, after: Index) {
        self.log.truncate(after);
        // A configuration is removed with its entry (paper, 6). No entry carries the first one.
        while self.configurations.last().is_some_and(|configured| configured.0 > after) {
            self.configurations.pop();
            self.configured_at.pop();
        }
    }

    pub(super) fn configure(&mut self, index: Index, configuration: &Configuration, fact: u64) {
        while self.configurations.last().is_some_and(|configured| configured.0 >= index) {
            self.configurations.pop();
            self.configured_at.pop();
        }
        self.configurations.push((index, configuration.clone()));
        self.configured_at.push(fact);
    }

    pub(super) fn record_vote(&mut self, term: Term, candidate: Node, observed: &Observed) {
        let position = self.count_votes_up_to(term);
        if self.sent_vote(term).is_none() {
            let vote = SentVote {
                term,
                candidate,
                origin: FactOrigin::of(observed),
                replica_generation: self.replica_generation,
            };
            self.sent_votes.insert(position, vote);
        }
        self.record_promise(term, observed);
    }

    pub(super) fn acknowledge(&mut self, term: Term, index: Index, observed: &Observed) {
        self.record_promise(term, observed);
        let further = match self.furthest_ack {
            None => true,
            Some(known) => (known.term, known.index) < (term, index),
        };
        if further {
            self.furthest_ack = Some(Acknowledgement { term, index, origin: FactOrigin::of(observed) });
        }
    }

    /// Records only the first promise in each new highest term, so that a steady state costs nothing.
    pub(super) fn record_promise(&mut self, term: Term, observed: &Observed) {
        if self.highest_promise.as_ref().is_none_or(|promised| promised.0 < term) {
            self.highest_promise = Some((term, observed.clone()));
        }
    }

    pub(super) fn save(&mut self, term: Term, vote: Option<Node>, after: Option<Index>) {
        self.durable.term = term;
        self.durable.vote = vote;
        if let Some(after) = after {
            self.durable.log.truncate(after);
        }
    }

    pub(super) fn save_entry(&mut self, index: Index, term: Term) {
        self.durable.log.append(term);
        self.mark_durable(LogId { index, term });
    }

    pub(super) fn save_recovered(&mut self) {
        self.durable.term = self.recovered.term;
        self.durable.vote = self.recovered.vote;
        self.durable.log.copy_from(&self.recovered.log);
        self.mark_log_durable();
    }

    /// A snapshot is durable. If the disk has its last entry, it only replaces the beginning of the log (`None`);
    /// otherwise the durable log becomes `log`.
    pub(super) fn save_snapshot(&mut self, log: Option<TermRuns>) {
        if let Some(log) = log {
            self.durable.log = log;
        }
        self.mark_log_durable();
    }

    pub(super) fn wipe(&mut self, newest: Option<&(Index, Configuration)>) {
        self.wipe_state = Some(match newest {
            Some((index, configuration)) if !configuration.has(self.id) => WipeState::Removed(*index),
            newest => WipeState::StillMember(newest.map_or(0, |newest| newest.0)),
        });
        self.log.clear();
        self.durable = PersistentState::default();
        // The server cannot remember these. Its votes stay, because others may count them.
        self.highest_promise = None;
        self.furthest_ack = None;
    }

    /// The whole durable log became durable. A server that had the last entry of a run durable had all entries before
    /// it, so this stops at the first known run.
    fn mark_log_durable(&mut self) {
        let is_new = |end: &LogId| self.ever_durable(end.term) < end.index;
        let ends: Vec<LogId> = self.durable.log.run_ends().rev().take_while(is_new).collect();
        ends.into_iter().rev().for_each(|end| self.mark_durable(end));
    }

    fn mark_durable(&mut self, id: LogId) {
        let position = count_prefix(&self.ever_durable, |saved| saved.0 <= id.term);
        match position.checked_sub(1).map(|found| &mut self.ever_durable[found]) {
            Some(saved) if saved.0 == id.term => saved.1 = saved.1.max(id.index),
            _ => self.ever_durable.insert(position, (id.term, id.index)),
        }
    }

    fn count_votes_up_to(&self, term: Term) -> usize {
        count_prefix(&self.sent_votes, |vote| vote.term <= term)
    }
}

/// Truncates the log before `index` and returns its last entry, or `None` if there is a gap before `index`. A server
/// that overwrites entries without stating the truncation is assumed to have lost everything after them.
pub(super) fn truncate_before(log: &mut TermRuns, index: Index) -> Option<LogId> {
    log.truncate(index.saturating_sub(1));
    Some(log.last()).filter(|last| last.index + 1 == index)
}
