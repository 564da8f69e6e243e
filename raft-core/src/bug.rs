//! The index of load-bearing lines: each bug is what breaks without one of them.
//!
//! With the feature `bugs` one of them can be switched on, and the line that carries the argument gives way. Without
//! the feature the switch does not exist in the machine code. `first` and `consequence` were written down before the
//! bug was first run.

/// A line that safety stands on, by what happens without it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bug {
    /// A granted vote leaves before it is durable (`saves.rs`).
    VoteReplyBeforeSync,
    /// Following a leader forgets the vote of the same term (`election.rs`).
    VoteClearedSameTerm,
    /// A grant for an earlier candidacy counts in this one (`election.rs`).
    StaleVoteResponseCounted,
    /// A longer log wins votes, whatever its last term (`election.rs`, 5.4.1).
    LogRecencyIndexOnly,
    /// An `AppendEntries` that fits cuts what it does not mention (`replication.rs`, 5.3).
    TruncateOnMatchingAppend,
    /// Entries that stand in conflict are kept (`replication.rs`, 5.3).
    NoTruncateOnConflict,
    /// Any success counts for everything that was sent (`replication.rs`).
    MatchFromSentIndex,
    /// An entry of an earlier term commits by being counted (`replication.rs`, 5.4.2, figure 8).
    CommitPriorTermByCount,
    /// A follower commits what the leader has not yet compared (`replication.rs`, 5.3).
    CommitPastVerifiedPrefix,
    /// A follower acknowledges what is not yet durable (`saves.rs`).
    FollowerAckBeforeSync,
    /// A leader answers reads without asking whether it still leads (`read.rs`, 8).
    LeaderLocalRead,
    /// A server that does not vote campaigns (`election.rs`, thesis 4.2.2).
    NonvoterCampaigns,
    /// A leader changes the group before an entry of its own term is committed (`change.rs`, thesis 4.1 as amended).
    ConfigChangeBeforeOwnTermCommit,
    /// A change begins before the one before it is committed (`change.rs`, 6).
    OverlappingConfigChanges,
    /// A candidate asks for votes before its own vote is durable (`saves.rs`).
    RequestVoteBeforeSync,
    /// A follower acknowledges all that it has, compared or not (`replication.rs`).
    AckReportsOwnLastIndex,
    /// A follower takes the leader's commit index even where it is lower (`replication.rs`, figure 2).
    CommitIndexRegress,
    /// A new leader serves reads before it has committed anything in its term (`read.rs`, 8).
    ReadIndexBeforeOwnTermCommit,
    /// While joint, the new half alone commits (`replication.rs`, 6).
    JointCommitOneSide,
    /// The joint phase is left before it is committed (`change.rs`, 6).
    JointLeftBeforeCommit,
    /// Learners count as if they voted (`replication.rs`, thesis 4.2.1).
    LearnerCountedInQuorum,
    /// A term that was learnt is saved only with the next vote or entry (`raft.rs`).
    TermAdoptedNotDurable,
    /// A voter that hears a leader helps to depose it all the same (`election.rs`, thesis 6.4.1).
    VoteRuleInsideLease,
    /// The term of an entry that is gone reads as 0, and 0 fits everywhere (`replication.rs`, 5.3).
    MissingPreviousTermReadsAsZero,
    /// A leader counts and applies what its own disk does not have (`replication.rs`, `raft.rs`).
    ApplyBeforeLocalDurable,
    /// A snapshot replaces a log that goes on beyond it (`install.rs`, figure 13).
    InstallDropsAckedSuffix,
    /// A snapshot of what is long committed is installed (`install.rs`).
    InstallRegressesState,
    /// A snapshot carries the group as it was where the log began (`install.rs`, 7).
    SnapshotConfigurationStale,
    /// A follower that lacks just the last compacted entry gets no snapshot (`replication.rs`).
    SnapshotBoundaryOffByOne,
    /// A configuration is in force once it is applied, not once it stands in the log (`raft.rs`, 6).
    ConfigAppliedLate,
    /// A read joins the round that is out (`read.rs`, 8).
    ReadAckContextReused,
    /// A lease is counted from when the answer came (`replication.rs`, thesis 6.4.1).
    LeaseFromAckArrival,
    /// A lease lasts a whole election timeout, whatever the clocks do (`read.rs`, thesis 6.4.1).
    LeaseIgnoresDrift,
    /// A read that is confirmed is answered from whatever is applied (`read.rs`, `forward.rs`, 8).
    ReadBeforeApply,
    /// A leader that has restarted takes what it recovered for all that is committed (`read.rs`, 8).
    RestartServesBeforeRecovery,
    /// What a deposed leader cannot know it reports as not done (`raft.rs`).
    StepdownReportedAsFailure,
    /// Letters for and from another life are taken (`raft.rs`).
    PeerIdentityUnchecked,
    /// A vote that is denied puts off the own candidacy (`election.rs`, 5.2).
    TimerResetOnDeniedVote,
    /// A leader that hears no majority leads on (`change.rs`, thesis 6.2).
    NoCheckQuorum,
    /// A pre-vote in an old term is not answered (`election.rs`, thesis 9.6).
    PreVoteTermDeadlock,
    /// A refusal does not move what is tried next (`replication.rs`, 5.3).
    ConflictCatchUpLivelock,
    /// A part of a snapshot that was lost is not sent again (`install.rs`).
    SnapshotTransferNeverRetried,
    /// Only the configuration in force says who may campaign (`election.rs`, thesis 4.2.2).
    RemovedNodeMishandled,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 43] = [
        Bug::VoteReplyBeforeSync,
        Bug::VoteClearedSameTerm,
        Bug::StaleVoteResponseCounted,
        Bug::LogRecencyIndexOnly,
        Bug::TruncateOnMatchingAppend,
        Bug::NoTruncateOnConflict,
        Bug::MatchFromSentIndex,
        Bug::CommitPriorTermByCount,
        Bug::CommitPastVerifiedPrefix,
        Bug::FollowerAckBeforeSync,
        Bug::LeaderLocalRead,
        Bug::NonvoterCampaigns,
        Bug::ConfigChangeBeforeOwnTermCommit,
        Bug::OverlappingConfigChanges,
        Bug::RequestVoteBeforeSync,
        Bug::AckReportsOwnLastIndex,
        Bug::CommitIndexRegress,
        Bug::ReadIndexBeforeOwnTermCommit,
        Bug::JointCommitOneSide,
        Bug::JointLeftBeforeCommit,
        Bug::LearnerCountedInQuorum,
        Bug::TermAdoptedNotDurable,
        Bug::VoteRuleInsideLease,
        Bug::MissingPreviousTermReadsAsZero,
        Bug::ApplyBeforeLocalDurable,
        Bug::InstallDropsAckedSuffix,
        Bug::InstallRegressesState,
        Bug::SnapshotConfigurationStale,
        Bug::SnapshotBoundaryOffByOne,
        Bug::ConfigAppliedLate,
        Bug::ReadAckContextReused,
        Bug::LeaseFromAckArrival,
        Bug::LeaseIgnoresDrift,
        Bug::ReadBeforeApply,
        Bug::RestartServesBeforeRecovery,
        Bug::StepdownReportedAsFailure,
        Bug::PeerIdentityUnchecked,
        Bug::TimerResetOnDeniedVote,
        Bug::NoCheckQuorum,
        Bug::PreVoteTermDeadlock,
        Bug::ConflictCatchUpLivelock,
        Bug::SnapshotTransferNeverRetried,
        Bug::RemovedNodeMishandled,
    ];

    /// The short name under which catalogues of Raft bugs keep it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Bug::VoteReplyBeforeSync => "E01",
            Bug::VoteClearedSameTerm => "E04",
            Bug::StaleVoteResponseCounted => "E06",
            Bug::LogRecencyIndexOnly => "E07",
            Bug::TruncateOnMatchingAppend => "R01",
            Bug::NoTruncateOnConflict => "R02",
            Bug::MatchFromSentIndex => "R05",
            Bug::CommitPriorTermByCount => "C01",
            Bug::CommitPastVerifiedPrefix => "C02",
            Bug::FollowerAckBeforeSync => "P01",
            Bug::LeaderLocalRead => "D01",
            Bug::NonvoterCampaigns => "M10",
            Bug::ConfigChangeBeforeOwnTermCommit => "M01",
            Bug::OverlappingConfigChanges => "M02",
            Bug::RequestVoteBeforeSync => "E02",
            Bug::AckReportsOwnLastIndex => "R04",
            Bug::CommitIndexRegress => "C04",
            Bug::ReadIndexBeforeOwnTermCommit => "D02",
            Bug::JointCommitOneSide => "M06",
            Bug::JointLeftBeforeCommit => "M07",
            Bug::LearnerCountedInQuorum => "M09",
            Bug::TermAdoptedNotDurable => "E03",
            Bug::VoteRuleInsideLease => "E10",
            Bug::MissingPreviousTermReadsAsZero => "R11",
            Bug::ApplyBeforeLocalDurable => "C06",
            Bug::InstallDropsAckedSuffix => "N01",
            Bug::InstallRegressesState => "N02",
            Bug::SnapshotConfigurationStale => "N04",
            Bug::SnapshotBoundaryOffByOne => "N08",
            Bug::ConfigAppliedLate => "M04",
            Bug::ReadAckContextReused => "D03",
            Bug::LeaseFromAckArrival => "D06",
            Bug::LeaseIgnoresDrift => "D08",
            Bug::ReadBeforeApply => "D09",
            Bug::RestartServesBeforeRecovery => "D10",
            Bug::StepdownReportedAsFailure => "K05",
            Bug::PeerIdentityUnchecked => "T01",
            Bug::TimerResetOnDeniedVote => "L01",
            Bug::NoCheckQuorum => "L02",
            Bug::PreVoteTermDeadlock => "L04",
            Bug::ConflictCatchUpLivelock => "L06",
            Bug::SnapshotTransferNeverRetried => "L07",
            Bug::RemovedNodeMishandled => "L09",
        }
    }

    /// The name that switches it on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Bug::VoteReplyBeforeSync => "vote-reply-before-sync",
            Bug::VoteClearedSameTerm => "vote-cleared-same-term",
            Bug::StaleVoteResponseCounted => "stale-vote-response-counted",
            Bug::LogRecencyIndexOnly => "log-recency-index-only",
            Bug::TruncateOnMatchingAppend => "truncate-on-matching-ae",
            Bug::NoTruncateOnConflict => "no-truncate-on-conflict",
            Bug::MatchFromSentIndex => "match-from-sent-index",
            Bug::CommitPriorTermByCount => "commit-prior-term-by-count",
            Bug::CommitPastVerifiedPrefix => "commit-past-verified-prefix",
            Bug::FollowerAckBeforeSync => "follower-ack-before-sync",
            Bug::LeaderLocalRead => "leader-local-read",
            Bug::NonvoterCampaigns => "nonvoter-campaigns",
            Bug::ConfigChangeBeforeOwnTermCommit => "config-change-before-own-term-commit",
            Bug::OverlappingConfigChanges => "overlapping-config-changes",
            Bug::RequestVoteBeforeSync => "self-vote-after-rv",
            Bug::AckReportsOwnLastIndex => "ack-reports-own-last-index",
            Bug::CommitIndexRegress => "commit-index-regress",
            Bug::ReadIndexBeforeOwnTermCommit => "readindex-before-own-term-commit",
            Bug::JointCommitOneSide => "joint-commit-one-side",
            Bug::JointLeftBeforeCommit => "joint-left-before-commit",
            Bug::LearnerCountedInQuorum => "learner-counted-in-quorum",
            Bug::TermAdoptedNotDurable => "term-adopted-not-durable",
            Bug::VoteRuleInsideLease => "vote-rule-inside-lease",
            Bug::MissingPreviousTermReadsAsZero => "missing-prev-term-reads-as-zero",
            Bug::ApplyBeforeLocalDurable => "apply-before-local-durable",
            Bug::InstallDropsAckedSuffix => "install-drops-acked-suffix",
            Bug::InstallRegressesState => "install-regresses-state",
            Bug::SnapshotConfigurationStale => "snapshot-config-lost-or-stale",
            Bug::SnapshotBoundaryOffByOne => "snapshot-boundary-off-by-one",
            Bug::ConfigAppliedLate => "config-applied-late-campaign-unguarded",
            Bug::ReadAckContextReused => "read-ack-context-reused",
            Bug::LeaseFromAckArrival => "lease-from-ack-arrival",
            Bug::LeaseIgnoresDrift => "lease-ignores-drift",
            Bug::ReadBeforeApply => "read-before-apply",
            Bug::RestartServesBeforeRecovery => "restart-serves-before-recovery",
            Bug::StepdownReportedAsFailure => "stepdown-reported-as-failure",
            Bug::PeerIdentityUnchecked => "peer-identity-unchecked",
            Bug::TimerResetOnDeniedVote => "timer-reset-on-denied-vote",
            Bug::NoCheckQuorum => "no-check-quorum",
            Bug::PreVoteTermDeadlock => "prevote-term-deadlock",
            Bug::ConflictCatchUpLivelock => "conflict-catch-up-livelock",
            Bug::SnapshotTransferNeverRetried => "snapshot-transfer-never-retried",
            Bug::RemovedNodeMishandled => "removed-or-retired-node-mishandled",
        }
    }

    /// The property that must notice first.
    #[must_use]
    pub const fn first(self) -> &'static str {
        match self {
            Bug::VoteReplyBeforeSync | Bug::FollowerAckBeforeSync => "promises-after-durability",
            Bug::VoteClearedSameTerm => "one-vote-per-term",
            Bug::StaleVoteResponseCounted => "elected-by-quorum",
            Bug::LogRecencyIndexOnly => "leader-completeness",
            Bug::TruncateOnMatchingAppend => "acknowledged-stays",
            Bug::NoTruncateOnConflict => "promises-after-durability",
            Bug::MatchFromSentIndex => "durable-quorum",
            Bug::CommitPriorTermByCount => "own-term-commit",
            Bug::CommitPastVerifiedPrefix => "followers-commit",
            Bug::LeaderLocalRead => "reads",
            Bug::NonvoterCampaigns => "configurations",
            Bug::ConfigChangeBeforeOwnTermCommit => "configurations",
            Bug::OverlappingConfigChanges => "configurations",
            Bug::RequestVoteBeforeSync => "promises-after-durability",
            Bug::AckReportsOwnLastIndex => "promises-after-durability",
            Bug::CommitIndexRegress => "committed-stays",
            Bug::ReadIndexBeforeOwnTermCommit => "reads",
            Bug::JointCommitOneSide => "durable-quorum",
            Bug::JointLeftBeforeCommit => "configurations",
            Bug::LearnerCountedInQuorum => "durable-quorum",
            Bug::TermAdoptedNotDurable => "promises-after-durability",
            Bug::VoteRuleInsideLease => "reads",
            Bug::MissingPreviousTermReadsAsZero => "followers-commit",
            Bug::ApplyBeforeLocalDurable => "durable-quorum",
            Bug::InstallDropsAckedSuffix => "acknowledged-stays",
            Bug::InstallRegressesState => "snapshots",
            Bug::SnapshotConfigurationStale => "snapshots",
            Bug::SnapshotBoundaryOffByOne => "progress",
            Bug::ConfigAppliedLate => "durable-quorum",
            Bug::ReadAckContextReused => "reads",
            Bug::LeaseFromAckArrival => "reads",
            Bug::LeaseIgnoresDrift => "reads",
            Bug::ReadBeforeApply => "reads",
            Bug::RestartServesBeforeRecovery => "reads",
            Bug::StepdownReportedAsFailure => "witness",
            Bug::PeerIdentityUnchecked => "one-vote-per-term",
            Bug::TimerResetOnDeniedVote => "progress",
            Bug::NoCheckQuorum => "progress",
            Bug::PreVoteTermDeadlock => "progress",
            Bug::ConflictCatchUpLivelock => "progress",
            Bug::SnapshotTransferNeverRetried => "progress",
            Bug::RemovedNodeMishandled => "progress",
        }
    }

    /// What a user would suffer.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Bug::VoteReplyBeforeSync => {
                "after a loss of power the node votes again in the same term: two leaders, writes lost"
            }
            Bug::VoteClearedSameTerm | Bug::StaleVoteResponseCounted => {
                "two leaders in one term: two different entries at one index, writes lost"
            }
            Bug::LogRecencyIndexOnly => {
                "a leader without a committed entry overwrites it: an acknowledged write is lost"
            }
            Bug::TruncateOnMatchingAppend => {
                "a late message deletes acknowledged entries: an acknowledged write is lost with the next leader"
            }
            Bug::NoTruncateOnConflict => {
                "replicas apply different commands at one index and drift apart for ever"
            }
            Bug::MatchFromSentIndex => {
                "a write is acknowledged that only one server has: lost with that server"
            }
            Bug::CommitPriorTermByCount => {
                "an acknowledged write is overwritten by a later leader (figure 8)"
            }
            Bug::CommitPastVerifiedPrefix => "a follower applies its own stale entries: replicas drift apart",
            Bug::FollowerAckBeforeSync => "an acknowledged write is lost when the power of a majority fails",
            Bug::LeaderLocalRead => "a deposed leader answers reads from the past",
            Bug::NonvoterCampaigns => "a removed server disturbs the group for ever",
            Bug::ConfigChangeBeforeOwnTermCommit => {
                "two leaders with majorities that do not overlap: an acknowledged write is lost"
            }
            Bug::OverlappingConfigChanges => {
                "two leaders with majorities that do not overlap: an acknowledged write is lost"
            }
            Bug::RequestVoteBeforeSync => {
                "after a loss of power the candidate leads the same term twice, or votes for another: writes lost"
            }
            Bug::AckReportsOwnLastIndex => {
                "a stale tail counts as a copy of what it is not: an acknowledged write is lost"
            }
            Bug::CommitIndexRegress => "a server that has answered from a state serves an older one later",
            Bug::ReadIndexBeforeOwnTermCommit => {
                "a read right after an election misses an acknowledged write"
            }
            Bug::JointCommitOneSide => {
                "the old half elects a leader without an acknowledged write, which is lost"
            }
            Bug::JointLeftBeforeCommit => "the old and the new voters elect a leader each: writes lost",
            Bug::LearnerCountedInQuorum => {
                "a write is acknowledged that no majority of voters has: lost with the next leader"
            }
            Bug::TermAdoptedNotDurable => {
                "after a restart the node serves an older leader and cuts what a newer one has committed"
            }
            Bug::VoteRuleInsideLease => "a read by lease misses what a new leader has written",
            Bug::MissingPreviousTermReadsAsZero => {
                "a follower acknowledges entries that it does not have: an acknowledged write is lost"
            }
            Bug::ApplyBeforeLocalDurable => {
                "alone in its group, a server acknowledges a write and loses it with the power"
            }
            Bug::InstallDropsAckedSuffix => {
                "a late snapshot deletes acknowledged entries: an acknowledged write is lost with the next leader"
            }
            Bug::InstallRegressesState => {
                "a server goes back in time: its readers see the past, and its log loses what it acknowledged"
            }
            Bug::SnapshotConfigurationStale => {
                "after an install or a restart wrong majorities count: two leaders, writes lost"
            }
            Bug::SnapshotBoundaryOffByOne => "one replica is left behind for ever",
            Bug::ConfigAppliedLate => "leaders elected by old majorities and by new ones: writes lost",
            Bug::ReadAckContextReused => {
                "late answers confirm a read that they know nothing of: it misses an acknowledged write"
            }
            Bug::LeaseFromAckArrival => {
                "a lease outlives the promises that it rests on: a read misses what a new leader has written"
            }
            Bug::LeaseIgnoresDrift => {
                "with a slow clock at the leader or a fast one at a voter, a read misses what a new leader has written"
            }
            Bug::ReadBeforeApply => "a read misses an acknowledged write",
            Bug::RestartServesBeforeRecovery => "a read is served from before what was acknowledged",
            Bug::StepdownReportedAsFailure => {
                "a client that was told \"no\" finds its write done, or does it twice"
            }
            Bug::PeerIdentityUnchecked => {
                "a server with an empty disk votes and counts for the one that it replaces: writes lost"
            }
            Bug::TimerResetOnDeniedVote => {
                "a noisy server that nobody can elect keeps those silent that could be"
            }
            Bug::NoCheckQuorum => "clients of a cut-off leader wait for ever",
            Bug::PreVoteTermDeadlock => {
                "those with the longest log never learn the term in which they could win: leaderless for ever"
            }
            Bug::ConflictCatchUpLivelock => "one replica is left behind for ever",
            Bug::SnapshotTransferNeverRetried => "one replica is left behind for ever",
            Bug::RemovedNodeMishandled => {
                "the only server that could win was removed by an entry that never commits: leaderless for ever"
            }
        }
    }
}
