//! **One vote per term**: a server votes for at most one candidate per term; a candidacy is a vote for oneself.
//!
//! *Source*: Raft paper, figure 2 (`votedFor`) and 5.2. *Facts*: `Voted`, `Campaigned`, `Leads`.
//!
//! *Check*: no two votes of one server in one term that were sent are for different candidates. Leading a term
//! implies a vote for oneself. Allowed: a vote that was given in memory and lost in a power failure before it was
//! sent may go to another candidate, and the same vote may be sent again. A server whose disk was wiped is bound by
//! its old votes until it was removed from the cluster and added again; then it is a new voter.
//!
//! *Blind spots*: votes that are not stated. Pre-votes are not votes and not facts.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Fact, Node, Term};

/// A server votes for at most one candidate per term.
#[derive(Default, Debug)]
pub struct OneVotePerTerm {
    pub(crate) checks: u64,
}

impl OneVotePerTerm {
    /// The name.
    pub const NAME: &str = "one-vote-per-term";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a server votes for at most one candidate per term, its own candidacy included";

    /// A vote for `candidate` was sent or is implied by the fact.
    pub(crate) fn check_vote(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        candidate: Node,
    ) -> CheckResult {
        let node = context.node;
        self.checks += u64::from(node.has_voted());
        let Some(vote) = node.sent_vote(term).filter(|vote| vote.candidate != candidate) else {
            return Ok(());
        };
        let first = if vote.candidate == node.id {
            Fact::Campaigned { term }
        } else {
            Fact::Voted { term, candidate: vote.candidate }
        };
        let conflict = Conflict::VotedTwice { node: node.id, term, candidate, earlier: vote.candidate };
        context.violation(Self::NAME, Some(vote.origin.observed(first)), conflict)
    }
}
