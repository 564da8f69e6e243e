//! What operators ask for, what they are answered, and which configurations may be in force by that.

use super::World;
use invariants::{ConfChange, ConfChangeResponse, Fact, Member, Node, PossibleConfigurations};
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// How an operator's command ended. A server that dies before it answers leaves it unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorResponse {
    /// It is complete. A change by way of a joint phase that ends by itself is complete when that phase is over; a joint
    /// phase that was asked for, when it is committed.
    Done,
    /// It did not happen and never will, for this reason.
    Rejected(String),
    /// It may have happened, or may happen yet.
    Unknown,
}

impl Display for OperatorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatorResponse::Done => f.write_str("done"),
            OperatorResponse::Rejected(reason) => write!(f, "refused: {reason}"),
            OperatorResponse::Unknown => f.write_str("unknown"),
        }
    }
}

/// The commands of a run.
#[derive(Debug)]
pub(crate) struct OperatorState {
    /// How many there were.
    request_count: u64,
    /// Those that a live server has not answered: the number, the server, and whether it is a change of the group.
    pending: Vec<(u64, Node, bool)>,
    /// Which configurations may be in force.
    possible_configurations: PossibleConfigurations,
    /// Every member that a configuration which might be in force ever had.
    members: BTreeSet<Member>,
}

impl OperatorState {
    pub(crate) fn new(founders: u64) -> OperatorState {
        let possible = PossibleConfigurations::with_initial_voters(1..=founders);
        let members = (1..=founders).map(|node| Member { node, disk_generation: 0 }).collect();
        OperatorState { request_count: 0, pending: Vec::new(), possible_configurations: possible, members }
    }

    /// A server has died: it answers no more.
    pub(super) fn drop_pending_of(&mut self, node: Node) {
        self.pending.retain(|open| open.1 != node);
    }
}

impl<M: Clone + Display> World<M> {
    /// States who founds the group.
    pub(crate) fn record_initial_voters(&mut self) {
        let voters: Vec<Node> = (1..=self.plan.initial_voters()).collect();
        for &node in &voters {
            self.record_fact(node, Fact::Founded { voters: voters.clone() });
        }
    }

    /// The operator gives a command to a server. Returns the number under which it is answered.
    pub(crate) fn submit_command(&mut self, node: Node, change: Option<ConfChange>) -> u64 {
        let World { operator, nodes: places, .. } = self;
        operator.request_count += 1;
        let request = operator.request_count;
        operator.pending.push((request, node, change.is_some()));
        if let Some(change) = change {
            let generation = |node: Node| places[node as usize - 1].disk_generation;
            operator.possible_configurations.record_request(request, change.clone(), generation);
            self.record_fact(node, Fact::ChangeRequested { request, change: Box::new(change) });
        }
        request
    }

    /// A server answers the operator. Only the first answer to what it was asked counts.
    pub(crate) fn respond_to_operator(&mut self, node: Node, request: u64, answer: &OperatorResponse) {
        let open = &mut self.operator.pending;
        let Some(place) = open.iter().position(|open| (open.0, open.1) == (request, node)) else { return };
        let (.., is_change) = open.remove(place);
        self.trace(node, || format!("tells the operator: {answer}"));
        if is_change {
            let answer = match answer {
                OperatorResponse::Done => ConfChangeResponse::Done,
                OperatorResponse::Rejected(_) => ConfChangeResponse::Refused,
                OperatorResponse::Unknown => ConfChangeResponse::Unknown,
            };
            self.operator.possible_configurations.record_response(request, answer);
            self.record_fact(node, Fact::ChangeAnswered { request, answer });
        }
    }

    /// Which configurations may be in force.
    pub(crate) fn possible_configurations(&self) -> &PossibleConfigurations {
        &self.operator.possible_configurations
    }

    /// A server as the member that it is with its present disk.
    pub(crate) fn member(&self, node: Node) -> Member {
        Member { node, disk_generation: self.node_state(node).disk_generation }
    }

    /// Whether a server was ever a member, with its present disk, of a configuration that might be in force.
    pub(crate) fn was_member(&self, node: Node) -> bool {
        self.operator.members.contains(&self.member(node))
    }

    /// Takes up who may be a member now. A server whose disk was emptied counts again as soon as a change that has added it
    /// since may be in force.
    pub(crate) fn readmit_members(&mut self) {
        for node in 1..=self.plan.nodes {
            let member = self.member(node);
            if !self.operator.possible_configurations.any_contains(member) {
                continue;
            }
            self.operator.members.insert(member);
            if std::mem::take(&mut self.node_state_mut(node).awaiting_rejoin) {
                self.trace(node, || "may belong to the group again".to_owned());
            }
        }
    }
}
