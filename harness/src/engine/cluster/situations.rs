//! In which situation of the cluster a line was exercised: a few bits that tell whether a run got to a rare place.

use super::Cluster;
use crate::outcome::{Exercised, Situations};
use crate::server::Server;
use invariants::ServerState;

/// No server leads.
const NO_LEADER: u32 = 1;
/// Several servers lead, in different terms.
const TWO_LEADERS: u32 = 1 << 1;
/// A server is down.
const DOWN: u32 = 1 << 2;
/// A server uses another configuration than others, or a joint one.
const CHANGING: u32 = 1 << 3;
/// The logs of two servers end in different terms.
const LOGS_APART: u32 = 1 << 4;

/// What a run has exercised so far.
#[derive(Default)]
pub(crate) struct SituationRecorder {
    /// All lines.
    pub(crate) exercised: Exercised,
    /// Each with its situations.
    pub(crate) situations: Situations,
}

impl<S: Server> Cluster<S> {
    /// Records the lines that the step which just ended has exercised.
    #[cold]
    pub(super) fn record_situation(&mut self) {
        let lines = Exercised::take(S::CATALOGUES);
        if lines == Exercised::default() {
            return;
        }
        let situation = self.situation();
        let Some(recorder) = &mut self.situations else { return };
        recorder.exercised.add(lines);
        recorder.situations.add(lines, situation);
    }

    /// The situation of the cluster, as the facts tell it.
    fn situation(&self) -> u32 {
        let nodes = 1..=self.servers.len() as u64;
        let states = || {
            nodes.clone().filter(|node| self.is_up(*node)).filter_map(|node| self.world.server_state(node))
        };
        let leaders = states().filter(|state| state.leading_term().is_some()).count();
        let last_term = |state: &ServerState| state.term_at(state.last_index());
        let is_joint = |state: &ServerState| state.configuration().is_some_and(|it| it.is_joint());
        let bits = [
            (NO_LEADER, leaders == 0),
            (TWO_LEADERS, leaders > 1),
            (DOWN, self.servers.iter().any(Option::is_none)),
            (CHANGING, states().any(is_joint) || differ(states().map(ServerState::configuration))),
            (LOGS_APART, differ(states().map(last_term))),
        ];
        bits.into_iter().filter(|(_, holds)| *holds).map(|(bit, _)| bit).sum()
    }
}

/// Whether not all of these are the same.
fn differ<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.any(|value| Some(value) != first)
}

#[cfg(test)]
mod tests {
    use super::differ;

    #[test]
    fn values_differ_if_two_are_not_the_same() {
        assert!(!differ([0; 0].into_iter()));
        assert!(!differ([1, 1, 1].into_iter()));
        assert!(differ([1, 1, 2].into_iter()));
        assert!(differ([2, 1].into_iter()));
    }
}
