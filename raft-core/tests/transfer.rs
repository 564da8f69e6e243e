//! Leadership transfer (thesis 3.10), told message by message.

mod table;

use raft_core::{ConfChange, ConfChangeOp, NodeId};
use table::Table;

/// So many servers, led by n1; everybody has applied its first entry.
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
fn leadership_passes_to_a_voter_that_has_everything() {
    let mut t = led_by_n1(3);
    t.story("n2 has everything, so n1 tells it at once.");
    t.transfer(1, 2);
    t.story("n2 does not wait for a timeout. n1 makes way, and has done what it was asked for.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_waits_until_the_other_one_has_caught_up() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.cut(2);
        t.propose(1, "x=1");
        t.deliver_all();
        t.heal();
    });
    t.story("n2 lacks x=1: a campaign would be in vain.");
    t.show();
    t.transfer(1, 2);
    t.story("The heartbeat finds out, and the entry goes to n2.");
    t.heartbeat(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    t.story("Now it has everything.");
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn proposals_and_changes_are_refused_while_leadership_passes_on() {
    let mut t = led_by_n1(3);
    t.transfer(1, 2);
    t.story("Whatever n1 took now, n2 would lack: a moving target. Reads go on.");
    t.propose(1, "x=1");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(3))]));
    t.read(1, "r1");
    t.story("Whoever asks for the same once more does not win it any time.");
    t.transfer(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_is_called_off_for_another_one_or_for_none() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut(2));
    t.transfer(1, 2);
    t.story("n2 is away. It shall be n3 instead, which is told at once.");
    t.transfer(1, 3);
    t.story("Or rather nobody: proposals are taken again. But n3 has its letter, and may lead yet.");
    t.transfer(1, 1);
    t.propose(1, "x=1");
    t.story("Where nothing is under way there is nothing to call off.");
    t.transfer(1, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_that_takes_too_long_has_failed() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut(2));
    t.story("n2 never hears that it should lead.");
    t.transfer(1, 2);
    t.quietly(|t| {
        t.wait(1, 299);
        t.deliver_all();
    });
    t.propose(1, "x=1");
    t.story("An election timeout later n1 gives up, and takes proposals again.");
    t.quietly(|t| t.hold(1, 3));
    t.wait(1, 1);
    t.propose(1, "x=2");
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_that_nobody_fits_is_refused() {
    let mut t = Table::founded_by(3, 5, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(4))]));
        t.deliver_all();
    });
    t.story("Not to itself, not to a learner, not to somebody outside of the group; and only a leader can.");
    t.transfer(1, 1);
    t.transfer(1, 4);
    t.transfer(1, 5);
    t.transfer(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_transfer_ends_when_its_target_is_removed() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.hold(1, 3);
        t.cut_link(1, 2);
    });
    t.story("A joint phase is under way that will remove n3. Leadership is to pass to n3 meanwhile, which still votes.");
    t.change(1, ConfChange::Auto(vec![ConfChangeOp::Remove(NodeId(2)), ConfChangeOp::Remove(NodeId(3))]));
    t.transfer(1, 3);
    t.story("The joint phase is committed and ends by itself, and n3 is no voter any more.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_order_of_an_old_term_is_ignored() {
    let mut t = led_by_n1(3);
    t.quietly(|t| {
        t.transfer(1, 2);
        t.hold(1, 2);
        t.elect(3);
        t.release(1, 2);
        t.heartbeat(3);
        t.deliver(3, 2);
    });
    t.story("n1 told n2 to campaign in term 1. The letter is late: n3 leads term 2.");
    t.show();
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidacy_is_not_touched_by_an_order_of_an_old_term() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.transfer(1, 2));
    t.story("n2 campaigns in term 2 before n1's letter arrives. It does not begin again.");
    t.time_out(2);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn voters_who_hear_their_leader_still_vote_for_its_choice() {
    let mut t = led_by_n1_with(3, true, true);
    t.story("Pre-vote and check-quorum are on, and everybody hears n1. n2 asks nobody first, and n3 does not protect n1.");
    t.transfer(1, 2);
    t.deliver(1, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.story("The leader makes way when it hears of the new term.");
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn another_candidate_ends_a_transfer() {
    let mut t = led_by_n1(3);
    t.quietly(|t| t.cut_link(1, 2));
    t.transfer(1, 2);
    t.story(
        "n3 has lost patience and campaigns. n1 steps down: leadership is lost, and who gets it is open.",
    );
    t.time_out(3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_order_to_a_learner_does_nothing() {
    let mut t = Table::founded_by(2, 3, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change(1, ConfChange::Auto(vec![ConfChangeOp::AddLearner(NodeId(3))]));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.post(1, 3, raft_core::Message::TimeoutNow { term: raft_core::Term(1) });
    });
    t.story("Nobody should tell a learner to campaign. Told, it does not.");
    t.show();
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_lost_order_is_not_repeated() {
    let mut t = led_by_n1(3);
    t.story("The order is lost. n1 waits, and does not tell n2 twice.");
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
    t.story("Then it takes the transfer for failed.");
    t.quietly(|t| {
        t.hold(1, 2);
        t.hold(1, 3);
    });
    t.wait(1, 1);
    insta::assert_snapshot!(t.transcript());
}
