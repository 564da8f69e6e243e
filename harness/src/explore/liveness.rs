//! Liveness within a scope: from every state that was reached, the cluster can get to work again, without further faults.
//!
//! After a complete search, each stored combination of servers is taken with an empty network: the messages that were under
//! way are lost, as messages may be in every scope. From here on nothing is lost: servers that stopped start again, every
//! write ends and every message arrives. Time passes, servers campaign one after another, and leaders repeat what they
//! have sent. If no order of up to `MAX_CAMPAIGNS` campaigns leads to a server that is productive
//! ([`Model::is_productive`]), the cluster is stuck, and the state is a counterexample. As states are taken in the order in
//! which the search found them, its trace is a shortest one. The limits of the scope do not count here
//! ([`Model::beyond`]): otherwise each state at a limit would be stuck.
//!
//! Where a way is found, it is one: each step of it is a step of the real server. Blind spots: this shows that the cluster
//! can recover, not that it will.

use super::fixed::FixedSet;
use super::search::{Ended, Explored, Progress, Search, Settings};
use super::tables::{InputId, StepId, Tables};
use super::trace::{self, Found};
use super::words::{MAX_WIDTH, Tuples};
use super::{Event, Model, Push, Renaming};
use crate::outcome::LIVENESS;
use std::collections::VecDeque;

/// The most campaigns in a row.
pub(super) const MAX_CAMPAIGNS: u32 = 4;

/// How often leaders repeat what they have sent after each campaign.
const REPEATS: u32 = 4;

/// The most messages of one campaign. More than that is no progress.
const MAX_MESSAGES: u32 = 1_000;

/// The most writes of a server that follow from one another.
const MAX_WRITES: u32 = 16;

/// Explores a model. `renamings` are the symmetries, the identity first. `report` is called now and then, and stops the
/// search by returning false.
pub fn explore<M: Model>(
    model: M,
    renamings: Vec<Renaming>,
    settings: &Settings,
    report: &mut dyn FnMut(Progress) -> bool,
) -> Explored {
    let mut search = Search::new(Tables::new(model, renamings), settings);
    let mut ended = search.run(report);
    let mut recovered = 0;
    if settings.liveness && ended == Ended::Complete {
        let found;
        (found, recovered) = find_stuck(&mut search);
        ended = found.map_or(Ended::Complete, |found| Ended::Violation(Box::new(found)));
    }
    Explored { recovered, ..search.summarize(ended) }
}

/// The first state from which the cluster cannot recover, and the number of combinations of servers that can.
fn find_stuck<M: Model>(search: &mut Search<'_, M>) -> (Option<Found>, usize) {
    let Some(beyond) = search.tables.model.beyond() else { return (None, 0) };
    let mut recovery = Recovery::of(beyond);
    let mut seen = Tuples::new(search.servers);
    for id in 0..search.visited.len() as u32 {
        let servers = &search.visited.get(id)[..search.servers];
        let is_new = seen.insert(servers, servers, |servers, form| form.copy_from_slice(servers)).is_some();
        if is_new && !recovery.recovers(&search.tables, servers) {
            let inputs = search.path(id);
            return (Some(stuck(&mut search.tables, &inputs)), seen.len() - 1);
        }
    }
    (None, seen.len())
}

/// The violation at the end of a path, if the cluster cannot recover after it.
pub(super) fn check<M: Model>(tables: &mut Tables<M>, servers: &[u32], inputs: &[InputId]) -> Option<Found> {
    let mut recovery = Recovery::of(tables.model.beyond()?);
    if recovery.recovers(tables, servers) { None } else { Some(stuck(tables, inputs)) }
}

fn stuck<M: Model>(tables: &mut Tables<M>, inputs: &[InputId]) -> Found {
    let sentence = format!(
        "from here on no order of up to {MAX_CAMPAIGNS} campaigns leads to a leader that commits, although all servers are up, all writes end and all messages arrive"
    );
    trace::found(tables, inputs, LIVENESS, sentence, None)
}

/// The states of all servers, by number.
type Servers = [u32; MAX_WIDTH];

/// A cluster that recovers, beyond the limits of the scope.
pub(super) struct Recovery<M: Model> {
    tables: Tables<M>,
    servers: usize,
    /// The number here of each state of the search; [`UNKNOWN`] if it was not asked for yet.
    numbers: Vec<u32>,
    /// Combinations that recover.
    good: FixedSet<Vec<u32>>,
    /// Whether a server was productive since this was reset. It may not stay so: a leader may commit its own removal.
    was_productive: bool,
}

const UNKNOWN: u32 = u32::MAX;

impl<M: Model> Recovery<M> {
    pub(super) fn of(beyond: M) -> Recovery<M> {
        let servers = beyond.servers();
        let tables = Tables::new(beyond, vec![Renaming::identity(servers)]);
        Recovery { tables, servers, numbers: Vec::new(), good: FixedSet::default(), was_productive: false }
    }

    /// Whether these servers of a search can recover.
    pub(super) fn recovers(&mut self, from: &Tables<M>, servers: &[u32]) -> bool {
        let mut start = [0; MAX_WIDTH];
        for (to, state) in start.iter_mut().zip(servers) {
            *to = self.number(from, *state);
        }
        self.was_productive = start[..self.servers].iter().any(|state| self.is_productive(*state));
        let first = self.run(start, None);
        if self.is_good(&first) {
            return true;
        }
        // Breadth first over the orders of campaigns.
        let mut open = VecDeque::from([(first, 0)]);
        let mut seen = FixedSet::default();
        while let Some((before, campaigns)) = open.pop_front() {
            for candidate in 0..self.servers {
                let after = self.run(before, Some(candidate));
                if self.is_good(&after) {
                    self.good.insert(first[..self.servers].to_vec());
                    return true;
                }
                if campaigns + 1 < MAX_CAMPAIGNS && seen.insert(after[..self.servers].to_vec()) {
                    open.push_back((after, campaigns + 1));
                }
            }
        }
        false
    }

    fn number(&mut self, from: &Tables<M>, state: u32) -> u32 {
        let at = state as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, UNKNOWN);
        }
        if self.numbers[at] == UNKNOWN {
            let known = from.known_state(state);
            self.numbers[at] = self.tables.intern_state(known.server, known.state.clone());
        }
        self.numbers[at]
    }

    fn is_productive(&self, state: u32) -> bool {
        self.tables.model.is_productive(&self.tables.known_state(state).state)
    }

    fn is_good(&self, servers: &Servers) -> bool {
        self.was_productive || self.good.contains(&servers[..self.servers])
    }

    /// Everything that happens until the network is empty, after a campaign or without one.
    fn run(&mut self, mut servers: Servers, candidate: Option<usize>) -> Servers {
        let mut network = VecDeque::new();
        self.push_all(&mut servers, Push::Repair, &mut network);
        self.push_all(&mut servers, Push::Wait, &mut network);
        if let Some(candidate) = candidate {
            self.push(&mut servers, candidate, Push::Campaign, &mut network);
        }
        self.deliver(&mut servers, &mut network);
        for _ in 0..REPEATS {
            self.push_all(&mut servers, Push::Repeat, &mut network);
            self.deliver(&mut servers, &mut network);
        }
        servers
    }

    /// Delivers every message once, in the order in which they were sent. Writes end before the next message.
    fn deliver(&mut self, servers: &mut Servers, network: &mut VecDeque<u32>) {
        self.push_all(servers, Push::Repair, network);
        for _ in 0..MAX_MESSAGES {
            let Some(message) = network.pop_front() else { return };
            let server = self.tables.known_message(message).to;
            self.step(servers, server, InputId(message), network);
            self.push(servers, server, Push::Repair, network);
        }
        network.clear();
    }

    fn push_all(&mut self, servers: &mut Servers, push: Push, network: &mut VecDeque<u32>) {
        (0..self.servers).for_each(|server| self.push(servers, server, push, network));
    }

    /// Pushes a server, repeatedly where writes follow writes.
    fn push(&mut self, servers: &mut Servers, server: usize, push: Push, network: &mut VecDeque<u32>) {
        let times = if push == Push::Repair { MAX_WRITES } else { 1 };
        for _ in 0..times {
            let state = &self.tables.known_state(servers[server]).state;
            let Some(code) = self.tables.model.push(state, push) else { return };
            let input = InputId::event(server, Event { code, limit: None }, 0, 0);
            self.step(servers, server, input, network);
        }
    }

    fn step(&mut self, servers: &mut Servers, server: usize, input: InputId, network: &mut VecDeque<u32>) {
        if let StepId::At(at) = self.tables.step(servers[server], input) {
            let result = &self.tables.results[at as usize];
            servers[server] = result.to;
            network.extend(&result.messages);
            self.was_productive |= self.is_productive(servers[server]);
        }
    }
}
