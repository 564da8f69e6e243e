//! Asynchronous saves: what may run ahead of the disk and what may not, told message by message.

mod table;

use raft_core::{ConfChangeOp, NodeId};
use table::Table;

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
fn a_leader_commits_before_its_own_fsync() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.story("n1's entry is durable on n2 and n3 before it is on n1: two of three are a majority.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.story("It is committed, and yet not applied: an application must not be ahead of its own log.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_acknowledgement_waits_for_the_newest_write() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story("n2's disk is slow: the entry is there, its acknowledgement is not.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.story("A heartbeat needs no write. Its answer waits all the same, for it says that 2 matches.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.story("The newest of the two says it all, and leaves with the write.");
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_late_completion_does_not_vouch_for_what_replaced_its_entries() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.slow_disk(1);
        t.slow_disk(3);
    });
    t.story(
        "The ABA race. Two entries of n1 reach n3 alone, and are in flight to its disk when n1 loses power.",
    );
    t.propose(1, "a=1");
    t.propose(1, "a=2");
    t.deliver(1, 3);
    t.deliver(1, 3);
    t.quietly(|t| {
        t.power_loss(1);
        t.letters.clear();
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
    t.story("n1 has lost them and elected n2, whose own 2@2 is committed. It replaces n3's tail.");
    t.show();
    t.deliver(2, 3);
    t.quietly(|t| t.heartbeat(2));
    t.deliver(2, 3);
    t.story(
        "Now the old writes complete, with 2 and 3 in them. n3 must not take that for its new 2@2: nothing is\n\
         applied, nothing acknowledged.",
    );
    t.sync_one(3);
    t.sync_one(3);
    t.story("Only the write of 2@2 itself vouches for it.");
    t.sync_one(3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_promise_of_an_old_term_is_dropped() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story("n2 owes n1 an acknowledgement, and its disk is slow.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.story("n3 campaigns. n2 refuses the vote, its log is longer; but the term has moved.");
    t.time_out(3);
    t.deliver(3, 2);
    t.story("The write of x=1 is durable now. The acknowledgement was made to the leader of term 1: it is dropped.");
    t.sync_one(2);
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidate_whose_disk_hangs_goes_through_no_more_terms() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story("n2 hears nothing of n1, and campaigns. Its disk hangs: nobody hears of that.");
    t.time_out(2);
    t.story("It does not begin anew. Whoever heard of its terms would come too late in each, and it could not lead.");
    t.wait(2, 1_000);
    t.wait(2, 1_000);
    t.show();
    t.story("When the disk is back, it asks.");
    t.fast_disk(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_whose_disk_hangs_steps_down() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.story("n1's disk hangs. It goes on leading for an election timeout.");
    t.propose(1, "x=1");
    t.wait(1, 299);
    t.quietly(Table::deliver_all);
    t.story("Then it gives up, and says that it does not know what becomes of x=1.");
    t.wait(1, 1);
    t.story("It still votes and follows as soon as its disk lets it.");
    t.time_out(2);
    t.deliver(2, 1);
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn nothing_recovered_is_promised_before_it_is_durable_again() {
    let mut t = led_by_n1();
    t.quietly(|t| t.slow_disk(2));
    t.story("n2's process dies with x=1 in the page cache, and comes back. What it read is not durable yet.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.crash(2);
    t.restart(2);
    t.story("A heartbeat fits n2's log. The answer waits until what was recovered is synced.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.sync_one(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_recovered_candidate_asks_nobody_before_its_disk_is_synced() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.slow_disk(2);
        t.crash(2);
        t.restart(2);
    });
    t.story("n2 has restarted and campaigns, before what it recovered is durable.");
    t.time_out(2);
    t.story("The recovered log alone is not enough: the vote in term 2 is a write of its own.");
    t.sync_one(2);
    t.sync_one(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_applies_only_what_is_durable_on_it() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story("x=1 is committed by n1 and n3. n2 hears of that while its own write is in flight.");
    t.propose(1, "x=1");
    t.quietly(Table::deliver_all);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.story("A power loss now would take x=1 from its log; so its application does not have it yet.");
    t.sync(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn one_record_keeps_term_vote_and_entries_together() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story(
        "n2 hears of term 2 only by its leader's entries: one record takes over the term and the entries.",
    );
    t.cut(2);
    t.quietly(|t| {
        t.elect(3);
        t.heal();
        t.heartbeat(3);
    });
    t.deliver(3, 2);
    t.story("The power fails with the record half written: it is wholly gone, and so is the term.");
    t.power_loss(2);
    t.restart(2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_whose_disk_refuses_takes_part_no_more() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.cut(3);
    t.story(
        "n1 owes three answers when its disk refuses a write. It says what is true, and nothing after that.",
    );
    t.propose(1, "x=1");
    t.read(1, "r1");
    t.transfer(1, 3);
    t.fail_disk(1);
    t.story("Whatever comes, nothing leaves. Requests are refused, with the reason.");
    t.deliver_all();
    t.propose(1, "x=2");
    t.read(1, "r2");
    t.transfer(1, 2);
    t.change_steps(1, &[ConfChangeOp::Remove(NodeId(3))]);
    assert_eq!(t.raft(1).deadline(), None, "it waits for nothing any more");
    assert!(t.raft(1).is_halted());
    t.story("The others go on. Restarted, n1 reads what is really there, and takes part again.");
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
fn a_follower_whose_disk_refuses_acknowledges_nothing() {
    let mut t = Table::with(3, |config| config.forward = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
        t.slow_disk(2);
    });
    t.story("n2 owes n1 an acknowledgement, and a client an answer to what it has passed on.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.propose(2, "y=1");
    t.fail_disk(2);
    t.story("What the disk says later is too late: x=1 is never acknowledged.");
    t.sync_one(2);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.story("Neither does it vote.");
    t.time_out(3);
    t.deliver(3, 2);
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidate_whose_disk_refuses_asks_nobody() {
    let mut t = led_by_n1();
    t.slow_disk(2);
    t.story("n2's vote for itself is on its way to the disk, and nobody has been asked.");
    t.time_out(2);
    t.fail_disk(2);
    t.sync_one(2);
    t.show();
    t.story("The vote did reach the disk. Restarted, n2 finds it, and keeps it.");
    t.crash(2);
    t.restart(2);
    insta::assert_snapshot!(t.transcript());
}
