//! **What is committed stays**: nothing else is ever committed in its place, nobody cuts it, and no commit index goes
//! back.
//!
//! *Source*: Raft paper, 5.4 (a committed entry is durable and will be executed by all) and figure 2 (`commitIndex`
//! increases monotonically). *Facts*: `Committed`, `Leads`, `Truncated`, `Appended`,
//! `SnapshotInstalled`.
//!
//! *Reading*: the committed log is what the furthest leader has committed. A leader that commits must have the same
//! entries up to where both are committed. A node whose term is at least that of the leader that committed an entry must
//! not begin a cut with it: every leader that it can follow has the entry (5.4.3). A node of an older term may: it follows
//! an older leader, which need not have it, and it was not counted. The same for the entry after an installed snapshot's
//! last one: whoever has it need not be sent that snapshot, and keeps what follows (figure 13). Within an incarnation a commit index does not go
//! back; after a restart it may, since it is volatile.
//!
//! *Blind spots*: an entry stands for its content by "log-matching": leave that out, and equal index and term are taken
//! for equal entries. What is lost with a disk is no cut. Looks only where logs are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::fact::{Index, LogId};

/// What is committed stays.
#[derive(Default, Debug)]
pub struct CommittedImmutable {
    pub(crate) checks: u64,
}

impl CommittedImmutable {
    /// Its name.
    pub const NAME: &str = "committed-immutable";
    /// In one line.
    pub const ABOUT: &str =
        "nothing else is committed in its place, nobody cuts it, no commit index goes back";

    pub(crate) fn check_commit(&mut self, scene: CheckContext<'_>, index: Index) -> CheckResult {
        let node = scene.node;
        if index < node.commit_index {
            let sentence =
                format!("n{} takes its commit index back from {} to {index}", node.id, node.commit_index);
            return scene.violation(Self::NAME, None, sentence);
        }
        if node.leader_of.is_none() {
            return Ok(());
        }
        let committed = &scene.shadow.committed_log;
        let index = index.min(committed.last().index);
        let (Some(theirs), Some(own)) = (committed.term_at(index), node.log.term_at(index)) else {
            return Ok(());
        };
        // A leader's commit beside its own earlier one says nothing new: it cannot cut in between.
        self.checks += u64::from(scene.shadow.last_committer().is_some_and(|last| last != node.id));
        if own == theirs {
            return Ok(());
        }
        let sentence = format!(
            "n{} commits {} although {} is committed",
            node.id,
            LogId { index, term: own },
            LogId { index, term: theirs }
        );
        scene.violation(Self::NAME, scene.shadow.commit_fact(index), sentence)
    }

    /// The log ends with `after` from now on. What a snapshot replaced up to there is committed itself ("log-matching").
    pub(crate) fn check_truncate(&mut self, scene: CheckContext<'_>, after: Index) -> CheckResult {
        let (node, committed) = (scene.node, &scene.shadow.committed_log);
        let index = after.saturating_add(1);
        let (Some(term), Some(cut)) = (committed.term_at(index), node.log.term_at(index)) else {
            return Ok(());
        };
        let binds = scene.shadow.commit_term(index) <= node.term;
        self.checks += u64::from(binds);
        if term != cut || !binds {
            return Ok(());
        }
        let sentence =
            format!("{} although {} is committed", scene.describe_truncation(after), LogId { index, term });
        scene.violation(Self::NAME, scene.shadow.commit_fact(index), sentence)
    }
}
