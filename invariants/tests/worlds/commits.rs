//! What is committed, by whom, and what of it stays.

use crate::builder::World;
use invariants::{Configuration, Fact, Violation};

/// Figure 8 of the Raft paper, up to where n1 is about to commit 2@2 in term 4: it is on a majority.
fn figure_8() -> World {
    let mut world = World::with_committed(5, 1);
    world.follows(4, 1, 1);
    world.follows(5, 1, 1);
    world.wins(1, 2, &[2, 3]);
    world.appends(1, 2, 20);
    world.saves(1);
    world.follows(2, 1, 2);
    world.wins(5, 3, &[3, 4]);
    world.appends(5, 3, 30);
    world.saves(5);
    world.wins(1, 4, &[2, 3]);
    world.follows(3, 1, 2);
    world
}

pub fn a_leader_commits_an_older_terms_entry_by_count() -> Violation {
    let mut world = figure_8();
    world.commits(1, 2);
    world.clashes("current-term-commit")
}

#[test]
fn an_older_terms_entry_may_be_carried_along() {
    let mut world = figure_8();
    world.appends(1, 4, 40);
    world.saves(1);
    world.follows(2, 1, 3);
    world.follows(3, 1, 3);
    world.commits(1, 3);
    world.passes("current-term-commit");
}

#[test]
fn a_successor_may_commit_what_nobody_waits_for_any_more() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.follows(2, 1, 1);
    world.says(1, Fact::PowerLost);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.saves(2);
    world.follows(3, 2, 2);
    world.commits(2, 2);
    world.passes("current-term-commit");
}

pub fn a_leader_commits_what_it_does_not_have() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.commits(1, 2);
    world.clashes("current-term-commit")
}

pub fn a_leader_without_a_committed_entry() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.votes(2, 2, 3);
    world.campaigns(3, 2);
    world.says(3, Fact::Leads { term: 2 });
    world.clashes("leader-completeness")
}

pub fn a_deposed_leader_commits_what_its_successor_lacks() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.follows(3, 1, 1);
    world.appends(1, 1, 2);
    world.saves(1);
    world.wins(3, 2, &[2]);
    // n2 has voted for n3 and saves n1's entry all the same.
    world.appends(2, 1, 2);
    world.saves(2);
    world.commits(1, 2);
    world.clashes("leader-completeness")
}

#[test]
fn a_deposed_leader_may_commit_late() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.saves(1);
    world.follows(2, 1, 2);
    // The acknowledgement is under way when n2 wins term 2; n1 counts it before it hears of that.
    world.wins(2, 2, &[3]);
    world.commits(1, 2);
    world.passes("leader-completeness");
}

#[test]
fn a_leader_elected_by_late_votes_owes_nothing_to_the_next_term() {
    let mut world = World::with_committed(5, 1);
    world.follows(4, 1, 1);
    // n4 campaigns in term 2 and its votes are slow; meanwhile n3 wins term 3 and commits.
    world.campaigns(4, 2);
    world.votes(1, 2, 4);
    world.votes(2, 2, 4);
    world.wins(3, 3, &[1, 2]);
    world.appends(3, 3, 30);
    world.saves(3);
    world.follows(1, 3, 2);
    world.follows(2, 3, 2);
    world.commits(3, 2);
    world.says(4, Fact::Leads { term: 2 });
    world.passes("leader-completeness");
}

pub fn a_leader_commits_before_a_majority_has_it_on_disk() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.saves(1);
    world.takes(2, 1, 2);
    world.commits(1, 2);
    world.clashes("committed-on-quorum")
}

pub fn a_learner_is_counted() -> Violation {
    let mut world = World::with_committed(4, 1);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    world.configures(1, 0, learner);
    world.appends(1, 1, 2);
    world.saves(1);
    world.follows(4, 1, 2);
    world.commits(1, 2);
    world.clashes("committed-on-quorum")
}

pub fn one_half_of_a_joint_configuration_commits() -> Violation {
    let mut world = World::with_committed(5, 1);
    world.configures(
        1,
        0,
        Configuration { voters: vec![1, 2, 3], joint: vec![3, 4, 5], ..Configuration::default() },
    );
    world.appends(1, 1, 2);
    world.saves(1);
    world.follows(2, 1, 2);
    world.follows(3, 1, 2);
    world.commits(1, 2);
    world.clashes("committed-on-quorum")
}

#[test]
fn a_leader_may_commit_before_its_own_disk() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.follows(2, 1, 2);
    world.follows(3, 1, 2);
    world.commits(1, 2);
    world.passes("committed-on-quorum");
}

#[test]
fn a_voter_that_was_wiped_after_it_acknowledged_counts() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.saves(1);
    world.follows(2, 1, 2);
    world.is_wiped_and_restarts(2);
    world.commits(1, 2);
    world.passes("committed-on-quorum");
}

#[test]
fn what_a_restart_found_counts_once_it_is_durable_again() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.saves(1);
    world.takes(2, 1, 2);
    world.crashes_and_restarts(2);
    world.says(2, Fact::Acknowledged { term: 1, index: 2 });
    world.commits(1, 2);
    world.passes("committed-on-quorum");
}

#[test]
fn a_learner_may_lag_and_others_may_save_late() {
    let mut world = World::with_committed(4, 1);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    world.configures(1, 0, learner);
    world.appends(1, 1, 2);
    world.saves(1);
    world.follows(2, 1, 2);
    world.commits(1, 2);
    world.follows(3, 1, 2);
    world.passes("committed-on-quorum");
}

pub fn a_follower_runs_ahead_of_all_leaders() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.follows(2, 1, 2);
    world.commits(2, 2);
    world.clashes("follower-commit-safety")
}

pub fn a_follower_commits_its_own_stale_tail() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.saves(2);
    world.follows(3, 2, 2);
    world.commits(2, 2);
    // n1 still has 2@1. A heartbeat of the new leader says that 2 is committed.
    world.adopts(1, 2);
    world.commits(1, 2);
    world.clashes("follower-commit-safety")
}

pub fn a_follower_commits_what_it_does_not_have() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.commits(3, 1);
    world.clashes("follower-commit-safety")
}

#[test]
fn a_commit_index_may_be_lower_after_a_restart() {
    let mut world = World::with_committed(3, 3);
    world.commits(2, 3);
    world.crashes_and_restarts(2);
    world.commits(2, 1);
    world.commits(2, 3);
    world.passes("follower-commit-safety");
}

pub fn a_commit_index_goes_back() -> Violation {
    let mut world = World::with_committed(3, 3);
    world.commits(2, 3);
    world.commits(2, 1);
    world.clashes("committed-immutable")
}

pub fn a_committed_entry_is_cut() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.adopts(2, 2);
    world.cuts(2, 1);
    world.clashes("committed-immutable")
}

pub fn two_entries_are_committed_at_one_index() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.saves(1);
    world.follows(2, 1, 1);
    // n2 votes for n3, whose log is shorter than its own.
    world.wins(3, 2, &[2]);
    world.appends(3, 2, 20);
    world.saves(3);
    world.follows(2, 3, 1);
    world.commits(3, 1);
    world.commits(1, 1);
    world.clashes("committed-immutable")
}

/// A late message of an older leader reaches a node that has not heard of the newer one: it was not counted, and follows
/// the only leader that it knows.
#[test]
fn a_node_of_an_older_term_may_cut_what_a_newer_leader_committed() {
    let mut world = World::of(5);
    world.wins(1, 1, &[2, 3]);
    world.appends(1, 1, 10);
    world.saves(1);
    world.follows(2, 1, 1);
    world.wins(3, 2, &[4, 5]);
    world.appends(3, 2, 20);
    world.saves(3);
    world.wins(1, 3, &[4, 5]);
    world.appends(1, 3, 30);
    world.saves(1);
    world.follows(4, 1, 2);
    world.follows(5, 1, 2);
    world.commits(1, 2);
    world.adopts(2, 2);
    world.cuts(2, 0);
    // n3 has heard of the newer one: it may cut its own tail, and nothing that is committed.
    world.adopts(3, 3);
    world.cuts(3, 0);
    world.passes("committed-immutable");
}

#[test]
fn an_uncommitted_tail_may_be_cut() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.saves(2);
    world.follows(3, 2, 2);
    world.commits(2, 2);
    world.follows(1, 2, 2);
    world.commits(1, 2);
    world.passes("committed-immutable");
}
