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
pub use disk::{Disk, FileName, Ticket};
pub use net::{Net, Weather};
pub use node::Standing;
pub use operator::OperatorAnswer;
pub use queue::Queue;

pub(crate) use event::{Event, Kind};
pub(crate) use net::{happens, share};
pub(crate) use node::{NEVER, Owed, Place, Syncing};
pub(crate) use observer::Observer;
use operator::Operator;

use crate::outcome::{Failure, Line, Options, PROGRESS, READ_ANSWERED, Side, What, Who};
use crate::plan::{Moment, Plan};
use crate::rng::Stream;
use crate::workload::client::{Alarm, Surroundings};
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
    pub(crate) places: Vec<Place<M>>,
    pub(crate) observer: Observer,
    operator: Operator,
    /// Moments that a fault waits for, a bit each.
    pub(crate) awaited: u8,
    /// Moments that have come, and where.
    pub(crate) come: Vec<(Moment, Node)>,
    /// Something else than the next event wants to be looked at first.
    pub(crate) alert: bool,
    recording: bool,
    pub(crate) timeline: Vec<Line>,
    pub(crate) digests: Option<Vec<Digest>>,
}

impl<M: Clone + Display> World<M> {
    /// The world before anything happens in it.
    pub(crate) fn new(plan: &Plan, options: &Options) -> World<M> {
        let (servers, clients) = (plan.nodes as usize, plan.clients.count as usize + 1);
        let mut net = Net::new(plan.seed, &plan.network, servers, clients);
        if options.one_draw_more {
            net.draw_one_more();
        }
        World {
            now: 0,
            step: 0,
            queue: Queue::new(),
            net,
            places: (1..=plan.nodes).map(|node| Place::new(plan, node)).collect(),
            observer: Observer::new(options),
            operator: Operator::new(plan.founders()),
            awaited: 0,
            come: Vec::new(),
            alert: false,
            recording: options.timeline,
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
    pub fn standing(&self, node: Node) -> Standing {
        self.place(node).standing
    }

    /// What a node's monotonic clock shows.
    #[must_use]
    pub fn local_time(&self, node: Node) -> u64 {
        self.place(node).clock.local(self.now)
    }

    /// What a node's wall clock shows, nanoseconds.
    #[must_use]
    pub fn wall_time(&self, node: Node) -> i64 {
        self.place(node).clock.wall(self.now)
    }

    /// The server's own chance.
    pub fn node_stream(&mut self, node: Node) -> &mut Stream {
        &mut self.place_mut(node).own
    }

    /// A node's disk.
    pub fn disk(&mut self, node: Node) -> &mut Disk {
        &mut self.place_mut(node).disk
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
                .note(from, || format!("n{from} -> n{to}  {message}  reaches nobody: there is no n{to}"));
        }
        match self.net.send(self.now, from as usize - 1, to as usize - 1) {
            [Some(first), None] => self.queue.push(first, Event::Message { from, to, message }),
            [Some(first), Some(second)] => {
                self.queue.push(first, Event::Message { from, to, message: message.clone() });
                self.queue.push(second, Event::Message { from, to, message });
            }
            _ => self.note(from, || format!("n{from} -> n{to}  {message}  lost")),
        }
    }

    /// A server answers a client.
    pub fn reply(&mut self, from: Node, client: u64, reply: Reply) {
        let step = self.step;
        if !(1..=self.plan.clients.count + 1).contains(&client) {
            let side = |words| Side {
                at: self.now,
                step,
                who: Who::Server(from),
                request: Some(reply.id),
                what: What::Words(words, None),
            };
            let said = format!("answers c{client} on {} with \"{}\"", reply.id, reply.answer);
            let sides = [side(said.clone())];
            let sentence =
                format!("n{from} {said}: there is no such client, and nothing could have come to it");
            self.alert |= !self.observer.answered_wrongly(sentence, sides);
            return;
        }
        let owed = &mut self.place_mut(from).owed;
        let paid = owed.iter().position(|owed| (owed.client, owed.id) == (client, reply.id));
        // A client may have asked the same several times: the oldest is the one that is paid.
        let held = paid.is_some_and(|paid| owed.remove(paid).step < step);
        if reply.answer.is_refusal() {
            self.observer.copy_is_refused((self.now, step), from, reply.id, held);
        }
        let arrivals = self.net.send(self.now, from as usize - 1, self.address(client));
        for at in arrivals.into_iter().flatten() {
            self.queue.push(at, Event::Reply { from, client, reply: reply.clone() });
        }
    }

    /// A server asks its disk to make durable what is written by now.
    pub fn sync(&mut self, node: Node, token: u64) {
        let disk = &self.plan.disk;
        let place = &mut self.places[node as usize - 1];
        let draw = place.syncs.of(u64::from(place.syncs_begun));
        let mut takes = disk.sync.0 + share(disk.sync_spread.0, draw);
        if happens(disk.tail, draw) {
            takes += share(disk.tail_spread.0, place.sync_tails.of(u64::from(place.syncs_begun)));
        }
        let due = self.now.saturating_add(takes.saturating_mul(place.slowness));
        let (number, incarnation) = (place.syncs_begun, place.incarnation);
        place.syncs_begun += 1;
        let ticket = place.disk.begin_sync();
        place.syncing.push(Syncing { number, incarnation, token, ticket, due });
        self.queue.push(due, Event::Platter { node, number });
        self.moment(Moment::Unsynced, node);
    }

    /// A disk becomes slower by a factor, or quicker again: what its syncs in flight have before them changes with it.
    pub(crate) fn slow_disk(&mut self, node: Node, factor: u64, slower: bool) {
        let World { places, queue, now, .. } = self;
        let place = &mut places[node as usize - 1];
        let scale = |time: u64| if slower { time.saturating_mul(factor) } else { time / factor };
        place.slowness = scale(place.slowness);
        for sync in &mut place.syncing {
            sync.due = now.saturating_add(scale(sync.due.saturating_sub(*now)));
            queue.push(sync.due, Event::Platter { node, number: sync.number });
        }
    }

    /// A disk that did nothing for a while goes on.
    pub(crate) fn unstall_disk(&mut self, node: Node) {
        let World { places, queue, now, .. } = self;
        for sync in &mut places[node as usize - 1].syncing {
            sync.due = sync.due.max(*now);
            queue.push(sync.due, Event::Platter { node, number: sync.number });
        }
    }

    /// A disk has finished: what it made durable is true from now on, whoever may be told.
    pub(crate) fn end_sync(&mut self, node: Node, ticket: Ticket) {
        let World { places, observer, now, step, .. } = self;
        let place = &mut places[node as usize - 1];
        let (incarnation, standing) = (place.incarnation, &mut place.standing);
        let (mut kept, mut voted) = (true, false);
        place.disk.end_sync(ticket, |fact| {
            if let Fact::Saved { term, vote, .. } = fact {
                voted |= vote.is_some() && standing.vote != (term, vote);
                standing.vote = (term, vote);
            }
            kept &= observer.saw(*now, *step, node, incarnation, fact);
        });
        self.alert |= !kept;
        if voted {
            self.moment(Moment::Voting, node);
        }
    }

    /// A fact is stated: by a server about itself, or by the world about a server.
    #[inline]
    pub fn saw(&mut self, node: Node, fact: Fact) {
        let place = &mut self.places[node as usize - 1];
        place.standing.note(&fact);
        if let Fact::Started { .. }
        | Fact::Truncated { .. }
        | Fact::SnapshotInstalled { .. }
        | Fact::Configured { .. } = fact
        {
            place.note_group(&fact);
        }
        if self.awaited != 0 {
            let leads = place.standing.leads.is_some();
            match fact {
                Fact::Leads { .. } => self.moment(Moment::Elected, node),
                Fact::Truncated { .. } => self.moment(Moment::Truncated, node),
                Fact::Acknowledged { .. } => self.moment(Moment::Acknowledged, node),
                Fact::Committed { .. } if leads => self.moment(Moment::Committed, node),
                Fact::SnapshotInstalled { .. } => self.moment(Moment::Installed, node),
                _ => {}
            }
        }
        let incarnation = self.places[node as usize - 1].incarnation;
        self.alert |= !self.observer.saw(self.now, self.step, node, incarnation, fact);
    }

    /// A server takes no part any more, and says why: what it had promised is damaged on its disk, or its disk refuses to
    /// save more. Until its next incarnation no progress is asked of it. So it needs a reason: rot and a failed sync are
    /// reasons, and what a loss of power takes or tears is none.
    pub fn refuse(&mut self, node: Node, reason: String) {
        self.note(node, || format!("takes no part: {reason}"));
        let place = self.place(node);
        if !place.rotten && !place.failed {
            let sentence = format!(
                "n{node} takes no part although no bit of its disk ever flipped and no sync failed: {reason}"
            );
            let what = What::Words(format!("refuses to take part: {reason}"), None);
            let side = Side { at: self.now, step: self.step, who: Who::Server(node), request: None, what };
            self.observer.fail(Failure::told(PROGRESS, sentence).between([side]));
            self.alert = true;
        }
        self.place_mut(node).refused = Some(reason);
    }

    /// The incarnation on this node has ended.
    pub(crate) fn ended(&mut self, node: Node) {
        self.place_mut(node).end();
        self.operator.lost(node);
    }

    /// A disk is emptied, under nobody's feet.
    pub(crate) fn wipe(&mut self, node: Node) {
        let place = self.place_mut(node);
        assert!(!place.up, "the disk of n{node} is emptied under a server that lives");
        place.disk.wipe();
        place.syncing.clear();
        (place.doomed, place.rotten, place.wiped) = (false, false, true);
        place.lives += 1;
        place.standing.vote = (0, None);
        self.saw(node, Fact::Wiped);
    }

    /// A server has reached a situation that no fact tells.
    pub fn reached(&mut self, milestone: &'static str) {
        self.observer.reached(milestone);
    }

    /// Whether somebody reads the timeline.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording
    }

    /// Adds a line to the timeline.
    #[inline]
    pub fn note(&mut self, node: Node, text: impl FnOnce() -> String) {
        if self.recording {
            let text = text();
            tracing::info!(target: "harness", at = self.now, step = self.step, node, "{text}");
            self.timeline.push(Line { at: self.now, step: self.step, cause: self.queue.cause(), node, text });
        }
    }

    /// An event happens: time is now its own, it is counted, and the digest knows when, what and where.
    #[inline]
    pub(crate) fn begin(&mut self, kind: Kind, node: u64, other: u64) {
        self.step += 1;
        self.queue.happens(self.step);
        self.observer.counts.events += 1;
        self.observer.digest =
            self.observer.digest.then(self.now).then((kind as u64) << 56 | node << 28 | other);
    }

    /// Moves time forward.
    #[inline]
    pub(crate) fn reach(&mut self, at: Time) {
        assert!(at >= self.now, "time goes from {} back to {at}", self.now);
        self.now = at;
    }

    /// The first moment that has come and was not looked at.
    pub(crate) fn next_moment(&mut self) -> Option<(Moment, Node)> {
        if self.come.is_empty() { None } else { Some(self.come.remove(0)) }
    }

    pub(crate) fn place(&self, node: Node) -> &Place<M> {
        &self.places[node as usize - 1]
    }

    pub(crate) fn place_mut(&mut self, node: Node) -> &mut Place<M> {
        &mut self.places[node as usize - 1]
    }

    /// How often a disk was emptied; never, where there is no such server.
    pub(crate) fn lives(&self, node: Node) -> u64 {
        let place = node.checked_sub(1).and_then(|place| self.places.get(usize::try_from(place).ok()?));
        place.map_or(0, |place| place.lives)
    }

    /// A client's place among the links.
    fn address(&self, client: u64) -> usize {
        self.places.len() + client as usize - 1
    }

    /// A moment has come that a fault may be waiting for.
    #[inline]
    pub(crate) fn moment(&mut self, moment: Moment, node: Node) {
        if self.awaited & 1 << moment as u8 != 0 {
            self.come.push((moment, node));
            self.alert = true;
        }
    }
}

impl<M: Clone + Display> Surroundings for World<M> {
    fn now(&self) -> Time {
        self.now
    }

    fn ask(&mut self, client: u64, to: Node, request: Request) {
        let from = self.address(client);
        for at in self.net.send(self.now, from, to as usize - 1).into_iter().flatten() {
            self.observer.copy_is_out((self.now, self.step), client, request.id, request.ask);
            self.queue.push(at, Event::Request { client, to, request });
        }
    }

    fn alarm(&mut self, client: u64, at: Time, alarm: Alarm) {
        self.queue.push(at, Event::Alarm { client, alarm });
    }

    fn state(&mut self, client: u64, fact: Fact) {
        self.alert |= !self.observer.saw(self.now, self.step, client, 0, fact);
    }

    fn called(&mut self, id: RequestId, operation: Operation) {
        self.observer.called(id, operation, self.now);
    }

    fn answered(&mut self, id: RequestId, place: Position, response: &Response) {
        if let Position::Applied(_) = place {
            self.observer.reached(READ_ANSWERED);
        }
        self.alert |= !self.observer.answered(id, place, response, (self.now, self.step));
    }

    fn gave_up(&mut self, id: RequestId) {
        self.observer.gave_up(id);
    }

    fn failed(&mut self, id: RequestId) {
        self.alert |= !self.observer.failed(id);
    }

    fn is_void(&self, id: RequestId) -> bool {
        self.observer.is_void(id)
    }

    fn answered_wrongly(&mut self, client: u64, from: Node, reply: &Reply, asked: &str, possible: &str) {
        let Reply { id, answer } = reply;
        let what = What::Words(format!("is told \"{answer}\" by n{from} on {id}, {asked}"), None);
        let who = Who::Client(client);
        let side = Side { at: self.now, step: self.step, who, request: Some(*id), what };
        let sentence = format!(
            "n{from} answers c{client} on {id}, {asked}, with \"{answer}\": what could have come is {possible}"
        );
        self.alert |= !self.observer.answered_wrongly(sentence, [side]);
    }

    fn registered(&mut self, client: u64, session: u64) -> bool {
        let first = self.observer.registered(client, session, (self.now, self.step));
        self.alert |= !first;
        first
    }
}
