//! One server: its state, and the function that steps it.

use crate::bug::Bug;
use crate::config::Config;
use crate::ids::{DirectoryId, Index, LogId, NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::{Effect, Input, ReadConfirmation, Recovered, SaveRecord};
use crate::log::Log;
use crate::membership::Configuration;
use crate::message::{Envelope, ForwardOutcome, Message};
use crate::progress::{Progress, ProgressState};
use crate::recovery::StartError;
use crate::response::{Rejection, Response};
use crate::saves::{Promise, Saves};
use crate::snapshot::{Checkpoint, Snapshot};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

/// One server of a cluster, as a value: equal values behave the same for all inputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    rng: SplitMix64,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) role: Role,
    /// The leader of this term, if known.
    pub(crate) leader: Option<ReplicaKey>,
    /// When a leader was last heard from. For an election timeout after that, this server rejects vote
    /// requests.
    pub(crate) last_contact: Option<Timestamp>,
    /// When to start an election, unless this server leads.
    pub(crate) election_due: Timestamp,
    pub(crate) log: Log,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// A snapshot that is being received.
    pub(crate) incoming: Option<IncomingSnapshot>,
    pub(crate) commit_index: Index,
    /// The last entry that was handed to the application, by itself or in a snapshot.
    pub(crate) last_applied: Index,
    /// Whether the application must restore the snapshot before anything else.
    pub(crate) restore_pending: bool,
    /// Requests that were forwarded to a leader.
    pub(crate) pending_forwards: VecDeque<PendingForward>,
    /// The newest forward ID.
    pub(crate) last_forward_id: u64,
    /// Forwarded proposals appended in this step: origin, forward ID and entry. The responses are sent after
    /// the entries.
    pub(crate) appended_for_others: Vec<(ReplicaKey, u64, LogId)>,
    pub(crate) saves: Saves,
    /// Whether a write has failed: the server makes no more promises.
    halted: bool,
    /// Term and vote in the newest write.
    saved: (Term, Option<NodeId>),
    /// If entries changed since the newest write, the last unchanged index.
    pub(crate) unsaved_after: Option<Index>,
    /// Whether the next write must replace all earlier ones, and why.
    pub(crate) pending_rewrite: Option<Rewrite>,
}

/// Why the next write must replace all earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrite {
    /// The log was compacted after a snapshot of this server's own state.
    Compacted,
    /// A leader's snapshot replaced the whole log.
    Installed,
}

/// A snapshot of which some chunks have arrived (`install.rs`). Not durable. Discarded with the term, because
/// another leader's snapshot of the same entries may differ in its bytes; within a term there is one leader,
/// so it stays valid however long the leader is silent.
#[derive(Clone, PartialEq, Debug)]
pub struct IncomingSnapshot {
    pub(crate) last: LogId,
    pub(crate) data: Vec<u8>,
}

/// Constructs the effect in place in the `Vec`. Constructing it elsewhere and moving it costs more than all
/// the rest: the move reloads fields just written at other widths, and stalls on store forwarding.
#[inline]
pub(crate) fn push_in_place(effects: &mut Vec<Effect>, effect: impl FnOnce() -> Effect) {
    effects.extend(std::iter::once_with(effect));
}

/// A message from a server with these settings.
#[inline]
pub(crate) fn envelope(config: &Config, to: ReplicaKey, message: Message) -> Effect {
    let from = ReplicaKey { id: config.id, directory_id: config.directory_id };
    Effect::Send(Envelope { cluster: config.cluster, from, to, message })
}

/// A request that was forwarded to a leader (`forward.rs`).
#[derive(Clone, PartialEq, Debug)]
pub struct PendingForward {
    pub(crate) forward_id: u64,
    pub(crate) request: RequestId,
    /// When to stop waiting.
    pub(crate) deadline: Timestamp,
    pub(crate) waiting_for: WaitingFor,
}

/// What a forwarded request waits for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WaitingFor {
    /// The leader's response to a proposal.
    LeaderAppend,
    /// The leader's response to a read.
    LeaderReadIndex,
    /// Until this index is applied here, with this entry or another one.
    EntryApplied(LogId),
    /// Until this index is applied here.
    IndexApplied(Index),
}

/// Where a request comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Origin {
    /// This server's host.
    Local(RequestId),
    /// Another replica that forwarded it, with its forward ID.
    Forwarded(ReplicaKey, u64),
}

/// The role of a server, with the state that only this role has.
#[derive(Clone, PartialEq, Debug)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it could win an election (thesis 9.6).
    PreCandidate {
        /// The servers that granted it, sorted, without duplicates.
        granted: Vec<NodeId>,
    },
    /// Asks for votes (5.2).
    Candidate {
        /// The servers that voted for it, sorted, without duplicates.
        granted: Vec<NodeId>,
    },
    /// Leader of its term.
    Leader(Leader),
}

/// The state that only a leader has.
#[derive(Clone, PartialEq, Debug)]
pub struct Leader {
    /// One for each other member of the configuration in force.
    pub(crate) progress: Vec<Progress>,
    /// When to check which followers need a heartbeat.
    pub(crate) heartbeat_due: Timestamp,
    /// When to check that a majority still responds.
    pub(crate) quorum_due: Timestamp,
    /// The leadership transfer in progress.
    pub(crate) transfer: Option<Transfer>,
    /// Proposals and changes of its own host that are not applied yet, by index.
    pub(crate) proposals: VecDeque<(Index, RequestId)>,
    pub(crate) reads: PendingReads,
    /// Whether `TimeoutNow` was sent in this term. Voters then accept the target whatever they promised to
    /// this leader, so no lease holds for the rest of the term; not even after the transfer has failed,
    /// because the message may still arrive.
    pub(crate) timeout_now_sent: bool,
    /// The cost of its own uncommitted commands (`Entry::cost`).
    pub(crate) uncommitted_bytes: u64,
}

/// A leadership transfer in progress (`transfer.rs`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transfer {
    pub(crate) request: RequestId,
    pub(crate) to: NodeId,
    /// When it fails.
    pub(crate) deadline: Timestamp,
    /// Whether `TimeoutNow` was sent to the target.
    pub(crate) timeout_now_sent: bool,
}

/// The reads that a leader has not served yet (`read.rs`).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PendingReads {
    /// The newest round of leadership confirmation.
    pub(crate) round: u64,
    /// Rounds up to here were confirmed by a majority.
    pub(crate) confirmed_round: u64,
    /// Reads from before an entry of this term was committed.
    pub(crate) before_first_commit: Vec<Origin>,
    /// Reads that wait for a round, ordered by round.
    pub(crate) awaiting_quorum: VecDeque<PendingRead>,
    /// Confirmed reads of this server's host that wait for entries to be applied.
    pub(crate) awaiting_apply: VecDeque<PendingRead>,
}

impl PendingReads {
    /// The number of reads that wait.
    pub(crate) fn len(&self) -> usize {
        self.before_first_commit.len() + self.awaiting_quorum.len() + self.awaiting_apply.len()
    }

    /// Whether no read waits for confirmation and no round is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.before_first_commit.is_empty()
            && self.awaiting_quorum.is_empty()
            && self.confirmed_round == self.round
    }
}

/// A read that is not served yet.
#[derive(Clone, PartialEq, Debug)]
pub struct PendingRead {
    pub(crate) origin: Origin,
    /// The index to apply first: the commit index when the read began.
    pub(crate) index: Index,
    /// The round that must be confirmed first.
    pub(crate) round: u64,
    /// How leadership is confirmed.
    pub(crate) confirmation: ReadConfirmation,
}

impl Raft {
    /// Starts a new incarnation from what its disk held. The host steps `Saved(SaveId(0))` once that is
    /// durable again.
    ///
    /// # Errors
    /// If the settings cannot work, or the state cannot have been saved.
    pub fn new(config: Config, recovered: Recovered, now: Timestamp) -> Result<Raft, StartError> {
        config.validate()?;
        // A server with a bug may save such a state; then the properties must catch it.
        if cfg!(not(feature = "bugs")) || config.bug.is_none() {
            recovered.validate()?;
        }
        let mut initial = Configuration::of(config.voters.iter().copied());
        initial.directory_ids =
            config.directory_ids.iter().copied().filter(|it| it.1 != DirectoryId(0)).collect();
        let (log, snapshot) = match recovered.checkpoint {
            Some(Checkpoint { snapshot, compacted, configuration, .. }) => {
                (Log::compacted_at(compacted, configuration, recovered.entries), Some(snapshot))
            }
            None => (Log::new(initial, recovered.entries), None),
        };
        let mut rng = SplitMix64::seed_from_u64(config.seed);
        // A response to a request of an earlier incarnation must not be taken for one to a request of this
        // one.
        let last_forward_id = if config.forward { rng.next_u64() } else { 0 };
        let mut raft = Raft {
            rng,
            // A restarted voter does not know which leader it made a lease promise to, but keeps the promise.
            // Without leases too: a working leader will be heard from soon, and until then no removed server
            // may depose it with this server's help (thesis 4.2.3).
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
            // Entries in the snapshot are committed. The rest of the commit index is not known yet.
            commit_index: snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index),
            restore_pending: snapshot.is_some(),
            snapshot,
            last_applied: Index(0),
            pending_forwards: VecDeque::new(),
            last_forward_id,
            appended_for_others: Vec::new(),
            halted: false,
            saved: (recovered.term, recovered.vote),
            unsaved_after: None,
            pending_rewrite: None,
        };
        raft.reset_election_timer(now);
        Ok(raft)
    }

    /// Handles one input and appends the resulting effects to `effects`.
    ///
    /// `now` must not decrease, and must be read after the input arrived: promises count from it. The host
    /// carries out `effects` as [`crate::io`] says.
    ///
    /// # Panics
    /// If `Input::Saved` names a write that was never issued.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        self.handle_input(now, input, effects);
        self.flush(now, effects);
    }

    /// Handles several inputs, in this order. Equivalent to a step for each and cheaper: they share one
    /// write, and each follower gets its entries once, at the end.
    ///
    /// This is safe. Each promise waits for the one write at the end, which includes everything that the
    /// promise depends on; a promise whose term is over is dropped. And each input sees the state that it
    /// would see in its own step: committed and durable entries are applied before the next input.
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

    /// Sends, writes and applies the results of all inputs of the step.
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
                let response = match self.compact(now, index, data, keep) {
                    Ok(()) => Response::Compacted,
                    Err(why) => Response::Rejected(why),
                };
                effects.push(Effect::Respond { request, response });
            }
        }
    }

    /// What the disk holds is unknown: the server makes no more promises and fails all pending requests.
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

    /// When the host must step [`Input::Timer`], unless another input comes first.
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

    /// The role, with its state.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it is the leader of its term, as far as it knows.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The leader of its term, if known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader.map(|leader| leader.id)
    }

    /// Whether a write has failed: the server makes no more promises.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// The newest snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The commit index.
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

    /// Up to which index another member's log is known to be durable and equal to this leader's. `None` if
    /// this server is not the leader, or `node` is not a member.
    #[must_use]
    pub fn match_index(&self, node: NodeId) -> Option<Index> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.progress.iter().find(|progress| progress.peer.id == node).map(|progress| progress.match_index)
    }

    /// Whether the limit of waiting requests is reached.
    pub(crate) fn has_too_many_requests(&self) -> bool {
        let own = match &self.role {
            Role::Leader(leader) => leader.proposals.len() + leader.reads.len(),
            _ => 0,
        };
        own + self.pending_forwards.len() >= self.config.max_requests
    }

    /// The last entry of the log.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.log.last()
    }

    /// Whether this bug is switched on.
    pub(crate) const fn bug(&self, bug: Bug) -> bool {
        #[cfg(feature = "bugs")]
        if let Some(on) = self.config.bug {
            return on as u8 == bug as u8;
        }
        let _ = bug;
        false
    }

    /// The configuration in force: the newest in the log, committed or not (6).
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        if self.bug(Bug::ConfigAppliedLateCampaignUnguarded) {
            return self.log.configuration_at(self.last_applied.max(self.log.compacted().index));
        }
        self.log.configuration()
    }

    /// This server and its directory ID.
    #[must_use]
    pub const fn replica(&self) -> ReplicaKey {
        ReplicaKey { id: self.config.id, directory_id: self.config.directory_id }
    }

    /// All voters except this server.
    pub(crate) fn other_voters(&self) -> Vec<ReplicaKey> {
        let configuration = self.configuration();
        let voters = configuration.members().into_iter();
        let others = voters.filter(|&node| node != self.config.id && configuration.is_voter(node));
        others.map(|node| configuration.replica(node)).collect()
    }

    /// A message from this server.
    #[inline]
    pub(crate) fn envelope(&self, to: ReplicaKey, message: Message) -> Effect {
        envelope(&self.config, to, message)
    }

    pub(crate) fn reset_election_timer(&mut self, now: Timestamp) {
        let spread = self.config.election_timeout_spread;
        let extra = if spread == 0 { 0 } else { self.rng.next_u64() % (spread + 1) };
        self.election_due = now.after(self.config.election_timeout + extra);
    }

    fn on_timer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.expire_forwards(now, effects);
        match &self.role {
            Role::Leader(_) => {
                if self.disk_due().is_some_and(|due| due <= now) {
                    // The disk hangs, so this leader cannot count itself towards a majority. A server with a
                    // working disk can lead better.
                    self.become_follower(now, self.term, None, effects);
                } else if self.quorum_due().is_some_and(|due| due <= now) && !self.has_quorum_contact(now) {
                    // Clients that still reach it are better served by a leader that can commit (thesis 6.2).
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

    /// When a leader steps down because its oldest write has been in flight for an election timeout.
    fn disk_due(&self) -> Option<Timestamp> {
        self.saves.oldest_in_flight().map(|issued| issued.after(self.config.election_timeout))
    }

    /// Whether a message is misaddressed: from another cluster or itself, or for another directory ID.
    fn is_misaddressed(&self, envelope: &Envelope) -> bool {
        let Envelope { cluster, from, to, .. } = envelope;
        *cluster != self.config.cluster || *to != self.replica() || from.id == self.config.id
    }

    /// Whether a message is a response from a replica outside the configurations that may be in force. This
    /// server has sent it no request, so the response may carry a term that the members are not in, and must
    /// not end a leadership (thesis 4.2.3). Requests are accepted from any server: a leader or candidate may
    /// use a configuration that this server does not know yet (6).
    fn is_response_from_non_member(&self, from: ReplicaKey, message: &Message) -> bool {
        if !message.is_response() || self.is_member_replica(self.configuration(), from) {
            return false;
        }
        // Until the newest configuration is known to be committed, it may be truncated and the one before it
        // be in force again. The members of that one can win elections, so this leader must learn their
        // terms.
        let is_old_member = self.is_member_replica(self.log.committed_configuration(self.commit_index), from);
        // A server that joins forwards requests to the leader before its log contains that leader.
        let is_leader = matches!(message, Message::ForwardResponse { .. }) && self.leader == Some(from);
        !is_old_member && !is_leader
    }

    /// Whether this replica belongs to a configuration. A promise binds only the directory ID that made it.
    fn is_member_replica(&self, configuration: &Configuration, peer: ReplicaKey) -> bool {
        configuration.is_member(peer.id)
            && (configuration.replica(peer.id) == peer || self.bug(Bug::PeerIdentityUnchecked))
    }

    /// Drops misaddressed messages, applies the term rule (5.1), then dispatches.
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
        let is_pre_vote =
            matches!(message, Message::PreVote { .. } | Message::PreVoteResponse { granted: true, .. });
        if message.term() > self.term && !is_pre_vote {
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
            Message::AppendEntries { term, prev_log, entries, commit_index, context } => {
                if term < self.term {
                    self.reject_append(from, prev_log, effects);
                } else {
                    self.on_append(now, from, prev_log, entries, commit_index, context, effects);
                }
            }
            Message::AppendEntriesResponse { term, match_index, context } if term == self.term => {
                self.on_append_response(now, from, match_index, context, effects);
            }
            Message::AppendEntriesRejected { term, prev_log, hint } if term == self.term => {
                self.on_append_rejected(now, from, prev_log, hint);
            }
            Message::InstallSnapshot { term, chunk, context } => {
                if term < self.term {
                    self.reject_append(from, chunk.last, effects);
                } else {
                    self.on_install_snapshot(now, from, *chunk, context, effects);
                }
            }
            Message::InstallSnapshotResponse { term, last, received, end, context } if term == self.term => {
                self.on_install_response(now, from, last, received, end, context, effects);
            }
            Message::Forward { forward_id, request, .. } => {
                self.on_forward(now, from, forward_id, request, effects)
            }
            Message::ForwardResponse { forward_id, outcome, .. } => {
                self.on_forward_response(forward_id, outcome, effects)
            }
            // Responses for a past leadership.
            Message::AppendEntriesResponse { .. }
            | Message::AppendEntriesRejected { .. }
            | Message::InstallSnapshotResponse { .. } => {}
        }
    }

    /// Becomes a follower: in a newer term, of a leader of this term, or without a known leader.
    pub(crate) fn become_follower(
        &mut self,
        now: Timestamp,
        term: Term,
        leader: Option<ReplicaKey>,
        effects: &mut Vec<Effect>,
    ) {
        // The vote is cleared only with its term (5.2); otherwise a server could vote twice in one term.
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

    /// Leadership is lost: answers all pending requests with what is known.
    fn fail_pending_requests(&self, leader: Leader, effects: &mut Vec<Effect>) {
        let elsewhere = Response::NotLeader { hint: self.leader() };
        for (_, request) in leader.proposals {
            // A later leader may still commit it, so it has not failed.
            let response =
                if self.bug(Bug::StepdownReportedAsFailure) { elsewhere } else { Response::Unknown };
            effects.push(Effect::Respond { request, response });
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

    /// Sends a response to the origin of a request.
    pub(crate) fn respond(&self, origin: Origin, response: Response, effects: &mut Vec<Effect>) {
        match origin {
            Origin::Local(request) => effects.push(Effect::Respond { request, response }),
            Origin::Forwarded(peer, forward_id) => {
                let (term, outcome) = (self.term, ForwardOutcome::Completed(response));
                effects.push(self.envelope(peer, Message::ForwardResponse { term, forward_id, outcome }));
            }
        }
    }

    /// Issues one write for all changes of this step.
    fn save(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.log.last().index;
        let changed = match self.bug(Bug::TermAdoptedNotDurable) {
            // An adopted term must be durable like a vote: a response in it promises to serve no older one.
            true => self.saved.1 != self.vote,
            false => self.saved != (self.term, self.vote),
        };
        if let Some(rewrite) = self.pending_rewrite.take() {
            let (compacted, configuration) = (self.log.compacted(), self.log.configurations()[0].1.clone());
            let snapshot = self.snapshot.clone().expect("a rewrite must follow a snapshot");
            let entries = self.log.share(compacted.index.next(), last);
            self.unsaved_after = None;
            self.saved = (self.term, self.vote);
            let id = self.saves.issue(last, now);
            let installed = rewrite == Rewrite::Installed;
            let checkpoint = Some(Box::new(Checkpoint { snapshot, compacted, configuration, installed }));
            let record =
                SaveRecord { term: self.term, vote: self.vote, after: compacted.index, entries, checkpoint };
            effects.push(Effect::Save { id, record });
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

    /// Defers a promise until everything issued so far is durable.
    pub(crate) fn send_when_durable(&mut self, promise: Promise, effects: &mut Vec<Effect>) {
        match promise {
            // The arms below break the contract of `io.rs`: with these bugs, messages leave before the write
            // is durable.
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

    /// Releases the promises whose writes are durable.
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

    /// Applies entries that are committed and durable here: an application must never be ahead of its own
    /// log.
    #[inline]
    pub(crate) fn apply(&mut self, effects: &mut Vec<Effect>) {
        let durable = match self.bug(Bug::ApplyBeforeLocalDurable) {
            true => self.log.last().index,
            false => self.saves.durable_index(),
        };
        if self.restore_pending || self.commit_index.min(durable) > self.last_applied {
            self.apply_up_to(durable, effects);
        }
        // After most steps no request waits.
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

    /// What must hold after every step. With a bug switched on it may not hold; then the properties must
    /// catch it.
    fn assert_invariants(&self) {
        #[cfg(feature = "bugs")]
        if self.config.bug.is_some() {
            return;
        }
        let last = self.log.last();
        let compacted = self.log.compacted();
        assert!(
            compacted.index <= self.commit_index,
            "the log begins after {compacted}, beyond commit index {}",
            self.commit_index
        );
        let snapshot = self.snapshot.as_ref().map_or(LogId::default(), |snapshot| snapshot.last);
        assert!(
            compacted.index <= snapshot.index,
            "the log begins after {compacted}, beyond the end of the snapshot at {snapshot}"
        );
        assert!(
            snapshot.index <= self.commit_index,
            "the snapshot ends at {snapshot}, beyond commit index {}",
            self.commit_index
        );
        assert!(
            self.appended_for_others.is_empty(),
            "a step left forwarded proposals unanswered: {:?}",
            self.appended_for_others
        );
        assert!(self.pending_rewrite.is_none(), "a step left a rewrite unsaved");
        assert!(
            self.last_applied <= self.commit_index,
            "last applied {} is beyond commit index {}",
            self.last_applied,
            self.commit_index
        );
        assert!(
            self.commit_index <= last.index,
            "commit index {} is beyond the end of the log at {last}",
            self.commit_index
        );
        assert!(
            self.saves.durable_index() <= last.index,
            "durable index {} is beyond the end of the log at {last}",
            self.saves.durable_index()
        );
        assert!(
            self.last_applied <= self.saves.durable_index(),
            "last applied {} is beyond durable index {}",
            self.last_applied,
            self.saves.durable_index()
        );
        assert!(
            last.term <= self.term,
            "the last entry {last} is of a term after the current one, {}",
            self.term
        );
        assert!(self.saved == (self.term, self.vote), "a step left term or vote unsaved");
        match &self.role {
            Role::Leader(leader) => {
                assert!(
                    self.vote == Some(self.config.id),
                    "a leader must have voted for itself, not {:?}",
                    self.vote
                );
                assert!(
                    self.leader == Some(self.replica()),
                    "a leader must be its own leader, not {:?}",
                    self.leader
                );
                for progress in &leader.progress {
                    assert!(
                        progress.next_index > progress.match_index,
                        "next_index must be above match_index: {progress:?}"
                    );
                    assert!(!progress.pending_send, "a step left entries unsent: {progress:?}");
                    let is_snapshot = matches!(progress.state, ProgressState::Snapshot { .. });
                    assert!(
                        is_snapshot || progress.next_index > compacted.index,
                        "next_index must be after {compacted}: {progress:?}"
                    );
                    assert!(
                        progress.match_index <= last.index,
                        "match_index must be at most {last}: {progress:?}"
                    );
                }
            }
            Role::Candidate { .. } => {
                assert!(
                    self.vote == Some(self.config.id),
                    "a candidate must have voted for itself, not {:?}",
                    self.vote
                );
            }
            Role::Follower | Role::PreCandidate { .. } => {}
        }
    }
}
