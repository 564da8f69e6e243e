//! The one seam: a system under test is a server that the world boots and steps.

use crate::bugs::BugInfo;
use crate::plan::{MembershipOp, Plan, Trigger};
use crate::rng::{self, RngStream};
use crate::workload::{Reply, Request};
pub use crate::world::OperatorResponse;
use crate::world::{Disk, World};
use invariants::{ConfChange, ConfChangeOp, Fact, Node};
use rand::RngCore;
use std::fmt::Display;

/// Nanoseconds on a node's own monotonic clock. Never comparable between nodes or incarnations.
pub type LocalTime = u64;

/// A system under test.
///
/// It is booted from what its disk kept and nothing else, and then stepped, once for each thing that arrives. It is
/// dropped at a crash. Whatever it does to the world it does through its [`Host`]. Whatever it does wrong is a verdict on it:
/// a panic in any of these functions breaks the property `no-panic`.
pub trait Server: Sized + Send + 'static {
    /// What servers send each other. The text of `Display` is what the timeline shows.
    type Message: Clone + Display + Send + 'static;

    /// A new incarnation, from what survived on `host.disk()`, nothing else.
    fn boot(host: &mut Host<'_, Self::Message>) -> Self;
    /// One thing arrives.
    fn step(&mut self, host: &mut Host<'_, Self::Message>, arrival: Arrival<Self::Message>);
    /// When it must be stepped with [`Arrival::Timer`], if nothing comes before. One that has passed is due at once; a server
    /// that never gets beyond it never rests, and breaks `progress` by the plan's bound of events.
    fn deadline(&self) -> Option<LocalTime>;
    /// Whether a message only says "I lead": for the count of heartbeats, which takes an answer to each for granted.
    fn is_heartbeat(message: &Self::Message) -> bool;
    /// In strict mode, before each event: a server that works in tasks of its own hands over what they have done.
    fn collect_task_output(&mut self, _host: &mut Host<'_, Self::Message>) {}
}

/// What can arrive at a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival<M> {
    /// Its deadline is due.
    Timer,
    /// A message from another server.
    Message {
        /// The sender.
        from: Node,
        /// What it sent.
        message: M,
    },
    /// A client's request. Answer with [`Host::reply`] to this client, now or later.
    Request {
        /// The client's number.
        client: u64,
        /// What it asks.
        request: Request,
    },
    /// An operator's command, for the server that leads as far as the world knows. Answer with [`Host::answer_operator`], now
    /// or later.
    ///
    /// A server takes commands up at once and in their order. So a change that has not been appended, and committed or lost,
    /// when a later one is done never happens: what the world believes to be in force rests on that.
    Operator {
        /// The number under which it is answered.
        request: u64,
        /// The command.
        command: OperatorCommand,
    },
    /// Everything that was written before the [`Host::sync`] with this token is durable.
    Synced(u64),
    /// The [`Host::sync`] with this token has failed: nothing became durable by it.
    SyncFailed(u64),
}

/// What an operator may want. A system that cannot do it refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorCommand {
    /// Leadership shall pass to this server.
    Transfer(Node),
    /// The group shall change.
    Change {
        /// How, step by step.
        steps: Vec<MembershipOp>,
        /// Whether by way of a joint phase that goes on until [`OperatorCommand::Leave`].
        by_joint: bool,
    },
    /// The joint phase shall end.
    Leave,
}

impl OperatorCommand {
    /// The change of the group that it asks for.
    pub(crate) fn conf_change(&self) -> Option<ConfChange> {
        let ops = |steps: &[MembershipOp]| {
            let op = |step: &MembershipOp| match *step {
                MembershipOp::Voter(node) => ConfChangeOp::Voter(node),
                MembershipOp::Learner(node) => ConfChangeOp::Learner(node),
                MembershipOp::Remove(node) => ConfChangeOp::Remove(node),
            };
            steps.iter().map(op).collect()
        };
        match self {
            OperatorCommand::Transfer(_) => None,
            OperatorCommand::Change { steps, by_joint: false } => Some(ConfChange::Steps(ops(steps))),
            OperatorCommand::Change { steps, by_joint: true } => Some(ConfChange::Joint(ops(steps))),
            OperatorCommand::Leave => Some(ConfChange::Leave),
        }
    }
}

/// A server's toolbox: the world as one incarnation on one node may touch it. Nothing outlives it.
pub struct Host<'a, M> {
    world: &'a mut World<M>,
    node: Node,
}

impl<'a, M: Clone + Display> Host<'a, M> {
    /// The toolbox of the incarnation that now lives on `node`.
    pub(crate) fn new(world: &'a mut World<M>, node: Node) -> Host<'a, M> {
        Host { world, node }
    }

    /// This node's number.
    pub fn node(&self) -> Node {
        self.node
    }

    /// What shall happen: how servers are set up, and how many there are.
    pub fn plan(&self) -> &Plan {
        self.world.plan()
    }

    /// This node's monotonic clock.
    pub fn now(&self) -> LocalTime {
        self.world.local_time(self.node)
    }

    /// This node's wall clock, nanoseconds; it may jump anywhere.
    pub fn wall_time(&self) -> i64 {
        self.world.wall_time(self.node)
    }

    /// This node's own generator, a different one in each incarnation.
    pub fn rng(&mut self) -> &mut RngStream {
        self.world.node_rng(self.node)
    }

    /// Lets a message go. It may be lost, doubled, late. One to a server that there is not reaches nobody; one to the server
    /// itself takes its way like any other.
    pub fn send(&mut self, to: Node, message: M) {
        self.world.send(self.node, to, message);
    }

    /// What is on this node's disk, and a way to write it. Writes are seen at once and durable only after a sync. What cannot
    /// be done (to remove what is not there, to cut a file longer than it is) panics, and that is the server's panic.
    pub fn disk(&mut self) -> &mut Disk {
        self.world.disk(self.node)
    }

    /// The identity that the disk of this server draws when it is first used: another one after it was emptied. Whoever
    /// runs the group has it from there; a server that asks for another's is told what its operator would tell it.
    /// There is one for each number, also where there is no such server.
    pub fn directory_id_of(&self, node: Node) -> u64 {
        directory_id(self.world.plan().seed, node, self.world.disk_generation(node))
    }

    /// The identity with which this server founded the group.
    pub fn initial_directory_id_of(&self, node: Node) -> u64 {
        directory_id(self.world.plan().seed, node, 0)
    }

    /// Starts a sync of all that is written by now, under any token, also one that was used before; [`Arrival::Synced`] tells when it is durable, and
    /// [`Arrival::SyncFailed`] that it never will be. Several may be in flight, and they may end in any order.
    pub fn sync(&mut self, token: u64) {
        self.world.sync(self.node, token);
    }

    /// Answers a client: an open request of its own, with what belongs to it ([`Answer`](crate::workload::Answer)). Anything
    /// else is a wrong answer, but for a late or a second one, which is dropped.
    pub fn reply(&mut self, client: u64, reply: Reply) {
        self.world.reply(self.node, client, reply);
    }

    /// Answers an operator. Where a change is refused, the world takes it that it never happens; where it is done, that it
    /// is complete. What is not answered is unknown. Only the first answer counts.
    pub fn respond_to_operator(&mut self, request: u64, answer: &OperatorResponse) {
        self.world.respond_to_operator(self.node, request, answer);
    }

    /// States a fact about this node. What does not fit what was stated before breaks a property, whatever it says.
    pub fn record_fact(&mut self, fact: Fact) {
        self.world.record_fact(self.node, fact);
    }

    /// This server takes no part from now on, and says why: what it had promised is damaged on its disk, or its disk
    /// refuses to save more. No progress is asked of it until its next incarnation; one whose disk refused is restarted when
    /// the disk is sound again.
    pub fn fail_stop(&mut self, reason: &str) {
        self.world.fail_stop(self.node, reason.to_owned());
    }

    /// A moment has come that only the server knows of, and that a fault may wait for.
    pub fn fire_trigger(&mut self, moment: Trigger) {
        self.world.fire_trigger(moment, self.node);
    }

    /// Counts a situation that only the server knows of, under one of the names of milestones; any other name is ignored.
    pub fn count_milestone(&mut self, milestone: &'static str) {
        self.world.count_milestone(milestone);
    }

    /// Whether this bug is switched on, as in `host.bug(HostBug::InstallNotAtomic.info())`. Without the feature `bugs`:
    /// never.
    pub fn bug(&self, bug: &BugInfo) -> bool {
        cfg!(feature = "bugs") && self.world.bug() == Some(bug.name)
    }

    /// Adds a line to the timeline, made only where somebody reads it.
    pub fn trace(&mut self, text: impl FnOnce() -> String) {
        self.world.trace(self.node, text);
    }
}

/// What the disk of a server draws in one of its lives. Never 0.
fn directory_id(seed: u64, node: Node, life: u64) -> u64 {
    rng::stream(seed, "identity", [node, life]).next_u64() | 1
}
