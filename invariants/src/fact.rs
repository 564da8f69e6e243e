//! Facts: statements about a run. They are all that properties see.
//!
//! A fact is a *claim* of a server about its own state, a *promise* that a server makes by sending a message, or a
//! *truth* that a server cannot state, which comes from the simulated disk, the simulated world or a client. Facts
//! hold plain numbers, so that any Raft can be checked.

use crate::conflict::ConfigurationError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A server's number, from 1. In client facts: the client's number.
pub type Node = u64;
/// A Raft term. 0 is before the first election.
pub type Term = u64;
/// A log index. 0 is before the first entry.
pub type Index = u64;
/// Nanoseconds of true time since the run began.
pub type Time = u64;

/// A 64-bit digest of a content. Equal contents have equal digests; different contents almost surely differ.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of the empty log and of the empty content.
    pub const EMPTY: Digest = Digest(0x9e37_79b9_7f4a_7c15);

    /// The digest of this content followed by `word`. Order matters.
    #[must_use]
    pub const fn then(self, word: u64) -> Digest {
        // One widening multiplication of two odd-keyed words, folded: every input bit affects every output bit.
        let product =
            ((self.0 ^ 0xa076_1d64_78bd_642f) as u128) * ((word ^ 0xe703_7ed1_a0b4_28db) as u128 | 1 << 63);
        Digest((product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32))
    }

    /// The digest of this log followed by one entry. [`Fact::Started`] folds a whole log with it.
    #[must_use]
    pub const fn then_entry(self, term: Term, entry: Digest) -> Digest {
        self.then(term).then(entry.0)
    }

    /// The digest of a byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        let mut digest = Digest::EMPTY.then(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            digest = digest.then(u64::from_le_bytes(word.try_into().expect("chunks of eight")));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        digest.then(u64::from_le_bytes(last))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

/// Index and term of a log entry, displayed as `index@term`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogId {
    /// The index.
    pub index: Index,
    /// The term of the entry there; 0 before the first entry.
    pub term: Term,
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// Identifies a client request by its session and its number in that session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestId {
    /// The session.
    pub session: u64,
    /// The number within the session.
    pub sequence: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}#{}", self.session, self.sequence)
    }
}

/// A cluster configuration: voters and learners (Raft paper, 6).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The voters; of a joint configuration, the voters of the new one.
    pub voters: Vec<Node>,
    /// The voters of the old configuration while joint; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joint: Vec<Node>,
    /// Servers that receive the log and do not vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<Node>,
    /// Digest of everything the system stores in a configuration, including what the lists do not show (member
    /// identities, learners-to-be, how a joint phase ends). Not compared if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Configuration {
    /// Why a system must not state this configuration: a server is listed twice in one list, or is both a voter of
    /// the new configuration and a learner, or there is no voter in a configuration that an entry or a snapshot
    /// carries (`is_carried`). A voter of the old half may already be a learner (thesis, 4.3).
    pub(crate) fn validation_error(&self, is_carried: bool) -> Option<ConfigurationError> {
        use ConfigurationError::*;
        let in_both = || self.learners.iter().find(|node| self.voters.contains(node));
        None.or_else(|| find_duplicate(&self.voters).map(RepeatedVoter))
            .or_else(|| find_duplicate(&self.joint).map(RepeatedOldVoter))
            .or_else(|| find_duplicate(&self.learners).map(RepeatedLearner))
            .or_else(|| in_both().copied().map(VoterAndLearner))
            .or_else(|| (is_carried && self.voters.is_empty()).then_some(NoVoter))
    }

    /// Whether both have the same members in the same roles, in any order.
    pub(crate) fn has_same_members(&self, other: &Configuration) -> bool {
        same_nodes(&self.voters, &other.voters)
            && same_nodes(&self.joint, &other.joint)
            && same_nodes(&self.learners, &other.learners)
    }

    /// A copy that lists each server once per list, as quorums count it; `None` if there is no duplicate.
    pub(crate) fn without_duplicates(&self) -> Option<Configuration> {
        let lists = [&self.voters, &self.joint, &self.learners];
        lists.into_iter().any(|nodes| find_duplicate(nodes).is_some()).then(|| {
            let dedup = |nodes: &[Node]| {
                let mut known = BTreeSet::new();
                nodes.iter().copied().filter(|&node| known.insert(node)).collect()
            };
            Configuration {
                voters: dedup(&self.voters),
                joint: dedup(&self.joint),
                learners: dedup(&self.learners),
                digest: self.digest,
            }
        })
    }

    /// Whether this server is a voter (of either half) or a learner.
    #[must_use]
    pub fn has(&self, node: Node) -> bool {
        [&self.voters, &self.joint, &self.learners].into_iter().any(|nodes| nodes.contains(&node))
    }

    /// All members; a server appears once for each list that names it.
    pub fn members(&self) -> impl Iterator<Item = Node> + '_ {
        self.voters.iter().chain(&self.joint).chain(&self.learners).copied()
    }

    /// Whether the servers for which `counts` holds are a quorum: a majority of the voters and, while joint, also of
    /// the old voters (paper, 6). Learners never count.
    #[must_use]
    pub fn is_quorum(&self, counts: impl Fn(Node) -> bool) -> bool {
        let majority = |half: &[Node]| 2 * half.iter().filter(|&&node| counts(node)).count() > half.len();
        majority(&self.voters) && (self.joint.is_empty() || majority(&self.joint))
    }
}

/// Whether two lists without duplicates name the same servers.
pub(crate) fn same_nodes(one: &[Node], other: &[Node]) -> bool {
    one.len() == other.len() && one.iter().all(|node| other.contains(node))
}

/// A server that is listed more than once.
fn find_duplicate(nodes: &[Node]) -> Option<Node> {
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    sorted.array_windows().find(|[one, other]| one == other).map(|&[one, _]| one)
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = |f: &mut fmt::Formatter<'_>, nodes: &[Node]| {
            nodes.iter().enumerate().try_for_each(|(position, node)| {
                write!(f, "{}n{node}", if position == 0 { "" } else { ", " })
            })
        };
        write!(f, "{{")?;
        nodes(f, &self.voters)?;
        if !self.joint.is_empty() {
            write!(f, "}} with {{")?;
            nodes(f, &self.joint)?;
        }
        write!(f, "}}")
    }
}

/// A membership change as an operator requests it (Raft paper, 6; thesis 4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChange {
    /// These operations in order, at once or through a joint phase that ends without another request.
    Steps(Vec<ConfChangeOp>),
    /// These operations in order, through a joint phase that lasts until [`ConfChange::Leave`].
    Joint(Vec<ConfChangeOp>),
    /// End the joint phase.
    Leave,
}

impl ConfChange {
    /// The operations.
    #[must_use]
    pub fn ops(&self) -> &[ConfChangeOp] {
        match self {
            ConfChange::Steps(ops) | ConfChange::Joint(ops) => ops,
            ConfChange::Leave => &[],
        }
    }
}

/// One operation of a membership change. It overrides the role that the server had before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChangeOp {
    /// Make this server a voter.
    Voter(Node),
    /// Make this server a learner.
    Learner(Node),
    /// Remove this server.
    Remove(Node),
}

impl fmt::Display for ConfChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, ops) = match self {
            ConfChange::Steps(ops) => ("", ops),
            ConfChange::Joint(ops) => (" and stay joint", ops),
            ConfChange::Leave => return f.write_str("leave the joint phase"),
        };
        for (position, op) in ops.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            match op {
                ConfChangeOp::Voter(node) => write!(f, "{comma}voter n{node}")?,
                ConfChangeOp::Learner(node) => write!(f, "{comma}learner n{node}")?,
                ConfChangeOp::Remove(node) => write!(f, "{comma}remove n{node}")?,
            }
        }
        if ops.is_empty() {
            f.write_str("no operation")?;
        }
        f.write_str(how)
    }
}

/// The response to an operator's membership change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChangeResponse {
    /// The change is complete: a joint phase that ends by itself has ended; a requested joint phase is in force.
    Done,
    /// The change did not happen and never will.
    Refused,
    /// The change may have happened or may still happen.
    Unknown,
}

/// What a fact says. [`Observed`] adds when it was stated and by which server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// Claim: an incarnation starts with this recovered state. `digest` folds the recovered log after `base` with
    /// [`Digest::then_entry`], starting from [`Digest::EMPTY`].
    Started {
        /// The recovered term.
        term: Term,
        /// The recovered vote in that term.
        vote: Option<Node>,
        /// Where the recovered log begins: 0@0, or the entry up to which a snapshot replaces it.
        base: LogId,
        /// Where the recovered log ends.
        last: LogId,
        /// Digest of the recovered entries after `base`.
        digest: Digest,
    },
    /// Claim: the current term changed.
    TermChanged {
        /// The new term.
        term: Term,
    },
    /// Claim: the log has a new last entry.
    Appended {
        /// Its index: the previous last index plus one.
        index: Index,
        /// Its term.
        term: Term,
        /// Its content.
        entry: Digest,
    },
    /// Claim: the log was truncated.
    Truncated {
        /// The new last index.
        after: Index,
    },
    /// Claim: this server became leader.
    Leads {
        /// The term that it leads.
        term: Term,
    },
    /// Claim: this server stopped leading.
    SteppedDown {
        /// The term that it led.
        term: Term,
    },
    /// Claim: this server's commit index changed.
    Committed {
        /// The new commit index.
        index: Index,
    },
    /// Claim: the state machine applied this entry.
    Applied {
        /// Its index: one more than the index last applied or restored in this incarnation; any for the first.
        index: Index,
        /// The entry's content.
        entry: Digest,
        /// Digest of the whole state after it: a sum over the state's items.
        state: Digest,
        /// The client request in the entry, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Whether it changed the state; `false` if it was answered from the session table.
        effect: bool,
    },
    /// Claim: this configuration is in force from this entry on.
    Configured {
        /// The index of the entry that carries it; 0 for the first configuration, which no entry carries. For a log
        /// that begins after a snapshot: the index at which it begins.
        index: Index,
        /// The configuration.
        configuration: Box<Configuration>,
    },
    /// Claim: this server took a snapshot of its application.
    SnapshotTaken {
        /// The last entry that it covers.
        last: LogId,
        /// Digest of the state in it, recomputed from the items of the image.
        state: Digest,
        /// The configuration in it: the one in force at `last`.
        configuration: Box<Configuration>,
    },
    /// Claim: a leader's snapshot replaced the log, which now ends with the last entry that the snapshot covers.
    SnapshotInstalled {
        /// The last entry that it covers.
        last: LogId,
        /// The configuration in it: the one in force at `last`.
        configuration: Box<Configuration>,
    },
    /// Claim: the state machine was replaced with a snapshot's state. The next entry applied is `index + 1`.
    Restored {
        /// The index of the last entry that the snapshot covers.
        index: Index,
        /// Digest of the whole state, recomputed from the restored items.
        state: Digest,
    },
    /// Promise: a granted vote was sent.
    Voted {
        /// The term of the election.
        term: Term,
        /// The server that it was given to.
        candidate: Node,
    },
    /// Promise: a vote request was sent; the sender has voted for itself.
    Campaigned {
        /// The term that it campaigns in.
        term: Term,
    },
    /// Promise: a successful append response was sent to the leader of `term`.
    Acknowledged {
        /// The term of the leader.
        term: Term,
        /// Up to this index the log equals the leader's and is durable here.
        index: Index,
    },
    /// Promise: a read was answered.
    ReadServed {
        /// The read.
        read: RequestId,
        /// The applied index whose state it was answered from.
        applied: Index,
    },
    /// Truth, stated by the disk: one record is durable. Its entries follow, each as a [`Fact::SavedEntry`].
    Saved {
        /// The durable term.
        term: Term,
        /// The durable vote in that term.
        vote: Option<Node>,
        /// The durable log is first truncated to this index; `None`: it is not truncated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Index>,
    },
    /// Truth, stated by the disk: the durable log has a new last entry.
    SavedEntry {
        /// Its index.
        index: Index,
        /// Its term.
        term: Term,
        /// Its content.
        entry: Digest,
    },
    /// Truth, stated by the disk: a snapshot is durable, atomically with the [`Fact::Saved`] before it and the
    /// entries that follow. If the durable log contains `last`, its entries after `base` remain; otherwise the
    /// snapshot replaces it.
    SavedSnapshot {
        /// Where the durable log begins.
        base: LogId,
        /// The last entry that the snapshot covers: `base`, or a later one.
        last: LogId,
    },
    /// Truth, stated by the disk: everything that [`Fact::Started`] recovered is durable again.
    SavedRecovered,
    /// Truth: the process crashed. The page cache survives.
    Crashed,
    /// Truth: the power failed. Writes that were not synced may be lost.
    PowerLost,
    /// Truth: a new incarnation is about to start.
    Restarted,
    /// Truth: the disk was wiped.
    Wiped,
    /// Truth, stated by the world: this server, its clock and its disk have no fault from now on. Messages between
    /// the servers that are quiet arrive soon, there is a leader, and no operator requests changes or transfers.
    /// Stated only if pre-vote or check-quorum is on.
    Quiet,
    /// Truth, stated by the world: this server is an initial voter of the cluster.
    Founded {
        /// All initial voters.
        voters: Vec<Node>,
    },
    /// Truth, stated by the world: an operator asks this server for a membership change.
    ChangeRequested {
        /// The number of the request, in the order in which requests are made.
        request: u64,
        /// The change.
        change: Box<ConfChange>,
    },
    /// Truth, stated by the world: this server responded to the operator. A server that crashes first never responds.
    ChangeAnswered {
        /// The number of the request.
        request: u64,
        /// The response.
        answer: ConfChangeResponse,
    },
    /// Truth, stated by a client: its write was acknowledged.
    WriteAcknowledged {
        /// The log index that the response named.
        index: Index,
        /// The write.
        write: RequestId,
    },
    /// Truth, stated by a client: it starts to read.
    ReadAsked {
        /// The read.
        read: RequestId,
    },
}

impl Fact {
    /// The configuration in this fact and the index at which it is in force.
    pub(crate) fn configuration(&self) -> Option<(Index, &Configuration)> {
        match self {
            Fact::Configured { index, configuration } => Some((*index, configuration)),
            Fact::SnapshotTaken { last, configuration, .. }
            | Fact::SnapshotInstalled { last, configuration } => Some((last.index, configuration)),
            _ => None,
        }
    }

    /// The names of the fact's fields, as in its JSON form.
    #[must_use]
    pub const fn fields(&self) -> &'static [&'static str] {
        match self {
            Fact::Founded { .. } => &["voters"],
            Fact::ChangeRequested { .. } => &["request", "change"],
            Fact::ChangeAnswered { .. } => &["request", "answer"],
            Fact::Started { .. } => &["term", "vote", "base", "last", "digest"],
            Fact::TermChanged { .. }
            | Fact::Leads { .. }
            | Fact::SteppedDown { .. }
            | Fact::Campaigned { .. } => &["term"],
            Fact::Appended { .. } | Fact::SavedEntry { .. } => &["index", "term", "entry"],
            Fact::Truncated { .. } => &["after"],
            Fact::Committed { .. } => &["index"],
            Fact::Applied { .. } => &["index", "entry", "state", "request", "effect"],
            Fact::Configured { .. } => &["index", "configuration"],
            Fact::SnapshotTaken { .. } => &["last", "state", "configuration"],
            Fact::SnapshotInstalled { .. } => &["last", "configuration"],
            Fact::Restored { .. } => &["index", "state"],
            Fact::Voted { .. } => &["term", "candidate"],
            Fact::Acknowledged { .. } => &["term", "index"],
            Fact::ReadServed { .. } => &["read", "applied"],
            Fact::Saved { .. } => &["term", "vote", "after"],
            Fact::SavedSnapshot { .. } => &["base", "last"],
            Fact::SavedRecovered
            | Fact::Crashed
            | Fact::PowerLost
            | Fact::Restarted
            | Fact::Wiped
            | Fact::Quiet => &[],
            Fact::WriteAcknowledged { .. } => &["index", "write"],
            Fact::ReadAsked { .. } => &["read"],
        }
    }
}

/// A fact with its time, event and server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observed {
    /// True time, in nanoseconds since the run began.
    pub at: Time,
    /// The event of the run that stated it; facts of one event have the same step.
    pub step: u64,
    /// The server that stated it or that it is about; in client facts, the client's number.
    pub node: Node,
    /// What it says.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Observed {
    /// A copy whose configuration lists each server once per list; `None` if there is no duplicate.
    pub(crate) fn without_duplicates(&self) -> Option<Observed> {
        let (_, configuration) = self.fact.configuration()?;
        let deduplicated = Box::new(configuration.without_duplicates()?);
        let mut observed = self.clone();
        match &mut observed.fact {
            Fact::Configured { configuration, .. }
            | Fact::SnapshotTaken { configuration, .. }
            | Fact::SnapshotInstalled { configuration, .. } => *configuration = deduplicated,
            _ => {}
        }
        Some(observed)
    }
}
