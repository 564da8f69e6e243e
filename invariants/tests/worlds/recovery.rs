//! What a restart must find.

use super::builder::Cluster;
use invariants::{Digest, Fact, LogId, Violation};

/// Restarts a server that recovers this instead of what its disk holds.
fn starts_with(cluster: &mut Cluster, node: u64, term: u64, vote: Option<u64>, last: LogId) {
    cluster.record(node, Fact::PowerLost);
    cluster.record(node, Fact::Restarted);
    let digest = cluster.digest(node, last.index);
    cluster.record(node, Fact::Started { term, vote, base: LogId::default(), last, digest });
}

const EMPTY: LogId = LogId { index: 0, term: 0 };

pub(crate) fn a_restart_forgets_a_vote_and_keeps_its_term() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(1, 4);
    cluster.votes(2, 4, 1);
    starts_with(&mut cluster, 2, 4, None, EMPTY);
    cluster.violates("recovered-promises")
}

pub(crate) fn a_candidate_restarts_with_a_vote_for_another() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(1, 4);
    starts_with(&mut cluster, 1, 4, Some(2), EMPTY);
    cluster.violates("recovered-promises")
}

#[test]
fn a_restart_in_a_higher_term_may_have_another_vote() {
    let mut cluster = Cluster::of(3);
    cluster.campaigns(1, 4);
    cluster.votes(2, 4, 1);
    cluster.campaigns(3, 5);
    // It voted in term 5, and lost power after the write and before the message.
    cluster.votes_in_memory(2, 5, 3);
    starts_with(&mut cluster, 2, 5, Some(3), EMPTY);
    // The check was made when the servers started before.
    cluster.campaigns(1, 6);
    cluster.votes(2, 6, 1);
    cluster.loses_power_and_restarts(2);
    cluster.passes("recovered-promises");
}

#[test]
fn a_vote_that_was_not_sent_may_be_lost() {
    let mut cluster = Cluster::of(3);
    cluster.votes(2, 3, 3);
    cluster.adopts_term(2, 4);
    cluster.saves(2);
    cluster.votes_in_memory(2, 4, 1);
    cluster.loses_power_and_restarts(2);
    cluster.votes(2, 4, 3);
    cluster.loses_power_and_restarts(2);
    cluster.passes("recovered-promises");
}

/// n2 has acknowledged both entries of term 1 to n1.
fn with_acked() -> Cluster {
    Cluster::with_committed(3, 2)
}

pub(crate) fn a_restart_recovers_a_shorter_log_than_it_has_acknowledged() -> Violation {
    let mut cluster = with_acked();
    starts_with(&mut cluster, 2, 1, Some(1), LogId { index: 1, term: 1 });
    cluster.violates("recovered-promises")
}

pub(crate) fn a_restart_recovers_the_log_before_the_acknowledged_one() -> Violation {
    let mut cluster = Cluster::of(3);
    // n3 has entries of term 1; n1 leads term 2 and replaces them.
    cluster.wins(3, 1, &[2]);
    cluster.appends(3, 1, 7);
    cluster.appends(3, 1, 8);
    cluster.saves(3);
    cluster.wins(1, 2, &[2]);
    cluster.appends(1, 2, 10);
    cluster.replicates(3, 1, 1);
    cluster.record(3, Fact::PowerLost);
    cluster.record(3, Fact::Restarted);
    let digest =
        Digest::EMPTY.then_entry(1, super::builder::digest_of(7)).then_entry(1, super::builder::digest_of(8));
    let last = LogId { index: 2, term: 1 };
    cluster.record(3, Fact::Started { term: 2, vote: None, base: EMPTY, last, digest });
    cluster.violates("recovered-promises")
}

pub(crate) fn a_leader_restarts_without_an_entry_that_it_had_durable() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 1);
    cluster.saves(1);
    starts_with(&mut cluster, 1, 1, Some(1), EMPTY);
    cluster.violates("recovered-promises")
}

#[test]
fn what_a_snapshot_covers_is_there() {
    let mut cluster = with_acked();
    cluster.installs_and_restores(3, 1, 2);
    cluster.loses_power_and_restarts(3);
    cluster.passes("recovered-promises");
}

#[test]
fn a_newer_leader_may_have_replaced_what_was_acknowledged() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 1);
    cluster.saves(1);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    // n1 received the entry of term 2, wrote it, and lost power before the disk said that it is durable.
    cluster.copies_log(1, 2, 1);
    cluster.record(1, Fact::PowerLost);
    cluster.record(1, Fact::Restarted);
    let digest = cluster.digest(1, 1);
    cluster.record(
        1,
        Fact::Started { term: 2, vote: None, base: EMPTY, last: LogId { index: 1, term: 2 }, digest },
    );
    cluster.loses_power_and_restarts(2);
    cluster.passes("recovered-promises");
}

#[test]
fn a_wiped_server_finds_nothing() {
    let mut cluster = with_acked();
    cluster.is_wiped_and_restarts(2);
    cluster.loses_power_and_restarts(1);
    cluster.passes("recovered-promises");
}
