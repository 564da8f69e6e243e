//! The operator's commands, the responses, and the configurations that may be in force as a result.

use super::World;
use crate::outcome::TraceEvent;
use invariants::{
    ConfChange, ConfChangeResponse, ConfigurationSteps, Member, Node, PossibleConfigurations, WorldFact,
};
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// How an operator's command ended. If the server crashes before it responds, that is unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorResponse {
    /// It is complete. A change through an implicit joint phase is complete when that phase has ended; one
    /// through an explicit joint phase, when the joint configuration is committed.
    Done,
    /// It has no effect and never will, for this reason.
    Rejected(String),
    /// It may have taken effect, or may yet.
    Unknown,
}

impl Display for OperatorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatorResponse::Done => f.write_str("done"),
            OperatorResponse::Rejected(reason) => write!(f, "rejected: {reason}"),
            OperatorResponse::Unknown => f.write_str("unknown"),
        }
    }
}

/// The operator's commands of a run.
#[derive(Debug)]
pub(crate) struct OperatorState {
    /// How many commands there were.
    request_count: u64,
    /// Commands without a response from a running server: the number, the server, and whether it changes the
    /// configuration.
    pending: Vec<(u64, Node, bool)>,
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
        OperatorState { request_count: 0, pending: Vec::new(), possible_configurations, members }
    }

    /// A server has crashed: it no longer responds.
    pub(super) fn drop_pending_of(&mut self, node: Node) {
        self.pending.retain(|open| open.1 != node);
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

    /// Submits an operator's command to a server. Returns the number for the response.
    pub(crate) fn submit_command(&mut self, node: Node, change: Option<ConfChange>) -> u64 {
        let World { operator, nodes, .. } = self;
        operator.request_count += 1;
        let request = operator.request_count;
        operator.pending.push((request, node, change.is_some()));
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
        let Some(index) = pending.iter().position(|open| (open.0, open.1) == (request, node)) else { return };
        let (.., is_change) = pending.remove(index);
        self.trace(node, || TraceEvent::OperatorResponse(response.to_string()));
        if is_change {
            let response = match response {
                OperatorResponse::Done => ConfChangeResponse::Done,
                OperatorResponse::Rejected(_) => ConfChangeResponse::Rejected,
                OperatorResponse::Unknown => ConfChangeResponse::Unknown,
            };
            self.operator.possible_configurations.record_response(request, response);
            self.record_fact(node, WorldFact::ChangeAnswered { request, answer: response });
        }
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
