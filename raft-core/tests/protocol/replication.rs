//! Log replication (5.3) and commitment (5.3, 5.4.2), message by message.

use crate::table::Table;

/// Three servers; n1 leads term 1, and all have applied its first entry.
fn led_by_n1() -> Table {
    led_by_n1_with(3)
}

fn led_by_n1_with(nodes: u64) -> Table {
    let mut t = Table::of(nodes);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn entry_commits_once_majority_has_it() {
    let mut t = led_by_n1();
    t.describe(
        "n1 leads. It writes a proposed entry to its disk and sends it to the others at the same time.",
    );
    t.show();
    t.propose(1, "x=1");
    t.describe(
        "One follower and n1 itself are a majority: the entry commits and the client gets its response.",
    );
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("n3 gets the entry as well. Both followers learn the commit index with the next message.");
    t.deliver_all();
    t.propose(1, "x=2");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_redirects_proposal() {
    let mut t = led_by_n1();
    t.describe("Only leaders append. n2 names the leader in its response; nothing is appended.");
    t.propose(2, "x=1");
    t.describe("Without a leader the response has no hint.");
    t.time_out(3);
    t.propose(3, "x=2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn several_messages_and_saves_are_in_flight_at_once() {
    let mut t = led_by_n1();
    t.cut(3);
    t.slow_disk(1);
    t.slow_disk(2);
    t.describe("Replication is pipelined: n1 sends three entries before its disk has finished one of them.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.describe("They reach n2 one by one, and wait for its disk as well.");
    t.deliver(1, 2);
    t.deliver(1, 2);
    t.deliver(1, 2);
    t.describe("n2's disk finishes two writes at once: two acknowledgements are sent. The third one waits.");
    t.sync_oldest(2, 2);
    t.deliver_all();
    t.describe("n1's disk finishes all writes: what n2 has acknowledged is committed.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn entries_are_batched_within_the_window() {
    let mut t = Table::with(2, |config| {
        config.max_batch_entries = 2;
        config.max_in_flight_messages = 2;
    });
    t.quietly(|t| {
        t.elect(1);
        t.hold(1, 2);
        for value in 1..=8 {
            t.propose(1, &format!("x={value}"));
        }
    });
    t.describe("Two messages with one entry each fill the window; six entries wait at n1.");
    t.show();
    t.describe(
        "Each response makes room for one message, and a message takes as many entries as a batch may hold.",
    );
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("The rest follows.");
    t.quietly(|t| {
        t.release(1, 2);
        t.deliver_all();
    });
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn divergent_tail_is_replaced() {
    let mut t = led_by_n1();
    t.describe("n1 is cut off and appends x=1 alone.");
    t.cut(1);
    t.propose(1, "x=1");
    t.describe("n2 wins the next term and commits y=1 with n3.");
    t.quietly(|t| {
        t.elect(2);
        t.propose(2, "y=1");
        t.deliver_all();
    });
    t.show();
    t.describe("n1 is back. The client of x=1 learns that the result is unknown, and n1's tail is replaced.");
    t.heal();
    t.heartbeat(2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn conflict_hints_skip_whole_terms() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(1);
        for value in 1..=5 {
            t.propose(1, &format!("a={value}"));
        }
        t.elect(2);
        t.heartbeat(2);
        t.deliver_all();
        for value in 1..=5 {
            t.propose(2, &format!("b={value}"));
        }
        t.deliver_all();
        t.crash(2);
        t.heal();
        t.time_out(3);
        t.deliver(3, 1);
        t.deliver(1, 3);
    });
    t.describe(
        "n1 has five entries of term 1 that no other server has; n3 was just elected, with six of term 2 at the same indexes.\n\
         Going back one index at a time would take six rejections.",
    );
    t.show();
    t.deliver(3, 1);
    t.describe("n1 has nothing at 7. Its log ends with term 1 at 6, and in n3's log term 1 ends at 1: they agree there.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_repairs_lost_message() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("The entry never reaches n2.");
    t.propose(1, "x=1");
    t.lose(1, 2);
    t.describe(
        "The heartbeat follows the entry that n1 has sent. n2 rejects it and returns the end of its log.",
    );
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("The entry is sent again.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_repairs_lost_response() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("The entry arrives, its response is lost.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.lose(2, 1);
    t.describe("The response to the heartbeat acknowledges the entry; nothing is sent twice.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_repairs_lost_first_message_of_leader() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.cut(3);
        t.time_out(1);
        t.deliver(1, 2);
        t.deliver(2, 1);
        t.lose(1, 2);
    });
    t.describe("n1 was just elected, and its first message is lost. It sends nothing more until it knows where n2's log ends.");
    t.show();
    t.propose(1, "x=1");
    t.describe("The heartbeat repeats the probe, with all entries that n1 has by now.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn duplicate_and_reordered_messages_do_not_truncate() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("Two entries reach n2, the second one first: n2 rejects it.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.deliver_newest(1, 2);
    t.describe("The first one arrives, and a copy stays in flight. After the rejection n1 sends both again.");
    t.deliver_copy(1, 2);
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.describe("Now n2 has both. The copy of the first message arrives and truncates nothing.");
    t.deliver(1, 2);
    t.show();
    t.describe("Responses in any order give the highest match index.");
    t.deliver_newest(2, 1);
    t.deliver_newest(2, 1);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn entry_of_earlier_term_is_not_committed_by_counting() {
    let mut t = Table::with(5, |config| config.max_batch_entries = 1);
    t.quietly(|t| {
        t.elect(1);
        for id in [3, 4, 5] {
            t.cut(id);
        }
        t.propose(1, "a=1");
        t.deliver_all();
        t.crash(1);
        t.crash(2);
        t.heal();
        t.time_out(5);
        t.deliver(5, 3);
        t.deliver(5, 4);
        t.deliver(3, 5);
        t.cut(5);
        t.deliver(4, 5);
        t.propose(5, "b=1");
        t.crash(5);
        t.heal();
        t.restart(1);
        t.restart(2);
        t.time_out(1);
        t.deliver_all();
        t.time_out(1);
        t.lose(1, 4);
        t.deliver(1, 2);
        t.deliver(1, 3);
        t.deliver(2, 1);
    });
    t.describe(
        "Figure 8. n1 left a=1 of term 1 on two servers. n5 led term 2, kept b=1 to itself, and is down.\n\
         Now n2 and n3 elect n1 again.",
    );
    t.show();
    t.deliver(3, 1);
    t.quietly(|t| t.lose(1, 4));
    t.describe("n2 accepts the new entry at once; n3 lacks a=1 and gets it first.");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.describe(
        "A majority has 2@1 now. That does not commit it: n5 could come back and overwrite it, since its log\n\
         ends in term 2.",
    );
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.describe("With an entry of n1's own term on a majority n5 cannot win any more, and both entries commit together.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_commits_only_verified_entries() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(1);
        t.propose(1, "a=1");
        t.propose(1, "a=2");
        t.elect(2);
        t.propose(2, "b=1");
        t.deliver_all();
        t.heal();
    });
    t.describe("n1 has an uncommitted tail at indexes where n2 has committed other entries.");
    t.show();
    t.describe(
        "For a read n2 confirms that it still leads. The message carries the commit index, and compares only 1@1.",
    );
    t.read(2, "r1");
    t.deliver(2, 1);
    t.show();
    t.describe("n1's response makes n2 send the entries. Now they are compared.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn deposed_leader_reports_unknown_result() {
    let mut t = led_by_n1();
    t.describe("n1 sends x=1 to n2, and is cut off before the response arrives.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.lose(2, 1);
    t.lose(1, 3);
    t.cut(1);
    t.describe("n2 is elected and commits x=1, which it inherited.");
    t.time_out(2);
    t.quietly(Table::deliver_all);
    t.show();
    t.describe("n1 learns of the new term: it does not know whether x=1 will be applied.");
    t.heal();
    t.heartbeat(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
