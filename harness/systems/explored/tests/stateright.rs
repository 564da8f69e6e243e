//! Another checker counts the same states: stateright, without numbers, tables, remembered steps and reductions.

use harness::explore::search::Settings;
use harness::explore::{Budget, Ended, Event, Input, Limits, Model, Renaming, Scope, Step, explore};
use harness::systems::raft_core::explored::CoreModel;
use harness_explored::Noraft;
use stateright::{Checker, Property};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A cluster as a model of stateright.
struct Oracle<M> {
    model: M,
    limits: Limits,
}

struct Cluster<M: Model> {
    servers: Vec<M::State>,
    /// All messages sent so far, by receiver and content.
    network: BTreeMap<Vec<u32>, (usize, M::Message)>,
    /// How often each limit was used.
    counts: u32,
    /// What tells it from other clusters.
    words: Vec<u32>,
}

impl<M: Model> Clone for Cluster<M> {
    fn clone(&self) -> Cluster<M> {
        let Cluster { servers, network, counts, words } = self;
        Cluster { servers: servers.clone(), network: network.clone(), counts: *counts, words: words.clone() }
    }
}

impl<M: Model> PartialEq for Cluster<M> {
    fn eq(&self, other: &Cluster<M>) -> bool {
        self.words == other.words
    }
}

impl<M: Model> Hash for Cluster<M> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.words.hash(hasher);
    }
}

/// A step of one server.
#[derive(Clone, PartialEq)]
enum Action {
    Receive(Vec<u32>),
    Happen(usize, Event),
}

impl<M: Model> Oracle<M> {
    fn add_messages(&self, cluster: &mut Cluster<M>, messages: Vec<(usize, M::Message)>) {
        let identity = Renaming::identity(cluster.servers.len());
        for (to, message) in messages {
            let mut key = vec![u32::MAX, to as u32];
            self.model.message_key(&message, &identity, &mut key);
            cluster.network.insert(key, (to, message));
        }
        let Cluster { servers, network, counts, words } = cluster;
        *words = vec![*counts];
        for server in servers {
            self.model.key(server, &identity, words);
            words.push(u32::MAX);
        }
        network.keys().for_each(|key| words.extend(key));
    }
}

impl<M: Model> stateright::Model for Oracle<M> {
    type State = Cluster<M>;
    type Action = Action;

    fn init_states(&self) -> Vec<Cluster<M>> {
        let servers = (0..self.model.servers()).map(|server| self.model.start(server).state).collect();
        let mut start = Cluster { servers, network: BTreeMap::new(), counts: 0, words: Vec::new() };
        self.add_messages(&mut start, Vec::new());
        vec![start]
    }

    fn actions(&self, cluster: &Cluster<M>, actions: &mut Vec<Action>) {
        actions.extend(cluster.network.keys().cloned().map(Action::Receive));
        for (number, server) in cluster.servers.iter().enumerate() {
            let mut events = Vec::new();
            self.model.events(server, &mut events);
            let is_left = |event: &Event| {
                event.limit.is_none_or(|limit| limit.used(cluster.counts) < self.limits.of(limit))
            };
            actions.extend(events.into_iter().filter(is_left).map(|event| Action::Happen(number, event)));
        }
    }

    fn next_state(&self, cluster: &Cluster<M>, action: Action) -> Option<Cluster<M>> {
        let mut next = cluster.clone();
        let (server, step) = match action {
            Action::Receive(key) => {
                let (to, message) = &cluster.network[&key];
                (*to, self.model.step(&cluster.servers[*to], Input::Message(message)))
            }
            Action::Happen(server, Event { code, limit }) => {
                let number = limit.map_or(0, |limit| limit.used(cluster.counts));
                if let Some(limit) = limit.filter(|limit| self.limits.of(*limit) < 15) {
                    next.counts = limit.use_once(cluster.counts);
                }
                (server, self.model.step(&cluster.servers[server], Input::Event { code, number, known: 0 }))
            }
        };
        let Step { state, messages, .. } = step?;
        next.servers[server] = state;
        self.add_messages(&mut next, messages);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Oracle<M>>> {
        // Without a property it would stop at once.
        vec![Property::always("true", |_, _| true)]
    }
}

/// The states that stateright and the explorer count, without symmetry, and with all messages kept.
fn counts<M>(model: M, limits: Limits) -> (usize, usize)
where
    M: Model<State: Send + Sync, Message: Send + Sync> + Clone + Send + Sync + 'static,
{
    let identity = vec![Renaming::identity(model.servers())];
    let budget = Budget { states: 1 << 22, bytes: 1 << 30 };
    let settings = Settings { limits, drop_dead: false, liveness: false, budget };
    let explored = explore(model.clone(), identity, &settings, &mut |_| true);
    assert_eq!(explored.ended, Ended::Complete);
    let checker = stateright::Model::checker(Oracle { model, limits }).spawn_bfs().join();
    (checker.unique_state_count(), explored.states)
}

#[test]
fn stateright_counts_the_states_of_the_core() {
    let limits = Limits { timers: 15, ..Limits::default() };
    let two = Scope { servers: 2, voters: 2, symmetry: false, drop_dead: false, limits, ..Scope::default() };
    let crash = Scope { limits: Limits { timers: 1, crashes: 1, proposals: 1, ..limits }, ..two };
    let three = Scope { servers: 3, voters: 3, terms: 1, asynchronous: false, ..two };
    for scope in [two, crash, three] {
        let (oracle, explorer) = counts(CoreModel::new(scope, None).expect("a valid scope"), scope.limits);
        assert_eq!(oracle, explorer, "{scope}");
        assert!(explorer > 500, "{scope}: {explorer}");
    }
}

#[test]
fn stateright_counts_the_states_of_noraft() {
    let limits = Limits { timers: 2, crashes: 1, ..Limits::default() };
    let (oracle, explorer) =
        counts(Noraft { servers: 2, terms: 2, limits, forgets_votes: false, states_all_votes: true }, limits);
    assert_eq!(oracle, explorer);
    assert!(explorer > 500, "{explorer}");
}
