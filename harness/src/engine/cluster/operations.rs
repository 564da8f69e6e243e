//! What an operator asks for in the healed phase, once all servers agree, and whether it gets that: a transfer of
//! leadership, or a change of the configuration.
//!
//! *Source*: thesis 3.10 (a transfer ends, and the target leads), 4.1 to 4.3 (a change is committed, and a joint phase
//! ends). *Facts needed*: `Leads`, `Configured`, `Committed`, `Applied`, and the responses to the operator.
//!
//! A plan with transfers gets a transfer, one with changes at most two changes, by a stream of its own. All targets are
//! servers without a fault, and each change leaves these a majority of the old, the joint and the new configuration. A
//! command is repeated as an operator would repeat it: soon after a rejection, otherwise after an election timeout, at the
//! server that leads by then. Within the bounds of the plan for a leader and a write, the target has led, or the change is
//! in force and each request for it is answered; then all members agree again.
//!
//! Where a voter has a fault for good, a server takes the place of another one in a joint phase, if the plan has a server
//! for it, and the operator asks for a transfer to the faulty voter at the same time. That transfer fails, and must not hold the change up (bug `autoleave-during-transfer`).
//!
//! *Blind spots*: plans without pre-vote and check-quorum, since a removed server may then depose leaders for ever (thesis
//! 4.2.3); what is asked for during faults; why a command was rejected, which `rejection-reasons` judges.

use super::Cluster;
use crate::outcome::{FailureCause, TraceEvent};
use crate::plan::{FaultKind, MembershipOp, OperatorCommand, SimDuration};
use crate::server::Server;
use crate::support::rng::{self, label};
use crate::world::{EventKind, OperatorResponse};
use invariants::{Configuration, Node, ServerState, Time};
use rand::RngCore;
use std::collections::VecDeque;

/// So many rejections are shown.
const SHOWN_REJECTIONS: usize = 3;

/// The commands that are to be carried out, and how far the first one is.
#[derive(Default)]
pub(super) struct Operations {
    /// Whether they were drawn.
    drawn: bool,
    /// The commands that are left.
    commands: VecDeque<OperatorCommand>,
    /// The requests that were made for the first one.
    requests: Vec<u64>,
    /// When to make the next one.
    ask_at: Time,
    /// The last rejections.
    rejections: VecDeque<String>,
}

impl<S: Server> Cluster<S> {
    /// Whether there is something to ask for. Draws it at the first call.
    pub(super) fn has_operations(&mut self) -> bool {
        if !self.operations.drawn {
            let commands = self.draw_operations();
            self.operations = Operations { drawn: true, commands: commands.into(), ..Operations::default() };
            self.world.keep_operator_responses();
        }
        !self.operations.commands.is_empty()
    }

    /// Asks for the first command, if it is time. Returns whether it is carried out.
    pub(super) fn carry_out(&mut self) -> bool {
        self.read_operator_responses();
        let Some(command) = self.operations.commands.front() else { return true };
        if self.is_carried_out(command) {
            self.operations.commands.pop_front();
            self.operations.requests.clear();
            self.operations.rejections.clear();
            self.operations.ask_at = 0;
            return true;
        }
        let now = self.world.now();
        if self.operations.ask_at <= now
            && !self.world.interrupt_pending
            && let Some(leader) = self.participating_leader()
        {
            let command = command.clone();
            let is_held_up = self.operations.requests.is_empty() && has_joint_phase(&command);
            self.operations.ask_at = now.saturating_add(self.largest_timeout());
            let request = self.ask(leader, command);
            self.operations.requests.push(request);
            if let Some(voter) = self.faulty_voter(leader).filter(|_| is_held_up && S::SUPPORTS.transfer) {
                self.ask(leader, OperatorCommand::Transfer(voter));
            }
        }
        false
    }

    /// Why the first command is not carried out in time.
    pub(super) fn operation_failure(&self, timeouts: u64) -> FailureCause {
        let Operations { commands, requests, rejections, .. } = &self.operations;
        FailureCause::OperatorWaits {
            command: commands.front().cloned().unwrap_or(OperatorCommand::Leave),
            timeouts,
            since: SimDuration(self.phase_entered.0),
            times: requests.len(),
            rejections: rejections.iter().cloned().collect(),
        }
    }

    fn ask(&mut self, leader: Node, command: OperatorCommand) -> u64 {
        self.world.begin_event(EventKind::Operator, leader, 0);
        self.world.trace(leader, || TraceEvent::OperatorCommand(format!("{command:?}")));
        self.submit(leader, command)
    }

    /// A voter that has a fault for good, and is not this leader.
    fn faulty_voter(&self, leader: Node) -> Option<Node> {
        let group = self.world.server_state(leader).and_then(ServerState::configuration)?;
        self.permanently_faulty.filter(|faulty| *faulty != leader && group.voters.contains(faulty))
    }

    /// A rejected command is asked for again after a heartbeat.
    fn read_operator_responses(&mut self) {
        while let Some((request, response)) = self.world.take_operator_response() {
            let OperatorResponse::Rejected { text, .. } = response else { continue };
            if !self.operations.requests.contains(&request) {
                continue;
            }
            let soon = self.world.now().saturating_add(self.world.plan().raft.heartbeat.0);
            self.operations.ask_at = self.operations.ask_at.min(soon);
            self.operations.rejections.push_back(text);
            if self.operations.rejections.len() > SHOWN_REJECTIONS {
                self.operations.rejections.pop_front();
            }
        }
    }

    /// Whether a command has had its effect, as the leader states it, and no server owes a response.
    fn is_carried_out(&self, command: &OperatorCommand) -> bool {
        let is_in_force = |holds: &dyn Fn(&Configuration) -> bool| {
            let leader = self.participating_leader().and_then(|leader| self.world.server_state(leader));
            leader.and_then(ServerState::committed_configuration).is_some_and(holds)
                && !self.world.awaits_operator_response(&self.operations.requests)
        };
        match command {
            OperatorCommand::Transfer(to) => self.world.leading_term(*to).is_some(),
            OperatorCommand::Leave => is_in_force(&|group| !group.is_joint()),
            OperatorCommand::Change { steps, .. } => {
                // The operator is about to switch a removed server off.
                let still_leads = |step: &MembershipOp| match step {
                    MembershipOp::Remove(node) => self.world.leading_term(*node).is_some(),
                    MembershipOp::Voter(_) | MembershipOp::Learner(_) => false,
                };
                is_in_force(&|group| !group.is_joint() && steps.iter().all(|step| step.holds_in(group)))
                    && (S::CONTRACT.outsider_leads || !steps.iter().any(still_leads))
            }
        }
    }

    /// What the operator asks for in this run.
    fn draw_operations(&self) -> Vec<OperatorCommand> {
        let plan = self.world.plan();
        let Some(leader) = self.participating_leader() else { return Vec::new() };
        let Some(group) = self.world.server_state(leader).and_then(ServerState::configuration) else {
            return Vec::new();
        };
        let asks = |is: fn(&FaultKind) -> bool| plan.faults.iter().any(|fault| is(&fault.kind));
        let transfers = match S::SUPPORTS.transfer && asks(|kind| matches!(kind, FaultKind::Transfer(_))) {
            true => self.possible_transfers(leader, group),
            false => Vec::new(),
        };
        let is_change = |kind: &FaultKind| matches!(kind, FaultKind::Change(_) | FaultKind::Leave(_));
        let changes = match S::SUPPORTS.membership && asks(is_change) {
            true => self.possible_changes(group),
            false => Vec::new(),
        };
        let mut draws = rng::stream(plan.seed, label::OPERATIONS, [0, 0]);
        let mut draw = |count: usize| (draws.next_u64() % count as u64) as usize;
        let mut choices = match (transfers.is_empty(), changes.is_empty()) {
            (true, true) => return Vec::new(),
            (false, false) if draw(2) == 0 => transfers,
            (_, false) => changes,
            (false, true) => transfers,
        };
        let chosen = choices.swap_remove(draw(choices.len()));
        // A joint phase that an operator has asked for waits for the operator to end it.
        let waits = S::SUPPORTS.membership && self.world.possible_configurations().may_wait_for_leave();
        waits.then_some(OperatorCommand::Leave).into_iter().chain(chosen).collect()
    }

    /// Transfers to another voter.
    fn possible_transfers(&self, leader: Node, group: &Configuration) -> Vec<Vec<OperatorCommand>> {
        let others = group.voters.iter().filter(|voter| **voter != leader && self.is_healthy(**voter));
        others.map(|to| vec![OperatorCommand::Transfer(*to)]).collect()
    }

    /// Changes that leave a majority of healthy voters: a server joins as a learner and is promoted, or takes the place of a
    /// voter; one is removed, and stays outside or comes back.
    fn possible_changes(&self, group: &Configuration) -> Vec<Vec<OperatorCommand>> {
        let change =
            |steps: &[MembershipOp]| OperatorCommand::Change { steps: steps.to_vec(), by_joint: false };
        let joins = |node| change(&[MembershipOp::Learner(node)]);
        let votes = |node| change(&[MembershipOp::Voter(node)]);
        let has_majority = |voters: &[Node]| {
            2 * voters.iter().filter(|voter| self.is_healthy(**voter)).count() > voters.len()
        };
        let outside: Vec<Node> = self.participants().filter(|node| !group.has(*node)).collect();
        let mut choices: Vec<_> = outside.iter().map(|new| vec![joins(*new), votes(*new)]).collect();
        let learners = self.participants().filter(|node| group.learners.contains(node));
        choices.extend(learners.map(|learner| vec![votes(learner)]));
        for old in self.participants().filter(|node| group.voters.contains(node)) {
            let others: Vec<Node> = group.voters.iter().copied().filter(|other| *other != old).collect();
            if !has_majority(&others) {
                continue;
            }
            choices.push(vec![change(&[MembershipOp::Remove(old)])]);
            choices.push(vec![change(&[MembershipOp::Remove(old)]), joins(old)]);
            choices.extend(outside.iter().map(|new| {
                vec![joins(*new), change(&[MembershipOp::Voter(*new), MembershipOp::Remove(old)])]
            }));
        }
        // Only the end of a joint phase can be held up by a transfer that fails.
        let can_be_held_up = |commands: &Vec<OperatorCommand>| commands.iter().any(has_joint_phase);
        if self.permanently_faulty.is_some_and(|faulty| group.voters.contains(&faulty))
            && choices.iter().any(can_be_held_up)
        {
            choices.retain(can_be_held_up);
        }
        choices
    }
}

/// Whether a change has a joint phase, because it changes two voters.
fn has_joint_phase(command: &OperatorCommand) -> bool {
    matches!(command, OperatorCommand::Change { steps, .. } if steps.len() > 1)
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
