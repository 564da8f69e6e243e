//! The pump: runs a cluster on madsim. No other module knows madsim.
//!
//! A cluster is the one simulator of a madsim runtime. Each server runs on a madsim node: the node's `init`
//! boots it from its disk and hands it to the cluster, [`Handle::kill`] ends it, [`Handle::restart`] starts
//! it again. The future in `block_on` is the pump: it moves madsim's clock to the next event and handles it.
//!
//! In **fast** mode the pump sets the clock, and no task runs between two events. In **strict** mode it
//! sleeps until the next event, so that madsim's executor runs the tasks on the nodes. The results are the
//! same: the world's `now` is the time of the event, never the reading of a clock.

pub mod tasks;

use super::cluster::{Cluster, Control};
use super::panics::catch_panic;
use crate::server::Server;
use invariants::Node;
use madsim::plugin::{Simulator, simulator};
use madsim::rand::GlobalRng;
use madsim::runtime::{Handle, Runtime};
use madsim::task::{NodeId, spawn_local, yield_now};
use madsim::time::TimeHandle;
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// How the pump waits for the next event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Sets the clock.
    Fast,
    /// Sleeps, so that madsim's executor runs.
    Strict,
}

/// The least time for tasks between two events, in nanoseconds: madsim counts about 75 for each turn of a
/// task.
const MIN_TASK_TIME: u64 = 1_500;

/// A cluster that is being run.
pub(super) struct PumpRun<S: Server> {
    runtime: Runtime,
    pump: Pump<S>,
}

impl<S: Server> PumpRun<S> {
    /// Creates a runtime for the cluster and boots all servers.
    pub(super) fn new(cluster: Cluster<S>, mode: Mode) -> PumpRun<S> {
        let (seed, nodes) = (cluster.world.plan().seed, cluster.world.plan().nodes);
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        // Before any node: a simulator learns only of nodes created after it.
        runtime.add_simulator::<SimulatorHook<S>>();
        let pump = runtime.block_on(async {
            let hook = simulator::<SimulatorHook<S>>();
            hook.lock().cluster = Some(cluster);
            let pump = Pump { hook, mode, handle: Handle::current(), time: TimeHandle::current() };
            pump.boot_all(nodes).await;
            pump
        });
        PumpRun { runtime, pump }
    }

    /// Handles events until this many were handled, or the run ends. Returns whether the run continues.
    pub(super) fn run_until(&mut self, events: u64) -> bool {
        self.runtime.block_on(self.pump.run_until(events))
    }

    /// Passes the cluster to a function.
    pub(super) fn inspect<T>(&self, read: impl FnOnce(&Cluster<S>) -> T) -> T {
        read(
            self.pump
                .hook
                .lock()
                .cluster
                .as_ref()
                .expect("the hook must hold the cluster until the run is shut down"),
        )
    }

    /// Shuts everything down and returns the cluster.
    pub(super) fn finish(self) -> Cluster<S> {
        self.runtime.block_on(self.pump.shut_down())
    }
}

/// Holds the cluster while it is pumped, where madsim's callbacks can reach it.
///
/// There is only one simulator, because madsim calls several in the order of a hash map.
struct SimulatorHook<S: Server>(Mutex<SimState<S>>);

struct SimState<S: Server> {
    cluster: Option<Cluster<S>>,
    /// The madsim node of each server.
    node_ids: Vec<NodeId>,
}

impl<S: Server> SimulatorHook<S> {
    /// Ignores poison: panics are caught while this is locked.
    fn lock(&self) -> MutexGuard<'_, SimState<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if it is locked: on the only thread, by a caller of this.
    fn try_lock(&self) -> Option<MutexGuard<'_, SimState<S>>> {
        match self.0.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Passes the cluster to a function that may run servers.
    fn with_cluster<T>(&self, act: impl FnOnce(&mut Cluster<S>) -> T) -> Option<T> {
        self.lock().cluster.as_mut()?.guard(act)
    }
}

impl<S: Server> Simulator for SimulatorHook<S> {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &madsim::Config) -> SimulatorHook<S> {
        SimulatorHook(Mutex::new(SimState { cluster: None, node_ids: Vec::new() }))
    }

    /// madsim has killed a node. Must not call madsim's table of nodes, which is locked. Drops the server
    /// after releasing our own lock, since a server's `drop` may do anything.
    fn reset_node(&self, id: NodeId) {
        let index = self.lock().node_ids.iter().position(|other| *other == id);
        let Some(node) = index.map(|index| index as Node + 1) else { return };
        let server = self.with_cluster(|cluster| cluster.end_incarnation(node));
        if let Err(panic) = catch_panic(|| drop(server))
            && let Some(cluster) = &mut self.lock().cluster
        {
            cluster.record_panic(node, panic);
        }
    }
}

/// Runs a cluster.
struct Pump<S: Server> {
    hook: Arc<SimulatorHook<S>>,
    mode: Mode,
    handle: Handle,
    time: TimeHandle,
}

impl<S: Server> Pump<S> {
    async fn boot_all(&self, nodes: u64) {
        // One after the other, so that the executor does not choose the order of boots.
        for node in 1..=nodes {
            self.create_node(node);
            self.wait_until_booted(node).await;
        }
        self.hook.with_cluster(Cluster::start);
    }

    async fn run_until(&self, events: u64) -> bool {
        loop {
            if self.hook.with_cluster(|cluster| cluster.events() >= events).unwrap_or(true) {
                return true;
            }
            let control = match self.mode {
                Mode::Fast => self.advance_fast(events),
                Mode::Strict => self.advance_strict().await,
            };
            match control {
                Control::Continue => {}
                Control::Kill { node, power_loss } => {
                    self.hook.with_cluster(|cluster| cluster.prepare_kill(node, power_loss));
                    let id = self.node_id(node);
                    self.handle.kill(id);
                }
                Control::Restart(node) => {
                    let id = self.node_id(node);
                    self.handle.restart(id);
                    self.wait_until_booted(node).await;
                }
                // The world holds back events of stepped servers; tasks must be paused by their executor.
                Control::Pause(node) if self.mode == Mode::Strict => self.handle.pause(self.node_id(node)),
                Control::Resume(node) if self.mode == Mode::Strict => self.handle.resume(self.node_id(node)),
                Control::Pause(_) | Control::Resume(_) => {}
                Control::Stop => return false,
            }
        }
    }

    /// Handles events, under one lock, until something needs the executor.
    fn advance_fast(&self, events: u64) -> Control {
        let mut clock = self.time.elapsed().as_nanos() as u64;
        let advance_all = |cluster: &mut Cluster<S>| loop {
            let Some(at) = cluster.next_event_time() else { return Control::Stop };
            // Polling a task takes a few nanoseconds of madsim's time, so its clock may be ahead.
            if at > clock {
                self.time.advance(Duration::from_nanos(at - clock));
                clock = at;
            }
            let control = cluster.advance();
            if control != Control::Continue || cluster.events() >= events {
                return control;
            }
        };
        self.hook.with_cluster(advance_all).unwrap_or(Control::Stop)
    }

    /// Sleeps until the next event, and handles it.
    async fn advance_strict(&self) -> Control {
        if S::ENGINE.is_some() {
            self.run_tasks().await;
        }
        let Some(at) = self.hook.with_cluster(|cluster| cluster.next_event_time()).flatten() else {
            return Control::Stop;
        };
        self.sleep_until(at).await;
        self.hook.with_cluster(Cluster::advance).unwrap_or(Control::Stop)
    }

    /// Lets tasks run until none is ready, so that they need no simulated time, and tells the world until when they
    /// sleep.
    async fn run_tasks(&self) {
        loop {
            let polls = tasks::poll_count();
            self.sleep_until(0).await;
            if tasks::poll_count() == polls {
                break;
            }
        }
        self.hook.with_cluster(Cluster::rearm_timers);
    }

    /// Sleeps until `at`, to the nanosecond: a plain sleep of madsim takes at least a millisecond, one that
    /// is reset does not. Sleeps at least [`MIN_TASK_TIME`], so that tasks run between any two events.
    async fn sleep_until(&self, at: u64) {
        let ahead = at.saturating_sub(self.time.elapsed().as_nanos() as u64).max(MIN_TASK_TIME);
        let deadline = self.time.now_instant() + Duration::from_nanos(ahead);
        let mut sleep = pin!(self.time.sleep(Duration::ZERO));
        sleep.as_mut().reset(deadline);
        sleep.await;
    }

    /// Creates the madsim node of a server. It boots the server now and at each restart.
    fn create_node(&self, node: Node) {
        let hook = self.hook.clone();
        let boot = move || {
            let hook = hook.clone();
            async move {
                hook.with_cluster(|cluster| cluster.boot(node));
                // This never completes: the node ends when it is killed.
                pending::<()>().await;
            }
        };
        let id = self.handle.create_node().init(boot).build().id();
        self.hook.lock().node_ids.push(id);
    }

    /// Waits until a server runs on this node. One turn is not enough: the executor picks tasks at random.
    async fn wait_until_booted(&self, node: Node) {
        let is_booting = |cluster: &mut Cluster<S>| !cluster.is_up(node) && !cluster.has_failed();
        while self.hook.with_cluster(is_booting).unwrap_or(false) {
            yield_now().await;
        }
    }

    /// Ends all nodes. A runtime that is dropped while tasks sleep never frees them, and a killed task is
    /// dropped only at its next turn: so kills all nodes and lets some time pass.
    async fn shut_down(self) -> Cluster<S> {
        let ids = self.hook.lock().node_ids.clone();
        for id in ids {
            self.handle.kill(id);
        }
        self.time.sleep(Duration::from_millis(1)).await;
        let mut state = self.hook.lock();
        state.cluster.take().expect("the hook must hold the cluster until the run is shut down")
    }

    fn node_id(&self, node: Node) -> NodeId {
        self.hook.lock().node_ids[node as usize - 1]
    }
}
