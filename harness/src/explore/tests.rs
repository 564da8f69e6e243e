//! The explorer compared with itself: reduced searches see what full ones see.

use super::liveness::Recovery;
use super::search::{Search, Settings};
use super::tables::Tables;
use super::{Budget, Ended, Event, Input, Limit, Limits, Model, Renaming, Scope, Step, explore};
use crate::systems::raft_core::explored::{CoreModel, CoreServer};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use raft_core::{Bug, Envelope};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

fn settings(scope: &Scope) -> Settings {
    let budget = Budget { states: 1 << 23, bytes: 1 << 30 };
    Settings { limits: scope.limits, drop_dead: scope.drop_dead, liveness: false, budget }
}

/// The words of all server states within a scope, renamed ones included, and the number of states of the cluster.
fn server_states(scope: Scope) -> (BTreeSet<Vec<u32>>, usize) {
    let model = CoreModel::new(scope, None).expect("the scope must be valid");
    let renamings = CoreModel::new(Scope { symmetry: true, ..scope }, None).unwrap().renamings();
    let of_search = model.renamings();
    let settings = settings(&scope);
    let mut search = Search::new(Tables::new(model, of_search), &settings);
    assert_eq!(search.run(&mut |_| true), Ended::Complete);
    (search.reached_server_states(&renamings), search.visited.len())
}

/// Searches that drop dead messages, or count states once that differ by numbers, or both, reach the same server states.
/// Returns them, and the number of states of the cluster with symmetry and all messages.
fn assert_reductions_agree(scope: Scope) -> (BTreeSet<Vec<u32>>, usize) {
    let dropped = server_states(Scope { symmetry: false, ..scope });
    let renamed = server_states(Scope { drop_dead: false, ..scope });
    let reduced = server_states(scope);
    let sizes = [&dropped, &renamed, &reduced].map(|(_, states)| *states);
    assert!(renamed.0 == dropped.0 && reduced.0 == dropped.0, "{scope}: {sizes:?}");
    let factorial: usize = (1..=scope.servers).product();
    assert!(sizes[2] * factorial >= sizes[0] && sizes[2] < sizes[0], "{scope}: {sizes:?}");
    assert!(sizes[2] < sizes[1], "{scope}: {sizes:?}");
    (reduced.0, sizes[1])
}

/// A search without any reduction reaches these, too.
fn assert_full_search_agrees(scope: Scope) {
    let (reached, renamed) = assert_reductions_agree(scope);
    let full = server_states(Scope { symmetry: false, drop_dead: false, ..scope });
    assert!(full.0 == reached, "{scope}");
    let factorial: usize = (1..=scope.servers).product();
    assert!(renamed * factorial >= full.1 && renamed < full.1, "{scope}: {renamed} and {}", full.1);
}

#[test]
fn reduced_and_full_searches_reach_the_same_server_states() {
    let two = Scope { servers: 2, voters: 2, ..Scope::default() };
    let crashes = Limits { timers: 2, crashes: 1, proposals: 1, ..Limits::default() };
    assert_full_search_agrees(two);
    assert_full_search_agrees(Scope { limits: crashes, ..two });
    assert_full_search_agrees(Scope { asynchronous: false, terms: 1, ..Scope::default() });
    assert_reductions_agree(Scope { asynchronous: false, ..Scope::default() });
}

#[test]
#[ignore = "a minute and half a gigabyte; the same comparison of two servers always runs"]
fn a_full_search_of_three_servers_reaches_the_same_server_states() {
    assert_full_search_agrees(Scope { asynchronous: false, ..Scope::default() });
}

#[test]
fn a_budget_ends_a_search_as_not_complete() {
    let scope = Scope::default();
    let model = CoreModel::new(scope, None).unwrap();
    let renamings = model.renamings();
    let budget = Budget { states: 5_000, bytes: 1 << 30 };
    let explored = explore(model, renamings, &Settings { budget, ..settings(&scope) }, &mut |_| true);
    assert!(matches!(explored.ended, Ended::Incomplete { .. }), "{:?}", explored.ended);
}

/// A cluster without numbers, tables and remembered steps.
#[derive(Clone)]
struct PlainCluster {
    servers: Vec<CoreServer>,
    /// All messages sent so far, by receiver and content.
    network: BTreeMap<Vec<u32>, (usize, Envelope)>,
    counts: u32,
}

impl PlainCluster {
    fn start(model: &CoreModel) -> PlainCluster {
        let servers = (0..model.servers()).map(|server| model.start(server).state).collect();
        PlainCluster { servers, network: BTreeMap::new(), counts: 0 }
    }

    fn key(&self, model: &CoreModel) -> Vec<u32> {
        let identity = Renaming::identity(self.servers.len());
        let mut words = vec![self.counts];
        for server in &self.servers {
            model.key(server, &identity, &mut words);
            words.push(u32::MAX);
        }
        self.network.keys().for_each(|key| words.extend(key));
        words
    }

    fn after(&self, model: &CoreModel, server: usize, step: Step<CoreModel>, counts: u32) -> PlainCluster {
        let identity = Renaming::identity(self.servers.len());
        let mut next = self.clone();
        next.counts = counts;
        next.servers[server] = step.state;
        for (to, message) in step.messages {
            let mut key = vec![u32::MAX, to as u32];
            model.message_key(&message, &identity, &mut key);
            next.network.insert(key, (to, message));
        }
        next
    }

    /// All clusters after one step.
    fn next(&self, model: &CoreModel, limits: &Limits) -> Vec<PlainCluster> {
        let mut next = Vec::new();
        for (to, message) in self.network.values() {
            let step = model.step(&self.servers[*to], Input::Message(message));
            next.extend(step.map(|step| self.after(model, *to, step, self.counts)));
        }
        for server in 0..self.servers.len() {
            let mut events = Vec::new();
            model.events(&self.servers[server], &mut events);
            for event in events {
                let used = event.limit.map_or(0, |limit: Limit| limit.used(self.counts));
                let most = event.limit.map_or(15, |limit| limits.of(limit));
                if used >= most && most < 15 {
                    continue;
                }
                let counts = match event.limit {
                    Some(limit) if most < 15 => limit.use_once(self.counts),
                    _ => self.counts,
                };
                let input = Input::Event { code: event.code, number: used, known: 0 };
                let step = model.step(&self.servers[server], input);
                next.extend(step.map(|step| self.after(model, server, step, counts)));
            }
        }
        next
    }
}

#[test]
fn a_plain_search_counts_the_same_states() {
    let limits = Limits { timers: 15, ..Limits::default() };
    let two = Scope { servers: 2, voters: 2, symmetry: false, drop_dead: false, limits, ..Scope::default() };
    let crash = Scope { limits: Limits { timers: 1, crashes: 1, proposals: 1, ..limits }, ..two };
    let checks = Scope { pre_vote: true, check_quorum: true, limits: Limits { timers: 1, ..limits }, ..two };
    for scope in [two, crash, checks] {
        let model = CoreModel::new(scope, None).unwrap();
        let start = PlainCluster::start(&model);
        let mut seen = BTreeSet::from([start.key(&model)]);
        let mut open = VecDeque::from([start]);
        while let Some(cluster) = open.pop_front() {
            let next = cluster.next(&model, &scope.limits);
            open.extend(next.into_iter().filter(|cluster| seen.insert(cluster.key(&model))));
        }
        let explored = explore(model.clone(), model.renamings(), &settings(&scope), &mut |_| true);
        assert_eq!((explored.ended, explored.states), (Ended::Complete, seen.len()), "{scope}");
    }
}

#[test]
fn a_planted_error_in_the_rule_of_dead_messages_is_found() {
    let scope = Scope { servers: 2, voters: 2, ..Scope::default() };
    let model = CoreModel::new(scope, None).unwrap();
    let (renamings, settings) = (model.renamings(), settings(&scope));
    let mut search = Search::new(Tables::new(model, renamings), &settings);
    search.dead.planted = true;
    search.begin_round(Vec::new());
    assert_eq!(search.run_round(&mut |_| true), None);
    let wrong = search.dead.find_errors(&mut search.tables);
    assert!(wrong.iter().any(|(_, message)| message % 5 == 0), "{wrong:?}");
    // The near miss: once all wrong ones are kept and nothing is planted, none is wrong.
    search.dead.planted = false;
    let mut rounds = 0;
    let mut wrong = wrong;
    while !wrong.is_empty() {
        rounds += 1;
        assert!(rounds < 10, "every round must find fewer errors");
        search.begin_round(wrong);
        assert_eq!(search.run_round(&mut |_| true), None);
        wrong = search.dead.find_errors(&mut search.tables);
    }
}

/// A cluster that goes on from these servers with an empty network, and states nothing.
struct Resumed {
    model: CoreModel,
    servers: Vec<CoreServer>,
}

fn without_facts(step: Step<CoreModel>) -> Step<Resumed> {
    Step { state: step.state, messages: step.messages, facts: Vec::new() }
}

impl Model for Resumed {
    type State = CoreServer;
    type Message = Envelope;

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn start(&self, server: usize) -> Step<Resumed> {
        Step { state: self.servers[server].clone(), messages: Vec::new(), facts: Vec::new() }
    }

    fn events(&self, server: &CoreServer, events: &mut Vec<Event>) {
        self.model.events(server, events);
    }

    fn step(&self, server: &CoreServer, input: Input<'_, Envelope>) -> Option<Step<Resumed>> {
        self.model.step(server, input).map(without_facts)
    }

    fn key(&self, server: &CoreServer, renaming: &Renaming, words: &mut Vec<u32>) {
        self.model.key(server, renaming, words);
    }

    fn message_key(&self, message: &Envelope, renaming: &Renaming, words: &mut Vec<u32>) {
        self.model.message_key(message, renaming, words);
    }

    fn view(&self, _server: &CoreServer, _words: &mut Vec<u32>) {}

    fn describe(&self, event: u32, number: u32) -> String {
        self.model.describe(event, number)
    }
}

/// Whether some interleaving of two more terms leads from these servers to a leader that commits.
fn recovers_in_two_more_terms(scope: Scope, bug: Option<Bug>, servers: Vec<CoreServer>) -> bool {
    let limits = Limits { timers: 15, ..Limits::default() };
    let scope = Scope { terms: scope.terms + 2, heartbeats: true, symmetry: false, limits, ..scope };
    let (model, count) = (CoreModel::new(scope, bug).unwrap(), servers.len());
    let resumed = Resumed { model: model.clone(), servers };
    let settings = settings(&scope);
    let mut search = Search::new(Tables::new(resumed, vec![Renaming::identity(count)]), &settings);
    assert_eq!(search.run(&mut |_| true), Ended::Complete);
    let states = (0..search.visited.len() as u32).flat_map(|id| &search.visited.get(id)[..count]);
    states.into_iter().any(|state| model.is_productive(&search.tables.known_state(*state).state))
}

/// Liveness looks at few orders. Where it finds no way, no interleaving has one.
#[test]
fn every_interleaving_agrees_about_the_clusters_that_recover() {
    let two = Scope { servers: 2, voters: 2, asynchronous: false, symmetry: false, ..Scope::default() };
    let change = Scope { limits: Limits { changes: 1, ..two.limits }, ..two };
    let worlds = [
        (change, None),
        (two, Some("conflict-catch-up-livelock")),
        (change, Some("removed-or-retired-node-mishandled")),
    ];
    for (scope, name) in worlds {
        let bug = name.map(|name| Bug::named(name).expect("a bug of the catalogue"));
        let model = CoreModel::new(scope, bug).unwrap();
        let mut recovery = Recovery::of(model.beyond().expect("the core has no limits of its own"));
        let settings = settings(&scope);
        let mut search = Search::new(Tables::new(model.clone(), model.renamings()), &settings);
        assert_eq!(search.run(&mut |_| true), Ended::Complete);
        let combinations: BTreeSet<&[u32]> =
            (0..search.visited.len() as u32).map(|id| &search.visited.get(id)[..2]).collect();
        let (mut stuck, mut can) = (0, 0);
        for servers in combinations {
            let recovers = recovery.recovers(&search.tables, servers);
            let states = servers.iter().map(|state| search.tables.known_state(*state).state.clone());
            let plainly = recovers_in_two_more_terms(scope, bug, states.collect());
            assert_eq!(recovers, plainly, "{scope} {name:?}");
            if recovers { can += 1 } else { stuck += 1 }
        }
        assert!(can > 10 && (stuck > 0) == name.is_some(), "{scope} {name:?}: {stuck} stuck, {can} not");
    }
}

/// The server after a step, what it sends and what it states, in any order and each once: a promise that is held twice is
/// sent twice.
type StepWords = (Vec<u32>, BTreeSet<Vec<u32>>, BTreeSet<String>);

fn words_of(model: &CoreModel, step: Option<Step<CoreModel>>) -> Option<StepWords> {
    let step = step?;
    let identity = Renaming::identity(model.servers());
    let mut words = Vec::new();
    model.key(&step.state, &identity, &mut words);
    let messages = step.messages.iter().map(|(to, message)| {
        let mut words = vec![*to as u32];
        model.message_key(message, &identity, &mut words);
        words
    });
    let facts = step.facts.iter().map(|fact| format!("{fact:?}"));
    Some((words, messages.collect(), facts.collect()))
}

proptest! {
    // A fixed seed: a passing test stays passing.
    #![proptest_config(ProptestConfig {
        failure_persistence: None, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::with_cases(40)
    })]

    /// Servers with equal words behave alike, though one may have held a promise twice or numbered its writes otherwise.
    #[test]
    fn servers_with_equal_words_behave_alike(choices in proptest::collection::vec(any::<u16>(), 80)) {
        let limits = Limits { timers: 15, proposals: 2, crashes: 2, reads: 2, snapshots: 1, ..Limits::default() };
        let scope = Scope { terms: 3, heartbeats: true, check_quorum: true, limits, ..Scope::default() };
        let model = CoreModel::new(scope, None).unwrap();
        let identity = Renaming::identity(3);
        let mut first_seen: BTreeMap<Vec<u32>, CoreServer> = BTreeMap::new();
        let mut cluster = PlainCluster::start(&model);
        for choice in choices {
            let next = cluster.next(&model, &scope.limits);
            cluster = next[usize::from(choice) % next.len()].clone();
            for (server, state) in cluster.servers.iter().enumerate() {
                let mut words = Vec::new();
                model.key(state, &identity, &mut words);
                let other = first_seen.entry(words).or_insert_with(|| state.clone());
                let mut events = Vec::new();
                model.events(state, &mut events);
                let of_events =
                    events.iter().map(|event| Input::Event { code: event.code, number: 0, known: 0 });
                let messages = cluster.network.values().filter(|(to, _)| *to == server);
                let of_network = messages.map(|(_, message)| Input::Message(message));
                for input in of_events.chain(of_network) {
                    let (one, two) = (model.step(state, input), model.step(other, input));
                    prop_assert_eq!(words_of(&model, one), words_of(&model, two), "{:?}", input);
                }
            }
        }
    }
}
