//! The simulated environment: time, links, clocks, disks, random generators, and the observer. It does not
//! depend on madsim or on the internals of a server.
//!
//! *In*: a plan, then what servers, clients and faults do. *Out*: events in the order of time, and what the observer
//! recorded. Servers use it only through [`server::Host`](crate::server::Host); the engine moves it.

mod queue;
mod net;
mod held;
mod clock;
pub mod disk;
mod event;
mod node;
mod observer;
mod operator;
#[cfg(test)]
mod digest_tests;

pub use clock::Clock;
pub use disk::{Disk, FileName, SyncTicket};
pub use net::Net;
pub use operator::OperatorResponse;
pub use queue::Queue;

pub(crate) use event::{Event, EventKind};
use held::Hold;
pub(crate) use net::{draw_hits, scale_by_draw};
pub(crate) use node::{NEVER, NodeState, SyncInFlight, UnansweredRequest};
pub(crate) use observer::Observer;
use operator::OperatorState;

use crate::outcome::{
    Actor, Evidence, EvidenceKind, Failure, FailureCause, LIVENESS, MessageFate, Mismatch, Options,
    READ_ANSWERED, STEP_CUT, TraceEvent, TraceLine, Traffic,
};
use crate::plan::{Plan, Supports, Trigger};
use crate::support::logs;
use crate::support::rng::RngStream;
use crate::workload::client::{ClientContext, Timer};
use crate::workload::{ClientResponse, Reply, Request, RequestBody};
use invariants::{
    ClientFact, Configuration, Contract, Digest, DiskFact, Fact, Node, Operation, Position, RequestId,
    Response, Role, ServerFact, ServerState, Term, Time, WorldFact,
};
use std::fmt::Display;

/// The simulated environment of one run. Messages have the type `M`.
pub struct World<M> {
    plan: Plan,
    supports: Supports,
    /// The server that answered a write last.
    pub(crate) last_writer: Option<Node>,
    now: Time,
    /// The number of the current event.
    step: u64,
    pub(crate) queue: Queue<Event<M>>,
    pub(crate) net: Net,
    /// Links whose messages are held.
    holds: Vec<Hold<M>>,
    /// How many holds have begun.
    holds_begun: u64,
    pub(crate) nodes: Vec<NodeState<M>>,
    pub(crate) observer: Observer,
    operator: OperatorState,
    /// Triggers that some fault waits for, one bit each.
    pub(crate) awaited_triggers: u32,
    /// Triggers that fired and were not handled yet, with their nodes.
    pub(crate) fired_triggers: Vec<(Trigger, Node)>,
    /// Nodes whose servers are to crash in the middle of a step, one bit each.
    armed_nodes: u32,
    /// Whether faults are over and links lose and reorder nothing.
    pub(crate) is_healed: bool,
    /// How much longer than ordinary syncs have taken, all together.
    pub(crate) slow_sync_time: Time,
    /// Something must be handled before the next event.
    pub(crate) interrupt_pending: bool,
    trace_enabled: bool,
    pub(crate) timeline: Vec<TraceLine>,
    pub(crate) digests: Option<Vec<Digest>>,
    /// What servers send, if it is recorded.
    pub(crate) traffic: Option<TrafficCounter<M>>,
}

/// Counts what servers send.
pub(crate) struct TrafficCounter<M> {
    pub(crate) total: Traffic,
    encoded_length: fn(&M) -> Option<u64>,
}

impl<M> TrafficCounter<M> {
    /// Nothing was sent. `encoded_length`: the bytes of a message, if it has an encoding.
    pub(crate) fn new(encoded_length: fn(&M) -> Option<u64>) -> TrafficCounter<M> {
        TrafficCounter { total: Traffic { messages: 0, bytes: Some(0) }, encoded_length }
    }

    fn count(&mut self, message: &M) {
        self.total.messages += 1;
        let bytes = self.total.bytes.zip((self.encoded_length)(message));
        self.total.bytes = bytes.map(|(sum, length)| sum + length);
    }
}

impl<M: Clone + Display> World<M> {
    /// The environment at time 0.
    pub(crate) fn new(plan: &Plan, options: &Options, supports: Supports, contract: Contract) -> World<M> {
        let (servers, clients) = (plan.nodes as usize, plan.clients.count as usize + 1);
        let net = Net::new(plan.seed, &plan.network, servers, clients);
        World {
            now: 0,
            step: 0,
            queue: Queue::new(),
            net,
            holds: Vec::new(),
            holds_begun: 0,
            nodes: (1..=plan.nodes).map(|node| NodeState::new(plan, node)).collect(),
            observer: Observer::new(options, contract),
            operator: OperatorState::new(plan.initial_voters(), contract.steps),
            awaited_triggers: 0,
            fired_triggers: Vec::new(),
            armed_nodes: 0,
            is_healed: false,
            slow_sync_time: 0,
            interrupt_pending: false,
            trace_enabled: options.record.trace,
            timeline: Vec::new(),
            digests: options.record.digests.then(Vec::new),
            traffic: None,
            plan: plan.clone(),
            supports,
            last_writer: None,
        }
    }

    /// The plan of this run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// True time. Servers must not read it.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The number of the current event.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// The state of a server, as its facts state it. `None` if it has not stated since its boot that it runs.
    #[must_use]
    pub fn server_state(&self, node: Node) -> Option<&ServerState> {
        self.observer.checker.cluster().server(node).filter(|server| server.role != Role::Down)
    }

    /// The term that a server leads, if it leads.
    pub(crate) fn leading_term(&self, node: Node) -> Option<Term> {
        self.server_state(node)?.leading_term()
    }

    /// The reading of a node's monotonic clock, in nanoseconds.
    #[must_use]
    pub fn local_time(&self, node: Node) -> u64 {
        self.node_state(node).clock.current.local(self.now)
    }

    /// The reading of a node's wall clock, in nanoseconds.
    #[must_use]
    pub fn wall_time(&self, node: Node) -> i64 {
        self.node_state(node).clock.current.wall(self.now)
    }

    /// The random generator of a node's current incarnation.
    pub fn node_rng(&mut self, node: Node) -> &mut RngStream {
        &mut self.node_state_mut(node).rng
    }

    /// A node's disk.
    pub fn disk(&mut self, node: Node) -> &mut Disk {
        &mut self.node_state_mut(node).storage.disk
    }

    /// Sends a message from one server to another.
    #[inline]
    pub fn send(&mut self, from: Node, to: Node, message: M) {
        if !self.take_effect(from) {
            return;
        }
        if let Some(traffic) = &mut self.traffic {
            traffic.count(&message);
        }
        if !(1..=self.plan.nodes).contains(&to) {
            return self.trace_message(from, to, &message, MessageFate::NoReceiver);
        }
        let arrivals = self.net.send(self.now, from as usize - 1, to as usize - 1);
        if !self.holds.is_empty() {
            let copies = arrivals.iter().flatten().count();
            if copies > 0 && self.hold(from, to, copies, &message) {
                return;
            }
        }
        match arrivals {
            [Some(first), None] => self.queue.push(first, Event::Message { from, to, message }),
            [Some(first), Some(second)] => {
                self.trace_message(from, to, &message, MessageFate::Duplicated);
                self.queue.push(first, Event::Message { from, to, message: message.clone() });
                self.queue.push(second, Event::Message { from, to, message });
            }
            _ => self.trace_message(from, to, &message, MessageFate::Lost),
        }
    }

    #[inline]
    fn trace_message(&mut self, from: Node, to: Node, message: &M, fate: MessageFate) {
        self.trace(from, || TraceEvent::Message { from, to, message: message.to_string(), fate });
    }

    /// States that a client's request arrives at a server, if it is a read and its confirmation is stated too.
    pub(crate) fn record_arrival(&mut self, to: Node, request: &Request) {
        if self.supports.facts && self.supports.read_confirmations && request.read_operation().is_some() {
            self.record_fact(to, WorldFact::ReadArrived { read: request.id });
        }
    }

    /// Sends a server's reply to a client.
    pub fn reply(&mut self, from: Node, client: u64, reply: Reply) {
        if !self.take_effect(from) {
            return;
        }
        let step = self.step;
        if !(1..=self.plan.clients.count + 1).contains(&client) {
            let (id, response) = (reply.id, reply.response.to_string());
            let kind = EvidenceKind::AnswerToNobody { client, id, response: response.clone() };
            let evidence =
                Evidence { at: self.now, step, actor: Actor::Server(from), request: Some(id), kind };
            let mismatch = Mismatch::NoClient;
            let cause = FailureCause::WrongAnswer { node: from, client, id, response, mismatch };
            self.interrupt_pending |= !self.observer.answered_wrongly(cause, evidence);
            return;
        }
        let unanswered = &mut self.node_state_mut(from).unanswered;
        let position = unanswered.iter().position(|open| (open.client, open.id) == (client, reply.id));
        // A client may have sent the same request several times: the reply belongs to the oldest copy.
        let was_held = position.is_some_and(|position| unanswered.remove(position).step < step);
        if let ClientResponse::NotLeader(Some(leader)) = reply.response
            && self.supports.facts
        {
            self.record_fact(from, WorldFact::Redirected { leader });
        }
        if reply.response.is_rejection() {
            self.observer.requests.record_rejected((self.now, step), from, reply.id, was_held);
        }
        let arrivals = self.net.send(self.now, from as usize - 1, self.client_address(client));
        for at in arrivals.into_iter().flatten() {
            self.queue.push(at, Event::Reply { from, client, reply: reply.clone() });
        }
    }

    /// Starts a sync of everything that is written by now.
    pub fn sync(&mut self, node: Node, token: u64) {
        if !self.take_effect(node) {
            return;
        }
        let disk = &self.plan.disk;
        let node_state = &mut self.nodes[node as usize - 1];
        let draw = node_state.storage.sync_draws.at(u64::from(node_state.storage.syncs_started));
        let mut duration = disk.sync.0 + scale_by_draw(disk.sync_spread.0, draw);
        if draw_hits(disk.tail, draw) {
            let tail_draw =
                node_state.storage.sync_tail_draws.at(u64::from(node_state.storage.syncs_started));
            let longer = scale_by_draw(disk.tail_spread.0, tail_draw);
            duration += longer;
            self.slow_sync_time = self.slow_sync_time.saturating_add(longer);
        }
        let due = self.now.saturating_add(duration.saturating_mul(node_state.storage.slowdown));
        let (number, incarnation) = (node_state.storage.syncs_started, node_state.incarnation);
        node_state.storage.syncs_started += 1;
        let ticket = node_state.storage.disk.begin_sync();
        node_state.storage.syncs_in_flight.push(SyncInFlight { number, incarnation, token, ticket, due });
        self.queue.push(due, Event::SyncDone { node, number });
        self.fire_trigger(Trigger::Unsynced, node);
    }

    /// How much longer than an ordinary sync that begins now the syncs of a node take that are in flight, all together.
    pub(crate) fn slow_time_left(&self, node: Node) -> Time {
        let disk = &self.plan.disk;
        let ordinary = self.now.saturating_add(disk.sync.0).saturating_add(disk.sync_spread.0);
        let in_flight = &self.node_state(node).storage.syncs_in_flight;
        in_flight.iter().map(|sync| sync.due.saturating_sub(ordinary)).fold(0, Time::saturating_add)
    }

    /// Multiplies (`slower`) or divides the duration of a disk's syncs by a factor, including the rest of
    /// those in flight.
    pub(crate) fn scale_sync_time(&mut self, node: Node, factor: u64, slower: bool) {
        let World { nodes, queue, now, .. } = self;
        let node_state = &mut nodes[node as usize - 1];
        let scale = |time: u64| if slower { time.saturating_mul(factor) } else { time / factor };
        node_state.storage.slowdown = scale(node_state.storage.slowdown);
        for sync in &mut node_state.storage.syncs_in_flight {
            sync.due = now.saturating_add(scale(sync.due.saturating_sub(*now)));
            queue.push(sync.due, Event::SyncDone { node, number: sync.number });
        }
    }

    /// Resumes a stalled disk: overdue syncs end now.
    pub(crate) fn resume_disk(&mut self, node: Node) {
        let World { nodes, queue, now, .. } = self;
        for sync in &mut nodes[node as usize - 1].storage.syncs_in_flight {
            sync.due = sync.due.max(*now);
            queue.push(sync.due, Event::SyncDone { node, number: sync.number });
        }
    }

    /// Completes a sync: records the facts that became durable. They hold even if the server never learns
    /// that the sync ended.
    pub(crate) fn end_sync(&mut self, node: Node, ticket: SyncTicket) {
        let World { nodes, observer, now, step, supports, .. } = self;
        let node_state = &mut nodes[node as usize - 1];
        let (incarnation, saved_vote) = (node_state.incarnation, &mut node_state.storage.saved_vote);
        let (mut passed, mut voted, mut campaigns) = (true, false, false);
        node_state.storage.disk.end_sync(ticket, |fact| {
            if let DiskFact::Saved { term, vote, .. } = fact {
                voted |= vote.is_some() && *saved_vote != (term, vote);
                campaigns |= vote == Some(node) && *saved_vote != (term, vote);
                *saved_vote = (term, vote);
            }
            passed &= !supports.facts || observer.record_fact(*now, *step, node, incarnation, fact.into());
        });
        self.interrupt_pending |= !passed;
        if voted {
            self.fire_trigger(Trigger::Voting, node);
        }
        if campaigns {
            self.fire_trigger(Trigger::Candidacy, node);
        }
    }

    /// Records a fact that a server states, if its system states such facts: the log of a system that is no Raft means
    /// something else.
    #[inline]
    pub fn record_server_fact(&mut self, node: Node, fact: ServerFact) {
        let of_application = matches!(
            fact,
            ServerFact::Applied { .. } | ServerFact::Restored { .. } | ServerFact::ReadServed { .. }
        );
        if self.supports.facts || (of_application && self.supports.application_facts) {
            if self.armed_nodes == 0 {
                self.record_fact(node, fact);
            } else {
                self.record_armed_fact(node, fact);
            }
        }
    }

    /// Records a fact of a server that may be about to crash in the middle of this step. A promise waits for the message
    /// that makes it, so that the crash is before or after both; what follows the crash is not stated.
    #[cold]
    fn record_armed_fact(&mut self, node: Node, fact: ServerFact) {
        let is_armed = self.is_armed(node);
        let node_state = self.node_state_mut(node);
        match fact {
            _ if node_state.storage.disk.is_cut() => {}
            ServerFact::Voted { .. }
            | ServerFact::Campaigned { .. }
            | ServerFact::Acknowledged { .. }
            | ServerFact::Answered { .. }
            | ServerFact::CampaignedByOrder { .. }
            | ServerFact::ReadServed { .. }
                if is_armed =>
            {
                node_state.held_promises.push(fact);
            }
            // To apply an entry is a thing of its own.
            ServerFact::Applied { .. } if !node_state.storage.disk.take_effect() => {}
            _ => self.record_fact(node, fact),
        }
    }

    /// Counts one thing that a server does to the world. Returns whether it is carried out; if so, the promises that it
    /// makes are stated with it.
    #[inline]
    pub(crate) fn take_effect(&mut self, node: Node) -> bool {
        self.armed_nodes == 0 || self.take_armed_effect(node)
    }

    #[cold]
    fn take_armed_effect(&mut self, node: Node) -> bool {
        let is_carried_out = self.node_state_mut(node).storage.disk.take_effect();
        if is_carried_out {
            self.state_held_promises(node);
        }
        is_carried_out
    }

    fn state_held_promises(&mut self, node: Node) {
        for promise in std::mem::take(&mut self.node_state_mut(node).held_promises) {
            self.record_fact(node, promise);
        }
    }

    /// Whether a crash of this server in the middle of a step is due.
    #[inline]
    pub(crate) fn is_armed(&self, node: Node) -> bool {
        self.armed_nodes & 1 << node != 0
    }

    /// Whether nothing of what this server does is carried out any more.
    #[inline]
    pub(crate) fn is_cut(&self, node: Node) -> bool {
        self.armed_nodes != 0 && self.node_state(node).storage.disk.is_cut()
    }

    /// Lets a server crash after so many more things that it does to the world.
    pub(crate) fn arm(&mut self, node: Node, effects: u64) {
        self.armed_nodes |= 1 << node;
        self.node_state_mut(node).storage.disk.set_fuse(effects);
    }

    /// Ends a step of an armed server. Returns whether the step was cut; the server is then no longer armed.
    pub(crate) fn end_armed_step(&mut self, node: Node) -> bool {
        if !self.is_cut(node) {
            self.state_held_promises(node);
            return false;
        }
        self.disarm(node);
        self.count_milestone(STEP_CUT);
        true
    }

    /// The server does not crash any more, unless it has.
    pub(crate) fn disarm(&mut self, node: Node) {
        self.armed_nodes &= !(1 << node);
        let node_state = self.node_state_mut(node);
        node_state.held_promises.clear();
        node_state.storage.disk.end_fuse();
    }

    /// Records a fact that a server states about itself, or that the environment states about a server.
    #[inline]
    pub fn record_fact(&mut self, node: Node, fact: impl Into<Fact>) {
        let fact = fact.into();
        if self.awaited_triggers != 0 {
            match fact {
                Fact::Started { .. } => self.fire_trigger(Trigger::Recovered, node),
                Fact::Leads { .. } => {
                    self.fire_trigger(Trigger::Elected, node);
                    if std::mem::take(&mut self.node_state_mut(node).has_truncated) {
                        self.fire_trigger(Trigger::ElectedAfterTruncation, node);
                    }
                }
                Fact::Truncated { .. } => {
                    self.node_state_mut(node).has_truncated = true;
                    self.fire_trigger(Trigger::Truncated, node);
                }
                Fact::Appended { term, .. } if self.is_first_of_leader(node, term) => {
                    self.fire_trigger(Trigger::FirstAppend, node);
                }
                Fact::Configured { ref configuration, .. } => {
                    if !configuration.joint.is_empty() {
                        self.fire_trigger(Trigger::Joint, node);
                    }
                    if self.promotes(node, configuration) {
                        self.fire_trigger(Trigger::Promoted, node);
                    }
                }
                Fact::Acknowledged { .. } => self.fire_trigger(Trigger::Acknowledged, node),
                Fact::Committed { .. } if self.leading_term(node).is_some() => {
                    self.fire_trigger(Trigger::Committed, node)
                }
                Fact::SnapshotInstalled { .. } => self.fire_trigger(Trigger::Installed, node),
                _ => {}
            }
        }
        let incarnation = self.nodes[node as usize - 1].incarnation;
        self.interrupt_pending |= !self.observer.record_fact(self.now, self.step, node, incarnation, fact);
    }

    /// Whether an entry of this term is the first that this server appends as leader of it.
    fn is_first_of_leader(&self, node: Node, term: Term) -> bool {
        self.server_state(node).is_some_and(|server| {
            server.leading_term() == Some(term) && server.term_at(server.last_index()) != Some(term)
        })
    }

    /// Whether a configuration that this server puts in force makes a voter of a learner.
    fn promotes(&self, node: Node, configuration: &Configuration) -> bool {
        let before = self.server_state(node).and_then(ServerState::configuration);
        before.is_some_and(|before| {
            before.learners.iter().any(|learner| configuration.voters.contains(learner))
        })
    }

    /// Stops a server until its next incarnation, for this reason; liveness is not required of it meanwhile.
    /// The reason must be a flipped bit or a failed sync: a server must recover from whatever a loss of power
    /// removes or tears, so any other fail-stop breaks the property `liveness`.
    pub fn fail_stop(&mut self, node: Node, reason: String) {
        if self.is_cut(node) {
            return;
        }
        self.trace(node, || TraceEvent::FailStop(reason.clone()));
        let node_state = self.node_state(node);
        if !node_state.storage.corrupted && !node_state.storage.sync_failed {
            let evidence = Evidence {
                at: self.now,
                step: self.step,
                actor: Actor::Server(node),
                request: None,
                kind: EvidenceKind::FailStop(reason.clone()),
            };
            let cause = FailureCause::FailStop { node, reason: reason.clone() };
            self.observer.fail(Failure::new(LIVENESS, cause).with_evidence([evidence]));
            self.interrupt_pending = true;
        }
        self.node_state_mut(node).fail_stop_reason = Some(reason);
    }

    /// Ends the incarnation on this node.
    pub(crate) fn end_incarnation(&mut self, node: Node) {
        self.node_state_mut(node).end_incarnation();
        self.operator.drop_pending_of(node);
    }

    /// Empties the disk of a node that is down.
    pub(crate) fn wipe_disk(&mut self, node: Node) {
        let node_state = self.node_state_mut(node);
        assert!(!node_state.up, "the disk of n{node} is wiped while its server runs; stop the server first");
        node_state.storage.disk.wipe();
        node_state.storage.syncs_in_flight.clear();
        (node_state.storage.wipe_pending, node_state.storage.corrupted, node_state.awaiting_rejoin) =
            (false, false, true);
        node_state.storage.generation += 1;
        node_state.storage.saved_vote = (0, None);
        self.record_fact(node, WorldFact::Wiped);
    }

    /// Counts a milestone that no fact shows.
    pub fn count_milestone(&mut self, milestone: &'static str) {
        self.observer.count_milestone(milestone);
    }

    /// Whether the timeline is recorded.
    pub(crate) fn is_trace_enabled(&self) -> bool {
        self.trace_enabled
    }

    /// Adds a line to the timeline, if it is recorded.
    #[inline]
    pub(crate) fn trace(&mut self, node: Node, event: impl FnOnce() -> TraceEvent) {
        if self.trace_enabled {
            self.trace_logs();
            let event = event();
            tracing::info!(target: "harness", at = self.now, step = self.step, node, "{event}");
            self.timeline.push(TraceLine {
                at: self.now,
                step: self.step,
                cause: self.queue.cause(),
                node,
                event,
            });
        }
    }

    /// Adds what servers have logged to the timeline. They log only while it is recorded.
    pub(crate) fn trace_logs(&mut self) {
        for line in logs::take() {
            let (at, step, cause, node) = (self.now, self.step, self.queue.cause(), line.node);
            self.timeline.push(TraceLine { at, step, cause, node, event: TraceEvent::Log(line) });
        }
    }

    /// Begins an event: counts it and folds its time, kind and participants into the digest.
    #[inline]
    pub(crate) fn begin_event(&mut self, kind: EventKind, node: u64, other: u64) {
        self.step += 1;
        self.queue.set_current_event(self.step);
        self.observer.counts.events += 1;
        self.observer.digest =
            self.observer.digest.then(self.now).then((kind as u64) << 56 | node << 28 | other);
    }

    /// Moves time forward to `at`.
    #[inline]
    pub(crate) fn advance_to(&mut self, at: Time) {
        assert!(at >= self.now, "time must not go back from {} to {at}", self.now);
        self.now = at;
    }

    /// Takes the oldest trigger that was not handled.
    pub(crate) fn next_trigger(&mut self) -> Option<(Trigger, Node)> {
        if self.fired_triggers.is_empty() { None } else { Some(self.fired_triggers.remove(0)) }
    }

    pub(crate) fn node_state(&self, node: Node) -> &NodeState<M> {
        &self.nodes[node as usize - 1]
    }

    pub(crate) fn node_state_mut(&mut self, node: Node) -> &mut NodeState<M> {
        &mut self.nodes[node as usize - 1]
    }

    /// How often a node's disk was wiped; 0 if there is no such node.
    pub(crate) fn disk_generation(&self, node: Node) -> u64 {
        let node_state = node.checked_sub(1).and_then(|index| self.nodes.get(usize::try_from(index).ok()?));
        node_state.map_or(0, |node_state| node_state.storage.generation)
    }

    /// A client's address on the links.
    fn client_address(&self, client: u64) -> usize {
        self.nodes.len() + client as usize - 1
    }

    /// Fires a trigger if a fault waits for it.
    #[inline]
    pub(crate) fn fire_trigger(&mut self, trigger: Trigger, node: Node) {
        if self.awaited_triggers & 1 << trigger as u8 != 0 {
            self.fired_triggers.push((trigger, node));
            self.interrupt_pending = true;
        }
    }
}

impl<M: Clone + Display> ClientContext for World<M> {
    fn now(&self) -> Time {
        self.now
    }

    fn send_request(&mut self, client: u64, to: Node, request: Request) {
        let from = self.client_address(client);
        let copies = if self.supports.sessions { 2 } else { 1 };
        for at in self.net.send(self.now, from, to as usize - 1).into_iter().flatten().take(copies) {
            self.observer.requests.record_sent((self.now, self.step), client, request.id, request.body);
            self.queue.push(at, Event::Request { client, to, request });
        }
    }

    fn set_timer(&mut self, client: u64, at: Time, timer: Timer) {
        self.queue.push(at, Event::ClientTimer { client, timer });
    }

    fn record_fact(&mut self, client: u64, fact: ClientFact) {
        self.interrupt_pending |= !self.observer.record_fact(self.now, self.step, client, 0, fact.into());
    }

    fn record_call(&mut self, id: RequestId, operation: Operation) {
        self.observer.called(id, operation, self.now);
    }

    fn record_response(&mut self, id: RequestId, position: Position, response: &Response) {
        if let Position::Applied(_) = position {
            self.observer.count_milestone(READ_ANSWERED);
        }
        self.interrupt_pending |= !self.observer.answered(id, position, response, (self.now, self.step));
    }

    fn record_unknown(&mut self, id: RequestId) {
        self.observer.gave_up(id);
    }

    fn record_failed(&mut self, id: RequestId) {
        self.interrupt_pending |= !self.observer.failed(id);
    }

    fn cannot_take_effect(&self, id: RequestId) -> bool {
        self.observer.requests.all_copies_rejected(id)
    }

    fn report_wrong_answer(&mut self, client: u64, from: Node, reply: &Reply, body: Option<&RequestBody>) {
        let (id, response) = (reply.id, reply.response.to_string());
        let asked = body.map(RequestBody::asked);
        let kind = EvidenceKind::WrongAnswer { from, id, response: response.clone(), asked };
        let actor = Actor::Client(client);
        let evidence = Evidence { at: self.now, step: self.step, actor, request: Some(id), kind };
        let mismatch = body.map_or(Mismatch::NeverSent, |body| Mismatch::Unexpected {
            asked: body.asked(),
            expected: body.expected_responses(),
        });
        let cause = FailureCause::WrongAnswer { node: from, client, id, response, mismatch };
        self.interrupt_pending |= !self.observer.answered_wrongly(cause, evidence);
    }

    fn record_session(&mut self, client: u64, session: u64) -> bool {
        let first = self.observer.registered(client, session, (self.now, self.step));
        self.interrupt_pending |= !first;
        first
    }
}
