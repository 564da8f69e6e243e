//! Liveness within a scope: from every state that was reached, the cluster can still get to work, without further faults.
//!
//! All servers are up from here on, and the messages in the network are lost. Then time passes, one server after the other
//! may campaign, every write ends and every message arrives. If no order of up to [`MAX_CAMPAIGNS`] campaigns leads to a
//! server that is productive ([`Model::is_productive`]), the cluster is stuck, and the state is a counterexample. The limits
//! of the scope do not count here ([`Model::beyond`]): otherwise each state at a limit would be one.
//!
//! Blind spots: this shows that the cluster may recover, not that it will; and only from a network without old messages.

use super::Model;
use super::search::Search;
use super::tables::{InputId, StepId, Tables};
use super::trace::{self, Found};
use super::words::Tuples;
use super::{Event, Push, Renaming};
use crate::outcome::LIVENESS;
use std::collections::{BTreeSet, VecDeque};

/// The most campaigns in a row.
const MAX_CAMPAIGNS: u32 = 4;

/// The most rounds in which a leader repeats what it has sent.
const REPEATS: u32 = 4;

/// The most messages of one campaign. More than that is no progress.
const MAX_MESSAGES: u32 = 1_000;

/// The first state from which the cluster cannot recover.
pub(super) fn find_stuck<M: Model>(search: &mut Search<'_, M>) -> Option<Found> {
    let mut recovery = Recovery::of(search.tables.model.beyond()?);
    let mut seen = Tuples::new(search.servers);
    for id in 0..search.visited.len() as u32 {
        let servers = &search.visited.get(id)[..search.servers];
        let is_new = seen.insert(servers, servers, |servers, form| form.copy_from_slice(servers)).is_some();
        if is_new && !recovery.recovers(&search.tables, servers) {
            let inputs = search.path(id);
            return Some(stuck(&mut search.tables, &inputs));
        }
    }
    None
}

/// Whether the cluster cannot recover after a path.
pub(super) fn is_stuck<M: Model>(tables: &Tables<M>, servers: &[u32]) -> bool {
    tables.model.beyond().is_some_and(|model| !Recovery::of(model).recovers(tables, servers))
}

/// The violation at the end of a path.
pub(super) fn stuck<M: Model>(tables: &mut Tables<M>, inputs: &[InputId]) -> Found {
    let sentence = format!(
        "from here on no order of up to {MAX_CAMPAIGNS} campaigns leads to a leader that commits, although all servers are up and all messages arrive"
    );
    trace::found(tables, inputs, LIVENESS, sentence, None)
}

/// The servers of a cluster that recovers, beyond the limits of the scope.
struct Recovery<M: Model> {
    tables: Tables<M>,
}

impl<M: Model> Recovery<M> {
    fn of(model: M) -> Recovery<M> {
        let renamings = vec![Renaming::identity(model.servers())];
        Recovery { tables: Tables::new(model, renamings) }
    }

    fn recovers(&mut self, from: &Tables<M>, servers: &[u32]) -> bool {
        let servers: Vec<u32> = servers
            .iter()
            .map(|state| {
                let known = from.known_state(*state);
                self.tables.intern_state(known.server, known.state.clone())
            })
            .collect();
        let mut open = vec![(servers, 0)];
        let mut seen = BTreeSet::new();
        while let Some((servers, campaigns)) = open.pop() {
            let after = self.run(servers, None);
            if self.is_productive(&after) {
                return true;
            }
            if campaigns == MAX_CAMPAIGNS || !seen.insert((after.clone(), campaigns)) {
                continue;
            }
            for candidate in (0..after.len()).rev() {
                let after = self.run(after.clone(), Some(candidate));
                if self.is_productive(&after) {
                    return true;
                }
                open.push((after, campaigns + 1));
            }
        }
        false
    }

    fn is_productive(&self, servers: &[u32]) -> bool {
        servers.iter().any(|state| self.tables.model.is_productive(&self.tables.known_state(*state).state))
    }

    /// Everything that happens until the network is empty, after a campaign or without one.
    fn run(&mut self, mut servers: Vec<u32>, candidate: Option<usize>) -> Vec<u32> {
        let mut network = VecDeque::new();
        (0..servers.len()).for_each(|server| self.push(&mut servers, server, Push::Repair, &mut network));
        (0..servers.len()).for_each(|server| self.push(&mut servers, server, Push::Wait, &mut network));
        if let Some(candidate) = candidate {
            self.push(&mut servers, candidate, Push::Campaign, &mut network);
        }
        self.deliver(&mut servers, &mut network);
        for _ in 0..REPEATS {
            (0..servers.len()).for_each(|server| self.push(&mut servers, server, Push::Repeat, &mut network));
            self.deliver(&mut servers, &mut network);
        }
        servers
    }

    /// Delivers every message once, in the order in which they were sent. Writes end before the next message.
    fn deliver(&mut self, servers: &mut [u32], network: &mut VecDeque<u32>) {
        (0..servers.len()).for_each(|server| self.push(servers, server, Push::Repair, network));
        let mut left = MAX_MESSAGES;
        while let Some(message) = network.pop_front()
            && left > 0
        {
            left -= 1;
            let server = self.tables.known_message(message).to;
            self.step(servers, server, InputId(message), network);
            self.push(servers, server, Push::Repair, network);
        }
        network.clear();
    }

    /// Pushes a server, repeatedly where writes follow writes.
    fn push(&mut self, servers: &mut [u32], server: usize, push: Push, network: &mut VecDeque<u32>) {
        let times = if push == Push::Repair { 16 } else { 1 };
        for _ in 0..times {
            let state = &self.tables.known_state(servers[server]).state;
            let Some(code) = self.tables.model.push(state, push) else { return };
            let input = InputId::event(server, Event { code, limit: None }, 0, 0);
            self.step(servers, server, input, network);
        }
    }

    fn step(&mut self, servers: &mut [u32], server: usize, input: InputId, network: &mut VecDeque<u32>) {
        if let StepId::At(at) = self.tables.step(servers[server], input).0 {
            let result = &self.tables.results[at as usize];
            servers[server] = result.to;
            network.extend(&result.messages);
        }
    }
}
