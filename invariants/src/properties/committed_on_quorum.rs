//! **A commit has a durable quorum**: what a leader commits is on the disks of a majority.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (servers update storage before they answer); joint configurations: 6; a leader
//! that need not wait for its own disk: thesis, 10.2.1. *Facts*: `Committed`, `Leads`, `Saved`, `SavedEntry`,
//! `SavedSnapshot`, `SavedRecovered`, `Configured`.
//!
//! *Reading*: at the commit of index i by the leader of term t, a majority of the voters (of each half while joint) in the
//! configuration in force in the leader's log must *ever* have had an entry of term t at i or later on disk: by log
//! matching such a disk had the whole log up to i. A snapshot stands for the log that it covers. Ever, because an
//! acknowledgement outlives a wipe or an overwrite of what it was given for. The leader is a voter like the others: it may
//! commit before its own disk if the others suffice.
//!
//! *Blind spots*: commits of an older term's entry are the business of "current-term-commit". Looks only where disks and
//! configurations are stated.

use crate::check_context::{CheckContext, CheckResult, format_nodes};
use crate::fact::{Index, LogId, Term};

/// What a leader commits is on the disks of a majority.
#[derive(Default, Debug)]
pub struct CommittedOnQuorum {
    pub(crate) checks: u64,
}

impl CommittedOnQuorum {
    /// Its name.
    pub const NAME: &str = "committed-on-quorum";
    /// In one line.
    pub const ABOUT: &str = "what a leader commits has been durable on a majority of the voters";

    pub(crate) fn check_leader_commit(
        &mut self,
        scene: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        let (shadow, node) = (scene.shadow, scene.node);
        // What it knew to be committed before it was elected was committed by another.
        if !shadow.disk_facts_seen || index <= node.commit_index || node.log.term_at(index) != Some(led) {
            return Ok(());
        }
        let Some(configuration) = node.configuration() else { return Ok(()) };
        let durable = |voter| shadow.node(voter).is_some_and(|voter| voter.ever_durable(led) >= index);
        self.checks += 1;
        if configuration.is_quorum(durable) {
            return Ok(());
        }
        let sentence = format!(
            "n{} commits {} which was durable on {}, and that is no majority of {configuration}",
            node.id,
            LogId { index, term: led },
            format_nodes(shadow.nodes().iter().map(|node| node.id).filter(|&node| durable(node)))
        );
        scene.violation(Self::NAME, None, sentence)
    }
}
