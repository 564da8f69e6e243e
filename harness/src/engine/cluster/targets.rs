//! Which nodes a target means at this moment, by the facts.

use super::Cluster;
use crate::plan::Target;
use crate::server::Server;
use invariants::{Configuration, Node, ServerState};

impl<S: Server> Cluster<S> {
    /// The nodes that a target means now, by number; empty if there is none.
    pub(super) fn targeted_nodes(&self, target: Target) -> Vec<Node> {
        let one = match target {
            Target::Node(node) => (1..=self.world.plan().nodes).contains(&node).then_some(node),
            Target::Leader => self.target_leader(),
            Target::Follower => self.target_follower(),
            Target::LongestLog => {
                self.first_by(self.live(), |node| self.server(node).map_or(0, ServerState::last_index))
            }
            Target::TriggerNode => self.faults.trigger_node,
            Target::NextLeader => self.next_leader(),
            Target::SlowestDisk => self.slowest_disk(),
            Target::TransferTarget => self.faults.transfer_target,
            Target::RemovedServer => {
                let Some(group) = self.newest_configuration() else { return Vec::new() };
                return self
                    .live()
                    .filter(|node| !group.has(*node) && self.world.was_member(*node))
                    .collect();
            }
            Target::Learners => {
                let Some(group) = self.newest_configuration() else { return Vec::new() };
                return self.live().filter(|node| group.learners.contains(node)).collect();
            }
            Target::NewestConfiguration => {
                let Some(group) = self.newest_configuration() else { return Vec::new() };
                let has =
                    |node: &Node| self.server(*node).and_then(ServerState::configuration) == Some(group);
                return self.live().filter(has).collect();
            }
        };
        one.into_iter().collect()
    }

    /// The running servers, by number.
    fn live(&self) -> impl Iterator<Item = Node> {
        (1..=self.world.plan().nodes).filter(|node| self.is_up(*node))
    }

    fn server(&self, node: Node) -> Option<&ServerState> {
        self.world.server_state(node)
    }

    fn leads(&self, node: Node) -> bool {
        self.world.leading_term(node).is_some()
    }

    /// The node with the largest key; of several, that with the lowest number.
    fn first_by<K: Ord>(&self, nodes: impl Iterator<Item = Node>, key: impl Fn(Node) -> K) -> Option<Node> {
        nodes.max_by_key(|node| (key(*node), u64::MAX - node))
    }

    fn target_leader(&self) -> Option<Node> {
        if !S::SUPPORTS.facts {
            let writer = self.world.last_writer.filter(|node| self.is_up(*node));
            return writer.or_else(|| self.live().next());
        }
        let leader = self.live().filter(|node| self.leads(*node));
        leader.max_by_key(|node| self.world.leading_term(*node)).or_else(|| {
            self.first_by(self.live(), |node| self.server(node).and_then(|it| it.term).unwrap_or(0))
        })
    }

    fn target_follower(&self) -> Option<Node> {
        if !S::SUPPORTS.facts {
            let leader = self.target_leader();
            return self.live().find(|node| Some(*node) != leader);
        }
        self.live().find(|node| !self.leads(*node))
    }

    /// Who will probably be elected next: an up-to-date log is needed (5.4.1), and the first candidate wins. Only the
    /// timer counts for a system that states no facts.
    fn next_leader(&self) -> Option<Node> {
        let leader = self.target_leader();
        let group = self.newest_configuration();
        let may_win = |node: &Node| {
            Some(*node) != leader
                && !self.leads(*node)
                && self.world.node_state(*node).pause_count == 0
                && group.is_none_or(|group| group.has(*node) && !group.learners.contains(node))
        };
        let last = |server: &ServerState| (server.term_at(server.last_index()), server.last_index());
        let timer_due = |node| self.world.node_state(node).timer_due;
        self.first_by(self.live().filter(may_win), |node| {
            (self.server(node).map(last), std::cmp::Reverse(timer_due(node)))
        })
    }

    fn slowest_disk(&self) -> Option<Node> {
        self.first_by(self.live(), |node| {
            let storage = &self.world.node_state(node).storage;
            let ends = storage.syncs_in_flight.iter().map(|sync| sync.due).max();
            (storage.stall_faults > 0, storage.slowdown, ends)
        })
    }

    /// The configuration that the leader uses, as it states it.
    fn newest_configuration(&self) -> Option<&Configuration> {
        self.server(self.target_leader()?)?.configuration()
    }
}
