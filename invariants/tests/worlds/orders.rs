//! Candidacies by order, and hints about who leads.

use crate::builder::Cluster;
use invariants::{Fact, Node, Term, Violation};

const ORDERED: &str = "ordered-candidacies";
const HINTS: &str = "leader-hints";

impl Cluster {
    fn is_told_to_campaign(&mut self, node: Node, term: Term, leader: Node) {
        self.record(node, Fact::ToldToCampaign { term, leader: Some(leader) });
    }

    fn campaigns_by_order(&mut self, node: Node, term: Term) {
        self.campaigns(node, term);
        self.record(node, Fact::CampaignedByOrder { term });
    }

    fn redirects(&mut self, node: Node, leader: Node) {
        self.record(node, Fact::Redirected { leader });
    }
}

pub(crate) fn a_server_campaigns_by_an_order_that_nobody_gave() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.campaigns_by_order(2, 2);
    cluster.violates(ORDERED)
}

/// n1 was deposed before its order reached n2.
pub(crate) fn a_server_obeys_a_leader_of_a_past_term() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.replicates(3, 1, 1);
    cluster.wins(3, 2, &[2]);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns_by_order(2, 3);
    cluster.violates(ORDERED)
}

pub(crate) fn a_server_obeys_a_server_that_does_not_lead() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 3);
    cluster.campaigns_by_order(2, 2);
    cluster.violates(ORDERED)
}

/// The candidacy by order found no majority. The next one is of its own accord, and says otherwise.
pub(crate) fn a_server_campaigns_twice_by_one_order() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns_by_order(2, 2);
    cluster.campaigns_by_order(2, 3);
    cluster.violates(ORDERED)
}

pub(crate) fn a_server_campaigns_by_order_after_a_candidacy_of_its_own() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns(2, 2);
    cluster.campaigns_by_order(2, 3);
    cluster.violates(ORDERED)
}

pub(crate) fn a_server_campaigns_by_an_order_of_its_own_term() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.adopts_term(2, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.record(2, Fact::CampaignedByOrder { term: 1 });
    cluster.violates(ORDERED)
}

#[test]
fn an_order_of_the_leader_is_obeyed() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns_by_order(2, 2);
    cluster.passes(ORDERED);
}

/// The order tells the server of its term: it arrives in an earlier one.
#[test]
fn an_order_is_obeyed_by_a_server_in_an_earlier_term() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(3, 1, 1);
    cluster.adopts_term(3, 1);
    cluster.campaigns_by_order(3, 2);
    cluster.passes(ORDERED);
}

/// A second copy arrives when the server has campaigned already, and one from a server that leads no more. Neither takes
/// the order away.
#[test]
fn copies_that_arrive_late_change_nothing() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.adopts_term(2, 2);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.is_told_to_campaign(2, 1, 3);
    cluster.campaigns_by_order(2, 2);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.passes(ORDERED);
}

/// The candidacy by order fails, and the next leader gives another order.
#[test]
fn each_order_is_good_for_one_candidacy() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns_by_order(2, 2);
    cluster.wins(1, 3, &[3]);
    cluster.adopts_term(2, 3);
    cluster.is_told_to_campaign(2, 3, 1);
    cluster.campaigns_by_order(2, 4);
    cluster.passes(ORDERED);
}

/// A server that was told to campaign was in a later term before it could.
#[test]
fn an_order_that_is_not_obeyed_harms_nobody() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.is_told_to_campaign(2, 1, 1);
    cluster.campaigns_by_order(2, 2);
    cluster.campaigns(2, 3);
    cluster.passes(ORDERED);
}

#[test]
fn an_operator_may_give_the_order() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(2, Fact::ToldToCampaign { term: 1, leader: None });
    cluster.campaigns_by_order(2, 2);
    cluster.passes(ORDERED);
}

pub(crate) fn a_deposed_leader_sends_a_client_to_itself() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(1, Fact::SteppedDown { term: 1 });
    cluster.redirects(1, 1);
    cluster.violates(HINTS)
}

pub(crate) fn a_candidate_sends_a_client_to_itself() -> Violation {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.campaigns(2, 2);
    cluster.redirects(2, 2);
    cluster.violates(HINTS)
}

/// The answer was made before the server stopped leading, in the same event.
#[test]
fn a_leader_may_name_itself_in_the_event_in_which_it_is_deposed() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.record(1, Fact::SteppedDown { term: 1 });
    cluster.redirects(1, 1);
    let step = cluster.facts[cluster.facts.len() - 2].step;
    cluster.facts.last_mut().expect("facts").step = step;
    cluster.passes(HINTS);
}

/// A leader that may not answer yet, or forwards to itself.
#[test]
fn a_leader_may_name_itself() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.redirects(1, 1);
    cluster.passes(HINTS);
}

/// n2 has not heard yet that n1 was deposed.
#[test]
fn a_hint_may_be_out_of_date() {
    let mut cluster = Cluster::with_committed(3, 1);
    cluster.replicates(3, 1, 1);
    cluster.wins(3, 2, &[1]);
    cluster.redirects(2, 1);
    cluster.passes(HINTS);
}
