//! One server: its state, and the one function that moves it.

use crate::answer::{Rejection, Response};
use crate::bug::Bug;
use crate::config::Config;
use crate::ids::{DirectoryId, Index, LogId, NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::{Effect, Input, ReadConfirmation, Recovered, SaveRecord};
use crate::log::Log;
use crate::membership::Configuration;
use crate::message::{Envelope, ForwardOutcome, Message};
use crate::progress::{Progress, ProgressState};
use crate::recovery::StartError;
use crate::saves::{Promise, Saves};
use crate::snapshot::{Checkpoint, Snapshot};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

/// One server of a group: a value. Two of them that are equal behave the same for ever.
#[derive(Clone, PartialEq, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    rng: SplitMix64,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) role: Role,
    /// Whom this server believes to lead its term.
    pub(crate) leader: Option<ReplicaKey>,
    /// When a leader was last heard: until an election timeout later this server helps nobody to depose it.
    pub(crate) last_contact: Option<Timestamp>,
    /// When to campaign, unless this server leads.
    pub(crate) election_due: Timestamp,
    pub(crate) log: Log,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// A snapshot that is on its way here.
    pub(crate) incoming: Option<IncomingSnapshot>,
    pub(crate) commit_index: Index,
    /// How far entries, or a snapshot of them, were handed to the application.
    pub(crate) last_applied: Index,
    /// Whether the application must take the snapshot in place of its state, before anything else.
    pub(crate) restore_pending: bool,
    /// What was passed on to a leader.
    pub(crate) pending_forwards: VecDeque<PendingForward>,
    /// The name of the newest of them.
    pub(crate) last_forward_id: u64,
    /// Whose proposals, passed on to this server, were appended in this step, under which name and where: they are told
    /// once the followers are sent them.
    pub(crate) appended_for_others: Vec<(ReplicaKey, u64, LogId)>,
    pub(crate) saves: Saves,
    /// Whether the disk has refused a write: then this server takes part no more.
    halted: bool,
    /// What the newest write said of term and vote.
    saved: (Term, Option<NodeId>),
    /// What the log kept since the newest write, if it changed.
    pub(crate) unsaved_after: Option<Index>,
    /// Whether everything must be written anew, and if so, whether because a leader's snapshot was installed.
    pub(crate) pending_rewrite: Option<bool>,
}

/// The parts of a snapshot that have come from a leader (`install.rs`). Not durable, and forgotten with the term: another
/// leader's snapshot of the same entries may be other bytes. A term has one leader, so silence alone spoils nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct IncomingSnapshot {
    pub(crate) last: LogId,
    pub(crate) data: Vec<u8>,
}

/// Adds an effect where it will stay. An `Effect` that is put together elsewhere, field by field, and moved here at once
/// costs more than all else about it: a processor waits for a move of what it has only just written in pieces.
#[inline]
pub(crate) fn push_in_place(effects: &mut Vec<Effect>, effect: impl FnOnce() -> Effect) {
    effects.extend(std::iter::once_with(effect));
}

/// A letter from a server that is set up like this.
#[inline]
pub(crate) fn envelope(config: &Config, to: ReplicaKey, message: Message) -> Effect {
    let from = ReplicaKey { id: config.id, directory_id: config.directory_id };
    Effect::Send(Envelope { cluster: config.cluster, from, to, message })
}

/// What was passed on to a leader (`forward.rs`).
#[derive(Clone, PartialEq, Debug)]
pub struct PendingForward {
    pub(crate) forward_id: u64,
    pub(crate) request: RequestId,
    /// When to wait no longer.
    pub(crate) deadline: Timestamp,
    pub(crate) waiting_for: WaitingFor,
}

/// What something that was passed on waits for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WaitingFor {
    /// The leader's word on a proposal.
    LeaderAppend,
    /// The leader's word on a read.
    LeaderReadIndex,
    /// That this entry, or another one in its place, is applied here.
    EntryApplied(LogId),
    /// That so much is applied here.
    IndexApplied(Index),
}

/// Who wants an answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Origin {
    /// This server's host.
    Local(RequestId),
    /// Another server that passed it on, under this name.
    Forwarded(ReplicaKey, u64),
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
    pub(crate) heartbeat_due: Timestamp,
    /// When to look whether a majority still answers.
    pub(crate) quorum_due: Timestamp,
    /// Whom leadership is passing to.
    pub(crate) transfer: Option<Transfer>,
    /// The proposals and changes that it owes an answer, by index.
    pub(crate) proposals: VecDeque<(Index, RequestId)>,
    pub(crate) reads: PendingReads,
    /// Whether another server was told to campaign: then voters forget that they keep to this leader, and so no lease
    /// holds for the rest of the term, even if the transfer is given up, for the letter may arrive yet.
    pub(crate) timeout_now_sent: bool,
    /// How many bytes of its own commands are not committed.
    pub(crate) uncommitted_bytes: u64,
}

/// Leadership on its way to another server (`transfer.rs`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transfer {
    pub(crate) request: RequestId,
    pub(crate) to: NodeId,
    /// When it has failed.
    pub(crate) deadline: Timestamp,
    /// Whether the other one was told to campaign.
    pub(crate) timeout_now_sent: bool,
}

/// The reads that a leader owes an answer (`read.rs`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PendingReads {
    /// The newest round of "do I still lead".
    pub(crate) round: u64,
    /// Rounds up to here were confirmed by a majority.
    pub(crate) confirmed_round: u64,
    /// Asked before an entry of this term was committed.
    pub(crate) before_first_commit: Vec<Origin>,
    /// Waiting for a round, in the order of rounds.
    pub(crate) awaiting_quorum: VecDeque<PendingRead>,
    /// Of this server's host, and confirmed: waiting until enough is applied.
    pub(crate) awaiting_apply: VecDeque<PendingRead>,
}

impl PendingReads {
    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.before_first_commit.len() + self.awaiting_quorum.len() + self.awaiting_apply.len()
    }

    /// Whether no read waits to be confirmed, and no round is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.before_first_commit.is_empty()
            && self.awaiting_quorum.is_empty()
            && self.confirmed_round == self.round
    }
}

/// A read under way.
#[derive(Clone, PartialEq, Debug)]
pub struct PendingRead {
    pub(crate) origin: Origin,
    /// What must be applied first: the commit index when it was asked.
    pub(crate) index: Index,
    /// The round that must be confirmed first.
    pub(crate) round: u64,
    /// How it was confirmed, once it is.
    pub(crate) confirmation: ReadConfirmation,
}

impl Raft {
    /// A new incarnation, from what its disk kept. The host steps `Saved(SaveId(0))` once that is durable again.
    ///
    /// # Errors
    /// A configuration that cannot work, or a state that cannot have been saved.
    pub fn new(config: Config, recovered: Recovered, now: Timestamp) -> Result<Raft, StartError> {
        config.validate()?;
        // A server with a bug may well have saved it: then it is for the properties to notice.
        if cfg!(not(feature = "bugs")) || config.bug.is_none() {
            recovered.validate()?;
        }
        let mut founding = Configuration::of(config.voters.iter().copied());
        founding.directory_ids =
            config.directory_ids.iter().copied().filter(|it| it.1 != DirectoryId(0)).collect();
        let (log, snapshot) = match recovered.checkpoint {
            Some(Checkpoint { snapshot, compacted, configuration, .. }) => {
                (Log::compacted_at(compacted, configuration, recovered.entries), Some(snapshot))
            }
            None => (Log::new(founding, recovered.entries), None),
        };
        let mut chance = SplitMix64::seed_from_u64(config.seed);
        // An answer to what another incarnation has passed on must never be taken for one to what this one did.
        let token = if config.forward { chance.next_u64() } else { 0 };
        let mut raft = Raft {
            rng: chance,
            // Voters keep the promise that leases rest on even if they forget whom they gave it to. Without leases as well: a
            // leader that works is about to be heard, and until then nobody outside the group shall depose it through this
            // server, which does not know it yet (thesis 4.2.3).
            last_contact: config.check_quorum.then_some(now),
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
            commit_index: snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index),
            restore_pending: snapshot.is_some(),
            snapshot,
            last_applied: Index(0),
            pending_forwards: VecDeque::new(),
            last_forward_id: token,
            appended_for_others: Vec::new(),
            halted: false,
            saved: (recovered.term, recovered.vote),
            unsaved_after: None,
            pending_rewrite: None,
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
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        self.handle_input(now, input, effects);
        self.flush(now, effects);
    }

    /// Several things have happened since the last step, in this order: as good as a step for each, and cheaper, for what
    /// they bring about is gathered. They share one write, and each follower gets what it lacks once, at the end.
    ///
    /// That is safe: all that is promised on the way waits for the one write at the end, which holds what it rests on, or
    /// is dropped because its term is over. And everything meets the state that it would meet in a step of its own: what is
    /// committed and durable is applied before the next thing happens.
    pub fn step_all(
        &mut self,
        now: Timestamp,
        inputs: impl IntoIterator<Item = Input>,
        effects: &mut Vec<Effect>,
    ) {
        let mut is_first = true;
        inputs.into_iter().for_each(|input| {
            if !std::mem::take(&mut is_first) && !self.halted {
                self.apply(effects);
            }
            self.handle_input(now, input, effects);
        });
        self.flush(now, effects);
    }

    /// What the inputs of a step have brought about is written, sent and applied, all at once.
    fn flush(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.halted {
            return;
        }
        self.send_pending(now, effects);
        self.send_forward_results(effects);
        self.save(now, effects);
        self.release_durable(now, effects);
        self.apply(effects);
        self.assert_invariants();
    }

    fn handle_input(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        if self.halted {
            return self.reject_request(input, effects);
        }
        match input {
            Input::Timer => self.on_timer(now, effects),
            Input::Receive(envelope) => self.on_envelope(now, envelope, effects),
            Input::Propose { request, command } => self.propose(now, request, command, effects),
            Input::Read { request } => self.read(now, request, effects),
            Input::ConfChange { request, change } => self.propose_conf_change(now, request, &change, effects),
            Input::Transfer { request, to } => self.transfer(now, request, to, effects),
            Input::Saved(id) => {
                self.saves.complete(id);
                self.release_durable(now, effects);
                self.advance_commit(now, effects);
                self.confirm_reads(now, effects);
            }
            Input::SaveFailed => self.halt(now, effects),
            Input::Compact { request, index, data, keep } => {
                let answer = match self.compact(now, index, data, keep) {
                    Ok(()) => Response::Compacted,
                    Err(why) => Response::Rejected(why),
                };
                effects.push(Effect::Respond { request, response: answer });
            }
        }
    }

    /// What the disk keeps is not known any more: nothing is promised from here on, and whoever waits is told what is
    /// true.
    fn halt(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.become_follower(now, self.term, None, effects);
        self.role = Role::Follower;
        self.fail_all_forwards(effects);
        self.saves.discard();
        self.halted = true;
    }

    fn reject_request(&self, input: Input, effects: &mut Vec<Effect>) {
        let (Input::Propose { request, .. }
        | Input::Read { request }
        | Input::ConfChange { request, .. }
        | Input::Transfer { request, .. }
        | Input::Compact { request, .. }) = input
        else {
            return;
        };
        effects.push(Effect::Respond { request, response: Response::Rejected(Rejection::Halted) });
    }

    /// When the host must step [`Input::Timer`], if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.halted {
            return None;
        }
        let forwarded = self.pending_forwards.front().map(|forwarded| forwarded.deadline);
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
    pub const fn is_leader(&self) -> bool {
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
    pub const fn commit_index(&self) -> Index {
        self.commit_index
    }

    /// Everything up to here was handed to the application.
    #[must_use]
    pub const fn last_applied(&self) -> Index {
        self.last_applied
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// How far another member's log is known to equal this leader's, durably. Nothing where this server does not lead, or
    /// the other one is no member.
    #[must_use]
    pub fn match_index(&self, node: NodeId) -> Option<Index> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().find(|progress| progress.peer.id == node).map(|progress| progress.match_index)
    }

    /// Whether as many requests wait here as may.
    pub(crate) fn has_too_many_requests(&self) -> bool {
        let own = match &self.role {
            Role::Leader(leader) => leader.proposals.len() + leader.reads.len(),
            _ => 0,
        };
        own + self.pending_forwards.len() >= self.config.max_requests
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
            return self.log.configuration_at(self.last_applied.max(self.log.compacted().index));
        }
        self.log.configuration()
    }

    /// This life of this server.
    #[must_use]
    pub const fn replica(&self) -> ReplicaKey {
        ReplicaKey { id: self.config.id, directory_id: self.config.directory_id }
    }

    /// Everybody else who votes.
    pub(crate) fn other_voters(&self) -> Vec<ReplicaKey> {
        let configuration = self.configuration();
        let voters = configuration.members().into_iter();
        let others = voters.filter(|&node| node != self.config.id && configuration.is_voter(node));
        others.map(|node| configuration.replica(node)).collect()
    }

    /// A letter from this server.
    #[inline]
    pub(crate) fn envelope(&self, to: ReplicaKey, message: Message) -> Effect {
        envelope(&self.config, to, message)
    }

    pub(crate) fn reset_election_timer(&mut self, now: Timestamp) {
        let spread = self.config.election_timeout_spread;
        let chosen = if spread == 0 { 0 } else { self.rng.next_u64() % (spread + 1) };
        self.election_due = now.after(self.config.election_timeout + chosen);
    }

    fn on_timer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.expire_forwards(now, effects);
        match &self.role {
            Role::Leader(_) => {
                if self.disk_due().is_some_and(|due| due <= now) {
                    // Its disk hangs: it cannot count itself, and others can lead better than a leader that may
                    // only ever commit what the rest of them hold.
                    self.become_follower(now, self.term, None, effects);
                } else if self.quorum_due().is_some_and(|due| due <= now) && !self.has_quorum_contact(now) {
                    // Whoever it still reaches is better served by a leader that can commit (thesis 6.2).
                    self.become_follower(now, self.term, None, effects);
                } else {
                    self.expire_transfer(now, effects);
                    self.heartbeat(now, effects);
                }
            }
            _ if self.election_due <= now => self.on_election_timeout(now, effects),
            _ => {}
        }
    }

    /// When a leader gives up because of its disk: its oldest write has been in flight for an election timeout.
    fn disk_due(&self) -> Option<Timestamp> {
        self.saves.oldest_in_flight().map(|issued| issued.after(self.config.election_timeout))
    }

    /// Whether a letter is none of this server's business: from another group, or for another life of this server.
    fn is_misaddressed(&self, envelope: &Envelope) -> bool {
        let Envelope { cluster, from, to, .. } = envelope;
        *cluster != self.config.cluster || *to != self.replica() || from.id == self.config.id
    }

    /// Whether a message is a response from a server that has no say here: it is asked nothing, so what it says may be of
    /// a term that nobody here has any part in, and must not end a leadership (thesis 4.2.3). Requests are heard from
    /// anybody: who leads or campaigns may do so from a configuration that this server has not heard of (6).
    fn is_response_from_non_member(&self, from: ReplicaKey, message: &Message) -> bool {
        if !message.is_response() || self.is_member_replica(self.configuration(), from) {
            return false;
        }
        // While the newest configuration is not known to be committed, the one before it may yet be in force again: its
        // members can win elections, and this leader must hear of that.
        let known = self.is_member_replica(self.log.committed_configuration(self.commit_index), from);
        // A server that joins follows a leader before its log says who that is, and passes requests on to it.
        let is_leader = matches!(message, Message::ForwardResponse { .. }) && self.leader == Some(from);
        !known && !is_leader
    }

    /// Whether this life of a server belongs to a configuration. What a life promised binds that life alone.
    fn is_member_replica(&self, configuration: &Configuration, peer: ReplicaKey) -> bool {
        configuration.is_member(peer.id)
            && (configuration.replica(peer.id) == peer || self.bug(Bug::PeerIdentityUnchecked))
    }

    /// Drops what is not for this server, then the term rule (5.1), then one match.
    fn on_envelope(&mut self, now: Timestamp, envelope: Envelope, effects: &mut Vec<Effect>) {
        if self.is_misaddressed(&envelope) && !self.bug(Bug::PeerIdentityUnchecked) {
            return;
        }
        if self.is_response_from_non_member(envelope.from, &envelope.message) {
            return;
        }
        let Envelope { from, ref message, .. } = envelope;
        if self.ignores_vote_request(now, message) {
            return;
        }
        let only_asks =
            matches!(message, Message::PreVote { .. } | Message::PreVoteResponse { granted: true, .. });
        if message.term() > self.term && !only_asks {
            self.complete_transfer(from, message, effects);
            self.become_follower(now, message.term(), None, effects);
        }
        match envelope.message {
            Message::PreVote { term, last } => self.on_pre_vote(now, from, term, last, effects),
            Message::PreVoteResponse { term, granted } => {
                self.on_pre_vote_response(now, from, term, granted, effects);
            }
            Message::RequestVote { term, last, .. } => self.on_request_vote(now, from, term, last, effects),
            Message::RequestVoteResponse { term, granted } => {
                self.on_request_vote_response(now, from, term, granted);
            }
            Message::TimeoutNow { term } => self.on_timeout_now(now, term, effects),
            Message::AppendEntries { term, prev_log, entries, commit_index, context: stamp } => {
                if term < self.term {
                    self.reject_append(from, prev_log, effects);
                } else {
                    self.on_append(now, from, prev_log, entries, commit_index, stamp, effects);
                }
            }
            Message::AppendEntriesResponse { term, match_index, context } if term == self.term => {
                self.on_append_response(now, from, match_index, context, effects);
            }
            Message::AppendEntriesRejected { term, prev_log, hint } if term == self.term => {
                self.on_append_rejected(now, from, prev_log, hint);
            }
            Message::InstallSnapshot { term, chunk: part, context: stamp } => {
                if term < self.term {
                    self.reject_append(from, part.last, effects);
                } else {
                    self.on_install_snapshot(now, from, *part, stamp, effects);
                }
            }
            Message::InstallSnapshotResponse { term, last, received, end, context } if term == self.term => {
                self.on_install_response(now, from, last, received, end, context, effects);
            }
            Message::Forward { forward_id: token, request, .. } => {
                self.on_forward(now, from, token, request, effects)
            }
            Message::ForwardResponse { forward_id: token, outcome, .. } => {
                self.on_forward_response(token, outcome, effects)
            }
            // Answers to a leadership that is over.
            Message::AppendEntriesResponse { .. }
            | Message::AppendEntriesRejected { .. }
            | Message::InstallSnapshotResponse { .. } => {}
        }
    }

    /// Follows from now on: a new term, or a leader of this one, or nobody in particular.
    pub(crate) fn become_follower(
        &mut self,
        now: Timestamp,
        term: Term,
        leader: Option<ReplicaKey>,
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
            self.fail_pending_requests(leader, effects);
            self.reset_election_timer(now);
        }
    }

    /// Leadership is lost: whoever waits is told what is true.
    fn fail_pending_requests(&self, leader: Leader, effects: &mut Vec<Effect>) {
        let elsewhere = Response::NotLeader { hint: self.leader() };
        for (_, request) in leader.proposals {
            // A successor may commit it yet, so it is not "failed".
            let answer = if self.bug(Bug::StepdownReportedAsFailure) { elsewhere } else { Response::Unknown };
            effects.push(Effect::Respond { request, response: answer });
        }
        let reads = leader.reads;
        let waiting = reads.awaiting_quorum.into_iter().chain(reads.awaiting_apply).map(|read| read.origin);
        for origin in reads.before_first_commit.into_iter().chain(waiting) {
            self.respond(origin, elsewhere, effects);
        }
        if let Some(Transfer { request, .. }) = leader.transfer {
            effects.push(Effect::Respond { request, response: Response::Unknown });
        }
    }

    /// Tells whoever asked.
    pub(crate) fn respond(&self, origin: Origin, answer: Response, effects: &mut Vec<Effect>) {
        match origin {
            Origin::Local(request) => effects.push(Effect::Respond { request, response: answer }),
            Origin::Forwarded(peer, token) => {
                let (term, outcome) = (self.term, ForwardOutcome::Completed(answer));
                effects
                    .push(self.envelope(peer, Message::ForwardResponse { term, forward_id: token, outcome }));
            }
        }
    }

    /// Issues one write for all that this step changed.
    fn save(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let changed = match self.bug(Bug::TermAdoptedNotDurable) {
            // The term learnt counts as much as the vote given: an answer in it promises that no older one is served.
            true => self.saved.1 != self.vote,
            false => self.saved != (self.term, self.vote),
        };
        if let Some(installed) = self.pending_rewrite.take() {
            let (compacted, at_base) = (self.log.compacted(), self.log.configurations()[0].1.clone());
            let snapshot = self.snapshot.clone().expect("only a snapshot makes room");
            let entries = self.log.share(compacted.index.next(), last);
            self.unsaved_after = None;
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let kept = Some(Box::new(Checkpoint { snapshot, compacted, configuration: at_base, installed }));
            let write = SaveRecord {
                term: self.term,
                vote: self.vote,
                after: compacted.index,
                entries,
                checkpoint: kept,
            };
            effects.push(Effect::Save { id, record: write });
        } else if changed || self.unsaved_after.is_some() {
            let after = self.unsaved_after.take().unwrap_or(last);
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let (term, vote) = (self.term, self.vote);
            push_in_place(effects, || {
                let entries = self.log.share(after.next(), last);
                Effect::Save { id, record: SaveRecord { term, vote, after, entries, checkpoint: None } }
            });
        }
        self.saves.settle();
    }

    /// Keeps a promise back until everything issued so far is durable.
    pub(crate) fn send_when_durable(&mut self, promise: Promise, effects: &mut Vec<Effect>) {
        match promise {
            // The lines below are the contract of `io.rs`; the bugs are hosts that send once a write is issued.
            Promise::Send(to, message @ Message::RequestVote { .. }) if self.bug(Bug::SelfVoteAfterRv) => {
                effects.push(self.envelope(to, message));
            }
            Promise::Send(to, message @ Message::RequestVoteResponse { .. })
                if self.bug(Bug::VoteReplyBeforeSync) =>
            {
                effects.push(self.envelope(to, message));
            }
            Promise::Send(to, message @ Message::AppendEntriesResponse { .. })
                if self.bug(Bug::FollowerAckBeforeSync) =>
            {
                effects.push(self.envelope(to, message));
            }
            promise => self.saves.defer(self.term, promise),
        }
    }

    /// Lets go what has become durable.
    #[inline]
    fn release_durable(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.saves.can_release() {
            self.release_promises(now, effects);
        }
    }

    fn release_promises(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(promise) = self.saves.release(self.term) {
            match promise {
                Promise::Send(to, message) => push_in_place(effects, || self.envelope(to, message)),
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
        if self.restore_pending || self.commit_index.min(durable) > self.last_applied {
            self.apply_up_to(durable, effects);
        }
        // After most steps nobody waits for an answer.
        if let Role::Leader(leader) = &self.role
            && !leader.reads.awaiting_apply.is_empty()
        {
            self.serve_reads(effects);
        }
        if !self.pending_forwards.is_empty() {
            self.complete_forwards(effects);
        }
    }

    fn apply_up_to(&mut self, durable: Index, effects: &mut Vec<Effect>) {
        if self.restore_pending
            && let Some(snapshot) = self.snapshot.as_ref().filter(|snapshot| snapshot.last.index <= durable)
        {
            self.restore_pending = false;
            self.last_applied = snapshot.last.index;
            effects.push(Effect::Restore(snapshot.clone()));
        }
        let upto = self.commit_index.min(durable);
        if upto > self.last_applied && !self.restore_pending {
            let first = self.last_applied.next();
            push_in_place(effects, || Effect::Apply { first, entries: self.log.share(first, upto) });
            self.last_applied = upto;
        }
        let applied = self.last_applied;
        if let Role::Leader(leader) = &mut self.role {
            while let Some(&(index, request)) =
                leader.proposals.front().filter(|&&(index, _)| index <= applied)
            {
                leader.proposals.pop_front();
                push_in_place(effects, || Effect::Respond { request, response: Response::Applied { index } });
            }
        }
    }

    /// What must be true of this struct after every step. With a bug switched on it may not be: then it is for the
    /// properties to notice.
    fn assert_invariants(&self) {
        #[cfg(feature = "bugs")]
        if self.config.bug.is_some() {
            return;
        }
        let last = self.log.last();
        let compacted = self.log.compacted();
        assert!(
            compacted.index <= self.commit_index,
            "the log begins after {compacted}, beyond commit {}",
            self.commit_index
        );
        let snapshot = self.snapshot.as_ref().map_or(LogId::default(), |snapshot| snapshot.last);
        assert!(
            compacted.index <= snapshot.index,
            "the log begins after {compacted}, beyond the snapshot {snapshot}"
        );
        assert!(
            snapshot.index <= self.commit_index,
            "a snapshot up to {snapshot}, beyond commit {}",
            self.commit_index
        );
        assert!(
            self.appended_for_others.is_empty(),
            "a step left somebody untold: {:?}",
            self.appended_for_others
        );
        assert!(self.pending_rewrite.is_none(), "a step left a snapshot unsaved");
        assert!(
            self.last_applied <= self.commit_index,
            "applied {} beyond commit {}",
            self.last_applied,
            self.commit_index
        );
        assert!(
            self.commit_index <= last.index,
            "committed {} beyond the log's end {last}",
            self.commit_index
        );
        assert!(
            self.saves.durable_index() <= last.index,
            "durable {} beyond the log's end {last}",
            self.saves.durable_index()
        );
        assert!(
            self.last_applied <= self.saves.durable_index(),
            "applied {} before it was durable: {}",
            self.last_applied,
            self.saves.durable_index()
        );
        assert!(last.term <= self.term, "the log's end {last} is of a term after {}", self.term);
        assert!(self.saved == (self.term, self.vote), "a step left term and vote unsaved");
        match &self.role {
            Role::Leader(leader) => {
                assert!(self.vote == Some(self.config.id), "a leader voted for {:?}", self.vote);
                assert!(self.leader == Some(self.replica()), "a leader follows {:?}", self.leader);
                for progress in &leader.progress {
                    assert!(progress.next_index > progress.match_index, "{progress:?} sends what is matched");
                    assert!(!progress.pending_send, "a step left {progress:?} without what it lacks");
                    let gets_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
                    assert!(
                        gets_snapshot || progress.next_index > compacted.index,
                        "{progress:?} after the base {compacted}"
                    );
                    assert!(progress.match_index <= last.index, "{progress:?} beyond the log's end {last}");
                }
            }
            Role::Candidate { .. } => {
                assert!(self.vote == Some(self.config.id), "a candidate voted for {:?}", self.vote);
            }
            Role::Follower | Role::PreCandidate { .. } => {}
        }
    }
}
