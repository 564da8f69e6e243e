//! Membership changes (6, thesis 4): one at a time, in force from the moment they stand in the log.

use crate::answer::{Answer, Refusal};
use crate::bug::Bug;
use crate::ids::{Index, Instant, RequestId};
use crate::io::Effect;
use crate::log::Payload;
use crate::membership::Change;
use crate::raft::{Raft, Role};
use std::sync::Arc;

impl Raft {
    pub(crate) fn change(
        &mut self,
        now: Instant,
        request: RequestId,
        change: &Change,
        effects: &mut Vec<Effect>,
    ) {
        if !self.leads() {
            let answer = Answer::NotLeader { hint: self.leader() };
            return effects.push(Effect::Answer { request, answer });
        }
        match self.changed(change) {
            Ok(configuration) => self.configure(now, Some(request), configuration, effects),
            Err(why) => effects.push(Effect::Answer { request, answer: Answer::Refused(why) }),
        }
    }

    /// The group after a change, if one may be made now.
    fn changed(&self, change: &Change) -> Result<Payload, Refusal> {
        // Two leaders of different terms could each change the group in a way that does not overlap with the other's,
        // unless each has first committed an entry of its own term: then it knows of every change that can still
        // commit (Ongaro's amendment of 2015 to thesis 4.1).
        if self.log.term_at(self.commit) != Some(self.term) && !self.bug(Bug::ConfigChangeBeforeOwnTermCommit)
        {
            return Err(Refusal::TooEarly);
        }
        // Majorities of neighbours overlap, those of neighbours of neighbours need not (6).
        if self.log.configured_at() > self.commit && !self.bug(Bug::OverlappingConfigChanges) {
            return Err(Refusal::ChangeUnderWay);
        }
        if self.is_passing_on() {
            return Err(Refusal::TransferUnderWay);
        }
        let configuration = self.configuration().after(change).map_err(Refusal::Unfit)?;
        let newcomers = configuration.voters.iter().filter(|&&node| !self.configuration().votes(node));
        for &node in newcomers.filter(|&&node| node != self.config.id) {
            let matched = self.matched(node).unwrap_or(Index(0));
            if self.log.last().index.0 - matched.0 > self.config.max_promotion_lag {
                return Err(Refusal::Behind);
            }
        }
        Ok(Payload::Configuration(Arc::new(configuration)))
    }

    /// Appends a configuration, and acts on it at once.
    fn configure(
        &mut self,
        now: Instant,
        request: Option<RequestId>,
        payload: Payload,
        effects: &mut Vec<Effect>,
    ) {
        let last = self.log.last().index;
        let index = self.append(payload);
        self.count_on_members(now, last);
        if let (Role::Leader(leader), Some(request)) = (&mut self.role, request) {
            leader.proposals.push_back((index, request));
        }
        if self.bug(Bug::JointLeftBeforeCommit)
            && let Ok(left) = self.configuration().leave_joint()
        {
            self.append(Payload::Configuration(Arc::new(left)));
        }
        self.forget_transfer_to_nobody(effects);
        self.replicate_to_all();
    }

    /// Who asked for what stands at `index` waits for what follows upon it instead: who switched the old servers off when
    /// the joint phase had only begun could leave the group without a majority of its old half for ever.
    fn asked_for(&mut self, index: Index) -> Option<RequestId> {
        let Role::Leader(leader) = &mut self.role else { return None };
        let place = leader.proposals.iter().position(|&(at, _)| at == index)?;
        leader.proposals.remove(place).map(|(_, request)| request)
    }

    /// The commit index of this leader has moved: a joint phase may be over, or this leadership.
    pub(crate) fn after_commit(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let configuration = self.configuration();
        if self.log.configured_at() > self.commit || self.log.term_at(self.commit) != Some(self.term) {
            return;
        }
        if configuration.is_joint() && configuration.leaves_by_itself {
            // Only now that majorities of both halves know of the joint phase may the old half be left alone (6).
            let left = configuration.leave_joint().expect("it is joint");
            let request = self.asked_for(self.log.configured_at());
            self.configure(now, request, Payload::Configuration(Arc::new(left)), effects);
        } else if !configuration.votes(self.config.id) {
            // It has led without counting itself until the others can do without it (6). They learn of the commit
            // from this last word, and the best of them need not wait for a timeout.
            self.apply(effects);
            self.replicate_where_owed(now, effects);
            self.speak_to_all(now, effects);
            self.hand_over_to_the_best(effects);
            self.become_follower(now, self.term, None, effects);
        }
    }

    /// Whether a majority has answered within the last election timeout: of each half while joint.
    pub(crate) fn hears_quorum(&mut self, now: Instant) -> bool {
        let timeout = self.config.election_timeout;
        let id = self.config.id;
        if let Role::Leader(leader) = &mut self.role {
            leader.quorum_due = now.after(timeout);
        }
        let Role::Leader(leader) = &self.role else { return true };
        if self.bug(Bug::NoCheckQuorum) {
            return true;
        }
        let heard = |node| {
            let mut followers = leader.progress.iter();
            node == id
                || followers.any(|progress| progress.peer.id == node && progress.heard.after(timeout) > now)
        };
        self.configuration().is_quorum(heard)
    }

    /// When to look for that.
    pub(crate) fn quorum_due(&self) -> Option<Instant> {
        match &self.role {
            Role::Leader(leader) if self.config.check_quorum => Some(leader.quorum_due),
            _ => None,
        }
    }
}
