//! State machines, requests and reads.

use crate::builder::{World, digest_of, looked, request};
use invariants::{Checker, Fact, Violation};

pub fn two_entries_applied_at_one_index() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.applies(1, 1, None, true);
    world.says(
        2,
        Fact::Applied { index: 1, entry: digest_of(7), state: digest_of(1), request: None, effect: true },
    );
    world.clashes("state-machine-safety")
}

pub fn two_states_after_one_entry() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.applies(1, 1, Some(request(1)), true);
    world.says(
        2,
        Fact::Applied { index: 1, entry: digest_of(1), state: digest_of(2), request: None, effect: true },
    );
    world.clashes("state-machine-safety")
}

pub fn another_entry_than_the_committed_one_is_applied() -> Violation {
    let mut world = World::with_committed(3, 1);
    world.says(
        2,
        Fact::Applied { index: 1, entry: digest_of(7), state: digest_of(7), request: None, effect: true },
    );
    world.clashes("state-machine-safety")
}

#[test]
fn the_same_entries_may_be_applied_again_after_a_restart() {
    let mut world = World::with_committed(3, 2);
    world.applies(1, 1, None, true);
    world.applies(1, 2, None, true);
    world.crashes_and_restarts(1);
    world.applies(1, 1, None, true);
    world.applies(1, 2, None, true);
    world.applies(2, 1, None, true);
    world.passes("state-machine-safety");
}

#[test]
fn state_machines_are_judged_where_logs_are_not_stated() {
    let mut world = World::with_committed(3, 1);
    world.applies(1, 1, None, true);
    world.applies(2, 1, None, true);
    world.facts.retain(|fact| {
        matches!(fact.fact, Fact::Applied { .. } | Fact::Committed { .. } | Fact::Leads { .. })
    });
    world.passes("state-machine-safety");
}

pub fn a_stale_read() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.client_sees_write(1, 1);
    world.client_sees_write(2, 2);
    world.client_asks_to_read(3);
    world.says(1, Fact::ReadServed { read: request(3), applied: 1 });
    world.clashes("read-safety")
}

pub fn a_stale_answer_after_a_good_one() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.client_sees_write(2, 2);
    world.client_asks_to_read(3);
    world.says(1, Fact::ReadServed { read: request(3), applied: 2 });
    world.says(2, Fact::ReadServed { read: request(3), applied: 1 });
    world.clashes("read-safety")
}

#[test]
fn a_read_owes_nothing_to_later_writes_or_to_those_that_no_client_has_seen() {
    let mut world = World::with_committed(3, 3);
    world.client_sees_write(1, 1);
    world.client_asks_to_read(5);
    world.client_sees_write(2, 2);
    // Asked again, it keeps its first asking. The write at 3 is committed, and nobody has seen it.
    world.client_asks_to_read(5);
    world.says(2, Fact::ReadServed { read: request(5), applied: 1 });
    world.says(2, Fact::ReadServed { read: request(6), applied: 0 });
    world.passes("read-safety");
}

pub fn a_request_has_its_effect_twice() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.applies(1, 1, Some(request(1)), true);
    world.applies(1, 2, Some(request(1)), true);
    world.clashes("exactly-once")
}

#[test]
fn a_retry_may_be_answered_from_the_table() {
    let mut world = World::with_committed(3, 2);
    for node in [1, 2] {
        world.applies(node, 1, Some(request(1)), true);
        world.applies(node, 2, Some(request(1)), false);
    }
    world.crashes_and_restarts(1);
    world.applies(1, 1, Some(request(1)), true);
    world.passes("exactly-once");
}

#[test]
fn what_is_left_out_is_neither_asked_nor_listed() {
    let mut world = World::with_committed(3, 2);
    world.applies(1, 1, Some(request(1)), true);
    world.applies(1, 2, Some(request(1)), true);
    let (checker, verdict) = world.judge(Checker::with_disabled(&["exactly-once"]).expect("a property"));
    assert_eq!(verdict, Ok(()));
    assert!(checker.checks().all(|(property, _)| property != "exactly-once"));
    assert!(looked(&checker, "state-machine-safety") > 0);
}
