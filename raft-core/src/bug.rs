//! The bugs that can be switched on: each removes one line that correctness depends on.
//!
//! With the feature `bugs` one of them can be active at a time. Without the feature the switches are not
//! compiled. `first` and `consequence` were written down before the bug was first run.
//!
//! A switch is asked only where its answer changes what the server does. So a run without a bug shows which
//! lines were decisive in it: those whose switch was asked. They are *exercised*. A bug whose line is never
//! exercised cannot be caught, whatever is checked.
//!
//! [`bugs!`](crate::bugs) declares such a catalogue: one row per bug, from which the enum, the lists and the
//! docs are generated. Code around the core (host, application, a foreign system) declares its own bugs with
//! the same macro.

use std::cell::Cell;
use std::thread::LocalKey;

/// The description of a bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BugInfo {
    /// The name of its switch.
    pub name: &'static str,
    /// Its short ID in catalogues of Raft bugs.
    pub id: &'static str,
    /// The file of the line and, if there is one, the section of the paper or thesis.
    pub at: &'static str,
    /// The behaviour without the line.
    pub breaks: &'static str,
    /// The property that must fail first.
    pub first: &'static str,
    /// The consequence for a user.
    pub consequence: &'static str,
}

/// A catalogue of bugs, without its type.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    /// The descriptions, in the order of their declaration.
    pub bugs: &'static [&'static BugInfo],
    /// The bugs whose lines were exercised on this thread since the last call: bit N stands for number N of
    /// `bugs`.
    pub take_exercised: fn() -> u128,
}

/// Asks a switch: whether `active` is the bug with this number. Counts its line as exercised on this thread.
/// For [`bugs!`](crate::bugs).
#[doc(hidden)]
#[inline]
pub fn ask(exercised: &'static LocalKey<Cell<u128>>, number: u32, active: Option<u32>) -> bool {
    if cfg!(feature = "bugs") {
        exercised.set(exercised.get() | 1 << number);
        active == Some(number)
    } else {
        false
    }
}

/// Declares a catalogue of at most 128 bugs: an enum with a variant per row, `ALL`, `info`, `named`, and the
/// switches: `is_on` and `take_exercised`.
#[macro_export]
macro_rules! bugs {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Bug:ident {
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
        $vis enum $Bug {
            $(#[doc = concat!($breaks, " (", $at, ").")] $Variant,)+
        }

        impl $Bug {
            /// All bugs, in the order of their declaration.
            pub const ALL: &[$Bug] = &[$($Bug::$Variant,)+];

            /// All of this without the type.
            pub const CATALOGUE: $crate::Catalogue = $crate::Catalogue {
                bugs: &[$($Bug::$Variant.info(),)+],
                take_exercised: $Bug::take_exercised,
            };

            /// The description of this bug.
            #[must_use]
            pub const fn info(self) -> &'static $crate::BugInfo {
                match self {
                    $($Bug::$Variant => &$crate::BugInfo {
                        name: $name,
                        id: $id,
                        at: $at,
                        breaks: $breaks,
                        first: $first,
                        consequence: $consequence,
                    },)+
                }
            }

            /// Whether `active` is this bug; `false` without the feature `bugs`. Asked only where the answer
            /// changes what the server does: asking counts the line as exercised.
            #[inline]
            #[must_use]
            pub fn is_on(self, active: Option<$Bug>) -> bool {
                $crate::ask_switch(Self::exercised(), self as u32, active.map(|bug| bug as u32))
            }

            /// The bugs whose lines were exercised on this thread since the last call: bit N stands for
            /// number N of [`ALL`](Self::ALL). 0 without the feature `bugs`.
            #[must_use]
            pub fn take_exercised() -> u128 {
                Self::exercised().take()
            }

            fn exercised() -> &'static ::std::thread::LocalKey<::std::cell::Cell<u128>> {
                const { assert!($Bug::ALL.len() <= 128, "a catalogue has at most 128 bugs") }
                ::std::thread_local! {
                    static EXERCISED: ::std::cell::Cell<u128> = const { ::std::cell::Cell::new(0) };
                }
                &EXERCISED
            }

            /// The bug with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<$Bug> {
                $Bug::ALL.iter().copied().find(|bug| bug.info().name == name)
            }
        }
    };
}

bugs! {
    /// A bug: the behaviour without one line that correctness depends on.
    pub enum Bug {
        VoteReplyBeforeSync {
            id: "E01", name: "vote-reply-before-sync", at: "durable.rs",
            breaks: "A granted vote is sent before it is durable",
            first: "persist-before-reply",
            consequence: "after a power loss the server votes again in the same term: two leaders, writes lost",
        }
        VoteClearedSameTerm {
            id: "E04", name: "vote-cleared-same-term", at: "step.rs",
            breaks: "Following a leader clears the vote of the same term",
            first: "one-vote-per-term",
            consequence: "two leaders in one term: two different entries at one index, writes lost",
        }
        StaleVoteResponseCounted {
            id: "E06", name: "stale-vote-response-counted", at: "election.rs",
            breaks: "A vote for an earlier candidacy counts in this one",
            first: "elected-by-quorum",
            consequence: "two leaders in one term: two different entries at one index, writes lost",
        }
        LogRecencyIndexOnly {
            id: "E07", name: "log-recency-index-only", at: "election.rs, 5.4.1",
            breaks: "A longer log gets votes, whatever its last term",
            first: "leader-completeness",
            consequence: "a leader that lacks a committed entry overwrites it: an acknowledged write is lost",
        }
        TruncateOnMatchingAe {
            id: "R01", name: "truncate-on-matching-ae", at: "replication.rs, 5.3",
            breaks: "An `AppendEntries` that matches truncates the entries after its own",
            first: "acked-immutable",
            consequence: "a late message removes acknowledged entries: the next leader lacks an acknowledged write",
        }
        NoTruncateOnConflict {
            id: "R02", name: "no-truncate-on-conflict", at: "replication.rs, 5.3",
            breaks: "Conflicting entries are not truncated",
            first: "persist-before-reply",
            consequence: "replicas apply different commands at one index and diverge for good",
        }
        MatchFromSentIndex {
            id: "R05", name: "match-from-sent-index", at: "replication.rs",
            breaks: "A success response counts for everything that was sent",
            first: "leader-counts",
            consequence: "an acknowledged write is on one server only, and lost with it",
        }
        CommitPriorTermByCount {
            id: "C01", name: "commit-prior-term-by-count", at: "replication.rs, 5.4.2, figure 8",
            breaks: "An entry of an earlier term commits by counting replicas",
            first: "current-term-commit",
            consequence: "an acknowledged write is overwritten by a later leader (figure 8)",
        }
        CommitPastVerifiedPrefix {
            id: "C02", name: "commit-past-verified-prefix", at: "replication.rs, 5.3",
            breaks: "A follower commits entries that were not compared with the leader's log",
            first: "follower-commit-safety",
            consequence: "a follower applies its own stale entries: replicas diverge",
        }
        FollowerAckBeforeSync {
            id: "P01", name: "follower-ack-before-sync", at: "durable.rs",
            breaks: "A follower acknowledges entries before they are durable",
            first: "persist-before-reply",
            consequence: "an acknowledged write is lost when a majority loses power",
        }
        LeaderLocalRead {
            id: "D01", name: "leader-local-read", at: "read.rs, 8",
            breaks: "A leader serves reads without confirming that it still leads",
            first: "confirmed-reads",
            consequence: "a deposed leader serves stale reads",
        }
        NonvoterCampaigns {
            id: "M10", name: "nonvoter-campaigns", at: "election.rs, thesis 4.2.2",
            breaks: "A server that is not a voter campaigns",
            first: "membership-safety",
            consequence: "a removed server disrupts the cluster for good",
        }
        ConfigChangeBeforeOwnTermCommit {
            id: "M01", name: "config-change-before-own-term-commit", at: "change.rs, thesis 4.1 as amended",
            breaks: "A leader starts a membership change before an entry of its own term is committed",
            first: "membership-safety",
            consequence: "two leaders with majorities that do not overlap: an acknowledged write is lost",
        }
        OverlappingConfigChanges {
            id: "M02", name: "overlapping-config-changes", at: "change.rs, 6",
            breaks: "A membership change begins before the previous one is committed",
            first: "membership-safety",
            consequence: "two leaders with majorities that do not overlap: an acknowledged write is lost",
        }
        SelfVoteAfterRv {
            id: "E02", name: "self-vote-after-rv", at: "durable.rs",
            breaks: "A candidate asks for votes before its own vote is durable",
            first: "persist-before-reply",
            consequence: "after a power loss the candidate leads the same term twice, or votes for another server: writes lost",
        }
        AckReportsOwnLastIndex {
            id: "R04", name: "ack-reports-own-last-index", at: "replication.rs",
            breaks: "A follower acknowledges its whole log, compared or not",
            first: "persist-before-reply",
            consequence: "a stale tail counts as a copy of the leader's entries: an acknowledged write is lost",
        }
        CommitIndexRegress {
            id: "C04", name: "commit-index-regress", at: "replication.rs, figure 2",
            breaks: "A follower adopts a lower commit index of the leader",
            first: "committed-immutable",
            consequence: "a server serves a read from an older state than an earlier read",
        }
        ReadindexBeforeOwnTermCommit {
            id: "D02", name: "readindex-before-own-term-commit", at: "read.rs, 8",
            breaks: "A new leader serves reads before it has committed an entry of its term",
            first: "confirmed-reads",
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
            breaks: "The joint configuration is left before it is committed",
            first: "membership-safety",
            consequence: "the old and the new voters each elect a leader: writes lost",
        }
        LearnerCountedInQuorum {
            id: "M09", name: "learner-counted-in-quorum", at: "replication.rs, thesis 4.2.1",
            breaks: "Learners count as voters",
            first: "committed-on-quorum",
            consequence: "a write is acknowledged without a majority of voters: the next leader lacks it",
        }
        TermAdoptedNotDurable {
            id: "E03", name: "term-adopted-not-durable", at: "durable.rs",
            breaks: "An adopted term is saved only with the next vote or entry",
            first: "persist-before-reply",
            consequence: "after a restart the server follows an older leader and truncates entries that a newer one has committed",
        }
        VoteRuleInsideLease {
            id: "E10", name: "vote-rule-inside-lease", at: "election.rs, thesis 6.4.1",
            breaks: "A voter that hears from a leader still votes for another server",
            first: "confirmed-reads",
            consequence: "a lease read misses writes of a new leader",
        }
        MissingPrevTermReadsAsZero {
            id: "R11", name: "missing-prev-term-reads-as-zero", at: "replication.rs, 5.3",
            breaks: "The term of a compacted entry reads as 0, and 0 matches every log",
            first: "follower-commit-safety",
            consequence: "a follower acknowledges entries that it lacks: an acknowledged write is lost",
        }
        ApplyBeforeLocalDurable {
            id: "C06", name: "apply-before-local-durable", at: "replication.rs, durable.rs",
            breaks: "A leader counts and applies its own entries before they are durable",
            first: "committed-on-quorum",
            consequence: "a cluster of one acknowledges a write and loses it with the power",
        }
        InstallDropsAckedSuffix {
            id: "N01", name: "install-drops-acked-suffix", at: "install.rs, figure 13",
            breaks: "A snapshot replaces a log that contains its last entry and more",
            first: "acked-immutable",
            consequence: "a late snapshot removes acknowledged entries: the next leader lacks an acknowledged write",
        }
        InstallRegressesState {
            id: "N02", name: "install-regresses-state", at: "install.rs",
            breaks: "A snapshot older than the commit index is installed",
            first: "snapshot-consistency",
            consequence: "a server goes back to an older state: reads are stale, and its log loses acknowledged entries",
        }
        SnapshotConfigLostOrStale {
            id: "N04", name: "snapshot-config-lost-or-stale", at: "install.rs, 7",
            breaks: "A snapshot contains the configuration at the beginning of the log",
            first: "snapshot-consistency",
            consequence: "after an install or a restart the wrong majorities count: two leaders, writes lost",
        }
        SnapshotBoundaryOffByOne {
            id: "N08", name: "snapshot-boundary-off-by-one", at: "replication.rs",
            breaks: "A follower that lacks only the last compacted entry gets no snapshot",
            first: "liveness",
            consequence: "one replica never catches up",
        }
        ConfigAppliedLateCampaignUnguarded {
            id: "M04", name: "config-applied-late-campaign-unguarded", at: "raft.rs, 6",
            breaks: "A configuration is in force once it is applied, not once it is in the log",
            first: "committed-on-quorum",
            consequence: "old and new majorities each elect a leader: writes lost",
        }
        ReadAckContextReused {
            id: "D03", name: "read-ack-context-reused", at: "replication.rs, 8",
            breaks: "A retried round keeps its number, and takes in the reads that wait for the next one",
            first: "confirmed-reads",
            consequence: "responses from before a read confirm it: it misses an acknowledged write",
        }
        ReadJoinsRoundInFlight {
            id: "D03b", name: "read-joins-round-in-flight", at: "read.rs, 8",
            breaks: "A read joins the round in progress",
            first: "confirmed-reads",
            consequence: "responses from before a read confirm it: it misses an acknowledged write",
        }
        ReadRoundReleasesAll {
            id: "D03c", name: "read-round-releases-all", at: "read.rs, 8",
            breaks: "A confirmed round releases every read that waits, also those that began after its messages were answered",
            first: "confirmed-reads",
            consequence: "responses from before a read confirm it: it misses an acknowledged write",
        }
        LeaseFromAckArrival {
            id: "D06", name: "lease-from-ack-arrival", at: "replication.rs, thesis 6.4.1",
            breaks: "A lease counts from the arrival of the response",
            first: "confirmed-reads",
            consequence: "a lease outlasts the voters' promises: a read misses writes of a new leader",
        }
        LeaseIgnoresDrift {
            id: "D08", name: "lease-ignores-drift", at: "read.rs, thesis 6.4.1",
            breaks: "A lease lasts a whole election timeout, without a margin for clock drift",
            first: "confirmed-reads",
            consequence: "with a slow clock at the leader or a fast one at a voter, a read misses writes of a new leader",
        }
        ReadBeforeApply {
            id: "D09", name: "read-before-apply", at: "read.rs, forward.rs, 8",
            breaks: "A confirmed read is served before its index is applied",
            first: "confirmed-reads",
            consequence: "a read misses an acknowledged write",
        }
        RestartServesBeforeRecovery {
            id: "D10", name: "restart-serves-before-recovery", at: "read.rs, 8",
            breaks: "A restarted leader takes its recovered commit index for the newest one",
            first: "confirmed-reads",
            consequence: "a read misses acknowledged writes",
        }
        StepdownReportedAsFailure {
            id: "K05", name: "stepdown-reported-as-failure", at: "step.rs",
            breaks: "A deposed leader reports proposals with an unknown result as failed",
            first: "witness",
            consequence: "a client finds a write executed that was reported as failed, or executes it twice",
        }
        PeerIdentityUnchecked {
            id: "T01", name: "peer-identity-unchecked", at: "step.rs, replication.rs",
            breaks: "Messages for and from another directory ID are accepted",
            first: "one-vote-per-term",
            consequence: "a server with a wiped disk votes and counts as the replica that it replaces: writes lost",
        }
        TimerResetOnDeniedVote {
            id: "L01", name: "timer-reset-on-denied-vote", at: "election.rs, 5.2",
            breaks: "A denied vote resets the election timer",
            first: "liveness",
            consequence: "a candidate that cannot win keeps the servers that could from campaigning",
        }
        NoCheckQuorum {
            id: "L02", name: "no-check-quorum", at: "change.rs, thesis 6.2",
            breaks: "A leader that hears from no majority does not step down",
            first: "liveness",
            consequence: "clients of a partitioned leader wait forever",
        }
        PrevoteTermDeadlock {
            id: "L04", name: "prevote-term-deadlock", at: "election.rs, thesis 9.6",
            breaks: "A pre-vote in an older term gets no response",
            first: "liveness",
            consequence: "the servers with the longest log never learn the current term, in which they could win: no leader, forever",
        }
        ConflictCatchUpLivelock {
            id: "L06", name: "conflict-catch-up-livelock", at: "replication.rs, 5.3",
            breaks: "A rejection does not move `next_index`",
            first: "liveness",
            consequence: "one replica never catches up",
        }
        SnapshotTransferNeverRetried {
            id: "L07", name: "snapshot-transfer-never-retried", at: "install.rs",
            breaks: "A lost chunk of a snapshot is not sent again",
            first: "liveness",
            consequence: "one replica never catches up",
        }
        RemovedOrRetiredNodeMishandled {
            id: "L09", name: "removed-or-retired-node-mishandled", at: "election.rs, thesis 4.2.2",
            breaks: "Only voters of the configuration in force may campaign",
            first: "liveness",
            consequence: "the only server that could win was removed by an entry that never commits: no leader, forever",
        }
        VoteClearedByPreVote {
            id: "E04b", name: "vote-cleared-by-pre-vote", at: "election.rs, thesis 9.6",
            breaks: "A round of pre-votes clears the vote of the current term",
            first: "one-vote-per-term",
            consequence: "two leaders in one term: two different entries at one index, writes lost",
        }
        VoteWithoutLogCheck {
            id: "E07b", name: "vote-without-log-check", at: "election.rs, 5.4.1",
            breaks: "A candidate gets votes whatever its log holds",
            first: "leader-completeness",
            consequence: "a leader that lacks committed entries overwrites them: acknowledged writes are lost",
        }
        VoteNeedsLongerLog {
            id: "E07c", name: "vote-needs-longer-log", at: "election.rs, 5.4.1",
            breaks: "A voter refuses a candidate with the newer last term if its log is shorter",
            first: "liveness",
            consequence: "a server with a long stale tail and one with the newer entries refuse each other: no leader, forever",
        }
        LeasePromiseLostOnRestart {
            id: "E10b", name: "lease-promise-lost-on-restart", at: "raft.rs, thesis 6.4.1",
            breaks: "A restarted voter forgets that it heard from a leader",
            first: "confirmed-reads",
            consequence: "it votes while that leader still holds a lease: a read misses writes of a new leader",
        }
        TermStampedLate {
            id: "R08", name: "term-stamped-late", at: "durable.rs, 5.1",
            breaks: "A promise that waited for a write leaves in the current term instead of its own",
            first: "persist-before-reply",
            consequence: "a vote or an acknowledgement counts in a term in which it was never given: two leaders, writes lost",
        }
        SameTermIndexReuse {
            id: "R09", name: "same-term-index-reuse", at: "step.rs, 5.3",
            breaks: "A leader whose write failed drops the entries and gives their indexes to the next ones",
            first: "leader-append-only",
            consequence: "followers have two different entries of one index and term: replicas diverge",
        }
        TruncateThenAppendWindow {
            id: "P07", name: "truncate-then-append-window", at: "replication.rs, durable.rs, 5.3",
            breaks: "Entries that arrive again are removed by one write and added by another",
            first: "acked-immutable",
            consequence: "a power loss between the two writes removes acknowledged entries",
        }
        ResumeLeadershipSameTerm {
            id: "S05", name: "resume-leadership-same-term", at: "step.rs, 5.2",
            breaks: "A restarted leader goes on leading its term",
            first: "election-safety",
            consequence: "entries that it had sent and lost are replaced by others of the same index and term: replicas diverge",
        }
        JointCommitOldHalf {
            id: "M06b", name: "joint-commit-old-half", at: "replication.rs, 6",
            breaks: "While joint, the old half alone commits",
            first: "committed-on-quorum",
            consequence: "the new half elects a leader without an acknowledged write, which is lost",
        }
        LearnerConfirmsRead {
            id: "M09b", name: "learner-confirms-read", at: "read.rs, thesis 4.2.1",
            breaks: "Learners count as voters when a read is confirmed",
            first: "confirmed-reads",
            consequence: "a deposed leader with enough learners serves stale reads",
        }
        TimeoutNowUnchecked {
            id: "M10b", name: "timeout-now-unchecked", at: "transfer.rs, thesis 4.2.2",
            breaks: "A server that was told to campaign does not check whether it is still a voter",
            first: "membership-safety",
            consequence: "a demoted server leads the cluster",
        }
        SnapshotConfigWithoutJoint {
            id: "N04b", name: "snapshot-config-without-joint", at: "install.rs, 7",
            breaks: "A snapshot taken in a joint phase contains the new half alone",
            first: "snapshot-consistency",
            consequence: "after an install or a restart the new half decides alone: two leaders, writes lost",
        }
        InstallKeepsConfiguration {
            id: "N04c", name: "install-keeps-configuration", at: "install.rs, 7",
            breaks: "A server that installs a snapshot keeps its own configuration",
            first: "snapshot-consistency",
            consequence: "the wrong majorities count on it: two leaders, writes lost",
        }
        RejectFloorLivelock {
            id: "Z10", name: "reject-floor-livelock", at: "replication.rs, 5.3",
            breaks: "A rejection moves `next_index` to the follower's hint, whether the logs agree there or not",
            first: "liveness",
            consequence: "one replica never catches up",
        }
        AutoleaveDuringTransfer {
            id: "Z13", name: "autoleave-during-transfer", at: "change.rs, 6",
            breaks: "A joint configuration that is committed during a transfer is not left",
            first: "liveness",
            consequence: "the change never ends: the servers to be removed are needed forever",
        }
        StaleAckAfterReversion {
            id: "Z01", name: "stale-ack-after-reversion", at: "replication.rs",
            breaks: "A member that is removed and returns with another directory ID keeps its `match_index`",
            first: "leader-counts",
            consequence: "what its empty disk lacks counts as acknowledged: it never catches up",
        }
        StaleConflictRewinds {
            id: "Z02", name: "stale-conflict-rewinds", at: "replication.rs, 5.3",
            breaks: "A rejection that is older than the newest success moves `next_index` back",
            first: "leader-counts",
            consequence: "entries are sent again and again: a late message costs bandwidth without end",
        }
        NoSnapshotWhenAllPurged {
            id: "Z05", name: "no-snapshot-when-all-purged", at: "install.rs, 7",
            breaks: "A leader whose whole log is compacted sends no snapshot",
            first: "liveness",
            consequence: "one replica never catches up",
        }
        StalePrevoteAfterWin {
            id: "Z08", name: "stale-prevote-after-win", at: "election.rs, thesis 9.6",
            breaks: "A late pre-vote starts a candidacy after the election is won",
            first: "liveness",
            consequence: "a leader steps down without a cause",
        }
        PurgedMembershipLost {
            id: "Z09", name: "purged-membership-lost", at: "durable.rs, 7",
            breaks: "A rewritten log begins with the initial configuration",
            first: "snapshot-consistency",
            consequence: "after a restart the wrong majorities count: two leaders, writes lost",
        }
        LeadsGroupWithoutItself {
            id: "Z11", name: "leads-group-without-itself", at: "change.rs, 6",
            breaks: "A removed leader goes on leading after its removal is committed",
            first: "liveness",
            consequence: "clients depend on a server that was to be switched off",
        }
        SingletonLeadsUnsaved {
            id: "Z14", name: "singleton-leads-unsaved", at: "election.rs, 5.2",
            breaks: "A sole voter leads before its term and vote are durable",
            first: "persist-before-reply",
            consequence: "after a power loss it leads the same term again: replicas part",
        }
        JointSingletonReadWaits {
            id: "Z15", name: "joint-singleton-read-waits", at: "read.rs, thesis 6.4",
            breaks: "While joint, a leader that is the only voter waits for others to confirm a read",
            first: "liveness",
            consequence: "reads are never answered",
        }
        LeaseByCheckQuorum {
            id: "Z16", name: "lease-by-check-quorum", at: "read.rs, thesis 6.4.1",
            breaks: "A lease is renewed at each check of the quorum",
            first: "confirmed-reads",
            consequence: "a lease outlasts the promises of the voters: stale reads without any drift",
        }
        HungDiskKeepsLead {
            id: "Z17", name: "hung-disk-keeps-lead", at: "step.rs",
            breaks: "A leader whose oldest write hangs does not step down",
            first: "liveness",
            consequence: "writes stop as long as its disk hangs",
        }
        HigherTermResetsTimer {
            id: "Z18", name: "higher-term-resets-timer", at: "step.rs, 5.2",
            breaks: "Any higher term resets the election timer",
            first: "liveness",
            consequence: "servers outside the configuration keep the others from campaigning",
        }
        CommitOnInmemoryIndex {
            id: "Z19", name: "commit-on-inmemory-index", at: "replication.rs, thesis 10.2.1",
            breaks: "A leader counts its own entries before they are durable",
            first: "committed-on-quorum",
            consequence: "an acknowledged write is lost when the leader loses power",
        }
        ReadServedBeforeQuorum {
            id: "Z20", name: "read-served-before-quorum", at: "read.rs, thesis 6.4",
            breaks: "One response confirms a read",
            first: "confirmed-reads",
            consequence: "a deposed leader with one follower serves stale reads",
        }
        SnapshotAnswerWithoutTerm {
            id: "Z23", name: "snapshot-answer-without-term", at: "step.rs, 5.3",
            breaks: "An acknowledgement of an older term counts",
            first: "leader-counts",
            consequence: "an acknowledged write is on a minority: the next leader lacks it",
        }
        TimeoutNowOfPastTerm {
            id: "E12", name: "timeout-now-of-past-term", at: "transfer.rs, thesis 3.10",
            breaks: "An order to campaign counts after the leader that gave it was deposed",
            first: "ordered-candidacies",
            consequence: "a late message deposes a working leader while it holds a lease: a read misses writes of the new one",
        }
        DeposedLeaderHintsItself {
            id: "L10", name: "deposed-leader-hints-itself", at: "step.rs, thesis 6.2",
            breaks: "A leader that steps down still takes itself for the leader",
            first: "leader-hints",
            consequence: "it sends clients to itself until another leader reaches it",
        }
        RemovedFollowerKept {
            id: "Z29", name: "removed-follower-kept", at: "replication.rs, 6",
            breaks: "A leader goes on sending its log to a server that is removed",
            first: "bookkeeping",
            consequence: "a server that was to be switched off gets all entries, and costs the leader memory until the next election",
        }
        LearnerNeverCaughtUp {
            id: "M11", name: "learner-never-caught-up", at: "change.rs, thesis 4.2.1",
            breaks: "A learner that is to be promoted counts as if it had no entry",
            first: "rejection-reasons",
            consequence: "in a group with a long log no learner can be promoted: a server that is lost cannot be replaced",
        }
        ProbingNeverEnds {
            id: "L11", name: "probing-never-ends", at: "replication.rs, thesis 10.2.1",
            breaks: "A leader that has found where the logs agree still waits for each response",
            first: "liveness",
            consequence: "one message per round trip: under load the group carries a fraction of what it is made for",
        }
        MinorityKeepsLead {
            id: "L12", name: "minority-keeps-lead", at: "change.rs, thesis 6.2",
            breaks: "A leader stays as long as any follower answers it, whatever the majority does",
            first: "liveness",
            consequence: "that follower votes for no other server: a majority that needs its vote has no leader",
        }
    }
}
