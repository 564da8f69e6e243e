//! Servers, clients and faults in their simulated environment: handles one event at a time.
//!
//! The cluster makes every decision. Only two actions belong to the engine, because servers may run on nodes of
//! madsim: ending an incarnation and starting one. [`Cluster::advance`] says when they are due.

mod bookkeeping;
mod topology;
mod targets;
mod faults;
mod operations;
mod phases;
mod load;
mod situations;

use crate::outcome::{
    Actor, Evidence, EvidenceKind, Failure, FailureCause, MessageFate, NO_PANIC, Options, PanicReport,
    RunProgress, TraceEvent,
};
use crate::plan::{Plan, SimDuration};
use crate::server::{Arrival, Damaged, Host, Server};
use crate::support::logs::{self, LogRecording};
use crate::workload::ClientResponse;
use crate::workload::client::ClientPool;
use crate::world::{Event, EventKind, NEVER, SyncInFlight, TrafficCounter, UnansweredRequest, World};
use bookkeeping::BookkeepingSamples;
use faults::Faults;
use invariants::{Node, Time, WorldFact};
use load::LoadPhase;
use operations::Operations;
use phases::Phase;
use situations::SituationRecorder;
use std::collections::VecDeque;
use std::sync::Arc;
use topology::PermanentTopology;

/// The most events that may be queued at once, at some hundred bytes each.
const MAX_QUEUED_EVENTS: usize = 1 << 20;

/// What the engine must do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Continue.
    Continue,
    /// End the incarnation on this node, with or without a loss of power.
    Kill {
        /// The node.
        node: Node,
        /// Whether unsynced writes may be lost.
        power_loss: bool,
    },
    /// Start a new incarnation on this node.
    Restart(Node),
    /// Pause the tasks on this node.
    Pause(Node),
    /// Resume them.
    Resume(Node),
    /// End the run.
    Stop,
}

/// A simulated environment with its servers and clients.
pub struct Cluster<S: Server> {
    pub(crate) world: World<S::Message>,
    pub(crate) clients: ClientPool,
    servers: Vec<Option<Result<S, Damaged>>>,
    /// The server whose code runs: a panic is attributed to it.
    running_node: Option<Node>,
    faults: Faults,
    phase: Phase,
    /// Actions of the engine, in order.
    pending_controls: VecDeque<Control>,
    /// Whether the incarnation that is being ended loses power; `None` while the whole run is shut down.
    ending_by_power_loss: Option<bool>,
    /// Whether the run is complete.
    finished: bool,
    /// Whether the run ends with its fault phase.
    fault_phase_only: bool,
    /// When the healed phase first had a leader.
    leader_found_at: Time,
    /// The server with a permanent fault.
    permanently_faulty: Option<Node>,
    /// Which links work for good, if not all do.
    topology: Option<PermanentTopology>,
    /// Whether a leader was crashed in the healed phase: beside a permanent fault, the others must survive
    /// that, too.
    leader_crashed: bool,
    /// When the current liveness condition began, and during which event.
    phase_entered: (Time, u64),
    /// What servers keep in the quiet time.
    samples: BookkeepingSamples,
    /// What the operator asks for in the healed phase.
    operations: Operations,
    /// The load of the healed phase.
    load: LoadPhase,
    /// How many deadlines were set: only the newest is valid.
    deadline_number: u32,
    /// More events than this break the property `liveness`.
    max_events: u64,
    /// For those who watch the run.
    progress: Arc<RunProgress>,
    /// While the timeline is recorded, so is what servers log.
    logs: Option<LogRecording>,
    /// With [`Recording::situations`](crate::outcome::Recording::situations): which lines were exercised, and when.
    pub(crate) situations: Option<SituationRecorder>,
}

impl<S: Server> Cluster<S> {
    /// A cluster without running servers.
    #[must_use]
    pub fn new(plan: &Plan, options: &Options) -> Cluster<S> {
        let mut world = World::new(plan, options, S::SUPPORTS, S::CONTRACT);
        world.record_initial_voters();
        world.record_session_lifetime();
        world.traffic = options.record.traffic.then(|| TrafficCounter::new(S::encoded_length));
        Cluster {
            world,
            clients: ClientPool::new(plan, options.record.history, S::SUPPORTS),
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
            topology: None,
            leader_crashed: false,
            phase_entered: (0, 0),
            samples: BookkeepingSamples::default(),
            operations: Operations::default(),
            load: LoadPhase::default(),
            deadline_number: 0,
            max_events: plan.bounds.events,
            progress: options.progress.clone().unwrap_or_default(),
            logs: options.record.trace.then(LogRecording::start),
            situations: options.record.situations.then(SituationRecorder::default),
        }
    }

    /// Starts the clients and schedules the faults, once all servers run.
    pub fn start(&mut self) {
        self.clients.start(&mut self.world);
        let fault_phase = self.world.plan().fault_phase.0;
        for (number, fault) in self.world.plan().faults.clone().iter().enumerate() {
            if fault.at.0 < fault_phase {
                self.world.queue.push(fault.at.0, Event::Fault { number: number as u32 });
            }
        }
        self.world.queue.push(fault_phase, Event::Heal);
    }

    /// The time of the next event; `None` if none is left.
    #[must_use]
    pub fn next_event_time(&self) -> Option<Time> {
        // Pending work is due at once.
        if self.world.interrupt_pending { Some(self.world.now()) } else { self.world.queue.next_time() }
    }

    /// Handles one event, or whatever must precede it.
    #[inline]
    pub fn advance(&mut self) -> Control {
        if self.logs.is_some() {
            // Those of tasks, which run between two events.
            self.world.trace_logs();
        }
        if self.world.interrupt_pending {
            return self.handle_interrupt();
        }
        let Some((at, event)) = self.world.queue.pop() else { return Control::Stop };
        self.world.advance_to(at);
        self.progress.begin(self.world.step(), at, 0);
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

    /// Boots a server from the disk of its node.
    pub fn boot(&mut self, node: Node) {
        let (seed, now) = (self.world.plan().seed, self.world.now());
        self.world.node_state_mut(node).begin_incarnation(seed, node, now);
        if self.world.node_state(node).incarnation > 1 {
            self.world.record_fact(node, WorldFact::Restarted);
        }
        self.running_node = Some(node);
        self.progress.begin(self.world.step(), now, node);
        self.world.trace(node, || TraceEvent::Boot);
        let entered = self.logs.is_some().then(|| logs::enter(node));
        let server = S::boot(&mut Host::new(&mut self.world, node));
        if let Err(Damaged(reason)) = &server {
            self.world.fail_stop(node, reason.clone());
        }
        self.leave(entered);
        self.running_node = None;
        self.servers[node as usize - 1] = Some(server);
        self.end_step(node);
        self.record_healed_start(node);
        self.rearm_timer(node);
        if self.world.node_state(node).incarnation > 1 {
            self.release_held_on_restart();
        }
    }

    /// Whether a server runs on this node.
    #[must_use]
    pub fn is_up(&self, node: Node) -> bool {
        self.servers[node as usize - 1].is_some()
    }

    /// Records how the incarnation on this node is about to end. It must be up.
    pub fn prepare_kill(&mut self, node: Node, power_loss: bool) {
        debug_assert!(self.is_up(node), "only a running server can be killed, and n{node} is down");
        self.ending_by_power_loss = Some(power_loss);
    }

    /// Ends the incarnation on this node. Returns its server, so that the caller can drop it without holding
    /// a lock.
    pub fn end_incarnation(&mut self, node: Node) -> Option<Result<S, Damaged>> {
        let server = self.servers[node as usize - 1].take();
        if let (Some(_), Some(power_loss)) = (&server, self.ending_by_power_loss.take()) {
            self.world.end_incarnation(node);
            match power_loss {
                true => self.lose_power(node),
                false => self.world.record_fact(node, WorldFact::Crashed),
            }
            if self.world.node_state(node).storage.wipe_pending {
                self.world.wipe_disk(node);
            }
        }
        server
    }

    /// How many events were handled.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.world.observer.counts.events
    }

    /// Whether a property was violated.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.world.observer.failure.is_some()
    }

    /// The server whose code runs: a panic is attributed to it. `None`: code of the harness runs.
    #[must_use]
    pub fn running_node(&self) -> Option<Node> {
        self.running_node
    }

    /// Records the panic of a server as a failure.
    pub fn record_panic(&mut self, node: Node, panic: PanicReport) {
        self.running_node = None;
        let (at, step) = (self.world.now(), self.world.step());
        self.world.trace(node, || TraceEvent::Panic(panic.to_string()));
        let kind = EvidenceKind::Panic(panic.clone());
        let evidence = Evidence { at, step, actor: Actor::Server(node), request: None, kind };
        let cause = FailureCause::Panic { node, at: SimDuration(at), panic };
        self.world.observer.fail(Failure::new(NO_PANIC, cause).with_evidence([evidence]));
        self.world.interrupt_pending = true;
    }

    /// Ends the steps of tasks, and arms the timers of servers whose tasks may have begun to sleep since they were stepped.
    pub fn rearm_timers(&mut self) {
        for node in 1..=self.servers.len() as u64 {
            self.end_step(node);
            if self.world.node_state(node).pause_count == 0 {
                self.rearm_timer(node);
            }
        }
    }

    /// Handles whatever must precede the next event.
    #[cold]
    fn handle_interrupt(&mut self) -> Control {
        if self.finished || self.world.observer.failure.is_some() {
            return Control::Stop;
        }
        if let Some(control) = self.pending_controls.pop_front() {
            return control;
        }
        if let Some((trigger, node)) = self.world.next_trigger() {
            self.apply_triggered_fault(trigger, node);
            return Control::Continue;
        }
        self.world.interrupt_pending = false;
        Control::Continue
    }

    /// Handles one event, if it is still valid.
    #[inline]
    fn handle_event(&mut self, event: Event<S::Message>) {
        match event {
            Event::Message { from, to, message } => {
                let cause = self.world.queue.cause();
                let node_state = self.world.node_state_mut(to);
                if node_state.pause_count > 0 {
                    node_state.paused_events.push((cause, Event::Message { from, to, message }));
                } else if node_state.up {
                    self.world.begin_event(EventKind::Message, to, from);
                    self.running_node = Some(to);
                    self.world.observer.counts.heartbeats += 2 * u64::from(S::is_heartbeat(&message));
                    self.world.trace(to, || TraceEvent::Message {
                        from,
                        to,
                        message: message.to_string(),
                        fate: MessageFate::Delivered,
                    });
                    self.step(to, Arrival::Message { from, message });
                }
            }
            Event::Timer { node } => self.on_timer(node),
            Event::SyncDone { node, number } => {
                let now = self.world.now();
                let node_state = self.world.node_state_mut(node);
                // It may have ended, been cancelled, or be due later because the disk became slower.
                let ends = |sync: &SyncInFlight| {
                    sync.number == number && sync.due <= now && node_state.storage.stall_faults == 0
                };
                if let Some(at) = node_state.storage.syncs_in_flight.iter().position(ends) {
                    let SyncInFlight { token, ticket, incarnation, .. } =
                        node_state.storage.syncs_in_flight.swap_remove(at);
                    let succeeded = !node_state.storage.takes_sync_error();
                    node_state.storage.sync_failed |= !succeeded && node_state.incarnation == incarnation;
                    if !succeeded && node_state.storage.dropping_faults > 0 {
                        node_state.storage.disk.drop_writes(ticket);
                    }
                    let kind = if succeeded { EventKind::SyncDone } else { EventKind::SyncFailed };
                    self.world.begin_event(kind, node, token & 0xfff_ffff);
                    self.world.trace(node, || TraceEvent::Sync { token, succeeded });
                    if succeeded {
                        self.world.end_sync(node, ticket);
                    }
                    self.on_sync_report(node, token, incarnation, succeeded);
                }
            }
            Event::SyncReport { node, token, incarnation, succeeded } => {
                if self.world.node_state(node).incarnation == incarnation {
                    self.world.begin_event(EventKind::SyncReport, node, token & 0xfff_ffff);
                    self.on_sync_report(node, token, incarnation, succeeded);
                }
            }
            Event::Request { client, to, request } => {
                let cause = self.world.queue.cause();
                let node_state = self.world.node_state_mut(to);
                if node_state.pause_count > 0 {
                    node_state.paused_events.push((cause, Event::Request { client, to, request }));
                } else if node_state.up {
                    self.world.begin_event(EventKind::Request, to, client);
                    let (id, body) = (request.id, request.body);
                    self.world.trace(to, || TraceEvent::Request { client, to, id, body: body.to_string() });
                    self.world.record_arrival(to, &request);
                    let (now, step) = (self.world.now(), self.world.step());
                    self.world.node_state_mut(to).unanswered.push(UnansweredRequest {
                        at: now,
                        step,
                        client,
                        id: request.id,
                    });
                    self.step(to, Arrival::Request { client, request });
                } else {
                    self.world.observer.requests.record_dropped(request.id);
                }
            }
            Event::Reply { from, client, reply } => {
                self.world.begin_event(EventKind::Reply, client, from);
                self.world.trace(0, || TraceEvent::Reply {
                    from,
                    client,
                    id: reply.id,
                    response: reply.response.to_string(),
                });
                self.world.observer.count_reply();
                if matches!(reply.response, ClientResponse::Written { .. }) {
                    self.world.last_writer = Some(from);
                }
                self.clients.on_reply(&mut self.world, client, from, reply);
                self.record_digest();
            }
            Event::ClientTimer { client, timer } => {
                if self.clients.is_live_timer(client, timer) {
                    self.world.begin_event(EventKind::ClientTimer, client, 0);
                    self.clients.on_timer(&mut self.world, client, timer);
                    self.record_digest();
                }
            }
            Event::Fault { number } => self.on_fault_due(number as usize),
            Event::FaultEnd { number } => self.end_fault(number as usize),
            Event::Heal => self.begin_healed_phase(),
            Event::LivenessDeadline { stage } => self.on_liveness_deadline(stage),
        }
    }

    /// Handles a server's timer. Valid only if it is the one armed last and the deadline has not moved.
    fn on_timer(&mut self, node: Node) {
        let now = self.world.now();
        let node_state = self.world.node_state_mut(node);
        if node_state.timer_due != now {
            return;
        }
        node_state.timer_due = NEVER;
        let Some(Ok(server)) = &self.servers[node as usize - 1] else { return };
        let node_state = self.world.node_state(node);
        if node_state.pause_count > 0 {
            return;
        }
        self.running_node = Some(node);
        let deadline = server.deadline();
        self.running_node = None;
        if deadline.is_some_and(|deadline| node_state.clock.current.local(now) >= deadline) {
            self.world.begin_event(EventKind::Timer, node, 0);
            self.world.trace(node, || TraceEvent::Timer);
            self.step(node, Arrival::Timer);
        } else {
            self.rearm_timer(node);
        }
    }

    /// Informs a server how its sync ended, unless it has crashed. Postponed while the server is paused or a
    /// fault is due first.
    fn on_sync_report(&mut self, node: Node, token: u64, incarnation: u32, succeeded: bool) {
        let (now, interrupt_pending) = (self.world.now(), self.world.interrupt_pending);
        let cause = self.world.queue.cause();
        let node_state = self.world.node_state_mut(node);
        let is_same = node_state.up && node_state.incarnation == incarnation;
        if is_same && node_state.pause_count == 0 && !interrupt_pending {
            return self
                .step(node, if succeeded { Arrival::Synced(token) } else { Arrival::SyncFailed(token) });
        }
        let report = Event::SyncReport { node, token, incarnation, succeeded };
        if is_same && node_state.pause_count > 0 {
            node_state.paused_events.push((cause, report));
        } else if is_same {
            // A fault is due between durability and the report.
            self.world.queue.push(now, report);
        }
        self.record_digest();
    }

    /// Passes an arrival to a running server.
    #[inline]
    fn step(&mut self, node: Node, arrival: Arrival<S::Message>) {
        let server = self.servers[node as usize - 1].as_mut().expect("a node that is up must have a server");
        self.running_node = Some(node);
        self.progress.begin(self.world.step(), self.world.now(), node);
        let entered = self.logs.is_some().then(|| logs::enter(node));
        if let Ok(server) = server {
            server.step(&mut Host::new(&mut self.world, node), arrival);
        }
        self.leave(entered);
        self.end_step(node);
        self.rearm_timer(node);
        self.record_digest();
    }

    /// The code of a server has ended.
    #[inline]
    fn leave(&mut self, entered: Option<logs::Entered>) {
        if entered.is_some() {
            drop(entered);
            self.world.trace_logs();
        }
    }

    /// Arms a timer for the server's deadline, unless an earlier one is armed: an early timer is cheap.
    #[inline]
    fn rearm_timer(&mut self, node: Node) {
        let Some(Ok(server)) = &self.servers[node as usize - 1] else { return };
        self.running_node = Some(node);
        let deadline = server.deadline();
        self.running_node = None;
        let Some(deadline) = deadline else { return };
        let now = self.world.now();
        let node_state = self.world.node_state_mut(node);
        let due = node_state.clock.current.global_of(deadline).max(now);
        if due < node_state.timer_due {
            node_state.timer_due = due;
            self.world.queue.push(due, Event::Timer { node });
        }
    }

    /// Records the digest after an event, if wanted.
    #[inline]
    fn record_digest(&mut self) {
        if let Some(digests) = &mut self.world.digests {
            digests.push(self.world.observer.digest);
        }
    }

    /// Queues an action of the engine.
    fn push_control(&mut self, control: Control) {
        self.pending_controls.push_back(control);
        self.world.interrupt_pending = true;
    }
}
