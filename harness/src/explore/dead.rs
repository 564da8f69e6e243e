//! Dead messages: those that change nothing at their receiver, now and later.
//!
//! During a search a message is taken for dead where it changes nothing now, and leaves the network. That is an
//! assumption. After the search it is verified: from each state where a message was dropped, all states of that server
//! that may follow are visited, renamed ones included, and the message must change nothing in any of them. Where it does,
//! it is kept from then on, and the search is repeated.
//!
//! Why a search without such an error has left nothing out: take any run of the full network, and follow it in the
//! reduced one. A message that was dropped has no effect in any server state that followed, so both runs go through the
//! same server states.

use super::Model;
use super::fixed::{FixedMap, FixedSet};
use super::network::EMPTY;
use super::tables::{InputId, StepId, Tables};

/// Which messages are dropped where.
#[derive(Default)]
pub(super) struct Dead {
    /// Whether any are.
    is_on: bool,
    /// Messages that are kept at a state although they change nothing there.
    kept: FixedSet<(u32, u32)>,
    /// Messages that were dropped in this round, each with the states at which it was.
    dropped: FixedMap<u32, FixedSet<u32>>,
    /// Drops some messages that change something: an error that verification must find.
    #[cfg(test)]
    pub(super) planted: bool,
    /// What is left of a set at a state.
    filtered: FixedMap<(u32, u32), u32>,
}

impl Dead {
    pub(super) fn new(is_on: bool) -> Dead {
        Dead { is_on, ..Dead::default() }
    }

    /// Begins a round with these messages kept, too.
    pub(super) fn begin_round(&mut self, wrong: impl IntoIterator<Item = (u32, u32)>) {
        self.kept.extend(wrong);
        self.dropped.clear();
        self.filtered.clear();
    }

    fn is_dead<M: Model>(&mut self, tables: &mut Tables<M>, state: u32, message: u32) -> bool {
        if !self.is_on || self.kept.contains(&(state, message)) {
            return false;
        }
        let step = tables.step(state, InputId(message));
        let changes_nothing = matches!(step, StepId::NoEffect | StepId::OutOfScope);
        #[cfg(test)]
        let changes_nothing = changes_nothing || (self.planted && message.is_multiple_of(5));
        if changes_nothing {
            self.dropped.entry(message).or_default().insert(state);
        }
        changes_nothing
    }

    /// What is left of a set once its server is in this state.
    pub(super) fn filter<M: Model>(&mut self, tables: &mut Tables<M>, state: u32, set: u32) -> u32 {
        if !self.is_on || set == EMPTY {
            return set;
        }
        if let Some(left) = self.filtered.get(&(state, set)) {
            return *left;
        }
        let mut messages = tables.sets.get(set).to_vec();
        messages.retain(|message| !self.is_dead(tables, state, *message));
        let left = tables.sets.of(&messages);
        self.filtered.insert((state, set), left);
        left
    }

    /// The set of a server in this state with one more message.
    pub(super) fn add<M: Model>(
        &mut self,
        tables: &mut Tables<M>,
        state: u32,
        set: u32,
        message: u32,
    ) -> u32 {
        let is_there = tables.sets.get(set).binary_search(&message).is_ok();
        if is_there || self.is_dead(tables, state, message) { set } else { tables.sets.insert(set, message) }
    }

    /// The messages that were dropped although they change something at a state that may follow, each with the state.
    pub(super) fn find_errors<M: Model>(&self, tables: &mut Tables<M>) -> Vec<(u32, u32)> {
        let mut dropped: Vec<(u32, Vec<u32>)> = self
            .dropped
            .iter()
            .map(|(message, states)| (*message, states.iter().copied().collect()))
            .collect();
        // The tables are filled in this order: the numbers of what is found must not depend on a hash.
        dropped.sort_unstable_by_key(|(message, _)| *message);
        let graph = Graph::of(tables);
        let mut errors = Vec::new();
        for (message, mut states) in dropped {
            states.sort_unstable();
            graph.find_errors(tables, message, &states, &mut errors);
        }
        errors
    }
}

/// Which state may follow which at one server, with the renaming under which it does.
struct Graph {
    /// By state: the states after a step, and the states that equal it but for the numbers of servers.
    next: Vec<Vec<(u32, u8)>>,
}

impl Graph {
    fn of<M: Model>(tables: &mut Tables<M>) -> Graph {
        let mut next: Vec<Vec<(u32, u8)>> = vec![Vec::new(); tables.states.len()];
        let mut edges: Vec<(u32, u32)> =
            tables.all_steps().map(|(from, _, at)| (from, tables.results[at as usize].to)).collect();
        edges.sort_unstable();
        edges.dedup();
        edges.into_iter().for_each(|(from, to)| next[from as usize].push((to, 0)));
        for renaming in 1..tables.renamings.len() {
            for state in 0..next.len() as u32 {
                if tables.states[state as usize].is_some() {
                    let renamed = tables.renamed_state(state, renaming);
                    if tables.states.get(renamed as usize).is_some_and(Option::is_some) {
                        next[state as usize].push((renamed, renaming as u8));
                    }
                }
            }
        }
        Graph { next }
    }

    /// Adds the states among `dropped_at` after which `message` may change something.
    fn find_errors<M: Model>(
        &self,
        tables: &mut Tables<M>,
        message: u32,
        dropped_at: &[u32],
        errors: &mut Vec<(u32, u32)>,
    ) {
        // Forward over all pairs of state and message, renamed together.
        let mut nodes: Vec<(u32, u32)> = Vec::new();
        let mut position: FixedMap<(u32, u32), u32> = FixedMap::default();
        let mut before: Vec<Vec<u32>> = Vec::new();
        let mut live = Vec::new();
        let mut renamed_messages: FixedMap<(u32, u8), u32> = FixedMap::default();
        for state in dropped_at {
            position.insert((*state, message), nodes.len() as u32);
            nodes.push((*state, message));
            before.push(Vec::new());
        }
        let mut at = 0;
        while at < nodes.len() {
            let (state, message) = nodes[at];
            // These pairs need not meet in a cluster, so a panic here is no violation.
            if matches!(tables.step(state, InputId(message)), StepId::At(_) | StepId::Panics(_)) {
                live.push(at as u32);
            }
            let next = self.next.get(state as usize).map_or(&[][..], Vec::as_slice);
            for (to, renaming) in next {
                let renamed = match renaming {
                    0 => message,
                    _ => *renamed_messages
                        .entry((message, *renaming))
                        .or_insert_with(|| tables.renamed_message(message, usize::from(*renaming))),
                };
                let to = *position.entry((*to, renamed)).or_insert_with(|| {
                    nodes.push((*to, renamed));
                    before.push(Vec::new());
                    nodes.len() as u32 - 1
                });
                before[to as usize].push(at as u32);
            }
            at += 1;
        }
        // Back from where it changes something.
        let mut reaches = vec![false; nodes.len()];
        while let Some(node) = live.pop() {
            if !std::mem::replace(&mut reaches[node as usize], true) {
                live.extend(&before[node as usize]);
            }
        }
        errors.extend((0..dropped_at.len()).filter(|at| reaches[*at]).map(|at| nodes[at]));
    }
}
