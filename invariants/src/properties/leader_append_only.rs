//! **Leader append-only**: a leader never overwrites or deletes entries in its log; it only appends new ones.
//!
//! *Source*: Raft paper, figure 3 and 5.3. *Facts*: `Leads`, `SteppedDown`, `Crashed`, `PowerLost`, `TermChanged`,
//! `Truncated`, `Appended`, `SnapshotInstalled`.
//!
//! *Reading*: from `Leads` until it steps down, dies or adopts a newer term, a server cuts nothing, takes nobody's
//! snapshot, and appends entries of its own term only. Any server's entry comes right after its last one: to overwrite, it must first say that it cuts.
//!
//! *Blind spots*: what a former leader loses with the power is no cut, and is let go.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Index, LogId, Term};

/// A leader only appends, and only in its own term.
#[derive(Default, Debug)]
pub struct LeaderAppendOnly {
    pub(crate) checks: u64,
}

impl LeaderAppendOnly {
    /// Its name.
    pub const NAME: &str = "leader-append-only";
    /// In one line.
    pub const ABOUT: &str = "a leader cuts nothing and appends entries of its own term, one after the other";

    pub(crate) fn check_truncate(&mut self, scene: CheckContext<'_>, after: Index) -> CheckResult {
        let (node, last) = (scene.node.id, scene.node.log.last());
        if after >= last.index {
            return Ok(());
        }
        self.checks += 1;
        let Some(term) = scene.node.leader_of else { return Ok(()) };
        let sentence = format!("n{node} leads term {term} and cuts its log from {last} to {after}");
        scene.violation(Self::NAME, scene.shadow.leader_fact(term), sentence)
    }

    pub(crate) fn check_install(&mut self, scene: CheckContext<'_>, last: LogId) -> CheckResult {
        self.checks += 1;
        let Some(term) = scene.node.leader_of else { return Ok(()) };
        let sentence = format!("n{} leads term {term} and takes a snapshot up to {last} over", scene.node.id);
        scene.violation(Self::NAME, scene.shadow.leader_fact(term), sentence)
    }

    pub(crate) fn check_append(&mut self, scene: CheckContext<'_>, index: Index, term: Term) -> CheckResult {
        let (node, last) = (scene.node.id, scene.node.log.last());
        let id = LogId { index, term };
        if index != last.index + 1 {
            let sentence = format!("n{node} appends {id} to a log that ends at {last}");
            return scene.violation(Self::NAME, None, sentence);
        }
        let Some(led) = scene.node.leader_of else { return Ok(()) };
        self.checks += 1;
        if term == led {
            return Ok(());
        }
        let sentence = format!("n{node} leads term {led} and appends {id}");
        scene.violation(Self::NAME, scene.shadow.leader_fact(led), sentence)
    }
}
