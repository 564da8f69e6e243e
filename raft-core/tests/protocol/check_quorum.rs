//! Check-quorum (thesis 6.2) and leader stickiness (thesis 4.2.3), message by message.

use crate::table::Table;
use raft_core::{ConfChange, ConfChangeOp, NodeId};

/// A cluster led by n1, of which the first `initial_voters` servers are voters.
fn led_by_n1(initial_voters: u64, servers: u64) -> Table {
    let mut t = Table::with_initial_voters(initial_voters, servers, |config| config.check_quorum = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn leader_without_majority_contact_steps_down() {
    let mut t = led_by_n1(3, 3);
    t.cut(1);
    t.describe("n1 is cut off. A client proposes a command.");
    t.propose(1, "x=1");
    t.quietly(|t| t.wait(1, 299));
    t.describe(
        "At its next check n1 has had no contact for an election timeout: it steps down, in the same term.",
    );
    t.wait(1, 301);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_with_majority_contact_stays_leader() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.describe("n1 and n2 are two of three: a second later n1 still leads.");
    t.quietly(|t| {
        for _ in 0..10 {
            t.wait(1, 100);
            t.deliver_all();
        }
    });
    t.show();
    t.describe("Without n2, n1 steps down.");
    t.cut(2);
    t.wait(1, 600);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_check_quorum_cut_off_leader_stays_leader() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(1);
        t.wait(1, 10_000);
    });
    t.describe("Without check-quorum: after ten seconds alone, n1 still leads and its clients wait.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learners_do_not_count_for_check_quorum() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
        t.deliver_all();
        t.cut(2);
        t.cut(3);
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.describe("n1 reaches only the learner, which responds every time.");
    t.show();
    t.quietly(|t| {
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.describe("A learner is not part of a majority.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn joint_check_quorum_needs_both_halves() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        let steps = [4, 5].map(|id| ConfChangeOp::AddVoter(NodeId(id))).into_iter();
        let steps = steps.chain([2, 3].map(|id| ConfChangeOp::Remove(NodeId(id))));
        t.change(1, ConfChange::ExplicitJoint(steps.collect()));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.cut(4);
        t.cut(5);
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.describe("n1 has contact with all of the old half, and with no other server of the new one.");
    t.show();
    t.quietly(|t| {
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.describe("Both halves are needed.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn new_member_gets_an_election_timeout_to_respond() {
    let mut t = led_by_n1(1, 2);
    t.quietly(|t| t.wait(1, 299));
    t.describe("n1, the only voter, adds n2, and checks its quorum a moment later.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(2))]));
    t.quietly(|t| t.wait(1, 2));
    t.describe("n2 has not responded yet, and has an election timeout to do so.");
    t.show();
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn servers_in_contact_with_leader_ignore_vote_requests() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.quietly(|t| {
        t.time_out(3);
        t.time_out(3);
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.describe(
        "n3 was cut off, and campaigns in higher and higher terms. n1 and n2 do not even adopt its term.",
    );
    t.show();
    t.time_out(3);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_response_of_stuck_candidate_deposes_leader_once() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.quietly(|t| {
        t.time_out(3);
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.describe("Without pre-vote n3 stays in a higher term. Its response deposes n1, once.");
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.describe("Then the cluster has a leader in the new term.");
    t.elect(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn voter_grants_vote_after_election_timeout_without_leader() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| t.crash(1));
    t.describe("n1 is down, but n3 has had contact with it just now: no vote for n2.");
    t.time_out(2);
    t.deliver(2, 3);
    t.describe("After an election timeout it votes.");
    t.pause(3, 300);
    t.time_out(2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn server_outside_its_own_configuration_follows() {
    let mut t = led_by_n1(1, 2);
    t.describe("n2's empty log says that n1 is the only member. n2 follows nevertheless, in n1's term.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(2))]));
    t.deliver(1, 2);
    t.show();
    insta::assert_snapshot!(t.transcript());
}
