//! Cluster ids and directory ids (KIP-853). A server whose disk was wiped has lost its promises, so it must not act
//! under its old identity.

use crate::table::Table;
use raft_core::{ConfChangeOp, DirectoryId, Envelope, LogId, Message, NodeId, ReplicaKey, Role, Term};

/// Three voters with directory ids, led by n1. A directory id starts as the server's id; a wipe adds 100.
fn led_by_n1() -> Table {
    let mut t = with_directory_ids();
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

fn with_directory_ids() -> Table {
    Table::with(3, |config| {
        config.directory_id = DirectoryId(config.id.0);
        config.directory_ids = config.voters.iter().map(|&voter| (voter, DirectoryId(voter.0))).collect();
    })
}

/// Stops a machine and replaces its disk by an empty one.
fn replace_disk(t: &mut Table, id: u64) {
    t.power_loss(id);
    t.wipe(id);
    t.restart(id);
}

fn set_directory_id(id: u64, directory_id: u64) -> ConfChangeOp {
    ConfChangeOp::SetDirectoryId(NodeId(id), DirectoryId(directory_id))
}

#[test]
fn message_of_another_cluster_is_dropped() {
    let mut t = led_by_n1();
    t.describe("Another cluster has an n2 too, which addresses this n1.");
    let message = Message::RequestVote { term: Term(9), last: LogId::default(), transfer: true };
    t.messages.push_back(Envelope {
        cluster: 7,
        from: t.replica(2),
        to: t.replica(1),
        message: message.clone(),
    });
    t.deliver(2, 1);
    t.describe("The same message from n1's own cluster ends its leadership.");
    t.inject(2, 1, message);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn message_for_old_directory_id_is_dropped() {
    let mut t = led_by_n1();
    t.propose(1, "x=1");
    t.describe("n2's machine is replaced while x=1 is on its way.");
    replace_disk(&mut t, 2);
    t.describe("The message is addressed to the old directory id, and so is what follows.");
    t.deliver(1, 2);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn wiped_voter_neither_votes_nor_counts_nor_campaigns() {
    let mut t = led_by_n1();
    t.describe("n3 returns with an empty disk. n2 is cut off: n1 must commit without both.");
    replace_disk(&mut t, 3);
    t.cut(2);
    t.propose(1, "x=1");
    t.deliver_all();
    t.describe("n3 does not campaign in a configuration that names it with another directory id.");
    t.time_out(3);
    t.describe("n3 does not vote: its old replica may have done so.");
    t.crash(1);
    t.heal();
    t.time_out(2);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn wiped_voter_is_removed_and_added_again() {
    let mut t = led_by_n1();
    t.quietly(|t| replace_disk(t, 3));
    t.describe("n3 has returned with an empty disk. Its old replica is removed, and the new one is added as a learner.");
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.change_steps(1, &[set_directory_id(3, 103), ConfChangeOp::AddLearner(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.describe("n3 has the whole log now, and becomes a voter.");
    t.show();
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.quietly(Table::deliver_all);
    t.describe("n3 counts: without n2, n1 commits with n3.");
    t.cut(2);
    t.propose(1, "x=1");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn one_change_never_names_two_replicas_of_a_server() {
    let mut t = led_by_n1();
    t.quietly(|t| replace_disk(t, 3));
    t.describe(
        "The new replica cannot be added while the old one is a member, nor in the change that removes it.",
    );
    t.change_steps(1, &[set_directory_id(3, 103), ConfChangeOp::AddVoter(NodeId(3))]);
    t.change_steps(
        1,
        &[ConfChangeOp::Remove(NodeId(3)), set_directory_id(3, 103), ConfChangeOp::AddVoter(NodeId(3))],
    );
    t.describe("With the directory id of the configuration, n3 may be changed to a learner.");
    t.change_steps(1, &[set_directory_id(3, 3), ConfChangeOp::AddLearner(NodeId(3))]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn acknowledgement_of_old_replica_does_not_count() {
    let mut t = led_by_n1();
    t.hold(3, 1);
    t.describe(
        "n3 has x=1, and its acknowledgement is late. Then its disk is replaced, and it is removed and added again.",
    );
    t.propose(1, "x=1");
    t.quietly(|t| {
        t.deliver_all();
        replace_disk(t, 3);
        t.hold(1, 3);
        t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
        t.deliver_all();
        t.messages.retain(|envelope| envelope.from.id == NodeId(3));
        t.change_steps(1, &[set_directory_id(3, 103), ConfChangeOp::AddVoter(NodeId(3))]);
        t.deliver_all();
    });
    t.show();
    t.describe("The acknowledgement is from the old n3 and is dropped. n1 probes the new n3's log.");
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
fn vote_with_another_directory_id_does_not_count() {
    // Only the vote of the directory id in the configuration makes n1 a leader.
    for (directory_id, elected) in [(0, false), (2, true), (3, false), (102, false)] {
        let mut t = with_directory_ids();
        t.time_out(1);
        let (from, to) =
            (ReplicaKey { id: NodeId(2), directory_id: DirectoryId(directory_id) }, t.replica(1));
        let message = Message::RequestVoteResponse { term: Term(1), granted: true };
        t.lenient = true; // The vote was never durable.
        t.messages.push_back(Envelope { cluster: 0, from, to, message });
        t.deliver(2, 1);
        assert_eq!(matches!(t.raft(1).role(), Role::Leader(_)), elected, "directory id {directory_id}");
    }
}

#[test]
fn messages_from_before_a_restart_are_accepted() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("n2 acknowledges x=1 and restarts. It keeps its disk, and with it its directory id.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.propose(1, "x=2");
    t.crash(2);
    t.restart(2);
    t.describe(
        "n2's earlier acknowledgement counts, and messages sent to n2 before the restart are accepted.",
    );
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
