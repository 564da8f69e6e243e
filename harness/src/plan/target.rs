//! What faults refer to: nodes and triggers.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

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
    /// A candidacy is durable, and the vote requests are not yet sent.
    Candidacy,
    /// A leader has just told this server to campaign: its leadership is being transferred.
    ToldToCampaign,
    /// A new leader has just appended the first entry of its term.
    FirstAppend,
    /// A server whose log was truncated before has just become leader.
    ElectedAfterTruncation,
    /// A part of a snapshot has arrived, and others are missing.
    PartialSnapshot,
    /// A new log file has replaced the old one, and the directory is not yet synced.
    Renamed,
    /// A joint configuration is in force on this server; others may not know of it.
    Joint,
    /// A server has put a configuration in force in which a learner becomes a voter.
    Promoted,
    /// A leader has just served a read under its lease.
    LeaseRead,
    /// A request was rejected because its session has expired.
    SessionExpired,
    /// A server has read its log after a restart, and what it read is not yet synced.
    Recovered,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Trigger; 19] = [
        Trigger::Unsynced,
        Trigger::Voting,
        Trigger::Elected,
        Trigger::Truncated,
        Trigger::Acknowledged,
        Trigger::Committed,
        Trigger::Rewriting,
        Trigger::Installed,
        Trigger::Candidacy,
        Trigger::ToldToCampaign,
        Trigger::FirstAppend,
        Trigger::ElectedAfterTruncation,
        Trigger::PartialSnapshot,
        Trigger::Renamed,
        Trigger::Joint,
        Trigger::Promoted,
        Trigger::LeaseRead,
        Trigger::SessionExpired,
        Trigger::Recovered,
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
            Trigger::Candidacy => "candidacy",
            Trigger::ToldToCampaign => "told-to-campaign",
            Trigger::FirstAppend => "first-append",
            Trigger::ElectedAfterTruncation => "elected-after-truncation",
            Trigger::PartialSnapshot => "partial-snapshot",
            Trigger::Renamed => "renamed",
            Trigger::Joint => "joint",
            Trigger::Promoted => "promoted",
            Trigger::LeaseRead => "lease-read",
            Trigger::SessionExpired => "session-expired",
            Trigger::Recovered => "recovered",
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
