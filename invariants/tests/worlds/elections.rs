//! Leaders, votes and terms.

use crate::builder::World;
use invariants::{Configuration, Fact, Violation};

pub fn two_leaders_in_one_term() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 7, &[2]);
    world.campaigns(3, 7);
    world.says(3, Fact::Leads { term: 7 });
    world.clashes("election-safety")
}

pub fn a_leader_leads_again_after_a_restart() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 7, &[2]);
    world.crashes_and_restarts(1);
    world.says(1, Fact::Leads { term: 7 });
    world.clashes("election-safety")
}

#[test]
fn a_new_leader_in_each_term_is_fine() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.wins(3, 2, &[2]);
    world.crashes_and_restarts(1);
    world.wins(1, 3, &[3]);
    world.passes("election-safety");
}

pub fn a_leader_without_a_majority() -> Violation {
    let mut world = World::of(5);
    world.wins(1, 1, &[2]);
    world.clashes("elected-by-quorum")
}

pub fn votes_for_another_do_not_count() -> Violation {
    let mut world = World::of(3);
    world.campaigns(1, 1);
    world.campaigns(2, 1);
    world.votes(3, 1, 2);
    world.says(1, Fact::Leads { term: 1 });
    world.clashes("elected-by-quorum")
}

pub fn a_learner_does_not_elect() -> Violation {
    let mut world = World::of(4);
    let learner = Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() };
    world.configures(1, 0, learner);
    world.wins(1, 1, &[4]);
    world.clashes("elected-by-quorum")
}

pub fn one_half_of_a_joint_configuration_does_not_elect() -> Violation {
    let mut world = World::of(5);
    world.configures(
        1,
        0,
        Configuration { voters: vec![1, 2, 3], joint: vec![1, 4, 5], ..Configuration::default() },
    );
    world.wins(1, 1, &[2, 3]);
    world.clashes("elected-by-quorum")
}

#[test]
fn late_votes_elect_a_leader_of_an_old_term() {
    let mut world = World::of(3);
    world.campaigns(1, 1);
    world.votes(2, 1, 1);
    world.wins(3, 2, &[2]);
    world.says(1, Fact::Leads { term: 1 });
    world.passes("elected-by-quorum");
}

#[test]
fn one_voter_elects_itself() {
    let mut world = World::of(1);
    world.wins(1, 1, &[]);
    world.passes("elected-by-quorum");
}

pub fn two_votes_in_one_term() -> Violation {
    let mut world = World::of(3);
    world.votes(3, 1, 1);
    world.votes(3, 1, 2);
    world.clashes("one-vote-per-term")
}

pub fn a_candidate_votes_for_another() -> Violation {
    let mut world = World::of(3);
    world.campaigns(3, 1);
    world.votes(3, 1, 2);
    world.clashes("one-vote-per-term")
}

pub fn a_voter_campaigns() -> Violation {
    let mut world = World::of(3);
    world.votes(3, 1, 2);
    world.campaigns(3, 1);
    world.clashes("one-vote-per-term")
}

pub fn a_wiped_server_votes_again() -> Violation {
    let mut world = World::of(3);
    world.votes(3, 1, 1);
    world.is_wiped_and_restarts(3);
    world.votes(3, 1, 2);
    world.clashes("one-vote-per-term")
}

#[test]
fn the_same_vote_may_leave_twice() {
    let mut world = World::of(3);
    world.votes(3, 1, 1);
    world.crashes_and_restarts(3);
    world.votes(3, 1, 1);
    world.passes("one-vote-per-term");
}

#[test]
fn a_vote_that_never_left_is_none() {
    let mut world = World::of(3);
    world.votes(3, 1, 1);
    // It chooses n1 for term 2 in memory, the power fails, nothing has left, and n2 gets the vote.
    world.chooses(3, 2, 1);
    world.loses_power_and_restarts(3);
    world.votes(3, 2, 2);
    world.passes("one-vote-per-term");
}

pub fn a_term_goes_back() -> Violation {
    let mut world = World::of(3);
    world.adopts(2, 5);
    world.says(2, Fact::TermChanged { term: 4 });
    world.clashes("monotonic-term")
}

pub fn a_restart_forgets_the_term_of_a_vote() -> Violation {
    let mut world = World::of(3);
    world.votes(2, 5, 1);
    world.says(2, Fact::PowerLost);
    let nothing = Default::default();
    let digest = invariants::Digest::EMPTY;
    world.says(2, Fact::Started { term: 4, vote: None, base: nothing, last: nothing, digest });
    world.clashes("monotonic-term")
}

#[test]
fn a_term_that_nothing_was_promised_in_may_be_lost() {
    let mut world = World::of(3);
    world.votes(2, 5, 1);
    world.adopts(2, 6);
    world.loses_power_and_restarts(2);
    world.adopts(2, 6);
    world.passes("monotonic-term");
}

#[test]
fn a_wiped_server_may_start_at_zero() {
    let mut world = World::of(3);
    world.votes(2, 5, 1);
    world.is_wiped_and_restarts(2);
    world.crashes_and_restarts(2);
    world.adopts(2, 6);
    world.passes("monotonic-term");
}

#[test]
fn another_life_of_a_server_has_a_vote_of_its_own() {
    let mut world = World::of(4);
    world.campaigns(1, 7);
    world.votes(3, 7, 1);
    world.is_wiped_and_restarts(3);
    // The leader of an earlier term lets it go, and takes it in anew.
    world.configures(2, 5, Configuration { voters: vec![1, 2, 4], ..Configuration::default() });
    world.configures(2, 6, Configuration { voters: vec![1, 2, 3, 4], ..Configuration::default() });
    world.votes(3, 7, 4);
    world.passes("one-vote-per-term");
}

pub fn a_wiped_server_that_was_let_go_votes_for_the_one_it_was() -> Violation {
    let mut world = World::of(4);
    world.votes(3, 7, 1);
    world.is_wiped_and_restarts(3);
    world.configures(2, 5, Configuration { voters: vec![1, 2, 4], ..Configuration::default() });
    world.votes(3, 7, 4);
    world.clashes("one-vote-per-term")
}
