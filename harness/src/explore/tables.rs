//! What is remembered: server states and messages by number, and the result of each step.

use super::fixed::FixedMap;
use super::network::Sets;
use super::symmetry::Renaming;
use super::words::Interner;
use super::{Event, Input, Limit, Model, Step};
use crate::engine::panics::catch_panic;
use crate::outcome::PanicReport;
use invariants::Fact;

/// What a server is stepped with, as one number: a message, or an event of a server with its counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InputId(pub(super) u32);

const EVENT: u32 = 1 << 31;

impl InputId {
    pub(super) fn event(server: usize, event: Event, counts: u32, known: u32) -> InputId {
        let number = event.limit.map_or(0, |limit| limit.used(counts));
        let known = if event.limit == Some(Limit::Reads) { known } else { 0 };
        assert!(event.code < 1 << 16 && known < 1 << 8, "an event has a number below 2^16");
        InputId(EVENT | (server as u32) << 28 | known << 20 | number << 16 | event.code)
    }

    /// The message; `None` for an event.
    pub(super) fn message(self) -> Option<u32> {
        (self.0 & EVENT == 0).then_some(self.0)
    }

    /// The server, code, number and known of an event.
    pub(super) fn parts(self) -> (usize, u32, u32, u32) {
        ((self.0 >> 28 & 7) as usize, self.0 & 0xffff, self.0 >> 16 & 15, self.0 >> 20 & 0xff)
    }
}

/// A remembered step.
pub(super) struct StepResult {
    /// The server after it.
    pub(super) to: u32,
    /// The messages it sends.
    pub(super) messages: Box<[u32]>,
    /// The facts it states.
    pub(super) facts: Box<[Fact]>,
}

/// The result of a step, as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StepId {
    /// The state is the same, and nothing is sent or stated.
    NoEffect,
    /// It would leave the scope.
    OutOfScope,
    /// The server panics: the position of the report.
    Panics(u32),
    /// The position of its result.
    At(u32),
}

/// A server state with what is asked of it often.
pub(super) struct KnownState<S> {
    pub(super) state: S,
    pub(super) server: usize,
    pub(super) view: u32,
    pub(super) events: Box<[Event]>,
    pub(super) known: u32,
}

/// A message with its receiver.
pub(super) struct KnownMessage<T> {
    pub(super) message: T,
    pub(super) to: usize,
}

/// Everything that is remembered, from round to round.
pub(super) struct Tables<M: Model> {
    pub(super) model: M,
    pub(super) renamings: Vec<Renaming>,
    state_keys: Interner,
    /// By number; `None` for a state that only occurs renamed.
    pub(super) states: Vec<Option<KnownState<M::State>>>,
    message_keys: Interner,
    pub(super) messages: Vec<Option<KnownMessage<M::Message>>>,
    views: Interner,
    pub(super) sets: Sets,
    steps: FixedMap<(u32, u32), StepId>,
    pub(super) results: Vec<StepResult>,
    pub(super) panics: Vec<PanicReport>,
    /// By renaming, then by number: the renamed state, message or set.
    renamed_states: Vec<Vec<u32>>,
    renamed_sets: Vec<Vec<u32>>,
    /// The state and facts of each server at the start.
    pub(super) starts: Vec<(u32, Box<[Fact]>)>,
    words: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl<M: Model> Tables<M> {
    pub(super) fn new(model: M, renamings: Vec<Renaming>) -> Tables<M> {
        let count = renamings.len();
        let mut tables = Tables {
            model,
            renamings,
            state_keys: Interner::default(),
            states: Vec::new(),
            message_keys: Interner::default(),
            messages: Vec::new(),
            views: Interner::default(),
            sets: Sets::new(),
            steps: FixedMap::default(),
            results: Vec::new(),
            panics: Vec::new(),
            renamed_states: vec![Vec::new(); count],
            renamed_sets: vec![Vec::new(); count],
            starts: Vec::new(),
            words: Vec::new(),
        };
        for server in 0..tables.model.servers() {
            let Step { state, messages, facts } = tables.model.start(server);
            assert!(messages.is_empty(), "a server sends nothing at the start");
            let state = tables.intern_state(server, state);
            tables.starts.push((state, facts.into()));
        }
        tables
    }

    /// The number of server states.
    pub(super) fn state_count(&self) -> usize {
        self.states.iter().flatten().count()
    }

    /// The number of steps with an effect.
    pub(super) fn step_count(&self) -> usize {
        self.results.len()
    }

    pub(super) fn known_state(&self, state: u32) -> &KnownState<M::State> {
        self.states[state as usize].as_ref().expect("a state in use has a value")
    }

    pub(super) fn known_message(&self, message: u32) -> &KnownMessage<M::Message> {
        self.messages[message as usize].as_ref().expect("a message in use has a value")
    }

    /// The words of a state, renamed.
    #[cfg(test)]
    pub(super) fn words_of_state(&self, state: u32, renaming: &Renaming) -> Vec<u32> {
        let known = self.known_state(state);
        let mut words = vec![renaming.of(known.server) as u32];
        self.model.key(&known.state, renaming, &mut words);
        words
    }

    fn state_key(&mut self, server: usize, state: &M::State, renaming: usize) -> u32 {
        let renaming = &self.renamings[renaming];
        self.words.clear();
        self.words.push(renaming.of(server) as u32);
        self.model.key(state, renaming, &mut self.words);
        let (id, is_new) = self.state_keys.intern(&self.words);
        if is_new {
            self.states.push(None);
        }
        id
    }

    pub(super) fn intern_state(&mut self, server: usize, state: M::State) -> u32 {
        let id = self.state_key(server, &state, 0);
        if self.states[id as usize].is_none() {
            self.words.clear();
            self.model.view(&state, &mut self.words);
            let view = self.views.intern(&self.words).0;
            let mut events = Vec::new();
            self.model.events(&state, &mut events);
            let known = self.model.known(&state);
            self.states[id as usize] = Some(KnownState { state, server, view, events: events.into(), known });
        }
        id
    }

    fn message_key(&mut self, to: usize, message: &M::Message, renaming: usize) -> u32 {
        let renaming = &self.renamings[renaming];
        self.words.clear();
        self.words.push(renaming.of(to) as u32);
        self.model.message_key(message, renaming, &mut self.words);
        let (id, is_new) = self.message_keys.intern(&self.words);
        if is_new {
            assert!(id < EVENT, "fewer than two billion messages");
            self.messages.push(None);
        }
        id
    }

    fn intern_message(&mut self, to: usize, message: M::Message) -> u32 {
        let id = self.message_key(to, &message, 0);
        self.messages[id as usize].get_or_insert(KnownMessage { message, to });
        id
    }

    /// The result of a step, which is carried out unless it is remembered.
    pub(super) fn step(&mut self, state: u32, input: InputId) -> StepId {
        if let Some(step) = self.steps.get(&(state, input.0)) {
            return *step;
        }
        let known = self.known_state(state);
        let (server, is_message) = (known.server, input.message());
        let of_model = match is_message {
            Some(message) => Input::Message(&self.known_message(message).message),
            None => {
                let (_, code, number, learnt) = input.parts();
                Input::Event { code, number, known: learnt }
            }
        };
        let id = match catch_panic(|| self.model.step(&known.state, of_model)) {
            Err(report) => {
                self.panics.push(report);
                StepId::Panics(self.panics.len() as u32 - 1)
            }
            Ok(None) => StepId::OutOfScope,
            Ok(Some(Step { state: after, messages, facts })) => {
                let to = self.intern_state(server, after);
                let mut sent: Vec<u32> =
                    messages.into_iter().map(|(to, message)| self.intern_message(to, message)).collect();
                sent.sort_unstable();
                sent.dedup();
                if to == state && sent.is_empty() && facts.is_empty() {
                    StepId::NoEffect
                } else {
                    self.results.push(StepResult { to, messages: sent.into(), facts: facts.into() });
                    StepId::At(u32::try_from(self.results.len() - 1).expect("fewer than four billion steps"))
                }
            }
        };
        self.steps.insert((state, input.0), id);
        id
    }

    /// All steps with an effect that were carried out: the state, the input, and the result's number.
    pub(super) fn all_steps(&self) -> impl Iterator<Item = (u32, InputId, u32)> {
        self.steps.iter().filter_map(|((state, input), step)| match step {
            StepId::At(at) => Some((*state, InputId(*input), *at)),
            StepId::NoEffect | StepId::OutOfScope | StepId::Panics(_) => None,
        })
    }

    /// The state, renamed. It may have no value.
    pub(super) fn renamed_state(&mut self, state: u32, renaming: usize) -> u32 {
        let known = self.renamed_states[renaming].get(state as usize).copied().unwrap_or(UNKNOWN);
        if known != UNKNOWN {
            return known;
        }
        let KnownState { state: value, server, .. } = self.known_state(state);
        let (value, server) = (value.clone(), *server);
        let renamed = self.state_key(server, &value, renaming);
        remember(&mut self.renamed_states[renaming], state, renamed);
        renamed
    }

    /// The message, renamed, with a value.
    pub(super) fn renamed_message(&mut self, message: u32, renaming: usize) -> u32 {
        let KnownMessage { message: value, to } = self.known_message(message);
        let names = &self.renamings[renaming];
        let renamed = self.model.renamed(value, names).expect("a symmetric model renames its messages");
        let to = names.of(*to);
        self.intern_message(to, renamed)
    }

    fn renamed_set(&mut self, set: u32, renaming: usize) -> u32 {
        let known = self.renamed_sets[renaming].get(set as usize).copied().unwrap_or(UNKNOWN);
        if known != UNKNOWN {
            return known;
        }
        let messages = self.sets.get(set).to_vec();
        let mut renamed: Vec<u32> =
            messages.into_iter().map(|message| self.renamed_message(message, renaming)).collect();
        renamed.sort_unstable();
        let renamed = self.sets.of(&renamed);
        remember(&mut self.renamed_sets[renaming], set, renamed);
        renamed
    }

    /// Makes all renamed forms of a state of the cluster known.
    pub(super) fn prepare(&mut self, tuple: &[u32]) {
        let servers = self.model.servers();
        for renaming in 1..self.renamings.len() {
            for server in 0..servers {
                self.renamed_state(tuple[server], renaming);
                self.renamed_set(tuple[servers + server], renaming);
            }
        }
    }

    /// The least of all renamed forms of a prepared state of the cluster.
    pub(super) fn canonical(&self, tuple: &[u32], form: &mut [u32]) {
        form.copy_from_slice(tuple);
        let servers = self.starts.len();
        let mut other = [0; super::words::MAX_WIDTH];
        let other = &mut other[..tuple.len()];
        for (renaming, names) in self.renamings.iter().enumerate().skip(1) {
            other.copy_from_slice(tuple);
            for server in 0..servers {
                let to = names.of(server);
                other[to] = self.renamed_states[renaming][tuple[server] as usize];
                other[servers + to] = self.renamed_sets[renaming][tuple[servers + server] as usize];
            }
            if *other < *form {
                form.copy_from_slice(other);
            }
        }
    }
}

fn remember(list: &mut Vec<u32>, at: u32, value: u32) {
    let at = at as usize;
    if list.len() <= at {
        list.resize(at + 1, UNKNOWN);
    }
    list[at] = value;
}
