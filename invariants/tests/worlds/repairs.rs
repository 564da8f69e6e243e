//! What a leader sends to a follower that lags, once links work.

use crate::builder::Cluster;
use invariants::{Fact, LogId, Node, Term, Violation};

const PROPERTY: &str = "repair-ends";

impl Cluster {
    /// n1 leads term 1, n3 lacks this many entries, and all links work.
    fn with_missing(entries: u64) -> Cluster {
        let mut cluster = Cluster::with_committed(3, entries);
        cluster.all_heal();
        cluster
    }

    fn all_heal(&mut self) {
        (1..=3).for_each(|node| self.record(node, Fact::Healed));
    }

    fn sends(&mut self, leader: Node, term: Term, follower: Node, entries: u64, times: u64) {
        for _ in 0..times {
            self.record(leader, Fact::EntriesSent { term, follower, entries, first: 0, identity: 0 });
        }
    }

    /// Each message has one entry, and is answered before the next.
    fn sends_in_rounds(&mut self, leader: Node, term: Term, follower: Node, rounds: u64) {
        for _ in 0..rounds {
            self.sends(leader, term, follower, 1, 1);
            self.record(follower, Fact::Answered { term });
        }
    }

    fn sends_chunks(&mut self, last: LogId, bytes: u64, times: u64) {
        for _ in 0..times {
            self.record(1, Fact::ChunkSent { term: 1, follower: 3, last, bytes, size: 100 });
        }
    }
}

pub(crate) fn a_leader_sends_entries_again_and_again() -> Violation {
    let mut cluster = Cluster::with_missing(4);
    cluster.sends_in_rounds(1, 1, 3, 14);
    cluster.sends(1, 1, 3, 1, 1);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_sends_the_whole_log_again_and_again() -> Violation {
    let mut cluster = Cluster::with_missing(20);
    cluster.sends(1, 1, 3, 1, 1);
    cluster.sends(1, 1, 3, 20, 13);
    cluster.violates(PROPERTY)
}

pub(crate) fn a_leader_sends_a_snapshot_again_and_again() -> Violation {
    let mut cluster = Cluster::with_missing(4);
    cluster.sends_chunks(LogId { index: 3, term: 1 }, 50, 7);
    cluster.violates(PROPERTY)
}

/// Each message was in flight for longer than a heartbeat interval.
#[test]
fn some_messages_may_be_repeated() {
    let mut cluster = Cluster::with_missing(4);
    cluster.sends_in_rounds(1, 1, 3, 14);
    cluster.sends_in_rounds(1, 1, 2, 10);
    cluster.passes(PROPERTY);

    // A late rejection makes the leader send its window again: seed 5184 of generator 7.
    let mut cluster = Cluster::with_missing(4);
    cluster.sends(1, 1, 3, 1, 9);
    cluster.record(3, Fact::Answered { term: 1 });
    cluster.sends(1, 1, 3, 1, 9);
    cluster.passes(PROPERTY);

    let mut cluster = Cluster::with_missing(20);
    cluster.sends(1, 1, 3, 20, 13);
    cluster.passes(PROPERTY);
}

/// A follower with many entries of a deposed leader: each costs a message at most.
#[test]
fn entries_in_conflict_count_as_missing() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.wins(2, 2, &[1]);
    (0..5).for_each(|content| cluster.appends(2, 2, 20 + content));
    cluster.wins(1, 3, &[3]);
    cluster.appends(1, 3, 30);
    cluster.all_heal();
    cluster.sends_in_rounds(1, 3, 2, 16);
    cluster.passes(PROPERTY);
}

#[test]
fn what_the_leader_appends_is_missing_too() {
    let mut cluster = Cluster::with_missing(1);
    cluster.sends_in_rounds(1, 1, 3, 11);
    cluster.appends(1, 1, 9);
    cluster.sends_in_rounds(1, 1, 3, 1);
    cluster.passes(PROPERTY);
}

/// A new leader does not know what the one before has sent, and a restarted follower has lost what it got.
#[test]
fn a_new_leadership_and_a_restart_count_from_the_beginning() {
    let mut cluster = Cluster::with_missing(1);
    cluster.sends_in_rounds(1, 1, 2, 10);
    cluster.wins(1, 2, &[2]);
    cluster.sends_in_rounds(1, 2, 2, 10);
    cluster.crashes_and_restarts(2);
    cluster.sends_in_rounds(1, 2, 2, 100);
    cluster.record(2, Fact::Healed);
    cluster.sends_in_rounds(1, 2, 2, 10);
    cluster.passes(PROPERTY);
}

#[test]
fn each_snapshot_may_be_sent_some_times() {
    let mut cluster = Cluster::with_missing(4);
    cluster.sends_chunks(LogId { index: 3, term: 1 }, 50, 6);
    cluster.sends_chunks(LogId { index: 4, term: 1 }, 50, 6);
    cluster.passes(PROPERTY);
}

/// Links still lose messages: nothing is judged.
#[test]
fn repairs_are_judged_only_once_links_work() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(1, Fact::Healed);
    cluster.sends_in_rounds(1, 1, 3, 100);
    cluster.record(3, Fact::Healed);
    cluster.sends_in_rounds(1, 1, 3, 11);
    cluster.passes(PROPERTY);
}
