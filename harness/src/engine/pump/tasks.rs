//! Runs systems made of asynchronous tasks in the same world as stepped servers.
//!
//! Tasks run on their node's madsim executor and use the world only through their [`NodeHandle`]: its inbox,
//! its clock (the node's own, with drift and jumps), its disk. Their commands go to the world between two
//! events; what they wait for arrives as an event. So the world treats them like any other server: they
//! crash, pause and are partitioned, and they sleep on the world's queue, not on a timer of madsim, which
//! would reveal true time.
//!
//! Only in strict mode: in fast mode no task runs between two events.

use super::spawn_local;
use crate::engine::panics::catch_panic;
use crate::outcome::PanicReport;
use crate::server::{Arrival, Host, LocalTime, OperatorCommand, OperatorResponse, Server};
use crate::workload::{Reply, Request};
use crate::world::{Disk, FileName};
use invariants::{DiskFact, Node, ServerFact};
use std::collections::VecDeque;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A system made of asynchronous tasks.
pub trait Tasks: Sized + 'static {
    /// The messages between servers.
    type Message: Clone + Display + Send + 'static;

    /// Starts an incarnation from its disk: spawns its tasks.
    fn start(handle: NodeHandle<Self::Message>, disk: &Disk);
    /// Whether a message is a heartbeat or the response to one.
    fn is_heartbeat(message: &Self::Message) -> bool;
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

/// The access of one incarnation to the world. Without effect once the incarnation has ended.
pub struct NodeHandle<M>(Arc<Mutex<TaskState<M>>>);

/// A server made of tasks.
pub struct TaskServer<T: Tasks>(NodeHandle<T::Message>);

/// The state shared by tasks and world.
struct TaskState<M> {
    node: Node,
    nodes: u64,
    now: LocalTime,
    inputs: VecDeque<TaskInput<M>>,
    /// The task that waits for an input.
    input_waker: Option<Waker>,
    /// Sleeping tasks: until when, and the number of the sleep.
    sleepers: Vec<(LocalTime, u64, Waker)>,
    sleep_count: u64,
    /// Commands that were not passed to the world yet.
    commands: Vec<TaskCommand<M>>,
    sync_count: u64,
    /// Syncs that ended and whether they succeeded, until their tasks notice; and the tasks that wait for
    /// others.
    finished_syncs: Vec<(u64, bool)>,
    sync_waiters: Vec<(u64, Waker)>,
    panicked: Option<PanicReport>,
}

/// The sync failed: nothing became durable by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncFailed;

/// A command of a task to the world.
enum TaskCommand<M> {
    Send(Node, M),
    Append(FileName, Vec<u8>),
    Truncate(FileName, u64),
    Attach(DiskFact),
    Sync(u64),
    Reply(u64, Reply),
    RespondToOperator(u64, OperatorResponse),
    RecordFact(ServerFact),
}

impl<M: Send + 'static> NodeHandle<M> {
    /// The number of this node.
    #[must_use]
    pub fn node(&self) -> Node {
        self.state().node
    }

    /// The number of servers.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.state().nodes
    }

    /// The reading of this node's monotonic clock.
    #[must_use]
    pub fn now(&self) -> LocalTime {
        self.state().now
    }

    /// Sends a message.
    pub fn send(&self, to: Node, message: M) {
        self.push_command(TaskCommand::Send(to, message));
    }

    /// Appends to a file, as one write.
    pub fn append(&self, file: FileName, bytes: Vec<u8>) {
        self.push_command(TaskCommand::Append(file, bytes));
    }

    /// Truncates a file.
    pub fn truncate(&self, file: FileName, length: u64) {
        self.push_command(TaskCommand::Truncate(file, length));
    }

    /// States a fact once everything that is written by now is durable.
    pub fn attach(&self, fact: DiskFact) {
        self.push_command(TaskCommand::Attach(fact));
    }

    /// Replies to a client.
    pub fn reply(&self, client: u64, reply: Reply) {
        self.push_command(TaskCommand::Reply(client, reply));
    }

    /// Responds to the operator.
    pub fn respond_to_operator(&self, request: u64, response: OperatorResponse) {
        self.push_command(TaskCommand::RespondToOperator(request, response));
    }

    /// States a fact about this node.
    pub fn record_fact(&self, fact: ServerFact) {
        self.push_command(TaskCommand::RecordFact(fact));
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
        let mut sleep_number = None;
        poll_fn(|context| {
            let mut state = self.state();
            if state.now >= due {
                return Poll::Ready(());
            }
            let number = *sleep_number.get_or_insert_with(|| {
                state.sleep_count += 1;
                state.sleep_count
            });
            // The task may be polled for another reason while it is in the list.
            state.sleepers.retain(|(_, other, _)| *other != number);
            state.sleepers.push((due, number, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Waits until everything that is written by now is durable, or the sync has failed.
    pub async fn sync(&self) -> Result<(), SyncFailed> {
        let token = {
            let mut state = self.state();
            state.sync_count += 1;
            let token = state.sync_count;
            state.commands.push(TaskCommand::Sync(token));
            token
        };
        poll_fn(|context| {
            let mut state = self.state();
            if let Some(index) = state.finished_syncs.iter().position(|(other, _)| *other == token) {
                let (_, succeeded) = state.finished_syncs.swap_remove(index);
                return Poll::Ready(if succeeded { Ok(()) } else { Err(SyncFailed) });
            }
            state.sync_waiters.retain(|(other, _)| *other != token);
            state.sync_waiters.push((token, context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Starts another task of this incarnation. A panic of the task is recorded as a failure.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let handle = self.clone();
        let mut task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
        // Dropping the join handle detaches the task: it runs until its node is killed.
        drop(spawn_local(poll_fn(move |context| match catch_panic(|| task.as_mut().poll(context)) {
            Ok(poll) => poll,
            Err(panic) => {
                handle.state().panicked.get_or_insert(panic);
                Poll::Ready(())
            }
        })));
    }

    fn push_command(&self, command: TaskCommand<M>) {
        self.state().commands.push(command);
    }

    fn state(&self) -> MutexGuard<'_, TaskState<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for NodeHandle<M> {
    fn clone(&self) -> NodeHandle<M> {
        NodeHandle(self.0.clone())
    }
}

impl<T: Tasks> TaskServer<T> {
    /// Passes the commands of the tasks to the world.
    fn flush_commands(&self, host: &mut Host<'_, T::Message>) {
        let mut state = self.0.state();
        if let Some(message) = state.panicked.take() {
            drop(state);
            resume_unwind(Box::new(message));
        }
        for command in state.commands.drain(..) {
            match command {
                TaskCommand::Send(to, message) => host.send(to, message),
                TaskCommand::Append(file, bytes) => _ = host.disk().append(file, |end| end.extend(bytes)),
                TaskCommand::Truncate(file, length) => host.disk().truncate(file, length),
                TaskCommand::Attach(fact) => host.disk().attach(fact),
                TaskCommand::Sync(token) => host.sync(token),
                TaskCommand::Reply(client, reply) => host.reply(client, reply),
                TaskCommand::RespondToOperator(request, response) => {
                    host.respond_to_operator(request, &response)
                }
                TaskCommand::RecordFact(fact) => host.record_fact(fact),
            }
        }
    }
}

impl<T: Tasks> Server for TaskServer<T> {
    type Message = T::Message;

    fn boot(host: &mut Host<'_, T::Message>) -> TaskServer<T> {
        let state = TaskState {
            node: host.node(),
            nodes: host.plan().nodes,
            now: host.now(),
            inputs: VecDeque::new(),
            input_waker: None,
            sleepers: Vec::new(),
            sleep_count: 0,
            commands: Vec::new(),
            sync_count: 0,
            finished_syncs: Vec::new(),
            sync_waiters: Vec::new(),
            panicked: None,
        };
        let handle = NodeHandle(Arc::new(Mutex::new(state)));
        T::start(handle.clone(), host.disk());
        TaskServer(handle)
    }

    fn step(&mut self, host: &mut Host<'_, T::Message>, arrival: Arrival<T::Message>) {
        let mut state = self.0.state();
        state.now = host.now();
        match arrival {
            Arrival::Timer => {
                let now = state.now;
                for (_, _, sleeper) in state.sleepers.extract_if(.., |(due, ..)| *due <= now) {
                    sleeper.wake();
                }
            }
            Arrival::Message { from, message } => {
                state.inputs.push_back(TaskInput::Message { from, message })
            }
            Arrival::Request { client, request } => {
                state.inputs.push_back(TaskInput::Request { client, request })
            }
            Arrival::Operator { request, command } => {
                state.inputs.push_back(TaskInput::Operator { request, command })
            }
            Arrival::Synced(token) | Arrival::SyncFailed(token) => {
                state.finished_syncs.push((token, matches!(arrival, Arrival::Synced(_))));
                for (_, waker) in state.sync_waiters.extract_if(.., |(other, _)| *other == token) {
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

    fn collect_task_output(&mut self, host: &mut Host<'_, T::Message>) {
        self.flush_commands(host);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.state().sleepers.iter().map(|(due, ..)| *due).min()
    }

    fn is_heartbeat(message: &T::Message) -> bool {
        T::is_heartbeat(message)
    }
}
