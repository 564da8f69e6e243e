//! Leadership transfer (thesis 3.10): the leader lets another voter catch up, tells it to campaign at once, and takes no
//! proposals meanwhile.

use crate::answer::{Answer, Refusal};
use crate::ids::{Instant, NodeId, Peer, RequestId, Term};
use crate::io::Effect;
use crate::message::Message;
use crate::raft::{Leader, Raft, Role, Transfer};

impl Raft {
    /// Another target takes the place of the one before, and the leader itself calls a transfer off. Who was told to
    /// campaign may do so all the same: its letter cannot be called back.
    pub(crate) fn transfer(
        &mut self,
        now: Instant,
        request: RequestId,
        to: NodeId,
        effects: &mut Vec<Effect>,
    ) {
        let fits = to != self.config.id && self.configuration().votes(to);
        let hint = self.leader();
        let until = now.after(self.config.election_timeout);
        let itself = to == self.config.id;
        let answer = match &mut self.role {
            // Whoever asks again and again for the same must not keep it from failing.
            Role::Leader(Leader { transfer: Some(transfer), .. }) if transfer.to == to => {
                Answer::Refused(Refusal::TransferUnderWay)
            }
            Role::Leader(leader) if fits || (itself && leader.transfer.is_some()) => {
                if let Some(Transfer { request, .. }) = leader.transfer.take() {
                    effects.push(Effect::Answer { request, answer: Answer::Refused(Refusal::CalledOff) });
                }
                if !itself {
                    leader.transfer = Some(Transfer { request, to, until, told: false });
                    let to = self.configuration().peer(to);
                    return self.tell_if_caught_up(to, effects);
                }
                Answer::Stays
            }
            Role::Leader(_) => Answer::Refused(Refusal::NoSuchVoter),
            _ => Answer::NotLeader { hint },
        };
        effects.push(Effect::Answer { request, answer });
    }

    /// Whether leadership is on its way to another server.
    pub(crate) fn is_passing_on(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.transfer.is_some())
    }

    /// When the transfer under way has failed.
    pub(crate) fn transfer_due(&self) -> Option<Instant> {
        match &self.role {
            Role::Leader(leader) => leader.transfer.map(|transfer| transfer.until),
            _ => None,
        }
    }

    /// Tells the one that leadership passes to, as soon as it has everything: else it could not win (5.4.1).
    pub(crate) fn tell_if_caught_up(&mut self, peer: Peer, effects: &mut Vec<Effect>) {
        let (last, term) = (self.log.last().index, self.term);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) =
            leader.transfer.as_mut().filter(|transfer| transfer.to == peer.id && !transfer.told)
        else {
            return;
        };
        if leader.progress.iter().any(|progress| progress.peer == peer && progress.matched == last) {
            transfer.told = true;
            leader.told = true;
            effects.push(self.letter(peer, Message::TimeoutNow { term }));
        }
    }

    /// A transfer that takes longer than an election timeout has failed: proposals are taken again.
    pub(crate) fn give_up_transfer(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(Transfer { request, .. }) = leader.transfer.take_if(|transfer| transfer.until <= now) {
            effects.push(Effect::Answer { request, answer: Answer::Refused(Refusal::TransferFailed) });
        }
    }

    /// The group has changed: who is no voter any more cannot take over.
    pub(crate) fn forget_transfer_to_nobody(&mut self, effects: &mut Vec<Effect>) {
        let configuration = self.configuration().clone();
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(Transfer { request, .. }) =
            leader.transfer.take_if(|transfer| !configuration.votes(transfer.to))
        {
            effects.push(Effect::Answer { request, answer: Answer::Refused(Refusal::TargetRemoved) });
        }
    }

    /// A message of a later term ends this leadership. If it comes from the one that was told to campaign, that is what
    /// was asked for.
    pub(crate) fn make_way(&mut self, from: Peer, message: &Message, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if matches!(message, Message::RequestVote { transfer: true, .. })
            && let Some(Transfer { request, .. }) = leader.transfer.take_if(|transfer| transfer.to == from.id)
        {
            effects.push(Effect::Answer { request, answer: Answer::Transferred });
        }
    }

    /// The leader hands over: campaign at once, without asking first whether that could succeed.
    pub(crate) fn on_timeout_now(&mut self, now: Instant, term: Term, effects: &mut Vec<Effect>) {
        if term == self.term && !self.leads() && self.may_campaign() {
            self.campaign(now, true, effects);
        }
    }

    /// A leader that leaves tells the voter that has most.
    pub(crate) fn hand_over_to_the_best(&self, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let voters = leader.progress.iter().filter(|progress| self.configuration().votes(progress.peer.id));
        if let Some(best) = voters.max_by_key(|progress| progress.matched) {
            effects.push(self.letter(best.peer, Message::TimeoutNow { term: self.term }));
        }
    }
}
