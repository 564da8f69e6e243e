//! What each server is, from event to event.

use super::source::Source;
use super::{LaneId, State};
use crate::outcome::TraceEvent;
use crate::report::timeline::DescribedEvent;
use invariants::{ClusterState, Fact, Node, Role, ServerState};
use std::collections::{BTreeMap, BTreeSet};

/// The states of all servers, each from the time on at which it begins. Those that began before the drawn part begin
/// with it.
pub(super) fn states(source: &Source<'_>) -> Vec<State> {
    let (from, _) = source.span();
    let mut tracker = Tracker::default();
    source.before.iter().for_each(|event| drop(tracker.apply(event)));
    let mut states: Vec<State> =
        tracker.current.values().map(|state| State { at: from, ..state.clone() }).collect();
    states.extend(source.events.iter().flat_map(|event| tracker.apply(event)));
    states
}

/// The cluster after the events of `events`.
pub(super) fn cluster_after<'a>(events: impl Iterator<Item = &'a DescribedEvent<'a>>) -> ClusterState {
    let mut cluster = ClusterState::default();
    events.flat_map(|event| &event.event.facts).for_each(|fact| cluster.apply(fact));
    cluster
}

/// The word for a role.
pub(super) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Down => "down",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader(_) => "leader",
    }
}

/// Follows the servers.
#[derive(Default)]
struct Tracker {
    cluster: ClusterState,
    /// Servers that run, as the trace and the world say: all that is known of a system that states no facts.
    up: BTreeSet<Node>,
    current: BTreeMap<Node, State>,
}

impl Tracker {
    /// The states that an event changes.
    fn apply(&mut self, event: &DescribedEvent<'_>) -> Vec<State> {
        let mut concerned = BTreeSet::new();
        for line in event.event.lines.iter().filter(|line| line.event == TraceEvent::Boot) {
            self.up.insert(line.node);
            concerned.insert(line.node);
        }
        for fact in event.event.facts.iter().filter(|fact| fact.fact.is_about_server()) {
            match fact.fact {
                Fact::Crashed | Fact::PowerLost => drop(self.up.remove(&fact.node)),
                Fact::Restarted => drop(self.up.insert(fact.node)),
                _ => {}
            }
            self.cluster.apply(fact);
            concerned.insert(fact.node);
        }
        let changed = concerned.into_iter().filter_map(|node| {
            let state = self.state(node, event.event.at);
            let is_same = self
                .current
                .get(&node)
                .is_some_and(|known| State { at: known.at, ..state.clone() } == *known);
            (!is_same).then_some((node, state))
        });
        let changed: Vec<(Node, State)> = changed.collect();
        self.current.extend(changed.iter().cloned());
        changed.into_iter().map(|(_, state)| state).collect()
    }

    fn state(&self, node: Node, at: u64) -> State {
        let server = self.cluster.server(node);
        let role = server.map_or(Role::Down, |server| server.role);
        let role = match role {
            Role::Down if self.up.contains(&node) => "up",
            role => role_name(role),
        };
        State {
            lane: LaneId::Server(node),
            at,
            role,
            term: server.and_then(|server| server.term),
            commit: server.map_or(0, |server| server.commit_index),
            durable: server.map_or(0, ServerState::durable_last_index),
            last: server.map_or(0, ServerState::last_index),
        }
    }
}
