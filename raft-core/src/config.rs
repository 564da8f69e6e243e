//! The settings of one server.

use crate::bug::Bug;
use crate::ids::{DirectoryId, NodeId};
use crate::membership::MAX_MEMBERS;
use std::fmt;

/// The settings of one server. Durations are in nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// This server.
    pub id: NodeId,
    /// The directory ID of this server's disk, drawn when the disk was first initialised. 0 if the host draws
    /// none.
    pub directory_id: DirectoryId,
    /// The cluster. Messages of another cluster are dropped.
    pub cluster: u64,
    /// The initial voters. The same on every server, also on one that joins later and is not among them.
    pub voters: Vec<NodeId>,
    /// The directory IDs of the initial voters, sorted by node; empty if the host draws none. 0 counts as
    /// none.
    pub directory_ids: Vec<(NodeId, DirectoryId)>,
    /// The shortest election timeout. Longer: fewer needless elections, slower recovery from a dead leader.
    pub election_timeout: u64,
    /// The length of the range from which election timeouts are drawn. Longer: fewer split votes (5.2).
    ///
    /// A server that has already voted in this term and rejects a candidate with a more up-to-date log waits
    /// one extra `election_timeout`, so that this candidate gets the next turn: at most twice
    /// `election_timeout` plus the spread. Each such rejection restarts the timer, as each granted vote does.
    pub election_timeout_spread: u64,
    /// The longest time for which a leader sends a follower nothing.
    pub heartbeat_interval: u64,
    /// Whether a server asks if it could win before it starts an election with a new term (thesis 9.6).
    pub pre_vote: bool,
    /// Whether a leader that hears from no majority for an election timeout steps down, and a server that
    /// hears from its leader rejects votes for others (thesis 6.2, 4.2.3). A server that has just restarted
    /// waits as if it had heard from a leader. If off, clients of a partitioned leader wait forever.
    pub check_quorum: bool,
    /// If given, leaders serve reads by a lease (thesis 6.4.1) under this bound: every clock runs at a rate
    /// between 1 - r and 1 + r of true time, r in millionths. If the bound does not hold, reads may be stale.
    /// The lease is a promise of the voters, so this, `election_timeout` and `check_quorum` must be the same
    /// on every server: switch it on only after all servers have it. The clock must not stop while the
    /// machine sleeps.
    pub lease_drift: Option<u32>,
    /// Whether a follower forwards proposals and reads to its leader, instead of rejecting them.
    pub forward: bool,
    /// The maximum number of entries in one `AppendEntries`.
    pub max_batch_entries: usize,
    /// The maximum bytes of commands in one `AppendEntries`; a single larger command is sent alone.
    pub max_batch_bytes: u64,
    /// The maximum number of messages with entries, or with snapshot chunks, in flight to one follower.
    pub max_in_flight_messages: usize,
    /// The leader sends a follower no more entries while this many bytes of commands are in flight to it. The
    /// limit is exceeded by at most one message.
    pub max_in_flight_bytes: u64,
    /// The maximum bytes of uncommitted commands before a leader rejects proposals; a single larger command
    /// is accepted. Each command counts [`ENTRY_COST`](crate::log::ENTRY_COST) on top of its bytes, because
    /// empty ones take memory too.
    pub max_uncommitted_bytes: u64,
    /// The maximum number of requests that wait on this server, its own host's and forwarded ones; more are
    /// rejected. Higher: more throughput with a slow disk or long network delays, and more memory.
    pub max_requests: usize,
    /// A server that lacks more entries than this is not made a voter: until it caught up, it could keep the
    /// cluster from committing. A learner catches up without that risk (thesis 4.2.1).
    pub max_promotion_lag: u64,
    /// The maximum bytes of a snapshot in one message.
    pub max_chunk_bytes: usize,
    /// The seed of election timeouts and forward IDs. Servers should differ, so that their timeouts do. With
    /// `forward`, every incarnation of a server needs a new seed: otherwise a response to a request of an
    /// earlier incarnation could be taken for one to a request of this one.
    pub seed: u64,
    /// The bug that is switched on. Ignored without the feature `bugs`.
    pub bug: Option<Bug>,
}

/// One, in millionths.
const MILLION: u64 = 1_000_000;

/// Why a [`Config`] was rejected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The name of the field in [`Config`].
    pub field: &'static str,
    /// Which values are right, to follow "must be".
    pub bound: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.field, self.bound)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// A server of a cluster with these initial voters and default settings: pre-vote and check-quorum on, no
    /// leases, no forwarding, 16 messages of at most 64 entries in flight, at most 16,384 waiting requests,
    /// no other limits, heartbeats every 100 milliseconds, election timeouts of 300 to 600.
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

    /// How long a voter that has heard from a leader votes for no other, in nanoseconds on the leader's clock
    /// (thesis 6.4.1); `None` without [`Config::lease_drift`]. Both clocks may drift up to the bound: the voter measures at least (1 - r) / (1 + r) of what the leader measures.
    #[must_use]
    pub fn lease_duration(&self) -> Option<u64> {
        let drift = u64::from(self.lease_drift?);
        let scaled = u128::from(self.election_timeout) * u128::from(MILLION.saturating_sub(drift));
        Some((scaled / u128::from(MILLION + drift)) as u64)
    }

    /// Checks that the settings can work.
    ///
    /// # Errors
    /// The first field that cannot, and its bound.
    pub fn validate(&self) -> Result<(), ConfigError> {
        // `holds` must use the field, and the error takes its name: they cannot differ.
        macro_rules! check {
            ($field:ident, $holds:expr, $bound:literal) => {
                let $field = &self.$field;
                if !$holds {
                    return Err(ConfigError { field: stringify!($field), bound: $bound });
                }
            };
        }
        check!(voters, !voters.is_empty(), "at least one");
        check!(voters, voters.len() <= MAX_MEMBERS, "at most 64");
        check!(voters, voters.is_sorted_by(|a, b| a < b), "sorted, each once");
        check!(directory_ids, directory_ids.is_sorted_by(|a, b| a.0 < b.0), "sorted, each once");
        check!(
            directory_ids,
            directory_ids.iter().all(|(node, _)| self.voters.contains(node)),
            "those of initial voters only"
        );
        check!(heartbeat_interval, *heartbeat_interval > 0, "above 0");
        check!(election_timeout, *election_timeout > self.heartbeat_interval, "above heartbeat_interval");
        check!(
            lease_drift,
            lease_drift.is_none_or(|millionths| millionths < MILLION as u32),
            "below 1000000 millionths: a clock that may stop gives no bound"
        );
        // A lease relies on what voters promise under check-quorum.
        check!(check_quorum, *check_quorum || self.lease_drift.is_none(), "on where lease_drift is given");
        let longest = u64::MAX >> 2;
        check!(election_timeout, *election_timeout < longest, "below 2^62 nanoseconds");
        check!(election_timeout_spread, *election_timeout_spread < longest, "below 2^62 nanoseconds");
        check!(max_batch_entries, *max_batch_entries > 0, "at least 1");
        check!(max_batch_bytes, *max_batch_bytes > 0, "at least 1");
        check!(max_in_flight_messages, *max_in_flight_messages > 0, "at least 1");
        check!(max_in_flight_bytes, *max_in_flight_bytes > 0, "at least 1");
        check!(max_uncommitted_bytes, *max_uncommitted_bytes > 0, "at least 1");
        check!(max_requests, *max_requests > 0, "at least 1");
        check!(max_chunk_bytes, *max_chunk_bytes > 0, "at least 1");
        Ok(())
    }
}
