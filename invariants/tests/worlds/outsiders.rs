//! Who does not belong to the group, and what becomes of its terms where nothing is wrong.

use crate::builder::{World, looked};
use invariants::{Checker, Configuration, Fact, Violation};

/// n1 leads term 1 of the group {n1, n2, n3}. It has let n4 go, which has not heard of that.
fn without_n4() -> World {
    let mut world = World::with_committed(4, 1);
    let group = || Configuration { voters: vec![1, 2, 3], ..Configuration::default() };
    world.appends(1, 1, 2);
    world.configures(1, 2, group());
    world.saves(1);
    for node in [2, 3] {
        world.follows(node, 1, 2);
        world.configures(node, 2, group());
    }
    world.commits(1, 2);
    world
}

fn is_quiet_for(world: &mut World, nodes: &[u64]) {
    nodes.iter().for_each(|&node| world.says(node, Fact::Quiet));
}

/// And nothing is wrong any more.
fn quiet() -> World {
    let mut world = without_n4();
    is_quiet_for(&mut world, &[1, 2, 3, 4]);
    world
}

pub fn a_member_goes_to_the_term_of_one_outside() -> Violation {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.adopts(2, 2);
    world.clashes("no-disruption")
}

pub fn a_leader_leaves_for_the_term_of_one_outside() -> Violation {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.says(1, Fact::SteppedDown { term: 1 });
    world.adopts(1, 2);
    // Both in one event: it is because of that term that it leads no more.
    let step = world.facts[world.facts.len() - 2].step;
    world.facts.last_mut().expect("it was just stated").step = step;
    world.clashes("no-disruption")
}

pub fn a_member_goes_to_the_term_of_one_that_is_ill() -> Violation {
    let mut world = without_n4();
    is_quiet_for(&mut world, &[1, 2, 4]);
    world.campaigns(3, 2);
    world.adopts(2, 2);
    world.clashes("no-disruption")
}

#[test]
fn who_asks_from_outside_and_is_ignored_disturbs_nobody() {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.campaigns(4, 3);
    world.appends(1, 1, 3);
    world.saves(1);
    world.follows(2, 1, 3);
    world.commits(1, 3);
    world.passes("no-disruption");
}

#[test]
fn a_member_may_bring_a_term_about() {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.campaigns(2, 3);
    world.votes(3, 3, 2);
    world.adopts(1, 3);
    world.says(2, Fact::Leads { term: 3 });
    // And while there was nobody to hear, one outside was heard.
    world.campaigns(4, 4);
    world.adopts(1, 4);
    world.passes("no-disruption");
}

#[test]
fn a_term_that_was_brought_about_before_may_still_be_on_its_way() {
    let mut world = without_n4();
    world.campaigns(4, 2);
    is_quiet_for(&mut world, &[1, 2, 3, 4]);
    world.campaigns(4, 3);
    world.adopts(2, 2);
    world.passes("no-disruption");
}

#[test]
fn who_is_ill_may_go_along_with_one_outside() {
    let mut world = without_n4();
    is_quiet_for(&mut world, &[1, 2, 4]);
    world.campaigns(4, 2);
    world.adopts(3, 2);
    world.passes("no-disruption");
}

#[test]
fn a_group_whose_leader_has_left_hears_nobody() {
    for end in [Fact::SteppedDown { term: 1 }, Fact::Crashed, Fact::PowerLost] {
        let mut world = quiet();
        world.campaigns(4, 2);
        world.says(1, end);
        world.adopts(2, 2);
        world.passes("no-disruption");
    }
}

#[test]
fn it_is_quiet_again_once_the_world_says_so_again() {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.crashes_and_restarts(3);
    world.adopts(3, 2);
    is_quiet_for(&mut world, &[1, 2, 3, 4]);
    world.campaigns(4, 3);
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!((verdict, looked(&checker, "no-disruption")), (Ok(()), 2));
    world.adopts(3, 3);
    world.clashes("no-disruption");
}

#[test]
fn where_nobody_says_that_it_is_quiet_those_outside_are_let_go() {
    let mut world = quiet();
    world.campaigns(4, 2);
    world.adopts(2, 2);
    world.facts.retain(|fact| fact.fact != Fact::Quiet);
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!((verdict, looked(&checker, "no-disruption")), (Ok(()), 0));
}
