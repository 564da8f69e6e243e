//! Limits: what goes into a message, into a window, and into the log of a leader that cannot commit; how many requests
//! wait, and how much a voter may lack.

mod table;

use raft_core::log::ENTRY_COST;
use raft_core::{ConfChangeOp, Config, NodeId};
use table::Table;

/// So many servers, of which the first three found the group and n1 leads it.
fn led_by_n1(servers: u64, change: impl Fn(&mut Config)) -> Table {
    let mut t = Table::founded_by(3, servers, change);
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

/// n1 has appended this while n3 was away.
fn behind_is_n3(t: &mut Table, commands: &[&str]) {
    t.quietly(|t| {
        t.cut(3);
        commands.iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
        t.heal();
        t.cut(2);
    });
}

#[test]
fn a_message_holds_so_many_bytes() {
    let mut t = led_by_n1(3, |config| config.max_batch_bytes = 8);
    behind_is_n3(&mut t, &["x=1", "x=2", "x=3", "x=4", "x=5"]);
    t.story("n3 lacks five commands of 3 bytes each. A message may hold 8: two commands.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.story("The first one finds out where the logs agree, and then all go.");
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_command_larger_than_a_message_goes_alone() {
    let mut t = led_by_n1(3, |config| config.max_batch_bytes = 8);
    behind_is_n3(&mut t, &["x=1", "x=1000000", "x=2", "x=3"]);
    t.story("The second command has 9 bytes, and a message may hold 8.");
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_window_holds_so_many_bytes() {
    let mut t = led_by_n1(3, |config| config.max_in_flight_bytes = 6);
    t.cut(3);
    t.story("6 bytes may be on their way to n2. The third command has to wait.");
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.story("The first one has arrived: there is room.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_is_larger_than_the_window_goes_when_that_is_open() {
    let mut t = led_by_n1(3, |config| config.max_in_flight_bytes = 6);
    t.cut(3);
    t.story("A command of 9 bytes goes, and fills the window.");
    t.propose(1, "x=1000000");
    t.propose(1, "x=2");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("It also goes where there is still some room, and then nothing more.");
    t.propose(1, "x=3000000");
    t.propose(1, "x=4");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_cannot_commit_takes_so_many_bytes() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = two_commands());
    t.story(
        "Two commands of 3 bytes may be uncommitted. The third is refused: certainly nothing comes of it.",
    );
    t.propose(1, "x=1");
    t.propose(1, "x=2");
    t.propose(1, "x=3");
    t.story("x=1 is committed: there is room for one more, not for two.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.propose(1, "x=4");
    t.propose(1, "x=5");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn empty_commands_count_against_the_limit() {
    for (limit, taken) in [(1, 1), (ENTRY_COST, 1), (3 * ENTRY_COST, 3), (100 * ENTRY_COST - 1, 99)] {
        let mut t = led_by_n1(3, |config| {
            config.max_uncommitted_bytes = limit;
            config.forward = true;
        });
        let before = t.raft(1).last().index.0;
        t.cut(1);
        (0..1_000).for_each(|_| t.propose(1, ""));
        assert_eq!(t.raft(1).last().index.0 - before, taken, "a limit of {limit} bytes");
        // All of it is given back once it is committed, and those that followers pass on count as well.
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
        assert_eq!(t.raft(1).last().index.0 - before, taken, "a limit of {limit} bytes, passed on");
    }
}

#[test]
fn a_server_that_is_set_up_plainly_holds_a_bounded_number_of_requests() {
    let most = Config::new(NodeId(1), vec![NodeId(1)]).max_requests;
    assert_eq!(most, 1 << 14);
    let waiting = |most: usize| {
        let mut t = Table::of(3);
        if most > 1 << 14 {
            t = Table::with(3, |config| config.max_requests = most);
        }
        t.quietly(|t| {
            t.elect(1);
            t.cut(1);
            (0..most + 2).for_each(|_| t.read(1, "r"));
        });
        t.unanswered().len()
    };
    assert_eq!(waiting(most), most);
    assert_eq!(waiting(most + 1), most + 1, "a host can raise it");
}

#[test]
fn a_single_large_command_is_taken_where_nothing_is_uncommitted() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = ENTRY_COST + 6);
    t.story("A command that is larger than the limit would never be taken otherwise.");
    t.propose(1, "x=1000000");
    t.propose(1, "x=2");
    t.quietly(Table::deliver_all);
    t.story("It is committed.");
    t.propose(1, "x=3");
    t.story("With something uncommitted, the large one waits for its turn.");
    t.propose(1, "x=4000000");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_a_new_leader_inherits_does_not_count() {
    let mut t = led_by_n1(3, |config| config.max_uncommitted_bytes = two_commands());
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "x=1");
        t.propose(1, "x=2");
        t.deliver(1, 2);
        t.deliver(1, 2);
        t.crash(1);
        t.heal();
        t.letters.clear();
        t.time_out(2);
        t.deliver(2, 3);
        t.deliver(3, 2);
    });
    t.story("n2 leads, and x=1 and x=2 are not committed as far as it knows: they are not its own.");
    t.show();
    t.propose(2, "y=1");
    t.propose(2, "y=2");
    t.propose(2, "y=3");
    t.story("All of it commits, and there is room again for as much as ever.");
    t.quietly(Table::deliver_all);
    t.propose(2, "z=1");
    t.propose(2, "z=2");
    t.propose(2, "z=3");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_learner_that_lags_blocks_nobody() {
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
    t.story("n4 gets nothing for a while, and its window is full. The others do not wait for it.");
    t.propose(1, "x=1");
    t.deliver_all();
    t.propose(1, "x=2");
    t.deliver_all();
    t.story("What it lacks it gets as it answers.");
    t.release(1, 4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn so_many_requests_wait_at_a_time() {
    let mut t = led_by_n1(3, |config| (config.max_requests, config.forward) = (2, true));
    t.story("n1 owes two answers. A third request is refused, whoever asks, and whatever for.");
    t.propose(1, "x=1");
    t.read(1, "r1");
    t.propose(1, "x=2");
    t.read(1, "r2");
    t.propose(2, "x=3");
    t.deliver(2, 1);
    t.story("So it is with what n2 has passed on: one more may wait there, and then none.");
    t.read(2, "r3");
    t.propose(2, "x=4");
    t.quietly(Table::deliver_all);
    t.story("All is answered, and there is room again.");
    t.propose(1, "x=5");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn whoever_lacks_too_much_is_not_made_a_voter() {
    let mut t = Table::founded_by(2, 3, |config| config.max_promotion_lag = 1);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        ["x=1", "x=2"].into_iter().for_each(|command| t.propose(1, command));
        t.deliver_all();
    });
    t.story("With n3 for a voter, n1 and n2 could no more do without each other until it has the log.");
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.story("As a learner it can catch up at its leisure.");
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(3))]);
        t.deliver_all();
    });
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    t.story("It has it all.");
    t.quietly(|t| {
        t.heal();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.change_steps(1, &[ConfChangeOp::AddVoter(NodeId(3))]);
    insta::assert_snapshot!(t.transcript());
}
