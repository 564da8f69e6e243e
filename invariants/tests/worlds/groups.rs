//! Who belongs to the group, and how that changes.

use super::builder::World;
use invariants::{Checker, Configuration, Fact, Milestone, Violation};

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
    world.clashes("membership-safety")
}

pub fn a_change_before_anything_is_committed_in_the_term() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 2);
    world.configures(2, 1, group(&[2, 3], &[]));
    world.clashes("membership-safety")
}

pub fn two_voters_come_at_once() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2, 3, 4, 5], &[]));
    world.clashes("membership-safety")
}

pub fn a_joint_phase_begins_from_other_voters() -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[3, 4, 5], &[1, 2]));
    world.clashes("membership-safety")
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
    world.clashes("membership-safety")
}

/// n1 states this group with its second entry.
fn states(configuration: Configuration) -> Violation {
    let mut world = about_to_change(3);
    world.configures(1, 2, configuration);
    world.clashes("membership-safety")
}

pub fn a_voter_is_listed_twice() -> Violation {
    states(group(&[1, 2, 3, 3], &[]))
}

pub fn an_old_voter_is_listed_twice() -> Violation {
    states(group(&[1, 2, 3, 4], &[1, 2, 3, 2]))
}

pub fn a_learner_is_listed_twice() -> Violation {
    states(Configuration { learners: vec![4, 5, 4], ..group(&[1, 2, 3], &[]) })
}

pub fn a_voter_is_a_learner_as_well() -> Violation {
    states(Configuration { learners: vec![4, 3], ..group(&[1, 2, 3], &[]) })
}

pub fn a_new_voter_is_a_learner_as_well_while_joint() -> Violation {
    states(Configuration { learners: vec![4], ..group(&[2, 3, 4], &[1, 2, 3]) })
}

pub fn an_entry_leaves_no_voter() -> Violation {
    states(group(&[], &[]))
}

pub fn a_snapshot_leaves_no_voter() -> Violation {
    let mut world = World::with_committed(3, 2);
    let configuration = Box::new(Configuration { learners: vec![1, 2, 3], ..group(&[], &[]) });
    let last = world.id(1, 2);
    world.says(3, Fact::SnapshotInstalled { last, configuration });
    world.clashes("membership-safety")
}

/// It votes in the old half until the joint phase is left, and listens from then on.
#[test]
fn an_old_voter_may_be_a_learner_while_joint() {
    let mut world = about_to_change(3);
    world.configures(1, 2, Configuration { learners: vec![3], ..group(&[1, 2, 4], &[1, 2, 3]) });
    world.passes("membership-safety");
}

#[test]
fn a_server_that_joins_may_begin_without_a_group() {
    let mut world = World::with_committed(3, 1);
    world.configures(4, 0, Configuration::default());
    world.passes("membership-safety");
}

/// As a voter, as an old voter and as neither of the two: that is not twice in one half.
#[test]
fn a_server_may_stand_in_both_halves() {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[1, 2, 3, 4], &[3, 2, 1]));
    world.passes("membership-safety");
}

/// Where nobody asks for the form of groups, a voter that is listed twice has one vote all the same.
#[test]
fn a_voter_that_is_listed_twice_counts_once() {
    let durable_on = |nodes: &[u64]| {
        let mut world = about_to_change(3);
        world.configures(1, 2, group(&[1, 1, 1, 2, 3], &[]));
        for &node in nodes {
            match node {
                1 => world.saves(1),
                node => world.follows(node, 1, 2),
            }
        }
        world.commits(1, 2);
        let checker = Checker::with_disabled(&["membership-safety"]).expect("a property");
        world.judge(checker).1.err().map(|violation| violation.property)
    };
    assert_eq!(durable_on(&[1]), Some("committed-on-quorum"));
    assert_eq!(durable_on(&[1, 2]), None);
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
    world.passes("membership-safety");
}

/// How often each of these was reached.
fn reached<const N: usize>(world: &World, milestones: [Milestone; N]) -> [u64; N] {
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!(verdict, Ok(()));
    milestones.map(|milestone| checker.milestones().count(milestone))
}

#[test]
fn a_change_is_counted_once_it_is_committed_and_only_once() {
    let promoted = |world: &World| reached(world, [Milestone::LearnerPromoted]);
    let mut world = about_to_change(3);
    world.configures(1, 2, Configuration { learners: vec![3], ..group(&[1, 2], &[]) });
    world.saves(1);
    world.follows(2, 1, 2);
    world.configures(2, 2, Configuration { learners: vec![3], ..group(&[1, 2], &[]) });
    world.commits(1, 2);
    world.appends(1, 1, 3);
    world.configures(1, 3, group(&[1, 2, 3], &[]));
    world.saves(1);
    world.follows(2, 1, 3);
    world.configures(2, 3, group(&[1, 2, 3], &[]));
    assert_eq!(promoted(&world), [0]);
    world.follows(3, 1, 3);
    world.commits(1, 3);
    assert_eq!(promoted(&world), [1]);
    world.commits(2, 3);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 4);
    world.saves(2);
    world.follows(3, 2, 4);
    world.commits(2, 4);
    assert_eq!(promoted(&world), [1]);
}

#[test]
fn a_change_that_is_cut_is_not_counted() {
    let mut world = about_to_change(3);
    world.configures(1, 2, group(&[2, 3], &[]));
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.saves(2);
    world.follows(3, 2, 2);
    world.follows(1, 2, 2);
    world.commits(2, 2);
    world.wins(1, 3, &[3]);
    world.appends(1, 3, 30);
    world.saves(1);
    world.follows(3, 1, 3);
    world.commits(1, 3);
    assert_eq!(reached(&world, [Milestone::LeaderRemoved]), [0]);
}

#[test]
fn a_leader_is_removed_when_it_is_in_no_list_any_more() {
    let removed = |world: &World| reached(world, [Milestone::LeaderRemoved, Milestone::JointLeft]);
    let commits_at = |world: &mut World, index: u64, next: Configuration| {
        world.appends(1, 1, index);
        world.configures(1, index, next);
        world.saves(1);
        for node in [2, 3] {
            world.follows(node, 1, index);
        }
        world.commits(1, index);
    };
    let mut demoted = World::with_committed(3, 1);
    commits_at(&mut demoted, 2, Configuration { learners: vec![1], ..group(&[2, 3], &[]) });
    assert_eq!(removed(&demoted), [0, 0]);
    let mut world = World::with_committed(3, 1);
    commits_at(&mut world, 2, group(&[2, 3], &[1, 2, 3]));
    assert_eq!(removed(&world), [0, 0], "it still votes in the old half");
    commits_at(&mut world, 3, group(&[2, 3], &[]));
    assert_eq!(removed(&world), [1, 1]);
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
    world.passes("membership-safety");
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
