//! The application lane: what the core applies, reads and answers, for the application and its open requests.

use super::entry::{fact_configuration, payload_digest};
use crate::outcome::{LEASE_READ, PROPOSAL_FORWARDED, READ_FORWARDED, TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::parts::{Application, OpenRequests, Requester};
use crate::plan::Trigger;
use crate::server::{Host, OperatorResponse};
use crate::workload::{ClientResponse, Reply};
use bytes::Bytes;
use invariants::{LogId, RejectionReason};
use raft_core::{
    ConfChangeError, Entry, Envelope, Index, Payload, ReadConfirmation, Rejection, RequestId, Snapshot,
};
use std::collections::VecDeque;

type CoreHost<'a> = Host<'a, Envelope>;

/// The application lane: the state machine and its open requests.
pub(super) struct ApplicationLane {
    pub(super) application: Application,
    /// Open requests, by the number under which the core knows them.
    requests: OpenRequests,
    /// Results of the entries applied in this step: responses are nearly always needed in the same step.
    results: VecDeque<(u64, Option<ClientResponse>)>,
}

impl ApplicationLane {
    /// The lane of a new incarnation: nothing is applied, no request is open.
    pub(super) fn new(host: &CoreHost<'_>) -> ApplicationLane {
        // Numbers do not leave this server, so no token needs an incarnation.
        let requests = OpenRequests::new(0);
        ApplicationLane { application: Application::new(host), requests, results: VecDeque::new() }
    }

    /// Ends a step: the results of its entries are not needed any more.
    pub(super) fn end_step(&mut self) {
        self.results.clear();
    }

    /// Adds an open request.
    pub(super) fn add_request(&mut self, host: &CoreHost<'_>, requester: Requester) -> RequestId {
        RequestId(self.requests.add(host.now(), requester))
    }

    /// How many requests are open.
    pub(super) fn open_requests(&self) -> u64 {
        self.requests.len()
    }

    fn take_request(&mut self, request: RequestId) -> Requester {
        self.requests.take(request.0).expect("a request must be answered only once")
    }

    /// Replaces the state by that of a snapshot.
    pub(super) fn restore(&mut self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        self.application.restore(host, snapshot.last.index.0, &snapshot.data);
        host.trace(|| format!("restores its state from a snapshot up to {}", snapshot.last));
    }

    /// If a snapshot is due: its last index, its image, and the index after which the log keeps its entries.
    pub(super) fn snapshot_if_due(&mut self, host: &CoreHost<'_>) -> Option<(Index, Bytes, Index)> {
        let due = self.application.snapshot_if_due(host)?;
        Some((Index(due.index), due.image, Index(due.keep_after)))
    }

    /// States the contents of a new snapshot.
    pub(super) fn record_snapshot(&self, host: &mut CoreHost<'_>, snapshot: &Snapshot) {
        let last = LogId { index: snapshot.last.index.0, term: snapshot.last.term.0 };
        let configuration = fact_configuration(&snapshot.configuration);
        self.application.record_snapshot(host, last, &snapshot.data, configuration);
        host.trace(|| format!("has a snapshot up to {last}"));
    }

    pub(super) fn apply(&mut self, host: &mut CoreHost<'_>, first: Index, entries: &[Entry]) {
        // Responses to these entries are needed in this step only, and usually there are none.
        let has_requests = !self.requests.is_empty();
        for (index, entry) in (first.0..).zip(entries) {
            let command: &[u8] = if let Payload::Command(command) = &entry.payload { command } else { &[] };
            let result = self.application.apply(host, index, payload_digest(&entry.payload), command);
            if has_requests {
                self.results.push_back((index, result.response));
            }
        }
        let applied = self.application.applied();
        host.trace(|| format!("applies up to {applied}"));
    }

    pub(super) fn read(&mut self, host: &mut CoreHost<'_>, request: RequestId, confirmed: ReadConfirmation) {
        match confirmed {
            ReadConfirmation::Quorum => {}
            ReadConfirmation::Lease => host.count_milestone(LEASE_READ),
            ReadConfirmation::Leader => host.count_milestone(READ_FORWARDED),
        }
        if let Requester::Client { client, request } = self.take_request(request) {
            self.application.read(host, client, &request);
        }
        if confirmed == ReadConfirmation::Lease {
            host.fire_trigger(Trigger::LeaseRead);
        }
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
            Requester::Client { client, request } => (client, request),
            // A rejected snapshot is outdated; the next one is made when it is due.
            Requester::Server => return,
            Requester::Operator(request) => return respond_to_operator(host, request, response),
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
                    _ => self.application.cached_response(request.id),
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
        raft_core::Response::NotLeader { .. } => {
            OperatorResponse::Rejected { reason: RejectionReason::NotLeader, text: response.to_string() }
        }
        raft_core::Response::Rejected(rejection) => {
            OperatorResponse::Rejected { reason: reason_of(rejection), text: rejection.to_string() }
        }
    };
    host.respond_to_operator(request, &response);
}

/// What a rejection of an operator's command claims.
fn reason_of(rejection: Rejection) -> RejectionReason {
    match rejection {
        Rejection::NoCommitInTerm => RejectionReason::NoOwnCommit,
        Rejection::ConfChangeInProgress | Rejection::ConfChange(ConfChangeError::AlreadyJoint) => {
            RejectionReason::ChangePending
        }
        Rejection::LearnerTooFarBehind => RejectionReason::NotCaughtUp,
        Rejection::TransferTargetNotVoter => RejectionReason::UnknownServer,
        _ => RejectionReason::Other,
    }
}
