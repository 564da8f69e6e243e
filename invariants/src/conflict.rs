//! What contradicts what in a violation, as data. A property builds a [`Conflict`]; its text is written only when it
//! is shown.

use crate::evidence::{evidence, phrases};
use crate::fact::{
    Configuration, ConfigurationError, Digest, Index, LogId, Node, RejectionReason, RequestId, SessionEnd,
    Term,
};
use serde::Serialize;
use std::fmt;

evidence! {
    /// A contradiction between facts. Each is displayed as one sentence.
    Conflict {
        // Elections and terms.
        TwoLeaders = "two-leaders" { node: Node, term: Term, leader: Node }
            "n{node} leads term {term} although n{leader} already leads it";
        LeadsTermAgain = "leads-term-again" { node: Node, term: Term }
            "n{node} leads term {term} again after a restart";
        ElectedWithoutQuorum = "elected-without-quorum" {
            node: Node, term: Term, voters: NodeList, configuration: Configuration,
        }
            "n{node} leads term {term} with the votes of {voters}, which is not a quorum of {configuration}";
        VotedTwice = "voted-twice" { node: Node, term: Term, candidate: Node, earlier: Node }
            "n{node} votes for {now} in term {term} after it voted for {before}",
            now = Candidate { voter: *node, candidate: *candidate },
            before = Candidate { voter: *node, candidate: *earlier };
        TermNotIncreased = "term-not-increased" { node: Node, from: Term, to: Term }
            "n{node} goes from term {from} to term {to}";
        StartedBelowPromise = "started-below-promise" { node: Node, term: Term, promised: Term }
            "n{node} starts in term {term} although it made a promise in term {promised}";
        StartedWithoutVote = "started-without-vote" {
            node: Node, term: Term, candidate: Node, found: Option<Node>,
        }
            "n{node} starts {found} in term {term}, in which it has voted for {voted}",
            found = RecoveredVote(*found),
            voted = Candidate { voter: *node, candidate: *candidate };
        StartedWithoutAcked = "started-without-acked" { node: Node, term: Term, acked: Index, last: LogId }
            "n{node} starts in term {term} with a log up to {last}, which lacks entries that it has acknowledged in this term, up to {acked}";
        StartedWithoutSaved = "started-without-saved" { node: Node, term: Term, saved: LogId, last: LogId }
            "n{node} starts in term {term} with a log up to {last}, which lacks {saved} although that was durable";
        RaisedByOutsider = "raised-by-outsider" { node: Node, term: Term, outsider: Node, reason: OutsiderReason }
            "n{node} goes to term {term}, in which n{outsider} campaigns, which {reason}";
        CampaignedWithoutOrder = "campaigned-without-order" { node: Node, term: Term, flaw: OrderFlaw }
            "n{node} campaigns in term {term} by order of a leader, but {flaw}";
        HintedItself = "hinted-itself" { node: Node, term: Option<Term> }
            "n{node} sends a client to itself in {at}, which it does not lead",
            at = HintTerm(*term);
        FalseReason = "false-reason" { node: Node, reason: RejectionReason, flaw: ReasonFlaw }
            "n{node} rejects an operator's command because {reason}, but {flaw}";

        // Logs.
        LeaderTruncated = "leader-truncated" { node: Node, term: Term, last: LogId, after: Index }
            "n{node} leads term {term} and truncates its log from {last} to {after}";
        LeaderInstalledSnapshot = "leader-installed-snapshot" { node: Node, term: Term, last: LogId }
            "n{node} leads term {term} and installs a snapshot up to {last}";
        LeaderAppendedOtherTerm = "leader-appended-other-term" { node: Node, term: Term, entry: LogId }
            "n{node} leads term {term} and appends {entry}";
        AppendNotAtEnd = "append-not-at-end" { node: Node, entry: LogId, last: LogId }
            "n{node} appends {entry} to a log that ends at {last}";
        EntryAfterOtherLog = "entry-after-other-log" { node: Node, write: Write, entry: LogId, writer: Node }
            "n{node} {write} {entry} after a log that differs from the one in which n{writer} wrote it";
        EntryDiffers = "entry-differs" {
            node: Node, write: Write, entry: LogId, content: Digest, writer: Node, written: Digest,
        }
            "n{node} {write} {entry} with {content} although n{writer} wrote {written} there";
        StartedWithUnwrittenLog = "started-with-unwritten-log" { node: Node, last: LogId }
            "n{node} starts with a log that ends at {last}, which no server wrote";
        StartedAfterOtherBase = "started-after-other-base" { node: Node, last: LogId, base: LogId }
            "n{node} starts with a log up to {last} that does not follow {base}";
        StartedWithOtherLog = "started-with-other-log" { node: Node, base: LogId, last: LogId }
            "n{node} starts with a log {range} that differs from the one that was written",
            range = LogRange { base: *base, last: *last };
        StartedWithOtherIdentity = "started-with-other-identity" { node: Node, former: u64, identity: u64 }
            "n{node} starts with a log and the identity {identity:x}, although its disk had the identity {former:x}";
        CompactedBeyondSnapshot = "compacted-beyond-snapshot" { node: Node, last: LogId, base: LogId }
            "n{node} saves a snapshot up to {last} and only the entries after {base}";
        AckedTruncated = "acked-truncated" { node: Node, truncation: Truncation, term: Term, acked: Index }
            "n{node} {truncation} in term {term}, in which it has acknowledged {acked}";
        CommittedTruncated = "committed-truncated" { node: Node, truncation: Truncation, committed: LogId }
            "n{node} {truncation} although {committed} is committed";

        // Commits.
        CommitIndexLowered = "commit-index-lowered" { node: Node, from: Index, to: Index }
            "n{node} lowers its commit index from {from} to {to}";
        CommittedOtherEntry = "committed-other-entry" { node: Node, entry: LogId, committed: LogId }
            "n{node} commits {entry} although {committed} is committed";
        CommittedBeyondLeaders = "committed-beyond-leaders" { node: Node, index: Index, last: LogId }
            "n{node} commits {index} although no leader has committed further than {last}";
        CommittedMissingEntry = "committed-missing-entry" { node: Node, committed: LogId, last: LogId }
            "n{node} commits {committed} although its log ends at {last}";
        LeaderCommittedOtherTerm = "leader-committed-other-term" { node: Node, term: Term, entry: LogId }
            "n{node} leads term {term} and commits {entry}";
        LeaderCommittedBeyondLog = "leader-committed-beyond-log" {
            node: Node, term: Term, index: Index, last: LogId,
        }
            "n{node} leads term {term} and commits {index}, but its log ends at {last}";
        CommittedWithoutQuorum = "committed-without-quorum" {
            node: Node, entry: LogId, durable: NodeList, configuration: Configuration,
        }
            "n{node} commits {entry} which was durable on {durable}, which is not a quorum of {configuration}";
        LeaderLacksCommitted = "leader-lacks-committed" {
            node: Node, term: Term, entry: LogId, committer: Node, committed_in: Term,
        }
            "n{node} leads term {term} without {entry}, which n{committer} committed as leader of term {committed_in}";
        CommittedWithoutSuccessor = "committed-without-successor" {
            node: Node, entry: LogId, term: Term, successor: Node, successor_term: Term,
        }
            "n{node} commits {entry} as leader of term {term} although n{successor} leads term {successor_term} without it";

        CountLowered = "count-lowered" { node: Node, term: Term, follower: Node, from: Index, to: Index }
            "n{node} leads term {term} and counts n{follower} up to {to} after it has counted it up to {from}";
        CountedSentAgain = "counted-sent-again" {
            node: Node, term: Term, follower: Node, first: Index, counted: Index,
        }
            "n{node} leads term {term} and sends n{follower} entries from {first} on although it counts it up to {counted}";
        CountedUnacknowledged = "counted-unacknowledged" {
            node: Node, term: Term, follower: Node, index: Index, acked: Index,
        }
            "n{node} leads term {term} and counts n{follower} up to {index}, but that replica has acknowledged {upto} in this \
             term",
            upto = AckedUpTo(*acked);
        CountedNotDurable = "counted-not-durable" { node: Node, term: Term, follower: Node, entry: LogId }
            "n{node} leads term {term} and counts n{follower} up to {entry}, which was never durable there";
        RepairTakesRounds = "repair-takes-rounds" {
            node: Node, term: Term, follower: Node, rounds: u64, missing: u64,
        }
            "n{node} leads term {term} and sends entries to n{follower} in {rounds} rounds, although only {missing} entries were \
             missing or in conflict there";
        RepairTakesEntries = "repair-takes-entries" {
            node: Node, term: Term, follower: Node, entries: u64, missing: u64,
        }
            "n{node} leads term {term} and sends {entries} entries to n{follower}, although only {missing} were missing or in \
             conflict there";
        RepairTakesBytes = "repair-takes-bytes" {
            node: Node, term: Term, follower: Node, bytes: u64, last: LogId, size: u64,
        }
            "n{node} leads term {term} and sends {bytes} bytes of its snapshot up to {last} to n{follower}, although that has only \
             {size}";
        KeptForGood = "kept-for-good" { node: Node, kept: Leftover, count: u64 }
            "n{node} keeps {count} {kept}, although nothing has happened for long";
        GrowsForNothing = "grows-for-nothing" { node: Node, before: u64, after: u64 }
            "what n{node} keeps has grown from {before} to {after}, although nothing has happened";
        TracksOthers = "tracks-others" {
            node: Node, term: Term, followers: NodeList, configuration: Configuration,
        }
            "n{node} leads term {term} and sends its log to {followers}, and the configuration is {configuration}";

        // Promises and disks.
        VotedBeforeSave = "voted-before-save" {
            node: Node, term: Term, candidate: Node, saved_term: Term, saved_vote: Option<Node>,
        }
            "{promise} in term {term} while its disk has term {saved_term} {vote}",
            promise = VotePromise { node: *node, candidate: *candidate },
            vote = SavedVote(*saved_vote);
        AckedBeforeTermSave = "acked-before-term-save" { node: Node, index: Index, term: Term, saved_term: Term }
            "n{node} acknowledges {index} in term {term} while its disk has term {saved_term}";
        AckedOtherEntry = "acked-other-entry" { node: Node, entry: LogId, term: Term, saved: LogId }
            "n{node} acknowledges {entry} in term {term} while its disk has {saved}";
        AckedBeforeSave = "acked-before-save" { node: Node, entry: LogId, term: Term, last: LogId }
            "n{node} acknowledges {entry} in term {term} while its disk ends at {last}";

        // State machines and clients.
        AppliedOutOfOrder = "applied-out-of-order" { node: Node, index: Index, before: Index }
            "n{node} applies {index} right after {before}";
        AppliedUncommitted = "applied-uncommitted" {
            node: Node, index: Index, content: Digest, committed: LogId, written: Digest,
        }
            "n{node} applies {content} at {index} although {committed} with {written} is committed";
        AppliedOtherEntry = "applied-other-entry" {
            node: Node, index: Index, content: Digest, other: Node, applied: Digest,
        }
            "n{node} applies {content} at {index} although n{other} applied {applied} there";
        StateDiffers = "state-differs" { node: Node, index: Index, state: Digest, other: Node, known: Digest }
            "n{node} is in state {state} after {index} although n{other} was in {known} after it";
        RequestAppliedTwice = "request-applied-twice" {
            node: Node, request: RequestId, index: Index, earlier: Index,
        }
            "n{node} applies {request} again at {index} although it already had its effect at {earlier}";
        RepeatedWithoutEffect = "repeated-without-effect" { node: Node, request: RequestId, index: Index }
            "n{node} takes {request} at {index} for a repetition although no entry before had its effect";
        ForgottenAboveMark = "forgotten-above-mark" { node: Node, request: RequestId, index: Index, mark: u64 }
            "n{node} ignores {request} at {index} as if its client had the response, but the mark of its session is {mark}";
        ExpiredInUse = "expired-in-use" {
            node: Node, request: RequestId, index: Index, log_time: u64, last_use: Option<u64>,
        }
            "n{node} answers {request} at {index} as in an expired session, at log time {log_time}, although that {used}",
            used = LastUse(*last_use);
        UsedAfterExpiry = "used-after-expiry" {
            node: Node, request: RequestId, index: Index, end: SessionEnd,
        }
            "n{node} answers {request} at {index} as in a session that exists although that {end}";
        LogTimeWentBack = "log-time-went-back" { node: Node, index: Index, before: u64, log_time: u64 }
            "n{node} goes from log time {before} back to {log_time} at {index}";
        StaleRead = "stale-read" { node: Node, read: RequestId, applied: Index, write: RequestId, index: Index }
            "n{node} serves read {read} from the state after {applied} although write {write} at {index} was \
             acknowledged before the read began";
        ReadConfirmedAfterSuccessor = "read-confirmed-after-successor" {
            node: Node, read: RequestId, term: Term, successor: Node, successor_term: Term, index: Index,
        }
            "n{node} confirms read {read} as leader of term {term} although n{successor} had committed {index} as leader of \
             term {successor_term} before the read began";
        ReadConfirmedWithoutQuorum = "read-confirmed-without-quorum" {
            node: Node, read: RequestId, term: Term, answered: NodeList, configuration: Configuration,
        }
            "n{node} confirms read {read} as leader of term {term}, but since the read began only {answered} can have \
             answered it, which is not a quorum of {configuration}";
        ReadConfirmedWithoutLease = "read-confirmed-without-lease" {
            node: Node, read: RequestId, term: Term, promised: NodeList, configuration: Configuration,
        }
            "n{node} confirms read {read} by its lease as leader of term {term}, but only {promised} can still promise to \
             elect no other leader, which is not a quorum of {configuration}";
        ReadConfirmedBeforeOwnCommit = "read-confirmed-before-own-commit" {
            node: Node, read: RequestId, term: Term, entry: LogId,
        }
            "n{node} confirms read {read} as leader of term {term} at {entry}, which is before its first entry";
        ReadServedTooEarly = "read-served-too-early" { node: Node, read: RequestId, applied: Index, index: Index }
            "n{node} serves read {read} from the state after {applied} although {index} must be applied first";

        // Snapshots.
        SnapshotNotCommitted = "snapshot-not-committed" {
            node: Node, step: SnapshotStep, entry: LogId, committed: CommittedInstead,
        }
            "n{node} {step} {entry} although {committed}";
        InstalledKnownSnapshot = "installed-known-snapshot" { node: Node, last: LogId, commit_index: Index }
            "n{node} installs a snapshot up to {last} although it already knows {commit_index} to be committed";
        StateWentBack = "state-went-back" { node: Node, from: Index, to: Index }
            "n{node} goes back from the state after {from} to the state after {to}";
        SnapshotStateDiffers = "snapshot-state-differs" {
            node: Node, step: StateStep, state: Digest, index: Index, other: Node, known: Digest,
        }
            "n{node} {step} the state {state} after {index} although n{other} was in {known} after it";
        SnapshotConfigurationDiffers = "snapshot-configuration-differs" {
            node: Node, step: ConfigurationStep, configuration: Configuration, index: Index,
            known: Configuration, carrier: LogId,
        }
            "n{node} {step} the configuration {stated} at {index} although {expected}, carried by {carrier}, is in force \
             there",
            stated = Compared { configuration, other: known },
            expected = Compared { configuration: known, other: configuration };

        // Membership.
        InvalidConfiguration = "invalid-configuration" {
            node: Node, configuration: Configuration, index: Index, error: ConfigurationError,
        }
            "n{node} states the configuration {configuration} at {index}, which {error}";
        ChangedBeforeLastCommitted = "changed-before-last-committed" { node: Node, index: Index, since: Index }
            "n{node} changes the configuration at {index} although the change at {since} is not committed";
        ChangedBeforeOwnCommit = "changed-before-own-commit" { node: Node, term: Term, index: Index }
            "n{node} leads term {term} and changes the configuration at {index} before it has committed an entry of it";
        MajoritiesNeedNotOverlap = "majorities-need-not-overlap" {
            node: Node, index: Index, before: Configuration, next: Configuration,
        }
            "n{node} changes the configuration at {index} from {before} to {next}, whose majorities need not overlap";
        CampaignedWithoutVote = "campaigned-without-vote" { node: Node, term: Term, configuration: Configuration }
            "n{node} campaigns in term {term} and has no vote in {configuration}";
        StartedWithOtherConfiguration = "started-with-other-configuration" {
            node: Node, configuration: Configuration, initial: Vec<Configuration>,
        }
            "n{node} begins with the configuration {stated}, but the initial configuration is {expected}",
            stated = WithLearners(configuration), expected = Alternatives(initial);
        UnrequestedConfiguration = "unrequested-configuration" {
            node: Node, configuration: Configuration, index: Index, possible: Vec<Configuration>,
        }
            "n{node} has committed the configuration {stated} at {index}, which no request explains: possible is {expected}",
            stated = WithLearners(configuration), expected = Alternatives(possible);
    }
}

phrases! {
    /// How a server writes an entry.
    Write {
        Append = "appends",
        Save = "saves",
    }
    /// What a server does with the entries up to which a snapshot reaches.
    SnapshotStep {
        Take = "takes a snapshot up to",
        Install = "replaces its log with a snapshot up to",
        Save = "saves a snapshot up to",
        SaveInsteadOfEntries = "saves a snapshot instead of the entries up to",
        StartInsteadOfEntries = "starts with a snapshot instead of the entries up to",
    }
    /// What a server keeps.
    Leftover {
        Requests = "waiting requests",
        Promises = "promises that wait for the disk",
        Parts = "incomplete snapshots",
    }
    /// What a server does with the state in a snapshot.
    StateStep {
        Take = "takes a snapshot of",
        Restore = "restores",
    }
    /// What a server does with the configuration in a snapshot.
    ConfigurationStep {
        Take = "takes a snapshot with",
        Install = "installs a snapshot with",
        Start = "begins its log with",
    }
}

/// How the end of a log is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truncation {
    /// The log now ends at this index.
    After(Index),
    /// A snapshot up to this entry replaces the log.
    BySnapshot(LogId),
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Truncation::After(index) => write!(f, "truncates its log to {index}"),
            Truncation::BySnapshot(last) => write!(f, "replaces its log with a snapshot up to {last}"),
        }
    }
}

/// What is committed at an index instead of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommittedInstead {
    /// Another entry.
    Other(LogId),
    /// Nothing; the last committed entry is this one.
    Nothing(LogId),
}

impl fmt::Display for CommittedInstead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommittedInstead::Other(id) => write!(f, "{id} is committed"),
            CommittedInstead::Nothing(last) => write!(f, "no leader has committed further than {last}"),
        }
    }
}

/// Why a candidate is an outsider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutsiderReason {
    /// It is a member with a permanent fault.
    PermanentFault,
    /// It is not a member of this configuration.
    NotMember(Configuration),
}

impl fmt::Display for OutsiderReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutsiderReason::PermanentFault => f.write_str("has a permanent fault"),
            OutsiderReason::NotMember(configuration) => write!(f, "is not a member of {configuration}"),
        }
    }
}

/// Why a candidacy has no valid order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderFlaw {
    /// No order has arrived.
    Missing,
    /// The order came from a server that does not lead the term of the order.
    NotFromLeader {
        /// That server.
        sender: Node,
        /// The term of the order.
        term: Term,
    },
    /// The order arrived when the server was in a later term.
    Late {
        /// The term of the order.
        term: Term,
        /// The term of the server.
        arrived: Term,
    },
    /// The order is not of an earlier term than the candidacy.
    NotEarlier {
        /// The term of the order.
        term: Term,
    },
    /// The server has campaigned since the order.
    Used {
        /// The term of the order.
        term: Term,
        /// The term of that candidacy.
        campaigned: Term,
    },
}

impl fmt::Display for OrderFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderFlaw::Missing => f.write_str("no leader has told it to"),
            OrderFlaw::NotFromLeader { sender, term } => {
                write!(f, "n{sender}, which has told it to, does not lead term {term}")
            }
            OrderFlaw::Late { term, arrived } => {
                write!(f, "the order of the leader of term {term} arrived in term {arrived}")
            }
            OrderFlaw::NotEarlier { term } => write!(f, "the order is of term {term}"),
            OrderFlaw::Used { term, campaigned } => {
                write!(
                    f,
                    "since the order of the leader of term {term} it has campaigned in term {campaigned}"
                )
            }
        }
    }
}

/// Why the reason of a rejection is false.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonFlaw {
    /// The server leads.
    Leads {
        /// The term that it leads.
        term: Term,
    },
    /// The configuration in force is not joint, and its entry is committed.
    NonePending {
        /// The index of the entry.
        index: Index,
    },
    /// The leader has committed an entry of its own term.
    Committed {
        /// The term.
        term: Term,
        /// The last entry that it knows to be committed.
        entry: LogId,
    },
    /// Each server that would become a voter is one already, or has the whole log.
    CaughtUp {
        /// The end of the leader's log.
        last: Index,
    },
    /// Each server that the command names is another voter.
    Votes {
        /// The configuration in force.
        configuration: Configuration,
    },
}

impl fmt::Display for ReasonFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReasonFlaw::Leads { term } => write!(f, "it leads term {term}"),
            ReasonFlaw::NonePending { index } => {
                write!(f, "the last configuration, at {index}, is committed, and it is not joint")
            }
            ReasonFlaw::Committed { term, entry } => {
                write!(f, "it leads term {term}, and knows {entry} to be committed")
            }
            ReasonFlaw::CaughtUp { last } => {
                write!(
                    f,
                    "each of them votes already, or is counted up to {last}, where the leader's log ends"
                )
            }
            ReasonFlaw::Votes { configuration } => write!(f, "each of them votes in {configuration}"),
        }
    }
}

/// The term in which a server gives a hint.
struct HintTerm(Option<Term>);

impl fmt::Display for HintTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(term) => write!(f, "term {term}"),
            None => f.write_str("a term that it has not stated"),
        }
    }
}

/// Some servers, displayed as `n1, n2 and n3`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct NodeList(pub Vec<Node>);

impl fmt::Display for NodeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_nodes(f, &self.0)
    }
}

fn fmt_nodes(f: &mut fmt::Formatter<'_>, nodes: &[Node]) -> fmt::Result {
    let Some((last, others)) = nodes.split_last() else { return f.write_str("no server") };
    for (position, node) in others.iter().enumerate() {
        write!(f, "{}n{node}", if position == 0 { "" } else { ", " })?;
    }
    write!(f, "{}n{last}", if others.is_empty() { "" } else { " and " })
}

/// A candidate, from its voter's side.
struct Candidate {
    voter: Node,
    candidate: Node,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.candidate == self.voter { f.write_str("itself") } else { write!(f, "n{}", self.candidate) }
    }
}

/// The vote that a server recovers.
struct RecoveredVote(Option<Node>);

impl fmt::Display for RecoveredVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(node) => write!(f, "with a vote for n{node}"),
            None => f.write_str("without a vote"),
        }
    }
}

/// A vote or a candidacy.
struct VotePromise {
    node: Node,
    candidate: Node,
}

impl fmt::Display for VotePromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VotePromise { node, candidate } = self;
        if candidate == node {
            write!(f, "n{node} campaigns")
        } else {
            write!(f, "n{node} gives n{candidate} its vote")
        }
    }
}

/// The end of what was acknowledged.
struct AckedUpTo(Index);

impl fmt::Display for AckedUpTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("nothing"),
            index => write!(f, "only {index}"),
        }
    }
}

/// The last use of a session that is not over.
struct LastUse(Option<u64>);

impl fmt::Display for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(last_use) => write!(f, "was last used at {last_use}, less than a lifetime ago"),
            None => f.write_str("never expires"),
        }
    }
}

/// The vote on a disk.
struct SavedVote(Option<Node>);

impl fmt::Display for SavedVote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(vote) => write!(f, "with a vote for n{vote}"),
            None => f.write_str("without a vote"),
        }
    }
}

/// The entries of a log after `base`.
struct LogRange {
    base: LogId,
    last: LogId,
}

impl fmt::Display for LogRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.base != LogId::default() {
            write!(f, "from {} ", self.base)?;
        }
        write!(f, "up to {}", self.last)
    }
}

/// A configuration with its learners.
struct WithLearners<'a>(&'a Configuration);

impl fmt::Display for WithLearners<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if !self.0.learners.is_empty() {
            f.write_str(" and learner ")?;
            fmt_nodes(f, &self.0.learners)?;
        }
        Ok(())
    }
}

/// Configurations of which one should be in force; the first few of them.
struct Alternatives<'a>(&'a [Configuration]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_SHOWN: usize = 4;
        for (position, configuration) in self.0.iter().take(MAX_SHOWN).enumerate() {
            write!(f, "{}{}", if position == 0 { "" } else { " or " }, WithLearners(configuration))?;
        }
        if self.0.len() > MAX_SHOWN {
            write!(f, " or {} more", self.0.len() - MAX_SHOWN)?;
        }
        Ok(())
    }
}

/// A configuration with its learners, and with its digest if nothing else distinguishes it from `other`.
struct Compared<'a> {
    configuration: &'a Configuration,
    other: &'a Configuration,
}

impl fmt::Display for Compared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared { configuration, other } = self;
        write!(f, "{configuration}")?;
        if !configuration.learners.is_empty() {
            f.write_str(" and the learners ")?;
            fmt_nodes(f, &configuration.learners)?;
        }
        match configuration.digest {
            Some(digest) if configuration.has_same_members(other) => write!(f, " with the digest {digest}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the names of all kinds")]
mod tests {
    use super::Conflict;
    use std::collections::BTreeSet;

    #[test]
    fn every_conflict_has_its_own_kind_in_kebab_case() {
        let unique: BTreeSet<&str> = Conflict::KINDS.iter().copied().collect();
        assert_eq!(unique.len(), Conflict::KINDS.len());
        for kind in Conflict::KINDS {
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(kind.split('-').all(is_word), "{kind}");
        }
    }

    #[test]
    fn the_serialized_kind_is_the_kind() {
        let conflict = Conflict::LeadsTermAgain { node: 2, term: 7 };
        let json = serde_json::to_value(&conflict).unwrap();
        assert_eq!(json, serde_json::json!({ "kind": conflict.kind(), "node": 2, "term": 7 }));
    }
}
