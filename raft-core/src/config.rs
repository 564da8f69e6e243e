//! How one server is set up.

use crate::bug::Bug;
use crate::ids::NodeId;
use crate::membership::MOST_MEMBERS;
use std::fmt;

/// How one server is set up. Lengths of time are nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This server.
    pub id: NodeId,
    /// Who founded the group: the same on every server, also on one that joins later and is not among them.
    pub voters: Vec<NodeId>,
    /// The smallest election timeout. Longer: fewer needless elections, slower recovery from a dead leader.
    pub election_timeout: u64,
    /// How much longer the largest election timeout is. Longer: fewer split votes (5.2).
    pub election_timeout_spread: u64,
    /// The longest silence of a leader towards a follower.
    pub heartbeat_interval: u64,
    /// Whether a node asks if it could win before it disturbs anyone with a new term (thesis 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears no majority for an election timeout steps down, and a server that hears its leader
    /// helps nobody to depose it (thesis 6.2, 4.2.3). Off: clients of a cut-off leader wait for ever.
    pub check_quorum: bool,
    /// The most entries in one `AppendEntries`.
    pub max_batch: usize,
    /// The most `AppendEntries` with entries in flight to one follower.
    pub max_in_flight: usize,
    /// Where the random election timeouts come from. Different servers should have different ones.
    pub seed: u64,
    /// The line that gives way. Without the feature `bugs` it is never looked at.
    pub bug: Option<Bug>,
}

/// Why a [`Config`] was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The field.
    pub field: &'static str,
    /// What would be right.
    pub bound: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.field, self.bound)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Whether this can work.
    ///
    /// # Errors
    /// The first field that cannot, and its bound.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |holds, field, bound| if holds { Ok(()) } else { Err(ConfigError { field, bound }) };
        check(!self.voters.is_empty(), "voters", "at least one")?;
        check(self.voters.len() <= MOST_MEMBERS, "voters", "at most 64")?;
        check(self.voters.is_sorted_by(|a, b| a < b), "voters", "sorted, each once")?;
        check(self.heartbeat_interval > 0, "heartbeat_interval", "above 0")?;
        check(
            self.election_timeout > self.heartbeat_interval,
            "election_timeout",
            "above heartbeat_interval",
        )?;
        check(self.max_batch > 0, "max_batch", "at least 1")?;
        check(self.max_in_flight > 0, "max_in_flight", "at least 1")
    }
}
