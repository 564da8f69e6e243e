//! Logs in memory, on disk and after a restart.

use crate::builder::{World, digest_of};
use invariants::{Digest, Fact, LogId, Violation};

pub fn two_contents_for_one_name() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.adopts(2, 1);
    world.appends(2, 1, 11);
    world.clashes("log-matching")
}

pub fn equal_entries_after_different_logs() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.wins(3, 2, &[2]);
    world.appends(3, 2, 20);
    world.appends(3, 2, 21);
    // n2 keeps 1@1 where n3 has 1@2, and takes the next one over.
    world.appends(2, 1, 10);
    world.appends(2, 2, 21);
    world.clashes("log-matching")
}

pub fn a_disk_keeps_something_else() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.says(1, Fact::SavedEntry { index: 1, term: 1, entry: digest_of(11) });
    world.clashes("log-matching")
}

fn restart_with(world: &mut World, node: u64, last: LogId, digest: Digest) {
    world.says(node, Fact::PowerLost);
    world.says(node, Fact::Started { term: 1, vote: None, base: LogId::default(), last, digest });
}

pub fn a_restart_finds_what_nobody_wrote() -> Violation {
    let mut world = World::with_committed(3, 2);
    restart_with(&mut world, 2, LogId { index: 3, term: 1 }, digest_of(0));
    world.clashes("log-matching")
}

pub fn a_restart_finds_another_log() -> Violation {
    let mut world = World::with_committed(3, 2);
    let forged = Digest::EMPTY.then_entry(1, digest_of(7)).then_entry(1, digest_of(2));
    restart_with(&mut world, 2, LogId { index: 2, term: 1 }, forged);
    world.clashes("log-matching")
}

#[test]
fn an_overwritten_tail_may_be_written_again() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.wins(3, 2, &[2]);
    world.appends(3, 2, 20);
    world.follows(1, 3, 1);
    world.appends(3, 2, 21);
    world.follows(1, 3, 2);
    world.passes("log-matching");
}

#[test]
fn a_restart_may_find_any_record_between_the_disk_and_the_newest() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.appends(1, 1, 11);
    world.follows(2, 1, 2);
    world.wins(3, 2, &[1]);
    world.appends(3, 2, 20);
    world.appends(3, 2, 21);
    // n2 holds 1@1 2@1 on disk; in memory it cuts both and takes two of n3. The power leaves the cut and the first.
    world.takes(2, 3, 2);
    world.says(2, Fact::PowerLost);
    let (base, last) = (LogId::default(), LogId { index: 1, term: 2 });
    let digest = Digest::EMPTY.then_entry(2, digest_of(20));
    world.says(2, Fact::Started { term: 2, vote: None, base, last, digest });
    world.says(2, Fact::SavedRecovered);
    world.says(2, Fact::Appended { index: 2, term: 2, entry: digest_of(21) });
    world.says(2, Fact::Acknowledged { term: 2, index: 1 });
    world.passes("log-matching");
}

pub fn a_leader_cuts_its_log() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.cuts(1, 0);
    world.clashes("leader-append-only")
}

pub fn a_leader_appends_in_another_term() -> Violation {
    let mut world = World::of(3);
    world.wins(1, 2, &[2]);
    world.appends(1, 1, 10);
    world.clashes("leader-append-only")
}

pub fn an_entry_appears_after_a_gap() -> Violation {
    let mut world = World::of(3);
    world.says(2, Fact::Appended { index: 2, term: 1, entry: digest_of(10) });
    world.clashes("leader-append-only")
}

#[test]
fn a_former_leaders_tail_may_go_with_the_power() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.loses_power_and_restarts(1);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    world.follows(1, 2, 1);
    world.passes("leader-append-only");
}

#[test]
fn a_deposed_leader_may_be_cut() {
    let mut world = World::of(3);
    world.wins(1, 1, &[2]);
    world.appends(1, 1, 10);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 20);
    // n1 adopts the new term and never says that it has stepped down: the term says so.
    world.follows(1, 2, 1);
    world.passes("leader-append-only");
}
