//! What came of a run.

use invariants::{Call, Digest, Fact, Index, Node, Observed, RequestId, Time, Violation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What came of a run: its verdict, and how hard it tried.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Whether the promises were kept.
    pub verdict: Verdict,
    /// How much happened.
    pub counts: Counts,
    /// How often each property looked.
    pub checks: Vec<(&'static str, u64)>,
    /// How often each milestone was reached.
    pub milestones: Vec<(&'static str, u64)>,
    /// How often each kind of fault struck.
    pub faults: Vec<(&'static str, u64)>,
    /// All observations, folded: the same for the same plan, on every machine, for ever.
    pub digest: Digest,
}

/// Whether the promises were kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// All of them, and linearizability was decided.
    Passed,
    /// No clash, but the budget of the exact search did not suffice for this key.
    Unknown(String),
    /// One was broken.
    Failed(Box<Failure>),
}

/// A broken promise.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    /// Which: the name of a property, or one of [`LIVENESS`], [`NO_PANIC`], [`DETERMINISM`], [`WRONG_ANSWER`],
    /// [`WITNESS`], [`LINEARIZABILITY`].
    pub property: String,
    /// What was promised and what was seen, in one sentence.
    pub sentence: String,
    /// The two facts that clash, where it was facts.
    pub facts: Option<Box<Violation>>,
    /// What clashes where it was not two facts, in the order of time, as far as somebody kept it.
    pub evidence: Vec<Evidence>,
}

impl Failure {
    /// A broken promise of which only the sentence is known.
    #[must_use]
    pub fn new(property: &str, sentence: String) -> Failure {
        Failure { property: property.to_owned(), sentence, facts: None, evidence: Vec::new() }
    }

    /// With what clashes.
    #[must_use]
    pub fn with_evidence(mut self, sides: impl IntoIterator<Item = Evidence>) -> Failure {
        self.evidence = sides.into_iter().collect();
        self.evidence.sort_by_key(|side| (side.at, side.step));
        self.evidence.dedup();
        self
    }
}

/// One side of a clash that is not between two facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// True time, nanoseconds.
    pub at: Time,
    /// The event's number.
    pub step: u64,
    /// Whose it is.
    pub actor: Actor,
    /// The request that it is about.
    pub request: Option<RequestId>,
    /// What happened.
    pub kind: EvidenceKind,
}

/// Who does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A server.
    Server(Node),
    /// A client.
    Client(u64),
    /// All of them, or nobody in particular.
    All,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Server(node) => write!(f, "n{node}"),
            Actor::Client(client) => write!(f, "c{client}"),
            Actor::All => f.write_str("-"),
        }
    }
}

/// What happened on a side of a clash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvidenceKind {
    /// A fact.
    Fact(Fact),
    /// Something that no fact tells, in words; and the place in the log that it is about, if there is one.
    Text(String, Option<Index>),
}

/// The last time that a server refused a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// When.
    pub at: Time,
    /// Which server.
    pub node: Node,
    /// Whether no other copy of the request was left that anybody could have heard.
    pub is_final: bool,
}

/// The commit that this was built from, as `git describe_panic` names it; a run is named by its plan and this.
pub const COMMIT: &str = env!("HARNESS_COMMIT");

/// Milestone: leadership passed to the server that it was meant for.
pub const TRANSFER_COMPLETED: &str = "transfer-completed";
/// Milestone: a transfer was given up.
pub const TRANSFER_ABORTED: &str = "transfer-aborted";
/// Milestone: a leader answered a read by its lease.
pub const LEASE_READ: &str = "lease-read";
/// Milestone: a follower answered a read that its leader had confirmed.
pub const READ_FORWARDED: &str = "read-forwarded";
/// Milestone: a follower answered a proposal that it had passed on.
pub const PROPOSAL_FORWARDED: &str = "proposal-forwarded";
/// Milestone: a client was answered a read.
pub const READ_ANSWERED: &str = "read-answered";

/// The milestones that no fact tells, each with a line for a person.
pub const RUN_MILESTONES: [(&str, &str); 6] = [
    (TRANSFER_COMPLETED, "Leadership passed to the server that it was meant for."),
    (TRANSFER_ABORTED, "A transfer of leadership was given up."),
    (LEASE_READ, "A leader answered a read by its lease."),
    (READ_FORWARDED, "A follower answered a read that its leader had confirmed."),
    (PROPOSAL_FORWARDED, "A follower answered a proposal that it had passed on."),
    (READ_ANSWERED, "A client was answered a read."),
];

/// After healing there was no progress within the plan's bounds.
pub const LIVENESS: &str = "progress";
/// The system under test panicked.
pub const NO_PANIC: &str = "no-panic";
/// A server gave an answer that does not belong to what it was asked.
pub const WRONG_ANSWER: &str = "wrong-answer";
/// Two runs of the same plan differed.
pub const DETERMINISM: &str = "determinism";
/// The order that the system itself claims does not explain what clients saw.
pub const WITNESS: &str = "witness";
/// No order explains what clients saw.
pub const LINEARIZABILITY: &str = "linearizability";

/// The harness itself panicked, outside of what it catches of the system under test.
pub const HARNESS_PANIC: &str = "harness-panic";

/// How much happened in a run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Things popped from the queue that reached a server, a disk or a client.
    pub events: u64,
    /// Deliveries that only said "I lead", each counted twice: once more for the answer that it may have got.
    pub heartbeats: u64,
    /// Simulated nanoseconds.
    pub simulated: u64,
    /// Operations that clients called.
    pub operations: u64,
    /// Those of them whose outcome stayed unknown.
    pub unknown_operations: u64,
    /// How often leadership passed to another node or incarnation.
    pub leader_changes: u64,
    /// How many servers lost their power, each counted.
    pub power_losses: u64,
    /// Facts stated.
    pub facts: u64,
}

impl Counts {
    /// Adds what else happened.
    pub fn add(&mut self, more: &Counts) {
        self.combine(more, u64::saturating_add);
    }

    /// Without what happened before.
    #[must_use]
    pub fn since(mut self, before: &Counts) -> Counts {
        self.combine(before, u64::saturating_sub);
        self
    }

    fn combine(&mut self, other: &Counts, sum: impl Fn(u64, u64) -> u64) {
        let Counts { events, heartbeats, simulated, operations, .. } = self;
        let Counts { unknown_operations, leader_changes, power_losses, facts, .. } = *other;
        for (mine, others) in [
            (events, other.events),
            (heartbeats, other.heartbeats),
            (simulated, other.simulated),
            (operations, other.operations),
            (&mut self.unknown_operations, unknown_operations),
            (&mut self.leader_changes, leader_changes),
            (&mut self.power_losses, power_losses),
            (&mut self.facts, facts),
        ] {
            *mine = sum(*mine, others);
        }
    }
}

/// What a run shall be watched with.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// Leave all checks out; only the digest is folded.
    pub unchecked: bool,
    /// End the run with its storm: progress is not asked.
    pub fault_phase_only: bool,
    /// Let each link draw a number more now and then, for nothing: a change of the harness that stored cases must outlive.
    pub extra_link_draw: bool,
    /// Let madsim's executor run between any two events.
    pub strict: bool,
    /// Properties that shall not look, by name.
    pub disabled: Vec<String>,
    /// Keep the timeline, a line per event.
    pub trace: bool,
    /// Keep the facts.
    pub facts: bool,
    /// Keep the clients' history.
    pub history: bool,
    /// Keep the digest after each event.
    pub digests: bool,
}

/// An outcome with what was asked to be kept.
#[derive(Clone, PartialEq, Debug)]
pub struct RunRecord {
    /// What came of it.
    pub outcome: Outcome,
    /// With [`Options::timeline`].
    pub trace: Vec<TraceLine>,
    /// With [`Options::facts`].
    pub facts: Vec<Observed>,
    /// With [`Options::history`].
    pub history: Vec<Call>,
    /// With [`Options::history`]: what was refused and not answered.
    pub rejections: BTreeMap<RequestId, Rejection>,
    /// With [`Options::digests`].
    pub digests: Vec<Digest>,
}

impl From<Outcome> for RunRecord {
    /// Nothing was asked to be kept.
    fn from(outcome: Outcome) -> RunRecord {
        RunRecord {
            outcome,
            trace: Vec::new(),
            facts: Vec::new(),
            history: Vec::new(),
            rejections: BTreeMap::new(),
            digests: Vec::new(),
        }
    }
}

/// One line of the timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceLine {
    /// True time, nanoseconds.
    pub at: u64,
    /// The event's number.
    pub step: u64,
    /// The number of the event that led to it: for a message, the one during which it was sent.
    pub cause: u64,
    /// The server it concerns; 0: the world or a client.
    pub node: u64,
    /// What happened.
    pub text: String,
}
