//! Membership changes (6, thesis 4), message by message.

use crate::table::Table;
use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, NodeId, Raft, Recovered, Timestamp,
};

/// A cluster led by n1, of which the first `initial_voters` servers are voters that have applied n1's first entry. The
/// other servers wait with empty logs.
fn led_by_n1(initial_voters: u64, servers: u64) -> Table {
    led_by_n1_with(initial_voters, servers, false, false)
}

fn led_by_n1_with(initial_voters: u64, servers: u64, pre_vote: bool, check_quorum: bool) -> Table {
    let mut t = Table::with_initial_voters(initial_voters, servers, |config| {
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

fn voter(id: u64) -> ConfChangeOp {
    ConfChangeOp::AddVoter(NodeId(id))
}

fn learner(id: u64) -> ConfChangeOp {
    ConfChangeOp::AddLearner(NodeId(id))
}

fn remove(id: u64) -> ConfChangeOp {
    ConfChangeOp::Remove(NodeId(id))
}

#[test]
fn learner_is_added_and_catches_up() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.propose(1, "x=1");
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe(
        "n3 runs with an empty log and belongs to no configuration. n1 makes it a learner, and sends it the new entry.",
    );
    t.show();
    t.change_steps(1, &[learner(3)]);
    t.describe("n3 lacks the entries before it and rejects: it gets the whole log.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.describe("A learner has the log but never counts: the change waits for n2.");
    t.deliver(3, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learner_that_has_caught_up_is_promoted() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe("n3 is a learner with the whole log. Adding one voter needs no joint phase.");
    t.show();
    t.change_steps(1, &[voter(3)]);
    t.describe("As soon as the entry is in n1's log, two of three are needed, and n3 is one of them.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.describe("n3 may campaign, and win.");
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.crash(1);
    });
    t.time_out(3);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learner_neither_counts_nor_campaigns() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.cut(2);
        t.cut(3);
    });
    t.describe("n1 reaches only the learner. Two servers have the entry, of which one counts.");
    t.show();
    t.propose(1, "x=1");
    t.deliver_all();
    t.describe("n4's election timeout expires, and it keeps waiting.");
    t.time_out(4);
    t.describe("An isolated learner does not block the others.");
    t.heal();
    t.cut(4);
    t.heartbeat(1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn learner_votes_for_candidate_that_counts_it() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
        t.cut(3);
        t.change_steps(1, &[voter(3)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.crash(1);
        t.heal();
    });
    t.describe("n3 was promoted, but has not received the entry. n1 is down, and n2 cannot win without n3.");
    t.show();
    t.time_out(2);
    t.describe("n3 is a learner by its own log. It votes nevertheless: the candidate may have a newer configuration.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn new_leader_replicates_to_learners_of_predecessor() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
        t.cut(3);
        t.transfer(1, 2);
        t.deliver_all();
        t.heal();
    });
    t.describe("n1 added n3 as a learner, and n2 leads now. n3 gets the log from n2.");
    t.show();
    t.heartbeat(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn removed_learner_gets_no_messages() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
    });
    t.change_steps(1, &[remove(3)]);
    t.deliver_all();
    t.describe(
        "n1 has dropped n3's progress. When n3 is added again, n1 starts with no knowledge of its log.",
    );
    t.heartbeat(1);
    t.deliver_all();
    t.change_steps(1, &[learner(3)]);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn voter_is_removed() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| t.cut(3));
    t.describe("n3 does not respond. n1 removes it, and sends it nothing from then on.");
    t.show();
    t.change_steps(1, &[remove(3)]);
    t.describe("Two voters are left, and both must have the entry.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn removal_of_voter_commits_waiting_entries() {
    let mut t = led_by_n1(4, 4);
    t.quietly(|t| {
        t.cut(3);
        t.cut(4);
        t.propose(1, "x=1");
        t.deliver_all();
    });
    t.describe("Two of four have x=1, which is not enough. Without n4, two of three are enough.");
    t.show();
    t.change_steps(1, &[remove(4)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn two_voters_change_in_a_joint_phase() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.hold(1, 2);
        t.hold(1, 3);
        t.hold(1, 4);
    });
    t.describe(
        "n4 replaces n3: two voters change, so a majority of both sets must agree during a joint phase.",
    );
    t.show();
    t.change_steps(1, &[voter(4), remove(3)]);
    t.describe("n1 and n4 are two of three in the new half, and one of three in the old one.");
    t.deliver(1, 4);
    t.deliver(4, 1);
    t.describe(
        "With n3 it is two of three in both. n1 ends the joint phase by itself; n3 gets no further message.",
    );
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 4);
    t.deliver(4, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn explicit_joint_phase_stays_until_left() {
    let mut t = led_by_n1(2, 3);
    t.describe("A client requests an explicit joint phase, which does not end by itself.");
    t.change(1, ConfChange::ExplicitJoint(vec![voter(3), remove(2)]));
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.wait(1, 1_000);
        t.deliver_all();
    });
    t.describe("It is committed, and a second later it is still joint.");
    t.show();
    t.describe("During the joint phase no other change is accepted.");
    t.change_steps(1, &[learner(2)]);
    t.describe("Now it ends, and n2 is removed.");
    t.change(1, ConfChange::LeaveJoint);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn demoted_voter_counts_until_joint_phase_ends() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| t.cut(2));
    t.describe(
        "n3 becomes a learner and n4 replaces it. Until the joint phase ends n3 counts in the old half.",
    );
    t.change_steps(1, &[voter(4), learner(3)]);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn joint_election_needs_both_halves() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(1), remove(2)]));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.crash(1);
        for id in [4, 5] {
            t.cut(id);
        }
    });
    t.describe("The configuration goes from n1, n2, n3 to n3, n4, n5. n2 and n3 are a majority of the old half only.");
    t.show();
    t.time_out(3);
    t.deliver_all();
    t.describe("With n4 there is a majority of each half.");
    t.heal();
    t.cut(5);
    t.quietly(|t| t.time_out(3));
    t.deliver(3, 2);
    t.deliver(2, 3);
    t.deliver(3, 4);
    t.deliver(4, 3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn change_is_rejected_before_current_term_commit() {
    let mut t = Table::with_initial_voters(3, 4, |_| {});
    t.quietly(|t| {
        t.time_out(1);
        t.deliver(1, 2);
        t.deliver(2, 1);
    });
    t.describe("n1 was just elected. It does not know yet which earlier changes are committed.");
    t.show();
    t.change_steps(1, &[voter(4)]);
    t.describe("Once its own first entry is committed it does.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.change_steps(1, &[voter(4)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn change_is_rejected_while_another_is_in_progress() {
    let mut t = led_by_n1(3, 5);
    t.describe("The change that adds n4 is not committed. Only one change at a time: n5 is rejected.");
    t.change_steps(1, &[voter(4)]);
    t.change_steps(1, &[voter(5)]);
    t.describe("Now n5 can be added.");
    t.quietly(Table::deliver_all);
    t.change_steps(1, &[voter(5)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn invalid_change_is_rejected() {
    let mut t = led_by_n1(2, 2);
    t.describe("At least one voter must remain.");
    t.change_steps(1, &[remove(1), remove(2)]);
    t.change(1, ConfChange::ExplicitJoint(vec![learner(1), remove(2)]));
    t.describe("A configuration that is not joint cannot be left.");
    t.change(1, ConfChange::LeaveJoint);
    t.describe("And only leaders change the configuration.");
    t.change_steps(2, &[remove(1)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn repeated_operations_are_idempotent() {
    let mut t = led_by_n1(2, 3);
    t.describe("Removing a node that is no member and adding one that is are no errors. Of several operations on one node the last one counts.");
    t.change_steps(1, &[remove(3), voter(2), learner(3), remove(3), voter(3), learner(3)]);
    t.deliver_all();
    t.quietly(|t| {
        t.heartbeat(1);
        t.deliver_all();
    });
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn configuration_is_truncated_with_its_entry() {
    let mut t = led_by_n1(3, 4);
    t.describe("n1 is cut off with n4, which it makes a voter. No other server receives the entry.");
    t.cut(2);
    t.cut(3);
    t.change_steps(1, &[voter(4)]);
    t.deliver_all();
    t.quietly(|t| {
        t.heal();
        t.cut(1);
        t.cut(4);
        t.elect(2);
        t.heal();
    });
    t.describe(
        "n2 and n3 go on as three. When n1 is back its entry is replaced, and with it the configuration of four.",
    );
    t.show();
    t.heartbeat(2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_removes_itself() {
    let mut t = led_by_n1(3, 3);
    t.describe(
        "n1 removes itself. It still leads, without counting itself: n2 and n3 must both have the entry.",
    );
    t.change_steps(1, &[remove(1)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe(
        "The entry is committed: n1 sends the commit index and then TimeoutNow, and n2 campaigns at once.",
    );
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_that_removes_itself_does_not_count_itself() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.cut(3);
        t.change_steps(1, &[remove(1)]);
        t.deliver_all();
    });
    t.describe("n1 has removed itself, and that is not committed. It still leads, and accepts proposals.");
    t.show();
    t.propose(1, "x=1");
    t.deliver_all();
    t.describe("Two servers have x=1, of which one counts. n3 makes it two.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn leader_that_becomes_a_learner_transfers_leadership() {
    let mut t = led_by_n1(2, 2);
    t.describe("n1 becomes a learner. It leads until n2 has the entry, then it follows.");
    t.change_steps(1, &[learner(1)]);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn with_pre_vote_removed_server_starts_no_term() {
    let mut t = led_by_n1_with(4, 4, true, false);
    t.quietly(|t| {
        t.cut(4);
        t.change_steps(1, &[remove(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.describe("n4 was removed while it was cut off. It times out, and requests pre-votes.");
    t.show();
    t.time_out(4);
    t.describe("The others are in contact with their leader, and have longer logs than n4. No term starts, now or later.");
    t.deliver_all();
    t.time_out(4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn with_check_quorum_removed_server_is_ignored() {
    let mut t = led_by_n1_with(4, 4, false, true);
    t.quietly(|t| {
        t.cut(4);
        t.change_steps(1, &[remove(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.describe("The same without pre-vote. n4 campaigns, in one term after the other.");
    t.show();
    t.time_out(4);
    t.deliver_all();
    t.time_out(4);
    t.deliver_all();
    t.describe("Servers in contact with n1 ignore the requests: no vote, no new term, no response.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn restarted_voter_ignores_removed_server() {
    let mut t = led_by_n1_with(4, 4, false, true);
    t.quietly(|t| {
        t.cut(4);
        t.change_steps(1, &[remove(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
        t.crash(3);
        t.restart(3);
    });
    t.describe("n3 has restarted, and has no leader yet. n4, which does not know of its removal, campaigns.");
    t.time_out(4);
    t.deliver(4, 3);
    t.describe(
        "Before its restart n3 could have acknowledged a heartbeat of n1: it ignores vote requests for as long as after one.",
    );
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn removed_server_that_is_added_again_catches_up() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.cut(3);
        t.change_steps(1, &[remove(3)]);
        t.deliver_all();
        t.propose(1, "x=1");
        t.deliver_all();
        t.heal();
    });
    t.describe("n3 was removed, and is added again with its old log.");
    t.show();
    t.change_steps(1, &[voter(3)]);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn server_with_uncommitted_removal_can_win() {
    let mut t = led_by_n1(2, 2);
    t.quietly(|t| {
        t.cut(1);
        t.change_steps(1, &[remove(1)]);
        t.time_out(2);
        t.heal();
    });
    t.describe(
        "Thesis 4.2.2. n1 has removed itself, and n2 lacks the entry. n2 cannot win: n1's log is longer.",
    );
    t.show();
    t.time_out(2);
    t.deliver_all();
    t.describe(
        "So n1 must win, although it is no voter in its own newest configuration. n2's vote is enough.",
    );
    t.time_out(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe("n1 leads until the entry is committed, and not longer.");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn server_that_lost_its_commit_index_can_win() {
    let mut t = Table::with_initial_voters(1, 2, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change_steps(1, &[voter(2)]);
        t.deliver_all();
        t.transfer(1, 2);
        t.deliver_all();
    });
    t.describe(
        "n2, added by n1, leads, and makes itself a learner. It restarts before n1 receives the entry.",
    );
    t.change_steps(2, &[learner(2)]);
    t.lose(2, 1);
    t.crash(2);
    t.restart(2);
    t.describe("n1 cannot win: n2's log is longer.");
    t.time_out(1);
    t.deliver_all();
    t.describe(
        "n2 is a voter neither in its newest configuration nor in the initial one. It may campaign nevertheless: the configuration\n\
         before the newest one is committed, since a new one is appended only after that.",
    );
    t.time_out(2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn server_with_committed_removal_does_not_campaign() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.change_steps(1, &[remove(1)]);
        t.deliver_all();
    });
    t.describe("n1 has removed itself, and knows that this is committed. It waits, and disturbs no server.");
    t.show();
    t.time_out(1);
    t.time_out(1);
    t.describe("Nor does it campaign when a TimeoutNow of an old leader arrives.");
    t.quietly(|t| {
        t.inject(2, 1, raft_core::Message::TimeoutNow { term: raft_core::Term(1) });
    });
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn new_leader_ends_joint_phase_of_predecessor() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.change_steps(1, &[voter(4), remove(3)]);
        t.deliver(1, 2);
        t.deliver(1, 3);
        t.deliver(1, 4);
        t.crash(1);
        t.messages.clear();
    });
    t.describe("n1 is down in the middle of a joint phase, whose entry all servers have.");
    t.show();
    t.describe("n2 needs both halves to win.");
    t.time_out(2);
    t.deliver(2, 4);
    t.deliver(4, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.describe(
        "n2 needs both halves to commit its first entry. That commits the joint phase as well, which ends.",
    );
    t.deliver(2, 4);
    t.deliver(4, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.deliver(2, 4);
    t.deliver(4, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn unreplicated_joint_phase_is_rolled_back() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        t.cut(2);
        t.cut(3);
        t.change_steps(1, &[voter(4), voter(5), remove(2), remove(3)]);
        t.deliver_all();
    });
    t.describe("n1, n4 and n5 are the whole new half, and a minority of the old one: nothing commits.");
    t.show();
    t.describe("n2 leads n3 in the old configuration, and the joint phase is truncated with its entry.");
    t.quietly(|t| {
        t.heal();
        t.cut(4);
        t.cut(5);
        t.time_out(2);
        t.deliver(2, 3);
        t.deliver_all();
    });
    t.heartbeat(2);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn one_change_replaces_the_leader() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.cut(3);
        t.hold(1, 4);
    });
    t.describe(
        "n4 replaces n1: two voters change. n1 leads through the joint phase, in which it still counts.",
    );
    t.change_steps(1, &[voter(4), remove(1)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.describe(
        "n4 makes two of three in the new half. When the joint phase has ended n1 does not count, and n2 and n4 decide.",
    );
    t.deliver(1, 4);
    t.deliver(4, 1);
    t.release(1, 4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn restarted_server_uses_configuration_of_its_log() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[voter(3)]);
        t.deliver_all();
    });
    t.describe("A restarted server uses the newest configuration in its log, committed or not.");
    t.power_loss(3);
    t.restart(3);
    t.time_out(3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn joint_read_needs_both_halves() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(2), remove(3)]));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.describe("The configuration goes from n1, n2, n3 to n1, n4, n5. A read needs a majority of each half.");
    t.show();
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 4);
    t.deliver(4, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn read_continues_when_smaller_configuration_suffices() {
    let mut t = led_by_n1(4, 4);
    t.quietly(|t| {
        t.cut(3);
        t.cut(4);
    });
    t.describe("Two of four are not enough to confirm n1. Without n4, two of three are enough.");
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.change_steps(1, &[remove(4)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn directory_id_zero_is_not_recorded() {
    let plain = Configuration::of([1, 2, 3].map(NodeId));
    let drawn = Configuration { directory_ids: vec![(NodeId(2), DirectoryId(7))], ..plain.clone() };
    let learner = |id: u64| ConfChangeOp::AddLearner(NodeId(id));
    let identify =
        |id: u64, directory_id: u64| ConfChangeOp::SetDirectoryId(NodeId(id), DirectoryId(directory_id));
    for group in [plain, drawn] {
        for joint in [false, true] {
            let after = |steps: &[ConfChangeOp]| {
                let steps = steps.to_vec();
                group
                    .after(&if joint { ConfChange::ExplicitJoint(steps) } else { ConfChange::Auto(steps) })
                    .expect("the change is valid")
            };
            let named = after(&[learner(4)]);
            assert_eq!(after(&[identify(4, 0), learner(4)]), named);
            assert_eq!(after(&[identify(1, 0), identify(4, 9), identify(4, 0), learner(4)]), named);
            assert_ne!(after(&[identify(4, 9), learner(4)]), named);
        }
    }
    // The same holds for initial voters.
    let initial = |directory_ids: Vec<(NodeId, DirectoryId)>| {
        let config = Config { directory_ids, ..Config::new(NodeId(1), [1, 2].map(NodeId).to_vec()) };
        let raft = Raft::new(config, Recovered::default(), Timestamp(0)).expect("the configuration is valid");
        raft.configuration().clone()
    };
    assert_eq!(initial(vec![(NodeId(1), DirectoryId(0)), (NodeId(2), DirectoryId(0))]), initial(Vec::new()));
}
