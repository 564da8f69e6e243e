//! Promises and the disk.

use crate::builder::World;
use invariants::{Checker, Fact, Violation};

pub fn a_vote_leaves_before_it_is_saved() -> Violation {
    let mut world = World::of(3);
    world.chooses(2, 1, 1);
    world.says(2, Fact::Voted { term: 1, candidate: 1 });
    world.clashes("persist-before-reply")
}

pub fn a_vote_leaves_when_only_its_term_is_saved() -> Violation {
    let mut world = World::of(3);
    world.adopts(2, 1);
    world.saves(2);
    world.says(2, Fact::Voted { term: 1, candidate: 1 });
    world.clashes("persist-before-reply")
}

pub fn a_candidate_asks_before_its_own_vote_is_saved() -> Violation {
    let mut world = World::of(3);
    world.chooses(2, 1, 2);
    world.says(2, Fact::Campaigned { term: 1 });
    world.clashes("persist-before-reply")
}

pub fn an_acknowledgement_leaves_before_the_entry_is_saved() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.takes(2, 1, 2);
    world.says(2, Fact::Acknowledged { term: 1, index: 2 });
    world.clashes("persist-before-reply")
}

pub fn an_acknowledgement_leaves_before_its_term_is_saved() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.wins(2, 2, &[3]);
    world.adopts(1, 2);
    world.says(1, Fact::Acknowledged { term: 2, index: 1 });
    world.clashes("persist-before-reply")
}

pub fn a_follower_acknowledges_its_own_tail() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.saves(1);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.adopts(1, 2);
    world.saves(1);
    // It was only asked whether it has the empty log.
    world.says(1, Fact::Acknowledged { term: 2, index: 1 });
    world.clashes("persist-before-reply")
}

pub fn a_completion_is_taken_for_another_write() -> Violation {
    let mut world = World::of(5);
    world.wins(1, 1, &[2, 3]);
    world.appends(1, 1, 10);
    world.saves(1);
    world.follows(2, 1, 1);
    world.wins(4, 2, &[3, 5]);
    world.appends(4, 2, 20);
    world.follows(2, 4, 1);
    // n2's disk has 1@2. n1 leads again, n2 takes 1@1 back in memory, and thinks of when it was durable before.
    world.wins(1, 3, &[3, 5]);
    world.takes(2, 1, 1);
    world.says(2, Fact::Saved { term: 3, vote: None, after: None });
    world.says(2, Fact::Acknowledged { term: 3, index: 1 });
    world.clashes("persist-before-reply")
}

#[test]
fn a_recovered_vote_leaves_once_the_disk_has_it_again() {
    let mut world = World::of(3);
    world.chooses(2, 1, 1);
    world.crashes_and_restarts(2);
    world.says(2, Fact::Voted { term: 1, candidate: 1 });
    world.passes("persist-before-reply");
}

pub fn a_recovered_vote_leaves_before_the_disk_has_it_again() -> Violation {
    let mut world = World::of(3);
    world.chooses(2, 1, 1);
    world.crashes_and_restarts(2);
    assert_eq!(world.facts.pop().map(|fact| fact.fact), Some(Fact::SavedRecovered));
    world.says(2, Fact::Voted { term: 1, candidate: 1 });
    world.clashes("persist-before-reply")
}

#[test]
fn term_and_vote_may_be_saved_one_after_the_other() {
    let mut world = World::of(3);
    world.adopts(2, 1);
    world.saves(2);
    world.votes(2, 1, 1);
    world.passes("persist-before-reply");
}

#[test]
fn an_old_vote_may_leave_when_a_higher_term_is_saved() {
    let mut world = World::of(3);
    world.chooses(2, 1, 1);
    world.saves(2);
    world.adopts(2, 2);
    world.saves(2);
    world.says(2, Fact::Voted { term: 1, candidate: 1 });
    world.passes("persist-before-reply");
}

#[test]
fn an_old_acknowledgement_may_leave_when_a_newer_leader_has_replaced_the_log() {
    let mut world = World::with_committed(5, 1);
    world.appends(1, 1, 2);
    world.takes(2, 1, 2);
    world.saves(2);
    world.wins(3, 2, &[4, 5]);
    world.appends(3, 2, 20);
    world.follows(2, 3, 2);
    world.says(2, Fact::Acknowledged { term: 1, index: 2 });
    world.passes("persist-before-reply");
}

pub fn an_old_acknowledgement_leaves_for_what_was_never_saved() -> Violation {
    let mut world = World::with_committed(5, 1);
    world.appends(1, 1, 2);
    world.takes(2, 1, 2);
    world.wins(3, 2, &[4, 5]);
    world.appends(3, 2, 20);
    world.follows(2, 3, 2);
    world.says(2, Fact::Acknowledged { term: 1, index: 2 });
    world.clashes("persist-before-reply")
}

#[test]
fn where_no_disk_speaks_nothing_is_asked_of_disks() {
    let mut world = World::with_committed(3, 2);
    let of_disk =
        |fact: &Fact| matches!(fact, Fact::Saved { .. } | Fact::SavedEntry { .. } | Fact::SavedRecovered);
    world.facts.retain(|fact| !of_disk(&fact.fact));
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!(verdict, Ok(()));
    let silent: Vec<_> = checker.checks().filter(|looked| looked.1 == 0).map(|looked| looked.0).collect();
    assert!(
        silent.contains(&"persist-before-reply") && silent.contains(&"committed-on-quorum"),
        "{silent:?}"
    );
}

pub fn a_follower_cuts_what_it_has_acknowledged() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.follows(2, 1, 2);
    // A late copy of the first AppendEntries arrives.
    world.cuts(2, 1);
    world.clashes("acked-immutable")
}

#[test]
fn a_follower_may_cut_for_the_leader_of_a_higher_term() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.follows(3, 1, 2);
    world.wins(2, 2, &[1]);
    world.appends(2, 2, 20);
    world.follows(3, 2, 2);
    world.appends(2, 2, 21);
    // Beyond what it has acknowledged it may cut in the same term too.
    world.takes(3, 2, 3);
    world.cuts(3, 2);
    world.passes("acked-immutable");
}
