//! Commits of leaders and followers, and the immutability of committed entries.

use crate::builder::Cluster;
use invariants::{Configuration, Fact, Violation};

/// Figure 8 of the Raft paper up to (c): n1 leads term 4, and 2@2 is on a majority.
fn figure_8() -> Cluster {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.replicates(4, 1, 1);
    cluster.replicates(5, 1, 1);
    cluster.wins(1, 2, &[2, 3]);
    cluster.appends(1, 2, 20);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.wins(5, 3, &[3, 4]);
    cluster.appends(5, 3, 30);
    cluster.saves(5);
    cluster.wins(1, 4, &[2, 3]);
    cluster.replicates(3, 1, 2);
    cluster
}

pub(crate) fn a_leader_commits_an_entry_of_an_older_term_by_count() -> Violation {
    let mut cluster = figure_8();
    cluster.commits(1, 2);
    cluster.violates("current-term-commit")
}

#[test]
fn an_entry_of_an_older_term_may_commit_with_a_current_one() {
    let mut cluster = figure_8();
    cluster.appends(1, 4, 40);
    cluster.saves(1);
    cluster.replicates(2, 1, 3);
    cluster.replicates(3, 1, 3);
    cluster.commits(1, 3);
    cluster.passes("current-term-commit");
}

#[test]
fn a_successor_may_replace_and_commit() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.replicates(2, 1, 1);
    cluster.record(1, Fact::PowerLost);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.commits(2, 2);
    cluster.passes("current-term-commit");
}

pub(crate) fn a_leader_commits_an_entry_that_it_lacks() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.commits(1, 2);
    cluster.violates("current-term-commit")
}

pub(crate) fn a_leader_without_a_committed_entry() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.votes(2, 2, 3);
    cluster.campaigns(3, 2);
    cluster.record(3, Fact::Leads { term: 2 });
    cluster.violates("leader-completeness")
}

pub(crate) fn a_deposed_leader_commits_an_entry_that_its_successor_lacks() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.replicates(3, 1, 1);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.wins(3, 2, &[2]);
    // n2 has voted for n3 and still saves n1's entry.
    cluster.appends(2, 1, 2);
    cluster.saves(2);
    cluster.commits(1, 2);
    cluster.violates("leader-completeness")
}

#[test]
fn a_deposed_leader_may_commit_entries_that_its_successor_has() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    // The acknowledgement is in transit when n2 wins term 2; n1 counts it before it learns of term 2.
    cluster.wins(2, 2, &[3]);
    cluster.commits(1, 2);
    cluster.passes("leader-completeness");
}

#[test]
fn a_leader_elected_by_late_votes_may_lack_commits_of_the_next_term() {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.replicates(4, 1, 1);
    // The votes for n4 in term 2 are slow; meanwhile n3 wins term 3 and commits.
    cluster.campaigns(4, 2);
    cluster.votes(1, 2, 4);
    cluster.votes(2, 2, 4);
    cluster.wins(3, 3, &[1, 2]);
    cluster.appends(3, 3, 30);
    cluster.saves(3);
    cluster.replicates(1, 3, 2);
    cluster.replicates(2, 3, 2);
    cluster.commits(3, 2);
    cluster.record(4, Fact::Leads { term: 2 });
    cluster.passes("leader-completeness");
}

pub(crate) fn a_leader_commits_before_the_entry_is_durable_on_a_majority() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.copies_log(2, 1, 2);
    cluster.commits(1, 2);
    cluster.violates("committed-on-quorum")
}

pub(crate) fn a_commit_counts_a_learner() -> Violation {
    let mut cluster = Cluster::with_committed(4, 1);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    cluster.configures(1, 0, learner);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.replicates(4, 1, 2);
    cluster.commits(1, 2);
    cluster.violates("committed-on-quorum")
}

pub(crate) fn one_half_of_a_joint_configuration_commits() -> Violation {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.configures(
        1,
        0,
        Configuration { voters: vec![1, 2, 3], joint: vec![3, 4, 5], ..Configuration::default() },
    );
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.replicates(3, 1, 2);
    cluster.commits(1, 2);
    cluster.violates("committed-on-quorum")
}

#[test]
fn a_leader_may_commit_before_its_own_disk() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.replicates(2, 1, 2);
    cluster.replicates(3, 1, 2);
    cluster.commits(1, 2);
    cluster.passes("committed-on-quorum");
}

#[test]
fn a_voter_that_was_wiped_after_its_ack_counts() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.is_wiped_and_restarts(2);
    cluster.commits(1, 2);
    cluster.passes("committed-on-quorum");
}

#[test]
fn recovered_entries_count_once_they_are_durable_again() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.copies_log(2, 1, 2);
    cluster.crashes_and_restarts(2);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 2 });
    cluster.commits(1, 2);
    cluster.passes("committed-on-quorum");
}

#[test]
fn a_learner_may_lag_and_others_may_save_late() {
    let mut cluster = Cluster::with_committed(4, 1);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    cluster.configures(1, 0, learner);
    cluster.appends(1, 1, 2);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.commits(1, 2);
    cluster.replicates(3, 1, 2);
    cluster.passes("committed-on-quorum");
}

pub(crate) fn a_follower_commits_before_every_leader() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.replicates(2, 1, 2);
    cluster.commits(2, 2);
    cluster.violates("follower-commit-safety")
}

pub(crate) fn a_follower_commits_its_own_stale_tail() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.commits(2, 2);
    // n1 still has 2@1. A heartbeat of the new leader says that index 2 is committed.
    cluster.adopts_term(1, 2);
    cluster.commits(1, 2);
    cluster.violates("follower-commit-safety")
}

pub(crate) fn a_follower_commits_an_entry_that_it_lacks() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.commits(3, 1);
    cluster.violates("follower-commit-safety")
}

#[test]
fn a_commit_index_may_be_lower_after_a_restart() {
    let mut cluster = Cluster::with_committed(3, 3);
    cluster.commits(2, 3);
    cluster.crashes_and_restarts(2);
    cluster.commits(2, 1);
    cluster.commits(2, 3);
    cluster.passes("follower-commit-safety");
}

pub(crate) fn a_commit_index_goes_back() -> Violation {
    let mut cluster = Cluster::with_committed(3, 3);
    cluster.commits(2, 3);
    cluster.commits(2, 1);
    cluster.violates("committed-immutable")
}

pub(crate) fn a_committed_entry_is_truncated() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.adopts_term(2, 2);
    cluster.truncates(2, 1);
    cluster.violates("committed-immutable")
}

pub(crate) fn two_entries_are_committed_at_one_index() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.saves(1);
    cluster.replicates(2, 1, 1);
    // n2 votes for n3, whose log is shorter.
    cluster.wins(3, 2, &[2]);
    cluster.appends(3, 2, 20);
    cluster.saves(3);
    cluster.replicates(2, 3, 1);
    cluster.commits(3, 1);
    cluster.commits(1, 1);
    cluster.violates("committed-immutable")
}

/// A late message of an older leader reaches a node that does not know the newer term. The newer leader did
/// not count that node, so the truncation is legal.
#[test]
fn a_node_of_an_older_term_may_truncate_what_a_newer_leader_committed() {
    let mut cluster = Cluster::of(5);
    cluster.wins(1, 1, &[2, 3]);
    cluster.appends(1, 1, 10);
    cluster.saves(1);
    cluster.replicates(2, 1, 1);
    cluster.wins(3, 2, &[4, 5]);
    cluster.appends(3, 2, 20);
    cluster.saves(3);
    cluster.wins(1, 3, &[4, 5]);
    cluster.appends(1, 3, 30);
    cluster.saves(1);
    cluster.replicates(4, 1, 2);
    cluster.replicates(5, 1, 2);
    cluster.commits(1, 2);
    cluster.adopts_term(2, 2);
    cluster.truncates(2, 0);
    // n3 knows the newer term: it may truncate its own tail, but no committed entry.
    cluster.adopts_term(3, 3);
    cluster.truncates(3, 0);
    cluster.passes("committed-immutable");
}

#[test]
fn an_uncommitted_tail_may_be_truncated() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.commits(2, 2);
    cluster.replicates(1, 2, 2);
    cluster.commits(1, 2);
    cluster.passes("committed-immutable");
}
