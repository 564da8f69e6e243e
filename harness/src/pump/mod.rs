//! The pump: the one place that knows madsim.
//!
//! A cluster lives in a madsim runtime as its one simulator. Each server is born on a madsim node: the node's `init`
//! boots it from its disk and hands it to the cluster, [`Handle::kill`] takes it out, [`Handle::restart`] begins anew.
//! The future given to `block_on` pumps: it moves madsim's clock to the next event and lets it happen.
//!
//! In the **fast** mode the clock is moved by hand, and no task runs between two events. In the **strict** mode the pump
//! sleeps until the next event, so that madsim's executor runs whatever else lives on the nodes. The world cannot tell
//! the difference: its `now` is the event's own time, never what a clock says.

mod panics;
pub mod tasks;

use crate::cluster::{Cluster, Control};
use crate::server::Server;
use invariants::Node;
use madsim::plugin::{Simulator, simulator};
use madsim::rand::GlobalRng;
use madsim::runtime::{Handle, Runtime};
use madsim::task::{NodeId, spawn_local, yield_now};
use madsim::time::TimeHandle;
use panics::catch_panic;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How the pump waits for the next event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Moves the clock.
    Fast,
    /// Sleeps, and lets madsim's executor run.
    Strict,
}

/// What tasks get between two events at the same time, in nanoseconds: madsim lets each turn take some 75 of them.
const MIN_TASK_TIME: u64 = 1_500;

/// Runs a cluster to its end in a runtime of its own, and hands it back.
pub fn pump<S: Server>(cluster: Cluster<S>, mode: Mode) -> Cluster<S> {
    let mut running = StepwiseRun::new(cluster, mode);
    running.run_until(u64::MAX);
    running.finish()
}

/// A run that can be stopped on its way, to look at a real clock: inside madsim there is none.
pub struct StepwiseRun<S: Server> {
    runtime: Runtime,
    pump: Pump<S>,
}

impl<S: Server> StepwiseRun<S> {
    /// A runtime with the cluster in it, all of its servers booted.
    #[must_use]
    pub fn new(cluster: Cluster<S>, mode: Mode) -> StepwiseRun<S> {
        let (seed, nodes) = (cluster.world.plan().seed, cluster.world.plan().nodes);
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        // Before any node is created: madsim tells a simulator only of what comes after it.
        runtime.add_simulator::<SimulatorHook<S>>();
        let pump = runtime.block_on(async {
            let stage = simulator::<SimulatorHook<S>>();
            stage.lock().cluster = Some(cluster);
            let pump = Pump { hook: stage, mode, handle: Handle::current(), time: TimeHandle::current() };
            pump.boot_all(nodes).await;
            pump
        });
        StepwiseRun { runtime, pump }
    }

    /// Lets things happen until there have been so many events, or until the end. Returns whether it goes on.
    pub fn run_until(&mut self, events: u64) -> bool {
        self.runtime.block_on(self.pump.run_until(events))
    }

    /// Looks at the cluster.
    pub fn inspect<T>(&self, at: impl FnOnce(&Cluster<S>) -> T) -> T {
        at(self.pump.hook.lock().cluster.as_ref().expect("the cluster is on its stage until the end"))
    }

    /// Takes everything down, and hands the cluster back.
    #[must_use]
    pub fn finish(self) -> Cluster<S> {
        self.runtime.block_on(self.pump.shut_down())
    }
}

/// Where a cluster lives while it is pumped: what madsim's callbacks can reach.
///
/// One simulator for everything: the order in which madsim visits several is that of a hash map.
struct SimulatorHook<S: Server>(Mutex<SimState<S>>);

struct SimState<S: Server> {
    cluster: Option<Cluster<S>>,
    /// The madsim node of each server.
    node_ids: Vec<NodeId>,
}

impl<S: Server> SimulatorHook<S> {
    /// A panic is caught while this is locked, so that poison says nothing new.
    fn lock(&self) -> MutexGuard<'_, SimState<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the cluster. A panic of a server is the cluster's verdict; any other is our own, and goes on.
    fn with_cluster<T>(&self, act: impl FnOnce(&mut Cluster<S>) -> T) -> Option<T> {
        let mut setting = self.lock();
        let cluster = setting.cluster.as_mut()?;
        match catch_panic(|| act(cluster)) {
            Ok(done) => Some(done),
            Err(said) => {
                let Some(node) = cluster.running_node() else { resume_unwind(Box::new(said)) };
                cluster.record_panic(node, &said);
                None
            }
        }
    }
}

impl<S: Server> Simulator for SimulatorHook<S> {
    fn new(_: &GlobalRng, _: &TimeHandle, _: &madsim::Config) -> SimulatorHook<S> {
        SimulatorHook(Mutex::new(SimState { cluster: None, node_ids: Vec::new() }))
    }

    /// A node was killed. madsim's table of nodes is locked meanwhile, so nothing here may ask for it; the server itself
    /// is dropped when our own lock is free again, for it may do anything when it is dropped.
    fn reset_node(&self, id: NodeId) {
        let place = self.lock().node_ids.iter().position(|other| *other == id);
        let Some(node) = place.map(|place| place as Node + 1) else { return };
        let server = self.with_cluster(|cluster| cluster.end_incarnation(node));
        if let Err(said) = catch_panic(|| drop(server))
            && let Some(cluster) = &mut self.lock().cluster
        {
            cluster.record_panic(node, &said);
        }
    }
}

/// What pumps.
struct Pump<S: Server> {
    hook: Arc<SimulatorHook<S>>,
    mode: Mode,
    handle: Handle,
    time: TimeHandle,
}

impl<S: Server> Pump<S> {
    async fn boot_all(&self, nodes: u64) {
        // One after the other: the order of boots shall not be the executor's choice.
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
                Control::Kill { node, power_loss: power } => {
                    self.hook.with_cluster(|cluster| cluster.prepare_kill(node, power));
                    let id = self.node_id(node);
                    self.handle.kill(id);
                }
                Control::Restart(node) => {
                    let id = self.node_id(node);
                    self.handle.restart(id);
                    self.wait_until_booted(node).await;
                }
                // What is stepped by the pump is held by the world. Tasks must be held by their executor.
                Control::Pause(node) if self.mode == Mode::Strict => self.handle.pause(self.node_id(node)),
                Control::Resume(node) if self.mode == Mode::Strict => self.handle.resume(self.node_id(node)),
                Control::Pause(_) | Control::Resume(_) => {}
                Control::Stop => return false,
            }
        }
    }

    /// Pumps until something needs the executor, with everything locked once.
    fn advance_fast(&self, events: u64) -> Control {
        let mut reached = self.time.elapsed().as_nanos() as u64;
        let slice = |cluster: &mut Cluster<S>| loop {
            let Some(at) = cluster.next_event_time() else { return Control::Stop };
            // Polls of tasks take a few nanoseconds of madsim's time, so its clock may be ahead of the world's.
            if at > reached {
                self.time.advance(Duration::from_nanos(at - reached));
                reached = at;
            }
            let control = cluster.advance();
            if control != Control::Continue || cluster.events() >= events {
                return control;
            }
        };
        self.hook.with_cluster(slice).unwrap_or(Control::Stop)
    }

    /// Sleeps until the next event, and lets it happen.
    async fn advance_strict(&self) -> Control {
        let Some(at) = self.hook.with_cluster(|cluster| cluster.next_event_time()).flatten() else {
            return Control::Stop;
        };
        self.sleep_until(at).await;
        let advance = |cluster: &mut Cluster<S>| {
            cluster.collect_task_output();
            cluster.advance()
        };
        self.hook.with_cluster(advance).unwrap_or(Control::Stop)
    }

    /// Sleeps to the nanosecond: an ordinary sleep of madsim takes a millisecond at least, one that is reset does not.
    /// Never less than [`MIN_TASK_TIME`]: between any two events tasks have their turns.
    async fn sleep_until(&self, at: u64) {
        let ahead = at.saturating_sub(self.time.elapsed().as_nanos() as u64).max(MIN_TASK_TIME);
        let deadline = self.time.now_instant() + Duration::from_nanos(ahead);
        let mut sleep = pin!(self.time.sleep(Duration::ZERO));
        sleep.as_mut().reset(deadline);
        sleep.await;
    }

    /// Creates the madsim node of a server, which boots it now and at each restart.
    fn create_node(&self, node: Node) {
        let stage = self.hook.clone();
        let boots = move || {
            let stage = stage.clone();
            async move {
                stage.with_cluster(|cluster| cluster.boot(node));
                // The node ends when it is killed, not when this does.
                pending::<()>().await;
            }
        };
        let id = self.handle.create_node().init(boots).build().id();
        self.hook.lock().node_ids.push(id);
    }

    /// Waits until a server lives on this node. One turn is not enough: the executor picks tasks at random.
    async fn wait_until_booted(&self, node: Node) {
        let waiting = |cluster: &mut Cluster<S>| !cluster.is_up(node) && !cluster.has_failed();
        while self.hook.with_cluster(waiting).unwrap_or(false) {
            yield_now().await;
        }
    }

    /// Ends everything in order. A runtime that is dropped while tasks still sleep never frees them, and a killed task is
    /// only dropped at its next turn: so all nodes are killed, and some time passes.
    async fn shut_down(self) -> Cluster<S> {
        let ids = self.hook.lock().node_ids.clone();
        for id in ids {
            self.handle.kill(id);
        }
        self.time.sleep(Duration::from_millis(1)).await;
        let mut setting = self.hook.lock();
        setting.cluster.take().expect("the cluster is on its stage until the end")
    }

    fn node_id(&self, node: Node) -> NodeId {
        self.hook.lock().node_ids[node as usize - 1]
    }
}
