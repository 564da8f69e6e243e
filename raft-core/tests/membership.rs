//! Membership changes (6, thesis 4), told message by message.

mod table;

use raft_core::{
    ConfChange, ConfChangeOp, Config, Configuration, DirectoryId, NodeId, Raft, Recovered, Timestamp,
};
use table::Table;

/// So many servers, of which the first `founders` found the group and n1 leads it; everybody has applied its first
/// entry. The others wait with empty logs.
fn led_by_n1(founders: u64, servers: u64) -> Table {
    led_by_n1_with(founders, servers, false, false)
}

fn led_by_n1_with(founders: u64, servers: u64, pre_vote: bool, check_quorum: bool) -> Table {
    let mut t = Table::founded_by(founders, servers, |config| {
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
fn a_learner_is_added_and_catches_up() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.propose(1, "x=1");
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story(
        "n3 runs with an empty log and belongs to nobody. n1 makes it a learner, and sends it what is new.",
    );
    t.show();
    t.change_steps(1, &[learner(3)]);
    t.story("It has nothing before that, and says so: it gets the whole log.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.story("A learner has the log and never counts: the change waits for n2.");
    t.deliver(3, 1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_learner_that_has_caught_up_is_promoted() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story("n3 is a learner and has everything. One voter more needs no joint phase.");
    t.show();
    t.change_steps(1, &[voter(3)]);
    t.story("From the moment the entry stands in n1's log it takes two of three, and n3 is one of them.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.story("It may campaign, and win.");
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
fn a_learner_neither_counts_nor_campaigns() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.cut(2);
        t.cut(3);
    });
    t.story("n1 reaches only the learner. Two servers have the entry, of which one counts.");
    t.show();
    t.propose(1, "x=1");
    t.deliver_all();
    t.story("n4 hears nobody for an election timeout, and goes on waiting.");
    t.time_out(4);
    t.story("An isolated learner holds up nobody.");
    t.heal();
    t.cut(4);
    t.heartbeat(1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_learner_votes_for_whoever_counts_on_it() {
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
    t.story("n3 was promoted, and has not heard of it. n1 is gone, and n2 cannot win without n3.");
    t.show();
    t.time_out(2);
    t.story("n3 takes itself for a learner. It votes all the same: the candidate may know better.");
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_new_leader_serves_the_learners_of_its_predecessor() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
        t.cut(3);
        t.transfer(1, 2);
        t.deliver_all();
        t.heal();
    });
    t.story("n1 took n3 in as a learner, and n2 leads now. n3 gets the log from n2.");
    t.show();
    t.heartbeat(2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_learner_that_is_removed_gets_nothing_more() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[learner(3)]);
        t.deliver_all();
    });
    t.change_steps(1, &[remove(3)]);
    t.deliver_all();
    t.story("n1 has forgotten n3. Taken in again, n3 begins from the beginning, as far as n1 knows.");
    t.heartbeat(1);
    t.deliver_all();
    t.change_steps(1, &[learner(3)]);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_voter_is_removed() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| t.cut(3));
    t.story("n3 does not answer. n1 removes it, and from then on sends it nothing.");
    t.show();
    t.change_steps(1, &[remove(3)]);
    t.story("Two are left, and both must have the entry.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_waited_for_a_removed_voter_commits_with_its_removal() {
    let mut t = led_by_n1(4, 4);
    t.quietly(|t| {
        t.cut(3);
        t.cut(4);
        t.propose(1, "x=1");
        t.deliver_all();
    });
    t.story("Two of four have x=1, which is not enough. Without n4 two of three are.");
    t.show();
    t.change_steps(1, &[remove(4)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn two_voters_change_by_way_of_a_joint_phase() {
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
    t.story("n4 for n3: two voters change, so both sets must agree until the new one is known to both.");
    t.show();
    t.change_steps(1, &[voter(4), remove(3)]);
    t.story("n1 and n4 are two of three in the new half, and one of three in the old one.");
    t.deliver(1, 4);
    t.deliver(4, 1);
    t.story(
        "With n3 it is two of three in both. n1 ends the joint phase by itself; n3 is not told any more.",
    );
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 4);
    t.deliver(4, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn an_explicit_joint_phase_stays_until_somebody_ends_it() {
    let mut t = led_by_n1(2, 3);
    t.story("Somebody asks for a joint phase of his own, to look around before he goes on.");
    t.change(1, ConfChange::ExplicitJoint(vec![voter(3), remove(2)]));
    t.quietly(|t| {
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.wait(1, 1_000);
        t.deliver_all();
    });
    t.story("It is committed, and a second later it is still joint.");
    t.show();
    t.story("Meanwhile nothing else may change.");
    t.change_steps(1, &[learner(2)]);
    t.story("Now it ends, and n2 is out.");
    t.change(1, ConfChange::LeaveJoint);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_voter_that_becomes_a_learner_in_a_joint_phase_votes_until_it_ends() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| t.cut(2));
    t.story(
        "n3 becomes a learner and n4 takes its place. Until the joint phase ends n3 counts in the old half.",
    );
    t.change_steps(1, &[voter(4), learner(3)]);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn elections_take_both_halves_while_joint() {
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
    t.story("The group goes from n1, n2, n3 to n3, n4, n5. n2 and n3 are a majority of the old half, and not enough.");
    t.show();
    t.time_out(3);
    t.deliver_all();
    t.story("With n4 there is a majority of each half.");
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
fn a_change_is_refused_before_an_entry_of_the_own_term_is_committed() {
    let mut t = Table::founded_by(3, 4, |_| {});
    t.quietly(|t| {
        t.time_out(1);
        t.deliver(1, 2);
        t.deliver(2, 1);
    });
    t.story("n1 was just elected. It does not know yet which changes before it are committed.");
    t.show();
    t.change_steps(1, &[voter(4)]);
    t.story("Once its own first entry is committed it does.");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.change_steps(1, &[voter(4)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_change_is_refused_while_another_is_under_way() {
    let mut t = led_by_n1(3, 5);
    t.story("n4 is on its way in. One at a time: n5 has to wait.");
    t.change_steps(1, &[voter(4)]);
    t.change_steps(1, &[voter(5)]);
    t.story("Now it may come.");
    t.quietly(Table::deliver_all);
    t.change_steps(1, &[voter(5)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_change_that_does_not_fit_is_refused() {
    let mut t = led_by_n1(2, 2);
    t.story("Somebody has to vote.");
    t.change_steps(1, &[remove(1), remove(2)]);
    t.change(1, ConfChange::ExplicitJoint(vec![learner(1), remove(2)]));
    t.story("What is not joint cannot be left.");
    t.change(1, ConfChange::LeaveJoint);
    t.story("And only leaders change the group.");
    t.change_steps(2, &[remove(1)]);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn what_is_asked_for_twice_is_done_once() {
    let mut t = led_by_n1(2, 3);
    t.story("Removing who is not there and adding who is there are no errors. Of several steps for one server the last one holds.");
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
fn a_configuration_goes_with_its_entry() {
    let mut t = led_by_n1(3, 4);
    t.story("n1 is cut off with n4, which it makes a voter. Nobody else hears of that.");
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
    t.story(
        "n2 and n3 go on as three. When n1 comes back its entry gives way, and with it the group of four.",
    );
    t.show();
    t.heartbeat(2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_removes_itself() {
    let mut t = led_by_n1(3, 3);
    t.story("n1 removes itself. It leads on, without counting itself: n2 and n3 must both have the entry.");
    t.change_steps(1, &[remove(1)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("Now they can do without it: a last word about the commit, and n2 campaigns at once.");
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_removes_itself_commits_by_the_others_alone() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.cut(3);
        t.change_steps(1, &[remove(1)]);
        t.deliver_all();
    });
    t.story("n1 has removed itself, and that is not committed. It goes on leading, and takes proposals.");
    t.show();
    t.propose(1, "x=1");
    t.deliver_all();
    t.story("Two servers have x=1, of which one counts. n3 makes it two.");
    t.heal();
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_leader_that_becomes_a_learner_hands_over() {
    let mut t = led_by_n1(2, 2);
    t.story("n1 wants to be a learner. It leads until n2 alone has the entry, then it follows.");
    t.change_steps(1, &[learner(1)]);
    t.deliver_all();
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_removed_server_that_was_never_told_asks_in_vain_with_pre_vote() {
    let mut t = led_by_n1_with(4, 4, true, false);
    t.quietly(|t| {
        t.cut(4);
        t.change_steps(1, &[remove(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.story("n4 was removed while it was cut off. It hears nobody, and asks whether it could win.");
    t.show();
    t.time_out(4);
    t.story("They hear their leader, and have more than n4. No term begins, now or later.");
    t.deliver_all();
    t.time_out(4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_removed_server_that_was_never_told_is_not_heard_with_check_quorum() {
    let mut t = led_by_n1_with(4, 4, false, true);
    t.quietly(|t| {
        t.cut(4);
        t.change_steps(1, &[remove(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.heal();
    });
    t.story("The same without pre-vote. n4 campaigns, in one term after the other.");
    t.show();
    t.time_out(4);
    t.deliver_all();
    t.time_out(4);
    t.deliver_all();
    t.story("Nobody who hears n1 even listens: no vote, no new term, no answer.");
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_removed_server_is_not_heard_by_who_has_just_restarted_either() {
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
    t.story("n3 has restarted, and knows of no leader yet. n4, which nobody told of its removal, campaigns.");
    t.time_out(4);
    t.deliver(4, 3);
    t.story(
        "n3 could have promised n1 to elect nobody else: it waits as long as it would after a heartbeat.",
    );
    t.heartbeat(1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.show();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_removed_server_that_comes_back_catches_up() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.cut(3);
        t.change_steps(1, &[remove(3)]);
        t.deliver_all();
        t.propose(1, "x=1");
        t.deliver_all();
        t.heal();
    });
    t.story("n3 was removed, and is taken back with the log that it had.");
    t.show();
    t.change_steps(1, &[voter(3)]);
    t.deliver(1, 3);
    t.deliver(3, 1);
    t.deliver(1, 3);
    t.deliver(3, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_removed_by_an_entry_that_is_not_committed_can_still_win() {
    let mut t = led_by_n1(2, 2);
    t.quietly(|t| {
        t.cut(1);
        t.change_steps(1, &[remove(1)]);
        t.time_out(2);
        t.heal();
    });
    t.story("Thesis 4.2.2. n1 has removed itself, and n2 has not heard of it. n2 cannot win: n1 has more.");
    t.show();
    t.time_out(2);
    t.deliver_all();
    t.story("So it must be n1, although it does not vote in the group as it sees it. n2's vote is all that it needs.");
    t.time_out(1);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story("It leads until the entry is committed, and not longer.");
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_that_has_forgotten_how_much_is_committed_can_still_win() {
    let mut t = Table::founded_by(1, 2, |_| {});
    t.quietly(|t| {
        t.elect(1);
        t.change_steps(1, &[voter(2)]);
        t.deliver_all();
        t.transfer(1, 2);
        t.deliver_all();
    });
    t.story(
        "n2, taken in by n1, leads, and makes itself a learner. It restarts before n1 has heard of that.",
    );
    t.change_steps(2, &[learner(2)]);
    t.lose(2, 1);
    t.crash(2);
    t.restart(2);
    t.story("n1 cannot win: n2 has more.");
    t.time_out(1);
    t.deliver_all();
    t.story(
        "n2 votes neither in its newest group nor in the founding one. It may campaign all the same: the group before\n\
         the newest one is committed, or the newest one would not stand in its log.",
    );
    t.time_out(2);
    t.deliver(2, 1);
    t.deliver(1, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_that_knows_its_removal_to_be_committed_does_not_campaign() {
    let mut t = led_by_n1(3, 3);
    t.quietly(|t| {
        t.change_steps(1, &[remove(1)]);
        t.deliver_all();
    });
    t.story("n1 has removed itself, and knows it to be committed. It waits, and disturbs nobody.");
    t.show();
    t.time_out(1);
    t.time_out(1);
    t.story("Nor does it campaign because an old leader tells it to.");
    t.quietly(|t| {
        t.post(2, 1, raft_core::Message::TimeoutNow { term: raft_core::Term(1) });
    });
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_new_leader_ends_the_joint_phase_of_its_predecessor() {
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
        t.letters.clear();
    });
    t.story("n1 is gone in the middle of a joint phase, which everybody has heard of.");
    t.show();
    t.story("n2 needs both halves to win.");
    t.time_out(2);
    t.deliver(2, 4);
    t.deliver(4, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.story("And both halves to commit its own first entry. With that the joint phase is committed as well, and ends.");
    t.deliver(2, 4);
    t.deliver(4, 2);
    t.deliver(2, 3);
    t.deliver(3, 2);
    t.deliver(2, 4);
    t.deliver(4, 2);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_joint_phase_that_nobody_else_heard_of_is_rolled_back_as_one() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        t.cut(2);
        t.cut(3);
        t.change_steps(1, &[voter(4), voter(5), remove(2), remove(3)]);
        t.deliver_all();
    });
    t.story("n1, n4 and n5 are the whole new half, and a minority of the old one: nothing commits.");
    t.show();
    t.story("n2 leads n3 in the group that they know, and the joint phase goes with its entry.");
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
fn a_leader_is_replaced_by_another_server_in_one_change() {
    let mut t = led_by_n1(3, 4);
    t.quietly(|t| {
        t.change_steps(1, &[learner(4)]);
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
        t.cut(3);
        t.hold(1, 4);
    });
    t.story(
        "n4 takes n1's place: two voters change. n1 leads through the joint phase, in which it still counts.",
    );
    t.change_steps(1, &[voter(4), remove(1)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.story(
        "n4 makes two of three in the new half. From the leave on n1 counts no more, and n2 and n4 decide.",
    );
    t.deliver(1, 4);
    t.deliver(4, 1);
    t.release(1, 4);
    t.deliver_all();
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_that_restarts_counts_on_what_its_log_says() {
    let mut t = led_by_n1(2, 3);
    t.quietly(|t| {
        t.change_steps(1, &[voter(3)]);
        t.deliver_all();
    });
    t.story("The group stands in the log, committed or not, and so survives.");
    t.power_loss(3);
    t.restart(3);
    t.time_out(3);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn reads_and_leaders_count_both_halves_while_joint() {
    let mut t = led_by_n1(3, 5);
    t.quietly(|t| {
        t.change(1, ConfChange::ExplicitJoint(vec![voter(4), voter(5), remove(2), remove(3)]));
        t.deliver_all();
        t.heartbeat(1);
        t.deliver_all();
    });
    t.story("The group goes from n1, n2, n3 to n1, n4, n5. A read needs a majority of each half.");
    t.show();
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.deliver(1, 4);
    t.deliver(4, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_read_goes_on_when_a_smaller_group_is_enough() {
    let mut t = led_by_n1(4, 4);
    t.quietly(|t| {
        t.cut(3);
        t.cut(4);
    });
    t.story("Two of four are not enough to confirm n1. Without n4 two of three are.");
    t.read(1, "r1");
    t.deliver(1, 2);
    t.deliver(2, 1);
    t.change_steps(1, &[remove(4)]);
    t.deliver(1, 2);
    t.deliver(2, 1);
    insta::assert_snapshot!(t.transcript());
}

#[test]
fn a_server_that_drew_no_identity_is_not_named() {
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
                    .expect("it fits")
            };
            let named = after(&[learner(4)]);
            assert_eq!(after(&[identify(4, 0), learner(4)]), named);
            assert_eq!(after(&[identify(1, 0), identify(4, 9), identify(4, 0), learner(4)]), named);
            assert_ne!(after(&[identify(4, 9), learner(4)]), named);
        }
    }
    // Nor is a founder.
    let founded = |directory_ids: Vec<(NodeId, DirectoryId)>| {
        let config = Config { directory_ids, ..Config::new(NodeId(1), [1, 2].map(NodeId).to_vec()) };
        let raft = Raft::new(config, Recovered::default(), Timestamp(0)).expect("a good setup");
        raft.configuration().clone()
    };
    assert_eq!(founded(vec![(NodeId(1), DirectoryId(0)), (NodeId(2), DirectoryId(0))]), founded(Vec::new()));
}
