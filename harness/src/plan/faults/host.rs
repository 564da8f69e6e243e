//! What faults do to the simulated environment, and how they end.

use super::Damage;
use crate::plan::{OperatorCommand, Probability, SimDuration, Target};
use invariants::Node;
use std::convert::Infallible;
use std::fmt::{self, Display};

/// The environment as faults see it. Each lasting effect has a method that ends it; effects of several faults add up.
pub(crate) trait FaultHost {
    /// The number of servers, which are numbered from 1.
    fn nodes(&self) -> u64;
    /// The nodes that a target means now, by number; empty if there is none.
    fn resolve_all(&self, target: Target) -> Vec<Node>;
    /// The node that a target means now, the one with the lowest number of several; `None` if there is none.
    fn resolve(&self, target: Target) -> Option<Node> {
        self.resolve_all(target).first().copied()
    }
    /// Whether a server runs on this node.
    fn is_up(&self, node: Node) -> bool;
    /// The leader of the highest term, if it is up and not paused.
    fn current_leader(&self) -> Option<Node>;
    /// Takes a node down, with or without a loss of power. If it is down already, it stays down longer.
    fn take_down(&mut self, node: Node, power_loss: bool);
    /// Lets a server crash after so many more things that it does to the world, with or without a loss of power, and
    /// restart later. Returns false if such a crash is due already.
    fn crash_mid_step(&mut self, node: Node, effects: u64, power_loss: bool, lasts: SimDuration) -> bool;
    /// Lets a node restart, unless another fault keeps it down.
    fn let_restart(&mut self, node: Node);
    /// Pauses a server. Returns its incarnation.
    fn pause(&mut self, node: Node) -> u32;
    /// Resumes a server, if it is still the same incarnation.
    fn resume(&mut self, node: Node, incarnation: u32);
    /// Drops all messages from one node to another.
    fn block_link(&mut self, from: Node, to: Node);
    /// Ends that.
    fn unblock_link(&mut self, from: Node, to: Node);
    /// Holds messages on these links from now on, to deliver them later. Returns a number for this.
    fn hold_messages(&mut self, links: Vec<(Node, Node)>, rule: HoldRule) -> u64;
    /// Ends that: the messages arrive.
    fn release_messages(&mut self, number: u64);
    /// Makes all links worse. Returns a number for this degradation.
    fn degrade_network(&mut self, by: NetworkDegradation) -> u64;
    /// Ends a degradation.
    fn end_degradation(&mut self, number: u64);
    /// Makes syncs take `factor` times as long.
    fn slow_disk(&mut self, node: Node, factor: u64);
    /// Ends that.
    fn end_slow_disk(&mut self, node: Node, factor: u64);
    /// Completes no sync of this disk.
    fn stall_disk(&mut self, node: Node);
    /// Ends that.
    fn end_stalled_disk(&mut self, node: Node);
    /// Fails syncs of this disk.
    fn fail_syncs(&mut self, node: Node, errors: SyncErrors);
    /// Ends that. A server that stopped because of it restarts.
    fn end_sync_errors(&mut self, node: Node, errors: SyncErrors);
    /// Makes a monotonic clock faster by so many parts per million.
    fn add_clock_rate(&mut self, node: Node, by: i64);
    /// Moves a monotonic clock forward.
    fn jump_clock(&mut self, node: Node, by: SimDuration);
    /// Moves a wall clock by so many milliseconds.
    fn jump_wall_clock(&mut self, node: Node, by: i64);
    /// Lets a disk take so many more bytes; then syncs fail. Returns a number for this.
    fn fill_disk(&mut self, node: Node, room: u64) -> u64;
    /// Ends that. A server that stopped because of it restarts.
    fn make_room(&mut self, node: Node, number: u64);
    /// Damages synced bytes. `within_quorum`: only if a quorum of undamaged disks is left. Returns false if none may be
    /// damaged.
    fn damage(&mut self, node: Node, how: Damage, within_quorum: bool) -> bool;
    /// Empties a disk, once its server is down. Returns false if the cluster needs what is on it.
    fn wipe(&mut self, node: Node) -> bool;
}

/// How much worse all links get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkDegradation {
    /// Probability that a message is lost.
    pub(crate) loss: Probability,
    /// Probability that it arrives twice.
    pub(crate) duplication: Probability,
    /// Probability that it may be overtaken.
    pub(crate) reordering: Probability,
    /// The largest extra delay of a message that may be overtaken.
    pub(crate) delay: SimDuration,
}

/// Which messages are held, and how they arrive later.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct HoldRule {
    /// Whether they arrive in another order than they were sent.
    pub(crate) shuffled: bool,
    /// Whether only the first message is held.
    pub(crate) single: bool,
    /// Within which time they all arrive.
    pub(crate) spread: SimDuration,
}

/// How syncs of a disk fail.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct SyncErrors {
    /// Whether what a failed sync covered stays visible, and no later sync makes it durable.
    pub(crate) drops: bool,
    /// Whether only one sync fails.
    pub(crate) once: bool,
}

/// What a fault that has begun does next.
pub(crate) enum Begun<A> {
    /// Nothing: it happened once.
    Once,
    /// It ends after a while.
    Until(A, SimDuration),
    /// The operator submits a command to this leader.
    Command(Node, OperatorCommand),
}

impl<A> Begun<A> {
    pub(super) fn map<B>(self, map: impl FnOnce(A) -> B) -> Begun<B> {
        match self {
            Begun::Once => Begun::Once,
            Begun::Until(active, lasts) => Begun::Until(map(active), lasts),
            Begun::Command(leader, command) => Begun::Command(leader, command),
        }
    }
}

/// The end of a fault; displays what it means.
pub(crate) trait End: Display {
    /// Ends the fault.
    fn end(self, host: &mut dyn FaultHost);
}

/// For faults that happen once.
impl End for Infallible {
    fn end(self, _: &mut dyn FaultHost) {
        match self {}
    }
}

/// Nodes that a fault keeps down.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Down(pub(crate) Vec<Node>);

impl End for Down {
    fn end(self, host: &mut dyn FaultHost) {
        self.0.into_iter().for_each(|node| host.let_restart(node));
    }
}

impl Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| write!(f, "n{node} "))?;
        f.write_str("can restart")
    }
}

/// Links that a fault blocks.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Blocked(Vec<(Node, Node)>);

impl Blocked {
    /// Blocks these links.
    pub(super) fn block(links: Vec<(Node, Node)>, host: &mut dyn FaultHost) -> Blocked {
        links.iter().for_each(|(from, to)| host.block_link(*from, *to));
        Blocked(links)
    }
}

impl End for Blocked {
    fn end(self, host: &mut dyn FaultHost) {
        self.0.into_iter().for_each(|(from, to)| host.unblock_link(from, to));
    }
}

impl Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} links are unblocked", self.0.len())
    }
}
