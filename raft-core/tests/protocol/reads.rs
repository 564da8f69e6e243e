//! Linearizable reads (8, thesis 6.4), message by message.

use crate::table::Table;

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
fn read_waits_until_majority_confirms_leader() {
    let mut t = led_by_n1();
    t.describe("n1 must confirm that it leads before it serves a read: it starts a round, and one response of two is enough.");
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("The other response changes nothing.");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn new_leader_reads_only_after_its_first_entry_commits() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "x=1");
        t.deliver_all();
        t.crash(1);
        t.time_out(2);
        t.deliver(2, 3);
        t.deliver(3, 2);
    });
    t.describe("x=1 is committed and its client has the response. n2, just elected, does not know that x=1 is committed.");
    t.show();
    t.read(2, "r1");
    t.describe("n2's own entry commits, and with it x=1. Only now the round starts, from that commit index.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.describe("Confirmed.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn reads_during_a_round_share_the_next_one() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("The first read starts a round.");
    t.read(1, "r1");
    t.describe("Two more reads arrive during the round. A round that was sent before they arrived confirms nothing for them.");
    t.read(1, "r2");
    t.read(1, "r3");
    t.deliver(1, 2);
    t.describe("The response confirms the first read, and starts one round for the other two.");
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn deposed_leader_serves_no_stale_read() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(1);
        t.elect(2);
        t.propose(2, "x=1");
        t.deliver_all();
    });
    t.describe("n2 leads term 2 and has committed x=1. n1, cut off, does not know of it, and a client requests a read.");
    t.show();
    t.read(1, "r1");
    t.describe(
        "The link heals; the response to n1's heartbeat carries term 2. The read is redirected, not served.",
    );
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn follower_redirects_read() {
    let mut t = led_by_n1();
    t.describe("Followers do not serve reads.");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn read_waits_until_read_index_is_applied() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.describe("x=1 is committed by n2 and n3, and not yet durable on n1, so not applied there.");
    t.propose(1, "x=1");
    t.deliver_all();
    t.describe("The leadership is confirmed. The read waits for x=1 nevertheless.");
    t.read(1, "r1");
    t.deliver_all();
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn heartbeat_repeats_lost_round() {
    let mut t = led_by_n1();
    t.cut(3);
    t.describe("The round is lost.");
    t.read(1, "r1");
    t.lose(1, 2);
    t.describe("The heartbeat repeats the round.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn early_read_continues_once_own_write_is_durable() {
    let mut t = Table::of(1);
    t.slow_disk(1);
    t.describe("n1, the only voter, gets a read before its own entry is durable.");
    t.time_out(1);
    t.sync(1);
    t.read(1, "r1");
    t.describe("No follower will ever respond: the completed write alone must continue the read.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn own_write_that_commits_starts_round_of_early_reads() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.slow_disk(1);
        t.cut(3);
        t.time_out(1);
        t.sync(1);
        t.deliver_all();
    });
    t.describe("n1 was just elected. Its first entry is durable on n2, but not on n1, when a read arrives.");
    t.show();
    t.read(1, "r1");
    t.describe("n1's own write commits the entry, and the round starts at once.");
    t.sync(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
