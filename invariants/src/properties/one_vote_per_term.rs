//! **One vote per term**: a server votes for at most one candidate in a term, and a candidacy is a vote for oneself.
//!
//! *Source*: Raft paper, figure 2 (`votedFor`) and 5.2. *Facts*: `Voted`, `Campaigned`, `Leads`.
//!
//! *Reading*: only what left the server counts. A vote that was given in memory and lost with the power before it left
//! was never given, and may go to another. The same vote may leave again. Who leads a term has voted for itself. A server
//! whose disk was emptied votes in the name of the one that it was, until the group has let that one go and has taken it in
//! anew: then it is another voter, with a vote of its own.
//!
//! *Blind spots*: votes that nobody states; pre-votes are no votes and are not facts.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Fact, Node, Term};

/// A server votes once in a term.
#[derive(Default, Debug)]
pub struct OneVotePerTerm {
    pub(crate) checks: u64,
}

impl OneVotePerTerm {
    /// Its name.
    pub const NAME: &str = "one-vote-per-term";
    /// In one line.
    pub const ABOUT: &str = "a server lets at most one vote go in a term, its own candidacy included";

    /// A vote for `candidate` leaves, or is implied by what the server says.
    pub(crate) fn check_vote(&mut self, scene: CheckContext<'_>, term: Term, candidate: Node) -> CheckResult {
        let node = scene.node;
        self.checks += u64::from(node.has_voted());
        let Some(ballot) = node.sent_vote(term).filter(|ballot| ballot.candidate != candidate) else {
            return Ok(());
        };
        let whom = |whom| if whom == node.id { "itself".into() } else { format!("n{whom}") };
        let first = if ballot.candidate == node.id {
            Fact::Campaigned { term }
        } else {
            Fact::Voted { term, candidate: ballot.candidate }
        };
        let sentence = format!(
            "n{} votes for {} in term {term} after it has voted for {}",
            node.id,
            whom(candidate),
            whom(ballot.candidate)
        );
        scene.violation(Self::NAME, Some(ballot.origin.observed(first)), sentence)
    }
}
