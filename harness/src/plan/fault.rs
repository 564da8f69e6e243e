//! What breaks, when, and whom it strikes.

use super::{Probability, SimDuration};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// One thing that breaks.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Fault {
    /// When: not before this time of the run.
    pub at: SimDuration,
    /// Where given: at the first such moment after that time, on the node where it happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Trigger>,
    /// What breaks.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// A moment between two things that belong together. A fault that waits for one strikes the node where it occurs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A record was written and is not yet synced.
    Unsynced,
    /// A vote was recorded, and its answer has not left.
    Voting,
    /// A node has just become leader.
    Elected,
    /// A log was just cut.
    Truncated,
    /// An entry was acknowledged to the leader just now.
    Acknowledged,
    /// The commit index of a leader has just moved.
    Committed,
    /// A new log file was written and does not yet stand in the old one's place.
    Rewriting,
    /// A snapshot from the leader was just installed, and is not yet durable.
    Installed,
}

impl Trigger {
    /// All of them.
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

    /// Its name in a plan.
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

/// Whom a fault strikes: in a file a server's number, or `"leader"`, `"follower"`, `"newest"`, `"there"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// The server with this number.
    Node(u64),
    /// Whoever leads in the highest term when the fault strikes; without a leader, the server with the highest term.
    Leader,
    /// A follower of it: the lowest-numbered live server that does not lead.
    Follower,
    /// The live server with the longest log.
    LongestLog,
    /// The server where the moment occurred that the fault waited for.
    TriggerNode,
}

/// What can break. Every kind ends by itself after `lasts`, or when the storm is over.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// The process dies; its page cache survives. It starts again after `lasts`.
    Crash {
        /// Which server.
        node: Target,
        /// For how long it is down.
        lasts: SimDuration,
    },
    /// The power of these servers fails: of what was not synced any subset is gone, and the last of it is torn.
    PowerLoss {
        /// Which servers; empty: all of them.
        nodes: Vec<Target>,
        /// For how long they are down.
        lasts: SimDuration,
    },
    /// The server stands still and then goes on.
    Pause {
        /// Which server.
        node: Target,
        /// For how long.
        lasts: SimDuration,
    },
    /// Nothing passes from one server to another, in this direction.
    Cut {
        /// From whom.
        from: Target,
        /// To whom.
        to: Target,
        /// For how long.
        lasts: SimDuration,
    },
    /// Nothing passes between these servers and the others.
    Split {
        /// One side.
        side: Vec<Target>,
        /// For how long.
        lasts: SimDuration,
    },
    /// All links become worse.
    Weather {
        /// How often a message is lost.
        loss: Probability,
        /// How often it arrives twice.
        duplication: Probability,
        /// How often it may be overtaken, by up to `delay`.
        reordering: Probability,
        /// How much longer a message that is overtaken may take.
        delay: SimDuration,
        /// For how long.
        lasts: SimDuration,
    },
    /// The syncs of a disk take longer.
    SlowDisk {
        /// Whose.
        node: Target,
        /// How many times longer.
        factor: u64,
        /// For how long.
        lasts: SimDuration,
    },
    /// The syncs of a disk do not end before this is over.
    StalledDisk {
        /// Whose.
        node: Target,
        /// For how long.
        lasts: SimDuration,
    },
    /// A monotonic clock runs at another rate.
    ClockRate {
        /// Whose.
        node: Target,
        /// Parts per million faster (or, below zero, slower) than true time; within ±500,000.
        drift: i64,
        /// For how long.
        lasts: SimDuration,
    },
    /// A monotonic clock jumps forward, once.
    ClockJump {
        /// Whose.
        node: Target,
        /// By how much.
        by: SimDuration,
    },
    /// A wall clock jumps, once.
    WallJump {
        /// Whose.
        node: Target,
        /// By how many milliseconds; below zero: back.
        by: i64,
    },
    /// One bit of what is synced flips, and shows when the server starts again.
    Rot {
        /// Whose disk.
        node: Target,
    },
    /// The syncs of a disk that end meanwhile fail, and make nothing durable. A server that takes no part any more because
    /// of that is restarted when this is over.
    DiskError {
        /// Whose.
        node: Target,
        /// For how long.
        lasts: SimDuration,
    },
    /// The server dies and its disk is emptied; it starts again after `lasts`. This strikes one server per run at most, and
    /// none that a group needs, and none while another's disk is rotten: Raft promises nothing where several forget what
    /// they promised.
    Wipe {
        /// Which server.
        node: Target,
        /// For how long it is down.
        lasts: SimDuration,
    },
    /// No fault, but what whoever runs the group may want at any time: leadership shall pass on.
    Transfer {
        /// To whom.
        to: Target,
    },
    /// The same: the group shall change.
    Change {
        /// Who shall vote.
        voters: Vec<Target>,
        /// Who shall listen.
        learners: Vec<Target>,
        /// Who shall go.
        remove: Vec<Target>,
        /// Whether by way of a joint phase that goes on until `leave`.
        by_joint: bool,
    },
    /// The same: the joint phase shall end.
    Leave,
}

/// One server that stays ill when all else heals. Nothing is asked of it, and everything of the others: they must find a
/// leader among themselves, whoever led before (needs check-quorum, without which a leader is never given up).
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermanentFault {
    /// Which server.
    pub node: Target,
    /// What ails it.
    pub ailment: PermanentFaultKind,
    /// Parts per million by which its clock is faster than true time.
    #[serde(default, skip_serializing_if = "is_none")]
    pub drift: i64,
}

/// What may ail a server for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermanentFaultKind {
    /// It hears nobody.
    Deaf,
    /// Nobody hears it.
    Mute,
    /// Its disk never ends a sync.
    StalledDisk,
}

/// Whether a clock keeps to true time.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
const fn is_none(drift: &i64) -> bool {
    *drift == 0
}

/// One step of a change of the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MembershipOp {
    /// This server shall vote.
    Voter(u64),
    /// This server shall listen.
    Learner(u64),
    /// This server shall go.
    Remove(u64),
}

impl FaultKind {
    /// The kinds by name, each with a line for a person.
    pub const ALL: [(&'static str, &'static str); 17] = [
        ("crash", "the process dies and starts again; its page cache survives"),
        (
            "power-loss",
            "the power of some servers or of all fails; of what was not synced any subset is gone",
        ),
        ("pause", "a server stands still and then goes on"),
        ("cut", "nothing passes from one server to another, in this direction"),
        ("split", "nothing passes between some servers and the others"),
        ("weather", "all links lose, double and reorder more"),
        ("slow-disk", "the syncs of a disk take longer"),
        ("stalled-disk", "the syncs of a disk do not end before this is over"),
        ("clock-rate", "a monotonic clock runs at another rate"),
        ("clock-jump", "a monotonic clock jumps forward"),
        ("wall-jump", "a wall clock jumps"),
        ("rot", "one bit of what is synced flips, and shows when the server starts again"),
        ("transfer", "whoever runs the group wants leadership to pass on"),
        ("change", "whoever runs the group wants other voters or learners"),
        ("leave", "whoever runs the group wants a joint phase to end"),
        (
            "disk-error",
            "the syncs of a disk that end meanwhile fail; the server is restarted when this is over",
        ),
        ("wipe", "a server dies, its disk is emptied, and it starts again with nothing"),
    ];

    /// The name of this kind, as a plan's `kind` says it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        FaultKind::ALL[self.index()].0
    }

    /// The place of this kind in [`FaultKind::ALL`].
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            FaultKind::Crash { .. } => 0,
            FaultKind::PowerLoss { .. } => 1,
            FaultKind::Pause { .. } => 2,
            FaultKind::Cut { .. } => 3,
            FaultKind::Split { .. } => 4,
            FaultKind::Weather { .. } => 5,
            FaultKind::SlowDisk { .. } => 6,
            FaultKind::StalledDisk { .. } => 7,
            FaultKind::ClockRate { .. } => 8,
            FaultKind::ClockJump { .. } => 9,
            FaultKind::WallJump { .. } => 10,
            FaultKind::Rot { .. } => 11,
            FaultKind::Transfer { .. } => 12,
            FaultKind::Change { .. } => 13,
            FaultKind::Leave => 14,
            FaultKind::DiskError { .. } => 15,
            FaultKind::Wipe { .. } => 16,
        }
    }

    /// Whom it strikes, each with the name of the field that says so.
    #[must_use]
    pub fn targets(&self) -> Vec<(&'static str, Target)> {
        match self {
            FaultKind::Cut { from, to, .. } => vec![("from", *from), ("to", *to)],
            FaultKind::PowerLoss { nodes, .. } => nodes.iter().map(|node| ("nodes", *node)).collect(),
            FaultKind::Split { side, .. } => side.iter().map(|node| ("side", *node)).collect(),
            FaultKind::Weather { .. } | FaultKind::Leave => Vec::new(),
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
            | FaultKind::Rot { node } => vec![("node", *node)],
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub fn targets_mut(&mut self) -> Vec<&mut Target> {
        match self {
            FaultKind::Cut { from, to, .. } => vec![from, to],
            FaultKind::PowerLoss { nodes, .. } => nodes.iter_mut().collect(),
            FaultKind::Split { side, .. } => side.iter_mut().collect(),
            FaultKind::Weather { .. } | FaultKind::Leave => Vec::new(),
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
            | FaultKind::Rot { node } => vec![node],
        }
    }

    /// For how long it lasts; `None` for what happens once.
    #[must_use]
    pub const fn lasts(&self) -> Option<SimDuration> {
        match self {
            FaultKind::Crash { lasts, .. }
            | FaultKind::PowerLoss { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::Cut { lasts, .. }
            | FaultKind::Split { lasts, .. }
            | FaultKind::Weather { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StalledDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Wipe { lasts, .. }
            | FaultKind::ClockRate { lasts, .. } => Some(*lasts),
            FaultKind::ClockJump { .. }
            | FaultKind::WallJump { .. }
            | FaultKind::Rot { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Change { .. }
            | FaultKind::Leave => None,
        }
    }

    /// The same, to be changed.
    pub const fn lasts_mut(&mut self) -> Option<&mut SimDuration> {
        match self {
            FaultKind::Crash { lasts, .. }
            | FaultKind::PowerLoss { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::Cut { lasts, .. }
            | FaultKind::Split { lasts, .. }
            | FaultKind::Weather { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StalledDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Wipe { lasts, .. }
            | FaultKind::ClockRate { lasts, .. } => Some(lasts),
            FaultKind::ClockJump { .. }
            | FaultKind::WallJump { .. }
            | FaultKind::Rot { .. }
            | FaultKind::Transfer { .. }
            | FaultKind::Change { .. }
            | FaultKind::Leave => None,
        }
    }
}

impl fmt::Display for Fault {
    /// In one line: `at 1.2s on elected: crash there for 300ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.at)?;
        if let Some(on) = self.on {
            write!(f, " on {}", on.name())?;
        }
        write!(f, ": {}", self.kind.name())?;
        let mut field = "";
        for (name, target) in self.kind.targets() {
            match self.kind {
                FaultKind::Cut { .. } | FaultKind::Transfer { .. } | FaultKind::Change { .. }
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
            FaultKind::Weather { loss, duplication, reordering, delay, .. } => {
                write!(f, " {loss} lost, {duplication} doubled, {reordering} overtaken by {delay}")?;
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

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Node(number) => write!(f, "n{number}"),
            Target::Leader => f.pad("leader"),
            Target::Follower => f.pad("follower"),
            Target::LongestLog => f.pad("newest"),
            Target::TriggerNode => f.pad("there"),
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
                f.write_str("a server's number, \"leader\", \"follower\", \"newest\" or \"there\"")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Target, E> {
                Ok(Target::Node(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Target, E> {
                u64::try_from(number).map(Target::Node).map_err(|_| {
                    E::custom(format!("there is no server {number}: servers are numbered from 1"))
                })
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Target, E> {
                [Target::Leader, Target::Follower, Target::LongestLog, Target::TriggerNode]
                    .into_iter()
                    .find(|target| target.to_string() == word)
                    .ok_or_else(|| {
                        E::custom(format!(
                            "`{word}` is nobody: write a server's number, \"leader\", \"follower\", \"newest\" or \"there\""
                        ))
                    })
            }
        }

        deserializer.deserialize_any(TargetVisitor)
    }
}
