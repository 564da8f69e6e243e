//! Many inputs in one step: one write, one message to each follower, and otherwise the result of many steps.

use crate::table::Table;
use raft_core::{ConfChangeOp, NodeId};

/// A cluster led by n1, with nothing in flight.
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
fn batched_proposals_share_one_write_and_message() {
    let mut t = led_by_n1(3);
    t.describe("n1 gets three proposals in one step.");
    t.start_batch(1);
    ["a=1", "b=2", "c=3"].iter().for_each(|command| t.propose(1, command));
    t.step_batch(1);
    t.describe("n1 gets both responses in one step: the second one adds nothing.");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.start_batch(1);
    t.deliver_all();
    t.step_batch(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_deposed_in_the_same_step_sends_nothing() {
    let mut t = led_by_n1(3);
    t.describe("n3 requests votes in the next term.");
    t.time_out(3);
    t.describe("In one step n1 gets the proposal x=1 and a message of the later term.");
    t.start_batch(1);
    t.propose(1, "x=1");
    t.deliver(3, 1);
    t.step_batch(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn commit_before_deposition_in_the_same_step_is_applied() {
    let mut t = led_by_n1(3);
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.cut_link(1, 2);
    t.time_out(3);
    t.describe(
        "In one step n1 gets n2's acknowledgement of x=1 and a message of the next term: x=1 is applied.",
    );
    t.start_batch(1);
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.step_batch(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn unsent_entry_of_deposed_leader_is_replaced_in_the_same_step() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(1);
        t.elect(2);
        t.heal();
        t.propose(2, "new");
    });
    t.describe("In one step n1 gets a proposal, learns that n2 leads, and gets n2's entries at the index of its own.");
    t.start_batch(1);
    t.propose(1, "old");
    t.heartbeat(2);
    t.deliver_all();
    t.step_batch(1);
    t.deliver_all();
    t.start_batch(1);
    t.heartbeat(2);
    t.deliver_all();
    t.step_batch(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn compaction_and_proposals_share_one_write() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "a=1");
        t.deliver_all();
        t.heal();
    });
    t.describe("n1 compacts its log between two proposals: one write has the snapshot and both entries.");
    t.start_batch(1);
    t.propose(1, "b=2");
    t.compact(1, 0);
    t.propose(1, "c=3");
    t.step_batch(1);
    t.describe("n3 lacks compacted entries.");
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn removed_leader_replicates_before_timeout_now() {
    let mut t = led_by_n1(3);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(1))]);
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(2, 1);
    t.describe("In one step n1 gets a proposal and the acknowledgement that commits its own removal.");
    t.start_batch(1);
    t.propose(1, "x=1");
    t.deliver(3, 1);
    t.step_batch(1);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn requests_after_disk_error_in_the_same_step_are_rejected() {
    let mut t = led_by_n1(3);
    t.start_batch(1);
    t.propose(1, "before");
    t.fail_disk(1);
    t.propose(1, "after");
    t.read(1, "a read");
    t.step_batch(1);
    insta::assert_snapshot!(t.transcript());
}
