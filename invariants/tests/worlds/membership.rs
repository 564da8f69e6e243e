//! Configurations and their changes.

use super::builder::Cluster;
use invariants::{Checker, Configuration, Fact, Milestone, Violation};

fn config(voters: &[u64], joint: &[u64]) -> Configuration {
    Configuration { voters: voters.to_vec(), joint: joint.to_vec(), ..Configuration::default() }
}

/// n1 leads term 1, has committed its first entry, and has appended the next one, which carries a
/// configuration.
fn with_appended_change(servers: u64) -> Cluster {
    let mut cluster = Cluster::with_committed(servers, 1);
    cluster.appends(1, 1, 2);
    cluster
}

pub(crate) fn a_change_before_the_last_one_is_committed() -> Violation {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[1, 2, 3, 4], &[]));
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, config(&[1, 2, 3, 4, 5], &[]));
    cluster.violates("membership-safety")
}

pub(crate) fn a_change_before_anything_is_committed_in_the_term() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 2);
    cluster.configures(2, 1, config(&[2, 3], &[]));
    cluster.violates("membership-safety")
}

pub(crate) fn two_voters_are_added_at_once() -> Violation {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[1, 2, 3, 4, 5], &[]));
    cluster.violates("membership-safety")
}

pub(crate) fn a_joint_configuration_has_wrong_old_voters() -> Violation {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[3, 4, 5], &[1, 2]));
    cluster.violates("membership-safety")
}

pub(crate) fn a_removed_voter_campaigns() -> Violation {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[1, 2], &[]));
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.commits(1, 2);
    cluster.replicates(3, 1, 2);
    cluster.configures(3, 2, config(&[1, 2], &[]));
    cluster.commits(3, 2);
    cluster.campaigns(3, 2);
    cluster.violates("membership-safety")
}

/// n1 appends this configuration with its second entry.
fn violation_of(configuration: Configuration) -> Violation {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, configuration);
    cluster.violates("membership-safety")
}

pub(crate) fn a_voter_is_listed_twice() -> Violation {
    violation_of(config(&[1, 2, 3, 3], &[]))
}

pub(crate) fn an_old_voter_is_listed_twice() -> Violation {
    violation_of(config(&[1, 2, 3, 4], &[1, 2, 3, 2]))
}

pub(crate) fn a_learner_is_listed_twice() -> Violation {
    violation_of(Configuration { learners: vec![4, 5, 4], ..config(&[1, 2, 3], &[]) })
}

pub(crate) fn a_voter_is_a_learner_as_well() -> Violation {
    violation_of(Configuration { learners: vec![4, 3], ..config(&[1, 2, 3], &[]) })
}

pub(crate) fn a_new_voter_is_a_learner_as_well_while_joint() -> Violation {
    violation_of(Configuration { learners: vec![4], ..config(&[2, 3, 4], &[1, 2, 3]) })
}

pub(crate) fn an_entry_leaves_no_voter() -> Violation {
    violation_of(config(&[], &[]))
}

pub(crate) fn a_snapshot_leaves_no_voter() -> Violation {
    let mut cluster = Cluster::with_committed(3, 2);
    let configuration = Box::new(Configuration { learners: vec![1, 2, 3], ..config(&[], &[]) });
    let last = cluster.id(1, 2);
    cluster.record(3, Fact::SnapshotInstalled { last, configuration });
    cluster.violates("membership-safety")
}

/// It votes in the old half until the joint phase ends, and is a learner afterwards.
#[test]
fn an_old_voter_may_be_a_learner_while_joint() {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, Configuration { learners: vec![3], ..config(&[1, 2, 4], &[1, 2, 3]) });
    cluster.passes("membership-safety");
}

#[test]
fn a_joining_server_may_start_with_an_empty_configuration() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.configures(4, 0, Configuration::default());
    cluster.passes("membership-safety");
}

/// A voter in both halves is listed once in each.
#[test]
fn a_server_may_be_a_voter_in_both_halves() {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[1, 2, 3, 4], &[3, 2, 1]));
    cluster.passes("membership-safety");
}

/// Even if the form of configurations is not checked, a voter that is listed twice has one vote.
#[test]
fn a_voter_that_is_listed_twice_counts_once() {
    let durable_on = |nodes: &[u64]| {
        let mut cluster = with_appended_change(3);
        cluster.configures(1, 2, config(&[1, 1, 1, 2, 3], &[]));
        for &node in nodes {
            match node {
                1 => cluster.saves(1),
                node => cluster.replicates(node, 1, 2),
            }
        }
        cluster.commits(1, 2);
        let checker = Checker::with_disabled(&["membership-safety"]).expect("a property");
        cluster.check(checker).1.err().map(|violation| violation.property)
    };
    assert_eq!(durable_on(&[1]), Some("committed-on-quorum"));
    assert_eq!(durable_on(&[1, 2]), None);
}

#[test]
fn a_joint_phase_may_be_entered_and_left() {
    let mut cluster = with_appended_change(5);
    cluster.configures(1, 2, config(&[3, 4, 5], &[1, 2, 3, 4, 5]));
    cluster.saves(1);
    for node in [2, 3, 4] {
        cluster.replicates(node, 1, 2);
    }
    cluster.commits(1, 2);
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, config(&[3, 4, 5], &[]));
    cluster.passes("membership-safety");
}

/// How often each of these milestones was reached.
fn reached<const N: usize>(cluster: &Cluster, milestones: [Milestone; N]) -> [u64; N] {
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    milestones.map(|milestone| checker.milestones().count(milestone))
}

#[test]
fn a_committed_change_is_counted_once() {
    let promoted = |cluster: &Cluster| reached(cluster, [Milestone::LearnerPromoted]);
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, Configuration { learners: vec![3], ..config(&[1, 2], &[]) });
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.configures(2, 2, Configuration { learners: vec![3], ..config(&[1, 2], &[]) });
    cluster.commits(1, 2);
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, config(&[1, 2, 3], &[]));
    cluster.saves(1);
    cluster.replicates(2, 1, 3);
    cluster.configures(2, 3, config(&[1, 2, 3], &[]));
    assert_eq!(promoted(&cluster), [0]);
    cluster.replicates(3, 1, 3);
    cluster.commits(1, 3);
    assert_eq!(promoted(&cluster), [1]);
    cluster.commits(2, 3);
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 4);
    cluster.saves(2);
    cluster.replicates(3, 2, 4);
    cluster.commits(2, 4);
    assert_eq!(promoted(&cluster), [1]);
}

#[test]
fn a_truncated_change_is_not_counted() {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[2, 3], &[]));
    cluster.wins(2, 2, &[3]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.replicates(1, 2, 2);
    cluster.commits(2, 2);
    cluster.wins(1, 3, &[3]);
    cluster.appends(1, 3, 30);
    cluster.saves(1);
    cluster.replicates(3, 1, 3);
    cluster.commits(1, 3);
    assert_eq!(reached(&cluster, [Milestone::LeaderRemoved]), [0]);
}

#[test]
fn a_leader_counts_as_removed_once_no_list_has_it() {
    let removed = |cluster: &Cluster| reached(cluster, [Milestone::LeaderRemoved, Milestone::JointLeft]);
    let commits_at = |cluster: &mut Cluster, index: u64, next: Configuration| {
        cluster.appends(1, 1, index);
        cluster.configures(1, index, next);
        cluster.saves(1);
        for node in [2, 3] {
            cluster.replicates(node, 1, index);
        }
        cluster.commits(1, index);
    };
    let mut demoted = Cluster::with_committed(3, 1);
    commits_at(&mut demoted, 2, Configuration { learners: vec![1], ..config(&[2, 3], &[]) });
    assert_eq!(removed(&demoted), [0, 0]);
    let mut cluster = Cluster::with_committed(3, 1);
    commits_at(&mut cluster, 2, config(&[2, 3], &[1, 2, 3]));
    assert_eq!(removed(&cluster), [0, 0], "it still votes in the old half");
    commits_at(&mut cluster, 3, config(&[2, 3], &[]));
    assert_eq!(removed(&cluster), [1, 1]);
}

/// The entry that removes it may never commit. The one before it is committed: a leader makes one change at a
/// time.
#[test]
fn a_server_removed_by_an_uncommitted_entry_may_campaign() {
    let mut cluster = with_appended_change(3);
    cluster.configures(1, 2, config(&[1, 2], &[]));
    cluster.saves(1);
    cluster.replicates(3, 1, 2);
    cluster.configures(3, 2, config(&[1, 2], &[]));
    cluster.campaigns(3, 2);
    cluster.passes("membership-safety");
}

/// A candidate waits for its disk; meanwhile another server leads that term and removes the candidate, which
/// then sends its vote requests.
#[test]
fn a_candidate_may_be_removed_while_it_waits_for_its_disk() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.votes_in_memory(3, 2, 3);
    cluster.wins(2, 2, &[1]);
    cluster.appends(2, 2, 2);
    cluster.saves(2);
    cluster.replicates(3, 2, 2);
    cluster.configures(3, 2, config(&[1, 2], &[]));
    cluster.commits(3, 1);
    cluster.saves(3);
    cluster.campaigns(3, 2);
    cluster.passes("one-vote-per-term");
}
