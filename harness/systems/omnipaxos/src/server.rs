//! A server around the library.
//!
//! One step: the arrival goes to the library, decided commands are applied, and what the storage has changed becomes one
//! record on the disk. Messages and answers of the step wait until that record is durable.

use crate::entry::{Command, Image};
use crate::link::{Delays, Link, Packet};
use crate::store::{Change, ChangeKind, Changes, State, Store};
use bytes::Bytes;
use harness::parts::wal::WalCheckpoint;
use harness::parts::{
    Application, DurableLog, HeldUntilSaved, OpenRequests, Requester, Rewrite, Save, SyncOutcome,
};
use harness::plan::Supports;
use harness::server::{
    Arrival, Catalogue, Damaged, Host, Knob, LocalTime, OperatorCommand, OperatorResponse, Server, Setting,
};
use harness::workload::{ClientResponse, Request};
use invariants::{Digest, LogId, Node, ServerFact};
use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::Message;
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type OmniHost<'a, const SNAPSHOTS: bool> = Host<'a, Packet<SNAPSHOTS>>;

/// The configuration of the group. It never changes.
const CONFIGURATION: u32 = 1;
/// The kind of the entries of the durable log: the changes of one step.
const CHANGES: u8 = 1;
/// The entries that the library collects before it saves and sends them.
const BATCH_SIZE: Knob = Knob {
    name: "batch_size",
    about: "how many entries the library collects, for a tick at most",
    default: 1,
    most: 64,
    drawn: &[1, 1, 1, 2, 8],
};

/// A server.
pub struct OmniServer<const SNAPSHOTS: bool> {
    library: OmniPaxos<Command<SNAPSHOTS>, Store<SNAPSHOTS>>,
    store: Store<SNAPSHOTS>,
    log: DurableLog,
    /// The number of the newest record; all records up to the second are durable.
    written: u64,
    saved: u64,
    held: HeldUntilSaved<Output<SNAPSHOTS>>,
    links: BTreeMap<Node, Link<SNAPSHOTS>>,
    application: Application,
    requests: OpenRequests,
    /// The ballot that this server has promised when its requests began to wait.
    promise: Ballot,
    /// What the step produces.
    outputs: Vec<Output<SNAPSHOTS>>,
    /// The transfer that the operator waits for.
    transfer: Option<(u64, Node)>,
    tick: u64,
    next_tick: LocalTime,
    /// After how long a request is not answered any more.
    patience: u64,
}

/// What replaces the beginning of the durable log.
#[derive(Serialize, Deserialize)]
struct Saved<const SNAPSHOTS: bool> {
    state: State<SNAPSHOTS>,
    /// The state of the application and how many entries it contains, where the library has no snapshot of it.
    application: Option<(u64, Bytes)>,
}

/// What may leave once a record is durable.
enum Output<const SNAPSHOTS: bool> {
    Send(Message<Command<SNAPSHOTS>>),
    Reply(u64, ClientResponse),
}

impl<const SNAPSHOTS: bool> Server for OmniServer<SNAPSHOTS> {
    type Message = Packet<SNAPSHOTS>;

    const SUPPORTS: Supports = Supports {
        transfer: true,
        // Ballot leader election does what these are for: a server that hears no majority never takes over, and a leader
        // that no majority hears is replaced.
        pre_vote: true,
        check_quorum: true,
        forwarding: true,
        // Without snapshots logs are trimmed only in a profile of its own.
        snapshots: SNAPSHOTS,
        concurrent_syncs: true,
        damage: true,
        failed_syncs: true,
        dropped_writes: true,
        // Heartbeats wait for the disk like everything else.
        hung_disks: true,
        sessions: true,
        lists: true,
        deletes: true,
        compare_and_set: true,
        // Its log is not Raft's, but it is applied in order.
        application_facts: true,
        ..Supports::NOTHING
    };
    const UNREAD: &'static [Setting] = &[
        Setting::Batch,
        Setting::Window,
        Setting::BatchBytes,
        Setting::WindowBytes,
        Setting::UncommittedBytes,
        Setting::Requests,
        Setting::PromotionLag,
    ];
    const KNOBS: &'static [Knob] = &[BATCH_SIZE];
    const CATALOGUES: &'static [Catalogue] = &harness::parts::CATALOGUES;

    fn boot(host: &mut OmniHost<'_, SNAPSHOTS>) -> Result<OmniServer<SNAPSHOTS>, Damaged> {
        let (own, nodes) = (host.node(), host.plan().nodes);
        let rng = host.rng().clone();
        let incarnation = host.rng().next_u64();
        let (mut log, recovered) = DurableLog::open(host, rng)?;
        let promise = recovered.vote.map(|pid| ballot(recovered.term, pid));
        let (state, image) = match &recovered.checkpoint {
            Some(checkpoint) => {
                let Saved { state, application } = decode::<Saved<SNAPSHOTS>>(&checkpoint.data);
                (Some(state), application)
            }
            None => (None, None),
        };
        let changes =
            recovered.entries.iter().flat_map(|(_, _, bytes)| decode::<Vec<Change<SNAPSHOTS>>>(bytes));
        let initial = Image::initial(host.plan().clients.session.0);
        let store = Store::recover(initial, promise, state, changes.collect())
            .unwrap_or_else(|error| panic!("the store rejects what was recovered: {error}"));
        host.trace(|| {
            format!("starts with promise {promise:?} and a log of {} records", recovered.entries.len())
        });
        log.start(host);

        let raft = host.plan().raft.clone();
        let tick = raft.heartbeat.0;
        // A round of heartbeats is half an election timeout: a leader that fails is missed after one or two.
        let election_ticks = (raft.election_timeout.0 / 2 / tick).max(1);
        let config = OmniPaxosConfig {
            cluster_config: ClusterConfig {
                configuration_id: CONFIGURATION,
                nodes: (1..=nodes).collect(),
                flexible_quorum: None,
            },
            server_config: ServerConfig {
                pid: own,
                election_tick_timeout: election_ticks,
                resend_message_tick_timeout: election_ticks,
                batch_size: host.plan().knob(&BATCH_SIZE).max(1) as usize,
                flush_batch_tick_timeout: 1,
                ..ServerConfig::default()
            },
        };
        let library = config
            .build(store.clone())
            .unwrap_or_else(|error| panic!("OmniPaxos rejects its configuration: {error}"));
        let delays = Delays { acknowledge: tick / 8, repeat: tick / 2, give_up: raft.election_timeout.0 };
        let peers = (1..=nodes).filter(|node| *node != own);
        let mut server = OmniServer {
            promise: library.get_promise(),
            library,
            store,
            log,
            written: 0,
            saved: 0,
            held: HeldUntilSaved::default(),
            links: peers.map(|peer| (peer, Link::new(own, peer, delays))).collect(),
            application: Application::new(host),
            requests: OpenRequests::with_reads_in_log(incarnation),
            outputs: Vec::new(),
            transfer: None,
            tick,
            next_tick: host.now() + host.rng().gen_range(1..=tick),
            patience: 2 * (raft.election_timeout.0 + raft.election_timeout_spread.0),
        };
        if let Some((applied, image)) = image {
            server.application.restore(host, applied, &image);
        }
        server.finish_step(host);
        Ok(server)
    }

    fn step(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, arrival: Arrival<Packet<SNAPSHOTS>>) {
        match arrival {
            Arrival::Timer => {
                self.links.values_mut().for_each(|link| link.on_timer(host));
                if host.now() >= self.next_tick {
                    self.next_tick = host.now() + self.tick;
                    self.library.tick();
                    let since = host.now().saturating_sub(self.patience);
                    self.requests.end_since(host, self.leader(), since);
                }
            }
            Arrival::Message { message: Packet::TakeOver, .. } => self.library.try_become_leader(),
            Arrival::Message { from, message } => self.on_message(host, from, message),
            Arrival::Request { client, request } => self.on_request(host, client, request),
            Arrival::Operator { request, command } => self.on_command(host, request, command),
            Arrival::Synced(token) => self.on_sync(host, token, true),
            Arrival::SyncFailed(token) => self.on_sync(host, token, false),
        }
        self.finish_step(host);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.links.values().filter_map(Link::deadline).chain([self.next_tick]).min()
    }

    fn is_heartbeat(packet: &Packet<SNAPSHOTS>) -> bool {
        matches!(packet, Packet::Data { message: Some((_, Message::BLE(_))), .. })
    }

    fn encoded_length(packet: &Packet<SNAPSHOTS>) -> Option<u64> {
        Some(encode(packet).len() as u64)
    }
}

impl<const SNAPSHOTS: bool> OmniServer<SNAPSHOTS> {
    fn on_message(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, from: Node, message: Packet<SNAPSHOTS>) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let arrived = link.receive(host, message);
        if arrived.reconnected {
            self.library.reconnected(from);
        }
        for message in arrived.messages {
            self.library.handle_incoming(message);
            // The next one may trim what this one decides.
            self.apply(host);
        }
    }

    fn on_request(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, client: u64, request: Request) {
        let reply = |host: &mut OmniHost<'_, SNAPSHOTS>, response| {
            host.reply(client, harness::workload::Reply { id: request.id, response });
        };
        match self.leader() {
            Some(leader) if leader == host.node() || host.plan().raft.forward => {}
            leader => return reply(host, ClientResponse::NotLeader(leader)),
        }
        let number = self.requests.add(host.now(), Requester::Client { client, request });
        let bytes = self.application.command(host, &request).into();
        let command = Command { token: self.requests.token(number), bytes };
        if let Err(error) = self.library.append(command) {
            panic!("OmniPaxos rejects an entry, but no other configuration was requested: {error:?}");
        }
    }

    fn on_command(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, request: u64, command: OperatorCommand) {
        let OperatorCommand::Transfer(to) = command else {
            let reason = "the configuration never changes";
            return host.respond_to_operator(request, &OperatorResponse::rejected(reason));
        };
        let number = self.requests.add(host.now(), Requester::Operator(request));
        self.transfer = Some((number, to));
        match to == host.node() {
            true => self.library.try_become_leader(),
            false => host.send(to, Packet::TakeOver),
        }
    }

    fn on_sync(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, token: u64, succeeded: bool) {
        let outcome = self.log.end_sync(host, token, succeeded);
        self.on_saved(host, outcome);
    }

    fn on_saved(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, outcome: SyncOutcome) {
        match outcome {
            SyncOutcome::Unchanged => {}
            SyncOutcome::Saved(record) => self.saved = self.saved.max(record),
            SyncOutcome::Failed(record) => {
                host.fail_stop(&format!("the disk did not save record {record}"));
            }
        }
    }

    /// The server that leads, by the ballot that this one has promised.
    fn leader(&self) -> Option<Node> {
        self.library.get_current_leader().map(|(leader, _)| leader)
    }

    fn finish_step(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>) {
        self.apply(host);
        self.follow_promise(host);
        let snapshot = self.application.snapshot_if_due(host);
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.keep_after > 0) {
            let leads = self.leader() == Some(host.node());
            // Both may be refused, because another server was faster or lags: the next attempt follows.
            let _ = match SNAPSHOTS {
                // The leader asks the others for a snapshot, too.
                true => self.library.snapshot(Some(snapshot.keep_after as usize), !leads),
                // Only the leader knows which entries all servers have.
                false if leads => self.library.trim(None),
                false => Ok(()),
            };
        }
        self.save(host);
        let mut messages = Vec::new();
        self.library.take_outgoing_messages(&mut messages);
        self.outputs.extend(messages.into_iter().map(Output::Send));
        self.outputs.drain(..).for_each(|output| self.held.hold(self.written, output));
        for output in self.held.release(host, self.saved) {
            match output {
                Output::Send(message) => {
                    if let Some(link) = self.links.get_mut(&message.get_receiver()) {
                        link.send(host, message);
                    }
                }
                Output::Reply(number, response) => self.reply(host, number, response),
            }
        }
    }

    fn reply(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>, number: u64, response: ClientResponse) {
        if let (ClientResponse::Read { applied, .. }, Some(Requester::Client { request, .. })) =
            (&response, self.requests.get(number))
        {
            host.record_fact(ServerFact::ReadServed { read: request.id, applied: *applied });
        }
        self.requests.reply(host, number, response);
    }

    /// Applies what is decided.
    fn apply(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>) {
        let applied = self.application.applied();
        let Some(entries) = self.library.read_decided_suffix(applied as usize) else { return };
        for entry in entries {
            match entry {
                LogEntry::Decided(command) => self.apply_command(host, &command),
                LogEntry::Snapshotted(snapshot) => match snapshot.snapshot {
                    Image::State { applied, kv, .. } => self.application.restore(host, applied, &kv),
                    Image::Commands(_) => panic!("a snapshot in the log has no state to follow"),
                },
                LogEntry::Undecided(_) | LogEntry::Trimmed(_) | LogEntry::StopSign(..) => {
                    panic!("OmniPaxos gives {entry:?} as a part of the decided log after {applied}")
                }
            }
        }
    }

    fn apply_command(
        &mut self,
        host: &mut OmniHost<'_, SNAPSHOTS>,
        Command { token, bytes }: &Command<SNAPSHOTS>,
    ) {
        let index = self.application.applied() + 1;
        let result = self.application.apply(host, index, Digest::of(bytes), bytes);
        let Some(number) = self.requests.number(token) else { return };
        let response = match (self.requests.get(number), result.response) {
            // A read goes through the log like everything else. A retry gets the answer of the first copy.
            (Some(Requester::Client { request, .. }), Some(ClientResponse::Written { index, response }))
                if request.read_operation().is_some() =>
            {
                ClientResponse::Read { applied: index, response }
            }
            (_, response) => response.unwrap_or(ClientResponse::Unknown),
        };
        self.outputs.push(Output::Reply(number, response));
    }

    /// What waits for another leader than before may never be decided.
    fn follow_promise(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>) {
        let promise = self.library.get_promise();
        if promise == self.promise {
            return;
        }
        self.promise = promise;
        if let Some((number, to)) = self.transfer.take()
            && promise.pid == to
        {
            self.requests.respond(host, number, &OperatorResponse::Done);
        }
        self.requests.end_all(host, self.leader());
    }

    /// Writes what the step has changed as one record.
    fn save(&mut self, host: &mut OmniHost<'_, SNAPSHOTS>) {
        let changes = self.store.take_changes().unwrap_or_else(|error| panic!("the store fails: {error}"));
        let Some(Changes { promise, kind }) = changes else { return };
        self.written += 1;
        let promise = promise.unwrap_or_default();
        let (term, vote) = (u64::from(promise.n), Some(promise.pid).filter(|pid| *pid > 0));
        let last = self.log.last_index();
        match kind {
            ChangeKind::Some(changes) => {
                let entry = (term, CHANGES, encode(&changes));
                let save = Save { term, vote, after: last, entries: [entry].into_iter(), note: &[] };
                self.log.save(host, self.written, save, |_, _| {});
            }
            ChangeKind::All(state) => {
                let last = LogId { index: last, term };
                // A trimmed log does not give the state of the application back.
                let application =
                    (!SNAPSHOTS).then(|| (self.application.applied(), self.application.image()));
                let data = encode(&Saved { state: *state, application }).into();
                let (configuration, compacted_configuration) = (Bytes::new(), Bytes::new());
                let checkpoint =
                    WalCheckpoint { last, configuration, data, compacted: last, compacted_configuration };
                let rewrite = Rewrite { term, vote, checkpoint, entries: Vec::new(), note: Bytes::new() };
                self.log.rewrite(host, self.written, rewrite);
            }
        }
        let outcome = self.log.flush(host);
        self.on_saved(host, outcome);
    }
}

/// The ballot of the term and the vote on disk.
fn ballot(term: u64, pid: Node) -> Ballot {
    Ballot::with(CONFIGURATION, u32::try_from(term).expect("a ballot has 32 bits"), 0, pid)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("everything that is saved has an encoding")
}

/// What a record with a valid checksum holds.
fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    postcard::from_bytes(bytes).expect("a record holds what was encoded")
}
