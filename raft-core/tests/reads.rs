//! Linearizable reads (8, thesis 6.4), told message by message.

mod table;

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
fn a_read_waits_until_a_majority_confirms_the_leader() {
    let mut t = led_by_n1();
    t.story("n1 believes that it leads. A read wants to know it: it asks, and one answer of two is enough.");
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("The other answer changes nothing.");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_new_leader_reads_only_after_its_own_first_entry() {
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
    t.story("x=1 is committed and its client knows. n2, just elected, has it and does not know that it is committed.");
    t.show();
    t.read(2, "r1");
    t.story("Its own entry commits, and with it x=1. Only now does the round begin, from that commit index.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.story("Confirmed.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn reads_that_come_while_a_round_is_out_share_the_next_one() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("The first read starts a round.");
    t.read(1, "r1");
    t.story("Two more come while it is out. A round that was sent before they came proves nothing for them.");
    t.read(1, "r2");
    t.read(1, "r3");
    t.deliver(1, 2);
    t.story("The answer confirms the first read, and starts one round for the other two.");
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_deposed_leader_does_not_answer_from_the_past() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(1);
        t.elect(2);
        t.propose(2, "x=1");
        t.deliver_all();
    });
    t.story("n2 leads term 2 and has committed x=1. n1, cut off, knows nothing of it and is asked to read.");
    t.show();
    t.read(1, "r1");
    t.story(
        "The link heals; the answer to its heartbeat names term 2. The read is sent elsewhere, never served.",
    );
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_sends_the_reader_elsewhere() {
    let mut t = led_by_n1();
    t.story("Followers do not serve reads.");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_read_waits_until_everything_before_it_is_applied() {
    let mut t = led_by_n1();
    t.slow_disk(1);
    t.story("x=1 is committed by n2 and n3, and not yet durable on n1, so not applied there.");
    t.propose(1, "x=1");
    t.deliver_all();
    t.story("The leadership is confirmed. The read waits for x=1 all the same.");
    t.read(1, "r1");
    t.deliver_all();
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_round_is_repeated_with_the_heartbeat() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("The round is lost.");
    t.read(1, "r1");
    t.lose(1, 2);
    t.story("The heartbeat names the same round.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_early_read_goes_on_once_the_own_write_is_durable() {
    let mut t = Table::of(1);
    t.slow_disk(1);
    t.story("Alone in its group, n1 is asked to read before its own entry is durable.");
    t.time_out(1);
    t.sync(1);
    t.read(1, "r1");
    t.story("No follower will ever answer: the write alone must wake the read.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn the_own_write_that_commits_starts_the_round_of_early_reads() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.slow_disk(1);
        t.cut(3);
        t.time_out(1);
        t.sync(1);
        t.deliver_all();
    });
    t.story("n1 was just elected. Its first entry is durable on n2, and on n1 not yet: a read comes early.");
    t.show();
    t.read(1, "r1");
    t.story("n1's own write commits the entry, and the round begins at once.");
    t.sync(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
