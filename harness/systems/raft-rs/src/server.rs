//! A server around raft-rs: hands it ticks, messages and requests, and does what its readies ask for.

use crate::message::{RaftMessage, encode, fact_configuration, from_bytes, last_of};
use crate::store::Store;
use harness::outcome::{
    LEASE_READ, PROPOSAL_FORWARDED, READ_FORWARDED, TRANSFER_ABORTED, TRANSFER_COMPLETED,
};
use harness::parts::wal::DamagedFile;
use harness::parts::{
    Application, DurableLog, HeldUntilSaved, OpenRequests, Requester, Save, SyncOutcome, bugs, entry_digest,
};
use harness::plan::{MembershipOp, Plan, Supports};
use harness::server::{Arrival, BugInfo, LocalTime, OperatorCommand, OperatorResponse, Server};
use harness::workload::ClientResponse;
use invariants::{Contract, Node, ServerFact, TakesEffect};
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType,
    Message, MessageType,
};
use raft::{Config, RawNode, ReadOnlyOption, Ready, SnapshotStatus, StateRole};
use rand::{Rng, RngCore};
use std::collections::BTreeMap;
use std::ops::Range;

type Host<'a> = harness::server::Host<'a, RaftMessage>;

/// Ticks between two heartbeats.
const HEARTBEAT_TICKS: u64 = 10;

/// A server; none if its disk is damaged.
pub struct RaftRsServer(Option<Box<Running>>);

/// A running server. Saves have three numbers per ready: one less than thrice its number for a snapshot that entries
/// follow, thrice its number for what it saves otherwise, and the next for a compaction after it.
struct Running {
    raw: RawNode<Store>,
    log: DurableLog,
    application: Application,
    requests: OpenRequests,
    held: HeldUntilSaved<Message>,
    /// The newest save that was handed to the log, and the newest that is durable; `None` until what was recovered is:
    /// the server waits for that, because raft-rs takes all that it finds for durable.
    last_save: u64,
    saved: Option<u64>,
    /// A snapshot of the leader that is restored once this save is durable.
    restore: Option<u64>,
    tick: LocalTime,
    /// When the newest tick was due.
    ticked: LocalTime,
    /// The longest election timeout. After it a forwarded request counts as lost, and a snapshot that was sent, too.
    patience: LocalTime,
    /// When to look for lost requests.
    expiry: LocalTime,
    /// Snapshots under way: when each counts as lost.
    snapshots: BTreeMap<Node, LocalTime>,
    /// The possible election timeouts in ticks, the current one, and term and role for which it was drawn.
    timeouts: Range<usize>,
    timeout: usize,
    phase: (u64, StateRole),
    /// What facts have stated.
    term: u64,
    leads: bool,
    committed: u64,
    campaigned: u64,
    /// A change that waits for the end of its joint phase; a transfer with its target.
    leaving: Option<u64>,
    transfer: Option<(u64, Node)>,
}

impl Server for RaftRsServer {
    type Message = RaftMessage;

    const SUPPORTS: Supports = Supports { chunks: false, wipes: false, ..Supports::ALL };
    const CONTRACT: Contract = Contract { configurations: TakesEffect::Applied, ..Contract::PAPER };

    fn boot(host: &mut Host<'_>) -> RaftRsServer {
        match Running::boot(host) {
            Ok(running) => RaftRsServer(Some(Box::new(running))),
            Err(damaged) => {
                host.fail_stop(&damaged.to_string());
                RaftRsServer(None)
            }
        }
    }

    fn step(&mut self, host: &mut Host<'_>, arrival: Arrival<RaftMessage>) {
        if let Some(running) = &mut self.0 {
            running.step(host, arrival);
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.as_ref()?.deadline()
    }

    fn is_heartbeat(message: &RaftMessage) -> bool {
        message.0.get_msg_type() == MessageType::MsgHeartbeat
    }

    fn bugs() -> Vec<&'static BugInfo> {
        bugs()
    }
}

fn config(plan: &Plan, node: Node, applied: u64, tick: LocalTime) -> Config {
    let raft = &plan.raft;
    let ticks = |time: LocalTime| time.div_ceil(tick) as usize;
    let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
    let election_tick = ticks(raft.election_timeout.0).max(HEARTBEAT_TICKS as usize + 1);
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
        read_only_option: match raft.lease_drift {
            Some(_) => ReadOnlyOption::LeaseBased,
            None => ReadOnlyOption::Safe,
        },
        ..Config::default()
    }
}

impl Running {
    fn boot(host: &mut Host<'_>) -> Result<Running, DamagedFile> {
        let mut rng = host.rng().clone();
        let incarnation = rng.next_u64();
        let (mut log, recovered) = DurableLog::open(host, rng)?;
        host.record_fact(recovered.started());
        let (term, voters) = (recovered.term, (1..=host.plan().initial_voters()).collect::<Vec<_>>());
        let store = Store::recovered(recovered, ConfState::from((voters, vec![])));
        let (base, state) = store.configuration();
        let configuration = Box::new(fact_configuration(state));
        host.record_fact(ServerFact::Configured { index: base, configuration });
        let mut application = Application::new(host);
        let snapshot = store.snapshot.clone();
        if !snapshot.is_empty() {
            application.restore(host, last_of(&snapshot).index, &snapshot.data);
        }
        let tick = (host.plan().raft.heartbeat.0 / HEARTBEAT_TICKS).max(1);
        let config = config(host.plan(), host.node(), base, tick);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&config, store, &logger).expect("plans are checked");
        log.start(host);
        let raft = &host.plan().raft;
        let mut running = Running {
            raw,
            log,
            application,
            requests: OpenRequests::new(incarnation),
            held: HeldUntilSaved::default(),
            last_save: 0,
            saved: None,
            restore: None,
            tick,
            ticked: 0,
            patience: raft.election_timeout.0 + raft.election_timeout_spread.0,
            expiry: 0,
            snapshots: BTreeMap::new(),
            timeouts: config.min_election_tick..config.max_election_tick,
            timeout: 0,
            phase: (u64::MAX, StateRole::Follower),
            term,
            leads: false,
            committed: 0,
            campaigned: 0,
            leaving: None,
            transfer: None,
        };
        running.observe(host);
        running.finish_step(host);
        Ok(running)
    }

    fn step(&mut self, host: &mut Host<'_>, arrival: Arrival<RaftMessage>) {
        self.make_ticks(host);
        match arrival {
            Arrival::Synced(token) => self.end_sync(host, token, true),
            Arrival::SyncFailed(token) => self.end_sync(host, token, false),
            Arrival::Request { client, request } => {
                let number = self.requests.add(host.now(), Requester::Client { client, request });
                let command = self.application.command(host, &request);
                if let Err(rejection) =
                    self.request(host, number, command, request.read_operation().is_some())
                {
                    self.requests.reply(host, number, rejection);
                }
            }
            Arrival::Operator { request, command } => {
                let number = self.requests.add(host.now(), Requester::Operator(request));
                if let Err(reason) = self.operate(request, number, command) {
                    self.requests.respond(host, number, &OperatorResponse::Rejected(reason.to_owned()));
                }
            }
            Arrival::Message { message: RaftMessage(message), .. } if self.saved.is_some() => {
                self.receive(host, message);
            }
            Arrival::Message { .. } | Arrival::Timer => {}
        }
        self.observe(host);
        self.finish_step(host);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.saved?;
        let raft = &self.raw.raft;
        let ticks = match raft.state {
            StateRole::Leader => Some(
                (raft.heartbeat_timeout() - raft.heartbeat_elapsed())
                    .min(raft.election_timeout().saturating_sub(raft.election_elapsed)),
            ),
            _ => raft.promotable().then(|| self.timeout.saturating_sub(raft.election_elapsed)),
        };
        let tick = ticks.map(|ticks| self.ticked + self.tick * ticks.max(1) as u64);
        let expiry = (!self.leads && !self.requests.is_empty()).then_some(self.expiry);
        tick.into_iter().chain(expiry).chain(self.snapshots.values().min().copied()).min()
    }

    /// Makes all ticks that are due, and gives up what got lost.
    fn make_ticks(&mut self, host: &mut Host<'_>) {
        let now = host.now();
        if self.saved.is_none() {
            self.ticked = now;
            return;
        }
        for _ in 0..(now - self.ticked) / self.tick {
            self.ticked += self.tick;
            self.raw.tick();
            self.observe(host);
        }
        let lost: Vec<Node> =
            self.snapshots.iter().filter(|(_, due)| **due <= now).map(|(to, _)| *to).collect();
        for to in lost {
            self.snapshots.remove(&to);
            self.raw.report_snapshot(to, SnapshotStatus::Failure);
        }
        if now >= self.expiry {
            self.expiry = now + self.patience;
            if !self.leads {
                self.requests.end_since(host, self.leader(), now.saturating_sub(self.patience));
            }
        }
    }

    fn leader(&self) -> Option<Node> {
        Some(self.raw.raft.leader_id).filter(|leader| *leader != 0)
    }

    fn receive(&mut self, host: &Host<'_>, mut message: Message) {
        match message.get_msg_type() {
            MessageType::MsgPropose if self.leads => {
                for entry in message.mut_entries().iter_mut() {
                    if let Some(command) = self.application.retimed(host, &entry.data) {
                        entry.set_data(command.into());
                    }
                }
            }
            MessageType::MsgAppendResponse
                if !message.reject && self.snapshots.remove(&message.from).is_some() =>
            {
                self.raw.report_snapshot(message.from, SnapshotStatus::Finish);
            }
            _ => {}
        }
        // It rejects messages of unknown servers, and proposals that it cannot append: their sender asks again.
        _ = self.raw.step(message);
    }

    fn request(
        &mut self,
        host: &Host<'_>,
        number: u64,
        command: Vec<u8>,
        reads: bool,
    ) -> Result<(), ClientResponse> {
        let (raft, plan) = (&self.raw.raft, &host.plan().raft);
        let follows = raft.state == StateRole::Follower && plan.forward && self.leader().is_some();
        if self.saved.is_none() || !(self.leads || follows) {
            return Err(ClientResponse::NotLeader(self.leader().filter(|_| self.saved.is_some())));
        }
        let token = self.requests.token(number).to_vec();
        if !reads {
            let transfers = raft.lead_transferee.is_some();
            let busy = if transfers { ClientResponse::TransferInProgress } else { ClientResponse::Busy };
            return self.raw.propose(token, command).map_err(|_| busy);
        }
        // It drops reads silently until an entry of its term is committed.
        if self.leads && !raft.commit_to_current_term() {
            return Err(ClientResponse::Busy);
        }
        self.raw.read_index(token);
        Ok(())
    }

    fn operate(&mut self, request: u64, number: u64, command: OperatorCommand) -> Result<(), &'static str> {
        if !self.leads {
            return Err("not the leader");
        }
        let (steps, transition) = match command {
            OperatorCommand::Transfer(to) => {
                self.raw.transfer_leader(to);
                if self.raw.raft.lead_transferee != Some(to) {
                    return Err("the target cannot lead");
                }
                // The answer comes when another leads, and not when this server leads no more.
                self.requests.take(number);
                self.transfer = Some((request, to));
                return Ok(());
            }
            OperatorCommand::Change { steps, by_joint: true } => (steps, ConfChangeTransition::Explicit),
            OperatorCommand::Change { steps, by_joint: false } => (steps, ConfChangeTransition::Auto),
            OperatorCommand::Leave => (Vec::new(), ConfChangeTransition::Auto),
        };
        let mut change = ConfChangeV2::default();
        change.set_transition(transition);
        for step in steps {
            let (node, kind) = match step {
                MembershipOp::Voter(node) => (node, ConfChangeType::AddNode),
                MembershipOp::Learner(node) => (node, ConfChangeType::AddLearnerNode),
                MembershipOp::Remove(node) => (node, ConfChangeType::RemoveNode),
            };
            let mut single = ConfChangeSingle { node_id: node, ..ConfChangeSingle::default() };
            single.set_change_type(kind);
            change.mut_changes().push(single);
        }
        let token = self.requests.token(number).to_vec();
        self.raw.propose_conf_change(token, change).map_err(|_| "dropped")?;
        // It puts an empty entry in place of a change that it refuses.
        let last = self.raw.raft.raft_log.unstable_entries().last();
        match last.is_some_and(|entry| entry.get_entry_type() == EntryType::EntryConfChangeV2) {
            true => Ok(()),
            false => Err("refused"),
        }
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
        self.raw.on_persist_ready(save / 3);
        if self.restore.take_if(|restore| *restore <= save).is_some() {
            let snapshot = self.raw.store().snapshot.clone();
            self.application.restore(host, last_of(&snapshot).index, &snapshot.data);
            self.raw.advance_apply_to(last_of(&snapshot).index);
        }
    }

    /// Handles readies until there are none, and sends what may leave.
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
        if let Some(saved) = self.saved {
            for message in self.held.release(host, saved) {
                self.send(host, message);
            }
        }
        for (client, request) in self.requests.take_reads(self.application.applied()) {
            match (self.leads, host.plan().raft.lease_drift) {
                (true, Some(_)) => host.count_milestone(LEASE_READ),
                (true, None) => {}
                (false, _) => host.count_milestone(READ_FORWARDED),
            }
            self.application.read(host, client, &request);
        }
    }

    fn handle_ready(&mut self, host: &mut Host<'_>) {
        let mut ready = self.raw.ready();
        // A leader commits what was in its log before, and what it appends now may follow from that. On other servers the
        // entries may have come with the same message.
        if self.leads {
            self.record_commit(host);
        }
        self.save(host, &ready);
        self.record_commit(host);
        for message in ready.take_messages() {
            self.send(host, message);
        }
        for message in ready.take_persisted_messages() {
            self.held.hold(self.last_save, message);
        }
        let committed = ready.take_committed_entries();
        for entry in &committed {
            self.apply(host, entry);
        }
        for read in ready.take_read_states() {
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
        // Only the commit index has changed: it is saved with the next that must be.
        if !ready.must_sync() {
            return;
        }
        let save = 3 * ready.number();
        if !ready.snapshot().is_empty() {
            let snapshot = ready.snapshot().clone();
            let last = last_of(&snapshot);
            store.install(snapshot);
            let configuration = Box::new(fact_configuration(store.configuration().1));
            host.record_fact(ServerFact::SnapshotInstalled { last, configuration: configuration.clone() });
            host.record_fact(ServerFact::Configured { index: last.index, configuration });
            self.last_save = if ready.entries().is_empty() { save } else { save - 1 };
            self.restore = Some(self.last_save);
            self.log.rewrite(host, self.last_save, store.rewrite());
            if ready.entries().is_empty() {
                return;
            }
        }
        let after = ready.entries().first().map_or(store.last(), |first| first.index - 1);
        if !ready.entries().is_empty() {
            store.append(ready.entries());
        }
        let (term, vote, commit) = (store.hard_state.term, store.hard_state.vote, store.hard_state.commit);
        let entries: Vec<_> = ready.entries().iter().map(encode).collect();
        let entries = entries.iter().map(|(term, kind, bytes)| (*term, *kind, bytes));
        let vote = (vote != 0).then_some(vote);
        let note = &commit.to_le_bytes();
        self.last_save = save;
        self.log.save(host, save, Save { term, vote, after, entries, note }, |_, _| ());
    }

    fn apply(&mut self, host: &mut Host<'_>, entry: &Entry) {
        let number = self.requests.number(&entry.context);
        let is_command = entry.get_entry_type() == EntryType::EntryNormal;
        // A restarted server gets those again that its snapshot covers, for the configurations in them.
        if entry.index > self.application.applied() {
            let (_, kind, bytes) = encode(entry);
            let command: &[u8] = if is_command { &entry.data } else { &[] };
            let result = self.application.apply(host, entry.index, entry_digest(kind, &bytes), command);
            if let Some(number) = number.filter(|number| is_command && self.requests.get(*number).is_some()) {
                if !self.leads {
                    host.count_milestone(PROPOSAL_FORWARDED);
                }
                self.requests.reply(host, number, result.response.unwrap_or(ClientResponse::Unknown));
            }
        }
        if is_command {
            return;
        }
        match self.raw.apply_conf_change(&from_bytes::<ConfChangeV2>(&entry.data)) {
            Ok(state) => {
                let leaves = !state.voters_outgoing.is_empty() && state.auto_leave;
                let store = self.raw.mut_store();
                store.configure(entry.index, state);
                let configuration = Box::new(fact_configuration(store.configuration().1));
                host.record_fact(ServerFact::Configured { index: entry.index, configuration });
                if leaves {
                    self.leaving = number;
                } else if let Some(number) = number.or(self.leaving.take()) {
                    self.requests.respond(host, number, &OperatorResponse::Done);
                }
            }
            Err(error) => {
                if let Some(number) = number {
                    self.requests.respond(host, number, &OperatorResponse::Rejected(error.to_string()));
                }
            }
        }
    }

    fn compact_if_due(&mut self, host: &mut Host<'_>) {
        if self.restore.is_some() || self.saved.is_none() {
            return;
        }
        if let Some(due) = self.application.snapshot_if_due(host) {
            let store = self.raw.mut_store();
            store.compact(due.index, due.image, due.keep_after);
            let configuration = fact_configuration(store.snapshot.get_metadata().get_conf_state());
            let last = last_of(&store.snapshot);
            self.application.record_snapshot(host, last, &store.snapshot.data, configuration);
            // The ready that applied its last entry was the last but for others without saves.
            self.last_save += 1;
            self.log.rewrite(host, self.last_save, store.rewrite());
        }
    }

    /// States the promise in a message, and sends it.
    fn send(&mut self, host: &mut Host<'_>, message: Message) {
        let (term, to) = (message.term, message.to);
        match message.get_msg_type() {
            MessageType::MsgRequestVote if self.campaigned != term => {
                self.campaigned = term;
                host.record_fact(ServerFact::Campaigned { term });
            }
            MessageType::MsgRequestVoteResponse if !message.reject => {
                host.record_fact(ServerFact::Voted { term, candidate: to });
            }
            MessageType::MsgAppendResponse if !message.reject => {
                host.record_fact(ServerFact::Acknowledged { term, index: message.index });
            }
            MessageType::MsgSnapshot => _ = self.snapshots.insert(to, host.now() + self.patience),
            _ => {}
        }
        host.send(to, RaftMessage(message));
    }

    fn record_commit(&mut self, host: &mut Host<'_>) {
        let index = self.raw.raft.raft_log.committed;
        if index != self.committed {
            self.committed = index;
            host.record_fact(ServerFact::Committed { index });
        }
    }

    /// States changes of term and role, ends what depended on them, and draws the election timeout where raft-rs has
    /// drawn one of its own.
    fn observe(&mut self, host: &mut Host<'_>) {
        let raft = &mut self.raw.raft;
        let (term, role) = (raft.term, raft.state);
        if self.phase != (term, role) {
            self.phase = (term, role);
            // It keeps its timeout for a pre-vote.
            if role != StateRole::PreCandidate {
                self.timeout = host.rng().gen_range(self.timeouts.clone());
            }
        }
        self.raw.raft.set_randomized_election_timeout(self.timeout);
        let (led, leads) = (self.leads, role == StateRole::Leader);
        if led && self.term == term && !leads {
            // It commits its own removal as leader.
            self.record_commit(host);
        }
        if (self.term, led) != (term, leads) {
            if led {
                host.record_fact(ServerFact::SteppedDown { term: self.term });
            }
            if self.term != term {
                host.record_fact(ServerFact::TermChanged { term });
            }
            if leads {
                if self.campaigned != term {
                    self.campaigned = term;
                    host.record_fact(ServerFact::Campaigned { term });
                }
                host.record_fact(ServerFact::Leads { term });
            }
            (self.term, self.leads) = (term, leads);
        }
        if let Some((number, to)) = self.transfer {
            let response = match (leads, self.raw.raft.lead_transferee, self.leader()) {
                (true, Some(target), _) if target == to => None,
                (true, ..) => Some((OperatorResponse::Rejected("given up".to_owned()), TRANSFER_ABORTED)),
                (false, _, None) => None,
                (false, _, Some(leader)) if leader == to => {
                    Some((OperatorResponse::Done, TRANSFER_COMPLETED))
                }
                (false, ..) => {
                    Some((OperatorResponse::Rejected("another leads".to_owned()), TRANSFER_ABORTED))
                }
            };
            if let Some((response, milestone)) = response {
                host.count_milestone(milestone);
                host.respond_to_operator(number, &response);
                self.transfer = None;
            }
        }
        if led != leads {
            self.requests.end_all(host, self.leader().filter(|_| !leads));
            self.leaving = None;
            self.snapshots.clear();
        }
    }
}
