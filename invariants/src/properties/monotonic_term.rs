//! **Monotonic term**: a server's term only increases.
//!
//! *Source*: Raft paper, 5.1 and figure 2 (`currentTerm` is durable and increases monotonically). *Facts*:
//! `TermChanged`, `Started`, every promise but `Answered`, whose term need not be durable.
//!
//! *Check*: within an incarnation each change is to a higher term. A new incarnation must not start below a term in
//! which the server has led or sent a vote, a candidacy or an acknowledgement. It may start below the last term
//! otherwise: a power failure loses a term that was adopted in memory only.
//!
//! *Blind spots*: a server whose disk was wiped may start in any term; its earlier votes still bind it
//! (`one-vote-per-term`).

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::Term;

/// A server's term only increases.
#[derive(Default, Debug)]
pub struct MonotonicTerm {
    pub(crate) checks: u64,
}

impl MonotonicTerm {
    /// The name.
    pub const NAME: &str = "monotonic-term";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "terms increase, and no restart falls below a term in which the server made a promise";

    pub(crate) fn check_term_change(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(current) = context.node.term else { return Ok(()) };
        self.checks += 1;
        if term > current {
            return Ok(());
        }
        let conflict = Conflict::TermNotIncreased { node: context.node.id, from: current, to: term };
        context.violation(Self::NAME, None, conflict)
    }

    pub(crate) fn check_start(&mut self, context: CheckContext<'_>, term: Term) -> CheckResult {
        let node = context.node;
        let Some((promised, first)) = &node.highest_promise else { return Ok(()) };
        self.checks += 1;
        if term >= *promised {
            return Ok(());
        }
        let conflict = Conflict::StartedBelowPromise { node: node.id, term, promised: *promised };
        context.violation(Self::NAME, Some(first.clone()), conflict)
    }
}
