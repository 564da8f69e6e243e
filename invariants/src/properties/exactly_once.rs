//! **Exactly once**: a client request changes the state at one index only, however often it is in the log.
//!
//! *Source*: Raft paper, 8 (sessions and serial numbers); thesis, 6.3. *Facts*: `Applied` with its request.
//!
//! *Check*: the first index at which a request has an effect is the only one, on all servers and in all incarnations.
//! The same index on another server, or again after a restart, is the same effect. A retry that is answered from the
//! session table has no effect. A restored state includes the effects of all earlier indexes: a retry applied after
//! it must find them in the snapshot's session table.
//!
//! *Blind spots*: a request that never has an effect; requests without an identifier.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Digest, Fact, Index, RequestId};
use crate::state::{FactOrigin, RequestMap};

/// A request has an effect at one index only.
#[derive(Default, Debug)]
pub struct ExactlyOnce {
    pub(crate) checks: u64,
    effects: RequestMap<Effect>,
}

#[derive(Clone, Copy, Debug)]
struct Effect {
    index: Index,
    entry: Digest,
    state: Digest,
    origin: FactOrigin,
}

impl ExactlyOnce {
    /// The name.
    pub const NAME: &str = "exactly-once";
    /// What must hold, in one line.
    pub const ABOUT: &str = "a client request changes the state at one index only";

    pub(crate) fn check_apply(
        &mut self,
        context: CheckContext<'_>,
        request: RequestId,
        effect: bool,
    ) -> CheckResult {
        let Fact::Applied { index, entry, state, .. } = context.observed.fact else { return Ok(()) };
        let Some(&first) = self.effects.get(request) else {
            if effect {
                self.effects.insert(
                    request,
                    Effect { index, entry, state, origin: FactOrigin::of(context.observed) },
                );
            }
            return Ok(());
        };
        self.checks += 1;
        if !effect || first.index == index {
            return Ok(());
        }
        let conflict =
            Conflict::RequestAppliedTwice { node: context.node.id, request, index, earlier: first.index };
        let fact = Fact::Applied {
            index: first.index,
            entry: first.entry,
            state: first.state,
            request: Some(request),
            effect: true,
        };
        context.violation(Self::NAME, Some(first.origin.observed(fact)), conflict)
    }
}
