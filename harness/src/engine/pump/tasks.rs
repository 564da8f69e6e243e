//! Systems made of asynchronous tasks, in the same world as stepped servers.
//!
//! Tasks run on their node's madsim executor. They reach the world through their [`NodeHandle`], and only while they are
//! polled: between two events, when nothing else uses it. So they have the same [`Host`] as a stepped server, with the
//! same effect: reads see what was written before, and time stands still. What they wait for (inputs, syncs, the end of a
//! sleep) arrives as an event of the world, like everything that arrives at a stepped server: so they crash, pause and
//! are partitioned, and sleep by the clock of their node. madsim's own clock would reveal true time.
//!
//! A handle belongs to one incarnation. When that has ended, its tasks are dropped, and whatever their destructors do
//! with it has no effect. A task that is always ready hangs the run, like a step that does not return.
//!
//! Only the engine `strict` lets tasks run, so [`TaskServer`] demands it ([`Server::ENGINE`]).

use super::{SimulatorHook, simulator, spawn_local};
use crate::engine::panics::catch_panic;
use crate::outcome::{Engine, PanicReport};
use crate::plan::{Knob, Plan, Setting, Supports};
use crate::server::{
    Arrival, BugInfo, Catalogue, Damaged, Host, LocalTime, OperatorCommand, OperatorResponse, Server, bugs_of,
};
use crate::support::logs;
use crate::workload::{Reply, Request};
use invariants::{Contract, Node, ServerFact};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A system made of asynchronous tasks. [`TaskServer`] makes a server of it.
pub trait Tasks: Sized + 'static {
    /// The messages between servers. The timeline shows their `Display`.
    type Message: Clone + Display + Send + 'static;

    /// What it supports; see [`Server::SUPPORTS`].
    const SUPPORTS: Supports = Supports::ALL;
    /// What it promises otherwise than the Raft paper; see [`Server::CONTRACT`].
    const CONTRACT: Contract = Contract::PAPER;
    /// Settings of every plan that it does not read; see [`Server::UNREAD`].
    const UNREAD: &'static [Setting] = &[];
    /// Settings that only this system has; see [`Server::KNOBS`].
    const KNOBS: &'static [Knob] = &[];

    /// The first task of an incarnation. It starts from what survived on the disk, and spawns the others. The server runs
    /// until it crashes, even if this task ends.
    fn main(node: NodeHandle<Self::Message>) -> impl Future<Output = ()> + 'static;
    /// Whether a message is a heartbeat; see [`Server::is_heartbeat`].
    fn is_heartbeat(message: &Self::Message) -> bool;
    /// The catalogues of bugs; see [`Server::CATALOGUES`].
    const CATALOGUES: &'static [Catalogue] = &[];
    /// The bugs that a plan can enable; see [`Server::bugs`].
    fn bugs() -> Vec<&'static BugInfo> {
        bugs_of(Self::CATALOGUES)
    }
}

/// An input of a server made of tasks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskInput<M> {
    /// A message from another server.
    Message {
        /// The sender.
        from: Node,
        /// The message.
        message: M,
    },
    /// A client's request.
    Request {
        /// The client's number.
        client: u64,
        /// The request.
        request: Request,
    },
    /// An operator's command; see [`Arrival::Operator`].
    Operator {
        /// The number to respond to.
        request: u64,
        /// The command.
        command: OperatorCommand,
    },
}

/// The sync failed: nothing became durable by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncFailed;

/// The time was over before the future was ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

/// The task has no result: it has panicked, or its incarnation had ended before it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoResult;

/// The access of one incarnation to the world. Without effect once the incarnation has ended.
pub struct NodeHandle<M>(Arc<Incarnation<M>>);

/// A server made of tasks.
pub struct TaskServer<T: Tasks>(NodeHandle<T::Message>);

/// Waits for the result of a task. Dropping it does not end the task.
pub struct JoinHandle<T>(Arc<Mutex<Joined<T>>>);

struct Joined<T> {
    result: Option<Result<T, NoResult>>,
    waker: Option<Waker>,
}

/// What the handles of an incarnation share.
struct Incarnation<M> {
    node: Node,
    /// Its number.
    number: u32,
    plan: Plan,
    world: Arc<dyn WorldAccess<M>>,
    state: Mutex<TaskState<M>>,
}

/// What tasks wait for. Never locked while a task acts on the world.
struct TaskState<M> {
    inputs: VecDeque<TaskInput<M>>,
    /// The task that waits for an input.
    input_waker: Option<Waker>,
    /// Sleeping tasks, by the end and the number of the sleep.
    sleepers: BTreeMap<(LocalTime, u64), Waker>,
    sleep_count: u64,
    /// Syncs whose tasks have not noticed their end.
    syncs: BTreeMap<u64, SyncState>,
    sync_count: u64,
}

enum SyncState {
    InFlight(Option<Waker>),
    Ended(Result<(), SyncFailed>),
}

/// The world, as a task reaches it while it is polled.
trait WorldAccess<M>: Send + Sync {
    /// Passes the host to a function, if this incarnation still runs.
    fn with_host(&self, node: Node, incarnation: u32, act: &mut dyn FnMut(&mut Host<'_, M>));
    /// Records a panic of a task.
    fn record_panic(&self, node: Node, panic: PanicReport);
}

impl<S: Server> WorldAccess<S::Message> for SimulatorHook<S> {
    fn with_host(&self, node: Node, incarnation: u32, act: &mut dyn FnMut(&mut Host<'_, S::Message>)) {
        let mut state = self.try_lock().expect("a task must not use its handle while it uses its host");
        if let Some(cluster) = &mut state.cluster
            && cluster.is_up(node)
            && cluster.world.node_state(node).incarnation == incarnation
        {
            act(&mut Host::new(&mut cluster.world, node));
        }
    }

    fn record_panic(&self, node: Node, panic: PanicReport) {
        if let Some(cluster) = &mut self.lock().cluster {
            cluster.record_panic(node, panic);
        }
    }
}

thread_local! {
    /// The incarnation whose task is being polled.
    static CURRENT: RefCell<Option<Arc<dyn Any + Send + Sync>>> = const { RefCell::new(None) };
    /// How often a task was polled on this thread: the pump sees by it whether tasks still run.
    static POLLS: Cell<u64> = const { Cell::new(0) };
}

/// How often a task was polled on this thread.
pub(super) fn poll_count() -> u64 {
    POLLS.get()
}

impl<M: Clone + Display + Send + 'static> NodeHandle<M> {
    /// The handle of the incarnation whose task is being polled, for libraries that call their runtime by functions
    /// without a receiver.
    ///
    /// # Panics
    ///
    /// If no task of a system with these messages is being polled; destructors of an ended incarnation are not polled.
    #[must_use]
    pub fn current() -> NodeHandle<M> {
        let current = CURRENT.with_borrow(Clone::clone).and_then(|current| current.downcast().ok());
        NodeHandle(current.expect("only a task of a node has a current handle"))
    }

    /// The number of this node.
    #[must_use]
    pub fn node(&self) -> Node {
        self.0.node
    }

    /// The plan: settings of servers, and their number.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Passes the whole toolbox of a server to a function: clocks, random generator, disk, network, replies, facts,
    /// triggers, milestones, notes. The function must use nothing but this host. `None` if the incarnation has ended,
    /// which only destructors can meet.
    pub fn host<T>(&self, act: impl FnOnce(&mut Host<'_, M>) -> T) -> Option<T> {
        let (mut act, mut result) = (Some(act), None);
        self.0.world.with_host(self.0.node, self.0.number, &mut |host| {
            result = act.take().map(|act| act(host));
        });
        result
    }

    /// The reading of this node's monotonic clock; 0 if the incarnation has ended.
    #[must_use]
    pub fn now(&self) -> LocalTime {
        self.host(|host| host.now()).unwrap_or_default()
    }

    /// Sends a message; see [`Host::send`].
    pub fn send(&self, to: Node, message: M) {
        self.host(|host| host.send(to, message));
    }

    /// Replies to a client; see [`Host::reply`].
    pub fn reply(&self, client: u64, reply: Reply) {
        self.host(|host| host.reply(client, reply));
    }

    /// Responds to the operator; see [`Host::respond_to_operator`].
    pub fn respond_to_operator(&self, request: u64, response: &OperatorResponse) {
        self.host(|host| host.respond_to_operator(request, response));
    }

    /// States a fact about this node; see [`Host::record_fact`].
    pub fn record_fact(&self, fact: ServerFact) {
        self.host(|host| host.record_fact(fact));
    }

    /// Waits for the next input. Only one task may call this at a time.
    pub async fn receive(&self) -> TaskInput<M> {
        poll_fn(|context| {
            let mut state = self.state();
            match state.inputs.pop_front() {
                Some(input) => Poll::Ready(input),
                None => {
                    state.input_waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until this node's monotonic clock shows `due`.
    pub async fn sleep_until(&self, due: LocalTime) {
        let mut sleep = Sleep { node: self, due, number: None };
        poll_fn(|context| sleep.poll(context)).await;
    }

    /// Waits for a time on this node's clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now().saturating_add(duration.as_nanos() as u64)).await;
    }

    /// Waits for a future, for a time on this node's clock.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the time was over first; the future is dropped.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let (mut future, mut sleep) = (pin!(future), pin!(self.sleep(duration)));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => sleep.as_mut().poll(context).map(|()| Err(Elapsed)),
        })
        .await
    }

    /// Starts a sync of everything that is written by now, and waits for its end. It goes on if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`SyncFailed`] if nothing became durable by it.
    pub fn sync(&self) -> impl Future<Output = Result<(), SyncFailed>> + Send + use<M> {
        let token = {
            let mut state = self.state();
            state.sync_count += 1;
            let token = state.sync_count;
            state.syncs.insert(token, SyncState::InFlight(None));
            token
        };
        self.host(|host| host.sync(token));
        let sync = PendingSync { node: self.clone(), token };
        async move { poll_fn(|context| sync.poll(context)).await }
    }

    /// Starts another task of this incarnation. A panic of the task breaks the property `no-panic`.
    pub fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        let joined = JoinHandle(Arc::new(Mutex::new(Joined { result: None, waker: None })));
        if self.host(|_| ()).is_none() {
            joined.end(Err(NoResult));
            return joined;
        }
        self.start_task(future, &joined);
        joined
    }

    fn start_task<F: Future<Output: 'static> + 'static>(&self, future: F, joined: &JoinHandle<F::Output>) {
        let joined = JoinHandle(joined.0.clone());
        let mut task = Task { node: self.clone(), future: Some(Box::pin(future)) };
        // Dropping madsim's own join handle detaches the task: it runs until its node is killed.
        drop(spawn_local(poll_fn(move |context| task.poll(context).map(|result| joined.end(result)))));
    }

    fn state(&self) -> MutexGuard<'_, TaskState<M>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for NodeHandle<M> {
    fn clone(&self) -> NodeHandle<M> {
        NodeHandle(self.0.clone())
    }
}

/// A task, with the incarnation that it belongs to.
struct Task<M: Clone + Display + Send + 'static, F: Future> {
    node: NodeHandle<M>,
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
}

impl<M: Clone + Display + Send + 'static, F: Future> Task<M, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<F::Output, NoResult>> {
        POLLS.set(POLLS.get() + 1);
        let Some(future) = &mut self.future else { return Poll::Ready(Err(NoResult)) };
        match self.node.run(|| future.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(output)) => {
                self.end();
                Poll::Ready(Ok(output))
            }
            None => {
                self.end();
                Poll::Ready(Err(NoResult))
            }
        }
    }

    /// Drops what the task holds: a destructor is its own code, too.
    fn end(&mut self) {
        let future = self.future.take();
        self.node.run(|| drop(future));
    }
}

impl<M: Clone + Display + Send + 'static, F: Future> Drop for Task<M, F> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<M: Clone + Display + Send + 'static> NodeHandle<M> {
    /// Runs code of a task of this incarnation. `None` if it panicked.
    fn run<T>(&self, code: impl FnOnce() -> T) -> Option<T> {
        let outer = CURRENT.replace(Some(self.0.clone()));
        let entered = logs::enter(self.0.node);
        let result = catch_panic(code);
        drop(entered);
        CURRENT.set(outer);
        result.map_err(|panic| self.0.world.record_panic(self.0.node, panic)).ok()
    }
}

impl<T> JoinHandle<T> {
    fn end(&self, result: Result<T, NoResult>) {
        let mut joined = self.lock();
        joined.result = Some(result);
        if let Some(waker) = joined.waker.take() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Joined<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, NoResult>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, NoResult>> {
        let mut joined = self.lock();
        match joined.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                joined.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A sleep. Its entry among the sleepers ends with it.
struct Sleep<'a, M: Clone + Display + Send + 'static> {
    node: &'a NodeHandle<M>,
    due: LocalTime,
    /// Its number, once it is among the sleepers.
    number: Option<u64>,
}

impl<M: Clone + Display + Send + 'static> Sleep<'_, M> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.node.now() >= self.due {
            return Poll::Ready(());
        }
        let mut state = self.node.state();
        let number = *self.number.get_or_insert_with(|| {
            state.sleep_count += 1;
            state.sleep_count
        });
        state.sleepers.insert((self.due, number), context.waker().clone());
        Poll::Pending
    }
}

impl<M: Clone + Display + Send + 'static> Drop for Sleep<'_, M> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.node.state().sleepers.remove(&(self.due, number));
        }
    }
}

/// A sync that a task waits for.
struct PendingSync<M: Clone + Display + Send + 'static> {
    node: NodeHandle<M>,
    token: u64,
}

impl<M: Clone + Display + Send + 'static> PendingSync<M> {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(), SyncFailed>> {
        match self.node.state().syncs.get_mut(&self.token) {
            Some(SyncState::Ended(result)) => Poll::Ready(*result),
            Some(SyncState::InFlight(waker)) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl<M: Clone + Display + Send + 'static> Drop for PendingSync<M> {
    fn drop(&mut self) {
        self.node.state().syncs.remove(&self.token);
    }
}

impl<T: Tasks> Server for TaskServer<T> {
    type Message = T::Message;

    const SUPPORTS: Supports = T::SUPPORTS;
    const CONTRACT: Contract = T::CONTRACT;
    const UNREAD: &'static [Setting] = T::UNREAD;
    const KNOBS: &'static [Knob] = T::KNOBS;
    const ENGINE: Option<Engine> = Some(Engine::Strict);

    fn boot(host: &mut Host<'_, T::Message>) -> Result<TaskServer<T>, Damaged> {
        let node = NodeHandle(Arc::new(Incarnation {
            node: host.node(),
            number: host.incarnation(),
            plan: host.plan().clone(),
            world: simulator::<SimulatorHook<TaskServer<T>>>(),
            state: Mutex::new(TaskState {
                inputs: VecDeque::new(),
                input_waker: None,
                sleepers: BTreeMap::new(),
                sleep_count: 0,
                syncs: BTreeMap::new(),
                sync_count: 0,
            }),
        }));
        let joined = JoinHandle(Arc::new(Mutex::new(Joined { result: None, waker: None })));
        let main = node.clone();
        // The world is in use until the boot is over: so the system's own code begins in the task.
        node.start_task(async move { T::main(main).await }, &joined);
        Ok(TaskServer(node))
    }

    fn step(&mut self, host: &mut Host<'_, T::Message>, arrival: Arrival<T::Message>) {
        let mut state = self.0.state();
        match arrival {
            Arrival::Timer => {
                let now = host.now();
                while let Some(sleeper) = state.sleepers.first_entry().filter(|next| next.key().0 <= now) {
                    sleeper.remove().wake();
                }
            }
            Arrival::Message { from, message } => {
                state.inputs.push_back(TaskInput::Message { from, message });
            }
            Arrival::Request { client, request } => {
                state.inputs.push_back(TaskInput::Request { client, request });
            }
            Arrival::Operator { request, command } => {
                state.inputs.push_back(TaskInput::Operator { request, command });
            }
            Arrival::Synced(token) | Arrival::SyncFailed(token) => {
                let result = if matches!(arrival, Arrival::Synced(_)) { Ok(()) } else { Err(SyncFailed) };
                // A task that does not wait any more has removed it.
                if let Some(sync) = state.syncs.get_mut(&token)
                    && let SyncState::InFlight(Some(waker)) =
                        std::mem::replace(sync, SyncState::Ended(result))
                {
                    waker.wake();
                }
            }
        }
        if !state.inputs.is_empty()
            && let Some(reader) = state.input_waker.take()
        {
            reader.wake();
        }
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.state().sleepers.first_key_value().map(|((due, _), _)| *due)
    }

    fn is_heartbeat(message: &T::Message) -> bool {
        T::is_heartbeat(message)
    }

    const CATALOGUES: &'static [Catalogue] = T::CATALOGUES;

    fn bugs() -> Vec<&'static BugInfo> {
        T::bugs()
    }
}
