//! Which configurations may be in force, by what operators asked for and what they were answered. No server is believed.
//!
//! *Source*: Raft paper, 6; thesis 4.1 (one change at a time), 4.3 (joint consensus).
//!
//! A change that is answered with success is complete. One whose answer is missing or unknown may be in force, may never
//! be, or may be half done: a joint phase that ends by itself can be in force before its end. So what may be in force is a
//! set. It shrinks where a later change succeeds: a leader appends a change only after it has committed all changes that
//! stand in its log, and no change that is missing there can be committed afterwards. From then on the set holds what that
//! change makes of each configuration that was possible before it.

use crate::fact::{ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, Node};

/// More configurations than this are not told apart.
const MAX_POSSIBLE: usize = 256;

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
struct PossibleConfiguration {
    /// While joint, the new half.
    voters: Vec<Member>,
    /// The old half; empty unless joint.
    old_voters: Vec<Member>,
    learners: Vec<Member>,
    /// Voters of the old half that become learners when the joint phase ends.
    learners_next: Vec<Member>,
    /// Whether the joint phase ends without a command.
    auto_leave: bool,
}

/// A change that was asked for and may be in force, or not.
#[derive(Clone, PartialEq, Eq, Debug)]
struct PendingChange {
    request: u64,
    change: ConfChange,
    /// The disk generation of each server that it adds.
    added: Vec<Member>,
}

/// The configurations that may be in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PossibleConfigurations {
    /// What may have been in force before the oldest open change.
    settled: Vec<PossibleConfiguration>,
    pending: Vec<PendingChange>,
    /// What may be in force now: never empty.
    possible: Vec<PossibleConfiguration>,
    /// Set once there were too many to tell apart: every server that may ever have been a member since.
    overflow_members: Option<Vec<Member>>,
}

impl PossibleConfigurations {
    /// A group that was founded by these voters.
    #[must_use]
    pub fn with_initial_voters(voters: impl IntoIterator<Item = Node>) -> PossibleConfigurations {
        let mut founding = PossibleConfiguration::default();
        voters
            .into_iter()
            .for_each(|node| insert_member(&mut founding.voters, Member { node, disk_generation: 0 }));
        PossibleConfigurations {
            settled: vec![founding.clone()],
            pending: Vec::new(),
            possible: vec![founding],
            overflow_members: None,
        }
    }

    /// A change is asked for. Until it is answered it may be in force or not. Requests are numbered in the order in which
    /// servers take them up.
    pub fn record_request(
        &mut self,
        request: u64,
        change: ConfChange,
        disk_generation: impl Fn(Node) -> u64,
    ) {
        let added = |op: &ConfChangeOp| match *op {
            ConfChangeOp::Voter(node) | ConfChangeOp::Learner(node) => {
                Some(Member { node, disk_generation: disk_generation(node) })
            }
            ConfChangeOp::Remove(_) => None,
        };
        let added = change.ops().iter().filter_map(added).collect();
        self.pending.push(PendingChange { request, change, added });
        self.recompute();
    }

    /// A change is answered. What is unknown, or was decided by a later change, says nothing new.
    pub fn record_response(&mut self, request: u64, answer: ConfChangeResponse) {
        let Some(place) = self.pending.iter().position(|open| open.request == request) else { return };
        match answer {
            ConfChangeResponse::Unknown => return,
            ConfChangeResponse::Refused => _ = self.pending.remove(place),
            ConfChangeResponse::Done => {
                let before = apply_pending(&self.settled, &self.pending[..place]);
                let done = &self.pending[place];
                let mut after: Vec<PossibleConfiguration> = before
                    .iter()
                    .filter_map(|possible| possible.apply_change(done).last().cloned())
                    .collect();
                sort_and_dedup(&mut after);
                // It fits none of them: the system calls something a success that changes nothing.
                self.settled = if after.is_empty() { before } else { after };
                self.pending.drain(..=place);
            }
        }
        self.recompute();
    }

    /// Whether this configuration may be in force.
    #[must_use]
    pub fn contains(&self, configuration: &Configuration) -> bool {
        match &self.overflow_members {
            None => self.possible.iter().any(|possible| possible.matches(configuration)),
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
        match &self.overflow_members {
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
    pub fn all_contain(&self, member: Member) -> bool {
        self.overflow_members.is_none() && self.possible.iter().all(|possible| possible.has(member))
    }

    /// Whether some configuration that may be in force has this member.
    #[must_use]
    pub fn any_contains(&self, member: Member) -> bool {
        match &self.overflow_members {
            None => self.possible.iter().any(|possible| possible.has(member)),
            Some(members) => members.contains(&member),
        }
    }

    /// The configurations that may be in force, as facts have them.
    #[must_use]
    pub fn configurations(&self) -> Vec<Configuration> {
        self.possible.iter().map(PossibleConfiguration::to_configuration).collect()
    }

    /// Takes up what has changed.
    fn recompute(&mut self) {
        self.possible = apply_pending(&self.settled, &self.pending);
        if self.overflow_members.is_none() && self.possible.len() > MAX_POSSIBLE {
            self.overflow_members = Some(Vec::new());
        }
        if let Some(any_of) = &mut self.overflow_members {
            let members = self.possible.iter().flat_map(PossibleConfiguration::members);
            let asked = self.pending.iter().flat_map(|open| open.added.iter().copied());
            any_of.extend(members.chain(asked));
            sort_and_dedup(any_of);
            // They are not told apart any more, so that a few stand for all.
            self.settled = self.possible.drain(..1).collect();
            self.possible.clone_from(&self.settled);
            self.pending.clear();
        }
    }
}

impl PossibleConfiguration {
    /// What a change makes of this configuration: all that may be in force meanwhile, and in the end the last. Nothing where
    /// it does not fit.
    fn apply_change(&self, open: &PendingChange) -> Vec<PossibleConfiguration> {
        match &open.change {
            ConfChange::Steps(ops) => {
                let Some(joint) = self.enter_joint(ops, &open.added, true) else { return Vec::new() };
                let left = joint.leave_joint();
                vec![joint, left]
            }
            ConfChange::Joint(ops) => self.enter_joint(ops, &open.added, false).into_iter().collect(),
            ConfChange::Leave if self.is_joint() => vec![self.leave_joint()],
            ConfChange::Leave => Vec::new(),
        }
    }

    /// At the beginning of a joint phase. `None` where there is one already, or nobody would vote after it.
    fn enter_joint(
        &self,
        ops: &[ConfChangeOp],
        added: &[Member],
        leaves_by_itself: bool,
    ) -> Option<PossibleConfiguration> {
        if self.is_joint() {
            return None;
        }
        let mut joint = PossibleConfiguration {
            old_voters: self.voters.clone(),
            auto_leave: leaves_by_itself,
            ..self.clone()
        };
        for op in ops {
            let (ConfChangeOp::Voter(node) | ConfChangeOp::Learner(node) | ConfChangeOp::Remove(node)) = *op;
            for list in [&mut joint.voters, &mut joint.learners, &mut joint.learners_next] {
                list.retain(|member| member.node != node);
            }
            let Some(&member) = added.iter().find(|member| member.node == node) else { continue };
            match op {
                ConfChangeOp::Voter(_) => insert_member(&mut joint.voters, member),
                // A server that still votes in the old half is not a learner at the same time.
                ConfChangeOp::Learner(_) if joint.old_voters.iter().any(|old| old.node == node) => {
                    insert_member(&mut joint.learners_next, member);
                }
                ConfChangeOp::Learner(_) => insert_member(&mut joint.learners, member),
                ConfChangeOp::Remove(_) => {}
            }
        }
        (!joint.voters.is_empty()).then_some(joint)
    }

    /// At the end of a joint phase.
    fn leave_joint(&self) -> PossibleConfiguration {
        let mut learners = self.learners.clone();
        self.learners_next.iter().for_each(|&member| insert_member(&mut learners, member));
        PossibleConfiguration { voters: self.voters.clone(), learners, ..PossibleConfiguration::default() }
    }

    fn is_joint(&self) -> bool {
        !self.old_voters.is_empty()
    }

    fn members(&self) -> impl Iterator<Item = Member> {
        let lists = [&self.voters, &self.old_voters, &self.learners, &self.learners_next];
        lists.into_iter().flatten().copied()
    }

    fn has(&self, member: Member) -> bool {
        self.members().any(|other| other == member)
    }

    /// Whether this is what a system states. Servers that become learners at the end of a joint phase may be named as such
    /// before.
    fn matches(&self, stated: &Configuration) -> bool {
        let among = |nodes: &[Node], members: &[Member]| {
            nodes.iter().all(|&node| members.iter().any(|member| member.node == node))
        };
        let named =
            |members: &[Member], nodes: &[Node]| members.iter().all(|member| nodes.contains(&member.node));
        let same = |nodes: &[Node], members: &[Member]| among(nodes, members) && named(members, nodes);
        let learners: Vec<Member> = self.learners.iter().chain(&self.learners_next).copied().collect();
        same(&stated.voters, &self.voters)
            && same(&stated.joint, &self.old_voters)
            && named(&self.learners, &stated.learners)
            && among(&stated.learners, &learners)
    }

    fn to_configuration(&self) -> Configuration {
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
fn apply_pending(base: &[PossibleConfiguration], open: &[PendingChange]) -> Vec<PossibleConfiguration> {
    let mut possible = base.to_vec();
    for open in open {
        let more: Vec<PossibleConfiguration> =
            possible.iter().flat_map(|possible| possible.apply_change(open)).collect();
        possible.extend(more);
        sort_and_dedup(&mut possible);
    }
    possible
}

fn sort_and_dedup<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// Puts a member into a sorted list, in place of an earlier disk generation of the same server.
fn insert_member(members: &mut Vec<Member>, member: Member) {
    match members.binary_search_by_key(&member.node, |other| other.node) {
        Ok(place) => members[place] = member,
        Err(place) => members.insert(place, member),
    }
}
