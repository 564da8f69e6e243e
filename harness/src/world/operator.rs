//! What operators ask for, what they are answered, and which configurations may be in force by that.

use super::World;
use invariants::{ConfChange, ConfChangeResponse, Fact, Member, Node, PossibleConfigurations};
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// How an operator's command ended. A server that dies before it answers leaves it unknown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorAnswer {
    /// It is complete. A change by way of a joint phase that ends by itself is complete when that phase is over; a joint
    /// phase that was asked for, when it is committed.
    Done,
    /// It did not happen and never will, for this reason.
    Refused(String),
    /// It may have happened, or may happen yet.
    Unknown,
}

impl Display for OperatorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatorAnswer::Done => f.write_str("done"),
            OperatorAnswer::Refused(reason) => write!(f, "refused: {reason}"),
            OperatorAnswer::Unknown => f.write_str("unknown"),
        }
    }
}

/// The commands of a run.
#[derive(Debug)]
pub(crate) struct Operator {
    /// How many there were.
    requests: u64,
    /// Those that a live server has not answered: the number, the server, and whether it is a change of the group.
    open: Vec<(u64, Node, bool)>,
    /// Which configurations may be in force.
    possible: PossibleConfigurations,
    /// Every member that a configuration which might be in force ever had.
    members: BTreeSet<Member>,
}

impl Operator {
    pub(crate) fn new(founders: u64) -> Operator {
        let possible = PossibleConfigurations::founded_by(1..=founders);
        let members = (1..=founders).map(|node| Member { node, disk_generation: 0 }).collect();
        Operator { requests: 0, open: Vec::new(), possible, members }
    }

    /// A server has died: it answers no more.
    pub(super) fn lost(&mut self, node: Node) {
        self.open.retain(|open| open.1 != node);
    }
}

impl<M: Clone + Display> World<M> {
    /// States who founds the group.
    pub(crate) fn found(&mut self) {
        let voters: Vec<Node> = (1..=self.plan.founders()).collect();
        for &node in &voters {
            self.saw(node, Fact::Founded { voters: voters.clone() });
        }
    }

    /// The operator gives a command to a server. Returns the number under which it is answered.
    pub(crate) fn commanded(&mut self, node: Node, change: Option<ConfChange>) -> u64 {
        let World { operator, places, .. } = self;
        operator.requests += 1;
        let request = operator.requests;
        operator.open.push((request, node, change.is_some()));
        if let Some(change) = change {
            let generation = |node: Node| places[node as usize - 1].lives;
            operator.possible.record_request(request, change.clone(), generation);
            self.saw(node, Fact::ChangeRequested { request, change: Box::new(change) });
        }
        request
    }

    /// A server answers the operator. Only the first answer to what it was asked counts.
    pub(crate) fn answer_operator(&mut self, node: Node, request: u64, answer: &OperatorAnswer) {
        let open = &mut self.operator.open;
        let Some(place) = open.iter().position(|open| (open.0, open.1) == (request, node)) else { return };
        let (.., is_change) = open.remove(place);
        self.note(node, || format!("tells the operator: {answer}"));
        if is_change {
            let answer = match answer {
                OperatorAnswer::Done => ConfChangeResponse::Done,
                OperatorAnswer::Refused(_) => ConfChangeResponse::Refused,
                OperatorAnswer::Unknown => ConfChangeResponse::Unknown,
            };
            self.operator.possible.answered(request, answer);
            self.saw(node, Fact::ChangeAnswered { request, answer });
        }
    }

    /// Which configurations may be in force.
    pub(crate) fn possible_configurations(&self) -> &PossibleConfigurations {
        &self.operator.possible
    }

    /// A server as the member that it is with its present disk.
    pub(crate) fn member(&self, node: Node) -> Member {
        Member { node, disk_generation: self.place(node).lives }
    }

    /// Whether a server was ever a member, with its present disk, of a configuration that might be in force.
    pub(crate) fn was_member(&self, node: Node) -> bool {
        self.operator.members.contains(&self.member(node))
    }

    /// Takes up who may be a member now. A server whose disk was emptied counts again as soon as a change that has added it
    /// since may be in force.
    pub(crate) fn admit(&mut self) {
        for node in 1..=self.plan.nodes {
            let member = self.member(node);
            if !self.operator.possible.any_contains(member) {
                continue;
            }
            self.operator.members.insert(member);
            if std::mem::take(&mut self.place_mut(node).wiped) {
                self.note(node, || "may belong to the group again".to_owned());
            }
        }
    }
}
