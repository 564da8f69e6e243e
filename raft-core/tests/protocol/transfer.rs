//! Leadership transfer (thesis 3.10), message by message.

use crate::table::Table;
use raft_core::{ConfChange, ConfChangeOp, NodeId};

/// A cluster led by n1; all have applied its first entry.
fn led_by_n1(nodes: u64) -> Table {
    led_by_n1_with(nodes, false, false)
}

fn led_by_n1_with(nodes: u64, pre_vote: bool, check_quorum: bool) -> Table {
    let mut t = Table::with(nodes, |config| {
        config.pre_vote = pre_vote;
        config.check_quorum = check_quorum;
    });
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t
}

#[test]
fn transfer_to_up_to_date_voter_is_immediate() {
    let mut t = led_by_n1(3);
    t.describe("n2 has the whole log, so n1 sends TimeoutNow at once.");
    t.transfer(1, 2);
    t.describe("n2 does not wait for its election timeout. n1 steps down, and the transfer is complete.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_waits_until_target_has_caught_up() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(2);
        t.propose(1, "x=1");
        t.deliver_all();
        t.heal();
    });
    t.describe("n2 lacks x=1 and could not win.");
    t.show();
    t.transfer(1, 2);
    t.describe("The heartbeat shows it, and the entry is sent to n2.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.describe("Now n2 has the whole log.");
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn proposals_and_changes_are_rejected_during_transfer() {
    let mut t = led_by_n1(3);
    t.transfer(1, 2);
    t.describe("n2 would lack any entry that n1 appends now. Reads continue.");
    t.propose(1, "x=1");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(3))]));
    t.read(1, "r1");
    t.describe("A second request for the same transfer does not extend its deadline.");
    t.transfer(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_is_replaced_or_cancelled() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut(2));
    t.transfer(1, 2);
    t.describe("n2 is cut off. Leadership goes to n3 instead, which gets TimeoutNow at once.");
    t.transfer(1, 3);
    t.describe("The transfer is cancelled: n1 accepts proposals again. But TimeoutNow is in flight to n3, which may still lead.");
    t.transfer(1, 1);
    t.propose(1, "x=1");
    t.describe("Without a transfer there is nothing to cancel.");
    t.transfer(1, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_fails_after_election_timeout() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut(2));
    t.describe("n2 never gets TimeoutNow.");
    t.transfer(1, 2);
    t.quietly(|t| {
        t.wait(1, 299);
        t.deliver_all();
    });
    t.propose(1, "x=1");
    t.describe("After an election timeout the transfer has failed, and n1 accepts proposals again.");
    t.quietly(|t| t.hold(1, 3));
    t.wait(1, 1);
    t.propose(1, "x=2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_to_invalid_target_is_rejected() {
    let mut t = Table::with_initial_voters(3, 5, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
        t.deliver_all();
    });
    t.describe("The target must be another server and a voter, and only a leader can transfer.");
    t.transfer(1, 1);
    t.transfer(1, 4);
    t.transfer(1, 5);
    t.transfer(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn transfer_ends_when_target_is_removed() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.hold(1, 3);
        t.cut_link(1, 2);
    });
    t.describe("A joint phase in progress will remove n3. Until it ends n3 is a voter, and a valid target.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(2)), ConfChangeOp::Remove(NodeId(3))]));
    t.transfer(1, 3);
    t.describe("The joint phase is committed and ends by itself, and n3 is no voter any more.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn timeout_now_of_earlier_term_is_ignored() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.transfer(1, 2);
        t.hold(1, 2);
        t.elect(3);
        t.release(1, 2);
        t.heartbeat(3);
        t.deliver(3, 2);
    });
    t.describe("n1 sent n2 TimeoutNow in term 1. The message is late: n3 leads term 2.");
    t.show();
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn timeout_now_of_earlier_term_does_not_restart_candidacy() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.transfer(1, 2));
    t.describe("n2 campaigns in term 2 before n1's TimeoutNow arrives. It does not start again.");
    t.time_out(2);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn voters_in_contact_with_leader_vote_for_transfer_target() {
    let mut t = led_by_n1_with(3, true, true);
    t.describe("Pre-vote and check-quorum are on, and all are in contact with n1. n2 requests votes without pre-votes, and n3 does not protect n1.");
    t.transfer(1, 2);
    t.deliver(1, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.describe("The leader steps down when it receives the new term.");
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn another_candidate_ends_transfer() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut_link(1, 2));
    t.transfer(1, 2);
    t.describe(
        "n3 times out and campaigns. n1 steps down: leadership is lost, and it is open which server gets it.",
    );
    t.time_out(3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn timeout_now_to_learner_is_ignored() {
    let mut t = Table::with_initial_voters(2, 3, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(3))]));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.inject(1, 3, raft_core::Message::TimeoutNow { term: raft_core::Term(1) });
    });
    t.describe("A learner should not get TimeoutNow. If it does, it does not campaign.");
    t.show();
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn lost_timeout_now_is_not_repeated() {
    let mut t = led_by_n1(3);
    t.describe("TimeoutNow is lost. n1 waits, and does not send it twice.");
    t.transfer(1, 2);
    t.lose(1, 2);
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.quietly(|t| {
        t.deliver_all();
        t.wait(1, 199);
        t.deliver_all();
    });
    t.describe("Then the transfer has failed.");
    t.quietly(|t| {
        t.hold(1, 2);
        t.hold(1, 3);
    });
    t.wait(1, 1);
    insta::assert_snapshot!(t.transcript());
}
