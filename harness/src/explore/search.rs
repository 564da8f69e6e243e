//! The search: breadth first over all states of the cluster.

use super::Model;
use super::dead::Dead;
use super::network::EMPTY;
use super::scope::{Limit, Limits};
use super::tables::{InputId, StepId, Tables};
use super::trace::{self, Found};
use super::words::{MAX_WIDTH, Tuples};
use crate::outcome::NO_PANIC;
use std::collections::BTreeMap;

/// How much a search may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// States of the cluster.
    pub states: usize,
    /// Bytes for these states.
    pub bytes: usize,
}

/// How a model is explored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How often each may happen.
    pub limits: Limits,
    /// Whether dead messages leave the network.
    pub drop_dead: bool,
    /// Whether liveness is checked after a complete search.
    pub liveness: bool,
    /// When to give up.
    pub budget: Budget,
}

/// How far a search is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The round, from 1.
    pub round: u32,
    /// States so far.
    pub states: usize,
    /// States that are not expanded yet.
    pub open: usize,
    /// The depth of the state that is expanded now.
    pub depth: u32,
}

/// How a search ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Ended {
    /// Every state was visited, and no property is violated.
    Complete,
    /// A property is violated.
    Violation(Box<Found>),
    /// A budget is used up, or the search was asked to stop: the states beyond this depth are not complete.
    Incomplete {
        /// All states up to this depth were visited.
        depth: u32,
        /// Why.
        reason: &'static str,
    },
}

/// What a search found.
#[derive(Clone, PartialEq, Debug)]
pub struct Explored {
    /// How it ended.
    pub ended: Ended,
    /// States of the cluster, of the last round.
    pub states: usize,
    /// Steps with an effect from these states.
    pub edges: u64,
    /// The same of all rounds.
    pub all_edges: u64,
    /// The greatest number of steps from the start to a state.
    pub depth: u32,
    /// States of single servers, of all rounds.
    pub server_states: usize,
    /// Steps with an effect of single servers.
    pub server_steps: usize,
    /// Different messages.
    pub messages: usize,
    /// Rounds until no message was dropped wrongly.
    pub rounds: u32,
    /// Bytes for the states of the cluster.
    pub bytes: usize,
    /// For each property, the comparisons that could have failed, over all paths that were checked.
    pub checks: BTreeMap<&'static str, u64>,
    /// Paths that were checked.
    pub paths: u64,
    /// Combinations of servers from which the cluster can recover; 0 if liveness was not checked.
    pub recovered: usize,
}

/// The state of a search.
pub(super) struct Search<'a, M: Model> {
    pub(super) tables: Tables<M>,
    pub(super) settings: &'a Settings,
    pub(super) servers: usize,
    pub(super) dead: Dead,
    pub(super) visited: Tuples,
    /// By state: the state before it, and the input that led from there.
    origins: Vec<(u32, InputId)>,
    /// By step: whether it was taken before. That a message is dead is asked before it is taken.
    taken: Vec<bool>,
    /// Combinations of views whose path was checked.
    views: Tuples,
    edges: u64,
    /// Of the rounds before.
    edges_before: u64,
    depth: u32,
    round: u32,
    checks: BTreeMap<&'static str, u64>,
    paths: u64,
}

/// How many states are expanded between two reports.
const REPORT_INTERVAL: usize = 1 << 12;

impl<'a, M: Model> Search<'a, M> {
    pub(super) fn new(tables: Tables<M>, settings: &'a Settings) -> Search<'a, M> {
        let servers = tables.starts.len();
        Search {
            tables,
            settings,
            servers,
            dead: Dead::new(settings.drop_dead),
            visited: Tuples::new(2 * servers + 1),
            origins: Vec::new(),
            taken: Vec::new(),
            views: Tuples::new(servers),
            edges: 0,
            edges_before: 0,
            depth: 0,
            round: 0,
            checks: BTreeMap::new(),
            paths: 0,
        }
    }

    /// Rounds until no message was dropped wrongly.
    pub(super) fn run(&mut self, report: &mut dyn FnMut(Progress) -> bool) -> Ended {
        let mut wrong = Vec::new();
        loop {
            self.begin_round(std::mem::take(&mut wrong));
            if let Some(ended) = self.run_round(report) {
                return ended;
            }
            if self.settings.drop_dead {
                wrong = self.dead.find_errors(&mut self.tables);
            }
            if wrong.is_empty() {
                break;
            }
        }
        Ended::Complete
    }

    pub(super) fn begin_round(&mut self, wrong: Vec<(u32, u32)>) {
        self.round += 1;
        self.dead.begin_round(wrong);
        self.visited = Tuples::new(2 * self.servers + 1);
        self.origins = Vec::new();
        self.views = Tuples::new(self.servers);
        self.edges_before += self.edges;
        (self.edges, self.depth) = (0, 0);
        let mut start = [EMPTY; MAX_WIDTH];
        let start = &mut start[..2 * self.servers + 1];
        for (server, (state, _)) in self.tables.starts.iter().enumerate() {
            start[server] = *state;
        }
        start[2 * self.servers] = 0;
        self.add(start, 0, InputId(0));
    }

    /// One round; `None` if every state was visited without a violation.
    pub(super) fn run_round(&mut self, report: &mut dyn FnMut(Progress) -> bool) -> Option<Ended> {
        if let Some(found) = self.check_path(&[]) {
            return Some(Ended::Violation(Box::new(found)));
        }
        let (mut next, mut level_end) = (0, 1);
        while next < self.visited.len() {
            let begins_level = next == level_end;
            if begins_level {
                self.depth += 1;
                level_end = self.visited.len();
            }
            if begins_level || next.is_multiple_of(REPORT_INTERVAL) {
                let (round, states, depth) = (self.round, self.visited.len(), self.depth);
                let is_wanted = report(Progress { round, states, open: states - next, depth });
                let Budget { states: most, bytes } = self.settings.budget;
                let reason = match () {
                    () if !is_wanted => "it was stopped",
                    () if states >= most => "the budget of states is used up",
                    () if self.bytes() >= bytes => "the budget of memory is used up",
                    () => "",
                };
                if !reason.is_empty() {
                    return Some(Ended::Incomplete { depth: self.depth, reason });
                }
            }
            if let Some(found) = self.expand(next as u32) {
                return Some(Ended::Violation(Box::new(found)));
            }
            next += 1;
        }
        None
    }

    /// Takes all steps from a state.
    fn expand(&mut self, id: u32) -> Option<Found> {
        let mut tuple = [0; MAX_WIDTH];
        let tuple = &mut tuple[..2 * self.servers + 1];
        tuple.copy_from_slice(self.visited.get(id));
        let counts = tuple[2 * self.servers];
        let known = tuple[..self.servers].iter().map(|state| self.tables.known_state(*state).known).max();
        let known = known.unwrap_or(0);
        for server in 0..self.servers {
            let (state, set) = (tuple[server], tuple[self.servers + server]);
            for at in 0..self.tables.sets.get(set).len() {
                let message = self.tables.sets.get(set)[at];
                let found = self.take(id, tuple, server, InputId(message), counts);
                if found.is_some() {
                    return found;
                }
            }
            for at in 0..self.tables.known_state(state).events.len() {
                let event = self.tables.known_state(state).events[at];
                let after = match event.limit {
                    Some(limit) if limit.used(counts) >= self.settings.limits.of(limit) => continue,
                    // A limit of 15 is none.
                    Some(limit) if is_endless(&self.settings.limits, limit) => counts,
                    Some(limit) => limit.use_once(counts),
                    None => counts,
                };
                let input = InputId::event(server, event, counts, known);
                let found = self.take(id, tuple, server, input, after);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// Takes one step from a state.
    fn take(&mut self, id: u32, tuple: &[u32], server: usize, input: InputId, counts: u32) -> Option<Found> {
        let at = match self.tables.step(tuple[server], input) {
            StepId::NoEffect | StepId::OutOfScope => return None,
            StepId::Panics(at) => return Some(self.panicked(id, input, at)),
            StepId::At(at) => at,
        };
        self.edges += 1;
        if self.is_first(at) {
            let found = self.check_step(id, input);
            if found.is_some() {
                return found;
            }
        }
        let mut next = [0; MAX_WIDTH];
        let next = &mut next[..tuple.len()];
        next.copy_from_slice(tuple);
        next[2 * self.servers] = counts;
        self.apply(next, server, at);
        if *next == *tuple {
            return None;
        }
        if self.add(next, id, input) && self.has_new_view(next) { self.check_step(id, input) } else { None }
    }

    /// Whether a step is taken for the first time.
    fn is_first(&mut self, at: u32) -> bool {
        let at = at as usize;
        if self.taken.len() <= at {
            self.taken.resize(self.tables.step_count(), false);
        }
        !std::mem::replace(&mut self.taken[at], true)
    }

    /// What a step does to a state of the cluster.
    pub(super) fn apply(&mut self, tuple: &mut [u32], server: usize, at: u32) {
        let to = self.tables.results[at as usize].to;
        if to != tuple[server] {
            tuple[server] = to;
            let set = &mut tuple[self.servers + server];
            *set = self.dead.filter(&mut self.tables, to, *set);
        }
        for position in 0..self.tables.results[at as usize].messages.len() {
            let message = self.tables.results[at as usize].messages[position];
            let receiver = self.tables.known_message(message).to;
            let state = tuple[receiver];
            let set = &mut tuple[self.servers + receiver];
            *set = self.dead.add(&mut self.tables, state, *set, message);
        }
    }

    /// Adds a state, unless it is known. Returns whether it is new.
    fn add(&mut self, tuple: &[u32], from: u32, input: InputId) -> bool {
        let mut form = [0; MAX_WIDTH];
        let form = &mut form[..tuple.len()];
        self.tables.prepare(tuple);
        self.tables.canonical(tuple, form);
        let tables = &self.tables;
        let is_new = self.visited.insert(tuple, form, |tuple, form| tables.canonical(tuple, form)).is_some();
        if is_new {
            self.origins.push((from, input));
        }
        is_new
    }

    /// Whether what properties compare is new.
    fn has_new_view(&mut self, tuple: &[u32]) -> bool {
        let mut views = [0; MAX_WIDTH];
        let views = &mut views[..self.servers];
        for (view, state) in views.iter_mut().zip(tuple) {
            *view = self.tables.known_state(*state).view;
        }
        self.views.insert(views, views, |views, form| form.copy_from_slice(views)).is_some()
    }

    /// The inputs on the path to a state.
    pub(super) fn path(&self, mut id: u32) -> Vec<InputId> {
        let mut inputs = Vec::new();
        while id != 0 {
            let (before, input) = self.origins[id as usize];
            inputs.push(input);
            id = before;
        }
        inputs.reverse();
        inputs
    }

    /// Checks the path to a state and one more step.
    fn check_step(&mut self, id: u32, input: InputId) -> Option<Found> {
        let mut inputs = self.path(id);
        inputs.push(input);
        self.check_path(&inputs)
    }

    fn panicked(&mut self, id: u32, input: InputId, at: u32) -> Found {
        let mut inputs = self.path(id);
        inputs.push(input);
        let sentence = self.tables.panics[at as usize].to_string();
        trace::found(&mut self.tables, &inputs, NO_PANIC, sentence, None)
    }

    fn check_path(&mut self, inputs: &[InputId]) -> Option<Found> {
        self.paths += 1;
        trace::check(&mut self.tables, inputs, &mut self.checks)
    }

    /// The keys of all server states that are part of a state of the cluster, under all renamings.
    #[cfg(test)]
    pub(super) fn reached_server_states(
        &self,
        renamings: &[super::Renaming],
    ) -> std::collections::BTreeSet<Vec<u32>> {
        let tuples = (0..self.visited.len() as u32).map(|id| &self.visited.get(id)[..self.servers]);
        let reached: std::collections::BTreeSet<u32> = tuples.flatten().copied().collect();
        let all = reached.into_iter().flat_map(|state| renamings.iter().map(move |names| (state, names)));
        all.map(|(state, names)| self.tables.words_of_state(state, names)).collect()
    }

    fn bytes(&self) -> usize {
        self.visited.bytes() + self.origins.capacity() * size_of::<(u32, InputId)>() + self.views.bytes()
    }

    pub(super) fn summarize(self, ended: Ended) -> Explored {
        Explored {
            states: self.visited.len(),
            edges: self.edges,
            all_edges: self.edges_before + self.edges,
            depth: self.depth,
            server_states: self.tables.state_count(),
            server_steps: self.tables.step_count(),
            messages: self.tables.messages.iter().flatten().count(),
            rounds: self.round,
            bytes: self.bytes(),
            checks: self.checks,
            paths: self.paths,
            recovered: 0,
            ended,
        }
    }
}

/// A limit of 15 is none: it is not counted, so that states do not differ by it.
fn is_endless(limits: &Limits, limit: Limit) -> bool {
    limits.of(limit) == 15
}
