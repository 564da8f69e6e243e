//! Membership changes (6, thesis 4): one at a time, in force from the moment they stand in the log.

use crate::answer::{Rejection, Response};
use crate::bug::Bug;
use crate::ids::{Index, RequestId, Timestamp};
use crate::io::Effect;
use crate::log::Payload;
use crate::membership::ConfChange;
use crate::raft::{Raft, Role};
use std::sync::Arc;

impl Raft {
    pub(crate) fn propose_conf_change(
        &mut self,
        now: Timestamp,
        request: RequestId,
        change: &ConfChange,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_leader() {
            let answer = Response::NotLeader { hint: self.leader() };
            return effects.push(Effect::Respond { request, response: answer });
        }
        match self.configuration_after(change) {
            Ok(configuration) => self.append_configuration(now, Some(request), configuration, effects),
            Err(why) => effects.push(Effect::Respond { request, response: Response::Rejected(why) }),
        }
    }

    /// The group after a change, if one may be made now.
    fn configuration_after(&self, change: &ConfChange) -> Result<Payload, Rejection> {
        // Two leaders of different terms could each change the group in a way that does not overlap with the other's,
        // unless each has first committed an entry of its own term: then it knows of every change that can still
        // commit (Ongaro's amendment of 2015 to thesis 4.1).
        if self.log.term_at(self.commit_index) != Some(self.term)
            && !self.bug(Bug::ConfigChangeBeforeOwnTermCommit)
        {
            return Err(Rejection::NoCommitInTerm);
        }
        // Majorities of neighbours overlap, those of neighbours of neighbours need not (6).
        if self.log.configuration_index() > self.commit_index && !self.bug(Bug::OverlappingConfigChanges) {
            return Err(Rejection::ConfChangeInProgress);
        }
        if self.is_transferring() {
            return Err(Rejection::TransferInProgress);
        }
        let configuration = self.configuration().after(change).map_err(Rejection::ConfChange)?;
        let newcomers = configuration.voters.iter().filter(|&&node| !self.configuration().is_voter(node));
        for &node in newcomers.filter(|&&node| node != self.config.id) {
            let match_index = self.match_index(node).unwrap_or(Index(0));
            if self.log.last().index.0 - match_index.0 > self.config.max_promotion_lag {
                return Err(Rejection::LearnerTooFarBehind);
            }
        }
        Ok(Payload::Configuration(Arc::new(configuration)))
    }

    /// Appends a configuration, and acts on it at once.
    fn append_configuration(
        &mut self,
        now: Timestamp,
        request: Option<RequestId>,
        payload: Payload,
        effects: &mut Vec<Effect>,
    ) {
        let last = self.log.last().index;
        let index = self.append(payload);
        self.sync_progress(now, last);
        if let (Role::Leader(leader), Some(request)) = (&mut self.role, request) {
            leader.proposals.push_back((index, request));
        }
        if self.bug(Bug::JointLeftBeforeCommit)
            && let Ok(left) = self.configuration().leave_joint()
        {
            self.append(Payload::Configuration(Arc::new(left)));
        }
        self.abort_transfer_if_target_removed(effects);
        self.replicate_to_all();
    }

    /// Who asked for what stands at `index` waits for what follows upon it instead: who switched the old servers off when
    /// the joint phase had only begun could leave the group without a majority of its old half for ever.
    fn take_proposal(&mut self, index: Index) -> Option<RequestId> {
        let Role::Leader(leader) = &mut self.role else { return None };
        let place = leader.proposals.iter().position(|&(at, _)| at == index)?;
        leader.proposals.remove(place).map(|(_, request)| request)
    }

    /// The commit index of this leader has moved: a joint phase may be over, or this leadership.
    pub(crate) fn on_commit_advanced(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let configuration = self.configuration();
        if self.log.configuration_index() > self.commit_index
            || self.log.term_at(self.commit_index) != Some(self.term)
        {
            return;
        }
        if configuration.is_joint() && configuration.auto_leave {
            // Only now that majorities of both halves know of the joint phase may the old half be left alone (6).
            let left = configuration.leave_joint().expect("it is joint");
            let request = self.take_proposal(self.log.configuration_index());
            self.append_configuration(now, request, Payload::Configuration(Arc::new(left)), effects);
        } else if !configuration.is_voter(self.config.id) {
            // It has led without counting itself until the others can do without it (6). They learn of the commit
            // from this last word, and the best of them need not wait for a timeout.
            self.apply(effects);
            self.send_pending(now, effects);
            self.broadcast_heartbeat(now, effects);
            self.transfer_to_most_up_to_date(effects);
            self.become_follower(now, self.term, None, effects);
        }
    }

    /// Whether a majority has answered within the last election timeout: of each half while joint.
    pub(crate) fn has_quorum_contact(&mut self, now: Timestamp) -> bool {
        let timeout = self.config.election_timeout;
        let id = self.config.id;
        if let Role::Leader(leader) = &mut self.role {
            leader.quorum_due = now.after(timeout);
        }
        let Role::Leader(leader) = &self.role else { return true };
        if self.bug(Bug::NoCheckQuorum) {
            return true;
        }
        let last_contact = |node| {
            let mut followers = leader.progress.iter();
            node == id
                || followers
                    .any(|progress| progress.peer.id == node && progress.last_contact.after(timeout) > now)
        };
        self.configuration().is_quorum(last_contact)
    }

    /// When to look for that.
    pub(crate) fn quorum_due(&self) -> Option<Timestamp> {
        match &self.role {
            Role::Leader(leader) if self.config.check_quorum => Some(leader.quorum_due),
            _ => None,
        }
    }
}
