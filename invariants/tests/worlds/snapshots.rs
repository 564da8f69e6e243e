//! Snapshots: their contents, their installation, and recovery from them.

use crate::builder::{Cluster, checks_of, digest_of, request};
use invariants::{Checker, Configuration, Digest, Fact, LogId, Milestone, Violation};

fn config(voters: &[u64], learners: &[u64]) -> Configuration {
    Configuration { voters: voters.to_vec(), learners: learners.to_vec(), ..Configuration::default() }
}

/// n1 leads term 1 and has committed and applied four entries, which n2 also has; n3 has none.
fn with_applied() -> Cluster {
    let mut cluster = Cluster::with_committed(3, 4);
    (1..=4).for_each(|index| cluster.applies(1, index, None, true));
    cluster
}

/// The same, and n1 has compacted the first three entries into a snapshot.
fn with_snapshot() -> Cluster {
    let mut cluster = with_applied();
    cluster.compacts(1, 3, 3);
    cluster
}

pub(crate) fn a_snapshot_of_another_state() -> Violation {
    let mut cluster = with_applied();
    let last = cluster.id(1, 3);
    // The image is of the state after index 2.
    let (state, configuration) = (cluster.state(1, 2), Box::new(cluster.all_voters()));
    cluster.record(1, Fact::SnapshotTaken { last, state, configuration });
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_snapshot_covers_an_uncommitted_entry() -> Violation {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    let (last, state) = (cluster.id(1, 5), cluster.state(1, 5));
    let configuration = Box::new(cluster.all_voters());
    cluster.record(1, Fact::SnapshotTaken { last, state, configuration });
    cluster.violates("snapshot-consistency")
}

/// n1 has committed at 5 a configuration with n3 as learner, and one more entry.
fn with_a_learner() -> Cluster {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    cluster.configures(1, 5, config(&[1, 2], &[3]));
    cluster.appends(1, 1, 6);
    cluster.saves(1);
    cluster.replicates(2, 1, 6);
    cluster.commits(1, 6);
    [5, 6].into_iter().for_each(|index| cluster.applies(1, index, None, true));
    cluster
}

pub(crate) fn a_snapshot_lacks_a_learner() -> Violation {
    let mut cluster = with_a_learner();
    let (last, state) = (cluster.id(1, 6), cluster.state(1, 6));
    cluster.record(1, Fact::SnapshotTaken { last, state, configuration: Box::new(config(&[1, 2], &[])) });
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_snapshot_lacks_the_old_voters_of_a_joint_configuration() -> Violation {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.applies(1, 1, None, true);
    cluster.appends(1, 1, 2);
    let joint = Configuration { joint: vec![1, 2, 3, 4, 5], ..config(&[1, 4, 5], &[]) };
    cluster.configures(1, 2, joint);
    cluster.saves(1);
    [2, 4].into_iter().for_each(|node| cluster.replicates(node, 1, 2));
    cluster.commits(1, 2);
    cluster.applies(1, 2, None, true);
    let (last, state) = (cluster.id(1, 2), cluster.state(1, 2));
    cluster.record(1, Fact::SnapshotTaken { last, state, configuration: Box::new(config(&[1, 4, 5], &[])) });
    cluster.violates("snapshot-consistency")
}

/// n1 has committed a configuration with this digest at 5.
fn with_configuration_digest(digest: Option<u64>) -> Cluster {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    cluster.configures(1, 5, Configuration { digest: digest.map(digest_of), ..cluster.all_voters() });
    cluster.saves(1);
    cluster.replicates(2, 1, 5);
    cluster.commits(1, 5);
    cluster
}

/// The voters are the same, but one has another directory id.
pub(crate) fn an_installed_snapshot_has_other_directory_ids() -> Violation {
    let mut cluster = with_configuration_digest(Some(7));
    let other = Configuration { digest: Some(digest_of(8)), ..cluster.all_voters() };
    cluster.installs_with(3, 1, 5, other);
    cluster.facts.pop();
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_log_starts_without_the_directory_ids_of_its_snapshot() -> Violation {
    let mut cluster = with_configuration_digest(Some(7));
    let same = Configuration { digest: Some(digest_of(7)), ..cluster.all_voters() };
    cluster.installs_with(3, 1, 5, same);
    cluster.facts.pop();
    cluster.configures(3, 5, Configuration { digest: Some(digest_of(0)), ..cluster.all_voters() });
    cluster.violates("snapshot-consistency")
}

#[test]
fn configuration_digests_are_compared_only_if_both_are_known() {
    for (in_force, installed) in [(Some(7), Some(7)), (Some(7), None), (None, Some(7)), (None, None)] {
        let mut cluster = with_configuration_digest(in_force);
        let all_voters = cluster.all_voters();
        let config = Configuration { digest: installed.map(digest_of), ..all_voters };
        cluster.installs_with(3, 1, 5, config);
        cluster.passes("snapshot-consistency");
    }
}

#[test]
fn a_snapshot_has_the_configuration_of_its_last_entry() {
    let mut cluster = with_a_learner();
    cluster.compacts(1, 4, 2);
    let (last, state) = (cluster.id(1, 6), cluster.state(1, 6));
    cluster.record(1, Fact::SnapshotTaken { last, state, configuration: Box::new(config(&[2, 1], &[3])) });
    cluster.passes("snapshot-consistency");
}

#[test]
fn a_truncated_change_is_not_in_force() {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    cluster.configures(1, 5, config(&[1, 2], &[]));
    // n2 leads and overwrites that entry.
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 50);
    cluster.saves(2);
    cluster.replicates(3, 2, 5);
    cluster.commits(2, 5);
    (1..=5).for_each(|index| cluster.applies(2, index, None, true));
    cluster.compacts(2, 5, 5);
    cluster.passes("snapshot-consistency");
}

pub(crate) fn an_installed_snapshot_has_an_older_configuration() -> Violation {
    let mut cluster = with_a_learner();
    let all_voters = cluster.all_voters();
    cluster.installs_with(3, 1, 6, all_voters);
    // The installation violates, before the configuration takes effect.
    cluster.facts.pop();
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_log_starts_with_another_configuration_than_its_snapshot() -> Violation {
    let mut cluster = with_a_learner();
    cluster.installs_with(3, 1, 6, config(&[1, 2], &[3]));
    cluster.facts.pop();
    cluster.configures(3, 6, config(&[1, 2, 3], &[]));
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_restart_starts_with_another_configuration_than_its_snapshot() -> Violation {
    let mut cluster = with_a_learner();
    cluster.installs_with(3, 1, 6, config(&[1, 2], &[3]));
    cluster.saves(3);
    cluster.record(3, Fact::PowerLost);
    let last = cluster.id(3, 6);
    cluster.record(3, Fact::Started { term: 1, vote: None, base: last, last, digest: Digest::EMPTY });
    cluster.configures(3, 6, config(&[1, 2, 3], &[]));
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_snapshot_behind_the_commit_index_is_installed() -> Violation {
    let mut cluster = with_snapshot();
    cluster.commits(2, 4);
    let all_voters = cluster.all_voters();
    cluster.installs_with(2, 1, 3, all_voters);
    cluster.facts.pop();
    cluster.violates("snapshot-consistency")
}

/// A restart forgets the commit index, and the snapshot covers all that was acknowledged.
#[test]
fn after_a_restart_a_snapshot_may_replace_an_equal_log() {
    let mut cluster = with_snapshot();
    cluster.copies_log(3, 1, 3);
    cluster.saves(3);
    cluster.commits(3, 3);
    cluster.crashes_and_restarts(3);
    cluster.installs_and_restores(3, 1, 3);
    cluster.passes("snapshot-consistency");
}

pub(crate) fn another_state_is_restored() -> Violation {
    let mut cluster = with_snapshot();
    cluster.installs(3, 1, 3);
    cluster.saves(3);
    let state = cluster.state(3, 2);
    cluster.record(3, Fact::Restored { index: 3, state });
    cluster.violates("snapshot-consistency")
}

pub(crate) fn a_state_machine_goes_back() -> Violation {
    let mut cluster = with_snapshot();
    cluster.commits(2, 4);
    (1..=4).for_each(|index| cluster.applies(2, index, None, true));
    let state = cluster.state(2, 3);
    cluster.record(2, Fact::Restored { index: 3, state });
    cluster.violates("snapshot-consistency")
}

#[test]
fn a_state_machine_may_jump_forward_and_restart_from_its_snapshot() {
    let mut cluster = with_snapshot();
    cluster.replicates(3, 1, 1);
    cluster.commits(3, 1);
    cluster.applies(3, 1, None, true);
    cluster.installs_and_restores(3, 1, 3);
    cluster.replicates(3, 1, 4);
    cluster.commits(3, 4);
    cluster.applies(3, 4, None, true);
    cluster.crashes_and_restarts(3);
    cluster.commits(3, 4);
    cluster.applies(3, 4, None, true);
    cluster.passes("snapshot-consistency");
}

pub(crate) fn a_state_machine_continues_at_the_wrong_index() -> Violation {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.applies(3, 3, None, true);
    cluster.violates("state-machine-safety")
}

pub(crate) fn a_state_machine_skips_an_entry() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    cluster.applies(1, 1, None, true);
    cluster.crashes_and_restarts(1);
    cluster.applies(1, 1, None, true);
    cluster.appends(1, 1, 3);
    cluster.applies(1, 3, None, true);
    cluster.violates("state-machine-safety")
}

#[test]
fn a_state_machine_continues_after_the_restored_index() {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.replicates(3, 1, 4);
    cluster.commits(3, 4);
    cluster.applies(3, 4, None, true);
    // It applies only the entries after its snapshot again.
    cluster.loses_power_and_restarts(1);
    cluster.applies(1, 4, None, true);
    cluster.passes("state-machine-safety");
}

pub(crate) fn a_restored_session_table_lacks_a_request() -> Violation {
    let mut cluster = Cluster::with_committed(3, 4);
    cluster.applies(1, 1, Some(request(1)), true);
    (2..=4).for_each(|index| cluster.applies(1, index, None, true));
    cluster.compacts(1, 3, 3);
    cluster.installs_and_restores(3, 1, 3);
    cluster.replicates(3, 1, 4);
    cluster.applies(3, 4, Some(request(1)), true);
    cluster.violates("exactly-once")
}

#[test]
fn a_retry_may_be_answered_from_a_restored_session_table() {
    let mut cluster = Cluster::with_committed(3, 4);
    cluster.applies(1, 1, Some(request(1)), true);
    (2..=3).for_each(|index| cluster.applies(1, index, None, true));
    cluster.applies(1, 4, Some(request(1)), false);
    cluster.compacts(1, 3, 3);
    cluster.installs_and_restores(3, 1, 3);
    cluster.replicates(3, 1, 4);
    cluster.applies(3, 4, Some(request(1)), false);
    cluster.passes("exactly-once");
}

pub(crate) fn an_installed_snapshot_covers_an_uncommitted_entry() -> Violation {
    let mut cluster = with_snapshot();
    cluster.appends(1, 1, 5);
    let configuration = Box::new(cluster.all_voters());
    let last = cluster.id(1, 5);
    cluster.adopts_term(3, 1);
    cluster.record(3, Fact::SnapshotInstalled { last, configuration });
    cluster.violates("log-matching")
}

pub(crate) fn a_saved_snapshot_covers_an_uncommitted_entry() -> Violation {
    let mut cluster = with_snapshot();
    cluster.appends(1, 1, 5);
    let last = cluster.id(1, 5);
    cluster.record(1, Fact::SavedSnapshot { base: cluster.id(1, 3), last });
    cluster.violates("log-matching")
}

pub(crate) fn a_log_is_compacted_beyond_its_snapshot() -> Violation {
    let mut cluster = with_snapshot();
    cluster.record(1, Fact::SavedSnapshot { base: cluster.id(1, 4), last: cluster.id(1, 3) });
    cluster.violates("log-matching")
}

fn restarts_with(cluster: &mut Cluster, node: u64, base: LogId, last: LogId, entries: &[u64]) {
    let entry = |digest: Digest, &content: &u64| digest.then_entry(1, digest_of(content));
    let digest = entries.iter().fold(Digest::EMPTY, entry);
    cluster.record(node, Fact::Crashed);
    cluster.record(node, Fact::Started { term: 1, vote: None, base, last, digest });
}

pub(crate) fn a_restart_recovers_another_log_after_its_snapshot() -> Violation {
    let mut cluster = with_applied();
    cluster.compacts(1, 3, 2);
    let (base, last) = (cluster.id(1, 2), cluster.id(1, 4));
    restarts_with(&mut cluster, 1, base, last, &[4]);
    cluster.violates("log-matching")
}

pub(crate) fn a_restart_recovers_an_old_log_after_a_new_snapshot() -> Violation {
    let mut cluster = Cluster::of(5);
    cluster.wins(1, 1, &[2, 3]);
    (1..=3).for_each(|content| cluster.appends(1, 1, content));
    cluster.saves(1);
    cluster.wins(4, 2, &[3, 5]);
    (1..=2).for_each(|content| cluster.appends(4, 2, 20 + content));
    cluster.saves(4);
    cluster.replicates(3, 4, 2);
    cluster.replicates(5, 4, 2);
    cluster.commits(4, 2);
    // n1 installed the snapshot of n4 without truncating its own log.
    cluster.record(1, Fact::Crashed);
    let (base, last) = (cluster.id(4, 2), cluster.id(1, 3));
    let digest = Digest::EMPTY.then_entry(1, digest_of(3));
    cluster.record(1, Fact::Started { term: 2, vote: None, base, last, digest });
    cluster.violates("log-matching")
}

pub(crate) fn a_restart_recovers_a_snapshot_of_an_uncommitted_entry() -> Violation {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    let base = cluster.id(1, 5);
    restarts_with(&mut cluster, 1, base, base, &[]);
    cluster.violates("log-matching")
}

#[test]
fn a_restart_may_recover_a_snapshot_and_the_log_after_it() {
    let mut cluster = with_applied();
    cluster.compacts(1, 3, 2);
    cluster.appends(1, 1, 5);
    cluster.saves(1);
    cluster.loses_power_and_restarts(1);
    cluster.compacts(1, 4, 4);
    cluster.crashes_and_restarts(1);
    cluster.wins(1, 2, &[2]);
    cluster.appends(1, 2, 6);
    cluster.saves(1);
    cluster.installs_and_restores(3, 1, 4);
    cluster.replicates(3, 1, 6);
    cluster.replicates(2, 1, 6);
    cluster.commits(1, 6);
    cluster.commits(3, 6);
    cluster.passes("log-matching");
}

pub(crate) fn an_installed_snapshot_drops_acked_entries_beyond_it() -> Violation {
    let mut cluster = with_snapshot();
    // n2 has acknowledged all four entries and does not yet know that they are committed.
    let all_voters = cluster.all_voters();
    cluster.installs_with(2, 1, 3, all_voters);
    cluster.facts.pop();
    cluster.violates("acked-immutable")
}

#[test]
fn an_installed_snapshot_may_cover_acked_entries_and_drop_an_older_tail() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.replicates(3, 1, 1);
    (2..=5).for_each(|content| cluster.appends(1, 1, content));
    cluster.copies_log(3, 1, 5);
    cluster.wins(2, 2, &[1]);
    (2..=4).for_each(|content| cluster.appends(2, 2, 20 + content));
    cluster.saves(2);
    // n3 has acknowledged the common prefix to n2 before the rest arrives as a snapshot.
    cluster.adopts_term(3, 2);
    cluster.saves(3);
    cluster.record(3, Fact::Acknowledged { term: 2, index: 1 });
    cluster.replicates(1, 2, 4);
    cluster.commits(2, 4);
    cluster.compacts(2, 4, 4);
    cluster.installs_and_restores(3, 2, 4);
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    assert_eq!(checker.milestones().count(Milestone::SnapshotReplacedConflict), 1);
    cluster.passes("acked-immutable");
}

/// If the log contains the last entry of a snapshot, the entries after it stay: the server only learns what
/// is committed.
#[test]
fn a_leaders_snapshot_may_leave_acked_entries_beyond_it() {
    let mut cluster = with_snapshot();
    cluster.commits(2, 3);
    let (last, state) = (cluster.id(2, 3), cluster.state(2, 3));
    cluster.record(2, Fact::Saved { term: 1, vote: Some(1), after: Some(3) });
    cluster.record(2, Fact::SavedSnapshot { base: last, last });
    cluster.record(2, Fact::SavedEntry { index: 4, term: 1, entry: digest_of(4) });
    cluster.record(2, Fact::Restored { index: 3, state });
    cluster.record(2, Fact::Acknowledged { term: 1, index: 4 });
    cluster.commits(2, 4);
    cluster.applies(2, 4, None, true);
    cluster.appends(1, 1, 5);
    cluster.copies_log(2, 1, 5);
    cluster.truncates(2, 4);
    cluster.passes("acked-immutable");
}

#[test]
fn a_compaction_leaves_acked_entries() {
    let mut cluster = with_applied();
    cluster.commits(2, 3);
    (1..=3).for_each(|index| cluster.applies(2, index, None, true));
    cluster.compacts(2, 2, 1);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 4 });
    cluster.appends(1, 1, 5);
    cluster.copies_log(2, 1, 5);
    cluster.truncates(2, 4);
    cluster.passes("acked-immutable");
}

pub(crate) fn an_installed_snapshot_drops_committed_entries() -> Violation {
    let mut cluster = with_snapshot();
    // n3 leads next with all entries; n2 has acknowledged nothing to it.
    cluster.replicates(3, 1, 4);
    cluster.wins(3, 2, &[2]);
    let all_voters = cluster.all_voters();
    cluster.installs_with(2, 3, 3, all_voters);
    cluster.facts.pop();
    cluster.violates("committed-immutable")
}

#[test]
fn an_installed_snapshot_may_drop_the_tail_of_an_older_leader() {
    let mut cluster = Cluster::with_committed(5, 1);
    cluster.replicates(4, 1, 1);
    cluster.replicates(5, 1, 1);
    (2..=5).for_each(|content| cluster.appends(1, 1, content));
    cluster.wins(2, 2, &[4, 5]);
    (2..=4).for_each(|content| cluster.appends(2, 2, 20 + content));
    cluster.saves(2);
    cluster.replicates(4, 2, 4);
    cluster.replicates(5, 2, 4);
    cluster.commits(2, 4);
    cluster.compacts(2, 3, 3);
    // n1 has another entry at 4 than the committed one. The snapshot up to 3 drops it.
    cluster.installs_and_restores(1, 2, 3);
    cluster.replicates(1, 2, 4);
    cluster.commits(1, 4);
    cluster.passes("committed-immutable");
}

pub(crate) fn a_leader_installs_a_snapshot() -> Violation {
    let mut cluster = with_snapshot();
    cluster.wins(2, 2, &[3]);
    let all_voters = cluster.all_voters();
    cluster.installs_with(2, 1, 3, all_voters);
    cluster.facts.pop();
    cluster.violates("leader-append-only")
}

#[test]
fn a_deposed_leader_may_install_a_snapshot() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.appends(1, 1, 2);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 22);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.commits(2, 2);
    cluster.compacts(2, 2, 2);
    cluster.installs_and_restores(1, 2, 2);
    cluster.appends(2, 2, 23);
    cluster.replicates(1, 2, 3);
    cluster.passes("leader-append-only");
}

pub(crate) fn a_snapshot_is_acked_before_it_is_saved() -> Violation {
    let mut cluster = with_snapshot();
    cluster.adopts_term(3, 1);
    cluster.saves(3);
    cluster.installs(3, 1, 3);
    cluster.record(3, Fact::Acknowledged { term: 1, index: 3 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn an_ack_exceeds_the_saved_snapshot() -> Violation {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.record(3, Fact::Acknowledged { term: 1, index: 4 });
    cluster.violates("persist-before-reply")
}

pub(crate) fn a_snapshot_lost_with_the_power_is_acked() -> Violation {
    let mut cluster = with_snapshot();
    cluster.adopts_term(3, 1);
    cluster.saves(3);
    cluster.installs(3, 1, 3);
    cluster.loses_power_and_restarts(3);
    cluster.record(3, Fact::Acknowledged { term: 1, index: 3 });
    cluster.violates("persist-before-reply")
}

#[test]
fn a_saved_snapshot_may_be_acked_after_a_restart() {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.loses_power_and_restarts(3);
    cluster.record(3, Fact::Acknowledged { term: 1, index: 3 });
    cluster.copies_log(3, 1, 4);
    cluster.record(3, Fact::Acknowledged { term: 1, index: 3 });
    cluster.passes("persist-before-reply");
}

/// A compaction saves the remaining log in the same record, including entries that were not yet durable.
#[test]
fn a_compaction_saves_the_remaining_log() {
    let mut cluster = with_applied();
    cluster.appends(1, 1, 5);
    cluster.appends(1, 1, 6);
    cluster.copies_log(2, 1, 6);
    cluster.compacts(2, 4, 3);
    cluster.record(2, Fact::Acknowledged { term: 1, index: 6 });
    // Without entry facts, the entries after `base` stay.
    let (base, last) = (cluster.id(2, 4), cluster.id(2, 4));
    cluster.record(2, Fact::Saved { term: 1, vote: Some(1), after: None });
    cluster.record(2, Fact::SavedSnapshot { base, last });
    cluster.record(2, Fact::Acknowledged { term: 1, index: 6 });
    cluster.passes("persist-before-reply");
}

/// n3 has only the snapshot, not the entries. It wins with it and commits the entries after it.
#[test]
fn a_snapshot_on_disk_counts_for_the_entries_it_covers() {
    let mut cluster = Cluster::with_committed(3, 2);
    [1, 2].into_iter().for_each(|index| cluster.applies(1, index, None, true));
    cluster.wins(2, 2, &[1]);
    (3..=4).for_each(|content| cluster.appends(2, 2, content));
    cluster.saves(2);
    cluster.replicates(1, 2, 4);
    cluster.commits(2, 4);
    cluster.compacts(2, 4, 4);
    cluster.installs_and_restores(3, 2, 4);
    cluster.wins(3, 3, &[1]);
    cluster.appends(3, 3, 5);
    cluster.saves(3);
    cluster.replicates(1, 3, 5);
    cluster.commits(3, 5);
    cluster.passes("committed-on-quorum");
}

pub(crate) fn a_snapshot_is_counted_for_entries_after_it() -> Violation {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.appends(1, 1, 5);
    cluster.saves(1);
    cluster.copies_log(3, 1, 5);
    cluster.commits(1, 5);
    cluster.violates("committed-on-quorum")
}

#[test]
fn a_voter_from_a_snapshot_may_campaign_and_change_the_configuration() {
    let mut cluster = with_a_learner();
    cluster.appends(1, 1, 7);
    let promoted = Configuration { voters: vec![1, 2, 3], ..Configuration::default() };
    cluster.configures(1, 7, promoted.clone());
    cluster.saves(1);
    cluster.replicates(2, 1, 7);
    cluster.commits(1, 7);
    cluster.applies(1, 7, None, true);
    cluster.compacts(1, 7, 7);
    cluster.installs_and_restores(3, 1, 7);
    cluster.loses_power_and_restarts(3);
    cluster.commits(3, 7);
    cluster.wins(3, 2, &[2]);
    // It may change the configuration once it has committed in its term.
    cluster.appends(3, 2, 8);
    cluster.saves(3);
    cluster.replicates(2, 3, 8);
    cluster.commits(3, 8);
    cluster.appends(3, 2, 9);
    cluster.configures(3, 9, config(&[2, 3], &[]));
    cluster.passes("membership-safety");
}

pub(crate) fn a_learner_from_a_snapshot_campaigns() -> Violation {
    let mut cluster = with_a_learner();
    cluster.installs_with(3, 1, 6, config(&[1, 2], &[3]));
    cluster.saves(3);
    cluster.campaigns(3, 2);
    cluster.violates("membership-safety")
}

pub(crate) fn a_restored_follower_serves_a_stale_read() -> Violation {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.client_gets_ack(4, 1);
    cluster.client_requests_read(2);
    cluster.record(3, Fact::ReadServed { read: request(2), applied: 3 });
    cluster.violates("read-safety")
}

#[test]
fn a_restored_follower_may_serve_a_read() {
    let mut cluster = with_snapshot();
    cluster.client_gets_ack(3, 1);
    cluster.client_requests_read(2);
    cluster.installs_and_restores(3, 1, 3);
    cluster.record(3, Fact::ReadServed { read: request(2), applied: 3 });
    cluster.passes("read-safety");
}

#[test]
fn snapshots_reach_their_milestones() {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.loses_power_and_restarts(3);
    cluster.crashes_and_restarts(2);
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    let count = |milestone| checker.milestones().count(milestone);
    assert_eq!(count(Milestone::SnapshotTaken), 1);
    assert_eq!(count(Milestone::SnapshotInstalled), 1);
    assert_eq!(count(Milestone::RestartedFromSnapshot), 1);
    assert_eq!(count(Milestone::SnapshotReplacedConflict), 0);
}

#[test]
fn without_commit_and_apply_facts_snapshots_are_not_checked() {
    let mut cluster = with_snapshot();
    cluster.installs_and_restores(3, 1, 3);
    cluster.loses_power_and_restarts(3);
    cluster.facts.retain(|fact| !matches!(fact.fact, Fact::Applied { .. } | Fact::Committed { .. }));
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    // Only that state machines do not go back is still checked.
    assert_eq!(checks_of(&checker, "snapshot-consistency"), 1);
}
