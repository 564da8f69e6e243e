//! Promises and what must be durable before them.

use crate::builder::Cluster;
use invariants::{Checker, Fact, Violation};

pub(crate) fn a_vote_is_sent_before_it_is_saved() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes_in_memory(2, 1, 1);
    cluster.record(2, Fact::Voted { term: 1, candidate: 1 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn a_vote_is_sent_when_only_its_term_is_saved() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.adopts_term(2, 1);
    cluster.saves(2);
    cluster.record(2, Fact::Voted { term: 1, candidate: 1 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn a_candidate_requests_votes_before_its_own_vote_is_saved() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes_in_memory(2, 1, 2);
    cluster.record(2, Fact::Campaigned { term: 1 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn an_ack_is_sent_before_the_entry_is_saved() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.copies_log(2, 1, 2);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 2 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn an_ack_is_sent_before_its_term_is_saved() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.wins(2, 2, &[3]);
    cluster.adopts_term(1, 2);
    cluster.record(1, Fact::Acknowledged { term: 2, index: 1 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn a_follower_acks_entries_that_the_leader_lacks() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.appends(1, 1, 10);
    cluster.saves(1);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.adopts_term(1, 2);
    cluster.saves(1);
    // The AppendEntries that it answers matched only the empty log.
    cluster.record(1, Fact::Acknowledged { term: 2, index: 1 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn an_ack_relies_on_a_save_that_was_overwritten() -> Violation {
    let mut cluster = Cluster::of(5);
    cluster.wins(1, 1, &[2, 3]);
    cluster.appends(1, 1, 10);
    cluster.saves(1);
    cluster.replicates(2, 1, 1);
    cluster.wins(4, 2, &[3, 5]);
    cluster.appends(4, 2, 20);
    cluster.replicates(2, 4, 1);
    // n2's disk has 1@2. n1 leads again and n2 copies 1@1, which an earlier save had made durable.
    cluster.wins(1, 3, &[3, 5]);
    cluster.copies_log(2, 1, 1);
    cluster.record(2, Fact::Saved { term: 3, vote: None, after: None });
    cluster.record(2, Fact::Acknowledged { term: 3, index: 1 });
    cluster.violates("persist-before-reply")
}

#[test]
fn a_recovered_vote_may_be_sent_once_it_is_durable_again() {
    let mut cluster = Cluster::of(3);
    cluster.votes_in_memory(2, 1, 1);
    cluster.crashes_and_restarts(2);
    cluster.record(2, Fact::Voted { term: 1, candidate: 1 });
    cluster.passes("persist-before-reply");
}

pub(crate) fn a_recovered_vote_is_sent_before_it_is_durable() -> Violation {
    let mut cluster = Cluster::of(3);
    cluster.votes_in_memory(2, 1, 1);
    cluster.crashes_and_restarts(2);
    assert_eq!(cluster.facts.pop().map(|fact| fact.fact), Some(Fact::SavedRecovered));
    cluster.record(2, Fact::Voted { term: 1, candidate: 1 });
    cluster.violates("persist-before-reply")
}

#[test]
fn term_and_vote_may_be_saved_separately() {
    let mut cluster = Cluster::of(3);
    cluster.adopts_term(2, 1);
    cluster.saves(2);
    cluster.votes(2, 1, 1);
    cluster.passes("persist-before-reply");
}

#[test]
fn an_old_vote_may_be_sent_after_a_higher_term_is_saved() {
    let mut cluster = Cluster::of(3);
    cluster.votes_in_memory(2, 1, 1);
    cluster.saves(2);
    cluster.adopts_term(2, 2);
    cluster.saves(2);
    cluster.record(2, Fact::Voted { term: 1, candidate: 1 });
    cluster.passes("persist-before-reply");
}

#[test]
fn an_old_ack_may_be_sent_after_a_newer_leader_replaced_the_log() {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.appends(1, 1, 2);
    cluster.copies_log(2, 1, 2);
    cluster.saves(2);
    cluster.wins(3, 2, &[4, 5]);
    cluster.appends(3, 2, 20);
    cluster.replicates(2, 3, 2);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 2 });
    cluster.passes("persist-before-reply");
}

pub(crate) fn an_old_ack_is_sent_for_an_entry_that_was_never_saved() -> Violation {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.appends(1, 1, 2);
    cluster.copies_log(2, 1, 2);
    cluster.wins(3, 2, &[4, 5]);
    cluster.appends(3, 2, 20);
    cluster.replicates(2, 3, 2);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 2 });
    cluster.violates("persist-before-reply")
}

#[test]
fn without_disk_facts_durability_is_not_checked() {
    let mut cluster = Cluster::with_committed(3, 2);
    let is_disk_fact =
        |fact: &Fact| matches!(fact, Fact::Saved { .. } | Fact::SavedEntry { .. } | Fact::SavedRecovered);
    cluster.facts.retain(|fact| !is_disk_fact(&fact.fact));
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    let unchecked: Vec<_> =
        checker.checks().filter(|(_, checks)| *checks == 0).map(|(name, _)| name).collect();
    assert!(
        unchecked.contains(&"persist-before-reply") && unchecked.contains(&"committed-on-quorum"),
        "{unchecked:?}"
    );
}

pub(crate) fn a_follower_truncates_an_acked_entry() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.replicates(2, 1, 2);
    // A late duplicate of the first AppendEntries arrives.
    cluster.truncates(2, 1);
    cluster.violates("acked-immutable")
}

#[test]
fn a_follower_may_truncate_for_the_leader_of_a_higher_term() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.replicates(3, 1, 2);
    cluster.wins(2, 2, &[1]);
    cluster.appends(2, 2, 20);
    cluster.replicates(3, 2, 2);
    cluster.appends(2, 2, 21);
    // It may truncate unacknowledged entries in the same term too.
    cluster.copies_log(3, 2, 3);
    cluster.truncates(3, 2);
    cluster.passes("acked-immutable");
}
