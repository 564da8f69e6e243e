//! Reads by lease (thesis 6.4.1), message by message. Here time passes for all servers at once.

use crate::table::Table;
use raft_core::{ConfChange, ConfChangeOp, Config, NodeId};

/// All election timeouts are 300 ms, and clocks drift by at most `drift` parts per million.
fn by_lease(drift: u32) -> impl Fn(&mut Config) {
    move |config| {
        config.check_quorum = true;
        config.lease_drift = Some(drift);
        config.election_timeout_spread = 0;
    }
}

/// A cluster led by n1, with its first `initial_voters` servers as voters, just after a heartbeat.
fn led_by_n1(initial_voters: u64, servers: u64, drift: u32) -> Table {
    let mut t = Table::with_initial_voters(initial_voters, servers, by_lease(drift));
    t.shared_time = true;
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

/// `count` heartbeats of n1, each 100 ms after the one before.
fn heartbeats(t: &mut Table, count: usize) {
    t.quietly(|t| {
        for _ in 0..count {
            t.heartbeat(1);
            t.deliver_all();
        }
    });
}

#[test]
fn lease_read_is_served_at_once() {
    let mut t = led_by_n1(3, 3, 0);
    t.describe("n2 and n3 have promised not to vote for another server for 300 ms. No round is needed.");
    t.read(1, "r1");
    t.pause(1, 150);
    t.describe("An uncommitted write does not delay a read: no client has a response for it yet.");
    t.propose(1, "x=1");
    t.read(1, "r2");
    t.deliver_all();
    t.read(1, "r3");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn lease_runs_from_time_of_sending() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut(3);
    t.heartbeat(1);
    t.describe(
        "n2 receives the heartbeat at once. Its response takes 200 ms of the 300 ms for which n2 keeps its promise.",
    );
    t.deliver(1, 2);
    t.pause(1, 200);
    t.deliver(2, 1);
    t.describe("299 ms after the heartbeat was sent, the lease holds.");
    t.pause(1, 99);
    t.read(1, "r1");
    t.describe("A millisecond later it has expired, and n1 needs a round.");
    t.pause(1, 1);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn cut_off_leader_serves_reads_until_lease_expires() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut(1);
    t.describe("n1 is cut off and does not know it. For 300 ms no other server can lead: n1's reads are linearizable.");
    t.pause(1, 299);
    t.read(1, "r1");
    t.describe("Then n2 may lead, and does.");
    t.quietly(|t| {
        t.elect(2);
        t.propose(2, "x=1");
        t.deliver_all();
    });
    t.show();
    t.read(1, "r2");
    t.describe("No server confirms n1. It steps down, and r2 is redirected.");
    t.wait(1, 300);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_disables_leases_for_rest_of_term() {
    let mut t = led_by_n1(3, 3, 0);
    t.hold(1, 2);
    t.describe("n2 gets TimeoutNow: voters grant its request, whatever they have promised n1.");
    t.transfer(1, 2);
    t.read(1, "r1");
    t.describe("The transfer has failed, and n1 has all responses. But TimeoutNow is still in flight.");
    t.quietly(|t| {
        t.deliver_all();
        t.wait(1, 299);
        t.deliver_all();
    });
    t.wait(1, 1);
    t.read(1, "r2");
    t.describe("TimeoutNow arrives. n3 has had contact with n1 just now, and votes for n2 nevertheless.");
    t.cut(1);
    t.deliver(1, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn joint_lease_needs_both_halves() {
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
    t.describe(
        "n1 had contact with n2 and n3 300 ms ago. It has contact with n4 and n5, the new half, all the time.",
    );
    t.show();
    t.describe("As far as n1 knows, n2 and n3 could elect one of them: it needs a round.");
    t.read(1, "r1");
    t.describe("With both halves the lease holds.");
    t.quietly(Table::heal);
    t.heartbeat(1);
    t.quietly(Table::deliver_all);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learners_grant_no_lease() {
    let mut t = led_by_n1(3, 5, 0);
    t.quietly(|t| {
        t.change_steps(1, &[ConfChangeOp::AddLearner(NodeId(4)), ConfChangeOp::AddLearner(NodeId(5))]);
        t.deliver_all();
        t.cut(2);
        t.cut(3);
    });
    heartbeats(&mut t, 3);
    t.describe("n4 and n5 are learners and respond. n2 and n3, the voters, have not responded for 300 ms.");
    t.show();
    t.read(1, "r1");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn restarted_voter_keeps_lease_promise() {
    let mut t = led_by_n1(3, 3, 0);
    t.cut_link(1, 3);
    t.describe(
        "Only n2 responds to n1's heartbeat, and restarts. It has lost when it had contact with a leader.",
    );
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.crash(2);
    t.restart(2);
    t.describe("200 ms later n3 requests its vote. n2 ignores it, since it may have promised something.");
    t.time_out(3);
    t.deliver(3, 2);
    t.read(1, "r1");
    t.describe("300 ms after that, any promise from before the restart has expired.");
    t.time_out(3);
    t.cut(1);
    t.deliver(3, 2);
    t.deliver(2, 3);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn clock_drift_shortens_lease() {
    let mut t = led_by_n1(3, 3, 100_000);
    t.describe(
        "Any clock may drift by a tenth. n1's may be slow, n2's fast: (1 - 0.1) / (1 + 0.1) of 300 ms are 245.45 ms.",
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
fn lease_needs_current_term_commit() {
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
    t.describe(
        "n2 leads. n3 has acknowledged its first entry, so n2 holds a lease; but n2's own disk is slow.",
    );
    t.show();
    t.describe(
        "x=1 is committed, but n2 does not know it. The lease confirms the leader, not the commit index.",
    );
    t.read(2, "r1");
    t.describe("n2's own entry is committed now. The early read takes a round; the next one does not.");
    t.sync(2);
    t.read(2, "r2");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn only_voter_always_holds_a_lease() {
    let mut t = Table::with(1, by_lease(0));
    t.quietly(|t| t.elect(1));
    t.describe("n1 is the only voter, so no other server can be elected.");
    t.read(1, "r1");
    t.pause(1, 10_000);
    t.read(1, "r2");
    insta::assert_snapshot!(t.transcript());
}
