//! Logs in memory, on disk and after a restart.

use crate::builder::{Cluster, digest_of};
use invariants::{Digest, Fact, LogId, Violation};

pub(crate) fn two_contents_for_one_log_id() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.adopts_term(2, 1);
    cluster.appends(2, 1, 11);
    cluster.violates("log-matching")
}

pub(crate) fn equal_entries_after_different_logs() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.wins(3, 2, &[2]);
    cluster.appends(3, 2, 20);
    cluster.appends(3, 2, 21);
    // n2 has 1@1 where n3 has 1@2, and copies the next entry.
    cluster.appends(2, 1, 10);
    cluster.appends(2, 2, 21);
    cluster.violates("log-matching")
}

pub(crate) fn a_disk_saves_another_entry() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.record(1, Fact::SavedEntry { index: 1, term: 1, entry: digest_of(11) });
    cluster.violates("log-matching")
}

fn restarts_with(cluster: &mut Cluster, node: u64, last: LogId, digest: Digest) {
    cluster.record(node, Fact::PowerLost);
    cluster.record(node, Fact::Started { term: 1, vote: None, base: LogId::default(), last, digest });
}

pub(crate) fn a_restart_recovers_an_entry_that_was_never_written() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    restarts_with(&mut cluster, 2, LogId { index: 3, term: 1 }, digest_of(0));
    cluster.violates("log-matching")
}

pub(crate) fn a_restart_recovers_another_log() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    let forged = Digest::EMPTY.then_entry(1, digest_of(7)).then_entry(1, digest_of(2));
    restarts_with(&mut cluster, 2, LogId { index: 2, term: 1 }, forged);
    cluster.violates("log-matching")
}

#[test]
fn a_tail_may_be_overwritten() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.wins(3, 2, &[2]);
    cluster.appends(3, 2, 20);
    cluster.replicates(1, 3, 1);
    cluster.appends(3, 2, 21);
    cluster.replicates(1, 3, 2);
    cluster.passes("log-matching");
}

#[test]
fn a_restart_may_recover_any_record_since_the_last_durable_one() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.appends(1, 1, 11);
    cluster.replicates(2, 1, 2);
    cluster.wins(3, 2, &[1]);
    cluster.appends(3, 2, 20);
    cluster.appends(3, 2, 21);
    // n2 has 1@1 2@1 on disk; in memory it truncates both and copies two entries of n3. The power loss keeps
    // the truncation and the first entry.
    cluster.copies_log(2, 3, 2);
    cluster.record(2, Fact::PowerLost);
    let (base, last) = (LogId::default(), LogId { index: 1, term: 2 });
    let digest = Digest::EMPTY.then_entry(2, digest_of(20));
    cluster.record(2, Fact::Started { term: 2, vote: None, base, last, digest });
    cluster.record(2, Fact::SavedRecovered);
    cluster.record(2, Fact::Appended { index: 2, term: 2, entry: digest_of(21) });
    cluster.record(2, Fact::Acknowledged { term: 2, index: 1 });
    cluster.passes("log-matching");
}

pub(crate) fn a_leader_truncates_its_log() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.truncates(1, 0);
    cluster.violates("leader-append-only")
}

pub(crate) fn a_leader_appends_in_another_term() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 2, &[2]);
    cluster.appends(1, 1, 10);
    cluster.violates("leader-append-only")
}

pub(crate) fn an_append_leaves_a_gap() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.record(2, Fact::Appended { index: 2, term: 1, entry: digest_of(10) });
    cluster.violates("leader-append-only")
}

#[test]
fn the_tail_of_a_former_leader_may_be_lost_with_the_power() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.loses_power_and_restarts(1);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.replicates(1, 2, 1);
    cluster.passes("leader-append-only");
}

#[test]
fn a_deposed_leader_may_truncate() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    // n1 adopts the new term without a SteppedDown fact: the new term implies it.
    cluster.replicates(1, 2, 1);
    cluster.passes("leader-append-only");
}
