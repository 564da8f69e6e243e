//! Clients: they ask, wait, ask again elsewhere, and give up honestly.
//!
//! A client has several requests in flight, in sessions that number them. It sends each to the server that it believes
//! to lead, under the same name until it is answered. Where its patience runs out for good, the outcome is *unknown*,
//! and the session is never used for anything new: what was asked in it may happen yet. (In a run with very many sessions
//! that never end it is used on: the server forgets what is open in it with the next request.) Every value, every element and
//! every deletion has a number of its own, so that whoever reads it knows who wrote it.
//!
//! Where every attempt was refused ("not here", "not now": certainly nothing happened), the client believes it: the
//! operation *failed*, and is in no history, like the `:fail` of other tools. If its value is read all the same, nobody
//! wrote it.
//!
//! Where sessions end, a client registers one before its first request, and another when it is told that its session has
//! ended. A registration is no operation: it is in no history, and a client that is weary of one asks anew at its next
//! turn.

use super::draw::{DrawExt, scale_draw};
use super::{ClientResponse, Reply, Request, RequestBody};
use crate::plan::{self, Plan, Probability};
use crate::rng::{self, CounterRng, RngStream};
use invariants::{Action, Call, Content, Fact, Node, Operation, Position, RequestId, Response, Time};
use rand::SeedableRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most elements that are ever appended to one list: a list is read whole.
const MAX_LIST_LENGTH: u64 = 30;
/// How many lists are begun in one run before the oldest one is begun anew: the application never forgets a list, and each
/// snapshot holds them all.
const MAX_LISTS: usize = 64;
/// How many sessions are begun in one run, where sessions never end, before a client goes on in one whose outcome it does
/// not know: the application never forgets a session either.
const MAX_SESSIONS: u64 = 1_024;
/// Of one patience, the longest part that a client waits after it was sent away. The shortest is a quarter of that.
const TIMEOUT_PER_RETRY_DELAY: u64 = 8;

/// What is probed once all is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A write to a register that nobody has written, before anything else: whoever leads shall notice that its disk
    /// hangs.
    DiskProbe,
    /// A read of a register that nobody has written.
    FirstRead,
    /// A write to it.
    Write,
    /// Another read of it.
    Read,
}

/// What a client needs of the world.
pub trait ClientContext {
    /// True time.
    fn now(&self) -> Time;
    /// A client's request goes to a server.
    fn send_request(&mut self, client: u64, to: Node, request: Request);
    /// At this time the client wants to be told.
    fn set_timer(&mut self, client: u64, at: Time, alarm: Timer);
    /// A client states a fact.
    fn record_fact(&mut self, client: u64, fact: Fact);
    /// An operation is called, for the first time.
    fn record_call(&mut self, id: RequestId, operation: Operation);
    /// An operation returns.
    fn record_response(&mut self, id: RequestId, place: Position, response: &Response);
    /// A client will take no answer to an operation any more.
    fn record_unknown(&mut self, id: RequestId);
    /// A client knows that an operation did not happen and never will.
    fn record_failed(&mut self, id: RequestId);
    /// Whether no copy of a request can have an effect any more, because each one was refused or reached nobody. A client
    /// whose network never doubles a message knows that from the refusals alone; ours has to be told.
    fn cannot_take_effect(&self, id: RequestId) -> bool;
    /// A server answered what does not belong to any request, or not to this one: `asked` says what was asked, and
    /// `possible` what could have come.
    fn report_wrong_answer(&mut self, client: u64, from: Node, reply: &Reply, asked: &str, possible: &str);
    /// A client was given a session. Returns whether it is the first to be given this one.
    fn record_session(&mut self, client: u64, session: u64) -> bool;
}

/// What a client wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// It is time for a new request.
    NextRequest,
    /// The patience with the request in this slot has run out.
    RequestTimeout {
        /// Where the request is.
        slot: u32,
        /// Which one: a slot is used again.
        generation: u32,
    },
    /// The pause after the request in this slot was sent away is over.
    Retry {
        /// Where the request is.
        slot: u32,
        /// Which one.
        generation: u32,
    },
}

/// All clients of a run, and what they remember together.
pub struct ClientPool {
    settings: plan::ClientConfig,
    nodes: u64,
    clients: Vec<Client>,
    /// How long the probing client waits: half a largest election timeout, so that a lost message or two do not use up
    /// the time in which progress is asked.
    probe_timeout: u64,
    shared: SharedState,
    /// What is probed, its place among all operations once it is called, and whether it was answered.
    probe: Option<(Probe, Option<usize>)>,
    probe_is_answered: bool,
    /// Whether new operations are still called.
    is_calling: bool,
}

/// What all clients share: whatever must be unique.
struct SharedState {
    last_session: u64,
    /// Who asked in each session, and up to which number.
    session_owners: BTreeMap<u64, (u64, u64)>,
    /// Who asked for each session, in the order in which they did.
    registering_clients: Vec<u64>,
    last_value: u64,
    /// Each list that elements are appended to: its key, and how many were.
    lists: Vec<(u64, u64)>,
    /// Full lists, the oldest first, as long as there are few enough to leave them alone.
    full_lists: VecDeque<u64>,
    /// The next key that was never used.
    fresh_key: u64,
    /// How many operations were called.
    call_count: usize,
    /// How many were answered.
    response_count: u64,
    /// How many failed: their clients know that they did not happen and never will.
    failed_count: u64,
    /// What was called and answered, where somebody wants it, and which of it failed.
    history: Option<(Vec<Call>, BTreeSet<usize>)>,
}

/// One client.
struct Client {
    number: u64,
    /// How long it pauses before each turn.
    think_times: CounterRng,
    /// What it calls at each turn.
    call_draws: CounterRng,
    /// Whom it asks, where it does not know.
    target_choices: RngStream,
    /// How long it waits after it was sent away.
    retry_delays: RngStream,
    /// How often it asks anywhere instead, and the stream that this is drawn from.
    random_target: (Probability, RngStream),
    /// 0: it has none.
    session: u64,
    sequence: u64,
    /// How often it was time for a call.
    turns: u64,
    /// The turns at which it calls; `None`: all of them.
    call_turns: Option<BTreeSet<u64>>,
    /// As many as it has ever had requests in flight.
    slots: Vec<Slot>,
    /// The server that it believes to lead.
    believed_leader: Option<Node>,
    /// What it last saw in each register of which it has seen anything.
    last_seen: BTreeMap<u64, Content>,
}

/// Room for one request in flight.
#[derive(Clone, Copy, Default)]
struct Slot {
    generation: u32,
    open: Option<OpenRequest>,
}

/// A request in flight.
#[derive(Clone, Copy)]
struct OpenRequest {
    /// Its operation, and the place of that among all operations. `None` for a registration.
    call: Option<(Operation, usize)>,
    request: Request,
    attempts: u64,
    target: Node,
    /// Whether it waits for the end of a pause, and is with no server that would answer.
    is_waiting_to_retry: bool,
    /// How often it was sent and, as far as its client knows, not refused: it may have been heard.
    unrejected_sends: u64,
}

impl ClientPool {
    /// The clients of a plan, and one more that only probes whether all is well. `recording`: what they call and are told
    /// is kept.
    #[must_use]
    pub fn new(plan: &Plan, recording: bool) -> ClientPool {
        let settings = plan.clients.clone();
        let registers = settings.keys / 2;
        let client = |number: u64| Client {
            number,
            think_times: CounterRng::new(plan.seed, "client pause", [number, 0]),
            call_draws: CounterRng::new(plan.seed, "client call", [number, 0]),
            target_choices: rng::stream(plan.seed, "client choice", [number, 0]),
            retry_delays: rng::stream(plan.seed, "client wait", [number, 0]),
            // Whoever probes asks the one who leads, as soon as there is one.
            random_target: (
                if number > settings.count { Probability(0) } else { settings.random_target },
                rng::stream(plan.seed, "client anywhere", [number, 0]),
            ),
            session: 0,
            sequence: 0,
            turns: 0,
            call_turns: settings
                .calls
                .as_ref()
                .map(|calls| calls.get(number as usize - 1).into_iter().flatten().copied().collect()),
            slots: Vec::new(),
            believed_leader: None,
            last_seen: BTreeMap::new(),
        };
        ClientPool {
            nodes: plan.nodes,
            probe_timeout: {
                let largest = plan.raft.election_timeout.0 + plan.raft.election_timeout_spread.0;
                (largest / 2).max(1).min(settings.timeout.0)
            },
            clients: (1..=settings.count + 1).map(client).collect(),
            shared: SharedState {
                last_session: 0,
                session_owners: BTreeMap::new(),
                registering_clients: Vec::new(),
                last_value: 0,
                lists: (registers..settings.keys).map(|key| (key, 0)).collect(),
                full_lists: VecDeque::new(),
                fresh_key: settings.keys,
                call_count: 0,
                response_count: 0,
                failed_count: 0,
                history: recording.then(Default::default),
            },
            settings,
            probe: None,
            probe_is_answered: false,
            is_calling: true,
        }
    }

    /// Everybody begins.
    pub fn start(&mut self, world: &mut impl ClientContext) {
        for client in &mut self.clients[..self.settings.count as usize] {
            if !client.has_calls_after(0) {
                continue;
            }
            let pause = client.think_time(self.settings.think_time.0);
            world.set_timer(client.number, world.now() + pause, Timer::NextRequest);
        }
    }

    /// No new operations are called from now on; what is open is brought to an end.
    pub fn stop_calling(&mut self) {
        self.is_calling = false;
    }

    /// How many operations have an outcome that nobody knows.
    #[must_use]
    pub fn unknown_count(&self) -> u64 {
        self.shared.call_count as u64 - self.shared.response_count - self.shared.failed_count
    }

    /// What was called and answered, without what failed, and nothing will be added to it; nothing, unless it was
    /// recorded.
    #[must_use]
    pub fn into_history(self) -> Vec<Call> {
        let (history, failed) = self.shared.history.unwrap_or_default();
        if failed.is_empty() {
            return history;
        }
        let happened = (0..).zip(history).filter(|(place, _)| !failed.contains(place));
        happened.map(|(_, call)| call).collect()
    }

    /// Whether an alarm still means something. One that does not reaches nobody.
    #[must_use]
    pub fn is_live_timer(&self, client: u64, alarm: Timer) -> bool {
        match alarm {
            Timer::NextRequest => self.is_calling,
            Timer::RequestTimeout { slot, generation: use_of } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.generation == use_of && slot.open.is_some()
            }
            Timer::Retry { slot, generation: use_of } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.generation == use_of && slot.open.is_some_and(|open| open.is_waiting_to_retry)
            }
        }
    }

    /// An alarm that a client heeds.
    pub fn on_timer(&mut self, world: &mut impl ClientContext, client: u64, alarm: Timer) {
        match alarm {
            Timer::NextRequest => self.on_next_request(world, client),
            Timer::RequestTimeout { slot, .. } => self.on_timeout(world, client, slot as usize),
            Timer::Retry { slot, .. } => self.retry(world, client, slot as usize),
        }
    }

    /// The extra client calls one operation on a key that nobody else uses, and asks until it is answered.
    pub fn start_probe(&mut self, world: &mut impl ClientContext, probe: Probe) {
        if matches!(probe, Probe::FirstRead | Probe::DiskProbe) {
            self.shared.fresh_key += 1;
        }
        self.call_probe(world, probe);
    }

    /// Whether the last probe was answered.
    #[must_use]
    pub const fn probe_is_answered(&self) -> bool {
        self.probe_is_answered
    }

    /// The request that probes, while it is open.
    #[must_use]
    pub fn open_probe_request(&self) -> Option<RequestId> {
        let slots = &self.clients[self.settings.count as usize].slots;
        slots.iter().find_map(|slot| slot.open.filter(|open| open.call.is_some())).map(|open| open.request.id)
    }

    /// Calls what is probed, or first asks for a session.
    fn call_probe(&mut self, world: &mut impl ClientContext, probe: Probe) {
        let number = self.settings.count + 1;
        self.probe_is_answered = false;
        let slot = self.clients[number as usize - 1].free_slot(1).unwrap_or(0);
        if self.needs_session(number) {
            self.probe = Some((probe, None));
            return self.register_session(world, number, slot);
        }
        let action = match probe {
            Probe::DiskProbe | Probe::Write => Action::Put(self.shared.next_value()),
            Probe::FirstRead | Probe::Read => Action::Get,
        };
        let operation = Operation { key: self.shared.fresh_key - 1, action };
        self.probe = Some((probe, Some(self.shared.call_count)));
        self.call(world, number, slot, operation);
    }

    /// How long a client waits for an answer before it asks again.
    fn request_timeout(&self, number: u64) -> u64 {
        if number > self.settings.count { self.probe_timeout } else { self.settings.timeout.0 }
    }

    /// An answer arrives.
    pub fn on_reply(&mut self, world: &mut impl ClientContext, number: u64, from: Node, reply: Reply) {
        let patience = self.request_timeout(number);
        let client = &mut self.clients[number as usize - 1];
        let place = |slot: &Slot| slot.open.is_some_and(|open| open.request.id == reply.id);
        let Some(slot) = client.slots.iter().position(place) else {
            if !self.shared.was_sent(number, reply.id) {
                world.report_wrong_answer(number, from, &reply, "which it never asked", "nothing");
            }
            return;
        };
        let open = client.slots[slot].open.as_mut().expect("found open");
        let ask = open.request.body;
        if !ask.accepts(&reply.response, self.settings.session.0 > 0, self.nodes) {
            return world.report_wrong_answer(
                number,
                from,
                &reply,
                &ask.to_string(),
                ask.expected_responses(),
            );
        }
        if reply.response.is_rejection() {
            open.unrejected_sends = open.unrejected_sends.saturating_sub(1);
        }
        let (position, response) = match reply.response {
            ClientResponse::Written { index, response } => (Position::Log(index), response),
            ClientResponse::Read { applied, response } => (Position::Applied(applied), response),
            ClientResponse::SessionRegistered { session } => {
                return self.on_session_registered(world, number, slot, from, session);
            }
            ClientResponse::SessionExpired => return self.on_session_expired(world, number, slot, from),
            // An answer to an attempt that was given up for another one says nothing about that one.
            _ if open.target != from || open.is_waiting_to_retry => return,
            ClientResponse::NotLeader(hint) => return client.on_rejected(world, slot, patience, hint),
            // Even one that has halted is asked again: it may be restarted by then.
            ClientResponse::Busy | ClientResponse::TransferInProgress | ClientResponse::Halted => {
                return client.on_rejected(world, slot, patience, Some(from));
            }
            ClientResponse::Unknown => return client.on_rejected(world, slot, patience, None),
        };
        let (id, Some((operation, call))) = (open.request.id, open.call) else { return };
        client.slots[slot].open = None;
        client.believed_leader = Some(from);
        client.record_seen_value(operation, &response);
        if let Position::Log(index) = position {
            world.record_fact(number, Fact::WriteAcknowledged { index, write: id });
        }
        world.record_response(id, position, &response);
        self.shared.response_count += 1;
        self.probe_is_answered |= self.probe.is_some_and(|(_, probe)| probe == Some(call));
        if let Some((history, _)) = &mut self.shared.history {
            history[call].returned = Some((world.now(), response));
        }
    }

    /// A client has a session.
    fn on_session_registered(
        &mut self,
        world: &mut impl ClientContext,
        number: u64,
        slot: usize,
        from: Node,
        session: u64,
    ) {
        let client = &mut self.clients[number as usize - 1];
        if client.slots[slot].open.is_none_or(|open| open.call.is_some()) {
            return;
        }
        client.slots[slot].open = None;
        client.believed_leader = Some(from);
        // One that somebody else has was given wrongly: two requests would have one name.
        if world.record_session(number, session) {
            (client.session, client.sequence) = (session, 0);
        }
        self.retry_probe(world, number);
    }

    /// A request will have no effect any more: its session has ended. But it may have had one, if this client asked more
    /// than once or the network doubled what it sent: an earlier copy may have been carried out while the session lived,
    /// and its answer lost. So its outcome is unknown, as if the client had given up.
    fn on_session_expired(&mut self, world: &mut impl ClientContext, number: u64, slot: usize, from: Node) {
        let client = &mut self.clients[number as usize - 1];
        let Some(OpenRequest { call: Some(_), request: Request { id, .. }, .. }) = client.slots[slot].open
        else {
            return;
        };
        client.slots[slot].open = None;
        client.believed_leader = Some(from);
        client.retire_session(id.session);
        world.record_unknown(id);
        self.retry_probe(world, number);
    }

    /// The client that probes goes on with what it could not ask.
    fn retry_probe(&mut self, world: &mut impl ClientContext, number: u64) {
        if let (true, Some((probe, _))) = (number > self.settings.count, self.probe) {
            self.call_probe(world, probe);
        }
    }

    /// Whether a client must register before it can call.
    fn needs_session(&self, number: u64) -> bool {
        self.settings.session.0 > 0 && self.clients[number as usize - 1].session == 0
    }

    /// Asks for a session.
    fn register_session(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        self.shared.registering_clients.push(number);
        let id = RequestId { session: 0, sequence: self.shared.registering_clients.len() as u64 };
        self.send_new_request(
            world,
            number,
            slot,
            Request { id, acknowledged_up_to: 0, body: RequestBody::RegisterSession },
            None,
        );
    }

    /// Time for a new request, and for setting the time of the one after.
    fn on_next_request(&mut self, world: &mut impl ClientContext, number: u64) {
        let client = &mut self.clients[number as usize - 1];
        client.turns += 1;
        let pause = client.think_time(self.settings.think_time.0);
        // A pause of nothing at all would let no time pass for ever.
        if client.has_calls_after(client.turns) {
            world.set_timer(number, world.now() + pause.max(1), Timer::NextRequest);
        }
        // The turn decides: what is asked later shall not depend on how quickly answers came.
        let lot = RngStream::seed_from_u64(client.call_draws.at(client.turns));
        if client.call_turns.as_ref().is_some_and(|calls| !calls.contains(&client.turns)) {
            return;
        }
        if let Some(slot) = client.free_slot(self.settings.in_flight) {
            if self.needs_session(number) {
                if !self.clients[number as usize - 1].is_registering() {
                    self.register_session(world, number, slot);
                }
                return;
            }
            let client = &mut self.clients[number as usize - 1];
            let operation = self.shared.draw_operation(&self.settings, client, lot);
            self.call(world, number, slot, operation);
        }
    }

    /// Calls an operation.
    fn call(&mut self, world: &mut impl ClientContext, number: u64, slot: usize, operation: Operation) {
        let client = &mut self.clients[number as usize - 1];
        if client.session == 0 {
            self.shared.last_session += 1;
            (client.session, client.sequence) = (self.shared.last_session, 0);
        }
        client.sequence += 1;
        let id = RequestId { session: client.session, sequence: client.sequence };
        self.shared.session_owners.insert(id.session, (number, id.sequence));
        let request = Request {
            id,
            acknowledged_up_to: client.acknowledged_up_to(),
            body: RequestBody::Operation(operation),
        };
        let call = (operation, self.shared.call_count);
        self.shared.call_count += 1;
        if let Some((history, _)) = &mut self.shared.history {
            history.push(Call { id, operation, called: world.now(), returned: None });
        }
        world.record_call(id, operation);
        if operation.action.is_read() {
            world.record_fact(number, Fact::ReadAsked { read: id });
        }
        self.send_new_request(world, number, slot, request, Some(call));
    }

    /// Sends a request for the first time.
    fn send_new_request(
        &mut self,
        world: &mut impl ClientContext,
        number: u64,
        slot: usize,
        request: Request,
        call: Option<(Operation, usize)>,
    ) {
        let patience = self.request_timeout(number);
        let client = &mut self.clients[number as usize - 1];
        let to = client.believed_leader.unwrap_or_else(|| client.random_node_except(0, self.nodes));
        let to = client.maybe_random_target(to, self.nodes);
        let open = OpenRequest {
            call,
            request,
            attempts: 1,
            target: to,
            is_waiting_to_retry: false,
            unrejected_sends: 1,
        };
        let use_of = client.slots[slot].generation.wrapping_add(1);
        client.slots[slot] = Slot { generation: use_of, open: Some(open) };
        let until = world.now() + patience;
        world.set_timer(number, until, Timer::RequestTimeout { slot: slot as u32, generation: use_of });
        world.send_request(number, to, request);
    }

    /// Nothing was heard in time: asks somebody else, or gives up.
    fn on_timeout(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        let patience = self.request_timeout(number);
        let probing = number > self.settings.count;
        let client = &mut self.clients[number as usize - 1];
        let use_of = client.slots[slot].generation;
        let open = client.slots[slot].open.as_mut().expect("heeded");
        if open.attempts >= self.settings.attempts && !probing {
            let (id, unrefused) = (open.request.id, open.unrejected_sends);
            let call = open.call;
            client.slots[slot].open = None;
            // Whoever never stops asking for a session can keep a slow system busy with nothing else.
            let Some((_, call)) = call else { return };
            if self.settings.session.0 > 0 || self.shared.last_session < MAX_SESSIONS {
                client.retire_session(id.session);
            }
            if unrefused > 0 || !world.cannot_take_effect(id) {
                return world.record_unknown(id);
            }
            self.shared.failed_count += 1;
            if let Some((_, failed)) = &mut self.shared.history {
                failed.insert(call);
            }
            return world.record_failed(id);
        }
        open.attempts += 1;
        let asked = open.target;
        let to = client.random_node_except(asked, self.nodes);
        let to = client.maybe_random_target(to, self.nodes);
        client.believed_leader = None;
        client.resend(world, slot, to);
        let until = world.now() + patience;
        world.set_timer(number, until, Timer::RequestTimeout { slot: slot as u32, generation: use_of });
    }

    /// The pause after being sent away is over.
    fn retry(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        let client = &mut self.clients[number as usize - 1];
        let asked = client.slots[slot].open.as_ref().expect("heeded").target;
        let to = client.believed_leader.unwrap_or_else(|| client.random_node_except(asked, self.nodes));
        let to = client.maybe_random_target(to, self.nodes);
        client.resend(world, slot, to);
    }
}

impl Client {
    /// The pause before the turn after this one: anything up to twice the mean.
    fn think_time(&self, mean: u64) -> u64 {
        scale_draw(2 * mean + 1, self.think_times.at(self.turns))
    }

    /// Room for one more request in flight, if it may have as many.
    fn free_slot(&mut self, in_flight: u64) -> Option<usize> {
        let free = self.slots.iter().position(|slot| slot.open.is_none());
        if free.is_none() && (self.slots.len() as u64) < in_flight.max(1) {
            self.slots.push(Slot::default());
            return Some(self.slots.len() - 1);
        }
        free
    }

    /// Whether it calls at any turn after this one.
    fn has_calls_after(&self, turn: u64) -> bool {
        self.call_turns.as_ref().is_none_or(|calls| calls.last().is_some_and(|last| *last > turn))
    }

    /// Sends what is in a slot once more.
    fn resend(&mut self, world: &mut impl ClientContext, slot: usize, to: Node) {
        let open = self.slots[slot].open.as_mut().expect("only what is open is asked again");
        (open.target, open.is_waiting_to_retry) = (to, false);
        open.unrejected_sends += 1;
        world.send_request(self.number, to, open.request);
    }

    /// A server would not, or could not say: a short pause, and then whoever is believed to lead.
    fn on_rejected(
        &mut self,
        world: &mut impl ClientContext,
        slot: usize,
        patience: u64,
        believed: Option<Node>,
    ) {
        self.believed_leader = believed;
        let longest = patience / TIMEOUT_PER_RETRY_DELAY;
        let pause = longest / 4 + self.retry_delays.draw_below(longest - longest / 4 + 1);
        let Slot { generation: use_of, open } = &mut self.slots[slot];
        open.as_mut().expect("it was answered").is_waiting_to_retry = true;
        world.set_timer(
            self.number,
            world.now() + pause,
            Timer::Retry { slot: slot as u32, generation: *use_of },
        );
    }

    /// Requests of a session that are still open keep it; only new ones go elsewhere.
    fn retire_session(&mut self, session: u64) {
        if session == self.session {
            self.session = 0;
        }
    }

    /// Whether it has asked for a session.
    fn is_registering(&self) -> bool {
        self.slots.iter().any(|slot| slot.open.is_some_and(|open| open.call.is_none()))
    }

    /// Now and then it asks anybody, instead of this one.
    fn maybe_random_target(&mut self, to: Node, nodes: u64) -> Node {
        let (chance, stream) = &mut self.random_target;
        if chance.0 > 0 && stream.draw_bool(*chance) { 1 + stream.draw_below(nodes) } else { to }
    }

    /// Up to where everything in the session has been answered.
    fn acknowledged_up_to(&self) -> u64 {
        let open = self.slots.iter().filter_map(|slot| slot.open.as_ref());
        let open = open.filter(|open| open.request.id.session == self.session);
        open.map(|open| open.request.id.sequence).min().unwrap_or(self.sequence) - 1
    }

    /// Any server but this one, unless there is no other.
    fn random_node_except(&mut self, asked: Node, nodes: u64) -> Node {
        let others = if asked == 0 { nodes } else { (nodes - 1).max(1) };
        let node = 1 + self.target_choices.draw_below(others);
        if asked != 0 && node >= asked && nodes > 1 { node + 1 } else { node }
    }

    /// What a register was last seen to hold.
    fn last_seen_value(&self, key: u64) -> Content {
        self.last_seen.get(&key).copied().unwrap_or(Content::INITIAL)
    }

    /// Remembers what a register was seen to hold, for the next compare-and-set.
    fn record_seen_value(&mut self, operation: Operation, response: &Response) {
        let holds = match (operation.action, response) {
            (_, Response::Holds(content) | Response::Mismatch(Some(content))) => *content,
            (Action::Put(value) | Action::CompareAndSet { value, .. }, Response::Done) => {
                Content::Present(value)
            }
            (Action::Delete(number), Response::Done) => Content::Absent(number),
            _ => return,
        };
        self.last_seen.insert(operation.key, holds);
    }
}

impl SharedState {
    /// A number that no value, element or deletion has.
    fn next_value(&mut self) -> u64 {
        self.last_value += 1;
        self.last_value
    }

    /// Whether a client ever asked this.
    fn was_sent(&self, client: u64, id: RequestId) -> bool {
        let RequestId { session, sequence } = id;
        match session {
            0 => sequence.checked_sub(1).is_some_and(|place| {
                usize::try_from(place).is_ok_and(|place| self.registering_clients.get(place) == Some(&client))
            }),
            _ => self
                .session_owners
                .get(&session)
                .is_some_and(|(whose, last)| *whose == client && (1..=*last).contains(&sequence)),
        }
    }

    /// What a client asks next.
    fn draw_operation(
        &mut self,
        settings: &plan::ClientConfig,
        client: &Client,
        mut lot: RngStream,
    ) -> Operation {
        let registers = settings.keys / 2;
        let key = lot.draw_below(settings.keys);
        let read = lot.draw_bool(settings.reads);
        if key < registers {
            let action = match lot.draw_below(10) {
                _ if read => Action::Get,
                0..5 => Action::Put(self.next_value()),
                5..8 => {
                    Action::CompareAndSet { expect: client.last_seen_value(key), value: self.next_value() }
                }
                _ => Action::Delete(self.next_value()),
            };
            return Operation { key, action };
        }
        let list = (key - registers) as usize;
        if read {
            return Operation { key: self.lists[list].0, action: Action::List };
        }
        if self.lists[list].1 == MAX_LIST_LENGTH {
            self.full_lists.push_back(self.lists[list].0);
            if self.full_lists.len() > MAX_LISTS
                && let Some(oldest) = self.full_lists.pop_front()
            {
                self.lists[list] = (oldest, 1);
                return Operation { key: oldest, action: Action::Replace(self.next_value()) };
            }
            self.lists[list] = (self.fresh_key, 0);
            self.fresh_key += 1;
        }
        self.lists[list].1 += 1;
        Operation { key: self.lists[list].0, action: Action::Append(self.next_value()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Probability, SimDuration, generate};
    use crate::workload::kv::{Kv, KvConfig, encode};

    /// What can be on its way.
    enum Event {
        Alarm(u64, Timer),
        Reply(u64, Reply),
    }

    /// One server that applies everything at once, and from which nothing is heard of each `lost`th request.
    struct Alone {
        now: Time,
        queue: BTreeMap<(Time, u64), Event>,
        put: u64,
        kv: Kv,
        index: u64,
        lost: u64,
    }

    impl Alone {
        fn push(&mut self, at: Time, event: Event) {
            self.put += 1;
            self.queue.insert((at, self.put), event);
        }
    }

    impl ClientContext for Alone {
        fn now(&self) -> Time {
            self.now
        }
        fn send_request(&mut self, client: u64, _: Node, request: Request) {
            self.index += 1;
            let mut command = Vec::new();
            encode(&request, self.kv.timestamp(self.now as i64), &mut command);
            let outcome = self.kv.apply(self.index, &command, 0);
            if let Some(answer) = outcome.response.filter(|_| !self.index.is_multiple_of(self.lost)) {
                self.push(
                    self.now + 1_000_000,
                    Event::Reply(client, Reply { id: request.id, response: answer }),
                );
            }
        }
        fn set_timer(&mut self, client: u64, at: Time, alarm: Timer) {
            self.push(at, Event::Alarm(client, alarm));
        }
        fn report_wrong_answer(&mut self, _: u64, _: Node, reply: &Reply, asked: &str, possible: &str) {
            panic!("{reply:?} to {asked}, and not {possible}");
        }
        fn record_session(&mut self, _: u64, _: u64) -> bool {
            true
        }
        fn cannot_take_effect(&self, _: RequestId) -> bool {
            false
        }
        fn record_fact(&mut self, _: u64, _: Fact) {}
        fn record_call(&mut self, _: RequestId, _: Operation) {}
        fn record_response(&mut self, _: RequestId, _: Position, _: &Response) {}
        fn record_unknown(&mut self, _: RequestId) {}
        fn record_failed(&mut self, _: RequestId) {}
    }

    /// How long the image of the application's state is after so many operations, each time.
    fn images<const N: usize>(session: SimDuration, after: [usize; N]) -> [usize; N] {
        let mut plan = generate(1);
        plan.clients.session = session;
        (plan.clients.count, plan.clients.in_flight, plan.clients.attempts) = (3, 4, 1);
        plan.clients.reads = Probability(200_000);
        (plan.clients.think_time, plan.clients.timeout) = (SimDuration::millis(10), SimDuration::millis(20));
        let mut clients = ClientPool::new(&plan, false);
        let kv = Kv::new(KvConfig { session_lifetime: session.0, ..KvConfig::default() });
        let mut world = Alone { now: 0, queue: BTreeMap::new(), put: 0, kv, index: 0, lost: 7 };
        clients.start(&mut world);
        after.map(|operations| {
            while clients.shared.call_count < operations {
                let ((at, _), event) = world.queue.pop_first().expect("clients call for ever");
                world.now = at;
                match event {
                    Event::Alarm(client, alarm) if clients.is_live_timer(client, alarm) => {
                        clients.on_timer(&mut world, client, alarm);
                    }
                    Event::Alarm(..) => {}
                    Event::Reply(client, reply) => clients.on_reply(&mut world, client, 1, reply),
                }
            }
            world.kv.to_bytes().len()
        })
    }

    /// Each snapshot holds all of the application's state. If that grew with the run, a run would cost the square of its
    /// length.
    #[test]
    fn what_clients_leave_behind_does_not_grow_with_the_run() {
        for session in [SimDuration(0), SimDuration::millis(1_000)] {
            let [few, many] = images(session, [20_000, 200_000]);
            assert!(many < 2 * few && many < 64 << 10, "{session}: {few} bytes, and then {many}");
        }
    }
}
