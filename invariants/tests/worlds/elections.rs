//! Leaders, votes and terms.

use crate::builder::Cluster;
use invariants::{Configuration, Fact, Violation};

pub(crate) fn two_leaders_in_one_term() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 7, &[2]);
    cluster.campaigns(3, 7);
    cluster.record(3, Fact::Leads { term: 7 });
    cluster.violates("election-safety")
}

pub(crate) fn a_leader_leads_again_after_a_restart() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 7, &[2]);
    cluster.crashes_and_restarts(1);
    cluster.record(1, Fact::Leads { term: 7 });
    cluster.violates("election-safety")
}

#[test]
fn each_term_may_have_a_new_leader() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.wins(3, 2, &[2]);
    cluster.crashes_and_restarts(1);
    cluster.wins(1, 3, &[3]);
    cluster.passes("election-safety");
}

pub(crate) fn a_leader_without_a_majority() -> Violation {
    let mut cluster = Cluster::of(5);
    cluster.wins(1, 1, &[2]);
    cluster.violates("elected-by-quorum")
}

pub(crate) fn a_leader_counts_votes_for_another_candidate() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(1, 1);
    cluster.campaigns(2, 1);
    cluster.votes(3, 1, 2);
    cluster.record(1, Fact::Leads { term: 1 });
    cluster.violates("elected-by-quorum")
}

pub(crate) fn a_leader_counts_the_vote_of_a_learner() -> Violation {
    let mut cluster = Cluster::of(4);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    cluster.configures(1, 0, learner);
    cluster.wins(1, 1, &[4]);
    cluster.violates("elected-by-quorum")
}

pub(crate) fn a_leader_is_elected_by_one_half_of_a_joint_configuration() -> Violation {
    let mut cluster = Cluster::of(5);
    cluster.configures(
        1,
        0,
        Configuration { voters: vec![1, 2, 3], joint: vec![1, 4, 5], ..Configuration::default() },
    );
    cluster.wins(1, 1, &[2, 3]);
    cluster.violates("elected-by-quorum")
}

#[test]
fn late_votes_may_elect_a_leader_of_an_old_term() {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(1, 1);
    cluster.votes(2, 1, 1);
    cluster.wins(3, 2, &[2]);
    cluster.record(1, Fact::Leads { term: 1 });
    cluster.passes("elected-by-quorum");
}

#[test]
fn a_single_voter_may_elect_itself() {
    let mut cluster = Cluster::of(1);
    cluster.wins(1, 1, &[]);
    cluster.passes("elected-by-quorum");
}

pub(crate) fn two_votes_in_one_term() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes(3, 1, 1);
    cluster.votes(3, 1, 2);
    cluster.violates("one-vote-per-term")
}

pub(crate) fn a_candidate_votes_for_another() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(3, 1);
    cluster.votes(3, 1, 2);
    cluster.violates("one-vote-per-term")
}

pub(crate) fn a_server_campaigns_after_its_vote_for_another() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes(3, 1, 2);
    cluster.campaigns(3, 1);
    cluster.violates("one-vote-per-term")
}

pub(crate) fn a_wiped_server_votes_again() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes(3, 1, 1);
    cluster.is_wiped_and_restarts(3);
    cluster.votes(3, 1, 2);
    cluster.violates("one-vote-per-term")
}

#[test]
fn the_same_vote_may_be_sent_twice() {
    let mut cluster = Cluster::of(3);
    cluster.votes(3, 1, 1);
    cluster.crashes_and_restarts(3);
    cluster.votes(3, 1, 1);
    cluster.passes("one-vote-per-term");
}

#[test]
fn a_vote_that_was_never_sent_does_not_count() {
    let mut cluster = Cluster::of(3);
    cluster.votes(3, 1, 1);
    // It votes for n1 in term 2 in memory, loses power before it sends anything, and then votes for n2.
    cluster.votes_in_memory(3, 2, 1);
    cluster.loses_power_and_restarts(3);
    cluster.votes(3, 2, 2);
    cluster.passes("one-vote-per-term");
}

pub(crate) fn a_term_goes_back() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.adopts_term(2, 5);
    cluster.record(2, Fact::TermChanged { term: 4 });
    cluster.violates("monotonic-term")
}

pub(crate) fn a_restart_forgets_the_term_of_a_vote() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes(2, 5, 1);
    cluster.record(2, Fact::PowerLost);
    let nothing = Default::default();
    let digest = invariants::Digest::EMPTY;
    cluster.record(2, Fact::Started { term: 4, vote: None, base: nothing, last: nothing, digest });
    cluster.violates("monotonic-term")
}

#[test]
fn a_term_without_a_promise_may_be_lost() {
    let mut cluster = Cluster::of(3);
    cluster.votes(2, 5, 1);
    cluster.adopts_term(2, 6);
    cluster.loses_power_and_restarts(2);
    cluster.adopts_term(2, 6);
    cluster.passes("monotonic-term");
}

#[test]
fn a_wiped_server_may_start_at_term_zero() {
    let mut cluster = Cluster::of(3);
    cluster.votes(2, 5, 1);
    cluster.is_wiped_and_restarts(2);
    cluster.crashes_and_restarts(2);
    cluster.adopts_term(2, 6);
    cluster.passes("monotonic-term");
}

#[test]
fn a_new_replica_of_a_server_has_its_own_vote() {
    let mut cluster = Cluster::of(4);
    cluster.campaigns(1, 7);
    cluster.votes(3, 7, 1);
    cluster.is_wiped_and_restarts(3);
    // The leader of an earlier term removes it and adds it again.
    cluster.configures(2, 5, Configuration { voters: vec![1, 2, 4], ..Configuration::default() });
    cluster.configures(2, 6, Configuration { voters: vec![1, 2, 3, 4], ..Configuration::default() });
    cluster.votes(3, 7, 4);
    cluster.passes("one-vote-per-term");
}

pub(crate) fn a_removed_wiped_server_votes_again() -> Violation {
    let mut cluster = Cluster::of(4);
    cluster.votes(3, 7, 1);
    cluster.is_wiped_and_restarts(3);
    cluster.configures(2, 5, Configuration { voters: vec![1, 2, 4], ..Configuration::default() });
    cluster.votes(3, 7, 4);
    cluster.violates("one-vote-per-term")
}
