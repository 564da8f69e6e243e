//! Which reasons servers give an operator for a rejection.

use crate::builder::Cluster;
use invariants::{Configuration, Contract, Fact, Index, Node, RejectionReason, TakesEffect, Violation};

const PROPERTY: &str = "rejection-reasons";

impl Cluster {
    fn rejects(&mut self, node: Node, reason: RejectionReason, servers: &[Node]) {
        self.record(node, Fact::CommandRejected { reason, servers: servers.to_vec() });
    }

    fn counts_up_to(&mut self, leader: Node, follower: Node, match_index: Index) {
        self.record(leader, Fact::Counts { term: 1, follower, identity: 0, match_index });
    }

    /// n1 leads n2 and n3, n4 is a learner, and all has been committed.
    fn with_learner() -> Cluster {
        let mut cluster = Cluster::of(4);
        for node in 1..=4 {
            cluster.configures(node, 0, learner());
        }
        cluster.wins(1, 1, &[2]);
        cluster.appends(1, 1, 7);
        cluster.saves(1);
        cluster.replicates(2, 1, 1);
        cluster.commits(1, 1);
        cluster
    }
}

fn learner() -> Configuration {
    Configuration { voters: vec![1, 2, 3], learners: vec![4], ..Configuration::default() }
}

pub(crate) fn a_leader_says_that_it_does_not_lead() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.rejects(1, RejectionReason::NotLeader, &[2]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_says_that_a_committed_change_is_pending() -> Violation {
    let mut cluster = Cluster::with_learner();
    cluster.rejects(1, RejectionReason::ChangePending, &[4]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_says_that_it_has_committed_nothing() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.rejects(1, RejectionReason::NoOwnCommit, &[]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_says_that_a_learner_lacks_entries_that_it_has() -> Violation {
    let mut cluster = Cluster::with_learner();
    cluster.replicates(4, 1, 1);
    cluster.counts_up_to(1, 4, 1);
    cluster.rejects(1, RejectionReason::NotCaughtUp, &[4]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_says_that_voters_must_catch_up() -> Violation {
    let mut cluster = Cluster::with_learner();
    cluster.rejects(1, RejectionReason::NotCaughtUp, &[1, 3]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_says_that_it_does_not_know_a_voter() -> Violation {
    let mut cluster = Cluster::with_learner();
    cluster.rejects(1, RejectionReason::UnknownServer, &[3]);
    cluster.violates(PROPERTY)
}

#[test]
fn a_deposed_leader_does_not_lead() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(1, Fact::SteppedDown { term: 1 });
    cluster.rejects(1, RejectionReason::NotLeader, &[2]);
    cluster.rejects(2, RejectionReason::NotLeader, &[2]);
    cluster.passes(PROPERTY);
}

/// The answer may have been made before the election was won.
#[test]
fn a_server_may_reject_in_the_event_in_which_it_is_elected() {
    let mut cluster = Cluster::of(3);
    cluster.wins(1, 1, &[2]);
    cluster.rejects(1, RejectionReason::NotLeader, &[]);
    let elected = cluster.facts[cluster.facts.len() - 2].step;
    cluster.facts.last_mut().expect("the rejection").step = elected;
    cluster.passes(PROPERTY);
}

#[test]
fn a_change_is_pending_until_its_entry_is_committed() {
    let mut cluster = Cluster::with_learner();
    cluster.appends(1, 1, 8);
    cluster.configures(1, 2, Configuration { voters: vec![1, 2, 3, 4], ..Configuration::default() });
    cluster.rejects(1, RejectionReason::ChangePending, &[4]);
    cluster.passes(PROPERTY);
}

#[test]
fn a_change_is_pending_while_joint() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    let joint = Configuration { joint: vec![1, 2, 3], ..cluster.all_voters() };
    cluster.configures(1, 2, joint);
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.commits(1, 2);
    cluster.rejects(1, RejectionReason::ChangePending, &[]);
    cluster.passes(PROPERTY);
}

/// An entry that is not applied is no configuration yet.
#[test]
fn a_pending_change_that_takes_effect_later_is_not_seen() {
    let applied = Contract { configurations: TakesEffect::Applied, ..Contract::PAPER };
    let mut cluster = Cluster::with_learner().under(applied);
    cluster.appends(1, 1, 8);
    cluster.rejects(1, RejectionReason::ChangePending, &[4]);
    cluster.passes(PROPERTY);
}

#[test]
fn a_new_leader_has_committed_nothing() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.wins(2, 2, &[3]);
    cluster.rejects(2, RejectionReason::NoOwnCommit, &[]);
    cluster.passes(PROPERTY);
}

/// It has acknowledged everything, but the leader need not know.
#[test]
fn a_learner_lacks_what_its_leader_does_not_count() {
    let mut cluster = Cluster::with_learner();
    cluster.replicates(4, 1, 1);
    cluster.rejects(1, RejectionReason::NotCaughtUp, &[2, 4]);
    cluster.counts_up_to(1, 4, 1);
    cluster.appends(1, 1, 8);
    cluster.rejects(1, RejectionReason::NotCaughtUp, &[4]);
    cluster.passes(PROPERTY);
}

#[test]
fn a_learner_has_no_vote_and_a_leader_is_no_target() {
    let mut cluster = Cluster::with_learner();
    cluster.rejects(1, RejectionReason::UnknownServer, &[4]);
    cluster.rejects(1, RejectionReason::UnknownServer, &[9]);
    cluster.rejects(1, RejectionReason::UnknownServer, &[1]);
    cluster.passes(PROPERTY);
}

/// What a server that does not lead says of the group may be old.
#[test]
fn only_leaders_are_judged_by_the_group() {
    let mut cluster = Cluster::with_learner();
    for reason in [
        RejectionReason::ChangePending,
        RejectionReason::NotCaughtUp,
        RejectionReason::UnknownServer,
        RejectionReason::NoOwnCommit,
        RejectionReason::Other,
    ] {
        cluster.rejects(2, reason, &[3]);
    }
    cluster.rejects(1, RejectionReason::Other, &[3]);
    cluster.rejects(2, RejectionReason::NotLeader, &[3]);
    cluster.passes(PROPERTY);
}
