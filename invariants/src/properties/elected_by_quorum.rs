//! **Elected by a quorum**: whoever leads has the votes of a majority.
//!
//! *Source*: Raft paper, 5.2; joint configurations and non-voting members: 6. *Facts*: `Leads`, `Voted`, `Campaigned`,
//! `Configured`.
//!
//! *Reading*: when a server says that it leads a term, a majority of the voters (of each half while joint) in the
//! configuration in force in its own log must have let a vote of that term for it go. Its own vote is implied by what it
//! says, if it is a voter. Learners never count.
//!
//! *Blind spots*: a vote counts from when it left, so a vote that left but was lost on the way counts too. Looks only
//! where votes and configurations are stated.

use crate::check_context::{CheckContext, CheckResult, format_nodes};
use crate::fact::Term;

/// Whoever leads has the votes of a majority.
#[derive(Default, Debug)]
pub struct ElectedByQuorum {
    pub(crate) checks: u64,
}

impl ElectedByQuorum {
    /// Its name.
    pub const NAME: &str = "elected-by-quorum";
    /// In one line.
    pub const ABOUT: &str = "whoever leads has votes of a majority that left their voters";

    pub(crate) fn check_leader(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let leader = scene.node.id;
        let Some(configuration) = scene.node.configuration().filter(|_| scene.shadow.vote_facts_seen) else {
            return Ok(());
        };
        let voted = |voter| {
            voter == leader || scene.shadow.node(voter).is_some_and(|node| node.voted_for(leader, term))
        };
        self.checks += 1;
        if configuration.is_quorum(voted) {
            return Ok(());
        }
        let electors =
            format_nodes(scene.shadow.nodes().iter().map(|node| node.id).filter(|&node| voted(node)));
        let sentence = format!(
            "n{leader} leads term {term} with the votes of {electors}, which is no majority of {configuration}",
        );
        scene.violation(Self::NAME, None, sentence)
    }
}
