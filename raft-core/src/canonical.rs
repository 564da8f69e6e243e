//! Canonical words: what decides how a server behaves from here on, as numbers, for a search through all states
//! of a small cluster. Behind the feature `canonical`, so that nothing of it is in code that ships.
//!
//! Two states with equal words behave alike for all inputs, if every step of a server is taken at one fixed time
//! ([`Raft::make_due`] makes a timer due) and election timeouts have no spread. Left out are:
//!
//! * times: a timer may fire whenever it is set, and a contact is recent or old ([`Raft::forget_contact`],
//!   [`Raft::age_followers`]);
//! * the numbers of writes: they count from the newest durable one;
//! * promises of past terms, which are dropped when their write is durable;
//! * the order of sets and of messages, and how often a promise is repeated;
//! * how the log is stored in slices, and its caches.
//!
//! A [`Renaming`] gives the words of the same state in a cluster whose servers are numbered otherwise. Every type
//! is taken apart without `..`, so that a new field cannot be forgotten.

use crate::bug::Bug;
use crate::ids::{Index, LogId, NodeId, ReadKey, ReplicaKey, RequestId, Timestamp};
use crate::io::{ReadConfirmation, SaveRecord};
use crate::log::{Entry, Payload};
use crate::membership::Configuration;
use crate::message::{Envelope, ForwardOutcome, ForwardRequest, Message, MessageContext};
use crate::progress::{Progress, ProgressState};
use crate::raft::{IncomingSnapshot, Raft};
use crate::role::{Leader, Origin, PendingRead, PendingReads, Role, Transfer};
use crate::saves::{InFlight, PendingPromise, Promise, Saves};
use crate::snapshot::{Checkpoint, Snapshot, SnapshotChunk};
use std::sync::Arc;

/// Other numbers for the servers 1 to n.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renaming(Vec<NodeId>);

impl Renaming {
    /// Server i gets the number at position i - 1.
    #[must_use]
    pub fn new(numbers: Vec<NodeId>) -> Renaming {
        Renaming(numbers)
    }

    /// The same numbers.
    #[must_use]
    pub fn identity(servers: usize) -> Renaming {
        Renaming((1..=servers as u64).map(NodeId).collect())
    }

    /// The number that a server gets. A server beyond n keeps its own.
    #[must_use]
    pub fn of(&self, node: NodeId) -> NodeId {
        self.0.get((node.0 as usize).wrapping_sub(1)).copied().unwrap_or(node)
    }
}

/// A timer of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// An election may start.
    Election,
    /// A leader sends heartbeats.
    Heartbeat,
    /// A leader checks that a majority still responds.
    Quorum,
    /// A transfer fails.
    Transfer,
    /// The oldest write of a leader hangs for an election timeout.
    Disk,
}

impl Raft {
    /// Makes a timer due at `now`. Returns whether it was set.
    pub fn make_due(&mut self, due: Due, now: Timestamp) -> bool {
        let (interval, timeout) = (self.config.heartbeat_interval, self.config.election_timeout);
        let check_quorum = self.config.check_quorum;
        match (&mut self.role, due) {
            _ if self.halted => false,
            (Role::Leader(leader), Due::Heartbeat) => {
                leader.heartbeat_due = now;
                let before = Timestamp(now.0 - interval);
                leader.progress.iter_mut().for_each(|progress| progress.last_sent = before);
                true
            }
            (Role::Leader(leader), Due::Quorum) => {
                leader.quorum_due = now;
                check_quorum
            }
            (Role::Leader(leader), Due::Transfer) => {
                let transfer = leader.transfer.as_mut();
                transfer.map(|transfer| transfer.deadline = now).is_some()
            }
            (Role::Leader(_), Due::Disk) => self.saves.age(Timestamp(now.0 - timeout)),
            (Role::Leader(_), Due::Election) => false,
            (_, Due::Election) => {
                self.election_due = now;
                true
            }
            (_, Due::Heartbeat | Due::Quorum | Due::Transfer | Due::Disk) => false,
        }
    }

    /// Lets the last contact with a leader be longer ago than an election timeout. Returns whether it was recent
    /// and counts.
    pub fn forget_contact(&mut self) -> bool {
        let counts = self.config.pre_vote || self.config.check_quorum;
        self.last_contact.take().is_some() && counts
    }

    /// Lets the last contact of a leader with its followers be longer ago than an election timeout.
    pub fn age_followers(&mut self, now: Timestamp) {
        let before = Timestamp(now.0 - self.config.election_timeout);
        if let Role::Leader(leader) = &mut self.role {
            leader.progress.iter_mut().for_each(|progress| progress.last_contact = before);
        }
    }

    /// The canonical words of this server; `now` is the time of all steps. The order in which a leader lists its followers
    /// counts only if `ordered`: when it has removed itself, it asks the last of the most up-to-date ones to campaign.
    pub fn canonical_words(&self, now: Timestamp, ordered: bool, renaming: &Renaming, words: &mut Vec<u32>) {
        let Raft {
            config,
            // Without a spread it is never used.
            rng: _,
            term,
            vote,
            role,
            leader,
            last_contact,
            election_due: _,
            log: _,
            snapshot,
            incoming,
            commit_index,
            last_applied,
            restore_pending,
            pending_forwards,
            last_forward_id: _,
            appended_for_others,
            saves,
            halted,
            saved,
            unsaved_after,
            pending_rewrite,
        } = self;
        assert_eq!(config.election_timeout_spread, 0, "timers must not draw numbers");
        assert!(pending_forwards.is_empty(), "forwarded requests have no canonical words");
        assert!(appended_for_others.is_empty() && pending_rewrite.is_none(), "a step must be complete");
        let mut to = Words { words, renaming };
        // The other settings are the same on every server.
        to.node(config.id);
        to.number(term.0);
        to.node_if(*vote);
        to.replica_if(*leader);
        to.flag(last_contact.is_some() && (config.pre_vote || config.check_quorum));
        self.log_words(&mut to);
        to.snapshot_if(snapshot.as_ref());
        to.flag(incoming.is_some());
        if let Some(IncomingSnapshot { last, data }) = incoming {
            to.log_id(*last);
            to.bytes(data);
        }
        to.number(commit_index.0);
        to.number(last_applied.0);
        to.flag(*restore_pending);
        to.flag(*halted);
        to.number(saved.0.0);
        to.node_if(saved.1);
        to.index_if(*unsaved_after);
        // With this bug they are sent in a later term.
        let keep_past = self.has_bug(Bug::TermStampedLate);
        saves.words(&mut to, |pending| pending.term == *term || keep_past);
        to.role(role, now, ordered);
    }

    fn log_words(&self, to: &mut Words<'_>) {
        let log = self.log();
        to.log_id(log.compacted());
        to.configuration(&log.configurations()[0].1);
        to.number(log.last().index.0);
        log.from(log.compacted().index.next()).for_each(|entry| to.entry(entry));
    }

    /// The writes in flight, oldest first.
    pub fn writes_in_flight(&self) -> impl ExactSizeIterator<Item = crate::SaveId> {
        self.saves.writes_in_flight()
    }
}

impl Saves {
    /// Lets the oldest write in flight be issued at `then`. Returns whether there is one.
    fn age(&mut self, then: Timestamp) -> bool {
        self.in_flight.front_mut().map(|write| write.issued = then).is_some()
    }

    fn writes_in_flight(&self) -> impl ExactSizeIterator<Item = crate::SaveId> {
        self.in_flight.iter().map(|write| write.id)
    }

    fn words(&self, to: &mut Words<'_>, keep: impl Fn(&PendingPromise) -> bool) {
        let Saves { newest: _, durable, durable_index, in_flight, pending, unsettled } = self;
        assert_eq!(*unsettled, 0, "a step must be complete");
        to.flag(durable.is_some());
        to.number(durable_index.0);
        to.number(in_flight.len() as u64);
        for InFlight { id: _, last, issued: _ } in in_flight {
            to.number(last.0);
        }
        let mut promises: Vec<Vec<u32>> = Vec::new();
        for held in pending.iter().filter(|held| keep(held)) {
            let PendingPromise { needs, term, promise } = held;
            let mut words = Vec::new();
            let mut of = Words { words: &mut words, renaming: to.renaming };
            of.number(in_flight.iter().filter(|write| write.id <= *needs).count() as u64);
            of.number(term.0);
            of.promise(promise);
            promises.push(words);
        }
        to.set(promises);
    }
}

impl SaveRecord {
    /// The canonical words of a write.
    pub fn canonical_words(&self, renaming: &Renaming, words: &mut Vec<u32>) {
        let SaveRecord { term, vote, after, entries, checkpoint } = self;
        let mut to = Words { words, renaming };
        to.number(term.0);
        to.node_if(*vote);
        to.number(after.0);
        to.number(entries.len() as u64);
        entries.iter().for_each(|entry| to.entry(entry));
        to.flag(checkpoint.is_some());
        if let Some(checkpoint) = checkpoint {
            to.checkpoint(checkpoint);
        }
    }
}

impl Envelope {
    /// The same message in a cluster whose servers are renamed.
    #[must_use]
    pub fn renamed(&self, renaming: &Renaming) -> Envelope {
        let Envelope { cluster, from, to, message } = self;
        let replica = |replica: &ReplicaKey| {
            let ReplicaKey { id, directory_id } = *replica;
            ReplicaKey { id: renaming.of(id), directory_id }
        };
        let message = match message {
            Message::AppendEntries { term, prev_log, entries, commit_index, context } => {
                Message::AppendEntries {
                    term: *term,
                    prev_log: *prev_log,
                    entries: entries.iter().map(|entry| entry.renamed(renaming)).collect(),
                    commit_index: *commit_index,
                    context: *context,
                }
            }
            Message::InstallSnapshot { term, chunk, context } => {
                let configuration = Arc::new(chunk.configuration.renamed(renaming));
                let chunk = SnapshotChunk { configuration, ..(**chunk).clone() };
                Message::InstallSnapshot { term: *term, chunk: Box::new(chunk), context: *context }
            }
            // These name no server.
            Message::PreVote { .. }
            | Message::PreVoteResponse { .. }
            | Message::RequestVote { .. }
            | Message::RequestVoteResponse { .. }
            | Message::TimeoutNow { .. }
            | Message::AppendEntriesResponse { .. }
            | Message::AppendEntriesRejected { .. }
            | Message::InstallSnapshotResponse { .. }
            | Message::Forward { .. }
            | Message::ForwardResponse { .. } => message.clone(),
        };
        Envelope { cluster: *cluster, from: replica(from), to: replica(to), message }
    }

    /// The canonical words of a message in transit.
    pub fn canonical_words(&self, renaming: &Renaming, words: &mut Vec<u32>) {
        let Envelope { cluster: _, from, to: receiver, message } = self;
        let mut to = Words { words, renaming };
        to.replica(*from);
        to.replica(*receiver);
        to.message(message);
    }
}

impl Entry {
    fn renamed(&self, renaming: &Renaming) -> Entry {
        let Entry { term, payload } = self;
        let payload = match payload {
            Payload::Noop | Payload::Command(_) => payload.clone(),
            Payload::Configuration(configuration) => {
                Payload::Configuration(Arc::new(configuration.renamed(renaming)))
            }
        };
        Entry { term: *term, payload }
    }
}

impl Configuration {
    fn renamed(&self, renaming: &Renaming) -> Configuration {
        let Configuration { voters, old_voters, learners, learners_next, auto_leave, directory_ids } = self;
        let of = |nodes: &[NodeId]| {
            let mut renamed: Vec<NodeId> = nodes.iter().map(|node| renaming.of(*node)).collect();
            renamed.sort_unstable();
            renamed
        };
        let mut directory_ids: Vec<_> =
            directory_ids.iter().map(|(node, id)| (renaming.of(*node), *id)).collect();
        directory_ids.sort_unstable();
        Configuration {
            voters: of(voters),
            old_voters: of(old_voters),
            learners: of(learners),
            learners_next: of(learners_next),
            auto_leave: *auto_leave,
            directory_ids,
        }
    }
}

/// Where words go.
struct Words<'a> {
    words: &'a mut Vec<u32>,
    renaming: &'a Renaming,
}

impl Words<'_> {
    fn number(&mut self, number: u64) {
        self.words.push(u32::try_from(number).expect("a small scope has small numbers"));
    }

    fn flag(&mut self, flag: bool) {
        self.words.push(u32::from(flag));
    }

    fn node(&mut self, node: NodeId) {
        self.number(self.renaming.of(node).0);
    }

    fn node_if(&mut self, node: Option<NodeId>) {
        self.number(node.map_or(0, |node| self.renaming.of(node).0));
    }

    fn index_if(&mut self, index: Option<Index>) {
        self.number(index.map_or(0, |index| index.0 + 1));
    }

    fn replica(&mut self, replica: ReplicaKey) {
        let ReplicaKey { id, directory_id } = replica;
        self.node(id);
        self.number(directory_id.0);
    }

    fn replica_if(&mut self, replica: Option<ReplicaKey>) {
        match replica {
            Some(replica) => self.replica(replica),
            None => self.flag(false),
        }
    }

    fn log_id(&mut self, id: LogId) {
        let LogId { index, term } = id;
        self.number(index.0);
        self.number(term.0);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.words.extend(bytes.iter().map(|byte| u32::from(*byte)));
    }

    fn request(&mut self, request: RequestId) {
        self.number(request.0);
    }

    /// Nodes in any order.
    fn nodes(&mut self, nodes: &[NodeId]) {
        self.number(nodes.len() as u64);
        let start = self.words.len();
        nodes.iter().for_each(|node| self.node(*node));
        self.words[start..].sort_unstable();
    }

    /// Lists of words in any order, each once.
    fn set(&mut self, mut items: Vec<Vec<u32>>) {
        items.sort_unstable();
        items.dedup();
        self.number(items.len() as u64);
        items.iter().for_each(|item| self.words.extend(item));
    }

    fn configuration(&mut self, configuration: &Configuration) {
        let Configuration { voters, old_voters, learners, learners_next, auto_leave, directory_ids } =
            configuration;
        [voters, old_voters, learners, learners_next].into_iter().for_each(|nodes| self.nodes(nodes));
        self.flag(*auto_leave);
        let listed = directory_ids.iter().map(|(node, id)| {
            let (node, id) = (self.renaming.of(*node).0, id.0);
            vec![node as u32, (id >> 32) as u32, id as u32]
        });
        self.set(listed.collect());
    }

    fn entry(&mut self, entry: &Entry) {
        let Entry { term, payload } = entry;
        self.number(term.0);
        match payload {
            Payload::Noop => self.number(0),
            Payload::Command(command) => {
                self.number(1);
                self.bytes(command);
            }
            Payload::Configuration(configuration) => {
                self.number(2);
                self.configuration(configuration);
            }
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        let Snapshot { last, configuration, data } = snapshot;
        self.log_id(*last);
        self.configuration(configuration);
        self.bytes(data);
    }

    fn snapshot_if(&mut self, snapshot: Option<&Snapshot>) {
        self.flag(snapshot.is_some());
        if let Some(snapshot) = snapshot {
            self.snapshot(snapshot);
        }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let Checkpoint { snapshot, compacted, configuration, installed } = checkpoint;
        self.snapshot(snapshot);
        self.log_id(*compacted);
        self.configuration(configuration);
        self.flag(*installed);
    }

    fn promise(&mut self, promise: &Promise) {
        match promise {
            Promise::OwnVote => self.number(0),
            Promise::Send(to, message) => {
                self.number(1);
                self.replica(*to);
                self.message(message);
            }
        }
    }

    fn role(&mut self, role: &Role, now: Timestamp, ordered: bool) {
        match role {
            Role::Follower => self.number(0),
            Role::PreCandidate { granted } => {
                self.number(1);
                self.nodes(granted);
            }
            Role::Candidate { granted } => {
                self.number(2);
                self.nodes(granted);
            }
            Role::Leader(leader) => {
                self.number(3);
                self.leader(leader, now, ordered);
            }
        }
    }

    fn leader(&mut self, leader: &Leader, now: Timestamp, ordered: bool) {
        let Leader {
            progress,
            heartbeat_due: _,
            quorum_due: _,
            transfer,
            proposals,
            reads,
            timeout_now_sent,
            uncommitted_bytes,
        } = leader;
        let followers = progress.iter().map(|progress| {
            let mut words = Vec::new();
            Words { words: &mut words, renaming: self.renaming }.progress(progress, now);
            words
        });
        let followers: Vec<Vec<u32>> = followers.collect();
        if ordered {
            self.number(followers.len() as u64);
            followers.iter().for_each(|follower| self.words.extend(follower));
        } else {
            self.set(followers);
        }
        self.flag(transfer.is_some());
        if let Some(Transfer { request, to, deadline: _, timeout_now_sent }) = transfer {
            self.request(*request);
            self.node(*to);
            self.flag(*timeout_now_sent);
        }
        self.number(proposals.len() as u64);
        for (index, request) in proposals {
            self.number(index.0);
            self.request(*request);
        }
        let PendingReads { round, confirmed_round, before_first_commit, awaiting_quorum, awaiting_apply } =
            reads;
        self.number(*round);
        self.number(*confirmed_round);
        self.number(before_first_commit.len() as u64);
        for (origin, key) in before_first_commit {
            self.origin(origin);
            self.read_key(*key);
        }
        for reads in [awaiting_quorum, awaiting_apply] {
            self.number(reads.len() as u64);
            reads.iter().for_each(|read| self.read(read));
        }
        self.flag(*timeout_now_sent);
        self.number(*uncommitted_bytes);
    }

    fn origin(&mut self, origin: &Origin) {
        match origin {
            Origin::Local(request) => self.request(*request),
            Origin::Forwarded(..) => panic!("forwarded requests have no canonical words"),
        }
    }

    fn read_key(&mut self, key: ReadKey) {
        let ReadKey(session, sequence) = key;
        self.number(session);
        self.number(sequence);
    }

    fn read(&mut self, read: &PendingRead) {
        let PendingRead { origin, key, index, round, confirmation } = read;
        self.origin(origin);
        self.read_key(*key);
        self.number(index.0);
        self.number(*round);
        self.number(match confirmation {
            ReadConfirmation::Quorum => 0,
            ReadConfirmation::Lease => 1,
            ReadConfirmation::Leader => 2,
        });
    }

    fn progress(&mut self, progress: &Progress, now: Timestamp) {
        let Progress {
            replica,
            match_index,
            next_index,
            state,
            confirmed,
            pending_send,
            last_sent: _,
            last_contact,
        } = progress;
        self.replica(*replica);
        self.number(match_index.0);
        self.number(next_index.0);
        self.context(*confirmed);
        self.flag(*pending_send);
        self.flag(*last_contact == now);
        match state {
            ProgressState::Probe { waiting } => {
                self.number(0);
                self.flag(*waiting);
            }
            ProgressState::Replicate { in_flight, bytes } => {
                self.number(1);
                self.number(in_flight.len() as u64);
                for (last, size) in in_flight {
                    self.number(last.0);
                    self.number(*size);
                }
                self.number(*bytes);
            }
            // At one fixed time no response is older than the chunks that were sent again.
            ProgressState::Snapshot { snapshot, answered, received, sent, resent_at: _ } => {
                self.number(2);
                self.snapshot(snapshot);
                self.flag(*answered);
                self.number(*received);
                self.number(*sent);
            }
        }
    }

    /// At one fixed time all messages are sent at once, and leases are out of scope.
    fn context(&mut self, context: MessageContext) {
        let MessageContext { round, sent_at: _ } = context;
        self.number(round);
    }

    fn message(&mut self, message: &Message) {
        match message {
            Message::PreVote { term, last } => {
                self.number(0);
                self.number(term.0);
                self.log_id(*last);
            }
            Message::PreVoteResponse { term, granted } => {
                self.number(1);
                self.number(term.0);
                self.flag(*granted);
            }
            Message::RequestVote { term, last, transfer } => {
                self.number(2);
                self.number(term.0);
                self.log_id(*last);
                self.flag(*transfer);
            }
            Message::RequestVoteResponse { term, granted } => {
                self.number(3);
                self.number(term.0);
                self.flag(*granted);
            }
            Message::TimeoutNow { term } => {
                self.number(4);
                self.number(term.0);
            }
            Message::AppendEntries { term, prev_log, entries, commit_index, context } => {
                self.number(5);
                self.number(term.0);
                self.log_id(*prev_log);
                self.number(entries.len() as u64);
                entries.iter().for_each(|entry| self.entry(entry));
                self.number(commit_index.0);
                self.context(*context);
            }
            Message::AppendEntriesResponse { term, match_index, context } => {
                self.number(6);
                self.number(term.0);
                self.number(match_index.0);
                self.context(*context);
            }
            Message::AppendEntriesRejected { term, prev_log, hint } => {
                self.number(7);
                self.number(term.0);
                self.number(prev_log.0);
                self.log_id(*hint);
            }
            Message::InstallSnapshot { term, chunk, context } => {
                let SnapshotChunk { last, configuration, size, offset, data } = &**chunk;
                self.number(8);
                self.number(term.0);
                self.log_id(*last);
                self.configuration(configuration);
                self.number(*size);
                self.number(*offset);
                self.bytes(data);
                self.context(*context);
            }
            Message::InstallSnapshotResponse { term, last, received, end, context } => {
                self.number(9);
                self.number(term.0);
                self.log_id(*last);
                self.number(*received);
                self.number(*end);
                self.context(*context);
            }
            Message::Forward { term: _, forward_id: _, request } => match request {
                ForwardRequest::Propose(_) | ForwardRequest::Read(_) => {
                    panic!("forwarded requests have no canonical words")
                }
            },
            Message::ForwardResponse { term: _, forward_id: _, outcome } => match outcome {
                ForwardOutcome::Appended(_) | ForwardOutcome::ReadAt(_) | ForwardOutcome::Completed(_) => {
                    panic!("forwarded requests have no canonical words")
                }
            },
        }
    }
}
