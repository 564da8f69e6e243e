//! A server around `raft-core`: carries out the three lanes of its effects, and states the facts.
//!
//! Facts are stated from what the core says and from what leaves this server: claims from its state before and after
//! each step, promises from the messages as they go, truths attached to the bytes that they speak of.

use super::wal::{Damaged, Wal};
use crate::bugs::RETRY_APPLIED_TWICE;
use crate::outcome::{TRANSFER_ABORTED, TRANSFER_COMPLETED};
use crate::plan;
use crate::server::{Arrival, Deed, Host, LocalTime, Server};
use crate::workload::kv::{self, Kv};
use crate::workload::{Answer, Reply, Request};
use bytes::Buf;
use invariants::{Configuration, Digest, Fact, LogId, Response};
use raft_core::Refusal;
use raft_core::{
    Bug, Change, Config, Effect, Entry, Index, Input, Instant, Message, NodeId, Payload, Raft, Recovered,
    RequestId, SaveId, Step, Write,
};
use rand::RngCore;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// Kinds of entries, as the log keeps them.
const NOOP: u8 = 0;
const COMMAND: u8 = 1;
const CONFIGURATION: u8 = 2;

type CoreHost<'a> = Host<'a, Message>;

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

/// The disk lane: records in order, several syncs in flight.
struct DiskLane {
    wal: Wal,
    most_syncs: usize,
    syncs: Vec<Sync>,
    next_token: u64,
    /// The newest write in the log; whether a sync that covers it was begun; the newest that was reported durable.
    written: SaveId,
    behind: bool,
    reported: Option<SaveId>,
    /// Writes that wait until what was recovered is durable again.
    waiting: VecDeque<(SaveId, Write, bool)>,
}

/// A sync in flight.
struct Sync {
    token: u64,
    /// Where the log ended, and with which write, when it began.
    end: u64,
    covers: SaveId,
}

/// The application lane: the state machine, and who waits for it.
struct ApplicationLane {
    kv: Kv,
    applied: u64,
    /// Who asked, by the number that the core knows the request by.
    requests: Vec<Option<Asker>>,
    free: Vec<usize>,
    /// What the entries applied in this step came to, if anybody here may ask.
    results: VecDeque<(u64, Option<(u64, Response)>)>,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
enum Asker {
    Client(u64, Request),
    /// Who runs the group: it asks for changes and transfers.
    Operator,
}

impl Server for Node {
    type Message = Message;

    fn boot(host: &mut CoreHost<'_>) -> Node {
        match Member::boot(host) {
            Ok(member) => Node::Member(Box::new(member)),
            Err(damaged) => {
                host.refuse(&damaged.to_string());
                Node::Damaged
            }
        }
    }

    fn step(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Message>) {
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

    fn is_heartbeat(message: &Message) -> bool {
        matches!(message, Message::AppendEntries { entries, .. } if entries.is_empty())
    }
}

impl Member {
    fn boot(host: &mut CoreHost<'_>) -> Result<Member, Damaged> {
        let mut chance = host.rng().clone();
        let (wal, recovered) = Wal::open(host.disk(), &mut chance)?;
        let plan = host.plan();
        let config = Config {
            id: NodeId(host.node()),
            voters: (1..=plan.founders()).map(NodeId).collect(),
            election_timeout: plan.raft.election_timeout.0,
            election_timeout_spread: plan.raft.election_timeout_spread.0,
            heartbeat_interval: plan.raft.heartbeat.0,
            pre_vote: plan.raft.pre_vote,
            check_quorum: plan.raft.check_quorum,
            max_batch: plan.raft.batch as usize,
            max_in_flight: plan.raft.window as usize,
            seed: chance.next_u64(),
            bug: plan.bug.as_deref().and_then(|name| Bug::ALL.into_iter().find(|bug| bug.name() == name)),
        };
        let most_syncs = plan.raft.syncs as usize;
        let entries: Vec<Entry> = recovered.entries.into_iter().map(entry).collect();
        let last =
            LogId { index: entries.len() as u64, term: entries.last().map_or(0, |entry| entry.term.0) };
        let digest = entries
            .iter()
            .fold(Digest::EMPTY, |log, entry| log.then_entry(entry.term.0, digest(&entry.payload)));
        let (term, vote) = (recovered.term, recovered.vote);
        host.saw(Fact::Started { term, vote, base: LogId::default(), last, digest });
        host.note(|| format!("starts with term {term}, log up to {last}"));
        let recovered = Recovered { term: raft_core::Term(term), vote: vote.map(NodeId), entries };
        let raft = Raft::new(config, recovered, Instant(host.now()))
            .expect("a plan that was checked sets up servers that can work");
        for (index, configuration) in raft.log().configurations() {
            host.saw(configured(*index, configuration));
        }
        let mut disk = DiskLane::new(wal, most_syncs);
        host.disk().attach(Fact::SavedRecovered);
        disk.begin_sync(host);
        Ok(Member {
            seen: Seen { term, leads: false, commit: 0, last: last.index, campaigned: 0 },
            raft,
            disk,
            application: ApplicationLane {
                kv: Kv::new(host.bug(RETRY_APPLIED_TWICE)),
                applied: 0,
                requests: Vec::new(),
                free: Vec::new(),
                results: VecDeque::new(),
            },
            effects: Vec::new(),
        })
    }

    fn arrive(&mut self, host: &mut CoreHost<'_>, arrival: Arrival<Message>) {
        let input = match arrival {
            Arrival::Timer => Input::Timer,
            Arrival::Message { from, message } => Input::Message { from: NodeId(from), message },
            Arrival::Request { client, request } => {
                let number = self.application.admit(Asker::Client(client, request));
                if request.operation.action.is_read() {
                    Input::Read { request: number }
                } else {
                    let mut command = Vec::with_capacity(64);
                    kv::encode(&request, &mut command);
                    Input::Propose { request: number, command: command.into() }
                }
            }
            Arrival::Operator(deed) => {
                let request = self.application.admit(Asker::Operator);
                match deed {
                    Deed::Transfer(to) => Input::Transfer { request, to: NodeId(to) },
                    Deed::Change { steps, by_joint } => {
                        let steps: Vec<Step> = steps.into_iter().map(step).collect();
                        let change = if by_joint { Change::Joint(steps) } else { Change::Steps(steps) };
                        Input::Change { request, change }
                    }
                    Deed::Leave => Input::Change { request, change: Change::Leave },
                }
            }
            Arrival::Synced(token) => match self.disk.end_sync(host, token) {
                Some(id) => Input::Saved(id),
                None => return,
            },
        };
        self.raft.step(Instant(host.now()), input, &mut self.effects);
        self.carry_out(host);
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
                let cut = self.state_log(host, write);
                self.disk.write(host, *id, write, cut);
            }
        }
        self.disk.sync_if_behind(host);
        self.state_commit(host);
        let leads = self.raft.leads();
        for effect in effects.drain(..) {
            match effect {
                Effect::Save { .. } => {}
                Effect::Send { to, message } => {
                    self.state_promise(host, to.0, &message);
                    host.send(to.0, message);
                }
                Effect::Apply { first, entries } => self.application.apply(host, first, &entries, leads),
                Effect::ReadNow { request } => self.application.read(host, request),
                Effect::Answer { request, answer } => self.application.answer(host, request, answer),
            }
        }
        self.application.results.clear();
        self.effects = effects;
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

impl DiskLane {
    fn new(wal: Wal, most_syncs: usize) -> DiskLane {
        DiskLane {
            wal,
            most_syncs,
            syncs: Vec::with_capacity(most_syncs),
            next_token: 0,
            written: SaveId(0),
            behind: false,
            reported: None,
            waiting: VecDeque::new(),
        }
    }

    /// Writes one record, or keeps it back while a cut tail could still come back underneath it.
    fn write(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, cut: bool) {
        if self.wal.is_settled() {
            self.append(host, id, write, cut);
        } else {
            self.waiting.push_back((id, write.clone(), cut));
        }
    }

    fn append(&mut self, host: &mut CoreHost<'_>, id: SaveId, write: &Write, cut: bool) {
        let (term, vote) = (write.term.0, write.vote.map(|vote| vote.0));
        let after = cut.then_some(write.after.0);
        let entries = write.entries.iter().map(|entry| {
            let (kind, bytes) = encode(&entry.payload);
            (entry.term.0, kind, bytes)
        });
        let disk = host.disk();
        self.wal.append(disk, term, vote, after, entries);
        disk.attach(Fact::Saved { term, vote, after });
        for (index, entry) in (write.after.0 + 1..).zip(&*write.entries) {
            disk.attach(Fact::SavedEntry { index, term: entry.term.0, entry: digest(&entry.payload) });
        }
        self.written = id;
        self.behind = true;
    }

    fn sync_if_behind(&mut self, host: &mut CoreHost<'_>) {
        if self.behind && self.syncs.len() < self.most_syncs {
            self.begin_sync(host);
        }
    }

    fn begin_sync(&mut self, host: &mut CoreHost<'_>) {
        self.behind = false;
        self.syncs.push(Sync { token: self.next_token, end: self.wal.end(), covers: self.written });
        host.sync(self.next_token);
        self.next_token += 1;
    }

    /// A sync has ended. Returns the newest write that is durable, if that is news.
    fn end_sync(&mut self, host: &mut CoreHost<'_>, token: u64) -> Option<SaveId> {
        let place = self.syncs.iter().position(|sync| sync.token == token).expect("only what was begun ends");
        let Sync { end, covers, .. } = self.syncs.swap_remove(place);
        self.wal.durable_to(end);
        while self.wal.is_settled()
            && let Some((id, write, cut)) = self.waiting.pop_front()
        {
            self.append(host, id, &write, cut);
        }
        self.sync_if_behind(host);
        let news = Some(covers) > self.reported;
        self.reported = self.reported.max(Some(covers));
        news.then_some(covers)
    }
}

impl ApplicationLane {
    /// Remembers who asked. The number is free again once it is answered.
    fn admit(&mut self, asker: Asker) -> RequestId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() - 1
        });
        self.requests[place] = Some(asker);
        RequestId(place as u64)
    }

    fn dismiss(&mut self, request: RequestId) -> Asker {
        let place = request.0 as usize;
        self.free.push(place);
        self.requests[place].take().expect("a request is answered once")
    }

    fn apply(&mut self, host: &mut CoreHost<'_>, first: Index, entries: &[Entry], asked: bool) {
        for (index, entry) in (first.0..).zip(entries) {
            let command: &[u8] = if let Payload::Command(command) = &entry.payload { command } else { &[] };
            let outcome = self.kv.apply(index, command);
            host.saw(Fact::Applied {
                index,
                entry: digest(&entry.payload),
                state: self.kv.digest(),
                request: outcome.id,
                effect: outcome.effect,
            });
            self.applied = index;
            if asked && outcome.id.is_some() {
                self.results.push_back((index, outcome.written));
            }
        }
        let applied = self.applied;
        host.note(|| format!("applies up to {applied}"));
    }

    fn read(&mut self, host: &mut CoreHost<'_>, request: RequestId) {
        let Asker::Client(client, request) = self.dismiss(request) else { return };
        let applied = self.applied;
        host.saw(Fact::ReadServed { read: request.id, applied });
        let response = self.kv.read(request.operation);
        host.reply(client, Reply { id: request.id, answer: Answer::Read { applied, response } });
    }

    fn answer(&mut self, host: &mut CoreHost<'_>, request: RequestId, answer: raft_core::Answer) {
        let asker = self.dismiss(request);
        let Asker::Client(client, request) = asker else {
            host.note(|| format!("tells the operator: {answer}"));
            match answer {
                raft_core::Answer::Transferred => host.reached(TRANSFER_COMPLETED),
                raft_core::Answer::Refused(Refusal::TransferFailed) => host.reached(TRANSFER_ABORTED),
                _ => {}
            }
            return;
        };
        let answer = match answer {
            raft_core::Answer::Applied { index } => {
                while self.results.front().is_some_and(|&(applied, _)| applied < index.0) {
                    self.results.pop_front();
                }
                match self.results.pop_front() {
                    Some((applied, Some((index_of_effect, response)))) if applied == index.0 => {
                        Answer::Written { index: index_of_effect, response }
                    }
                    // Its client has long had the answer, and the session has let go of it: nobody waits.
                    _ => Answer::Unknown,
                }
            }
            raft_core::Answer::NotLeader { hint } => Answer::NotLeader(hint.map(|hint| hint.0)),
            raft_core::Answer::Unknown | raft_core::Answer::Transferred => Answer::Unknown,
            raft_core::Answer::Refused(_) => Answer::Busy,
        };
        host.reply(client, Reply { id: request.id, answer });
    }
}

/// An entry's kind and content, as the log keeps them.
fn encode(payload: &Payload) -> (u8, Cow<'_, [u8]>) {
    match payload {
        Payload::Noop => (NOOP, Cow::Borrowed(&[])),
        Payload::Command(command) => (COMMAND, Cow::Borrowed(command)),
        Payload::Configuration(configuration) => {
            (CONFIGURATION, Cow::Owned(encode_configuration(configuration)))
        }
    }
}

/// The lists of a configuration, each with its length before it.
fn encode_configuration(configuration: &raft_core::Configuration) -> Vec<u8> {
    let raft_core::Configuration { voters, old_voters, learners, next_learners, leaves_by_itself } =
        configuration;
    let mut bytes = vec![u8::from(*leaves_by_itself)];
    for nodes in [voters, old_voters, learners, next_learners] {
        bytes.extend((nodes.len() as u32).to_le_bytes());
        nodes.iter().for_each(|node| bytes.extend(node.0.to_le_bytes()));
    }
    bytes
}

fn decode_configuration(mut bytes: &[u8]) -> raft_core::Configuration {
    let leaves_by_itself = bytes.get_u8() != 0;
    let mut nodes = || (0..bytes.get_u32_le()).map(|_| NodeId(bytes.get_u64_le())).collect();
    raft_core::Configuration {
        voters: nodes(),
        old_voters: nodes(),
        learners: nodes(),
        next_learners: nodes(),
        leaves_by_itself,
    }
}

fn digest(payload: &Payload) -> Digest {
    let (kind, bytes) = encode(payload);
    Digest::of(&bytes).then(u64::from(kind))
}

fn entry((term, kind, bytes): (u64, u8, bytes::Bytes)) -> Entry {
    let payload = match kind {
        COMMAND => Payload::Command(bytes),
        CONFIGURATION => Payload::Configuration(Arc::new(decode_configuration(&bytes))),
        _ => Payload::Noop,
    };
    Entry { term: raft_core::Term(term), payload }
}

fn configured(index: Index, configuration: &raft_core::Configuration) -> Fact {
    let plain = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let configuration = Box::new(Configuration {
        voters: plain(&configuration.voters),
        joint: plain(&configuration.old_voters),
        learners: plain(&configuration.learners),
    });
    Fact::Configured { index: index.0, configuration }
}

fn step(step: plan::Step) -> Step {
    match step {
        plan::Step::Voter(node) => Step::Voter(NodeId(node)),
        plan::Step::Learner(node) => Step::Learner(NodeId(node)),
        plan::Step::Remove(node) => Step::Remove(NodeId(node)),
    }
}
