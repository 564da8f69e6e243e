//! The application lane: the state machine, its snapshots, and its open requests.

use super::compaction::CompactionPolicy;
use super::entry::{fact_configuration, payload_digest};
use crate::outcome::{LEASE_READ, PROPOSAL_FORWARDED, READ_FORWARDED, TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::server::{Host, OperatorResponse};
use crate::workload::kv::{InvalidImage, Kv, KvConfig};
use crate::workload::{ClientResponse, Reply, Request};
use bytes::Bytes;
use invariants::{Digest, LogId, ServerFact};
use raft_core::{Entry, Envelope, Index, Payload, ReadConfirmation, Rejection, RequestId, Snapshot};
use slab::Slab;
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Envelope>;

/// The application lane: the state machine and its open requests.
pub(super) struct ApplicationLane {
    kv: Kv,
    settings: KvConfig,
    policy: CompactionPolicy,
    applied: u64,
    /// Open requests, by the number under which the core knows them.
    requests: Slab<PendingRequest>,
    /// Results of the entries applied in this step: responses are nearly always needed in the same step.
    results: VecDeque<(u64, Option<ClientResponse>)>,
}

/// The source of an open request.
#[derive(Clone, Copy)]
pub(super) enum PendingRequest {
    Client(u64, Request),
    /// The operator, with the number to respond to.
    Operator(u64),
    /// This lane itself, which passes its state to the core as a snapshot.
    Snapshot,
}

impl ApplicationLane {
    /// The lane of a new incarnation: nothing is applied, no request is open.
    pub(super) fn new(settings: KvConfig, policy: CompactionPolicy) -> ApplicationLane {
        ApplicationLane {
            kv: Kv::new(settings),
            settings,
            policy,
            applied: 0,
            requests: Slab::new(),
            results: VecDeque::new(),
        }
    }

    /// Ends a step: the results of its entries are not needed any more.
    pub(super) fn end_step(&mut self) {
        self.results.clear();
    }

    /// The timestamp for a command that is proposed now.
    pub(super) fn timestamp(&self, host: &CoreHost<'_>) -> Option<u64> {
        self.kv.timestamp(host.wall_time())
    }

    /// Adds an open request. Its number is free again once it is finished.
    pub(super) fn add_request(&mut self, request: PendingRequest) -> RequestId {
        RequestId(self.requests.insert(request) as u64)
    }

    fn take_request(&mut self, request: RequestId) -> PendingRequest {
        self.requests.try_remove(request.0 as usize).expect("a request must be answered only once")
    }

    /// Replaces the state by that of a snapshot.
    pub(super) fn restore(&mut self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        let (kv, state) = read_image(self.settings, &snapshot.data);
        self.kv = kv;
        self.applied = snapshot.last.index.0;
        self.policy.reset(host.now());
        host.record_fact(ServerFact::Restored { index: self.applied, state });
        host.trace(|| format!("restores its state from a snapshot up to {}", snapshot.last));
    }

    /// If a snapshot is due: its last index, its image, and the index after which the log keeps its entries.
    pub(super) fn snapshot_if_due(&mut self, host: &mut CoreHost<'_>) -> Option<(Index, Bytes, Index)> {
        let trailing = self.policy.due(host.now())?;
        self.policy.reset(host.now());
        let image = Bytes::from(self.kv.to_bytes());
        Some((Index(self.applied), image, Index(self.applied.saturating_sub(trailing))))
    }

    /// States the contents of a new snapshot, as they are read from its bytes.
    pub(super) fn record_snapshot(&self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        let last = LogId { index: snapshot.last.index.0, term: snapshot.last.term.0 };
        let (_, state) = read_image(self.settings, &snapshot.data);
        let configuration = Box::new(fact_configuration(&snapshot.configuration));
        host.record_fact(ServerFact::SnapshotTaken { last, state, configuration });
        host.trace(|| format!("has a snapshot up to {last}"));
    }

    pub(super) fn apply(&mut self, host: &mut CoreHost<'_>, first: Index, entries: &[Entry]) {
        // Responses to these entries are needed in this step only, and usually there are none.
        let has_requests = !self.requests.is_empty();
        let wall = host.wall_time();
        for (index, entry) in (first.0..).zip(entries) {
            let command: &[u8] = if let Payload::Command(command) = &entry.payload { command } else { &[] };
            self.policy.count_applied(command.len());
            let outcome = self.kv.apply(index, command, wall);
            host.record_fact(ServerFact::Applied {
                index,
                entry: payload_digest(&entry.payload),
                state: self.kv.digest(),
                request: outcome.id,
                effect: outcome.took_effect,
            });
            self.applied = index;
            if has_requests {
                self.results.push_back((index, outcome.response));
            }
        }
        let applied = self.applied;
        host.trace(|| format!("applies up to {applied}"));
    }

    pub(super) fn read(&mut self, host: &mut CoreHost<'_>, request: RequestId, confirmed: ReadConfirmation) {
        match confirmed {
            ReadConfirmation::Quorum => {}
            ReadConfirmation::Lease => host.count_milestone(LEASE_READ),
            ReadConfirmation::Leader => host.count_milestone(READ_FORWARDED),
        }
        let PendingRequest::Client(client, request) = self.take_request(request) else { return };
        let Some(operation) = request.read_operation() else { return };
        let applied = self.applied;
        host.record_fact(ServerFact::ReadServed { read: request.id, applied });
        let response = self.kv.read(operation);
        host.reply(client, Reply { id: request.id, response: ClientResponse::Read { applied, response } });
    }

    /// Finishes a request. `leads`: whether this server led when the core responded.
    pub(super) fn finish_request(
        &mut self,
        host: &mut CoreHost<'_>,
        request: RequestId,
        response: raft_core::Response,
        leads: bool,
    ) {
        let (client, request) = match self.take_request(request) {
            PendingRequest::Client(client, request) => (client, request),
            // A rejected snapshot is outdated; the next one is made when it is due.
            PendingRequest::Snapshot => return,
            PendingRequest::Operator(request) => return respond_to_operator(host, request, response),
        };
        let response = match response {
            raft_core::Response::Applied { index } => {
                if !leads {
                    host.count_milestone(PROPOSAL_FORWARDED);
                }
                while self.results.front().is_some_and(|&(applied, _)| applied < index.0) {
                    self.results.pop_front();
                }
                match self.results.front_mut() {
                    Some((applied, response)) if *applied == index.0 => response.take(),
                    // Forwarded, and applied here before the leader's response arrived.
                    _ => self.kv.cached_response(request.id),
                }
                // The session has dropped the response, since its client has received it: it is not needed.
                .unwrap_or(ClientResponse::Unknown)
            }
            raft_core::Response::NotLeader { hint } => ClientResponse::NotLeader(hint.map(|hint| hint.0)),
            raft_core::Response::Unknown
            | raft_core::Response::Transferred
            | raft_core::Response::TransferCancelled
            | raft_core::Response::Compacted => ClientResponse::Unknown,
            raft_core::Response::Rejected(rejection) => match rejection {
                Rejection::TransferInProgress => ClientResponse::TransferInProgress,
                Rejection::Halted => ClientResponse::Halted,
                // Only the first two answer client requests; the others answer an operator or this lane.
                Rejection::TooMuchUncommitted
                | Rejection::TooManyRequests
                | Rejection::LearnerTooFarBehind
                | Rejection::NoCommitInTerm
                | Rejection::ConfChangeInProgress
                | Rejection::ConfChange(_)
                | Rejection::TransferTargetNotVoter
                | Rejection::TransferSuperseded
                | Rejection::TransferTargetRemoved
                | Rejection::TransferFailed
                | Rejection::SnapshotOutdated
                | Rejection::SnapshotNotApplied => ClientResponse::Busy,
            },
        };
        host.reply(client, Reply { id: request.id, response });
    }
}

/// Finishes an operator's command.
fn respond_to_operator(host: &mut CoreHost<'_>, request: u64, response: raft_core::Response) {
    match response {
        raft_core::Response::Transferred => host.count_milestone(TRANSFER_COMPLETED),
        raft_core::Response::Rejected(Rejection::TransferFailed | Rejection::TransferTargetRemoved) => {
            host.count_milestone(TRANSFER_ABORTED);
        }
        _ => {}
    }
    let response = match response {
        // A transfer to the leader itself changes nothing.
        raft_core::Response::Applied { .. }
        | raft_core::Response::Transferred
        | raft_core::Response::TransferCancelled => OperatorResponse::Done,
        // `Compacted` answers only a snapshot.
        raft_core::Response::Unknown | raft_core::Response::Compacted => OperatorResponse::Unknown,
        raft_core::Response::NotLeader { .. } => OperatorResponse::Rejected(response.to_string()),
        raft_core::Response::Rejected(rejection) => OperatorResponse::Rejected(rejection.to_string()),
    };
    host.respond_to_operator(request, &response);
}

/// The state in an image, and its digest. An invalid image does not panic: it gives the empty state under a
/// digest of its own, which no server has that applied the log. So the checker blames the server that made
/// the image.
fn read_image(settings: KvConfig, image: &[u8]) -> (Kv, Digest) {
    match Kv::from_bytes(settings, image) {
        Ok(kv) => {
            let state = kv.recomputed_digest();
            (kv, state)
        }
        Err(InvalidImage) => {
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

    /// The property that is broken if a server applies an entry and then makes or restores a snapshot with
    /// this image of the state.
    fn broken_property(image: impl Fn(&Kv) -> Vec<u8>, restores: bool) -> Option<String> {
        let mut world = World::new(
            &plan::generate(0),
            &Options::default(),
            crate::plan::Supports::ALL,
            invariants::Contract::PAPER,
        );
        let settings = KvConfig::default();
        let mut lane = ApplicationLane::new(settings, CompactionPolicy::new(None, 0));
        let group = raft_core::Configuration::of([raft_core::NodeId(1)]);
        let host = &mut Host::new(&mut world, 1);
        let entry = Entry { term: raft_core::Term(1), payload: Payload::Noop };
        host.record_fact(ServerFact::Started {
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
            false => lane.record_snapshot(host, &snapshot),
        }
        world.observer.failure.take().map(|failure| failure.property)
    }

    #[test]
    fn invalid_image_breaks_snapshot_consistency() {
        for restores in [true, false] {
            assert_eq!(broken_property(Kv::to_bytes, restores), None);
            let corrupt: [fn(&Kv) -> Vec<u8>; 3] = [
                |_| Vec::new(),
                |kv| [kv.to_bytes(), vec![0]].concat(),
                |kv| kv.to_bytes().iter().map(|byte| byte ^ 0x80).collect(),
            ];
            for image in corrupt {
                assert_eq!(
                    broken_property(image, restores).as_deref(),
                    Some("snapshot-consistency"),
                    "restores: {restores}"
                );
            }
        }
    }
}
