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
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 21] = [
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
        }
    }
}
