//! openraft's runtime over the tasks of a simulated node.
//!
//! openraft calls its runtime by functions without a receiver; they find the node by [`NodeHandle::current`]. Time is the
//! node's monotonic clock, chance its generator. Channels are in [`channels`](crate::channels).

use crate::channels::{LocalMutex, Mpsc, Oneshot, Watch};
use crate::message::Message;
use harness::engine::pump::tasks::{self, NodeHandle};
use openraft_rt::{AsyncRuntime, Instant as InstantTrait, OptionalSend};
use rand::RngCore;
use rand_core_10::TryRng;
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::{self, Future};
use std::io;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The handle of the node whose task is being polled.
fn current() -> NodeHandle<Message> {
    NodeHandle::current()
}

/// The runtime. It has no value: all state is the node's.
#[derive(Debug)]
pub enum Runtime {}

/// A reading of the node's monotonic clock, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(u64);

/// The waiting for a reading of the clock.
pub struct Sleep(Pin<Box<dyn Future<Output = ()>>>);

/// A future that is given up at a reading of the clock.
pub struct Timeout<R, F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
    result: PhantomData<fn() -> R>,
}

/// The time was over.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed;

/// The task has no result.
#[derive(Clone, Copy, Debug)]
pub struct JoinError;

/// The result of a task.
pub struct JoinHandle<T>(tasks::JoinHandle<T>);

/// The node's random generator.
#[derive(Clone, Copy, Debug)]
pub struct NodeRng;

impl AsyncRuntime for Runtime {
    type JoinError = JoinError;
    type JoinHandle<T: OptionalSend + 'static> = JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = Instant;
    type TimeoutError = Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timeout<R, T>;
    type ThreadLocalRng = NodeRng;
    type Mpsc = Mpsc;
    type Watch = Watch;
    type Oneshot = Oneshot;
    type Mutex<T: OptionalSend + 'static> = LocalMutex<T>;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        JoinHandle(current().spawn(future))
    }

    fn sleep(duration: Duration) -> Sleep {
        Runtime::sleep_until(Instant::now() + duration)
    }

    fn sleep_until(deadline: Instant) -> Sleep {
        let node = current();
        Sleep(Box::pin(async move { node.sleep_until(deadline.0).await }))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timeout<R, F> {
        Runtime::timeout_at(Instant::now() + duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Instant, future: F) -> Timeout<R, F> {
        Timeout { future: Box::pin(future), sleep: Runtime::sleep_until(deadline), result: PhantomData }
    }

    fn is_panic(_: &JoinError) -> bool {
        true
    }

    fn thread_rng() -> NodeRng {
        NodeRng
    }

    fn new(_: usize) -> Runtime {
        panic!("the runtime is that of the harness")
    }

    fn block_on<F, T>(&mut self, _: F) -> T
    where
        F: Future<Output = T>,
    {
        match *self {}
    }

    /// Inline: a thread would run outside simulated time.
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        future::ready(Ok(f()))
    }
}

impl InstantTrait for Instant {
    fn now() -> Instant {
        Instant(current().now())
    }
}

/// Whole nanoseconds; longer than 584 years is for ever.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(nanos(duration)))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl<R, F: Future<Output = R>> Future for Timeout<R, F> {
    type Output = Result<R, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R, Elapsed>> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending => Pin::new(&mut self.sleep).poll(context).map(|()| Err(Elapsed)),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        Pin::new(&mut self.0).poll(context).map(|result| result.map_err(|_| JoinError))
    }
}

impl Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over")
    }
}

impl Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task has panicked")
    }
}

impl TryRng for NodeRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.draw() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for part in to.chunks_mut(8) {
            part.copy_from_slice(&self.draw().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

impl NodeRng {
    /// A destructor of an ended incarnation draws 0.
    fn draw(self) -> u64 {
        current().host(|host| host.rng().next_u64()).unwrap_or_default()
    }
}
