//! Leader election (5.2, 5.4.1) with pre-vote (thesis 9.6).

use crate::bug::Bug;
use crate::ids::{LogId, ReplicaKey, Term, Timestamp};
use crate::io::Effect;
use crate::membership::insert;
use crate::message::Message;
use crate::raft::{Raft, Role};
use crate::saves::Promise;

impl Raft {
    /// No leader was heard for an election timeout.
    pub(crate) fn on_election_timeout(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        // Nobody has heard of this candidacy yet, for the disk hangs. Another one would be no better, and others learn of the
        // terms that it goes through: those that could lead would come too late each time.
        if matches!(&self.role, Role::Candidate { granted } if !granted.contains(&self.config.id)) {
            return self.reset_election_timer(now);
        }
        self.leader = None;
        if !self.may_campaign() {
            self.role = Role::Follower;
            return self.reset_election_timer(now);
        }
        if !self.config.pre_vote {
            return self.campaign(now, false, effects);
        }
        self.reset_election_timer(now);
        self.role = Role::PreCandidate { granted: vec![self.config.id] };
        let message = Message::PreVote { term: self.term.next(), last: self.log.last() };
        effects.extend(self.other_voters().into_iter().map(|to| self.envelope(to, message.clone())));
        self.campaign_if_granted(now, effects);
    }

    /// Whether this server could lead: it votes in the configuration in force, or in the newest one that it knows to be
    /// committed. A server that was removed by an entry that never commits must still be able to win (thesis 4.2.2).
    pub(crate) fn may_campaign(&self) -> bool {
        let peer = self.replica();
        let was = self.log.committed_configuration(self.commit_index);
        self.configuration().is_voter_replica(peer)
            || (was.is_voter_replica(peer) && !self.bug(Bug::RemovedOrRetiredNodeMishandled))
            || self.bug(Bug::NonvoterCampaigns)
    }

    /// A new term, a vote for itself, and a request to all others: each a promise, so each waits for the write.
    pub(crate) fn campaign(&mut self, now: Timestamp, transfer: bool, effects: &mut Vec<Effect>) {
        self.term = self.term.next();
        self.vote = Some(self.config.id);
        self.leader = None;
        self.incoming = None;
        self.role = Role::Candidate { granted: Vec::new() };
        self.reset_election_timer(now);
        // Candidacy forgotten in a power loss would let this server lead the same term twice.
        self.send_when_durable(Promise::OwnVote, effects);
        let message = Message::RequestVote { term: self.term, last: self.log.last(), transfer };
        for to in self.other_voters() {
            self.send_when_durable(Promise::Send(to, message.clone()), effects);
        }
    }

    /// The vote for itself is durable.
    pub(crate) fn count_own_vote(&mut self, now: Timestamp) {
        self.count_vote(now, self.replica());
    }

    /// Whether this server does not even listen: it hears its leader, and somebody asks for votes whom that leader did
    /// not send. A server that was removed, or cut off for a while, must not depose a leader that works (thesis 4.2.3).
    pub(crate) fn ignores_vote_request(&self, now: Timestamp, message: &Message) -> bool {
        matches!(message, Message::RequestVote { transfer: false, .. })
            && self.config.check_quorum
            && self.has_leader_contact(now)
    }

    /// Whether it leads, or has heard its leader within the smallest election timeout.
    fn has_leader_contact(&self, now: Timestamp) -> bool {
        if self.bug(Bug::VoteRuleInsideLease) {
            return self.is_leader();
        }
        self.is_leader()
            || self
                .last_contact
                .is_some_and(|last_contact| now < last_contact.after(self.config.election_timeout))
    }

    pub(crate) fn on_pre_vote(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        term: Term,
        last: LogId,
        effects: &mut Vec<Effect>,
    ) {
        // A server that hears its leader does not help to depose it; one that leads hears it all the time.
        let granted = term > self.term && !self.has_leader_contact(now) && self.is_up_to_date(last);
        if !granted && self.bug(Bug::TimerResetOnDeniedVote) {
            self.reset_election_timer(now);
        }
        if !granted && term <= self.term && self.bug(Bug::PrevoteTermDeadlock) {
            return;
        }
        // Granted, the answer names the term asked for; refused, the own one, so that an asker with an old term
        // learns it: silence would leave the longest log leaderless in an old term for ever.
        let term = if granted { term } else { self.term };
        effects.push(self.envelope(from, Message::PreVoteResponse { term, granted }));
    }

    pub(crate) fn on_pre_vote_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        term: Term,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Role::PreCandidate { granted: voters } = &mut self.role
            && granted
            && term == self.term.next()
        {
            insert(voters, from.id);
            self.campaign_if_granted(now, effects);
        }
    }

    fn campaign_if_granted(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Role::PreCandidate { granted } = &self.role
            && self.configuration().is_quorum(|node| granted.contains(&node))
        {
            self.campaign(now, false, effects);
        }
    }

    pub(crate) fn on_request_vote(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        term: Term,
        last: LogId,
        effects: &mut Vec<Effect>,
    ) {
        // One vote per term, first come first served (5.2), and only for a log that has everything committed (5.4.1).
        let free = self.vote.is_none() || self.vote == Some(from.id);
        let granted = term == self.term && free && !self.is_leader() && self.is_up_to_date(last);
        let message = Message::RequestVoteResponse { term: self.term, granted };
        if granted {
            self.vote = Some(from.id);
            self.role = Role::Follower; // It no longer asks for itself.
            // Only a vote given puts off the own candidacy: a noisy server that nobody can elect must not keep the
            // one silent that could be.
            self.reset_election_timer(now);
            self.send_when_durable(Promise::Send(from, message), effects);
        } else {
            if self.bug(Bug::TimerResetOnDeniedVote) {
                self.reset_election_timer(now);
            }
            self.defer_to_more_up_to_date_candidate(now, term, last);
            effects.push(self.envelope(from, message));
        }
    }

    /// This server's vote is spent, and somebody asks who has more: if this server went on campaigning first in every
    /// term, the better one might never get the vote. So it lets that one have the next turn. Nobody is kept silent for
    /// ever: who has most yields to nobody.
    fn defer_to_more_up_to_date_candidate(&mut self, now: Timestamp, term: Term, last: LogId) {
        let own = self.log.last();
        if term == self.term && (last.term, last.index) > (own.term, own.index) && !self.is_leader() {
            self.reset_election_timer(now.after(self.config.election_timeout));
        }
    }

    pub(crate) fn on_request_vote_response(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        term: Term,
        granted: bool,
    ) {
        // A vote counts in its own term and in no other.
        if granted && (term == self.term || self.bug(Bug::StaleVoteResponseCounted)) {
            self.count_vote(now, from);
        }
    }

    /// One more vote. Only voters count, each once, and while joint it takes a majority of each half (6).
    fn count_vote(&mut self, now: Timestamp, from: ReplicaKey) {
        let Role::Candidate { granted } = &mut self.role else { return };
        insert(granted, from.id);
        if let Role::Candidate { granted } = &self.role
            && self.configuration().is_quorum(|node| granted.contains(&node))
        {
            self.become_leader(now);
        }
    }

    /// Whether a log that ends at `last` has everything that can be committed: the later last term wins, then the
    /// longer log (5.4.1).
    fn is_up_to_date(&self, last: LogId) -> bool {
        let own = self.log.last();
        if self.bug(Bug::LogRecencyIndexOnly) {
            return last.index >= own.index;
        }
        (last.term, last.index) >= (own.term, own.index)
    }
}
