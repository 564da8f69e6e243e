//! Leader election (5.2, 5.4.1) with pre-vote (thesis 9.6).

use crate::bug::Bug;
use crate::ids::{LogId, ReplicaKey, Term, Timestamp};
use crate::io::Effect;
use crate::membership::insert;
use crate::message::Message;
use crate::raft::Raft;
use crate::role::Role;
use crate::saves::Promise;

impl Raft {
    /// No leader was heard from for an election timeout.
    pub(crate) fn on_election_timeout(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        // This candidate's own vote is not durable yet, so no request has been sent: the disk hangs. Going
        // through more terms would not help, and other servers would learn those terms and lose their own
        // elections to them.
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
        // A pre-vote changes neither term nor vote.
        if self.vote.is_some() && self.bug(Bug::VoteClearedByPreVote) {
            self.vote = None;
        }
        let message = Message::PreVote { term: self.term.next(), last: self.log.last() };
        effects.extend(self.other_voters().into_iter().map(|to| self.envelope(to, message.clone())));
        self.campaign_if_granted(now, effects);
    }

    /// Whether this server may become leader: it is a voter in the configuration in force, or in the newest
    /// one known to be committed. A server removed by an entry that never commits must still be able to win
    /// (thesis 4.2.2).
    pub(crate) fn may_campaign(&self) -> bool {
        let replica = self.replica();
        let committed = self.log.committed_configuration(self.commit_index);
        self.configuration().is_voter_replica(replica)
            || (committed.is_voter_replica(replica) && !self.bug(Bug::RemovedOrRetiredNodeMishandled))
            || self.bug(Bug::NonvoterCampaigns)
    }

    /// Starts an election: a new term, a vote for itself, and requests to all others. All wait for the write.
    pub(crate) fn campaign(&mut self, now: Timestamp, transfer: bool, effects: &mut Vec<Effect>) {
        self.term = self.term.next();
        self.vote = Some(self.config.id);
        self.leader = None;
        self.incoming = None;
        self.role = Role::Candidate { granted: Vec::new() };
        self.reset_election_timer(now);
        // If a power loss erased the candidacy, this server could lead the same term twice.
        self.send_when_durable(Promise::OwnVote, effects);
        if self.other_voters().is_empty() && self.bug(Bug::SingletonLeadsUnsaved) {
            self.count_own_vote(now);
        }
        let message = Message::RequestVote { term: self.term, last: self.log.last(), transfer };
        for to in self.other_voters() {
            self.send_when_durable(Promise::Send(to, message.clone()), effects);
        }
    }

    /// The vote for itself is durable.
    pub(crate) fn count_own_vote(&mut self, now: Timestamp) {
        self.count_vote(now, self.replica());
    }

    /// Whether a vote request is ignored, term included: this server hears from its leader, and the leader
    /// did not ask for the election. A server that was removed or partitioned must not depose a working
    /// leader (thesis 4.2.3).
    pub(crate) fn ignores_vote_request(&self, now: Timestamp, message: &Message) -> bool {
        matches!(message, Message::RequestVote { transfer: false, .. })
            && self.config.check_quorum
            && self.has_leader_contact(now)
    }

    /// Whether it leads, or heard from its leader within the shortest election timeout.
    fn has_leader_contact(&self, now: Timestamp) -> bool {
        let timeout = self.config.election_timeout;
        self.is_leader()
            || (self.last_contact.is_some_and(|last_contact| now < last_contact.after(timeout))
                && !self.bug(Bug::VoteRuleInsideLease))
    }

    pub(crate) fn on_pre_vote(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        term: Term,
        last: LogId,
        effects: &mut Vec<Effect>,
    ) {
        // A server that hears from its leader does not help to depose it. A leader counts as hearing from
        // itself.
        let granted = term > self.term && !self.has_leader_contact(now) && self.is_up_to_date(last);
        if !granted && self.bug(Bug::TimerResetOnDeniedVote) {
            self.reset_election_timer(now);
        }
        if !granted && term <= self.term && self.bug(Bug::PrevoteTermDeadlock) {
            return;
        }
        // If granted, the response names the term asked for; if rejected, this server's own, so that a
        // candidate in an older term learns it. Without that response the server with the longest log could
        // stay in an old term, and the cluster without a leader.
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
        // The election is over.
        if granted && term == self.term && self.is_leader() && self.bug(Bug::StalePrevoteAfterWin) {
            return self.campaign(now, false, effects);
        }
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
        // One vote per term, first come first served (5.2), and only for a log that is at least as up to date as
        // this one (5.4.1): a majority of such votes means that the leader has all committed entries.
        let may_vote = self.vote.is_none() || self.vote == Some(from.id);
        let granted = term == self.term && may_vote && !self.is_leader() && self.is_up_to_date(last);
        let message = Message::RequestVoteResponse { term: self.term, granted };
        if granted {
            self.vote = Some(from.id);
            self.role = Role::Follower; // It withdraws its own candidacy.
            // Only a granted vote resets the timer: a candidate that cannot win must not keep one that can
            // from campaigning.
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

    /// This server has used its vote in this term, and the candidate's log is more up to date. If this server
    /// went on campaigning first in every term, that candidate might never get its vote, so it gets the next
    /// turn. No cluster stays without a candidate: the server with the most up-to-date log never defers.
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
        // A vote counts only in its own term.
        let is_candidate = matches!(self.role, Role::Candidate { .. });
        if granted && (term == self.term || is_candidate && self.bug(Bug::StaleVoteResponseCounted)) {
            self.count_vote(now, from);
        }
    }

    /// Counts a vote. Only voters count, once each; while joint, a majority of each half is needed (6).
    fn count_vote(&mut self, now: Timestamp, from: ReplicaKey) {
        let Role::Candidate { granted } = &mut self.role else { return };
        insert(granted, from.id);
        if let Role::Candidate { granted } = &self.role
            && self.configuration().is_quorum(|node| granted.contains(&node))
        {
            self.become_leader(now);
        }
    }

    /// Whether a log that ends at `last` is at least as up to date as this one: the higher last term wins, then
    /// the longer log (5.4.1).
    fn is_up_to_date(&self, last: LogId) -> bool {
        let own = self.log.last();
        let (is_up_to_date, is_as_long) =
            ((last.term, last.index) >= (own.term, own.index), last.index >= own.index);
        if is_up_to_date != is_as_long && self.bug(Bug::LogRecencyIndexOnly) {
            return is_as_long;
        }
        if is_up_to_date && !is_as_long && self.bug(Bug::VoteNeedsLongerLog) {
            return false;
        }
        is_up_to_date || self.bug(Bug::VoteWithoutLogCheck)
    }
}
