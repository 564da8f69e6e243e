//! Clients: they ask, wait, ask again elsewhere, and give up honestly.
//!
//! A client has several requests in flight, in sessions that number them. It sends each to the server that it believes
//! to lead, under the same name until it is answered. Where its patience runs out for good, the outcome is *unknown*,
//! and the session is never used for anything new: what was asked in it may happen yet. Every value, every element and
//! every deletion has a number of its own, so that whoever reads it knows who wrote it.

use super::draw::{Draw, share_of};
use super::{Answer, Reply, Request};
use crate::plan::{self, Plan};
use crate::rng::{self, Draws, Stream};
use invariants::{Action, Call, Content, Fact, Node, Operation, Position, RequestId, Response, Time};
use rand::SeedableRng;
use std::collections::BTreeSet;

/// The most elements that are ever appended to one list: a list is read whole.
const LONGEST_LIST: u64 = 30;
/// Of one patience, the longest part that a client waits after it was sent away. The shortest is a quarter of that.
const PAUSE_OF_PATIENCE: u64 = 8;

/// What is probed once all is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A read of a register that nobody has written.
    Early,
    /// A write to it.
    Write,
    /// Another read of it.
    Read,
}

/// What a client needs of the world.
pub trait Surroundings {
    /// True time.
    fn now(&self) -> Time;
    /// A client's request goes to a server.
    fn ask(&mut self, client: u64, to: Node, request: Request);
    /// At this time the client wants to be told.
    fn alarm(&mut self, client: u64, at: Time, alarm: Alarm);
    /// A client states a fact.
    fn state(&mut self, client: u64, fact: Fact);
    /// An operation is called, for the first time.
    fn called(&mut self, id: RequestId, operation: Operation);
    /// An operation returns.
    fn answered(&mut self, id: RequestId, place: Position, response: &Response);
    /// A client will take no answer to an operation any more.
    fn gave_up(&mut self, id: RequestId);
}

/// What a client wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// It is time for a new request.
    Next,
    /// The patience with the request in this slot has run out.
    Patience {
        /// Where the request is.
        slot: u32,
        /// Which one: a slot is used again.
        use_of: u32,
    },
    /// The pause after the request in this slot was sent away is over.
    Again {
        /// Where the request is.
        slot: u32,
        /// Which one.
        use_of: u32,
    },
}

/// All clients of a run, and what they remember together.
pub struct Clients {
    settings: plan::Clients,
    nodes: u64,
    clients: Vec<Client>,
    /// How long the probing client waits: half a largest election timeout, so that a lost message or two do not use up
    /// the time in which progress is asked.
    probing_patience: u64,
    common: Common,
    /// Whether new operations are still called.
    calling: bool,
}

/// What all clients share: whatever must be unique.
struct Common {
    sessions: u64,
    values: u64,
    /// Each list that elements are appended to: its key, and how many were.
    lists: Vec<(u64, u64)>,
    /// The next key that was never used.
    fresh_key: u64,
    history: Vec<Call>,
}

/// One client.
struct Client {
    number: u64,
    /// How long it pauses before each turn.
    pauses: Draws,
    /// What it calls at each turn.
    lots: Draws,
    /// Whom it asks, where it does not know.
    choices: Stream,
    /// How long it waits after it was sent away.
    waits: Stream,
    session: u64,
    sequence: u64,
    /// How often it was time for a call.
    turns: u64,
    /// The turns at which it calls; `None`: all of them.
    calls: Option<BTreeSet<u64>>,
    slots: Vec<Slot>,
    /// The server that it believes to lead.
    believed: Option<Node>,
    /// What it last saw in each register.
    seen: Vec<Content>,
}

/// Room for one request in flight.
#[derive(Clone, Copy, Default)]
struct Slot {
    use_of: u32,
    open: Option<Open>,
}

/// A request in flight.
#[derive(Clone, Copy)]
struct Open {
    /// Its place in the history.
    call: usize,
    request: Request,
    attempts: u64,
    asked: Node,
    /// Whether it waits for the end of a pause, and is with no server that would answer.
    pausing: bool,
}

impl Clients {
    /// The clients of a plan, and one more that only probes whether all is well.
    #[must_use]
    pub fn new(plan: &Plan) -> Clients {
        let settings = plan.clients.clone();
        let registers = settings.keys / 2;
        let client = |number: u64| Client {
            number,
            pauses: Draws::new(plan.seed, "client pause", [number, 0]),
            lots: Draws::new(plan.seed, "client call", [number, 0]),
            choices: rng::stream(plan.seed, "client choice", [number, 0]),
            waits: rng::stream(plan.seed, "client wait", [number, 0]),
            session: 0,
            sequence: 0,
            turns: 0,
            calls: settings
                .calls
                .as_ref()
                .map(|calls| calls.get(number as usize - 1).into_iter().flatten().copied().collect()),
            slots: vec![Slot::default(); settings.in_flight.max(1) as usize],
            believed: None,
            seen: vec![Content::INITIAL; registers as usize],
        };
        Clients {
            nodes: plan.nodes,
            probing_patience: {
                let largest = plan.raft.election_timeout.0 + plan.raft.election_timeout_spread.0;
                (largest / 2).max(1).min(settings.patience.0)
            },
            clients: (1..=settings.count + 1).map(client).collect(),
            common: Common {
                sessions: 0,
                values: 0,
                lists: (registers..settings.keys).map(|key| (key, 0)).collect(),
                fresh_key: settings.keys,
                history: Vec::with_capacity(256),
            },
            settings,
            calling: true,
        }
    }

    /// Everybody begins.
    pub fn begin(&mut self, world: &mut impl Surroundings) {
        for client in &mut self.clients[..self.settings.count as usize] {
            if !client.calls_after(0) {
                continue;
            }
            let pause = client.pause(self.settings.pause.0);
            world.alarm(client.number, world.now() + pause, Alarm::Next);
        }
    }

    /// No new operations are called from now on; what is open is brought to an end.
    pub fn rest(&mut self) {
        self.calling = false;
    }

    /// What was called and answered so far.
    #[must_use]
    pub fn history(&self) -> &[Call] {
        &self.common.history
    }

    /// What was called and answered, and nothing will be added to it.
    #[must_use]
    pub fn into_history(self) -> Vec<Call> {
        self.common.history
    }

    /// Whether an alarm still means something. One that does not reaches nobody.
    #[must_use]
    pub fn heeds(&self, client: u64, alarm: Alarm) -> bool {
        match alarm {
            Alarm::Next => self.calling,
            Alarm::Patience { slot, use_of } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.use_of == use_of && slot.open.is_some()
            }
            Alarm::Again { slot, use_of } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.use_of == use_of && slot.open.is_some_and(|open| open.pausing)
            }
        }
    }

    /// An alarm that a client heeds.
    pub fn alarm(&mut self, world: &mut impl Surroundings, client: u64, alarm: Alarm) {
        match alarm {
            Alarm::Next => self.next(world, client),
            Alarm::Patience { slot, .. } => self.impatient(world, client, slot as usize),
            Alarm::Again { slot, .. } => self.again(world, client, slot as usize),
        }
    }

    /// The extra client calls one operation on a key that nobody else uses, and asks until it is answered. Returns its
    /// place in the history.
    pub fn probe(&mut self, world: &mut impl Surroundings, probe: Probe) -> usize {
        let number = self.settings.count + 1;
        if probe == Probe::Early {
            self.common.fresh_key += 1;
        }
        let action = if probe == Probe::Write { Action::Put(self.common.value()) } else { Action::Get };
        let operation = Operation { key: self.common.fresh_key - 1, action };
        self.call(world, number, 0, operation);
        self.common.history.len() - 1
    }

    /// How long a client waits for an answer before it asks again.
    fn patience(&self, number: u64) -> u64 {
        if number > self.settings.count { self.probing_patience } else { self.settings.patience.0 }
    }

    /// An answer arrives.
    pub fn reply(&mut self, world: &mut impl Surroundings, number: u64, from: Node, reply: Reply) {
        let patience = self.patience(number);
        let client = &mut self.clients[number as usize - 1];
        let place = |slot: &Slot| slot.open.is_some_and(|open| open.request.id == reply.id);
        let Some(slot) = client.slots.iter().position(place) else { return };
        let open = client.slots[slot].open.as_mut().expect("found open");
        let (position, response) = match reply.answer {
            Answer::Written { index, response } => (Position::Log(index), response),
            Answer::Read { applied, response } => (Position::Applied(applied), response),
            // An answer to an attempt that was given up for another one says nothing about that one.
            _ if open.asked != from || open.pausing => return,
            Answer::NotLeader(hint) => return client.sent_away(world, slot, patience, hint),
            Answer::Busy => return client.sent_away(world, slot, patience, Some(from)),
            Answer::Unknown => return client.sent_away(world, slot, patience, None),
        };
        let (id, operation, call) = (open.request.id, open.request.operation, open.call);
        client.slots[slot].open = None;
        client.believed = Some(from);
        client.saw(operation, &response);
        if let Position::Log(index) = position {
            world.state(number, Fact::WriteAcknowledged { index, write: id });
        }
        world.answered(id, position, &response);
        self.common.history[call].returned = Some((world.now(), response));
    }

    /// Time for a new request, and for setting the time of the one after.
    fn next(&mut self, world: &mut impl Surroundings, number: u64) {
        let client = &mut self.clients[number as usize - 1];
        client.turns += 1;
        let pause = client.pause(self.settings.pause.0);
        // A pause of nothing at all would let no time pass for ever.
        if client.calls_after(client.turns) {
            world.alarm(number, world.now() + pause.max(1), Alarm::Next);
        }
        // The turn decides: what is asked later shall not depend on how quickly answers came.
        let lot = Stream::seed_from_u64(client.lots.of(client.turns));
        if client.calls.as_ref().is_some_and(|calls| !calls.contains(&client.turns)) {
            return;
        }
        if let Some(slot) = client.slots.iter().position(|slot| slot.open.is_none()) {
            let operation = self.common.operation(&self.settings, client, lot);
            self.call(world, number, slot, operation);
        }
    }

    /// Calls an operation.
    fn call(&mut self, world: &mut impl Surroundings, number: u64, slot: usize, operation: Operation) {
        let patience = self.patience(number);
        let client = &mut self.clients[number as usize - 1];
        if client.session == 0 {
            self.common.sessions += 1;
            (client.session, client.sequence) = (self.common.sessions, 0);
        }
        client.sequence += 1;
        let id = RequestId { session: client.session, sequence: client.sequence };
        let request = Request { id, acknowledged: client.acknowledged(), operation };
        let to = client.believed.unwrap_or_else(|| client.any_but(0, self.nodes));
        let open = Open { call: self.common.history.len(), request, attempts: 1, asked: to, pausing: false };
        let use_of = client.slots[slot].use_of.wrapping_add(1);
        client.slots[slot] = Slot { use_of, open: Some(open) };
        self.common.history.push(Call { id, operation, called: world.now(), returned: None });
        world.called(id, operation);
        if operation.action.is_read() {
            world.state(number, Fact::ReadAsked { read: id });
        }
        let until = world.now() + patience;
        world.alarm(number, until, Alarm::Patience { slot: slot as u32, use_of });
        world.ask(number, to, request);
    }

    /// Nothing was heard in time: asks somebody else, or gives up.
    fn impatient(&mut self, world: &mut impl Surroundings, number: u64, slot: usize) {
        let patience = self.patience(number);
        let probing = number > self.settings.count;
        let client = &mut self.clients[number as usize - 1];
        let use_of = client.slots[slot].use_of;
        let open = client.slots[slot].open.as_mut().expect("heeded");
        if open.attempts >= self.settings.attempts && !probing {
            // Requests of the session that are still open keep it; only new ones go elsewhere.
            if open.request.id.session == client.session {
                client.session = 0;
            }
            let id = open.request.id;
            client.slots[slot].open = None;
            world.gave_up(id);
            return;
        }
        open.attempts += 1;
        let asked = open.asked;
        let to = client.any_but(asked, self.nodes);
        client.believed = None;
        client.ask(world, slot, to);
        let until = world.now() + patience;
        world.alarm(number, until, Alarm::Patience { slot: slot as u32, use_of });
    }

    /// The pause after being sent away is over.
    fn again(&mut self, world: &mut impl Surroundings, number: u64, slot: usize) {
        let client = &mut self.clients[number as usize - 1];
        let asked = client.slots[slot].open.as_ref().expect("heeded").asked;
        let to = client.believed.unwrap_or_else(|| client.any_but(asked, self.nodes));
        client.ask(world, slot, to);
    }
}

impl Client {
    /// The pause before the turn after this one: anything up to twice the mean.
    fn pause(&self, mean: u64) -> u64 {
        share_of(2 * mean + 1, self.pauses.of(self.turns))
    }

    /// Whether it calls at any turn after this one.
    fn calls_after(&self, turn: u64) -> bool {
        self.calls.as_ref().is_none_or(|calls| calls.last().is_some_and(|last| *last > turn))
    }

    /// Sends what is in a slot once more.
    fn ask(&mut self, world: &mut impl Surroundings, slot: usize, to: Node) {
        let open = self.slots[slot].open.as_mut().expect("only what is open is asked again");
        (open.asked, open.pausing) = (to, false);
        world.ask(self.number, to, open.request);
    }

    /// A server would not, or could not say: a short pause, and then whoever is believed to lead.
    fn sent_away(
        &mut self,
        world: &mut impl Surroundings,
        slot: usize,
        patience: u64,
        believed: Option<Node>,
    ) {
        self.believed = believed;
        let longest = patience / PAUSE_OF_PATIENCE;
        let pause = longest / 4 + self.waits.below(longest - longest / 4 + 1);
        let Slot { use_of, open } = &mut self.slots[slot];
        open.as_mut().expect("it was answered").pausing = true;
        world.alarm(self.number, world.now() + pause, Alarm::Again { slot: slot as u32, use_of: *use_of });
    }

    /// Up to where everything in the session has been answered.
    fn acknowledged(&self) -> u64 {
        let open = self.slots.iter().filter_map(|slot| slot.open.as_ref());
        let open = open.filter(|open| open.request.id.session == self.session);
        open.map(|open| open.request.id.sequence).min().unwrap_or(self.sequence) - 1
    }

    /// Any server but this one, unless there is no other.
    fn any_but(&mut self, asked: Node, nodes: u64) -> Node {
        let others = if asked == 0 { nodes } else { (nodes - 1).max(1) };
        let node = 1 + self.choices.below(others);
        if asked != 0 && node >= asked && nodes > 1 { node + 1 } else { node }
    }

    /// Remembers what a register was seen to hold, for the next compare-and-set.
    fn saw(&mut self, operation: Operation, response: &Response) {
        let holds = match (operation.action, response) {
            (_, Response::Holds(content) | Response::Mismatch(Some(content))) => *content,
            (Action::Put(value) | Action::CompareAndSet { value, .. }, Response::Done) => {
                Content::Present(value)
            }
            (Action::Delete(number), Response::Done) => Content::Absent(number),
            _ => return,
        };
        if let Some(seen) = self.seen.get_mut(operation.key as usize) {
            *seen = holds;
        }
    }
}

impl Common {
    /// A number that no value, element or deletion has.
    fn value(&mut self) -> u64 {
        self.values += 1;
        self.values
    }

    /// What a client asks next.
    fn operation(&mut self, settings: &plan::Clients, client: &Client, mut lot: Stream) -> Operation {
        let registers = client.seen.len() as u64;
        let key = lot.below(settings.keys);
        let read = lot.chance(settings.reads);
        if key < registers {
            let action = match lot.below(10) {
                _ if read => Action::Get,
                0..5 => Action::Put(self.value()),
                5..8 => Action::CompareAndSet { expect: client.seen[key as usize], value: self.value() },
                _ => Action::Delete(self.value()),
            };
            return Operation { key, action };
        }
        let list = (key - registers) as usize;
        if read {
            return Operation { key: self.lists[list].0, action: Action::List };
        }
        if self.lists[list].1 == LONGEST_LIST {
            self.lists[list] = (self.fresh_key, 0);
            self.fresh_key += 1;
        }
        self.lists[list].1 += 1;
        Operation { key: self.lists[list].0, action: Action::Append(self.value()) }
    }
}
