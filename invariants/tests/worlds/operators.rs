//! What an operator asks for, and which group comes of it.

use super::builder::World;
use invariants::ConfChange::{self, Joint, Leave, Steps};
use invariants::ConfChangeOp::{Learner, Remove, Voter};
use invariants::ConfChangeResponse::{self, Done, Refused, Unknown};
use invariants::{Checker, Configuration, Fact, Violation};

const PROPERTY: &str = "requested-membership";

fn group(voters: &[u64], joint: &[u64], learners: &[u64]) -> Configuration {
    let (voters, joint, learners) = (voters.to_vec(), joint.to_vec(), learners.to_vec());
    Configuration { voters, joint, learners, digest: None }
}

/// n1 leads term 1 of five servers that found the group, and has committed an entry.
fn founded() -> World {
    let mut world = World::with_committed(5, 1);
    (1..=5).for_each(|node| world.says(node, Fact::Founded { voters: vec![1, 2, 3, 4, 5] }));
    world
}

fn asks(world: &mut World, request: u64, change: ConfChange) {
    world.says(1, Fact::ChangeRequested { request, change: Box::new(change) });
}

fn is_answered(world: &mut World, request: u64, answer: ConfChangeResponse) {
    world.says(1, Fact::ChangeAnswered { request, answer });
}

/// n1 appends a group, n2 to n4 save it, and n1 commits it.
fn commits(world: &mut World, index: u64, group: &Configuration) {
    world.appends(1, 1, index);
    world.configures(1, index, group.clone());
    world.saves(1);
    (2..=4).for_each(|node| world.follows(node, 1, index));
    world.commits(1, index);
}

pub fn a_group_that_nobody_asked_for_is_committed() -> Violation {
    let mut world = founded();
    commits(&mut world, 2, &group(&[1, 2, 3, 4], &[], &[]));
    world.clashes(PROPERTY)
}

pub fn a_refused_change_is_committed() -> Violation {
    let mut world = founded();
    asks(&mut world, 1, Steps(vec![Remove(5)]));
    is_answered(&mut world, 1, Refused);
    commits(&mut world, 2, &group(&[1, 2, 3, 4], &[], &[]));
    world.clashes(PROPERTY)
}

pub fn a_joint_phase_ends_unasked() -> Violation {
    let mut world = founded();
    asks(&mut world, 1, Joint(vec![Remove(4), Remove(5)]));
    commits(&mut world, 2, &group(&[1, 2, 3], &[1, 2, 3, 4, 5], &[]));
    is_answered(&mut world, 1, Done);
    commits(&mut world, 3, &group(&[1, 2, 3], &[], &[]));
    world.clashes(PROPERTY)
}

pub fn a_learner_is_lost_on_the_way() -> Violation {
    let mut world = founded();
    asks(&mut world, 1, Steps(vec![Learner(6)]));
    commits(&mut world, 2, &group(&[1, 2, 3, 4, 5], &[], &[6]));
    is_answered(&mut world, 1, Done);
    asks(&mut world, 2, Steps(vec![Remove(5)]));
    commits(&mut world, 3, &group(&[1, 2, 3, 4], &[], &[]));
    world.clashes(PROPERTY)
}

pub fn a_founder_begins_with_itself_alone() -> Violation {
    let mut world = founded();
    world.configures(5, 0, group(&[5], &[], &[]));
    world.clashes(PROPERTY)
}

pub fn an_installed_snapshot_has_a_group_that_nobody_asked_for() -> Violation {
    let mut world = founded();
    world.installs_with(5, 1, 1, group(&[1, 2, 3], &[], &[]));
    world.facts.pop();
    // "snapshot-consistency" sees the same.
    let (_, verdict) = world.judge(Checker::with_disabled(&["snapshot-consistency"]).expect("a property"));
    let violation = verdict.expect_err("nobody noticed");
    assert_eq!(violation.property, PROPERTY);
    *violation
}

#[test]
fn a_change_in_one_step_passes_and_so_does_one_by_way_of_a_joint_phase() {
    let mut world = founded();
    asks(&mut world, 1, Steps(vec![Remove(5)]));
    commits(&mut world, 2, &group(&[4, 3, 2, 1], &[], &[]));
    is_answered(&mut world, 1, Done);
    // n4 becomes a learner when the joint phase is over, and is named as one before or not.
    asks(&mut world, 2, Steps(vec![Voter(5), Learner(4)]));
    commits(&mut world, 3, &group(&[1, 2, 3, 5], &[1, 2, 3, 4], &[]));
    commits(&mut world, 4, &group(&[1, 2, 3, 5], &[], &[4]));
    is_answered(&mut world, 2, Done);
    world.passes(PROPERTY);
}

#[test]
fn a_learner_is_promoted_and_a_removed_server_is_added_again() {
    let mut world = founded();
    let steps = [
        (Steps(vec![Learner(6)]), group(&[1, 2, 3, 4, 5], &[], &[6])),
        (Steps(vec![Voter(6)]), group(&[1, 2, 3, 4, 5, 6], &[], &[])),
        (Steps(vec![Remove(6)]), group(&[1, 2, 3, 4, 5], &[], &[])),
        (Steps(vec![Voter(6)]), group(&[1, 2, 3, 4, 5, 6], &[], &[])),
    ];
    for (number, (change, group)) in (1..).zip(steps) {
        asks(&mut world, number, change);
        commits(&mut world, number + 1, &group);
        is_answered(&mut world, number, Done);
    }
    world.passes(PROPERTY);
}

#[test]
fn a_joint_phase_that_was_asked_for_ends_when_that_is_asked_for() {
    let mut world = founded();
    asks(&mut world, 1, Joint(vec![Remove(4), Remove(5)]));
    commits(&mut world, 2, &group(&[1, 2, 3], &[1, 2, 3, 4, 5], &[]));
    is_answered(&mut world, 1, Done);
    asks(&mut world, 2, Leave);
    commits(&mut world, 3, &group(&[1, 2, 3], &[], &[]));
    world.passes(PROPERTY);
}

#[test]
fn what_became_of_a_change_of_unknown_outcome_is_either() {
    for happened in [true, false] {
        let mut world = founded();
        asks(&mut world, 1, Steps(vec![Remove(5)]));
        is_answered(&mut world, 1, Unknown);
        asks(&mut world, 2, Steps(vec![Voter(6)]));
        let mut index = 2;
        if happened {
            commits(&mut world, index, &group(&[1, 2, 3, 4], &[], &[]));
            index += 1;
        }
        let voters: &[u64] = if happened { &[1, 2, 3, 4, 6] } else { &[1, 2, 3, 4, 5, 6] };
        commits(&mut world, index, &group(voters, &[], &[]));
        is_answered(&mut world, 2, Done);
        world.passes(PROPERTY);
    }
}

#[test]
fn a_change_that_is_not_committed_is_not_compared() {
    let mut world = founded();
    world.appends(1, 1, 2);
    world.configures(1, 2, group(&[1, 2, 3, 4], &[], &[]));
    world.configures(2, 0, group(&[1, 2, 3, 4, 5], &[], &[]));
    world.passes(PROPERTY);
}

#[test]
fn a_server_that_learns_late_of_a_group_that_is_no_more_in_force_is_let_go() {
    let mut world = founded();
    let (first, second) = (group(&[1, 2, 3, 4], &[], &[]), group(&[1, 2, 3], &[], &[]));
    asks(&mut world, 1, Steps(vec![Remove(5)]));
    commits(&mut world, 2, &first);
    is_answered(&mut world, 1, Done);
    asks(&mut world, 2, Steps(vec![Remove(4)]));
    commits(&mut world, 3, &second);
    is_answered(&mut world, 2, Done);
    world.configures(3, 2, first);
    world.commits(3, 2);
    world.configures(3, 3, second);
    world.commits(3, 3);
    world.passes(PROPERTY);
}

#[test]
fn a_server_that_is_to_join_begins_with_nobody() {
    let mut world = founded();
    world.configures(6, 0, Configuration::default());
    world.configures(5, 0, group(&[5, 4, 3, 2, 1], &[], &[]));
    world.passes(PROPERTY);
}
