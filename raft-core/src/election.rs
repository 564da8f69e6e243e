//! Leader election (5.2, 5.4.1) with pre-vote (thesis 9.6).

use crate::bug::Bug;
use crate::ids::{Instant, LogId, NodeId, Term};
use crate::io::Effect;
use crate::message::Message;
use crate::quorum::{Ballot, majority};
use crate::raft::{Raft, Role};
use crate::saves::Promise;

impl Raft {
    /// No leader was heard for an election timeout.
    pub(crate) fn election_timeout(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.leader = None;
        if !self.config.pre_vote {
            return self.campaign(now, effects);
        }
        self.reset_election_timer(now);
        let mut granted = Ballot::default();
        granted.add(self.own_place());
        self.role = Role::PreCandidate { granted };
        let message = Message::PreVote { term: self.term.next(), last: self.log.last() };
        effects.extend(self.others().map(|to| Effect::Send { to, message: message.clone() }));
        self.campaign_if_granted(now, granted, effects);
    }

    /// A new term, a vote for itself, and a request to all others: each a promise, so each waits for the write.
    fn campaign(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.term = self.term.next();
        self.vote = Some(self.config.id);
        self.leader = None;
        self.role = Role::Candidate { granted: Ballot::default() };
        self.reset_election_timer(now);
        // Candidacy forgotten in a power loss would let this server lead the same term twice.
        self.promise(Promise::OwnVote, effects);
        let message = Message::RequestVote { term: self.term, last: self.log.last() };
        for place in 0..self.config.voters.len() {
            let to = self.config.voters[place];
            if to != self.config.id {
                self.promise(Promise::Send(to, message.clone()), effects);
            }
        }
    }

    /// The vote for itself is durable.
    pub(crate) fn count_own_vote(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let own = self.own_place();
        self.count_vote(now, own, effects);
    }

    pub(crate) fn on_pre_vote(
        &mut self,
        now: Instant,
        from: NodeId,
        term: Term,
        last: LogId,
        effects: &mut Vec<Effect>,
    ) {
        // A server that hears its leader does not help to depose it; one that leads hears it all the time.
        let content =
            self.leads() || self.heard.is_some_and(|heard| now < heard.after(self.config.election_timeout));
        let granted = term > self.term && !content && self.is_up_to_date(last);
        // Granted, the answer names the term asked for; refused, the own one, so that an asker with an old term
        // learns it: silence would leave the longest log leaderless in an old term for ever.
        let term = if granted { term } else { self.term };
        effects.push(Effect::Send { to: from, message: Message::PreVoteResponse { term, granted } });
    }

    pub(crate) fn on_pre_vote_response(
        &mut self,
        now: Instant,
        place: usize,
        term: Term,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Role::PreCandidate { granted: ballot } = &mut self.role
            && granted
            && term == self.term.next()
        {
            ballot.add(place);
            let ballot = *ballot;
            self.campaign_if_granted(now, ballot, effects);
        }
    }

    fn campaign_if_granted(&mut self, now: Instant, granted: Ballot, effects: &mut Vec<Effect>) {
        if granted.count() >= majority(self.config.voters.len()) {
            self.campaign(now, effects);
        }
    }

    pub(crate) fn on_request_vote(
        &mut self,
        now: Instant,
        from: NodeId,
        term: Term,
        last: LogId,
        effects: &mut Vec<Effect>,
    ) {
        // One vote per term, first come first served (5.2), and only for a log that has everything committed (5.4.1).
        let free = self.vote.is_none() || self.vote == Some(from);
        let granted = term == self.term && free && !self.leads() && self.is_up_to_date(last);
        let message = Message::RequestVoteResponse { term: self.term, granted };
        if granted {
            self.vote = Some(from);
            self.role = Role::Follower; // It no longer asks for itself.
            // Only a vote given puts off the own candidacy: a noisy server that nobody can elect must not keep the
            // one silent that could be.
            self.reset_election_timer(now);
            self.promise(Promise::Send(from, message), effects);
        } else {
            effects.push(Effect::Send { to: from, message });
        }
    }

    pub(crate) fn on_request_vote_response(
        &mut self,
        now: Instant,
        place: usize,
        term: Term,
        granted: bool,
        effects: &mut Vec<Effect>,
    ) {
        // A vote counts in its own term and in no other.
        if granted && (term == self.term || self.bug(Bug::StaleVoteResponseCounted)) {
            self.count_vote(now, place, effects);
        }
    }

    fn count_vote(&mut self, now: Instant, place: usize, effects: &mut Vec<Effect>) {
        if let Role::Candidate { granted } = &mut self.role {
            granted.add(place);
            if granted.count() >= majority(self.config.voters.len()) {
                self.become_leader(now, effects);
            }
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

    fn own_place(&self) -> usize {
        self.place(self.config.id).expect("validated: this server is one of the voters")
    }
}
