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

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Digest, Index, LogId};
use crate::shadow::Application;

/// Equal entries and equal states at every applied index.
#[derive(Default, Debug)]
pub struct StateMachineSafety {
    pub(crate) checks: u64,
}

impl StateMachineSafety {
    /// Its name.
    pub const NAME: &str = "state-machine-safety";
    /// In one line.
    pub const ABOUT: &str =
        "every server applies the same entry at the same index, with the same state after it";

    pub(crate) fn check_apply(
        &mut self,
        scene: CheckContext<'_>,
        index: Index,
        entry: Digest,
        state: Digest,
    ) -> CheckResult {
        let node = scene.node;
        if let Some(before) = node.applied_index.filter(|&before| before.checked_add(1) != Some(index)) {
            let sentence = format!("n{} applies {index} right after {before}", node.id);
            return scene.violation(Self::NAME, None, sentence);
        }
        match scene.shadow.applications.find(index) {
            Some(first) => {
                self.checks += 1;
                if first.entry == entry && first.state == state {
                    return Ok(());
                }
                divergence(scene, first, index, entry, state)
            }
            None => self.check_first_apply(scene, index, entry),
        }
    }

    fn check_first_apply(&mut self, scene: CheckContext<'_>, index: Index, entry: Digest) -> CheckResult {
        let committed = scene.shadow.committed_log.term_at(index).map(|term| LogId { index, term });
        if let Some((id, known)) = committed.and_then(|id| Some((id, scene.shadow.entries.find(id)?))) {
            self.checks += 1;
            if known.digest != entry {
                let sentence = format!(
                    "n{} applies {entry} at {index} although {id} with {} is committed",
                    scene.node.id, known.digest
                );
                return scene.violation(Self::NAME, scene.shadow.commit_fact(index), sentence);
            }
        }
        Ok(())
    }
}

#[cold]
fn divergence(
    scene: CheckContext<'_>,
    first: &Application,
    index: Index,
    entry: Digest,
    state: Digest,
) -> CheckResult {
    let (node, other) = (scene.node.id, first.origin.node);
    let sentence = if first.entry == entry {
        format!("n{node} is in state {state} after {index} although n{other} was in {} after it", first.state)
    } else {
        format!("n{node} applies {entry} at {index} although n{other} applied {} there", first.entry)
    };
    scene.violation(StateMachineSafety::NAME, Some(first.observed(index)), sentence)
}
