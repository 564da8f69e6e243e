//! Log replication (5.3) and commitment (5.3, 5.4.2), told message by message.

mod table;

use table::Table;

/// Three servers; n1 leads term 1, and everybody has applied its first entry.
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
fn an_entry_commits_once_a_majority_has_it() {
    let mut t = led_by_n1();
    t.story("n1 leads. What it is told to append goes to its disk and to the others side by side.");
    t.show();
    t.propose(1, "x=1");
    t.story("One follower and n1 itself are a majority: the entry commits and the client hears of it.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("The third one gets it as well. Both learn with the next letter that it is committed.");
    t.deliver_all();
    t.propose(1, "x=2");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_sends_the_client_elsewhere() {
    let mut t = led_by_n1();
    t.story("Only leaders append. n2 knows who leads and says so; nothing is appended anywhere.");
    t.propose(2, "x=1");
    t.story("Without a leader there is no hint.");
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
    t.story("Nobody waits for an answer: three entries leave n1 while its disk has finished none of them.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.story("They reach n2 one by one, and wait for its disk as well.");
    t.deliver(1, 2);
    t.deliver(1, 2);
    t.deliver(1, 2);
    t.story("Its disk finishes two writes at once: two acknowledgements leave. The third one waits.");
    t.sync_oldest(2, 2);
    t.deliver_all();
    t.story("n1's disk finishes all: what n2 has is committed.");
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
    t.story("Two messages with one entry each fill the window; six entries wait at n1.");
    t.show();
    t.story("Each answer makes room for one message, and a message takes what a batch may hold.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("The rest follows.");
    t.quietly(|t| {
        t.release(1, 2);
        t.deliver_all();
    });
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_divergent_tail_is_replaced() {
    let mut t = led_by_n1();
    t.story("n1 is cut off and appends x=1 alone.");
    t.cut(1);
    t.propose(1, "x=1");
    t.story("n2 wins the next term and commits y=1 with n3.");
    t.quietly(|t| {
        t.elect(2);
        t.propose(2, "y=1");
        t.deliver_all();
    });
    t.show();
    t.story("n1 comes back. Whoever waits for x=1 learns that its fate is open, and the tail gives way.");
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
    t.story(
        "n1 has five entries of term 1 that nobody else has; n3 was just elected, with six of term 2 in their place.\n\
         Going back one by one would take six refusals.",
    );
    t.show();
    t.deliver(3, 1);
    t.story("n1 has nothing at 7. Its log ends with term 1 at 6, and in n3's log term 1 ends at 1: they agree there.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_message_is_repaired_by_the_heartbeat() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("The entry never reaches n2.");
    t.propose(1, "x=1");
    t.lose(1, 2);
    t.story("The heartbeat speaks of the entry that n1 believes to be there. n2 says where its log ends.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("The entry is sent again.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_answer_is_repaired_by_the_heartbeat() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("The entry arrives, its answer does not.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.lose(2, 1);
    t.story("The answer to the heartbeat says the same; nothing is sent twice.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_first_message_of_a_leader_is_repaired_by_the_heartbeat() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.cut(3);
        t.time_out(1);
        t.deliver(1, 2);
        t.deliver(2, 1);
        t.lose(1, 2);
    });
    t.story("n1 was just elected, and its first message is lost. It sends no more before it knows where n2 stands.");
    t.show();
    t.propose(1, "x=1");
    t.story("With the heartbeat it tries again, with all that is there by now.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn duplicated_and_reordered_messages_do_not_truncate() {
    let mut t = led_by_n1();
    t.cut(3);
    t.story("Two entries reach n2, the second one first: it does not fit yet.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.deliver_newest(1, 2);
    t.story("The first one comes, and will come again. The refusal brings both once more.");
    t.deliver_copy(1, 2);
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.story("Now n2 has both. The first message comes again and takes nothing back.");
    t.deliver(1, 2);
    t.show();
    t.story("Answers in any order add up to the highest.");
    t.deliver_newest(2, 1);
    t.deliver_newest(2, 1);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_old_entry_is_not_committed_by_counting() {
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
    t.story(
        "Figure 8. n1 left a=1 of term 1 on two servers. n5 led term 2, where nobody heard of its b=1, and is down.\n\
         Now n2 and n3 elect n1 again.",
    );
    t.show();
    t.deliver(3, 1);
    t.quietly(|t| t.lose(1, 4));
    t.story("n2 takes the new entry at once; n3 lacks a=1 and gets it first.");
    t.deliver(1, 2);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.story(
        "A majority has 2@1 now. It is not committed by that: n5 could come back and overwrite it, since its log\n\
         ends in term 2.",
    );
    t.deliver(2, 1);
    t.deliver(3, 1);
    t.story("With an entry of its own term on a majority n5 cannot win any more, and both commit together.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_follower_commits_only_what_was_compared() {
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
    t.story("n1 has a tail of its own where n2 has committed something else.");
    t.show();
    t.story(
        "For a read n2 asks whether it still leads. That says how much is committed, and compares only 1@1.",
    );
    t.read(2, "r1");
    t.deliver(2, 1);
    t.show();
    t.story("The answer brings the entries. Now they are compared.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_deposed_leader_does_not_know_what_became_of_its_proposals() {
    let mut t = led_by_n1();
    t.story("n1 hands x=1 to n2, and is cut off before the answer arrives.");
    t.propose(1, "x=1");
    t.deliver(1, 2);
    t.lose(2, 1);
    t.lose(1, 3);
    t.cut(1);
    t.story("n2 is elected and commits x=1, which it inherited.");
    t.time_out(2);
    t.quietly(Table::deliver_all);
    t.show();
    t.story("n1 learns of the new term: x=1 is neither applied nor lost as far as it knows.");
    t.heal();
    t.heartbeat(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}
