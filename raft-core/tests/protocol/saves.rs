//! Asynchronous saves: what may run ahead of the disk and what may not, message by message.

use crate::table::Table;
use raft_core::{ConfChangeOp, NodeId};

fn led_by_n1() -> Table {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn leader_commits_before_its_own_sync() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.describe("n1's entry is durable on n2 and n3 before it is on n1: two of three are a majority.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.describe("It is committed, but not applied: an application must not be ahead of its own durable log.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn acknowledgement_waits_for_newest_write() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("n2's disk is slow: n2 has the entry, but does not acknowledge it.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.describe("A heartbeat needs no write. Its response waits nevertheless, since it acknowledges index 2.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.describe("The later response includes the earlier one, and is sent when the write is durable.");
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn completion_of_replaced_entries_does_not_count() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.slow_disk(1);
        t.slow_disk(3);
    });
    t.describe(
        "The ABA race. Two entries of n1 reach only n3, and their writes are in flight when n1 loses power.",
    );
    t.propose(1, "a=1");
    t.propose(1, "a=2");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.power_loss(1);
        t.messages.clear();
        t.restart(1);
        t.fast_disk(1);
        t.time_out(2);
        t.deliver(2, 1);
        t.deliver(1, 2);
        t.deliver(2, 1);
        t.deliver(1, 2);
        t.lose(2, 3);
        t.wait(2, 100);
    });
    t.describe("n1 has lost them and elected n2, whose own 2@2 is committed. It replaces n3's tail.");
    t.show();
    t.deliver(2, 3);
    t.quietly(|t| t.heartbeat(2));
    t.deliver(2, 3);
    t.describe(
        "Now the old writes complete, with indexes 2 and 3 in them. n3 must not count that for its new 2@2: nothing is\n\
         applied, nothing acknowledged.",
    );
    t.sync_one(3);
    t.sync_one(3);
    t.describe("Only the write of 2@2 itself makes it durable.");
    t.sync_one(3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn promise_of_earlier_term_is_dropped() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("n2 must acknowledge an entry to n1, and its disk is slow.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.describe("n3 campaigns. n2 denies the vote, since its own log is longer, but adopts the term.");
    t.time_out(3);
    t.deliver(3, 2);
    t.describe(
        "The write of x=1 is durable now. The acknowledgement was for the leader of term 1: it is dropped.",
    );
    t.sync_one(2);
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn candidate_with_hung_disk_starts_no_further_term() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("n2 has no contact with n1, and campaigns. Its disk hangs, so it sends no requests.");
    t.time_out(2);
    t.describe("n2 starts no further term: its requests could not be sent in time, and it could not lead.");
    t.wait(2, 1_000);
    t.wait(2, 1_000);
    t.show();
    t.describe("When the disk works again, n2 requests votes.");
    t.fast_disk(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_with_hung_disk_steps_down() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.describe("n1's disk hangs. n1 still leads for an election timeout.");
    t.propose(1, "x=1");
    t.wait(1, 299);
    t.quietly(Table::deliver_all);
    t.describe("Then it steps down, and responds that the result of x=1 is unknown.");
    t.wait(1, 1);
    t.describe("It votes and follows as soon as its disk works.");
    t.time_out(2);
    t.deliver(2, 1);
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn recovered_state_is_promised_only_after_its_sync() {
    let mut t = led_by_n1();
    t.quietly(|t| t.slow_disk(2));
    t.describe("n2's process crashes with x=1 in the page cache, and restarts. What it recovered is not durable yet.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.crash(2);
    t.restart(2);
    t.describe("A heartbeat matches n2's log. The response waits until what was recovered is synced.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.sync_one(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn recovered_candidate_sends_no_request_before_its_sync() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.slow_disk(2);
        t.crash(2);
        t.restart(2);
    });
    t.describe("n2 has restarted and campaigns, before what it recovered is durable.");
    t.time_out(2);
    t.describe("The durable log is not enough: the vote in term 2 is a write of its own.");
    t.sync_one(2);
    t.sync_one(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_applies_only_durable_entries() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("x=1 is committed by n1 and n3. n2 learns that while its own write is in flight.");
    t.propose(1, "x=1");
    t.quietly(Table::deliver_all);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.describe("A power loss now would remove x=1 from n2's log, so its application does not have it yet.");
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn one_record_saves_term_vote_and_entries() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("n2 learns of term 2 from its leader's entries: one record saves the term and the entries.");
    t.cut(2);
    t.quietly(|t| {
        t.elect(3);
        t.heal();
        t.heartbeat(3);
    });
    t.deliver(3, 2);
    t.describe("The power fails before the record is synced: the whole record is lost, the term included.");
    t.power_loss(2);
    t.restart(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_with_failed_disk_halts() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.cut(3);
    t.describe(
        "n1 has three requests without a response when its disk fails a write. It responds to them, and then halts.",
    );
    t.propose(1, "x=1");
    t.read(1, "r1");
    t.transfer(1, 3);
    t.fail_disk(1);
    t.describe("n1 sends nothing any more. Requests are rejected, with the reason.");
    t.deliver_all();
    t.propose(1, "x=2");
    t.read(1, "r2");
    t.transfer(1, 2);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    assert_eq!(t.raft(1).deadline(), None, "a halted server has no deadline");
    assert!(t.raft(1).is_halted());
    t.describe(
        "The others continue. After a restart n1 reads what is really on the disk, and takes part again.",
    );
    t.power_loss(1);
    t.fast_disk(1);
    t.quietly(|t| {
        t.heal();
        t.elect(2);
    });
    t.restart(1);
    t.heartbeat(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_with_failed_disk_sends_no_acknowledgement() {
    let mut t = Table::with(3, |config| config.forward = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
        t.slow_disk(2);
    });
    t.describe(
        "n2 must acknowledge an entry to n1, and respond to a client whose proposal it has forwarded.",
    );
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.propose(2, "y=1");
    t.fail_disk(2);
    t.describe("A later completion changes nothing: x=1 is never acknowledged.");
    t.sync_one(2);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.describe("n2 does not vote either.");
    t.time_out(3);
    t.deliver(3, 2);
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn candidate_with_failed_disk_sends_no_request() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.describe("n2's vote for itself is not durable, and no request is sent.");
    t.time_out(2);
    t.fail_disk(2);
    t.sync_one(2);
    t.show();
    t.describe("The vote did reach the disk. After a restart n2 recovers it, and keeps it.");
    t.crash(2);
    t.restart(2);
    insta::assert_snapshot!(t.transcript());
}
