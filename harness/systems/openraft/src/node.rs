//! A server: passes what arrives to openraft, each in a task of its own.

use crate::message::{Body, Command, Executed, LeaderId, LogId, Message, Types, fold};
use crate::network::Calls;
use crate::state_machine::{StateMachine, index_of};
use crate::store::Store;
use harness::engine::pump::tasks::{NodeHandle, TaskInput};
use harness::plan::{CompactionConfig, Knob, Plan, SimDuration};
use harness::server::{OperatorCommand, OperatorResponse};
use harness::workload::{ClientResponse, Reply, Request};
use invariants::{Operation, RequestId, ServerFact};
use openraft::entry::RaftEntry;
use openraft::errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::impls::EmptyNode;
use openraft::raft::AppendEntriesResponse;
use openraft::{Config, Raft, ReadPolicy, Snapshot, SnapshotPolicy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// openraft's `enable_leader_restore`, which is on unless it is switched off. Half of the plans have it off, to show what
/// lies behind the defects that need it.
pub(crate) const LEADER_RESTORE: Knob = Knob {
    name: "leader_restore",
    about: "whether a restarted leader leads again without an election",
    default: 1,
    most: 1,
    drawn: &[0, 1],
};

/// What the tasks of an incarnation share.
#[derive(Clone)]
struct Server {
    node: NodeHandle<Message>,
    raft: Raft<Types, StateMachine>,
    store: Store,
    state_machine: StateMachine,
}

/// The first task of an incarnation.
pub(crate) async fn run(node: NodeHandle<Message>) {
    let Some(store) = Store::recover(&node).await else { return reject_everything(&node).await };
    let state_machine = StateMachine::recover(&node, &store);
    let calls = Calls::new(&node);
    let config = Arc::new(config(node.plan()).validate().expect("a plan must give a valid configuration"));
    if node.plan().knob(&LEADER_RESTORE) == 1 {
        store.record_resumption();
    }
    let raft = Raft::new(node.node(), config, calls.clone(), store.clone(), state_machine.clone()).await;
    let Ok(raft) = raft else { return reject_everything(&node).await };
    let server = Server { node: node.clone(), raft, store, state_machine };
    node.spawn(server.clone().initialize());
    if let Some(every) =
        node.plan().compaction.as_ref().map(|compaction| compaction.every).filter(|every| every.0 > 0)
    {
        node.spawn(server.clone().take_snapshots(Duration::from_nanos(every.0)));
    }
    loop {
        let server = server.clone();
        match node.receive().await {
            TaskInput::Message { message: Message { call, body }, .. } if body.is_answer() => {
                calls.answer(call, body);
            }
            TaskInput::Message { from, message } => {
                node.spawn(async move {
                    if let Some(body) = server.execute(message.body).await {
                        server.node.send(from, Message { call: message.call, body });
                    }
                });
            }
            TaskInput::Request { client, request } => {
                node.spawn(async move {
                    let response = server.respond(&request).await;
                    server.node.reply(client, Reply { id: request.id, response });
                });
            }
            TaskInput::Operator { request, command } => {
                node.spawn(async move {
                    let response = server.obey(command).await;
                    server.node.respond_to_operator(request, &response);
                });
            }
        }
    }
}

/// The server cannot use its disk, and waits for its end.
async fn reject_everything(node: &NodeHandle<Message>) {
    node.host(|host| host.fail_stop("a sync failed"));
    loop {
        match node.receive().await {
            TaskInput::Message { .. } => {}
            TaskInput::Request { client, request } => {
                node.reply(client, Reply { id: request.id, response: ClientResponse::Halted });
            }
            TaskInput::Operator { request, .. } => {
                node.respond_to_operator(request, &OperatorResponse::rejected("the disk has failed"));
            }
        }
    }
}

/// openraft's settings, from those of the plan.
fn config(plan: &Plan) -> Config {
    let millis = |time: SimDuration| (time.0 / 1_000_000).max(1);
    let raft = &plan.raft;
    let election_timeout_min = millis(raft.election_timeout);
    let compaction = plan.compaction.as_ref();
    Config {
        heartbeat_interval: millis(raft.heartbeat),
        election_timeout_min,
        election_timeout_max: election_timeout_min + millis(raft.election_timeout_spread),
        // As much as a lost message may cost.
        install_snapshot_timeout: election_timeout_min,
        // openraft sends a follower one message at a time: it holds what others send in a window of messages.
        max_payload_entries: raft.batch.max(1).saturating_mul(raft.window.max(1)),
        snapshot_policy: compaction
            .and_then(entries_per_snapshot)
            .map_or(SnapshotPolicy::Never, SnapshotPolicy::LogsSinceLast),
        max_in_snapshot_log_to_keep: compaction.map_or(0, |compaction| compaction.trailing),
        enable_pre_vote: Some(raft.pre_vote),
        enable_leader_restore: Some(plan.knob(&LEADER_RESTORE) == 1),
        ..Config::default()
    }
}

/// How many entries make a snapshot due. openraft does not count bytes: a command has about 20.
fn entries_per_snapshot(compaction: &CompactionConfig) -> Option<u64> {
    let by_bytes = Some(compaction.bytes / 20).filter(|_| compaction.bytes > 0);
    let by_entries = Some(compaction.entries).filter(|entries| *entries > 0);
    by_bytes.into_iter().chain(by_entries).min().map(|entries| entries.max(1))
}

impl Server {
    /// Gives an empty log its first configuration. openraft allows it on each of the initial voters, if all name the same.
    async fn initialize(self) {
        let voters: BTreeMap<u64, EmptyNode> =
            (1..=self.node.plan().initial_voters()).map(|voter| (voter, EmptyNode {})).collect();
        if voters.contains_key(&self.node.node()) && self.raft.is_initialized().await == Ok(false) {
            // An error means that a leader was first.
            _ = self.raft.initialize(voters).await;
        }
    }

    async fn take_snapshots(self, every: Duration) {
        loop {
            self.node.sleep(every).await;
            _ = self.raft.trigger().snapshot().await;
        }
    }

    /// Executes another server's call, and states what the answer promises. No answer if openraft has stopped.
    async fn execute(&self, body: Body) -> Option<Body> {
        match body {
            Body::Append(request) => {
                let last = request.entries.last().map(RaftEntry::log_id).or(request.prev_log_id);
                let leader = request.vote.leader_id;
                self.store.hear_commit(request.leader_commit);
                let response = self.raft.append_entries(*request).await.ok()?;
                match &response {
                    AppendEntriesResponse::Success => self.record_acknowledged(&leader, last),
                    AppendEntriesResponse::PartialSuccess(last) => self.record_acknowledged(&leader, *last),
                    AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => {}
                }
                Some(Body::Appended(response))
            }
            Body::Vote(request) => {
                let candidate = request.vote.leader_id;
                let response = self.raft.vote(request).await.ok()?;
                if response.vote_granted {
                    let (term, candidate) = (fold(&candidate), candidate.node_id);
                    self.node.record_fact(ServerFact::Voted { term, candidate });
                }
                Some(Body::Voted(response))
            }
            Body::PreVote(request) => self.raft.pre_vote(request).await.ok().map(Body::Voted),
            Body::Snapshot { vote, meta, image } => {
                let last = meta.last_log_id;
                let snapshot = Snapshot { meta: *meta, snapshot: image };
                let response = self.raft.install_full_snapshot(vote, snapshot).await.ok()?;
                if response.vote == vote {
                    self.record_acknowledged(&vote.leader_id, last);
                }
                Some(Body::Installed(response))
            }
            Body::Transfer(request) => {
                self.raft.handle_transfer_leader(request).await.ok().map(Body::Transferred)
            }
            Body::Appended(_) | Body::Voted(_) | Body::Installed(_) | Body::Transferred(_) => None,
        }
    }

    fn record_acknowledged(&self, leader: &LeaderId, last: Option<LogId>) {
        let index = last.as_ref().map_or(0, index_of);
        self.node.record_fact(ServerFact::Acknowledged { term: fold(leader), index });
    }

    /// Executes a client's request. Gives up after the longest election timeout: openraft leaves a request of a leader
    /// without a majority open for ever. Not when the client asks again: it still takes the response to its first attempt.
    async fn respond(&self, request: &Request) -> ClientResponse {
        let raft = &self.node.plan().raft;
        let limit = Duration::from_nanos(raft.election_timeout.0 + raft.election_timeout_spread.0);
        match request.read_operation() {
            // A read has no effect, so it can be rejected at any time.
            Some(operation) => self
                .node
                .timeout(limit, self.read(request.id, operation))
                .await
                .unwrap_or(ClientResponse::NotLeader(None)),
            None => self.node.timeout(limit, self.write(request)).await.unwrap_or(ClientResponse::Unknown),
        }
    }

    async fn write(&self, request: &Request) -> ClientResponse {
        let wall = self.node.host(|host| host.wall_time()).unwrap_or_default();
        let command = self.state_machine.applied.borrow().kv.command(request, wall);
        match self.raft.client_write(Command(command)).await {
            // The client has acknowledged the response.
            Ok(written) => match written.data {
                Executed(Some(response)) => response,
                Executed(None) => ClientResponse::Unknown,
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => not_leader(&forward),
            // It may have been replicated, or the server has stopped with its entry in the log.
            Err(_) => ClientResponse::Unknown,
        }
    }

    async fn read(&self, id: RequestId, operation: Operation) -> ClientResponse {
        let policy = match self.node.plan().raft.lease_drift {
            Some(_) => ReadPolicy::LeaseRead,
            None => ReadPolicy::ReadIndex,
        };
        let linearizer = match self.raft.get_read_linearizer(policy).await {
            Ok(linearizer) => linearizer,
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                return not_leader(&forward);
            }
            Err(RaftError::APIError(_)) => return ClientResponse::NotLeader(None),
            Err(RaftError::Fatal(_)) => return ClientResponse::Halted,
        };
        if linearizer.await_ready(&self.raft).await.is_err() {
            return ClientResponse::Halted;
        }
        let applied = self.state_machine.applied.borrow();
        let response = applied.kv.read(operation);
        let applied = applied.last.as_ref().map_or(0, index_of);
        self.node.record_fact(ServerFact::ReadServed { read: id, applied });
        ClientResponse::Read { applied, response }
    }

    /// Executes an operator's command.
    async fn obey(&self, command: OperatorCommand) -> OperatorResponse {
        match command {
            // openraft does not tell how a transfer ends.
            OperatorCommand::Transfer(to) => match self.raft.trigger().transfer_leader(to).await {
                Ok(()) => OperatorResponse::Unknown,
                Err(stopped) => OperatorResponse::rejected(stopped.to_string()),
            },
            OperatorCommand::Change { .. } | OperatorCommand::Leave => {
                OperatorResponse::rejected("not supported")
            }
        }
    }
}

/// The rejection of a request whose entry was not appended.
fn not_leader(forward: &ForwardToLeader<Types>) -> ClientResponse {
    ClientResponse::NotLeader(forward.leader_id)
}
