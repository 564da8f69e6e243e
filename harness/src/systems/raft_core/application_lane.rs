//! The application lane: the state machine, and who waits for it.

use super::entry::digest;
use crate::outcome::{TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::server::Host;
use crate::workload::kv::{Kv, Settings};
use crate::workload::{Answer, Reply, Request};
use invariants::Fact;
use raft_core::{Entry, Index, Letter, Payload, Refusal, RequestId};
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Letter>;

/// The application lane: the state machine, and who waits for it.
pub(super) struct ApplicationLane {
    kv: Kv,
    applied: u64,
    /// Who asked, by the number that the core knows the request by.
    requests: Vec<Option<Asker>>,
    free: Vec<usize>,
    /// What the entries applied in this step came to, if anybody here may ask.
    results: VecDeque<(u64, Option<Answer>)>,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
pub(super) enum Asker {
    Client(u64, Request),
    /// Who runs the group: it asks for changes and transfers.
    Operator,
}

impl ApplicationLane {
    /// Of a new incarnation: nothing is applied, nobody waits.
    pub(super) fn new(settings: Settings) -> ApplicationLane {
        ApplicationLane {
            kv: Kv::new(settings),
            applied: 0,
            requests: Vec::new(),
            free: Vec::new(),
            results: VecDeque::new(),
        }
    }

    /// Whoever may ask what the entries applied in this step came to has asked.
    pub(super) fn step_is_over(&mut self) {
        self.results.clear();
    }

    /// The stamp of a command that is proposed now.
    pub(super) fn stamp(&self, host: &CoreHost<'_>) -> Option<u64> {
        self.kv.stamp(host.wall())
    }

    /// Remembers who asked. The number is free again once it is answered.
    pub(super) fn admit(&mut self, asker: Asker) -> RequestId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() - 1
        });
        self.requests[place] = Some(asker);
        RequestId(place as u64)
    }

    fn dismiss(&mut self, request: RequestId) -> Asker {
        let place = request.0 as usize;
        self.free.push(place);
        self.requests[place].take().expect("a request is answered once")
    }

    pub(super) fn apply(&mut self, host: &mut CoreHost<'_>, first: Index, entries: &[Entry], asked: bool) {
        let wall = host.wall();
        for (index, entry) in (first.0..).zip(entries) {
            let command: &[u8] = if let Payload::Command(command) = &entry.payload { command } else { &[] };
            let outcome = self.kv.apply(index, command, wall);
            host.saw(Fact::Applied {
                index,
                entry: digest(&entry.payload),
                state: self.kv.digest(),
                request: outcome.id,
                effect: outcome.effect,
            });
            self.applied = index;
            if asked {
                self.results.push_back((index, outcome.answer));
            }
        }
        let applied = self.applied;
        host.note(|| format!("applies up to {applied}"));
    }

    pub(super) fn read(&mut self, host: &mut CoreHost<'_>, request: RequestId) {
        let Asker::Client(client, request) = self.dismiss(request) else { return };
        let Some(operation) = request.read() else { return };
        let applied = self.applied;
        host.saw(Fact::ReadServed { read: request.id, applied });
        let response = self.kv.read(operation);
        host.reply(client, Reply { id: request.id, answer: Answer::Read { applied, response } });
    }

    pub(super) fn answer(&mut self, host: &mut CoreHost<'_>, request: RequestId, answer: raft_core::Answer) {
        let asker = self.dismiss(request);
        let Asker::Client(client, request) = asker else {
            host.note(|| format!("tells the operator: {answer}"));
            match answer {
                raft_core::Answer::Transferred => host.reached(TRANSFER_COMPLETED),
                raft_core::Answer::Refused(Refusal::TransferFailed) => host.reached(TRANSFER_ABORTED),
                _ => {}
            }
            return;
        };
        let answer = match answer {
            raft_core::Answer::Applied { index } => {
                while self.results.front().is_some_and(|&(applied, _)| applied < index.0) {
                    self.results.pop_front();
                }
                match self.results.pop_front() {
                    Some((applied, Some(answer))) if applied == index.0 => answer,
                    // Its client has long had the answer, and the session has let go of it: nobody waits.
                    _ => Answer::Unknown,
                }
            }
            raft_core::Answer::NotLeader { hint } => Answer::NotLeader(hint.map(|hint| hint.0)),
            raft_core::Answer::Unknown | raft_core::Answer::Transferred => Answer::Unknown,
            raft_core::Answer::Refused(_) => Answer::Busy,
        };
        host.reply(client, Reply { id: request.id, answer });
    }
}
