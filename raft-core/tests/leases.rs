//! Reads by lease (thesis 6.4.1), told message by message. Time passes for all at once here.

mod table;

use raft_core::{ConfChange, ConfChangeOp, Config, NodeId};
use table::Table;

/// Everybody waits for 300 ms, and clocks may be wrong by so many millionths.
fn by_lease(drift: u32) -> impl Fn(&mut Config) {
    move |config| {
        config.check_quorum = true;
        config.lease_drift = Some(drift);
        config.election_timeout_spread = 0;
    }
}

/// So many servers, of which the first `founders` found the group. n1 leads it, and everybody has just heard so.
fn led_by_n1(founders: u64, servers: u64, drift: u32) -> Table {
    let mut t = Table::founded_by(founders, servers, by_lease(drift));
    t.together = true;
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

/// So many heartbeats of n1, each 100 ms after the one before.
fn heartbeats(t: &mut Table, count: usize) {
    t.quietly(|t| {
        for _ in 0..count {
            t.heartbeat(1);
            t.deliver_all();
        }
    });
}

#[test]
fn a_read_by_lease_is_served_at_once() {
    let mut t = led_by_n1(3, 3, 0);
    t.story("n2 and n3 have promised to elect nobody else for 300 ms. Nobody needs to be asked.");
    t.read(1, "r1");
    t.pause(1, 150);
    t.story("A client's write in between is no obstacle: what is not committed nobody has been told of.");
    t.propose(1, "x=1");
    t.read(1, "r2");
    t.deliver_all();
    t.read(1, "r3");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lease_counts_from_when_the_message_left() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut(3);
    t.heartbeat(1);
    t.story(
        "n2 hears the heartbeat at once. Its answer takes 200 ms, of the 300 for which n2 keeps its promise.",
    );
    t.deliver(1, 2);
    t.pause(1, 200);
    t.deliver(2, 1);
    t.story("299 ms after the heartbeat left, the lease is good.");
    t.pause(1, 99);
    t.read(1, "r1");
    t.story("A millisecond later it is over, and n1 has to ask.");
    t.pause(1, 1);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_cut_off_leader_serves_reads_until_its_lease_runs_out() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut(1);
    t.story("n1 is cut off and does not know it. Until 300 ms have passed nobody else can lead: what it says is true.");
    t.pause(1, 299);
    t.read(1, "r1");
    t.story("Then n2 may lead, and does.");
    t.quietly(|t| {
        t.elect(2);
        t.propose(2, "x=1");
        t.deliver_all();
    });
    t.show();
    t.read(1, "r2");
    t.story("Nobody confirms n1. It gives up, and r2 is sent elsewhere.");
    t.wait(1, 300);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_voids_leases_for_the_rest_of_the_term() {
    let mut t = led_by_n1(3, 3, 0);
    t.hold(1, 2);
    t.story("n2 is told to campaign: the voters will let it, whatever they have promised n1.");
    t.transfer(1, 2);
    t.read(1, "r1");
    t.story("The transfer is given up, and all that n1 hears is good. But the order is still on its way.");
    t.quietly(|t| {
        t.deliver_all();
        t.wait(1, 299);
        t.deliver_all();
    });
    t.wait(1, 1);
    t.read(1, "r2");
    t.story("Here it is. n3 has heard n1 just now, and votes for n2 all the same.");
    t.cut(1);
    t.deliver(1, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn while_joint_a_lease_takes_both_halves() {
    let mut t = led_by_n1(3, 5, 0);
    t.quietly(|t| {
        let voter = |id| ConfChangeOp::AddVoter(NodeId(id));
        let remove = |id| ConfChangeOp::Remove(NodeId(id));
        t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(2), remove(3)]));
        t.deliver_all();
        t.cut(2);
        t.cut(3);
    });
    heartbeats(&mut t, 3);
    t.story(
        "300 ms ago n1 heard of n2 and n3 for the last time. It hears n4 and n5, the new half, all the time.",
    );
    t.show();
    t.story("n2 and n3 could elect one of them, as far as n1 knows: it has to ask.");
    t.read(1, "r1");
    t.story("With both halves it can be sure.");
    t.quietly(Table::heal);
    t.heartbeat(1);
    t.quietly(Table::deliver_all);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learners_give_no_lease() {
    let mut t = led_by_n1(3, 5, 0);
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddLearner(NodeId(5))]);
        t.deliver_all();
        t.cut(2);
        t.cut(3);
    });
    heartbeats(&mut t, 3);
    t.story("n4 and n5 listen and answer. n2 and n3, who vote, have not for 300 ms.");
    t.show();
    t.read(1, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_voter_that_restarts_keeps_its_promise() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut_link(1, 3);
    t.story("n2 alone answers n1's heartbeat, and restarts. It has forgotten whom it has heard, and when.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.crash(2);
    t.restart(2);
    t.story("200 ms later n3 asks for its vote. n2 listens to nobody, for it may have promised.");
    t.time_out(3);
    t.deliver(3, 2);
    t.read(1, "r1");
    t.story("300 ms after that, whatever it has promised is over.");
    t.time_out(3);
    t.cut(1);
    t.deliver(3, 2);
    t.deliver(2, 3);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn clocks_that_drift_shorten_the_lease() {
    let mut t = led_by_n1(3, 3, 100_000);
    t.story(
        "Any clock may be wrong by a tenth. n1's may be slow, n2's fast: (1 - 0.1) / (1 + 0.1) of 300 ms are 245.45 ms.",
    );
    let lease =
        Config { lease_drift: Some(100_000), ..Config::new(NodeId(1), vec![NodeId(1)]) }.lease_duration();
    assert_eq!(lease, Some(245_454_545));
    t.pause(1, 245);
    t.read(1, "r1");
    t.pause(1, 1);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_an_entry_of_its_own_term_a_leader_has_no_use_for_a_lease() {
    let mut t = led_by_n1(3, 3, 0);
    t.quietly(|t| {
        t.propose(1, "x=1");
        t.deliver_all();
        t.crash(1);
        t.slow_disk(2);
        t.time_out(2);
        t.sync(2);
        t.deliver(2, 3);
        t.deliver(3, 2);
        t.deliver_all();
    });
    t.story("n2 leads. n3 has answered its first entry, so n2 holds a lease; but n2's own disk is slow.");
    t.show();
    t.story("x=1 is committed, which n2 does not know. The lease says who leads, and nothing of what is committed.");
    t.read(2, "r1");
    t.story("Its own entry is committed now. The early read takes a round; the next one does not.");
    t.sync(2);
    t.read(2, "r2");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn alone_in_its_group_a_leader_always_has_a_lease() {
    let mut t = Table::with(1, by_lease(0));
    t.quietly(|t| t.elect(1));
    t.story("Nobody else could be elected.");
    t.read(1, "r1");
    t.pause(1, 10_000);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}
