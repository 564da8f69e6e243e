//! Leader election (5.2, 5.4.1) and pre-vote (thesis 9.6), told message by message.

mod table;

use table::Table;

#[test]
fn a_leader_is_elected() {
    let mut t = Table::of(3);
    t.story("n1 waits in vain for a leader. It votes for itself, durably, and asks the others.");
    t.time_out(1);
    t.story("The first vote makes a majority. The new leader appends an entry of its own term at once.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("The second vote changes nothing, the entry commits, and a heartbeat tells the others so.");
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn alone_in_its_group_a_server_elects_itself() {
    let mut t = Table::of(1);
    t.story("Nobody else to ask: the own vote is a majority, once it is durable.");
    t.slow_disk(1);
    t.time_out(1);
    t.sync(1);
    t.story("Its own entry commits as soon as it is durable, and not before.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_split_vote_is_resolved_by_the_next_timeout() {
    let mut t = Table::of(4);
    t.story(
        "n1 and n2 time out together. n3 hears n1 first and n4 hears n2: two votes each, of three needed.",
    );
    t.time_out(1);
    t.time_out(2);
    t.deliver(1, 3);
    t.deliver(2, 4);
    t.deliver_all();
    t.story(
        "Nobody leads term 1. n2 is the first to lose patience, in a new term, where all votes are free.",
    );
    t.time_out(2);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_vote_waits_for_the_disk() {
    let mut t = Table::of(3);
    t.slow_disk(2);
    t.time_out(1);
    t.story("n2 would vote for n1, but its disk is slow: no vote leaves before it is durable.");
    t.deliver(1, 2);
    t.story("Now it is.");
    t.sync(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_vote_lost_with_the_power_was_never_given() {
    let mut t = Table::of(3);
    t.slow_disk(2);
    t.time_out(1);
    t.time_out(3);
    t.story(
        "n2 means to vote for n1; the power fails before the vote is durable, and so before it has left.",
    );
    t.deliver(1, 2);
    t.power_loss(2);
    t.restart(2);
    t.story("So it may vote for n3 in the same term, and nobody has two votes of it.");
    t.deliver(3, 2);
    t.sync(2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidacy_forgotten_in_a_power_loss_did_not_leave() {
    let mut t = Table::of(3);
    t.slow_disk(1);
    t.story("n1 campaigns in term 1 in memory only: nobody is asked before the own vote is durable.");
    t.time_out(1);
    t.power_loss(1);
    t.story("It has forgotten term 1, and campaigns in it for the first time as far as anybody can tell.");
    t.restart(1);
    t.fast_disk(1);
    t.time_out(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_candidacy_that_left_is_remembered_after_a_power_loss() {
    let mut t = Table::of(3);
    t.story("n1 has asked for votes in term 1, and its power fails.");
    t.time_out(1);
    t.power_loss(1);
    t.restart(1);
    t.story(
        "A vote for term 1 comes in: its candidacy is over with the incarnation, and the vote is nobody's.",
    );
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("It never campaigns in term 1 again.");
    t.time_out(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn pre_vote_does_not_disturb() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story("n1 leads. n3 is cut off, hears nobody, and asks whether it could win, time after time.");
    t.show();
    t.cut(3);
    t.time_out(3);
    t.time_out(3);
    t.story(
        "It comes back with the term that it had. The others hear their leader and would not vote for it.",
    );
    t.heal();
    t.time_out(3);
    t.deliver_all();
    t.story("The next heartbeat takes it back.");
    t.wait(1, 100);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_pre_vote_a_server_that_comes_back_deposes_the_leader() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story("The price of going without: n3, cut off, campaigns in term after term.");
    t.show();
    t.cut(3);
    t.time_out(3);
    t.time_out(3);
    t.story("Its answer to a heartbeat deposes n1, although n1 was well.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn pre_vote_elects_when_the_leader_is_gone() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
        t.crash(1);
    });
    t.story("n1 is gone, but n3 has heard it a moment ago: no help for n2 yet.");
    t.show();
    t.time_out(2);
    t.deliver_all();
    t.story("An election timeout later n3 is no longer content, and only now a term begins.");
    t.pause(3, 300);
    t.time_out(2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_pre_candidate_with_an_old_term_learns_from_a_refusal() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.quietly(|t| {
        t.elect(1);
        t.propose(1, "x=1");
        t.deliver_all();
        t.cut(2);
        t.pause(3, 300);
        t.time_out(3);
        t.crash(1);
        t.restart(1);
        t.deliver_all();
        t.crash(1);
        t.heal();
    });
    t.story(
        "n2 missed the election of term 2, and asks whether it could win that term. The refusal tells it.",
    );
    t.show();
    t.time_out(2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_stale_leader_learns_the_term_from_a_refusal() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(1);
        t.elect(2);
        t.heal();
    });
    t.story("n1 was cut off while n2 was elected, and still believes that it leads.");
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.story(
        "The refusal names term 2. That alone makes n1 step down, and it writes the term before it goes on.",
    );
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_late_vote_for_an_old_candidacy_does_not_count() {
    let mut t = Table::of(3);
    t.cut_link(1, 2);
    t.story("n3 votes for n1 in term 1; the vote is late, and n1 campaigns again in term 2.");
    t.time_out(1);
    t.deliver(1, 3);
    t.time_out(1);
    t.story(
        "The vote of term 1 arrives. n3 has not voted in term 2: it may yet vote for someone else there.",
    );
    t.deliver(3, 1);
    t.story("The vote of term 2 counts.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_longer_log_with_an_older_last_term_loses() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(1);
        t.propose(1, "a=1");
        t.propose(1, "a=2");
        t.elect(2);
        t.heartbeat(2);
        t.deliver_all();
        t.crash(2);
        t.heal();
    });
    t.story("n1 piled up entries that nobody has; n3 has a shorter log with a committed entry of term 2.");
    t.show();
    t.heartbeat(1);
    t.deliver_all();
    t.story("5.4.1: n3 refuses its vote, because the last term decides before the length.");
    t.time_out(1);
    t.deliver_all();
    t.story("The other way round it works.");
    t.time_out(3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_refused_candidate_does_not_put_off_the_elections_of_others() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        t.propose(1, "x=1");
        t.deliver_all();
        t.crash(1);
        t.heal();
    });
    t.story("n3 lacks an entry and cannot win. Its noise must not keep n2 silent, who can.");
    t.show();
    let due = t.raft(2).deadline();
    t.time_out(3);
    t.deliver(3, 2);
    assert_eq!(t.raft(2).deadline(), due, "only a vote given puts off the own candidacy");
    t.deliver(2, 3);
    t.time_out(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}
