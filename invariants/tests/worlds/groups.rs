//! Who belongs to the group, and how that changes.

use super::builder::World;
use invariants::{Configuration, Violation};

fn group(voters: &[u64], joint: &[u64]) -> Configuration {
    Configuration { voters: voters.to_vec(), joint: joint.to_vec(), ..Configuration::default() }
}

/// n1 leads term 1, has committed its first entry, and appends the next one, which carries a group.
fn about_to_change(servers: u64) -> World {
    let mut world = World::with_committed(servers, 1);
    world.appends(1, 1, 2);
    world
}

pub fn a_change_before_the_last_one_is_committed() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2, 3, 4], &[]));
    world.appends(1, 1, 3);
    world.configures(1, 3, group(&[1, 2, 3, 4, 5], &[]));
    world.clashes("configurations")
}

pub fn a_change_before_anything_is_committed_in_the_term() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 2);
    world.configures(2, 1, group(&[2, 3], &[]));
    world.clashes("configurations")
}

pub fn two_voters_come_at_once() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2, 3, 4, 5], &[]));
    world.clashes("configurations")
}

pub fn a_joint_phase_begins_from_other_voters() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[3, 4, 5], &[1, 2]));
    world.clashes("configurations")
}

pub fn somebody_without_a_vote_campaigns() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2], &[]));
    world.saves(1);
    world.follows(2, 1, 2);
    world.commits(1, 2);
    world.follows(3, 1, 2);
    world.configures(3, 2, group(&[1, 2], &[]));
    world.commits(3, 2);
    world.campaigns(3, 2);
    world.clashes("configurations")
}

#[test]
fn a_joint_phase_is_entered_and_left() {
    let mut world = about_to_change(5);
    world.configures(1, 2, group(&[3, 4, 5], &[1, 2, 3, 4, 5]));
    world.saves(1);
    for node in [2, 3, 4] {
        world.follows(node, 1, 2);
    }
    world.commits(1, 2);
    world.appends(1, 1, 3);
    world.configures(1, 3, group(&[3, 4, 5], &[]));
    world.passes("configurations");
}

/// The entry that removed it may never commit; the one before it is committed, for leaders change one thing at a time.
#[test]
fn whoever_was_removed_by_an_uncommitted_entry_may_campaign() {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2], &[]));
    world.saves(1);
    world.follows(3, 1, 2);
    world.configures(3, 2, group(&[1, 2], &[]));
    world.campaigns(3, 2);
    world.passes("configurations");
}

/// A candidacy waits for the disk; meanwhile another leads that term and removes the candidate. Then the request leaves.
#[test]
fn a_candidacy_that_was_overtaken_asks_for_nothing() {
    let mut world = World::with_committed(3, 1);
    world.chooses(3, 2, 3);
    world.wins(2, 2, &[1]);
    world.appends(2, 2, 2);
    world.saves(2);
    world.follows(3, 2, 2);
    world.configures(3, 2, group(&[1, 2], &[]));
    world.commits(3, 1);
    world.saves(3);
    world.campaigns(3, 2);
    world.passes("one-vote-per-term");
}
