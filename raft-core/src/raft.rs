//! One server: its state, and the one function that moves it.

use crate::bug::Bug;
use crate::config::{Config, ConfigError};
use crate::ids::{Index, Instant, LogId, NodeId, RequestId, Term};
use crate::io::{Answer, Effect, Input, Recovered, Write};
use crate::log::Log;
use crate::membership::Configuration;
use crate::message::Message;
use crate::progress::Progress;
use crate::saves::{Promise, Saves};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;

/// One server of a group: a value. Two of them that are equal behave the same for ever.
#[derive(Clone, PartialEq, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    chance: SplitMix64,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) role: Role,
    /// Whom this server believes to lead its term.
    pub(crate) leader: Option<NodeId>,
    /// When that leader was last heard.
    pub(crate) heard: Option<Instant>,
    /// When to campaign, unless this server leads.
    pub(crate) election_due: Instant,
    pub(crate) log: Log,
    pub(crate) commit: Index,
    /// How far entries were handed to the application.
    pub(crate) applied: Index,
    pub(crate) saves: Saves,
    /// What the newest write said of term and vote.
    saved: (Term, Option<NodeId>),
    /// What the log kept since the newest write, if it changed.
    pub(crate) unsaved_after: Option<Index>,
}

/// What a server is at, with what it needs for that and nothing else has.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Listens to a leader, or waits for one.
    Follower,
    /// Asks whether it could win (thesis 9.6).
    PreCandidate {
        /// Who said yes.
        granted: Vec<NodeId>,
    },
    /// Asks for votes (5.2).
    Candidate {
        /// Who voted for it.
        granted: Vec<NodeId>,
    },
    /// Leads its term.
    Leader(Leader),
}

/// What only a leader has.
#[derive(Clone, PartialEq, Debug)]
pub struct Leader {
    /// What it knows of everybody else in the group.
    pub(crate) progress: Vec<Progress>,
    /// When to look who has not been spoken to for too long.
    pub(crate) heartbeat_due: Instant,
    /// When to look whether a majority still answers.
    pub(crate) quorum_due: Instant,
    /// Whom leadership is passing to.
    pub(crate) transfer: Option<Transfer>,
    /// The proposals and changes that it owes an answer, by index.
    pub(crate) proposals: VecDeque<(Index, RequestId)>,
    pub(crate) reads: Reads,
}

/// Leadership on its way to another server (`transfer.rs`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transfer {
    pub(crate) request: RequestId,
    pub(crate) to: NodeId,
    /// When it has failed.
    pub(crate) until: Instant,
    /// Whether the other one was told to campaign.
    pub(crate) told: bool,
}

/// The reads that a leader owes an answer (`read.rs`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reads {
    /// The newest round of "do I still lead".
    pub(crate) round: u64,
    /// Rounds up to here were confirmed by a majority.
    pub(crate) confirmed_round: u64,
    /// Asked before an entry of this term was committed.
    pub(crate) early: Vec<RequestId>,
    /// Waiting for a round, in the order of rounds.
    pub(crate) waiting: VecDeque<Read>,
    /// Confirmed, waiting to be applied far enough.
    pub(crate) confirmed: VecDeque<Read>,
}

/// A read under way.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    pub(crate) request: RequestId,
    /// What must be applied first: the commit index when it was asked.
    pub(crate) index: Index,
    /// The round that must be confirmed first.
    pub(crate) round: u64,
}

impl Raft {
    /// A new incarnation, from what its disk kept. The host steps `Saved(SaveId(0))` once that is durable again.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: Config, recovered: Recovered, now: Instant) -> Result<Raft, ConfigError> {
        config.validate()?;
        let log = Log::new(Configuration::of(config.voters.iter().copied()), recovered.entries);
        let mut raft = Raft {
            chance: SplitMix64::seed_from_u64(config.seed),
            config,
            term: recovered.term,
            vote: recovered.vote,
            role: Role::Follower,
            leader: None,
            heard: None,
            election_due: now,
            saves: Saves::recovered(log.last().index, now),
            log,
            commit: Index(0),
            applied: Index(0),
            saved: (recovered.term, recovered.vote),
            unsaved_after: None,
        };
        raft.reset_election_timer(now);
        Ok(raft)
    }

    /// One thing happens; what it brings about is added to `effects`.
    ///
    /// `now` never goes back. The host carries out `effects` as [`crate::io`] says.
    pub fn step(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Timer => self.timer(now, effects),
            Input::Message { from, message } => self.receive(now, from, message, effects),
            Input::Propose { request, command } => self.propose(now, request, command, effects),
            Input::Read { request } => self.read(now, request, effects),
            Input::Change { request, change } => self.change(now, request, &change, effects),
            Input::Transfer { request, to } => self.transfer(now, request, to, effects),
            Input::Saved(id) => {
                self.saves.complete(id);
                self.release(now, effects);
                self.advance_commit(now, effects);
                self.confirm_reads(now, effects);
            }
        }
        self.save(now, effects);
        self.release(now, effects);
        self.apply(effects);
        self.believe();
    }

    /// When the host must step [`Input::Timer`], if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        Some(match &self.role {
            Role::Leader(leader) => {
                let dues =
                    [Some(leader.heartbeat_due), self.disk_due(), self.quorum_due(), self.transfer_due()];
                return dues.into_iter().flatten().min();
            }
            _ => self.election_due,
        })
    }

    /// The current term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The vote in the current term.
    #[must_use]
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// What it is at.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it leads its term, as far as it knows.
    #[must_use]
    pub const fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Whom it believes to lead.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Everything up to here is committed.
    #[must_use]
    pub const fn commit(&self) -> Index {
        self.commit
    }

    /// Everything up to here was handed to the application.
    #[must_use]
    pub const fn applied(&self) -> Index {
        self.applied
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Where the log ends.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.log.last()
    }

    /// Whether this line gives way.
    pub(crate) const fn bug(&self, bug: Bug) -> bool {
        #[cfg(feature = "bugs")]
        if let Some(on) = self.config.bug {
            return on as u8 == bug as u8;
        }
        let _ = bug;
        false
    }

    /// The group as it now is.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        self.log.configuration()
    }

    /// Everybody else who votes.
    pub(crate) fn other_voters(&self) -> Vec<NodeId> {
        let configuration = self.log.configuration();
        let voters = configuration.members().into_iter();
        voters.filter(|&node| node != self.config.id && configuration.votes(node)).collect()
    }

    pub(crate) fn reset_election_timer(&mut self, now: Instant) {
        let spread = self.config.election_timeout_spread;
        let chosen = if spread == 0 { 0 } else { self.chance.next_u64() % (spread + 1) };
        self.election_due = now.after(self.config.election_timeout + chosen);
    }

    fn timer(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        match &self.role {
            Role::Leader(_) => {
                if self.disk_due().is_some_and(|due| due <= now) {
                    // Its disk hangs: it cannot count itself, and others can lead better than a leader that may
                    // only ever commit what the rest of them hold.
                    self.become_follower(now, self.term, None, effects);
                } else if self.quorum_due().is_some_and(|due| due <= now) && !self.hears_quorum(now) {
                    // Whoever it still reaches is better served by a leader that can commit (thesis 6.2).
                    self.become_follower(now, self.term, None, effects);
                } else {
                    self.give_up_transfer(now, effects);
                    self.heartbeat(now, effects);
                }
            }
            _ if self.election_due <= now => self.election_timeout(now, effects),
            _ => {}
        }
    }

    /// When a leader gives up because of its disk: its oldest write has been in flight for an election timeout.
    fn disk_due(&self) -> Option<Instant> {
        self.saves.oldest().map(|issued| issued.after(self.config.election_timeout))
    }

    /// The term rule (5.1), then one match.
    fn receive(&mut self, now: Instant, from: NodeId, message: Message, effects: &mut Vec<Effect>) {
        if from == self.config.id || self.is_protected_from(now, &message) {
            return;
        }
        // Whoever leads or asks for votes may do so from a configuration that this server has not heard of (6).
        let only_asks =
            matches!(message, Message::PreVote { .. } | Message::PreVoteResponse { granted: true, .. });
        if message.term() > self.term && !only_asks {
            self.make_way(from, &message, effects);
            self.become_follower(now, message.term(), None, effects);
        }
        match message {
            Message::PreVote { term, last } => self.on_pre_vote(now, from, term, last, effects),
            Message::PreVoteResponse { term, granted } => {
                self.on_pre_vote_response(now, from, term, granted, effects);
            }
            Message::RequestVote { term, last, .. } => self.on_request_vote(now, from, term, last, effects),
            Message::RequestVoteResponse { term, granted } => {
                self.on_request_vote_response(now, from, term, granted, effects);
            }
            Message::TimeoutNow { term } => self.on_timeout_now(now, term, effects),
            Message::AppendEntries { term, previous, entries, commit, round } => {
                if term < self.term {
                    self.refuse_append(from, previous, effects);
                } else {
                    self.on_append(now, from, previous, &entries, commit, round, effects);
                }
            }
            Message::AppendEntriesResponse { term, matched, round } if term == self.term => {
                self.on_append_response(now, from, matched, round, effects);
            }
            Message::AppendEntriesRefused { term, previous, hint } if term == self.term => {
                self.on_append_refused(now, from, previous, hint, effects);
            }
            // Answers to a leadership that is over.
            Message::AppendEntriesResponse { .. } | Message::AppendEntriesRefused { .. } => {}
        }
    }

    /// Follows from now on: a new term, or a leader of this one, or nobody in particular.
    pub(crate) fn become_follower(
        &mut self,
        now: Instant,
        term: Term,
        leader: Option<NodeId>,
        effects: &mut Vec<Effect>,
    ) {
        // A vote is forgotten only together with its term (5.2): else one server votes twice in one term.
        if term > self.term || self.bug(Bug::VoteClearedSameTerm) {
            self.vote = None;
        }
        self.term = term;
        self.leader = leader;
        if let Role::Leader(leader) = std::mem::replace(&mut self.role, Role::Follower) {
            self.abandon(leader, effects);
            self.reset_election_timer(now);
        }
    }

    /// Leadership is lost: whoever waits is told what is true.
    fn abandon(&self, leader: Leader, effects: &mut Vec<Effect>) {
        for (_, request) in leader.proposals {
            // A successor may commit it yet, so it is not "failed".
            effects.push(Effect::Answer { request, answer: Answer::Unknown });
        }
        let reads = leader.reads;
        let waiting = reads.waiting.into_iter().chain(reads.confirmed).map(|read| read.request);
        for request in reads.early.into_iter().chain(waiting) {
            effects.push(Effect::Answer { request, answer: Answer::NotLeader { hint: self.leader } });
        }
        if let Some(Transfer { request, .. }) = leader.transfer {
            effects.push(Effect::Answer { request, answer: Answer::Unknown });
        }
    }

    /// Issues one write for all that this step changed.
    fn save(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        if self.saved != (self.term, self.vote) || self.unsaved_after.is_some() {
            let after = self.unsaved_after.take().unwrap_or(last);
            let entries = self.log.entries(after.next(), last);
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            effects
                .push(Effect::Save { id, write: Write { term: self.term, vote: self.vote, after, entries } });
        }
        self.saves.settle();
    }

    /// Keeps a promise back until everything issued so far is durable.
    pub(crate) fn promise(&mut self, promise: Promise, effects: &mut Vec<Effect>) {
        match promise {
            // The lines below are the contract of `io.rs`; the bugs are hosts that send once a write is issued.
            Promise::Send(to, message @ Message::RequestVote { .. })
                if self.bug(Bug::RequestVoteBeforeSync) =>
            {
                effects.push(Effect::Send { to, message });
            }
            Promise::Send(to, message @ Message::RequestVoteResponse { .. })
                if self.bug(Bug::VoteReplyBeforeSync) =>
            {
                effects.push(Effect::Send { to, message });
            }
            Promise::Send(to, message @ Message::AppendEntriesResponse { .. })
                if self.bug(Bug::FollowerAckBeforeSync) =>
            {
                effects.push(Effect::Send { to, message });
            }
            promise => self.saves.hold(self.term, promise),
        }
    }

    /// Lets go what has become durable.
    fn release(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(promise) = self.saves.release(self.term) {
            match promise {
                Promise::Send(to, message) => effects.push(Effect::Send { to, message }),
                Promise::OwnVote => self.count_own_vote(now, effects),
            }
        }
    }

    /// Hands out what is committed, and durable here: an application must never be ahead of its own log.
    pub(crate) fn apply(&mut self, effects: &mut Vec<Effect>) {
        let upto = self.commit.min(self.saves.durable_index());
        if upto > self.applied {
            let first = self.applied.next();
            let entries = self.log.entries(first, upto);
            self.applied = upto;
            effects.push(Effect::Apply { first, entries });
        }
        let applied = self.applied;
        if let Role::Leader(leader) = &mut self.role {
            while let Some(&(index, request)) =
                leader.proposals.front().filter(|&&(index, _)| index <= applied)
            {
                leader.proposals.pop_front();
                effects.push(Effect::Answer { request, answer: Answer::Applied { index } });
            }
            while let Some(read) = leader.reads.confirmed.pop_front_if(|read| read.index <= applied) {
                effects.push(Effect::ReadNow { request: read.request });
            }
        }
    }

    /// What must be true of this struct after every step. With a bug switched on it may not be: then it is for the
    /// properties to notice.
    fn believe(&self) {
        #[cfg(feature = "bugs")]
        if self.config.bug.is_some() {
            return;
        }
        let last = self.log.last();
        assert!(self.applied <= self.commit, "applied {} beyond commit {}", self.applied, self.commit);
        assert!(self.commit <= last.index, "committed {} beyond the log's end {last}", self.commit);
        assert!(
            self.saves.durable_index() <= last.index,
            "durable {} beyond the log's end {last}",
            self.saves.durable_index()
        );
        assert!(
            self.applied <= self.saves.durable_index(),
            "applied {} before it was durable: {}",
            self.applied,
            self.saves.durable_index()
        );
        assert!(last.term <= self.term, "the log's end {last} is of a term after {}", self.term);
        assert!(self.saved == (self.term, self.vote), "a step left term and vote unsaved");
        match &self.role {
            Role::Leader(leader) => {
                assert!(self.vote == Some(self.config.id), "a leader voted for {:?}", self.vote);
                assert!(self.leader == Some(self.config.id), "a leader follows {:?}", self.leader);
                for progress in &leader.progress {
                    assert!(progress.next > progress.matched, "{progress:?} sends what is matched");
                    assert!(progress.matched <= last.index, "{progress:?} beyond the log's end {last}");
                }
            }
            Role::Candidate { .. } => {
                assert!(self.vote == Some(self.config.id), "a candidate voted for {:?}", self.vote);
            }
            Role::Follower | Role::PreCandidate { .. } => {}
        }
    }
}
