//! **Current-term commit**: a leader commits by counting replicas only entries of its own term.
//!
//! *Source*: Raft paper, 5.4.2 and figure 8; figure 2, last rule for leaders. *Facts*: `Committed`, `Leads`,
//! `Appended`.
//!
//! *Check*: the entry at the commit index that a leader states has the leader's term. Earlier entries of older terms
//! commit with it.
//!
//! Where commits may be stated late (`Contract::states_commits_late`), a commit of an entry of a term that the server led
//! counts as one of that leadership.
//!
//! *Blind spots*: there, figure 8 if one server is both leaders; a commit index that passes a wrong entry within one step, if only the last index is stated. Checks
//! only where logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Index, LogId, Term};

/// A leader commits by counting replicas only entries of its own term.
#[derive(Default, Debug)]
pub struct CurrentTermCommit {
    pub(crate) checks: u64,
}

impl CurrentTermCommit {
    /// The name.
    pub const NAME: &str = "current-term-commit";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a leader's commit index advances only to entries of its own term";

    pub(crate) fn check_leader_commit(
        &mut self,
        context: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        // Entries that were known to be committed before the election are not committed by counting.
        if context.cluster.entries.is_empty() || index <= context.node.known_committed() {
            return Ok(());
        }
        self.checks += 1;
        let node = context.node.id;
        let conflict = match context.node.log.term_at(index) {
            Some(term) if term == led => return Ok(()),
            Some(term) => {
                Conflict::LeaderCommittedOtherTerm { node, term: led, entry: LogId { index, term } }
            }
            None => {
                let last = context.node.log.last();
                Conflict::LeaderCommittedBeyondLog { node, term: led, index, last }
            }
        };
        context.violation(Self::NAME, context.cluster.leaderships.fact(led), conflict)
    }
}
