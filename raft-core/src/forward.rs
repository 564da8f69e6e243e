//! Requests that a follower forwards to its leader, if the host enables it: proposals and reads (thesis 6.4).
//!
//! A forwarded proposal is answered from this server's own log: the leader reports the index and term of the
//! entry, and once that index is applied here, either this entry is there or another. A forwarded read is
//! served from this server's own state, once the index reported by the leader is applied. Without a response
//! within an election timeout, a proposal ends as *unknown*: it may have been appended, and a duplicated
//! message appends it twice, so commands need sessions (`session.rs`) in any case.

use crate::bug::Bug;
use crate::ids::{ReadKey, ReplicaKey, RequestId, Timestamp};
use crate::io::{Effect, ReadConfirmation};
use crate::message::{ForwardOutcome, ForwardRequest, Message};
use crate::raft::{PendingForward, Raft, WaitingFor};
use crate::response::{Rejection, Response};
use crate::role::Origin;
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

    pub(crate) fn forward_read(
        &mut self,
        now: Timestamp,
        request: RequestId,
        key: ReadKey,
        effects: &mut Vec<Effect>,
    ) {
        self.forward(now, request, ForwardRequest::Read(key), WaitingFor::LeaderReadIndex, effects);
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
            let response = Response::NotLeader { hint: self.leader() };
            return effects.push(Effect::Respond { request, response });
        };
        if self.has_too_many_requests() {
            return effects
                .push(Effect::Respond { request, response: Response::Rejected(Rejection::TooManyRequests) });
        }
        self.last_forward_id = self.last_forward_id.wrapping_add(1);
        let (forward_id, deadline) = (self.last_forward_id, now.after(self.config.election_timeout));
        self.pending_forwards.push_back(PendingForward { forward_id, request, deadline, waiting_for });
        effects.push(self.envelope(leader, Message::Forward { term: self.term, forward_id, request: what }));
    }

    /// Handles a follower's forwarded request.
    pub(crate) fn on_forward(
        &mut self,
        now: Timestamp,
        from: ReplicaKey,
        forward_id: u64,
        request: ForwardRequest,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = match request {
            // Forwarding it again could send it round in circles.
            _ if !self.is_leader() => ForwardOutcome::Completed(Response::NotLeader { hint: self.leader() }),
            ForwardRequest::Read(key) => {
                self.start_read(now, Origin::Forwarded(from, forward_id), key, effects);
                return;
            }
            ForwardRequest::Propose(command) => match self.append_command(command) {
                Ok(at) => return self.appended_for_others.push((from, forward_id, at)),
                Err(why) => ForwardOutcome::Completed(Response::Rejected(why)),
            },
        };
        effects.push(self.envelope(from, Message::ForwardResponse { term: self.term, forward_id, outcome }));
    }

    /// Reports where forwarded proposals were appended. That holds even if this leadership ended in the same
    /// step.
    pub(crate) fn send_forward_results(&mut self, effects: &mut Vec<Effect>) {
        if self.appended_for_others.is_empty() {
            return;
        }
        let term = self.term;
        for (replica, forward_id, at) in std::mem::take(&mut self.appended_for_others) {
            let outcome = ForwardOutcome::Appended(at);
            effects.push(self.envelope(replica, Message::ForwardResponse { term, forward_id, outcome }));
        }
    }

    /// The leader's response to a forwarded request.
    pub(crate) fn on_forward_response(
        &mut self,
        forward_id: u64,
        outcome: ForwardOutcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(position) =
            self.pending_forwards.iter().position(|forwarded| forwarded.forward_id == forward_id)
        else {
            return;
        };
        let forwarded = &mut self.pending_forwards[position];
        match (outcome, forwarded.waiting_for) {
            (ForwardOutcome::Appended(at), WaitingFor::LeaderAppend) => {
                forwarded.waiting_for = WaitingFor::EntryApplied(at)
            }
            (ForwardOutcome::ReadAt(index), WaitingFor::LeaderReadIndex) => {
                forwarded.waiting_for = WaitingFor::IndexApplied(index)
            }
            (
                ForwardOutcome::Completed(response),
                waiting_for @ (WaitingFor::LeaderAppend | WaitingFor::LeaderReadIndex),
            ) => {
                let request = forwarded.request;
                let response = match response {
                    // A duplicate of a proposal rejected now may be accepted later.
                    _ if waiting_for == WaitingFor::LeaderAppend => Response::Unknown,
                    // This server led when the other one gave the hint, and knows better now.
                    Response::NotLeader { hint: Some(hint) } if hint == self.config.id => {
                        Response::NotLeader { hint: self.leader() }
                    }
                    response => response,
                };
                self.pending_forwards.remove(position);
                effects.push(Effect::Respond { request, response });
            }
            // A duplicate response.
            _ => {}
        }
    }

    /// Completes the requests whose index is applied here.
    pub(crate) fn complete_forwards(&mut self, effects: &mut Vec<Effect>) {
        let (applied, active) = (self.last_applied, self.config.bug);
        let log = &self.log;
        self.pending_forwards.retain(|forwarded| {
            let request = forwarded.request;
            match forwarded.waiting_for {
                WaitingFor::EntryApplied(at) if at.index <= applied => {
                    let response = match log.term_at(at.index) == Some(at.term) {
                        true => Response::Applied { index: at.index },
                        // Another entry is there, or a snapshot; a duplicate may be elsewhere in the log.
                        false => Response::Unknown,
                    };
                    effects.push(Effect::Respond { request, response });
                    false
                }
                WaitingFor::IndexApplied(index) if index <= applied || Bug::ReadBeforeApply.is_on(active) => {
                    effects.push(Effect::ReadNow { request, confirmation: ReadConfirmation::Leader });
                    false
                }
                _ => true,
            }
        });
    }

    /// Fails requests that have waited for an election timeout.
    pub(crate) fn expire_forwards(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.pending_forwards.pop_front_if(|forwarded| forwarded.deadline <= now)
        {
            self.fail_forward(&forwarded, effects);
        }
    }

    /// Fails all forwarded requests.
    pub(crate) fn fail_all_forwards(&mut self, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.pending_forwards.pop_front() {
            self.fail_forward(&forwarded, effects);
        }
    }

    fn fail_forward(&self, forwarded: &PendingForward, effects: &mut Vec<Effect>) {
        let response = match forwarded.waiting_for {
            WaitingFor::LeaderAppend | WaitingFor::EntryApplied(_) => Response::Unknown,
            // An unanswered read had no effect.
            WaitingFor::LeaderReadIndex | WaitingFor::IndexApplied(_) => {
                Response::NotLeader { hint: self.leader() }
            }
        };
        effects.push(Effect::Respond { request: forwarded.request, response });
    }
}
