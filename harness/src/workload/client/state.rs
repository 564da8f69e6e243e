//! One client: its session, its requests in flight, and what it believes.

use super::super::Request;
use super::super::draw::DrawExt;
use super::{ClientContext, Timer};
use crate::plan::Probability;
use crate::support::rng::{self, CounterRng, RngStream};
use invariants::{Action, Content, Node, Operation, Response};
use std::collections::{BTreeMap, BTreeSet};

/// After a rejection a client waits at most this fraction of its timeout, and at least a quarter of that.
const TIMEOUT_PER_RETRY_DELAY: u64 = 8;

/// A client.
pub(super) struct Client {
    pub(super) number: u64,
    /// Its pauses between turns.
    pub(super) think_times: CounterRng,
    /// What it calls at each turn.
    pub(super) call_draws: CounterRng,
    /// Which server it chooses if it knows no leader.
    pub(super) target_choices: RngStream,
    /// How long it waits after a rejection.
    pub(super) retry_delays: RngStream,
    /// How often it sends to a random server instead, and the stream for that.
    pub(super) random_target: (Probability, RngStream),
    /// 0: none.
    pub(super) session: u64,
    pub(super) sequence: u64,
    /// How many turns it had.
    pub(super) turns: u64,
    /// The turns at which it calls; `None`: all.
    pub(super) call_turns: Option<BTreeSet<u64>>,
    /// Its slots; as many as it ever had requests in flight.
    pub(super) slots: Vec<Slot>,
    /// The server that it believes to lead.
    pub(super) believed_leader: Option<Node>,
    /// The last observed content of each register.
    pub(super) last_seen: BTreeMap<u64, Content>,
}

/// A place for one request in flight.
#[derive(Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) open: Option<OpenRequest>,
}

/// A request in flight.
#[derive(Clone, Copy)]
pub(super) struct OpenRequest {
    /// The operation and its index among all operations. `None` for a registration.
    pub(super) call: Option<(Operation, usize)>,
    pub(super) request: Request,
    pub(super) attempts: u64,
    pub(super) target: Node,
    /// Whether it waits for its retry, and no server is expected to answer.
    pub(super) is_waiting_to_retry: bool,
    /// How many copies were sent and not rejected: these may have been received.
    pub(super) unrejected_sends: u64,
}

impl Client {
    /// The delay before the next turn: uniform, up to twice the mean.
    pub(super) fn think_time(&self, mean: u64) -> u64 {
        rng::scale(self.think_times.at(self.turns), u64::BITS, u128::from(2 * mean + 1))
    }

    /// A free slot, if another request may be in flight.
    pub(super) fn free_slot(&mut self, in_flight: u64) -> Option<usize> {
        let free = self.slots.iter().position(|slot| slot.open.is_none());
        if free.is_none() && (self.slots.len() as u64) < in_flight.max(1) {
            self.slots.push(Slot::default());
            return Some(self.slots.len() - 1);
        }
        free
    }

    /// Whether it calls at any turn after this one.
    pub(super) fn has_calls_after(&self, turn: u64) -> bool {
        self.call_turns.as_ref().is_none_or(|calls| calls.last().is_some_and(|last| *last > turn))
    }

    /// Sends another copy of a request.
    pub(super) fn resend(&mut self, world: &mut impl ClientContext, slot: usize, to: Node) {
        let open = self.slots[slot].open.as_mut().expect("only open requests are resent");
        (open.target, open.is_waiting_to_retry) = (to, false);
        open.unrejected_sends += 1;
        world.send_request(self.number, to, open.request);
    }

    /// After a rejection or an unknown outcome: waits shortly, then retries at the believed leader.
    pub(super) fn on_rejected(
        &mut self,
        world: &mut impl ClientContext,
        slot: usize,
        timeout: u64,
        believed: Option<Node>,
    ) {
        self.believed_leader = believed;
        let max_delay = timeout / TIMEOUT_PER_RETRY_DELAY;
        let delay = max_delay / 4 + self.retry_delays.draw_below(max_delay - max_delay / 4 + 1);
        let Slot { generation, open } = &mut self.slots[slot];
        open.as_mut().expect("only an open request can be rejected").is_waiting_to_retry = true;
        world.set_timer(
            self.number,
            world.now() + delay,
            Timer::Retry { slot: slot as u32, generation: *generation },
        );
    }

    /// Ends the use of a session for new requests; open ones stay in it.
    pub(super) fn retire_session(&mut self, session: u64) {
        if session == self.session {
            self.session = 0;
        }
    }

    /// Whether a registration is open.
    pub(super) fn is_registering(&self) -> bool {
        self.slots.iter().any(|slot| slot.open.is_some_and(|open| open.call.is_none()))
    }

    /// Sometimes a random server instead of `to`.
    pub(super) fn maybe_random_target(&mut self, to: Node, nodes: u64) -> Node {
        let (probability, rng) = &mut self.random_target;
        if probability.0 > 0 && rng.draw_bool(*probability) { 1 + rng.draw_below(nodes) } else { to }
    }

    /// The number up to which all responses of the session have arrived.
    pub(super) fn acknowledged_up_to(&self) -> u64 {
        let open = self.slots.iter().filter_map(|slot| slot.open.as_ref());
        let open = open.filter(|open| open.request.id.session == self.session);
        open.map(|open| open.request.id.sequence).min().unwrap_or(self.sequence) - 1
    }

    /// A random server other than `excluded`, if there is one.
    pub(super) fn random_node_except(&mut self, excluded: Node, nodes: u64) -> Node {
        let others = if excluded == 0 { nodes } else { (nodes - 1).max(1) };
        let node = 1 + self.target_choices.draw_below(others);
        if excluded != 0 && node >= excluded && nodes > 1 { node + 1 } else { node }
    }

    /// The last observed content of a register.
    pub(super) fn last_seen_value(&self, key: u64) -> Content {
        self.last_seen.get(&key).copied().unwrap_or(Content::INITIAL)
    }

    /// Remembers the content of a register for the next compare-and-set.
    pub(super) fn record_seen_value(&mut self, operation: Operation, response: &Response) {
        let content = match (operation.action, response) {
            (_, Response::Holds(content) | Response::Mismatch(Some(content))) => *content,
            (Action::Put(value) | Action::CompareAndSet { value, .. }, Response::Done) => {
                Content::Present(value)
            }
            (Action::Delete(number), Response::Done) => Content::Absent(number),
            _ => return,
        };
        self.last_seen.insert(operation.key, content);
    }
}
