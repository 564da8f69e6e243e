//! The application lane: the state machine, its snapshots, and who waits for it.

use super::compaction::Policy;
use super::entry::{configuration, digest};
use crate::outcome::{LEASE_READ, PROPOSAL_FORWARDED, READ_FORWARDED, TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::server::{Host, OperatorAnswer};
use crate::workload::kv::{Kv, NoImage, Settings};
use crate::workload::{Answer, Reply, Request};
use bytes::Bytes;
use invariants::{Digest, Fact, LogId};
use raft_core::{Confirmed, Entry, Index, Letter, Payload, Refusal, RequestId, Snapshot};
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Letter>;

/// The application lane: the state machine, and who waits for it.
pub(super) struct ApplicationLane {
    kv: Kv,
    settings: Settings,
    policy: Policy,
    applied: u64,
    /// Who asked, by the number that the core knows the request by.
    requests: Vec<Option<Asker>>,
    free: Vec<usize>,
    /// What the entries applied in this step came to: nearly always that is when somebody asks.
    results: VecDeque<(u64, Option<Answer>)>,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
pub(super) enum Asker {
    Client(u64, Request),
    /// Who runs the group: it asks for changes and transfers, each with a number.
    Operator(u64),
    /// This lane itself: it hands over its state as a snapshot.
    Snapshot,
}

impl ApplicationLane {
    /// Of a new incarnation: nothing is applied, nobody waits.
    pub(super) fn new(settings: Settings, policy: Policy) -> ApplicationLane {
        ApplicationLane {
            kv: Kv::new(settings),
            settings,
            policy,
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

    /// The state is what a snapshot says.
    pub(super) fn restore(&mut self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        let (kv, state) = read_image(self.settings, &snapshot.data);
        self.kv = kv;
        self.applied = snapshot.last.index.0;
        self.policy.begin_anew(host.now());
        host.saw(Fact::Restored { index: self.applied, state });
        host.note(|| format!("restores its state from a snapshot up to {}", snapshot.last));
    }

    /// The state as it is, if it is time for a snapshot: after which entry, its image, and after which entry the log stays.
    pub(super) fn snapshot_if_due(&mut self, host: &mut CoreHost<'_>) -> Option<(Index, Bytes, Index)> {
        let trailing = self.policy.due(host.now())?;
        self.policy.begin_anew(host.now());
        let image = Bytes::from(self.kv.to_bytes());
        Some((Index(self.applied), image, Index(self.applied.saturating_sub(trailing))))
    }

    /// States what is in a snapshot that was just made: what somebody else will read out of its bytes.
    pub(super) fn state_snapshot(&self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        let last = LogId { index: snapshot.last.index.0, term: snapshot.last.term.0 };
        let (_, state) = read_image(self.settings, &snapshot.data);
        let configuration = Box::new(configuration(&snapshot.configuration));
        host.saw(Fact::SnapshotTaken { last, state, configuration });
        host.note(|| format!("has a snapshot up to {last}"));
    }

    pub(super) fn apply(&mut self, host: &mut CoreHost<'_>, first: Index, entries: &[Entry]) {
        // Whoever waits for one of these asks in this step, and mostly nobody does.
        let asked = self.free.len() < self.requests.len();
        let wall = host.wall();
        for (index, entry) in (first.0..).zip(entries) {
            let command: &[u8] = if let Payload::Command(command) = &entry.payload { command } else { &[] };
            self.policy.applied(command.len());
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

    pub(super) fn read(&mut self, host: &mut CoreHost<'_>, request: RequestId, confirmed: Confirmed) {
        match confirmed {
            Confirmed::Round => {}
            Confirmed::Lease => host.reached(LEASE_READ),
            Confirmed::Leader => host.reached(READ_FORWARDED),
        }
        let Asker::Client(client, request) = self.dismiss(request) else { return };
        let Some(operation) = request.read() else { return };
        let applied = self.applied;
        host.saw(Fact::ReadServed { read: request.id, applied });
        let response = self.kv.read(operation);
        host.reply(client, Reply { id: request.id, answer: Answer::Read { applied, response } });
    }

    /// A request has ended. `leads`: whether this server led when it was answered.
    pub(super) fn answer(
        &mut self,
        host: &mut CoreHost<'_>,
        request: RequestId,
        answer: raft_core::Answer,
        leads: bool,
    ) {
        let (client, request) = match self.dismiss(request) {
            Asker::Client(client, request) => (client, request),
            // One that is refused was overtaken; the next one is made when it is due.
            Asker::Snapshot => return,
            Asker::Operator(request) => return answer_operator(host, request, answer),
        };
        let answer = match answer {
            raft_core::Answer::Applied { index } => {
                if !leads {
                    host.reached(PROPOSAL_FORWARDED);
                }
                while self.results.front().is_some_and(|&(applied, _)| applied < index.0) {
                    self.results.pop_front();
                }
                match self.results.front_mut() {
                    Some((applied, answer)) if *applied == index.0 => answer.take(),
                    // Passed on, and applied here before the leader's word came.
                    _ => self.kv.answered(request.id),
                }
                // Its client has long had the answer, and the session has let go of it: nobody waits.
                .unwrap_or(Answer::Unknown)
            }
            raft_core::Answer::NotLeader { hint } => Answer::NotLeader(hint.map(|hint| hint.0)),
            raft_core::Answer::Unknown
            | raft_core::Answer::Transferred
            | raft_core::Answer::Stays
            | raft_core::Answer::Compacted => Answer::Unknown,
            raft_core::Answer::Refused(why) => match why {
                Refusal::TransferUnderWay => Answer::HandingOver,
                Refusal::Halted => Answer::Halted,
                // All but the first two answer what only an operator asks, or this lane.
                Refusal::Busy
                | Refusal::Full
                | Refusal::Behind
                | Refusal::TooEarly
                | Refusal::ChangeUnderWay
                | Refusal::Unfit(_)
                | Refusal::NoSuchVoter
                | Refusal::CalledOff
                | Refusal::TargetRemoved
                | Refusal::TransferFailed
                | Refusal::SnapshotOutdated
                | Refusal::SnapshotNotApplied => Answer::Busy,
            },
        };
        host.reply(client, Reply { id: request.id, answer });
    }
}

/// An operator's command has ended.
fn answer_operator(host: &mut CoreHost<'_>, request: u64, answer: raft_core::Answer) {
    match answer {
        raft_core::Answer::Transferred => host.reached(TRANSFER_COMPLETED),
        raft_core::Answer::Refused(Refusal::TransferFailed | Refusal::TargetRemoved) => {
            host.reached(TRANSFER_ABORTED);
        }
        _ => {}
    }
    let answer = match answer {
        // A leader that is asked to pass leadership to itself keeps it.
        raft_core::Answer::Applied { .. } | raft_core::Answer::Transferred | raft_core::Answer::Stays => {
            OperatorAnswer::Done
        }
        // The last answers only a snapshot.
        raft_core::Answer::Unknown | raft_core::Answer::Compacted => OperatorAnswer::Unknown,
        raft_core::Answer::NotLeader { .. } => OperatorAnswer::Refused(answer.to_string()),
        raft_core::Answer::Refused(why) => OperatorAnswer::Refused(why.to_string()),
    };
    host.answer_operator(request, &answer);
}

/// The state that an image holds, and its digest. Bytes that are no image are a verdict on whoever handed them over, and not
/// a panic: they stand for the empty state under a digest of their own, which no server that applied the log ever had.
fn read_image(settings: Settings, image: &[u8]) -> (Kv, Digest) {
    match Kv::from_bytes(settings, image) {
        Ok(kv) => {
            let state = kv.recomputed_digest();
            (kv, state)
        }
        Err(NoImage) => {
            let bytes = image.iter().fold(Digest::EMPTY, |digest, byte| digest.then(u64::from(*byte)));
            (Kv::new(settings), bytes.then(image.len() as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Options;
    use crate::plan;
    use crate::world::World;
    use std::sync::Arc;

    /// The property that a run breaks in which a server applies an entry, and this is then handed over as a snapshot of the
    /// state after it.
    fn broken_by(image: impl Fn(&Kv) -> Vec<u8>, restores: bool) -> Option<String> {
        let mut world = World::new(&plan::generate(0), &Options::default());
        let settings = Settings::default();
        let mut lane = ApplicationLane::new(settings, Policy::new(None, 0));
        let group = raft_core::Configuration::of([raft_core::NodeId(1)]);
        let host = &mut Host::new(&mut world, 1);
        let entry = Entry { term: raft_core::Term(1), payload: Payload::Noop };
        host.saw(Fact::Started {
            term: 0,
            vote: None,
            base: LogId::default(),
            last: LogId::default(),
            digest: Digest::EMPTY,
        });
        lane.apply(host, Index(1), std::slice::from_ref(&entry));
        let snapshot = Snapshot {
            last: raft_core::LogId { index: Index(1), term: raft_core::Term(1) },
            configuration: Arc::new(group),
            data: image(&lane.kv).into(),
        };
        match restores {
            true => lane.restore(host, &snapshot),
            false => lane.state_snapshot(host, &snapshot),
        }
        world.observer.failure.take().map(|failure| failure.property)
    }

    #[test]
    fn bytes_that_are_no_image_break_the_property_of_snapshots() {
        for restores in [true, false] {
            assert_eq!(broken_by(Kv::to_bytes, restores), None);
            let corrupt: [fn(&Kv) -> Vec<u8>; 3] = [
                |_| Vec::new(),
                |kv| [kv.to_bytes(), vec![0]].concat(),
                |kv| kv.to_bytes().iter().map(|byte| byte ^ 0x80).collect(),
            ];
            for image in corrupt {
                assert_eq!(broken_by(image, restores).as_deref(), Some("snapshots"), "restores: {restores}");
            }
        }
    }
}
