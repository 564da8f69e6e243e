//! **Committed on a quorum**: an entry that a leader commits is durable on a majority.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (servers update stable storage before they respond); joint configurations:
//! 6; a leader need not wait for its own disk: thesis, 10.2.1; TLA+: `QuorumLogInv` (etcd),
//! `CommittedEntriesReachMajority` (Vanlightly). *Facts*: `Committed`, `Leads`, `Saved`, `SavedEntry`,
//! `SavedSnapshot`, `SavedRecovered`, `Configured`.
//!
//! *Check*: when the leader of term t commits index i, a majority of the voters (of each half while joint) of the
//! configuration in force in its log must have had an entry of term t at i or later on disk at *some* time: by log
//! matching such a disk held the whole log up to i. A snapshot counts for the entries that it covers. The past counts
//! because an acknowledgement outlives a wipe or an overwrite. The leader is a voter like the others: it may commit
//! before its own sync if the others suffice.
//!
//! *Blind spots*: commits of older terms' entries (see `current-term-commit`). Checks only where disks and
//! configurations are stated.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::{Conflict, NodeList};
use crate::fact::{Index, LogId, Term};

/// What a leader commits is durable on a majority.
#[derive(Default, Debug)]
pub struct CommittedOnQuorum {
    pub(crate) checks: u64,
}

impl CommittedOnQuorum {
    /// The name.
    pub const NAME: &str = "committed-on-quorum";
    /// What must hold, in one line.
    pub const ABOUT: &str = "what a leader commits has been durable on a majority of the voters";

    pub(crate) fn check_leader_commit(
        &mut self,
        context: CheckContext<'_>,
        led: Term,
        index: Index,
    ) -> CheckResult {
        let (cluster, node) = (context.cluster, context.node);
        // Entries that were known to be committed before the election were committed by another leader.
        if !cluster.disk_facts_seen || index <= node.known_committed() || node.log.term_at(index) != Some(led)
        {
            return Ok(());
        }
        let Some(configuration) = node.configuration() else { return Ok(()) };
        let durable = |voter| cluster.server(voter).is_some_and(|voter| voter.ever_durable(led) >= index);
        self.checks += 1;
        if configuration.is_quorum(durable) {
            return Ok(());
        }
        let durable = cluster.servers().iter().map(|node| node.id).filter(|&node| durable(node)).collect();
        let conflict = Conflict::CommittedWithoutQuorum {
            node: node.id,
            entry: LogId { index, term: led },
            durable: NodeList(durable),
            configuration: configuration.clone(),
        };
        context.violation(Self::NAME, None, conflict)
    }
}
