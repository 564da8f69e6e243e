//! Errors of a host and their consequences: each testable row of the table in `io.rs`, and every state that cannot have
//! been saved.

use crate::table::Table;
use proptest::prelude::*;
use raft_core::{
    Checkpoint, Config, Configuration, DirectoryId, Effect, Entry, Envelope, Index, Input, LogId, Malformed,
    Message, NodeId, Payload, Raft, ReadKey, Recovered, RecoveredError, ReplicaKey, RequestId, Response,
    Role, SaveId, Snapshot, StartError, Term, Timestamp,
};
use std::sync::Arc;

fn at(index: u64, term: u64) -> LogId {
    LogId { index: Index(index), term: Term(term) }
}

fn noops(terms: &[u64]) -> Vec<Entry> {
    terms.iter().map(|&term| Entry { term: Term(term), payload: Payload::Noop }).collect()
}

fn group(voters: &[u64]) -> Configuration {
    Configuration { voters: voters.iter().copied().map(NodeId).collect(), ..Configuration::default() }
}

/// Term 5, a vote, and a log with these terms.
fn log(terms: &[u64]) -> Recovered {
    Recovered { term: Term(5), vote: Some(NodeId(2)), checkpoint: None, entries: noops(terms) }
}

/// The same log after a compacted entry, with a snapshot.
fn after(compacted: LogId, snapshot: LogId, terms: &[u64]) -> Recovered {
    let configuration = Arc::new(group(&[1, 2, 3]));
    let snapshot = Snapshot { last: snapshot, configuration: configuration.clone(), data: "state".into() };
    Recovered {
        checkpoint: Some(Checkpoint { snapshot, compacted, configuration, installed: false }),
        ..log(terms)
    }
}

fn start(recovered: Recovered) -> Result<Raft, StartError> {
    Raft::new(Config::new(NodeId(1), [1, 2, 3].map(NodeId).to_vec()), recovered, Timestamp(0))
}

#[test]
fn impossible_recovered_state_is_rejected_with_its_position() {
    use RecoveredError as E;
    let vote_in_term_zero = Recovered { term: Term(0), ..log(&[]) };
    let cases = [
        (vote_in_term_zero, E::VoteInTermZero { vote: NodeId(2) }, "a vote for n2 in term 0"),
        (log(&[0]), E::ImpossibleTerm { entry: at(1, 0) }, "1@0; term 0"),
        (after(at(3, 0), at(3, 0), &[]), E::ImpossibleTerm { entry: at(3, 0) }, "3@0; term 0"),
        (after(at(0, 2), at(1, 2), &[2]), E::ImpossibleTerm { entry: at(0, 2) }, "0@2; term 0"),
        (log(&[1, 3, 2]), E::TermDecreases { entry: at(3, 2), previous: at(2, 3) }, "3@2 follows 2@3"),
        (
            after(at(7, 4), at(7, 4), &[3]),
            E::TermDecreases { entry: at(8, 3), previous: at(7, 4) },
            "8@3 follows 7@4",
        ),
        (log(&[1, 6, 7]), E::BeyondSavedTerm { entry: at(2, 6), term: Term(5) }, "2@6 is of a term after"),
        (
            after(at(7, 6), at(7, 6), &[]),
            E::BeyondSavedTerm { entry: at(7, 6), term: Term(5) },
            "7@6 is of a term",
        ),
        (
            after(at(7, 4), at(6, 4), &[5]),
            E::GapAfterSnapshot { snapshot: at(6, 4), compacted: at(7, 4) },
            "ends at 6@4, and the log begins after 7@4",
        ),
        (
            after(at(0, 0), at(0, 0), &[5]),
            E::GapAfterSnapshot { snapshot: at(0, 0), compacted: at(0, 0) },
            "ends at 0@0",
        ),
        (
            after(at(7, 4), at(9, 5), &[5]),
            E::SnapshotBeyondLog { snapshot: at(9, 5), last: at(8, 5) },
            "ends at 9@5, beyond the end of the log at 8@5",
        ),
        (
            after(at(7, 4), at(8, 4), &[5]),
            E::SnapshotDiffers { snapshot: at(8, 4), entry: at(8, 5) },
            "ends at 8@4, where the log has 8@5",
        ),
        (
            after(at(7, 4), at(7, 3), &[5]),
            E::SnapshotDiffers { snapshot: at(7, 3), entry: at(7, 4) },
            "ends at 7@3, where the log has 7@4",
        ),
    ];
    for (recovered, error, says) in cases {
        assert_eq!(start(recovered), Err(StartError::Recovered(error)));
        assert!(error.to_string().starts_with("what was recovered cannot have been saved: "), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn malformed_recovered_configuration_is_rejected() {
    let nodes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
    let many: Vec<u64> = (1..=65).collect();
    let joint = Configuration { old_voters: nodes(&[1, 2]), ..group(&[1, 3]) };
    let malformed = [
        (group(&[]), Malformed::NoVoters),
        (Configuration { learners: nodes(&[1]), ..group(&[]) }, Malformed::NoVoters),
        (group(&many), Malformed::TooManyMembers),
        (Configuration { learners: nodes(&many[2..]), ..group(&[1, 2]) }, Malformed::TooManyMembers),
        (group(&[2, 1]), Malformed::Unsorted),
        (group(&[1, 1]), Malformed::Unsorted),
        (Configuration { learners: nodes(&[5, 4]), ..group(&[1]) }, Malformed::Unsorted),
        (Configuration { old_voters: nodes(&[2, 2]), ..group(&[1]) }, Malformed::Unsorted),
        (Configuration { learners: nodes(&[2]), ..group(&[1, 2]) }, Malformed::VoterAndLearner(NodeId(2))),
        (Configuration { learners: nodes(&[2]), ..joint.clone() }, Malformed::VoterAndLearner(NodeId(2))),
        (Configuration { learners_next: nodes(&[2]), ..group(&[1]) }, Malformed::NextLearner(NodeId(2))),
        (Configuration { learners_next: nodes(&[1]), ..joint.clone() }, Malformed::NextLearner(NodeId(1))),
        (
            Configuration { directory_ids: vec![(NodeId(9), DirectoryId(1))], ..group(&[1]) },
            Malformed::DirectoryIdOfNonMember(NodeId(9)),
        ),
    ];
    for (configuration, why) in malformed {
        assert_eq!(configuration.validate(), Err(why));
        let bad = Arc::new(configuration);
        let mut in_log = log(&[1, 1]);
        in_log.entries[1].payload = Payload::Configuration(bad.clone());
        let (mut at_base, mut in_snapshot) =
            (after(at(3, 1), at(4, 2), &[2]), after(at(3, 1), at(4, 2), &[2]));
        at_base.checkpoint.as_mut().expect("given").configuration = bad.clone();
        in_snapshot.checkpoint.as_mut().expect("given").snapshot.configuration = bad;
        for (recovered, index) in [(in_log, 2), (at_base, 3), (in_snapshot, 4)] {
            let error = RecoveredError::Malformed { index: Index(index), why };
            assert_eq!(start(recovered), Err(StartError::Recovered(error)));
            assert!(error.to_string().ends_with(&format!("at {index} is malformed: {why}")), "{error}");
        }
    }
    // An outgoing voter may be a future learner.
    let legal = Configuration { learners_next: nodes(&[2]), learners: nodes(&[7]), ..joint };
    assert_eq!(legal.validate(), Ok(()));
}

#[test]
fn unusual_but_possible_recovered_state_is_accepted() {
    let legal = [
        Recovered::default(),
        log(&[]),
        log(&[1, 1, 3, 5]),
        // A candidate may come from a configuration that the voter does not have.
        Recovered { vote: Some(NodeId(99)), ..log(&[1]) },
        // It voted for itself, and its log of that time was replaced since.
        Recovered { vote: Some(NodeId(1)), ..log(&[1]) },
        // A snapshot without compaction.
        after(at(0, 0), at(1, 1), &[1, 1]),
        after(at(3, 2), at(3, 2), &[]),
        after(at(3, 2), at(5, 4), &[4, 4, 5]),
    ];
    for recovered in legal {
        let raft = start(recovered.clone()).unwrap_or_else(|error| panic!("{error}: {recovered:?}"));
        assert_eq!((raft.term(), raft.vote()), (recovered.term, recovered.vote));
    }
}

proptest! {
    /// For any recovered state, a server starts and runs, or returns an error.
    #[test]
    fn no_recovered_state_causes_a_panic(
        term in 0..4_u64,
        vote in proptest::option::of(0..5_u64),
        checkpoint in proptest::option::of(((0..4_u64, 0..4_u64), (0..6_u64, 0..4_u64), 0..3_u64)),
        entries in proptest::collection::vec((0..4_u64, proptest::option::of(0..3_u64)), 0..4),
    ) {
        let entries = entries.into_iter().map(|(term, voters)| Entry {
            term: Term(term),
            payload: voters.map_or(Payload::Noop, |voters| {
                Payload::Configuration(Arc::new(group(&(1..=voters).collect::<Vec<_>>())))
            }),
        });
        let checkpoint = checkpoint.map(|(compacted, last, voters)| {
            let configuration = Arc::new(group(&(1..=voters).collect::<Vec<_>>()));
            let snapshot =
                Snapshot { last: at(last.0, last.1), configuration: configuration.clone(), data: "s".into() };
            Checkpoint { snapshot, compacted: at(compacted.0, compacted.1), configuration, installed: false }
        });
        let recovered =
            Recovered { term: Term(term), vote: vote.map(NodeId), checkpoint, entries: entries.collect() };
        if let Ok(mut raft) = start(recovered) {
            let mut effects = Vec::new();
            raft.step(Timestamp(0), Input::Saved(SaveId(0)), &mut effects);
            for _ in 0..3 {
                let due = raft.deadline().expect("a running server has a deadline");
                raft.step(due, Input::Timer, &mut effects);
            }
        }
    }
}

/// A cluster of three, led by n1.
fn led() -> Table {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.deliver_all();
    });
    t
}

/// A copy of a server, detached from the table's disk.
fn detached(t: &Table, id: u64) -> (Raft, Timestamp) {
    (t.raft(id).clone(), Timestamp(t.server(id).now))
}

#[test]
#[should_panic(expected = "the host says that write 99 is durable, which was never issued")]
fn completion_of_unissued_save_panics() {
    let (mut raft, now) = detached(&led(), 1);
    raft.step(now, Input::Saved(SaveId(99)), &mut Vec::new());
}

#[test]
fn repeated_completion_changes_nothing() {
    for id in 1..=3 {
        let (before, now) = detached(&led(), id);
        for save in 0..=1 {
            let (mut raft, mut effects) = (before.clone(), Vec::new());
            raft.step(now, Input::Saved(SaveId(save)), &mut effects);
            assert_eq!((raft, effects), (before.clone(), Vec::new()), "n{id}, write {save}");
        }
    }
}

#[test]
fn halted_server_ignores_completions() {
    for id in 1..=3 {
        let (mut raft, now) = detached(&led(), id);
        raft.step(now, Input::SaveFailed, &mut Vec::new());
        let halted = raft.clone();
        let mut effects = Vec::new();
        // Not even one that was never issued: a halted server checks nothing.
        for input in [Input::Saved(SaveId(1)), Input::Saved(SaveId(99)), Input::SaveFailed, Input::Timer] {
            raft.step(now, input, &mut effects);
        }
        assert_eq!((&raft, effects), (&halted, Vec::new()));
        assert!(raft.is_halted() && raft.deadline().is_none());
    }
}

#[test]
fn without_completions_server_promises_nothing() {
    let mut t = led();
    (1..=3).for_each(|id| t.slow_disk(id));
    t.propose(1, "x=1");
    t.deliver_all();
    assert_eq!(t.raft(1).commit_index(), Index(1), "followers must not acknowledge");
    t.quietly(|t| t.wait(1, 301));
    assert!(!t.raft(1).is_leader(), "the leader must step down, since others may have a working disk");
    // Nor does a server that has just started and gets no completion of write 0.
    let mut raft = start(Recovered { term: Term(5), ..log(&[1]) }).expect("this state can have been saved");
    let mut effects = Vec::new();
    for _ in 0..20 {
        let due = raft.deadline().expect("a running server has a deadline");
        raft.step(due, Input::Timer, &mut effects);
    }
    assert!(!matches!(raft.role(), Role::Leader(_)));
    let sends = effects.iter().filter(|effect| {
        matches!(effect, Effect::Send(envelope)
        if !matches!(envelope.message, Message::PreVote { .. }))
    });
    assert_eq!(sends.count(), 0, "{effects:?}");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Apply { .. } | Effect::Restore(_))));
}

#[test]
fn early_timer_does_nothing() {
    for id in 1..=3 {
        let (before, now) = detached(&led(), id);
        let due = before.deadline().expect("a running server has a deadline");
        for early in [now, Timestamp(now.0.midpoint(due.0)), Timestamp(due.0 - 1)] {
            let (mut raft, mut effects) = (before.clone(), Vec::new());
            raft.step(early, Input::Timer, &mut effects);
            assert_eq!((raft, effects), (before.clone(), Vec::new()), "n{id}");
        }
    }
}

#[test]
fn misaddressed_messages_are_dropped() {
    let t = led();
    let (before, now) = detached(&t, 1);
    let replica_key =
        |id: u64, directory_id: u64| ReplicaKey { id: NodeId(id), directory_id: DirectoryId(directory_id) };
    let message = Message::RequestVote { term: Term(9), last: at(9, 8), transfer: true };
    let misaddressed = [
        Envelope { cluster: 1, from: replica_key(2, 0), to: replica_key(1, 0), message: message.clone() },
        Envelope { cluster: 0, from: replica_key(2, 0), to: replica_key(3, 0), message: message.clone() },
        Envelope { cluster: 0, from: replica_key(2, 0), to: replica_key(1, 7), message: message.clone() },
        Envelope { cluster: 0, from: replica_key(1, 0), to: replica_key(1, 0), message },
    ];
    for envelope in misaddressed {
        let (mut raft, mut effects) = (before.clone(), Vec::new());
        raft.step(now, Input::Receive(envelope.clone()), &mut effects);
        assert_eq!((raft, effects), (before.clone(), Vec::new()), "{envelope:?}");
    }
}

#[test]
fn clock_that_goes_back_causes_no_panic() {
    let mut t = led();
    t.propose(1, "x=1");
    t.messages.clear();
    for id in 1..=3 {
        let (mut raft, now) = detached(&t, id);
        let mut effects = Vec::new();
        for back in [0, 1, 1_000_000, 500_000_000, 900_000_000_000_000, u64::MAX] {
            let now = Timestamp(now.0.saturating_sub(back));
            for input in [Input::Timer, Input::Read { request: RequestId(back), key: ReadKey::default() }] {
                raft.step(now, input, &mut effects);
            }
        }
        assert_eq!(raft.term(), t.raft(id).term(), "n{id} must not campaign early");
    }
}

#[test]
fn reused_request_id_gets_two_responses() {
    let mut raft = start(Recovered::default()).expect("this state can have been saved");
    let mut effects = Vec::new();
    for _ in 0..2 {
        raft.step(Timestamp(0), Input::Read { request: RequestId(7), key: ReadKey::default() }, &mut effects);
    }
    let response = Effect::Respond { request: RequestId(7), response: Response::NotLeader { hint: None } };
    assert_eq!(effects, [response.clone(), response]);
}
