//! **Election safety**: at most one leader per term.
//!
//! *Source*: Raft paper, figure 3 and 5.2; TLA+: `MoreThanOneLeaderInv` (etcd). *Facts*: `Leads`, `Started`.
//!
//! *Check*: a term belongs to the first (server, incarnation) that leads it. A server that leads a term again after a
//! restart counts as a second leader: it does not know what it sent before (by 5.2 it restarts as a follower), unless
//! the system's [`Contract`](crate::Contract) lets it resume.
//!
//! *Blind spots*: a leader that does not state `Leads`. Leading a term again in the same incarnation is allowed: the
//! server has forgotten nothing in between.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::Term;

/// At most one leader per term.
#[derive(Default, Debug)]
pub struct ElectionSafety {
    pub(crate) checks: u64,
}

impl ElectionSafety {
    /// The name.
    pub const NAME: &str = "election-safety";
    /// What must hold, in one line.
    pub const ABOUT: &str = "at most one leader per term";

    pub(crate) fn check_leader(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let leaderships = &context.cluster.leaderships;
        self.checks += u64::from(!leaderships.is_empty());
        let Some(known) = leaderships.get(term) else { return Ok(()) };
        let node = context.node;
        let may_lead = known.incarnation == node.incarnation || context.cluster.contract.leader_resumes;
        if known.origin.node == node.id && may_lead {
            return Ok(());
        }
        let conflict = if known.origin.node == node.id {
            Conflict::LeadsTermAgain { node: node.id, term }
        } else {
            Conflict::TwoLeaders { node: node.id, term, leader: known.origin.node }
        };
        context.violation(Self::NAME, context.cluster.leaderships.fact(term), conflict)
    }
}
