//! The changes that operators request, and the configurations that result.

use super::builder::Cluster;
use invariants::ConfChange::{self, Joint, Leave, Steps};
use invariants::ConfChangeOp::{Learner, Remove, Voter};
use invariants::ConfChangeResponse::{self, Done, Rejected, Unknown};
use invariants::{Checker, Configuration, Fact, Violation};

const PROPERTY: &str = "requested-membership";

fn config(voters: &[u64], joint: &[u64], learners: &[u64]) -> Configuration {
    let (voters, joint, learners) = (voters.to_vec(), joint.to_vec(), learners.to_vec());
    Configuration { voters, joint, learners, ..Configuration::default() }
}

/// n1 leads term 1 of five initial voters and has committed an entry.
fn with_initial_voters() -> Cluster {
    let mut cluster = Cluster::with_committed(5, 1);
    (1..=5).for_each(|node| cluster.record(node, Fact::Founded { voters: vec![1, 2, 3, 4, 5] }));
    cluster
}

fn requests(cluster: &mut Cluster, request: u64, change: ConfChange) {
    cluster.record(1, Fact::ChangeRequested { request, change: Box::new(change) });
}

fn is_answered(cluster: &mut Cluster, request: u64, answer: ConfChangeResponse) {
    cluster.record(1, Fact::ChangeAnswered { request, answer });
}

/// n1 appends a configuration, n2 to n4 save it, and n1 commits it.
fn commits(cluster: &mut Cluster, index: u64, config: &Configuration) {
    cluster.appends(1, 1, index);
    cluster.configures(1, index, config.clone());
    cluster.saves(1);
    (2..=4).for_each(|node| cluster.replicates(node, 1, index));
    cluster.commits(1, index);
}

pub(crate) fn an_unrequested_configuration_is_committed() -> Violation {
    let mut cluster = with_initial_voters();
    commits(&mut cluster, 2, &config(&[1, 2, 3, 4], &[], &[]));
    cluster.violates(PROPERTY)
}

pub(crate) fn a_rejected_change_is_committed() -> Violation {
    let mut cluster = with_initial_voters();
    requests(&mut cluster, 1, Steps(vec![Remove(5)]));
    is_answered(&mut cluster, 1, Rejected);
    commits(&mut cluster, 2, &config(&[1, 2, 3, 4], &[], &[]));
    cluster.violates(PROPERTY)
}

pub(crate) fn an_explicit_joint_phase_ends_without_a_request() -> Violation {
    let mut cluster = with_initial_voters();
    requests(&mut cluster, 1, Joint(vec![Remove(4), Remove(5)]));
    commits(&mut cluster, 2, &config(&[1, 2, 3], &[1, 2, 3, 4, 5], &[]));
    is_answered(&mut cluster, 1, Done);
    commits(&mut cluster, 3, &config(&[1, 2, 3], &[], &[]));
    cluster.violates(PROPERTY)
}

pub(crate) fn a_change_drops_a_learner() -> Violation {
    let mut cluster = with_initial_voters();
    requests(&mut cluster, 1, Steps(vec![Learner(6)]));
    commits(&mut cluster, 2, &config(&[1, 2, 3, 4, 5], &[], &[6]));
    is_answered(&mut cluster, 1, Done);
    requests(&mut cluster, 2, Steps(vec![Remove(5)]));
    commits(&mut cluster, 3, &config(&[1, 2, 3, 4], &[], &[]));
    cluster.violates(PROPERTY)
}

pub(crate) fn an_initial_voter_starts_alone() -> Violation {
    let mut cluster = with_initial_voters();
    cluster.configures(5, 0, config(&[5], &[], &[]));
    cluster.violates(PROPERTY)
}

pub(crate) fn an_installed_snapshot_has_an_unrequested_configuration() -> Violation {
    let mut cluster = with_initial_voters();
    cluster.installs_with(5, 1, 1, config(&[1, 2, 3], &[], &[]));
    cluster.facts.pop();
    // "snapshot-consistency" sees the same.
    let (_, verdict) = cluster.check(Checker::with_disabled(&["snapshot-consistency"]).expect("a property"));
    let violation = verdict.expect_err("the checker must report a violation");
    assert_eq!(violation.property, PROPERTY);
    *violation
}

#[test]
fn simple_and_joint_changes_pass() {
    let mut cluster = with_initial_voters();
    requests(&mut cluster, 1, Steps(vec![Remove(5)]));
    commits(&mut cluster, 2, &config(&[4, 3, 2, 1], &[], &[]));
    is_answered(&mut cluster, 1, Done);
    // n4 becomes a learner after the joint phase; until then listing it as one is optional.
    requests(&mut cluster, 2, Steps(vec![Voter(5), Learner(4)]));
    commits(&mut cluster, 3, &config(&[1, 2, 3, 5], &[1, 2, 3, 4], &[]));
    commits(&mut cluster, 4, &config(&[1, 2, 3, 5], &[], &[4]));
    is_answered(&mut cluster, 2, Done);
    cluster.passes(PROPERTY);
}

#[test]
fn promoting_a_learner_and_adding_a_removed_server_again_pass() {
    let mut cluster = with_initial_voters();
    let steps = [
        (Steps(vec![Learner(6)]), config(&[1, 2, 3, 4, 5], &[], &[6])),
        (Steps(vec![Voter(6)]), config(&[1, 2, 3, 4, 5, 6], &[], &[])),
        (Steps(vec![Remove(6)]), config(&[1, 2, 3, 4, 5], &[], &[])),
        (Steps(vec![Voter(6)]), config(&[1, 2, 3, 4, 5, 6], &[], &[])),
    ];
    for (number, (change, config)) in (1..).zip(steps) {
        requests(&mut cluster, number, change);
        commits(&mut cluster, number + 1, &config);
        is_answered(&mut cluster, number, Done);
    }
    cluster.passes(PROPERTY);
}

#[test]
fn an_explicit_joint_phase_may_end_on_request() {
    let mut cluster = with_initial_voters();
    requests(&mut cluster, 1, Joint(vec![Remove(4), Remove(5)]));
    commits(&mut cluster, 2, &config(&[1, 2, 3], &[1, 2, 3, 4, 5], &[]));
    is_answered(&mut cluster, 1, Done);
    requests(&mut cluster, 2, Leave);
    commits(&mut cluster, 3, &config(&[1, 2, 3], &[], &[]));
    cluster.passes(PROPERTY);
}

#[test]
fn a_change_of_unknown_outcome_may_have_happened_or_not() {
    for happened in [true, false] {
        let mut cluster = with_initial_voters();
        requests(&mut cluster, 1, Steps(vec![Remove(5)]));
        is_answered(&mut cluster, 1, Unknown);
        requests(&mut cluster, 2, Steps(vec![Voter(6)]));
        let mut index = 2;
        if happened {
            commits(&mut cluster, index, &config(&[1, 2, 3, 4], &[], &[]));
            index += 1;
        }
        let voters: &[u64] = if happened { &[1, 2, 3, 4, 6] } else { &[1, 2, 3, 4, 5, 6] };
        commits(&mut cluster, index, &config(voters, &[], &[]));
        is_answered(&mut cluster, 2, Done);
        cluster.passes(PROPERTY);
    }
}

#[test]
fn an_uncommitted_change_is_not_checked() {
    let mut cluster = with_initial_voters();
    cluster.appends(1, 1, 2);
    cluster.configures(1, 2, config(&[1, 2, 3, 4], &[], &[]));
    cluster.configures(2, 0, config(&[1, 2, 3, 4, 5], &[], &[]));
    cluster.passes(PROPERTY);
}

#[test]
fn a_lagging_server_may_commit_a_superseded_configuration() {
    let mut cluster = with_initial_voters();
    let (first, second) = (config(&[1, 2, 3, 4], &[], &[]), config(&[1, 2, 3], &[], &[]));
    requests(&mut cluster, 1, Steps(vec![Remove(5)]));
    commits(&mut cluster, 2, &first);
    is_answered(&mut cluster, 1, Done);
    requests(&mut cluster, 2, Steps(vec![Remove(4)]));
    commits(&mut cluster, 3, &second);
    is_answered(&mut cluster, 2, Done);
    cluster.configures(3, 2, first);
    cluster.commits(3, 2);
    cluster.configures(3, 3, second);
    cluster.commits(3, 3);
    cluster.passes(PROPERTY);
}

#[test]
fn a_joining_server_may_start_with_an_empty_configuration() {
    let mut cluster = with_initial_voters();
    cluster.configures(6, 0, Configuration::default());
    cluster.configures(5, 0, config(&[5, 4, 3, 2, 1], &[], &[]));
    cluster.passes(PROPERTY);
}
