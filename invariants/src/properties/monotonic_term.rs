//! **Monotonic term**: a server's term only grows.
//!
//! *Source*: Raft paper, 5.1 and figure 2 (`currentTerm` is durable and increases monotonically). *Facts*:
//! `TermChanged`, `Started`, and every promise.
//!
//! *Reading*: within an incarnation each change is to a higher term. A new incarnation may begin below the last one's
//! term, because a term that was adopted in memory is gone with the power; but not below a term in which the server has
//! ever let a vote, a candidacy or an acknowledgement go, or has led.
//!
//! *Blind spots*: a server whose disk was emptied has lost its term by no fault of its own, and begins anew; but votes
//! that it gives then still stand beside those that it had given before ("one-vote-per-term").

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::Term;

/// A server's term only grows.
#[derive(Default, Debug)]
pub struct MonotonicTerm {
    pub(crate) checks: u64,
}

impl MonotonicTerm {
    /// Its name.
    pub const NAME: &str = "monotonic-term";
    /// In one line.
    pub const ABOUT: &str = "terms grow, and no restart falls below a term that was promised in";

    pub(crate) fn check_term_change(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let Some(current) = scene.node.term else { return Ok(()) };
        self.checks += 1;
        if term > current {
            return Ok(());
        }
        scene.violation(
            Self::NAME,
            None,
            format!("n{} goes from term {current} to term {term}", scene.node.id),
        )
    }

    pub(crate) fn check_start(&mut self, scene: CheckContext<'_>, term: Term) -> CheckResult {
        let node = scene.node;
        let Some((promised, first)) = &node.highest_promise else { return Ok(()) };
        self.checks += 1;
        if term >= *promised {
            return Ok(());
        }
        let sentence =
            format!("n{} starts in term {term} although it has made a promise in term {promised}", node.id);
        scene.violation(Self::NAME, Some(first.clone()), sentence)
    }
}
