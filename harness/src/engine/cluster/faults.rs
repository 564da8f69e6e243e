//! Faults: when they begin, which nodes they affect, and how they end.

use super::topology::PermanentTopology;
use super::{Cluster, Control};
use crate::outcome::TraceEvent;
use crate::plan::faults::{
    ActiveFault, Begun, Damage, Down, FaultHost, HeldLinks, HoldRule, NetworkDegradation, SyncErrors,
};
use crate::plan::{
    Fault, FaultKind, OperatorCommand, PermanentFaultKind, Plan, SimDuration, Target, Trigger,
};
use crate::server::{Arrival, Server};
use crate::world::{Event, EventKind};
use invariants::{Node, WorldFact};

/// The faults of a run.
pub(super) struct Faults {
    planned: Vec<Fault>,
    /// Planned faults that wait for their trigger.
    waiting: Vec<usize>,
    /// Each fault that began and does not happen at once; `None` once it has ended.
    active: Vec<Option<(ActiveFault, Option<u64>)>>,
    /// The node where the trigger of the current fault fired.
    pub(super) trigger_node: Option<Node>,
    /// The server that the newest leadership transfer names.
    pub(super) transfer_target: Option<Node>,
    /// How many faults keep each node down.
    down_counts: Vec<u32>,
    /// The node whose disk was wiped. At most one, unless damage has no limit: Raft promises nothing if several servers forget their
    /// promises.
    wiped_node: Option<Node>,
    /// For each node the crash in the middle of a step that is due.
    armed: Vec<Option<MidStep>>,
    strike_counts: [u64; FaultKind::ALL.len()],
}

/// How a server crashes in the middle of a step.
#[derive(Clone, Copy)]
struct MidStep {
    power_loss: bool,
    lasts: SimDuration,
}

impl Faults {
    pub(super) fn new(plan: &Plan) -> Faults {
        Faults {
            planned: plan.faults.clone(),
            waiting: Vec::new(),
            active: Vec::new(),
            trigger_node: None,
            transfer_target: None,
            down_counts: vec![0; plan.nodes as usize],
            wiped_node: None,
            armed: vec![None; plan.nodes as usize],
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
        if trigger == Trigger::Elected {
            self.release_held(HeldLinks::count_election);
        }
        let waits = |number: &usize| self.faults.planned[*number].on == Some(trigger);
        let Some(first) = self.faults.waiting.iter().position(waits) else { return };
        let number = self.faults.waiting.remove(first);
        if !self.faults.waiting.iter().any(is_waiting_for(&self.faults.planned, trigger)) {
            self.world.awaited_triggers &= !(1 << trigger as u8);
            self.await_elections();
        }
        self.apply_fault(number, Some(trigger_node));
    }

    /// Lets elections fire their trigger if they may release held messages.
    fn await_elections(&mut self) {
        let mut active = self.faults.active.iter().flatten();
        if active.any(
            |(active, _)| matches!(active, ActiveFault::HeldMessages(held) if held.waits_for_elections()),
        ) {
            self.world.awaited_triggers |= 1 << Trigger::Elected as u8;
        }
    }

    /// Ends the faults whose held messages this releases.
    fn release_held(&mut self, is_released: impl Fn(&mut HeldLinks) -> bool) {
        for number in 0..self.faults.active.len() {
            if let Some((ActiveFault::HeldMessages(held), _)) = &mut self.faults.active[number]
                && is_released(held)
            {
                self.end_fault(number);
            }
        }
    }

    /// A server has restarted: held messages may wait for that.
    pub(super) fn release_held_on_restart(&mut self) {
        self.release_held(|held| held.waits_for_restart());
    }

    /// Begins a fault. No-op if no node matches its target.
    fn apply_fault(&mut self, number: usize, trigger_node: Option<Node>) {
        self.faults.trigger_node = trigger_node;
        let kind = self.faults.planned[number].kind.clone();
        let is_traced = self.world.is_trace_enabled();
        let targets = if is_traced { self.resolve_targets(&kind) } else { Vec::new() };
        let Some(begun) = kind.begin(self) else { return };
        let kind_index = kind.index();
        self.faults.strike_counts[kind_index] += 1;
        self.world.begin_event(EventKind::Fault, kind_index as u64, number as u64);
        self.world.trace(0, || TraceEvent::FaultBegins {
            number: number as u64 + 1,
            kind: kind.name(),
            targets,
        });
        match begun {
            Begun::Once => {}
            Begun::Until(active, lasts) => {
                self.schedule_end(active, Some(number as u64 + 1), lasts.0);
                self.await_elections();
            }
            Begun::Command(leader, command) => {
                self.world.trace(leader, || TraceEvent::OperatorCommand(format!("{command:?}")));
                self.submit(leader, command);
                return;
            }
        }
        self.record_digest();
    }

    /// Submits an operator's command to a running server. Returns its number.
    pub(super) fn submit(&mut self, leader: Node, command: OperatorCommand) -> u64 {
        let target = if let OperatorCommand::Transfer(target) = command { Some(target) } else { None };
        self.faults.transfer_target = target.or(self.faults.transfer_target);
        let request = self.world.submit_command(leader, command.conf_change(), target);
        self.step(leader, Arrival::Operator { request, command });
        self.world.readmit_members();
        request
    }

    /// Schedules the end of a fault that has begun. `planned`: its position in the plan, from 1.
    fn schedule_end(&mut self, active: ActiveFault, planned: Option<u64>, lasts: u64) {
        let number = self.faults.active.len() as u32;
        self.faults.active.push(Some((active, planned)));
        let end = self.world.now().saturating_add(lasts);
        self.world.queue.push(end, Event::FaultEnd { number });
    }

    /// The nodes that a fault affects.
    fn resolve_targets(&self, kind: &FaultKind) -> Vec<Node> {
        kind.targets().into_iter().flat_map(|(_, target)| self.resolve_all(target)).collect()
    }

    /// Ends a fault, if it has not ended.
    pub(super) fn end_fault(&mut self, number: usize) {
        let Some((active, planned)) = self.faults.active[number].take() else { return };
        self.world.begin_event(EventKind::FaultEnd, number as u64, 0);
        self.world.trace(0, || TraceEvent::FaultEnds { number: planned, end: active.to_string() });
        active.end(self);
        self.record_digest();
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        self.world.end_hold_spreads();
        for number in 0..self.faults.active.len() {
            self.end_fault(number);
        }
        self.world.net.heal();
        (1..=self.world.plan().nodes).for_each(|node| self.world.disarm(node));
        self.faults.armed.fill(None);
        self.faults.waiting.clear();
        self.world.awaited_triggers = 0;
        self.world.fired_triggers.clear();
    }

    /// Begins the permanent fault, if the plan has one.
    pub(super) fn apply_permanent_fault(&mut self) {
        let Some(fault) = self.world.plan().permanent_fault else { return };
        self.faults.trigger_node = None;
        let Some(node) = self.resolve(fault.node) else { return };
        let others = (1..=self.world.plan().nodes).filter(|other| *other != node);
        match fault.kind {
            PermanentFaultKind::InboundPartition => others.for_each(|other| self.block_link(other, node)),
            PermanentFaultKind::OutboundPartition => others.for_each(|other| self.block_link(node, other)),
            PermanentFaultKind::StalledDisk => self.stall_disk(node),
            PermanentFaultKind::BrokenDisk => {
                self.fail_syncs(node, SyncErrors { drops: true, once: false });
            }
            PermanentFaultKind::Bridge
            | PermanentFaultKind::Ring
            | PermanentFaultKind::Chain
            | PermanentFaultKind::LoneLink => {}
        }
        self.add_clock_rate(node, fault.drift);
        match fault.kind.shape() {
            Some(shape) => {
                let topology = PermanentTopology { shape, center: node, nodes: self.world.plan().nodes };
                topology.blocked().for_each(|(from, to)| self.block_link(from, to));
                self.topology = Some(topology);
            }
            None => self.permanently_faulty = Some(node),
        }
        self.world.trace(0, || TraceEvent::PermanentFault { node, kind: fault.kind });
    }

    /// Crashes the leader; it restarts after `lasts` nanoseconds, when an election should be over.
    pub(super) fn crash_leader(&mut self, leader: Node, lasts: u64) {
        self.world.trace(leader, || TraceEvent::LeaderCrash);
        self.take_down(leader, false);
        self.schedule_end(ActiveFault::Crash(Down(vec![leader])), None, lasts);
    }

    /// Ends a step of a server, or its boot. If it was cut, the server crashes.
    #[inline]
    pub(super) fn end_step(&mut self, node: Node) {
        if self.situations.is_some() {
            self.record_situation();
        }
        if self.world.is_armed(node) {
            self.end_armed_step(node);
        }
    }

    #[cold]
    fn end_armed_step(&mut self, node: Node) {
        if self.world.end_armed_step(node)
            && let Some(MidStep { power_loss, lasts }) = self.faults.armed[node as usize - 1].take()
        {
            self.world.trace(node, || TraceEvent::StepCut);
            self.take_down(node, power_loss);
            self.schedule_end(ActiveFault::Crash(Down(vec![node])), None, lasts.0);
        }
    }

    /// Whether the undamaged disks of each configuration that may be in force are a quorum without this one.
    fn leaves_quorum_without(&self, node: Node) -> bool {
        let is_whole = |other: Node| other != node && !self.world.node_state(other).storage.corrupted;
        self.world.possible_configurations().all_have_quorum(|member| is_whole(member.node))
    }

    /// A server that stopped because of failed syncs restarts, unless they still fail.
    fn restart_if_disk_works(&mut self, node: Node) {
        let storage = &self.world.node_state(node).storage;
        let restarts = !storage.syncs_fail() && storage.sync_failed;
        if restarts && Cluster::is_up(self, node) && !self.is_about_to_end(node) {
            self.push_control(Control::Kill { node, power_loss: false });
            self.push_control(Control::Restart(node));
        }
    }

    /// Whether the group can do without this server's promises: no other disk is damaged or wiped, and no
    /// configuration that may be in force needs its vote.
    fn can_wipe(&self, node: Node) -> bool {
        let servers = || 1..=self.world.plan().nodes;
        let is_other = |other: Node| other != node;
        self.faults.wiped_node.is_none()
            && servers()
                .filter(|other| is_other(*other))
                .all(|other| !self.world.node_state(other).storage.corrupted)
            && self.world.possible_configurations().all_have_quorum(|member| is_other(member.node))
    }

    /// Whether the incarnation on this node is about to end.
    fn is_about_to_end(&self, node: Node) -> bool {
        let is_kill =
            |control: &Control| matches!(control, Control::Kill { node: other, .. } if *other == node);
        self.pending_controls.iter().any(is_kill)
    }

    /// A node loses power: unsynced writes may be lost.
    pub(super) fn lose_power(&mut self, node: Node) {
        let seed = self.world.plan().seed;
        self.world.node_state_mut(node).storage.lose_power(seed, node);
        self.world.observer.counts.power_losses += 1;
        self.world.record_fact(node, WorldFact::PowerLost);
    }
}

impl<S: Server> FaultHost for Cluster<S> {
    fn nodes(&self) -> u64 {
        self.world.plan().nodes
    }

    fn resolve_all(&self, target: Target) -> Vec<Node> {
        self.targeted_nodes(target)
    }

    fn is_up(&self, node: Node) -> bool {
        Cluster::is_up(self, node)
    }

    fn current_leader(&self) -> Option<Node> {
        let leader = self.resolve(Target::Leader)?;
        let leads = self.world.leading_term(leader).is_some() || !S::SUPPORTS.facts;
        (leads && self.world.node_state(leader).pause_count == 0).then_some(leader)
    }

    fn take_down(&mut self, node: Node, power_loss: bool) {
        self.faults.down_counts[node as usize - 1] += 1;
        let is_up = Cluster::is_up(self, node);
        if is_up && !self.is_about_to_end(node) {
            self.push_control(Control::Kill { node, power_loss });
        } else if power_loss && !is_up {
            // The process is down already, but its page cache survived so far.
            self.lose_power(node);
        }
    }

    fn crash_mid_step(&mut self, node: Node, effects: u64, power_loss: bool, lasts: SimDuration) -> bool {
        let armed = &mut self.faults.armed[node as usize - 1];
        if armed.is_some() {
            return false;
        }
        *armed = Some(MidStep { power_loss, lasts });
        self.world.arm(node, effects);
        true
    }

    fn let_restart(&mut self, node: Node) {
        let down_count = &mut self.faults.down_counts[node as usize - 1];
        *down_count -= 1;
        if *down_count == 0 {
            self.push_control(Control::Restart(node));
        }
    }

    fn pause(&mut self, node: Node) -> u32 {
        let node_state = self.world.node_state_mut(node);
        node_state.pause_count += 1;
        let incarnation = node_state.incarnation;
        self.push_control(Control::Pause(node));
        incarnation
    }

    /// The server first learns how its syncs ended, then its timer fires if due, then the paused events arrive.
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
        let is_report = |(_, event): &mut (u64, Event<S::Message>)| matches!(event, Event::SyncReport { .. });
        for (cause, event) in paused_events.extract_if(.., is_report) {
            self.world.queue.push_caused_by(cause, now, event);
        }
        self.rearm_timer(node);
        for (cause, event) in paused_events.drain(..) {
            self.world.queue.push_caused_by(cause, now, event);
        }
        self.world.node_state_mut(node).paused_events = paused_events;
    }

    fn block_link(&mut self, from: Node, to: Node) {
        self.world.net.block(from as usize - 1, to as usize - 1);
    }

    fn unblock_link(&mut self, from: Node, to: Node) {
        self.world.net.unblock(from as usize - 1, to as usize - 1);
    }

    fn hold_messages(&mut self, links: Vec<(Node, Node)>, rule: HoldRule) -> u64 {
        self.world.hold_messages(links, rule)
    }

    fn release_messages(&mut self, number: u64) {
        self.world.release_messages(number);
    }

    fn degrade_network(&mut self, by: NetworkDegradation) -> u64 {
        let number = self.faults.active.len() as u64;
        self.world.net.degrade(number, by);
        number
    }

    fn end_degradation(&mut self, number: u64) {
        self.world.net.end_degradation(number);
    }

    fn slow_disk(&mut self, node: Node, factor: u64) {
        self.world.scale_sync_time(node, factor, true);
    }

    fn end_slow_disk(&mut self, node: Node, factor: u64) {
        self.world.scale_sync_time(node, factor, false);
    }

    fn stall_disk(&mut self, node: Node) {
        self.world.node_state_mut(node).storage.stall_faults += 1;
    }

    fn end_stalled_disk(&mut self, node: Node) {
        let node_state = self.world.node_state_mut(node);
        node_state.storage.stall_faults -= 1;
        if node_state.storage.stall_faults == 0 {
            self.world.resume_disk(node);
        }
    }

    fn fail_syncs(&mut self, node: Node, errors: SyncErrors) {
        let storage = &mut self.world.node_state_mut(node).storage;
        storage.error_faults += u32::from(!errors.once);
        storage.single_errors += u32::from(errors.once);
        storage.dropping_faults += u32::from(errors.drops);
    }

    fn end_sync_errors(&mut self, node: Node, errors: SyncErrors) {
        let node_state = self.world.node_state_mut(node);
        node_state.storage.error_faults -= u32::from(!errors.once);
        // No sync may have ended during the fault.
        node_state.storage.single_errors =
            node_state.storage.single_errors.saturating_sub(u32::from(errors.once));
        node_state.storage.dropping_faults -= u32::from(errors.drops);
        self.restart_if_disk_works(node);
    }

    fn fill_disk(&mut self, node: Node, room: u64) -> u64 {
        let storage = &mut self.world.node_state_mut(node).storage;
        let limit = storage.disk.appended_bytes().saturating_add(room);
        storage.full_at.push(limit);
        // The file system finds out when it writes back, and has no place for the pages.
        storage.dropping_faults += 1;
        limit
    }

    fn make_room(&mut self, node: Node, limit: u64) {
        let storage = &mut self.world.node_state_mut(node).storage;
        if let Some(place) = storage.full_at.iter().position(|other| *other == limit) {
            storage.full_at.remove(place);
            storage.dropping_faults -= 1;
        }
        self.restart_if_disk_works(node);
    }

    fn add_clock_rate(&mut self, node: Node, by: i64) {
        let now = self.world.now();
        let clock = &mut self.world.node_state_mut(node).clock;
        let before = clock.current.rate();
        clock.add_drift(now, by);
        let rate = clock.current.rate();
        if rate != before {
            self.world.record_fact(node, WorldFact::ClockChanged { jump: 0, rate });
        }
        self.rearm_timer(node);
    }

    fn jump_clock(&mut self, node: Node, by: SimDuration) {
        let now = self.world.now();
        let clock = &mut self.world.node_state_mut(node).clock.current;
        clock.jump(now, by.0);
        let rate = clock.rate();
        self.world.record_fact(node, WorldFact::ClockChanged { jump: by.0, rate });
        self.rearm_timer(node);
    }

    fn jump_wall_clock(&mut self, node: Node, by: i64) {
        self.world.node_state_mut(node).clock.current.jump_wall(by.saturating_mul(1_000_000));
    }

    fn damage(&mut self, node: Node, how: Damage, within_quorum: bool) -> bool {
        let seed = self.world.plan().seed;
        let anywhere = self.world.plan().unlimited_damage;
        let is_allowed = anywhere
            || self.faults.wiped_node.is_none_or(|wiped| wiped == node)
                && (!within_quorum || self.leaves_quorum_without(node));
        let is_damaged =
            is_allowed && self.world.node_state_mut(node).storage.damage(how, anywhere, seed, node);
        if is_damaged {
            self.world.record_fact(node, WorldFact::Damaged);
        }
        is_damaged
    }

    fn wipe(&mut self, node: Node) -> bool {
        if !self.world.plan().unlimited_damage && !self.can_wipe(node) {
            return false;
        }
        self.faults.wiped_node = Some(node);
        if Cluster::is_up(self, node) {
            self.world.node_state_mut(node).storage.wipe_pending = true;
        } else {
            self.world.wipe_disk(node);
        }
        true
    }
}

fn is_waiting_for(planned: &[Fault], trigger: Trigger) -> impl Fn(&usize) -> bool {
    move |number| planned[*number].on == Some(trigger)
}
