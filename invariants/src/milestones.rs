//! Milestones: situations that a meaningful run should reach ("sometimes" assertions).

use crate::contract::TakesEffect;
use crate::fact::{Configuration, Fact, Index, LogId, Observed, Term};
use crate::state::{ClusterState, ServerState};
use std::collections::BTreeMap;

macro_rules! milestones {
    ($($milestone:ident = $name:literal, $about:literal;)+) => {
        /// A situation, counted each time it is reached.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Milestone {
            $(#[doc = $about] $milestone,)+
        }

        impl Milestone {
            /// All milestones, in the order of their counts.
            pub const ALL: &[Milestone] = &[$(Milestone::$milestone,)+];

            /// The name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Milestone::$milestone => $name,)+ }
            }

            /// What it counts, in one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Milestone::$milestone => $about,)+ }
            }
        }
    };
}

milestones! {
    LeaderElected = "leader-elected", "a leader was elected";
    LeaderSteppedDown = "leader-stepped-down", "a leader stepped down";
    LeaderCrashed = "leader-crashed", "a leader crashed or lost power";
    RestartedNodeElected = "restarted-node-elected", "a server was elected after a restart";
    TwoLeadersAtOnce = "two-leaders-at-once", "a leader was elected while another, of a lower term, still led";
    SplitVote = "split-vote", "two servers campaigned in one term";
    LogTruncated = "log-truncated", "a server removed entries from the end of its log";
    RestartedWithLog = "restarted-with-log", "a server restarted with a log";
    UnsyncedTailLost = "unsynced-tail-lost", "a server restarted after a power loss without entries that it had";
    UnsyncedTailSurvived = "unsynced-tail-survived", "a server restarted with entries that were not known to be durable";
    SnapshotTaken = "snapshot-taken", "a server took a snapshot of its application";
    SnapshotInstalled = "snapshot-installed", "a leader's snapshot replaced a server's log";
    SnapshotReplacedConflict = "snapshot-replaced-conflict", "a leader's snapshot replaced a log whose entries conflict with it";
    RestartedFromSnapshot = "restarted-from-snapshot", "a server restarted from a snapshot";
    DiskWiped = "disk-wiped", "a server's disk was wiped";
    PriorTermCommitted = "prior-term-committed", "a leader committed entries of older terms along with one of its own";
    CommittedBeforeLocalSync = "committed-before-local-sync", "a leader committed an entry that was not yet durable on its own disk";
    StaleLeaderCommitted = "stale-leader-committed", "a leader committed after another leader of a higher term was elected";
    RetryDeduplicated = "retry-deduplicated", "a retry was answered from the session table";
    WriteAcknowledged = "write-acknowledged", "a client saw its write acknowledged";
    ReadServed = "read-served", "a read was served";
    JointEntered = "joint-entered", "a leader committed a joint configuration";
    JointLeft = "joint-left", "a leader committed the end of a joint configuration";
    LearnerPromoted = "learner-promoted", "a leader committed the promotion of a learner to a voter";
    LeaderRemoved = "leader-removed", "a leader committed its own removal";
}

/// How often each milestone was reached.
#[derive(Debug)]
pub struct Milestones {
    counts: [u64; Milestone::ALL.len()],
    /// For each term, the first candidate and whether a second one was counted.
    campaigns: BTreeMap<Term, (u64, bool)>,
    /// The servers that lost power and have not restarted, each with the last entry that it had.
    power_lost: BTreeMap<u64, LogId>,
    /// Of a system whose configurations take effect when applied: changes up to this index were counted.
    changes_counted: Index,
}

impl Default for Milestones {
    fn default() -> Self {
        Milestones {
            counts: [0; Milestone::ALL.len()],
            campaigns: BTreeMap::new(),
            power_lost: BTreeMap::new(),
            changes_counted: 0,
        }
    }
}

impl Milestones {
    /// How often this milestone was reached.
    #[must_use]
    pub fn count(&self, milestone: Milestone) -> u64 {
        self.counts[milestone as usize]
    }

    /// All milestones with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Milestone, u64)> + '_ {
        Milestone::ALL.iter().map(|&milestone| (milestone, self.count(milestone)))
    }

    fn count_if(&mut self, milestone: Milestone, condition: bool) {
        self.counts[milestone as usize] += u64::from(condition);
    }

    /// Counts a client's fact.
    pub(crate) fn record_client_fact(&mut self, observed: &Observed) {
        self.count_if(Milestone::WriteAcknowledged, matches!(observed.fact, Fact::WriteAcknowledged { .. }));
    }

    /// Counts a server's fact, before it is applied to the state of the cluster.
    pub(crate) fn record_server_fact(
        &mut self,
        cluster: &ClusterState,
        node: &ServerState,
        observed: &Observed,
    ) {
        use Milestone::*;
        match observed.fact {
            Fact::Leads { term } => {
                self.count_if(LeaderElected, true);
                self.count_if(RestartedNodeElected, node.incarnation > 1);
                self.count_if(TwoLeadersAtOnce, cluster.leaderships.has_other_below(term, node.id));
            }
            Fact::SteppedDown { .. } => self.count_if(LeaderSteppedDown, true),
            Fact::Crashed => self.count_if(LeaderCrashed, node.leading_term().is_some()),
            Fact::PowerLost => {
                self.count_if(LeaderCrashed, node.leading_term().is_some());
                self.power_lost.insert(node.id, node.log.last());
            }
            Fact::Started { base, last, .. } => {
                self.count_if(RestartedFromSnapshot, base.index > 0);
                self.count_start(node, last);
            }
            Fact::SnapshotTaken { .. } => self.count_if(SnapshotTaken, true),
            Fact::SnapshotInstalled { last, .. } => {
                self.count_if(SnapshotInstalled, true);
                let own = node.log.term_at(last.index.min(node.log.last().index));
                let committed = cluster.committed_log.term_at(last.index.min(node.log.last().index));
                self.count_if(SnapshotReplacedConflict, committed.is_some() && own != committed);
            }
            Fact::Wiped => {
                self.count_if(DiskWiped, true);
                self.power_lost.remove(&node.id);
            }
            Fact::Campaigned { term } => {
                let first = self.campaigns.entry(term).or_insert((node.id, false));
                let second = first.0 != node.id && !first.1;
                first.1 |= second;
                self.count_if(SplitVote, second);
            }
            Fact::Truncated { after } => self.count_if(LogTruncated, after < node.log.last().index),
            Fact::Committed { index } => {
                if let Some(led) = node.leading_term() {
                    self.count_commit(cluster, node, led, index);
                }
            }
            Fact::Applied { effect, request, .. } => {
                self.count_if(RetryDeduplicated, !effect && request.is_some())
            }
            Fact::Configured { index, ref configuration } => {
                self.count_applied_change(cluster, node, index, configuration);
            }
            Fact::ReadServed { .. } => self.count_if(ReadServed, true),
            _ => {}
        }
    }

    /// Counts a change that took effect when it was applied: on the first leader that applies it.
    fn count_applied_change(
        &mut self,
        cluster: &ClusterState,
        node: &ServerState,
        index: Index,
        next: &Configuration,
    ) {
        if cluster.contract.configurations == TakesEffect::Applied
            && index > self.changes_counted
            && node.leading_term().is_some()
            && let Some(before) = node.configuration()
        {
            self.changes_counted = index;
            self.count_membership_change(node.id, before, next);
        }
    }

    fn count_membership_change(&mut self, leader: u64, before: &Configuration, next: &Configuration) {
        use Milestone::*;
        self.count_if(JointEntered, !before.is_joint() && next.is_joint());
        self.count_if(JointLeft, before.is_joint() && !next.is_joint());
        self.count_if(LearnerPromoted, before.learners.iter().any(|learner| next.voters.contains(learner)));
        self.count_if(LeaderRemoved, before.has(leader) && !next.has(leader));
    }

    fn count_start(&mut self, node: &ServerState, last: LogId) {
        use Milestone::*;
        self.count_if(RestartedWithLog, last.index > 0);
        self.count_if(UnsyncedTailSurvived, !node.durable.log.contains(last));
        if let Some(had) = self.power_lost.remove(&node.id) {
            self.count_if(UnsyncedTailLost, last.index < had.index);
        }
    }

    fn count_commit(&mut self, cluster: &ClusterState, node: &ServerState, led: Term, index: u64) {
        use Milestone::*;
        let next = cluster.committed_log.last().index + 1;
        let first = node.log.term_at(next).filter(|_| next < index);
        self.count_if(PriorTermCommitted, first.is_some_and(|term| term < led));
        self.count_if(CommittedBeforeLocalSync, cluster.disk_facts_seen && node.ever_durable(led) < index);
        let newest_leader_term = cluster.leaderships.newest_term();
        self.count_if(StaleLeaderCommitted, newest_leader_term.is_some_and(|term| term > led));
        // Changes that others committed earlier were counted then; a change that is truncated first never was one.
        for (before, next) in node.configuration_changes(cluster.committed_log.last().index, index) {
            self.count_membership_change(node.id, before, next);
        }
    }
}
