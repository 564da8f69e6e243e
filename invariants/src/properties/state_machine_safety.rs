//! **State machine safety**: if a server has applied an entry at an index, no server applies a different one there,
//! and the resulting states are equal.
//!
//! *Source*: Raft paper, figure 3 and 5.4.3; equal inputs give equal states: 2; TLA+: `NoLogDivergence` (Vanlightly).
//! *Facts*: `Applied`; `Restored`, `Committed` and `Appended` where stated.
//!
//! *Check*: the first application of an index fixes its entry and the state after it. All others, of other servers
//! and later incarnations, are compared with it. The first one is compared with the committed entry. Within an
//! incarnation each application follows the one before it, or what was restored.
//!
//! *Blind spots*: a wrong state that all servers share; two states with equal digests. The index at which an
//! incarnation begins to apply is not checked; the state there is.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Digest, Index, LogId};
use crate::state::Application;

/// Equal entries and equal states at every applied index.
#[derive(Default, Debug)]
pub struct StateMachineSafety {
    pub(crate) checks: u64,
}

impl StateMachineSafety {
    /// The name.
    pub const NAME: &str = "state-machine-safety";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "every server applies the same entry at the same index, with the same state after it";

    pub(crate) fn check_apply(
        &mut self,
        context: CheckContext<'_>,
        index: Index,
        entry: Digest,
        state: Digest,
    ) -> CheckResult {
        let node = context.node;
        if let Some(before) = node.applied_index.filter(|&before| before.checked_add(1) != Some(index)) {
            let conflict = Conflict::AppliedOutOfOrder { node: node.id, index, before };
            return context.violation(Self::NAME, None, conflict);
        }
        match context.cluster.applications.find(index) {
            Some(first) => {
                self.checks += 1;
                if first.entry == entry && first.state == state {
                    return Ok(());
                }
                divergence(context, first, index, entry, state)
            }
            None => self.check_first_apply(context, index, entry),
        }
    }

    fn check_first_apply(&mut self, context: CheckContext<'_>, index: Index, entry: Digest) -> CheckResult {
        let committed = context.cluster.committed_log.term_at(index).map(|term| LogId { index, term });
        if let Some((id, known)) = committed.and_then(|id| Some((id, context.cluster.entries.find(id)?))) {
            self.checks += 1;
            if known.digest != entry {
                let conflict = Conflict::AppliedUncommitted {
                    node: context.node.id,
                    index,
                    content: entry,
                    committed: id,
                    written: known.digest,
                };
                return context.violation(Self::NAME, context.cluster.commits.fact(index), conflict);
            }
        }
        Ok(())
    }
}

#[cold]
fn divergence(
    context: CheckContext<'_>,
    first: &Application,
    index: Index,
    entry: Digest,
    state: Digest,
) -> CheckResult {
    let (node, other) = (context.node.id, first.origin.node);
    let conflict = if first.entry == entry {
        Conflict::StateDiffers { node, index, state, other, known: first.state }
    } else {
        Conflict::AppliedOtherEntry { node, index, content: entry, other, applied: first.entry }
    };
    context.violation(StateMachineSafety::NAME, Some(first.observed(index)), conflict)
}
