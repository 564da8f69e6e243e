//! Requests that a follower forwards to its leader, message by message.

use crate::table::Table;

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
fn forwarded_proposal_completes_from_own_log() {
    let mut t = led_by_n1();
    t.describe("n2 does not lead, and knows the leader. n1 responds with the index of the command.");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.describe("n2 learns from its own log whether 2@1 is committed.");
    t.deliver_all();
    t.heartbeat(1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forwarded_read_is_served_from_own_state() {
    let mut t = led_by_n1();
    t.describe("n1 confirms its leadership, and returns the read index: n2 has applied it already.");
    t.read(2, "r1");
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_newest(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forwarded_read_waits_until_follower_applies() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.propose(1, "x=1");
        t.deliver_all();
    });
    t.describe(
        "n1 has responded that x=1 is applied. n2 has the entry, and does not know that it is committed.",
    );
    t.show();
    t.read(2, "r1");
    t.deliver(2, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.describe("n1's response overtakes its round: the read index is 2, and n2 has applied 1.");
    t.deliver_newest(1, 2);
    t.describe("The round carries the commit index.");
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_leader_nothing_is_forwarded() {
    let mut t = led_by_n1();
    t.crash(2);
    t.restart(2);
    t.describe("n2 has just restarted without a leader: nothing was forwarded, so the requests have certainly failed.");
    t.propose(2, "x=1");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forward_without_response_is_unknown() {
    let mut t = led_by_n1();
    t.cut(2);
    t.describe("Both requests or their responses are lost: n2 cannot tell.");
    t.propose(2, "x=1");
    t.read(2, "r1");
    t.wait(2, 299);
    t.describe("After an election timeout n2 stops waiting. A read without a response had no effect.");
    t.wait(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forward_whose_entry_was_replaced_is_unknown() {
    let mut t = led_by_n1();
    t.describe("n1 appends the command at 2@1, and sends n2 the position. The entry itself is lost.");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver_newest(1, 2);
    t.quietly(|t| {
        t.lose_all();
        t.crash(1);
        t.elect(3);
        t.heartbeat(3);
    });
    t.describe("n3 leads, and has committed another entry at 2. For all n2 knows, a duplicate was appended elsewhere.");
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn duplicate_forward_appends_twice() {
    let mut t = led_by_n1();
    t.describe("The network duplicates the request. The core does not inspect commands: deduplication is left to sessions.");
    t.propose(2, "x=1");
    t.duplicate(2, 1);
    t.deliver(2, 1);
    t.deliver(2, 1);
    t.describe("n2 gets both positions, and responds once.");
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
fn rejection_of_forward_is_not_final() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(3);
        t.propose(1, "a=1");
        t.deliver_all();
        t.transfer(1, 3);
    });
    t.describe(
        "n1 transfers its leadership and rejects proposals. A duplicate of n2's request may be accepted later.",
    );
    t.propose(2, "x=1");
    t.duplicate(2, 1);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.describe("It is accepted.");
    t.wait(1, 300);
    t.deliver_newest(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forwarded_requests_are_not_forwarded_again() {
    let mut t = led_by_n1();
    t.quietly(|t| {
        t.cut(2);
        t.elect(3);
        t.heal();
    });
    t.describe(
        "n3 leads, n1 follows it, and n2 still follows n1. n1 does not forward what was forwarded to it.",
    );
    t.read(2, "r1");
    t.propose(2, "x=1");
    t.deliver(2, 1);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn deposed_leader_responds_to_forwarded_read() {
    let mut t = led_by_n1();
    t.describe("A read waits at n1 for its round.");
    t.read(2, "r1");
    t.deliver(2, 1);
    t.lose(1, 2);
    t.lose(1, 3);
    t.describe("n3 campaigns.");
    t.time_out(3);
    t.deliver(3, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_forwarding_follower_redirects_client() {
    let mut t = led_by_n1_with(false);
    t.propose(2, "x=1");
    t.read(2, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn forward_response_for_earlier_incarnation_is_ignored() {
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
    t.describe("n2 has forwarded r1 and restarted. Since then x=1 was committed. n2 forwards another read.");
    t.show();
    t.read(2, "r2");
    t.describe("The response to r1 arrives. It is from before x=1, and would be wrong for r2.");
    t.deliver(1, 2);
    t.describe("r2 gets its own response.");
    t.release(1, 2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}
