//! How far a run is, for a thread that watches it.

use crate::plan::SimDuration;
use invariants::Node;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a run is. The thread of the run writes it at each event, and others read it. It decides nothing in the run.
#[derive(Default, Debug)]
pub struct RunProgress {
    event: AtomicU64,
    at: AtomicU64,
    node: AtomicU64,
    searching: AtomicBool,
}

/// Where a run is. Read while the run goes on, it may mix two events.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RunPosition {
    /// The number of the event.
    pub event: u64,
    /// Simulated time.
    pub at: SimDuration,
    /// The server whose code runs, if the harness called it; not for a server made of tasks.
    pub node: Option<Node>,
    /// Whether the run has ended and its history is searched: then there are no more events.
    pub searching: bool,
}

impl RunProgress {
    /// An event, or the code of a server (0: none) in it, begins.
    #[inline]
    pub(crate) fn begin(&self, event: u64, at: u64, node: Node) {
        self.event.store(event, Ordering::Relaxed);
        self.at.store(at, Ordering::Relaxed);
        self.node.store(node, Ordering::Relaxed);
    }

    /// The search of a history begins or ends.
    pub(crate) fn set_searching(&self, searching: bool) {
        self.searching.store(searching, Ordering::Relaxed);
    }

    /// Where the run is.
    #[must_use]
    pub fn position(&self) -> RunPosition {
        let node = self.node.load(Ordering::Relaxed);
        RunPosition {
            event: self.event.load(Ordering::Relaxed),
            at: SimDuration(self.at.load(Ordering::Relaxed)),
            node: (node > 0).then_some(node),
            searching: self.searching.load(Ordering::Relaxed),
        }
    }
}
