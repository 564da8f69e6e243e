//! The index of load-bearing lines: each bug is what breaks without one of them.
//!
//! With the feature `bugs` one of them can be switched on, and its line no longer holds. Without the feature the switch
//! does not exist in the machine code. `first` and `consequence` were written down before the bug was first run.
//!
//! [`bugs!`](crate::bugs) declares such an index: a row per bug, from which the enum, the lists and the documentation
//! come. What stands around the core (its host, the application, a foreign system) declares its own bugs with it.

/// What is known of a bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BugInfo {
    /// The name that switches it on.
    pub name: &'static str,
    /// Its short name in catalogues of Raft bugs.
    pub id: &'static str,
    /// Where the line stands: its file and, where there is one, the section of the paper or thesis.
    pub at: &'static str,
    /// What happens without the line.
    pub breaks: &'static str,
    /// The property that must notice it first.
    pub first: &'static str,
    /// What a user would suffer.
    pub consequence: &'static str,
}

/// Declares an index of bugs: an enum with a variant per row, `ALL` and `info`.
#[macro_export]
macro_rules! bugs {
    (
        $(#[$meta:meta])*
        pub enum $Bug:ident {
            $($Variant:ident {
                id: $id:literal, name: $name:literal, at: $at:literal,
                breaks: $breaks:literal,
                first: $first:literal,
                consequence: $consequence:literal,
            })+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $Bug {
            $(#[doc = concat!($breaks, " (", $at, ").")] $Variant,)+
        }

        impl $Bug {
            /// All of them, in the order of their declaration.
            pub const ALL: &[$Bug] = &[$($Bug::$Variant,)+];

            /// What is known of it.
            #[must_use]
            pub const fn info(self) -> &'static $crate::bug::BugInfo {
                match self {
                    $($Bug::$Variant => &$crate::bug::BugInfo {
                        name: $name,
                        id: $id,
                        at: $at,
                        breaks: $breaks,
                        first: $first,
                        consequence: $consequence,
                    },)+
                }
            }

            /// The bug of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<$Bug> {
                $Bug::ALL.iter().copied().find(|bug| bug.info().name == name)
            }
        }
    };
}

bugs! {
    /// A line that safety stands on, by what happens without it.
    pub enum Bug {
        VoteReplyBeforeSync {
            id: "E01", name: "vote-reply-before-sync", at: "saves.rs",
            breaks: "A granted vote leaves before it is durable",
            first: "persist-before-reply",
            consequence: "after a loss of power the node votes again in the same term: two leaders, writes lost",
        }
        VoteClearedSameTerm {
            id: "E04", name: "vote-cleared-same-term", at: "election.rs",
            breaks: "Following a leader forgets the vote of the same term",
            first: "one-vote-per-term",
            consequence: "two leaders in one term: two different entries at one index, writes lost",
        }
        StaleVoteResponseCounted {
            id: "E06", name: "stale-vote-response-counted", at: "election.rs",
            breaks: "A grant for an earlier candidacy counts in this one",
            first: "elected-by-quorum",
            consequence: "two leaders in one term: two different entries at one index, writes lost",
        }
        LogRecencyIndexOnly {
            id: "E07", name: "log-recency-index-only", at: "election.rs, 5.4.1",
            breaks: "A longer log wins votes, whatever its last term",
            first: "leader-completeness",
            consequence: "a leader without a committed entry overwrites it: an acknowledged write is lost",
        }
        TruncateOnMatchingAe {
            id: "R01", name: "truncate-on-matching-ae", at: "replication.rs, 5.3",
            breaks: "An `AppendEntries` that fits cuts what it does not mention",
            first: "acked-immutable",
            consequence: "a late message deletes acknowledged entries: an acknowledged write is lost with the next leader",
        }
        NoTruncateOnConflict {
            id: "R02", name: "no-truncate-on-conflict", at: "replication.rs, 5.3",
            breaks: "Entries that stand in conflict are kept",
            first: "persist-before-reply",
            consequence: "replicas apply different commands at one index and drift apart for ever",
        }
        MatchFromSentIndex {
            id: "R05", name: "match-from-sent-index", at: "replication.rs",
            breaks: "Any success counts for everything that was sent",
            first: "committed-on-quorum",
            consequence: "a write is acknowledged that only one server has: lost with that server",
        }
        CommitPriorTermByCount {
            id: "C01", name: "commit-prior-term-by-count", at: "replication.rs, 5.4.2, figure 8",
            breaks: "An entry of an earlier term commits by being counted",
            first: "current-term-commit",
            consequence: "an acknowledged write is overwritten by a later leader (figure 8)",
        }
        CommitPastVerifiedPrefix {
            id: "C02", name: "commit-past-verified-prefix", at: "replication.rs, 5.3",
            breaks: "A follower commits what the leader has not yet compared",
            first: "follower-commit-safety",
            consequence: "a follower applies its own stale entries: replicas drift apart",
        }
        FollowerAckBeforeSync {
            id: "P01", name: "follower-ack-before-sync", at: "saves.rs",
            breaks: "A follower acknowledges what is not yet durable",
            first: "persist-before-reply",
            consequence: "an acknowledged write is lost when the power of a majority fails",
        }
        LeaderLocalRead {
            id: "D01", name: "leader-local-read", at: "read.rs, 8",
            breaks: "A leader answers reads without asking whether it still leads",
            first: "read-safety",
            consequence: "a deposed leader answers reads from the past",
        }
        NonvoterCampaigns {
            id: "M10", name: "nonvoter-campaigns", at: "election.rs, thesis 4.2.2",
            breaks: "A server that does not vote campaigns",
            first: "membership-safety",
            consequence: "a removed server disturbs the group for ever",
        }
        ConfigChangeBeforeOwnTermCommit {
            id: "M01", name: "config-change-before-own-term-commit", at: "change.rs, thesis 4.1 as amended",
            breaks: "A leader changes the group before an entry of its own term is committed",
            first: "membership-safety",
            consequence: "two leaders with majorities that do not overlap: an acknowledged write is lost",
        }
        OverlappingConfigChanges {
            id: "M02", name: "overlapping-config-changes", at: "change.rs, 6",
            breaks: "A change begins before the one before it is committed",
            first: "membership-safety",
            consequence: "two leaders with majorities that do not overlap: an acknowledged write is lost",
        }
        SelfVoteAfterRv {
            id: "E02", name: "self-vote-after-rv", at: "saves.rs",
            breaks: "A candidate asks for votes before its own vote is durable",
            first: "persist-before-reply",
            consequence: "after a loss of power the candidate leads the same term twice, or votes for another: writes lost",
        }
        AckReportsOwnLastIndex {
            id: "R04", name: "ack-reports-own-last-index", at: "replication.rs",
            breaks: "A follower acknowledges all that it has, compared or not",
            first: "persist-before-reply",
            consequence: "a stale tail counts as a copy of what it is not: an acknowledged write is lost",
        }
        CommitIndexRegress {
            id: "C04", name: "commit-index-regress", at: "replication.rs, figure 2",
            breaks: "A follower takes the leader's commit index even where it is lower",
            first: "committed-immutable",
            consequence: "a server that has answered from a state serves an older one later",
        }
        ReadindexBeforeOwnTermCommit {
            id: "D02", name: "readindex-before-own-term-commit", at: "read.rs, 8",
            breaks: "A new leader serves reads before it has committed anything in its term",
            first: "read-safety",
            consequence: "a read right after an election misses an acknowledged write",
        }
        JointCommitOneSide {
            id: "M06", name: "joint-commit-one-side", at: "replication.rs, 6",
            breaks: "While joint, the new half alone commits",
            first: "committed-on-quorum",
            consequence: "the old half elects a leader without an acknowledged write, which is lost",
        }
        JointLeftBeforeCommit {
            id: "M07", name: "joint-left-before-commit", at: "change.rs, 6",
            breaks: "The joint phase is left before it is committed",
            first: "membership-safety",
            consequence: "the old and the new voters elect a leader each: writes lost",
        }
        LearnerCountedInQuorum {
            id: "M09", name: "learner-counted-in-quorum", at: "replication.rs, thesis 4.2.1",
            breaks: "Learners count as if they voted",
            first: "committed-on-quorum",
            consequence: "a write is acknowledged that no majority of voters has: lost with the next leader",
        }
        TermAdoptedNotDurable {
            id: "E03", name: "term-adopted-not-durable", at: "raft.rs",
            breaks: "A term that was learnt is saved only with the next vote or entry",
            first: "persist-before-reply",
            consequence: "after a restart the node serves an older leader and cuts what a newer one has committed",
        }
        VoteRuleInsideLease {
            id: "E10", name: "vote-rule-inside-lease", at: "election.rs, thesis 6.4.1",
            breaks: "A voter that hears a leader helps to depose it all the same",
            first: "read-safety",
            consequence: "a read by lease misses what a new leader has written",
        }
        MissingPrevTermReadsAsZero {
            id: "R11", name: "missing-prev-term-reads-as-zero", at: "replication.rs, 5.3",
            breaks: "The term of an entry that is gone reads as 0, and 0 fits everywhere",
            first: "follower-commit-safety",
            consequence: "a follower acknowledges entries that it does not have: an acknowledged write is lost",
        }
        ApplyBeforeLocalDurable {
            id: "C06", name: "apply-before-local-durable", at: "replication.rs, raft.rs",
            breaks: "A leader counts and applies what its own disk does not have",
            first: "committed-on-quorum",
            consequence: "alone in its group, a server acknowledges a write and loses it with the power",
        }
        InstallDropsAckedSuffix {
            id: "N01", name: "install-drops-acked-suffix", at: "install.rs, figure 13",
            breaks: "A snapshot replaces a log that goes on beyond it",
            first: "acked-immutable",
            consequence: "a late snapshot deletes acknowledged entries: an acknowledged write is lost with the next leader",
        }
        InstallRegressesState {
            id: "N02", name: "install-regresses-state", at: "install.rs",
            breaks: "A snapshot of what is long committed is installed",
            first: "snapshot-consistency",
            consequence: "a server goes back in time: its readers see the past, and its log loses what it acknowledged",
        }
        SnapshotConfigLostOrStale {
            id: "N04", name: "snapshot-config-lost-or-stale", at: "install.rs, 7",
            breaks: "A snapshot carries the group as it was where the log began",
            first: "snapshot-consistency",
            consequence: "after an install or a restart wrong majorities count: two leaders, writes lost",
        }
        SnapshotBoundaryOffByOne {
            id: "N08", name: "snapshot-boundary-off-by-one", at: "replication.rs",
            breaks: "A follower that lacks just the last compacted entry gets no snapshot",
            first: "progress",
            consequence: "one replica is left behind for ever",
        }
        ConfigAppliedLateCampaignUnguarded {
            id: "M04", name: "config-applied-late-campaign-unguarded", at: "raft.rs, 6",
            breaks: "A configuration is in force once it is applied, not once it stands in the log",
            first: "committed-on-quorum",
            consequence: "leaders elected by old majorities and by new ones: writes lost",
        }
        ReadAckContextReused {
            id: "D03", name: "read-ack-context-reused", at: "read.rs, 8",
            breaks: "A read joins the round that is out",
            first: "read-safety",
            consequence: "late answers confirm a read that they know nothing of: it misses an acknowledged write",
        }
        LeaseFromAckArrival {
            id: "D06", name: "lease-from-ack-arrival", at: "replication.rs, thesis 6.4.1",
            breaks: "A lease is counted from when the answer came",
            first: "read-safety",
            consequence: "a lease outlives the promises that it rests on: a read misses what a new leader has written",
        }
        LeaseIgnoresDrift {
            id: "D08", name: "lease-ignores-drift", at: "read.rs, thesis 6.4.1",
            breaks: "A lease lasts a whole election timeout, whatever the clocks do",
            first: "read-safety",
            consequence: "with a slow clock at the leader or a fast one at a voter, a read misses what a new leader has written",
        }
        ReadBeforeApply {
            id: "D09", name: "read-before-apply", at: "read.rs, forward.rs, 8",
            breaks: "A read that is confirmed is answered from whatever is applied",
            first: "read-safety",
            consequence: "a read misses an acknowledged write",
        }
        RestartServesBeforeRecovery {
            id: "D10", name: "restart-serves-before-recovery", at: "read.rs, 8",
            breaks: "A leader that has restarted takes what it recovered for all that is committed",
            first: "read-safety",
            consequence: "a read is served from before what was acknowledged",
        }
        StepdownReportedAsFailure {
            id: "K05", name: "stepdown-reported-as-failure", at: "raft.rs",
            breaks: "What a deposed leader cannot know it reports as not done",
            first: "witness",
            consequence: "a client that was told \"no\" finds its write done, or does it twice",
        }
        PeerIdentityUnchecked {
            id: "T01", name: "peer-identity-unchecked", at: "raft.rs",
            breaks: "Letters for and from another life are taken",
            first: "one-vote-per-term",
            consequence: "a server with an empty disk votes and counts for the one that it replaces: writes lost",
        }
        TimerResetOnDeniedVote {
            id: "L01", name: "timer-reset-on-denied-vote", at: "election.rs, 5.2",
            breaks: "A vote that is denied puts off the own candidacy",
            first: "progress",
            consequence: "a noisy server that nobody can elect keeps those silent that could be",
        }
        NoCheckQuorum {
            id: "L02", name: "no-check-quorum", at: "change.rs, thesis 6.2",
            breaks: "A leader that hears no majority leads on",
            first: "progress",
            consequence: "clients of a cut-off leader wait for ever",
        }
        PrevoteTermDeadlock {
            id: "L04", name: "prevote-term-deadlock", at: "election.rs, thesis 9.6",
            breaks: "A pre-vote in an old term is not answered",
            first: "progress",
            consequence: "those with the longest log never learn the term in which they could win: leaderless for ever",
        }
        ConflictCatchUpLivelock {
            id: "L06", name: "conflict-catch-up-livelock", at: "replication.rs, 5.3",
            breaks: "A refusal does not move what is tried next",
            first: "progress",
            consequence: "one replica is left behind for ever",
        }
        SnapshotTransferNeverRetried {
            id: "L07", name: "snapshot-transfer-never-retried", at: "install.rs",
            breaks: "A part of a snapshot that was lost is not sent again",
            first: "progress",
            consequence: "one replica is left behind for ever",
        }
        RemovedOrRetiredNodeMishandled {
            id: "L09", name: "removed-or-retired-node-mishandled", at: "election.rs, thesis 4.2.2",
            breaks: "Only the configuration in force says who may campaign",
            first: "progress",
            consequence: "the only server that could win was removed by an entry that never commits: leaderless for ever",
        }
    }
}
