//! The result of a run: verdict, counts, failure and evidence.

mod run_progress;
mod exercised;
mod failure;
mod trace;
pub mod signature;
pub mod catalog;

pub use crate::support::logs::{LogLevel, LogLine};
pub(crate) use exercised::bug_of_line;
pub use exercised::{Exercised, MAX_CATALOGUES, Situations};
pub use failure::{
    Actor, Asked, Condition, Difference, Evidence, EvidenceKind, Failure, FailureCause, Lag, Mismatch,
    MissedLoad, PanicReport, ProcessExit, Progress,
};
pub use run_progress::{RunPosition, RunProgress};
pub use trace::{MessageFate, TraceEvent, TraceLine};

use invariants::{Call, Digest, Node, Observed, PROPERTIES, RequestId, Time, current_property_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The result of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Whether all properties hold.
    pub verdict: Verdict,
    /// How much happened.
    pub counts: Counts,
    /// How often each property was checked.
    pub checks: Vec<(&'static str, u64)>,
    /// How often each milestone was reached.
    pub milestones: Vec<(&'static str, u64)>,
    /// How often each kind of fault was applied.
    pub faults: Vec<(&'static str, u64)>,
    /// The lines that were exercised.
    pub exercised: Exercised,
    /// The digest of all observations: equal for the same plan on every machine.
    pub digest: Digest,
}

/// Whether all properties hold.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// All hold, and linearizability was decided.
    Passed,
    /// No violation was found, but the exact linearizability search ran out of budget for this key.
    Unknown(String),
    /// A property was violated.
    Failed(Box<Failure>),
}

/// The last rejection of a request by a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// True time in nanoseconds.
    pub at: Time,
    /// The server.
    pub node: Node,
    /// Whether no other copy of the request could still have been received.
    pub is_final: bool,
}

/// The commit of this build, as `git describe` names it. A run is identified by its plan and this commit.
pub const COMMIT: &str = env!("HARNESS_COMMIT");

/// Milestone: a leadership transfer reached its target.
pub const TRANSFER_COMPLETED: &str = "transfer-completed";
/// Milestone: a leadership transfer was aborted.
pub const TRANSFER_ABORTED: &str = "transfer-aborted";
/// Milestone: a leader served a read under its lease.
pub const LEASE_READ: &str = "lease-read";
/// Milestone: a follower served a read that its leader had confirmed.
pub const READ_FORWARDED: &str = "read-forwarded";
/// Milestone: a follower answered a proposal that it had forwarded.
pub const PROPOSAL_FORWARDED: &str = "proposal-forwarded";
/// Milestone: a client received the response to a read.
pub const READ_ANSWERED: &str = "read-answered";
/// Milestone: a crash in the middle of a step.
pub const STEP_CUT: &str = "step-cut";
/// Milestone: a server rejected an operator's command for a reason that no property judges.
pub const REJECTED_FOR_OTHER_REASON: &str = "rejected-for-other-reason";

/// Milestone: servers carried the load of the healed phase.
pub const LOAD_CARRIED: &str = "load-carried";
/// Milestone: the load of the healed phase was left out.
pub const LOAD_LEFT_OUT: &str = "load-left-out";

/// The name of the built-in system.
pub const BUILT_IN_SYSTEM: &str = "raft-core";

/// The milestones that are not derived from facts, each with a description.
pub const RUN_MILESTONES: [(&str, &str); 10] = [
    (TRANSFER_COMPLETED, "a leadership transfer reached its target"),
    (TRANSFER_ABORTED, "a leadership transfer was aborted"),
    (LEASE_READ, "a leader served a read under its lease"),
    (READ_FORWARDED, "a follower served a read that its leader had confirmed"),
    (PROPOSAL_FORWARDED, "a follower answered a proposal that it had forwarded"),
    (READ_ANSWERED, "a client received the response to a read"),
    (STEP_CUT, "a server crashed between two things that one step does"),
    (REJECTED_FOR_OTHER_REASON, "an operator's command was rejected for a reason that no property judges"),
    (LOAD_CARRIED, "after healing, writes were answered that arrived at half of the plan's capacity"),
    (LOAD_LEFT_OUT, "no such writes, because messages are lost or hardly any command is in flight at once"),
];

/// Property: after healing, the cluster makes progress within the plan's bounds.
pub const LIVENESS: &str = "liveness";
/// Property: the system under test does not panic.
pub const NO_PANIC: &str = "no-panic";
/// Property: no run hangs in the code of the system under test.
pub const NO_HANG: &str = "no-hang";
/// Property: no run ends its process.
pub const NO_ABORT: &str = "no-abort";
/// Property: each response belongs to a request of its client and has the right type.
pub const WRONG_ANSWER: &str = "wrong-answer";
/// Property: two runs of the same plan are equal.
pub const DETERMINISM: &str = "determinism";
/// Property: the linearization that the system reports explains all responses.
pub const WITNESS: &str = "witness";
/// Property: some linearization explains all responses.
pub const LINEARIZABILITY: &str = "linearizability";

/// Failure of the harness itself: a panic outside the system under test.
pub const HARNESS_PANIC: &str = "harness-panic";

/// How much happened in a run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Events that reached a server, a disk or a client.
    pub events: u64,
    /// Delivered heartbeats without entries, each counted twice to include its response.
    pub heartbeats: u64,
    /// Simulated nanoseconds.
    pub simulated: u64,
    /// Operations called by clients.
    pub operations: u64,
    /// Operations whose outcome is unknown.
    pub unknown_operations: u64,
    /// How often another node or incarnation became leader.
    pub leader_changes: u64,
    /// Power losses, counted per server.
    pub power_losses: u64,
    /// Facts recorded.
    pub facts: u64,
}

impl Counts {
    /// Adds other counts.
    pub fn add(&mut self, more: &Counts) {
        let Counts { events, heartbeats, simulated, operations, .. } = self;
        let Counts { unknown_operations, leader_changes, power_losses, facts, .. } = *more;
        for (count, more) in [
            (events, more.events),
            (heartbeats, more.heartbeats),
            (simulated, more.simulated),
            (operations, more.operations),
            (&mut self.unknown_operations, unknown_operations),
            (&mut self.leader_changes, leader_changes),
            (&mut self.power_losses, power_losses),
            (&mut self.facts, facts),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

/// What runs a cluster. All engines give the same outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Engine {
    /// A loop over the events, for servers that are stepped.
    Plain,
    /// Nodes of madsim, whose clock is moved from event to event.
    Fast,
    /// Nodes of madsim, whose executor runs between any two events: for servers that are made of tasks.
    Strict,
}

impl Engine {
    /// All engines, with their names.
    pub const ALL: [(&str, Engine); 3] =
        [("plain", Engine::Plain), ("fast", Engine::Fast), ("strict", Engine::Strict)];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Engine::ALL[self as usize].0
    }

    /// Whether this build has it: those of madsim need `--cfg madsim`.
    #[must_use]
    pub const fn is_available(self) -> bool {
        match self {
            Engine::Plain => true,
            Engine::Fast | Engine::Strict => cfg!(engine_madsim),
        }
    }

    /// What a build that has it needs.
    #[must_use]
    pub const fn needs(self) -> &'static str {
        match self {
            Engine::Plain => "the plain engine needs nothing",
            Engine::Fast | Engine::Strict => {
                "this engine runs on madsim: build with RUSTFLAGS=\"--cfg madsim\""
            }
        }
    }
}

impl Default for Engine {
    /// madsim, if this build has it.
    fn default() -> Engine {
        if Engine::Fast.is_available() { Engine::Fast } else { Engine::Plain }
    }
}

/// How to run a plan.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// Names of the properties that are not checked.
    pub disabled: Vec<String>,
    /// What to record.
    pub record: Recording,
    /// What runs the cluster.
    pub engine: Engine,
    /// End the run with the fault phase, without checking liveness.
    pub fault_phase_only: bool,
    /// Where the run says how far it is.
    pub progress: Option<Arc<RunProgress>>,
}

impl Options {
    /// Checks no property that can be disabled: for runs of which only the digest or the speed counts.
    #[must_use]
    pub fn unchecked() -> Options {
        let of_facts = PROPERTIES.iter().map(|property| property.name);
        let disabled = of_facts.chain([WRONG_ANSWER, WITNESS, LINEARIZABILITY]).map(str::to_owned).collect();
        Options { disabled, ..Options::default() }
    }

    /// Checks only what clients, panics and liveness show, as for a system that states no facts.
    #[must_use]
    pub fn black_box() -> Options {
        let of_facts = PROPERTIES.iter().map(|property| property.name);
        let disabled = of_facts.chain([WITNESS]).map(str::to_owned).collect();
        Options { disabled, ..Options::default() }
    }

    /// Whether a property is checked.
    pub(crate) fn checks(&self, property: &str) -> bool {
        self.disabled.iter().all(|disabled| current_property_name(disabled) != property)
    }
}

/// What a run records beside its outcome. All of it takes memory that grows with the run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The trace, one line per event.
    pub trace: bool,
    /// The facts.
    pub facts: bool,
    /// The client history.
    pub history: bool,
    /// The digest after each event.
    pub digests: bool,
    /// How much servers sent to each other.
    pub traffic: bool,
    /// In which situations lines are exercised.
    pub situations: bool,
}

/// What servers sent to each other, whether it arrived or not.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Messages. Copies that the network makes do not count.
    pub messages: u64,
    /// Their bytes; `None` if the system has no encoding for one of them.
    pub bytes: Option<u64>,
}

impl Recording {
    /// What a page shows.
    pub const PAGE: Recording = Recording {
        trace: true,
        facts: true,
        history: true,
        digests: false,
        traffic: false,
        situations: false,
    };
}

/// An outcome with the requested recordings.
#[derive(Clone, PartialEq, Debug)]
pub struct RunRecord {
    /// The outcome.
    pub outcome: Outcome,
    /// With [`Recording::trace`].
    pub trace: Vec<TraceLine>,
    /// With [`Recording::facts`].
    pub facts: Vec<Observed>,
    /// With [`Recording::history`].
    pub history: Vec<Call>,
    /// With [`Recording::history`]: rejected requests that were never answered.
    pub rejections: BTreeMap<RequestId, Rejection>,
    /// With [`Recording::digests`].
    pub digests: Vec<Digest>,
    /// With [`Recording::traffic`].
    pub traffic: Option<Traffic>,
    /// With [`Recording::situations`]: in which situations lines were exercised.
    pub situations: Situations,
}

impl Outcome {
    /// The outcome of a run that failed without an end: nothing was counted.
    #[must_use]
    pub fn without_end(failure: Failure) -> Outcome {
        Outcome {
            verdict: Verdict::Failed(Box::new(failure)),
            counts: Counts::default(),
            checks: Vec::new(),
            milestones: Vec::new(),
            faults: Vec::new(),
            exercised: Exercised::default(),
            digest: Digest::EMPTY,
        }
    }
}

impl From<Outcome> for RunRecord {
    /// Without recordings.
    fn from(outcome: Outcome) -> RunRecord {
        RunRecord {
            outcome,
            trace: Vec::new(),
            facts: Vec::new(),
            history: Vec::new(),
            rejections: BTreeMap::new(),
            digests: Vec::new(),
            traffic: None,
            situations: Situations::default(),
        }
    }
}
