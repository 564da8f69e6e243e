//! Why a server rejects an operator's command.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reason that a server gives an operator for the rejection of a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReason {
    /// The server does not lead.
    NotLeader,
    /// An earlier change is not committed yet, or its joint phase has not ended.
    ChangePending,
    /// A server that would become a voter lacks too much of the log (thesis 4.2.1).
    NotCaughtUp,
    /// The command names a server that has no vote.
    UnknownServer,
    /// The leader has committed no entry of its own term yet (Ongaro's amendment of 2015 to thesis 4.1).
    NoOwnCommit,
    /// Any other.
    Other,
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RejectionReason::NotLeader => "it does not lead",
            RejectionReason::ChangePending => "another change is pending",
            RejectionReason::NotCaughtUp => "a server that would become a voter lacks too much of the log",
            RejectionReason::UnknownServer => "a server that the command names has no vote",
            RejectionReason::NoOwnCommit => "it has committed no entry of its own term",
            RejectionReason::Other => "of something else",
        })
    }
}
