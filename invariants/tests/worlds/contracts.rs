//! Systems that promise otherwise than the Raft paper.

use super::builder::Cluster;
use invariants::{
    Checker, Configuration, ConfigurationSteps, Contract, Fact, Milestone, TakesEffect, Violation,
};

const RESUMES: Contract = Contract { leader_resumes: true, ..Contract::PAPER };
const OUTSIDER: Contract = Contract { outsider_leads: true, ..Contract::PAPER };
const LATE: Contract = Contract { states_commits_late: true, ..Contract::PAPER };
const HALVES: Contract = Contract { steps: ConfigurationSteps::SharedHalf, ..Contract::PAPER };
const APPLIED: Contract = Contract { configurations: TakesEffect::Applied, ..Contract::PAPER };

fn halves(halves: &[&[u64]]) -> Configuration {
    let mut halves = halves.iter().map(|half| half.to_vec());
    Configuration {
        voters: halves.next().unwrap_or_default(),
        joint: halves.next().unwrap_or_default(),
        further: halves.collect(),
        ..Configuration::default()
    }
}

#[test]
fn a_leader_may_resume_its_term() {
    let mut cluster = Cluster::of(3).under(RESUMES);
    cluster.wins(1, 7, &[2]);
    cluster.crashes_and_restarts(1);
    cluster.record(1, Fact::Leads { term: 7 });
    cluster.passes("election-safety");
}

pub(crate) fn another_server_leads_a_term_that_its_leader_may_resume() -> Violation {
    let mut cluster = Cluster::of(3).under(RESUMES);
    cluster.wins(1, 7, &[2]);
    cluster.crashes_and_restarts(1);
    cluster.campaigns(3, 7);
    cluster.record(3, Fact::Leads { term: 7 });
    cluster.violates("election-safety")
}

/// n1 leads term 2 and has its entry 2@2 on these servers; then it leads term 3.
fn leads_again(replicas: &[u64], contract: Contract) -> Cluster {
    let mut cluster = Cluster::with_committed(3, 1).under(contract);
    cluster.wins(1, 2, &[2]);
    cluster.appends(1, 2, 20);
    cluster.saves(1);
    replicas.iter().for_each(|node| cluster.replicates(*node, 1, 2));
    cluster.wins(1, 3, &[2]);
    cluster.commits(1, 2);
    cluster
}

#[test]
fn a_commit_of_a_former_leadership_may_be_stated_late() {
    for property in ["current-term-commit", "committed-on-quorum", "follower-commit-safety"] {
        let mut cluster = leads_again(&[2], LATE);
        cluster.commits(2, 2);
        cluster.passes(property);
    }
    leads_again(&[2], Contract::PAPER).violates("current-term-commit");
}

/// n3 leads term 3 without the entry, and n1 brings it back: the former leader n2 learns of the commit from n1.
#[test]
fn a_former_leader_may_learn_of_a_commit_from_another_one() {
    let mut cluster = Cluster::with_committed(5, 1).under(LATE);
    cluster.replicates(4, 1, 1);
    cluster.replicates(5, 1, 1);
    cluster.wins(2, 2, &[1, 3]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    cluster.replicates(1, 2, 2);
    cluster.wins(3, 3, &[4, 5]);
    cluster.wins(1, 4, &[2, 4]);
    cluster.appends(1, 4, 40);
    cluster.saves(1);
    cluster.replicates(2, 1, 3);
    cluster.replicates(4, 1, 3);
    cluster.commits(1, 3);
    cluster.commits(2, 2);
    cluster.passes("leader-completeness");
}

pub(crate) fn a_late_commit_has_no_quorum() -> Violation {
    leads_again(&[], LATE).violates("committed-on-quorum")
}

/// Servers 1 to 3 vote; n4 is outside.
fn with_outsider() -> Cluster {
    let mut cluster = Cluster::of(4).under(OUTSIDER);
    (1..=4).for_each(|node| cluster.configures(node, 0, halves(&[&[1, 2, 3]])));
    cluster
}

#[test]
fn an_outsider_may_lead_with_the_votes_of_a_quorum() {
    let mut cluster = with_outsider();
    cluster.wins(4, 1, &[1, 2]);
    cluster.passes("elected-by-quorum");
}

pub(crate) fn an_outsider_counts_its_own_vote() -> Violation {
    let mut cluster = with_outsider();
    cluster.wins(4, 1, &[1]);
    cluster.violates("elected-by-quorum")
}

/// n1 leads term 1 and appends these configurations, each committed on all servers before the next one.
fn through(contract: Contract, configurations: &[Configuration]) -> Cluster {
    let mut cluster = Cluster::with_committed(4, 1).under(contract);
    for (configuration, index) in configurations.iter().zip(2..) {
        cluster.appends(1, 1, index);
        cluster.configures(1, index, configuration.clone());
        cluster.saves(1);
        (2..=4).for_each(|node| cluster.replicates(node, 1, index));
        cluster.commits(1, index);
    }
    cluster
}

#[test]
fn neighbours_may_share_any_half() {
    let (one, two, three, four): (&[u64], &[u64], &[u64], &[u64]) =
        (&[1, 2, 3, 4], &[1, 2], &[2, 3, 4], &[4]);
    let steps = [&[one, two, three][..], &[three, four], &[four]];
    through(HALVES, &steps.map(halves)).passes("membership-safety");
}

pub(crate) fn neighbours_share_no_half() -> Violation {
    let mut cluster = through(HALVES, &[halves(&[&[1, 2, 3, 4], &[1, 2]])]);
    cluster.appends(1, 1, 3);
    cluster.configures(1, 3, halves(&[&[1, 2, 3]]));
    cluster.violates("membership-safety")
}

pub(crate) fn two_of_three_halves_commit() -> Violation {
    let mut cluster = Cluster::with_committed(4, 1).under(HALVES);
    cluster.appends(1, 1, 2);
    cluster.configures(1, 2, halves(&[&[1, 2, 3, 4], &[1, 2, 3], &[4]]));
    cluster.saves(1);
    cluster.replicates(2, 1, 2);
    cluster.replicates(3, 1, 2);
    cluster.commits(1, 2);
    cluster.violates("committed-on-quorum")
}

/// n1 commits one entry for each of these configurations, and then applies them.
fn applied(configurations: &[Configuration]) -> Cluster {
    let last = configurations.len() as u64 + 1;
    let mut cluster = Cluster::with_committed(4, 1).under(APPLIED);
    (2..=last).for_each(|index| cluster.appends(1, 1, index));
    cluster.saves(1);
    (2..=4).for_each(|node| cluster.replicates(node, 1, last));
    cluster.commits(1, last);
    for (configuration, index) in configurations.iter().zip(2..) {
        cluster.configures(1, index, configuration.clone());
    }
    cluster
}

#[test]
fn a_joint_phase_is_counted_when_it_is_applied() {
    let (old, new): (&[u64], &[u64]) = (&[1, 2, 3, 4], &[2, 3]);
    let mut cluster = applied(&[halves(&[new, old]), halves(&[new])]);
    // The next leader applies them again.
    cluster.wins(2, 2, &[3, 4]);
    cluster.appends(2, 2, 20);
    cluster.saves(2);
    (3..=4).for_each(|node| cluster.replicates(node, 2, 4));
    cluster.commits(2, 4);
    cluster.configures(2, 2, halves(&[new, old]));
    cluster.configures(2, 3, halves(&[new]));
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!(verdict, Ok(()));
    let counts = [Milestone::JointEntered, Milestone::JointLeft, Milestone::LeaderRemoved];
    assert_eq!(counts.map(|milestone| checker.milestones().count(milestone)), [1, 1, 1]);
    cluster.passes("membership-safety");
}

pub(crate) fn two_voters_are_added_at_once_when_applied() -> Violation {
    applied(&[halves(&[&[1, 2]])]).violates("membership-safety")
}
