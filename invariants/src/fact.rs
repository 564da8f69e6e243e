//! What a node makes true for others: the only thing that properties ever see.
//!
//! A fact is a *claim* of the server about its own state, a *promise* stated by the act of letting a message go, or a
//! *truth* that a server cannot state: the simulated disk, the world and the clients state those. Numbers are plain,
//! so that any Raft can be judged by them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A server's number. Servers are numbered from 1; clients have numbers of their own in client facts.
pub type Node = u64;
/// A Raft term. 0 is before the first election.
pub type Term = u64;
/// A log index. 0 is before the first entry.
pub type Index = u64;
/// Nanoseconds of true time since the run began.
pub type Time = u64;

/// Sixty-four bits that stand for a content. Equal contents have equal digests; different ones almost surely do not.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of nothing: of the empty log, of the empty content.
    pub const EMPTY: Digest = Digest(0x9e37_79b9_7f4a_7c15);

    /// This content followed by `word`. Order matters.
    #[must_use]
    pub const fn then(self, word: u64) -> Digest {
        // One widening multiplication of two odd-keyed words, folded: every input bit reaches every output bit.
        let product =
            ((self.0 ^ 0xa076_1d64_78bd_642f) as u128) * ((word ^ 0xe703_7ed1_a0b4_28db) as u128 | 1 << 63);
        Digest((product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32))
    }

    /// This log followed by one entry: the fold that [`Fact::Started`] uses over a whole log.
    #[must_use]
    pub const fn then_entry(self, term: Term, entry: Digest) -> Digest {
        self.then(term).then(entry.0)
    }

    /// The digest of a string of bytes.
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

/// A place in a log: `index@term`.
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

/// A client's request by its name: the session that it belongs to, and its number there.
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

/// Who votes and who only listens.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The voters; while joint, those of the new half.
    pub voters: Vec<Node>,
    /// The old half while joint; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joint: Vec<Node>,
    /// Nodes that receive the log and never count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learners: Vec<Node>,
    /// All that the system keeps of it: also the identities of its members, who comes after a joint phase and how that
    /// is left. Absent where the system does not say; then it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Configuration {
    /// What no system may carry in an entry or a snapshot, or state of its founding: a server that is listed twice in one
    /// half, or as a voter of the new half and as a learner; no voter, except in what no entry carries. A voter that is
    /// about to go may be a learner already while the old half counts (thesis, 4.3).
    pub(crate) fn validation_error(&self, is_carried: bool) -> Option<String> {
        let halves =
            [(&self.voters, "voters"), (&self.joint, "voters of the old half"), (&self.learners, "learners")];
        let twice = halves.into_iter().find_map(|(nodes, what)| {
            let node = find_duplicate(nodes)?;
            Some(format!("lists n{node} twice among its {what}"))
        });
        twice
            .or_else(|| {
                let node = self.learners.iter().find(|node| self.voters.contains(node))?;
                Some(format!("lists n{node} as a voter and as a learner"))
            })
            .or_else(|| (is_carried && self.voters.is_empty()).then(|| "has no voter".to_owned()))
    }

    /// The same with each server once in each half, which is what it counts as; `None` where it is so.
    pub(crate) fn without_duplicates(&self) -> Option<Configuration> {
        let halves = [&self.voters, &self.joint, &self.learners];
        halves.into_iter().any(|nodes| find_duplicate(nodes).is_some()).then(|| {
            let once = |nodes: &[Node]| {
                let mut known = BTreeSet::new();
                nodes.iter().copied().filter(|&node| known.insert(node)).collect()
            };
            Configuration {
                voters: once(&self.voters),
                joint: once(&self.joint),
                learners: once(&self.learners),
                digest: self.digest,
            }
        })
    }

    /// Whether this node belongs to it, with a vote or without.
    #[must_use]
    pub fn has(&self, node: Node) -> bool {
        [&self.voters, &self.joint, &self.learners].into_iter().any(|nodes| nodes.contains(&node))
    }

    /// Whoever belongs to it: once for each part that it has.
    pub fn members(&self) -> impl Iterator<Item = Node> + '_ {
        self.voters.iter().chain(&self.joint).chain(&self.learners).copied()
    }

    /// Whether the nodes that count are a quorum: more than half of the voters, and while joint of each half (paper, 6).
    /// Learners are never asked.
    #[must_use]
    pub fn is_quorum(&self, counts: impl Fn(Node) -> bool) -> bool {
        let majority = |half: &[Node]| 2 * half.iter().filter(|&&node| counts(node)).count() > half.len();
        majority(&self.voters) && (self.joint.is_empty() || majority(&self.joint))
    }
}

/// A server that is listed more than once.
fn find_duplicate(nodes: &[Node]) -> Option<Node> {
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    sorted.array_windows().find(|[one, other]| one == other).map(|&[one, _]| one)
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = |f: &mut fmt::Formatter<'_>, half: &[Node]| {
            half.iter().enumerate().try_for_each(|(position, node)| {
                write!(f, "{}n{node}", if position == 0 { "" } else { ", " })
            })
        };
        write!(f, "{{")?;
        half(f, &self.voters)?;
        if !self.joint.is_empty() {
            write!(f, "}} with {{")?;
            half(f, &self.joint)?;
        }
        write!(f, "}}")
    }
}

/// A change of the group, as an operator asks for it (Raft paper, 6; thesis 4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChange {
    /// These steps, in this order: at once, or by way of a joint phase that ends without a command.
    Steps(Vec<ConfChangeOp>),
    /// These steps, in this order, by way of a joint phase that lasts until [`ConfChange::Leave`].
    Joint(Vec<ConfChangeOp>),
    /// The joint phase ends.
    Leave,
}

impl ConfChange {
    /// Its steps.
    #[must_use]
    pub fn ops(&self) -> &[ConfChangeOp] {
        match self {
            ConfChange::Steps(ops) | ConfChange::Joint(ops) => ops,
            ConfChange::Leave => &[],
        }
    }
}

/// One step of a change. For a server that changes its role, the new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChangeOp {
    /// This server votes.
    Voter(Node),
    /// This server gets the log and does not vote.
    Learner(Node),
    /// This server leaves.
    Remove(Node),
}

impl fmt::Display for ConfChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how, ops) = match self {
            ConfChange::Steps(ops) => ("", ops),
            ConfChange::Joint(ops) => (" and stay joint", ops),
            ConfChange::Leave => return f.write_str("leave the joint phase"),
        };
        for (place, op) in ops.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            match op {
                ConfChangeOp::Voter(node) => write!(f, "{comma}voter n{node}")?,
                ConfChangeOp::Learner(node) => write!(f, "{comma}learner n{node}")?,
                ConfChangeOp::Remove(node) => write!(f, "{comma}remove n{node}")?,
            }
        }
        if ops.is_empty() {
            f.write_str("no step")?;
        }
        f.write_str(how)
    }
}

/// What an operator is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfChangeResponse {
    /// It is complete: a joint phase that ends by itself is over, one that was asked for is in force for good.
    Done,
    /// It did not happen and never will.
    Refused,
    /// It may have happened, or may happen yet.
    Unknown,
}

/// One thing that was made true, without when and by whom: see [`Observed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// Claim: an incarnation begins with this much of its past. `digest` folds its recovered log after `base` with
    /// [`Digest::then_entry`], starting from [`Digest::EMPTY`].
    Started {
        /// The recovered term.
        term: Term,
        /// The recovered vote in that term.
        vote: Option<Node>,
        /// Where the recovered log begins: 0@0, or an entry that a snapshot covers.
        base: LogId,
        /// Where the recovered log ends.
        last: LogId,
        /// The recovered entries after `base`.
        digest: Digest,
    },
    /// Claim: the current term is now this.
    TermChanged {
        /// The new term.
        term: Term,
    },
    /// Claim: the log has a new last entry.
    Appended {
        /// Its index: one more than the last one's.
        index: Index,
        /// Its term.
        term: Term,
        /// Its content.
        entry: Digest,
    },
    /// Claim: the log was cut and now ends here.
    Truncated {
        /// The last index that is left.
        after: Index,
    },
    /// Claim: this node leads from now on.
    Leads {
        /// The term that it leads.
        term: Term,
    },
    /// Claim: this node no longer leads.
    SteppedDown {
        /// The term that it led.
        term: Term,
    },
    /// Claim: everything up to here is committed, as far as this node knows.
    Committed {
        /// The new commit index.
        index: Index,
    },
    /// Claim: the state machine has taken this entry.
    Applied {
        /// The entry's index: one more than the last one applied or restored in this incarnation, or the first.
        index: Index,
        /// The entry's content.
        entry: Digest,
        /// The whole state after it, as a sum over its items.
        state: Digest,
        /// The client's request in it, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Whether it changed the state, or was answered from the session table.
        effect: bool,
    },
    /// Claim: this configuration is in force from this entry on.
    Configured {
        /// The entry that carries it; 0 for the first one, which no entry carries. Where the log begins after a
        /// snapshot, the index at which it begins.
        index: Index,
        /// The configuration.
        configuration: Box<Configuration>,
    },
    /// Claim: this server has a snapshot of its application.
    SnapshotTaken {
        /// The last entry that it covers.
        last: LogId,
        /// The state in it, recomputed from the items of the image.
        state: Digest,
        /// The configuration in it: the one in force at `last`.
        configuration: Box<Configuration>,
    },
    /// Claim: the log was replaced by a snapshot that came from a leader, and now ends with its last entry.
    SnapshotInstalled {
        /// The last entry that it covers.
        last: LogId,
        /// The configuration in it: the one in force at `last`.
        configuration: Box<Configuration>,
    },
    /// Claim: the state machine was replaced by a snapshot's. What is applied next comes right after it.
    Restored {
        /// The index of the last entry that the snapshot covers.
        index: Index,
        /// The whole state, recomputed from the restored items.
        state: Digest,
    },
    /// Promise: a granted vote has left this node.
    Voted {
        /// The term that it counts in.
        term: Term,
        /// Who got it.
        candidate: Node,
    },
    /// Promise: a request for votes has left this node, which has voted for itself.
    Campaigned {
        /// The term that it campaigns in.
        term: Term,
    },
    /// Promise: a success answer has left this node for the leader of `term`.
    Acknowledged {
        /// The term of the leader.
        term: Term,
        /// Everything up to here equals the leader's log, and is durable here.
        index: Index,
    },
    /// Promise: a read was answered from the state after `applied`.
    ReadServed {
        /// The read.
        read: RequestId,
        /// The applied index that it was answered from.
        applied: Index,
    },
    /// Truth, stated by the disk: one record is durable. Its entries follow, each as a [`Fact::SavedEntry`].
    Saved {
        /// The durable term.
        term: Term,
        /// The durable vote in that term.
        vote: Option<Node>,
        /// The durable log is cut to this index first; `None` leaves it as it is.
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
    /// Truth, stated by the disk: a snapshot is durable, in one piece with the [`Fact::Saved`] before it and the entries
    /// that follow. What the durable log holds after `base` stays, if it has `last`; otherwise the snapshot replaces it.
    SavedSnapshot {
        /// Where the durable log begins.
        base: LogId,
        /// The last entry that the snapshot covers: `base`, or a later one.
        last: LogId,
    },
    /// Truth, stated by the disk: what [`Fact::Started`] recovered is durable again, all of it.
    SavedRecovered,
    /// Truth: the process died. The page cache survives.
    Crashed,
    /// Truth: the power failed. What was not synced may be gone.
    PowerLost,
    /// Truth: a new incarnation is about to start.
    Restarted,
    /// Truth: the disk was emptied.
    Wiped,
    /// Truth, stated by the world: from now on nothing is wrong with this server, its clocks and its disk. Between it and
    /// all others of whom this is said messages arrive soon, somebody leads, and nobody asks for changes or transfers. It
    /// is said only where pre-vote or check-quorum is on.
    Quiet,
    /// Truth, stated by the world: this server is one of those that found the group.
    Founded {
        /// All of them, as voters.
        voters: Vec<Node>,
    },
    /// Truth, stated by the world: an operator asks this server to change the group.
    ChangeRequested {
        /// The request: numbered in the order in which they are made.
        request: u64,
        /// How.
        change: Box<ConfChange>,
    },
    /// Truth, stated by the world: this server has answered the operator. A server that dies first never answers.
    ChangeAnswered {
        /// Which request.
        request: u64,
        /// What.
        answer: ConfChangeResponse,
    },
    /// Truth, stated by a client: it has seen its write acknowledged.
    WriteAcknowledged {
        /// The log index that the answer named.
        index: Index,
        /// The write.
        write: RequestId,
    },
    /// Truth, stated by a client: it asks to read.
    ReadAsked {
        /// The read.
        read: RequestId,
    },
}

impl Fact {
    /// The configuration in it, and the index that it stands for.
    pub(crate) fn configuration(&self) -> Option<(Index, &Configuration)> {
        match self {
            Fact::Configured { index, configuration } => Some((*index, configuration)),
            Fact::SnapshotTaken { last, configuration, .. }
            | Fact::SnapshotInstalled { last, configuration } => Some((last.index, configuration)),
            _ => None,
        }
    }

    /// The names of its fields.
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

/// A fact with its place in the run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observed {
    /// True time.
    pub at: Time,
    /// The event of the run during which it was stated; facts of one event have the same step.
    pub step: u64,
    /// Who stated it, or whom it is about: a server; for client facts the client's number.
    pub node: Node,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Observed {
    /// The same with each server once in each half of its configuration; `None` where it is so.
    pub(crate) fn without_duplicates(&self) -> Option<Observed> {
        let (_, configuration) = self.fact.configuration()?;
        let once = Box::new(configuration.without_duplicates()?);
        let mut observed = self.clone();
        match &mut observed.fact {
            Fact::Configured { configuration, .. }
            | Fact::SnapshotTaken { configuration, .. }
            | Fact::SnapshotInstalled { configuration, .. } => *configuration = once,
            _ => {}
        }
        Some(observed)
    }
}
