//! The servers, the clients and the faults in their world: what happens next, one event at a time.
//!
//! The cluster decides everything, and does everything but two things: only the pump can end an incarnation and begin
//! one, because servers live on madsim's nodes. So [`Cluster::advance`] says when that is due.

mod faults;
mod phases;

use crate::outcome::{Failure, Options, PANIC, Side, What, Who};
use crate::plan::{Duration, Plan};
use crate::server::{Arrival, Host, Server};
use crate::workload::client::Clients;
use crate::world::{Event, Kind, NEVER, Owed, Syncing, World};
use faults::Faults;
use invariants::{Fact, Node, Time};
use phases::Phase;
use std::collections::VecDeque;

/// The most messages, answers, timers, ... that may be on their way at once: some hundred bytes each.
const MOST_IN_FLIGHT: usize = 1 << 20;

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
        power: bool,
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
    pub(crate) clients: Clients,
    servers: Vec<Option<S>>,
    /// Whose code runs: if it panics, that server is the one that did.
    acting: Option<Node>,
    faults: Faults,
    phase: Phase,
    /// What only the pump can do, in the order in which it is due.
    orders: VecDeque<Control>,
    /// How the incarnation that is being ended ends; `None` while the whole run is taken down.
    ending: Option<bool>,
    /// Whether the run has come to its end.
    over: bool,
    /// Whether the run ends with its storm.
    storm_only: bool,
    /// When there was a leader after the storm.
    emerged: Time,
    /// Who stays ill after it.
    held: Option<Node>,
    /// Whether a leader has fallen since: where somebody stays ill, the others must manage that as well.
    fallen: bool,
    /// When what is asked at present began to be asked, and during which event.
    entered: (Time, u64),
    /// How often a bound was set: only the newest counts.
    asked: u32,
    /// More events than this are no progress.
    most_events: u64,
}

impl<S: Server> Cluster<S> {
    /// A cluster in which nobody has been booted.
    #[must_use]
    pub fn new(plan: &Plan, options: &Options) -> Cluster<S> {
        let mut world = World::new(plan, options);
        world.found();
        Cluster {
            world,
            clients: Clients::new(plan, options.history),
            servers: (0..plan.nodes).map(|_| None).collect(),
            acting: None,
            faults: Faults::new(plan),
            phase: Phase::Storm,
            orders: VecDeque::new(),
            ending: None,
            over: false,
            storm_only: options.storm_only,
            emerged: 0,
            held: None,
            fallen: false,
            entered: (0, 0),
            asked: 0,
            most_events: plan.bounds.events,
        }
    }

    /// All servers have been booted for the first time: clients call, and the faults take their course.
    pub fn begin(&mut self) {
        self.clients.begin(&mut self.world);
        let storm = self.world.plan().storm.0;
        for (number, fault) in self.world.plan().faults.clone().iter().enumerate() {
            if fault.at.0 < storm {
                self.world.queue.push(fault.at.0, Event::Fault { number: number as u32 });
            }
        }
        self.world.queue.push(storm, Event::Calm);
    }

    /// When the next event is due; `None` when nothing will ever happen again.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        // What waits for the pump or for a fault is due at once.
        if self.world.alert { Some(self.world.now()) } else { self.world.queue.next_at() }
    }

    /// Lets one thing happen.
    #[inline]
    pub fn advance(&mut self) -> Control {
        if self.world.alert {
            return self.attend();
        }
        let Some((at, event)) = self.world.queue.pop() else { return Control::Stop };
        self.world.reach(at);
        self.happen(event);
        if self.world.observer.counts.events > self.most_events {
            self.never_rests();
        }
        if self.world.queue.len() > MOST_IN_FLIGHT {
            self.drowns();
        }
        if self.phase != Phase::Storm {
            self.look_for_progress();
        }
        Control::Continue
    }

    /// Boots a server from what its node's disk kept.
    pub fn boot(&mut self, node: Node) {
        let (seed, now) = (self.world.plan().seed, self.world.now());
        self.world.place_mut(node).begin(seed, node, now);
        if self.world.place(node).incarnation > 1 {
            self.world.saw(node, Fact::Restarted);
        }
        self.acting = Some(node);
        let server = S::boot(&mut Host::new(&mut self.world, node));
        self.acting = None;
        self.servers[node as usize - 1] = Some(server);
        self.rearm(node);
    }

    /// Whether a server lives on this node.
    #[must_use]
    pub fn is_up(&self, node: Node) -> bool {
        self.servers[node as usize - 1].is_some()
    }

    /// The incarnation on this node will end like this.
    pub fn will_end(&mut self, node: Node, power: bool) {
        debug_assert!(self.is_up(node), "only who lives can be killed");
        self.ending = Some(power);
    }

    /// The incarnation on this node has ended. Its server is handed out, to be dropped where nothing is locked.
    pub fn ended(&mut self, node: Node) -> Option<S> {
        let server = self.servers[node as usize - 1].take();
        if let (Some(_), Some(power)) = (&server, self.ending.take()) {
            self.world.ended(node);
            match power {
                true => self.lose_power(node),
                false => self.world.saw(node, Fact::Crashed),
            }
            if self.world.place(node).doomed {
                self.world.wipe(node);
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
    pub fn acting(&self) -> Option<Node> {
        self.acting
    }

    /// A server did what no server may do: it panicked.
    pub fn panicked(&mut self, node: Node, said: &str) {
        self.acting = None;
        let (at, step) = (self.world.now(), self.world.step());
        self.world.note(node, || format!("panics: {said}"));
        let what = What::Words(format!("panics: {said}"), None);
        let side = Side { at, step, who: Who::Server(node), request: None, what };
        let sentence = format!("n{node} panics at {} of simulated time: {said}", Duration(at));
        self.world.observer.fail(Failure::told(PANIC, sentence).between([side]));
        self.world.alert = true;
    }

    /// Lets every server that works outside its steps hand over what it has done by now.
    pub fn settle(&mut self) {
        for node in 1..=self.servers.len() as u64 {
            if let Some(server) = &mut self.servers[node as usize - 1]
                && self.world.place(node).pauses == 0
            {
                self.acting = Some(node);
                server.settle(&mut Host::new(&mut self.world, node));
                self.acting = None;
                self.rearm(node);
            }
        }
    }

    /// Something is due before the next event.
    #[cold]
    fn attend(&mut self) -> Control {
        if self.over || self.world.observer.failure.is_some() {
            return Control::Stop;
        }
        if let Some(order) = self.orders.pop_front() {
            return order;
        }
        if let Some((moment, node)) = self.world.next_moment() {
            self.strike_at(moment, node);
            return Control::Continue;
        }
        self.world.alert = false;
        Control::Continue
    }

    /// One event happens, if it still means anything.
    #[inline]
    fn happen(&mut self, event: Event<S::Message>) {
        match event {
            Event::Message { from, to, message } => {
                let place = self.world.place_mut(to);
                if place.pauses > 0 {
                    place.held.push(Event::Message { from, to, message });
                } else if place.up {
                    self.world.begin(Kind::Message, to, from);
                    self.acting = Some(to);
                    self.world.observer.counts.heartbeats += 2 * u64::from(S::is_heartbeat(&message));
                    self.world.note(to, || format!("n{from} -> n{to}  {message}"));
                    self.step(to, Arrival::Message { from, message });
                }
            }
            Event::Timer { node } => self.timer(node),
            Event::Platter { node, number } => {
                let now = self.world.now();
                let place = self.world.place_mut(node);
                // It may be over already, or void, or not be due yet because the disk became slower meanwhile.
                let ends = |sync: &Syncing| sync.number == number && sync.due <= now && place.stalls == 0;
                if let Some(at) = place.syncing.iter().position(ends) {
                    let Syncing { token, ticket, incarnation, .. } = place.syncing.swap_remove(at);
                    let well = place.refusals == 0;
                    place.failed |= !well && place.incarnation == incarnation;
                    let kind = if well { Kind::Platter } else { Kind::SyncFailed };
                    self.world.begin(kind, node, token & 0xfff_ffff);
                    let is = if well { "is durable" } else { "has failed" };
                    self.world.note(node, || format!("sync {token} {is}"));
                    if well {
                        self.world.end_sync(node, ticket);
                    }
                    self.synced(node, token, incarnation, well);
                }
            }
            Event::Synced { node, token, incarnation, well } => {
                if self.world.place(node).incarnation == incarnation {
                    self.world.begin(Kind::Synced, node, token & 0xfff_ffff);
                    self.synced(node, token, incarnation, well);
                }
            }
            Event::Request { client, to, request } => {
                let place = self.world.place_mut(to);
                if place.pauses > 0 {
                    place.held.push(Event::Request { client, to, request });
                } else if place.up {
                    self.world.begin(Kind::Request, to, client);
                    self.world.note(to, || format!("c{client} -> n{to}  {} {}", request.id, request.ask));
                    let (now, step) = (self.world.now(), self.world.step());
                    self.world.place_mut(to).owed.push(Owed { at: now, step, client, id: request.id });
                    self.step(to, Arrival::Request { client, request });
                } else {
                    self.world.observer.copy_is_void(request.id);
                }
            }
            Event::Reply { from, client, reply } => {
                self.world.begin(Kind::Reply, client, from);
                self.world.note(0, || format!("n{from} -> c{client}  {} {}", reply.id, reply.answer));
                self.world.observer.answer_comes();
                self.clients.reply(&mut self.world, client, from, reply);
                self.happened();
            }
            Event::Alarm { client, alarm } => {
                if self.clients.heeds(client, alarm) {
                    self.world.begin(Kind::Alarm, client, 0);
                    self.clients.alarm(&mut self.world, client, alarm);
                    self.happened();
                }
            }
            Event::Fault { number } => self.fault_is_due(number as usize),
            Event::Over { number } => self.fault_is_over(number as usize),
            Event::Calm => self.calm(),
            Event::Bound { stage } => self.bound(stage),
        }
    }

    /// A timer was popped. It counts only if it is the one that was armed last, and if the deadline is still the same.
    fn timer(&mut self, node: Node) {
        let now = self.world.now();
        let place = self.world.place_mut(node);
        if place.armed != now {
            return;
        }
        place.armed = NEVER;
        let Some(server) = &self.servers[node as usize - 1] else { return };
        let place = self.world.place(node);
        if place.pauses > 0 {
            return;
        }
        self.acting = Some(node);
        let deadline = server.deadline();
        self.acting = None;
        if deadline.is_some_and(|deadline| place.clock.local(now) >= deadline) {
            self.world.begin(Kind::Timer, node, 0);
            self.world.note(node, || "timer".to_owned());
            self.step(node, Arrival::Timer);
        } else {
            self.rearm(node);
        }
    }

    /// A server is told how its sync has ended, if it still lives and nothing comes between.
    fn synced(&mut self, node: Node, token: u64, incarnation: u32, well: bool) {
        let (now, alert) = (self.world.now(), self.world.alert);
        let place = self.world.place_mut(node);
        let lives = place.up && place.incarnation == incarnation;
        if lives && place.pauses == 0 && !alert {
            return self.step(node, if well { Arrival::Synced(token) } else { Arrival::SyncFailed(token) });
        }
        let told = Event::Synced { node, token, incarnation, well };
        if lives && place.pauses > 0 {
            place.held.push(told);
        } else if lives {
            // A fault waited for just this: between what is durable and what is said about it.
            self.world.queue.push(now, told);
        }
        self.happened();
    }

    /// Something arrives at a server that is up.
    #[inline]
    fn step(&mut self, node: Node, arrival: Arrival<S::Message>) {
        let server = self.servers[node as usize - 1].as_mut().expect("a node that is up has a server");
        self.acting = Some(node);
        server.step(&mut Host::new(&mut self.world, node), arrival);
        self.rearm(node);
        self.happened();
    }

    /// Makes sure that a timer fires when the server's deadline is due. One that fires too early is cheap, so one is
    /// pushed only if none is armed before.
    #[inline]
    fn rearm(&mut self, node: Node) {
        let Some(server) = &self.servers[node as usize - 1] else { return };
        self.acting = Some(node);
        let deadline = server.deadline();
        self.acting = None;
        let Some(deadline) = deadline else { return };
        let now = self.world.now();
        let place = self.world.place_mut(node);
        let due = place.clock.global_of(deadline).max(now);
        if due < place.armed {
            place.armed = due;
            self.world.queue.push(due, Event::Timer { node });
        }
    }

    /// The event is over.
    #[inline]
    fn happened(&mut self) {
        if let Some(digests) = &mut self.world.digests {
            digests.push(self.world.observer.digest);
        }
    }

    /// Something for the pump to do.
    fn order(&mut self, order: Control) {
        self.orders.push_back(order);
        self.world.alert = true;
    }
}
