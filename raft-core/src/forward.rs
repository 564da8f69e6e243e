//! What a follower passes on to its leader, where the host wants that: proposals, and reads (thesis 6.4).
//!
//! A proposal that was passed on is answered from this server's own log: the leader says under which index and term it
//! was appended, and once something is applied there, it is this entry or another one. A read is answered from this
//! server's own state, once that has what the leader says was committed. Whoever hears nothing within an election
//! timeout is told that it is *unknown* what became of a proposal; it may have been appended, and a message that comes
//! twice even appends it twice, so commands need sessions (`session.rs`) as ever.

use crate::answer::{Rejection, Response};
use crate::bug::Bug;
use crate::ids::{ReplicaKey, RequestId, Timestamp};
use crate::io::{Effect, ReadConfirmation};
use crate::message::{ForwardOutcome, ForwardRequest, Message};
use crate::raft::{Origin, PendingForward, Raft, WaitingFor};
use bytes::Bytes;

impl Raft {
    pub(crate) fn forward_proposal(
        &mut self,
        now: Timestamp,
        request: RequestId,
        command: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        self.forward(now, request, ForwardRequest::Propose(command), WaitingFor::LeaderAppend, effects);
    }

    pub(crate) fn forward_read(&mut self, now: Timestamp, request: RequestId, effects: &mut Vec<Effect>) {
        self.forward(now, request, ForwardRequest::Read, WaitingFor::LeaderReadIndex, effects);
    }

    fn forward(
        &mut self,
        now: Timestamp,
        request: RequestId,
        what: ForwardRequest,
        waiting_for: WaitingFor,
        effects: &mut Vec<Effect>,
    ) {
        let Some(leader) = self.leader.filter(|_| self.config.forward) else {
            let answer = Response::NotLeader { hint: self.leader() };
            return effects.push(Effect::Respond { request, response: answer });
        };
        if self.has_too_many_requests() {
            return effects
                .push(Effect::Respond { request, response: Response::Rejected(Rejection::TooManyRequests) });
        }
        self.last_forward_id = self.last_forward_id.wrapping_add(1);
        let (token, until) = (self.last_forward_id, now.after(self.config.election_timeout));
        self.pending_forwards.push_back(PendingForward {
            forward_id: token,
            request,
            deadline: until,
            waiting_for,
        });
        effects.push(
            self.envelope(leader, Message::Forward { term: self.term, forward_id: token, request: what }),
        );
    }

    /// A follower passes something on.
    pub(crate) fn on_forward(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        token: u64,
        request: ForwardRequest,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = match request {
            // Passing it on once more could go round in circles.
            _ if !self.is_leader() => ForwardOutcome::Completed(Response::NotLeader { hint: self.leader() }),
            ForwardRequest::Read => {
                self.start_read(now, Origin::Forwarded(from, token), effects);
                return;
            }
            ForwardRequest::Propose(command) => match self.append_command(command) {
                Ok(at) => return self.appended_for_others.push((from, token, at)),
                Err(why) => ForwardOutcome::Completed(Response::Rejected(why)),
            },
        };
        effects.push(
            self.envelope(from, Message::ForwardResponse { term: self.term, forward_id: token, outcome }),
        );
    }

    /// Tells whoever passed a proposal on where it now stands. That is so whoever leads by now.
    pub(crate) fn send_forward_results(&mut self, effects: &mut Vec<Effect>) {
        if self.appended_for_others.is_empty() {
            return;
        }
        let term = self.term;
        for (peer, token, at) in std::mem::take(&mut self.appended_for_others) {
            let outcome = ForwardOutcome::Appended(at);
            effects.push(self.envelope(peer, Message::ForwardResponse { term, forward_id: token, outcome }));
        }
    }

    /// The leader's word on something that was passed on.
    pub(crate) fn on_forward_response(
        &mut self,
        token: u64,
        outcome: ForwardOutcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(place) = self.pending_forwards.iter().position(|forwarded| forwarded.forward_id == token)
        else {
            return;
        };
        let forwarded = &mut self.pending_forwards[place];
        match (outcome, forwarded.waiting_for) {
            (ForwardOutcome::Appended(at), WaitingFor::LeaderAppend) => {
                forwarded.waiting_for = WaitingFor::EntryApplied(at)
            }
            (ForwardOutcome::ReadAt(index), WaitingFor::LeaderReadIndex) => {
                forwarded.waiting_for = WaitingFor::IndexApplied(index)
            }
            (
                ForwardOutcome::Completed(answer),
                waiting_for @ (WaitingFor::LeaderAppend | WaitingFor::LeaderReadIndex),
            ) => {
                // A double of a proposal that is refused now may be taken later.
                let answer = if waiting_for == WaitingFor::LeaderAppend { Response::Unknown } else { answer };
                let request = forwarded.request;
                self.pending_forwards.remove(place);
                effects.push(Effect::Respond { request, response: answer });
            }
            // A double.
            _ => {}
        }
    }

    /// Answers what this server has applied far enough for.
    pub(crate) fn complete_forwards(&mut self, effects: &mut Vec<Effect>) {
        let (applied, at_once) = (self.last_applied, self.bug(Bug::ReadBeforeApply));
        let log = &self.log;
        self.pending_forwards.retain(|forwarded| {
            let request = forwarded.request;
            match forwarded.waiting_for {
                WaitingFor::EntryApplied(at) if at.index <= applied => {
                    let answer = match log.term_at(at.index) == Some(at.term) {
                        true => Response::Applied { index: at.index },
                        // Another entry stands there, or a snapshot: a double of it may stand elsewhere.
                        false => Response::Unknown,
                    };
                    effects.push(Effect::Respond { request, response: answer });
                    false
                }
                WaitingFor::IndexApplied(index) if index <= applied || at_once => {
                    effects.push(Effect::ReadNow { request, confirmation: ReadConfirmation::Leader });
                    false
                }
                _ => true,
            }
        });
    }

    /// Whoever has waited for an election timeout waits no longer.
    pub(crate) fn expire_forwards(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.pending_forwards.pop_front_if(|forwarded| forwarded.deadline <= now)
        {
            self.fail_forward(&forwarded, effects);
        }
    }

    /// Nobody waits any more.
    pub(crate) fn fail_all_forwards(&mut self, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.pending_forwards.pop_front() {
            self.fail_forward(&forwarded, effects);
        }
    }

    fn fail_forward(&self, forwarded: &PendingForward, effects: &mut Vec<Effect>) {
        let answer = match forwarded.waiting_for {
            WaitingFor::LeaderAppend | WaitingFor::EntryApplied(_) => Response::Unknown,
            // A read that was not answered has certainly done nothing.
            WaitingFor::LeaderReadIndex | WaitingFor::IndexApplied(_) => {
                Response::NotLeader { hint: self.leader() }
            }
        };
        effects.push(Effect::Respond { request: forwarded.request, response: answer });
    }
}
