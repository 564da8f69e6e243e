//! Linearizable reads without writing to the log (8, thesis 6.4): read index.
//!
//! A leader answers a read from a state that holds everything committed when the read was asked. It knows what is
//! committed once an entry of its own term is; and it knows that nobody else has committed more once a majority
//! confirms, after the read was asked, that it still leads. Reads share rounds of asking: those that come while a
//! round is out wait for the next.

use crate::bug::Bug;
use crate::ids::{Instant, NodeId, RequestId};
use crate::io::{Answer, Effect};
use crate::raft::{Raft, Read, Role};

impl Raft {
    pub(crate) fn read(&mut self, now: Instant, request: RequestId, effects: &mut Vec<Effect>) {
        // What a new leader inherits it may not know to be committed, until an entry of its own is (8).
        let knows_commit =
            self.log.term_at(self.commit) == Some(self.term) || self.bug(Bug::ReadIndexBeforeOwnTermCommit);
        let (index, local) = (self.commit, self.bug(Bug::LeaderLocalRead));
        let Role::Leader(leader) = &mut self.role else {
            let answer = Answer::NotLeader { hint: self.leader };
            return effects.push(Effect::Answer { request, answer });
        };
        let reads = &mut leader.reads;
        if local {
            reads.confirmed.push_back(Read { request, index, round: 0 });
        } else if knows_commit {
            reads.waiting.push_back(Read { request, index, round: reads.round + 1 });
            self.start_round(now, effects);
        } else {
            reads.early.push(request);
        }
    }

    /// Asks everybody, unless a round is out or nobody waits for one.
    fn start_round(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if reads.confirmed_round == reads.round
            && reads.waiting.back().is_some_and(|read| read.round > reads.round)
        {
            reads.round += 1;
            self.speak_to_all(now, effects);
            self.confirm_reads(now, effects);
        }
    }

    /// A follower has answered: perhaps a round is confirmed, perhaps the first own entry is committed.
    pub(crate) fn confirm_reads(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let knows_commit = self.log.term_at(self.commit) == Some(self.term);
        let index = self.commit;
        let Role::Leader(leader) = &mut self.role else { return };
        let reads = &mut leader.reads;
        if knows_commit && !reads.early.is_empty() {
            let round = reads.round + 1;
            reads.waiting.extend(reads.early.drain(..).map(|request| Read { request, index, round }));
        }
        if reads.confirmed_round < reads.round {
            let (progress, newest) = (&leader.progress, reads.round);
            let confirmed = |node: NodeId| {
                let follower = progress.iter().find(|progress| progress.node == node);
                if node == self.config.id { newest } else { follower.map_or(0, |progress| progress.round) }
            };
            reads.confirmed_round = self.log.configuration().reached(confirmed).unwrap_or(0);
            while let Some(read) = reads.waiting.pop_front_if(|read| read.round <= reads.confirmed_round) {
                reads.confirmed.push_back(read);
            }
        }
        self.start_round(now, effects);
    }
}
