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

use crate::fact::{Digest, Fact, Index, RequestId};
use crate::scene::{Scene, Verdict};
use crate::shadow::{Requests, Seen};

/// A request has its effect at one index only.
#[derive(Default, Debug)]
pub struct ExactlyOnce {
    pub(crate) looked: u64,
    effects: Requests<Effect>,
}

#[derive(Clone, Copy, Debug)]
struct Effect {
    index: Index,
    entry: Digest,
    state: Digest,
    seen: Seen,
}

impl ExactlyOnce {
    /// Its name.
    pub const NAME: &str = "exactly-once";
    /// In one line.
    pub const ABOUT: &str = "a client's request changes the state at one index only";

    pub(crate) fn applies(&mut self, scene: Scene<'_>, request: RequestId, effect: bool) -> Verdict {
        let Fact::Applied { index, entry, state, .. } = scene.observed.fact else { return Ok(()) };
        let Some(&first) = self.effects.get(request) else {
            if effect {
                self.effects.insert(request, Effect { index, entry, state, seen: Seen::of(scene.observed) });
            }
            return Ok(());
        };
        self.looked += 1;
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
        scene.clash(Self::NAME, Some(first.seen.fact(fact)), sentence)
    }
}
