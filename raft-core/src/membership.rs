//! Who belongs to the group, how that may change, and what a majority of it is (6, thesis 4). No Raft in sight.
//!
//! A configuration is *joint* while it moves from one set of voters to another: then both halves must agree to
//! everything, each by a majority of its own. A change of a single voter needs no joint phase, because majorities of
//! neighbouring sets overlap (thesis 4.1).

use crate::ids::{DirectoryId, NodeId, ReplicaKey};
use crate::quorum::{majority, majority_value};
use std::fmt;

/// The most nodes that a group may have, learners included.
pub const MAX_MEMBERS: usize = 64;

/// Who belongs to the group. All lists are sorted, each node once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Configuration {
    /// Who votes; while joint, the new half.
    pub voters: Vec<NodeId>,
    /// Who voted before; empty unless joint.
    pub old_voters: Vec<NodeId>,
    /// Who gets the log and never counts.
    pub learners: Vec<NodeId>,
    /// Voters of the old half that will be learners once the joint phase is over: until then they still vote.
    pub learners_next: Vec<NodeId>,
    /// Whether the leader ends the joint phase by itself.
    pub auto_leave: bool,
    /// Which life of a member belongs to the group, sorted by member; who is not named here drew no identity.
    pub directory_ids: Vec<(NodeId, DirectoryId)>,
}

/// One step of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfChangeOp {
    /// Wherever this change speaks of this node, it means this life of it; identity 0: one that drew none.
    SetDirectoryId(NodeId, DirectoryId),
    /// Make this node a voter, whatever it was.
    AddVoter(NodeId),
    /// Make this node a learner, whatever it was.
    AddLearner(NodeId),
    /// Remove this node.
    Remove(NodeId),
}

/// A change of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfChange {
    /// These steps, in this order: at once where they change one voter at the most, else by way of a joint phase that
    /// ends by itself.
    Auto(Vec<ConfChangeOp>),
    /// These steps by way of a joint phase that goes on until somebody asks for [`ConfChange::LeaveJoint`].
    ExplicitJoint(Vec<ConfChangeOp>),
    /// The end of a joint phase.
    LeaveJoint,
}

/// Why a change cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfChangeError {
    /// Nobody would vote.
    NoVoters,
    /// More than one voter would change at once.
    MoreThanOneVoter,
    /// The group is joint already.
    AlreadyJoint,
    /// There is no joint phase to leave.
    NotJoint,
    /// The group would have more members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// Another life of the node still belongs to the group: it has to be removed before, and in a change of its own. The
    /// two share a number, so majorities with the one and with the other would seem to overlap, and need not.
    OtherIncarnation,
}

/// What is wrong with a configuration that no change leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// No voters.
    NoVoters,
    /// More members than [`MAX_MEMBERS`].
    TooManyMembers,
    /// A list is not sorted, or has a node twice.
    Unsorted,
    /// A node votes and is a learner as well.
    VoterAndLearner(NodeId),
    /// A node is to be a learner after the joint phase, and does not vote in the old half alone.
    NextLearner(NodeId),
    /// An identity of a node that is no member.
    DirectoryIdOfNonMember(NodeId),
}

impl Configuration {
    /// Whether a change can lead to this configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), Malformed> {
        let Configuration { voters, old_voters, learners, learners_next, directory_ids, .. } = self;
        if voters.is_empty() {
            return Err(Malformed::NoVoters);
        }
        let lists = [voters, old_voters, learners, learners_next];
        let named = directory_ids.iter().map(|(node, _)| node);
        if !lists.iter().all(|nodes| nodes.is_sorted_by(|a, b| a < b)) || !named.is_sorted_by(|a, b| a < b) {
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

    /// A group of these voters.
    #[must_use]
    pub fn of(voters: impl IntoIterator<Item = NodeId>) -> Configuration {
        let mut configuration = Configuration::default();
        voters.into_iter().for_each(|voter| insert(&mut configuration.voters, voter));
        configuration
    }

    /// Whether it is on its way from one set of voters to another.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.old_voters.is_empty()
    }

    /// Whether a node votes, in either half.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.old_voters.contains(&node)
    }

    /// Which life of a node belongs to the group.
    #[must_use]
    pub fn replica(&self, node: NodeId) -> ReplicaKey {
        let known = self.directory_ids.binary_search_by_key(&node, |known| known.0);
        ReplicaKey {
            id: node,
            directory_id: known.map_or(DirectoryId(0), |place| self.directory_ids[place].1),
        }
    }

    /// Whether this life of a node votes, in either half.
    #[must_use]
    pub fn is_voter_replica(&self, peer: ReplicaKey) -> bool {
        self.is_voter(peer.id) && self.replica(peer.id) == peer
    }

    /// Whether a node gets the log.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// Everybody who gets the log, sorted.
    #[must_use]
    pub fn members(&self) -> Vec<NodeId> {
        let mut members = self.voters.clone();
        self.old_voters.iter().chain(&self.learners).for_each(|&node| insert(&mut members, node));
        members
    }

    /// Whether those who agree are a majority: of each half while joint. Learners are not asked.
    #[must_use]
    pub fn is_quorum(&self, agrees: impl Fn(NodeId) -> bool) -> bool {
        let half = |voters: &[NodeId]| {
            voters.is_empty()
                || voters.iter().filter(|&&voter| agrees(voter)).count() >= majority(voters.len())
        };
        half(&self.voters) && half(&self.old_voters)
    }

    /// The greatest value that a majority has reached: of each half while joint. `None` where nobody votes.
    #[inline]
    pub fn quorum_value<T: Ord + Copy + Default>(&self, reached: impl Fn(NodeId) -> T) -> Option<T> {
        #[inline]
        fn by<const ROOM: usize, T: Ord + Copy + Default>(
            voters: &[NodeId],
            reached: impl Fn(NodeId) -> T,
        ) -> T {
            let mut values = [T::default(); ROOM];
            for (value, &voter) in values.iter_mut().zip(voters) {
                *value = reached(voter);
            }
            majority_value(&mut values[..voters.len()])
        }
        // Most groups are small, and to clear room for the largest would cost more than the sum.
        let half = |voters: &[NodeId]| match voters.len() {
            0 => None,
            1..=8 => Some(by::<8, T>(voters, &reached)),
            _ => Some(by::<MAX_MEMBERS, T>(voters, &reached)),
        };
        match (half(&self.voters), half(&self.old_voters)) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (one, other) => one.or(other),
        }
    }

    /// This configuration after a change.
    ///
    /// # Errors
    /// The change does not fit.
    pub fn after(&self, change: &ConfChange) -> Result<Configuration, ConfChangeError> {
        let mut changed = match change {
            ConfChange::Auto(steps) => match self.simple(steps) {
                Err(ConfChangeError::MoreThanOneVoter) => self.enter_joint(steps, true)?,
                simple => simple?,
            },
            ConfChange::ExplicitJoint(steps) => self.enter_joint(steps, false)?,
            ConfChange::LeaveJoint => self.leave_joint()?,
        };
        let members = changed.members();
        if members.len() > MAX_MEMBERS {
            return Err(ConfChangeError::TooManyMembers);
        }
        let steps = match change {
            ConfChange::Auto(steps) | ConfChange::ExplicitJoint(steps) => &steps[..],
            ConfChange::LeaveJoint => &[],
        };
        changed.directory_ids = self.directory_ids_after(steps)?;
        changed.directory_ids.retain(|(node, _)| members.contains(node));
        Ok(changed)
    }

    /// The identities that are known, and those that the steps tell.
    fn directory_ids_after(
        &self,
        steps: &[ConfChangeOp],
    ) -> Result<Vec<(NodeId, DirectoryId)>, ConfChangeError> {
        let members = self.members();
        let mut directory_ids = self.directory_ids.clone();
        for &step in steps {
            let ConfChangeOp::SetDirectoryId(node, directory_id) = step else { continue };
            if members.contains(&node) && self.replica(node).directory_id != directory_id {
                return Err(ConfChangeError::OtherIncarnation);
            }
            match directory_ids.binary_search_by_key(&node, |known| known.0) {
                Ok(place) => directory_ids[place].1 = directory_id,
                Err(place) => directory_ids.insert(place, (node, directory_id)),
            }
        }
        // Who drew none is not named, so that configurations that mean the same are equal.
        directory_ids.retain(|&(_, directory_id)| directory_id != DirectoryId(0));
        Ok(directory_ids)
    }

    /// After steps that change one voter at the most.
    ///
    /// # Errors
    /// They change more, or leave nobody who votes, or a joint phase is under way.
    pub fn simple(&self, steps: &[ConfChangeOp]) -> Result<Configuration, ConfChangeError> {
        if self.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        let mut changed = self.clone();
        changed.apply_ops(steps);
        let gone = self.voters.iter().filter(|voter| !changed.voters.contains(voter)).count();
        let come = changed.voters.iter().filter(|voter| !self.voters.contains(voter)).count();
        match changed.voters.is_empty() {
            true => Err(ConfChangeError::NoVoters),
            false if gone + come > 1 => Err(ConfChangeError::MoreThanOneVoter),
            false => Ok(changed),
        }
    }

    /// On its way to these steps: both sets of voters count.
    ///
    /// # Errors
    /// It is joint already, or nobody votes before or after.
    pub fn enter_joint(
        &self,
        steps: &[ConfChangeOp],
        auto_leave: bool,
    ) -> Result<Configuration, ConfChangeError> {
        if self.is_joint() {
            return Err(ConfChangeError::AlreadyJoint);
        }
        if self.voters.is_empty() {
            return Err(ConfChangeError::NoVoters);
        }
        let mut changed = Configuration { old_voters: self.voters.clone(), auto_leave, ..self.clone() };
        changed.apply_ops(steps);
        if changed.voters.is_empty() { Err(ConfChangeError::NoVoters) } else { Ok(changed) }
    }

    /// At the end of a joint phase: the new half alone counts.
    ///
    /// # Errors
    /// There is no joint phase.
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
        // Whoever is gone is unknown: it may come back as another life.
        let members = left.members();
        left.directory_ids.retain(|(node, _)| members.contains(node));
        Ok(left)
    }

    fn apply_ops(&mut self, steps: &[ConfChangeOp]) {
        for &step in steps {
            let (ConfChangeOp::AddVoter(node) | ConfChangeOp::AddLearner(node) | ConfChangeOp::Remove(node)) =
                step
            else {
                continue;
            };
            remove(&mut self.voters, node);
            remove(&mut self.learners, node);
            remove(&mut self.learners_next, node);
            match step {
                ConfChangeOp::AddVoter(_) => insert(&mut self.voters, node),
                // Who still votes in the old half must not be a learner at the same time.
                ConfChangeOp::AddLearner(_) if self.old_voters.contains(&node) => {
                    insert(&mut self.learners_next, node)
                }
                ConfChangeOp::AddLearner(_) => insert(&mut self.learners, node),
                ConfChangeOp::Remove(_) | ConfChangeOp::SetDirectoryId(..) => {}
            }
        }
    }
}

/// Adds a node to a sorted list, once.
pub(crate) fn insert(nodes: &mut Vec<NodeId>, node: NodeId) {
    if let Err(place) = nodes.binary_search(&node) {
        nodes.insert(place, node);
    }
}

fn remove(nodes: &mut Vec<NodeId>, node: NodeId) {
    nodes.retain(|&other| other != node);
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, nodes: &[NodeId]| {
            nodes.iter().enumerate().try_for_each(|(place, node)| {
                if place > 0 { write!(f, " {}", node.0) } else { write!(f, "{}", node.0) }
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
            Malformed::Unsorted => write!(f, "a list in it is not sorted, or has a node twice"),
            Malformed::VoterAndLearner(node) => write!(f, "{node} is a voter and a learner"),
            Malformed::NextLearner(node) => {
                write!(
                    f,
                    "{node} is to be a learner after the joint phase, and is no voter of the old half alone"
                )
            }
            Malformed::DirectoryIdOfNonMember(node) => {
                write!(f, "it has an identity of {node}, which is no member")
            }
        }
    }
}

impl fmt::Display for ConfChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfChangeError::NoVoters => "nobody would vote",
            ConfChangeError::MoreThanOneVoter => "more than one voter would change without a joint phase",
            ConfChangeError::AlreadyJoint => "a joint phase is under way",
            ConfChangeError::NotJoint => "there is no joint phase to leave",
            ConfChangeError::TooManyMembers => "the group would have more than 64 members",
            ConfChangeError::OtherIncarnation => {
                "another life of the node belongs to the group, and must be removed first"
            }
        })
    }
}
