//! Faults: their kinds, times and targets.

use super::{Probability, SimDuration};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// One fault.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Fault {
    /// The time of the fault; with a trigger, the earliest time.
    pub at: SimDuration,
    /// If set, the fault waits for the first such event after `at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Trigger>,
    /// What fails.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// An event in a server at which a failure is most likely to expose a bug. A fault with a trigger can target the node
/// where the trigger fired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A record was written and is not yet synced.
    Unsynced,
    /// A vote was recorded, and the response is not yet sent.
    Voting,
    /// A node has just become leader.
    Elected,
    /// A log suffix was just removed.
    Truncated,
    /// A follower has just acknowledged an entry to the leader.
    Acknowledged,
    /// The commit index of a leader has just advanced.
    Committed,
    /// A new log file was written and has not yet replaced the old one.
    Rewriting,
    /// A snapshot from the leader was just installed and is not yet durable.
    Installed,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Trigger; 8] = [
        Trigger::Unsynced,
        Trigger::Voting,
        Trigger::Elected,
        Trigger::Truncated,
        Trigger::Acknowledged,
        Trigger::Committed,
        Trigger::Rewriting,
        Trigger::Installed,
    ];

    /// The trigger's name in a plan.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Trigger::Unsynced => "unsynced",
            Trigger::Voting => "voting",
            Trigger::Elected => "elected",
            Trigger::Truncated => "truncated",
            Trigger::Acknowledged => "acknowledged",
            Trigger::Committed => "committed",
            Trigger::Rewriting => "rewriting",
            Trigger::Installed => "installed",
        }
    }
}

/// The node that a fault applies to. In a plan: a server's number, or `"leader"`, `"follower"`, `"longest-log"`,
/// `"trigger-node"`. A fault whose target matches no node is a no-op.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// The server of this number.
    Node(u64),
    /// The leader of the highest term at the time of the fault; without a leader, the server with the highest term.
    Leader,
    /// The lowest-numbered running server that does not lead.
    Follower,
    /// The running server with the longest log.
    LongestLog,
    /// The node where the fault's trigger fired.
    TriggerNode,
}

/// The kinds of faults. Each ends after `lasts`, or at the end of the fault phase.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// The process crashes and restarts after `lasts`. Its page cache survives.
    Crash {
        /// The server.
        node: Target,
        /// Downtime.
        lasts: SimDuration,
    },
    /// The servers lose power: any subset of the unsynced writes is lost, and the last one may be torn.
    PowerLoss {
        /// The servers; empty: all.
        nodes: Vec<Target>,
        /// Downtime.
        lasts: SimDuration,
    },
    /// The server stops running and continues later.
    Pause {
        /// The server.
        node: Target,
        /// Duration.
        lasts: SimDuration,
    },
    /// No message passes from one server to another. The other direction works.
    OneWayPartition {
        /// The sender.
        from: Target,
        /// The receiver.
        to: Target,
        /// Duration.
        lasts: SimDuration,
    },
    /// No message passes between these servers and the others.
    Partition {
        /// The servers on one side.
        side: Vec<Target>,
        /// Duration.
        lasts: SimDuration,
    },
    /// All links get worse.
    DegradedNetwork {
        /// How often a message is lost.
        loss: Probability,
        /// How often it is delivered twice.
        duplication: Probability,
        /// How often later messages may overtake it.
        reordering: Probability,
        /// How much longer such a message may take.
        delay: SimDuration,
        /// Duration.
        lasts: SimDuration,
    },
    /// Syncs of a disk take longer.
    SlowDisk {
        /// The server of the disk.
        node: Target,
        /// How many times longer.
        factor: u64,
        /// Duration.
        lasts: SimDuration,
    },
    /// No sync of a disk completes until the fault ends.
    StalledDisk {
        /// The server of the disk.
        node: Target,
        /// Duration.
        lasts: SimDuration,
    },
    /// A monotonic clock runs at another rate.
    ClockRate {
        /// The server of the clock.
        node: Target,
        /// Parts per million faster (negative: slower) than true time; within ±500,000.
        drift: i64,
        /// Duration.
        lasts: SimDuration,
    },
    /// A monotonic clock jumps forward, once.
    ClockJump {
        /// The server of the clock.
        node: Target,
        /// The length of the jump.
        by: SimDuration,
    },
    /// A wall clock jumps, once.
    WallJump {
        /// The server of the clock.
        node: Target,
        /// The length of the jump in milliseconds; negative: back.
        by: i64,
    },
    /// One synced bit flips, which shows when the server restarts.
    BitRot {
        /// The server of the disk.
        node: Target,
    },
    /// Syncs of a disk that complete during the fault fail and make nothing durable. A server that stopped because of
    /// it restarts when the fault ends.
    DiskError {
        /// The server of the disk.
        node: Target,
        /// Duration.
        lasts: SimDuration,
    },
    /// The server crashes, its disk is emptied, and it restarts after `lasts`. At most one server per run is wiped,
    /// never one that the cluster cannot do without, and none while another disk is corrupted: Raft guarantees nothing
    /// if several servers forget what they persisted.
    Wipe {
        /// The server.
        node: Target,
        /// Downtime.
        lasts: SimDuration,
    },
    /// An operator command, not a failure: transfer leadership.
    Transfer {
        /// The transfer target.
        to: Target,
    },
    /// An operator command: change the membership.
    Change {
        /// Servers to make voters.
        voters: Vec<Target>,
        /// Servers to make learners.
        learners: Vec<Target>,
        /// Servers to remove.
        remove: Vec<Target>,
        /// Whether to stay in the joint configuration until `leave`.
        by_joint: bool,
    },
    /// An operator command: leave the joint configuration.
    Leave,
}

/// A fault of one server that does not end with the fault phase. Liveness is not required of this server, but of the
/// others: they must elect a leader among themselves. This needs check-quorum, without which an unreachable leader
/// never steps down.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermanentFault {
    /// The server.
    pub node: Target,
    /// What fails.
    #[serde(alias = "ailment")]
    pub kind: PermanentFaultKind,
    /// Parts per million by which its clock runs faster than true time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drift: i64,
}

/// The kinds of permanent faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermanentFaultKind {
    /// The server receives no messages.
    #[serde(alias = "deaf")]
    InboundPartition,
    /// No other server receives its messages.
    #[serde(alias = "mute")]
    OutboundPartition,
    /// No sync of its disk completes.
    StalledDisk,
}

/// Whether the clock keeps true time. It is then not written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(drift: &i64) -> bool {
    *drift == 0
}

/// One step of a membership change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipOp {
    /// Make this server a voter.
    Voter(u64),
    /// Make this server a learner.
    Learner(u64),
    /// Remove this server.
    Remove(u64),
}

impl FaultKind {
    /// The kinds by name, each with a description.
    pub const ALL: [(&'static str, &'static str); 17] = [
        ("crash", "a process crashes and restarts; its page cache survives"),
        ("power-loss", "some servers or all lose power; any subset of the unsynced writes is lost"),
        ("pause", "a server stops running for a while"),
        ("one-way-partition", "no message passes from one server to another; the other direction works"),
        ("partition", "no message passes between some servers and the others"),
        ("degraded-network", "all links lose, duplicate and reorder more messages"),
        ("slow-disk", "syncs of a disk take longer"),
        ("stalled-disk", "no sync of a disk completes until the fault ends"),
        ("clock-rate", "a monotonic clock runs at another rate"),
        ("clock-jump", "a monotonic clock jumps forward"),
        ("wall-jump", "a wall clock jumps"),
        ("bit-rot", "one synced bit flips, which shows when the server restarts"),
        ("transfer", "the operator asks for a leadership transfer"),
        ("change", "the operator asks for a membership change"),
        ("leave", "the operator asks to leave the joint configuration"),
        (
            "disk-error",
            "syncs of a disk that complete during the fault fail; a server that stopped restarts when the fault ends",
        ),
        ("wipe", "a server crashes, its disk is emptied, and it restarts with nothing"),
    ];

    /// Old names of kinds and the names that replaced them. Stored plans may still use the old ones.
    const OLD_NAMES: [(&'static str, &'static str); 4] = [
        ("cut", "one-way-partition"),
        ("split", "partition"),
        ("weather", "degraded-network"),
        ("rot", "bit-rot"),
    ];

    /// The current name of a kind; a name that is not an old one is returned unchanged.
    #[must_use]
    pub fn current_name(name: &str) -> &str {
        FaultKind::OLD_NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, current)| current)
    }

    /// The name of this kind in a plan.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        FaultKind::ALL[self.index()].0
    }

    /// The index of this kind in [`FaultKind::ALL`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            FaultKind::Crash { .. } => 0,
            FaultKind::PowerLoss { .. } => 1,
            FaultKind::Pause { .. } => 2,
            FaultKind::OneWayPartition { .. } => 3,
            FaultKind::Partition { .. } => 4,
            FaultKind::DegradedNetwork { .. } => 5,
            FaultKind::SlowDisk { .. } => 6,
            FaultKind::StalledDisk { .. } => 7,
            FaultKind::ClockRate { .. } => 8,
            FaultKind::ClockJump { .. } => 9,
            FaultKind::WallJump { .. } => 10,
            FaultKind::BitRot { .. } => 11,
            FaultKind::Transfer { .. } => 12,
            FaultKind::Change { .. } => 13,
            FaultKind::Leave => 14,
            FaultKind::DiskError { .. } => 15,
            FaultKind::Wipe { .. } => 16,
        }
    }

    /// The targets, each with the name of its field.
    #[must_use]
    pub fn targets(&self) -> Vec<(&'static str, Target)> {
        match self {
            FaultKind::OneWayPartition { from, to, .. } => vec![("from", *from), ("to", *to)],
            FaultKind::PowerLoss { nodes, .. } => nodes.iter().map(|node| ("nodes", *node)).collect(),
            FaultKind::Partition { side, .. } => side.iter().map(|node| ("side", *node)).collect(),
            FaultKind::DegradedNetwork { .. } | FaultKind::Leave => Vec::new(),
            FaultKind::Transfer { to } => vec![("to", *to)],
            FaultKind::Change { voters, learners, remove, .. } => {
                let named =
                    |name, nodes: &[Target]| nodes.iter().map(|node| (name, *node)).collect::<Vec<_>>();
                [named("voters", voters), named("learners", learners), named("remove", remove)].concat()
            }
            FaultKind::Crash { node, .. }
            | FaultKind::Pause { node, .. }
            | FaultKind::SlowDisk { node, .. }
            | FaultKind::StalledDisk { node, .. }
            | FaultKind::ClockRate { node, .. }
            | FaultKind::ClockJump { node, .. }
            | FaultKind::WallJump { node, .. }
            | FaultKind::DiskError { node, .. }
            | FaultKind::Wipe { node, .. }
            | FaultKind::BitRot { node } => vec![("node", *node)],
        }
    }

    /// The targets, mutably.
    #[must_use]
    pub fn targets_mut(&mut self) -> Vec<&mut Target> {
        match self {
            FaultKind::OneWayPartition { from, to, .. } => vec![from, to],
            FaultKind::PowerLoss { nodes, .. } => nodes.iter_mut().collect(),
            FaultKind::Partition { side, .. } => side.iter_mut().collect(),
            FaultKind::DegradedNetwork { .. } | FaultKind::Leave => Vec::new(),
            FaultKind::Transfer { to } => vec![to],
            FaultKind::Change { voters, learners, remove, .. } => {
                voters.iter_mut().chain(learners).chain(remove).collect()
            }
            FaultKind::Crash { node, .. }
            | FaultKind::Pause { node, .. }
            | FaultKind::SlowDisk { node, .. }
            | FaultKind::StalledDisk { node, .. }
            | FaultKind::ClockRate { node, .. }
            | FaultKind::ClockJump { node, .. }
            | FaultKind::WallJump { node, .. }
            | FaultKind::DiskError { node, .. }
            | FaultKind::Wipe { node, .. }
            | FaultKind::BitRot { node } => vec![node],
        }
    }

    /// The duration; `None` for a kind that happens once.
    #[must_use]
    pub const fn lasts(&self) -> Option<SimDuration> {
        match self {
            FaultKind::Crash { lasts, .. }
            | FaultKind::PowerLoss { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::OneWayPartition { lasts, .. }
            | FaultKind::Partition { lasts, .. }
            | FaultKind::DegradedNetwork { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StalledDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Wipe { lasts, .. }
            | FaultKind::ClockRate { lasts, .. } => Some(*lasts),
            FaultKind::ClockJump { .. }
            | FaultKind::WallJump { .. }
            | FaultKind::BitRot { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Change { .. }
            | FaultKind::Leave => None,
        }
    }

    /// The duration, mutably.
    pub const fn lasts_mut(&mut self) -> Option<&mut SimDuration> {
        match self {
            FaultKind::Crash { lasts, .. }
            | FaultKind::PowerLoss { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::OneWayPartition { lasts, .. }
            | FaultKind::Partition { lasts, .. }
            | FaultKind::DegradedNetwork { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StalledDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Wipe { lasts, .. }
            | FaultKind::ClockRate { lasts, .. } => Some(lasts),
            FaultKind::ClockJump { .. }
            | FaultKind::WallJump { .. }
            | FaultKind::BitRot { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Change { .. }
            | FaultKind::Leave => None,
        }
    }
}

impl fmt::Display for Fault {
    /// One line: `at 1.2s on elected: crash trigger-node for 300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.at)?;
        if let Some(trigger) = self.on {
            write!(f, " on {}", trigger.name())?;
        }
        write!(f, ": {}", self.kind.name())?;
        let mut field = "";
        for (name, target) in self.kind.targets() {
            match self.kind {
                FaultKind::OneWayPartition { .. } | FaultKind::Transfer { .. } | FaultKind::Change { .. }
                    if name != field =>
                {
                    write!(f, " {name}")?;
                }
                _ => {}
            }
            field = name;
            write!(f, " {target}")?;
        }
        match &self.kind {
            FaultKind::PowerLoss { nodes, .. } if nodes.is_empty() => write!(f, " of all")?,
            FaultKind::DegradedNetwork { loss, duplication, reordering, delay, .. } => {
                write!(f, " {loss} lost, {duplication} duplicated, {reordering} reordered by up to {delay}")?;
            }
            FaultKind::SlowDisk { factor, .. } => write!(f, " {factor} times")?,
            FaultKind::ClockRate { drift, .. } => write!(f, " {drift} ppm")?,
            FaultKind::ClockJump { by, .. } => write!(f, " by {by}")?,
            FaultKind::WallJump { by, .. } => write!(f, " by {by}ms")?,
            FaultKind::Change { by_joint: true, .. } => write!(f, " and stay joint")?,
            _ => {}
        }
        match self.kind.lasts() {
            Some(lasts) => write!(f, " for {lasts}"),
            None => Ok(()),
        }
    }
}

/// The values of [`Target`] in a plan, for error messages.
const EXPECTED_TARGET: &str =
    "a server's number, \"leader\", \"follower\", \"longest-log\" or \"trigger-node\"";

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(number) => write!(f, "n{number}"),
            Target::Leader => f.pad("leader"),
            Target::Follower => f.pad("follower"),
            Target::LongestLog => f.pad("longest-log"),
            Target::TriggerNode => f.pad("trigger-node"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Node(number) => serializer.serialize_u64(*number),
            word => serializer.collect_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        struct TargetVisitor;

        impl Visitor<'_> for TargetVisitor {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED_TARGET)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Target, E> {
                Ok(Target::Node(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Target, E> {
                u64::try_from(number)
                    .map(Target::Node)
                    .map_err(|_| E::custom(format!("{number} is not a server: servers are numbered from 1")))
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Target, E> {
                match word {
                    "leader" => Ok(Target::Leader),
                    "follower" => Ok(Target::Follower),
                    "longest-log" | "newest" => Ok(Target::LongestLog),
                    "trigger-node" | "there" => Ok(Target::TriggerNode),
                    _ => Err(E::custom(format!("`{word}` is not a target: write {EXPECTED_TARGET}"))),
                }
            }
        }

        deserializer.deserialize_any(TargetVisitor)
    }
}
