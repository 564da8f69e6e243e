//! The interface to a system under test: a server that the harness boots and steps.
//!
//! *In*: a [`Server`], which a system implements. *Out*: the [`Host`] that it may use: clocks, disk, network, replies,
//! facts. Used by systems and the engine.

pub use crate::outcome::MAX_CATALOGUES;
pub use crate::plan::{Knob, OperatorCommand, Setting};
pub use raft_core::{BugInfo, Catalogue};

#[cfg(feature = "slog")]
pub use crate::support::logs::SlogDrain;

use crate::outcome::{Engine, TraceEvent};
use crate::plan::{MembershipOp, Plan, Supports, Trigger};
use crate::support::rng::{self, RngStream, label};
use crate::workload::{Reply, Request};
pub use crate::world::OperatorResponse;
use crate::world::{Disk, World};
use invariants::{ConfChange, ConfChangeOp, Contract, Node, ServerFact};
use rand::RngCore;
use std::fmt::Display;

/// Nanoseconds on a node's monotonic clock. Not comparable between nodes or incarnations.
pub type LocalTime = u64;

/// A system under test.
///
/// It is booted from its disk and nothing else, then stepped once per arrival, and dropped at a crash. It
/// acts on the world only through its [`Host`]. A panic in any of these functions breaks the property
/// `no-panic`.
pub trait Server: Sized + Send + 'static {
    /// The messages between servers. The timeline shows their `Display`.
    type Message: Clone + Display + Send + 'static;

    /// What it supports. Its plans rely on nothing else.
    const SUPPORTS: Supports = Supports::ALL;
    /// What it promises otherwise than the Raft paper. Properties judge it by this.
    const CONTRACT: Contract = Contract::PAPER;

    /// Settings of every plan that it does not read. Generated plans do not vary them; a run of a
    /// plan that sets one prints a note.
    const UNREAD: &'static [Setting] = &[];
    /// Settings that only this system has: read them with [`Plan::knob`].
    const KNOBS: &'static [Knob] = &[];
    /// The only engine that can run it, whatever the options say. `None`: all can.
    const ENGINE: Option<Engine> = None;

    /// Starts an incarnation from what survived on `host.disk()`, and nothing else.
    ///
    /// # Errors
    ///
    /// What it promised is damaged. Nothing arrives at this incarnation then, and liveness is not required of it.
    fn boot(host: &mut Host<'_, Self::Message>) -> Result<Self, Damaged>;
    /// Handles one arrival.
    fn step(&mut self, host: &mut Host<'_, Self::Message>, arrival: Arrival<Self::Message>);
    /// When to step the server with [`Arrival::Timer`], unless something arrives before. A deadline in the
    /// past is due at once; a server that never moves it forward breaks `liveness` by the plan's limit of
    /// events.
    fn deadline(&self) -> Option<LocalTime> {
        None
    }
    /// What it keeps for a while, to be compared with nothing while nothing happens. `None`: it does not say.
    fn bookkeeping(&self) -> Option<Bookkeeping> {
        None
    }
    /// Whether a message is a heartbeat. The count of heartbeats assumes one response to each.
    fn is_heartbeat(_message: &Self::Message) -> bool {
        false
    }
    /// How many bytes a message has on a real network, if the system has an encoding. Only asked where traffic is recorded.
    fn encoded_length(_message: &Self::Message) -> Option<u64> {
        None
    }
    /// The catalogues of bugs of this system, made with [`bugs!`](raft_core::bugs), at most [`MAX_CATALOGUES`]. Those of
    /// the parts that it uses: [`parts::CATALOGUES`](crate::parts::CATALOGUES).
    const CATALOGUES: &'static [Catalogue] = &[];
    /// The bugs that a plan can enable in this system, by its own [`Plan::enabled_bug`]: those of the catalogues, by id.
    /// Without the feature `bugs`: none. A system that lists others does not say which of their lines are exercised.
    fn bugs() -> Vec<&'static BugInfo> {
        bugs_of(Self::CATALOGUES)
    }
}

/// The bugs of these catalogues, by id; without the feature `bugs`: none.
pub(crate) fn bugs_of(catalogues: &[Catalogue]) -> Vec<&'static BugInfo> {
    let all = catalogues.iter().flat_map(|catalogue| catalogue.bugs.iter().copied());
    let mut all: Vec<_> = all.filter(|_| cfg!(feature = "bugs")).collect();
    all.sort_by_key(|bug| bug.id);
    all
}

/// Durable bytes of a server are damaged: what is wrong, for the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged(pub String);

/// What a server keeps for a while.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bookkeeping {
    /// Requests of clients, operators and other servers that are not answered.
    pub requests: u64,
    /// Promises that wait for the disk.
    pub promises: u64,
    /// Snapshots of which some parts have arrived, and not all.
    pub parts: u64,
    /// If it leads: the servers to which it sends its log. Otherwise empty.
    pub followers: Vec<Node>,
    /// The size of everything else that must not grow while nothing happens, in any unit: windows, tables, caches. It is
    /// compared with itself only.
    pub size: u64,
}

/// What arrives at a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival<M> {
    /// Its deadline is due.
    Timer,
    /// A message from another server.
    Message {
        /// The sender.
        from: Node,
        /// The message.
        message: M,
    },
    /// A client's request. Reply with [`Host::reply`] to this client, now or later.
    Request {
        /// The client's number.
        client: u64,
        /// The request.
        request: Request,
    },
    /// An operator's command, sent to the leader that the world knows. Respond with
    /// [`Host::respond_to_operator`], now or later.
    ///
    /// A server must start commands at once and in order: a change must not take effect if it was neither
    /// appended, nor lost, when a later one has completed. The configurations that may be in force are
    /// computed on that assumption.
    Operator {
        /// The number to respond to.
        request: u64,
        /// The command.
        command: OperatorCommand,
    },
    /// Everything written before the [`Host::sync`] with this token is durable.
    Synced(u64),
    /// The [`Host::sync`] with this token failed: nothing became durable by it.
    SyncFailed(u64),
}

impl OperatorCommand {
    /// The configuration change that it asks for, if any.
    pub(crate) fn conf_change(&self) -> Option<ConfChange> {
        let ops = |steps: &[MembershipOp]| {
            let op = |op: &MembershipOp| match *op {
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

/// The world as one incarnation of a server may use it.
pub struct Host<'a, M> {
    world: &'a mut World<M>,
    node: Node,
}

impl<'a, M: Clone + Display> Host<'a, M> {
    /// The host of the incarnation on `node`.
    pub(crate) fn new(world: &'a mut World<M>, node: Node) -> Host<'a, M> {
        Host { world, node }
    }

    /// The number of this node.
    pub fn node(&self) -> Node {
        self.node
    }

    /// The number of this incarnation.
    #[cfg(engine_madsim)]
    pub(crate) fn incarnation(&self) -> u32 {
        self.world.node_state(self.node).incarnation
    }

    /// The plan: settings of servers, and their number.
    pub fn plan(&self) -> &Plan {
        self.world.plan()
    }

    /// The reading of this node's monotonic clock.
    pub fn now(&self) -> LocalTime {
        self.world.local_time(self.node)
    }

    /// The reading of this node's wall clock, in nanoseconds. It may jump in both directions.
    pub fn wall_time(&self) -> i64 {
        self.world.wall_time(self.node)
    }

    /// This node's random generator, a new one in each incarnation.
    pub fn rng(&mut self) -> &mut RngStream {
        self.world.node_rng(self.node)
    }

    /// Sends a message, also to this server itself. It may be lost, duplicated or late. It is dropped if
    /// there is no such server.
    pub fn send(&mut self, to: Node, message: M) {
        self.world.send(self.node, to, message);
    }

    /// This node's disk. Writes are visible at once and durable only after a sync. An impossible operation
    /// (removing a file that does not exist, truncating beyond the end) panics, as a panic of the server.
    pub fn disk(&mut self) -> &mut Disk {
        self.world.disk(self.node)
    }

    /// The directory id that a server's disk gets at its first use; a wiped disk gets another. This is what
    /// the operator would tell the caller about another server. Defined for every number, even without such a
    /// server.
    pub fn directory_id_of(&self, node: Node) -> u64 {
        directory_id(self.world.plan().seed, node, self.world.disk_generation(node))
    }

    /// The directory id of an initial voter.
    pub fn initial_directory_id_of(&self, node: Node) -> u64 {
        directory_id(self.world.plan().seed, node, 0)
    }

    /// Starts a sync of everything that is written by now. [`Arrival::Synced`] reports success,
    /// [`Arrival::SyncFailed`] failure. Tokens may be reused. Several syncs may be in flight and end in any
    /// order.
    pub fn sync(&mut self, token: u64) {
        self.world.sync(self.node, token);
    }

    /// Replies to a client's open request, with a [`ClientResponse`](crate::workload::ClientResponse) of the
    /// right kind. A late or second reply is dropped; any other mismatch is a wrong answer.
    pub fn reply(&mut self, client: u64, reply: Reply) {
        self.world.reply(self.node, client, reply);
    }

    /// Responds to the operator. A rejected change must never take effect; a change that is done must be
    /// complete. No response means unknown. Only the first response counts.
    pub fn respond_to_operator(&mut self, request: u64, response: &OperatorResponse) {
        self.world.respond_to_operator(self.node, request, response);
    }

    /// States a fact about this node. A fact that contradicts earlier ones breaks a property. Facts that the system does
    /// not support are dropped.
    ///
    /// State a promise (a vote, a candidacy, an acknowledgement, another answer, a read) right before the message that makes it: a crash
    /// in the middle of a step comes before or after both.
    ///
    /// A server can claim and promise. What is durable, only its disk states ([`Disk::attach`]); what happened to a
    /// server, only the world. A lying server does not compile:
    ///
    /// ```compile_fail,E0308
    /// # use harness::server::Host;
    /// # use invariants::DiskFact;
    /// fn lie(host: &mut Host<'_, String>) {
    ///     host.record_fact(DiskFact::Saved { term: 1, vote: None, after: None });
    /// }
    /// ```
    pub fn record_fact(&mut self, fact: ServerFact) {
        self.world.record_server_fact(self.node, fact);
    }

    /// Whether faults are over and links lose and reorder nothing. Only then state which parts of snapshots are sent
    /// (`ChunkSent`).
    pub fn is_healed(&self) -> bool {
        self.world.is_healed
    }

    /// Stops this server until its next incarnation, because what it promised is damaged on its disk, or its
    /// disk does not save any more. Liveness is not required of it meanwhile. After a failed sync, the server
    /// is restarted once the disk works again.
    pub fn fail_stop(&mut self, reason: &str) {
        self.world.fail_stop(self.node, reason.to_owned());
    }

    /// Fires a trigger that only the server can see.
    pub fn fire_trigger(&mut self, trigger: Trigger) {
        if !self.world.is_cut(self.node) {
            self.world.fire_trigger(trigger, self.node);
        }
    }

    /// Counts a milestone that only the server can see: one of [`RUN_MILESTONES`](crate::outcome::RUN_MILESTONES), or one
    /// of its system.
    pub fn count_milestone(&mut self, milestone: &'static str) {
        if !self.world.is_cut(self.node) {
            self.world.count_milestone(milestone);
        }
    }

    /// Adds a note to the trace, shown as it is. The closure runs only if the trace is recorded.
    pub fn trace(&mut self, text: impl FnOnce() -> String) {
        self.world.trace(self.node, || TraceEvent::Note(text()));
    }
}

/// The directory id of a server's disk in one generation. Never 0.
fn directory_id(seed: u64, node: Node, generation: u64) -> u64 {
    rng::stream(seed, label::IDENTITY, [node, generation]).next_u64() | 1
}
