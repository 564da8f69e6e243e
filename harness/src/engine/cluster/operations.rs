//! What an operator asks for in the healed phase, once all servers agree: a transfer, or changes of the group.
//!
//! A plan says which: one with transfers gets a transfer, one with changes gets changes. Only servers without a fault are
//! targets, and only changes are asked for that leave these servers a majority of the old, the joint and the new
//! configuration. A command is repeated as an operator would repeat it: after a refusal, or an election timeout without a
//! response, at whichever server leads by then.

use super::Cluster;
use crate::outcome::{FailureCause, TraceEvent};
use crate::plan::{FaultKind, MembershipOp, OperatorCommand};
use crate::server::{Arrival, Server};
use crate::support::rng::{self, label};
use crate::world::{EventKind, OperatorResponse};
use invariants::{Configuration, Node, ServerState, Time};
use rand::RngCore;
use std::collections::VecDeque;

/// The commands that are to be carried out, and how far that is.
#[derive(Default)]
pub(super) struct Operations {
    /// Whether they were drawn.
    drawn: bool,
    /// The commands that are left. The first one is being carried out.
    commands: VecDeque<OperatorCommand>,
    /// The requests that were made for it.
    requests: Vec<u64>,
    /// When to ask next, unless it is done.
    ask_at: Time,
    /// The last refusal.
    refusal: Option<String>,
}

impl<S: Server> Cluster<S> {
    /// Whether there is something to ask for. Draws it at the first call.
    pub(super) fn has_operations(&mut self) -> bool {
        if !self.operations.drawn {
            self.operations.drawn = true;
            self.operations.commands = self.draw_operations().into();
        }
        !self.operations.commands.is_empty()
    }

    /// Asks for the first command again, if it is time. Returns whether it is done.
    pub(super) fn carry_out(&mut self) -> bool {
        let Some(command) = self.operations.commands.front().cloned() else { return true };
        let mut retry = false;
        while let Some((request, response)) = self.world.take_operator_response() {
            if !self.operations.requests.contains(&request) {
                continue;
            }
            match response {
                OperatorResponse::Done => self.operations.ask_at = Time::MAX,
                OperatorResponse::Rejected(reason) => {
                    (retry, self.operations.refusal) = (true, Some(reason));
                }
                OperatorResponse::Unknown => retry = true,
            }
        }
        if self.is_done(&command) {
            self.operations.commands.pop_front();
            self.operations.requests.clear();
            (self.operations.ask_at, self.operations.refusal) = (0, None);
            return true;
        }
        let now = self.world.now();
        if retry && self.operations.ask_at != Time::MAX {
            self.operations.ask_at = now.saturating_add(self.world.plan().raft.heartbeat.0);
        }
        if let Some(leader) = self.participating_leader().filter(|_| self.operations.ask_at <= now) {
            self.operations.ask_at = now.saturating_add(self.largest_timeout());
            self.ask(leader, command);
        }
        false
    }

    /// Why the first command is not done in time.
    pub(super) fn operation_failure(&self, timeouts: u64) -> FailureCause {
        let command = self.operations.commands.front().map_or_else(String::new, describe);
        let Operations { requests, refusal, .. } = &self.operations;
        FailureCause::OperatorWaits { command, timeouts, times: requests.len(), refusal: refusal.clone() }
    }

    fn ask(&mut self, leader: Node, command: OperatorCommand) {
        self.world.begin_event(EventKind::Operator, leader, 0);
        self.world.trace(leader, || TraceEvent::OperatorCommand(format!("{command:?}")));
        let request = self.world.submit_command(leader, command.conf_change());
        self.operations.requests.push(request);
        self.step(leader, Arrival::Operator { request, command });
        self.world.readmit_members();
    }

    /// Whether a command has had its effect: by the response, or where that is unknown by what the leader has committed.
    fn is_done(&self, command: &OperatorCommand) -> bool {
        let answered = self.operations.ask_at == Time::MAX;
        let has = |holds: &dyn Fn(&Configuration) -> bool| {
            let leader = self.participating_leader().and_then(|leader| self.world.server_state(leader));
            leader.and_then(ServerState::committed_configuration).is_some_and(holds)
        };
        match command {
            OperatorCommand::Transfer(to) => self.world.leading_term(*to).is_some(),
            OperatorCommand::Leave => answered || has(&|group| group.joint.is_empty()),
            OperatorCommand::Change { steps, .. } => {
                let is_in_force = |group: &Configuration| {
                    group.joint.is_empty() && steps.iter().all(|step| step.holds_in(group))
                };
                // A removed leader must make way: the operator is about to switch it off.
                let removed_leads = steps.iter().any(|step| {
                    matches!(step, MembershipOp::Remove(node) if self.world.leading_term(*node).is_some())
                });
                !removed_leads && (answered || has(&is_in_force))
            }
        }
    }

    /// What the operator asks for in this run.
    fn draw_operations(&self) -> Vec<OperatorCommand> {
        let plan = self.world.plan();
        let Some(leader) = self.participating_leader().filter(|_| self.permanently_faulty.is_none()) else {
            return Vec::new();
        };
        let Some(group) = self.world.server_state(leader).and_then(ServerState::configuration) else {
            return Vec::new();
        };
        let asks = |is: fn(&FaultKind) -> bool| plan.faults.iter().any(|fault| is(&fault.kind));
        let mut choices = Vec::new();
        if asks(|kind| matches!(kind, FaultKind::Change(_) | FaultKind::Leave(_))) {
            choices.extend(self.possible_changes(group));
        }
        if asks(|kind| matches!(kind, FaultKind::Transfer(_))) {
            let others = group.voters.iter().filter(|voter| **voter != leader && self.is_healthy(**voter));
            choices.extend(others.map(|to| vec![OperatorCommand::Transfer(*to)]));
        }
        if choices.is_empty() {
            return Vec::new();
        }
        let draw = rng::stream(plan.seed, label::OPERATIONS, [0, 0]).next_u64();
        let chosen = choices.swap_remove((draw % choices.len() as u64) as usize);
        // A joint phase that an operator has asked for waits for the operator to end it.
        let leaves = self.world.possible_configurations().may_wait_for_leave();
        leaves.then_some(OperatorCommand::Leave).into_iter().chain(chosen).collect()
    }

    /// The changes that leave a majority of healthy voters: a server is added; one is removed and comes back; one takes the
    /// place of another.
    fn possible_changes(&self, group: &Configuration) -> Vec<Vec<OperatorCommand>> {
        let change = |steps: Vec<MembershipOp>| OperatorCommand::Change { steps, by_joint: false };
        let has_majority = |voters: &[Node]| {
            let healthy = voters.iter().filter(|voter| self.is_healthy(**voter)).count();
            2 * healthy > voters.len()
        };
        let joins =
            |node| [MembershipOp::Learner(node), MembershipOp::Voter(node)].map(|op| change(vec![op]));
        let outside: Vec<Node> = self.participants().filter(|node| !group.has(*node)).collect();
        let mut choices: Vec<Vec<OperatorCommand>> = Vec::new();
        for &node in &outside {
            choices.push(joins(node).to_vec());
        }
        for node in self.participants().filter(|node| group.voters.contains(node)) {
            let others: Vec<Node> = group.voters.iter().copied().filter(|other| *other != node).collect();
            if !others.is_empty() && has_majority(&others) {
                let leaves = change(vec![MembershipOp::Remove(node)]);
                choices.push([leaves].into_iter().chain(joins(node)).collect());
                for &new in &outside {
                    choices.push(vec![change(vec![MembershipOp::Voter(new), MembershipOp::Remove(node)])]);
                }
            }
        }
        choices
    }
}

/// A command, as the object of "asks for".
fn describe(command: &OperatorCommand) -> String {
    match (command, command.conf_change()) {
        (OperatorCommand::Transfer(to), _) => format!("a transfer to n{to}"),
        (OperatorCommand::Leave, _) => "the end of the joint phase".to_owned(),
        (_, Some(change)) => format!("the change {change}"),
        (_, None) => String::new(),
    }
}

impl MembershipOp {
    /// Whether a group is as this operation makes it.
    fn holds_in(self, group: &Configuration) -> bool {
        match self {
            MembershipOp::Voter(node) => group.voters.contains(&node),
            MembershipOp::Learner(node) => group.learners.contains(&node),
            MembershipOp::Remove(node) => !group.has(node),
        }
    }
}
