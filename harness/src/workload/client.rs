//! Clients: they call operations, wait, retry at other servers, and give up.
//!
//! A client has several requests in flight, numbered within a session. It sends each to the server that it believes to
//! lead, with the same id until it is answered. After the last attempt times out, the outcome is *unknown*, and the
//! session is not used for new requests, because the old one may still take effect. (A run with very many sessions that
//! never expire keeps using it: the next request makes the server forget the open one.) Each value, element and
//! deletion has a unique number, so a read identifies the write it observed.
//!
//! If every attempt was rejected without effect, the operation *failed* and is in no history, like `:fail` in other
//! tools. A read of its value is then a read of a value that was never written.
//!
//! If sessions expire, a client registers one before its first request, and a new one when told that its session has
//! expired. A registration is not an operation and is in no history; a client that gives up on one tries again at its
//! next turn.

mod state;
mod operations;
mod load;

pub use load::LoadProgress;

use super::{ClientResponse, Reply, Request, RequestBody};
use crate::plan::{self, Plan, Probability, Supports};
use crate::support::rng::{self, CounterRng, RngStream, label};
use invariants::{Action, Call, ClientFact, Node, Operation, Position, RequestId, Response, Time};
use load::LoadState;
use operations::SharedState;
use rand::SeedableRng;
use state::{Client, OpenRequest, Slot};
use std::collections::{BTreeMap, VecDeque};

/// The most sessions of a run in which sessions never expire; then clients continue in sessions with unknown outcomes.
/// The application never forgets a session either.
const MAX_SESSIONS: u64 = 1_024;

/// The operations that check liveness in the healed phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A write to an unused register, before anything else: it lets a leader notice that its disk is stalled.
    DiskProbe,
    /// A read of an unused register.
    FirstRead,
    /// A write to that register.
    Write,
    /// Another read of it.
    Read,
}

/// The simulation as clients see it.
pub trait ClientContext {
    /// True time.
    fn now(&self) -> Time;
    /// Sends a client's request to a server.
    fn send_request(&mut self, client: u64, to: Node, request: Request);
    /// Sets a timer of a client.
    fn set_timer(&mut self, client: u64, at: Time, timer: Timer);
    /// Records a fact of a client.
    fn record_fact(&mut self, client: u64, fact: ClientFact);
    /// Records the first call of an operation.
    fn record_call(&mut self, id: RequestId, operation: Operation);
    /// Records the response to an operation.
    fn record_response(&mut self, id: RequestId, position: Position, response: &Response);
    /// Records that a client gives up: it accepts no response to this operation any more.
    fn record_unknown(&mut self, id: RequestId);
    /// Records that an operation failed: it had no effect and never will.
    fn record_failed(&mut self, id: RequestId);
    /// Whether no copy of a request can take effect any more, because each was rejected or lost. A real client could
    /// only count rejections; here the network may also duplicate requests.
    fn cannot_take_effect(&self, id: RequestId) -> bool;
    /// Reports a response to no request of the client, or one that its request does not accept.
    fn report_wrong_answer(&mut self, client: u64, from: Node, reply: &Reply, asked: Option<&RequestBody>);
    /// Records a registered session. Returns false if it was registered before.
    fn record_session(&mut self, client: u64, session: u64) -> bool;
}

/// A timer of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// Its next turn begins.
    NextRequest,
    /// The next call of the load arrives.
    LoadArrival,
    /// The request in this slot times out.
    RequestTimeout {
        /// The slot of the request.
        slot: u32,
        /// Tells the slot's requests apart.
        generation: u32,
    },
    /// The request in this slot is retried after a rejection.
    Retry {
        /// The slot of the request.
        slot: u32,
        /// Tells the slot's requests apart.
        generation: u32,
    },
}

/// All clients of a run and their shared state.
pub struct ClientPool {
    settings: plan::ClientConfig,
    supports: Supports,
    nodes: u64,
    clients: Vec<Client>,
    /// The timeout of the probing client: half the longest election timeout, so that a few lost messages do not use up
    /// the liveness bound.
    probe_timeout: u64,
    shared: SharedState,
    /// The current probe, with its index among all operations once it is called.
    probe: Option<(Probe, Option<usize>)>,
    probe_is_answered: bool,
    /// The load of the healed phase, once it has begun.
    load: Option<LoadState>,
    /// Whether clients call new operations.
    is_calling: bool,
}

impl ClientPool {
    /// The clients of a plan, and one more for liveness probes. `records_history`: whether calls and responses are
    /// recorded. `supports`: what the servers do.
    #[must_use]
    pub fn new(plan: &Plan, records_history: bool, supports: Supports) -> ClientPool {
        let settings = plan.clients.clone();
        let registers = settings.registers();
        let client = |number: u64| Client {
            number,
            think_times: CounterRng::new(plan.seed, label::CLIENT_THINK_TIME, [number, 0]),
            call_draws: CounterRng::new(plan.seed, label::CLIENT_CALL, [number, 0]),
            target_choices: rng::stream(plan.seed, label::CLIENT_TARGET, [number, 0]),
            retry_delays: rng::stream(plan.seed, label::CLIENT_RETRY, [number, 0]),
            // The probing client sends to the leader as soon as it knows it.
            random_target: (
                if number > settings.count { Probability(0) } else { settings.random_target },
                rng::stream(plan.seed, label::CLIENT_RANDOM_TARGET, [number, 0]),
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
                match supports.sessions {
                    true => (largest / 2).max(1).min(settings.timeout.0),
                    // An abandoned write is not repeated, so its response must have time to arrive.
                    false => largest.max(1),
                }
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
                history: records_history.then(Default::default),
            },
            supports,
            settings,
            probe: None,
            probe_is_answered: false,
            load: None,
            is_calling: true,
        }
    }

    /// Starts all clients.
    pub fn start(&mut self, world: &mut impl ClientContext) {
        for client in &mut self.clients[..self.settings.count as usize] {
            if !client.has_calls_after(0) {
                continue;
            }
            let delay = client.think_time(self.settings.think_time.0);
            world.set_timer(client.number, world.now() + delay, Timer::NextRequest);
        }
    }

    /// Stops new operations; open ones are completed.
    pub fn stop_calling(&mut self) {
        self.is_calling = false;
    }

    /// How many operations have an unknown outcome.
    #[must_use]
    pub fn unknown_count(&self) -> u64 {
        self.shared.call_count as u64 - self.shared.response_count - self.shared.failed_count
    }

    /// The recorded calls and responses without failed operations; empty if nothing was recorded.
    #[must_use]
    pub fn into_history(self) -> Vec<Call> {
        let (history, failed) = self.shared.history.unwrap_or_default();
        if failed.is_empty() {
            return history;
        }
        let not_failed = (0..).zip(history).filter(|(index, _)| !failed.contains(index));
        not_failed.map(|(_, call)| call).collect()
    }

    /// Whether a timer is still of use. Others are dropped.
    #[must_use]
    pub fn is_live_timer(&self, client: u64, timer: Timer) -> bool {
        match timer {
            Timer::NextRequest => self.is_calling,
            Timer::LoadArrival => self.load.as_ref().is_some_and(LoadState::is_arriving),
            Timer::RequestTimeout { slot, generation } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.generation == generation && slot.open.is_some()
            }
            Timer::Retry { slot, generation } => {
                let slot = &self.clients[client as usize - 1].slots[slot as usize];
                slot.generation == generation && slot.open.is_some_and(|open| open.is_waiting_to_retry)
            }
        }
    }

    /// Handles a live timer.
    pub fn on_timer(&mut self, world: &mut impl ClientContext, client: u64, timer: Timer) {
        match timer {
            Timer::NextRequest => self.on_next_request(world, client),
            Timer::LoadArrival => self.on_load_arrival(world),
            Timer::RequestTimeout { slot, .. } => self.on_timeout(world, client, slot as usize),
            Timer::Retry { slot, .. } => self.retry(world, client, slot as usize),
        }
    }

    /// Starts a probe: one operation on a key that no other client uses, retried until it is answered.
    pub fn start_probe(&mut self, world: &mut impl ClientContext, probe: Probe) {
        if matches!(probe, Probe::FirstRead | Probe::DiskProbe) {
            self.shared.fresh_key += 1;
        }
        self.call_probe(world, probe);
    }

    /// Whether the current probe was answered.
    #[must_use]
    pub const fn probe_is_answered(&self) -> bool {
        self.probe_is_answered
    }

    /// The oldest open request of the probe or of the load.
    #[must_use]
    pub fn open_probe_request(&self) -> Option<RequestId> {
        let slots = &self.clients[self.settings.count as usize].slots;
        let open = slots.iter().filter_map(|slot| slot.open.filter(|open| open.call.is_some()));
        open.min_by_key(|open| open.call.map(|(_, call)| call)).map(|open| open.request.id)
    }

    /// Calls the probe's operation, after registering a session if needed.
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

    /// How long a client waits for a response before it retries.
    fn request_timeout(&self, number: u64) -> u64 {
        match &self.load {
            _ if number <= self.settings.count => self.settings.timeout.0,
            Some(load) => load.timeout,
            None => self.probe_timeout,
        }
    }

    /// Handles a response.
    pub fn on_reply(&mut self, world: &mut impl ClientContext, number: u64, from: Node, reply: Reply) {
        let timeout = self.request_timeout(number);
        let client = &mut self.clients[number as usize - 1];
        let is_answered = |slot: &Slot| slot.open.is_some_and(|open| open.request.id == reply.id);
        let Some(slot) = client.slots.iter().position(is_answered) else {
            if !self.shared.was_sent(number, reply.id) {
                world.report_wrong_answer(number, from, &reply, None);
            }
            return;
        };
        let open = client.slots[slot].open.as_mut().expect("the slot was found by its open request");
        let body = open.request.body;
        if !body.accepts(&reply.response, self.settings.session.0 > 0, self.nodes) {
            return world.report_wrong_answer(number, from, &reply, Some(&body));
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
            // A response to an abandoned attempt says nothing about the current one.
            _ if open.target != from || open.is_waiting_to_retry => return,
            // A late copy of an earlier rejection says nothing about the copy that is on its way now.
            _ if reply.response.is_rejection()
                && !Self::may_resend(self.supports, open)
                && !world.cannot_take_effect(reply.id) =>
            {
                return;
            }
            ClientResponse::NotLeader(hint) => return client.on_rejected(world, slot, timeout, hint),
            // A halted server is tried again too: it may have restarted by then.
            ClientResponse::Busy | ClientResponse::TransferInProgress | ClientResponse::Halted => {
                return client.on_rejected(world, slot, timeout, Some(from));
            }
            ClientResponse::Unknown if !Self::may_resend(self.supports, open) => {
                client.believed_leader = None;
                self.count_load_call(number, |progress| &mut progress.unknown);
                return self.give_up(world, number, slot);
            }
            ClientResponse::Unknown => return client.on_rejected(world, slot, timeout, None),
        };
        let (id, Some((operation, call))) = (open.request.id, open.call) else { return };
        client.slots[slot].open = None;
        client.believed_leader = Some(from);
        client.record_seen_value(operation, &response);
        // A position says nothing where no facts say what the log holds.
        if let (Position::Log(index), true) = (position, self.supports.states_application()) {
            world.record_fact(number, ClientFact::WriteAcknowledged { index, write: id });
        }
        world.record_response(id, position, &response);
        self.shared.response_count += 1;
        self.probe_is_answered |= self.probe.is_some_and(|(_, probe)| probe == Some(call));
        self.count_load_call(number, |progress| &mut progress.completed);
        if let Some((history, _)) = &mut self.shared.history {
            history[call].returned = Some((world.now(), response));
        }
    }

    /// Handles a registration.
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
        // A session that another client has must not be used: two requests would share an id.
        if world.record_session(number, session) {
            (client.session, client.sequence) = (session, 0);
        }
        self.retry_probe(world, number);
    }

    /// Handles an expired session. The outcome is unknown, because an earlier copy of the request (a retry or a network
    /// duplicate) may have taken effect before the session expired, with its response lost.
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
        if number > self.settings.count {
            self.repeat_load_call();
        }
        self.retry_probe(world, number);
    }

    /// Continues the probe or the load that waited for a session.
    fn retry_probe(&mut self, world: &mut impl ClientContext, number: u64) {
        if number <= self.settings.count {
            return;
        }
        match self.probe {
            Some((probe, _)) => self.call_probe(world, probe),
            None => self.call_load(world),
        }
    }

    /// Whether a client must register before it can call.
    fn needs_session(&self, number: u64) -> bool {
        self.settings.session.0 > 0 && self.clients[number as usize - 1].session == 0
    }

    /// Registers a session.
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

    /// Calls an operation if possible, and sets the timer of the next turn.
    fn on_next_request(&mut self, world: &mut impl ClientContext, number: u64) {
        let client = &mut self.clients[number as usize - 1];
        client.turns += 1;
        let delay = client.think_time(self.settings.think_time.0);
        // Without any delay time would never advance.
        if client.has_calls_after(client.turns) {
            world.set_timer(number, world.now() + delay.max(1), Timer::NextRequest);
        }
        // Seeded by the turn number, so that calls do not depend on response times.
        let rng = RngStream::seed_from_u64(client.call_draws.at(client.turns));
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
            let operation = self.shared.draw_operation(&self.settings, client, rng);
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
            world.record_fact(number, ClientFact::ReadAsked { read: id });
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
        let timeout = self.request_timeout(number);
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
        let generation = client.slots[slot].generation.wrapping_add(1);
        client.slots[slot] = Slot { generation, open: Some(open) };
        let until = world.now() + timeout;
        world.set_timer(number, until, Timer::RequestTimeout { slot: slot as u32, generation });
        world.send_request(number, to, request);
    }

    /// No response in time: retries at another server, or gives up.
    fn on_timeout(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        let timeout = self.request_timeout(number);
        let is_probe = number > self.settings.count;
        let client = &mut self.clients[number as usize - 1];
        let generation = client.slots[slot].generation;
        let open = client.slots[slot].open.as_mut().expect("a live timer has an open request");
        let may_resend = Self::may_resend(self.supports, open);
        if !may_resend {
            client.believed_leader = None;
        }
        if !may_resend || (open.attempts >= self.settings.attempts && !is_probe) {
            self.count_load_call(number, |progress| &mut progress.unanswered);
            return self.give_up(world, number, slot);
        }
        open.attempts += 1;
        let previous = open.target;
        let to = client.random_node_except(previous, self.nodes);
        let to = client.maybe_random_target(to, self.nodes);
        client.believed_leader = None;
        client.resend(world, slot, to);
        let until = world.now() + timeout;
        world.set_timer(number, until, Timer::RequestTimeout { slot: slot as u32, generation });
    }

    /// Whether another copy of a request may be sent while one may still take effect. Where servers do not recognise
    /// copies, a write would take effect twice.
    fn may_resend(supports: Supports, open: &OpenRequest) -> bool {
        supports.sessions || open.call.is_none_or(|(operation, _)| operation.action.is_read())
    }

    /// Gives up on a request.
    fn give_up(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        let client = &mut self.clients[number as usize - 1];
        let open = client.slots[slot].open.take().expect("a live timer has an open request");
        let (id, unrejected) = (open.request.id, open.unrejected_sends);
        // Registrations end too: unlimited retries could keep a slow system busy with nothing else.
        let Some((_, call)) = open.call else { return };
        if self.settings.session.0 > 0 || self.shared.last_session < MAX_SESSIONS {
            client.retire_session(id.session);
        }
        if unrejected > 0 || !world.cannot_take_effect(id) {
            world.record_unknown(id);
        } else {
            self.shared.failed_count += 1;
            if let Some((_, failed)) = &mut self.shared.history {
                failed.insert(call);
            }
            world.record_failed(id);
        }
        self.retry_probe(world, number);
    }

    /// Retries after a rejection.
    fn retry(&mut self, world: &mut impl ClientContext, number: u64, slot: usize) {
        let client = &mut self.clients[number as usize - 1];
        let previous = client.slots[slot].open.as_ref().expect("a live timer has an open request").target;
        let to = client.believed_leader.unwrap_or_else(|| client.random_node_except(previous, self.nodes));
        let to = client.maybe_random_target(to, self.nodes);
        client.resend(world, slot, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Probability, SimDuration, generate};
    use crate::workload::kv::{Kv, KvConfig, encode};

    /// What can be in flight.
    enum Event {
        Timer(u64, Timer),
        Reply(u64, Reply),
    }

    /// One server that applies everything at once and loses the response to each `lost`th request.
    struct SingleServer {
        now: Time,
        queue: BTreeMap<(Time, u64), Event>,
        pushed: u64,
        kv: Kv,
        index: u64,
        lost: u64,
    }

    impl SingleServer {
        fn push(&mut self, at: Time, event: Event) {
            self.pushed += 1;
            self.queue.insert((at, self.pushed), event);
        }
    }

    impl ClientContext for SingleServer {
        fn now(&self) -> Time {
            self.now
        }
        fn send_request(&mut self, client: u64, _: Node, request: Request) {
            self.index += 1;
            let mut command = Vec::new();
            encode(&request, self.kv.timestamp(self.now as i64), &mut command);
            let outcome = self.kv.apply(self.index, &command, 0);
            if let Some(response) = outcome.response.filter(|_| !self.index.is_multiple_of(self.lost)) {
                self.push(self.now + 1_000_000, Event::Reply(client, Reply { id: request.id, response }));
            }
        }
        fn set_timer(&mut self, client: u64, at: Time, timer: Timer) {
            self.push(at, Event::Timer(client, timer));
        }
        fn report_wrong_answer(&mut self, _: u64, _: Node, reply: &Reply, asked: Option<&RequestBody>) {
            panic!("{reply:?} to {asked:?}");
        }
        fn record_session(&mut self, _: u64, _: u64) -> bool {
            true
        }
        fn cannot_take_effect(&self, _: RequestId) -> bool {
            false
        }
        fn record_fact(&mut self, _: u64, _: ClientFact) {}
        fn record_call(&mut self, _: RequestId, _: Operation) {}
        fn record_response(&mut self, _: RequestId, _: Position, _: &Response) {}
        fn record_unknown(&mut self, _: RequestId) {}
        fn record_failed(&mut self, _: RequestId) {}
    }

    /// The size of the application's image after each of these numbers of operations.
    fn image_sizes<const N: usize>(session: SimDuration, after: [usize; N]) -> [usize; N] {
        let mut plan = generate(1);
        plan.clients.session = session;
        (plan.clients.count, plan.clients.in_flight, plan.clients.attempts) = (3, 4, 1);
        plan.clients.reads = Probability(200_000);
        (plan.clients.think_time, plan.clients.timeout) = (SimDuration::millis(10), SimDuration::millis(20));
        let mut clients = ClientPool::new(&plan, false, Supports::ALL);
        let kv = Kv::new(KvConfig { session_lifetime: session.0, ..KvConfig::default() });
        let mut world = SingleServer { now: 0, queue: BTreeMap::new(), pushed: 0, kv, index: 0, lost: 7 };
        clients.start(&mut world);
        after.map(|operations| {
            while clients.shared.call_count < operations {
                let ((at, _), event) = world.queue.pop_first().expect("clients never stop calling");
                world.now = at;
                match event {
                    Event::Timer(client, timer) if clients.is_live_timer(client, timer) => {
                        clients.on_timer(&mut world, client, timer);
                    }
                    Event::Timer(..) => {}
                    Event::Reply(client, reply) => clients.on_reply(&mut world, client, 1, reply),
                }
            }
            world.kv.to_bytes().len()
        })
    }

    /// Each snapshot contains the whole state: if it grew with the run, a run would cost quadratic time.
    #[test]
    fn the_application_state_does_not_grow_with_the_run() {
        for session in [SimDuration(0), SimDuration::millis(1_000)] {
            let [few, many] = image_sizes(session, [20_000, 200_000]);
            assert!(
                many < 2 * few && many < 64 << 10,
                "with session lifetime {session}: {few} bytes, later {many}"
            );
        }
    }
}
