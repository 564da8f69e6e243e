//! What a session table does with an applied entry, and why a session is over.

use super::Index;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a session table does with an applied entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOutcome {
    /// The entry registers a session, whose number is the entry's index.
    Registered,
    /// The request is executed now.
    Fresh,
    /// The request was executed before, and gets the response that it had then.
    Repeated,
    /// The client has the responses up to this request, so its response is discarded.
    Forgotten,
    /// The session does not exist, or not any more: the request has no effect.
    Expired,
}

/// How an applied entry uses a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionUse {
    /// What the session table does with it.
    pub outcome: SessionOutcome,
    /// Log time: the greatest timestamp of this entry and those before it; in any unit. 0 where sessions never expire.
    pub log_time: u64,
    /// The mark in the entry: the client has all responses of its session up to this sequence number.
    pub mark: u64,
}

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// No entry has registered it.
    NotRegistered,
    /// It was not used for a lifetime.
    Unused {
        /// The log time of its last use.
        since: u64,
        /// Log time now.
        until: u64,
        /// How long it may be unused.
        lifetime: u64,
    },
    /// The entry at this index was already answered as in an expired session.
    ExpiredAt(Index),
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEnd::NotRegistered => f.write_str("was never registered"),
            SessionEnd::Unused { since, until, lifetime } => {
                write!(f, "was not used from log time {since} to {until} and lasts {lifetime}")
            }
            SessionEnd::ExpiredAt(index) => write!(f, "had expired at {index}"),
        }
    }
}
