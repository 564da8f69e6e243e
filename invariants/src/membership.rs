//! The configurations that may be in force, derived from operators' requests and responses only; servers' claims are
//! not used.
//!
//! *Source*: Raft paper, 6; thesis 4.1 (one change at a time), 4.3 (joint consensus).
//!
//! A change that was answered with success is complete. A change whose response is missing or unknown may be in
//! force, may never be, or may be half done: a joint phase that ends by itself can be in force before its end. So the
//! configurations that may be in force are a set. It shrinks when a later change succeeds: a leader appends a change
//! only after it has committed all earlier changes in its log, and a change that is not in that log can never commit
//! afterwards. From then on the set holds the result of that change for each configuration that was possible before
//! it.

use crate::contract::ConfigurationSteps;
use crate::fact::{ConfChange, ConfChangeOp, ConfChangeResponse, Configuration, Node};

/// Above this number, possible configurations are no longer kept apart.
const MAX_POSSIBLE: usize = 256;

/// A server as a member of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Member {
    /// The server.
    pub node: Node,
    /// How often its disk had been wiped when it was added.
    pub disk_generation: u64,
}

/// A configuration that may be in force. Its lists are sorted and name each server once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct PossibleConfiguration {
    /// The voters; while joint, of the new half.
    voters: Vec<Member>,
    /// The voters of the old half; empty unless joint.
    old_voters: Vec<Member>,
    learners: Vec<Member>,
    /// Voters of the old half that become learners when the joint phase ends.
    learners_next: Vec<Member>,
    /// Whether the joint phase ends without a request.
    auto_leave: bool,
}

/// A requested change of which it is unknown whether it is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
struct PendingChange {
    request: u64,
    change: ConfChange,
    /// The servers that it adds, each with its disk generation.
    added: Vec<Member>,
}

/// The configurations that may be in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PossibleConfigurations {
    /// What may have been in force before the oldest pending change.
    settled: Vec<PossibleConfiguration>,
    pending: Vec<PendingChange>,
    /// What may be in force now; never empty.
    possible: Vec<PossibleConfiguration>,
    /// Which steps the system takes.
    steps: ConfigurationSteps,
    /// Set once there were more than [`MAX_POSSIBLE`]: every server that may have been a member since then.
    overflow_members: Option<Vec<Member>>,
}

impl PossibleConfigurations {
    /// A cluster with these initial voters.
    #[must_use]
    pub fn with_initial_voters(voters: impl IntoIterator<Item = Node>) -> PossibleConfigurations {
        let mut initial = PossibleConfiguration::default();
        voters
            .into_iter()
            .for_each(|node| insert_member(&mut initial.voters, Member { node, disk_generation: 0 }));
        PossibleConfigurations {
            settled: vec![initial.clone()],
            pending: Vec::new(),
            possible: vec![initial],
            steps: ConfigurationSteps::Joint,
            overflow_members: None,
        }
    }

    /// The same, for a system that takes other steps between configurations. With [`ConfigurationSteps::SharedHalf`] a
    /// change may begin while another one is half done: it continues from the new half.
    #[must_use]
    pub fn with_steps(mut self, steps: ConfigurationSteps) -> PossibleConfigurations {
        self.steps = steps;
        self
    }

    /// Records a requested change. Until it is answered it may or may not be in force. `request` numbers grow in the
    /// order in which servers receive the requests.
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

    /// Records a response. No effect if it is unknown, or if a later change has already decided this one.
    pub fn record_response(&mut self, request: u64, answer: ConfChangeResponse) {
        let Some(position) = self.pending.iter().position(|pending| pending.request == request) else {
            return;
        };
        match answer {
            ConfChangeResponse::Unknown => return,
            ConfChangeResponse::Rejected => _ = self.pending.remove(position),
            ConfChangeResponse::Done => {
                let before = apply_pending(&self.settled, &self.pending[..position], self.steps);
                let done = &self.pending[position];
                let mut after: Vec<PossibleConfiguration> = before
                    .iter()
                    .filter_map(|possible| possible.apply_change(done, self.steps).last().cloned())
                    .collect();
                sort_and_dedup(&mut after);
                // If it fits none of them, the system reports success for a change without effect.
                self.settled = if after.is_empty() { before } else { after };
                self.pending.drain(..=position);
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

    /// Whether the members for which `counts` holds are a quorum of every configuration that may be in force: a
    /// majority of the voters and, while joint, also of the old voters.
    #[must_use]
    pub fn all_have_quorum(&self, counts: impl Fn(Member) -> bool) -> bool {
        let majority =
            |half: &[Member]| 2 * half.iter().filter(|&&member| counts(member)).count() > half.len();
        match &self.overflow_members {
            None => self.possible.iter().all(|possible| {
                majority(&possible.voters)
                    && (possible.old_voters.is_empty() || majority(&possible.old_voters))
            }),
            // The voters may be any of them.
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

    /// Whether a joint phase may be in force that ends only by [`ConfChange::Leave`].
    #[must_use]
    pub fn may_wait_for_leave(&self) -> bool {
        let waits = |possible: &PossibleConfiguration| possible.is_joint() && !possible.auto_leave;
        self.overflow_members.is_some() || self.possible.iter().any(waits)
    }

    /// The configurations that may be in force, in the form that facts use.
    #[must_use]
    pub fn configurations(&self) -> Vec<Configuration> {
        self.possible.iter().map(PossibleConfiguration::to_configuration).collect()
    }

    /// Recomputes what may be in force.
    fn recompute(&mut self) {
        self.possible = apply_pending(&self.settled, &self.pending, self.steps);
        if self.overflow_members.is_none() && self.possible.len() > MAX_POSSIBLE {
            self.overflow_members = Some(Vec::new());
        }
        if let Some(all_members) = &mut self.overflow_members {
            let members = self.possible.iter().flat_map(PossibleConfiguration::members);
            let added = self.pending.iter().flat_map(|pending| pending.added.iter().copied());
            all_members.extend(members.chain(added));
            sort_and_dedup(all_members);
            // They are no longer kept apart: one stands for all.
            self.settled = self.possible.drain(..1).collect();
            self.possible.clone_from(&self.settled);
            self.pending.clear();
        }
    }
}

impl PossibleConfiguration {
    /// The configurations that this change can put in force here, the final one last; empty if it does not apply.
    fn apply_change(&self, pending: &PendingChange, steps: ConfigurationSteps) -> Vec<PossibleConfiguration> {
        match &pending.change {
            _ if self.is_joint()
                && steps == ConfigurationSteps::Joint
                && pending.change != ConfChange::Leave =>
            {
                Vec::new()
            }
            ConfChange::Steps(ops) => {
                let Some(joint) = self.enter_joint(ops, &pending.added, true) else { return Vec::new() };
                let left = joint.leave_joint();
                vec![joint, left]
            }
            ConfChange::Joint(ops) => self.enter_joint(ops, &pending.added, false).into_iter().collect(),
            ConfChange::Leave if self.is_joint() => vec![self.leave_joint()],
            ConfChange::Leave => Vec::new(),
        }
    }

    /// The configuration after entering a joint phase from the new half. `None` if no voter would remain.
    fn enter_joint(
        &self,
        ops: &[ConfChangeOp],
        added: &[Member],
        auto_leave: bool,
    ) -> Option<PossibleConfiguration> {
        let mut joint = PossibleConfiguration { old_voters: self.voters.clone(), auto_leave, ..self.clone() };
        for op in ops {
            let (ConfChangeOp::Voter(node) | ConfChangeOp::Learner(node) | ConfChangeOp::Remove(node)) = *op;
            for list in [&mut joint.voters, &mut joint.learners, &mut joint.learners_next] {
                list.retain(|member| member.node != node);
            }
            let Some(&member) = added.iter().find(|member| member.node == node) else { continue };
            match op {
                ConfChangeOp::Voter(_) => insert_member(&mut joint.voters, member),
                // A server that still votes in the old half cannot be a learner yet.
                ConfChangeOp::Learner(_) if joint.old_voters.iter().any(|old| old.node == node) => {
                    insert_member(&mut joint.learners_next, member);
                }
                ConfChangeOp::Learner(_) => insert_member(&mut joint.learners, member),
                ConfChangeOp::Remove(_) => {}
            }
        }
        (!joint.voters.is_empty()).then_some(joint)
    }

    /// The configuration after the joint phase.
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

    /// Whether the stated configuration is this one. Servers that become learners after the joint phase may already
    /// be stated as learners.
    fn matches(&self, stated: &Configuration) -> bool {
        let among = |nodes: &[Node], members: &[Member]| {
            nodes.iter().all(|&node| members.iter().any(|member| member.node == node))
        };
        let names_all =
            |members: &[Member], nodes: &[Node]| members.iter().all(|member| nodes.contains(&member.node));
        let same = |nodes: &[Node], members: &[Member]| among(nodes, members) && names_all(members, nodes);
        let learners: Vec<Member> = self.learners.iter().chain(&self.learners_next).copied().collect();
        same(&stated.voters, &self.voters)
            && same(&stated.joint, &self.old_voters)
            && stated.further.is_empty()
            && names_all(&self.learners, &stated.learners)
            && among(&stated.learners, &learners)
    }

    fn to_configuration(&self) -> Configuration {
        let nodes = |members: &[Member]| members.iter().map(|member| member.node).collect();
        Configuration {
            voters: nodes(&self.voters),
            joint: nodes(&self.old_voters),
            learners: nodes(&self.learners),
            ..Configuration::default()
        }
    }
}

/// What may be in force if any subset of these changes has happened, in their order.
fn apply_pending(
    base: &[PossibleConfiguration],
    changes: &[PendingChange],
    steps: ConfigurationSteps,
) -> Vec<PossibleConfiguration> {
    let mut possible = base.to_vec();
    for pending in changes {
        let more: Vec<PossibleConfiguration> =
            possible.iter().flat_map(|possible| possible.apply_change(pending, steps)).collect();
        possible.extend(more);
        sort_and_dedup(&mut possible);
    }
    possible
}

fn sort_and_dedup<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// Inserts a member into a sorted list; it replaces an earlier disk generation of the same server.
fn insert_member(members: &mut Vec<Member>, member: Member) {
    match members.binary_search_by_key(&member.node, |other| other.node) {
        Ok(position) => members[position] = member,
        Err(position) => members.insert(position, member),
    }
}
