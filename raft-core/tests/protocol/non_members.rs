//! Responses from servers that are no members are ignored, whatever they respond to, and in any term (thesis 4.2.3).
//! Requests are accepted from any server.

use crate::table::Table;
use raft_core::{
    ConfChange, ConfChangeOp, DirectoryId, Effect, Entries, Envelope, ForwardOutcome, ForwardRequest, Index,
    Input, LogId, Message, MessageContext, NodeId, Raft, ReadKey, ReplicaKey, RequestId, Response, Role,
    SnapshotChunk, Term, Timestamp,
};

fn replica(id: u64) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory_id: DirectoryId(0) }
}

/// One of each kind of response.
fn responses(term: Term) -> Vec<Message> {
    let context = MessageContext { round: 1_000, sent_at: Timestamp(u64::MAX) };
    let last = LogId { index: Index(1), term: Term(1) };
    let ended = ForwardOutcome::Completed(Response::NotLeader { hint: None });
    vec![
        Message::PreVoteResponse { term, granted: true },
        Message::PreVoteResponse { term, granted: false },
        Message::RequestVoteResponse { term, granted: true },
        Message::RequestVoteResponse { term, granted: false },
        Message::AppendEntriesResponse { term, match_index: Index(1), context },
        Message::AppendEntriesRejected { term, prev_log: Index(0), hint: LogId::default() },
        Message::InstallSnapshotResponse { term, last, received: 1, end: 1, context },
        Message::ForwardResponse { term, forward_id: 0, outcome: ForwardOutcome::Appended(last) },
        Message::ForwardResponse { term, forward_id: 0, outcome: ForwardOutcome::ReadAt(Index(1)) },
        Message::ForwardResponse { term, forward_id: 0, outcome: ended },
    ]
}

/// Gives a server a message, without the table's checks.
fn step_with(t: &Table, id: u64, from: ReplicaKey, message: &Message) -> (Raft, Vec<Effect>) {
    let (mut raft, mut effects) = (t.raft(id).clone(), Vec::new());
    let envelope = Envelope { cluster: 0, from, to: raft.replica(), message: message.clone() };
    raft.step(Timestamp(t.server(id).now), Input::Receive(envelope), &mut effects);
    (raft, effects)
}

/// Whether a server accepts the responses of another one: all kinds or none.
fn accepts_responses_of(t: &Table, id: u64, from: ReplicaKey) -> bool {
    let later = Term(t.raft(id).term().0 + 50);
    let (mut handled, mut dropped) = (Vec::new(), Vec::new());
    for message in responses(later) {
        if matches!(message, Message::PreVoteResponse { granted: true, .. }) {
            continue; // It names a term that no server is in.
        }
        let (after, effects) = step_with(t, id, from, &message);
        if after.term() == later {
            assert!(!after.is_leader(), "{message}");
            handled.push(message);
        } else {
            assert_eq!((&after, effects), (t.raft(id), Vec::new()), "{message}");
            dropped.push(message);
        }
    }
    assert!(handled.is_empty() || dropped.is_empty(), "handled: {handled:?}, dropped: {dropped:?}");
    dropped.is_empty()
}

/// The servers of n1 to n6, without directory ids, whose responses a server accepts.
fn accepted_responders(t: &Table, id: u64) -> Vec<u64> {
    (1..=6).filter(|&other| other != id && accepts_responses_of(t, id, replica(other))).collect()
}

/// A cluster with three initial voters, led by n1, with pre-vote, check-quorum and forwarding.
fn led_by_n1(servers: u64) -> Table {
    let mut t = Table::with_initial_voters(3, servers, |config| {
        (config.pre_vote, config.check_quorum, config.forward) = (true, true, true);
    });
    t.quietly(|t| {
        t.elect(1);
        settle(t);
    });
    t
}

fn settle(t: &mut Table) {
    for _ in 0..2 {
        t.heartbeat(1);
        t.deliver_all();
    }
}

/// n1 of three in each role.
fn in_each_role(guarded: bool) -> Vec<(&'static str, Table)> {
    type Action = fn(&mut Table);
    let roles: [(&str, bool, Action); 4] = [
        ("follower", true, |t| t.elect(2)),
        ("pre-candidate", true, |t| {
            t.elect(2);
            t.pause(1, 1_000);
            t.time_out(1);
        }),
        ("candidate", false, |t| t.time_out(1)),
        ("leader", true, |t| t.elect(1)),
    ];
    let table = |(name, pre_vote, setup): (&'static str, bool, Action)| {
        let mut t = Table::with(3, |config| {
            (config.pre_vote, config.check_quorum, config.forward) = (pre_vote, guarded, true);
        });
        setup(&mut t);
        t.messages.clear();
        (name, t)
    };
    roles.into_iter().map(table).collect()
}

#[test]
fn responses_of_non_member_change_no_role() {
    for (role, t) in [in_each_role(true), in_each_role(false)].concat() {
        for message in (0..10).chain([100]).flat_map(|term| responses(Term(term))) {
            let (after, effects) = step_with(&t, 1, replica(4), &message);
            assert_eq!(
                (&after, effects),
                (t.raft(1), Vec::new()),
                "{role}: {message} term {}",
                message.term()
            );
        }
        assert_eq!(accepted_responders(&t, 1), [2, 3], "{role}");
    }
}

#[test]
fn requests_of_non_member_are_accepted() {
    let (term, last, context) =
        (Term(9), LogId { index: Index(9), term: Term(8) }, MessageContext::default());
    for (role, t) in in_each_role(false) {
        let configuration = t.raft(1).configuration().clone();
        let chunk = SnapshotChunk { last, configuration, size: 1, offset: 0, data: "a".into() };
        let requests = [
            Message::RequestVote { term, last, transfer: false },
            Message::RequestVote { term, last, transfer: true },
            Message::AppendEntries {
                term,
                prev_log: last,
                entries: Entries::NONE,
                commit_index: Index(0),
                context,
            },
            Message::InstallSnapshot { term, chunk: Box::new(chunk), context },
            Message::Forward { term, forward_id: 7, request: ForwardRequest::Read(ReadKey::default()) },
        ];
        for message in requests {
            let (after, _) = step_with(&t, 1, replica(4), &message);
            assert_eq!(after.term(), term, "{role}: {message}");
        }
        let (_, effects) = step_with(&t, 1, replica(4), &Message::PreVote { term, last });
        assert!(matches!(&effects[..], [Effect::Send(_)]), "{role}: {effects:?}");
    }
}

#[test]
fn removed_server_is_accepted_until_removal_commits() {
    let mut t = led_by_n1(3);
    t.hold(2, 1);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    assert_eq!(accepted_responders(&t, 1), [2, 3], "the removal may be truncated, and n3 may lead");
    t.deliver_all();
    assert_eq!(accepted_responders(&t, 2), [1, 3], "n2 does not know the commit index either");
    t.release(2, 1);
    settle(&mut t);
    assert_eq!(accepted_responders(&t, 1), [2]);
    assert_eq!(accepted_responders(&t, 2), [1]);
    t.quietly(|t| {
        t.crash(2);
        t.restart(2);
    });
    assert_eq!(accepted_responders(&t, 2), [1, 3], "a restart loses the commit index");
    settle(&mut t);
    assert_eq!(accepted_responders(&t, 2), [1]);
}

#[test]
fn added_server_is_accepted_from_its_entry_on() {
    for step in [ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddVoter(NodeId(4))] {
        let mut t = led_by_n1(4);
        assert_eq!(accepted_responders(&t, 1), [2, 3]);
        t.cut(1);
        t.change_steps(1, &[step]);
        assert_eq!(accepted_responders(&t, 1), [2, 3, 4], "the addition counts before it is committed");
        t.heal();
        settle(&mut t);
        assert_eq!(accepted_responders(&t, 1), [2, 3, 4]);
        assert_eq!(accepted_responders(&t, 2), [1, 3, 4]);
        assert_eq!(accepted_responders(&t, 4), [1, 2, 3]);
    }
}

#[test]
fn server_with_truncated_addition_is_ignored() {
    let mut t = Table::with_initial_voters(3, 4, |_| {});
    t.elect(1);
    settle(&mut t);
    t.cut(1);
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(4))]);
    assert_eq!(accepted_responders(&t, 1), [2, 3, 4]);
    t.elect(2);
    t.heal();
    t.heartbeat(2);
    t.deliver_all();
    assert_eq!(accepted_responders(&t, 1), [2, 3], "{}", t.transcript());
}

#[test]
fn joint_halves_are_accepted_until_end_commits() {
    let mut t = led_by_n1(6);
    let joins = [4, 5].map(|id| ConfChangeOp::AddVoter(NodeId(id))).into_iter();
    // n2 becomes a learner at the end, and n3 is removed; n6 is a learner from now on.
    let others = [
        ConfChangeOp::AddLearner(NodeId(2)),
        ConfChangeOp::Remove(NodeId(3)),
        ConfChangeOp::AddLearner(NodeId(6)),
    ];
    let change = ConfChange::ExplicitJoint(joins.chain(others).collect());
    t.hold(1, 2);
    t.hold(1, 3);
    t.change(1, change);
    t.deliver_all();
    assert_eq!(accepted_responders(&t, 1), [2, 3, 4, 5, 6], "the joint phase is not committed");
    t.release(1, 2);
    t.release(1, 3);
    settle(&mut t);
    assert_eq!(accepted_responders(&t, 1), [2, 3, 4, 5, 6]);
    assert_eq!(accepted_responders(&t, 4), [1, 2, 3, 5, 6]);
    [4, 5].into_iter().for_each(|id| t.hold(1, id));
    t.change(1, ConfChange::LeaveJoint);
    assert!(!t.raft(1).configuration().is_member(NodeId(3)));
    assert_eq!(accepted_responders(&t, 1), [2, 3, 4, 5, 6], "the end of the joint phase is not committed");
    [4, 5].into_iter().for_each(|id| t.release(1, id));
    settle(&mut t);
    assert_eq!(accepted_responders(&t, 1), [2, 4, 5, 6], "n2 is a learner, and n3 is removed");
}

#[test]
fn leader_with_committed_self_removal_is_ignored() {
    let mut t = led_by_n1(3);
    t.hold(2, 1);
    t.hold(3, 1);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(1))]);
    assert_eq!(accepted_responders(&t, 1), [2, 3], "n1 leads until its removal is committed");
    t.deliver_all();
    assert_eq!(accepted_responders(&t, 2), [1, 3]);
    t.release(2, 1);
    t.release(3, 1);
    t.deliver_all();
    let leader =
        [2, 3].into_iter().find(|&id| t.raft(id).is_leader()).expect("n1 has transferred its leadership");
    t.heartbeat(leader);
    t.deliver_all();
    t.heartbeat(leader);
    t.deliver_all();
    assert_eq!(accepted_responders(&t, leader), [5 - leader], "{}", t.transcript());
}

#[test]
fn only_configured_directory_id_is_accepted() {
    let key =
        |id: u64, directory_id: u64| ReplicaKey { id: NodeId(id), directory_id: DirectoryId(directory_id) };
    let mut t = Table::with_initial_voters(3, 4, |config| {
        config.directory_id = DirectoryId(config.id.0 + 10);
        config.directory_ids = (1..=3).map(|id| (NodeId(id), DirectoryId(id + 10))).collect();
    });
    t.elect(1);
    settle(&mut t);
    assert!(accepts_responses_of(&t, 1, key(3, 13)));
    assert!(!accepts_responses_of(&t, 1, key(3, 0)) && !accepts_responses_of(&t, 1, key(3, 113)));
    // A server that returns with another directory id is removed first, so a change names only one of the two.
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    settle(&mut t);
    assert!(!accepts_responses_of(&t, 1, key(3, 13)));
    t.cut(1);
    t.change_steps(
        1,
        &[ConfChangeOp::SetDirectoryId(NodeId(3), DirectoryId(113)), ConfChangeOp::AddLearner(NodeId(3))],
    );
    assert!(accepts_responses_of(&t, 1, key(3, 113)) && !accepts_responses_of(&t, 1, key(3, 13)));
}

#[test]
fn joining_server_accepts_forward_response_of_its_leader() {
    // n3's empty log says that n1 is the only member; n2 leads by now.
    let mut t = Table::with_initial_voters(1, 3, |config| config.forward = true);
    let message = Message::AppendEntries {
        term: Term(7),
        prev_log: LogId { index: Index(9), term: Term(7) },
        entries: Entries::NONE,
        commit_index: Index(9),
        context: MessageContext::default(),
    };
    t.lenient = true; // No election made n2 leader.
    t.inject(2, 3, message);
    t.deliver(2, 3);
    assert_eq!(t.raft(3).leader(), Some(NodeId(2)));
    t.propose(3, "x=1");
    let forwarded = t.messages.iter().find_map(|envelope| match envelope.message {
        Message::Forward { forward_id, .. } => Some(forward_id),
        _ => None,
    });
    let forward_id = forwarded.expect("n3 must forward the proposal");
    let outcome = ForwardOutcome::Completed(Response::NotLeader { hint: None });
    let response = Message::ForwardResponse { term: Term(7), forward_id, outcome };
    let (after, effects) = step_with(&t, 3, replica(4), &response);
    assert_eq!((&after, effects), (t.raft(3), Vec::new()), "nothing was forwarded to n4");
    let (_, effects) = step_with(&t, 3, replica(2), &response);
    let unknown = Effect::Respond { request: RequestId(0), response: Response::Unknown };
    assert_eq!(effects, [unknown], "n2 was");
}

#[test]
fn rejection_of_non_member_does_not_depose_leader() {
    let mut t = led_by_n1(4);
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(4))]);
        settle(t);
        t.cut(4);
        t.change_steps(1, &[ConfChangeOp::Remove(NodeId(4))]);
        t.deliver_all();
        settle(t);
        t.heal();
    });
    t.describe("n4 was removed while it was cut off, and is in term 9 when a late message of n1 reaches it.");
    t.show();
    t.inject(
        4,
        1,
        Message::AppendEntriesRejected { term: Term(9), prev_log: Index(2), hint: LogId::default() },
    );
    t.deliver(4, 1);
    t.describe("n1 still leads. A rejection from n3, which is a member, would depose it.");
    t.show();
    t.inject(
        3,
        1,
        Message::AppendEntriesRejected { term: Term(9), prev_log: Index(2), hint: LogId::default() },
    );
    t.deliver(3, 1);
    assert!(matches!(t.raft(1).role(), Role::Follower));
    insta::assert_snapshot!(t.transcript());
}
