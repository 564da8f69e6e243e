//! Limits: bytes in a message, in a window, and uncommitted in a leader's log; the number of waiting requests, and the
//! lag of a promoted voter.

use crate::table::Table;
use raft_core::{ConfChangeOp, Config, ENTRY_COST, NodeId};

/// A cluster with three initial voters, led by n1.
fn led_by_n1(servers: u64, change: impl Fn(&mut Config)) -> Table {
    let mut t = Table::with_initial_voters(3, servers, change);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

/// What two commands of 3 bytes cost a leader.
fn two_commands() -> u64 {
    2 * (ENTRY_COST + 3)
}

/// n1 appends commands while n3 is cut off.
fn leave_n3_behind(t: &mut Table, commands: &[&str]) {
    t.quietly(|t| {
        t.cut(3);
        commands.iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
        t.heal();
        t.cut(2);
    });
}

#[test]
fn message_bytes_are_limited() {
    let mut t = led_by_n1(3, |config| config.max_batch_bytes = 8);
    leave_n3_behind(&mut t, &["x=1", "x=2", "x=3", "x=4", "x=5"]);
    t.describe("n3 lacks five commands of 3 bytes each. A message may hold 8: two commands.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.describe("The first message finds where the logs match, and then all are sent.");
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn command_larger_than_a_message_is_sent_alone() {
    let mut t = led_by_n1(3, |config| config.max_batch_bytes = 8);
    leave_n3_behind(&mut t, &["x=1", "x=1000000", "x=2", "x=3"]);
    t.describe("The second command has 9 bytes, and a message may hold 8.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn window_bytes_are_limited() {
    let mut t = led_by_n1(3, |config| config.max_in_flight_bytes = 6);
    t.cut(3);
    t.describe("6 bytes may be in flight to n2. The third command must wait.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.describe("The first one is acknowledged: there is room.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn command_larger_than_window_is_sent_when_window_is_open() {
    let mut t = led_by_n1(3, |config| config.max_in_flight_bytes = 6);
    t.cut(3);
    t.describe("A command of 9 bytes is sent, and fills the window.");
    t.propose(1, "x=1000000");
    t.propose(1, "x=2");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("It is also sent when there is some room left, and then nothing more.");
    t.propose(1, "x=3000000");
    t.propose(1, "x=4");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn uncommitted_bytes_are_limited() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = two_commands());
    t.describe(
        "Two commands of 3 bytes may be uncommitted. The third is rejected, and will certainly not be applied.",
    );
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.describe("x=1 is committed: there is room for one more, not for two.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.propose(1, "x=4");
    t.propose(1, "x=5");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn empty_commands_count_towards_the_limit() {
    for (limit, taken) in [(1, 1), (ENTRY_COST, 1), (3 * ENTRY_COST, 3), (100 * ENTRY_COST - 1, 99)] {
        let mut t = led_by_n1(3, |config| {
            config.max_uncommitted_bytes = limit;
            config.forward = true;
        });
        let before = t.raft(1).last().index.0;
        t.cut(1);
        (0..1_000).for_each(|_| t.propose(1, ""));
        assert_eq!(t.raft(1).last().index.0 - before, taken, "a limit of {limit} bytes");
        // The bytes are released with the commit. Forwarded commands count as well.
        t.heal();
        for _ in 0..3 {
            t.heartbeat(1);
            t.deliver_all();
        }
        assert_eq!(t.raft(1).commit_index(), t.raft(1).last().index);
        t.hold(1, 3);
        t.hold(1, 2);
        let before = t.raft(1).last().index.0;
        for _ in 0..500 {
            t.propose(2, "");
            t.propose(3, "");
            t.deliver(2, 1);
            t.deliver(3, 1);
        }
        assert_eq!(t.raft(1).last().index.0 - before, taken, "a limit of {limit} bytes, forwarded");
    }
}

#[test]
fn default_configuration_limits_requests() {
    let limit = Config::new(NodeId(1), vec![NodeId(1)]).max_requests;
    assert_eq!(limit, 1 << 14);
    let waiting = |limit: usize| {
        let mut t = Table::of(3);
        if limit > 1 << 14 {
            t = Table::with(3, |config| config.max_requests = limit);
        }
        t.quietly(|t| {
            t.elect(1);
            t.cut(1);
            (0..limit + 2).for_each(|_| t.read(1, "r"));
        });
        t.unanswered().len()
    };
    assert_eq!(waiting(limit), limit);
    assert_eq!(waiting(limit + 1), limit + 1, "a host can raise it");
}

#[test]
fn single_large_command_is_accepted_when_nothing_is_uncommitted() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = ENTRY_COST + 6);
    t.describe("A command that is larger than the limit is accepted if nothing is uncommitted.");
    t.propose(1, "x=1000000");
    t.propose(1, "x=2");
    t.quietly(Table::deliver_all);
    t.describe("It is committed.");
    t.propose(1, "x=3");
    t.describe("While something is uncommitted, the large one is rejected.");
    t.propose(1, "x=4000000");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn inherited_entries_do_not_count() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = two_commands());
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "x=1");
        t.propose(1, "x=2");
        t.deliver(1, 2);
        t.deliver(1, 2);
        t.crash(1);
        t.heal();
        t.messages.clear();
        t.time_out(2);
        t.deliver(2, 3);
        t.deliver(3, 2);
    });
    t.describe("n2 leads, and does not know that x=1 and x=2 are committed. They do not count: n2 did not accept them.");
    t.show();
    t.propose(2, "y=1");
    t.propose(2, "y=2");
    t.propose(2, "y=3");
    t.describe("Everything commits, and the whole limit is available again.");
    t.quietly(Table::deliver_all);
    t.propose(2, "z=1");
    t.propose(2, "z=2");
    t.propose(2, "z=3");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn lagging_learner_does_not_block_commit() {
    let mut t = led_by_n1(4, |config| {
        config.max_uncommitted_bytes = ENTRY_COST + 3;
        config.max_in_flight_bytes = 3;
    });
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(4))]);
        t.deliver_all();
        t.cut(3);
    });
    t.hold(1, 4);
    t.describe("n4 gets no messages for a while, and its window is full. The others do not wait for it.");
    t.propose(1, "x=1");
    t.deliver_all();
    t.propose(1, "x=2");
    t.deliver_all();
    t.describe("It gets the missing entries as it responds.");
    t.release(1, 4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn waiting_requests_are_limited() {
    let mut t = led_by_n1(3, |config| (config.max_requests, config.forward) = (2, true));
    t.describe(
        "n1 has two requests without a response. A third one is rejected, whatever its kind and origin.",
    );
    t.propose(1, "x=1");
    t.read(1, "r1");
    t.propose(1, "x=2");
    t.read(1, "r2");
    t.propose(2, "x=3");
    t.deliver(2, 1);
    t.describe("The same limit holds for what n2 has forwarded: one more may wait there, and then none.");
    t.read(2, "r3");
    t.propose(2, "x=4");
    t.quietly(Table::deliver_all);
    t.describe("All requests have their response, and there is room again.");
    t.propose(1, "x=5");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn promotion_of_lagging_learner_is_rejected() {
    let mut t = Table::with_initial_voters(2, 3, |config| config.max_promotion_lag = 1);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        ["x=1", "x=2"].into_iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
    });
    t.describe("With n3 as a voter, n1 and n2 could commit nothing without each other until n3 has the log.");
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.describe("As a learner it can catch up first.");
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(3))]);
        t.deliver_all();
    });
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.describe("n3 has the whole log.");
    t.quietly(|t| {
        t.heal();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    insta::assert_snapshot!(t.transcript());
}
