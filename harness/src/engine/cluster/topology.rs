//! A topology that does not heal: only some links between servers work, for good.
//!
//! The **expected core** are the servers of which liveness is then required: the largest set of running servers each of
//! which reaches, over working links and in one step, a majority of every configuration that may be in force, within that
//! set. Of all servers in the core the one with the best log can always be elected: those that it reaches are a majority
//! whose logs are no better. And a leader in the core stays: its majority ignores candidates while it hears the leader
//! (check-quorum, thesis 4.2.3), so no other server finds a majority. Without such a set nothing is
//! required, as in a star of five, where only the center reaches a majority and may lack what the others have committed.
//!
//! Where several configurations may be in force, a server outside the core may reach a majority of the one that is. Such a
//! leader will do, too.
//!
//! Messages pass no server: what a leader does not reach, it cannot serve. So only members of the core that the leader
//! reaches must have what it has. *Sources*: Alfatafta et al., OSDI 2020 (partial partitions); Ng et al., EuroSys 2023, which
//! shows where Raft cannot progress without these conditions.

use super::Cluster;
use crate::plan::faults::Shape;
use crate::server::Server;
use invariants::{Node, ServerState};

/// Which links work in the healed phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermanentTopology {
    pub(super) shape: Shape,
    pub(super) center: Node,
    pub(super) nodes: u64,
}

impl PermanentTopology {
    /// Whether the link between two servers works.
    pub(super) const fn connects(&self, from: Node, to: Node) -> bool {
        let PermanentTopology { shape, center, nodes } = *self;
        shape.connects((from + nodes - center) % nodes, (to + nodes - center) % nodes, nodes)
    }

    /// The links that do not work.
    pub(super) fn blocked(self) -> impl Iterator<Item = (Node, Node)> {
        let pairs = (1..=self.nodes).flat_map(move |from| (1..=self.nodes).map(move |to| (from, to)));
        pairs.filter(move |(from, to)| !self.connects(*from, *to))
    }

    /// The expected core of these running servers, one bit each. `has_quorum`: whether the servers with these bits are a
    /// quorum.
    pub(super) fn core(&self, running: u64, has_quorum: impl Fn(u64) -> bool) -> u64 {
        let mut core = running;
        loop {
            let reaches = |from: Node| {
                (1..=self.nodes).filter(|to| self.connects(from, *to)).fold(0, |bits, to| bits | 1 << to)
            };
            let members = (1..=self.nodes).filter(|node| core & 1 << node != 0);
            let next = members
                .filter(|node| has_quorum(core & reaches(*node)))
                .fold(0, |bits, node| bits | 1 << node);
            if next == core {
                return core;
            }
            core = next;
        }
    }
}

impl<S: Server> Cluster<S> {
    /// Whether a server is in the expected core.
    pub(super) fn is_in_core(&self, topology: PermanentTopology, node: Node) -> bool {
        let bits = |has: &dyn Fn(Node) -> bool| {
            (1..=topology.nodes).filter(|node| has(*node)).fold(0, |bits, node| bits | 1 << node)
        };
        let possible = self.world.possible_configurations();
        let core = topology.core(bits(&|node| self.runs_without_fault(node)), |counted| {
            possible.all_have_quorum(|member| {
                counted & 1 << member.node != 0 && self.world.member(member.node) == member
            })
        });
        core & 1 << node != 0
    }

    /// Whether a server outside the core reaches a majority of the configuration that it has in force: where others may be
    /// in force, too, the core lacks servers that do work.
    pub(super) fn reaches_its_majority(&self, node: Node) -> bool {
        let Some(topology) = self.topology.filter(|_| self.runs_without_fault(node)) else { return false };
        let in_force = self.world.server_state(node).and_then(ServerState::configuration);
        let reaches = |member| topology.connects(node, member) && self.runs_without_fault(member);
        in_force.is_some_and(|in_force| in_force.is_quorum(reaches))
    }
}

#[cfg(test)]
mod tests {
    use super::PermanentTopology;
    use crate::plan::faults::Shape;

    /// The core of so many voters of which these are down.
    fn core(shape: Shape, nodes: u64, center: u64, down: &[u64]) -> Vec<u64> {
        let topology = PermanentTopology { shape, center, nodes };
        let running = (1..=nodes).filter(|node| !down.contains(node)).fold(0, |bits, node| bits | 1 << node);
        let core = topology.core(running, |bits| 2 * u64::from(bits.count_ones()) > nodes);
        (1..=nodes).filter(|node| core & 1 << node != 0).collect()
    }

    #[test]
    fn all_servers_are_in_the_core_where_each_reaches_a_majority() {
        assert_eq!(core(Shape::Bridge, 5, 1, &[]), [1, 2, 3, 4, 5]);
        assert_eq!(core(Shape::Bridge, 7, 4, &[]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(core(Shape::Ring, 5, 2, &[]), [1, 2, 3, 4, 5]);
        assert_eq!(core(Shape::Ring, 4, 1, &[]), [1, 2, 3, 4]);
        assert_eq!(core(Shape::Chain, 3, 2, &[]), [1, 2, 3]);
    }

    #[test]
    fn a_server_that_reaches_no_majority_is_outside() {
        // Two halves of two and of one beside the bridge.
        assert_eq!(core(Shape::Bridge, 4, 1, &[]), [1, 2, 3]);
        assert_eq!(core(Shape::LoneLink, 5, 1, &[]), [2, 3, 4, 5]);
        assert_eq!(core(Shape::Bridge, 5, 1, &[5]), [1, 2, 3], "n4 has lost its half");
    }

    #[test]
    fn there_is_no_core_where_too_few_servers_reach_a_majority_of_it() {
        assert_eq!(core(Shape::Star, 5, 1, &[]), [0; 0], "the center alone reaches a majority");
        assert_eq!(core(Shape::Chain, 4, 1, &[]), [0; 0]);
        assert_eq!(core(Shape::Ring, 6, 1, &[]), [0; 0]);
        assert_eq!(core(Shape::Ring, 5, 1, &[3]), [0; 0], "its neighbours reach two of five, then theirs");
        assert_eq!(core(Shape::Bridge, 5, 1, &[1]), [0; 0]);
    }

    /// The stupid twin tries all sets of servers.
    #[test]
    fn the_core_is_the_largest_set_whose_servers_each_reach_a_majority_within_it() {
        for shape in [Shape::Bridge, Shape::Ring, Shape::Chain, Shape::Star, Shape::LoneLink] {
            for (nodes, center) in (3..=6).flat_map(|nodes| (1..=nodes).map(move |center| (nodes, center))) {
                let topology = PermanentTopology { shape, center, nodes };
                let members = |set: u64| (1..=nodes).filter(move |node| set & 1 << node != 0);
                let holds = |set: u64| {
                    members(set).all(|from| {
                        2 * members(set).filter(|to| topology.connects(from, *to)).count() as u64 > nodes
                    })
                };
                let sets = (0..1 << nodes).map(|bits| bits << 1);
                let largest = sets.filter(|set| holds(*set)).max_by_key(|set| set.count_ones()).unwrap();
                assert_eq!(core(shape, nodes, center, &[]), members(largest).collect::<Vec<_>>());
            }
        }
    }
}
