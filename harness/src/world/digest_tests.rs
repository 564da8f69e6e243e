//! Pins the numbers of facts, events and fault kinds. They are part of every digest, so they never change.

use super::EventKind;
use crate::plan::FaultKind;
use invariants::{
    ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, ConfirmedBy, Digest, Fact, LogId,
    RejectionReason, RequestId, SessionOutcome, SessionUse,
};

#[test]
fn facts_keep_their_numbers_and_fields_in_the_digest() {
    let (base, last) = (LogId { index: 11, term: 12 }, LogId { index: 13, term: 14 });
    let request = RequestId { session: 15, sequence: 16 };
    let (entry, state) = (Digest(17), Digest(18));
    let configuration = Box::new(Configuration {
        further: vec![],
        voters: vec![1, 2],
        joint: vec![3],
        learners: vec![],
        digest: Some(Digest(19)),
    });
    let configuration_words = [19, 2, 1, 2, 1, 3, 0];
    let with_configuration = |words: &[u64]| [words, &configuration_words].concat();
    let steps = vec![ConfChangeOp::Voter(7), ConfChangeOp::Learner(8), ConfChangeOp::Remove(9)];
    let (term, index, applied) = (20, 21, 22);
    // In the order of their numbers, from 1.
    let facts: Vec<(Fact, Vec<u64>)> = vec![
        (Fact::Started { term, vote: Some(2), base, last, digest: state }, vec![20, 3, 11, 12, 13, 14, 18]),
        (Fact::TermChanged { term }, vec![20]),
        (Fact::Appended { index, term, entry }, vec![21, 20, 17]),
        (Fact::Truncated { after: index }, vec![21]),
        (Fact::Leads { term }, vec![20]),
        (Fact::SteppedDown { term }, vec![20]),
        (Fact::Committed { index }, vec![21]),
        (
            Fact::Applied {
                index,
                entry,
                state,
                request: Some(request),
                effect: true,
                session: Some(SessionUse { outcome: SessionOutcome::Repeated, log_time: 25, mark: 26 }),
            },
            vec![21, 17, 18, 1, 15, 16, 3, 25, 26],
        ),
        (Fact::Configured { index, configuration: configuration.clone() }, with_configuration(&[21])),
        (Fact::Voted { term, candidate: 2 }, vec![20, 2]),
        (Fact::Campaigned { term }, vec![20]),
        (Fact::Acknowledged { term, index }, vec![20, 21]),
        (Fact::ReadServed { read: request, applied }, vec![15, 16, 22]),
        (Fact::Saved { term, vote: None, after: Some(index) }, vec![20, 0, 22]),
        (Fact::SavedEntry { index, term, entry }, vec![21, 20, 17]),
        (Fact::SavedRecovered, vec![]),
        (Fact::Crashed, vec![]),
        (Fact::PowerLost, vec![]),
        (Fact::Restarted, vec![]),
        (Fact::Wiped, vec![]),
        (Fact::WriteAcknowledged { index, write: request }, vec![21, 15, 16]),
        (Fact::ReadAsked { read: request }, vec![15, 16]),
        (
            Fact::SnapshotTaken { last, state, configuration: configuration.clone() },
            with_configuration(&[13, 14, 18]),
        ),
        (Fact::SnapshotInstalled { last, configuration }, with_configuration(&[13, 14])),
        (Fact::Restored { index, state }, vec![21, 18]),
        (Fact::SavedSnapshot { base, last }, vec![11, 12, 13, 14]),
        (Fact::Quiet, vec![]),
        (Fact::Founded { voters: vec![1, 2] }, vec![2, 1, 2]),
        (
            Fact::ChangeRequested { request: 23, change: Box::new(ConfChange::Joint(steps)) },
            vec![23, 2, 1, 7, 2, 8, 3, 9],
        ),
        (Fact::ChangeAnswered { request: 23, answer: ConfChangeResponse::Unknown }, vec![23, 2]),
        (Fact::Answered { term }, vec![20]),
        (Fact::ReadConfirmed { read: request, term, index, by: ConfirmedBy::Lease }, vec![15, 16, 20, 21, 1]),
        (Fact::ReadArrived { read: request }, vec![15, 16]),
        (Fact::Counts { term, follower: 3, identity: 24, match_index: index }, vec![20, 3, 24, 21]),
        (Fact::Identified { identity: 24 }, vec![24]),
        (Fact::SessionLifetime { lifetime: 27 }, vec![27]),
        (Fact::ToldToCampaign { term, leader: Some(28) }, vec![20, 29]),
        (Fact::CampaignedByOrder { term }, vec![20]),
        (Fact::Redirected { leader: 30 }, vec![30]),
        (Fact::Healed, vec![]),
        (
            Fact::EntriesSent { term, follower: 3, entries: 31, first: index, identity: 24 },
            vec![20, 3, 31, 21, 24],
        ),
        (Fact::ChunkSent { term, follower: 3, last, bytes: 32, size: 33 }, vec![20, 3, 13, 14, 32, 33]),
        (
            Fact::Kept { requests: 34, promises: 35, parts: 36, followers: vec![2, 3] },
            vec![34, 35, 36, 2, 2, 3],
        ),
        (Fact::Damaged, vec![]),
        (
            Fact::CommandRejected { reason: RejectionReason::NotCaughtUp, servers: vec![2, 3] },
            vec![2, 2, 2, 3],
        ),
        (Fact::ClockChanged { jump: 37, rate: 38 }, vec![37, 38]),
        (Fact::LeasePromised { length: 39 }, vec![39]),
        (Fact::SizeKept { before: 40, after: 41 }, vec![40, 41]),
    ];
    let node = 5;
    for (number, (fact, fields)) in (1..).zip(facts) {
        let words = [node << 8 | number].into_iter().chain(fields);
        let expected = words.fold(Digest::EMPTY, Digest::then);
        assert_eq!(fact.digest(Digest::EMPTY, node), expected, "{fact:?} must keep number {number}");
    }
}

#[test]
fn event_kinds_keep_their_numbers_in_the_digest() {
    let kinds = [
        EventKind::Message,
        EventKind::Request,
        EventKind::Reply,
        EventKind::Timer,
        EventKind::SyncDone,
        EventKind::SyncReport,
        EventKind::ClientTimer,
        EventKind::Fault,
        EventKind::FaultEnd,
        EventKind::SyncFailed,
        EventKind::Operator,
    ];
    assert_eq!(kinds.map(|kind| kind as u64), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn fault_kinds_keep_their_numbers_in_the_digest() {
    let names = FaultKind::ALL.map(|(name, _)| name);
    let numbered = [
        "crash",
        "power-loss",
        "pause",
        "one-way-partition",
        "partition",
        "degraded-network",
        "slow-disk",
        "stalled-disk",
        "clock-rate",
        "clock-jump",
        "wall-jump",
        "bit-rot",
        "transfer",
        "change",
        "leave",
        "disk-error",
        "wipe",
        "mid-step-crash",
        "held-messages",
        "topology",
        "full-disk",
    ];
    assert_eq!(names, numbered, "the index of a kind is part of the digest: add new kinds at the end");
}
