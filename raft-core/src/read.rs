//! Linearizable reads without writing to the log (8, thesis 6.4): read index and leases.
//!
//! A leader answers a read from a state that holds everything committed when the read was asked. It knows what is
//! committed once an entry of its own term is; and it knows that nobody else has committed more
//!
//! - once a majority confirms, after the read was asked, that it still leads: reads share rounds of asking, and those
//!   that come while a round is out wait for the next; or
//! - while it holds a *lease* (thesis 6.4.1): a majority has promised, by hearing it, to elect nobody else for an election
//!   timeout on their clocks. The promise began no earlier than the message left, so the lease is counted from then, on
//!   the leader's clock, shortened by what the clocks may differ ([`Config::lease`](crate::Config::lease)).
//!
//! While joint, rounds and leases take a majority of each half; learners are never asked.

use crate::answer::{Rejection, Response};
use crate::bug::Bug;
use crate::ids::{Index, NodeId, RequestId, Timestamp};
use crate::io::{Effect, ReadConfirmation};
use crate::message::{ForwardOutcome, Message, MessageContext};
use crate::raft::{Leader, Origin, PendingRead, Raft, Role};

impl Raft {
    pub(crate) fn read(&mut self, now: Timestamp, request: RequestId, effects: &mut Vec<Effect>) {
        if self.is_leader() {
            self.start_read(now, Origin::Local(request), effects)
        } else {
            self.forward_read(now, request, effects)
        }
    }

    /// A leader takes a read, from its own host or from a follower.
    pub(crate) fn start_read(&mut self, now: Timestamp, origin: Origin, effects: &mut Vec<Effect>) {
        if self.is_leader() && self.has_too_many_requests() {
            return self.respond(origin, Response::Rejected(Rejection::TooManyRequests), effects);
        }
        // What a new leader inherits it may not know to be committed, until an entry of its own is (8).
        let knows_commit = self.log.term_at(self.commit_index) == Some(self.term)
            || self.bug(Bug::ReadindexBeforeOwnTermCommit);
        // A restart forgets how much is committed: what is left of it is the snapshot, or nothing.
        let forgotten =
            self.commit_index == self.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index);
        let knows_commit = knows_commit || forgotten && self.bug(Bug::RestartServesBeforeRecovery);
        let (index, leased) = (self.commit_index, self.holds_lease(now));
        let (local, joins) = (self.bug(Bug::LeaderLocalRead), self.bug(Bug::ReadAckContextReused));
        let Role::Leader(leader) = &mut self.role else {
            return self.respond(origin, Response::NotLeader { hint: self.leader() }, effects);
        };
        let reads = &mut leader.reads;
        if local {
            self.on_read_confirmed(
                PendingRead { origin, index, round: 0, confirmation: ReadConfirmation::Quorum },
                effects,
            );
        } else if !knows_commit {
            reads.before_first_commit.push(origin);
        } else if leased {
            self.on_read_confirmed(
                PendingRead { origin, index, round: 0, confirmation: ReadConfirmation::Lease },
                effects,
            );
        } else {
            // Answers to the round that is out may have left before this read was asked: they say nothing of it.
            let is_out = reads.confirmed_round < reads.round;
            let round = if joins && is_out { reads.round } else { reads.round + 1 };
            reads.awaiting_quorum.push_back(PendingRead {
                origin,
                index,
                round,
                confirmation: ReadConfirmation::Quorum,
            });
            self.start_round(now, effects);
        }
    }

    /// Whether nobody else can have been elected, by what a majority has promised and by what clocks may do.
    fn holds_lease(&self, now: Timestamp) -> bool {
        let (Some(length), Role::Leader(leader)) = (self.config.lease_duration(), &self.role) else {
            return false;
        };
        let length = if self.bug(Bug::LeaseIgnoresDrift) { self.config.election_timeout } else { length };
        // Whom this leader told to campaign the voters do not keep from it, whatever they promised.
        if leader.timeout_now_sent {
            return false;
        }
        self.leader_confirmed_at(now).is_some_and(|sent| now < sent.after(length))
    }

    /// The latest time, on this server's clock, at which a majority is known to have taken it for their leader: when the
    /// newest message left that a majority has answered. Never later than that was so. Nothing where it does not lead, or
    /// nobody has answered yet.
    #[must_use]
    pub fn leader_confirmed_at(&self, now: Timestamp) -> Option<Timestamp> {
        let sent = self.configuration().quorum_value(|node| self.last_confirmed(node, now).sent_at);
        sent.filter(|&sent| sent > Timestamp(0))
    }

    /// What a member has confirmed. The leader itself confirms everything at once.
    fn last_confirmed(&self, node: NodeId, now: Timestamp) -> MessageContext {
        let Role::Leader(leader) = &self.role else { return MessageContext::default() };
        if node == self.config.id {
            return MessageContext { round: leader.reads.round, sent_at: now };
        }
        let follower = leader.progress.iter().find(|progress| progress.peer.id == node);
        follower.map_or(MessageContext::default(), |progress| progress.confirmed)
    }

    /// Asks everybody, unless a round is out or nobody waits for one.
    fn start_round(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(Leader { reads, .. }) = &self.role else { return };
        if reads.confirmed_round == reads.round
            && reads.awaiting_quorum.back().is_some_and(|read| read.round > reads.round)
        {
            self.send_pending(now, effects);
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.round += 1;
            self.broadcast_heartbeat(now, effects);
            self.confirm_reads(now, effects);
        }
    }

    /// A follower has answered: perhaps a round is confirmed, perhaps the first own entry is committed.
    pub(crate) fn confirm_reads(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let index = self.commit_index;
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if reads.is_idle() {
            return;
        }
        if !reads.before_first_commit.is_empty() && self.log.term_at(index) == Some(self.term) {
            let (round, confirmed) = (reads.round + 1, ReadConfirmation::Quorum);
            let early = reads.before_first_commit.drain(..).map(|origin| PendingRead {
                origin,
                index,
                round,
                confirmation: confirmed,
            });
            reads.awaiting_quorum.extend(early);
        }
        if reads.confirmed_round < reads.round {
            let Role::Leader(leader) = &self.role else { return };
            let newest = leader.reads.round;
            let reached = self.configuration().quorum_value(|node| self.last_confirmed(node, now).round);
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.confirmed_round = reached.unwrap_or(0).min(newest);
            while let Some(read) = self.pop_confirmed_read() {
                self.on_read_confirmed(read, effects);
            }
        }
        self.start_round(now, effects);
    }

    fn pop_confirmed_read(&mut self) -> Option<PendingRead> {
        let Role::Leader(Leader { reads, .. }) = &mut self.role else { return None };
        reads.awaiting_quorum.pop_front_if(|read| read.round <= reads.confirmed_round)
    }

    /// A read is confirmed. Whoever passed it on applies by itself, and is told at once; one of this server's own host
    /// waits until enough is applied here.
    fn on_read_confirmed(&mut self, read: PendingRead, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        match read.origin {
            Origin::Local(_) => leader.reads.awaiting_apply.push_back(read),
            Origin::Forwarded(peer, token) => {
                let outcome = ForwardOutcome::ReadAt(read.index);
                effects.push(self.envelope(
                    peer,
                    Message::ForwardResponse { term: self.term, forward_id: token, outcome },
                ));
            }
        }
    }

    /// Reads of this server's host that are confirmed are answered once everything before them is applied.
    pub(crate) fn serve_reads(&mut self, effects: &mut Vec<Effect>) {
        let (applied, at_once) = (self.last_applied, self.bug(Bug::ReadBeforeApply));
        let Role::Leader(leader) = &mut self.role else { return };
        let ready = |read: &mut PendingRead| read.index <= applied || at_once;
        while let Some(read) = leader.reads.awaiting_apply.pop_front_if(ready) {
            if let Origin::Local(request) = read.origin {
                effects.push(Effect::ReadNow { request, confirmation: read.confirmation });
            }
        }
    }
}
