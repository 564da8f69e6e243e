//! Systems that are made of asynchronous tasks, in the same world as those that are stepped.
//!
//! The tasks run on their node's madsim executor, and touch the world only through their [`Seat`]: its mailbox, its
//! clock (the node's own, skewed and jumping), its disk. What they do goes to the world between two events; what they
//! wait for comes to them as an event. So the world treats them like any other server: they are crashed, paused, cut
//! off, and get their sleep from the world's queue, not from a timer of madsim, which would know true time.
//!
//! They live in the strict mode only: in the fast mode no task has a turn between two events.

use super::panics::catching;
use super::spawn_local;
use crate::server::{Arrival, Deed, Host, LocalTime, OperatorAnswer, Server};
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
    fn start(seat: Seat<Self::Message>, disk: &Disk);
    /// Whether a message only says "I lead" or answers that.
    fn is_heartbeat(message: &Self::Message) -> bool;
}

/// What arrives in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mail<M> {
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
        deed: Deed,
    },
}

/// One incarnation's place in the world. When the incarnation has ended, nothing that is done from it has an effect.
pub struct Seat<M>(Arc<Mutex<Desk<M>>>);

/// A server made of tasks, as the world sees it.
pub struct Asynchronous<T: Tasks>(Seat<T::Message>);

/// What lies between tasks and world.
struct Desk<M> {
    node: Node,
    nodes: u64,
    now: LocalTime,
    mail: VecDeque<Mail<M>>,
    /// Who waits for mail.
    reader: Option<Waker>,
    /// Who sleeps until when, by the number of the sleep.
    sleepers: Vec<(LocalTime, u64, Waker)>,
    sleeps: u64,
    /// What has been done and not been handed over.
    done: Vec<Act<M>>,
    syncs: u64,
    /// Syncs that have ended, well or not, and were not noticed, and who waits for the others.
    synced: Vec<(u64, bool)>,
    syncing: Vec<(u64, Waker)>,
    panicked: Option<String>,
}

/// A disk has not saved what it was asked to: nothing is durable by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncFailed;

/// What a task does to the world.
enum Act<M> {
    Send(Node, M),
    Append(FileName, Vec<u8>),
    Truncate(FileName, u64),
    Attach(Fact),
    Sync(u64),
    Reply(u64, Reply),
    AnswerOperator(u64, OperatorAnswer),
    Saw(Fact),
}

impl<M: Send + 'static> Seat<M> {
    /// This node's number.
    #[must_use]
    pub fn node(&self) -> Node {
        self.desk().node
    }

    /// How many servers there are.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.desk().nodes
    }

    /// This node's monotonic clock.
    #[must_use]
    pub fn now(&self) -> LocalTime {
        self.desk().now
    }

    /// Lets a message go.
    pub fn send(&self, to: Node, message: M) {
        self.does(Act::Send(to, message));
    }

    /// One write at the end of a file.
    pub fn append(&self, file: FileName, bytes: Vec<u8>) {
        self.does(Act::Append(file, bytes));
    }

    /// Cuts a file.
    pub fn truncate(&self, file: FileName, length: u64) {
        self.does(Act::Truncate(file, length));
    }

    /// Attaches a truth to all that is written by now.
    pub fn attach(&self, truth: Fact) {
        self.does(Act::Attach(truth));
    }

    /// Answers a client.
    pub fn reply(&self, client: u64, reply: Reply) {
        self.does(Act::Reply(client, reply));
    }

    /// Answers an operator.
    pub fn answer_operator(&self, request: u64, answer: OperatorAnswer) {
        self.does(Act::AnswerOperator(request, answer));
    }

    /// States a fact about this node.
    pub fn saw(&self, fact: Fact) {
        self.does(Act::Saw(fact));
    }

    /// Waits for what arrives next. One task reads the mail.
    pub async fn receive(&self) -> Mail<M> {
        poll_fn(|context| {
            let mut desk = self.desk();
            match desk.mail.pop_front() {
                Some(mail) => Poll::Ready(mail),
                None => {
                    desk.reader = Some(context.waker().clone());
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
            let mut desk = self.desk();
            if desk.now >= due {
                return Poll::Ready(());
            }
            let number = *mine.get_or_insert_with(|| {
                desk.sleeps += 1;
                desk.sleeps
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
            let mut desk = self.desk();
            desk.syncs += 1;
            let token = desk.syncs;
            desk.done.push(Act::Sync(token));
            token
        };
        poll_fn(|context| {
            let mut desk = self.desk();
            if let Some(place) = desk.synced.iter().position(|(other, _)| *other == token) {
                let (_, well) = desk.synced.swap_remove(place);
                return Poll::Ready(if well { Ok(()) } else { Err(SyncFailed) });
            }
            desk.syncing.retain(|(other, _)| *other != token);
            desk.syncing.push((token, context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// One more task of this incarnation. If it panics, that is the run's verdict.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let seat = self.clone();
        let mut task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
        // The handle is let go: the task goes on without, until its node is killed.
        drop(spawn_local(poll_fn(move |context| match catching(|| task.as_mut().poll(context)) {
            Ok(poll) => poll,
            Err(sentence) => {
                seat.desk().panicked.get_or_insert(sentence);
                Poll::Ready(())
            }
        })));
    }

    fn does(&self, deed: Act<M>) {
        self.desk().done.push(deed);
    }

    fn desk(&self) -> MutexGuard<'_, Desk<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Clone for Seat<M> {
    fn clone(&self) -> Seat<M> {
        Seat(self.0.clone())
    }
}

impl<T: Tasks> Asynchronous<T> {
    /// Hands over to the world what the tasks have done.
    fn hand_over(&self, host: &mut Host<'_, T::Message>) {
        let mut desk = self.0.desk();
        if let Some(sentence) = desk.panicked.take() {
            drop(desk);
            resume_unwind(Box::new(sentence));
        }
        for deed in desk.done.drain(..) {
            match deed {
                Act::Send(to, message) => host.send(to, message),
                Act::Append(file, bytes) => _ = host.disk().append(file, |end| end.extend(bytes)),
                Act::Truncate(file, length) => host.disk().truncate(file, length),
                Act::Attach(truth) => host.disk().attach(truth),
                Act::Sync(token) => host.sync(token),
                Act::Reply(client, reply) => host.reply(client, reply),
                Act::AnswerOperator(request, answer) => host.answer_operator(request, &answer),
                Act::Saw(fact) => host.saw(fact),
            }
        }
    }
}

impl<T: Tasks> Server for Asynchronous<T> {
    type Message = T::Message;

    fn boot(host: &mut Host<'_, T::Message>) -> Asynchronous<T> {
        let desk = Desk {
            node: host.node(),
            nodes: host.plan().nodes,
            now: host.now(),
            mail: VecDeque::new(),
            reader: None,
            sleepers: Vec::new(),
            sleeps: 0,
            done: Vec::new(),
            syncs: 0,
            synced: Vec::new(),
            syncing: Vec::new(),
            panicked: None,
        };
        let seat = Seat(Arc::new(Mutex::new(desk)));
        T::start(seat.clone(), host.disk());
        Asynchronous(seat)
    }

    fn step(&mut self, host: &mut Host<'_, T::Message>, arrival: Arrival<T::Message>) {
        let mut desk = self.0.desk();
        desk.now = host.now();
        match arrival {
            Arrival::Timer => {
                let now = desk.now;
                for (_, _, sleeper) in desk.sleepers.extract_if(.., |(due, ..)| *due <= now) {
                    sleeper.wake();
                }
            }
            Arrival::Message { from, message } => desk.mail.push_back(Mail::Message { from, message }),
            Arrival::Request { client, request } => desk.mail.push_back(Mail::Request { client, request }),
            Arrival::Operator { request, deed } => desk.mail.push_back(Mail::Operator { request, deed }),
            Arrival::Synced(token) | Arrival::SyncFailed(token) => {
                desk.synced.push((token, matches!(arrival, Arrival::Synced(_))));
                for (_, waker) in desk.syncing.extract_if(.., |(other, _)| *other == token) {
                    waker.wake();
                }
            }
        }
        if !desk.mail.is_empty()
            && let Some(reader) = desk.reader.take()
        {
            reader.wake();
        }
    }

    fn settle(&mut self, host: &mut Host<'_, T::Message>) {
        self.hand_over(host);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.0.desk().sleepers.iter().map(|(due, ..)| *due).min()
    }

    fn is_heartbeat(message: &T::Message) -> bool {
        T::is_heartbeat(message)
    }
}
