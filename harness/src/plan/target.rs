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

/// The node that a fault applies to. In a plan: a server's number, or a word. A fault whose target matches no
/// node is a no-op. A word that means several servers means all of them in a list, and the one with the lowest number
/// elsewhere.
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
    /// The running server that will probably be elected next: of the voters that do not lead it has the most up-to-date
    /// log, and of several its timer is due first.
    NextLeader,
    /// The running server whose disk is slowest: stalled, slowed down, or with the sync that ends last.
    SlowestDisk,
    /// The server that the newest leadership transfer names.
    TransferTarget,
    /// The running servers that were members and are not in the configuration of the leader.
    RemovedServer,
    /// The running learners in the configuration of the leader.
    Learners,
    /// The running servers that use the same configuration as the leader: during a change those that know it.
    NewestConfiguration,
}

/// The words for targets in a plan, in the order of error messages.
pub(super) const WORDS: [(&str, Target); 10] = [
    ("leader", Target::Leader),
    ("follower", Target::Follower),
    ("longest-log", Target::LongestLog),
    ("next-leader", Target::NextLeader),
    ("slowest-disk", Target::SlowestDisk),
    ("transfer-target", Target::TransferTarget),
    ("removed-server", Target::RemovedServer),
    ("learners", Target::Learners),
    ("newest-configuration", Target::NewestConfiguration),
    ("trigger-node", Target::TriggerNode),
];

/// Replaced words, which stored plans may still use.
const FORMER_WORDS: [(&str, Target); 2] = [("newest", Target::LongestLog), ("there", Target::TriggerNode)];

/// The values of [`Target`] in a plan, for error messages.
struct ExpectedTarget;

impl fmt::Display for ExpectedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server's number")?;
        let last = WORDS.len() - 1;
        WORDS.iter().enumerate().try_for_each(|(position, (word, _))| {
            write!(f, "{} \"{word}\"", if position == last { " or" } else { "," })
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, WORDS.iter().find(|(_, target)| target == self)) {
            (Target::Node(number), _) => write!(f, "n{number}"),
            (_, Some((word, _))) => f.pad(word),
            (_, None) => unreachable!("each target but a number has a word"),
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
                fmt::Display::fmt(&ExpectedTarget, f)
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
                let known = WORDS.iter().chain(&FORMER_WORDS).find(|(name, _)| *name == word);
                known
                    .map(|(_, target)| *target)
                    .ok_or_else(|| E::custom(format!("`{word}` is not a target: write {ExpectedTarget}")))
            }
        }

        deserializer.deserialize_any(TargetVisitor)
    }
}
