//! What a follower passes on to its leader, told message by message.

mod table;

use table::Table;

fn led_by_n1() -> Table {
    led_by_n1_with(true)
}

fn led_by_n1_with(forward: bool) -> Table {
    let mut t = Table::with(3, |config| config.forward = forward);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn a_proposal_is_passed_on_and_answered_from_the_own_log() {
    let mut t = led_by_n1();
    t.story("n2 does not lead, and knows who does. n1 says where it has put the command.");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.story("Whether 2@1 is committed n2 will see in its own log.");
    t.deliver_all();
    t.heartbeat(1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_read_is_passed_on_and_served_from_the_own_state() {
    let mut t = led_by_n1();
    t.story("n1 makes sure that it leads, and says up to where a reader must wait: n2 is there already.");
    t.read(2, "r1");
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_newest(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_read_waits_until_it_is_applied_where_it_was_asked() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.propose(1, "x=1");
        t.deliver_all();
    });
    t.story("x=1 is done, says n1. n2 has it, and does not know that it is committed.");
    t.show();
    t.read(2, "r1");
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.story("The leader's word overtakes its round: the read is good from 2 on, and n2 has applied 1.");
    t.deliver_newest(1, 2);
    t.story("The round brings the news.");
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_a_leader_nothing_is_passed_on() {
    let mut t = led_by_n1();
    t.crash(2);
    t.restart(2);
    t.story("n2 has just come back and has heard nobody: it has certainly done nothing.");
    t.propose(2, "x=1");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn where_no_answer_comes_it_is_unknown() {
    let mut t = led_by_n1();
    t.cut(2);
    t.story("Both letters are lost, or their answers are: n2 cannot tell.");
    t.propose(2, "x=1");
    t.read(2, "r1");
    t.wait(2, 299);
    t.story("After an election timeout n2 waits no longer. A read that was not answered has done nothing.");
    t.wait(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn where_another_entry_stands_it_is_unknown() {
    let mut t = led_by_n1();
    t.story("n1 puts the command at 2@1, and tells n2 so. The entry itself goes nowhere.");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.quietly(|t| {
        t.lose_all();
        t.crash(1);
        t.elect(3);
        t.heartbeat(3);
    });
    t.story("n3 leads, and has committed another entry in that place. A double may stand elsewhere, for all n2 knows.");
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_letter_that_comes_twice_appends_twice() {
    let mut t = led_by_n1();
    t.story("The network doubles the letter. The core does not look into commands: that is what sessions are for.");
    t.propose(2, "x=1");
    t.duplicate(2, 1);
    t.deliver(2, 1);
    t.deliver(2, 1);
    t.story("n2 is told of both, and answers once.");
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
    });
    t.deliver(1, 2);
    t.show();
    assert_eq!(t.server(2).state.commands, ["x=1", "x=1"]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_refusal_of_what_was_passed_on_says_nothing_certain() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "a=1");
        t.deliver_all();
        t.transfer(1, 3);
    });
    t.story(
        "n1 is passing leadership on and takes nothing. A double of n2's letter may yet find it willing.",
    );
    t.propose(2, "x=1");
    t.duplicate(2, 1);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.story("It does.");
    t.wait(1, 300);
    t.deliver_newest(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn nothing_is_passed_on_twice() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(2);
        t.elect(3);
        t.heal();
    });
    t.story("n3 leads, n1 follows it, and n2 believes in n1. n1 does not pass on what was passed on to it.");
    t.read(2, "r1");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_is_deposed_tells_who_passed_a_read_on() {
    let mut t = led_by_n1();
    t.story("A read waits at n1 for its round.");
    t.read(2, "r1");
    t.deliver(2, 1);
    t.lose(1, 2);
    t.lose(1, 3);
    t.story("n3 campaigns.");
    t.time_out(3);
    t.deliver(3, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn switched_off_a_follower_sends_its_client_elsewhere() {
    let mut t = led_by_n1_with(false);
    t.propose(2, "x=1");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_answer_to_the_incarnation_before_is_nobodys() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.read(2, "r1");
        t.deliver(2, 1);
        t.deliver(1, 3);
        t.deliver(3, 1);
        t.crash(2);
        t.restart(2);
        t.deliver(1, 2);
        t.hold(1, 2);
        t.propose(1, "x=1");
        t.deliver_all();
    });
    t.story("n2 has passed r1 on and restarted. Since then x=1 was committed. n2 passes another read on.");
    t.show();
    t.read(2, "r2");
    t.story("The answer to r1 arrives. It is from before x=1, and would be wrong for r2.");
    t.deliver(1, 2);
    t.story("r2 gets its own.");
    t.release(1, 2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}
