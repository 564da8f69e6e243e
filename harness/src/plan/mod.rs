//! What shall happen: everything that a run does follows from its plan, and the plan is what runs, shrinks, is stored
//! and is read.

mod quantity;
mod fault;
mod fault_fields;
mod check;
mod reader;
pub mod file;
mod plan_rng;
mod episode;
mod operator;
pub mod generate;
pub mod mutate;

pub use check::{MAX_EVENTS, PlanError};
pub use fault::{Fault, FaultKind, MembershipOp, PermanentFault, PermanentFaultKind, Target, Trigger};
pub use generate::{GENERATOR_VERSION, generate};
pub use mutate::{mutate, mutated_plan};
pub use quantity::{Probability, SimDuration};

use serde::{Deserialize, Serialize};

/// The version of the format and of the meaning of its fields. A plan of a newer version is refused.
pub const VERSION: u32 = 1;
/// The most servers that a plan may have.
pub const MAX_NODES: u64 = 15;

/// What shall happen in one run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of the format: [`VERSION`].
    pub version: u32,
    /// Where all chance during the run comes from.
    pub seed: u64,
    /// How many servers there are, numbered from 1.
    pub nodes: u64,
    /// How long everything breaks and only safety is asked. Then all heals, and progress is asked.
    pub storm: SimDuration,
    /// A bug that is switched on, by its name in `harness list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// How the servers are set up.
    pub raft: RaftConfig,
    /// When servers replace the beginning of their logs by snapshots; where not given, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction: Option<CompactionConfig>,
    /// What links do when nothing else is said.
    pub network: NetworkConfig,
    /// What disks do when nothing else is said.
    pub disk: DiskConfig,
    /// What clients do.
    pub clients: ClientConfig,
    /// How long progress may take once all is healed.
    pub bounds: LivenessBounds,
    /// What does not heal when all else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<PermanentFault>,
    /// What breaks, and when.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// How the servers are set up.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaftConfig {
    /// The smallest election timeout.
    pub election_timeout: SimDuration,
    /// How much longer the largest is.
    pub election_timeout_spread: SimDuration,
    /// How often a leader makes itself heard.
    pub heartbeat: SimDuration,
    /// Whether a node asks before it campaigns (thesis 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears no majority steps down, and is protected while it does (thesis 6.2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_quorum: bool,
    /// How many servers found the group, from number 1 on; the others may join later. 0: all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub founders: u64,
    /// The most entries in one `AppendEntries`.
    pub batch: u64,
    /// The most `AppendEntries` with entries in flight to one follower.
    pub window: u64,
    /// The most syncs that a server has in flight on its disk.
    pub syncs: u64,
    /// Where given, leaders answer reads by leases (thesis 6.4.1), which hold as long as every clock keeps this close to
    /// true time. Needs check-quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_drift: Option<Probability>,
    /// Whether a follower passes what clients ask on to its leader.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward: bool,
    /// The most bytes of commands in one `AppendEntries`; a larger one goes alone. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub batch_bytes: u64,
    /// The most bytes of commands in flight to one follower. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window_bytes: u64,
    /// The most bytes of commands that a leader holds uncommitted before it is busy; each command counts 64 bytes more than
    /// it has. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncommitted_bytes: u64,
    /// The most bytes of a snapshot in one message. 0: all of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chunk: u64,
    /// The most requests that wait at a server; it refuses others. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// How many entries a server that is made a voter may lack. 0: any number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub promotion_lag: u64,
}

/// When a server makes a snapshot: as soon as any of these is due. 0 stands for never; one at least is given.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactionConfig {
    /// So many entries were applied since the last one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries: u64,
    /// Their commands have so many bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// So much time has passed since the last one, and something was applied.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub every: SimDuration,
    /// So many entries before the end of the snapshot stay, for followers that are a little behind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trailing: u64,
}

/// What links do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The shortest delay of a message.
    pub delay: SimDuration,
    /// How much longer an ordinary delay may be.
    pub delay_spread: SimDuration,
    /// How often a message takes much longer.
    pub tail: Probability,
    /// How much longer it then may take.
    pub tail_spread: SimDuration,
    /// How often a message is lost.
    pub loss: Probability,
    /// How often a message arrives twice.
    pub duplication: Probability,
    /// How often a message may be overtaken.
    pub reordering: Probability,
}

/// What disks do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// The shortest sync.
    pub sync: SimDuration,
    /// How much longer an ordinary sync may take.
    pub sync_spread: SimDuration,
    /// How often a sync takes much longer.
    pub tail: Probability,
    /// How much longer it then may take.
    pub tail_spread: SimDuration,
}

/// What clients do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// How many there are.
    pub count: u64,
    /// The most requests that one has in flight.
    pub in_flight: u64,
    /// The mean pause of a client between two requests.
    pub pause: SimDuration,
    /// How long a client waits for an answer before it asks again.
    pub patience: SimDuration,
    /// How often it asks before it gives up, and the operation stays unknown.
    pub attempts: u64,
    /// How many keys there are: the first half registers, the rest lists.
    pub keys: u64,
    /// How often an operation is a read.
    pub reads: Probability,
    /// For how much log time a session may go unused before it is forgotten; sessions are registered then. 0: they begin
    /// with their first request and live for ever.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub session: SimDuration,
    /// How often a client asks any server instead of the one that it believes to lead.
    #[serde(default, skip_serializing_if = "Probability::is_zero")]
    pub anywhere: Probability,
    /// Which of its calls each client makes, by their numbers from 1 on; absent: all of them. What it would call, and
    /// when, stays what it was, so that calls can be left out one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<Vec<u64>>>,
}

/// How long progress may take: once all is healed in largest election timeouts, and in all in events.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessBounds {
    /// Until there is a leader.
    pub leader: u64,
    /// Then until a fresh write and a fresh read are answered.
    pub write: u64,
    /// Then until every server has what the leader has.
    pub convergence: u64,
    /// How many events a run may have: what never rests does not progress either.
    pub events: u64,
}

impl Plan {
    /// How many servers found the group, from number 1 on.
    #[must_use]
    pub fn initial_voters(&self) -> u64 {
        if self.raft.founders == 0 { self.nodes } else { self.raft.founders }
    }
}

/// Whether a knob is off: then it does not stand in the file, and yesterday's plans mean what they meant.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
