//! Many things in one step: one write, one message to each follower, and otherwise what many steps would have done.

mod table;

use raft_core::{ConfChangeOp, NodeId};
use table::Table;

/// n1 leads and everything is quiet.
fn led_by_n1(nodes: u64) -> Table {
    let mut t = Table::of(nodes);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn proposals_that_come_together_go_together() {
    let mut t = led_by_n1(3);
    t.story("Three proposals have come since n1 last looked.");
    t.gather(1);
    ["a=1", "b=2", "c=3"].iter().for_each(|command| t.propose(1, command));
    t.step_gathered(1);
    t.story("Both answers have come since n1 last looked: there is nothing new in the second.");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.gather(1);
    t.deliver_all();
    t.step_gathered(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_deposed_in_the_same_step_sends_nothing() {
    let mut t = led_by_n1(3);
    t.story("n3 asks for votes in the next term.");
    t.time_out(3);
    t.story("Before n1 looks it is asked to append x=1, and hears of the term after its own.");
    t.gather(1);
    t.propose(1, "x=1");
    t.deliver(3, 1);
    t.step_gathered(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_was_committed_before_the_fall_is_answered() {
    let mut t = led_by_n1(3);
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.cut_link(1, 2);
    t.time_out(3);
    t.story("n1 hears that n2 has x=1, and then of the next term, before it looks: x=1 is applied.");
    t.gather(1);
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.step_gathered(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_a_deposed_leader_did_not_send_is_replaced_in_the_same_step() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(1);
        t.elect(2);
        t.heal();
        t.propose(2, "new");
    });
    t.story("n1 takes a proposal, is told that n2 leads, and gets n2's entries in the place of its own.");
    t.gather(1);
    t.propose(1, "old");
    t.heartbeat(2);
    t.deliver_all();
    t.step_gathered(1);
    t.deliver_all();
    t.gather(1);
    t.heartbeat(2);
    t.deliver_all();
    t.step_gathered(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_state_is_handed_over_among_other_things() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "a=1");
        t.deliver_all();
        t.heal();
    });
    t.story("n1 hands its state over between two proposals: one write has the snapshot and both entries.");
    t.gather(1);
    t.propose(1, "b=2");
    t.compact(1, 0);
    t.propose(1, "c=3");
    t.step_gathered(1);
    t.story("n3 lacks what is gone.");
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn the_last_word_of_a_leader_that_leaves_follows_what_it_still_owes() {
    let mut t = led_by_n1(3);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(1))]);
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(2, 1);
    t.story("n1 takes a proposal, and hears that the others can do without it.");
    t.gather(1);
    t.propose(1, "x=1");
    t.deliver(3, 1);
    t.step_gathered(1);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn after_a_disk_error_in_the_same_step_everything_is_refused() {
    let mut t = led_by_n1(3);
    t.gather(1);
    t.propose(1, "before");
    t.fail_disk(1);
    t.propose(1, "after");
    t.read(1, "a read");
    t.step_gathered(1);
    insta::assert_snapshot!(t.transcript());
}
