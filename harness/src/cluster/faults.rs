//! Faults: when they strike, whom, and how they end.

use super::{Cluster, Control};
use crate::plan::{Fault, FaultKind, MembershipOp, PermanentFaultKind, Plan, Target, Trigger};
use crate::server::{Arrival, OperatorCommand, Server};
use crate::world::{Event, EventKind, NetworkDegradation};
use invariants::{Fact, Node};

/// For how long a server is down whose disk rots: it must read the disk again to see it.
const BIT_ROT_DOWNTIME: u64 = 50_000_000;

/// The faults of a run.
pub(super) struct Faults {
    planned: Vec<Fault>,
    /// Planned faults that wait for their moment.
    waiting: Vec<usize>,
    /// What ends each fault that struck; `None` once it has ended.
    end_actions: Vec<Option<FaultEndAction>>,
    /// How many faults hold each node down.
    down_counts: Vec<u32>,
    /// Whose disk was emptied: one server's at most, for Raft promises nothing where several forget what they promised.
    wiped_node: Option<Node>,
    strike_counts: [u64; FaultKind::ALL.len()],
}

/// How a fault ends.
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

    /// How often each kind struck.
    pub(super) fn strike_counts(&self) -> Vec<(&'static str, u64)> {
        FaultKind::ALL.into_iter().map(|kind| kind.0).zip(self.strike_counts).collect()
    }
}

impl<S: Server> Cluster<S> {
    /// How often each kind of fault struck.
    #[must_use]
    pub fn fault_counts(&self) -> Vec<(&'static str, u64)> {
        self.faults.strike_counts()
    }

    /// The time of a planned fault has come: it strikes, or waits for its moment.
    pub(super) fn on_fault_due(&mut self, number: usize) {
        match self.faults.planned[number].on {
            None => self.apply_fault(number, None),
            Some(moment) => {
                self.faults.waiting.push(number);
                self.world.awaited_triggers |= 1 << moment as u8;
            }
        }
    }

    /// A moment has come: the fault that has waited longest for it strikes.
    pub(super) fn apply_triggered_fault(&mut self, moment: Trigger, there: Node) {
        let waits = |number: &usize| self.faults.planned[*number].on == Some(moment);
        let Some(first) = self.faults.waiting.iter().position(waits) else { return };
        let number = self.faults.waiting.remove(first);
        if !self.faults.waiting.iter().any(is_waiting_for(&self.faults.planned, moment)) {
            self.world.awaited_triggers &= !(1 << moment as u8);
        }
        self.apply_fault(number, Some(there));
    }

    /// A fault strikes. One that finds nobody to strike is no fault.
    fn apply_fault(&mut self, number: usize, there: Option<Node>) {
        let kind = self.faults.planned[number].kind.clone();
        let name = self.faults.end_actions.len() as u64;
        let find = |target: Target| self.resolve_target(target, there);
        let whom =
            if self.world.is_trace_enabled() { self.target_names(&kind, there) } else { String::new() };
        let mut deed = None;
        let (undo, lasts) = match &kind {
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
                let place = self.world.node_state_mut(node);
                place.pause_count += 1;
                let undo = FaultEndAction::Resume(node, place.incarnation);
                self.push_control(Control::Pause(node));
                (Some(undo), lasts.0)
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
                self.world
                    .net
                    .degrade(name, NetworkDegradation { loss, duplication, reordering, delay: delay.0 });
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
                deed = Some((leader, OperatorCommand::Transfer(to)));
                (None, 0)
            }
            FaultKind::Change { voters, learners, remove, by_joint } => {
                let Some(leader) = self.current_leader() else { return };
                let found = |targets: &[Target]| {
                    targets.iter().filter_map(|target| find(*target)).collect::<Vec<_>>()
                };
                let voters = found(voters).into_iter().map(MembershipOp::Voter);
                let learners = found(learners).into_iter().map(MembershipOp::Learner);
                let remove = found(remove).into_iter().map(MembershipOp::Remove);
                let steps = voters.chain(learners).chain(remove).collect();
                deed = Some((leader, OperatorCommand::Change { steps, by_joint: *by_joint }));
                (None, 0)
            }
            FaultKind::Leave => {
                let Some(leader) = self.current_leader() else { return };
                deed = Some((leader, OperatorCommand::Leave));
                (None, 0)
            }
        };
        let which = kind.index();
        self.faults.strike_counts[which] += 1;
        self.world.begin_event(EventKind::Fault, which as u64, number as u64);
        self.world.trace(0, || format!("fault {} strikes: {}{whom}", number + 1, kind.name()));
        if let Some(undo) = undo {
            self.faults.end_actions.push(Some(undo));
            let over = self.world.now().saturating_add(lasts);
            self.world.queue.push(over, Event::FaultEnd { number: name as u32 });
        }
        if let Some((leader, deed)) = deed {
            self.world.trace(leader, || format!("the operator wants {deed:?}"));
            let request = self.world.submit_command(leader, deed.conf_change());
            self.step(leader, Arrival::Operator { request, command: deed });
            return self.world.readmit_members();
        }
        self.record_digest();
    }

    /// Whom a fault is about to strike, in words.
    fn target_names(&self, kind: &FaultKind, there: Option<Node>) -> String {
        let found = kind.targets().into_iter().filter_map(|(_, target)| self.resolve_target(target, there));
        found.map(|node| format!(" n{node}")).collect()
    }

    /// Who leads in the highest term, is up and listens.
    fn current_leader(&self) -> Option<Node> {
        let leader = self.resolve_target(Target::Leader, None)?;
        let place = self.world.node_state(leader);
        (place.status.leading_term.is_some() && place.pause_count == 0).then_some(leader)
    }

    /// A fault that struck is over, unless it was over before.
    pub(super) fn end_fault(&mut self, number: usize) {
        let Some(undo) = self.faults.end_actions[number].take() else { return };
        self.world.begin_event(EventKind::FaultEnd, number as u64, 0);
        self.world.trace(0, || format!("a fault is over: {}", undo.description()));
        match undo {
            FaultEndAction::Restart(nodes) => {
                for node in nodes {
                    let down = &mut self.faults.down_counts[node as usize - 1];
                    *down -= 1;
                    if *down == 0 {
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
                let place = self.world.node_state_mut(node);
                place.stall_faults -= 1;
                if place.stall_faults == 0 {
                    self.world.resume_disk(node);
                }
            }
            FaultEndAction::RestoreClockRate(node, drift) => self.add_drift(node, -drift),
            FaultEndAction::EndSyncErrors(node) => {
                let place = self.world.node_state_mut(node);
                place.sync_error_faults -= 1;
                if place.sync_error_faults == 0 && place.sync_failed {
                    self.restart_server(node);
                }
            }
        }
        self.record_digest();
    }

    /// Everything is as it should be again.
    pub(super) fn heal(&mut self) {
        for number in 0..self.faults.end_actions.len() {
            self.end_fault(number);
        }
        self.world.net.heal();
        self.faults.waiting.clear();
        self.world.awaited_triggers = 0;
        self.world.fired_triggers.clear();
    }

    /// One server stays ill, if the plan wants that.
    pub(super) fn apply_permanent_fault(&mut self) {
        let Some(held) = self.world.plan().permanent_fault else { return };
        let Some(node) = self.resolve_target(held.node, None) else { return };
        let others = (1..=self.world.plan().nodes).filter(|other| *other != node);
        let (here, others): (usize, Vec<usize>) =
            (node as usize - 1, others.map(|other| other as usize - 1).collect());
        match held.kind {
            PermanentFaultKind::InboundPartition => {
                others.into_iter().for_each(|other| self.world.net.block(other, here))
            }
            PermanentFaultKind::OutboundPartition => {
                others.into_iter().for_each(|other| self.world.net.block(here, other))
            }
            PermanentFaultKind::StalledDisk => self.world.node_state_mut(node).stall_faults += 1,
        }
        self.add_drift(node, held.drift);
        self.permanently_faulty = Some(node);
        self.world.trace(0, || format!("n{node} stays ill: {:?}", held.kind));
    }

    /// The leader's process dies, and starts again when an election should be over.
    pub(super) fn crash_leader(&mut self, leader: Node, lasts: u64) {
        let name = self.faults.end_actions.len() as u32;
        self.world.trace(leader, || "falls once more".to_owned());
        self.take_down(leader, false);
        self.faults.end_actions.push(Some(FaultEndAction::Restart(vec![leader])));
        let over = self.world.now().saturating_add(lasts);
        self.world.queue.push(over, Event::FaultEnd { number: name });
    }

    /// Whom a fault strikes.
    fn resolve_target(&self, target: Target, there: Option<Node>) -> Option<Node> {
        let live = || (1..=self.world.plan().nodes).filter(|node| self.is_up(*node));
        // Of several that are equal the first, by its number.
        let first = |key: &dyn Fn(Node) -> u64| live().max_by_key(|node| (key(*node), u64::MAX - node));
        let standing = |node| self.world.node_status(node);
        match target {
            Target::Node(node) => (1..=self.world.plan().nodes).contains(&node).then_some(node),
            Target::Leader => live()
                .filter(|node| standing(*node).leading_term.is_some())
                .max_by_key(|node| standing(*node).leading_term)
                .or_else(|| first(&|node| standing(node).term)),
            Target::Follower => live().find(|node| standing(*node).leading_term.is_none()),
            Target::LongestLog => first(&|node| standing(node).last_index),
            Target::TriggerNode => there,
        }
    }

    /// Whether the group can do without all that this server has promised: no other disk has forgotten anything, and no
    /// group that may be in force needs its vote.
    fn can_wipe(&self, node: Node) -> bool {
        let servers = || 1..=self.world.plan().nodes;
        let others = |other: Node| other != node;
        self.faults.wiped_node.is_none()
            && servers().filter(|other| others(*other)).all(|other| !self.world.node_state(other).corrupted)
            && self.world.possible_configurations().all_have_quorum(|member| others(member.node))
    }

    /// A node goes down, or goes down deeper.
    fn take_down(&mut self, node: Node, power: bool) {
        self.faults.down_counts[node as usize - 1] += 1;
        let falls = |order: &Control| matches!(order, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.pending_controls.iter().any(falls) {
            self.push_control(Control::Kill { node, power_loss: power });
        } else if power && !self.is_up(node) {
            // The process is dead already; its page cache was not.
            self.lose_power(node);
        }
    }

    /// A server that lives is restarted, unless it is about to be.
    fn restart_server(&mut self, node: Node) {
        let falls = |order: &Control| matches!(order, Control::Kill { node: other, .. } if *other == node);
        if self.is_up(node) && !self.pending_controls.iter().any(falls) {
            self.push_control(Control::Kill { node, power_loss: false });
            self.push_control(Control::Restart(node));
        }
    }

    /// What was not synced is at stake.
    pub(super) fn lose_power(&mut self, node: Node) {
        let seed = self.world.plan().seed;
        self.world.node_state_mut(node).lose_power(seed, node);
        self.world.observer.counts.power_losses += 1;
        self.world.record_fact(node, Fact::PowerLost);
    }

    /// A server goes on: it is told what its disk has done, its timer is due if it is due, and then comes what arrived
    /// meanwhile.
    fn resume(&mut self, node: Node, incarnation: u32) {
        let now = self.world.now();
        let place = self.world.node_state_mut(node);
        if !place.up || place.incarnation != incarnation || place.pause_count == 0 {
            return;
        }
        place.pause_count -= 1;
        if place.pause_count > 0 {
            return;
        }
        let mut held = std::mem::take(&mut place.paused_events);
        self.push_control(Control::Resume(node));
        for event in held.extract_if(.., |event| matches!(event, Event::SyncReport { .. })) {
            self.world.queue.push(now, event);
        }
        self.rearm_timer(node);
        for event in held.drain(..) {
            self.world.queue.push(now, event);
        }
        self.world.node_state_mut(node).paused_events = held;
    }

    fn block_links(&mut self, links: Vec<(usize, usize)>) -> FaultEndAction {
        links.iter().for_each(|(from, to)| self.world.net.block(*from, *to));
        FaultEndAction::UnblockLinks(links)
    }

    /// A clock's rate changes by so much, and with it when its node's timer is due.
    fn add_drift(&mut self, node: Node, by: i64) {
        let now = self.world.now();
        let place = self.world.node_state_mut(node);
        place.add_drift(now, by);
        self.rearm_timer(node);
    }
}

impl FaultEndAction {
    fn description(&self) -> String {
        match self {
            FaultEndAction::Restart(nodes) => {
                let names: String = nodes.iter().map(|node| format!("n{node} ")).collect();
                format!("{names}may start again")
            }
            FaultEndAction::Resume(node, _) => format!("n{node} goes on"),
            FaultEndAction::UnblockLinks(links) => format!("{} links are mended", links.len()),
            FaultEndAction::EndDegradation => "the weather clears".to_owned(),
            FaultEndAction::RestoreDiskSpeed(node, _) => format!("the disk of n{node} is quick again"),
            FaultEndAction::ResumeDisk(node) => format!("the disk of n{node} goes on"),
            FaultEndAction::RestoreClockRate(node, _) => format!("the clock of n{node} runs as before"),
            FaultEndAction::EndSyncErrors(node) => format!("the disk of n{node} saves again"),
        }
    }
}

fn is_waiting_for(planned: &[Fault], moment: Trigger) -> impl Fn(&usize) -> bool {
    move |number| planned[*number].on == Some(moment)
}
