//! The open-loop load of the healed phase: writes of the probing client that arrive at a steady rate, whether or not
//! earlier ones are answered.
//!
//! A call that is rejected, or that gets no response, is made again under the same id, as by any client. Where servers do
//! not recognise copies (no sessions), a write is made once, and again only if it certainly had no effect.

use super::{Action, ClientContext, ClientPool, Node, Operation, Timer};
use crate::plan;

/// How far the load is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct LoadProgress {
    /// Calls that have arrived.
    pub arrived: u64,
    /// Calls that were answered with a result.
    pub completed: u64,
    /// Calls of which no more is expected, because a server answered that it does not know their outcome.
    pub unknown: u64,
    /// Calls of which no more is expected, because no response came in time.
    pub unanswered: u64,
}

impl LoadProgress {
    /// Whether so many calls have ended, one way or the other.
    #[must_use]
    pub const fn has_ended(&self, calls: u64) -> bool {
        self.completed + self.unknown + self.unanswered >= calls
    }
}

/// The state of the load.
pub(super) struct LoadState {
    /// The register that all calls write.
    key: u64,
    load: plan::Load,
    /// How long a call waits for a response before it is made again.
    pub(super) timeout: u64,
    /// Calls that have arrived and wait for a session.
    waiting: u64,
    pub(super) progress: LoadProgress,
}

impl LoadState {
    pub(super) const fn is_arriving(&self) -> bool {
        self.progress.arrived < self.load.calls
    }
}

impl ClientPool {
    /// Starts the load, at the server that leads. `timeout`: how long a call waits for a response.
    pub fn start_load(
        &mut self,
        world: &mut impl ClientContext,
        load: plan::Load,
        leader: Option<Node>,
        timeout: u64,
    ) {
        let number = self.settings.count + 1;
        let key = self.shared.fresh_key;
        self.shared.fresh_key += 1;
        self.probe = None;
        self.load = Some(LoadState { key, load, timeout, waiting: 0, progress: LoadProgress::default() });
        let client = &mut self.clients[number as usize - 1];
        client.believed_leader = leader.or(client.believed_leader);
        if self.settings.session.0 > 0 {
            // An old session might expire under all calls at once.
            client.session = 0;
        }
        self.on_load_arrival(world);
    }

    /// How far the load is; nothing before it starts.
    #[must_use]
    pub fn load_progress(&self) -> LoadProgress {
        self.load.as_ref().map(|load| load.progress).unwrap_or_default()
    }

    /// The next call of the load arrives.
    pub(super) fn on_load_arrival(&mut self, world: &mut impl ClientContext) {
        let Some(state) = &mut self.load else { return };
        state.progress.arrived += 1;
        state.waiting += 1;
        if state.is_arriving() {
            world.set_timer(self.settings.count + 1, world.now() + state.load.interval.0, Timer::LoadArrival);
        }
        self.call_load(world);
    }

    /// Makes the calls that have arrived, once there is a session for them.
    pub(super) fn call_load(&mut self, world: &mut impl ClientContext) {
        let number = self.settings.count + 1;
        while self.load.as_ref().is_some_and(|state| state.waiting > 0) {
            let client = &mut self.clients[number as usize - 1];
            let is_registering = client.is_registering();
            let slot = client.free_slot(u64::MAX).expect("the load may have any number of calls in flight");
            if self.needs_session(number) {
                if !is_registering {
                    self.register_session(world, number, slot);
                }
                return;
            }
            let Some(state) = &mut self.load else { return };
            state.waiting -= 1;
            let key = state.key;
            let operation = Operation { key, action: Action::Put(self.shared.next_value()) };
            self.call(world, number, slot, operation);
        }
    }

    /// A call of this client has ended: if it belongs to the load, it counts as such.
    pub(super) fn count_load_call(&mut self, number: u64, ended: fn(&mut LoadProgress) -> &mut u64) {
        if let (true, Some(state)) = (number > self.settings.count, &mut self.load) {
            *ended(&mut state.progress) += 1;
        }
    }

    /// A call of the load whose session has expired is made again in another one.
    pub(super) fn repeat_load_call(&mut self) {
        if let Some(state) = &mut self.load {
            state.waiting += 1;
        }
    }
}
