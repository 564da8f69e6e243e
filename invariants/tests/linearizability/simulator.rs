//! Simulates a small key-value store with many clients and optionally one kind of fault: histories of any
//! length with the order in which the operations took effect.

use crate::random_histories::TestRng;
use invariants::RequestId;
use invariants::linearizability::{Action, Call, Content, Operation, Position, Response};
use std::collections::BTreeMap;

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub seed: u64,
    pub operations: usize,
    pub clients: usize,
    pub keys: u64,
    /// Operations of unknown outcome, in thousandths.
    pub unknown: u64,
    /// Keys below this are lists, replaced by fresh keys when they are long.
    pub lists: u64,
    /// The number of distinct values; 0: each is written once.
    pub domain: u64,
    /// Whether a failed compare-and-set returns what it found.
    pub shows_mismatch: bool,
    pub fault: Fault,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            seed: 1,
            operations: 1000,
            clients: 10,
            keys: 5,
            unknown: 10,
            lists: 0,
            domain: 0,
            shows_mismatch: true,
            fault: Fault::None,
        }
    }
}

/// The fault of the store, injected at random in the second half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    StaleRead,
    LostUpdate,
    BlindCompareAndSet,
    LostCompareAndSet,
    DeniedCompareAndSet,
    RolledBack,
    LostAppend,
    DoubledAppend,
    ReorderedAppend,
    LateRead,
}

pub(crate) const FAULTS: [Fault; 10] = [
    Fault::StaleRead,
    Fault::LostUpdate,
    Fault::BlindCompareAndSet,
    Fault::LostCompareAndSet,
    Fault::DeniedCompareAndSet,
    Fault::RolledBack,
    Fault::LostAppend,
    Fault::DoubledAppend,
    Fault::ReorderedAppend,
    Fault::LateRead,
];

/// One event, with the number of its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    Called(usize),
    /// A mutation was applied at this log index.
    Applied(usize, u64),
    Answered(usize, Position),
    /// The client abandoned the call.
    Abandoned(usize),
    /// It will never take effect, or it has and was overwritten.
    Retired(usize),
}

/// The result of a simulation.
pub(crate) struct Simulated {
    pub history: Vec<Call>,
    /// By time.
    pub events: Vec<Event>,
}

#[derive(Clone, Default)]
struct KeyState {
    register: Option<Content>,
    before: Option<Content>,
    /// The current key of a list.
    key: u64,
}

struct Store {
    rng: TestRng,
    setup: Setup,
    keys: Vec<KeyState>,
    lists: BTreeMap<u64, Vec<u64>>,
    index: u64,
    next_fresh_key: u64,
}

type PendingResponse = Option<(Position, Response)>;

struct Client {
    session: u64,
    sequence: u64,
    /// The open operation, the index of its key, and its response.
    open: Option<(usize, usize, PendingResponse)>,
}

/// Runs the simulation.
pub(crate) fn simulate(setup: Setup) -> Simulated {
    let keys = (0..setup.keys).map(|key| KeyState { key, ..KeyState::default() }).collect();
    let mut store = Store {
        rng: TestRng(setup.seed),
        setup,
        keys,
        lists: BTreeMap::new(),
        index: 0,
        next_fresh_key: setup.keys,
    };
    let mut clients: Vec<Client> =
        (1..=setup.clients as u64).map(|session| Client { session, sequence: 0, open: None }).collect();
    let (mut history, mut events) = (Vec::with_capacity(setup.operations), Vec::new());
    let (mut now, mut sessions) = (0, setup.clients as u64);
    // Abandoned calls that have not taken effect yet, and those that can be retired soon.
    let mut pending: Vec<(usize, usize)> = Vec::new();
    let mut settled: Vec<(usize, usize)> = Vec::new();
    while history.len() < setup.operations || clients.iter().any(|client| client.open.is_some()) {
        now += 1 + store.rng.below(20);
        let number = store.rng.below(setup.clients as u64) as usize;
        let client = &mut clients[number];
        match client.open.take() {
            None if history.len() < setup.operations => {
                client.sequence += 1;
                let id = RequestId { session: client.session, sequence: client.sequence };
                let key_index = store.rng.below(setup.keys) as usize;
                let operation = store.draw_operation(key_index, history.len() as u64 + 1);
                events.push(Event::Called(history.len()));
                client.open = Some((history.len(), key_index, None));
                history.push(Call { id, operation, called: now, returned: None });
            }
            None => {}
            Some((call, key_index, outcome)) if store.rng.below(2000) < setup.unknown => {
                sessions += 1;
                (client.session, client.sequence) = (sessions, 0);
                events.push(Event::Abandoned(call));
                if outcome.is_none() && !history[call].operation.action.is_read() && store.rng.percent(50) {
                    pending.push((call, key_index));
                } else {
                    settled.push((call, history.len()));
                }
            }
            Some((call, key_index, None)) => {
                let is_late = history.len() > setup.operations / 2;
                let (position, response) = store.respond(key_index, history[call].operation, is_late);
                if let Position::Log(index) = position {
                    events.push(Event::Applied(call, index));
                }
                client.open = Some((call, key_index, Some((position, response))));
            }
            Some((call, _, Some((position, response)))) => {
                events.push(Event::Answered(call, position));
                history[call].returned = Some((now, response));
            }
        }
        if !pending.is_empty() && store.rng.percent(5) {
            let (call, key_index) = pending.swap_remove(store.rng.below(pending.len() as u64) as usize);
            store.index += 1;
            store.apply(key_index, history[call].operation);
            events.push(Event::Applied(call, store.index));
            settled.push((call, history.len()));
        }
        // Retire late: by then its value is overwritten, because keys are written often.
        if let Some(&(call, since)) = settled.first()
            && history.len() > since + 400 * setup.keys as usize
        {
            settled.remove(0);
            events.push(Event::Retired(call));
        }
    }
    Simulated { history, events }
}

impl Store {
    fn draw_operation(&mut self, key_index: usize, unique: u64) -> Operation {
        let value = match self.setup.domain {
            0 => unique,
            domain => 1 + self.rng.below(domain),
        };
        let is_list = (key_index as u64) < self.setup.lists;
        let keys = &mut self.keys[key_index];
        let length = self.lists.get(&keys.key).map_or(0, Vec::len);
        if is_list && length > 40 && self.rng.percent(30) {
            keys.key = self.next_fresh_key;
            self.next_fresh_key += 1;
        }
        let draw = self.rng.below(100);
        let expect = match self.rng.below(10) {
            0 => keys.before,
            _ => keys.register,
        };
        let action = match (is_list, draw) {
            (true, 0..45) => Action::Append(value),
            (true, 45..50) => Action::Replace(value),
            (true, _) => Action::List,
            (false, 0..50) => Action::Get,
            (false, 50..75) => Action::Put(value),
            (false, 75..95) => Action::CompareAndSet { expect: expect.unwrap_or(Content::INITIAL), value },
            (false, _) => Action::Delete(if self.setup.domain == 0 { unique } else { 0 }),
        };
        Operation { key: keys.key, action }
    }

    fn register(&self, key_index: usize) -> Content {
        self.keys[key_index].register.unwrap_or(Content::INITIAL)
    }

    fn set(&mut self, key_index: usize, content: Content) {
        let keys = &mut self.keys[key_index];
        keys.before = keys.register;
        keys.register = Some(content);
    }

    fn list(&mut self, key: u64) -> &mut Vec<u64> {
        self.lists.entry(key).or_default()
    }

    fn apply(&mut self, key_index: usize, Operation { key, action }: Operation) -> Response {
        match action {
            Action::Get => return Response::Holds(self.register(key_index)),
            Action::List => return Response::List(self.list(key).clone()),
            Action::Put(value) => self.set(key_index, Content::Present(value)),
            Action::Delete(deletion) => self.set(key_index, Content::Absent(deletion)),
            Action::CompareAndSet { expect, value } => {
                let holds = self.register(key_index);
                if holds != expect {
                    return Response::Mismatch(self.setup.shows_mismatch.then_some(holds));
                }
                self.set(key_index, Content::Present(value));
            }
            Action::Append(element) => self.list(key).push(element),
            Action::Replace(element) => *self.list(key) = vec![element],
            action => unreachable!("{action:?} is not generated"),
        }
        Response::Done
    }

    /// Applies an operation, perhaps with the fault, and returns its position and response.
    fn respond(&mut self, key_index: usize, operation: Operation, is_late: bool) -> (Position, Response) {
        let action = operation.action;
        if !action.is_read() {
            self.index += 1 + self.rng.below(2);
        }
        let position =
            if action.is_read() { Position::Applied(self.index) } else { Position::Log(self.index) };
        if !is_late || !self.rng.percent(3) {
            return (position, self.apply(key_index, operation));
        }
        let before = self.keys[key_index].before;
        let response = match (self.setup.fault, action) {
            (Fault::StaleRead, Action::Get) => Response::Holds(before.unwrap_or(Content::INITIAL)),
            (Fault::StaleRead, Action::List) => {
                let list = self.list(operation.key);
                Response::List(list[..list.len().saturating_sub(1)].to_vec())
            }
            (Fault::LostUpdate, Action::Put(_) | Action::Delete(_)) => Response::Done,
            (Fault::BlindCompareAndSet, Action::CompareAndSet { value, .. }) => {
                self.set(key_index, Content::Present(value));
                Response::Done
            }
            (Fault::LostCompareAndSet, Action::CompareAndSet { .. }) => Response::Done,
            (Fault::DeniedCompareAndSet, Action::CompareAndSet { expect, value }) => {
                let holds = self.register(key_index);
                if holds == expect {
                    self.set(key_index, Content::Present(value));
                }
                Response::Mismatch(self.setup.shows_mismatch.then_some(before.unwrap_or(Content::INITIAL)))
                    .consistent_with(expect)
            }
            (Fault::RolledBack, Action::Put(value)) => {
                self.set(key_index, Content::Present(value));
                self.keys[key_index].register = before;
                Response::Done
            }
            (Fault::LostAppend, Action::Append(_)) => Response::Done,
            (Fault::DoubledAppend, Action::Append(element)) => {
                self.list(operation.key).extend([element, element]);
                Response::Done
            }
            (Fault::ReorderedAppend, Action::Append(element)) => {
                let list = self.list(operation.key);
                list.insert(list.len().saturating_sub(1), element);
                Response::Done
            }
            (Fault::LateRead, Action::Get) => {
                // A read from a node that lags far behind.
                Response::Holds(Content::INITIAL)
            }
            _ => self.apply(key_index, operation),
        };
        (position, response)
    }
}

trait ConsistentMismatch {
    fn consistent_with(self, expect: Content) -> Self;
}

impl ConsistentMismatch for Response {
    /// A mismatch never shows the expected value.
    fn consistent_with(self, expect: Content) -> Response {
        if self == Response::Mismatch(Some(expect)) { Response::Mismatch(None) } else { self }
    }
}
