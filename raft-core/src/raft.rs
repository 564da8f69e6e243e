//! One server: its state, how it starts, and what can be asked of it.

use crate::bug::Bug;
use crate::config::Config;
use crate::ids::{DirectoryId, Index, LogId, NodeId, ReplicaKey, RequestId, Term, Timestamp};
use crate::io::{Effect, Recovered};
use crate::log::Log;
use crate::membership::Configuration;
use crate::message::{Envelope, Message};
use crate::recovery::StartError;
use crate::role::Role;
use crate::saves::Saves;
use crate::snapshot::{Checkpoint, Snapshot};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use std::collections::VecDeque;
use std::sync::Arc;

/// One server of a cluster, as a value: equal values behave the same for all inputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) rng: SplitMix64,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) role: Role,
    /// The leader of this term, if known.
    pub(crate) leader: Option<ReplicaKey>,
    /// When a leader was last heard from. For an election timeout after that, this server rejects vote
    /// requests.
    pub(crate) last_contact: Option<Timestamp>,
    /// When to start an election, unless this server leads.
    pub(crate) election_due: Timestamp,
    pub(crate) log: Log,
    /// The newest snapshot.
    pub(crate) snapshot: Option<Snapshot>,
    /// A snapshot that is being received.
    pub(crate) incoming: Option<IncomingSnapshot>,
    pub(crate) commit_index: Index,
    /// The last entry that was handed to the application, by itself or in a snapshot.
    pub(crate) last_applied: Index,
    /// Whether the application must restore the snapshot before anything else.
    pub(crate) restore_pending: bool,
    /// Requests that were forwarded to a leader.
    pub(crate) pending_forwards: VecDeque<PendingForward>,
    /// The newest forward ID.
    pub(crate) last_forward_id: u64,
    /// Forwarded proposals appended in this step: origin, forward ID and entry. The responses are sent after
    /// the entries.
    pub(crate) appended_for_others: Vec<(ReplicaKey, u64, LogId)>,
    pub(crate) saves: Saves,
    /// Whether a write has failed: the server makes no more promises.
    pub(crate) halted: bool,
    /// Term and vote in the newest write.
    pub(crate) saved: (Term, Option<NodeId>),
    /// If entries changed since the newest write, the last unchanged index.
    pub(crate) unsaved_after: Option<Index>,
    /// Whether the next write must replace all earlier ones, and why.
    pub(crate) pending_rewrite: Option<Rewrite>,
}

/// Why the next write must replace all earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rewrite {
    /// The log was compacted after a snapshot of this server's own state.
    Compacted,
    /// A leader's snapshot replaced the whole log.
    Installed,
}

/// A snapshot of which some chunks have arrived (`install.rs`). Not durable. Discarded with the term, because
/// another leader's snapshot of the same entries may differ in its bytes; within a term there is one leader,
/// so it stays valid however long the leader is silent.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct IncomingSnapshot {
    pub(crate) last: LogId,
    pub(crate) data: Vec<u8>,
}

/// A request that was forwarded to a leader (`forward.rs`).
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct PendingForward {
    pub(crate) forward_id: u64,
    pub(crate) request: RequestId,
    /// When to stop waiting.
    pub(crate) deadline: Timestamp,
    pub(crate) waiting_for: WaitingFor,
}

/// What a forwarded request waits for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum WaitingFor {
    /// The leader's response to a proposal.
    LeaderAppend,
    /// The leader's response to a read.
    LeaderReadIndex,
    /// Until this index is applied here, with this entry or another one.
    EntryApplied(LogId),
    /// Until this index is applied here.
    IndexApplied(Index),
}

/// Constructs the effect in place in the `Vec`. Constructing it elsewhere and moving it costs more than all
/// the rest: the move reloads fields just written at other widths, and stalls on store forwarding.
#[inline]
pub(crate) fn push_in_place(effects: &mut Vec<Effect>, effect: impl FnOnce() -> Effect) {
    effects.extend(std::iter::once_with(effect));
}

/// The configuration that the cluster starts with.
pub(crate) fn initial_configuration(config: &Config) -> Configuration {
    let mut initial = Configuration::of(config.voters.iter().copied());
    initial.directory_ids =
        config.directory_ids.iter().copied().filter(|it| it.1 != DirectoryId(0)).collect();
    initial
}

/// A message from a server with these settings.
#[inline]
pub(crate) fn envelope(config: &Config, to: ReplicaKey, message: Message) -> Effect {
    let from = ReplicaKey { id: config.id, directory_id: config.directory_id };
    Effect::Send(Envelope { cluster: config.cluster, from, to, message })
}

impl Raft {
    /// Starts a new incarnation from what its disk held. The host steps `Saved(SaveId(0))` once that is
    /// durable again.
    ///
    /// # Errors
    /// If the settings cannot work, or the state cannot have been saved.
    pub fn new(config: Config, recovered: Recovered, now: Timestamp) -> Result<Raft, StartError> {
        config.validate()?;
        // A server with a bug may save such a state; then the properties must catch it.
        if cfg!(not(feature = "bugs")) || config.bug.is_none() {
            recovered.validate()?;
        }
        let initial = initial_configuration(&config);
        let (log, snapshot) = match recovered.checkpoint {
            Some(Checkpoint { snapshot, compacted, configuration, .. }) => {
                (Log::compacted_at(compacted, configuration, recovered.entries), Some(snapshot))
            }
            None => (Log::new(initial, recovered.entries), None),
        };
        let mut rng = SplitMix64::seed_from_u64(config.seed);
        // A response to a request of an earlier incarnation must not be taken for one to a request of this
        // one.
        let last_forward_id = if config.forward { rng.next_u64() } else { 0 };
        let mut raft = Raft {
            rng,
            // A restarted voter does not know which leader it made a lease promise to, but keeps the promise.
            // Without leases too: a working leader will be heard from soon, and until then no removed server
            // may depose it with this server's help (thesis 4.2.3).
            last_contact: config.check_quorum.then_some(now),
            config,
            term: recovered.term,
            vote: recovered.vote,
            role: Role::Follower,
            leader: None,
            election_due: now,
            saves: Saves::recovered(log.last().index, now),
            log,
            incoming: None,
            // Entries in the snapshot are committed. The rest of the commit index is not known yet.
            commit_index: snapshot.as_ref().map_or(Index(0), |snapshot| snapshot.last.index),
            restore_pending: snapshot.is_some(),
            snapshot,
            last_applied: Index(0),
            pending_forwards: VecDeque::new(),
            last_forward_id,
            appended_for_others: Vec::new(),
            halted: false,
            saved: (recovered.term, recovered.vote),
            unsaved_after: None,
            pending_rewrite: None,
        };
        if raft.last_contact.is_some() && raft.bug(Bug::LeasePromiseLostOnRestart) {
            raft.last_contact = None;
        }
        raft.reset_election_timer(now);
        Ok(raft)
    }

    /// The current term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The vote in the current term.
    #[must_use]
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// The role, with its state.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it is the leader of its term, as far as it knows.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The leader of its term, if known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader.map(|leader| leader.id)
    }

    /// Whether a write has failed: the server makes no more promises.
    #[must_use]
    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    /// The newest snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The commit index.
    #[must_use]
    pub const fn commit_index(&self) -> Index {
        self.commit_index
    }

    /// Everything up to here was handed to the application.
    #[must_use]
    pub const fn last_applied(&self) -> Index {
        self.last_applied
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The last entry of the log.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.log.last()
    }

    /// Up to which index another member's log is known to be durable and equal to this leader's. `None` if
    /// this server is not the leader, or `node` is not a member.
    #[must_use]
    pub fn match_index(&self, node: NodeId) -> Option<Index> {
        let Role::Leader(leader) = &self.role else { return None };
        leader
            .progress
            .iter()
            .find(|progress| progress.replica.id == node)
            .map(|progress| progress.match_index)
    }

    /// The replicas that get this leader's log, each with the index up to which its log is known to be durable and
    /// equal. None if this server is not the leader.
    pub fn followers(&self) -> impl Iterator<Item = (ReplicaKey, Index)> {
        let progress: &[_] = if let Role::Leader(leader) = &self.role { &leader.progress } else { &[] };
        progress.iter().map(|progress| (progress.replica, progress.match_index))
    }

    /// The configuration in force: the newest in the log, committed or not (6).
    #[must_use]
    pub fn configuration(&self) -> &Arc<Configuration> {
        let applied = self.last_applied.max(self.log.compacted().index);
        if self.log.configuration_index() > applied && self.bug(Bug::ConfigAppliedLateCampaignUnguarded) {
            return self.log.configuration_at(applied);
        }
        self.log.configuration()
    }

    /// This server and its directory ID.
    #[must_use]
    pub const fn replica(&self) -> ReplicaKey {
        ReplicaKey { id: self.config.id, directory_id: self.config.directory_id }
    }

    /// All voters except this server.
    pub(crate) fn other_voters(&self) -> Vec<ReplicaKey> {
        let configuration = self.configuration();
        let voters = configuration.members().into_iter();
        let others = voters.filter(|&node| node != self.config.id && configuration.is_voter(node));
        others.map(|node| configuration.replica(node)).collect()
    }

    /// Whether the limit of waiting requests is reached.
    pub(crate) fn has_too_many_requests(&self) -> bool {
        let own = match &self.role {
            Role::Leader(leader) => leader.proposals.len() + leader.reads.len(),
            _ => 0,
        };
        own + self.pending_forwards.len() >= self.config.max_requests
    }

    /// Whether this bug is switched on. Asked only where the answer changes what this server does: asking counts
    /// the line as exercised.
    #[inline]
    pub(crate) fn bug(&self, bug: Bug) -> bool {
        bug.is_on(self.config.bug)
    }

    /// Whether this bug is switched on, for a question that does not tell whether its line is decisive.
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        cfg!(feature = "bugs") && self.config.bug == Some(bug)
    }

    /// A message from this server.
    #[inline]
    pub(crate) fn envelope(&self, to: ReplicaKey, message: Message) -> Effect {
        envelope(&self.config, to, message)
    }

    pub(crate) fn reset_election_timer(&mut self, now: Timestamp) {
        let spread = self.config.election_timeout_spread;
        let extra = if spread == 0 { 0 } else { self.rng.next_u64() % (spread + 1) };
        self.election_due = now.after(self.config.election_timeout + extra);
    }
}
