//! Membership changes (6, thesis 4): one at a time, in force as soon as they are in the log.

use crate::bug::Bug;
use crate::ids::{Index, RequestId, Timestamp};
use crate::io::Effect;
use crate::log::Payload;
use crate::membership::ConfChange;
use crate::progress::Progress;
use crate::raft::Raft;
use crate::response::{Rejection, Response};
use crate::role::Role;
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
            let response = Response::NotLeader { hint: self.leader() };
            return effects.push(Effect::Respond { request, response });
        }
        match self.configuration_after(change) {
            Ok(configuration) => self.append_configuration(now, Some(request), configuration, effects),
            Err(why) => effects.push(Effect::Respond { request, response: Response::Rejected(why) }),
        }
    }

    /// The configuration after a change, if the change may begin now.
    fn configuration_after(&self, change: &ConfChange) -> Result<Payload, Rejection> {
        // Two leaders of different terms could append changes whose majorities do not overlap, unless each
        // has first committed an entry of its own term: then it knows every change that can still commit
        // (Ongaro's amendment of 2015 to thesis 4.1).
        if self.log.term_at(self.commit_index) != Some(self.term)
            && !self.bug(Bug::ConfigChangeBeforeOwnTermCommit)
        {
            return Err(Rejection::NoCommitInTerm);
        }
        // Majorities before and after one change overlap; before and after two changes they need not (6).
        if self.log.configuration_index() > self.commit_index && !self.bug(Bug::OverlappingConfigChanges) {
            return Err(Rejection::ConfChangeInProgress);
        }
        if self.is_transferring() {
            return Err(Rejection::TransferInProgress);
        }
        let configuration = self.configuration().after(change).map_err(Rejection::ConfChange)?;
        let new_voters = configuration.voters.iter().filter(|&&node| !self.configuration().is_voter(node));
        for &node in new_voters.filter(|&&node| node != self.config.id) {
            let match_index = self.match_index(node).unwrap_or(Index(0));
            let lags = |has: Index| self.log.last().index.0 - has.0 > self.config.max_promotion_lag;
            if lags(match_index) || (lags(Index(0)) && self.bug(Bug::LearnerNeverCaughtUp)) {
                return Err(Rejection::LearnerTooFarBehind);
            }
        }
        Ok(Payload::Configuration(Arc::new(configuration)))
    }

    /// Appends a configuration, and puts it in force at once.
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
        if let Ok(configuration) = self.configuration().leave_joint()
            && self.bug(Bug::JointLeftBeforeCommit)
        {
            self.append(Payload::Configuration(Arc::new(configuration)));
        }
        self.abort_transfer_if_target_removed(effects);
        self.replicate_to_all();
    }

    /// Takes the request of the entry at `index`, so that it waits for the next configuration. If it were
    /// answered when the joint phase has only begun, its client could switch off the old servers, and the old
    /// half would lose its majority.
    fn take_proposal(&mut self, index: Index) -> Option<RequestId> {
        let Role::Leader(leader) = &mut self.role else { return None };
        let position = leader.proposals.iter().position(|&(at, _)| at == index)?;
        leader.proposals.remove(position).map(|(_, request)| request)
    }

    /// The leader's commit index has advanced: this may end a joint phase, or this leadership.
    pub(crate) fn on_commit_advanced(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let configuration = self.configuration();
        if self.log.configuration_index() > self.commit_index
            || self.log.term_at(self.commit_index) != Some(self.term)
        {
            return;
        }
        if configuration.is_joint() && configuration.auto_leave {
            // A transfer does not delay it: if the transfer fails, nothing would end the joint phase.
            if self.is_transferring() && self.bug(Bug::AutoleaveDuringTransfer) {
                return;
            }
            // The old half may be left out only after majorities of both halves have the joint configuration
            // (6).
            let configuration = configuration.leave_joint().expect("the configuration must be joint");
            let request = self.take_proposal(self.log.configuration_index());
            self.append_configuration(now, request, Payload::Configuration(Arc::new(configuration)), effects);
        } else if !configuration.is_voter(self.config.id) && !self.bug(Bug::LeadsGroupWithoutItself) {
            // It is no longer a voter, and led without counting itself until this was committed (6). The
            // heartbeat tells the others the commit index; then the most up-to-date voter is asked to campaign
            // without waiting for a timeout.
            self.apply(effects);
            self.send_pending(now, effects);
            self.broadcast_heartbeat(now, effects);
            self.transfer_to_most_up_to_date(effects);
            self.become_follower(now, self.term, None, effects);
        }
    }

    /// Whether a majority has responded within the last election timeout: of each half while joint.
    pub(crate) fn has_quorum_contact(&mut self, now: Timestamp) -> bool {
        let timeout = self.config.election_timeout;
        let id = self.config.id;
        if let Role::Leader(leader) = &mut self.role {
            leader.quorum_due = now.after(timeout);
        }
        let Role::Leader(leader) = &self.role else { return true };
        let answers = |progress: &Progress| progress.last_contact.after(timeout) > now;
        let has_contact = |node| {
            let mut followers = leader.progress.iter();
            node == id || followers.any(|progress| progress.replica.id == node && answers(progress))
        };
        self.configuration().is_quorum(has_contact)
            || (leader.progress.iter().any(answers) && self.bug(Bug::MinorityKeepsLead))
            || self.bug(Bug::NoCheckQuorum)
    }

    /// When to check the contact with a majority.
    pub(crate) fn quorum_due(&self) -> Option<Timestamp> {
        match &self.role {
            Role::Leader(leader) if self.config.check_quorum => Some(leader.quorum_due),
            _ => None,
        }
    }
}
