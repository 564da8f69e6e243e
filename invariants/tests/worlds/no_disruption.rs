//! Servers outside the configuration: they must not disrupt a healed cluster (thesis 4.2.3).

use crate::builder::{Cluster, checks_of};
use invariants::{Checker, Configuration, Fact, Violation};

/// n1 leads term 1 of {n1, n2, n3}. It has removed n4, which does not know.
fn without_n4() -> Cluster {
    let mut cluster = Cluster::with_committed(4, 1);
    let config = || Configuration { voters: vec![1, 2, 3], ..Configuration::default() };
    cluster.appends(1, 1, 2);
    cluster.configures(1, 2, config());
    cluster.saves(1);
    for node in [2, 3] {
        cluster.replicates(node, 1, 2);
        cluster.configures(node, 2, config());
    }
    cluster.commits(1, 2);
    cluster
}

fn record_healed(cluster: &mut Cluster, nodes: &[u64]) {
    nodes.iter().for_each(|&node| cluster.record(node, Fact::Quiet));
}

/// The same cluster, healed.
fn healed_without_n4() -> Cluster {
    let mut cluster = without_n4();
    record_healed(&mut cluster, &[1, 2, 3, 4]);
    cluster
}

pub(crate) fn a_member_adopts_the_term_of_a_non_member() -> Violation {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.adopts_term(2, 2);
    cluster.violates("no-disruption")
}

pub(crate) fn a_leader_steps_down_for_the_term_of_a_non_member() -> Violation {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.record(1, Fact::SteppedDown { term: 1 });
    cluster.adopts_term(1, 2);
    // Both in one step: it stepped down because of that term.
    let step = cluster.facts[cluster.facts.len() - 2].step;
    cluster.facts.last_mut().expect("it was just stated").step = step;
    cluster.violates("no-disruption")
}

pub(crate) fn a_member_adopts_the_term_of_a_faulty_member() -> Violation {
    let mut cluster = without_n4();
    record_healed(&mut cluster, &[1, 2, 4]);
    cluster.campaigns(3, 2);
    cluster.adopts_term(2, 2);
    cluster.violates("no-disruption")
}

#[test]
fn an_ignored_non_member_is_no_disruption() {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.campaigns(4, 3);
    cluster.appends(1, 1, 3);
    cluster.saves(1);
    cluster.replicates(2, 1, 3);
    cluster.commits(1, 3);
    cluster.passes("no-disruption");
}

#[test]
fn a_member_may_start_a_term() {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.campaigns(2, 3);
    cluster.votes(3, 3, 2);
    cluster.adopts_term(1, 3);
    cluster.record(2, Fact::Leads { term: 3 });
    // A cluster without a leader may adopt the term of a non-member.
    cluster.campaigns(4, 4);
    cluster.adopts_term(1, 4);
    cluster.passes("no-disruption");
}

#[test]
fn a_term_from_before_the_heal_may_still_arrive() {
    let mut cluster = without_n4();
    cluster.campaigns(4, 2);
    record_healed(&mut cluster, &[1, 2, 3, 4]);
    cluster.campaigns(4, 3);
    cluster.adopts_term(2, 2);
    cluster.passes("no-disruption");
}

#[test]
fn a_faulty_member_may_adopt_the_term_of_a_non_member() {
    let mut cluster = without_n4();
    record_healed(&mut cluster, &[1, 2, 4]);
    cluster.campaigns(4, 2);
    cluster.adopts_term(3, 2);
    cluster.passes("no-disruption");
}

#[test]
fn a_cluster_without_a_leader_may_adopt_the_term_of_a_non_member() {
    for end in [Fact::SteppedDown { term: 1 }, Fact::Crashed, Fact::PowerLost] {
        let mut cluster = healed_without_n4();
        cluster.campaigns(4, 2);
        cluster.record(1, end);
        cluster.adopts_term(2, 2);
        cluster.passes("no-disruption");
    }
}

#[test]
fn a_second_heal_restores_the_check() {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.crashes_and_restarts(3);
    cluster.adopts_term(3, 2);
    record_healed(&mut cluster, &[1, 2, 3, 4]);
    cluster.campaigns(4, 3);
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!((verdict, checks_of(&checker, "no-disruption")), (Ok(()), 2));
    cluster.adopts_term(3, 3);
    cluster.violates("no-disruption");
}

#[test]
fn nothing_is_checked_before_the_heal() {
    let mut cluster = healed_without_n4();
    cluster.campaigns(4, 2);
    cluster.adopts_term(2, 2);
    cluster.facts.retain(|fact| fact.fact != Fact::Quiet);
    let (checker, verdict) = cluster.check(Checker::new());
    assert_eq!((verdict, checks_of(&checker, "no-disruption")), (Ok(()), 0));
}
