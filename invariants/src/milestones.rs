//! Milestones: situations that a meaningful run should reach ("sometimes" assertions).

use crate::contract::TakesEffect;
use crate::fact::{ConfChangeResponse, Configuration, ConfirmedBy, Fact, Index, LogId, Node, Observed, Term};
use crate::state::{ClusterState, Role, ServerState};
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
    LearnerAdded = "learner-added", "a leader committed a new learner";
    VoterRemoved = "voter-removed", "a leader committed the removal of a voter";
    ChangeDone = "change-done", "an operator was told that a change is done";
    ChangeRejected = "change-rejected", "an operator was told that a change was refused";
    ChangeRequestedWhileJoint = "change-requested-while-joint", "an operator asked a server in a joint configuration for a change";
    ElectedWhileJoint = "elected-while-joint", "a leader was elected in a joint configuration";
    ElectedAlone = "elected-alone", "the only voter of a configuration was elected";
    ElectedByEvenGroup = "elected-by-even-group", "a leader was elected by an even number of voters";
    ElectedByBareMajority = "elected-by-bare-majority", "a leader was elected while one voter fewer would have been no quorum";
    ElectedAgain = "elected-again", "a server was elected that had also led the term with the last leader";
    ElectedAfterFailedTerms = "elected-after-failed-terms", "a leader was elected after two or more terms without one";
    ElectedBehindCommits = "elected-behind-commits", "a leader was elected that did not know how far the log is committed";
    ElectedWithUncommitted = "elected-with-uncommitted", "a leader was elected with entries that were not committed";
    OutdatedCandidate = "outdated-candidate", "a server without a committed entry campaigned";
    CampaignedAgainstLeader = "campaigned-against-leader", "a server campaigned while another led";
    CampaignedInARow = "campaigned-in-a-row", "a server was the first to campaign in two terms in a row";
    CandidateCrashed = "candidate-crashed", "a candidate crashed or lost power";
    VotedAfterRestart = "voted-after-restart", "a server that had restarted granted a vote";
    VotedForLongerLog = "voted-for-longer-log", "a server voted for a candidate with a more recent log than its own";
    TermSkipped = "term-skipped", "a server's term rose by two or more at once";
    DurableTruncated = "durable-truncated", "a server removed entries that were durable";
    AcknowledgedTruncated = "acknowledged-truncated", "a server removed entries that it had acknowledged to an earlier leader";
    ManyTruncated = "many-truncated", "a server removed five or more entries at once";
    ConfigurationTruncated = "configuration-truncated", "a server removed an entry that carries a configuration";
    CrashedWithUnsynced = "crashed-with-unsynced", "a server crashed or lost power with entries that were not durable";
    CrashedWhileJoint = "crashed-while-joint", "a server crashed or lost power in a joint configuration";
    MajorityDown = "majority-down", "so many servers were down that no quorum was left";
    AllDown = "all-down", "no server was up";
    RestartedBehind = "restarted-behind", "a server restarted without entries that are committed";
    CommittedMany = "committed-many", "a leader committed ten or more entries at once";
    CommittedWhileJoint = "committed-while-joint", "a leader committed entries in a joint configuration";
    FarBehindCaughtUp = "far-behind-caught-up", "an acknowledgement covers twenty more entries than the one before";
    SnapshotOfJoint = "snapshot-of-joint", "a server took a snapshot with a joint configuration";
    SnapshotOnEmptyLog = "snapshot-on-empty-log", "a leader's snapshot reached a server without a log";
    SnapshotOfOtherGroup = "snapshot-of-other-group", "a leader's snapshot brought a configuration that the server did not know";
    ReadConfirmedByRound = "read-confirmed-by-round", "a leader confirmed a read by answers of a quorum";
    ReadConfirmedWhileJoint = "read-confirmed-while-joint", "a leader confirmed a read in a joint configuration";
    ReadConfirmedByStaleLeader = "read-confirmed-by-stale-leader", "a leader confirmed a read after another leader of a higher term was elected";
    ReadServedByFollower = "read-served-by-follower", "a server that does not lead served a read";
}

/// So many entries committed at once are many.
const MANY_COMMITTED: Index = 10;
/// So many entries removed at once are many.
const MANY_TRUNCATED: Index = 5;
/// A follower that misses so many entries is far behind.
const FAR_BEHIND: Index = 20;

/// How far the log is known to be committed.
fn committed_up_to(cluster: &ClusterState) -> Index {
    cluster.committed_log.last().index
}

/// Whether a log that ends with `one` is more recent than one that ends with `other` (paper, 5.4.1).
fn is_more_recent(one: LogId, other: LogId) -> bool {
    (one.term, one.index) > (other.term, other.index)
}

fn is_joint(node: &ServerState) -> bool {
    node.configuration().is_some_and(Configuration::is_joint)
}

/// How often each milestone was reached.
#[derive(Debug)]
pub struct Milestones {
    counts: [u64; Milestone::ALL.len()],
    /// For each term, the first candidate and whether a second one was counted.
    campaigns: BTreeMap<Term, (u64, bool)>,
    /// The servers that lost power and have not restarted, each with the last entry that it had.
    power_lost: BTreeMap<u64, LogId>,
    /// Number of servers that run.
    up: usize,
    /// Of a system whose configurations take effect when applied: changes up to this index were counted.
    changes_counted: Index,
}

impl Default for Milestones {
    fn default() -> Self {
        Milestones {
            counts: [0; Milestone::ALL.len()],
            campaigns: BTreeMap::new(),
            power_lost: BTreeMap::new(),
            up: 0,
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
                self.count_election(cluster, node, term);
            }
            Fact::TermChanged { term } => {
                self.count_if(TermSkipped, node.term.is_some_and(|before| before.saturating_add(1) < term));
            }
            Fact::Voted { candidate, .. } => {
                self.count_if(VotedAfterRestart, node.incarnation > 1);
                let longer = cluster.server(candidate).map(|candidate| candidate.log.last());
                let is_longer = longer.is_some_and(|last| is_more_recent(last, node.log.last()));
                self.count_if(VotedForLongerLog, is_longer);
            }
            Fact::Acknowledged { term, index } => {
                let before = node.furthest_ack.as_ref().filter(|ack| ack.term == term);
                self.count_if(
                    FarBehindCaughtUp,
                    before.is_some_and(|ack| ack.index.saturating_add(FAR_BEHIND) <= index),
                );
            }
            Fact::ChangeRequested { .. } => {
                self.count_if(ChangeRequestedWhileJoint, is_joint(node));
            }
            Fact::ChangeAnswered { answer, .. } => {
                self.count_if(ChangeDone, answer == ConfChangeResponse::Done);
                self.count_if(ChangeRejected, answer == ConfChangeResponse::Rejected);
            }
            Fact::ReadConfirmed { term, by, .. } => {
                self.count_if(ReadConfirmedByRound, by == ConfirmedBy::Round);
                self.count_if(ReadConfirmedWhileJoint, is_joint(node));
                let newest = cluster.leaderships.newest_term();
                self.count_if(ReadConfirmedByStaleLeader, newest.is_some_and(|newest| newest > term));
            }
            Fact::SteppedDown { .. } => self.count_if(LeaderSteppedDown, true),
            Fact::Crashed => self.count_crash(cluster, node),
            Fact::PowerLost => {
                self.count_crash(cluster, node);
                self.power_lost.insert(node.id, node.log.last());
            }
            Fact::Started { base, last, .. } => {
                self.up += usize::from(node.role == Role::Down);
                self.count_if(RestartedFromSnapshot, base.index > 0);
                self.count_if(RestartedBehind, node.incarnation > 0 && last.index < committed_up_to(cluster));
                self.count_start(node, last);
            }
            Fact::SnapshotTaken { ref configuration, .. } => {
                self.count_if(SnapshotTaken, true);
                self.count_if(SnapshotOfJoint, configuration.is_joint());
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                self.count_if(SnapshotInstalled, true);
                self.count_if(SnapshotOnEmptyLog, node.log.last().index == 0);
                let known = node.configuration();
                self.count_if(
                    SnapshotOfOtherGroup,
                    known.is_some_and(|it| !it.has_same_members(configuration)),
                );
                let own = node.log.term_at(last.index.min(node.log.last().index));
                let committed = cluster.committed_log.term_at(last.index.min(node.log.last().index));
                self.count_if(SnapshotReplacedConflict, committed.is_some() && own != committed);
            }
            Fact::Wiped => {
                self.count_if(DiskWiped, true);
                self.power_lost.remove(&node.id);
            }
            Fact::Campaigned { term } => {
                self.count_campaign(cluster, node, term);
                let first = self.campaigns.entry(term).or_insert((node.id, false));
                let second = first.0 != node.id && !first.1;
                first.1 |= second;
                self.count_if(SplitVote, second);
            }
            Fact::Truncated { after } => self.count_truncation(node, after),
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
            Fact::ReadServed { .. } => {
                self.count_if(ReadServed, true);
                self.count_if(ReadServedByFollower, node.leading_term().is_none());
            }
            _ => {}
        }
    }

    /// Counts an election, before the winner is known to lead.
    fn count_election(&mut self, cluster: &ClusterState, node: &ServerState, term: Term) {
        use Milestone::*;
        let last_leader = cluster.leaderships.newest_term();
        self.count_if(ElectedAfterFailedTerms, term.saturating_sub(last_leader.unwrap_or(0)) > 2);
        let led_last = last_leader.and_then(|term| cluster.leaderships.get(term));
        self.count_if(ElectedAgain, led_last.is_some_and(|leadership| leadership.origin.node == node.id));
        let committed = committed_up_to(cluster);
        self.count_if(ElectedBehindCommits, node.known_committed() < committed);
        self.count_if(ElectedWithUncommitted, node.log.last().index > committed);
        let Some(configuration) = node.configuration() else { return };
        self.count_if(ElectedWhileJoint, configuration.is_joint());
        let is_plain = !configuration.is_joint();
        self.count_if(ElectedAlone, is_plain && configuration.voters == [node.id]);
        self.count_if(ElectedByEvenGroup, is_plain && configuration.voters.len() % 2 == 0);
        let is_up = |voter: Node| cluster.server(voter).is_some_and(|server| server.role != Role::Down);
        let is_bare = |half: &[Node]| {
            let up = half.iter().filter(|voter| is_up(**voter)).count();
            half.len() > 1 && up == half.len() / 2 + 1
        };
        self.count_if(ElectedByBareMajority, configuration.halves().any(is_bare));
    }

    fn count_campaign(&mut self, cluster: &ClusterState, node: &ServerState, term: Term) {
        use Milestone::*;
        let committed = cluster.committed_log.last();
        self.count_if(OutdatedCandidate, committed.index > 0 && !node.log.contains(committed));
        self.count_if(CampaignedAgainstLeader, cluster.leaderships.has_other_below(term, node.id));
        let before = term.checked_sub(1).and_then(|before| self.campaigns.get(&before));
        self.count_if(CampaignedInARow, before.is_some_and(|(first, _)| *first == node.id));
    }

    /// Counts a crash or a power loss. A server that is down loses power, too.
    fn count_crash(&mut self, cluster: &ClusterState, node: &ServerState) {
        use Milestone::*;
        if node.role == Role::Down {
            return;
        }
        self.count_if(LeaderCrashed, node.leading_term().is_some());
        self.count_if(CandidateCrashed, node.role == Role::Candidate);
        self.count_if(CrashedWhileJoint, is_joint(node));
        let is_synced = !cluster.disk_facts_seen || node.durable.log.last().index >= node.log.last().index;
        self.count_if(CrashedWithUnsynced, !is_synced);
        self.up = self.up.saturating_sub(1);
        self.count_if(AllDown, self.up == 0);
        let is_up = |voter: Node| {
            voter != node.id && cluster.server(voter).is_some_and(|server| server.role != Role::Down)
        };
        self.count_if(MajorityDown, node.configuration().is_some_and(|it| !it.is_quorum(is_up)));
    }

    fn count_truncation(&mut self, node: &ServerState, after: Index) {
        use Milestone::*;
        let last = node.log.last().index;
        self.count_if(LogTruncated, after < last);
        self.count_if(ManyTruncated, after.saturating_add(MANY_TRUNCATED) <= last);
        self.count_if(DurableTruncated, after < node.durable.log.last().index.min(last));
        let acknowledged = node.furthest_ack.as_ref().map_or(0, |ack| ack.index);
        self.count_if(AcknowledgedTruncated, after < acknowledged.min(last));
        let carries_configuration = node.configurations_between(after, last).next().is_some();
        self.count_if(ConfigurationTruncated, carries_configuration);
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
        self.count_if(LearnerAdded, next.learners.iter().any(|learner| !before.has(*learner)));
        self.count_if(VoterRemoved, before.voters.iter().any(|voter| !next.has(*voter)));
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
        self.count_if(CommittedMany, index.saturating_sub(next) >= MANY_COMMITTED - 1);
        self.count_if(CommittedWhileJoint, index >= next && is_joint(node));
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
