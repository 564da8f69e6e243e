//! Who is who: groups, and lives of a server. A disk that was wiped has forgotten what its server promised.

mod table;

use raft_core::{ConfChangeOp, DirectoryId, Envelope, LogId, Message, NodeId, ReplicaKey, Role, Term};
use table::Table;

/// Three founders in their first lives, led by n1. A life's number is the server's; after a wipe, a hundred more.
fn led_by_n1() -> Table {
    let mut t = founded();
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

fn founded() -> Table {
    Table::with(3, |config| {
        config.directory_id = DirectoryId(config.id.0);
        config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
    })
}

/// The machine dies, and its disk is replaced by an empty one.
fn replace_disk(t: &mut Table, id: u64) {
    t.power_loss(id);
    t.wipe(id);
    t.restart(id);
}

fn life(id: u64, directory_id: u64) -> ConfChangeOp {
    ConfChangeOp::SetDirectoryId(NodeId(id), DirectoryId(directory_id))
}

#[test]
fn a_letter_from_another_group_is_dropped() {
    let mut t = led_by_n1();
    t.story("Somewhere else another group has an n2, which believes that this is its n1.");
    let message = Message::RequestVote { term: Term(9), last: LogId::default(), transfer: true };
    t.letters.push_back(Envelope { cluster: 7, from: t.peer(2), to: t.peer(1), message: message.clone() });
    t.deliver(2, 1);
    t.story("From the own group the same letter ends n1's leadership.");
    t.post(2, 1, message);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_letter_for_another_life_is_dropped() {
    let mut t = led_by_n1();
    t.propose(1, "x=1");
    t.story("n2's machine is replaced while x=1 is on its way.");
    replace_disk(&mut t, 2);
    t.story("It is not for this n2, and neither is what follows.");
    t.deliver(1, 2);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_wiped_voter_neither_votes_nor_counts_nor_campaigns() {
    let mut t = led_by_n1();
    t.story("n3 comes back with an empty disk. n2 is cut off: n1 has to do without both.");
    replace_disk(&mut t, 3);
    t.cut(2);
    t.propose(1, "x=1");
    t.deliver_all();
    t.story("It does not campaign in a group that knows it by another life.");
    t.time_out(3);
    t.story("It does not vote: one of its lives may have done so.");
    t.crash(1);
    t.heal();
    t.time_out(2);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_wiped_voter_is_removed_and_taken_in_again() {
    let mut t = led_by_n1();
    t.quietly(|t| replace_disk(t, 3));
    t.story("n3 came back with an empty disk. Its old life is removed, and the new one begins as a learner.");
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.change_steps(1, &[life(3, 103), ConfChangeOp::AddLearner(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.story("It has everything now, and becomes a voter.");
    t.show();
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.story("It counts: without n2, n1 commits with n3.");
    t.cut(2);
    t.propose(1, "x=1");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn two_lives_of_one_server_are_never_in_one_change() {
    let mut t = led_by_n1();
    t.quietly(|t| replace_disk(t, 3));
    t.story("The new life cannot come while the old one is there, nor in the change that removes it.");
    t.change_steps(1, &[life(3, 103), ConfChangeOp::AddVoter(NodeId(3))]);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3)), life(3, 103), ConfChangeOp::AddVoter(NodeId(3))]);
    t.story("Named by the life that the group knows, n3 may be anything.");
    t.change_steps(1, &[life(3, 3), ConfChangeOp::AddLearner(NodeId(3))]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_the_old_life_acknowledged_does_not_count_for_the_new_one() {
    let mut t = led_by_n1();
    t.hold(3, 1);
    t.story(
        "n3 has x=1, and its acknowledgement is late. Then its disk is replaced, and it is taken in again.",
    );
    t.propose(1, "x=1");
    t.quietly(|t| {
        t.deliver_all();
        replace_disk(t, 3);
        t.hold(1, 3);
        t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
        t.deliver_all();
        t.letters.retain(|envelope| envelope.from.id == NodeId(3));
        t.change_steps(1, &[life(3, 103), ConfChangeOp::AddVoter(NodeId(3))]);
        t.deliver_all();
    });
    t.show();
    t.story(
        "The letter is from another n3 than the one that counts. n1 finds out by asking what this one has.",
    );
    t.deliver(3, 1);
    t.release(1, 3);
    t.release(3, 1);
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_vote_of_another_life_does_not_count() {
    // Whatever letters come, of whatever life: only the one that the group knows can make n1 a leader.
    for (directory_id, elected) in [(0, false), (2, true), (3, false), (102, false)] {
        let mut t = founded();
        t.time_out(1);
        let (from, to) = (ReplicaKey { id: NodeId(2), directory_id: DirectoryId(directory_id) }, t.peer(1));
        let message = Message::RequestVoteResponse { term: Term(1), granted: true };
        t.lenient = true; // Nobody has asked its disk.
        t.letters.push_back(Envelope { cluster: 0, from, to, message });
        t.deliver(2, 1);
        assert_eq!(matches!(t.raft(1).role(), Role::Leader(_)), elected, "life {directory_id}");
    }
}

#[test]
fn letters_from_before_a_mere_restart_arrive() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("n2 acknowledges x=1 and restarts. It has its disk, and so it is who it was.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.propose(1, "x=2");
    t.crash(2);
    t.restart(2);
    t.story("What it said counts, and what was sent to it is for it.");
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
