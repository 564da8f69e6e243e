//! Who belongs to the group, how that may change, and what a majority of it is (6, thesis 4). No Raft in sight.
//!
//! A configuration is *joint* while it moves from one set of voters to another: then both halves must agree to
//! everything, each by a majority of its own. A change of a single voter needs no joint phase, because majorities of
//! neighbouring sets overlap (thesis 4.1).

use crate::ids::{Identity, NodeId, Peer};
use crate::quorum::{majority, reached_by_majority};
use std::fmt;

/// The most nodes that a group may have, learners included.
pub const MOST_MEMBERS: usize = 64;

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
    pub next_learners: Vec<NodeId>,
    /// Whether the leader ends the joint phase by itself.
    pub leaves_by_itself: bool,
    /// Which life of a member belongs to the group, sorted by member; who is not named here drew no identity.
    pub identities: Vec<(NodeId, Identity)>,
}

/// One step of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Wherever this change speaks of this node, it means this life of it; identity 0: one that drew none.
    Identify(NodeId, Identity),
    /// Make this node a voter, whatever it was.
    Voter(NodeId),
    /// Make this node a learner, whatever it was.
    Learner(NodeId),
    /// Remove this node.
    Remove(NodeId),
}

/// A change of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// These steps, in this order: at once where they change one voter at the most, else by way of a joint phase that
    /// ends by itself.
    Steps(Vec<Step>),
    /// These steps by way of a joint phase that goes on until somebody asks for [`Change::Leave`].
    Joint(Vec<Step>),
    /// The end of a joint phase.
    Leave,
}

/// Why a change cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// Nobody would vote.
    NoVoters,
    /// More than one voter would change at once.
    TooMany,
    /// The group is joint already.
    Joint,
    /// There is no joint phase to leave.
    NotJoint,
    /// The group would have more members than [`MOST_MEMBERS`].
    TooLarge,
    /// Another life of the node still belongs to the group: it has to be removed before, and in a change of its own. The
    /// two share a number, so majorities with the one and with the other would seem to overlap, and need not.
    OtherLife,
}

/// What is wrong with a configuration that no change leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// No voters.
    NoVoters,
    /// More members than [`MOST_MEMBERS`].
    TooLarge,
    /// A list is not sorted, or has a node twice.
    Unsorted,
    /// A node votes and is a learner as well.
    VoterAndLearner(NodeId),
    /// A node is to be a learner after the joint phase, and does not vote in the old half alone.
    NextLearner(NodeId),
    /// An identity of a node that is no member.
    IdentityOf(NodeId),
}

impl Configuration {
    /// Whether a change can lead to this configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), Malformed> {
        let Configuration { voters, old_voters, learners, next_learners, identities, .. } = self;
        if voters.is_empty() {
            return Err(Malformed::NoVoters);
        }
        let lists = [voters, old_voters, learners, next_learners];
        let named = identities.iter().map(|(node, _)| node);
        if !lists.iter().all(|nodes| nodes.is_sorted_by(|a, b| a < b)) || !named.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Unsorted);
        }
        if let Some(&node) = learners.iter().find(|&&node| self.votes(node)) {
            return Err(Malformed::VoterAndLearner(node));
        }
        let leaves = |node: &NodeId| old_voters.contains(node) && !voters.contains(node);
        if let Some(&node) = next_learners.iter().find(|node| !leaves(node)) {
            return Err(Malformed::NextLearner(node));
        }
        if let Some(&(node, _)) = identities.iter().find(|(node, _)| !self.is_member(*node)) {
            return Err(Malformed::IdentityOf(node));
        }
        if self.members().len() > MOST_MEMBERS { Err(Malformed::TooLarge) } else { Ok(()) }
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
    pub fn votes(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.old_voters.contains(&node)
    }

    /// Which life of a node belongs to the group.
    #[must_use]
    pub fn peer(&self, node: NodeId) -> Peer {
        let known = self.identities.binary_search_by_key(&node, |known| known.0);
        Peer { id: node, identity: known.map_or(Identity(0), |place| self.identities[place].1) }
    }

    /// Whether this life of a node votes, in either half.
    #[must_use]
    pub fn votes_as(&self, peer: Peer) -> bool {
        self.votes(peer.id) && self.peer(peer.id) == peer
    }

    /// Whether a node gets the log.
    #[must_use]
    pub fn is_member(&self, node: NodeId) -> bool {
        self.votes(node) || self.learners.contains(&node)
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
    pub fn reached<T: Ord + Copy + Default>(&self, reached: impl Fn(NodeId) -> T) -> Option<T> {
        #[inline]
        fn by<const ROOM: usize, T: Ord + Copy + Default>(
            voters: &[NodeId],
            reached: impl Fn(NodeId) -> T,
        ) -> T {
            let mut values = [T::default(); ROOM];
            for (value, &voter) in values.iter_mut().zip(voters) {
                *value = reached(voter);
            }
            reached_by_majority(&mut values[..voters.len()])
        }
        // Most groups are small, and to clear room for the largest would cost more than the sum.
        let half = |voters: &[NodeId]| match voters.len() {
            0 => None,
            1..=8 => Some(by::<8, T>(voters, &reached)),
            _ => Some(by::<MOST_MEMBERS, T>(voters, &reached)),
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
    pub fn after(&self, change: &Change) -> Result<Configuration, Unfit> {
        let mut changed = match change {
            Change::Steps(steps) => match self.simple(steps) {
                Err(Unfit::TooMany) => self.enter_joint(steps, true)?,
                simple => simple?,
            },
            Change::Joint(steps) => self.enter_joint(steps, false)?,
            Change::Leave => self.leave_joint()?,
        };
        let members = changed.members();
        if members.len() > MOST_MEMBERS {
            return Err(Unfit::TooLarge);
        }
        let steps = match change {
            Change::Steps(steps) | Change::Joint(steps) => &steps[..],
            Change::Leave => &[],
        };
        changed.identities = self.identified(steps)?;
        changed.identities.retain(|(node, _)| members.contains(node));
        Ok(changed)
    }

    /// The identities that are known, and those that the steps tell.
    fn identified(&self, steps: &[Step]) -> Result<Vec<(NodeId, Identity)>, Unfit> {
        let members = self.members();
        let mut identities = self.identities.clone();
        for &step in steps {
            let Step::Identify(node, identity) = step else { continue };
            if members.contains(&node) && self.peer(node).identity != identity {
                return Err(Unfit::OtherLife);
            }
            match identities.binary_search_by_key(&node, |known| known.0) {
                Ok(place) => identities[place].1 = identity,
                Err(place) => identities.insert(place, (node, identity)),
            }
        }
        // Who drew none is not named, so that configurations that mean the same are equal.
        identities.retain(|&(_, identity)| identity != Identity(0));
        Ok(identities)
    }

    /// After steps that change one voter at the most.
    ///
    /// # Errors
    /// They change more, or leave nobody who votes, or a joint phase is under way.
    pub fn simple(&self, steps: &[Step]) -> Result<Configuration, Unfit> {
        if self.is_joint() {
            return Err(Unfit::Joint);
        }
        let mut changed = self.clone();
        changed.take(steps);
        let gone = self.voters.iter().filter(|voter| !changed.voters.contains(voter)).count();
        let come = changed.voters.iter().filter(|voter| !self.voters.contains(voter)).count();
        match changed.voters.is_empty() {
            true => Err(Unfit::NoVoters),
            false if gone + come > 1 => Err(Unfit::TooMany),
            false => Ok(changed),
        }
    }

    /// On its way to these steps: both sets of voters count.
    ///
    /// # Errors
    /// It is joint already, or nobody votes before or after.
    pub fn enter_joint(&self, steps: &[Step], leaves_by_itself: bool) -> Result<Configuration, Unfit> {
        if self.is_joint() {
            return Err(Unfit::Joint);
        }
        if self.voters.is_empty() {
            return Err(Unfit::NoVoters);
        }
        let mut changed = Configuration { old_voters: self.voters.clone(), leaves_by_itself, ..self.clone() };
        changed.take(steps);
        if changed.voters.is_empty() { Err(Unfit::NoVoters) } else { Ok(changed) }
    }

    /// At the end of a joint phase: the new half alone counts.
    ///
    /// # Errors
    /// There is no joint phase.
    pub fn leave_joint(&self) -> Result<Configuration, Unfit> {
        if !self.is_joint() {
            return Err(Unfit::NotJoint);
        }
        let mut left = Configuration {
            voters: self.voters.clone(),
            learners: self.learners.clone(),
            identities: self.identities.clone(),
            ..Configuration::default()
        };
        self.next_learners.iter().for_each(|&node| insert(&mut left.learners, node));
        // Whoever is gone is unknown: it may come back as another life.
        let members = left.members();
        left.identities.retain(|(node, _)| members.contains(node));
        Ok(left)
    }

    fn take(&mut self, steps: &[Step]) {
        for &step in steps {
            let (Step::Voter(node) | Step::Learner(node) | Step::Remove(node)) = step else { continue };
            remove(&mut self.voters, node);
            remove(&mut self.learners, node);
            remove(&mut self.next_learners, node);
            match step {
                Step::Voter(_) => insert(&mut self.voters, node),
                // Who still votes in the old half must not be a learner at the same time.
                Step::Learner(_) if self.old_voters.contains(&node) => insert(&mut self.next_learners, node),
                Step::Learner(_) => insert(&mut self.learners, node),
                Step::Remove(_) | Step::Identify(..) => {}
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
            (" learners_next=", &self.next_learners),
        ];
        for (name, nodes) in rest {
            if !nodes.is_empty() {
                write!(f, "{name}(")?;
                list(f, nodes)?;
                write!(f, ")")?;
            }
        }
        if self.leaves_by_itself { write!(f, " autoleave") } else { Ok(()) }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::NoVoters => write!(f, "it has no voters"),
            Malformed::TooLarge => write!(f, "it has more than 64 members"),
            Malformed::Unsorted => write!(f, "a list in it is not sorted, or has a node twice"),
            Malformed::VoterAndLearner(node) => write!(f, "{node} is a voter and a learner"),
            Malformed::NextLearner(node) => {
                write!(
                    f,
                    "{node} is to be a learner after the joint phase, and is no voter of the old half alone"
                )
            }
            Malformed::IdentityOf(node) => write!(f, "it has an identity of {node}, which is no member"),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::NoVoters => "nobody would vote",
            Unfit::TooMany => "more than one voter would change without a joint phase",
            Unfit::Joint => "a joint phase is under way",
            Unfit::NotJoint => "there is no joint phase to leave",
            Unfit::TooLarge => "the group would have more than 64 members",
            Unfit::OtherLife => "another life of the node belongs to the group, and must be removed first",
        })
    }
}
