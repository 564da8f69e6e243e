//! What servers keep while nothing happens.

use crate::builder::Cluster;
use invariants::{Configuration, Fact, Node, Violation};

const PROPERTY: &str = "bookkeeping";

impl Cluster {
    fn keeps(&mut self, node: Node, [requests, promises, parts]: [u64; 3], followers: &[Node]) {
        self.record(node, Fact::Kept { requests, promises, parts, followers: followers.to_vec() });
    }
}

pub(crate) fn a_server_keeps_a_request() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(2, [0, 0, 0], &[]);
    cluster.keeps(3, [1, 0, 0], &[]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_server_holds_a_promise_for_good() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(2, [0, 2, 0], &[]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_server_keeps_a_part_of_a_snapshot() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(2, [0, 0, 1], &[]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_tracks_a_server_that_is_removed() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.configures(1, 2, Configuration { voters: vec![1, 2], ..Configuration::default() });
    cluster.keeps(1, [0, 0, 0], &[2, 3]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_tracks_a_server_twice() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(1, [0, 0, 0], &[2, 3, 3]);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_does_not_track_a_learner() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    let learner = Configuration { voters: vec![1, 2], learners: vec![3], ..Configuration::default() };
    cluster.configures(1, 2, learner);
    cluster.keeps(1, [0, 0, 0], &[2]);
    cluster.violates(PROPERTY)
}

pub(crate) fn what_a_server_keeps_grows() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(3, Fact::SizeKept { before: 7, after: 8 });
    cluster.violates(PROPERTY)
}

/// A table that stays, and a cache that shrinks.
#[test]
fn what_does_not_grow_may_be_kept() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(2, Fact::SizeKept { before: 7, after: 7 });
    cluster.record(3, Fact::SizeKept { before: 7, after: 0 });
    cluster.passes(PROPERTY);
}

#[test]
fn a_leader_tracks_its_members_in_any_order() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(1, [0, 0, 0], &[3, 2]);
    cluster.keeps(2, [0, 0, 0], &[]);
    cluster.passes(PROPERTY);
}

/// It may keep what it knew when it led, or track nothing.
#[test]
fn only_leaders_must_track_anything() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.keeps(2, [0, 0, 0], &[3]);
    cluster.record(1, Fact::SteppedDown { term: 1 });
    cluster.keeps(1, [0, 0, 0], &[2]);
    cluster.passes(PROPERTY);
}

/// In the joint phase both halves and the learners are members, each once.
#[test]
fn a_leader_tracks_both_halves() {
    let mut cluster = Cluster::of(4);
    let joint = Configuration {
        voters: vec![1, 2],
        joint: vec![1, 3],
        learners: vec![4],
        ..Configuration::default()
    };
    cluster.configures(1, 0, joint);
    cluster.wins(1, 1, &[2, 3]);
    cluster.keeps(1, [0, 0, 0], &[2, 3, 4]);
    cluster.passes(PROPERTY);
}
