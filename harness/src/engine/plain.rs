//! The plain engine: a loop over the events of a cluster, without an executor.
//!
//! Servers are values that are stepped, so nothing else is needed to run them. Has the same digest as the modes of
//! madsim.

use super::cluster::{Cluster, Control};
use super::panics::catch_panic;
use crate::server::Server;
use invariants::Node;
use std::panic::resume_unwind;

/// A cluster that is being run.
pub(super) struct PlainRun<S: Server>(Cluster<S>);

impl<S: Server> PlainRun<S> {
    /// Boots all servers.
    pub(super) fn new(cluster: Cluster<S>) -> PlainRun<S> {
        let mut run = PlainRun(cluster);
        for node in 1..=run.0.world.plan().nodes {
            run.boot(node);
        }
        run.0.guard(Cluster::start);
        run
    }

    /// Handles events until this many were handled, or the run ends. Returns whether the run continues.
    pub(super) fn run_until(&mut self, events: u64) -> bool {
        loop {
            if self.0.events() >= events {
                return true;
            }
            let advance_all = |cluster: &mut Cluster<S>| loop {
                let control = cluster.advance();
                if control != Control::Continue || cluster.events() >= events {
                    return control;
                }
            };
            match self.0.guard(advance_all).unwrap_or(Control::Stop) {
                Control::Kill { node, power_loss } => {
                    self.0.prepare_kill(node, power_loss);
                    self.end_incarnation(node);
                }
                Control::Restart(node) => self.boot(node),
                // The world holds back the events of a paused server.
                Control::Continue | Control::Pause(_) | Control::Resume(_) => {}
                Control::Stop => return false,
            }
        }
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &Cluster<S> {
        &self.0
    }

    /// Ends all servers and returns the cluster.
    pub(super) fn finish(mut self) -> Cluster<S> {
        for node in 1..=self.0.world.plan().nodes {
            self.end_incarnation(node);
        }
        self.0
    }

    fn boot(&mut self, node: Node) {
        self.0.guard(|cluster| cluster.boot(node));
    }

    /// A server's `drop` is its own code, too.
    fn end_incarnation(&mut self, node: Node) {
        let server = self.0.guard(|cluster| cluster.end_incarnation(node));
        if let Err(panic) = catch_panic(|| drop(server)) {
            self.0.record_panic(node, panic);
        }
    }
}

impl<S: Server> Cluster<S> {
    /// Runs code that steps servers. A panic of a server is recorded as a failure; any other is resumed.
    pub(super) fn guard<T>(&mut self, act: impl FnOnce(&mut Cluster<S>) -> T) -> Option<T> {
        match catch_panic(|| act(self)) {
            Ok(result) => Some(result),
            Err(panic) => {
                let Some(node) = self.running_node() else { resume_unwind(Box::new(panic.to_string())) };
                self.record_panic(node, panic);
                None
            }
        }
    }
}
