//! One step: which function handles an input, the term rule (5.1), and how a leadership ends.

use crate::bug::Bug;
use crate::ids::{ReplicaKey, SaveId, Term, Timestamp};
use crate::io::{Effect, Input};
use crate::membership::Configuration;
use crate::message::{Envelope, ForwardOutcome, Message};
use crate::raft::Raft;
use crate::response::{Rejection, Response};
use crate::role::{Leader, Origin, Role, Transfer};

impl Raft {
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
            Input::Read { request, key } => self.read(now, request, key, effects),
            Input::ConfChange { request, change } => self.propose_conf_change(now, request, &change, effects),
            Input::Transfer { request, to } => self.transfer(now, request, to, effects),
            Input::Saved(id) => {
                self.saves.complete(id);
                // Whatever it was before, a restarted server is a follower: entries of its term that it has sent
                // may be lost here.
                let led = self.vote == Some(self.config.id) && self.log.last().term == self.term;
                if led && id == SaveId(0) && self.leader.is_none() && self.bug(Bug::ResumeLeadershipSameTerm)
                {
                    self.become_leader(now);
                }
                self.release_durable(now, effects);
                self.advance_commit(now, effects);
                self.confirm_reads(now, effects);
            }
            Input::SaveFailed if self.is_leader() && self.bug(Bug::SameTermIndexReuse) => {
                self.forget_unsaved(now);
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

    /// A leader gives up its entries that were not saved, and goes on: for a bug.
    fn forget_unsaved(&mut self, now: Timestamp) {
        let durable = self.saves.durable_index().max(self.commit_index);
        self.saves.discard();
        self.truncate(durable);
        self.sync_progress(now, durable);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress.iter_mut().for_each(|progress| progress.rewind(durable));
        leader.proposals.retain(|(index, _)| *index <= durable);
    }

    fn reject_request(&self, input: Input, effects: &mut Vec<Effect>) {
        let (Input::Propose { request, .. }
        | Input::Read { request, .. }
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

    fn on_timer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.expire_forwards(now, effects);
        match &self.role {
            Role::Leader(_) => {
                if self.disk_due().is_some_and(|due| due <= now) && !self.bug(Bug::HungDiskKeepsLead) {
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
        if self.has_bug(Bug::HungDiskKeepsLead) {
            return None;
        }
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
    fn is_member_replica(&self, configuration: &Configuration, replica: ReplicaKey) -> bool {
        configuration.is_member(replica.id)
            && (configuration.replica(replica.id) == replica || self.bug(Bug::PeerIdentityUnchecked))
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
            // Only a leader and a granted vote reset the timer.
            if self.bug(Bug::HigherTermResetsTimer) {
                self.reset_election_timer(now);
            }
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
            Message::AppendEntriesResponse { term, match_index, context }
                if term == self.term || self.is_leader() && self.bug(Bug::SnapshotAnswerWithoutTerm) =>
            {
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
        if term > self.term || self.vote.is_some() && self.bug(Bug::VoteClearedSameTerm) {
            self.vote = None;
        }
        if term > self.term {
            self.incoming = None;
        }
        self.term = term;
        // It leads no more, so it must not send clients to itself.
        let keeps_itself = self.is_leader() && leader.is_none() && self.bug(Bug::DeposedLeaderHintsItself);
        if !keeps_itself {
            self.leader = leader;
        }
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
        let early = reads.before_first_commit.into_iter().map(|(origin, _)| origin);
        for origin in early.chain(waiting) {
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
            Origin::Forwarded(replica, forward_id) => {
                let (term, outcome) = (self.term, ForwardOutcome::Completed(response));
                effects.push(self.envelope(replica, Message::ForwardResponse { term, forward_id, outcome }));
            }
        }
    }
}
