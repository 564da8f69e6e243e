//! What a leader may count a follower for.

use crate::builder::Cluster;
use invariants::{Configuration, Contract, Fact, Index, Node, Term, Violation};

const PROPERTY: &str = "leader-counts";

impl Cluster {
    fn counts(&mut self, leader: Node, term: Term, (follower, identity): (Node, u64), match_index: Index) {
        self.record(leader, Fact::Counts { term, follower, identity, match_index });
    }

    fn sends_from(&mut self, leader: Node, term: Term, (follower, identity): (Node, u64), first: Index) {
        self.record(leader, Fact::EntriesSent { term, follower, entries: 1, first, identity });
    }
}

pub(crate) fn a_leader_counts_what_it_has_sent() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.copies_log(3, 1, 2);
    cluster.counts(1, 1, (3, 0), 2);
    cluster.violates(PROPERTY)
}

/// n2 has acknowledged 2 in term 1, and nothing since.
pub(crate) fn a_leader_counts_an_acknowledgement_of_an_older_term() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.wins(1, 2, &[2]);
    cluster.counts(1, 2, (2, 0), 2);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_counts_a_replica_for_what_another_one_acknowledged() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(2, Fact::Identified { identity: 7 });
    cluster.record(2, Fact::Acknowledged { term: 1, index: 1 });
    cluster.counts(1, 1, (2, 7), 1);
    cluster.is_wiped_and_restarts(2);
    cluster.record(2, Fact::Identified { identity: 8 });
    cluster.counts(1, 1, (2, 8), 1);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_counts_less_than_before() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.counts(1, 1, (2, 0), 1);
    cluster.violates(PROPERTY)
}

/// n2 acknowledges its own entry at 2, and its leader has another one there. Who leads term 2 was not stated, so
/// `persist-before-reply` cannot know.
pub(crate) fn a_leader_counts_an_entry_that_was_never_durable() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.copies_log(2, 1, 2);
    cluster.saves(2);
    cluster.loses_power_and_restarts(1);
    cluster.campaigns(1, 2);
    cluster.votes(2, 2, 1);
    cluster.appends(1, 2, 20);
    cluster.record(2, Fact::Acknowledged { term: 2, index: 2 });
    cluster.counts(1, 2, (2, 0), 2);
    cluster.violates(PROPERTY)
}

const ONLY_MISSING: Contract = Contract { sends_only_missing: true, ..Contract::PAPER };

/// n1 sends n2 the entry at 2 again, for which it counts it.
fn sends_again(contract: Contract) -> Cluster {
    let mut cluster = Cluster::with_committed(3, 2).under(contract);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.sends_from(1, 1, (2, 0), 3);
    cluster.sends_from(1, 1, (2, 0), 2);
    cluster
}

pub(crate) fn a_leader_sends_what_it_counts() -> Violation {
    sends_again(ONLY_MISSING).violates(PROPERTY)
}

#[test]
fn in_the_paper_a_late_rejection_may_repeat_entries() {
    sends_again(Contract::PAPER).passes(PROPERTY);
}

/// To a new replica, to another follower, in another leadership, and where the first entry is not stated.
#[test]
fn entries_may_be_sent_to_a_replica_that_is_not_counted_for_them() {
    let mut cluster = Cluster::with_committed(3, 2).under(ONLY_MISSING);
    cluster.record(2, Fact::Identified { identity: 7 });
    cluster.record(2, Fact::Acknowledged { term: 1, index: 2 });
    cluster.counts(1, 1, (2, 7), 2);
    cluster.sends_from(1, 1, (2, 8), 1);
    cluster.sends_from(1, 1, (3, 7), 1);
    cluster.sends_from(1, 1, (2, 7), 0);
    cluster.wins(1, 2, &[2]);
    cluster.sends_from(1, 2, (2, 7), 1);
    cluster.passes(PROPERTY);
}

#[test]
fn an_acknowledgement_counts_after_the_follower_has_lost_its_disk() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.is_wiped_and_restarts(2);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.passes(PROPERTY);
}

/// By log matching, an entry of the term that was durable at a later index shows the earlier one.
#[test]
fn a_leader_may_count_less_than_was_acknowledged() {
    let mut cluster = Cluster::with_committed(3, 3);
    cluster.counts(1, 1, (2, 0), 1);
    cluster.counts(1, 1, (2, 0), 3);
    cluster.passes(PROPERTY);
}

/// A snapshot covers the entries that were never durable one by one.
#[test]
fn a_snapshot_counts_for_the_entries_that_it_covers() {
    let mut cluster = Cluster::with_committed(3, 3);
    cluster.installs_and_restores(3, 1, 2);
    cluster.counts(1, 1, (3, 0), 2);
    cluster.passes(PROPERTY);
}

/// In the next leadership and after a removal it begins anew.
#[test]
fn a_new_leadership_and_a_new_membership_count_from_the_beginning() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, Configuration { voters: vec![1, 3], ..Configuration::default() });
    cluster.saves(1);
    cluster.replicates(3, 1, 3);
    cluster.commits(1, 3);
    cluster.appends(1, 1, 4);
    let all_voters = cluster.all_voters();
    cluster.configures(1, 4, all_voters);
    cluster.counts(1, 1, (2, 0), 1);
    cluster.passes(PROPERTY);

    let mut cluster = Cluster::with_committed(3, 2);
    cluster.counts(1, 1, (2, 0), 2);
    cluster.wins(1, 2, &[2]);
    cluster.record(2, Fact::Acknowledged { term: 2, index: 1 });
    cluster.counts(1, 2, (2, 0), 1);
    cluster.passes(PROPERTY);
}
