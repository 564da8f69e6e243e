//! A small key-value store with many clients and, if wanted, one kind of misbehaviour: histories of any length, with the
//! order in which all really happened.

use crate::chance::Chance;
use invariants::fact::RequestId;
use invariants::linearizability::{Action, Call, Content, Operation, Position, Response};
use std::collections::BTreeMap;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub operations: usize,
    pub clients: usize,
    pub keys: u64,
    /// Of a thousand operations, how many end with an unknown outcome.
    pub unknown: u64,
    /// Keys below this are lists, which are replaced by fresh ones when they are long.
    pub lists: u64,
    /// Values are drawn from so many; 0: each is written once.
    pub domain: u64,
    /// Whether a failed compare-and-set tells what it found.
    pub telling: bool,
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
            telling: true,
            fault: Fault::None,
        }
    }
}

/// How the store misbehaves, once in a while in the second half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
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

pub const FAULTS: [Fault; 10] = [
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

/// One thing that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Called(usize),
    /// A mutation took its place in the log.
    Applied(usize, u64),
    Answered(usize, Position),
    /// The client will take no answer.
    GaveUp(usize),
    /// It has not happened and never will, or it has and was overwritten.
    Retired(usize),
}

/// What the simulation left.
pub struct Simulated {
    pub history: Vec<Call>,
    /// By time.
    pub events: Vec<Event>,
}

#[derive(Clone, Default)]
struct Held {
    register: Option<Content>,
    before: Option<Content>,
    /// For lists: the key that stands for it now.
    key: u64,
}

struct Store {
    chance: Chance,
    setup: Setup,
    held: Vec<Held>,
    lists: BTreeMap<u64, Vec<u64>>,
    index: u64,
    fresh: u64,
}

type Outcome = Option<(Position, Response)>;

struct Client {
    session: u64,
    sequence: u64,
    /// The open operation, its key's place, and what came of it.
    open: Option<(usize, usize, Outcome)>,
}

/// Lets it all happen.
pub fn simulate(setup: Setup) -> Simulated {
    let held = (0..setup.keys).map(|key| Held { key, ..Held::default() }).collect();
    let mut store = Store {
        chance: Chance(setup.seed),
        setup,
        held,
        lists: BTreeMap::new(),
        index: 0,
        fresh: setup.keys,
    };
    let mut clients: Vec<Client> =
        (1..=setup.clients as u64).map(|session| Client { session, sequence: 0, open: None }).collect();
    let (mut history, mut events) = (Vec::with_capacity(setup.operations), Vec::new());
    let (mut now, mut sessions) = (0, setup.clients as u64);
    // Of unknown outcome and not yet happened; and those that can be settled soon.
    let mut late: Vec<(usize, usize)> = Vec::new();
    let mut settled: Vec<(usize, usize)> = Vec::new();
    while history.len() < setup.operations || clients.iter().any(|client| client.open.is_some()) {
        now += 1 + store.chance.below(20);
        let number = store.chance.below(setup.clients as u64) as usize;
        let client = &mut clients[number];
        match client.open.take() {
            None if history.len() < setup.operations => {
                client.sequence += 1;
                let id = RequestId { session: client.session, sequence: client.sequence };
                let place = store.chance.below(setup.keys) as usize;
                let operation = store.ask(place, history.len() as u64 + 1);
                events.push(Event::Called(history.len()));
                client.open = Some((history.len(), place, None));
                history.push(Call { id, operation, called: now, returned: None });
            }
            None => {}
            Some((call, place, outcome)) if store.chance.below(2000) < setup.unknown => {
                sessions += 1;
                (client.session, client.sequence) = (sessions, 0);
                events.push(Event::GaveUp(call));
                if outcome.is_none() && !history[call].operation.action.is_read() && store.chance.percent(50)
                {
                    late.push((call, place));
                } else {
                    settled.push((call, history.len()));
                }
            }
            Some((call, place, None)) => {
                let is_late = history.len() > setup.operations / 2;
                let (position, response) = store.answer(place, history[call].operation, is_late);
                if let Position::Log(index) = position {
                    events.push(Event::Applied(call, index));
                }
                client.open = Some((call, place, Some((position, response))));
            }
            Some((call, _, Some((position, response)))) => {
                events.push(Event::Answered(call, position));
                history[call].returned = Some((now, response));
            }
        }
        if !late.is_empty() && store.chance.percent(5) {
            let (call, place) = late.swap_remove(store.chance.below(late.len() as u64) as usize);
            store.index += 1;
            store.carry_out(place, history[call].operation);
            events.push(Event::Applied(call, store.index));
            settled.push((call, history.len()));
        }
        // Long after: whatever it wrote is gone by then, on keys that are written often.
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
    fn ask(&mut self, place: usize, unique: u64) -> Operation {
        let value = match self.setup.domain {
            0 => unique,
            domain => 1 + self.chance.below(domain),
        };
        let is_list = (place as u64) < self.setup.lists;
        let held = &mut self.held[place];
        let length = self.lists.get(&held.key).map_or(0, Vec::len);
        if is_list && length > 40 && self.chance.percent(30) {
            held.key = self.fresh;
            self.fresh += 1;
        }
        let lot = self.chance.below(100);
        let expect = match self.chance.below(10) {
            0 => held.before,
            _ => held.register,
        };
        let action = match (is_list, lot) {
            (true, 0..45) => Action::Append(value),
            (true, 45..50) => Action::Replace(value),
            (true, _) => Action::List,
            (false, 0..50) => Action::Get,
            (false, 50..75) => Action::Put(value),
            (false, 75..95) => Action::CompareAndSet { expect: expect.unwrap_or(Content::INITIAL), value },
            (false, _) => Action::Delete(if self.setup.domain == 0 { unique } else { 0 }),
        };
        Operation { key: held.key, action }
    }

    fn register(&self, place: usize) -> Content {
        self.held[place].register.unwrap_or(Content::INITIAL)
    }

    fn set(&mut self, place: usize, content: Content) {
        let held = &mut self.held[place];
        held.before = held.register;
        held.register = Some(content);
    }

    fn list(&mut self, key: u64) -> &mut Vec<u64> {
        self.lists.entry(key).or_default()
    }

    fn carry_out(&mut self, place: usize, Operation { key, action }: Operation) -> Response {
        match action {
            Action::Get => return Response::Holds(self.register(place)),
            Action::List => return Response::List(self.list(key).clone()),
            Action::Put(value) => self.set(place, Content::Present(value)),
            Action::Delete(deletion) => self.set(place, Content::Absent(deletion)),
            Action::CompareAndSet { expect, value } => {
                let holds = self.register(place);
                if holds != expect {
                    return Response::Mismatch(self.setup.telling.then_some(holds));
                }
                self.set(place, Content::Present(value));
            }
            Action::Append(element) => self.list(key).push(element),
            Action::Replace(element) => *self.list(key) = vec![element],
            action => unreachable!("{action:?} is not generated"),
        }
        Response::Done
    }

    /// What the store does and says, and where it says that this stands.
    fn answer(&mut self, place: usize, operation: Operation, is_late: bool) -> (Position, Response) {
        let action = operation.action;
        if !action.is_read() {
            self.index += 1 + self.chance.below(2);
        }
        let position =
            if action.is_read() { Position::Applied(self.index) } else { Position::Log(self.index) };
        if !is_late || !self.chance.percent(3) {
            return (position, self.carry_out(place, operation));
        }
        let before = self.held[place].before;
        let response = match (self.setup.fault, action) {
            (Fault::StaleRead, Action::Get) => Response::Holds(before.unwrap_or(Content::INITIAL)),
            (Fault::StaleRead, Action::List) => {
                let list = self.list(operation.key);
                Response::List(list[..list.len().saturating_sub(1)].to_vec())
            }
            (Fault::LostUpdate, Action::Put(_) | Action::Delete(_)) => Response::Done,
            (Fault::BlindCompareAndSet, Action::CompareAndSet { value, .. }) => {
                self.set(place, Content::Present(value));
                Response::Done
            }
            (Fault::LostCompareAndSet, Action::CompareAndSet { .. }) => Response::Done,
            (Fault::DeniedCompareAndSet, Action::CompareAndSet { expect, value }) => {
                let holds = self.register(place);
                if holds == expect {
                    self.set(place, Content::Present(value));
                }
                Response::Mismatch(self.setup.telling.then_some(before.unwrap_or(Content::INITIAL)))
                    .fitting(expect)
            }
            (Fault::RolledBack, Action::Put(value)) => {
                self.set(place, Content::Present(value));
                self.held[place].register = before;
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
                // From a node far behind.
                Response::Holds(Content::INITIAL)
            }
            _ => self.carry_out(place, operation),
        };
        (position, response)
    }
}

trait Fitting {
    fn fitting(self, expect: Content) -> Self;
}

impl Fitting for Response {
    /// No store says that it found what was expected and failed.
    fn fitting(self, expect: Content) -> Response {
        if self == Response::Mismatch(Some(expect)) { Response::Mismatch(None) } else { self }
    }
}
