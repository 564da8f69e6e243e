//! Responses of servers that have no say: whatever they respond to, and in whichever term, nothing comes of it (thesis
//! 4.2.3). Requests are heard from anybody.

mod table;

use raft_core::message::{ForwardOutcome, ForwardRequest, MessageContext};
use raft_core::{
    ConfChange, ConfChangeOp, DirectoryId, Effect, Entries, Envelope, Index, Input, LogId, Message, NodeId,
    Raft, ReplicaKey, RequestId, Response, Role, SnapshotChunk, Term, Timestamp,
};
use table::Table;

fn peer(id: u64) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory_id: DirectoryId(0) }
}

/// One of each kind of response.
fn responses(term: Term) -> Vec<Message> {
    let stamp = MessageContext { round: 1_000, sent_at: Timestamp(u64::MAX) };
    let last = LogId { index: Index(1), term: Term(1) };
    let ended = ForwardOutcome::Completed(Response::NotLeader { hint: None });
    vec![
        Message::PreVoteResponse { term, granted: true },
        Message::PreVoteResponse { term, granted: false },
        Message::RequestVoteResponse { term, granted: true },
        Message::RequestVoteResponse { term, granted: false },
        Message::AppendEntriesResponse { term, match_index: Index(1), context: stamp },
        Message::AppendEntriesRejected { term, prev_log: Index(0), hint: LogId::default() },
        Message::InstallSnapshotResponse { term, last, received: 1, end: 1, context: stamp },
        Message::ForwardResponse { term, forward_id: 0, outcome: ForwardOutcome::Appended(last) },
        Message::ForwardResponse { term, forward_id: 0, outcome: ForwardOutcome::ReadAt(Index(1)) },
        Message::ForwardResponse { term, forward_id: 0, outcome: ended },
    ]
}

/// A server gets a message, and nobody watches.
fn given(t: &Table, id: u64, from: ReplicaKey, message: &Message) -> (Raft, Vec<Effect>) {
    let (mut raft, mut effects) = (t.raft(id).clone(), Vec::new());
    let envelope = Envelope { cluster: 0, from, to: raft.replica(), message: message.clone() };
    raft.step(Timestamp(t.server(id).now), Input::Receive(envelope), &mut effects);
    (raft, effects)
}

/// Whether a server listens to the responses of another one: to all kinds or to none.
fn is_member_replica(t: &Table, id: u64, from: ReplicaKey) -> bool {
    let later = Term(t.raft(id).term().0 + 50);
    let (mut last_contact, mut dropped) = (Vec::new(), Vec::new());
    for message in responses(later) {
        if matches!(message, Message::PreVoteResponse { granted: true, .. }) {
            continue; // It speaks of a term that nobody is in.
        }
        let (after, effects) = given(t, id, from, &message);
        if after.term() == later {
            assert!(!after.is_leader(), "{message}");
            last_contact.push(message);
        } else {
            assert_eq!((&after, effects), (t.raft(id), Vec::new()), "{message}");
            dropped.push(message);
        }
    }
    assert!(last_contact.is_empty() || dropped.is_empty(), "heard: {last_contact:?}, dropped: {dropped:?}");
    dropped.is_empty()
}

/// To whose responses a server listens, of the plain lives of n1 to n6.
fn have_say(t: &Table, id: u64) -> Vec<u64> {
    (1..=6).filter(|&other| other != id && is_member_replica(t, id, peer(other))).collect()
}

/// So many servers of which the first three found the group and n1 leads, with everything that guards a leader.
fn led_by_n1(servers: u64) -> Table {
    let mut t = Table::founded_by(3, servers, |config| {
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
    type Happening = fn(&mut Table);
    let roles: [(&str, bool, Happening); 4] = [
        ("follower", true, |t| t.elect(2)),
        ("pre-candidate", true, |t| {
            t.elect(2);
            t.pause(1, 1_000);
            t.time_out(1);
        }),
        ("candidate", false, |t| t.time_out(1)),
        ("leader", true, |t| t.elect(1)),
    ];
    let table = |(name, pre_vote, setup): (&'static str, bool, Happening)| {
        let mut t = Table::with(3, |config| {
            (config.pre_vote, config.check_quorum, config.forward) = (pre_vote, guarded, true);
        });
        setup(&mut t);
        t.letters.clear();
        (name, t)
    };
    roles.into_iter().map(table).collect()
}

#[test]
fn no_response_of_a_stranger_moves_any_role() {
    for (role, t) in [in_each_role(true), in_each_role(false)].concat() {
        for message in (0..10).chain([100]).flat_map(|term| responses(Term(term))) {
            let (after, effects) = given(&t, 1, peer(4), &message);
            assert_eq!(
                (&after, effects),
                (t.raft(1), Vec::new()),
                "{role}: {message} term {}",
                message.term()
            );
        }
        assert_eq!(have_say(&t, 1), [2, 3], "{role}");
    }
}

#[test]
fn requests_of_a_stranger_are_heard() {
    let (term, last, stamp) = (Term(9), LogId { index: Index(9), term: Term(8) }, MessageContext::default());
    for (role, t) in in_each_role(false) {
        let configuration = t.raft(1).configuration().clone();
        let part = SnapshotChunk { last, configuration, size: 1, offset: 0, data: "a".into() };
        let requests = [
            Message::RequestVote { term, last, transfer: false },
            Message::RequestVote { term, last, transfer: true },
            Message::AppendEntries {
                term,
                prev_log: last,
                entries: Entries::NONE,
                commit_index: Index(0),
                context: stamp,
            },
            Message::InstallSnapshot { term, chunk: Box::new(part), context: stamp },
            Message::Forward { term, forward_id: 7, request: ForwardRequest::Read },
        ];
        for message in requests {
            let (after, _) = given(&t, 1, peer(4), &message);
            assert_eq!(after.term(), term, "{role}: {message}");
        }
        let (_, effects) = given(&t, 1, peer(4), &Message::PreVote { term, last });
        assert!(matches!(&effects[..], [Effect::Send(_)]), "{role}: {effects:?}");
    }
}

#[test]
fn a_removed_server_has_a_say_until_its_removal_is_committed() {
    let mut t = led_by_n1(3);
    t.hold(2, 1);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    assert_eq!(have_say(&t, 1), [2, 3], "the removal may yet be taken back, and n3 lead");
    t.deliver_all();
    assert_eq!(have_say(&t, 2), [1, 3], "n2 does not know of the commit either");
    t.release(2, 1);
    settle(&mut t);
    assert_eq!(have_say(&t, 1), [2]);
    assert_eq!(have_say(&t, 2), [1]);
    t.quietly(|t| {
        t.crash(2);
        t.restart(2);
    });
    assert_eq!(have_say(&t, 2), [1, 3], "a restart forgets how much is committed");
    settle(&mut t);
    assert_eq!(have_say(&t, 2), [1]);
}

#[test]
fn a_server_has_a_say_from_the_entry_that_adds_it_on() {
    for step in [ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddVoter(NodeId(4))] {
        let mut t = led_by_n1(4);
        assert_eq!(have_say(&t, 1), [2, 3]);
        t.cut(1);
        t.change_steps(1, &[step]);
        assert_eq!(have_say(&t, 1), [2, 3, 4], "not committed yet");
        t.heal();
        settle(&mut t);
        assert_eq!(have_say(&t, 1), [2, 3, 4]);
        assert_eq!(have_say(&t, 2), [1, 3, 4]);
        assert_eq!(have_say(&t, 4), [1, 2, 3]);
    }
}

#[test]
fn a_server_whose_entry_is_cut_away_has_no_say_any_more() {
    let mut t = Table::founded_by(3, 4, |_| {});
    t.elect(1);
    settle(&mut t);
    t.cut(1);
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(4))]);
    assert_eq!(have_say(&t, 1), [2, 3, 4]);
    t.elect(2);
    t.heal();
    t.heartbeat(2);
    t.deliver_all();
    assert_eq!(have_say(&t, 1), [2, 3], "{}", t.transcript());
}

#[test]
fn while_joint_both_halves_have_a_say_and_the_old_one_until_the_end_is_committed() {
    let mut t = led_by_n1(6);
    let joins = [4, 5].map(|id| ConfChangeOp::AddVoter(NodeId(id))).into_iter();
    // n2 becomes a learner at the end, and n3 goes; n6 listens from now on.
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
    assert_eq!(have_say(&t, 1), [2, 3, 4, 5, 6], "the joint phase is not committed");
    t.release(1, 2);
    t.release(1, 3);
    settle(&mut t);
    assert_eq!(have_say(&t, 1), [2, 3, 4, 5, 6]);
    assert_eq!(have_say(&t, 4), [1, 2, 3, 5, 6]);
    [4, 5].into_iter().for_each(|id| t.hold(1, id));
    t.change(1, ConfChange::LeaveJoint);
    assert!(!t.raft(1).configuration().is_member(NodeId(3)));
    assert_eq!(have_say(&t, 1), [2, 3, 4, 5, 6], "its end is not committed");
    [4, 5].into_iter().for_each(|id| t.release(1, id));
    settle(&mut t);
    assert_eq!(have_say(&t, 1), [2, 4, 5, 6], "n2 listens on, and n3 is gone");
}

#[test]
fn a_leader_that_has_removed_itself_is_a_stranger_once_that_is_committed() {
    let mut t = led_by_n1(3);
    t.hold(2, 1);
    t.hold(3, 1);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(1))]);
    assert_eq!(have_say(&t, 1), [2, 3], "it leads on until the others can do without it");
    t.deliver_all();
    assert_eq!(have_say(&t, 2), [1, 3]);
    t.release(2, 1);
    t.release(3, 1);
    t.deliver_all();
    let leader = [2, 3].into_iter().find(|&id| t.raft(id).is_leader()).expect("n1 has handed over");
    t.heartbeat(leader);
    t.deliver_all();
    t.heartbeat(leader);
    t.deliver_all();
    assert_eq!(have_say(&t, leader), [5 - leader], "{}", t.transcript());
}

#[test]
fn only_the_life_that_belongs_to_the_group_has_a_say() {
    let life =
        |id: u64, directory_id: u64| ReplicaKey { id: NodeId(id), directory_id: DirectoryId(directory_id) };
    let mut t = Table::founded_by(3, 4, |config| {
        config.directory_id = DirectoryId(config.id.0 + 10);
        config.directory_ids = (1..=3).map(|id| (NodeId(id), DirectoryId(id + 10))).collect();
    });
    t.elect(1);
    settle(&mut t);
    assert!(is_member_replica(&t, 1, life(3, 13)));
    assert!(!is_member_replica(&t, 1, life(3, 0)) && !is_member_replica(&t, 1, life(3, 113)));
    // A server that is taken in again as another life is removed first: both changes are in force at once only for the log.
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    settle(&mut t);
    assert!(!is_member_replica(&t, 1, life(3, 13)));
    t.cut(1);
    t.change_steps(
        1,
        &[ConfChangeOp::SetDirectoryId(NodeId(3), DirectoryId(113)), ConfChangeOp::AddLearner(NodeId(3))],
    );
    assert!(is_member_replica(&t, 1, life(3, 113)) && !is_member_replica(&t, 1, life(3, 13)));
}

#[test]
fn a_server_that_joins_hears_the_leader_to_which_it_passes_requests_on() {
    // n3's empty log says that n1 alone is the group; n2 leads by now.
    let mut t = Table::founded_by(1, 3, |config| config.forward = true);
    let message = Message::AppendEntries {
        term: Term(7),
        prev_log: LogId { index: Index(9), term: Term(7) },
        entries: Entries::NONE,
        commit_index: Index(9),
        context: MessageContext::default(),
    };
    t.lenient = true; // That n2 leads is made up.
    t.post(2, 3, message);
    t.deliver(2, 3);
    assert_eq!(t.raft(3).leader(), Some(NodeId(2)));
    t.propose(3, "x=1");
    let forwarded = t.letters.iter().find_map(|envelope| match envelope.message {
        Message::Forward { forward_id, .. } => Some(forward_id),
        _ => None,
    });
    let token = forwarded.expect("it passes it on");
    let outcome = ForwardOutcome::Completed(Response::NotLeader { hint: None });
    let response = Message::ForwardResponse { term: Term(7), forward_id: token, outcome };
    let (after, effects) = given(&t, 3, peer(4), &response);
    assert_eq!((&after, effects), (t.raft(3), Vec::new()), "n4 was asked nothing");
    let (_, effects) = given(&t, 3, peer(2), &response);
    let unknown = Effect::Respond { request: RequestId(0), response: Response::Unknown };
    assert_eq!(effects, [unknown], "n2 was");
}

#[test]
fn a_stranger_in_a_later_term_does_not_depose_a_leader() {
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
    t.story("n4 was removed while it was cut off, and is in term 9 when a late message of n1 comes to it.");
    t.show();
    t.post(
        4,
        1,
        Message::AppendEntriesRejected { term: Term(9), prev_log: Index(2), hint: LogId::default() },
    );
    t.deliver(4, 1);
    t.story("n1 leads on. A refusal of n3, which belongs to the group, would be heard.");
    t.show();
    t.post(
        3,
        1,
        Message::AppendEntriesRejected { term: Term(9), prev_log: Index(2), hint: LogId::default() },
    );
    t.deliver(3, 1);
    assert!(matches!(t.raft(1).role(), Role::Follower));
    insta::assert_snapshot!(t.transcript());
}
