//! What a server may find on a disk that was damaged.

use super::builder::{Cluster, digest_of};
use invariants::{Digest, Fact, LogId, Violation};

const PROPERTY: &str = "as-written";
const EMPTY: LogId = LogId { index: 0, term: 0 };

/// The disk goes bad, and the server starts with this.
fn starts_damaged(cluster: &mut Cluster, node: u64, last: LogId, digest: Digest) {
    cluster.record(node, Fact::Damaged);
    cluster.record(node, Fact::PowerLost);
    cluster.record(node, Fact::Restarted);
    cluster.record(node, Fact::Started { term: 1, vote: None, base: EMPTY, last, digest });
}

pub(crate) fn a_damaged_entry_is_used() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    let damaged = Digest::EMPTY.then_entry(1, digest_of(7)).then_entry(1, digest_of(2));
    starts_damaged(&mut cluster, 2, LogId { index: 2, term: 1 }, damaged);
    cluster.violates_beyond(PROPERTY)
}

pub(crate) fn a_damaged_term_is_used() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    let damaged = Digest::EMPTY.then_entry(1, digest_of(1)).then_entry(65, digest_of(2));
    starts_damaged(&mut cluster, 2, LogId { index: 2, term: 65 }, damaged);
    cluster.violates_beyond(PROPERTY)
}

pub(crate) fn a_damaged_snapshot_is_restored() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    (1..=2).for_each(|index| cluster.applies(1, index, None, true));
    cluster.compacts(1, 2, 2);
    cluster.saves(1);
    let digest = Digest::EMPTY;
    let last = LogId { index: 2, term: 1 };
    cluster.record(1, Fact::Damaged);
    cluster.record(1, Fact::PowerLost);
    cluster.record(1, Fact::Restarted);
    cluster.record(1, Fact::Started { term: 1, vote: None, base: last, last, digest });
    cluster.record(1, Fact::Restored { index: 2, state: digest_of(99) });
    cluster.violates_beyond(PROPERTY)
}

pub(crate) fn a_damaged_identity_is_used() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.record(2, Fact::Identified { identity: 0xab });
    cluster.record(2, Fact::Damaged);
    cluster.loses_power_and_restarts(2);
    cluster.record(2, Fact::Identified { identity: 0xeb });
    cluster.violates_beyond(PROPERTY)
}

#[test]
fn a_disk_without_a_log_may_have_another_identity() {
    let mut cluster = Cluster::with_committed(3, 2);
    for node in [2, 3] {
        cluster.record(node, Fact::Identified { identity: 0xab });
    }
    cluster.is_wiped_and_restarts(2);
    starts_damaged(&mut cluster, 3, EMPTY, Digest::EMPTY);
    for node in [2, 3] {
        cluster.record(node, Fact::Identified { identity: 0xeb });
    }
    cluster.loses_power_and_restarts(1);
    cluster.passes_beyond(PROPERTY, 1);
}

#[test]
fn a_damaged_disk_may_hold_less_than_was_promised() {
    let mut cluster = Cluster::with_committed(3, 2);
    let shorter = Digest::EMPTY.then_entry(1, digest_of(1));
    starts_damaged(&mut cluster, 2, LogId { index: 1, term: 1 }, shorter);
    starts_damaged(&mut cluster, 1, EMPTY, Digest::EMPTY);
    cluster.passes_beyond(PROPERTY, 1);
}

/// Two servers have forgotten their votes, so that term 1 has another leader, which writes another entry 1@1.
fn with_two_leaders_of_a_term() -> Cluster {
    let mut cluster = Cluster::with_committed(3, 2);
    starts_damaged(&mut cluster, 2, EMPTY, Digest::EMPTY);
    cluster.is_wiped_and_restarts(3);
    cluster.wins(3, 1, &[2]);
    cluster.appends(3, 1, 8);
    cluster.saves(3);
    cluster
}

#[test]
fn after_forgotten_votes_two_entries_may_share_an_index_and_a_term() {
    let mut cluster = with_two_leaders_of_a_term();
    // What it wrote, but not what was written first.
    cluster.loses_power_and_restarts(3);
    cluster.passes_beyond(PROPERTY, 0);
}

#[test]
fn after_forgotten_entries_two_states_may_share_an_index() {
    let mut cluster = with_two_leaders_of_a_term();
    cluster.applies(1, 1, None, true);
    cluster.applies(3, 1, None, true);
    let state = digest_of(8);
    cluster.record(3, Fact::PowerLost);
    cluster.record(3, Fact::Restarted);
    let last = LogId { index: 1, term: 1 };
    cluster.record(3, Fact::Started { term: 1, vote: None, base: last, last, digest: Digest::EMPTY });
    cluster.record(3, Fact::Restored { index: 1, state });
    cluster.passes_beyond(PROPERTY, 0);
}
