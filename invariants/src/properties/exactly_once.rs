//! **Exactly once**: a client's request changes the state at one index only, however often it is in the log.
//!
//! *Source*: Raft paper, 8 (sessions and serial numbers); thesis, 6.3. *Facts*: `Applied` with its request.
//!
//! *Reading*: the first index at which a request has an effect is the only one, on all servers and in all incarnations.
//! The same index on another server, or again after a restart, is the same effect. A retry that is answered from the
//! session table has none. A restored state brings the effects of all indexes before it along: a retry that is applied
//! after it must find them in the table that the snapshot carried.
//!
//! *Blind spots*: a request that never has an effect; requests that are not named.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Digest, Fact, Index, RequestId};
use crate::shadow::{FactOrigin, RequestMap};

/// A request has its effect at one index only.
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
    /// Its name.
    pub const NAME: &str = "exactly-once";
    /// In one line.
    pub const ABOUT: &str = "a client's request changes the state at one index only";

    pub(crate) fn check_apply(
        &mut self,
        scene: CheckContext<'_>,
        request: RequestId,
        effect: bool,
    ) -> CheckResult {
        let Fact::Applied { index, entry, state, .. } = scene.observed.fact else { return Ok(()) };
        let Some(&first) = self.effects.get(request) else {
            if effect {
                self.effects
                    .insert(request, Effect { index, entry, state, origin: FactOrigin::of(scene.observed) });
            }
            return Ok(());
        };
        self.checks += 1;
        if !effect || first.index == index {
            return Ok(());
        }
        let sentence = format!(
            "n{} applies {request} again at {index} although it had its effect at {}",
            scene.node.id, first.index
        );
        let fact = Fact::Applied {
            index: first.index,
            entry: first.entry,
            state: first.state,
            request: Some(request),
            effect: true,
        };
        scene.violation(Self::NAME, Some(first.origin.observed(fact)), sentence)
    }
}
