//! A server around `raft-core`: carries out the three lanes of its effects, and states the facts.
//!
//! Facts are stated from what the core says and from what leaves this server: claims from its state before and after
//! each step, promises from the messages as they go, truths attached to the bytes that they speak of.

use super::application_lane::{ApplicationLane, Asker};
use super::compaction::Policy;
use super::disk_lane::{DiskLane, Ended, Rewrite};
use super::entry::{
    configuration, configured, decode_configuration, digest, encode, encode_configuration, entry,
};
use super::identity;
use super::wal::{self, Damaged, Wal};
use crate::bugs;
use crate::plan;
use crate::server::{Arrival, Deed, Host, LocalTime, Server};
use crate::workload::kv::{self, Settings};
use invariants::{Digest, Fact, LogId};
use raft_core::message::Request;
use raft_core::{
    Bug, Change, Config, Effect, Entry, Identity, Index, Input, Instant, Kept, Letter, Message, NodeId,
    Payload, Raft, Recovered, SaveId, Snapshot, Step, Write,
};
use rand::RngCore;
use std::sync::Arc;

type CoreHost<'a> = Host<'a, Letter>;

/// A server of the built-in system.
pub enum Node {
    /// It takes part.
    Member(Box<Member>),
    /// What it had promised is damaged: it neither votes nor acknowledges, and says nothing.
    Damaged,
}

/// A server that takes part.
pub struct Member {
    raft: Raft,
    disk: DiskLane,
    application: ApplicationLane,
    /// Reused from step to step.
    effects: Vec<Effect>,
    /// What the core was last seen to be.
    seen: Seen,
}

/// What facts were stated about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    term: u64,
    leads: bool,
    commit: u64,
    /// Where the log ends, as stated by `Appended` and `Truncated`.
    last: u64,
    /// The newest term in which it said that it campaigns.
    campaigned: u64,
}

impl Server for Node {
    type Message = Letter;

    fn boot(host: &mut CoreHost<'_>) -> Node {
        match Member::boot(host) {
            Ok(member) => Node::Member(Box::new(member)),
            Err(damaged) => {
                host.refuse(&damaged.to_string());
                Node::Damaged
            }
        }
    }

    fn step(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Letter>) {
        if let Node::Member(member) = self {
            member.arrive(host, arrival);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        match self {
            Node::Member(member) => member.raft.deadline().map(|due| due.0),
            Node::Damaged => None,
        }
    }

    fn is_heartbeat(letter: &Letter) -> bool {
        matches!(&letter.message, Message::AppendEntries { entries, .. } if entries.is_empty())
    }
}

impl Member {
    fn boot(host: &mut CoreHost<'_>) -> Result<Member, Damaged> {
        let mut chance = host.rng().clone();
        // First, so that it does not depend on whether a log is begun or found.
        let seed = chance.next_u64();
        let (wal, recovered) = Wal::open(host.disk(), &mut chance)?;
        let promised = recovered.records > 0 || recovered.kept.is_some();
        let drawn = host.identity_of(host.node());
        let identity = Identity(identity::open(host.disk(), drawn, promised)?);
        let config = config(host, identity, seed);
        let kept = recovered.kept.map(kept);
        let entries: Vec<Entry> = recovered.entries.into_iter().map(entry).collect();
        let base = kept.as_ref().map_or(LogId::default(), |kept| log_id(kept.base));
        let last = LogId {
            index: base.index + entries.len() as u64,
            term: entries.last().map_or(base.term, |entry| entry.term.0),
        };
        let digest = entries
            .iter()
            .fold(Digest::EMPTY, |log, entry| log.then_entry(entry.term.0, digest(&entry.payload)));
        let (term, vote) = (recovered.term, recovered.vote);
        host.saw(Fact::Started { term, vote, base, last, digest });
        host.note(|| format!("starts with term {term}, log after {base} up to {last}"));
        let recovered = Recovered { term: raft_core::Term(term), vote: vote.map(NodeId), kept, entries };
        let raft = Raft::new(config, recovered, Instant(host.now()))
            .unwrap_or_else(|error| panic!("a server does not start: {error}"));
        for (index, configuration) in raft.log().configurations() {
            host.saw(configured(*index, configuration));
        }
        let mut disk = DiskLane::new(wal, host.plan().raft.syncs as usize, chance);
        host.disk().attach(Fact::SavedRecovered);
        disk.begin_sync(host);
        let policy = Policy::new(host.plan().compaction.clone(), host.now());
        let mut member = Member {
            seen: Seen { term, leads: false, commit: 0, last: last.index, campaigned: 0 },
            raft,
            disk,
            application: ApplicationLane::new(Settings::of(host.plan()), policy),
            effects: Vec::new(),
        };
        // A snapshot says how far everything was committed.
        member.state_commit(host);
        Ok(member)
    }

    fn arrive(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Letter>) {
        let input = match arrival {
            Arrival::Timer => Input::Timer,
            Arrival::Message { message: letter, .. } => Input::Receive(self.restamp(host, letter)),
            Arrival::Request { client, request } => {
                let number = self.application.admit(Asker::Client(client, request));
                if request.read().is_some() {
                    Input::Read { request: number }
                } else {
                    let mut command = Vec::with_capacity(64);
                    kv::encode(&request, self.application.stamp(host), &mut command);
                    Input::Propose { request: number, command: command.into() }
                }
            }
            Arrival::Operator { request, deed } => {
                let request = self.application.admit(Asker::Operator(request));
                match deed {
                    Deed::Transfer(to) => Input::Transfer { request, to: NodeId(to) },
                    Deed::Change { steps, by_joint } => {
                        let steps: Vec<Step> = steps.into_iter().flat_map(|it| step(host, it)).collect();
                        let change = if by_joint { Change::Joint(steps) } else { Change::Steps(steps) };
                        Input::Change { request, change }
                    }
                    Deed::Leave => Input::Change { request, change: Change::Leave },
                }
            }
            Arrival::Synced(token) => match self.disk.end_sync(host, token, true) {
                Ended::Saved(id) => Input::Saved(id),
                Ended::Nothing | Ended::Failed(_) => return,
            },
            Arrival::SyncFailed(token) => match self.disk.end_sync(host, token, false) {
                Ended::Saved(id) => Input::Saved(id),
                Ended::Nothing => return,
                Ended::Failed(id) => {
                    host.refuse(&format!("the disk did not save write {}", id.0));
                    Input::SaveFailed
                }
            },
        };
        self.raft.step(Instant(host.now()), input, &mut self.effects);
        self.carry_out(host);
        if let Some((index, data, keep)) = self.application.snapshot_if_due(host) {
            let request = self.application.admit(Asker::Snapshot);
            let compact = Input::Compact { request, index, data, keep };
            self.raft.step(Instant(host.now()), compact, &mut self.effects);
            self.carry_out(host);
        }
    }

    /// What a follower passes on was stamped by its clock. Log time is told by the leader's, so that one goes instead: the
    /// core never looks into a command, and appends what arrives as it is.
    fn restamp(&self, host: &CoreHost<'_>, mut letter: Letter) -> Letter {
        if let Message::Forward { request: Request::Propose(command), .. } = &mut letter.message
            && self.raft.leads()
            && let Some(stamp) = self.application.stamp(host)
            && let Some(stamped) = kv::restamp(command, stamp)
        {
            *command = stamped.into();
        }
        letter
    }

    /// Carries out what the core wants done. Saves come first, so that what they append is stated before anything that
    /// rests on it; between the lanes the order is free.
    fn carry_out(&mut self, host: &mut CoreHost<'_>) {
        self.state_role(host);
        let mut effects = std::mem::take(&mut self.effects);
        // What a leader commits stood in its log before, and what it appends now may follow from that; what others
        // commit may have come with the same message.
        if self.raft.leads() {
            self.state_commit(host);
        }
        for effect in &effects {
            if let Effect::Save { id, write } = effect {
                host.note(|| format!("saves {write}"));
                if let Some(kept) = &write.kept {
                    self.rewrite(host, *id, write, kept);
                } else {
                    let cut = self.state_log(host, write);
                    self.disk.write(host, *id, write, cut);
                }
            }
        }
        self.disk.sync_if_behind(host);
        self.state_commit(host);
        let leads = self.raft.leads();
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send(letter) => {
                    let to = letter.to.id.0;
                    self.state_promise(host, to, &letter.message);
                    host.send(to, letter);
                }
                Effect::Restore(snapshot) => self.application.restore(host, &snapshot),
                Effect::Apply { first, entries } => self.application.apply(host, first, &entries),
                Effect::ReadNow { request, confirmed } => self.application.read(host, request, confirmed),
                Effect::Answer { request, answer } => {
                    self.application.answer(host, request, answer, leads);
                }
            }
        }
        self.application.step_is_over();
        self.effects = effects;
    }

    /// One write that replaces all before: states what it means, and hands it to the disk with what is true once it is
    /// durable.
    fn rewrite(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, kept: &Kept) {
        let Kept { snapshot, base, configuration: at_base, installed } = kept;
        let last = log_id(snapshot.last);
        if *installed {
            let configuration = Box::new(configuration(&snapshot.configuration));
            host.saw(Fact::SnapshotInstalled { last, configuration });
            // What the core took over from it, and not what it should have taken.
            host.saw(configured(Index(last.index), self.raft.log().configuration()));
            self.seen.last = last.index;
        } else {
            self.application.state_snapshot(host, snapshot);
        }
        let (term, vote, base) = (write.term.0, write.vote.map(|vote| vote.0), log_id(*base));
        let entries = write.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes.into_owned().into())
        });
        let rewrite = Rewrite {
            term,
            vote,
            kept: wal::Kept {
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
    fn state_commit(&mut self, host: &mut CoreHost<'_>) {
        let index = self.raft.commit().0;
        if index != self.seen.commit {
            self.seen.commit = index;
            host.saw(Fact::Committed { index });
        }
    }

    /// States what has become of term and role.
    fn state_role(&mut self, host: &mut CoreHost<'_>) {
        let (term, leads) = (self.raft.term().0, self.raft.leads());
        let before = self.seen;
        if (before.term, before.leads) == (term, leads) {
            return;
        }
        if before.leads && before.term == term {
            // It commits that it belongs to the group no more, and leaves: the commit is the last that it does as leader.
            self.state_commit(host);
        }
        (self.seen.term, self.seen.leads) = (term, leads);
        if before.leads {
            host.saw(Fact::SteppedDown { term: before.term });
            host.note(|| format!("leader => follower, term {term}"));
        }
        if term != before.term {
            host.saw(Fact::TermChanged { term });
        }
        if leads {
            if self.seen.campaigned != term {
                // Alone in its group it asks nobody, and counts itself all the same.
                self.seen.campaigned = term;
                host.saw(Fact::Campaigned { term });
            }
            host.saw(Fact::Leads { term });
            host.note(|| format!("candidate => leader, term {term}"));
        }
    }

    /// States what a write does to the log. Returns whether it cuts it.
    fn state_log(&mut self, host: &mut CoreHost<'_>, write: &Write) -> bool {
        let cut = write.after.0 < self.seen.last;
        if cut {
            host.saw(Fact::Truncated { after: write.after.0 });
        }
        for (index, entry) in (write.after.0 + 1..).zip(&*write.entries) {
            host.saw(Fact::Appended { index, term: entry.term.0, entry: digest(&entry.payload) });
            if let Payload::Configuration(configuration) = &entry.payload {
                host.saw(configured(Index(index), configuration));
            }
        }
        self.seen.last = write.after.0 + write.entries.len() as u64;
        cut
    }

    /// States what a message promises, as it leaves.
    fn state_promise(&mut self, host: &mut CoreHost<'_>, to: u64, message: &Message) {
        match *message {
            Message::RequestVote { term, .. } if self.seen.campaigned != term.0 => {
                self.seen.campaigned = term.0;
                host.saw(Fact::Campaigned { term: term.0 });
            }
            Message::RequestVoteResponse { term, granted: true } => {
                host.saw(Fact::Voted { term: term.0, candidate: to });
            }
            Message::AppendEntriesResponse { term, matched, .. } => {
                host.saw(Fact::Acknowledged { term: term.0, index: matched.0 });
            }
            _ => {}
        }
    }
}

/// How this server is set up.
fn config(host: &CoreHost<'_>, identity: Identity, seed: u64) -> Config {
    let (plan, raft) = (host.plan(), &host.plan().raft);
    let unless_none = |limit: u64| if limit == 0 { u64::MAX } else { limit };
    let founders: Vec<NodeId> = (1..=plan.founders()).map(NodeId).collect();
    Config {
        id: NodeId(host.node()),
        identity,
        cluster: plan.seed,
        identities: founders
            .iter()
            .map(|&node| (node, Identity(host.founding_identity_of(node.0))))
            .collect(),
        voters: founders,
        election_timeout: raft.election_timeout.0,
        election_timeout_spread: raft.election_timeout_spread.0,
        heartbeat_interval: raft.heartbeat.0,
        pre_vote: raft.pre_vote,
        check_quorum: raft.check_quorum,
        lease_drift: raft.lease_drift.map(|drift| drift.0),
        forward: raft.forward,
        max_batch: raft.batch as usize,
        max_batch_bytes: unless_none(raft.batch_bytes),
        max_in_flight: raft.window as usize,
        max_in_flight_bytes: unless_none(raft.window_bytes),
        max_uncommitted_bytes: unless_none(raft.uncommitted_bytes),
        max_requests: usize::try_from(unless_none(raft.requests)).unwrap_or(usize::MAX),
        max_promotion_lag: unless_none(raft.promotion_lag),
        max_chunk: unless_none(raft.chunk).min(1 << 30) as usize,
        seed,
        bug: bugs::switched_on(plan.bug.as_deref(), Bug::named),
    }
}

/// What the log keeps in place of its beginning, as the core has it.
fn kept(kept: wal::Kept) -> Kept {
    let id = |id: LogId| raft_core::LogId { index: Index(id.index), term: raft_core::Term(id.term) };
    let wal::Kept { last, configuration, data, base, base_configuration } = kept;
    let configuration = Arc::new(decode_configuration(&configuration));
    Kept {
        snapshot: Snapshot { last: id(last), configuration, data },
        base: id(base),
        configuration: Arc::new(decode_configuration(&base_configuration)),
        installed: false,
    }
}

fn log_id(id: raft_core::LogId) -> LogId {
    LogId { index: id.index.0, term: id.term.0 }
}

/// A step as the core wants it. Whoever runs the group knows which life of a server it wants in it.
fn step(host: &CoreHost<'_>, step: plan::Step) -> Vec<Step> {
    let identify = |node| Step::Identify(NodeId(node), Identity(host.identity_of(node)));
    match step {
        plan::Step::Voter(node) => vec![identify(node), Step::Voter(NodeId(node))],
        plan::Step::Learner(node) => vec![identify(node), Step::Learner(NodeId(node))],
        plan::Step::Remove(node) => vec![Step::Remove(NodeId(node))],
    }
}
