//! What a leader must know before it confirms a read.

use crate::builder::{Cluster, request};
use invariants::{Configuration, ConfirmedBy, Fact, Index, Node, Term, Violation};

const PROPERTY: &str = "confirmed-reads";

impl Cluster {
    /// A client's read arrives at a server.
    fn gets_read(&mut self, node: Node, sequence: u64) {
        self.record(node, Fact::ReadArrived { read: request(sequence) });
    }

    fn confirms(&mut self, node: Node, sequence: u64, term: Term, index: Index, by: ConfirmedBy) {
        self.record(node, Fact::ReadConfirmed { read: request(sequence), term, index, by });
    }

    fn serves(&mut self, node: Node, sequence: u64, applied: Index) {
        self.record(node, Fact::ReadServed { read: request(sequence), applied });
    }

    fn acknowledges(&mut self, node: Node, term: Term, index: Index) {
        self.record(node, Fact::Acknowledged { term, index });
    }
}

pub(crate) fn answers_from_before_the_read_confirm_it() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.acknowledges(2, 1, 2);
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

pub(crate) fn answers_of_an_older_term_confirm_a_read() -> Violation {
    let mut cluster = Cluster::with_committed(5, 2);
    cluster.wins(2, 2, &[3, 4]);
    cluster.appends(2, 2, 3);
    cluster.saves(2);
    cluster.gets_read(2, 1);
    cluster.replicates(3, 2, 3);
    cluster.record(5, Fact::Answered { term: 1 });
    cluster.confirms(2, 1, 2, 3, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

/// n1 leads term 1 and has committed two entries in this configuration.
fn with_configuration(servers: u64, configuration: Configuration) -> Cluster {
    let mut cluster = Cluster::of(servers);
    (1..=servers).for_each(|node| cluster.configures(node, 0, configuration.clone()));
    let others: Vec<Node> = (2..=servers).collect();
    cluster.wins(1, 1, &others);
    (1..=2).for_each(|content| cluster.appends(1, 1, content));
    cluster.saves(1);
    others.iter().for_each(|&node| cluster.replicates(node, 1, 2));
    cluster.commits(1, 2);
    cluster
}

fn voters(voters: &[Node]) -> Configuration {
    Configuration { voters: voters.to_vec(), ..Configuration::default() }
}

pub(crate) fn a_learner_confirms_a_read() -> Violation {
    let mut cluster = with_configuration(3, Configuration { learners: vec![3], ..voters(&[1, 2]) });
    cluster.gets_read(1, 1);
    cluster.acknowledges(3, 1, 2);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

pub(crate) fn one_half_of_a_joint_configuration_confirms_a_read() -> Violation {
    let mut cluster = with_configuration(5, Configuration { joint: vec![1, 4, 5], ..voters(&[1, 2, 3]) });
    cluster.gets_read(1, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

/// The removal of n2 was in force before the read began.
pub(crate) fn a_voter_of_a_past_configuration_confirms_a_read() -> Violation {
    let mut cluster = with_configuration(3, voters(&[1, 2, 3]));
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, voters(&[1, 3]));
    cluster.gets_read(1, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

/// Its removal is in force, but not committed.
pub(crate) fn a_leader_outside_its_configuration_counts_itself() -> Violation {
    let mut cluster = with_configuration(3, voters(&[1, 2, 3]));
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, voters(&[2, 3]));
    cluster.gets_read(1, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

/// n2 leads term 2 and has committed 3 entries; n1 does not know.
fn with_deposed_leader() -> Cluster {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 3);
    cluster.saves(2);
    cluster.replicates(3, 2, 3);
    cluster
}

pub(crate) fn a_deposed_leader_confirms_a_read_by_its_lease() -> Violation {
    let mut cluster = with_deposed_leader();
    cluster.commits(2, 3);
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Lease);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_confirms_a_read_before_it_has_committed() -> Violation {
    let mut cluster = with_deposed_leader();
    cluster.gets_read(2, 1);
    cluster.acknowledges(3, 2, 3);
    cluster.confirms(2, 1, 2, 2, ConfirmedBy::Round);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_forwarded_read_is_served_before_its_index_is_applied() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.gets_read(2, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.serves(2, 1, 1);
    cluster.violates(PROPERTY)
}

/// n1 leads term 1 and has committed two entries; all servers have promised leases of this many milliseconds, and n2 and
/// n3 have just answered.
fn with_leases(milliseconds: u64) -> Cluster {
    let mut cluster = Cluster::with_committed(3, 2);
    for node in 1..=3 {
        cluster.record(node, Fact::LeasePromised { length: milliseconds * 1_000_000 });
    }
    cluster.record(2, Fact::Answered { term: 1 });
    cluster.record(3, Fact::Answered { term: 1 });
    cluster
}

impl Cluster {
    /// Each fact takes a millisecond.
    fn waits(&mut self, milliseconds: u64) {
        (0..milliseconds).for_each(|other| self.gets_read(1, 100 + other));
    }

    fn reads_by_lease(&mut self) {
        self.gets_read(1, 1);
        self.confirms(1, 1, 1, 2, ConfirmedBy::Lease);
    }
}

pub(crate) fn a_lease_outlasts_the_promises_of_the_followers() -> Violation {
    let mut cluster = with_leases(10);
    cluster.waits(12);
    cluster.reads_by_lease();
    cluster.violates(PROPERTY)
}

/// Their clocks measure twelve milliseconds in six.
pub(crate) fn fast_clocks_end_the_promises_of_the_followers() -> Violation {
    let mut cluster = with_leases(10);
    cluster.record(2, Fact::ClockChanged { jump: 0, rate: 2_000_000 });
    cluster.record(3, Fact::ClockChanged { jump: 9_000_000, rate: 1_000_000 });
    cluster.waits(4);
    cluster.reads_by_lease();
    cluster.violates(PROPERTY)
}

pub(crate) fn followers_elect_another_leader_during_their_promise() -> Violation {
    let mut cluster = with_leases(1_000);
    cluster.wins(2, 2, &[3]);
    cluster.reads_by_lease();
    cluster.violates(PROPERTY)
}

/// The newest answer counts, on the clock of its server; one follower of two is enough.
#[test]
fn a_lease_within_the_promise_of_a_quorum_confirms_a_read() {
    let mut cluster = with_leases(10);
    cluster.waits(6);
    cluster.record(3, Fact::Answered { term: 1 });
    cluster.waits(6);
    cluster.reads_by_lease();
    cluster.record(2, Fact::ClockChanged { jump: 0, rate: 500_000 });
    cluster.record(2, Fact::Answered { term: 1 });
    cluster.waits(16);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Lease);
    cluster.passes(PROPERTY);
}

/// It has no vote of the other follower, whose promise holds.
#[test]
fn a_candidate_alone_ends_no_lease() {
    let mut cluster = with_leases(1_000);
    cluster.campaigns(2, 2);
    cluster.reads_by_lease();
    cluster.passes(PROPERTY);
}

/// It was removed, campaigned for long, lost its disk, and comes back as a new replica.
#[test]
fn a_replica_without_a_past_promises_anew() {
    let mut cluster = with_leases(1_000);
    cluster.campaigns(2, 7);
    cluster.is_wiped_and_restarts(2);
    cluster.record(2, Fact::Answered { term: 1 });
    cluster.campaigns(3, 2);
    cluster.reads_by_lease();
    cluster.passes(PROPERTY);
}

/// Leases of a system that states no promise rest on something else.
#[test]
fn without_a_stated_promise_a_lease_has_no_end() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.waits(1_000);
    cluster.reads_by_lease();
    cluster.passes(PROPERTY);
}

#[test]
fn every_kind_of_answer_after_the_start_counts() {
    for answer in [
        Fact::Acknowledged { term: 1, index: 0 },
        Fact::Answered { term: 1 },
        Fact::Voted { term: 1, candidate: 1 },
    ] {
        let mut cluster = Cluster::with_committed(3, 2);
        cluster.gets_read(3, 1);
        cluster.record(2, answer);
        cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
        cluster.serves(3, 1, 2);
        cluster.passes(PROPERTY);
    }
}

/// The start of a read is its first arrival: what it must see, it must have seen then.
#[test]
fn a_retry_at_another_server_does_not_move_the_start() {
    let mut cluster = with_deposed_leader();
    cluster.gets_read(3, 1);
    cluster.commits(2, 3);
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Lease);
    cluster.serves(1, 1, 2);
    cluster.passes(PROPERTY);
}

/// The answer left before its server followed a newer leader, and is confirmed late.
#[test]
fn an_answer_counts_although_its_server_has_answered_a_newer_leader_since() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.gets_read(1, 1);
    cluster.record(3, Fact::Answered { term: 1 });
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 3);
    cluster.saves(2);
    cluster.replicates(3, 2, 3);
    cluster.commits(2, 3);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.serves(1, 1, 2);
    cluster.passes(PROPERTY);
}

/// A newer leader that has committed nothing, or only entries of older terms, has answered no client.
#[test]
fn a_newer_leader_without_a_commit_does_not_matter() {
    let mut cluster = with_deposed_leader();
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Lease);
    cluster.passes(PROPERTY);
}

/// A read may be confirmed by the configuration that was in force when it began.
#[test]
fn the_configuration_before_a_change_may_confirm_a_read() {
    let mut cluster = with_configuration(3, voters(&[1, 2]));
    cluster.gets_read(1, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, Configuration { joint: vec![1, 2], ..voters(&[1, 3]) });
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.passes(PROPERTY);
}

#[test]
fn a_single_voter_confirms_reads_alone() {
    let mut cluster = with_configuration(1, voters(&[1]));
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.serves(1, 1, 2);
    cluster.passes(PROPERTY);
}

/// Two copies of a read are confirmed at different indexes; each may be served from its own.
#[test]
fn a_read_that_is_confirmed_twice_needs_the_lower_index_only() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.gets_read(1, 1);
    cluster.acknowledges(2, 1, 2);
    cluster.confirms(1, 1, 1, 1, ConfirmedBy::Round);
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Round);
    cluster.serves(1, 1, 1);
    cluster.passes(PROPERTY);
}

/// A read in the log, or one that no leader states to have confirmed, is judged by what is stated of it.
#[test]
fn a_read_in_the_log_needs_no_round() {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.gets_read(1, 1);
    cluster.confirms(1, 1, 1, 2, ConfirmedBy::Log);
    cluster.gets_read(1, 2);
    cluster.serves(1, 2, 0);
    cluster.passes(PROPERTY);
}
