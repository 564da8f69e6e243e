//! **Ordered candidacies**: a server campaigns by order only if the leader of an earlier term has told it to, and once per
//! order.
//!
//! *Source*: thesis, 3.10 (transfer by `TimeoutNow`) and 4.2.3 (voters that hear from a leader ignore vote requests, except
//! those of a candidacy by order). *Facts*: `ToldToCampaign`, `CampaignedByOrder`, `Campaigned`, `TermChanged`, `Leads`.
//!
//! *Check*: a candidacy by order in term T follows an order
//!
//! - from the leader of a term t below T, or from the operator;
//! - that arrived when the server was in t, or in an earlier term;
//! - without another candidacy of the server in between.
//!
//! An order that is void otherwise would let a server depose a leader that works: voters do not ask whether they hear from
//! one, and leases end with the leadership that gave the order only.
//!
//! Allowed: a second copy of an order, and an order that arrives too late, as long as the server does not obey; a candidacy
//! without an order in any term.
//!
//! *Blind spots*: candidacies whose vote requests never leave. A restart does not void an order. Pre-votes by order.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, OrderFlaw};
use crate::fact::{Fact, Node, Observed, Term};
use crate::state::FactOrigin;
use std::collections::BTreeMap;

/// A server campaigns by order only if the leader of an earlier term has told it to.
#[derive(Default, Debug)]
pub struct OrderedCandidacies {
    pub(crate) checks: u64,
    /// The order that each server would campaign by.
    orders: BTreeMap<Node, Order>,
}

/// An order to campaign.
#[derive(Clone, Copy, Debug)]
struct Order {
    term: Term,
    leader: Option<Node>,
    origin: FactOrigin,
    /// Why it was void when it arrived.
    flaw: Option<OrderFlaw>,
    /// The first candidacy of the server after it.
    campaigned: Option<Term>,
}

impl OrderedCandidacies {
    /// The name.
    pub const NAME: &str = "ordered-candidacies";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a server campaigns by order only if the leader of an earlier term has told it to, once per order";

    pub(crate) fn record_order(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        leader: Option<Node>,
    ) -> CheckResult {
        let leads = |leader: Node| {
            context.cluster.leaderships.get(term).is_some_and(|known| known.origin.node == leader)
        };
        let arrived = context.node.term.unwrap_or(0);
        let flaw = match leader {
            Some(sender) if !leads(sender) => Some(OrderFlaw::NotFromLeader { sender, term }),
            _ if arrived > term => Some(OrderFlaw::Late { term, arrived }),
            _ => None,
        };
        let order = Order { term, leader, origin: FactOrigin::of(context.observed), flaw, campaigned: None };
        let known = self.orders.entry(context.node.id).or_insert(order);
        // A void order takes no valid one away.
        if flaw.is_none() || known.flaw.is_some() || known.campaigned.is_some() {
            *known = order;
        }
        Ok(())
    }

    pub(crate) fn record_campaign(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        if let Some(order) = self.orders.get_mut(&context.node.id)
            && term > order.term
        {
            order.campaigned.get_or_insert(term);
        }
        Ok(())
    }

    pub(crate) fn check_campaign(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let node = context.node.id;
        self.checks += 1;
        let order = self.orders.get_mut(&node);
        let flaw = match &order {
            None => Some(OrderFlaw::Missing),
            Some(Order { flaw: Some(flaw), .. }) => Some(*flaw),
            Some(order) if order.term >= term => Some(OrderFlaw::NotEarlier { term: order.term }),
            Some(Order { term: of, campaigned: Some(campaigned), .. }) if *campaigned != term => {
                Some(OrderFlaw::Used { term: *of, campaigned: *campaigned })
            }
            Some(_) => None,
        };
        let first = order.map(|order| {
            order.campaigned.get_or_insert(term);
            order.observed()
        });
        match flaw {
            None => Ok(()),
            Some(flaw) => {
                context.violation(Self::NAME, first, Conflict::CampaignedWithoutOrder { node, term, flaw })
            }
        }
    }
}

impl Order {
    fn observed(&self) -> Observed {
        self.origin.observed(Fact::ToldToCampaign { term: self.term, leader: self.leader })
    }
}
