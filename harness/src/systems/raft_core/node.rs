//! A server around `raft-core`: carries out the three lanes of its effects, and states the facts.
//!
//! Facts are stated from what the core says and from what leaves this server: claims from its state before and after
//! each step, promises from the messages as they go, truths attached to the bytes that they speak of.

use super::application_lane::{ApplicationLane, PendingRequest};
use super::compaction::CompactionPolicy;
use super::directory_id;
use super::disk_lane::{DiskLane, LogRewrite, SyncOutcome};
use super::entry::{
    configured_fact, decode_configuration, decode_entry, encode, encode_configuration, fact_configuration,
    payload_digest,
};
use super::wal::{self, DamagedFile, Wal};
use crate::bugs;
use crate::plan;
use crate::server::{Arrival, Host, LocalTime, OperatorCommand, Server};
use crate::workload::kv::{self, KvConfig};
use invariants::{Digest, Fact, LogId};
use raft_core::message::ForwardRequest;
use raft_core::{
    Bug, Checkpoint, ConfChange, ConfChangeOp, Config, DirectoryId, Effect, Entry, Envelope, Index, Input,
    Message, NodeId, Payload, Raft, Recovered, SaveId, SaveRecord, Snapshot, Timestamp,
};
use rand::RngCore;
use std::sync::Arc;

type CoreHost<'a> = Host<'a, Envelope>;

/// A server of the built-in system.
pub enum RaftServer {
    /// It takes part.
    Running(Box<RunningServer>),
    /// What it had promised is damaged: it neither votes nor acknowledges, and says nothing.
    Damaged,
}

/// A server that takes part.
pub struct RunningServer {
    raft: Raft,
    disk: DiskLane,
    application: ApplicationLane,
    /// Reused from step to step.
    effects: Vec<Effect>,
    /// What the core was last seen to be.
    recorded: RecordedState,
}

/// What facts were stated about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RecordedState {
    term: u64,
    leads: bool,
    commit_index: u64,
    /// Where the log ends, as stated by `Appended` and `Truncated`.
    last_index: u64,
    /// The newest term in which it said that it campaigns.
    campaigned_term: u64,
}

impl Server for RaftServer {
    type Message = Envelope;

    fn boot(host: &mut CoreHost<'_>) -> RaftServer {
        match RunningServer::boot(host) {
            Ok(member) => RaftServer::Running(Box::new(member)),
            Err(damaged) => {
                host.fail_stop(&damaged.to_string());
                RaftServer::Damaged
            }
        }
    }

    fn step(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Envelope>) {
        if let RaftServer::Running(member) = self {
            member.handle_arrival(host, arrival);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        match self {
            RaftServer::Running(member) => member.raft.deadline().map(|due| due.0),
            RaftServer::Damaged => None,
        }
    }

    fn is_heartbeat(letter: &Envelope) -> bool {
        matches!(&letter.message, Message::AppendEntries { entries, .. } if entries.is_empty())
    }
}

impl RunningServer {
    fn boot(host: &mut CoreHost<'_>) -> Result<RunningServer, DamagedFile> {
        let mut chance = host.rng().clone();
        // First, so that it does not depend on whether a log is begun or found.
        let seed = chance.next_u64();
        let (wal, recovered) = Wal::open(host.disk(), &mut chance)?;
        let promised = recovered.records > 0 || recovered.checkpoint.is_some();
        let drawn = host.directory_id_of(host.node());
        let identity = DirectoryId(directory_id::open(host.disk(), drawn, promised)?);
        let config = core_config(host, identity, seed);
        let kept = recovered.checkpoint.map(core_checkpoint);
        let entries: Vec<Entry> = recovered.entries.into_iter().map(decode_entry).collect();
        let base = kept.as_ref().map_or(LogId::default(), |kept| fact_log_id(kept.compacted));
        let last = LogId {
            index: base.index + entries.len() as u64,
            term: entries.last().map_or(base.term, |entry| entry.term.0),
        };
        let digest = entries
            .iter()
            .fold(Digest::EMPTY, |log, entry| log.then_entry(entry.term.0, payload_digest(&entry.payload)));
        let (term, vote) = (recovered.term, recovered.vote);
        host.record_fact(Fact::Started { term, vote, base, last, digest });
        host.trace(|| format!("starts with term {term}, log after {base} up to {last}"));
        let recovered =
            Recovered { term: raft_core::Term(term), vote: vote.map(NodeId), checkpoint: kept, entries };
        let raft = Raft::new(config, recovered, Timestamp(host.now()))
            .unwrap_or_else(|error| panic!("a server does not start: {error}"));
        for (index, configuration) in raft.log().configurations() {
            host.record_fact(configured_fact(*index, configuration));
        }
        let mut disk = DiskLane::new(wal, host.plan().raft.max_in_flight_syncs as usize, chance);
        host.disk().attach(Fact::SavedRecovered);
        disk.begin_sync(host);
        let policy = CompactionPolicy::new(host.plan().compaction.clone(), host.now());
        let mut member = RunningServer {
            recorded: RecordedState {
                term,
                leads: false,
                commit_index: 0,
                last_index: last.index,
                campaigned_term: 0,
            },
            raft,
            disk,
            application: ApplicationLane::new(KvConfig::from_plan(host.plan()), policy),
            effects: Vec::new(),
        };
        // A snapshot says how far everything was committed.
        member.record_commit(host);
        Ok(member)
    }

    fn handle_arrival(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Envelope>) {
        let input = match arrival {
            Arrival::Timer => Input::Timer,
            Arrival::Message { message: letter, .. } => Input::Receive(self.restamp(host, letter)),
            Arrival::Request { client, request } => {
                let number = self.application.add_request(PendingRequest::Client(client, request));
                if request.read_operation().is_some() {
                    Input::Read { request: number }
                } else {
                    let mut command = Vec::with_capacity(64);
                    kv::encode(&request, self.application.stamp(host), &mut command);
                    Input::Propose { request: number, command: command.into() }
                }
            }
            Arrival::Operator { request, command: deed } => {
                let request = self.application.add_request(PendingRequest::Operator(request));
                match deed {
                    OperatorCommand::Transfer(to) => Input::Transfer { request, to: NodeId(to) },
                    OperatorCommand::Change { steps, by_joint } => {
                        let steps: Vec<ConfChangeOp> =
                            steps.into_iter().flat_map(|it| core_ops(host, it)).collect();
                        let change =
                            if by_joint { ConfChange::ExplicitJoint(steps) } else { ConfChange::Auto(steps) };
                        Input::ConfChange { request, change }
                    }
                    OperatorCommand::Leave => Input::ConfChange { request, change: ConfChange::LeaveJoint },
                }
            }
            Arrival::Synced(token) => match self.disk.end_sync(host, token, true) {
                SyncOutcome::Saved(id) => Input::Saved(id),
                SyncOutcome::Unchanged | SyncOutcome::Failed(_) => return,
            },
            Arrival::SyncFailed(token) => match self.disk.end_sync(host, token, false) {
                SyncOutcome::Saved(id) => Input::Saved(id),
                SyncOutcome::Unchanged => return,
                SyncOutcome::Failed(id) => {
                    host.fail_stop(&format!("the disk did not save write {}", id.0));
                    Input::SaveFailed
                }
            },
        };
        self.raft.step(Timestamp(host.now()), input, &mut self.effects);
        self.execute_effects(host);
        if let Some((index, data, keep)) = self.application.snapshot_if_due(host) {
            let request = self.application.add_request(PendingRequest::Snapshot);
            let compact = Input::Compact { request, index, data, keep };
            self.raft.step(Timestamp(host.now()), compact, &mut self.effects);
            self.execute_effects(host);
        }
    }

    /// What a follower passes on was stamped by its clock. Log time is told by the leader's, so that one goes instead: the
    /// core never looks into a command, and appends what arrives as it is.
    fn restamp(&self, host: &CoreHost<'_>, mut letter: Envelope) -> Envelope {
        if let Message::Forward { request: ForwardRequest::Propose(command), .. } = &mut letter.message
            && self.raft.is_leader()
            && let Some(stamp) = self.application.stamp(host)
            && let Some(stamped) = kv::replace_timestamp(command, stamp)
        {
            *command = stamped.into();
        }
        letter
    }

    /// Carries out what the core wants done. Saves come first, so that what they append is stated before anything that
    /// rests on it; between the lanes the order is free.
    fn execute_effects(&mut self, host: &mut CoreHost<'_>) {
        self.record_role(host);
        let mut effects = std::mem::take(&mut self.effects);
        // What a leader commits stood in its log before, and what it appends now may follow from that; what others
        // commit may have come with the same message.
        if self.raft.is_leader() {
            self.record_commit(host);
        }
        for effect in &effects {
            if let Effect::Save { id, record: write } = effect {
                host.trace(|| format!("saves {write}"));
                if let Some(kept) = &write.checkpoint {
                    self.rewrite(host, *id, write, kept);
                } else {
                    let cut = self.record_log(host, write);
                    self.disk.write(host, *id, write, cut);
                }
            }
        }
        self.disk.sync_if_needed(host);
        self.record_commit(host);
        let leads = self.raft.is_leader();
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send(letter) => {
                    let to = letter.to.id.0;
                    self.record_promise(host, to, &letter.message);
                    host.send(to, letter);
                }
                Effect::Restore(snapshot) => self.application.restore(host, &snapshot),
                Effect::Apply { first, entries } => self.application.apply(host, first, &entries),
                Effect::ReadNow { request, confirmation } => {
                    self.application.read(host, request, confirmation)
                }
                Effect::Respond { request, response: answer } => {
                    self.application.finish_request(host, request, answer, leads);
                }
            }
        }
        self.application.end_step();
        self.effects = effects;
    }

    /// One write that replaces all before: states what it means, and hands it to the disk with what is true once it is
    /// durable.
    fn rewrite(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &SaveRecord, kept: &Checkpoint) {
        let Checkpoint { snapshot, compacted: base, configuration: at_base, installed } = kept;
        let last = fact_log_id(snapshot.last);
        if *installed {
            let configuration = Box::new(fact_configuration(&snapshot.configuration));
            host.record_fact(Fact::SnapshotInstalled { last, configuration });
            // What the core took over from it, and not what it should have taken.
            host.record_fact(configured_fact(Index(last.index), self.raft.log().configuration()));
            self.recorded.last_index = last.index;
        } else {
            self.application.record_snapshot(host, snapshot);
        }
        let (term, vote, base) = (write.term.0, write.vote.map(|vote| vote.0), fact_log_id(*base));
        let entries = write.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes.into_owned().into())
        });
        let rewrite = LogRewrite {
            term,
            vote,
            checkpoint: wal::WalCheckpoint {
                last,
                configuration: encode_configuration(&snapshot.configuration).into(),
                data: snapshot.data.clone(),
                base,
                base_configuration: encode_configuration(at_base).into(),
            },
            entries: entries.collect(),
            truths: vec![Fact::Saved { term, vote, after: None }, Fact::SavedSnapshot { base, last }],
        };
        self.disk.rewrite(host, id, rewrite);
    }

    /// States how far everything is committed, as far as this server knows.
    fn record_commit(&mut self, host: &mut CoreHost<'_>) {
        let index = self.raft.commit_index().0;
        if index != self.recorded.commit_index {
            self.recorded.commit_index = index;
            host.record_fact(Fact::Committed { index });
        }
    }

    /// States what has become of term and role.
    fn record_role(&mut self, host: &mut CoreHost<'_>) {
        let (term, leads) = (self.raft.term().0, self.raft.is_leader());
        let before = self.recorded;
        if (before.term, before.leads) == (term, leads) {
            return;
        }
        if before.leads && before.term == term {
            // It commits that it belongs to the group no more, and leaves: the commit is the last that it does as leader.
            self.record_commit(host);
        }
        (self.recorded.term, self.recorded.leads) = (term, leads);
        if before.leads {
            host.record_fact(Fact::SteppedDown { term: before.term });
            host.trace(|| format!("leader => follower, term {term}"));
        }
        if term != before.term {
            host.record_fact(Fact::TermChanged { term });
        }
        if leads {
            if self.recorded.campaigned_term != term {
                // Alone in its group it asks nobody, and counts itself all the same.
                self.recorded.campaigned_term = term;
                host.record_fact(Fact::Campaigned { term });
            }
            host.record_fact(Fact::Leads { term });
            host.trace(|| format!("candidate => leader, term {term}"));
        }
    }

    /// States what a write does to the log. Returns whether it cuts it.
    fn record_log(&mut self, host: &mut CoreHost<'_>, write: &SaveRecord) -> bool {
        let cut = write.after.0 < self.recorded.last_index;
        if cut {
            host.record_fact(Fact::Truncated { after: write.after.0 });
        }
        for (index, entry) in (write.after.0 + 1..).zip(&*write.entries) {
            host.record_fact(Fact::Appended {
                index,
                term: entry.term.0,
                entry: payload_digest(&entry.payload),
            });
            if let Payload::Configuration(configuration) = &entry.payload {
                host.record_fact(configured_fact(Index(index), configuration));
            }
        }
        self.recorded.last_index = write.after.0 + write.entries.len() as u64;
        cut
    }

    /// States what a message promises, as it leaves.
    fn record_promise(&mut self, host: &mut CoreHost<'_>, to: u64, message: &Message) {
        match *message {
            Message::RequestVote { term, .. } if self.recorded.campaigned_term != term.0 => {
                self.recorded.campaigned_term = term.0;
                host.record_fact(Fact::Campaigned { term: term.0 });
            }
            Message::RequestVoteResponse { term, granted: true } => {
                host.record_fact(Fact::Voted { term: term.0, candidate: to });
            }
            Message::AppendEntriesResponse { term, match_index: matched, .. } => {
                host.record_fact(Fact::Acknowledged { term: term.0, index: matched.0 });
            }
            _ => {}
        }
    }
}

/// How this server is set up.
fn core_config(host: &CoreHost<'_>, identity: DirectoryId, seed: u64) -> Config {
    let (plan, raft) = (host.plan(), &host.plan().raft);
    let unless_none = |limit: u64| if limit == 0 { u64::MAX } else { limit };
    let founders: Vec<NodeId> = (1..=plan.initial_voters()).map(NodeId).collect();
    Config {
        id: NodeId(host.node()),
        directory_id: identity,
        cluster: plan.seed,
        directory_ids: founders
            .iter()
            .map(|&node| (node, DirectoryId(host.initial_directory_id_of(node.0))))
            .collect(),
        voters: founders,
        election_timeout: raft.election_timeout.0,
        election_timeout_spread: raft.election_timeout_spread.0,
        heartbeat_interval: raft.heartbeat.0,
        pre_vote: raft.pre_vote,
        check_quorum: raft.check_quorum,
        lease_drift: raft.lease_drift.map(|drift| drift.0),
        forward: raft.forward,
        max_batch_entries: raft.batch as usize,
        max_batch_bytes: unless_none(raft.batch_bytes),
        max_in_flight_messages: raft.window as usize,
        max_in_flight_bytes: unless_none(raft.window_bytes),
        max_uncommitted_bytes: unless_none(raft.uncommitted_bytes),
        max_requests: usize::try_from(unless_none(raft.requests)).unwrap_or(usize::MAX),
        max_promotion_lag: unless_none(raft.promotion_lag),
        max_chunk_bytes: unless_none(raft.chunk).min(1 << 30) as usize,
        seed,
        bug: bugs::enabled_bug(plan.bug.as_deref(), Bug::named),
    }
}

/// What the log keeps in place of its beginning, as the core has it.
fn core_checkpoint(kept: wal::WalCheckpoint) -> Checkpoint {
    let id = |id: LogId| raft_core::LogId { index: Index(id.index), term: raft_core::Term(id.term) };
    let wal::WalCheckpoint { last, configuration, data, base, base_configuration } = kept;
    let configuration = Arc::new(decode_configuration(&configuration));
    Checkpoint {
        snapshot: Snapshot { last: id(last), configuration, data },
        compacted: id(base),
        configuration: Arc::new(decode_configuration(&base_configuration)),
        installed: false,
    }
}

fn fact_log_id(id: raft_core::LogId) -> LogId {
    LogId { index: id.index.0, term: id.term.0 }
}

/// A step as the core wants it. Whoever runs the group knows which life of a server it wants in it.
fn core_ops(host: &CoreHost<'_>, step: plan::MembershipOp) -> Vec<ConfChangeOp> {
    let identify = |node| ConfChangeOp::SetDirectoryId(NodeId(node), DirectoryId(host.directory_id_of(node)));
    match step {
        plan::MembershipOp::Voter(node) => vec![identify(node), ConfChangeOp::AddVoter(NodeId(node))],
        plan::MembershipOp::Learner(node) => vec![identify(node), ConfChangeOp::AddLearner(NodeId(node))],
        plan::MembershipOp::Remove(node) => vec![ConfChangeOp::Remove(NodeId(node))],
    }
}
