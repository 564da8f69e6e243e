//! Which configurations may be in force, by what operators asked for and what they were answered. No server is believed.
//!
//! *Source*: Raft paper, 6; thesis 4.1 (one change at a time), 4.3 (joint consensus).
//!
//! A change that is answered with success is complete. One whose answer is missing or unknown may be in force, may never
//! be, or may be half done: a joint phase that ends by itself can be in force before its end. So what may be in force is a
//! set. It shrinks where a later change succeeds: a leader appends a change only after it has committed all changes that
//! stand in its log, and no change that is missing there can be committed afterwards. From then on the set holds what that
//! change makes of each configuration that was possible before it.

use crate::fact::{ChangeAnswer, ConfChange, ConfChangeOp, Configuration, Node};

/// More configurations than this are not told apart.
const MOST: usize = 256;

/// A server as a member of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Member {
    /// The server.
    pub node: Node,
    /// How often its disk had been emptied when it was added.
    pub disk_generation: u64,
}

/// A configuration that may be in force. Its lists are sorted and name each server once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Possible {
    /// While joint, the new half.
    voters: Vec<Member>,
    /// The old half; empty unless joint.
    old_voters: Vec<Member>,
    learners: Vec<Member>,
    /// Voters of the old half that become learners when the joint phase ends.
    next_learners: Vec<Member>,
    /// Whether the joint phase ends without a command.
    leaves_by_itself: bool,
}

/// A change that was asked for and may be in force, or not.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Open {
    request: u64,
    change: ConfChange,
    /// The disk generation of each server that it adds.
    added: Vec<Member>,
}

/// The configurations that may be in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PossibleConfigurations {
    /// What may have been in force before the oldest open change.
    base: Vec<Possible>,
    open: Vec<Open>,
    /// What may be in force now: never empty.
    possible: Vec<Possible>,
    /// Set once there were too many to tell apart: every server that may ever have been a member since.
    any_of: Option<Vec<Member>>,
}

impl PossibleConfigurations {
    /// A group that was founded by these voters.
    #[must_use]
    pub fn founded_by(voters: impl IntoIterator<Item = Node>) -> PossibleConfigurations {
        let mut founding = Possible::default();
        voters.into_iter().for_each(|node| insert(&mut founding.voters, Member { node, disk_generation: 0 }));
        PossibleConfigurations {
            base: vec![founding.clone()],
            open: Vec::new(),
            possible: vec![founding],
            any_of: None,
        }
    }

    /// A change is asked for. Until it is answered it may be in force or not. Requests are numbered in the order in which
    /// servers take them up.
    pub fn requested(&mut self, request: u64, change: ConfChange, disk_generation: impl Fn(Node) -> u64) {
        let added = |op: &ConfChangeOp| match *op {
            ConfChangeOp::Voter(node) | ConfChangeOp::Learner(node) => {
                Some(Member { node, disk_generation: disk_generation(node) })
            }
            ConfChangeOp::Remove(_) => None,
        };
        let added = change.ops().iter().filter_map(added).collect();
        self.open.push(Open { request, change, added });
        self.refresh();
    }

    /// A change is answered. What is unknown, or was decided by a later change, says nothing new.
    pub fn answered(&mut self, request: u64, answer: ChangeAnswer) {
        let Some(place) = self.open.iter().position(|open| open.request == request) else { return };
        match answer {
            ChangeAnswer::Unknown => return,
            ChangeAnswer::Refused => _ = self.open.remove(place),
            ChangeAnswer::Done => {
                let before = fold(&self.base, &self.open[..place]);
                let done = &self.open[place];
                let mut after: Vec<Possible> =
                    before.iter().filter_map(|possible| possible.after(done).last().cloned()).collect();
                normalize(&mut after);
                // It fits none of them: the system calls something a success that changes nothing.
                self.base = if after.is_empty() { before } else { after };
                self.open.drain(..=place);
            }
        }
        self.refresh();
    }

    /// Whether this configuration may be in force.
    #[must_use]
    pub fn contains(&self, configuration: &Configuration) -> bool {
        match &self.any_of {
            None => self.possible.iter().any(|possible| possible.is(configuration)),
            Some(members) => {
                let Configuration { voters, joint, learners, .. } = configuration;
                let mut named = voters.iter().chain(joint).chain(learners);
                !voters.is_empty() && named.all(|&node| members.iter().any(|member| member.node == node))
            }
        }
    }

    /// Whether the members that count are a quorum of every configuration that may be in force: more than half of the
    /// voters, and while joint of each half.
    #[must_use]
    pub fn all_have_quorum(&self, counts: impl Fn(Member) -> bool) -> bool {
        let majority =
            |half: &[Member]| 2 * half.iter().filter(|&&member| counts(member)).count() > half.len();
        match &self.any_of {
            None => self.possible.iter().all(|possible| {
                majority(&possible.voters)
                    && (possible.old_voters.is_empty() || majority(&possible.old_voters))
            }),
            // Whichever of them vote.
            Some(members) => members.iter().all(|&member| counts(member)),
        }
    }

    /// Whether every configuration that may be in force has this member.
    #[must_use]
    pub fn all_have(&self, member: Member) -> bool {
        self.any_of.is_none() && self.possible.iter().all(|possible| possible.has(member))
    }

    /// Whether some configuration that may be in force has this member.
    #[must_use]
    pub fn some_has(&self, member: Member) -> bool {
        match &self.any_of {
            None => self.possible.iter().any(|possible| possible.has(member)),
            Some(members) => members.contains(&member),
        }
    }

    /// The configurations that may be in force, as facts have them.
    #[must_use]
    pub fn configurations(&self) -> Vec<Configuration> {
        self.possible.iter().map(Possible::plain).collect()
    }

    /// Takes up what has changed.
    fn refresh(&mut self) {
        self.possible = fold(&self.base, &self.open);
        if self.any_of.is_none() && self.possible.len() > MOST {
            self.any_of = Some(Vec::new());
        }
        if let Some(any_of) = &mut self.any_of {
            let members = self.possible.iter().flat_map(Possible::members);
            let asked = self.open.iter().flat_map(|open| open.added.iter().copied());
            any_of.extend(members.chain(asked));
            normalize(any_of);
            // They are not told apart any more, so that a few stand for all.
            self.base = self.possible.drain(..1).collect();
            self.possible.clone_from(&self.base);
            self.open.clear();
        }
    }
}

impl Possible {
    /// What a change makes of this configuration: all that may be in force meanwhile, and in the end the last. Nothing where
    /// it does not fit.
    fn after(&self, open: &Open) -> Vec<Possible> {
        match &open.change {
            ConfChange::Steps(ops) => {
                let Some(joint) = self.joined(ops, &open.added, true) else { return Vec::new() };
                let left = joint.left();
                vec![joint, left]
            }
            ConfChange::Joint(ops) => self.joined(ops, &open.added, false).into_iter().collect(),
            ConfChange::Leave if self.is_joint() => vec![self.left()],
            ConfChange::Leave => Vec::new(),
        }
    }

    /// At the beginning of a joint phase. `None` where there is one already, or nobody would vote after it.
    fn joined(&self, ops: &[ConfChangeOp], added: &[Member], leaves_by_itself: bool) -> Option<Possible> {
        if self.is_joint() {
            return None;
        }
        let mut joint = Possible { old_voters: self.voters.clone(), leaves_by_itself, ..self.clone() };
        for op in ops {
            let (ConfChangeOp::Voter(node) | ConfChangeOp::Learner(node) | ConfChangeOp::Remove(node)) = *op;
            for list in [&mut joint.voters, &mut joint.learners, &mut joint.next_learners] {
                list.retain(|member| member.node != node);
            }
            let Some(&member) = added.iter().find(|member| member.node == node) else { continue };
            match op {
                ConfChangeOp::Voter(_) => insert(&mut joint.voters, member),
                // A server that still votes in the old half is not a learner at the same time.
                ConfChangeOp::Learner(_) if joint.old_voters.iter().any(|old| old.node == node) => {
                    insert(&mut joint.next_learners, member);
                }
                ConfChangeOp::Learner(_) => insert(&mut joint.learners, member),
                ConfChangeOp::Remove(_) => {}
            }
        }
        (!joint.voters.is_empty()).then_some(joint)
    }

    /// At the end of a joint phase.
    fn left(&self) -> Possible {
        let mut learners = self.learners.clone();
        self.next_learners.iter().for_each(|&member| insert(&mut learners, member));
        Possible { voters: self.voters.clone(), learners, ..Possible::default() }
    }

    fn is_joint(&self) -> bool {
        !self.old_voters.is_empty()
    }

    fn members(&self) -> impl Iterator<Item = Member> {
        let lists = [&self.voters, &self.old_voters, &self.learners, &self.next_learners];
        lists.into_iter().flatten().copied()
    }

    fn has(&self, member: Member) -> bool {
        self.members().any(|other| other == member)
    }

    /// Whether this is what a system states. Servers that become learners at the end of a joint phase may be named as such
    /// before.
    fn is(&self, stated: &Configuration) -> bool {
        let among = |nodes: &[Node], members: &[Member]| {
            nodes.iter().all(|&node| members.iter().any(|member| member.node == node))
        };
        let named =
            |members: &[Member], nodes: &[Node]| members.iter().all(|member| nodes.contains(&member.node));
        let same = |nodes: &[Node], members: &[Member]| among(nodes, members) && named(members, nodes);
        let learners: Vec<Member> = self.learners.iter().chain(&self.next_learners).copied().collect();
        same(&stated.voters, &self.voters)
            && same(&stated.joint, &self.old_voters)
            && named(&self.learners, &stated.learners)
            && among(&stated.learners, &learners)
    }

    fn plain(&self) -> Configuration {
        let nodes = |members: &[Member]| members.iter().map(|member| member.node).collect();
        Configuration {
            voters: nodes(&self.voters),
            joint: nodes(&self.old_voters),
            learners: nodes(&self.learners),
            digest: None,
        }
    }
}

/// What may be in force where some of these changes have happened, in their order.
fn fold(base: &[Possible], open: &[Open]) -> Vec<Possible> {
    let mut possible = base.to_vec();
    for open in open {
        let more: Vec<Possible> = possible.iter().flat_map(|possible| possible.after(open)).collect();
        possible.extend(more);
        normalize(&mut possible);
    }
    possible
}

fn normalize<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// Puts a member into a sorted list, in place of an earlier disk generation of the same server.
fn insert(members: &mut Vec<Member>, member: Member) {
    match members.binary_search_by_key(&member.node, |other| other.node) {
        Ok(place) => members[place] = member,
        Err(place) => members.insert(place, member),
    }
}
