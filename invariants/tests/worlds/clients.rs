//! State machines, requests and reads.

use crate::builder::{Cluster, checks_of, digest_of, request};
use invariants::{Checker, Fact, Violation};

pub(crate) fn two_entries_applied_at_one_index() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.applies(1, 1, None, true);
    cluster.record(
        2,
        Fact::Applied {
            index: 1,
            entry: digest_of(7),
            state: digest_of(1),
            request: None,
            effect: true,
            session: None,
        },
    );
    cluster.violates("state-machine-safety")
}

pub(crate) fn two_states_after_one_entry() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.applies(1, 1, Some(request(1)), true);
    cluster.record(
        2,
        Fact::Applied {
            index: 1,
            entry: digest_of(1),
            state: digest_of(2),
            request: None,
            effect: true,
            session: None,
        },
    );
    cluster.violates("state-machine-safety")
}

pub(crate) fn an_entry_other_than_the_committed_one_is_applied() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(
        2,
        Fact::Applied {
            index: 1,
            entry: digest_of(7),
            state: digest_of(7),
            request: None,
            effect: true,
            session: None,
        },
    );
    cluster.violates("state-machine-safety")
}

#[test]
fn the_same_entries_may_be_applied_again_after_a_restart() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.applies(1, 1, None, true);
    cluster.applies(1, 2, None, true);
    cluster.crashes_and_restarts(1);
    cluster.applies(1, 1, None, true);
    cluster.applies(1, 2, None, true);
    cluster.applies(2, 1, None, true);
    cluster.passes("state-machine-safety");
}

#[test]
fn state_machines_are_checked_without_log_facts() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.applies(1, 1, None, true);
    cluster.applies(2, 1, None, true);
    cluster.facts.retain(|fact| {
        matches!(fact.fact, Fact::Applied { .. } | Fact::Committed { .. } | Fact::Leads { .. })
    });
    cluster.passes("state-machine-safety");
}

pub(crate) fn a_stale_read() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.client_gets_ack(1, 1);
    cluster.client_gets_ack(2, 2);
    cluster.client_requests_read(3);
    cluster.record(1, Fact::ReadServed { read: request(3), applied: 1 });
    cluster.violates("read-safety")
}

pub(crate) fn a_stale_read_after_a_fresh_one() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.client_gets_ack(2, 2);
    cluster.client_requests_read(3);
    cluster.record(1, Fact::ReadServed { read: request(3), applied: 2 });
    cluster.record(2, Fact::ReadServed { read: request(3), applied: 1 });
    cluster.violates("read-safety")
}

#[test]
fn a_read_may_miss_later_writes_and_unacked_ones() {
    let mut cluster = Cluster::with_committed(3, 3);
    cluster.client_gets_ack(1, 1);
    cluster.client_requests_read(5);
    cluster.client_gets_ack(2, 2);
    // A repeated request keeps the time of the first. The write at 3 is committed but no client has its
    // response.
    cluster.client_requests_read(5);
    cluster.record(2, Fact::ReadServed { read: request(5), applied: 1 });
    cluster.record(2, Fact::ReadServed { read: request(6), applied: 0 });
    cluster.passes("read-safety");
}

pub(crate) fn a_request_takes_effect_twice() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.applies(1, 1, Some(request(1)), true);
    cluster.applies(1, 2, Some(request(1)), true);
    cluster.violates("exactly-once")
}

#[test]
fn a_retry_may_be_answered_from_the_session_table() {
    let mut cluster = Cluster::with_committed(3, 2);
    for node in [1, 2] {
        cluster.applies(node, 1, Some(request(1)), true);
        cluster.applies(node, 2, Some(request(1)), false);
    }
    cluster.crashes_and_restarts(1);
    cluster.applies(1, 1, Some(request(1)), true);
    cluster.passes("exactly-once");
}

#[test]
fn a_disabled_property_is_neither_checked_nor_listed() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.applies(1, 1, Some(request(1)), true);
    cluster.applies(1, 2, Some(request(1)), true);
    let (checker, verdict) = cluster.check(Checker::with_disabled(&["exactly-once"]).expect("a property"));
    assert_eq!(verdict, Ok(()));
    assert!(checker.checks().all(|(property, _)| property != "exactly-once"));
    assert!(checks_of(&checker, "state-machine-safety") > 0);
}
