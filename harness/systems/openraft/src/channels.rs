//! Channels and the mutex of openraft's runtime, for tasks that run on one thread.
//!
//! Those who wait are woken in the order in which they began to wait. The channels of tokio choose at random.

use openraft_rt::{
    MpscReceiver, MpscSender, MpscWeakSender, OneshotSender, OptionalSend, OptionalSync, RecvError,
    SendError, TryRecvError, WatchReceiver, WatchSender, watch,
};
use std::cell::{Ref, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// Tasks that wait, in order.
#[derive(Default)]
struct Waiters(VecDeque<Waker>);

impl Waiters {
    fn add(&mut self, context: &Context<'_>) {
        if !self.0.iter().any(|waker| waker.will_wake(context.waker())) {
            self.0.push_back(context.waker().clone());
        }
    }

    fn wake_all(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

/// Channels for one value.
pub enum Oneshot {}

struct OneshotState<T> {
    value: Option<T>,
    sender_gone: bool,
    receiver_gone: bool,
    receiver: Waiters,
}

/// Sends the value.
pub struct OneSender<T>(Rc<RefCell<OneshotState<T>>>);
/// Waits for the value.
pub struct OneReceiver<T>(Rc<RefCell<OneshotState<T>>>);

/// The sender was dropped without a value.
#[derive(Clone, Copy, Debug)]
pub struct NoSender;

impl Display for NoSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is gone")
    }
}

impl std::error::Error for NoSender {}

impl openraft_rt::Oneshot for Oneshot {
    type Sender<T: OptionalSend> = OneSender<T>;
    type Receiver<T: OptionalSend> = OneReceiver<T>;
    type ReceiverError = NoSender;

    fn channel<T: OptionalSend>() -> (OneSender<T>, OneReceiver<T>) {
        let state = OneshotState {
            value: None,
            sender_gone: false,
            receiver_gone: false,
            receiver: Waiters::default(),
        };
        let state = Rc::new(RefCell::new(state));
        (OneSender(state.clone()), OneReceiver(state))
    }
}

impl<T: OptionalSend> OneshotSender<T> for OneSender<T> {
    fn send(self, value: T) -> Result<(), T> {
        let mut state = self.0.borrow_mut();
        if state.receiver_gone {
            return Err(value);
        }
        state.value = Some(value);
        Ok(())
    }
}

impl<T> Drop for OneSender<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.sender_gone = true;
        state.receiver.wake_all();
    }
}

impl<T> Drop for OneReceiver<T> {
    fn drop(&mut self) {
        self.0.borrow_mut().receiver_gone = true;
    }
}

impl<T> Future for OneReceiver<T> {
    type Output = Result<T, NoSender>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, NoSender>> {
        let mut state = self.0.borrow_mut();
        match state.value.take() {
            Some(value) => Poll::Ready(Ok(value)),
            None if state.sender_gone => Poll::Ready(Err(NoSender)),
            None => {
                state.receiver.add(context);
                Poll::Pending
            }
        }
    }
}

/// Bounded channels with several senders.
pub enum Mpsc {}

struct MpscState<T> {
    queue: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receiver_gone: bool,
    receiver: Waiters,
    blocked_senders: Waiters,
}

/// Sends.
pub struct Sender<T>(Rc<RefCell<MpscState<T>>>);
/// Receives.
pub struct Receiver<T>(Rc<RefCell<MpscState<T>>>);
/// Becomes a sender while there is another.
pub struct WeakSender<T>(Weak<RefCell<MpscState<T>>>);

impl openraft_rt::Mpsc for Mpsc {
    type Sender<T: OptionalSend> = Sender<T>;
    type Receiver<T: OptionalSend> = Receiver<T>;
    type WeakSender<T: OptionalSend> = WeakSender<T>;

    fn channel<T: OptionalSend>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        let state = MpscState {
            queue: VecDeque::new(),
            capacity: capacity.max(1),
            senders: 1,
            receiver_gone: false,
            receiver: Waiters::default(),
            blocked_senders: Waiters::default(),
        };
        let state = Rc::new(RefCell::new(state));
        (Sender(state.clone()), Receiver(state))
    }
}

impl<T: OptionalSend> MpscSender<Mpsc, T> for Sender<T> {
    async fn send(&self, message: T) -> Result<(), SendError<T>> {
        let mut message = Some(message);
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if state.receiver_gone {
                return Poll::Ready(message.take().map_or(Ok(()), |message| Err(SendError(message))));
            }
            if state.queue.len() >= state.capacity {
                state.blocked_senders.add(context);
                return Poll::Pending;
            }
            state.queue.extend(message.take());
            state.receiver.wake_all();
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn downgrade(&self) -> WeakSender<T> {
        WeakSender(Rc::downgrade(&self.0))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.borrow_mut().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.senders -= 1;
        if state.senders == 0 {
            state.receiver.wake_all();
        }
    }
}

impl<T: OptionalSend> MpscReceiver<T> for Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| match self.try_recv() {
            Ok(message) => Poll::Ready(Some(message)),
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
            Err(TryRecvError::Empty) => {
                self.0.borrow_mut().receiver.add(context);
                Poll::Pending
            }
        })
        .await
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let mut state = self.0.borrow_mut();
        match state.queue.pop_front() {
            Some(message) => {
                // A sender that gave up waiting is woken in vain: so wake all.
                state.blocked_senders.wake_all();
                Ok(message)
            }
            None if state.senders == 0 => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (queue, mut blocked) = {
            let mut state = self.0.borrow_mut();
            state.receiver_gone = true;
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.blocked_senders))
        };
        blocked.wake_all();
        // A message may hold a sender of this channel.
        drop(queue);
    }
}

impl<T: OptionalSend> MpscWeakSender<Mpsc, T> for WeakSender<T> {
    fn upgrade(&self) -> Option<Sender<T>> {
        let state = self.0.upgrade()?;
        {
            let mut state = state.borrow_mut();
            if state.senders == 0 {
                return None;
            }
            state.senders += 1;
        }
        Some(Sender(state))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> WeakSender<T> {
        WeakSender(self.0.clone())
    }
}

/// Channels for the newest value.
pub enum Watch {}

struct WatchState<T> {
    value: T,
    version: u64,
    senders: usize,
    receivers: usize,
    waiting: Waiters,
}

/// Sets the value.
pub struct WatchSetter<T>(Rc<RefCell<WatchState<T>>>);
/// Sees the value, and waits for the next.
pub struct Watcher<T> {
    state: Rc<RefCell<WatchState<T>>>,
    seen: u64,
}

impl openraft_rt::Watch for Watch {
    type Sender<T: OptionalSend + OptionalSync> = WatchSetter<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Watcher<T>;
    type Ref<'a, T: OptionalSend + 'a> = Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(value: T) -> (WatchSetter<T>, Watcher<T>) {
        let state = WatchState { value, version: 0, senders: 1, receivers: 1, waiting: Waiters::default() };
        let state = Rc::new(RefCell::new(state));
        (WatchSetter(state.clone()), Watcher { state, seen: 0 })
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<Watch, T> for WatchSetter<T> {
    fn send(&self, value: T) -> Result<(), watch::SendError<T>> {
        if self.0.borrow().receivers == 0 {
            return Err(watch::SendError(value));
        }
        let mut value = Some(value);
        let mut old = None;
        self.send_if_modified(|current| {
            old = value.take().map(|value| std::mem::replace(current, value));
            true
        });
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let mut state = self.0.borrow_mut();
        let modified = modify(&mut state.value);
        if modified {
            state.version += 1;
            state.waiting.wake_all();
        }
        modified
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        Ref::map(self.0.borrow(), |state| &state.value)
    }

    fn subscribe(&self) -> Watcher<T> {
        let mut state = self.0.borrow_mut();
        state.receivers += 1;
        Watcher { state: self.0.clone(), seen: state.version }
    }
}

impl<T> Clone for WatchSetter<T> {
    fn clone(&self) -> WatchSetter<T> {
        self.0.borrow_mut().senders += 1;
        WatchSetter(self.0.clone())
    }
}

impl<T> Drop for WatchSetter<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.senders -= 1;
        if state.senders == 0 {
            state.waiting.wake_all();
        }
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<Watch, T> for Watcher<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        poll_fn(|context| {
            let mut state = self.state.borrow_mut();
            if state.version != self.seen {
                self.seen = state.version;
                return Poll::Ready(Ok(()));
            }
            if state.senders == 0 {
                return Poll::Ready(Err(RecvError(())));
            }
            state.waiting.add(context);
            Poll::Pending
        })
        .await
    }

    fn borrow_watched(&self) -> Ref<'_, T> {
        Ref::map(self.state.borrow(), |state| &state.value)
    }

    fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let state = self.state.borrow();
        self.seen = state.version;
        Ref::map(state, |state| &state.value)
    }
}

impl<T> Clone for Watcher<T> {
    fn clone(&self) -> Watcher<T> {
        self.state.borrow_mut().receivers += 1;
        Watcher { state: self.state.clone(), seen: self.seen }
    }
}

impl<T> Drop for Watcher<T> {
    fn drop(&mut self) {
        self.state.borrow_mut().receivers -= 1;
    }
}

/// A mutex whose lock may be held while a task waits.
pub struct LocalMutex<T> {
    value: RefCell<T>,
    waiting: RefCell<Waiters>,
}

/// The lock.
pub struct Guard<'a, T> {
    /// `None` while it is released.
    value: Option<RefMut<'a, T>>,
    waiting: &'a RefCell<Waiters>,
}

impl<T: OptionalSend + 'static> openraft_rt::Mutex<T> for LocalMutex<T> {
    type Guard<'a> = Guard<'a, T>;

    fn new(value: T) -> LocalMutex<T> {
        LocalMutex { value: RefCell::new(value), waiting: RefCell::default() }
    }

    async fn lock(&self) -> Guard<'_, T> {
        poll_fn(|context| match self.value.try_borrow_mut() {
            Ok(value) => Poll::Ready(Guard { value: Some(value), waiting: &self.waiting }),
            Err(_) => {
                self.waiting.borrow_mut().add(context);
                Poll::Pending
            }
        })
        .await
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("the lock is held until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("the lock is held until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        // One that gave up waiting is woken in vain: so wake all.
        self.waiting.borrow_mut().wake_all();
    }
}
