//! One server as its facts describe it: what it has in memory, what it has on disk, what it has promised.

use super::fact_origin::FactOrigin;
use super::term_runs::TermRuns;
use crate::fact::{Configuration, Index, LogId, Node, Observed, Term};

/// Term, vote and log, as a disk holds them or as a restart found them.
#[derive(Clone, Default, Debug)]
pub(crate) struct PersistentState {
    /// The term.
    pub term: Term,
    /// The vote in that term.
    pub vote: Option<Node>,
    /// The log.
    pub log: TermRuns,
}

/// A vote that left its node, or a candidacy, which is a vote for oneself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentVote {
    /// The term that it counts in.
    pub term: Term,
    /// Who got it.
    pub candidate: Node,
    /// When it left.
    pub origin: FactOrigin,
    /// Which life of the server gave it.
    replica_generation: u64,
}

/// What becomes of a server whose disk was emptied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WipeState {
    /// It stands in the group for the life that it was. Configurations up to this index say nothing new.
    StillMember(Index),
    /// The configuration at this index does without it: a later one that has it means the new life.
    Removed(Index),
}

/// The furthest acknowledgement in the newest term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledgement {
    /// The term of the leader that it was given to.
    pub term: Term,
    /// Everything up to here.
    pub index: Index,
    /// When it left.
    pub origin: FactOrigin,
}

/// One server.
#[derive(Debug)]
pub(crate) struct NodeShadow {
    /// Its number.
    pub id: Node,
    /// How many times it has started.
    pub incarnation: u64,
    /// Its current term, once it has stated one in this incarnation.
    pub term: Option<Term>,
    /// The log that it works with.
    pub log: TermRuns,
    /// What its disk is known to keep.
    pub durable: PersistentState,
    /// The term that it leads.
    pub leader_of: Option<Term>,
    /// Its commit index in this incarnation.
    pub commit_index: Index,
    /// The last index that it has applied or restored in this incarnation, if it has.
    pub applied_index: Option<Index>,
    /// Where its log began when it last started or installed a snapshot. The shadow's own logs always begin at 0@0: what
    /// a snapshot covers is committed, and known.
    pub compacted: Index,
    /// The promise with the highest term that it ever let go, and that term; since its disk was emptied.
    pub highest_promise: Option<(Term, Observed)>,
    /// The furthest acknowledgement in the newest term; since its disk was emptied.
    pub furthest_ack: Option<Acknowledgement>,
    /// What the last start recovered.
    recovered: PersistentState,
    /// Its votes that left, by term.
    sent_votes: Vec<SentVote>,
    /// Which life of it belongs to the group, or did last: a vote binds the life that gave it, and whoever has lost its
    /// disk goes on as that life until the group has let it go and has taken it in again.
    replica_generation: u64,
    wipe_state: Option<WipeState>,
    /// By term, the highest index whose entry of that term was ever durable here.
    ever_durable: Vec<(Term, Index)>,
    /// Its configurations, by the index of the entry that carries each.
    configurations: Vec<(Index, Configuration)>,
}

impl NodeShadow {
    /// A server that has said nothing yet.
    pub fn new(id: Node) -> NodeShadow {
        NodeShadow {
            id,
            incarnation: 0,
            term: None,
            log: TermRuns::default(),
            durable: PersistentState::default(),
            leader_of: None,
            commit_index: 0,
            applied_index: None,
            compacted: 0,
            highest_promise: None,
            furthest_ack: None,
            recovered: PersistentState::default(),
            sent_votes: Vec::new(),
            replica_generation: 0,
            wipe_state: None,
            ever_durable: Vec::new(),
            configurations: Vec::new(),
        }
    }

    /// The vote that it let go in `term`, in its present life.
    pub fn sent_vote(&self, term: Term) -> Option<&SentVote> {
        self.sent_votes_in(term).find(|ballot| ballot.replica_generation == self.replica_generation)
    }

    /// Whether it voted for this candidate in `term`, in whatever life: who counts a vote has it from that life.
    pub fn voted_for(&self, candidate: Node, term: Term) -> bool {
        self.sent_votes_in(term).any(|ballot| ballot.candidate == candidate)
    }

    fn sent_votes_in(&self, term: Term) -> impl Iterator<Item = &SentVote> {
        let newest_first = self.sent_votes[..self.count_votes_up_to(term)].iter().rev();
        newest_first.take_while(move |ballot| ballot.term == term)
    }

    /// Somebody has stated a configuration: perhaps this server was let go, or taken in, since its disk was emptied.
    pub fn update_membership(&mut self, index: Index, configuration: &Configuration) {
        match (self.wipe_state, configuration.has(self.id)) {
            (Some(WipeState::StillMember(known)), false) if index > known => {
                self.wipe_state = Some(WipeState::Removed(index));
            }
            (Some(WipeState::Removed(known)), true) if index > known => {
                self.replica_generation += 1;
                self.wipe_state = None;
            }
            _ => {}
        }
    }

    /// Its disk was emptied, and it stands in the group for the life that it was: since the configuration at this index.
    pub fn wiped_member_since(&self) -> Option<Index> {
        match self.wipe_state {
            Some(WipeState::StillMember(since)) => Some(since),
            _ => None,
        }
    }

    /// Whether it ever let a vote go.
    pub fn has_voted(&self) -> bool {
        !self.sent_votes.is_empty()
    }

    /// The highest index whose entry of `term` was ever durable here. That it may be gone since does not matter: the
    /// leader of `term` has counted it by right.
    pub fn ever_durable(&self, term: Term) -> Index {
        let until = count_prefix(&self.ever_durable, |saved| saved.0 <= term);
        self.ever_durable[..until].last().filter(|saved| saved.0 == term).map_or(0, |saved| saved.1)
    }

    /// The configuration in force in its log, if it has stated one.
    pub fn configuration(&self) -> Option<&Configuration> {
        self.configurations.last().map(|configured| &configured.1)
    }

    /// The configuration in force, and the index of the entry that carries it.
    pub fn newest_configuration(&self) -> Option<(Index, &Configuration)> {
        self.configurations.last().map(|configured| (configured.0, &configured.1))
    }

    /// The newest configuration that it knows to be committed: the one in force, or the one before it, because only one
    /// change at a time is not.
    pub fn committed_configuration(&self) -> Option<&Configuration> {
        let mut newest_first = self.configurations.iter().rev();
        let in_force = newest_first.next()?;
        let committed = if in_force.0 <= self.commit_index { in_force } else { newest_first.next()? };
        Some(&committed.1)
    }

    /// The configurations at indexes after `after` and up to `until`, in their order.
    pub fn configurations_between(
        &self,
        after: Index,
        until: Index,
    ) -> impl Iterator<Item = (Index, &Configuration)> {
        let first =
            self.configurations.iter().rposition(|known| known.0 <= after).map_or(0, |place| place + 1);
        let news = self.configurations[first..].iter().take_while(move |known| known.0 <= until);
        news.map(|(index, configuration)| (*index, configuration))
    }

    /// The configurations that entries after the one at `after` carry, up to `until`: each with the one before it, the
    /// newest first.
    pub fn configuration_changes(
        &self,
        after: Index,
        until: Index,
    ) -> impl Iterator<Item = (&Configuration, &Configuration)> {
        let steps = self.configurations.windows(2).rev().take_while(move |step| step[1].0 > after);
        steps.filter(move |step| step[1].0 <= until).map(|step| (&step[0].1, &step[1].1))
    }

    pub(super) fn start(&mut self, term: Term, vote: Option<Node>, base: Index, log: TermRuns) {
        self.incarnation += 1;
        self.term = Some(term);
        self.leader_of = None;
        // What a snapshot stands for is committed.
        self.commit_index = base;
        self.applied_index = None;
        self.compacted = base;
        self.recovered.term = term;
        self.recovered.vote = vote;
        self.recovered.log.copy_from(&log);
        self.log = log;
        // An incarnation states its configurations itself.
        self.configurations.clear();
    }

    /// The process is gone, and its state machine with it.
    pub(super) fn stop(&mut self) {
        self.leader_of = None;
        self.applied_index = None;
    }

    /// A snapshot replaces the log by `log`, and brings a configuration along that no entry carries any more.
    pub(super) fn install(&mut self, log: TermRuns, index: Index, configuration: &Configuration) {
        self.log = log;
        self.compacted = index;
        self.commit_index = self.commit_index.max(index);
        self.configurations.clear();
        self.configurations.push((index, configuration.clone()));
    }

    pub(super) fn change_term(&mut self, term: Term) {
        self.term = Some(term);
        // Whoever adopts a newer term leads no more, whether or not it says so (paper, 5.1).
        self.leader_of = self.leader_of.filter(|&led| led >= term);
    }

    pub(super) fn truncate(&mut self, after: Index) {
        self.log.truncate(after);
        // A configuration goes with the entry that carries it (paper, 6). The first one is carried by none.
        while self.configurations.last().is_some_and(|configured| configured.0 > after) {
            self.configurations.pop();
        }
    }

    pub(super) fn configure(&mut self, index: Index, configuration: &Configuration) {
        while self.configurations.last().is_some_and(|configured| configured.0 >= index) {
            self.configurations.pop();
        }
        self.configurations.push((index, configuration.clone()));
    }

    pub(super) fn record_vote(&mut self, term: Term, candidate: Node, observed: &Observed) {
        let position = self.count_votes_up_to(term);
        if self.sent_vote(term).is_none() {
            let ballot = SentVote {
                term,
                candidate,
                origin: FactOrigin::of(observed),
                replica_generation: self.replica_generation,
            };
            self.sent_votes.insert(position, ballot);
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

    /// Remembers the first promise of each highest term, so a steady state remembers nothing new.
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

    /// A snapshot is durable. Where the disk has its last entry, it only takes the place of the log's beginning;
    /// otherwise `log` is what it stands for.
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
        // It cannot be asked to remember these. Its votes stay: others count them.
        self.highest_promise = None;
        self.furthest_ack = None;
    }

    /// The durable log became durable as a whole. Who had the last entry of a run had all before it, so this looks back
    /// no further than to the first run that is known: each run is noted once.
    fn mark_log_durable(&mut self) {
        let news = |end: &LogId| self.ever_durable(end.term) < end.index;
        let ends: Vec<LogId> = self.durable.log.run_ends().rev().take_while(news).collect();
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
        count_prefix(&self.sent_votes, |ballot| ballot.term <= term)
    }
}

/// How many of these, which stand in order, are early. Nearly always all of them are.
pub(crate) fn count_prefix<T>(ordered: &[T], is_early: impl Fn(&T) -> bool) -> usize {
    match ordered.last() {
        Some(last) if !is_early(last) => ordered.partition_point(is_early),
        _ => ordered.len(),
    }
}

/// Makes `index` the next one of this log and returns the entry before it, or `None` if a gap is in between. A server
/// that overwrites without saying that it cut is not trusted to have kept what came after.
pub(super) fn truncate_before(log: &mut TermRuns, index: Index) -> Option<LogId> {
    log.truncate(index.saturating_sub(1));
    Some(log.last()).filter(|last| last.index + 1 == index)
}
