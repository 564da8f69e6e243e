//! Cluster configurations and their changes.

use super::{Digest, Node};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A cluster configuration: voters and learners (Raft paper, 6).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The voters; of a joint configuration, the voters of the new one.
    pub voters: Vec<Node>,
    /// The voters of the old configuration while joint; otherwise empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joint: Vec<Node>,
    /// More halves, of a system whose configurations may have more than two; each must agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Vec<Node>>,
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
            .or_else(|| self.halves().skip(1).find_map(find_duplicate).map(RepeatedOldVoter))
            .or_else(|| find_duplicate(&self.learners).map(RepeatedLearner))
            .or_else(|| in_both().copied().map(VoterAndLearner))
            .or_else(|| (is_carried && self.voters.is_empty()).then_some(NoVoter))
    }

    /// Whether both have the same members in the same roles, in any order.
    pub(crate) fn has_same_members(&self, other: &Configuration) -> bool {
        same_nodes(&self.voters, &other.voters)
            && same_nodes(&self.joint, &other.joint)
            && self.further.len() == other.further.len()
            && self.further.iter().zip(&other.further).all(|(one, other)| same_nodes(one, other))
            && same_nodes(&self.learners, &other.learners)
    }

    /// A copy that lists each server once per list, as quorums count it; `None` if there is no duplicate.
    pub(crate) fn without_duplicates(&self) -> Option<Configuration> {
        let mut lists = self.halves().chain([&*self.learners]);
        lists.any(|nodes| find_duplicate(nodes).is_some()).then(|| {
            let dedup = |nodes: &[Node]| {
                let mut known = BTreeSet::new();
                nodes.iter().copied().filter(|&node| known.insert(node)).collect()
            };
            Configuration {
                voters: dedup(&self.voters),
                joint: dedup(&self.joint),
                further: self.further.iter().map(|half| dedup(half)).collect(),
                learners: dedup(&self.learners),
                digest: self.digest,
            }
        })
    }

    /// Whether it has more than one half.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.joint.is_empty()
    }

    /// The voters of each half.
    pub fn halves(&self) -> impl Iterator<Item = &[Node]> {
        let old = (!self.joint.is_empty()).then_some(&*self.joint);
        [&*self.voters].into_iter().chain(old).chain(self.further.iter().map(|half| &**half))
    }

    /// Whether this server is a voter (of any half) or a learner.
    #[must_use]
    pub fn has(&self, node: Node) -> bool {
        self.halves().chain([&*self.learners]).any(|nodes| nodes.contains(&node))
    }

    /// All members; a server appears once for each list that names it.
    pub fn members(&self) -> impl Iterator<Item = Node> + '_ {
        self.halves().chain([&*self.learners]).flatten().copied()
    }

    /// Whether the servers for which `counts` holds are a quorum: a majority of each half (paper, 6). Learners never
    /// count.
    #[must_use]
    pub fn is_quorum(&self, counts: impl Fn(Node) -> bool) -> bool {
        let majority = |half: &[Node]| 2 * half.iter().filter(|&&node| counts(node)).count() > half.len();
        self.halves().all(majority)
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
        for half in self.halves().skip(1) {
            write!(f, "}} with {{")?;
            nodes(f, half)?;
        }
        write!(f, "}}")
    }
}

/// Why no system may state a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigurationError {
    /// A voter is listed twice.
    RepeatedVoter(Node),
    /// A voter of the old half is listed twice.
    RepeatedOldVoter(Node),
    /// A learner is listed twice.
    RepeatedLearner(Node),
    /// A server is a voter of the new configuration and a learner.
    VoterAndLearner(Node),
    /// An entry or a snapshot carries a configuration without voters.
    NoVoter,
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigurationError::*;
        match self {
            RepeatedVoter(node) => write!(f, "lists n{node} twice among its voters"),
            RepeatedOldVoter(node) => write!(f, "lists n{node} twice among its voters of the old half"),
            RepeatedLearner(node) => write!(f, "lists n{node} twice among its learners"),
            VoterAndLearner(node) => write!(f, "lists n{node} as a voter and as a learner"),
            NoVoter => f.write_str("has no voter"),
        }
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
    #[serde(rename = "refused", alias = "rejected")]
    Rejected,
    /// The change may have happened or may still happen.
    Unknown,
}
