//! Snapshots: what is in them, who takes them over, and what a restart finds of them.

use crate::builder::{World, digest_of, looked, request};
use invariants::{Checker, Configuration, Digest, Fact, LogId, Milestone, Violation};

fn group(voters: &[u64], learners: &[u64]) -> Configuration {
    Configuration { voters: voters.to_vec(), learners: learners.to_vec(), ..Configuration::default() }
}

/// n1 leads term 1 and has committed and applied four entries, which n2 has too; n3 has nothing.
fn with_applied() -> World {
    let mut world = World::with_committed(3, 4);
    (1..=4).for_each(|index| world.applies(1, index, None, true));
    world
}

/// And n1 keeps a snapshot in place of the first three.
fn with_snapshot() -> World {
    let mut world = with_applied();
    world.compacts(1, 3, 3);
    world
}

pub fn a_snapshot_of_another_state() -> Violation {
    let mut world = with_applied();
    let last = world.id(1, 3);
    // The image is of the state after 2.
    let (state, configuration) = (world.state(1, 2), Box::new(world.everybody()));
    world.says(1, Fact::SnapshotTaken { last, state, configuration });
    world.clashes("snapshot-consistency")
}

pub fn a_snapshot_of_what_is_not_committed() -> Violation {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    let (last, state) = (world.id(1, 5), world.state(1, 5));
    let configuration = Box::new(world.everybody());
    world.says(1, Fact::SnapshotTaken { last, state, configuration });
    world.clashes("snapshot-consistency")
}

/// n1 has committed a learner at 5, and one more entry.
fn with_a_learner() -> World {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    world.configures(1, 5, group(&[1, 2], &[3]));
    world.appends(1, 1, 6);
    world.saves(1);
    world.follows(2, 1, 6);
    world.commits(1, 6);
    [5, 6].into_iter().for_each(|index| world.applies(1, index, None, true));
    world
}

pub fn a_snapshot_forgets_a_learner() -> Violation {
    let mut world = with_a_learner();
    let (last, state) = (world.id(1, 6), world.state(1, 6));
    world.says(1, Fact::SnapshotTaken { last, state, configuration: Box::new(group(&[1, 2], &[])) });
    world.clashes("snapshot-consistency")
}

pub fn a_snapshot_forgets_the_old_half_of_a_group() -> Violation {
    let mut world = World::with_committed(5, 1);
    world.applies(1, 1, None, true);
    world.appends(1, 1, 2);
    let joint = Configuration { joint: vec![1, 2, 3, 4, 5], ..group(&[1, 4, 5], &[]) };
    world.configures(1, 2, joint);
    world.saves(1);
    [2, 4].into_iter().for_each(|node| world.follows(node, 1, 2));
    world.commits(1, 2);
    world.applies(1, 2, None, true);
    let (last, state) = (world.id(1, 2), world.state(1, 2));
    world.says(1, Fact::SnapshotTaken { last, state, configuration: Box::new(group(&[1, 4, 5], &[])) });
    world.clashes("snapshot-consistency")
}

/// n1 has committed a group with this digest at 5.
fn with_content(digest: Option<u64>) -> World {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    world.configures(1, 5, Configuration { digest: digest.map(digest_of), ..world.everybody() });
    world.saves(1);
    world.follows(2, 1, 5);
    world.commits(1, 5);
    world
}

/// The voters are the same, and another life of one of them is meant.
pub fn an_installed_snapshot_has_other_identities() -> Violation {
    let mut world = with_content(Some(7));
    let other = Configuration { digest: Some(digest_of(8)), ..world.everybody() };
    world.installs_with(3, 1, 5, other);
    world.facts.pop();
    world.clashes("snapshot-consistency")
}

pub fn a_log_begins_without_the_identities_of_the_snapshot() -> Violation {
    let mut world = with_content(Some(7));
    let same = Configuration { digest: Some(digest_of(7)), ..world.everybody() };
    world.installs_with(3, 1, 5, same);
    world.facts.pop();
    world.configures(3, 5, Configuration { digest: Some(digest_of(0)), ..world.everybody() });
    world.clashes("snapshot-consistency")
}

#[test]
fn what_nobody_says_of_a_group_is_not_compared() {
    for (in_force, installed) in [(Some(7), Some(7)), (Some(7), None), (None, Some(7)), (None, None)] {
        let mut world = with_content(in_force);
        let everybody = world.everybody();
        let group = Configuration { digest: installed.map(digest_of), ..everybody };
        world.installs_with(3, 1, 5, group);
        world.passes("snapshot-consistency");
    }
}

#[test]
fn a_snapshot_has_the_group_of_its_last_entry_and_not_a_later_one() {
    let mut world = with_a_learner();
    world.compacts(1, 4, 2);
    let (last, state) = (world.id(1, 6), world.state(1, 6));
    world.says(1, Fact::SnapshotTaken { last, state, configuration: Box::new(group(&[2, 1], &[3])) });
    world.passes("snapshot-consistency");
}

#[test]
fn a_change_that_was_cut_is_not_in_force() {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    world.configures(1, 5, group(&[1, 2], &[]));
    // n2 leads, and puts something else there.
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 50);
    world.saves(2);
    world.follows(3, 2, 5);
    world.commits(2, 5);
    (1..=5).for_each(|index| world.applies(2, index, None, true));
    world.compacts(2, 5, 5);
    world.passes("snapshot-consistency");
}

pub fn an_installed_snapshot_has_an_older_group() -> Violation {
    let mut world = with_a_learner();
    let everybody = world.everybody();
    world.installs_with(3, 1, 6, everybody);
    // It is noticed when the snapshot is installed, and not only when the group is taken from it.
    world.facts.pop();
    world.clashes("snapshot-consistency")
}

pub fn a_log_begins_with_another_group_than_the_snapshot_has() -> Violation {
    let mut world = with_a_learner();
    world.installs_with(3, 1, 6, group(&[1, 2], &[3]));
    world.facts.pop();
    world.configures(3, 6, group(&[1, 2, 3], &[]));
    world.clashes("snapshot-consistency")
}

pub fn a_restart_begins_with_another_group_than_the_snapshot_had() -> Violation {
    let mut world = with_a_learner();
    world.installs_with(3, 1, 6, group(&[1, 2], &[3]));
    world.saves(3);
    world.says(3, Fact::PowerLost);
    let last = world.id(3, 6);
    world.says(3, Fact::Started { term: 1, vote: None, base: last, last, digest: Digest::EMPTY });
    world.configures(3, 6, group(&[1, 2, 3], &[]));
    world.clashes("snapshot-consistency")
}

pub fn a_late_snapshot_is_installed() -> Violation {
    let mut world = with_snapshot();
    world.commits(2, 4);
    let everybody = world.everybody();
    world.installs_with(2, 1, 3, everybody);
    world.facts.pop();
    world.clashes("snapshot-consistency")
}

/// A commit index is forgotten with the process. The snapshot covers all there was to acknowledge, and is no news.
#[test]
fn a_snapshot_may_be_installed_after_a_restart_in_place_of_an_equal_log() {
    let mut world = with_snapshot();
    world.takes(3, 1, 3);
    world.saves(3);
    world.commits(3, 3);
    world.crashes_and_restarts(3);
    world.catches_up(3, 1, 3);
    world.passes("snapshot-consistency");
}

pub fn another_state_is_restored() -> Violation {
    let mut world = with_snapshot();
    world.installs(3, 1, 3);
    world.saves(3);
    let state = world.state(3, 2);
    world.says(3, Fact::Restored { index: 3, state });
    world.clashes("snapshot-consistency")
}

pub fn a_state_machine_goes_back() -> Violation {
    let mut world = with_snapshot();
    world.commits(2, 4);
    (1..=4).for_each(|index| world.applies(2, index, None, true));
    let state = world.state(2, 3);
    world.says(2, Fact::Restored { index: 3, state });
    world.clashes("snapshot-consistency")
}

#[test]
fn a_state_machine_may_leap_ahead_and_go_back_after_a_restart() {
    let mut world = with_snapshot();
    world.follows(3, 1, 1);
    world.commits(3, 1);
    world.applies(3, 1, None, true);
    world.catches_up(3, 1, 3);
    world.follows(3, 1, 4);
    world.commits(3, 4);
    world.applies(3, 4, None, true);
    world.crashes_and_restarts(3);
    world.commits(3, 4);
    world.applies(3, 4, None, true);
    world.passes("snapshot-consistency");
}

pub fn a_state_machine_goes_on_at_the_wrong_place() -> Violation {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.applies(3, 3, None, true);
    world.clashes("state-machine-safety")
}

pub fn a_state_machine_passes_over_an_entry() -> Violation {
    let mut world = World::with_committed(3, 2);
    world.applies(1, 1, None, true);
    world.crashes_and_restarts(1);
    world.applies(1, 1, None, true);
    world.appends(1, 1, 3);
    world.applies(1, 3, None, true);
    world.clashes("state-machine-safety")
}

#[test]
fn a_state_machine_goes_on_after_what_was_restored() {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.follows(3, 1, 4);
    world.commits(3, 4);
    world.applies(3, 4, None, true);
    // Less than a snapshot covers is applied again.
    world.loses_power_and_restarts(1);
    world.applies(1, 4, None, true);
    world.passes("state-machine-safety");
}

pub fn a_retry_is_not_found_in_a_restored_table() -> Violation {
    let mut world = World::with_committed(3, 4);
    world.applies(1, 1, Some(request(1)), true);
    (2..=4).for_each(|index| world.applies(1, index, None, true));
    world.compacts(1, 3, 3);
    world.catches_up(3, 1, 3);
    world.follows(3, 1, 4);
    world.applies(3, 4, Some(request(1)), true);
    world.clashes("exactly-once")
}

#[test]
fn a_retry_may_be_answered_from_a_restored_table() {
    let mut world = World::with_committed(3, 4);
    world.applies(1, 1, Some(request(1)), true);
    (2..=3).for_each(|index| world.applies(1, index, None, true));
    world.applies(1, 4, Some(request(1)), false);
    world.compacts(1, 3, 3);
    world.catches_up(3, 1, 3);
    world.follows(3, 1, 4);
    world.applies(3, 4, Some(request(1)), false);
    world.passes("exactly-once");
}

pub fn an_installed_snapshot_is_of_what_was_never_committed() -> Violation {
    let mut world = with_snapshot();
    world.appends(1, 1, 5);
    let configuration = Box::new(world.everybody());
    let last = world.id(1, 5);
    world.adopts(3, 1);
    world.says(3, Fact::SnapshotInstalled { last, configuration });
    world.clashes("log-matching")
}

pub fn a_disk_keeps_a_snapshot_of_what_was_never_committed() -> Violation {
    let mut world = with_snapshot();
    world.appends(1, 1, 5);
    let last = world.id(1, 5);
    world.says(1, Fact::SavedSnapshot { base: world.id(1, 3), last });
    world.clashes("log-matching")
}

pub fn a_disk_lets_go_of_more_than_its_snapshot_covers() -> Violation {
    let mut world = with_snapshot();
    world.says(1, Fact::SavedSnapshot { base: world.id(1, 4), last: world.id(1, 3) });
    world.clashes("log-matching")
}

fn restarts_with(world: &mut World, node: u64, base: LogId, last: LogId, entries: &[u64]) {
    let entry = |digest: Digest, &content: &u64| digest.then_entry(1, digest_of(content));
    let digest = entries.iter().fold(Digest::EMPTY, entry);
    world.says(node, Fact::Crashed);
    world.says(node, Fact::Started { term: 1, vote: None, base, last, digest });
}

pub fn a_restart_finds_another_log_after_its_snapshot() -> Violation {
    let mut world = with_applied();
    world.compacts(1, 3, 2);
    let (base, last) = (world.id(1, 2), world.id(1, 4));
    restarts_with(&mut world, 1, base, last, &[4]);
    world.clashes("log-matching")
}

pub fn a_restart_finds_an_old_log_after_a_new_snapshot() -> Violation {
    let mut world = World::of(5);
    world.wins(1, 1, &[2, 3]);
    (1..=3).for_each(|content| world.appends(1, 1, content));
    world.saves(1);
    world.wins(4, 2, &[3, 5]);
    (1..=2).for_each(|content| world.appends(4, 2, 20 + content));
    world.saves(4);
    world.follows(3, 4, 2);
    world.follows(5, 4, 2);
    world.commits(4, 2);
    // The snapshot of n4 is in place, and n1's own log was not cut.
    world.says(1, Fact::Crashed);
    let (base, last) = (world.id(4, 2), world.id(1, 3));
    let digest = Digest::EMPTY.then_entry(1, digest_of(3));
    world.says(1, Fact::Started { term: 2, vote: None, base, last, digest });
    world.clashes("log-matching")
}

pub fn a_restart_finds_a_snapshot_of_what_was_never_committed() -> Violation {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    let base = world.id(1, 5);
    restarts_with(&mut world, 1, base, base, &[]);
    world.clashes("log-matching")
}

#[test]
fn a_restart_finds_a_snapshot_and_the_log_after_it() {
    let mut world = with_applied();
    world.compacts(1, 3, 2);
    world.appends(1, 1, 5);
    world.saves(1);
    world.loses_power_and_restarts(1);
    world.compacts(1, 4, 4);
    world.crashes_and_restarts(1);
    world.wins(1, 2, &[2]);
    world.appends(1, 2, 6);
    world.saves(1);
    world.catches_up(3, 1, 4);
    world.follows(3, 1, 6);
    world.follows(2, 1, 6);
    world.commits(1, 6);
    world.commits(3, 6);
    world.passes("log-matching");
}

pub fn an_installed_snapshot_drops_what_was_acknowledged_beyond_it() -> Violation {
    let mut world = with_snapshot();
    // n2 has acknowledged all four, and does not know yet that they are committed.
    let everybody = world.everybody();
    world.installs_with(2, 1, 3, everybody);
    world.facts.pop();
    world.clashes("acked-immutable")
}

#[test]
fn an_installed_snapshot_may_cover_what_was_acknowledged_and_drop_an_older_tail() {
    let mut world = World::with_committed(3, 1);
    world.follows(3, 1, 1);
    (2..=5).for_each(|content| world.appends(1, 1, content));
    world.takes(3, 1, 5);
    world.wins(2, 2, &[1]);
    (2..=4).for_each(|content| world.appends(2, 2, 20 + content));
    world.saves(2);
    // n3 has acknowledged the common beginning to n2 before the rest comes as a snapshot.
    world.adopts(3, 2);
    world.saves(3);
    world.says(3, Fact::Acknowledged { term: 2, index: 1 });
    world.follows(1, 2, 4);
    world.commits(2, 4);
    world.compacts(2, 4, 4);
    world.catches_up(3, 2, 4);
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!(verdict, Ok(()));
    assert_eq!(checker.milestones().count(Milestone::SnapshotReplacedConflict), 1);
    world.passes("acked-immutable");
}

/// What follows the last entry of a snapshot stays where the log has that entry: then no log is replaced, and the
/// server only learns what is committed.
#[test]
fn a_snapshot_of_the_leader_leaves_what_was_acknowledged_beyond_it() {
    let mut world = with_snapshot();
    world.commits(2, 3);
    let (last, state) = (world.id(2, 3), world.state(2, 3));
    world.says(2, Fact::Saved { term: 1, vote: Some(1), after: Some(3) });
    world.says(2, Fact::SavedSnapshot { base: last, last });
    world.says(2, Fact::SavedEntry { index: 4, term: 1, entry: digest_of(4) });
    world.says(2, Fact::Restored { index: 3, state });
    world.says(2, Fact::Acknowledged { term: 1, index: 4 });
    world.commits(2, 4);
    world.applies(2, 4, None, true);
    world.appends(1, 1, 5);
    world.takes(2, 1, 5);
    world.cuts(2, 4);
    world.passes("acked-immutable");
}

#[test]
fn a_compaction_leaves_what_was_acknowledged() {
    let mut world = with_applied();
    world.commits(2, 3);
    (1..=3).for_each(|index| world.applies(2, index, None, true));
    world.compacts(2, 2, 1);
    world.says(2, Fact::Acknowledged { term: 1, index: 4 });
    world.appends(1, 1, 5);
    world.takes(2, 1, 5);
    world.cuts(2, 4);
    world.passes("acked-immutable");
}

pub fn an_installed_snapshot_drops_what_is_committed() -> Violation {
    let mut world = with_snapshot();
    // n3 leads next, with everything; n2 has acknowledged nothing to it.
    world.follows(3, 1, 4);
    world.wins(3, 2, &[2]);
    let everybody = world.everybody();
    world.installs_with(2, 3, 3, everybody);
    world.facts.pop();
    world.clashes("committed-immutable")
}

#[test]
fn an_installed_snapshot_may_drop_a_tail_of_an_older_leader() {
    let mut world = World::with_committed(5, 1);
    world.follows(4, 1, 1);
    world.follows(5, 1, 1);
    (2..=5).for_each(|content| world.appends(1, 1, content));
    world.wins(2, 2, &[4, 5]);
    (2..=4).for_each(|content| world.appends(2, 2, 20 + content));
    world.saves(2);
    world.follows(4, 2, 4);
    world.follows(5, 2, 4);
    world.commits(2, 4);
    world.compacts(2, 3, 3);
    // n1 has an entry at 4 where another is committed. It goes with the snapshot up to 3.
    world.catches_up(1, 2, 3);
    world.follows(1, 2, 4);
    world.commits(1, 4);
    world.passes("committed-immutable");
}

pub fn a_leader_takes_a_snapshot_over() -> Violation {
    let mut world = with_snapshot();
    world.wins(2, 2, &[3]);
    let everybody = world.everybody();
    world.installs_with(2, 1, 3, everybody);
    world.facts.pop();
    world.clashes("leader-append-only")
}

#[test]
fn a_deposed_leader_may_take_a_snapshot_over() {
    let mut world = World::with_committed(3, 1);
    world.appends(1, 1, 2);
    world.wins(2, 2, &[3]);
    world.appends(2, 2, 22);
    world.saves(2);
    world.follows(3, 2, 2);
    world.commits(2, 2);
    world.compacts(2, 2, 2);
    world.catches_up(1, 2, 2);
    world.appends(2, 2, 23);
    world.follows(1, 2, 3);
    world.passes("leader-append-only");
}

pub fn a_snapshot_is_acknowledged_before_it_is_saved() -> Violation {
    let mut world = with_snapshot();
    world.adopts(3, 1);
    world.saves(3);
    world.installs(3, 1, 3);
    world.says(3, Fact::Acknowledged { term: 1, index: 3 });
    world.clashes("persist-before-reply")
}

pub fn more_than_a_saved_snapshot_is_acknowledged() -> Violation {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.says(3, Fact::Acknowledged { term: 1, index: 4 });
    world.clashes("persist-before-reply")
}

pub fn a_snapshot_that_went_with_the_power_is_acknowledged() -> Violation {
    let mut world = with_snapshot();
    world.adopts(3, 1);
    world.saves(3);
    world.installs(3, 1, 3);
    world.loses_power_and_restarts(3);
    world.says(3, Fact::Acknowledged { term: 1, index: 3 });
    world.clashes("persist-before-reply")
}

#[test]
fn a_saved_snapshot_may_be_acknowledged_also_after_a_restart() {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.loses_power_and_restarts(3);
    world.says(3, Fact::Acknowledged { term: 1, index: 3 });
    world.takes(3, 1, 4);
    world.says(3, Fact::Acknowledged { term: 1, index: 3 });
    world.passes("persist-before-reply");
}

/// The compaction is one write with all that is after it, also with what was not durable before.
#[test]
fn a_compaction_saves_what_it_leaves() {
    let mut world = with_applied();
    world.appends(1, 1, 5);
    world.appends(1, 1, 6);
    world.takes(2, 1, 6);
    world.compacts(2, 4, 3);
    world.says(2, Fact::Acknowledged { term: 1, index: 6 });
    // Where only the snapshot is stated, what came after `base` stays.
    let (base, last) = (world.id(2, 4), world.id(2, 4));
    world.says(2, Fact::Saved { term: 1, vote: Some(1), after: None });
    world.says(2, Fact::SavedSnapshot { base, last });
    world.says(2, Fact::Acknowledged { term: 1, index: 6 });
    world.passes("persist-before-reply");
}

/// n3 never had the entries, only the snapshot. It leads by it, and what it commits is durable after it.
#[test]
fn a_snapshot_on_disk_counts_for_what_it_covers() {
    let mut world = World::with_committed(3, 2);
    [1, 2].into_iter().for_each(|index| world.applies(1, index, None, true));
    world.wins(2, 2, &[1]);
    (3..=4).for_each(|content| world.appends(2, 2, content));
    world.saves(2);
    world.follows(1, 2, 4);
    world.commits(2, 4);
    world.compacts(2, 4, 4);
    world.catches_up(3, 2, 4);
    world.wins(3, 3, &[1]);
    world.appends(3, 3, 5);
    world.saves(3);
    world.follows(1, 3, 5);
    world.commits(3, 5);
    world.passes("committed-on-quorum");
}

pub fn a_snapshot_does_not_count_for_what_comes_after_it() -> Violation {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.appends(1, 1, 5);
    world.saves(1);
    world.takes(3, 1, 5);
    world.commits(1, 5);
    world.clashes("committed-on-quorum")
}

#[test]
fn who_was_caught_up_by_a_snapshot_campaigns_in_the_group_that_it_brought() {
    let mut world = with_a_learner();
    world.appends(1, 1, 7);
    let promoted = Configuration { voters: vec![1, 2, 3], ..Configuration::default() };
    world.configures(1, 7, promoted.clone());
    world.saves(1);
    world.follows(2, 1, 7);
    world.commits(1, 7);
    world.applies(1, 7, None, true);
    world.compacts(1, 7, 7);
    world.catches_up(3, 1, 7);
    world.loses_power_and_restarts(3);
    world.commits(3, 7);
    world.wins(3, 2, &[2]);
    // It changes the group once it has committed in its term.
    world.appends(3, 2, 8);
    world.saves(3);
    world.follows(2, 3, 8);
    world.commits(3, 8);
    world.appends(3, 2, 9);
    world.configures(3, 9, group(&[2, 3], &[]));
    world.passes("membership-safety");
}

pub fn a_learner_of_a_snapshot_campaigns() -> Violation {
    let mut world = with_a_learner();
    world.installs_with(3, 1, 6, group(&[1, 2], &[3]));
    world.saves(3);
    world.campaigns(3, 2);
    world.clashes("membership-safety")
}

pub fn a_restored_follower_serves_a_stale_read() -> Violation {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.client_sees_write(4, 1);
    world.client_asks_to_read(2);
    world.says(3, Fact::ReadServed { read: request(2), applied: 3 });
    world.clashes("read-safety")
}

#[test]
fn a_restored_follower_may_serve_a_read() {
    let mut world = with_snapshot();
    world.client_sees_write(3, 1);
    world.client_asks_to_read(2);
    world.catches_up(3, 1, 3);
    world.says(3, Fact::ReadServed { read: request(2), applied: 3 });
    world.passes("read-safety");
}

#[test]
fn snapshots_reach_their_milestones() {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.loses_power_and_restarts(3);
    world.crashes_and_restarts(2);
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!(verdict, Ok(()));
    let count = |milestone| checker.milestones().count(milestone);
    assert_eq!(count(Milestone::SnapshotTaken), 1);
    assert_eq!(count(Milestone::SnapshotInstalled), 1);
    assert_eq!(count(Milestone::RestartedFromSnapshot), 1);
    assert_eq!(count(Milestone::SnapshotReplacedConflict), 0);
}

#[test]
fn where_nobody_states_what_is_committed_or_applied_snapshots_are_let_go() {
    let mut world = with_snapshot();
    world.catches_up(3, 1, 3);
    world.loses_power_and_restarts(3);
    world.facts.retain(|fact| !matches!(fact.fact, Fact::Applied { .. } | Fact::Committed { .. }));
    let (checker, verdict) = world.judge(Checker::new());
    assert_eq!(verdict, Ok(()));
    // Only that nobody goes back can still be asked.
    assert_eq!(looked(&checker, "snapshot-consistency"), 1);
}
