//! **Leader counts**: a leader counts a follower only for what it has acknowledged and has had on disk.
//!
//! *Source*: Raft paper, 5.3 and figure 2 (`matchIndex`: "index of highest log entry known to be replicated on server,
//! initialized to 0, increases monotonically"); replicas of one server: KIP-853. *Facts*: `Counts`, `Acknowledged`,
//! `EntriesSent`, `Identified`, `Leads`, `Appended`, `Configured`, the disk's `Saved...`.
//!
//! *Check*: when the leader of term t counts a follower up to index i,
//!
//! - it has not counted that replica further before, in this leadership and while the follower was a member;
//! - the replica with this identity has acknowledged i or more in t, at some time;
//! - the follower's disk has held the leader's entry at i at some time, or a snapshot that covers it: an entry of the same
//!   term there or later, by log matching. Only where disks are stated.
//!
//! Where the system promises it (`Contract::sends_only_missing`), a leader sends no entry for which it counts the replica
//! already: no late rejection moves `nextIndex` to `matchIndex` or below.
//!
//! Allowed: what the follower has lost since, with its disk or its power, because the leader cannot know. A follower that
//! was removed and added again is counted anew.
//!
//! *Blind spots*: what a leader counts and does not state. A follower that has stated nothing is not judged. Replicas of one
//! server are told apart only where disks have an identity.

use crate::check_context::{CheckContext, CheckResult};
use crate::conflict::Conflict;
use crate::fact::{Configuration, Index, LogId, Node, Term};
use std::collections::BTreeMap;

/// A follower, and the identity of its disk.
type Replica = (Node, u64);

/// A leader counts a follower only for what it has acknowledged and has had on disk.
#[derive(Default, Debug)]
pub struct LeaderCounts {
    pub(crate) checks: u64,
    /// Up to which index each leader has counted each of its followers.
    counted: BTreeMap<Node, BTreeMap<Replica, Index>>,
}

impl LeaderCounts {
    /// The name.
    pub const NAME: &str = "leader-counts";
    /// What must hold, in one line.
    pub const ABOUT: &str =
        "a leader counts a follower only for what it has acknowledged and has had on disk";

    pub(crate) fn record_leader(&mut self, context: CheckContext<'_>) -> CheckResult {
        if let Some(counted) = self.counted.get_mut(&context.node.id) {
            counted.clear();
        }
        Ok(())
    }

    /// A follower that is no member any more is counted anew when it returns.
    pub(crate) fn record_configuration(
        &mut self,
        context: CheckContext<'_>,
        configuration: &Configuration,
    ) -> CheckResult {
        if let Some(counted) = self.counted.get_mut(&context.node.id) {
            counted.retain(|&(follower, _), _| configuration.has(follower));
        }
        Ok(())
    }

    /// Up to which index a leader counts a follower.
    pub(crate) fn counted_up_to(&self, leader: Node, follower: Node) -> Index {
        let counted = self.counted.get(&leader).into_iter().flatten();
        counted.filter(|((node, _), _)| *node == follower).map(|(_, index)| *index).max().unwrap_or(0)
    }

    pub(crate) fn check_count(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        replica: Replica,
        index: Index,
    ) -> CheckResult {
        let (node, (follower, identity)) = (context.node.id, replica);
        let known = self.counted.entry(node).or_default().entry(replica).or_default();
        let from = std::mem::replace(known, index);
        self.checks += 1;
        if index < from {
            let conflict = Conflict::CountLowered { node, term, follower, from, to: index };
            return context.violation(Self::NAME, None, conflict);
        }
        let Some(counted) = context.cluster.server(follower) else { return Ok(()) };
        let acked = counted.answers.acked(term, identity);
        if index > acked {
            let conflict = Conflict::CountedUnacknowledged { node, term, follower, index, acked };
            return context.violation(Self::NAME, None, conflict);
        }
        match context.node.term_at(index) {
            Some(entry_term)
                if context.cluster.disk_facts_seen && counted.ever_durable(entry_term) < index =>
            {
                let entry = LogId { index, term: entry_term };
                let conflict = Conflict::CountedNotDurable { node, term, follower, entry };
                context.violation(Self::NAME, None, conflict)
            }
            _ => Ok(()),
        }
    }
    /// A leader sends entries from `first` on.
    pub(crate) fn check_sent(
        &mut self,
        context: CheckContext<'_>,
        term: Term,
        replica: Replica,
        first: Index,
    ) -> CheckResult {
        if !context.cluster.contract.sends_only_missing {
            return Ok(());
        }
        let counted = self.counted.get(&context.node.id).and_then(|counted| counted.get(&replica));
        self.checks += 1;
        match counted {
            Some(&counted) if 0 < first && first <= counted => {
                let (node, follower) = (context.node.id, replica.0);
                let conflict = Conflict::CountedSentAgain { node, term, follower, first, counted };
                context.violation(Self::NAME, None, conflict)
            }
            _ => Ok(()),
        }
    }
}
