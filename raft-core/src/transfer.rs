//! Leadership transfer (thesis 3.10): the leader lets another voter catch up, asks it to campaign at once,
//! and accepts no proposals in the meantime.

use crate::bug::Bug;
use crate::ids::{NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::Effect;
use crate::message::Message;
use crate::raft::Raft;
use crate::response::{Rejection, Response};
use crate::role::{Leader, Role, Transfer};

impl Raft {
    /// Starts a transfer. Another target replaces the current one; the leader itself as target cancels the
    /// transfer. A target that was already sent `TimeoutNow` may still campaign.
    pub(crate) fn transfer(
        &mut self,
        now: Timestamp,
        request: RequestId,
        to: NodeId,
        effects: &mut Vec<Effect>,
    ) {
        let is_other_voter = to != self.config.id && self.configuration().is_voter(to);
        let hint = self.leader();
        let deadline = now.after(self.config.election_timeout);
        let is_self = to == self.config.id;
        let response = match &mut self.role {
            // A repeated request for the same target must not extend the deadline.
            Role::Leader(Leader { transfer: Some(transfer), .. }) if transfer.to == to => {
                Response::Rejected(Rejection::TransferInProgress)
            }
            Role::Leader(leader) if is_other_voter || (is_self && leader.transfer.is_some()) => {
                if let Some(Transfer { request, .. }) = leader.transfer.take() {
                    effects.push(Effect::Respond {
                        request,
                        response: Response::Rejected(Rejection::TransferSuperseded),
                    });
                }
                if !is_self {
                    leader.transfer = Some(Transfer { request, to, deadline, timeout_now_sent: false });
                    let to = self.configuration().replica(to);
                    return self.maybe_send_timeout_now(to, effects);
                }
                Response::TransferCancelled
            }
            Role::Leader(_) => Response::Rejected(Rejection::TransferTargetNotVoter),
            _ => Response::NotLeader { hint },
        };
        effects.push(Effect::Respond { request, response });
    }

    /// Whether a leadership transfer is in progress.
    pub(crate) fn is_transferring(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.transfer.is_some())
    }

    /// When the transfer in progress fails.
    pub(crate) fn transfer_due(&self) -> Option<Timestamp> {
        match &self.role {
            Role::Leader(leader) => leader.transfer.map(|transfer| transfer.deadline),
            _ => None,
        }
    }

    /// Sends the target `TimeoutNow` once it has the whole log: before that it could not win (5.4.1).
    pub(crate) fn maybe_send_timeout_now(&mut self, replica: ReplicaKey, effects: &mut Vec<Effect>) {
        let (last, term) = (self.log.last().index, self.term);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = leader
            .transfer
            .as_mut()
            .filter(|transfer| transfer.to == replica.id && !transfer.timeout_now_sent)
        else {
            return;
        };
        if leader.progress.iter().any(|progress| progress.replica == replica && progress.match_index == last)
        {
            transfer.timeout_now_sent = true;
            leader.timeout_now_sent = true;
            effects.push(self.envelope(replica, Message::TimeoutNow { term }));
        }
    }

    /// Fails a transfer after an election timeout: proposals are accepted again.
    pub(crate) fn expire_transfer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(Transfer { request, .. }) = leader.transfer.take_if(|transfer| transfer.deadline <= now) {
            effects
                .push(Effect::Respond { request, response: Response::Rejected(Rejection::TransferFailed) });
        }
    }

    /// The configuration has changed: a target that is not a voter any more cannot take over.
    pub(crate) fn abort_transfer_if_target_removed(&mut self, effects: &mut Vec<Effect>) {
        let configuration = self.configuration().clone();
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(Transfer { request, .. }) =
            leader.transfer.take_if(|transfer| !configuration.is_voter(transfer.to))
        {
            effects.push(Effect::Respond {
                request,
                response: Response::Rejected(Rejection::TransferTargetRemoved),
            });
        }
    }

    /// A message of a later term ends this leadership. If it is the target's candidacy, the transfer has
    /// succeeded.
    pub(crate) fn complete_transfer(
        &mut self,
        from: ReplicaKey,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        if matches!(message, Message::RequestVote { transfer: true, .. })
            && let Some(Transfer { request, .. }) = leader.transfer.take_if(|transfer| transfer.to == from.id)
        {
            effects.push(Effect::Respond { request, response: Response::Transferred });
        }
    }

    /// The leader asks this server to campaign at once, without pre-vote.
    pub(crate) fn on_timeout_now(&mut self, now: Timestamp, term: Term, effects: &mut Vec<Effect>) {
        // It may have been removed or demoted since the message was sent.
        if self.is_leader() {
            return;
        }
        // The leader of a past term decides nothing any more, and a later one may work well.
        let is_current = term == self.term || self.may_campaign() && self.bug(Bug::TimeoutNowOfPastTerm);
        if is_current && (self.may_campaign() || self.bug(Bug::TimeoutNowUnchecked)) {
            self.campaign(now, true, effects);
        }
    }

    /// Asks the most up-to-date voter to campaign, before this leader steps down.
    pub(crate) fn transfer_to_most_up_to_date(&self, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let voters =
            leader.progress.iter().filter(|progress| self.configuration().is_voter(progress.replica.id));
        if let Some(best) = voters.max_by_key(|progress| progress.match_index) {
            effects.push(self.envelope(best.replica, Message::TimeoutNow { term: self.term }));
        }
    }
}
