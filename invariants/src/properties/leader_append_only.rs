//! **Leader append-only**: a leader never overwrites or deletes entries in its log; it only appends new ones.
//!
//! *Source*: Raft paper, figure 3 and 5.3. *Facts*: `Leads`, `SteppedDown`, `Crashed`, `PowerLost`, `TermChanged`,
//! `Truncated`, `Appended`, `SnapshotInstalled`.
//!
//! *Reading*: from `Leads` until it steps down, dies or adopts a newer term, a server cuts nothing, takes nobody's
//! snapshot, and appends entries of its own term only. Any server's entry comes right after its last one: to overwrite, it must first say that it cuts.
//!
//! *Blind spots*: what a former leader loses with the power is no cut, and is let go.

use crate::fact::{Index, LogId, Term};
use crate::scene::{Scene, Verdict};

/// A leader only appends, and only in its own term.
#[derive(Default, Debug)]
pub struct LeaderAppendOnly {
    pub(crate) looked: u64,
}

impl LeaderAppendOnly {
    /// Its name.
    pub const NAME: &str = "leader-append-only";
    /// In one line.
    pub const ABOUT: &str = "a leader cuts nothing and appends entries of its own term, one after the other";

    pub(crate) fn truncates(&mut self, scene: Scene<'_>, after: Index) -> Verdict {
        let (node, last) = (scene.node.id, scene.node.log.last());
        if after >= last.index {
            return Ok(());
        }
        self.looked += 1;
        let Some(term) = scene.node.leads else { return Ok(()) };
        let sentence = format!("n{node} leads term {term} and cuts its log from {last} to {after}");
        scene.clash(Self::NAME, scene.shadow.leads_of(term), sentence)
    }

    pub(crate) fn installs(&mut self, scene: Scene<'_>, last: LogId) -> Verdict {
        self.looked += 1;
        let Some(term) = scene.node.leads else { return Ok(()) };
        let sentence = format!("n{} leads term {term} and takes a snapshot up to {last} over", scene.node.id);
        scene.clash(Self::NAME, scene.shadow.leads_of(term), sentence)
    }

    pub(crate) fn appends(&mut self, scene: Scene<'_>, index: Index, term: Term) -> Verdict {
        let (node, last) = (scene.node.id, scene.node.log.last());
        let id = LogId { index, term };
        if index != last.index + 1 {
            let sentence = format!("n{node} appends {id} to a log that ends at {last}");
            return scene.clash(Self::NAME, None, sentence);
        }
        let Some(led) = scene.node.leads else { return Ok(()) };
        self.looked += 1;
        if term == led {
            return Ok(());
        }
        let sentence = format!("n{node} leads term {led} and appends {id}");
        scene.clash(Self::NAME, scene.shadow.leads_of(led), sentence)
    }
}
