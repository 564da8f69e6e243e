//! What a server reports for metrics and debugging.

use crate::table::{MS, Table};
use raft_core::status::{FollowerStatus, LeaderStatus, ProgressStatus, ReceivingStatus, RoleStatus, Status};
use raft_core::{ConfChangeOp, Index, Input, LogId, NodeId, Term, Timestamp};

fn at(index: u64) -> LogId {
    LogId { index: Index(index), term: Term(1) }
}

fn leader(t: &Table) -> LeaderStatus {
    match t.raft(1).status().role {
        RoleStatus::Leader(leader) => leader,
        other => panic!("n1 must report that it leads, not {other:?}"),
    }
}

fn follower(t: &Table, id: u64) -> FollowerStatus {
    let followers = leader(t).followers;
    *followers.iter().find(|follower| follower.replica.id == NodeId(id)).expect("a member")
}

#[test]
fn status_of_every_role() {
    let mut t = Table::of(3);
    let Status { role, term, vote, leader, last, snapshot, .. } = t.raft(2).status();
    assert_eq!((role, term, vote, leader), (RoleStatus::Follower, Term(0), None, None));
    assert_eq!((last, snapshot), (LogId::default(), None));
    t.time_out(1);
    let granted = vec![NodeId(1)];
    assert_eq!(t.raft(1).status().role, RoleStatus::Candidate { granted });
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
    t.slow_disk(2);
    t.propose(1, "x=1");
    t.deliver(1, 2);
    let raft = t.raft(2);
    let expected = Status {
        replica: raft.replica(),
        term: Term(1),
        vote: Some(NodeId(1)),
        role: RoleStatus::Follower,
        leader: Some(NodeId(1)),
        halted: false,
        configuration: raft.configuration().clone(),
        configuration_index: Index(0),
        compacted: LogId::default(),
        last: at(2),
        durable_index: Index(1),
        commit_index: Index(1),
        last_applied: Index(1),
        snapshot: None,
        receiving: None,
        pending_forwards: 0,
        held_promises: 1,
    };
    assert_eq!(raft.status(), expected);
    let (mut raft, mut effects) = (raft.clone(), Vec::new());
    raft.step(Timestamp(t.server(2).now), Input::SaveFailed, &mut effects);
    assert_eq!(raft.status(), Status { halted: true, leader: None, held_promises: 0, ..expected });
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.time_out(3);
    t.deliver(3, 1);
    assert_eq!(t.raft(3).status().role, RoleStatus::PreCandidate { granted: vec![NodeId(3)] });
}

#[test]
fn leader_status_has_progress_of_each_follower() {
    let mut t = Table::with_initial_voters(3, 4, |config| config.max_chunk_bytes = 4);
    t.elect(1);
    t.heartbeat(1);
    t.deliver_all();
    let last_contact = Timestamp(t.server(1).now);
    let replicating = |messages, bytes| ProgressStatus::Replicate { messages, bytes };
    for id in [2, 3] {
        let status = FollowerStatus {
            replica: t.replica(id),
            match_index: Index(1),
            next_index: Index(2),
            state: replicating(0, 0),
            last_contact,
        };
        assert_eq!(follower(&t, id), status);
    }
    t.pause(1, 10);
    t.propose(1, "x=1");
    t.propose(1, "yy=22");
    assert_eq!(follower(&t, 2).state, replicating(2, 8));
    assert_eq!((follower(&t, 2).match_index, follower(&t, 2).next_index), (Index(1), Index(4)));
    assert_eq!((leader(&t).proposals, leader(&t).uncommitted_bytes), (2, 2 * 64 + 8));
    t.read(1, "r");
    assert_eq!(leader(&t).reads, 1);
    t.deliver_all();
    assert_eq!((leader(&t).proposals, leader(&t).reads, leader(&t).uncommitted_bytes), (0, 0, 0));
    assert_eq!(follower(&t, 2).last_contact, Timestamp(last_contact.0 + 10 * MS));
    // A new member is probed.
    t.hold(1, 4);
    t.hold(4, 1);
    t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(4))]);
    assert_eq!(follower(&t, 4).state, ProgressStatus::Probe { waiting: true });
    assert!(t.raft(1).status().configuration.learners.contains(&NodeId(4)));
    assert_eq!(t.raft(1).status().configuration_index, Index(4));
    t.deliver_all();
    // n4 lacks compacted entries: it gets a snapshot in chunks of 4 bytes.
    t.compact(1, 0);
    assert_eq!((t.raft(1).status().compacted, t.raft(1).status().snapshot), (at(4), Some(at(4))));
    t.pause(1, 100);
    t.heartbeat(1);
    let state = |sent, received| ProgressStatus::Snapshot { last: at(4), size: 9, sent, received };
    assert_eq!(follower(&t, 4).state, state(9, 0));
    t.messages.retain(|envelope| !envelope.message.to_string().starts_with("AppendEntries"));
    t.deliver(1, 4);
    assert_eq!(t.raft(4).status().receiving, Some(ReceivingStatus { last: at(4), received: 4 }));
    t.deliver(4, 1);
    assert_eq!(follower(&t, 4).state, state(9, 4));
    t.release(1, 4);
    t.release(4, 1);
    t.deliver_all();
    assert_eq!((follower(&t, 4).state, follower(&t, 4).match_index), (replicating(0, 0), Index(4)));
    let n4 = t.raft(4).status();
    assert_eq!(
        (n4.compacted, n4.snapshot, n4.receiving, n4.last_applied),
        (at(4), Some(at(4)), None, Index(4))
    );
}

#[test]
fn leader_status_has_transfer() {
    let mut t = Table::of(3);
    t.elect(1);
    t.heartbeat(1);
    t.deliver_all();
    assert_eq!(leader(&t).transfer, None);
    t.hold(1, 3);
    t.propose(1, "x=1");
    t.deliver_all();
    t.transfer(1, 3);
    let deadline = Timestamp(t.server(1).now + 300 * MS);
    let transfer = leader(&t).transfer.expect("a transfer is in progress");
    assert_eq!((transfer.to, transfer.deadline, transfer.timeout_now_sent), (NodeId(3), deadline, false));
    t.deliver(1, 3);
    t.deliver(3, 1);
    assert!(leader(&t).transfer.expect("a transfer is in progress").timeout_now_sent, "n3 has the whole log");
}

#[test]
fn status_counts_forwarded_requests() {
    let mut t = Table::with(3, |config| config.forward = true);
    t.elect(1);
    t.heartbeat(1);
    t.deliver_all();
    t.propose(2, "x=1");
    t.read(2, "r");
    assert_eq!(t.raft(2).status().pending_forwards, 2);
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
    assert_eq!(t.raft(2).status().pending_forwards, 0);
}

#[test]
fn status_changes_nothing() {
    let mut t = Table::of(3);
    t.elect(1);
    t.propose(1, "x=1");
    let before = t.raft(1).clone();
    assert_eq!(t.raft(1).status(), t.raft(1).status());
    assert_eq!(t.raft(1), &before);
}

#[test]
fn host_reads_payloads_of_borrowed_log() {
    let mut t = Table::of(1);
    t.elect(1);
    ["x=1", "y=2", "z=3"].into_iter().for_each(|command| t.propose(1, command));
    t.compact(1, 2);
    let log = t.raft(1).log();
    assert_eq!((log.compacted(), log.last()), (at(2), at(4)));
    let commands = |first: u64, last: u64| -> Vec<String> {
        let entries = log.entries(Index(first), Index(last));
        entries.iter().map(|entry| format!("{:?}", entry.payload)).collect()
    };
    assert_eq!(commands(3, 4), [r#"Command(b"y=2")"#, r#"Command(b"z=3")"#]);
    assert_eq!(commands(4, 4), [r#"Command(b"z=3")"#]);
    assert_eq!(commands(4, 3), [] as [&str; 0]);
    let panicked = std::panic::catch_unwind(|| log.entries(Index(2), Index(4)));
    assert!(panicked.is_err(), "reading compacted entries must panic");
}
