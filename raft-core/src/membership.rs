//! Cluster configurations: members, changes, and majorities (6, thesis 4). Independent of the rest of Raft.
//!
//! A configuration is *joint* during a change from one set of voters to another: then each decision needs a
//! majority of each half. A change of a single voter needs no joint phase, because the majorities before and
//! after it overlap (thesis 4.1).

use crate::ids::{DirectoryId, NodeId, ReplicaKey};
use crate::quorum::{majority, majority_value};
use std::fmt;

/// The maximum number of members, learners included.
pub const MAX_MEMBERS: usize = 64;

/// The members of a cluster. All lists are sorted and have no duplicates.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Configuration {
    /// The voters; while joint, the new half.
    pub voters: Vec<NodeId>,
    /// The old half of the voters; empty unless joint.
    pub old_voters: Vec<NodeId>,
    /// Members that get the log but do not vote.
    pub learners: Vec<NodeId>,
    /// Voters of the old half that become learners at the end of the joint phase. Until then they vote.
    pub learners_next: Vec<NodeId>,
    /// Whether the leader ends the joint phase by itself.
    pub auto_leave: bool,
    /// The directory IDs of members, sorted by member. A member that is not listed has ID 0: it drew none.
    pub directory_ids: Vec<(NodeId, DirectoryId)>,
}

/// One operation of a [`ConfChange`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfChangeOp {
    /// Which replica the change means by this node (KIP-853). Directory ID 0: one that drew none. Rejected
    /// with [`ConfChangeError::OtherDirectoryId`] if another replica of the node is a member.
    SetDirectoryId(NodeId, DirectoryId),
    /// Makes this node a voter; no effect if it is one.
    AddVoter(NodeId),
    /// Makes this node a learner (thesis 4.2.1): a voter is demoted, at the end of the joint phase if there
    /// is one.
    AddLearner(NodeId),
    /// Removes this node; no effect if it is not a member.
    Remove(NodeId),
}

/// A membership change. Begun by [`Input::ConfChange`](crate::Input::ConfChange); one may be in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfChange {
    /// These operations, in this order: in one step if they change at most one voter (thesis 4.1), otherwise
    /// through a joint phase (6) that the leader ends once it is committed. Fails with
    /// [`ConfChangeError::AlreadyJoint`] while joint.
    Auto(Vec<ConfChangeOp>),
    /// These operations, through a joint phase (6) that lasts until [`ConfChange::LeaveJoint`], however many
    /// voters change. Fails with [`ConfChangeError::AlreadyJoint`] while joint.
    ExplicitJoint(Vec<ConfChangeOp>),
    /// Ends a joint phase. Fails with [`ConfChangeError::NotJoint`] if there is none.
    LeaveJoint,
}

/// Why a change does not fit the configuration in force. Nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfChangeError {
    /// There would be no voters.
    NoVoters,
    /// More than one voter would change in one step.
    MoreThanOneVoter,
    /// The configuration is joint already.
    AlreadyJoint,
    /// The configuration is not joint.
    NotJoint,
    /// There would be more members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// A replica of this node with another directory ID is a member. It must be removed first, by a change of
    /// its own: the two share a node number, so majorities with the one and with the other would seem to
    /// overlap, but need not.
    OtherDirectoryId,
}

/// Why a configuration cannot be the result of changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// There are no voters.
    NoVoters,
    /// There are more members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// A list is not sorted, or has a duplicate.
    Unsorted,
    /// A node is a voter and a learner.
    VoterAndLearner(NodeId),
    /// A node in `learners_next` is not a voter of the old half alone.
    NextLearner(NodeId),
    /// A directory ID of a node that is not a member.
    DirectoryIdOfNonMember(NodeId),
}

impl Configuration {
    /// Checks that changes can lead to this configuration.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn validate(&self) -> Result<(), Malformed> {
        let Configuration { voters, old_voters, learners, learners_next, directory_ids, .. } = self;
        if voters.is_empty() {
            return Err(Malformed::NoVoters);
        }
        let lists = [voters, old_voters, learners, learners_next];
        let listed = directory_ids.iter().map(|(node, _)| node);
        if !lists.iter().all(|nodes| nodes.is_sorted_by(|a, b| a < b)) || !listed.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Unsorted);
        }
        if let Some(&node) = learners.iter().find(|&&node| self.is_voter(node)) {
            return Err(Malformed::VoterAndLearner(node));
        }
        let leaves = |node: &NodeId| old_voters.contains(node) && !voters.contains(node);
        if let Some(&node) = learners_next.iter().find(|node| !leaves(node)) {
            return Err(Malformed::NextLearner(node));
        }
        if let Some(&(node, _)) = directory_ids.iter().find(|(node, _)| !self.is_member(*node)) {
            return Err(Malformed::DirectoryIdOfNonMember(node));
        }
        if self.members().len() > MAX_MEMBERS { Err(Malformed::TooManyMembers) } else { Ok(()) }
    }

    /// A configuration with these voters.
    #[must_use]
    pub fn of(voters: impl IntoIterator<Item = NodeId>) -> Configuration {
        let mut configuration = Configuration::default();
        voters.into_iter().for_each(|voter| insert(&mut configuration.voters, voter));
        configuration
    }

    /// Whether it is between two sets of voters.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.old_voters.is_empty()
    }

    /// Whether a node is a voter, in either half.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.old_voters.contains(&node)
    }

    /// The replica of a node that is a member.
    #[must_use]
    pub fn replica(&self, node: NodeId) -> ReplicaKey {
        let known = self.directory_ids.binary_search_by_key(&node, |known| known.0);
        ReplicaKey {
            id: node,
            directory_id: known.map_or(DirectoryId(0), |position| self.directory_ids[position].1),
        }
    }

    /// Whether this replica is a voter, in either half.
    #[must_use]
    pub fn is_voter_replica(&self, replica: ReplicaKey) -> bool {
        self.is_voter(replica.id) && self.replica(replica.id) == replica
    }

    /// Whether a node is a member: it gets the log.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// All members, sorted.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        let mut members = self.voters.clone();
        self.old_voters.iter().chain(&self.learners).for_each(|&node| insert(&mut members, node));
        members
    }

    /// Whether the nodes that agree are a majority: of each half while joint. Learners do not count.
    #[must_use]
    pub fn is_quorum(&self, agrees: impl Fn(NodeId) -> bool) -> bool {
        let half = |voters: &[NodeId]| {
            voters.is_empty()
                || voters.iter().filter(|&&voter| agrees(voter)).count() >= majority(voters.len())
        };
        half(&self.voters) && half(&self.old_voters)
    }

    /// The greatest value that a majority has reached: of each half while joint. `None` without voters.
    #[inline]
    pub fn quorum_value<T: Ord + Copy + Default>(&self, reached: impl Fn(NodeId) -> T) -> Option<T> {
        #[inline]
        fn majority_of<const CAPACITY: usize, T: Ord + Copy + Default>(
            voters: &[NodeId],
            reached: impl Fn(NodeId) -> T,
        ) -> T {
            let mut values = [T::default(); CAPACITY];
            for (value, &voter) in values.iter_mut().zip(voters) {
                *value = reached(voter);
            }
            majority_value(&mut values[..voters.len()])
        }
        // Most clusters are small, and clearing the largest buffer would cost more than the median.
        let half = |voters: &[NodeId]| match voters.len() {
            0 => None,
            1..=8 => Some(majority_of::<8, T>(voters, &reached)),
            _ => Some(majority_of::<MAX_MEMBERS, T>(voters, &reached)),
        };
        match (half(&self.voters), half(&self.old_voters)) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (one, other) => one.or(other),
        }
    }

    /// This configuration after a change.
    ///
    /// # Errors
    /// If the change does not fit.
    pub fn after(&self, change: &ConfChange) -> Result<Configuration, ConfChangeError> {
        let mut changed = match change {
            ConfChange::Auto(ops) => match self.simple(ops) {
                Err(ConfChangeError::MoreThanOneVoter) => self.enter_joint(ops, true)?,
                simple => simple?,
            },
            ConfChange::ExplicitJoint(ops) => self.enter_joint(ops, false)?,
            ConfChange::LeaveJoint => self.leave_joint()?,
        };
        let members = changed.members();
        if members.len() > MAX_MEMBERS {
            return Err(ConfChangeError::TooManyMembers);
        }
        let ops = match change {
            ConfChange::Auto(ops) | ConfChange::ExplicitJoint(ops) => &ops[..],
            ConfChange::LeaveJoint => &[],
        };
        changed.directory_ids = self.directory_ids_after(ops)?;
        changed.directory_ids.retain(|(node, _)| members.contains(node));
        Ok(changed)
    }

    /// The known directory IDs and those that the operations set.
    fn directory_ids_after(
        &self,
        ops: &[ConfChangeOp],
    ) -> Result<Vec<(NodeId, DirectoryId)>, ConfChangeError> {
        let members = self.members();
        let mut directory_ids = self.directory_ids.clone();
        for &op in ops {
            let ConfChangeOp::SetDirectoryId(node, directory_id) = op else { continue };
            if members.contains(&node) && self.replica(node).directory_id != directory_id {
                return Err(ConfChangeError::OtherDirectoryId);
            }
            match directory_ids.binary_search_by_key(&node, |known| known.0) {
                Ok(position) => directory_ids[position].1 = directory_id,
                Err(position) => directory_ids.insert(position, (node, directory_id)),
            }
        }
        // ID 0 is not listed, so that equivalent configurations are equal.
        directory_ids.retain(|&(_, directory_id)| directory_id != DirectoryId(0));
        Ok(directory_ids)
    }

    /// After operations that change at most one voter.
    ///
    /// # Errors
    /// If they change more, leave no voters, or the configuration is joint.
    pub fn simple(&self, ops: &[ConfChangeOp]) -> Result<Configuration, ConfChangeError> {
        if self.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        let mut changed = self.clone();
        changed.apply_ops(ops);
        let removed = self.voters.iter().filter(|voter| !changed.voters.contains(voter)).count();
        let added = changed.voters.iter().filter(|voter| !self.voters.contains(voter)).count();
        match changed.voters.is_empty() {
            true => Err(ConfChangeError::NoVoters),
            false if removed + added > 1 => Err(ConfChangeError::MoreThanOneVoter),
            false => Ok(changed),
        }
    }

    /// The joint configuration that leads to these operations: both halves count.
    ///
    /// # Errors
    /// If it is joint already, or there are no voters before or after.
    pub fn enter_joint(
        &self,
        ops: &[ConfChangeOp],
        auto_leave: bool,
    ) -> Result<Configuration, ConfChangeError> {
        if self.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if self.voters.is_empty() {
            return Err(ConfChangeError::NoVoters);
        }
        let mut changed = Configuration { old_voters: self.voters.clone(), auto_leave, ..self.clone() };
        changed.apply_ops(ops);
        if changed.voters.is_empty() { Err(ConfChangeError::NoVoters) } else { Ok(changed) }
    }

    /// The configuration after a joint phase: only the new half counts.
    ///
    /// # Errors
    /// If it is not joint.
    pub fn leave_joint(&self) -> Result<Configuration, ConfChangeError> {
        if !self.is_joint() {
            return Err(ConfChangeError::NotJoint);
        }
        let mut left = Configuration {
            voters: self.voters.clone(),
            learners: self.learners.clone(),
            directory_ids: self.directory_ids.clone(),
            ..Configuration::default()
        };
        self.learners_next.iter().for_each(|&node| insert(&mut left.learners, node));
        // A removed node may return with another directory ID.
        let members = left.members();
        left.directory_ids.retain(|(node, _)| members.contains(node));
        Ok(left)
    }

    fn apply_ops(&mut self, ops: &[ConfChangeOp]) {
        for &op in ops {
            let (ConfChangeOp::AddVoter(node) | ConfChangeOp::AddLearner(node) | ConfChangeOp::Remove(node)) =
                op
            else {
                continue;
            };
            remove(&mut self.voters, node);
            remove(&mut self.learners, node);
            remove(&mut self.learners_next, node);
            match op {
                ConfChangeOp::AddVoter(_) => insert(&mut self.voters, node),
                // A voter of the old half must not be a learner at the same time.
                ConfChangeOp::AddLearner(_) if self.old_voters.contains(&node) => {
                    insert(&mut self.learners_next, node)
                }
                ConfChangeOp::AddLearner(_) => insert(&mut self.learners, node),
                ConfChangeOp::Remove(_) | ConfChangeOp::SetDirectoryId(..) => {}
            }
        }
    }
}

/// Inserts a node into a sorted list, unless it is there already.
pub(crate) fn insert(nodes: &mut Vec<NodeId>, node: NodeId) {
    if let Err(position) = nodes.binary_search(&node) {
        nodes.insert(position, node);
    }
}

fn remove(nodes: &mut Vec<NodeId>, node: NodeId) {
    nodes.retain(|&other| other != node);
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[NodeId]| {
            nodes.iter().enumerate().try_for_each(|(position, node)| {
                if position > 0 { write!(f, " {}", node.0) } else { write!(f, "{}", node.0) }
            })
        };
        write!(f, "voters=(")?;
        list(f, &self.voters)?;
        write!(f, ")")?;
        let rest = [
            ("&&", &self.old_voters),
            (" learners=", &self.learners),
            (" learners_next=", &self.learners_next),
        ];
        for (name, nodes) in rest {
            if !nodes.is_empty() {
                write!(f, "{name}(")?;
                list(f, nodes)?;
                write!(f, ")")?;
            }
        }
        if self.auto_leave { write!(f, " autoleave") } else { Ok(()) }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::NoVoters => write!(f, "it has no voters"),
            Malformed::TooManyMembers => write!(f, "it has more than 64 members"),
            Malformed::Unsorted => write!(f, "a list in it is not sorted, or has a duplicate"),
            Malformed::VoterAndLearner(node) => write!(f, "{node} is a voter and a learner"),
            Malformed::NextLearner(node) => {
                write!(
                    f,
                    "{node} is to become a learner after the joint phase, but is not a voter of the old half alone"
                )
            }
            Malformed::DirectoryIdOfNonMember(node) => {
                write!(f, "it has a directory ID of {node}, which is not a member")
            }
        }
    }
}

impl fmt::Display for ConfChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfChangeError::NoVoters => "no voter would remain",
            ConfChangeError::MoreThanOneVoter => "more than one voter would change without a joint phase",
            ConfChangeError::AlreadyJoint => "the configuration is joint already",
            ConfChangeError::NotJoint => "the configuration is not joint",
            ConfChangeError::TooManyMembers => "the configuration would have more than 64 members",
            ConfChangeError::OtherDirectoryId => {
                "the node is a member with another directory ID, and must be removed first"
            }
        })
    }
}
