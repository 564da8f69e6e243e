//! One server: its state, and the one function that moves it.

use crate::answer::{Answer, Refusal};
use crate::bug::Bug;
use crate::config::Config;
use crate::ids::{Identity, Index, Instant, LogId, NodeId, Peer, RequestId, Term};
use crate::io::{Confirmed, Effect, Input, Recovered, Write};
use crate::log::Log;
use crate::membership::Configuration;
use crate::message::{Letter, Message, Outcome};
use crate::progress::{Pace, Progress};
use crate::recovery::StartError;
use crate::saves::{Promise, Saves};
use crate::snapshot::{Kept, Snapshot};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

/// One server of a group: a value. Two of them that are equal behave the same for ever.
#[derive(Clone, PartialEq, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    chance: SplitMix64,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) role: Role,
    /// Whom this server believes to lead its term.
    pub(crate) leader: Option<Peer>,
    /// When a leader was last heard: until an election timeout later this server helps nobody to depose it.
    pub(crate) heard: Option<Instant>,
    /// When to campaign, unless this server leads.
    pub(crate) election_due: Instant,
    pub(crate) log: Log,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// A snapshot that is on its way here.
    pub(crate) incoming: Option<Incoming>,
    pub(crate) commit: Index,
    /// How far entries, or a snapshot of them, were handed to the application.
    pub(crate) applied: Index,
    /// Whether the application must take the snapshot in place of its state, before anything else.
    pub(crate) restores: bool,
    /// What was passed on to a leader.
    pub(crate) forwarded: VecDeque<Forwarded>,
    /// The name of the newest of them.
    pub(crate) token: u64,
    /// Whose proposals, passed on to this server, were appended in this step, under which name and where: they are told
    /// once the followers are sent them.
    pub(crate) appended: Vec<(Peer, u64, LogId)>,
    pub(crate) saves: Saves,
    /// Whether the disk has refused a write: then this server takes part no more.
    halted: bool,
    /// What the newest write said of term and vote.
    saved: (Term, Option<NodeId>),
    /// What the log kept since the newest write, if it changed.
    pub(crate) unsaved_after: Option<Index>,
    /// Whether everything must be written anew, and if so, whether because a leader's snapshot was installed.
    pub(crate) rewrites: Option<bool>,
}

/// The parts of a snapshot that have come from a leader (`install.rs`). Not durable, and forgotten with the term: another
/// leader's snapshot of the same entries may be other bytes. A term has one leader, so silence alone spoils nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Incoming {
    pub(crate) last: LogId,
    pub(crate) data: Vec<u8>,
}

/// Adds an effect where it will stay. An `Effect` that is put together elsewhere, field by field, and moved here at once
/// costs more than all else about it: a processor waits for a move of what it has only just written in pieces.
#[inline]
pub(crate) fn add(effects: &mut Vec<Effect>, effect: impl FnOnce() -> Effect) {
    effects.extend(std::iter::once_with(effect));
}

/// A letter from a server that is set up like this.
#[inline]
pub(crate) fn letter(config: &Config, to: Peer, message: Message) -> Effect {
    let from = Peer { id: config.id, identity: config.identity };
    Effect::Send(Letter { cluster: config.cluster, from, to, message })
}

/// What was passed on to a leader (`forward.rs`).
#[derive(Clone, PartialEq, Debug)]
pub struct Forwarded {
    pub(crate) token: u64,
    pub(crate) request: RequestId,
    /// When to wait no longer.
    pub(crate) until: Instant,
    pub(crate) waits: Waits,
}

/// What something that was passed on waits for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Waits {
    /// The leader's word on a proposal.
    Appended,
    /// The leader's word on a read.
    Confirmed,
    /// That this entry, or another one in its place, is applied here.
    Entry(LogId),
    /// That so much is applied here.
    Index(Index),
}

/// Who wants an answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Asker {
    /// This server's host.
    Here(RequestId),
    /// Another server that passed it on, under this name.
    There(Peer, u64),
}

/// What a server is at, with what it needs for that and nothing else has.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Listens to a leader, or waits for one.
    Follower,
    /// Asks whether it could win (thesis 9.6).
    PreCandidate {
        /// Who said yes: sorted, each once.
        granted: Vec<NodeId>,
    },
    /// Asks for votes (5.2).
    Candidate {
        /// Who voted for it: sorted, each once.
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
    /// Whether another server was told to campaign: then voters forget that they keep to this leader, and so no lease
    /// holds for the rest of the term, even if the transfer is given up, for the letter may arrive yet.
    pub(crate) told: bool,
    /// How many bytes of its own commands are not committed.
    pub(crate) uncommitted: u64,
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
    pub(crate) early: Vec<Asker>,
    /// Waiting for a round, in the order of rounds.
    pub(crate) waiting: VecDeque<Read>,
    /// Of this server's host, and confirmed: waiting until enough is applied.
    pub(crate) confirmed: VecDeque<Read>,
}

impl Reads {
    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.early.len() + self.waiting.len() + self.confirmed.len()
    }

    /// Whether no read waits to be confirmed, and no round is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.early.is_empty() && self.waiting.is_empty() && self.confirmed_round == self.round
    }
}

/// A read under way.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    pub(crate) asker: Asker,
    /// What must be applied first: the commit index when it was asked.
    pub(crate) index: Index,
    /// The round that must be confirmed first.
    pub(crate) round: u64,
    /// How it was confirmed, once it is.
    pub(crate) confirmed: Confirmed,
}

impl Raft {
    /// A new incarnation, from what its disk kept. The host steps `Saved(SaveId(0))` once that is durable again.
    ///
    /// # Errors
    /// A configuration that cannot work, or a state that cannot have been saved.
    pub fn new(config: Config, recovered: Recovered, now: Instant) -> Result<Raft, StartError> {
        config.validate()?;
        // A server with a bug may well have saved it: then it is for the properties to notice.
        if cfg!(not(feature = "bugs")) || config.bug.is_none() {
            recovered.validate()?;
        }
        let mut founding = Configuration::of(config.voters.iter().copied());
        founding.identities = config.identities.iter().copied().filter(|it| it.1 != Identity(0)).collect();
        let (log, snapshot) = match recovered.kept {
            Some(Kept { snapshot, base, configuration, .. }) => {
                (Log::after(base, configuration, recovered.entries), Some(snapshot))
            }
            None => (Log::new(founding, recovered.entries), None),
        };
        let mut chance = SplitMix64::seed_from_u64(config.seed);
        // An answer to what another incarnation has passed on must never be taken for one to what this one did.
        let token = if config.forward { chance.next_u64() } else { 0 };
        let mut raft = Raft {
            chance,
            // Voters keep the promise that leases rest on even if they forget whom they gave it to. Without leases as well: a
            // leader that works is about to be heard, and until then nobody outside the group shall depose it through this
            // server, which does not know it yet (thesis 4.2.3).
            heard: config.check_quorum.then_some(now),
            config,
            term: recovered.term,
            vote: recovered.vote,
            role: Role::Follower,
            leader: None,
            election_due: now,
            saves: Saves::recovered(log.last().index, now),
            log,
            incoming: None,
            // What a snapshot stands for was committed; all else is found out anew.
            commit: snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index),
            restores: snapshot.is_some(),
            snapshot,
            applied: Index(0),
            forwarded: VecDeque::new(),
            token,
            appended: Vec::new(),
            halted: false,
            saved: (recovered.term, recovered.vote),
            unsaved_after: None,
            rewrites: None,
        };
        raft.reset_election_timer(now);
        Ok(raft)
    }

    /// One thing happens; what it brings about is added to `effects`.
    ///
    /// `now` never goes back, and is read after the input has arrived: what is promised counts from it. The host carries
    /// out `effects` as [`crate::io`] says.
    ///
    /// # Panics
    /// Where a write is said to be saved that was never issued.
    pub fn step(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        self.take_notice(now, input, effects);
        self.conclude(now, effects);
    }

    /// Several things have happened since the last step, in this order: as good as a step for each, and cheaper, for what
    /// they bring about is gathered. They share one write, and each follower gets what it lacks once, at the end.
    ///
    /// That is safe: all that is promised on the way waits for the one write at the end, which holds what it rests on, or
    /// is dropped because its term is over. And everything meets the state that it would meet in a step of its own: what is
    /// committed and durable is applied before the next thing happens.
    pub fn step_all(
        &mut self,
        now: Instant,
        inputs: impl IntoIterator<Item = Input>,
        effects: &mut Vec<Effect>,
    ) {
        let mut is_first = true;
        inputs.into_iter().for_each(|input| {
            if !std::mem::take(&mut is_first) && !self.halted {
                self.apply(effects);
            }
            self.take_notice(now, input, effects);
        });
        self.conclude(now, effects);
    }

    /// What the inputs of a step have brought about is written, sent and applied, all at once.
    fn conclude(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.halted {
            return;
        }
        self.replicate_where_owed(now, effects);
        self.tell_what_was_appended(effects);
        self.save(now, effects);
        self.release(now, effects);
        self.apply(effects);
        self.believe();
    }

    fn take_notice(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        if self.halted {
            return self.refuse_all(input, effects);
        }
        match input {
            Input::Timer => self.timer(now, effects),
            Input::Receive(letter) => self.receive(now, letter, effects),
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
            Input::SaveFailed => self.halt(now, effects),
            Input::Compact { request, index, data, keep } => {
                let answer = match self.compact(now, index, data, keep) {
                    Ok(()) => Answer::Compacted,
                    Err(why) => Answer::Refused(why),
                };
                effects.push(Effect::Answer { request, answer });
            }
        }
    }

    /// What the disk keeps is not known any more: nothing is promised from here on, and whoever waits is told what is
    /// true.
    fn halt(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.become_follower(now, self.term, None, effects);
        self.role = Role::Follower;
        self.forget_forwarded(effects);
        self.saves.give_up();
        self.halted = true;
    }

    fn refuse_all(&self, input: Input, effects: &mut Vec<Effect>) {
        let (Input::Propose { request, .. }
        | Input::Read { request }
        | Input::Change { request, .. }
        | Input::Transfer { request, .. }
        | Input::Compact { request, .. }) = input
        else {
            return;
        };
        effects.push(Effect::Answer { request, answer: Answer::Refused(Refusal::Halted) });
    }

    /// When the host must step [`Input::Timer`], if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.halted {
            return None;
        }
        let forwarded = self.forwarded.front().map(|forwarded| forwarded.until);
        let dues = match &self.role {
            Role::Leader(leader) => [
                Some(leader.heartbeat_due),
                self.disk_due(),
                self.quorum_due(),
                self.transfer_due(),
                forwarded,
            ],
            _ => [Some(self.election_due), forwarded, None, None, None],
        };
        dues.into_iter().flatten().min()
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
    pub fn leader(&self) -> Option<NodeId> {
        self.leader.map(|leader| leader.id)
    }

    /// Whether its disk has refused a write: it takes part no more.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// The newest snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
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

    /// How far another member's log is known to equal this leader's, durably. Nothing where this server does not lead, or
    /// the other one is no member.
    #[must_use]
    pub fn matched(&self, node: NodeId) -> Option<Index> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().find(|progress| progress.peer.id == node).map(|progress| progress.matched)
    }

    /// Whether as many requests wait here as may.
    pub(crate) fn is_full(&self) -> bool {
        let own = match &self.role {
            Role::Leader(leader) => leader.proposals.len() + leader.reads.len(),
            _ => 0,
        };
        own + self.forwarded.len() >= self.config.max_requests
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

    /// The group as it now is: in force from the moment it stands in the log, committed or not (6).
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        if self.bug(Bug::ConfigAppliedLateCampaignUnguarded) {
            return self.log.configuration_at(self.applied.max(self.log.base().index));
        }
        self.log.configuration()
    }

    /// This life of this server.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        Peer { id: self.config.id, identity: self.config.identity }
    }

    /// Everybody else who votes.
    pub(crate) fn other_voters(&self) -> Vec<Peer> {
        let configuration = self.configuration();
        let voters = configuration.members().into_iter();
        let others = voters.filter(|&node| node != self.config.id && configuration.votes(node));
        others.map(|node| configuration.peer(node)).collect()
    }

    /// A letter from this server.
    #[inline]
    pub(crate) fn letter(&self, to: Peer, message: Message) -> Effect {
        letter(&self.config, to, message)
    }

    pub(crate) fn reset_election_timer(&mut self, now: Instant) {
        let spread = self.config.election_timeout_spread;
        let chosen = if spread == 0 { 0 } else { self.chance.next_u64() % (spread + 1) };
        self.election_due = now.after(self.config.election_timeout + chosen);
    }

    fn timer(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.give_up_forwarded(now, effects);
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

    /// Whether a letter is none of this server's business: from another group, or for another life of this server.
    fn is_astray(&self, letter: &Letter) -> bool {
        let Letter { cluster, from, to, .. } = letter;
        *cluster != self.config.cluster || *to != self.peer() || from.id == self.config.id
    }

    /// Whether a message is a response from a server that has no say here: it is asked nothing, so what it says may be of
    /// a term that nobody here has any part in, and must not end a leadership (thesis 4.2.3). Requests are heard from
    /// anybody: who leads or campaigns may do so from a configuration that this server has not heard of (6).
    fn is_response_of_stranger(&self, from: Peer, message: &Message) -> bool {
        if !message.is_response() || self.has_say(self.configuration(), from) {
            return false;
        }
        // While the newest configuration is not known to be committed, the one before it may yet be in force again: its
        // members can win elections, and this leader must hear of that.
        let known = self.has_say(self.log.committed_configuration(self.commit), from);
        // A server that joins follows a leader before its log says who that is, and passes requests on to it.
        let leads = matches!(message, Message::ForwardResponse { .. }) && self.leader == Some(from);
        !known && !leads
    }

    /// Whether this life of a server belongs to a configuration. What a life promised binds that life alone.
    fn has_say(&self, configuration: &Configuration, peer: Peer) -> bool {
        configuration.is_member(peer.id)
            && (configuration.peer(peer.id) == peer || self.bug(Bug::PeerIdentityUnchecked))
    }

    /// Drops what is not for this server, then the term rule (5.1), then one match.
    fn receive(&mut self, now: Instant, letter: Letter, effects: &mut Vec<Effect>) {
        if self.is_astray(&letter) && !self.bug(Bug::PeerIdentityUnchecked) {
            return;
        }
        if self.is_response_of_stranger(letter.from, &letter.message) {
            return;
        }
        let Letter { from, ref message, .. } = letter;
        if self.is_protected_from(now, message) {
            return;
        }
        let only_asks =
            matches!(message, Message::PreVote { .. } | Message::PreVoteResponse { granted: true, .. });
        if message.term() > self.term && !only_asks {
            self.make_way(from, message, effects);
            self.become_follower(now, message.term(), None, effects);
        }
        match letter.message {
            Message::PreVote { term, last } => self.on_pre_vote(now, from, term, last, effects),
            Message::PreVoteResponse { term, granted } => {
                self.on_pre_vote_response(now, from, term, granted, effects);
            }
            Message::RequestVote { term, last, .. } => self.on_request_vote(now, from, term, last, effects),
            Message::RequestVoteResponse { term, granted } => {
                self.on_request_vote_response(now, from, term, granted);
            }
            Message::TimeoutNow { term } => self.on_timeout_now(now, term, effects),
            Message::AppendEntries { term, previous, entries, commit, stamp } => {
                if term < self.term {
                    self.refuse_append(from, previous, effects);
                } else {
                    self.on_append(now, from, previous, entries, commit, stamp, effects);
                }
            }
            Message::AppendEntriesResponse { term, matched, stamp } if term == self.term => {
                self.on_append_response(now, from, matched, stamp, effects);
            }
            Message::AppendEntriesRefused { term, previous, hint } if term == self.term => {
                self.on_append_refused(now, from, previous, hint);
            }
            Message::InstallSnapshot { term, part, stamp } => {
                if term < self.term {
                    self.refuse_append(from, part.last, effects);
                } else {
                    self.on_install(now, from, *part, stamp, effects);
                }
            }
            Message::InstallSnapshotResponse { term, last, received, end, stamp } if term == self.term => {
                self.on_install_response(now, from, last, received, end, stamp, effects);
            }
            Message::Forward { token, request, .. } => self.on_forward(now, from, token, request, effects),
            Message::ForwardResponse { token, outcome, .. } => {
                self.on_forward_response(token, outcome, effects)
            }
            // Answers to a leadership that is over.
            Message::AppendEntriesResponse { .. }
            | Message::AppendEntriesRefused { .. }
            | Message::InstallSnapshotResponse { .. } => {}
        }
    }

    /// Follows from now on: a new term, or a leader of this one, or nobody in particular.
    pub(crate) fn become_follower(
        &mut self,
        now: Instant,
        term: Term,
        leader: Option<Peer>,
        effects: &mut Vec<Effect>,
    ) {
        // A vote is forgotten only together with its term (5.2): else one server votes twice in one term.
        if term > self.term || self.bug(Bug::VoteClearedSameTerm) {
            self.vote = None;
        }
        if term > self.term {
            self.incoming = None;
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
        let elsewhere = Answer::NotLeader { hint: self.leader() };
        for (_, request) in leader.proposals {
            // A successor may commit it yet, so it is not "failed".
            let answer = if self.bug(Bug::StepdownReportedAsFailure) { elsewhere } else { Answer::Unknown };
            effects.push(Effect::Answer { request, answer });
        }
        let reads = leader.reads;
        let waiting = reads.waiting.into_iter().chain(reads.confirmed).map(|read| read.asker);
        for asker in reads.early.into_iter().chain(waiting) {
            self.answer(asker, elsewhere, effects);
        }
        if let Some(Transfer { request, .. }) = leader.transfer {
            effects.push(Effect::Answer { request, answer: Answer::Unknown });
        }
    }

    /// Tells whoever asked.
    pub(crate) fn answer(&self, asker: Asker, answer: Answer, effects: &mut Vec<Effect>) {
        match asker {
            Asker::Here(request) => effects.push(Effect::Answer { request, answer }),
            Asker::There(peer, token) => {
                let (term, outcome) = (self.term, Outcome::Ended(answer));
                effects.push(self.letter(peer, Message::ForwardResponse { term, token, outcome }));
            }
        }
    }

    /// Issues one write for all that this step changed.
    fn save(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let changed = match self.bug(Bug::TermAdoptedNotDurable) {
            // The term learnt counts as much as the vote given: an answer in it promises that no older one is served.
            true => self.saved.1 != self.vote,
            false => self.saved != (self.term, self.vote),
        };
        if let Some(installed) = self.rewrites.take() {
            let (base, at_base) = (self.log.base(), self.log.configurations()[0].1.clone());
            let snapshot = self.snapshot.clone().expect("only a snapshot makes room");
            let entries = self.log.share(base.index.next(), last);
            self.unsaved_after = None;
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let kept = Some(Box::new(Kept { snapshot, base, configuration: at_base, installed }));
            let write = Write { term: self.term, vote: self.vote, after: base.index, entries, kept };
            effects.push(Effect::Save { id, write });
        } else if changed || self.unsaved_after.is_some() {
            let after = self.unsaved_after.take().unwrap_or(last);
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let (term, vote) = (self.term, self.vote);
            add(effects, || {
                let entries = self.log.share(after.next(), last);
                Effect::Save { id, write: Write { term, vote, after, entries, kept: None } }
            });
        }
        self.saves.settle();
    }

    /// Keeps a promise back until everything issued so far is durable.
    pub(crate) fn promise(&mut self, promise: Promise, effects: &mut Vec<Effect>) {
        match promise {
            // The lines below are the contract of `io.rs`; the bugs are hosts that send once a write is issued.
            Promise::Send(to, message @ Message::RequestVote { .. }) if self.bug(Bug::SelfVoteAfterRv) => {
                effects.push(self.letter(to, message));
            }
            Promise::Send(to, message @ Message::RequestVoteResponse { .. })
                if self.bug(Bug::VoteReplyBeforeSync) =>
            {
                effects.push(self.letter(to, message));
            }
            Promise::Send(to, message @ Message::AppendEntriesResponse { .. })
                if self.bug(Bug::FollowerAckBeforeSync) =>
            {
                effects.push(self.letter(to, message));
            }
            promise => self.saves.hold(self.term, promise),
        }
    }

    /// Lets go what has become durable.
    #[inline]
    fn release(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.saves.may_release() {
            self.release_promises(now, effects);
        }
    }

    fn release_promises(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(promise) = self.saves.release(self.term) {
            match promise {
                Promise::Send(to, message) => add(effects, || self.letter(to, message)),
                Promise::OwnVote => self.count_own_vote(now),
            }
        }
    }

    /// Hands out what is committed, and durable here: an application must never be ahead of its own log.
    #[inline]
    pub(crate) fn apply(&mut self, effects: &mut Vec<Effect>) {
        let durable = match self.bug(Bug::ApplyBeforeLocalDurable) {
            true => self.log.last().index,
            false => self.saves.durable_index(),
        };
        if self.restores || self.commit.min(durable) > self.applied {
            self.apply_up_to(durable, effects);
        }
        // After most steps nobody waits for an answer.
        if let Role::Leader(leader) = &self.role
            && !leader.reads.confirmed.is_empty()
        {
            self.serve_reads(effects);
        }
        if !self.forwarded.is_empty() {
            self.settle_forwarded(effects);
        }
    }

    fn apply_up_to(&mut self, durable: Index, effects: &mut Vec<Effect>) {
        if self.restores
            && let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| snapshot.last.index <= durable)
        {
            self.restores = false;
            self.applied = snapshot.last.index;
            effects.push(Effect::Restore(snapshot.clone()));
        }
        let upto = self.commit.min(durable);
        if upto > self.applied && !self.restores {
            let first = self.applied.next();
            add(effects, || Effect::Apply { first, entries: self.log.share(first, upto) });
            self.applied = upto;
        }
        let applied = self.applied;
        if let Role::Leader(leader) = &mut self.role {
            while let Some(&(index, request)) =
                leader.proposals.front().filter(|&&(index, _)| index <= applied)
            {
                leader.proposals.pop_front();
                add(effects, || Effect::Answer { request, answer: Answer::Applied { index } });
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
        let base = self.log.base();
        assert!(base.index <= self.commit, "the log begins after {base}, beyond commit {}", self.commit);
        let snapshot = self.snapshot.as_ref().map_or(LogId::default(), |snapshot| snapshot.last);
        assert!(base.index <= snapshot.index, "the log begins after {base}, beyond the snapshot {snapshot}");
        assert!(snapshot.index <= self.commit, "a snapshot up to {snapshot}, beyond commit {}", self.commit);
        assert!(self.appended.is_empty(), "a step left somebody untold: {:?}", self.appended);
        assert!(self.rewrites.is_none(), "a step left a snapshot unsaved");
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
                assert!(self.leader == Some(self.peer()), "a leader follows {:?}", self.leader);
                for progress in &leader.progress {
                    assert!(progress.next > progress.matched, "{progress:?} sends what is matched");
                    assert!(!progress.owed, "a step left {progress:?} without what it lacks");
                    let gets_snapshot = matches!(progress.pace, Pace::Snapshotting { .. });
                    assert!(
                        gets_snapshot || progress.next > base.index,
                        "{progress:?} after the base {base}"
                    );
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
