//! Check-quorum (thesis 6.2) and leader stickiness (thesis 4.2.3), told message by message.

mod table;

use raft_core::{ConfChange, ConfChangeOp, NodeId};
use table::Table;

/// So many servers, of which the first `founders` found the group, led by n1.
fn led_by_n1(founders: u64, servers: u64) -> Table {
    let mut t = Table::founded_by(founders, servers, |config| config.check_quorum = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn a_leader_without_a_majority_steps_down() {
    let mut t = led_by_n1(3, 3);
    t.cut(1);
    t.story("n1 is cut off. A client asks it for something.");
    t.propose(1, "x=1");
    t.quietly(|t| t.wait(1, 299));
    t.story(
        "It has heard nobody for an election timeout by the time it looks: it gives up, in the same term.",
    );
    t.wait(1, 301);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_hears_a_majority_leads_on() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.story("n1 and n2 are two of three: a second later n1 still leads.");
    t.quietly(|t| {
        for _ in 0..10 {
            t.wait(1, 100);
            t.deliver_all();
        }
    });
    t.show();
    t.story("Without n2 it does not last.");
    t.cut(2);
    t.wait(1, 600);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_check_quorum_a_cut_off_leader_leads_on() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(1);
        t.wait(1, 10_000);
    });
    t.story("The price of going without: ten seconds alone, and n1 still keeps its clients waiting.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learners_do_not_count() {
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
    t.story("n1 reaches only the learner, which answers every time.");
    t.show();
    t.quietly(|t| {
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.story("It is no majority.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn both_halves_must_be_heard_while_joint() {
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
    t.story("n1 hears all of the old half, and nobody else of the new one.");
    t.show();
    t.quietly(|t| {
        for _ in 0..3 {
            t.wait(1, 99);
            t.deliver_all();
        }
    });
    t.story("It takes both.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_just_added_has_time_to_answer() {
    let mut t = led_by_n1(1, 2);
    t.quietly(|t| t.wait(1, 299));
    t.story("n1, alone in its group, takes n2 in, and looks a moment later whether a majority answers.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(2))]));
    t.quietly(|t| t.wait(1, 2));
    t.story("n2 has not answered yet, and has an election timeout to do so.");
    t.show();
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn whoever_hears_the_leader_does_not_depose_it() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.quietly(|t| {
        t.time_out(3);
        t.time_out(3);
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.story(
        "n3 was cut off, and campaigns in higher and higher terms. n1 and n2 do not even take the term over.",
    );
    t.show();
    t.time_out(3);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidate_in_a_higher_term_is_found_by_the_heartbeat() {
    let mut t = led_by_n1(3, 3);
    t.cut(3);
    t.quietly(|t| {
        t.time_out(3);
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.story("Without pre-vote n3 is stuck in a higher term. Its answer to n1 ends n1's leadership, once.");
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.story("Then the group is led in the new term.");
    t.elect(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn whoever_has_not_heard_the_leader_for_a_while_votes() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| t.crash(1));
    t.story("n1 is gone, but n3 has heard it a moment ago: no vote for n2.");
    t.time_out(2);
    t.deliver(2, 3);
    t.story("An election timeout later it votes.");
    t.pause(3, 300);
    t.time_out(2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_that_is_not_in_its_own_group_follows() {
    let mut t = led_by_n1(1, 2);
    t.story("n2's empty log says that n1 alone is the group. It follows all the same, in n1's term.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddVoter(NodeId(2))]));
    t.deliver(1, 2);
    t.show();
    insta::assert_snapshot!(t.transcript());
}
