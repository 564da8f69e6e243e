//! Leadership transfer (thesis 3.10): the leader lets another voter catch up, tells it to campaign at once, and takes no
//! proposals meanwhile.

use crate::answer::{Rejection, Response};
use crate::ids::{NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::Effect;
use crate::message::Message;
use crate::raft::{Leader, Raft, Role, Transfer};

impl Raft {
    /// Another target takes the place of the one before, and the leader itself calls a transfer off. Who was told to
    /// campaign may do so all the same: its letter cannot be called back.
    pub(crate) fn transfer(
        &mut self,
        now: Timestamp,
        request: RequestId,
        to: NodeId,
        effects: &mut Vec<Effect>,
    ) {
        let fits = to != self.config.id && self.configuration().is_voter(to);
        let hint = self.leader();
        let until = now.after(self.config.election_timeout);
        let itself = to == self.config.id;
        let answer = match &mut self.role {
            // Whoever asks again and again for the same must not keep it from failing.
            Role::Leader(Leader { transfer: Some(transfer), .. }) if transfer.to == to => {
                Response::Rejected(Rejection::TransferInProgress)
            }
            Role::Leader(leader) if fits || (itself && leader.transfer.is_some()) => {
                if let Some(Transfer { request, .. }) = leader.transfer.take() {
                    effects.push(Effect::Respond {
                        request,
                        response: Response::Rejected(Rejection::TransferSuperseded),
                    });
                }
                if !itself {
                    leader.transfer =
                        Some(Transfer { request, to, deadline: until, timeout_now_sent: false });
                    let to = self.configuration().replica(to);
                    return self.maybe_send_timeout_now(to, effects);
                }
                Response::TransferCancelled
            }
            Role::Leader(_) => Response::Rejected(Rejection::TransferTargetNotVoter),
            _ => Response::NotLeader { hint },
        };
        effects.push(Effect::Respond { request, response: answer });
    }

    /// Whether leadership is on its way to another server.
    pub(crate) fn is_transferring(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.transfer.is_some())
    }

    /// When the transfer under way has failed.
    pub(crate) fn transfer_due(&self) -> Option<Timestamp> {
        match &self.role {
            Role::Leader(leader) => leader.transfer.map(|transfer| transfer.deadline),
            _ => None,
        }
    }

    /// Tells the one that leadership passes to, as soon as it has everything: else it could not win (5.4.1).
    pub(crate) fn maybe_send_timeout_now(&mut self, peer: ReplicaKey, effects: &mut Vec<Effect>) {
        let (last, term) = (self.log.last().index, self.term);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) =
            leader.transfer.as_mut().filter(|transfer| transfer.to == peer.id && !transfer.timeout_now_sent)
        else {
            return;
        };
        if leader.progress.iter().any(|progress| progress.peer == peer && progress.match_index == last) {
            transfer.timeout_now_sent = true;
            leader.timeout_now_sent = true;
            effects.push(self.envelope(peer, Message::TimeoutNow { term }));
        }
    }

    /// A transfer that takes longer than an election timeout has failed: proposals are taken again.
    pub(crate) fn expire_transfer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(Transfer { request, .. }) = leader.transfer.take_if(|transfer| transfer.deadline <= now) {
            effects
                .push(Effect::Respond { request, response: Response::Rejected(Rejection::TransferFailed) });
        }
    }

    /// The group has changed: who is no voter any more cannot take over.
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

    /// A message of a later term ends this leadership. If it comes from the one that was told to campaign, that is what
    /// was asked for.
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

    /// The leader hands over: campaign at once, without asking first whether that could succeed.
    pub(crate) fn on_timeout_now(&mut self, now: Timestamp, term: Term, effects: &mut Vec<Effect>) {
        if term == self.term && !self.is_leader() && self.may_campaign() {
            self.campaign(now, true, effects);
        }
    }

    /// A leader that leaves tells the voter that has most.
    pub(crate) fn transfer_to_most_up_to_date(&self, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let voters =
            leader.progress.iter().filter(|progress| self.configuration().is_voter(progress.peer.id));
        if let Some(best) = voters.max_by_key(|progress| progress.match_index) {
            effects.push(self.envelope(best.peer, Message::TimeoutNow { term: self.term }));
        }
    }
}
