//! Faults: when they begin, which nodes they affect, and how they end.

use super::{Cluster, Control};
use crate::outcome::{FaultEnd, TraceEvent};
use crate::plan::{Fault, FaultKind, MembershipOp, PermanentFaultKind, Plan, Target, Trigger};
use crate::server::{Arrival, OperatorCommand, Server};
use crate::world::{Event, EventKind, NetworkDegradation};
use invariants::{Fact, Node};

/// How long a server is down after a bit of its disk flipped, in nanoseconds: it must read the disk again to
/// notice.
const BIT_ROT_DOWNTIME: u64 = 50_000_000;

/// The faults of a run.
pub(super) struct Faults {
    planned: Vec<Fault>,
    /// Planned faults that wait for their trigger.
    waiting: Vec<usize>,
    /// How to end each fault that began; `None` once it has ended.
    end_actions: Vec<Option<FaultEndAction>>,
    /// How many faults keep each node down.
    down_counts: Vec<u32>,
    /// The node whose disk was wiped. At most one: Raft promises nothing if several servers forget their
    /// promises.
    wiped_node: Option<Node>,
    strike_counts: [u64; FaultKind::ALL.len()],
}

/// How to end a fault.
enum FaultEndAction {
    Restart(Vec<Node>),
    Resume(Node, u32),
    UnblockLinks(Vec<(usize, usize)>),
    EndDegradation,
    RestoreDiskSpeed(Node, u64),
    ResumeDisk(Node),
    RestoreClockRate(Node, i64),
    EndSyncErrors(Node),
}

impl Faults {
    pub(super) fn new(plan: &Plan) -> Faults {
        Faults {
            planned: plan.faults.clone(),
            waiting: Vec::new(),
            end_actions: Vec::new(),
            down_counts: vec![0; plan.nodes as usize],
            wiped_node: None,
            strike_counts: [0; FaultKind::ALL.len()],
        }
    }

    /// How often each kind of fault began.
    pub(super) fn strike_counts(&self) -> Vec<(&'static str, u64)> {
        FaultKind::ALL.into_iter().map(|kind| kind.0).zip(self.strike_counts).collect()
    }
}

impl<S: Server> Cluster<S> {
    /// How often each kind of fault began.
    #[must_use]
    pub fn fault_counts(&self) -> Vec<(&'static str, u64)> {
        self.faults.strike_counts()
    }

    /// A planned fault is due: begins it, or lets it wait for its trigger.
    pub(super) fn on_fault_due(&mut self, number: usize) {
        match self.faults.planned[number].on {
            None => self.apply_fault(number, None),
            Some(trigger) => {
                self.faults.waiting.push(number);
                self.world.awaited_triggers |= 1 << trigger as u8;
            }
        }
    }

    /// A trigger fired: begins the fault that has waited longest for it.
    pub(super) fn apply_triggered_fault(&mut self, trigger: Trigger, trigger_node: Node) {
        let waits = |number: &usize| self.faults.planned[*number].on == Some(trigger);
        let Some(first) = self.faults.waiting.iter().position(waits) else { return };
        let number = self.faults.waiting.remove(first);
        if !self.faults.waiting.iter().any(is_waiting_for(&self.faults.planned, trigger)) {
            self.world.awaited_triggers &= !(1 << trigger as u8);
        }
        self.apply_fault(number, Some(trigger_node));
    }

    /// Begins a fault. No-op if no node matches its target.
    fn apply_fault(&mut self, number: usize, trigger_node: Option<Node>) {
        let kind = self.faults.planned[number].kind.clone();
        let fault_number = self.faults.end_actions.len() as u64;
        let find = |target: Target| self.resolve_target(target, trigger_node);
        let targets = if self.world.is_trace_enabled() {
            self.resolve_targets(&kind, trigger_node)
        } else {
            Vec::new()
        };
        let mut command = None;
        let (end_action, lasts) = match &kind {
            FaultKind::Crash { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.is_up(*node)) else { return };
                self.take_down(node, false);
                (Some(FaultEndAction::Restart(vec![node])), lasts.0)
            }
            FaultKind::PowerLoss { nodes, lasts } => {
                let mut all: Vec<Node> = match nodes.is_empty() {
                    true => (1..=self.world.plan().nodes).collect(),
                    false => nodes.iter().filter_map(|target| find(*target)).collect(),
                };
                all.sort_unstable();
                all.dedup();
                if all.is_empty() {
                    return;
                }
                for node in &all {
                    self.take_down(*node, true);
                }
                (Some(FaultEndAction::Restart(all)), lasts.0)
            }
            FaultKind::Pause { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.is_up(*node)) else { return };
                let node_state = self.world.node_state_mut(node);
                node_state.pause_count += 1;
                let end_action = FaultEndAction::Resume(node, node_state.incarnation);
                self.push_control(Control::Pause(node));
                (Some(end_action), lasts.0)
            }
            FaultKind::OneWayPartition { from, to, lasts } => {
                let (Some(from), Some(to)) = (find(*from), find(*to)) else { return };
                if from == to {
                    return;
                }
                (Some(self.block_links(vec![(from as usize - 1, to as usize - 1)])), lasts.0)
            }
            FaultKind::Partition { side, lasts } => {
                let side: Vec<Node> = side.iter().filter_map(|target| find(*target)).collect();
                let servers = 1..=self.world.plan().nodes;
                let pairs = servers.clone().flat_map(|from| servers.clone().map(move |to| (from, to)));
                let links: Vec<(usize, usize)> = pairs
                    .filter(|(from, to)| side.contains(from) != side.contains(to))
                    .map(|(from, to)| (from as usize - 1, to as usize - 1))
                    .collect();
                if links.is_empty() {
                    return;
                }
                (Some(self.block_links(links)), lasts.0)
            }
            FaultKind::DegradedNetwork { loss, duplication, reordering, delay, lasts } => {
                let (loss, duplication, reordering) = (*loss, *duplication, *reordering);
                self.world.net.degrade(
                    fault_number,
                    NetworkDegradation { loss, duplication, reordering, delay: delay.0 },
                );
                (Some(FaultEndAction::EndDegradation), lasts.0)
            }
            FaultKind::SlowDisk { node, factor, lasts } => {
                let Some(node) = find(*node) else { return };
                let factor = (*factor).clamp(1, 1_000);
                self.world.scale_sync_time(node, factor, true);
                (Some(FaultEndAction::RestoreDiskSpeed(node, factor)), lasts.0)
            }
            FaultKind::StalledDisk { node, lasts } => {
                let Some(node) = find(*node) else { return };
                self.world.node_state_mut(node).stall_faults += 1;
                (Some(FaultEndAction::ResumeDisk(node)), lasts.0)
            }
            FaultKind::ClockRate { node, drift, lasts } => {
                let Some(node) = find(*node) else { return };
                self.add_drift(node, *drift);
                (Some(FaultEndAction::RestoreClockRate(node, *drift)), lasts.0)
            }
            FaultKind::ClockJump { node, by } => {
                let Some(node) = find(*node) else { return };
                let now = self.world.now();
                self.world.node_state_mut(node).clock.jump(now, by.0);
                self.rearm_timer(node);
                (None, 0)
            }
            FaultKind::WallJump { node, by } => {
                let Some(node) = find(*node) else { return };
                self.world.node_state_mut(node).clock.jump_wall(by.saturating_mul(1_000_000));
                (None, 0)
            }
            FaultKind::BitRot { node } => {
                let Some(node) =
                    find(*node).filter(|node| self.faults.wiped_node.is_none_or(|wiped| wiped == *node))
                else {
                    return;
                };
                let seed = self.world.plan().seed;
                if !self.world.node_state_mut(node).flip_synced_bit(seed, node) {
                    return;
                }
                self.take_down(node, true);
                (Some(FaultEndAction::Restart(vec![node])), BIT_ROT_DOWNTIME)
            }
            FaultKind::DiskError { node, lasts } => {
                let Some(node) = find(*node) else { return };
                self.world.node_state_mut(node).sync_error_faults += 1;
                (Some(FaultEndAction::EndSyncErrors(node)), lasts.0)
            }
            FaultKind::Wipe { node, lasts } => {
                let Some(node) = find(*node).filter(|node| self.can_wipe(*node)) else { return };
                self.faults.wiped_node = Some(node);
                self.take_down(node, false);
                if self.is_up(node) {
                    self.world.node_state_mut(node).wipe_pending = true;
                } else {
                    self.world.wipe_disk(node);
                }
                (Some(FaultEndAction::Restart(vec![node])), lasts.0)
            }
            FaultKind::Transfer { to } => {
                let (Some(leader), Some(to)) = (self.current_leader(), find(*to)) else { return };
                command = Some((leader, OperatorCommand::Transfer(to)));
                (None, 0)
            }
            FaultKind::Change { voters, learners, remove, by_joint } => {
                let Some(leader) = self.current_leader() else { return };
                let resolve_all = |targets: &[Target]| {
                    targets.iter().filter_map(|target| find(*target)).collect::<Vec<_>>()
                };
                let voters = resolve_all(voters).into_iter().map(MembershipOp::Voter);
                let learners = resolve_all(learners).into_iter().map(MembershipOp::Learner);
                let remove = resolve_all(remove).into_iter().map(MembershipOp::Remove);
                let steps = voters.chain(learners).chain(remove).collect();
                command = Some((leader, OperatorCommand::Change { steps, by_joint: *by_joint }));
                (None, 0)
            }
            FaultKind::Leave => {
                let Some(leader) = self.current_leader() else { return };
                command = Some((leader, OperatorCommand::Leave));
                (None, 0)
            }
        };
        let kind_index = kind.index();
        self.faults.strike_counts[kind_index] += 1;
        self.world.begin_event(EventKind::Fault, kind_index as u64, number as u64);
        self.world.trace(0, || TraceEvent::FaultBegins {
            number: number as u64 + 1,
            kind: kind.name(),
            targets,
        });
        if let Some(end_action) = end_action {
            self.faults.end_actions.push(Some(end_action));
            let end = self.world.now().saturating_add(lasts);
            self.world.queue.push(end, Event::FaultEnd { number: fault_number as u32 });
        }
        if let Some((leader, command)) = command {
            self.world.trace(leader, || TraceEvent::OperatorCommand(format!("{command:?}")));
            let request = self.world.submit_command(leader, command.conf_change());
            self.step(leader, Arrival::Operator { request, command });
            return self.world.readmit_members();
        }
        self.record_digest();
    }

    /// The nodes that a fault affects.
    fn resolve_targets(&self, kind: &FaultKind, trigger_node: Option<Node>) -> Vec<Node> {
        let targets = kind.targets().into_iter();
        targets.filter_map(|(_, target)| self.resolve_target(target, trigger_node)).collect()
    }

    /// The leader of the highest term, if it is up and not paused.
    fn current_leader(&self) -> Option<Node> {
        let leader = self.resolve_target(Target::Leader, None)?;
        let node_state = self.world.node_state(leader);
        (node_state.status.leading_term.is_some() && node_state.pause_count == 0).then_some(leader)
    }

    /// Ends a fault, if it has not ended.
    pub(super) fn end_fault(&mut self, number: usize) {
        let Some(end_action) = self.faults.end_actions[number].take() else { return };
        self.world.begin_event(EventKind::FaultEnd, number as u64, 0);
        self.world.trace(0, || end_action.trace_event());
        match end_action {
            FaultEndAction::Restart(nodes) => {
                for node in nodes {
                    let down_count = &mut self.faults.down_counts[node as usize - 1];
                    *down_count -= 1;
                    if *down_count == 0 {
                        self.push_control(Control::Restart(node));
                    }
                }
            }
            FaultEndAction::Resume(node, incarnation) => self.resume(node, incarnation),
            FaultEndAction::UnblockLinks(links) => {
                links.into_iter().for_each(|(from, to)| self.world.net.unblock(from, to))
            }
            FaultEndAction::EndDegradation => self.world.net.end_degradation(number as u64),
            FaultEndAction::RestoreDiskSpeed(node, factor) => self.world.scale_sync_time(node, factor, false),
            FaultEndAction::ResumeDisk(node) => {
                let node_state = self.world.node_state_mut(node);
                node_state.stall_faults -= 1;
                if node_state.stall_faults == 0 {
                    self.world.resume_disk(node);
                }
            }
            FaultEndAction::RestoreClockRate(node, drift) => self.add_drift(node, -drift),
            FaultEndAction::EndSyncErrors(node) => {
                let node_state = self.world.node_state_mut(node);
                node_state.sync_error_faults -= 1;
                if node_state.sync_error_faults == 0 && node_state.sync_failed {
                    self.restart_server(node);
                }
            }
        }
        self.record_digest();
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        for number in 0..self.faults.end_actions.len() {
            self.end_fault(number);
        }
        self.world.net.heal();
        self.faults.waiting.clear();
        self.world.awaited_triggers = 0;
        self.world.fired_triggers.clear();
    }

    /// Begins the permanent fault, if the plan has one.
    pub(super) fn apply_permanent_fault(&mut self) {
        let Some(fault) = self.world.plan().permanent_fault else { return };
        let Some(node) = self.resolve_target(fault.node, None) else { return };
        let others = (1..=self.world.plan().nodes).filter(|other| *other != node);
        let (here, others): (usize, Vec<usize>) =
            (node as usize - 1, others.map(|other| other as usize - 1).collect());
        match fault.kind {
            PermanentFaultKind::InboundPartition => {
                others.into_iter().for_each(|other| self.world.net.block(other, here))
            }
            PermanentFaultKind::OutboundPartition => {
                others.into_iter().for_each(|other| self.world.net.block(here, other))
            }
            PermanentFaultKind::StalledDisk => self.world.node_state_mut(node).stall_faults += 1,
        }
        self.add_drift(node, fault.drift);
        self.permanently_faulty = Some(node);
        self.world.trace(0, || TraceEvent::PermanentFault { node, kind: fault.kind });
    }

    /// Crashes the leader; it restarts after `lasts` nanoseconds, when an election should be over.
    pub(super) fn crash_leader(&mut self, leader: Node, lasts: u64) {
        let number = self.faults.end_actions.len() as u32;
        self.world.trace(leader, || TraceEvent::LeaderCrash);
        self.take_down(leader, false);
        self.faults.end_actions.push(Some(FaultEndAction::Restart(vec![leader])));
        let end = self.world.now().saturating_add(lasts);
        self.world.queue.push(end, Event::FaultEnd { number });
    }

    /// The node that a target means; `None` if there is none.
    fn resolve_target(&self, target: Target, trigger_node: Option<Node>) -> Option<Node> {
        let live = || (1..=self.world.plan().nodes).filter(|node| self.is_up(*node));
        // Among equals, the lowest number.
        let first = |key: &dyn Fn(Node) -> u64| live().max_by_key(|node| (key(*node), u64::MAX - node));
        let status = |node| self.world.node_status(node);
        match target {
            Target::Node(node) => (1..=self.world.plan().nodes).contains(&node).then_some(node),
            Target::Leader => live()
                .filter(|node| status(*node).leading_term.is_some())
                .max_by_key(|node| status(*node).leading_term)
                .or_else(|| first(&|node| status(node).term)),
            Target::Follower => live().find(|node| status(*node).leading_term.is_none()),
            Target::LongestLog => first(&|node| status(node).last_index),
            Target::TriggerNode => trigger_node,
        }
    }

    /// Whether the group can do without this server's promises: no other disk is damaged or wiped, and no
    /// configuration that may be in force needs its vote.
    fn can_wipe(&self, node: Node) -> bool {
        let servers = || 1..=self.world.plan().nodes;
        let is_other = |other: Node| other != node;
        self.faults.wiped_node.is_none()
            && servers().filter(|other| is_other(*other)).all(|other| !self.world.node_state(other).corrupted)
            && self.world.possible_configurations().all_have_quorum(|member| is_other(member.node))
    }

    /// Takes a node down. If it is down already, it stays down longer.
    fn take_down(&mut self, node: Node, power_loss: bool) {
        self.faults.down_counts[node as usize - 1] += 1;
        let is_killed =
            |control: &Control| matches!(control, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.pending_controls.iter().any(is_killed) {
            self.push_control(Control::Kill { node, power_loss });
        } else if power_loss && !self.is_up(node) {
            // The process is down already, but its page cache survived so far.
            self.lose_power(node);
        }
    }

    /// Restarts a running server, unless it is about to be killed.
    fn restart_server(&mut self, node: Node) {
        let is_killed =
            |control: &Control| matches!(control, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.pending_controls.iter().any(is_killed) {
            self.push_control(Control::Kill { node, power_loss: false });
            self.push_control(Control::Restart(node));
        }
    }

    /// A node loses power: unsynced writes may be lost.
    pub(super) fn lose_power(&mut self, node: Node) {
        let seed = self.world.plan().seed;
        self.world.node_state_mut(node).lose_power(seed, node);
        self.world.observer.counts.power_losses += 1;
        self.world.record_fact(node, Fact::PowerLost);
    }

    /// Resumes a paused server: it first learns how its syncs ended, then its timer fires if due, then the
    /// paused events arrive.
    fn resume(&mut self, node: Node, incarnation: u32) {
        let now = self.world.now();
        let node_state = self.world.node_state_mut(node);
        if !node_state.up || node_state.incarnation != incarnation || node_state.pause_count == 0 {
            return;
        }
        node_state.pause_count -= 1;
        if node_state.pause_count > 0 {
            return;
        }
        let mut paused_events = std::mem::take(&mut node_state.paused_events);
        self.push_control(Control::Resume(node));
        for event in paused_events.extract_if(.., |event| matches!(event, Event::SyncReport { .. })) {
            self.world.queue.push(now, event);
        }
        self.rearm_timer(node);
        for event in paused_events.drain(..) {
            self.world.queue.push(now, event);
        }
        self.world.node_state_mut(node).paused_events = paused_events;
    }

    fn block_links(&mut self, links: Vec<(usize, usize)>) -> FaultEndAction {
        links.iter().for_each(|(from, to)| self.world.net.block(*from, *to));
        FaultEndAction::UnblockLinks(links)
    }

    /// Changes the rate of a node's clock, and rearms its timer.
    fn add_drift(&mut self, node: Node, by: i64) {
        let now = self.world.now();
        let node_state = self.world.node_state_mut(node);
        node_state.add_drift(now, by);
        self.rearm_timer(node);
    }
}

impl FaultEndAction {
    /// What the trace says about it.
    fn trace_event(&self) -> TraceEvent {
        TraceEvent::FaultEnds(match self {
            FaultEndAction::Restart(nodes) => FaultEnd::Restart(nodes.clone()),
            FaultEndAction::Resume(node, _) => FaultEnd::Resume(*node),
            FaultEndAction::UnblockLinks(links) => FaultEnd::UnblockLinks(links.len()),
            FaultEndAction::EndDegradation => FaultEnd::EndDegradation,
            FaultEndAction::RestoreDiskSpeed(node, _) => FaultEnd::RestoreDiskSpeed(*node),
            FaultEndAction::ResumeDisk(node) => FaultEnd::ResumeDisk(*node),
            FaultEndAction::RestoreClockRate(node, _) => FaultEnd::RestoreClockRate(*node),
            FaultEndAction::EndSyncErrors(node) => FaultEnd::EndSyncErrors(*node),
        })
    }
}

fn is_waiting_for(planned: &[Fault], trigger: Trigger) -> impl Fn(&usize) -> bool {
    move |number| planned[*number].on == Some(trigger)
}
