//! Calls between servers, as messages of the simulated network: lost, doubled, late and out of order.

use crate::channels::{OneReceiver, OneSender, Oneshot};
use crate::message::{Body, Message, Types, Vote, fold};
use harness::engine::pump::tasks::NodeHandle;
use invariants::ServerFact;
use openraft::alias::SnapshotOf;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::impls::EmptyNode;
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft_rt::{AsyncRuntime, Oneshot as _, OneshotSender, Select2};
use rand::RngCore;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

/// The calls of one incarnation; all clones are the same.
#[derive(Clone)]
pub(crate) struct Calls {
    node: NodeHandle<Message>,
    /// Calls without an answer, by number.
    open: Rc<RefCell<BTreeMap<u64, OneSender<Body>>>>,
    /// The last term, as facts know it, of which it was stated that this server campaigns.
    campaigned: Rc<Cell<u64>>,
}

/// A call whose answer is awaited.
struct OpenCall<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.calls.open.borrow_mut().remove(&self.number);
    }
}

impl Calls {
    pub(crate) fn new(node: &NodeHandle<Message>) -> Calls {
        Calls { node: node.clone(), open: Rc::default(), campaigned: Rc::default() }
    }

    /// States a candidacy with its first vote request.
    fn record_campaign(&self, vote: &Vote) {
        let term = fold(&vote.leader_id);
        if self.campaigned.replace(term) != term {
            self.node.record_fact(ServerFact::Campaigned { term });
        }
    }

    /// Passes an answer to its call, if that still waits.
    pub(crate) fn answer(&self, number: u64, body: Body) {
        if let Some(call) = self.open.borrow_mut().remove(&number) {
            _ = call.send(body);
        }
    }

    /// Calls another server. `None` if the time is over first.
    async fn call(&self, to: u64, body: Body, limit: Duration) -> Option<Body> {
        // Drawn, so that an earlier incarnation's answers find no call.
        let number = self.node.host(|host| host.rng().next_u64())?;
        let (sender, receiver): (OneSender<Body>, OneReceiver<Body>) = Oneshot::channel();
        self.open.borrow_mut().insert(number, sender);
        let _open = OpenCall { calls: self, number };
        self.node.send(to, Message { call: number, body });
        self.node.timeout(limit, receiver).await.ok()?.ok()
    }
}

/// The calls to one server.
pub(crate) struct Link {
    calls: Calls,
    to: u64,
}

impl RaftNetworkFactory<Types> for Calls {
    type Network = Link;

    async fn new_client(&mut self, to: u64, _: &EmptyNode) -> Link {
        Link { calls: self.clone(), to }
    }
}

impl Link {
    fn timeout(&self, action: RPCTypes, timeout: Duration) -> Timeout<Types> {
        Timeout { action, id: self.calls.node.node(), target: self.to, timeout }
    }

    async fn call(&self, body: Body, action: RPCTypes, limit: Duration) -> Result<Body, RPCError<Types>> {
        let answer = self.calls.call(self.to, body, limit).await;
        answer.ok_or_else(|| RPCError::Timeout(self.timeout(action, limit)))
    }
}

/// An answer of another type: no server sends one.
fn unexpected(body: &Body) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(format!("unexpected: {body:?}")))
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let body = Body::Append(Box::new(request));
        match self.call(body, RPCTypes::AppendEntries, option.hard_ttl()).await? {
            Body::Appended(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.calls.record_campaign(&request.vote);
        match self.call(Body::Vote(request), RPCTypes::Vote, option.hard_ttl()).await? {
            Body::Voted(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(Body::PreVote(request), RPCTypes::Vote, option.hard_ttl()).await? {
            Body::Voted(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, Vec<u8>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let body = Body::Snapshot { vote, meta: Box::new(snapshot.meta), image: snapshot.snapshot };
        let call = self.calls.call(self.to, body, option.hard_ttl());
        match crate::runtime::Runtime::select2(cancel, call).await {
            Select2::First(closed) => Err(closed.into()),
            Select2::Second(Some(Body::Installed(response))) => Ok(response),
            Select2::Second(_) => Err(self.timeout(RPCTypes::InstallSnapshot, option.hard_ttl()).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.call(Body::Transfer(request), RPCTypes::TransferLeader, option.hard_ttl()).await? {
            Body::Transferred(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }
}
