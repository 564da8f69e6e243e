//! The operator's commands, the responses, and the configurations that may be in force as a result.

use super::World;
use crate::outcome::{REJECTED_FOR_OTHER_REASON, TraceEvent};
use invariants::{
    ConfChange, ConfChangeOp, ConfChangeResponse, ConfigurationSteps, Member, Node, PossibleConfigurations,
    RejectionReason, WorldFact,
};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Display};

/// How an operator's command ended. If the server crashes before it responds, that is unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorResponse {
    /// It is complete. A change through an implicit joint phase is complete when that phase has ended; one
    /// through an explicit joint phase, when the joint configuration is committed.
    Done,
    /// It has no effect and never will.
    Rejected {
        /// Why. What a server names here must be true: property `rejection-reasons`.
        reason: RejectionReason,
        /// Why, in the words of the system.
        text: String,
    },
    /// It may have taken effect, or may yet.
    Unknown,
}

impl OperatorResponse {
    /// It has no effect and never will, for a reason of the system's own, in its words.
    #[must_use]
    pub fn rejected(text: impl Into<String>) -> OperatorResponse {
        OperatorResponse::Rejected { reason: RejectionReason::Other, text: text.into() }
    }
}

impl Display for OperatorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatorResponse::Done => f.write_str("done"),
            OperatorResponse::Rejected { text, .. } => write!(f, "rejected: {text}"),
            OperatorResponse::Unknown => f.write_str("unknown"),
        }
    }
}

/// A command without a response.
#[derive(Debug)]
struct PendingCommand {
    request: u64,
    /// The server that has it.
    node: Node,
    is_change: bool,
    /// The target of a transfer, or the servers that a change would make voters.
    servers: Vec<Node>,
}

/// The operator's commands of a run.
#[derive(Debug)]
pub(crate) struct OperatorState {
    /// How many commands there were.
    request_count: u64,
    /// Commands without a response from a running server.
    pending: Vec<PendingCommand>,
    /// Whether responses are kept, for [`World::take_operator_response`].
    keeps_responses: bool,
    /// The responses that were not taken, each with the number of its command.
    responses: VecDeque<(u64, OperatorResponse)>,
    /// The configurations that may be in force.
    possible_configurations: PossibleConfigurations,
    /// Every member that a possibly active configuration ever had.
    members: BTreeSet<Member>,
}

impl OperatorState {
    pub(crate) fn new(initial_voters: u64, steps: ConfigurationSteps) -> OperatorState {
        let possible_configurations =
            PossibleConfigurations::with_initial_voters(1..=initial_voters).with_steps(steps);
        let members = (1..=initial_voters).map(|node| Member { node, disk_generation: 0 }).collect();
        OperatorState {
            request_count: 0,
            pending: Vec::new(),
            keeps_responses: false,
            responses: VecDeque::new(),
            possible_configurations,
            members,
        }
    }

    /// A server has crashed: it no longer responds.
    pub(super) fn drop_pending_of(&mut self, node: Node) {
        self.pending.retain(|open| open.node != node);
    }
}

impl<M: Clone + Display> World<M> {
    /// States the initial voters.
    pub(crate) fn record_initial_voters(&mut self) {
        let voters: Vec<Node> = (1..=self.plan.initial_voters()).collect();
        for &node in &voters {
            self.record_fact(node, WorldFact::Founded { voters: voters.clone() });
        }
    }

    /// States when sessions expire, if servers state what they do with sessions.
    pub(crate) fn record_session_lifetime(&mut self) {
        if self.supports.sessions && (self.supports.facts || self.supports.application_facts) {
            let lifetime = self.plan.clients.session.0;
            self.record_fact(1, WorldFact::SessionLifetime { lifetime });
        }
    }

    /// Submits an operator's command to a server: a change, or a transfer to a target. Returns the number for the response.
    pub(crate) fn submit_command(
        &mut self,
        node: Node,
        change: Option<ConfChange>,
        target: Option<Node>,
    ) -> u64 {
        let World { operator, nodes, .. } = self;
        operator.request_count += 1;
        let request = operator.request_count;
        let voter = |op: &ConfChangeOp| if let ConfChangeOp::Voter(node) = op { Some(*node) } else { None };
        let voters = change.iter().flat_map(ConfChange::ops).filter_map(voter);
        let servers = voters.chain(target).collect();
        operator.pending.push(PendingCommand { request, node, is_change: change.is_some(), servers });
        if let Some(change) = change {
            let generation = |node: Node| nodes[node as usize - 1].storage.generation;
            operator.possible_configurations.record_request(request, change.clone(), generation);
            self.record_fact(node, WorldFact::ChangeRequested { request, change: Box::new(change) });
        }
        request
    }

    /// Takes a server's response to an operator's command. Only the first response counts.
    pub(crate) fn respond_to_operator(&mut self, node: Node, request: u64, response: &OperatorResponse) {
        if !self.take_effect(node) {
            return;
        }
        let pending = &mut self.operator.pending;
        let is_answered = |open: &PendingCommand| (open.request, open.node) == (request, node);
        let Some(index) = pending.iter().position(is_answered) else { return };
        let PendingCommand { is_change, servers, .. } = pending.remove(index);
        self.trace(node, || TraceEvent::OperatorResponse(response.to_string()));
        if self.operator.keeps_responses {
            self.operator.responses.push_back((request, response.clone()));
        }
        if let OperatorResponse::Rejected { reason, .. } = *response
            && self.supports.facts
        {
            if reason == RejectionReason::Other {
                self.count_milestone(REJECTED_FOR_OTHER_REASON);
            }
            self.record_fact(node, WorldFact::CommandRejected { reason, servers });
        }
        if is_change {
            let response = match response {
                OperatorResponse::Done => ConfChangeResponse::Done,
                OperatorResponse::Rejected { .. } => ConfChangeResponse::Rejected,
                OperatorResponse::Unknown => ConfChangeResponse::Unknown,
            };
            self.operator.possible_configurations.record_response(request, response);
            self.record_fact(node, WorldFact::ChangeAnswered { request, answer: response });
        }
    }

    /// From now on responses can be taken.
    pub(crate) fn keep_operator_responses(&mut self) {
        self.operator.keeps_responses = true;
    }

    /// The oldest response that was not taken, with the number of its command.
    pub(crate) fn take_operator_response(&mut self) -> Option<(u64, OperatorResponse)> {
        self.operator.responses.pop_front()
    }

    /// Whether a running server has one of these commands and has not responded.
    pub(crate) fn awaits_operator_response(&self, requests: &[u64]) -> bool {
        self.operator.pending.iter().any(|open| requests.contains(&open.request))
    }

    /// The configurations that may be in force.
    pub(crate) fn possible_configurations(&self) -> &PossibleConfigurations {
        &self.operator.possible_configurations
    }

    /// A server as a member with its current disk.
    pub(crate) fn member(&self, node: Node) -> Member {
        Member { node, disk_generation: self.node_state(node).storage.generation }
    }

    /// Whether a server with its current disk was ever a member of a configuration that might be in force.
    pub(crate) fn was_member(&self, node: Node) -> bool {
        self.operator.members.contains(&self.member(node))
    }

    /// Updates the set of possible members. A server whose disk was wiped counts again once a change that has
    /// added it since may be in force.
    pub(crate) fn readmit_members(&mut self) {
        for node in 1..=self.plan.nodes {
            let member = self.member(node);
            if !self.operator.possible_configurations.any_contains(member) {
                continue;
            }
            self.operator.members.insert(member);
            if std::mem::take(&mut self.node_state_mut(node).awaiting_rejoin) {
                self.trace(node, || TraceEvent::Readmitted);
            }
        }
    }
}
