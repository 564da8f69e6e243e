//! **State machine safety**: if a server has applied an entry at an index, no other applies a different one there, and
//! the states that come of it are equal.
//!
//! *Source*: Raft paper, figure 3 and 5.4.3; that equal inputs give equal states: 2. *Facts*: `Applied`; `Committed` and
//! `Appended` where stated.
//!
//! *Reading*: the first application of an index decides its entry and the state after it; all others, of other servers
//! and of later incarnations, are compared with it. The first one is compared with the entry that is committed there.
//!
//! *Blind spots*: a wrong state that all servers share. Two states with equal digests. An index more than a million
//! beyond all applied ones is not kept.

use crate::fact::{Digest, Fact, Index, LogId, RequestId};
use crate::scene::{Scene, Verdict};
use crate::shadow::Seen;

/// Equal entries and equal states at every applied index.
#[derive(Default, Debug)]
pub struct StateMachineSafety {
    pub(crate) looked: u64,
    /// What was first applied, by index.
    applied: Vec<Option<First>>,
}

#[derive(Clone, Copy, Debug)]
struct First {
    entry: Digest,
    state: Digest,
    request: Option<RequestId>,
    effect: bool,
    seen: Seen,
}

/// A leap that no state machine of a run makes; beyond it a stream is broken, and memory must not follow it.
const LEAP: usize = 1 << 20;

impl StateMachineSafety {
    /// Its name.
    pub const NAME: &str = "state-machine-safety";
    /// In one line.
    pub const ABOUT: &str =
        "every server applies the same entry at the same index, with the same state after it";

    pub(crate) fn applies(
        &mut self,
        scene: Scene<'_>,
        index: Index,
        entry: Digest,
        state: Digest,
    ) -> Verdict {
        let Some(position) = index.checked_sub(1).map(|position| position as usize) else { return Ok(()) };
        match self.applied.get(position) {
            Some(Some(first)) => {
                self.looked += 1;
                if first.entry == entry && first.state == state {
                    return Ok(());
                }
                first.differs(scene, index, entry, state)
            }
            Some(None) | None => self.applies_first(scene, position, entry, state),
        }
    }

    fn applies_first(&mut self, scene: Scene<'_>, position: usize, entry: Digest, state: Digest) -> Verdict {
        let index = position as Index + 1;
        let committed = scene.shadow.committed.term_at(index).map(|term| LogId { index, term });
        if let Some((id, known)) = committed.and_then(|id| Some((id, scene.shadow.entries.find(id)?))) {
            self.looked += 1;
            if known.entry != entry {
                let sentence = format!(
                    "n{} applies {entry} at {index} although {id} with {} is committed",
                    scene.node.id, known.entry
                );
                return scene.clash(Self::NAME, scene.shadow.commit_of(index), sentence);
            }
        }
        if position >= self.applied.len() {
            if position - self.applied.len() > LEAP {
                return Ok(());
            }
            self.applied.resize(position + 1, None);
        }
        let (request, effect) = match scene.observed.fact {
            Fact::Applied { request, effect, .. } => (request, effect),
            _ => (None, false),
        };
        self.applied[position] =
            Some(First { entry, state, request, effect, seen: Seen::of(scene.observed) });
        Ok(())
    }
}

impl First {
    #[cold]
    fn differs(&self, scene: Scene<'_>, index: Index, entry: Digest, state: Digest) -> Verdict {
        let (node, other) = (scene.node.id, self.seen.node);
        let sentence = if self.entry == entry {
            format!(
                "n{node} is in state {state} after {index} although n{other} was in {} after it",
                self.state
            )
        } else {
            format!("n{node} applies {entry} at {index} although n{other} applied {} there", self.entry)
        };
        let fact = Fact::Applied {
            index,
            entry: self.entry,
            state: self.state,
            request: self.request,
            effect: self.effect,
        };
        scene.clash(StateMachineSafety::NAME, Some(self.seen.fact(fact)), sentence)
    }
}
