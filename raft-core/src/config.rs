//! How one server is set up.

use crate::bug::Bug;
use crate::ids::{DirectoryId, NodeId};
use crate::membership::MAX_MEMBERS;
use std::fmt;

/// How one server is set up. Lengths of time are nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This server.
    pub id: NodeId,
    /// Which life of this server: drawn when its disk was first initialised. 0 where nobody draws any.
    pub directory_id: DirectoryId,
    /// Which group: letters of another one are dropped.
    pub cluster: u64,
    /// Who founded the group: the same on every server, also on one that joins later and is not among them.
    pub voters: Vec<NodeId>,
    /// The founders' identities, sorted by founder; none where nobody draws any. Identity 0 is the same as none.
    pub directory_ids: Vec<(NodeId, DirectoryId)>,
    /// The smallest election timeout. Longer: fewer needless elections, slower recovery from a dead leader.
    pub election_timeout: u64,
    /// How much longer the largest election timeout is. Longer: fewer split votes (5.2).
    ///
    /// A server waits one `election_timeout` more than it has drawn, so twice `election_timeout` and this at the most,
    /// where it refuses its vote, which it has given in this term, to a candidate whose log ends later than its own: that
    /// candidate has the next turn. Each such refusal begins the wait anew, as each vote that it gives does.
    pub election_timeout_spread: u64,
    /// The longest silence of a leader towards a follower.
    pub heartbeat_interval: u64,
    /// Whether a node asks if it could win before it disturbs anyone with a new term (thesis 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears no majority for an election timeout steps down, and a server that hears its leader
    /// helps nobody to depose it (thesis 6.2, 4.2.3); one that has just restarted waits as long as if it had heard one. Off:
    /// clients of a cut-off leader wait for ever.
    pub check_quorum: bool,
    /// Where given, leaders answer reads by a lease (thesis 6.4.1), and this is the bound that it rests on: every clock
    /// runs between 1 - r and 1 + r of true time, r in millionths. Wrong, and reads may be stale. A lease is what the
    /// voters promise, so this, `election_timeout` and `check_quorum` must be the same on every server: switch it on only
    /// where all have it. The clock must count the time in which a machine sleeps.
    pub lease_drift: Option<u32>,
    /// Whether a follower passes proposals and reads on to its leader, instead of sending the client there.
    pub forward: bool,
    /// The most entries in one `AppendEntries`.
    pub max_batch_entries: usize,
    /// The most bytes of commands in one `AppendEntries`; a single larger command goes alone.
    pub max_batch_bytes: u64,
    /// The most messages with entries, or with parts of a snapshot, in flight to one follower.
    pub max_in_flight_messages: usize,
    /// While so many bytes of commands are in flight to one follower, nothing more is sent to it: at most one message
    /// beyond the limit is on its way.
    pub max_in_flight_bytes: u64,
    /// The most bytes of commands that a leader holds uncommitted before it refuses more; a single larger one is taken. Each
    /// command counts [`ENTRY_COST`](crate::log::ENTRY_COST) more than its bytes: empty ones take memory as well.
    pub max_uncommitted_bytes: u64,
    /// The most requests that wait here at a time, a host's own and others': beyond that they are refused. More: higher
    /// throughput where many wait for one disk or a long way, and more memory.
    pub max_requests: usize,
    /// A server that lacks more entries than this is not made a voter: it could keep the group from committing until it has
    /// caught up, as a learner may at its leisure (thesis 4.2.1).
    pub max_promotion_lag: u64,
    /// The most bytes of a snapshot in one message.
    pub max_chunk_bytes: usize,
    /// Where chance comes from. Different servers should have different ones, for their election timeouts. Where `forward`
    /// is on, every incarnation of a server must have another one: from it come the names under which requests are passed
    /// on, and an answer to what an incarnation before has asked would be taken for one to what this one did.
    pub seed: u64,
    /// The line that gives way. Without the feature `bugs` it is never looked at.
    pub bug: Option<Bug>,
}

/// Millionths that make one.
const MILLION: u64 = 1_000_000;

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
    /// A server of these founders, with everything at its plainest: pre-vote and check-quorum on, no leases, nothing
    /// forwarded, windows of 16 messages of at most 64 entries, at most 16,384 requests that wait, no other limits,
    /// heartbeats of 100 milliseconds and elections after 300 to 600.
    #[must_use]
    pub fn new(id: NodeId, voters: Vec<NodeId>) -> Config {
        Config {
            id,
            directory_id: DirectoryId(0),
            cluster: 0,
            voters,
            directory_ids: Vec::new(),
            election_timeout: 300_000_000,
            election_timeout_spread: 300_000_000,
            heartbeat_interval: 100_000_000,
            pre_vote: true,
            check_quorum: true,
            lease_drift: None,
            forward: false,
            max_batch_entries: 64,
            max_batch_bytes: u64::MAX,
            max_in_flight_messages: 16,
            max_in_flight_bytes: u64::MAX,
            max_uncommitted_bytes: u64::MAX,
            max_requests: 1 << 14,
            max_promotion_lag: u64::MAX,
            max_chunk_bytes: 64 << 10,
            seed: id.0,
            bug: None,
        }
    }

    /// For how long a voter that has heard a leader keeps the others from electing another, on the leader's clock and
    /// whatever the two clocks do within their bound: the voter counts at least (1 - r) / (1 + r) of what the leader does.
    #[must_use]
    pub fn lease_duration(&self) -> Option<u64> {
        let drift = u64::from(self.lease_drift?);
        let scaled = u128::from(self.election_timeout) * u128::from(MILLION.saturating_sub(drift));
        Some((scaled / u128::from(MILLION + drift)) as u64)
    }

    /// Whether this can work.
    ///
    /// # Errors
    /// The first field that cannot, and its bound.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |holds, field, bound| if holds { Ok(()) } else { Err(ConfigError { field, bound }) };
        check(!self.voters.is_empty(), "voters", "at least one")?;
        check(self.voters.len() <= MAX_MEMBERS, "voters", "at most 64")?;
        check(self.voters.is_sorted_by(|a, b| a < b), "voters", "sorted, each once")?;
        check(self.directory_ids.is_sorted_by(|a, b| a.0 < b.0), "identities", "sorted, each once")?;
        check(
            self.directory_ids.iter().all(|(node, _)| self.voters.contains(node)),
            "identities",
            "those of founders only",
        )?;
        check(self.heartbeat_interval > 0, "heartbeat_interval", "above 0")?;
        check(
            self.election_timeout > self.heartbeat_interval,
            "election_timeout",
            "above heartbeat_interval",
        )?;
        check(
            self.lease_drift.is_none_or(|millionths| millionths < MILLION as u32),
            "lease_drift",
            "below 1000000 millionths: a clock that may stand still bounds nothing",
        )?;
        // Without it voters promise a leader nothing, and a lease is that promise.
        check(
            self.lease_drift.is_none() || self.check_quorum,
            "check_quorum",
            "on where lease_drift is given",
        )?;
        let longest = u64::MAX >> 2;
        check(self.election_timeout < longest, "election_timeout", "below 2^62 nanoseconds")?;
        check(self.election_timeout_spread < longest, "election_timeout_spread", "below 2^62 nanoseconds")?;
        check(self.max_batch_entries > 0, "max_batch", "at least 1")?;
        check(self.max_batch_bytes > 0, "max_batch_bytes", "at least 1")?;
        check(self.max_in_flight_messages > 0, "max_in_flight", "at least 1")?;
        check(self.max_in_flight_bytes > 0, "max_in_flight_bytes", "at least 1")?;
        check(self.max_uncommitted_bytes > 0, "max_uncommitted_bytes", "at least 1")?;
        check(self.max_requests > 0, "max_requests", "at least 1")?;
        check(self.max_chunk_bytes > 0, "max_chunk", "at least 1")
    }
}
