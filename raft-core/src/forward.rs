//! What a follower passes on to its leader, where the host wants that: proposals, and reads (thesis 6.4).
//!
//! A proposal that was passed on is answered from this server's own log: the leader says under which index and term it
//! was appended, and once something is applied there, it is this entry or another one. A read is answered from this
//! server's own state, once that has what the leader says was committed. Whoever hears nothing within an election
//! timeout is told that it is *unknown* what became of a proposal; it may have been appended, and a message that comes
//! twice even appends it twice, so commands need sessions (`session.rs`) as ever.

use crate::answer::{Answer, Refusal};
use crate::bug::Bug;
use crate::ids::{Instant, Peer, RequestId};
use crate::io::{Confirmed, Effect};
use crate::message::{Message, Outcome, Request};
use crate::raft::{Asker, Forwarded, Raft, Waits};
use bytes::Bytes;

impl Raft {
    pub(crate) fn forward_proposal(
        &mut self,
        now: Instant,
        request: RequestId,
        command: Bytes,
        effects: &mut Vec<Effect>,
    ) {
        self.forward(now, request, Request::Propose(command), Waits::Appended, effects);
    }

    pub(crate) fn forward_read(&mut self, now: Instant, request: RequestId, effects: &mut Vec<Effect>) {
        self.forward(now, request, Request::Read, Waits::Confirmed, effects);
    }

    fn forward(
        &mut self,
        now: Instant,
        request: RequestId,
        what: Request,
        waits: Waits,
        effects: &mut Vec<Effect>,
    ) {
        let Some(leader) = self.leader.filter(|_| self.config.forward) else {
            let answer = Answer::NotLeader { hint: self.leader() };
            return effects.push(Effect::Answer { request, answer });
        };
        if self.is_full() {
            return effects.push(Effect::Answer { request, answer: Answer::Refused(Refusal::Full) });
        }
        self.token = self.token.wrapping_add(1);
        let (token, until) = (self.token, now.after(self.config.election_timeout));
        self.forwarded.push_back(Forwarded { token, request, until, waits });
        effects.push(self.letter(leader, Message::Forward { term: self.term, token, request: what }));
    }

    /// A follower passes something on.
    pub(crate) fn on_forward(
        &mut self,
        now: Instant,
        from: Peer,
        token: u64,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        let outcome = match request {
            // Passing it on once more could go round in circles.
            _ if !self.leads() => Outcome::Ended(Answer::NotLeader { hint: self.leader() }),
            Request::Read => {
                self.take_read(now, Asker::There(from, token), effects);
                return;
            }
            Request::Propose(command) => match self.take_in(command) {
                Ok(at) => return self.appended.push((from, token, at)),
                Err(why) => Outcome::Ended(Answer::Refused(why)),
            },
        };
        effects.push(self.letter(from, Message::ForwardResponse { term: self.term, token, outcome }));
    }

    /// Tells whoever passed a proposal on where it now stands. That is so whoever leads by now.
    pub(crate) fn tell_what_was_appended(&mut self, effects: &mut Vec<Effect>) {
        if self.appended.is_empty() {
            return;
        }
        let term = self.term;
        for (peer, token, at) in std::mem::take(&mut self.appended) {
            let outcome = Outcome::Appended(at);
            effects.push(self.letter(peer, Message::ForwardResponse { term, token, outcome }));
        }
    }

    /// The leader's word on something that was passed on.
    pub(crate) fn on_forward_response(&mut self, token: u64, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Some(place) = self.forwarded.iter().position(|forwarded| forwarded.token == token) else {
            return;
        };
        let forwarded = &mut self.forwarded[place];
        match (outcome, forwarded.waits) {
            (Outcome::Appended(at), Waits::Appended) => forwarded.waits = Waits::Entry(at),
            (Outcome::ReadAt(index), Waits::Confirmed) => forwarded.waits = Waits::Index(index),
            (Outcome::Ended(answer), waits @ (Waits::Appended | Waits::Confirmed)) => {
                // A double of a proposal that is refused now may be taken later.
                let answer = if waits == Waits::Appended { Answer::Unknown } else { answer };
                let request = forwarded.request;
                self.forwarded.remove(place);
                effects.push(Effect::Answer { request, answer });
            }
            // A double.
            _ => {}
        }
    }

    /// Answers what this server has applied far enough for.
    pub(crate) fn settle_forwarded(&mut self, effects: &mut Vec<Effect>) {
        let (applied, at_once) = (self.applied, self.bug(Bug::ReadBeforeApply));
        let log = &self.log;
        self.forwarded.retain(|forwarded| {
            let request = forwarded.request;
            match forwarded.waits {
                Waits::Entry(at) if at.index <= applied => {
                    let answer = match log.term_at(at.index) == Some(at.term) {
                        true => Answer::Applied { index: at.index },
                        // Another entry stands there, or a snapshot: a double of it may stand elsewhere.
                        false => Answer::Unknown,
                    };
                    effects.push(Effect::Answer { request, answer });
                    false
                }
                Waits::Index(index) if index <= applied || at_once => {
                    effects.push(Effect::ReadNow { request, confirmed: Confirmed::Leader });
                    false
                }
                _ => true,
            }
        });
    }

    /// Whoever has waited for an election timeout waits no longer.
    pub(crate) fn give_up_forwarded(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.forwarded.pop_front_if(|forwarded| forwarded.until <= now) {
            self.give_up(&forwarded, effects);
        }
    }

    /// Nobody waits any more.
    pub(crate) fn forget_forwarded(&mut self, effects: &mut Vec<Effect>) {
        while let Some(forwarded) = self.forwarded.pop_front() {
            self.give_up(&forwarded, effects);
        }
    }

    fn give_up(&self, forwarded: &Forwarded, effects: &mut Vec<Effect>) {
        let answer = match forwarded.waits {
            Waits::Appended | Waits::Entry(_) => Answer::Unknown,
            // A read that was not answered has certainly done nothing.
            Waits::Confirmed | Waits::Index(_) => Answer::NotLeader { hint: self.leader() },
        };
        effects.push(Effect::Answer { request: forwarded.request, answer });
    }
}
