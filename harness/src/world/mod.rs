//! What there is: time, links, clocks, disks, chance, and those who watch. It knows no madsim, and no server's inside.

mod queue;
mod net;
mod clock;
pub mod disk;
mod event;
mod node;
mod observer;
mod operator;

pub use clock::Clock;
pub use disk::{Disk, FileName, SyncTicket};
pub use net::{Net, NetworkDegradation};
pub use node::NodeStatus;
pub use operator::OperatorResponse;
pub use queue::Queue;

pub(crate) use event::{Event, EventKind};
pub(crate) use net::{draw_hits, scale_by_draw};
pub(crate) use node::{NEVER, NodeState, SyncInFlight, UnansweredRequest};
pub(crate) use observer::Observer;
use operator::OperatorState;

use crate::outcome::{Actor, Evidence, EvidenceKind, Failure, LIVENESS, Options, READ_ANSWERED, TraceLine};
use crate::plan::{Plan, Trigger};
use crate::rng::RngStream;
use crate::workload::client::{ClientContext, Timer};
use crate::workload::{Reply, Request};
use invariants::{Digest, Fact, Node, Operation, Position, RequestId, Response, Time};
use std::fmt::Display;

/// The world of one run, in which messages are `M`.
pub struct World<M> {
    plan: Plan,
    now: Time,
    /// The number of the event that is happening.
    step: u64,
    pub(crate) queue: Queue<Event<M>>,
    pub(crate) net: Net,
    pub(crate) nodes: Vec<NodeState<M>>,
    pub(crate) observer: Observer,
    operator: OperatorState,
    /// Moments that a fault waits for, a bit each.
    pub(crate) awaited_triggers: u8,
    /// Moments that have come, and where.
    pub(crate) fired_triggers: Vec<(Trigger, Node)>,
    /// Something else than the next event wants to be looked at first.
    pub(crate) interrupt_pending: bool,
    trace_enabled: bool,
    pub(crate) timeline: Vec<TraceLine>,
    pub(crate) digests: Option<Vec<Digest>>,
}

impl<M: Clone + Display> World<M> {
    /// The world before anything happens in it.
    pub(crate) fn new(plan: &Plan, options: &Options) -> World<M> {
        let (servers, clients) = (plan.nodes as usize, plan.clients.count as usize + 1);
        let mut net = Net::new(plan.seed, &plan.network, servers, clients);
        if options.extra_link_draw {
            net.enable_extra_draws();
        }
        World {
            now: 0,
            step: 0,
            queue: Queue::new(),
            net,
            nodes: (1..=plan.nodes).map(|node| NodeState::new(plan, node)).collect(),
            observer: Observer::new(options),
            operator: OperatorState::new(plan.initial_voters()),
            awaited_triggers: 0,
            fired_triggers: Vec::new(),
            interrupt_pending: false,
            trace_enabled: options.trace,
            timeline: Vec::new(),
            digests: options.digests.then(Vec::new),
            plan: plan.clone(),
        }
    }

    /// What shall happen.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// True time, which no server may see.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The number of the event that is happening.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Where a server stands, by the facts that it stated.
    #[must_use]
    pub fn node_status(&self, node: Node) -> NodeStatus {
        self.node_state(node).status
    }

    /// What a node's monotonic clock shows.
    #[must_use]
    pub fn local_time(&self, node: Node) -> u64 {
        self.node_state(node).clock.local(self.now)
    }

    /// What a node's wall clock shows, nanoseconds.
    #[must_use]
    pub fn wall_time(&self, node: Node) -> i64 {
        self.node_state(node).clock.wall(self.now)
    }

    /// The server's own chance.
    pub fn node_rng(&mut self, node: Node) -> &mut RngStream {
        &mut self.node_state_mut(node).rng
    }

    /// A node's disk.
    pub fn disk(&mut self, node: Node) -> &mut Disk {
        &mut self.node_state_mut(node).disk
    }

    /// The bug that is switched on.
    #[must_use]
    pub fn bug(&self) -> Option<&str> {
        self.plan.bug.as_deref()
    }

    /// A server lets a message go.
    #[inline]
    pub fn send(&mut self, from: Node, to: Node, message: M) {
        if !(1..=self.plan.nodes).contains(&to) {
            return self
                .trace(from, || format!("n{from} -> n{to}  {message}  reaches nobody: there is no n{to}"));
        }
        match self.net.send(self.now, from as usize - 1, to as usize - 1) {
            [Some(first), None] => self.queue.push(first, Event::Message { from, to, message }),
            [Some(first), Some(second)] => {
                self.queue.push(first, Event::Message { from, to, message: message.clone() });
                self.queue.push(second, Event::Message { from, to, message });
            }
            _ => self.trace(from, || format!("n{from} -> n{to}  {message}  lost")),
        }
    }

    /// A server answers a client.
    pub fn reply(&mut self, from: Node, client: u64, reply: Reply) {
        let step = self.step;
        if !(1..=self.plan.clients.count + 1).contains(&client) {
            let side = |words| Evidence {
                at: self.now,
                step,
                actor: Actor::Server(from),
                request: Some(reply.id),
                kind: EvidenceKind::Text(words, None),
            };
            let said = format!("answers c{client} on {} with \"{}\"", reply.id, reply.response);
            let sides = [side(said.clone())];
            let sentence =
                format!("n{from} {said}: there is no such client, and nothing could have come to it");
            self.interrupt_pending |= !self.observer.answered_wrongly(sentence, sides);
            return;
        }
        let owed = &mut self.node_state_mut(from).unanswered;
        let paid = owed.iter().position(|owed| (owed.client, owed.id) == (client, reply.id));
        // A client may have asked the same several times: the oldest is the one that is paid.
        let held = paid.is_some_and(|paid| owed.remove(paid).step < step);
        if reply.response.is_rejection() {
            self.observer.on_request_rejected((self.now, step), from, reply.id, held);
        }
        let arrivals = self.net.send(self.now, from as usize - 1, self.client_address(client));
        for at in arrivals.into_iter().flatten() {
            self.queue.push(at, Event::Reply { from, client, reply: reply.clone() });
        }
    }

    /// A server asks its disk to make durable what is written by now.
    pub fn sync(&mut self, node: Node, token: u64) {
        let disk = &self.plan.disk;
        let place = &mut self.nodes[node as usize - 1];
        let draw = place.sync_draws.at(u64::from(place.syncs_started));
        let mut takes = disk.sync.0 + scale_by_draw(disk.sync_spread.0, draw);
        if draw_hits(disk.tail, draw) {
            takes +=
                scale_by_draw(disk.tail_spread.0, place.sync_tail_draws.at(u64::from(place.syncs_started)));
        }
        let due = self.now.saturating_add(takes.saturating_mul(place.sync_slowdown));
        let (number, incarnation) = (place.syncs_started, place.incarnation);
        place.syncs_started += 1;
        let ticket = place.disk.begin_sync();
        place.syncs_in_flight.push(SyncInFlight { number, incarnation, token, ticket, due });
        self.queue.push(due, Event::SyncDone { node, number });
        self.fire_trigger(Trigger::Unsynced, node);
    }

    /// A disk becomes slower by a factor, or quicker again: what its syncs in flight have before them changes with it.
    pub(crate) fn scale_sync_time(&mut self, node: Node, factor: u64, slower: bool) {
        let World { nodes: places, queue, now, .. } = self;
        let place = &mut places[node as usize - 1];
        let scale = |time: u64| if slower { time.saturating_mul(factor) } else { time / factor };
        place.sync_slowdown = scale(place.sync_slowdown);
        for sync in &mut place.syncs_in_flight {
            sync.due = now.saturating_add(scale(sync.due.saturating_sub(*now)));
            queue.push(sync.due, Event::SyncDone { node, number: sync.number });
        }
    }

    /// A disk that did nothing for a while goes on.
    pub(crate) fn resume_disk(&mut self, node: Node) {
        let World { nodes: places, queue, now, .. } = self;
        for sync in &mut places[node as usize - 1].syncs_in_flight {
            sync.due = sync.due.max(*now);
            queue.push(sync.due, Event::SyncDone { node, number: sync.number });
        }
    }

    /// A disk has finished: what it made durable is true from now on, whoever may be told.
    pub(crate) fn end_sync(&mut self, node: Node, ticket: SyncTicket) {
        let World { nodes: places, observer, now, step, .. } = self;
        let place = &mut places[node as usize - 1];
        let (incarnation, standing) = (place.incarnation, &mut place.status);
        let (mut kept, mut voted) = (true, false);
        place.disk.end_sync(ticket, |fact| {
            if let Fact::Saved { term, vote, .. } = fact {
                voted |= vote.is_some() && standing.vote != (term, vote);
                standing.vote = (term, vote);
            }
            kept &= observer.record_fact(*now, *step, node, incarnation, fact);
        });
        self.interrupt_pending |= !kept;
        if voted {
            self.fire_trigger(Trigger::Voting, node);
        }
    }

    /// A fact is stated: by a server about itself, or by the world about a server.
    #[inline]
    pub fn record_fact(&mut self, node: Node, fact: Fact) {
        let place = &mut self.nodes[node as usize - 1];
        place.status.update(&fact);
        if let Fact::Started { .. }
        | Fact::Truncated { .. }
        | Fact::SnapshotInstalled { .. }
        | Fact::Configured { .. } = fact
        {
            place.update_configuration(&fact);
        }
        if self.awaited_triggers != 0 {
            let leads = place.status.leading_term.is_some();
            match fact {
                Fact::Leads { .. } => self.fire_trigger(Trigger::Elected, node),
                Fact::Truncated { .. } => self.fire_trigger(Trigger::Truncated, node),
                Fact::Acknowledged { .. } => self.fire_trigger(Trigger::Acknowledged, node),
                Fact::Committed { .. } if leads => self.fire_trigger(Trigger::Committed, node),
                Fact::SnapshotInstalled { .. } => self.fire_trigger(Trigger::Installed, node),
                _ => {}
            }
        }
        let incarnation = self.nodes[node as usize - 1].incarnation;
        self.interrupt_pending |= !self.observer.record_fact(self.now, self.step, node, incarnation, fact);
    }

    /// A server takes no part any more, and says why: what it had promised is damaged on its disk, or its disk refuses to
    /// save more. Until its next incarnation no progress is asked of it. So it needs a reason: rot and a failed sync are
    /// reasons, and what a loss of power takes or tears is none.
    pub fn fail_stop(&mut self, node: Node, reason: String) {
        self.trace(node, || format!("takes no part: {reason}"));
        let place = self.node_state(node);
        if !place.corrupted && !place.sync_failed {
            let sentence = format!(
                "n{node} takes no part although no bit of its disk ever flipped and no sync failed: {reason}"
            );
            let what = EvidenceKind::Text(format!("refuses to take part: {reason}"), None);
            let side = Evidence {
                at: self.now,
                step: self.step,
                actor: Actor::Server(node),
                request: None,
                kind: what,
            };
            self.observer.fail(Failure::new(LIVENESS, sentence).with_evidence([side]));
            self.interrupt_pending = true;
        }
        self.node_state_mut(node).fail_stop_reason = Some(reason);
    }

    /// The incarnation on this node has ended.
    pub(crate) fn end_incarnation(&mut self, node: Node) {
        self.node_state_mut(node).end_incarnation();
        self.operator.drop_pending_of(node);
    }

    /// A disk is emptied, under nobody's feet.
    pub(crate) fn wipe_disk(&mut self, node: Node) {
        let place = self.node_state_mut(node);
        assert!(!place.up, "the disk of n{node} is emptied under a server that lives");
        place.disk.wipe();
        place.syncs_in_flight.clear();
        (place.wipe_pending, place.corrupted, place.awaiting_rejoin) = (false, false, true);
        place.disk_generation += 1;
        place.status.vote = (0, None);
        self.record_fact(node, Fact::Wiped);
    }

    /// A server has reached a situation that no fact tells.
    pub fn count_milestone(&mut self, milestone: &'static str) {
        self.observer.count_milestone(milestone);
    }

    /// Whether somebody reads the timeline.
    pub(crate) fn is_trace_enabled(&self) -> bool {
        self.trace_enabled
    }

    /// Adds a line to the timeline.
    #[inline]
    pub fn trace(&mut self, node: Node, text: impl FnOnce() -> String) {
        if self.trace_enabled {
            let text = text();
            tracing::info!(target: "harness", at = self.now, step = self.step, node, "{text}");
            self.timeline.push(TraceLine {
                at: self.now,
                step: self.step,
                cause: self.queue.cause(),
                node,
                text,
            });
        }
    }

    /// An event happens: time is now its own, it is counted, and the digest knows when, what and where.
    #[inline]
    pub(crate) fn begin_event(&mut self, kind: EventKind, node: u64, other: u64) {
        self.step += 1;
        self.queue.set_current_event(self.step);
        self.observer.counts.events += 1;
        self.observer.digest =
            self.observer.digest.then(self.now).then((kind as u64) << 56 | node << 28 | other);
    }

    /// Moves time forward.
    #[inline]
    pub(crate) fn advance_to(&mut self, at: Time) {
        assert!(at >= self.now, "time goes from {} back to {at}", self.now);
        self.now = at;
    }

    /// The first moment that has come and was not looked at.
    pub(crate) fn next_trigger(&mut self) -> Option<(Trigger, Node)> {
        if self.fired_triggers.is_empty() { None } else { Some(self.fired_triggers.remove(0)) }
    }

    pub(crate) fn node_state(&self, node: Node) -> &NodeState<M> {
        &self.nodes[node as usize - 1]
    }

    pub(crate) fn node_state_mut(&mut self, node: Node) -> &mut NodeState<M> {
        &mut self.nodes[node as usize - 1]
    }

    /// How often a disk was emptied; never, where there is no such server.
    pub(crate) fn disk_generation(&self, node: Node) -> u64 {
        let place = node.checked_sub(1).and_then(|place| self.nodes.get(usize::try_from(place).ok()?));
        place.map_or(0, |place| place.disk_generation)
    }

    /// A client's place among the links.
    fn client_address(&self, client: u64) -> usize {
        self.nodes.len() + client as usize - 1
    }

    /// A moment has come that a fault may be waiting for.
    #[inline]
    pub(crate) fn fire_trigger(&mut self, moment: Trigger, node: Node) {
        if self.awaited_triggers & 1 << moment as u8 != 0 {
            self.fired_triggers.push((moment, node));
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
        for at in self.net.send(self.now, from, to as usize - 1).into_iter().flatten() {
            self.observer.on_request_sent((self.now, self.step), client, request.id, request.body);
            self.queue.push(at, Event::Request { client, to, request });
        }
    }

    fn set_timer(&mut self, client: u64, at: Time, alarm: Timer) {
        self.queue.push(at, Event::ClientTimer { client, timer: alarm });
    }

    fn record_fact(&mut self, client: u64, fact: Fact) {
        self.interrupt_pending |= !self.observer.record_fact(self.now, self.step, client, 0, fact);
    }

    fn record_call(&mut self, id: RequestId, operation: Operation) {
        self.observer.called(id, operation, self.now);
    }

    fn record_response(&mut self, id: RequestId, place: Position, response: &Response) {
        if let Position::Applied(_) = place {
            self.observer.count_milestone(READ_ANSWERED);
        }
        self.interrupt_pending |= !self.observer.answered(id, place, response, (self.now, self.step));
    }

    fn record_unknown(&mut self, id: RequestId) {
        self.observer.gave_up(id);
    }

    fn record_failed(&mut self, id: RequestId) {
        self.interrupt_pending |= !self.observer.failed(id);
    }

    fn cannot_take_effect(&self, id: RequestId) -> bool {
        self.observer.all_copies_rejected(id)
    }

    fn report_wrong_answer(&mut self, client: u64, from: Node, reply: &Reply, asked: &str, possible: &str) {
        let Reply { id, response: answer } = reply;
        let what = EvidenceKind::Text(format!("is told \"{answer}\" by n{from} on {id}, {asked}"), None);
        let who = Actor::Client(client);
        let side = Evidence { at: self.now, step: self.step, actor: who, request: Some(*id), kind: what };
        let sentence = format!(
            "n{from} answers c{client} on {id}, {asked}, with \"{answer}\": what could have come is {possible}"
        );
        self.interrupt_pending |= !self.observer.answered_wrongly(sentence, [side]);
    }

    fn record_session(&mut self, client: u64, session: u64) -> bool {
        let first = self.observer.registered(client, session, (self.now, self.step));
        self.interrupt_pending |= !first;
        first
    }
}
