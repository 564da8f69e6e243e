//! How a cluster moves: events in the order of simulated time, on one of two engines.
//!
//! *In*: a plan, a [`World`](crate::world) and a [`Server`]. *Out*: what the world's observer recorded.
//! Used by [`systems`](crate::systems) only.
//!
//! The plain engine is a loop and always there. The other one is the `pump`, which runs on madsim; it needs `--cfg madsim`.
//! All have the same digest ([`Engine`]).

pub mod cluster;
pub(crate) mod panics;
mod plain;
#[cfg(engine_madsim)]
pub mod pump;

use crate::outcome::Engine;
use crate::server::Server;
use cluster::Cluster;
use plain::PlainRun;
#[cfg(engine_madsim)]
use pump::{Mode, PumpRun};

/// Runs a cluster to its end, and returns it.
///
/// # Panics
///
/// If this build lacks the engine: see [`Engine::is_available`].
pub fn run_to_end<S: Server>(cluster: Cluster<S>, engine: Engine) -> Cluster<S> {
    let mut running = StepwiseRun::new(cluster, engine);
    running.run_until(u64::MAX);
    running.finish()
}

/// A run that can be interrupted, to read a real clock: inside madsim there is none.
pub struct StepwiseRun<S: Server>(Running<S>);

enum Running<S: Server> {
    Plain(Box<PlainRun<S>>),
    #[cfg(engine_madsim)]
    Pump(Box<PumpRun<S>>),
}

impl<S: Server> StepwiseRun<S> {
    /// Boots all servers.
    ///
    /// # Panics
    ///
    /// If this build lacks the engine: see [`Engine::is_available`].
    #[must_use]
    pub fn new(cluster: Cluster<S>, engine: Engine) -> StepwiseRun<S> {
        StepwiseRun(match engine {
            Engine::Plain => Running::Plain(Box::new(PlainRun::new(cluster))),
            #[cfg(engine_madsim)]
            Engine::Fast => Running::Pump(Box::new(PumpRun::new(cluster, Mode::Fast))),
            #[cfg(engine_madsim)]
            Engine::Strict => Running::Pump(Box::new(PumpRun::new(cluster, Mode::Strict))),
            #[cfg(not(engine_madsim))]
            Engine::Fast | Engine::Strict => panic!("{}", engine.needs()),
        })
    }

    /// Handles events until this many were handled, or the run ends. Returns whether the run continues.
    pub fn run_until(&mut self, events: u64) -> bool {
        match &mut self.0 {
            Running::Plain(run) => run.run_until(events),
            #[cfg(engine_madsim)]
            Running::Pump(run) => run.run_until(events),
        }
    }

    /// Passes the cluster to a function.
    pub fn inspect<T>(&self, read: impl FnOnce(&Cluster<S>) -> T) -> T {
        match &self.0 {
            Running::Plain(run) => read(run.cluster()),
            #[cfg(engine_madsim)]
            Running::Pump(run) => run.inspect(read),
        }
    }

    /// Ends all servers and returns the cluster.
    #[must_use]
    pub fn finish(self) -> Cluster<S> {
        match self.0 {
            Running::Plain(run) => run.finish(),
            #[cfg(engine_madsim)]
            Running::Pump(run) => run.finish(),
        }
    }
}
