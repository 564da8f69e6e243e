//! Leader election (5.2, 5.4.1) and pre-vote (thesis 9.6), message by message.

use crate::table::Table;

#[test]
fn leader_is_elected() {
    let mut t = Table::of(3);
    t.describe("n1 has no leader and times out. It makes its vote for itself durable, and requests the others' votes.");
    t.time_out(1);
    t.describe("The first vote makes a majority. The new leader appends an entry of its own term at once.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe(
        "The second vote changes nothing, the entry commits, and a heartbeat carries the commit index.",
    );
    t.deliver_all();
    t.heartbeat(1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn only_voter_elects_itself() {
    let mut t = Table::of(1);
    t.describe("n1 is the only voter: its own vote is a majority, once it is durable.");
    t.slow_disk(1);
    t.time_out(1);
    t.sync(1);
    t.describe("Its own entry commits as soon as it is durable, and not before.");
    t.sync(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn split_vote_is_resolved_by_next_timeout() {
    let mut t = Table::of(4);
    t.describe(
        "n1 and n2 time out together. n3 gets n1's request first and n4 gets n2's: two votes each, of three needed.",
    );
    t.time_out(1);
    t.time_out(2);
    t.deliver(1, 3);
    t.deliver(2, 4);
    t.deliver_all();
    t.describe(
        "Term 1 has no leader. n2 times out first, and starts a new term in which no vote is given yet.",
    );
    t.time_out(2);
    t.quietly(Table::deliver_all);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn vote_waits_for_disk() {
    let mut t = Table::of(3);
    t.slow_disk(2);
    t.time_out(1);
    t.describe("n2 grants n1 its vote, but its disk is slow: no vote is sent before it is durable.");
    t.deliver(1, 2);
    t.describe("The vote is durable.");
    t.sync(2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn vote_lost_in_power_loss_was_never_sent() {
    let mut t = Table::of(3);
    t.slow_disk(2);
    t.time_out(1);
    t.time_out(3);
    t.describe(
        "n2 grants n1 its vote; the power fails before the vote is durable, and so before it is sent.",
    );
    t.deliver(1, 2);
    t.power_loss(2);
    t.restart(2);
    t.describe("So n2 may vote for n3 in the same term, and only one vote of n2 was ever sent.");
    t.deliver(3, 2);
    t.sync(2);
    t.deliver(2, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn no_vote_request_is_sent_before_own_vote_is_durable() {
    let mut t = Table::of(3);
    t.slow_disk(1);
    t.describe("n1 campaigns in term 1 in memory only: no request is sent before its own vote is durable.");
    t.time_out(1);
    t.power_loss(1);
    t.describe("n1 has lost term 1, and campaigns in it again; no other server has seen the first campaign.");
    t.restart(1);
    t.fast_disk(1);
    t.time_out(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn candidacy_that_was_sent_survives_power_loss() {
    let mut t = Table::of(3);
    t.describe("n1 has requested votes in term 1, and loses power.");
    t.time_out(1);
    t.power_loss(1);
    t.restart(1);
    t.describe(
        "A vote for term 1 arrives: the restart has ended that candidacy, so the vote does not count.",
    );
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("It never campaigns in term 1 again.");
    t.time_out(1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn pre_vote_does_not_depose_leader() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe("n1 leads. n3 is cut off, times out, and requests pre-votes again and again.");
    t.show();
    t.cut(3);
    t.time_out(3);
    t.time_out(3);
    t.describe(
        "n3 is back with its old term. The others are in contact with their leader and deny the pre-vote.",
    );
    t.heal();
    t.time_out(3);
    t.deliver_all();
    t.describe("With the next heartbeat n3 follows n1.");
    t.wait(1, 100);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn without_pre_vote_returning_server_deposes_leader() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe("Without pre-vote: n3, cut off, campaigns in term after term.");
    t.show();
    t.cut(3);
    t.time_out(3);
    t.time_out(3);
    t.describe("n3's response to a heartbeat deposes n1, although n1 had a majority.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn pre_vote_succeeds_when_leader_is_down() {
    let mut t = Table::with(3, |config| config.pre_vote = true);
    t.quietly(|t| {
        t.elect(1);
        t.heartbeat(1);
        t.deliver_all();
        t.crash(1);
    });
    t.describe("n1 is down, but n3 has had contact with it just now: n2 gets no pre-vote yet.");
    t.show();
    t.time_out(2);
    t.deliver_all();
    t.describe("After an election timeout n3 grants the pre-vote, and only now n2 starts a term.");
    t.pause(3, 300);
    t.time_out(2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn pre_candidate_with_old_term_learns_term_from_rejection() {
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
    t.describe(
        "n2 missed the election of term 2, and requests pre-votes for that term. The rejection carries the term.",
    );
    t.show();
    t.time_out(2);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn stale_leader_learns_term_from_rejection() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(1);
        t.elect(2);
        t.heal();
    });
    t.describe("n1 was cut off while n2 was elected, and still acts as leader.");
    t.show();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.describe(
        "The rejection carries term 2. n1 steps down because of it, and writes the term before it continues.",
    );
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn late_vote_of_earlier_term_does_not_count() {
    let mut t = Table::of(3);
    t.cut_link(1, 2);
    t.describe("n3 votes for n1 in term 1; the vote is late, and n1 campaigns again in term 2.");
    t.time_out(1);
    t.deliver(1, 3);
    t.time_out(1);
    t.describe(
        "The vote of term 1 arrives. It must not count: n3 has not voted in term 2, and may vote for another server there.",
    );
    t.deliver(3, 1);
    t.describe("The vote of term 2 counts.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn longer_log_with_older_last_term_loses_election() {
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
    t.describe("n1 has appended entries that no other server has; n3 has a shorter log with a committed entry of term 2.");
    t.show();
    t.heartbeat(1);
    t.deliver_all();
    t.describe("5.4.1: n3 denies its vote, because the last term is compared before the length.");
    t.time_out(1);
    t.deliver_all();
    t.describe("In the other direction the vote is granted.");
    t.time_out(3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn denied_vote_does_not_reset_election_timer() {
    let mut t = Table::of(3);
    t.quietly(|t| {
        t.elect(1);
        t.cut(3);
        t.propose(1, "x=1");
        t.deliver_all();
        t.crash(1);
        t.heal();
    });
    t.describe(
        "n3 lacks an entry and cannot win. Its requests must not delay the campaign of n2, which can.",
    );
    t.show();
    let due = t.raft(2).deadline();
    t.time_out(3);
    t.deliver(3, 2);
    assert_eq!(t.raft(2).deadline(), due, "only a granted vote may delay the voter's own campaign");
    t.deliver(2, 3);
    t.time_out(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}
