//! **Election safety**: at most one leader in a term.
//!
//! *Source*: Raft paper, figure 3 and 5.2. *Facts*: `Leads`, `Started`.
//!
//! *Reading*: a term belongs to the first (server, incarnation) that leads it. A server that leads one term twice, once
//! before and once after a restart, is two leaders: the second one knows nothing of what the first has sent (5.2 has it
//! come back as a follower).
//!
//! *Blind spots*: a leader that never says so. Leading a term again in the same incarnation is let go: nothing was
//! forgotten in between.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::Term;

/// At most one leader in a term.
#[derive(Default, Debug)]
pub struct ElectionSafety {
    pub(crate) checks: u64,
}

impl ElectionSafety {
    /// Its name.
    pub const NAME: &str = "election-safety";
    /// In one line.
    pub const ABOUT: &str = "at most one leader in a term";

    pub(crate) fn check_leader(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let leaderships = &scene.shadow.leaderships;
        self.checks += u64::from(!leaderships.is_empty());
        let Some(known) = leaderships.get(&term) else { return Ok(()) };
        let node = scene.node;
        if (known.origin.node, known.incarnation) == (node.id, node.incarnation) {
            return Ok(());
        }
        let sentence = if known.origin.node == node.id {
            format!("n{} leads term {term} again after a restart", node.id)
        } else {
            format!("n{} leads term {term} although n{} already leads it", node.id, known.origin.node)
        };
        scene.violation(Self::NAME, scene.shadow.leader_fact(term), sentence)
    }
}
