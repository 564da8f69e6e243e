//! A server around raft-rs: hands it ticks, messages and requests, and does what its readies ask for.

use crate::message::{RaftMessage, encode, fact_configuration, from_bytes, to_bytes};
use crate::store::Store;
use harness::outcome::{LEASE_READ, PROPOSAL_FORWARDED, READ_FORWARDED};
use harness::parts::{
    self, Application, DurableLog, HeldUntilSaved, LogEntry, OpenRequests, PendingTransfer,
};
use harness::parts::{Counted, Requester, Save, StatedCounts, StatedState, SyncOutcome};
use harness::plan::{MembershipOp, Plan, Supports, Trigger};
use harness::server::{
    Arrival, Bookkeeping, Catalogue, Damaged, LocalTime, OperatorCommand, OperatorResponse, Server, Setting,
};
use harness::workload::{ClientResponse, Request};
use invariants::{ConfirmedBy, Contract, LogId, Node, RejectionReason, ServerFact, TakesEffect};
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState};
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft::{CAMPAIGN_TRANSFER, Config, Raft, RawNode, ReadOnlyOption, Ready, SnapshotStatus, StateRole};
use rand::{Rng, RngCore};
use std::{collections::BTreeMap, ops::Range};

type Host<'a> = harness::server::Host<'a, RaftMessage>;

/// Ticks between two heartbeats.
const HEARTBEAT_TICKS: u64 = 10;
/// What it supports, except in profiles.
pub(crate) const SUPPORTS: Supports = Supports { chunks: false, wipes: false, ..Supports::ALL };

/// A server. A ready is saved under twice its number, a compaction after it under the next.
pub struct RaftRsServer {
    raw: RawNode<Store>,
    log: DurableLog,
    application: Application,
    requests: OpenRequests,
    held: HeldUntilSaved<Message>,
    stated: StatedState,
    counts: StatedCounts,
    /// The newest save, and the newest that is durable. `None` until what was recovered is: the server waits for that,
    /// because raft-rs takes all that it finds for durable.
    last_save: u64,
    saved: Option<u64>,
    /// A leader's snapshot is restored once this save is durable.
    restore: Option<u64>,
    tick: LocalTime,
    /// When the newest tick was due.
    ticked: LocalTime,
    /// The longest election timeout: after it, what was sent and not answered counts as lost.
    patience: LocalTime,
    /// When each snapshot under way counts as lost.
    snapshots: BTreeMap<Node, LocalTime>,
    /// The possible election timeouts in ticks; the current one, with term and role for which it was drawn.
    timeouts: Range<usize>,
    timeout: usize,
    phase: (u64, StateRole),
    /// A change that waits for the end of its joint phase.
    leaving: Option<u64>,
    transfer: PendingTransfer,
}

impl Server for RaftRsServer {
    type Message = RaftMessage;
    const SUPPORTS: Supports = SUPPORTS;
    const CONTRACT: Contract = Contract { configurations: TakesEffect::Applied, ..Contract::PAPER };
    const CATALOGUES: &'static [Catalogue] = &parts::CATALOGUES;
    const UNREAD: &'static [Setting] = &[Setting::Batch, Setting::WindowBytes, Setting::PromotionLag];

    fn boot(host: &mut Host<'_>) -> Result<RaftRsServer, Damaged> {
        let mut rng = host.rng().clone();
        let requests = OpenRequests::new(rng.next_u64());
        let (mut log, recovered) = DurableLog::open(host, rng)?;
        host.record_fact(recovered.started());
        let voters: Vec<Node> = (1..=host.plan().initial_voters()).collect();
        let store = Store::recovered(&recovered, ConfState::from((voters, vec![])));
        record_configuration(host, &store);
        let mut application = Application::new(host);
        let (base, snapshot) = (store.log.base().index, store.log.snapshot());
        if snapshot.last.index > 0 {
            application.restore(host, snapshot.last.index, &snapshot.data);
        }
        let raft = &host.plan().raft;
        let tick = (raft.heartbeat.0 / HEARTBEAT_TICKS).max(1);
        let patience = raft.election_timeout.0 + raft.election_timeout_spread.0;
        let config = config(host.plan(), host.node(), base, tick);
        if raft.lease_drift.is_some() {
            // It counts whole ticks, and an answer may leave right before the next.
            let length = tick * (config.election_tick as u64 - 1);
            host.record_fact(ServerFact::LeasePromised { length });
        }
        let logger = slog::Logger::root(harness::server::SlogDrain, slog::o!());
        log.start(host);
        let mut server = RaftRsServer {
            raw: RawNode::new(&config, store, &logger).expect("plans are checked"),
            log,
            application,
            requests,
            held: HeldUntilSaved::default(),
            stated: StatedState::new(recovered.term),
            counts: StatedCounts::default(),
            last_save: 0,
            saved: None,
            restore: None,
            tick,
            ticked: 0,
            patience,
            snapshots: BTreeMap::new(),
            timeouts: config.min_election_tick..config.max_election_tick,
            timeout: 0,
            phase: (u64::MAX, StateRole::Follower),
            leaving: None,
            transfer: PendingTransfer::default(),
        };
        server.observe(host);
        server.finish_step(host);
        Ok(server)
    }

    fn step(&mut self, host: &mut Host<'_>, arrival: Arrival<RaftMessage>) {
        self.make_ticks(host);
        match arrival {
            Arrival::Synced(token) => self.end_sync(host, token, true),
            Arrival::SyncFailed(token) => self.end_sync(host, token, false),
            Arrival::Request { client, request } => {
                let number = self.requests.add(host.now(), Requester::Client { client, request });
                if let Err(rejection) = self.request(host, number, &request) {
                    self.requests.reply(host, number, rejection);
                }
            }
            Arrival::Operator { request, command } => {
                let number = self.requests.add(host.now(), Requester::Operator(request));
                if let Err(rejection) = self.operate(host, request, number, command) {
                    self.requests.respond(host, number, &rejection);
                }
            }
            Arrival::Message { message, .. } if self.saved.is_some() => self.receive(host, message.0),
            Arrival::Message { .. } | Arrival::Timer => {}
        }
        self.observe(host);
        self.finish_step(host);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.saved?;
        let raft = &self.raw.raft;
        let ticks = match raft.state {
            StateRole::Leader => (raft.heartbeat_timeout() - raft.heartbeat_elapsed())
                .min(raft.election_timeout().saturating_sub(raft.election_elapsed)),
            _ => self.timeout.saturating_sub(raft.election_elapsed),
        };
        let acts = self.stated.leads() || raft.promotable();
        let tick = acts.then(|| self.ticked + self.tick * ticks.max(1) as u64);
        let oldest = if self.stated.leads() { None } else { self.requests.oldest() };
        let lost = oldest.map(|since| since + self.patience);
        tick.into_iter().chain(lost).chain(self.snapshots.values().min().copied()).min()
    }

    fn bookkeeping(&self) -> Option<Bookkeeping> {
        let followers = followers(&self.raw.raft).into_iter().map(|(follower, ..)| follower).collect();
        Some(Bookkeeping {
            requests: self.requests.len(),
            promises: self.held.len(),
            parts: 0,
            followers,
            size: 0,
        })
    }

    fn is_heartbeat(message: &RaftMessage) -> bool {
        message.0.get_msg_type() == MessageType::MsgHeartbeat
    }

    fn encoded_length(message: &RaftMessage) -> Option<u64> {
        Some(u64::from(protobuf::Message::compute_size(&message.0)))
    }
}

fn config(plan: &Plan, node: Node, applied: u64, tick: LocalTime) -> Config {
    let raft = &plan.raft;
    let ticks = |time: LocalTime| time.div_ceil(tick) as usize;
    let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
    let election_tick = ticks(raft.election_timeout.0).max(HEARTBEAT_TICKS as usize + 1);
    let leases = raft.lease_drift.is_some();
    Config {
        id: node,
        election_tick,
        heartbeat_tick: HEARTBEAT_TICKS as usize,
        min_election_tick: election_tick,
        max_election_tick: election_tick + ticks(raft.election_timeout_spread.0) + 1,
        applied,
        max_size_per_msg: limit(raft.batch_bytes).min(limit(raft.uncommitted_bytes)),
        max_uncommitted_size: limit(raft.uncommitted_bytes),
        max_inflight_msgs: raft.window as usize,
        pre_vote: raft.pre_vote,
        check_quorum: raft.check_quorum,
        read_only_option: if leases { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe },
        ..Config::default()
    }
}

impl RaftRsServer {
    /// Makes all ticks that are due, and gives up what got lost.
    fn make_ticks(&mut self, host: &mut Host<'_>) {
        let now = host.now();
        if self.saved.is_none() {
            self.ticked = now;
        }
        for _ in 0..(now - self.ticked) / self.tick {
            self.ticked += self.tick;
            self.raw.tick();
            self.observe(host);
        }
        let lost = |(_, due): &(&Node, &LocalTime)| **due <= now;
        while let Some(to) = self.snapshots.iter().find(lost).map(|(to, _)| *to) {
            self.snapshots.remove(&to);
            self.raw.report_snapshot(to, SnapshotStatus::Failure);
        }
        if let Some(since) = now.checked_sub(self.patience).filter(|_| !self.stated.leads()) {
            self.requests.end_since(host, self.leader(), since);
        }
    }

    fn leader(&self) -> Option<Node> {
        Some(self.raw.raft.leader_id).filter(|leader| *leader != 0)
    }

    fn receive(&mut self, host: &mut Host<'_>, mut message: Message) {
        if message.get_msg_type() == MessageType::MsgTimeoutNow {
            let (term, leader) = (message.term, Some(message.from));
            host.record_fact(ServerFact::ToldToCampaign { term, leader });
            host.fire_trigger(Trigger::ToldToCampaign);
        }
        if message.get_msg_type() == MessageType::MsgPropose && self.stated.leads() {
            for entry in message.mut_entries().iter_mut() {
                if let Some(command) = self.application.retimed(host, &entry.data) {
                    entry.set_data(command.into());
                }
            }
        }
        let accepts = message.get_msg_type() == MessageType::MsgAppendResponse && !message.reject;
        if accepts && self.snapshots.remove(&message.from).is_some() {
            self.raw.report_snapshot(message.from, SnapshotStatus::Finish);
        }
        // It rejects messages of unknown servers, and proposals that it cannot append: their sender asks again.
        _ = self.raw.step(message);
    }

    fn request(&mut self, host: &Host<'_>, number: u64, request: &Request) -> Result<(), ClientResponse> {
        let (raft, plan, leads) = (&self.raw.raft, &host.plan().raft, self.stated.leads());
        let leader = self.leader().filter(|_| self.saved.is_some());
        let forwards = plan.forward && raft.state == StateRole::Follower && leader.is_some();
        if !leads && !forwards {
            return Err(ClientResponse::NotLeader(leader));
        }
        let reads = request.read_operation().is_some();
        // It drops reads silently until an entry of its term is committed.
        let is_early = reads && leads && !raft.commit_to_current_term();
        if is_early || (plan.requests > 0 && self.requests.len() > plan.requests) {
            return Err(ClientResponse::Busy);
        }
        let transfers = raft.lead_transferee.is_some();
        if reads {
            self.raw.read_index(self.requests.token_of_read(number, request.id).to_vec());
            return Ok(());
        }
        let token = self.requests.token(number).to_vec();
        let proposed = self.raw.propose(token, self.application.command(host, request));
        proposed
            .map_err(|_| if transfers { ClientResponse::TransferInProgress } else { ClientResponse::Busy })
    }

    fn operate(
        &mut self,
        host: &mut Host<'_>,
        request: u64,
        number: u64,
        command: OperatorCommand,
    ) -> Result<(), OperatorResponse> {
        if !self.stated.leads() {
            let (reason, text) = (RejectionReason::NotLeader, "not the leader".to_owned());
            return Err(OperatorResponse::Rejected { reason, text });
        }
        let mut change = ConfChangeV2::default();
        match command {
            OperatorCommand::Transfer(to) => {
                self.raw.transfer_leader(to);
                if self.raw.raft.lead_transferee != Some(to) {
                    return Err(OperatorResponse::rejected("the target cannot lead"));
                }
                self.requests.take(number);
                self.transfer.begin(host, request, to);
                return Ok(());
            }
            OperatorCommand::Change { steps, by_joint } => {
                if by_joint {
                    change.set_transition(ConfChangeTransition::Explicit);
                }
                let single = |step| {
                    let (node_id, change_type) = match step {
                        MembershipOp::Voter(node) => (node, ConfChangeType::AddNode),
                        MembershipOp::Learner(node) => (node, ConfChangeType::AddLearnerNode),
                        MembershipOp::Remove(node) => (node, ConfChangeType::RemoveNode),
                    };
                    ConfChangeSingle { node_id, change_type, ..ConfChangeSingle::default() }
                };
                change.set_changes(steps.into_iter().map(single).collect());
            }
            OperatorCommand::Leave => {}
        }
        let token = self.requests.token(number).to_vec();
        self.raw.propose_conf_change(token, change).map_err(|_| OperatorResponse::rejected("dropped"))?;
        // It puts an empty entry in place of a change that it refuses.
        let last = self.raw.raft.raft_log.unstable_entries().last();
        let accepted = last.is_some_and(|entry| entry.get_entry_type() == EntryType::EntryConfChangeV2);
        if accepted { Ok(()) } else { Err(OperatorResponse::rejected("refused")) }
    }

    fn end_sync(&mut self, host: &mut Host<'_>, token: u64, succeeded: bool) {
        match self.log.end_sync(host, token, succeeded) {
            SyncOutcome::Saved(save) => self.note_saved(host, save),
            SyncOutcome::Unchanged => {}
            SyncOutcome::Failed(save) => host.fail_stop(&format!("the disk did not save {save}")),
        }
    }

    fn note_saved(&mut self, host: &mut Host<'_>, save: u64) {
        self.saved = Some(save);
        self.raw.on_persist_ready(save / 2);
        if self.restore.take_if(|restore| *restore <= save).is_some() {
            let snapshot = self.raw.store().log.snapshot();
            let index = snapshot.last.index;
            self.application.restore(host, index, &snapshot.data);
            self.raw.advance_apply_to(index);
        }
    }

    /// Handles readies until there are none, sends what may leave, and serves reads.
    fn finish_step(&mut self, host: &mut Host<'_>) {
        loop {
            while self.raw.has_ready() {
                self.handle_ready(host);
            }
            self.compact_if_due(host);
            match self.log.flush(host) {
                SyncOutcome::Saved(save) => self.note_saved(host, save),
                SyncOutcome::Unchanged | SyncOutcome::Failed(_) => break,
            }
        }
        let sendable = self.saved.map(|saved| self.held.release(host, saved));
        sendable.into_iter().flatten().for_each(|message| self.send(host, message));
        for (client, request) in self.requests.take_reads(self.application.applied()) {
            match (self.stated.leads(), host.plan().raft.lease_drift) {
                (true, Some(_)) => host.count_milestone(LEASE_READ),
                (true, None) => {}
                (false, _) => host.count_milestone(READ_FORWARDED),
            }
            self.application.read(host, client, &request);
        }
    }

    fn handle_ready(&mut self, host: &mut Host<'_>) {
        let mut ready = self.raw.ready();
        let commit = self.raw.raft.raft_log.committed;
        if self.stated.leads() {
            self.stated.commit(host, commit);
        }
        self.save(host, &ready);
        self.stated.commit(host, commit);
        ready.take_messages().into_iter().for_each(|message| self.send(host, message));
        let persisted = ready.take_persisted_messages();
        persisted.into_iter().for_each(|message| self.held.hold(self.last_save, message));
        let committed = ready.take_committed_entries();
        committed.iter().for_each(|entry| self.apply(host, entry));
        for read in ready.take_read_states() {
            if self.stated.leads() {
                self.state_confirmed(host, &read.request_ctx, read.index);
            }
            if let Some(number) = self.requests.number(&read.request_ctx) {
                self.requests.read_at(read.index, number);
            }
        }
        self.raw.advance_append_async(ready);
        if let Some(last) = committed.last() {
            self.raw.advance_apply_to(last.index);
        }
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::Leader && !raft.promotable() {
            // Removed or demoted: raft-rs leaves it to its host to end such a leadership.
            let term = raft.term;
            raft.become_follower(term, 0);
        }
        self.observe(host);
    }

    fn save(&mut self, host: &mut Host<'_>, ready: &Ready) {
        let store = self.raw.mut_store();
        if let Some(hard_state) = ready.hs() {
            store.hard_state = hard_state.clone();
        }
        // If only the commit index has changed, it is saved with the next that must be.
        if !ready.must_sync() {
            return;
        }
        self.last_save = 2 * ready.number();
        let metadata = ready.snapshot().get_metadata();
        if metadata.index > 0 {
            assert!(ready.entries().is_empty(), "a message brings a snapshot or entries");
            let last = LogId { index: metadata.index, term: metadata.term };
            let bytes = to_bytes(metadata.get_conf_state().clone());
            let configuration = Box::new(fact_configuration(&bytes));
            store.log.install(last, bytes, ready.snapshot().data.clone());
            host.record_fact(ServerFact::SnapshotInstalled { last, configuration });
            record_configuration(host, store);
            self.restore = Some(self.last_save);
            return self.log.rewrite(host, self.last_save, store.rewrite());
        }
        let after = ready.entries().first().map_or(store.log.last(), |first| first.index - 1);
        let entries: Vec<LogEntry> = ready.entries().iter().map(encode).collect();
        store.log.append(after, entries.clone());
        let (term, vote, note) = store.saved_state();
        let entries = entries.iter().map(|(term, kind, bytes)| (*term, *kind, bytes));
        self.log.save(host, self.last_save, Save { term, vote, after, entries, note: &note }, |_, _| ());
    }

    fn apply(&mut self, host: &mut Host<'_>, entry: &Entry) {
        let (index, number) = (entry.index, self.requests.number(&entry.context));
        let is_command = entry.get_entry_type() == EntryType::EntryNormal;
        // A restarted server gets those again that its snapshot covers, for the configurations in them.
        if index > self.application.applied() {
            let (_, kind, bytes) = encode(entry);
            let command: &[u8] = if is_command { &entry.data } else { &[] };
            let result = self.application.apply(host, index, parts::entry_digest(kind, &bytes), command);
            if let Some(number) = number.filter(|number| is_command && self.requests.get(*number).is_some()) {
                if !self.stated.leads() {
                    host.count_milestone(PROPOSAL_FORWARDED);
                }
                self.requests.reply(host, number, result.response.unwrap_or(ClientResponse::Unknown));
            }
        }
        if is_command {
            return;
        }
        let (number, response) = match self.raw.apply_conf_change(&from_bytes::<ConfChangeV2>(&entry.data)) {
            Ok(state) => {
                let leaves = !state.voters_outgoing.is_empty() && state.auto_leave;
                let store = self.raw.mut_store();
                store.log.configure(index, to_bytes(state));
                record_configuration(host, store);
                if leaves {
                    self.leaving = number;
                    return;
                }
                (number.or(self.leaving.take()), OperatorResponse::Done)
            }
            Err(error) => (number, OperatorResponse::rejected(error.to_string())),
        };
        if let Some(number) = number {
            self.requests.respond(host, number, &response);
        }
    }

    fn compact_if_due(&mut self, host: &mut Host<'_>) {
        if self.restore.is_some() || self.saved.is_none() {
            return;
        }
        let due = match self.raw.store().snapshot_wanted.take() {
            true => Some(self.application.snapshot(host)),
            false => self.application.snapshot_if_due(host),
        };
        if let Some(due) = due {
            let store = self.raw.mut_store();
            store.log.compact(due.index, due.image, due.keep_after);
            let snapshot = store.log.snapshot();
            let configuration = fact_configuration(&snapshot.configuration);
            self.application.record_snapshot(host, snapshot.last, &snapshot.data, configuration);
            self.last_save += 1;
            self.log.rewrite(host, self.last_save, store.rewrite());
        }
    }

    /// States the promise in a message, and sends it.
    fn send(&mut self, host: &mut Host<'_>, message: Message) {
        let (term, to) = (message.term, message.to);
        match message.get_msg_type() {
            MessageType::MsgRequestVote => {
                self.stated.campaign(host, term, message.context == CAMPAIGN_TRANSFER);
            }
            MessageType::MsgRequestVoteResponse if !message.reject => {
                host.record_fact(ServerFact::Voted { term, candidate: to });
            }
            MessageType::MsgAppendResponse if !message.reject => {
                host.record_fact(ServerFact::Acknowledged { term, index: message.index });
            }
            MessageType::MsgAppendResponse | MessageType::MsgHeartbeatResponse => {
                host.record_fact(ServerFact::Answered { term });
            }
            MessageType::MsgReadIndexResp => {
                self.state_confirmed(host, &message.entries[0].data, message.index)
            }
            MessageType::MsgAppend if !message.entries.is_empty() => {
                let (entries, first) = (message.entries.len() as u64, message.index + 1);
                host.record_fact(ServerFact::EntriesSent { term, follower: to, entries, first, identity: 0 });
            }
            MessageType::MsgSnapshot => _ = self.snapshots.insert(to, host.now() + self.patience),
            _ => {}
        }
        host.send(to, RaftMessage(message));
    }

    /// As the leader: clients may read what is applied at `index`.
    fn state_confirmed(&self, host: &mut Host<'_>, token: &[u8], index: u64) {
        let by = if host.plan().raft.lease_drift.is_some() { ConfirmedBy::Lease } else { ConfirmedBy::Round };
        if let Some(read) = OpenRequests::read(token) {
            host.record_fact(ServerFact::ReadConfirmed { read, term: self.raw.raft.term, index, by });
        }
    }

    /// States changes of term and role, ends what depended on them, and draws the election timeout where raft-rs has
    /// drawn one of its own.
    fn observe(&mut self, host: &mut Host<'_>) {
        let raft = &mut self.raw.raft;
        let (term, role, leads) = (raft.term, raft.state, raft.state == StateRole::Leader);
        // It keeps its timeout for a pre-vote.
        if self.phase != (term, role) && role != StateRole::PreCandidate {
            self.timeout = host.rng().gen_range(self.timeouts.clone());
        }
        self.phase = (term, role);
        raft.set_randomized_election_timeout(self.timeout);
        let (target, committed) = (raft.lead_transferee, raft.raft_log.committed);
        let has_changed = self.stated.observe(host, term, leads, committed);
        self.counts.observe(host, term, followers(&self.raw.raft));
        self.transfer.observe(host, leads, target, self.leader());
        if has_changed {
            self.requests.end_all(host, self.leader().filter(|_| !leads));
            self.leaving = None;
            self.snapshots.clear();
        }
    }
}

/// The followers as a leader counts them; disks have no identity.
fn followers(raft: &Raft<Store>) -> Vec<Counted> {
    let others = raft.prs().iter().filter(|(node, _)| **node != raft.id && raft.state == StateRole::Leader);
    let mut counted: Vec<_> = others.map(|(node, progress)| (*node, 0, progress.matched)).collect();
    counted.sort_unstable();
    counted
}

fn record_configuration(host: &mut Host<'_>, store: &Store) {
    let (index, bytes) = store.log.configuration();
    host.record_fact(ServerFact::Configured { index, configuration: Box::new(fact_configuration(bytes)) });
}
