//! **State machine safety**: if a server has applied an entry at an index, no other applies a different one there, and
//! the states that come of it are equal.
//!
//! *Source*: Raft paper, figure 3 and 5.4.3; that equal inputs give equal states: 2. *Facts*: `Applied`; `Restored`,
//! `Committed` and `Appended` where stated.
//!
//! *Reading*: the first application of an index decides its entry and the state after it; all others, of other servers
//! and of later incarnations, are compared with it. The first one is compared with the entry that is committed there.
//! Within an incarnation each entry comes right after the one that was applied before it, or after what was restored.
//!
//! *Blind spots*: a wrong state that all servers share. Two states with equal digests. An index more than a million
//! beyond all applied ones is not kept. Where an incarnation begins is taken at its word; the state there is not.

use crate::fact::{Digest, Index, LogId};
use crate::scene::{Scene, Verdict};
use crate::shadow::Application;

/// Equal entries and equal states at every applied index.
#[derive(Default, Debug)]
pub struct StateMachineSafety {
    pub(crate) looked: u64,
}

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
        let node = scene.node;
        if let Some(before) = node.applied.filter(|&before| before.checked_add(1) != Some(index)) {
            let sentence = format!("n{} applies {index} right after {before}", node.id);
            return scene.clash(Self::NAME, None, sentence);
        }
        match scene.shadow.applications.find(index) {
            Some(first) => {
                self.looked += 1;
                if first.entry == entry && first.state == state {
                    return Ok(());
                }
                differs(scene, first, index, entry, state)
            }
            None => self.applies_first(scene, index, entry),
        }
    }

    fn applies_first(&mut self, scene: Scene<'_>, index: Index, entry: Digest) -> Verdict {
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
        Ok(())
    }
}

#[cold]
fn differs(scene: Scene<'_>, first: &Application, index: Index, entry: Digest, state: Digest) -> Verdict {
    let (node, other) = (scene.node.id, first.seen.node);
    let sentence = if first.entry == entry {
        format!("n{node} is in state {state} after {index} although n{other} was in {} after it", first.state)
    } else {
        format!("n{node} applies {entry} at {index} although n{other} applied {} there", first.entry)
    };
    scene.clash(StateMachineSafety::NAME, Some(first.fact(index)), sentence)
}
