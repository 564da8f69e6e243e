//! The servers, the clients and the faults in their world: what happens next, one event at a time.
//!
//! The cluster decides everything, and does everything but two things: only the pump can end an incarnation and begin
//! one, because servers live on madsim's nodes. So [`Cluster::advance`] says when that is due.

mod faults;
mod phases;

use crate::outcome::{Actor, Evidence, EvidenceKind, Failure, NO_PANIC, Options};
use crate::plan::{Plan, SimDuration};
use crate::server::{Arrival, Host, Server};
use crate::workload::client::ClientPool;
use crate::world::{Event, EventKind, NEVER, SyncInFlight, UnansweredRequest, World};
use faults::Faults;
use invariants::{Fact, Node, Time};
use phases::Phase;
use std::collections::VecDeque;

/// The most messages, answers, timers, ... that may be on their way at once: some hundred bytes each.
const MAX_QUEUED_EVENTS: usize = 1 << 20;

/// What the pump does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Goes on.
    Continue,
    /// Ends the incarnation on this node, with or without its power.
    Kill {
        /// Which node.
        node: Node,
        /// Whether what was not synced is at stake.
        power_loss: bool,
    },
    /// Begins a new incarnation on this node.
    Restart(Node),
    /// Lets the tasks on this node stand still.
    Pause(Node),
    /// Lets them go on.
    Resume(Node),
    /// Ends the run.
    Stop,
}

/// A world with somebody in it.
pub struct Cluster<S: Server> {
    pub(crate) world: World<S::Message>,
    pub(crate) clients: ClientPool,
    servers: Vec<Option<S>>,
    /// Whose code runs: if it panics, that server is the one that did.
    running_node: Option<Node>,
    faults: Faults,
    phase: Phase,
    /// What only the pump can do, in the order in which it is due.
    pending_controls: VecDeque<Control>,
    /// How the incarnation that is being ended ends; `None` while the whole run is taken down.
    ending_by_power_loss: Option<bool>,
    /// Whether the run has come to its end.
    finished: bool,
    /// Whether the run ends with its storm.
    fault_phase_only: bool,
    /// When there was a leader after the storm.
    leader_found_at: Time,
    /// Who stays ill after it.
    permanently_faulty: Option<Node>,
    /// Whether a leader has fallen since: where somebody stays ill, the others must manage that as well.
    leader_crashed: bool,
    /// When what is asked at present began to be asked, and during which event.
    phase_entered: (Time, u64),
    /// How often a bound was set: only the newest counts.
    deadline_number: u32,
    /// More events than this are no progress.
    max_events: u64,
}

impl<S: Server> Cluster<S> {
    /// A cluster in which nobody has been booted.
    #[must_use]
    pub fn new(plan: &Plan, options: &Options) -> Cluster<S> {
        let mut world = World::new(plan, options);
        world.record_initial_voters();
        Cluster {
            world,
            clients: ClientPool::new(plan, options.history),
            servers: (0..plan.nodes).map(|_| None).collect(),
            running_node: None,
            faults: Faults::new(plan),
            phase: Phase::Faults,
            pending_controls: VecDeque::new(),
            ending_by_power_loss: None,
            finished: false,
            fault_phase_only: options.fault_phase_only,
            leader_found_at: 0,
            permanently_faulty: None,
            leader_crashed: false,
            phase_entered: (0, 0),
            deadline_number: 0,
            max_events: plan.bounds.events,
        }
    }

    /// All servers have been booted for the first time: clients call, and the faults take their course.
    pub fn start(&mut self) {
        self.clients.start(&mut self.world);
        let storm = self.world.plan().fault_phase.0;
        for (number, fault) in self.world.plan().faults.clone().iter().enumerate() {
            if fault.at.0 < storm {
                self.world.queue.push(fault.at.0, Event::Fault { number: number as u32 });
            }
        }
        self.world.queue.push(storm, Event::Heal);
    }

    /// When the next event is due; `None` when nothing will ever happen again.
    #[must_use]
    pub fn next_event_time(&self) -> Option<Time> {
        // What waits for the pump or for a fault is due at once.
        if self.world.interrupt_pending { Some(self.world.now()) } else { self.world.queue.next_time() }
    }

    /// Lets one thing happen.
    #[inline]
    pub fn advance(&mut self) -> Control {
        if self.world.interrupt_pending {
            return self.handle_interrupt();
        }
        let Some((at, event)) = self.world.queue.pop() else { return Control::Stop };
        self.world.advance_to(at);
        self.handle_event(event);
        if self.world.observer.counts.events > self.max_events {
            self.fail_too_many_events();
        }
        if self.world.queue.len() > MAX_QUEUED_EVENTS {
            self.fail_too_many_queued();
        }
        if self.phase != Phase::Faults {
            self.check_liveness();
        }
        Control::Continue
    }

    /// Boots a server from what its node's disk kept.
    pub fn boot(&mut self, node: Node) {
        let (seed, now) = (self.world.plan().seed, self.world.now());
        self.world.node_state_mut(node).begin_incarnation(seed, node, now);
        if self.world.node_state(node).incarnation > 1 {
            self.world.record_fact(node, Fact::Restarted);
        }
        self.running_node = Some(node);
        let server = S::boot(&mut Host::new(&mut self.world, node));
        self.running_node = None;
        self.servers[node as usize - 1] = Some(server);
        self.rearm_timer(node);
    }

    /// Whether a server lives on this node.
    #[must_use]
    pub fn is_up(&self, node: Node) -> bool {
        self.servers[node as usize - 1].is_some()
    }

    /// The incarnation on this node will end like this.
    pub fn prepare_kill(&mut self, node: Node, power: bool) {
        debug_assert!(self.is_up(node), "only who lives can be killed");
        self.ending_by_power_loss = Some(power);
    }

    /// The incarnation on this node has ended. Its server is handed out, to be dropped where nothing is locked.
    pub fn end_incarnation(&mut self, node: Node) -> Option<S> {
        let server = self.servers[node as usize - 1].take();
        if let (Some(_), Some(power)) = (&server, self.ending_by_power_loss.take()) {
            self.world.end_incarnation(node);
            match power {
                true => self.lose_power(node),
                false => self.world.record_fact(node, Fact::Crashed),
            }
            if self.world.node_state(node).wipe_pending {
                self.world.wipe_disk(node);
            }
        }
        server
    }

    /// How many events there have been.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.world.observer.counts.events
    }

    /// Whether a promise was broken.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.world.observer.failure.is_some()
    }

    /// Whose code runs at present: a panic is this server's. `None`: it is our own.
    #[must_use]
    pub fn running_node(&self) -> Option<Node> {
        self.running_node
    }

    /// A server did what no server may do: it panicked.
    pub fn record_panic(&mut self, node: Node, said: &str) {
        self.running_node = None;
        let (at, step) = (self.world.now(), self.world.step());
        self.world.trace(node, || format!("panics: {said}"));
        let what = EvidenceKind::Text(format!("panics: {said}"), None);
        let side = Evidence { at, step, actor: Actor::Server(node), request: None, kind: what };
        let sentence = format!("n{node} panics at {} of simulated time: {said}", SimDuration(at));
        self.world.observer.fail(Failure::new(NO_PANIC, sentence).with_evidence([side]));
        self.world.interrupt_pending = true;
    }

    /// Lets every server that works outside its steps hand over what it has done by now.
    pub fn collect_task_output(&mut self) {
        for node in 1..=self.servers.len() as u64 {
            if let Some(server) = &mut self.servers[node as usize - 1]
                && self.world.node_state(node).pause_count == 0
            {
                self.running_node = Some(node);
                server.collect_task_output(&mut Host::new(&mut self.world, node));
                self.running_node = None;
                self.rearm_timer(node);
            }
        }
    }

    /// Something is due before the next event.
    #[cold]
    fn handle_interrupt(&mut self) -> Control {
        if self.finished || self.world.observer.failure.is_some() {
            return Control::Stop;
        }
        if let Some(order) = self.pending_controls.pop_front() {
            return order;
        }
        if let Some((moment, node)) = self.world.next_trigger() {
            self.apply_triggered_fault(moment, node);
            return Control::Continue;
        }
        self.world.interrupt_pending = false;
        Control::Continue
    }

    /// One event happens, if it still means anything.
    #[inline]
    fn handle_event(&mut self, event: Event<S::Message>) {
        match event {
            Event::Message { from, to, message } => {
                let place = self.world.node_state_mut(to);
                if place.pause_count > 0 {
                    place.paused_events.push(Event::Message { from, to, message });
                } else if place.up {
                    self.world.begin_event(EventKind::Message, to, from);
                    self.running_node = Some(to);
                    self.world.observer.counts.heartbeats += 2 * u64::from(S::is_heartbeat(&message));
                    self.world.trace(to, || format!("n{from} -> n{to}  {message}"));
                    self.step(to, Arrival::Message { from, message });
                }
            }
            Event::Timer { node } => self.on_timer(node),
            Event::SyncDone { node, number } => {
                let now = self.world.now();
                let place = self.world.node_state_mut(node);
                // It may be over already, or void, or not be due yet because the disk became slower meanwhile.
                let ends =
                    |sync: &SyncInFlight| sync.number == number && sync.due <= now && place.stall_faults == 0;
                if let Some(at) = place.syncs_in_flight.iter().position(ends) {
                    let SyncInFlight { token, ticket, incarnation, .. } =
                        place.syncs_in_flight.swap_remove(at);
                    let well = place.sync_error_faults == 0;
                    place.sync_failed |= !well && place.incarnation == incarnation;
                    let kind = if well { EventKind::SyncDone } else { EventKind::SyncFailed };
                    self.world.begin_event(kind, node, token & 0xfff_ffff);
                    let is = if well { "is durable" } else { "has failed" };
                    self.world.trace(node, || format!("sync {token} {is}"));
                    if well {
                        self.world.end_sync(node, ticket);
                    }
                    self.on_sync_report(node, token, incarnation, well);
                }
            }
            Event::SyncReport { node, token, incarnation, succeeded: well } => {
                if self.world.node_state(node).incarnation == incarnation {
                    self.world.begin_event(EventKind::SyncReport, node, token & 0xfff_ffff);
                    self.on_sync_report(node, token, incarnation, well);
                }
            }
            Event::Request { client, to, request } => {
                let place = self.world.node_state_mut(to);
                if place.pause_count > 0 {
                    place.paused_events.push(Event::Request { client, to, request });
                } else if place.up {
                    self.world.begin_event(EventKind::Request, to, client);
                    self.world.trace(to, || format!("c{client} -> n{to}  {} {}", request.id, request.body));
                    let (now, step) = (self.world.now(), self.world.step());
                    self.world.node_state_mut(to).unanswered.push(UnansweredRequest {
                        at: now,
                        step,
                        client,
                        id: request.id,
                    });
                    self.step(to, Arrival::Request { client, request });
                } else {
                    self.world.observer.on_request_dropped(request.id);
                }
            }
            Event::Reply { from, client, reply } => {
                self.world.begin_event(EventKind::Reply, client, from);
                self.world.trace(0, || format!("n{from} -> c{client}  {} {}", reply.id, reply.response));
                self.world.observer.count_reply();
                self.clients.on_reply(&mut self.world, client, from, reply);
                self.record_digest();
            }
            Event::ClientTimer { client, timer: alarm } => {
                if self.clients.is_live_timer(client, alarm) {
                    self.world.begin_event(EventKind::ClientTimer, client, 0);
                    self.clients.on_timer(&mut self.world, client, alarm);
                    self.record_digest();
                }
            }
            Event::Fault { number } => self.on_fault_due(number as usize),
            Event::FaultEnd { number } => self.end_fault(number as usize),
            Event::Heal => self.begin_healed_phase(),
            Event::LivenessDeadline { stage } => self.on_liveness_deadline(stage),
        }
    }

    /// A timer was popped. It counts only if it is the one that was armed last, and if the deadline is still the same.
    fn on_timer(&mut self, node: Node) {
        let now = self.world.now();
        let place = self.world.node_state_mut(node);
        if place.timer_due != now {
            return;
        }
        place.timer_due = NEVER;
        let Some(server) = &self.servers[node as usize - 1] else { return };
        let place = self.world.node_state(node);
        if place.pause_count > 0 {
            return;
        }
        self.running_node = Some(node);
        let deadline = server.deadline();
        self.running_node = None;
        if deadline.is_some_and(|deadline| place.clock.local(now) >= deadline) {
            self.world.begin_event(EventKind::Timer, node, 0);
            self.world.trace(node, || "timer".to_owned());
            self.step(node, Arrival::Timer);
        } else {
            self.rearm_timer(node);
        }
    }

    /// A server is told how its sync has ended, if it still lives and nothing comes between.
    fn on_sync_report(&mut self, node: Node, token: u64, incarnation: u32, well: bool) {
        let (now, alert) = (self.world.now(), self.world.interrupt_pending);
        let place = self.world.node_state_mut(node);
        let lives = place.up && place.incarnation == incarnation;
        if lives && place.pause_count == 0 && !alert {
            return self.step(node, if well { Arrival::Synced(token) } else { Arrival::SyncFailed(token) });
        }
        let told = Event::SyncReport { node, token, incarnation, succeeded: well };
        if lives && place.pause_count > 0 {
            place.paused_events.push(told);
        } else if lives {
            // A fault waited for just this: between what is durable and what is said about it.
            self.world.queue.push(now, told);
        }
        self.record_digest();
    }

    /// Something arrives at a server that is up.
    #[inline]
    fn step(&mut self, node: Node, arrival: Arrival<S::Message>) {
        let server = self.servers[node as usize - 1].as_mut().expect("a node that is up has a server");
        self.running_node = Some(node);
        server.step(&mut Host::new(&mut self.world, node), arrival);
        self.rearm_timer(node);
        self.record_digest();
    }

    /// Makes sure that a timer fires when the server's deadline is due. One that fires too early is cheap, so one is
    /// pushed only if none is armed before.
    #[inline]
    fn rearm_timer(&mut self, node: Node) {
        let Some(server) = &self.servers[node as usize - 1] else { return };
        self.running_node = Some(node);
        let deadline = server.deadline();
        self.running_node = None;
        let Some(deadline) = deadline else { return };
        let now = self.world.now();
        let place = self.world.node_state_mut(node);
        let due = place.clock.global_of(deadline).max(now);
        if due < place.timer_due {
            place.timer_due = due;
            self.world.queue.push(due, Event::Timer { node });
        }
    }

    /// The event is over.
    #[inline]
    fn record_digest(&mut self) {
        if let Some(digests) = &mut self.world.digests {
            digests.push(self.world.observer.digest);
        }
    }

    /// Something for the pump to do.
    fn push_control(&mut self, order: Control) {
        self.pending_controls.push_back(order);
        self.world.interrupt_pending = true;
    }
}
