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

use crate::answer::{Answer, Refusal};
use crate::bug::Bug;
use crate::ids::{Index, Instant, NodeId, RequestId};
use crate::io::{Confirmed, Effect};
use crate::message::{Message, Outcome, Stamp};
use crate::raft::{Asker, Leader, Raft, Read, Role};

impl Raft {
    pub(crate) fn read(&mut self, now: Instant, request: RequestId, effects: &mut Vec<Effect>) {
        if self.leads() {
            self.take_read(now, Asker::Here(request), effects)
        } else {
            self.forward_read(now, request, effects)
        }
    }

    /// A leader takes a read, from its own host or from a follower.
    pub(crate) fn take_read(&mut self, now: Instant, asker: Asker, effects: &mut Vec<Effect>) {
        if self.leads() && self.is_full() {
            return self.answer(asker, Answer::Refused(Refusal::Full), effects);
        }
        // What a new leader inherits it may not know to be committed, until an entry of its own is (8).
        let knows_commit =
            self.log.term_at(self.commit) == Some(self.term) || self.bug(Bug::ReadindexBeforeOwnTermCommit);
        // A restart forgets how much is committed: what is left of it is the snapshot, or nothing.
        let forgotten =
            self.commit == self.snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index);
        let knows_commit = knows_commit || forgotten && self.bug(Bug::RestartServesBeforeRecovery);
        let (index, leased) = (self.commit, self.holds_lease(now));
        let (local, joins) = (self.bug(Bug::LeaderLocalRead), self.bug(Bug::ReadAckContextReused));
        let Role::Leader(leader) = &mut self.role else {
            return self.answer(asker, Answer::NotLeader { hint: self.leader() }, effects);
        };
        let reads = &mut leader.reads;
        if local {
            self.read_confirmed(Read { asker, index, round: 0, confirmed: Confirmed::Round }, effects);
        } else if !knows_commit {
            reads.early.push(asker);
        } else if leased {
            self.read_confirmed(Read { asker, index, round: 0, confirmed: Confirmed::Lease }, effects);
        } else {
            // Answers to the round that is out may have left before this read was asked: they say nothing of it.
            let is_out = reads.confirmed_round < reads.round;
            let round = if joins && is_out { reads.round } else { reads.round + 1 };
            reads.waiting.push_back(Read { asker, index, round, confirmed: Confirmed::Round });
            self.start_round(now, effects);
        }
    }

    /// Whether nobody else can have been elected, by what a majority has promised and by what clocks may do.
    fn holds_lease(&self, now: Instant) -> bool {
        let (Some(length), Role::Leader(leader)) = (self.config.lease(), &self.role) else { return false };
        let length = if self.bug(Bug::LeaseIgnoresDrift) { self.config.election_timeout } else { length };
        // Whom this leader told to campaign the voters do not keep from it, whatever they promised.
        if leader.told {
            return false;
        }
        self.led_at(now).is_some_and(|sent| now < sent.after(length))
    }

    /// The latest time, on this server's clock, at which a majority is known to have taken it for their leader: when the
    /// newest message left that a majority has answered. Never later than that was so. Nothing where it does not lead, or
    /// nobody has answered yet.
    #[must_use]
    pub fn led_at(&self, now: Instant) -> Option<Instant> {
        let sent = self.configuration().reached(|node| self.confirmed(node, now).sent);
        sent.filter(|&sent| sent > Instant(0))
    }

    /// What a member has confirmed. The leader itself confirms everything at once.
    fn confirmed(&self, node: NodeId, now: Instant) -> Stamp {
        let Role::Leader(leader) = &self.role else { return Stamp::default() };
        if node == self.config.id {
            return Stamp { round: leader.reads.round, sent: now };
        }
        let follower = leader.progress.iter().find(|progress| progress.peer.id == node);
        follower.map_or(Stamp::default(), |progress| progress.confirmed)
    }

    /// Asks everybody, unless a round is out or nobody waits for one.
    fn start_round(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Leader(Leader { reads, .. }) = &self.role else { return };
        if reads.confirmed_round == reads.round
            && reads.waiting.back().is_some_and(|read| read.round > reads.round)
        {
            self.replicate_where_owed(now, effects);
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.round += 1;
            self.speak_to_all(now, effects);
            self.confirm_reads(now, effects);
        }
    }

    /// A follower has answered: perhaps a round is confirmed, perhaps the first own entry is committed.
    pub(crate) fn confirm_reads(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let index = self.commit;
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if reads.is_idle() {
            return;
        }
        if !reads.early.is_empty() && self.log.term_at(index) == Some(self.term) {
            let (round, confirmed) = (reads.round + 1, Confirmed::Round);
            let early = reads.early.drain(..).map(|asker| Read { asker, index, round, confirmed });
            reads.waiting.extend(early);
        }
        if reads.confirmed_round < reads.round {
            let Role::Leader(leader) = &self.role else { return };
            let newest = leader.reads.round;
            let reached = self.configuration().reached(|node| self.confirmed(node, now).round);
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.confirmed_round = reached.unwrap_or(0).min(newest);
            while let Some(read) = self.next_of_a_confirmed_round() {
                self.read_confirmed(read, effects);
            }
        }
        self.start_round(now, effects);
    }

    fn next_of_a_confirmed_round(&mut self) -> Option<Read> {
        let Role::Leader(Leader { reads, .. }) = &mut self.role else { return None };
        reads.waiting.pop_front_if(|read| read.round <= reads.confirmed_round)
    }

    /// A read is confirmed. Whoever passed it on applies by itself, and is told at once; one of this server's own host
    /// waits until enough is applied here.
    fn read_confirmed(&mut self, read: Read, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        match read.asker {
            Asker::Here(_) => leader.reads.confirmed.push_back(read),
            Asker::There(peer, token) => {
                let outcome = Outcome::ReadAt(read.index);
                effects.push(self.letter(peer, Message::ForwardResponse { term: self.term, token, outcome }));
            }
        }
    }

    /// Reads of this server's host that are confirmed are answered once everything before them is applied.
    pub(crate) fn serve_reads(&mut self, effects: &mut Vec<Effect>) {
        let (applied, at_once) = (self.applied, self.bug(Bug::ReadBeforeApply));
        let Role::Leader(leader) = &mut self.role else { return };
        let ready = |read: &mut Read| read.index <= applied || at_once;
        while let Some(read) = leader.reads.confirmed.pop_front_if(ready) {
            if let Asker::Here(request) = read.asker {
                effects.push(Effect::ReadNow { request, confirmed: read.confirmed });
            }
        }
    }
}
