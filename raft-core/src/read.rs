//! Linearizable reads without log writes (8, thesis 6.4): read index and leases.
//!
//! A leader serves a read from a state that includes everything committed when the read began. It knows its
//! commit index once an entry of its own term is committed. It knows that no other leader has committed more
//!
//! - once a majority confirms, after the read began, that it still leads: reads share rounds of heartbeats,
//!   and reads that arrive during a round wait for the next; or
//! - while it holds a *lease* (thesis 6.4.1): by accepting the leader's message, a majority has promised to
//!   elect no other for an election timeout on their clocks. The promise begins no earlier than the message
//!   was sent, so the lease counts from then, on the leader's clock, shortened by the possible clock drift
//!   ([`Config::lease_duration`](crate::Config::lease_duration)).
//!
//! While joint, rounds and leases need a majority of each half. Learners do not count.

use crate::bug::Bug;
use crate::ids::{Index, NodeId, ReadKey, RequestId, Timestamp};
use crate::io::{Effect, ReadConfirmation};
use crate::membership::Configuration;
use crate::message::{ForwardOutcome, Message, MessageContext};
use crate::raft::Raft;
use crate::response::{Rejection, Response};
use crate::role::{Leader, Origin, PendingRead, Role};

impl Raft {
    pub(crate) fn read(
        &mut self,
        now: Timestamp,
        request: RequestId,
        key: ReadKey,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_leader() {
            self.start_read(now, Origin::Local(request), key, effects)
        } else {
            self.forward_read(now, request, key, effects)
        }
    }

    /// Starts a read of this leader's host or of a follower.
    pub(crate) fn start_read(
        &mut self,
        now: Timestamp,
        origin: Origin,
        key: ReadKey,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_leader() {
            return self.respond(origin, Response::NotLeader { hint: self.leader() }, effects);
        }
        if self.has_too_many_requests() {
            return self.respond(origin, Response::Rejected(Rejection::TooManyRequests), effects);
        }
        // A new leader may not know which inherited entries are committed until one of its own is (8).
        let commit_known = self.log.term_at(self.commit_index) == Some(self.term)
            || self.bug(Bug::ReadindexBeforeOwnTermCommit);
        // A restart loses the commit index: it restarts at the snapshot, or at 0.
        let just_restarted =
            self.commit_index == self.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index);
        let commit_known = commit_known || just_restarted && self.bug(Bug::RestartServesBeforeRecovery);
        let (index, leased) = (self.commit_index, self.holds_lease(now));
        let unconfirmed = !(commit_known && leased) && self.bug(Bug::LeaderLocalRead);
        let active = self.config.bug;
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if unconfirmed {
            self.on_read_confirmed(
                PendingRead { origin, key, index, round: 0, confirmation: ReadConfirmation::Quorum },
                effects,
            );
        } else if !commit_known {
            reads.before_first_commit.push((origin, key));
        } else if leased {
            self.on_read_confirmed(
                PendingRead { origin, key, index, round: 0, confirmation: ReadConfirmation::Lease },
                effects,
            );
        } else {
            // Responses to the current round may have been sent before this read began, so they do not
            // confirm it.
            let in_progress = reads.confirmed_round < reads.round;
            let joins_round = in_progress && Bug::ReadJoinsRoundInFlight.is_on(active);
            let round = if joins_round { reads.round } else { reads.round + 1 };
            reads.awaiting_quorum.push_back(PendingRead {
                origin,
                key,
                index,
                round,
                confirmation: ReadConfirmation::Quorum,
            });
            self.start_round(now, effects);
        }
    }

    /// Whether no other leader can have been elected, given what a majority has promised and the clock drift
    /// bound.
    fn holds_lease(&self, now: Timestamp) -> bool {
        let (Some(duration), Role::Leader(leader)) = (self.config.lease_duration(), &self.role) else {
            return false;
        };
        let has_contact = now < leader.quorum_due;
        let confirmed_at = self.leader_confirmed_at(now);
        let is_promised = |duration| confirmed_at.is_some_and(|sent| now < sent.after(duration));
        // Voters accept the target of a transfer whatever they promised to this leader.
        let holds = !leader.timeout_now_sent && is_promised(duration);
        if has_contact != holds && self.bug(Bug::LeaseByCheckQuorum) {
            return has_contact;
        }
        let holds_without_drift = !leader.timeout_now_sent && is_promised(self.config.election_timeout);
        holds || holds_without_drift && self.bug(Bug::LeaseIgnoresDrift)
    }

    /// The latest time, on this server's clock, at which a majority is known to have followed it: when the
    /// newest message was sent that a majority has answered. A lower bound: the majority followed it at least
    /// until then. `None` if it is not the leader, or no majority has answered yet.
    #[must_use]
    pub fn leader_confirmed_at(&self, now: Timestamp) -> Option<Timestamp> {
        let sent = self.configuration().quorum_value(|node| self.last_confirmed(node, now).sent_at);
        sent.filter(|&sent| sent > Timestamp(0))
    }

    /// What a member has confirmed. The leader itself confirms everything immediately.
    fn last_confirmed(&self, node: NodeId, now: Timestamp) -> MessageContext {
        let Role::Leader(leader) = &self.role else { return MessageContext::default() };
        if node == self.config.id {
            return MessageContext { round: leader.reads.round, sent_at: now };
        }
        let follower = leader.progress.iter().find(|progress| progress.replica.id == node);
        follower.map_or(MessageContext::default(), |progress| progress.confirmed)
    }

    /// Starts a round, unless one is in progress or no read waits for it.
    fn start_round(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(Leader { reads, .. }) = &self.role else { return };
        if reads.confirmed_round == reads.round
            && reads.awaiting_quorum.back().is_some_and(|read| read.round > reads.round)
        {
            self.send_pending(now, effects);
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.round += 1;
            // A quorum of {n} and {n} is n alone, which confirms at once.
            let alone = leader.progress.is_empty() && self.configuration().is_joint();
            if alone && self.bug(Bug::JointSingletonReadWaits) {
                return;
            }
            self.broadcast_heartbeat(now, effects);
            self.confirm_reads(now, effects);
        }
    }

    /// A response has arrived, or the commit index moved: a round may be confirmed, or the first own entry
    /// committed.
    pub(crate) fn confirm_reads(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let index = self.commit_index;
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if reads.is_idle() {
            return;
        }
        if !reads.before_first_commit.is_empty() && self.log.term_at(index) == Some(self.term) {
            let (round, confirmation) = (reads.round + 1, ReadConfirmation::Quorum);
            let moved = reads.before_first_commit.drain(..).map(|(origin, key)| PendingRead {
                origin,
                key,
                index,
                round,
                confirmation,
            });
            reads.awaiting_quorum.extend(moved);
        }
        if reads.confirmed_round < reads.round {
            let Role::Leader(leader) = &self.role else { return };
            let newest = leader.reads.round;
            let confirmed_round =
                self.configuration().quorum_value(|node| self.last_confirmed(node, now).round);
            let confirmed_round = self.round_confirmed_by_bugs(now, confirmed_round.unwrap_or(0).min(newest));
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.confirmed_round = confirmed_round;
            while let Some(read) = self.pop_confirmed_read() {
                self.on_read_confirmed(read, effects);
            }
        }
        self.start_round(now, effects);
    }

    /// The round that counts as confirmed, with a bug that counts other servers.
    fn round_confirmed_by_bugs(&self, now: Timestamp, confirmed: u64) -> u64 {
        let Role::Leader(leader) = &self.role else { return confirmed };
        let newest = leader.reads.round;
        if !cfg!(feature = "bugs") || confirmed == newest {
            return confirmed;
        }
        if !self.configuration().learners.is_empty() {
            let members = Configuration::of(self.configuration().members());
            let by_members = members.quorum_value(|node| self.last_confirmed(node, now).round).unwrap_or(0);
            if by_members > confirmed && self.bug(Bug::LearnerConfirmsRead) {
                return by_members.min(newest);
            }
        }
        let by_any = leader.progress.iter().map(|progress| progress.confirmed.round).max().unwrap_or(newest);
        if by_any > confirmed && self.bug(Bug::ReadServedBeforeQuorum) {
            return by_any.min(newest);
        }
        confirmed
    }

    fn pop_confirmed_read(&mut self) -> Option<PendingRead> {
        let active = self.config.bug;
        let Role::Leader(Leader { reads, .. }) = &mut self.role else { return None };
        let (confirmed, newest) = (reads.confirmed_round, reads.round);
        reads.awaiting_quorum.pop_front_if(|read| {
            read.round <= confirmed || confirmed == newest && Bug::ReadRoundReleasesAll.is_on(active)
        })
    }

    /// A forwarded read is answered at once, because the follower waits for its own application. A read of
    /// this server's host waits until its index is applied here.
    fn on_read_confirmed(&mut self, read: PendingRead, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let PendingRead { key, index, confirmation, .. } = read;
        effects.push(Effect::ReadConfirmed { key, term: self.term, index, confirmation });
        match read.origin {
            Origin::Local(_) => leader.reads.awaiting_apply.push_back(read),
            Origin::Forwarded(replica, forward_id) => {
                let outcome = ForwardOutcome::ReadAt(read.index);
                effects.push(
                    self.envelope(replica, Message::ForwardResponse { term: self.term, forward_id, outcome }),
                );
            }
        }
    }

    /// Serves the confirmed reads of this server's host whose index is applied.
    pub(crate) fn serve_reads(&mut self, effects: &mut Vec<Effect>) {
        let (applied, active) = (self.last_applied, self.config.bug);
        let Role::Leader(leader) = &mut self.role else { return };
        let ready = |read: &mut PendingRead| read.index <= applied || Bug::ReadBeforeApply.is_on(active);
        while let Some(read) = leader.reads.awaiting_apply.pop_front_if(ready) {
            if let Origin::Local(request) = read.origin {
                effects.push(Effect::ReadNow { request, confirmation: read.confirmation });
            }
        }
    }
}
