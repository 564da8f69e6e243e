//! Systems that are made of asynchronous tasks, in the same world as those that are stepped.
//!
//! The tasks run on their node's madsim executor, and touch the world only through their [`NodeHandle`]: its mailbox, its
//! clock (the node's own, skewed and jumping), its disk. What they do goes to the world between two events; what they
//! wait for comes to them as an event. So the world treats them like any other server: they are crashed, paused, cut
//! off, and get their sleep from the world's queue, not from a timer of madsim, which would know true time.
//!
//! They live in the strict mode only: in the fast mode no task has a turn between two events.

use super::panics::catch_panic;
use super::spawn_local;
use crate::server::{Arrival, Host, LocalTime, OperatorCommand, OperatorResponse, Server};
use crate::workload::{Reply, Request};
use crate::world::{Disk, FileName};
use invariants::{Fact, Node};
use std::collections::VecDeque;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A system that is made of asynchronous tasks.
pub trait Tasks: Sized + 'static {
    /// What servers send each other.
    type Message: Clone + Display + Send + 'static;

    /// A new incarnation, from what survived on the disk: spawns what it consists of.
    fn start(seat: NodeHandle<Self::Message>, disk: &Disk);
    /// Whether a message only says "I lead" or answers that.
    fn is_heartbeat(message: &Self::Message) -> bool;
}

/// What arrives in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskInput<M> {
    /// A message from another server.
    Message {
        /// The sender.
        from: Node,
        /// What it sent.
        message: M,
    },
    /// A client's request.
    Request {
        /// The client's number.
        client: u64,
        /// What it asks.
        request: Request,
    },
    /// An operator's command: see [`Arrival::Operator`].
    Operator {
        /// The number under which it is answered.
        request: u64,
        /// The command.
        command: OperatorCommand,
    },
}

/// One incarnation's place in the world. When the incarnation has ended, nothing that is done from it has an effect.
pub struct NodeHandle<M>(Arc<Mutex<TaskState<M>>>);

/// A server made of tasks, as the world sees it.
pub struct TaskServer<T: Tasks>(NodeHandle<T::Message>);

/// What lies between tasks and world.
struct TaskState<M> {
    node: Node,
    nodes: u64,
    now: LocalTime,
    inputs: VecDeque<TaskInput<M>>,
    /// Who waits for mail.
    input_waker: Option<Waker>,
    /// Who sleeps until when, by the number of the sleep.
    sleepers: Vec<(LocalTime, u64, Waker)>,
    sleep_count: u64,
    /// What has been done and not been handed over.
    commands: Vec<TaskCommand<M>>,
    sync_count: u64,
    /// Syncs that have ended, well or not, and were not noticed, and who waits for the others.
    finished_syncs: Vec<(u64, bool)>,
    sync_waiters: Vec<(u64, Waker)>,
    panicked: Option<String>,
}

/// A disk has not saved what it was asked to: nothing is durable by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncFailed;

/// What a task does to the world.
enum TaskCommand<M> {
    Send(Node, M),
    Append(FileName, Vec<u8>),
    Truncate(FileName, u64),
    Attach(Fact),
    Sync(u64),
    Reply(u64, Reply),
    RespondToOperator(u64, OperatorResponse),
    RecordFact(Fact),
}

impl<M: Send + 'static> NodeHandle<M> {
    /// This node's number.
    #[must_use]
    pub fn node(&self) -> Node {
        self.state().node
    }

    /// How many servers there are.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.state().nodes
    }

    /// This node's monotonic clock.
    #[must_use]
    pub fn now(&self) -> LocalTime {
        self.state().now
    }

    /// Lets a message go.
    pub fn send(&self, to: Node, message: M) {
        self.push_command(TaskCommand::Send(to, message));
    }

    /// One write at the end of a file.
    pub fn append(&self, file: FileName, bytes: Vec<u8>) {
        self.push_command(TaskCommand::Append(file, bytes));
    }

    /// Cuts a file.
    pub fn truncate(&self, file: FileName, length: u64) {
        self.push_command(TaskCommand::Truncate(file, length));
    }

    /// Attaches a truth to all that is written by now.
    pub fn attach(&self, truth: Fact) {
        self.push_command(TaskCommand::Attach(truth));
    }

    /// Answers a client.
    pub fn reply(&self, client: u64, reply: Reply) {
        self.push_command(TaskCommand::Reply(client, reply));
    }

    /// Answers an operator.
    pub fn respond_to_operator(&self, request: u64, answer: OperatorResponse) {
        self.push_command(TaskCommand::RespondToOperator(request, answer));
    }

    /// States a fact about this node.
    pub fn record_fact(&self, fact: Fact) {
        self.push_command(TaskCommand::RecordFact(fact));
    }

    /// Waits for what arrives next. One task reads the mail.
    pub async fn receive(&self) -> TaskInput<M> {
        poll_fn(|context| {
            let mut desk = self.state();
            match desk.inputs.pop_front() {
                Some(mail) => Poll::Ready(mail),
                None => {
                    desk.input_waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until the node's own clock shows this time.
    pub async fn sleep_until(&self, due: LocalTime) {
        let mut mine = None;
        poll_fn(|context| {
            let mut desk = self.state();
            if desk.now >= due {
                return Poll::Ready(());
            }
            let number = *mine.get_or_insert_with(|| {
                desk.sleep_count += 1;
                desk.sleep_count
            });
            // Whoever is polled for another reason is already on the list.
            desk.sleepers.retain(|(_, other, _)| *other != number);
            desk.sleepers.push((due, number, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Waits until all that is written by now is durable, or the disk says that it does not save it.
    pub async fn sync(&self) -> Result<(), SyncFailed> {
        let token = {
            let mut desk = self.state();
            desk.sync_count += 1;
            let token = desk.sync_count;
            desk.commands.push(TaskCommand::Sync(token));
            token
        };
        poll_fn(|context| {
            let mut desk = self.state();
            if let Some(place) = desk.finished_syncs.iter().position(|(other, _)| *other == token) {
                let (_, well) = desk.finished_syncs.swap_remove(place);
                return Poll::Ready(if well { Ok(()) } else { Err(SyncFailed) });
            }
            desk.sync_waiters.retain(|(other, _)| *other != token);
            desk.sync_waiters.push((token, context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// One more task of this incarnation. If it panics, that is the run's verdict.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let seat = self.clone();
        let mut task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
        // The handle is let go: the task goes on without, until its node is killed.
        drop(spawn_local(poll_fn(move |context| match catch_panic(|| task.as_mut().poll(context)) {
            Ok(poll) => poll,
            Err(sentence) => {
                seat.state().panicked.get_or_insert(sentence);
                Poll::Ready(())
            }
        })));
    }

    fn push_command(&self, deed: TaskCommand<M>) {
        self.state().commands.push(deed);
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
    /// Hands over to the world what the tasks have done.
    fn flush_commands(&self, host: &mut Host<'_, T::Message>) {
        let mut desk = self.0.state();
        if let Some(sentence) = desk.panicked.take() {
            drop(desk);
            resume_unwind(Box::new(sentence));
        }
        for deed in desk.commands.drain(..) {
            match deed {
                TaskCommand::Send(to, message) => host.send(to, message),
                TaskCommand::Append(file, bytes) => _ = host.disk().append(file, |end| end.extend(bytes)),
                TaskCommand::Truncate(file, length) => host.disk().truncate(file, length),
                TaskCommand::Attach(truth) => host.disk().attach(truth),
                TaskCommand::Sync(token) => host.sync(token),
                TaskCommand::Reply(client, reply) => host.reply(client, reply),
                TaskCommand::RespondToOperator(request, answer) => host.respond_to_operator(request, &answer),
                TaskCommand::RecordFact(fact) => host.record_fact(fact),
            }
        }
    }
}

impl<T: Tasks> Server for TaskServer<T> {
    type Message = T::Message;

    fn boot(host: &mut Host<'_, T::Message>) -> TaskServer<T> {
        let desk = TaskState {
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
        let seat = NodeHandle(Arc::new(Mutex::new(desk)));
        T::start(seat.clone(), host.disk());
        TaskServer(seat)
    }

    fn step(&mut self, host: &mut Host<'_, T::Message>, arrival: Arrival<T::Message>) {
        let mut desk = self.0.state();
        desk.now = host.now();
        match arrival {
            Arrival::Timer => {
                let now = desk.now;
                for (_, _, sleeper) in desk.sleepers.extract_if(.., |(due, ..)| *due <= now) {
                    sleeper.wake();
                }
            }
            Arrival::Message { from, message } => desk.inputs.push_back(TaskInput::Message { from, message }),
            Arrival::Request { client, request } => {
                desk.inputs.push_back(TaskInput::Request { client, request })
            }
            Arrival::Operator { request, command: deed } => {
                desk.inputs.push_back(TaskInput::Operator { request, command: deed })
            }
            Arrival::Synced(token) | Arrival::SyncFailed(token) => {
                desk.finished_syncs.push((token, matches!(arrival, Arrival::Synced(_))));
                for (_, waker) in desk.sync_waiters.extract_if(.., |(other, _)| *other == token) {
                    waker.wake();
                }
            }
        }
        if !desk.inputs.is_empty()
            && let Some(reader) = desk.input_waker.take()
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
