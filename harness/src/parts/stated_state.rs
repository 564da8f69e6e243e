//! What a server has stated about its term, its role and its commit index.
//!
//! *In*: the state of a Raft after each step, and the moments at which it sends vote requests. *Out*: the facts
//! `TermChanged`, `Campaigned`, `CampaignedByOrder`, `Leads`, `SteppedDown` and `Committed`, in an order that holds.

use crate::server::Host;
use invariants::{Index, ServerFact, Term};
use std::fmt::Display;

/// What facts have stated about one incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatedState {
    term: Term,
    leads: bool,
    committed: Index,
    /// The last term of which it was stated that the server campaigns.
    campaigned: Term,
    /// The same, by order.
    ordered: Term,
}

impl StatedState {
    /// A new incarnation that has stated its recovered term.
    #[must_use]
    pub const fn new(term: Term) -> StatedState {
        StatedState { term, leads: false, committed: 0, campaigned: 0, ordered: 0 }
    }

    /// Whether the server leads, as was stated last.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.leads
    }

    /// States the commit index, if it has changed.
    ///
    /// A leader commits only entries that were in its log before, and what it appends now may follow from the commit: it
    /// states that first. On other servers the entries may have come with the same message: these are stated first.
    pub fn commit<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, index: Index) {
        if index != self.committed {
            self.committed = index;
            host.record_fact(ServerFact::Committed { index });
        }
    }

    /// States that the server campaigns, and whether by order, once per term: when it sends the first vote
    /// request.
    pub fn campaign<M: Clone + Display>(&mut self, host: &mut Host<'_, M>, term: Term, by_order: bool) {
        if self.campaigned != term {
            self.campaigned = term;
            host.record_fact(ServerFact::Campaigned { term });
        }
        if by_order && self.ordered != term {
            self.ordered = term;
            host.record_fact(ServerFact::CampaignedByOrder { term });
        }
    }

    /// States changes of term and role. Returns whether the role has changed.
    pub fn observe<M: Clone + Display>(
        &mut self,
        host: &mut Host<'_, M>,
        term: Term,
        leads: bool,
        committed: Index,
    ) -> bool {
        let before = *self;
        if (before.term, before.leads) == (term, leads) {
            return false;
        }
        if before.leads && before.term == term {
            // The leader commits its own removal and steps down: it commits as leader.
            self.commit(host, committed);
        }
        (self.term, self.leads) = (term, leads);
        if before.leads {
            host.record_fact(ServerFact::SteppedDown { term: before.term });
            host.trace(|| format!("leader => follower, term {term}"));
        }
        if term != before.term {
            host.record_fact(ServerFact::TermChanged { term });
        }
        if leads {
            // A single voter sends no vote request, but it campaigns.
            self.campaign(host, term, false);
            host.record_fact(ServerFact::Leads { term });
            host.trace(|| format!("candidate => leader, term {term}"));
        }
        before.leads != leads
    }
}
