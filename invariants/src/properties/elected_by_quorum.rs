//! **Elected by a quorum**: a leader has the votes of a majority.
//!
//! *Source*: Raft paper, 5.2; joint configurations and non-voting members: 6. *Facts*: `Leads`, `Voted`,
//! `Campaigned`, `Configured`.
//!
//! *Check*: when a server states that it leads a term, a majority of the voters (of each half while joint) of the
//! configuration in force in its log must have sent it a vote in that term. Its own vote is implied if it is a voter.
//! Learners never count.
//!
//! *Blind spots*: a vote counts once it is sent, even if it is lost on the way. Checks only where votes and
//! configurations are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, NodeList};
use crate::fact::Term;

/// A leader has the votes of a majority.
#[derive(Default, Debug)]
pub struct ElectedByQuorum {
    pub(crate) checks: u64,
}

impl ElectedByQuorum {
    /// The name.
    pub const NAME: &str = "elected-by-quorum";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a leader has been sent the votes of a majority";

    pub(crate) fn check_leader(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let leader = context.node.id;
        let Some(configuration) = context.node.configuration().filter(|_| context.cluster.vote_facts_seen)
        else {
            return Ok(());
        };
        let voted = |voter| {
            voter == leader || context.cluster.server(voter).is_some_and(|node| node.voted_for(leader, term))
        };
        self.checks += 1;
        if configuration.is_quorum(voted) {
            return Ok(());
        }
        let voters =
            context.cluster.servers().iter().map(|node| node.id).filter(|&node| voted(node)).collect();
        let conflict = Conflict::ElectedWithoutQuorum {
            node: leader,
            term,
            voters: NodeList(voters),
            configuration: configuration.clone(),
        };
        context.violation(Self::NAME, None, conflict)
    }
}
