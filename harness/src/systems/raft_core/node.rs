//! A server around `raft-core`: executes its effects in three lanes, and states the facts.
//!
//! Facts follow from the state of the core before and after each step, from the messages sent, and from the
//! bytes that became durable.

use super::application_lane::ApplicationLane;
use super::bugs::{self, HostBug};
use super::directory_id;
use super::entry::{
    configured_fact, decode_configuration, decode_entry, encode, encode_configuration, fact_configuration,
};
use crate::parts::wal::WalCheckpoint;
use crate::parts::{DurableLog, Requester, Rewrite, Save, StatedCounts, StatedState, SyncOutcome};
use crate::plan::{self, Trigger};
use crate::server::{Arrival, Bookkeeping, Catalogue, Damaged, Host, LocalTime, OperatorCommand, Server};
use bytes::Bytes;
use invariants::{ConfirmedBy, Contract, LogId, ServerFact};
use raft_core::status::{FollowerStatus, ProgressStatus, RoleStatus};
use raft_core::{
    Bug, Checkpoint, ConfChange, ConfChangeOp, Config, DirectoryId, Effect, Entry, Envelope, ForwardRequest,
    Index, Input, Message, NodeId, Payload, Raft, ReadConfirmation, ReadKey, Recovered, ReplicaKey, SaveId,
    SaveRecord, Snapshot, Timestamp,
};
use rand::RngCore;
use std::sync::Arc;

type CoreHost<'a> = Host<'a, Envelope>;

/// A server of the built-in system.
pub struct RaftServer {
    raft: Raft,
    log: DurableLog,
    application: ApplicationLane,
    /// Reused from step to step.
    effects: Vec<Effect>,
    /// The state of the core that facts have stated.
    stated: StatedState,
    counts: StatedCounts,
}

impl Server for RaftServer {
    type Message = Envelope;
    const CONTRACT: Contract = Contract { sends_only_missing: true, ..Contract::PAPER };
    const CATALOGUES: &'static [Catalogue] = &bugs::CATALOGUES;

    fn boot(host: &mut CoreHost<'_>) -> Result<RaftServer, Damaged> {
        let mut rng = host.rng().clone();
        // Drawn first, so that it does not depend on whether a log is found.
        let seed = rng.next_u64();
        let (mut log, recovered) = DurableLog::open(host, rng)?;
        let has_log = recovered.records > 0 || recovered.checkpoint.is_some();
        let drawn = current_directory_id(host, host.node());
        let directory_id = DirectoryId(directory_id::open(host.disk(), drawn, has_log)?);
        let config = core_config(host, directory_id, seed);
        let started = recovered.started();
        host.record_fact(started.clone());
        host.record_fact(ServerFact::Identified { identity: directory_id.0 });
        if config.lease_drift.is_some() {
            host.record_fact(ServerFact::LeasePromised { length: config.election_timeout });
        }
        if let ServerFact::Started { term, base, last, .. } = started {
            host.trace(|| format!("starts with term {term}, log after {base} up to {last}"));
        }
        let (term, vote) = (recovered.term, recovered.vote);
        let checkpoint = recovered.checkpoint.map(core_checkpoint);
        let entries: Vec<Entry> = recovered.entries.into_iter().map(decode_entry).collect();
        let recovered =
            Recovered { term: raft_core::Term(term), vote: vote.map(NodeId), checkpoint, entries };
        let raft = Raft::new(config, recovered, Timestamp(host.now())).unwrap_or_else(|error| {
            panic!("raft-core rejects its configuration or the recovered state: {error}")
        });
        for (index, configuration) in raft.log().configurations() {
            host.record_fact(configured_fact(*index, configuration));
        }
        log.start(host);
        let mut server = RaftServer {
            stated: StatedState::new(term),
            raft,
            log,
            application: ApplicationLane::new(host),
            effects: Vec::new(),
            counts: StatedCounts::default(),
        };
        // A snapshot implies that its entries are committed.
        server.stated.commit(host, server.raft.commit_index().0);
        Ok(server)
    }

    fn step(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Envelope>) {
        let input = match arrival {
            Arrival::Timer => Input::Timer,
            Arrival::Message { message, .. } => {
                observe_arrival(host, &message);
                // What is committed stays, whatever servers that have forgotten elect.
                if host.plan().unlimited_damage && self.raft.contradicts_committed(&message) {
                    return;
                }
                Input::Receive(self.replace_timestamp(host, message))
            }
            Arrival::Request { client, request } => {
                let number = self.application.add_request(host, Requester::Client { client, request });
                if request.read_operation().is_some() {
                    let key = ReadKey(request.id.session, request.id.sequence);
                    Input::Read { request: number, key }
                } else {
                    let command = self.application.application.command(host, &request);
                    Input::Propose { request: number, command: command.into() }
                }
            }
            Arrival::Operator { request, command } => {
                let request = self.application.add_request(host, Requester::Operator(request));
                match command {
                    OperatorCommand::Transfer(to) => Input::Transfer { request, to: NodeId(to) },
                    OperatorCommand::Change { steps: ops, by_joint } => {
                        let ops: Vec<ConfChangeOp> =
                            ops.into_iter().flat_map(|step| core_ops(host, step)).collect();
                        let change =
                            if by_joint { ConfChange::ExplicitJoint(ops) } else { ConfChange::Auto(ops) };
                        Input::ConfChange { request, change }
                    }
                    OperatorCommand::Leave => Input::ConfChange { request, change: ConfChange::LeaveJoint },
                }
            }
            Arrival::Synced(token) => match self.log.end_sync(host, token, true) {
                SyncOutcome::Saved(id) => Input::Saved(SaveId(id)),
                SyncOutcome::Unchanged | SyncOutcome::Failed(_) => return,
            },
            Arrival::SyncFailed(token) => match self.log.end_sync(host, token, false) {
                SyncOutcome::Saved(id) => Input::Saved(SaveId(id)),
                SyncOutcome::Unchanged => return,
                SyncOutcome::Failed(id) => {
                    host.fail_stop(&format!("the disk did not save write {id}"));
                    Input::SaveFailed
                }
            },
        };
        self.raft.step(Timestamp(host.now()), input, &mut self.effects);
        self.execute_effects(host);
        if let Some((index, data, keep)) = self.application.snapshot_if_due(host) {
            let request = self.application.add_request(host, Requester::Server);
            let compact = Input::Compact { request, index, data, keep };
            self.raft.step(Timestamp(host.now()), compact, &mut self.effects);
            self.execute_effects(host);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.raft.deadline().map(|due| due.0)
    }

    fn bookkeeping(&self) -> Option<Bookkeeping> {
        let status = self.raft.status();
        let mut kept = Bookkeeping {
            requests: status.pending_forwards as u64,
            promises: status.held_promises as u64,
            parts: u64::from(status.receiving.is_some()),
            followers: Vec::new(),
            size: 0,
        };
        if let RoleStatus::Leader(leader) = status.role {
            kept.size = leader.uncommitted_bytes + leader.followers.iter().map(in_flight).sum::<u64>();
            let transfers = usize::from(leader.transfer.is_some());
            kept.requests += (leader.proposals + leader.reads + transfers) as u64;
            kept.followers = leader.followers.iter().map(|follower| follower.replica.id.0).collect();
        }
        // Open requests are those of the core, and those that it has forgotten.
        kept.requests = kept.requests.max(self.application.open_requests());
        Some(kept)
    }

    fn is_heartbeat(envelope: &Envelope) -> bool {
        matches!(&envelope.message, Message::AppendEntries { entries, .. } if entries.is_empty())
    }
}

/// What a leader takes to be on its way to a follower, in bytes; a message has one at least.
fn in_flight(follower: &FollowerStatus) -> u64 {
    match follower.state {
        ProgressStatus::Replicate { messages, bytes } => messages as u64 + bytes,
        ProgressStatus::Probe { .. } | ProgressStatus::Snapshot { .. } => 0,
    }
}

impl RaftServer {
    /// Replaces the timestamp of a forwarded command. A follower set it from its own clock, but log time
    /// follows the leader's clock. The core appends commands without looking into them.
    fn replace_timestamp(&self, host: &CoreHost<'_>, mut envelope: Envelope) -> Envelope {
        if let Message::Forward { request: ForwardRequest::Propose(command), .. } = &mut envelope.message
            && self.raft.is_leader()
            && let Some(retimed) = self.application.application.retimed(host, command)
        {
            *command = retimed.into();
        }
        envelope
    }

    /// Executes effects. Saves come first, so that the entries are stated before anything that depends on
    /// them; the lanes are otherwise independent.
    fn execute_effects(&mut self, host: &mut CoreHost<'_>) {
        let commit_index = self.raft.commit_index().0;
        self.stated.observe(host, self.raft.term().0, self.raft.is_leader(), commit_index);
        let mut effects = std::mem::take(&mut self.effects);
        let followers = self.raft.followers();
        let book = followers.map(|(replica, index)| (replica.id.0, replica.directory_id.0, index.0));
        self.counts.observe(host, self.raft.term().0, book);
        if self.raft.is_leader() {
            self.stated.commit(host, commit_index);
        }
        for effect in &effects {
            if let Effect::Save { id, record: save } = effect {
                host.trace(|| format!("saves {save}"));
                if let Some(checkpoint) = &save.checkpoint {
                    self.rewrite(host, *id, save, checkpoint);
                } else {
                    self.save(host, *id, save);
                }
            }
        }
        // This system offers no lie of the log, so nothing is reported before its sync ends.
        let SyncOutcome::Unchanged = self.log.flush(host) else {
            panic!("a log that is honest must not report saves here")
        };
        self.stated.commit(host, commit_index);
        let leads = self.raft.is_leader();
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send(envelope) => {
                    self.record_promise(host, envelope.to, &envelope.message);
                    host.send(envelope.to.id.0, envelope);
                }
                Effect::Restore(snapshot) => self.application.restore(host, &snapshot),
                Effect::Apply { first, entries } => self.application.apply(host, first, &entries),
                Effect::ReadConfirmed { key, term, index, confirmation } => {
                    host.record_fact(read_confirmed(key, term, index, confirmation));
                }
                Effect::ReadNow { request, confirmation } => {
                    self.application.read(host, request, confirmation)
                }
                Effect::Respond { request, response } => {
                    self.application.finish_request(host, request, response, leads);
                }
            }
        }
        self.application.end_step();
        self.effects = effects;
    }

    /// Replaces the log: states what the save means, and passes it to the disk with the facts that hold once
    /// it is durable.
    fn rewrite(&mut self, host: &mut CoreHost<'_>, id: SaveId, save: &SaveRecord, checkpoint: &Checkpoint) {
        let Checkpoint { snapshot, compacted, configuration: compacted_configuration, installed } =
            checkpoint;
        let last = fact_log_id(snapshot.last);
        if *installed {
            let configuration = Box::new(fact_configuration(&snapshot.configuration));
            host.record_fact(ServerFact::SnapshotInstalled { last, configuration });
            // State what the core adopted, which a bug may have changed.
            host.record_fact(configured_fact(Index(last.index), self.raft.log().configuration()));
        } else {
            self.application.record_snapshot(host, snapshot);
        }
        let entries = save.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes.into_owned().into())
        });
        let rewrite = Rewrite {
            term: save.term.0,
            vote: save.vote.map(|vote| vote.0),
            checkpoint: WalCheckpoint {
                last,
                configuration: encode_configuration(&snapshot.configuration).into(),
                data: snapshot.data.clone(),
                compacted: fact_log_id(*compacted),
                compacted_configuration: encode_configuration(compacted_configuration).into(),
            },
            entries: entries.collect(),
            note: Bytes::new(),
        };
        self.log.rewrite(host, id.0, rewrite);
    }

    /// Saves term, vote and entries, and states the configurations in these.
    fn save(&mut self, host: &mut CoreHost<'_>, id: SaveId, save: &SaveRecord) {
        let entries = save.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes)
        });
        let (term, vote, after) = (save.term.0, save.vote.map(|vote| vote.0), save.after.0);
        self.log.save(host, id.0, Save { term, vote, after, entries, note: &[] }, |host, index| {
            let entry = &save.entries[(index - after - 1) as usize];
            if let Payload::Configuration(configuration) = &entry.payload {
                host.record_fact(configured_fact(Index(index), configuration));
            }
        });
    }

    /// States the promise that a message makes, when it is sent.
    fn record_promise(&mut self, host: &mut CoreHost<'_>, receiver: ReplicaKey, message: &Message) {
        let to = receiver.id.0;
        match *message {
            Message::RequestVote { term, transfer, .. } => {
                self.stated.campaign(host, term.0, transfer);
            }
            Message::RequestVoteResponse { term, granted: true } => {
                host.record_fact(ServerFact::Voted { term: term.0, candidate: to });
            }
            Message::AppendEntries { term, prev_log, ref entries, .. } if !entries.is_empty() => {
                let (entries, first) = (entries.len() as u64, prev_log.index.0 + 1);
                let (term, identity) = (term.0, receiver.directory_id.0);
                host.record_fact(ServerFact::EntriesSent { term, follower: to, entries, first, identity });
            }
            // A heartbeat to a follower that gets a snapshot carries no data.
            Message::InstallSnapshot { term, ref chunk, .. }
                if !chunk.data.is_empty() && host.is_healed() =>
            {
                let (last, bytes) = (fact_log_id(chunk.last), chunk.data.len() as u64);
                let (term, follower, size) = (term.0, to, chunk.size);
                host.record_fact(ServerFact::ChunkSent { term, follower, last, bytes, size });
            }
            Message::AppendEntriesResponse { term, match_index, .. } => {
                host.record_fact(ServerFact::Acknowledged { term: term.0, index: match_index.0 });
            }
            // A refusal that ends a past leadership is no answer to the leader of this term.
            Message::AppendEntriesRejected { term, .. } | Message::InstallSnapshotResponse { term, .. }
                if self.raft.leader() == Some(NodeId(to)) =>
            {
                host.record_fact(ServerFact::Answered { term: term.0 });
            }
            _ => {}
        }
    }
}

/// States the arrival of an order to campaign, and fires the trigger that the arrival of a message is, if any.
fn observe_arrival(host: &mut CoreHost<'_>, envelope: &Envelope) {
    match &envelope.message {
        Message::TimeoutNow { term } => {
            let leader = Some(envelope.from.id.0);
            host.record_fact(ServerFact::ToldToCampaign { term: term.0, leader });
            host.fire_trigger(Trigger::ToldToCampaign);
        }
        Message::InstallSnapshot { chunk, .. } if chunk.offset + (chunk.data.len() as u64) < chunk.size => {
            host.fire_trigger(Trigger::PartialSnapshot);
        }
        _ => {}
    }
}

/// The fact that the leader of `term` has confirmed a read.
pub(super) fn read_confirmed(
    key: ReadKey,
    term: raft_core::Term,
    index: Index,
    confirmation: ReadConfirmation,
) -> ServerFact {
    let by = match confirmation {
        ReadConfirmation::Lease => ConfirmedBy::Lease,
        ReadConfirmation::Quorum | ReadConfirmation::Leader => ConfirmedBy::Round,
    };
    let read = invariants::RequestId { session: key.0, sequence: key.1 };
    ServerFact::ReadConfirmed { read, term: term.0, index: index.0, by }
}

/// The configuration of the core.
fn core_config(host: &CoreHost<'_>, directory_id: DirectoryId, seed: u64) -> Config {
    let (plan, raft) = (host.plan(), &host.plan().raft);
    let limit_or_max = |limit: u64| if limit == 0 { u64::MAX } else { limit };
    let initial_voters: Vec<NodeId> = (1..=plan.initial_voters()).map(NodeId).collect();
    Config {
        id: NodeId(host.node()),
        directory_id,
        cluster: plan.seed,
        directory_ids: initial_voters
            .iter()
            .map(|&node| (node, DirectoryId(host.initial_directory_id_of(node.0))))
            .collect(),
        voters: initial_voters,
        election_timeout: raft.election_timeout.0,
        election_timeout_spread: raft.election_timeout_spread.0,
        heartbeat_interval: raft.heartbeat.0,
        pre_vote: raft.pre_vote,
        check_quorum: raft.check_quorum,
        lease_drift: raft.lease_drift.map(|drift| drift.0),
        forward: raft.forward,
        max_batch_entries: raft.batch as usize,
        max_batch_bytes: limit_or_max(raft.batch_bytes),
        max_in_flight_messages: raft.window as usize,
        max_in_flight_bytes: limit_or_max(raft.window_bytes),
        max_uncommitted_bytes: limit_or_max(raft.uncommitted_bytes),
        max_requests: usize::try_from(limit_or_max(raft.requests)).unwrap_or(usize::MAX),
        max_promotion_lag: limit_or_max(raft.promotion_lag),
        max_chunk_bytes: limit_or_max(raft.chunk).min(1 << 30) as usize,
        seed,
        bug: plan.enabled_bug(Bug::named),
    }
}

/// The checkpoint of the log, in the types of the core.
fn core_checkpoint(checkpoint: WalCheckpoint) -> Checkpoint {
    let log_id =
        |log_id: LogId| raft_core::LogId { index: Index(log_id.index), term: raft_core::Term(log_id.term) };
    let WalCheckpoint { last, configuration, data, compacted, compacted_configuration } = checkpoint;
    let configuration = Arc::new(decode_configuration(&configuration));
    Checkpoint {
        snapshot: Snapshot { last: log_id(last), configuration, data },
        compacted: log_id(compacted),
        configuration: Arc::new(decode_configuration(&compacted_configuration)),
        installed: false,
    }
}

pub(super) fn fact_log_id(id: raft_core::LogId) -> LogId {
    LogId { index: id.index.0, term: id.term.0 }
}

/// The directory id of a server. A wiped disk gets another one: the promises of the replica before are lost.
fn current_directory_id(host: &CoreHost<'_>, node: u64) -> u64 {
    let (initial, current) = (host.initial_directory_id_of(node), host.directory_id_of(node));
    if initial != current && HostBug::WipedNodeVotes.is_on(host.plan().enabled_bug(HostBug::named)) {
        return initial;
    }
    current
}

/// A membership operation in the types of the core. The operator knows the current directory id of each
/// server.
fn core_ops(host: &CoreHost<'_>, op: plan::MembershipOp) -> Vec<ConfChangeOp> {
    let set_directory_id =
        |node| ConfChangeOp::SetDirectoryId(NodeId(node), DirectoryId(current_directory_id(host, node)));
    match op {
        plan::MembershipOp::Voter(node) => vec![set_directory_id(node), ConfChangeOp::AddVoter(NodeId(node))],
        plan::MembershipOp::Learner(node) => {
            vec![set_directory_id(node), ConfChangeOp::AddLearner(NodeId(node))]
        }
        plan::MembershipOp::Remove(node) => vec![ConfChangeOp::Remove(NodeId(node))],
    }
}
