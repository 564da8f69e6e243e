//! The plan of a run. A run is a function of its plan; plans are generated, run, shrunk, stored and read by people.
//!
//! *In*: a seed, or a file. *Out*: a [`Plan`] that [`Plan::check`] accepts. Everyone may use it; it knows only
//! [`support`](crate::support).

mod quantity;
mod target;
mod operator_command;
pub mod faults;
mod permanent_fault;
mod check;
mod capacity;
mod reader;
pub mod file;
mod plan_rng;
mod episode;
mod operator;
mod profile;
mod additions;
mod shapes;
pub mod generate;
#[cfg(test)]
mod combinations;
pub mod mutate;
mod supports;
mod feature;
mod settings;

pub use capacity::{Capacity, Load};
pub use check::{MAX_EVENTS, PlanError};
pub use faults::{Fault, FaultKind};
pub use feature::Feature;
pub use generate::{GENERATOR_VERSION, generate, generate_in};
pub use mutate::{mutate, mutated_plan};
pub use operator_command::{MembershipOp, OperatorCommand};
pub use permanent_fault::{PermanentFault, PermanentFaultKind};
pub(crate) use plan_rng::PlanRng;
pub use profile::{PROFILES, PlanProfile};
pub use quantity::{Probability, SimDuration};
pub use settings::{Knob, Setting};
pub use supports::Supports;
pub use target::{Target, Trigger};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the plan format. A plan of a newer version is rejected.
pub const VERSION: u32 = 1;
/// The largest cluster that a plan may have.
pub const MAX_NODES: u64 = 15;

/// Everything that decides what one run does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The format version: [`VERSION`].
    pub version: u32,
    /// The seed of all random streams of the run.
    pub seed: u64,
    /// The number of servers, which are numbered from 1.
    pub nodes: u64,
    /// The length of the fault phase, in which safety is checked. Then all faults end, and the healed phase checks
    /// liveness.
    #[serde(alias = "storm")]
    pub fault_phase: SimDuration,
    /// The bug to enable, by its name in `harness list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// Whether disks go bad and are wiped without a limit: at any byte, and so many that no quorum of them is left. Raft
    /// promises nothing then: what rests on disks that forget nothing is not checked, and the run ends with the fault
    /// phase, because liveness is not either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlimited_damage: bool,
    /// The settings of the servers.
    pub raft: RaftConfig,
    /// When servers compact their logs into snapshots; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction: Option<CompactionConfig>,
    /// The behaviour of links without faults.
    pub network: NetworkConfig,
    /// The behaviour of disks without faults.
    pub disk: DiskConfig,
    /// A reading that monotonic clocks pass during the run: each incarnation begins up to 30 s before it. 0: they begin
    /// at random readings.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub clock_limit: SimDuration,
    /// The behaviour of clients.
    pub clients: ClientConfig,
    /// Bounds of the healed phase.
    pub bounds: LivenessBounds,
    /// Settings that only the system has, by name: see [`Knob`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub system: BTreeMap<String, u64>,
    /// A fault that does not end with the fault phase.
    #[serde(default, alias = "held", skip_serializing_if = "Option::is_none")]
    pub permanent_fault: Option<PermanentFault>,
    /// The faults.
    #[serde(default, rename = "fault", skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

impl Plan {
    /// The bug that this plan enables, if it is one of those that `named` knows. Without the feature `bugs`: none.
    #[must_use]
    pub fn enabled_bug<B>(&self, named: impl FnOnce(&str) -> Option<B>) -> Option<B> {
        self.bug.as_deref().filter(|_| cfg!(feature = "bugs")).and_then(named)
    }
}

/// The settings of the servers.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaftConfig {
    /// The shortest election timeout.
    pub election_timeout: SimDuration,
    /// The longest election timeout minus the shortest.
    pub election_timeout_spread: SimDuration,
    /// The interval between a leader's heartbeats.
    pub heartbeat: SimDuration,
    /// Whether a server runs a pre-vote before it campaigns (thesis 9.6).
    pub pre_vote: bool,
    /// Check-quorum: a leader that hears from no majority steps down, and until then its voters ignore candidates
    /// (thesis 6.2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_quorum: bool,
    /// How many servers are initial voters, from number 1 on; the others may join later. 0: all.
    #[serde(default, alias = "founders", skip_serializing_if = "is_zero")]
    pub initial_voters: u64,
    /// The most entries in one `AppendEntries`.
    pub batch: u64,
    /// The most `AppendEntries` with entries in flight to one follower.
    pub window: u64,
    /// The most syncs that a server has in flight on its disk.
    #[serde(alias = "syncs")]
    pub max_in_flight_syncs: u64,
    /// If set, leaders serve reads under a lease (thesis 6.4.1), which is valid as long as every clock's rate stays
    /// within this bound of true time. Needs check-quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_drift: Option<Probability>,
    /// Whether a follower forwards client requests to its leader.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward: bool,
    /// The most command bytes in one `AppendEntries`; a larger command is sent alone. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub batch_bytes: u64,
    /// The most command bytes in flight to one follower. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window_bytes: u64,
    /// The most command bytes that a leader holds uncommitted before it answers "busy"; each command counts 64 bytes
    /// extra. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncommitted_bytes: u64,
    /// The most bytes of a snapshot in one message. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chunk: u64,
    /// The most pending requests of a server; it rejects any more. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// The most entries that a learner may lag when it is promoted. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub promotion_lag: u64,
}

/// A server takes a snapshot as soon as one of these conditions holds. 0 disables a condition; at least one is set.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactionConfig {
    /// This many entries were applied since the last snapshot.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries: u64,
    /// Their commands have this many bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// This much time has passed since the last snapshot, and something was applied.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub every: SimDuration,
    /// How many entries before the snapshot's end stay in the log, for followers that lag a little.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trailing: u64,
}

/// The behaviour of links.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The shortest delay of a message.
    pub delay: SimDuration,
    /// An ordinary delay minus the shortest, at most.
    pub delay_spread: SimDuration,
    /// How often a message takes much longer.
    pub tail: Probability,
    /// The extra delay of such a message, at most.
    pub tail_spread: SimDuration,
    /// How often a message is lost.
    pub loss: Probability,
    /// How often a message is delivered twice.
    pub duplication: Probability,
    /// How often later messages may overtake a message.
    pub reordering: Probability,
}

/// The behaviour of disks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// The shortest sync.
    pub sync: SimDuration,
    /// An ordinary sync minus the shortest, at most.
    pub sync_spread: SimDuration,
    /// How often a sync takes much longer.
    pub tail: Probability,
    /// The extra time of such a sync, at most.
    pub tail_spread: SimDuration,
}

/// The behaviour of clients.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// The number of clients.
    pub count: u64,
    /// The most requests that one client has in flight.
    pub in_flight: u64,
    /// A client's mean pause between two requests.
    #[serde(alias = "pause")]
    pub think_time: SimDuration,
    /// How long a client waits for a response before it retries.
    #[serde(alias = "patience")]
    pub timeout: SimDuration,
    /// How many attempts a client makes before it gives up; the outcome is then unknown.
    pub attempts: u64,
    /// The number of keys: the first half are registers, the rest lists, unless all are registers.
    pub keys: u64,
    /// Whether all keys are registers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registers_only: bool,
    /// Whether clients never delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_deletes: bool,
    /// Whether no write depends on the value before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_compare_and_set: bool,
    /// How often an operation is a read.
    pub reads: Probability,
    /// How much log time a session may be unused before it expires; clients then register sessions. 0: a session begins
    /// with its first request and never expires.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub session: SimDuration,
    /// How often a client sends a request to a random server instead of the believed leader.
    #[serde(default, alias = "anywhere", skip_serializing_if = "Probability::is_zero")]
    pub random_target: Probability,
    /// The fewest bytes of a command: shorter ones are padded. 0: commands are as long as they come, about ten to forty
    /// bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub command_bytes: u64,
    /// By how many bytes more a command may be padded, each by another number; 0: all have one size.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub command_bytes_spread: u64,
    /// The most calls of the load in the healed phase: writes that arrive at half of the plan's capacity
    /// ([`Plan::load`]), whether or not earlier ones are answered. 0: no load.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub load: u64,
    /// Which of its calls each client makes, by number from 1; `None`: all. The content and time of the remaining calls
    /// do not change, so calls can be removed one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<Vec<u64>>>,
}

/// Liveness bounds of the healed phase, in longest election timeouts, and the event limit of the whole run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessBounds {
    /// Until a leader is elected.
    pub leader: u64,
    /// From then until a new write and a new read are answered.
    pub write: u64,
    /// From then until every server's log and state equal the leader's.
    pub convergence: u64,
    /// The most events of a run: a system that never comes to rest is not live either.
    pub events: u64,
}

impl ClientConfig {
    /// How many of the keys are registers, from number 0 on.
    pub(crate) fn registers(&self) -> u64 {
        if self.registers_only { self.keys } else { self.keys / 2 }
    }
}

impl Plan {
    /// The number of initial voters, which are the servers from number 1 on.
    #[must_use]
    pub fn initial_voters(&self) -> u64 {
        if self.raft.initial_voters == 0 { self.nodes } else { self.raft.initial_voters }
    }
}

/// Whether an option is off. Such options are not written, so old plans keep their text and meaning.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
