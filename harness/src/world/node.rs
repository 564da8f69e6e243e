//! The state of one node: its clocks, its disk, its generators, and whether its server runs.

use super::clock::Clock;
use super::disk::{Disk, SyncTicket};
use super::event::Event;
use crate::plan::Plan;
use crate::plan::faults::Damage;
use crate::support::rng::{self, CounterRng, RngStream, label};
use invariants::{Node, RequestId, ServerFact, Term, Time};

/// Due time of a timer that is not armed.
pub(crate) const NEVER: Time = Time::MAX;
/// Wall clock reading at the beginning of a run, in nanoseconds since 1970.
const INITIAL_WALL_TIME: i64 = 1_700_000_000_000_000_000;
/// How far apart wall clocks may be without a fault, in nanoseconds: real ones are synchronized now and then.
const INITIAL_WALL_SPREAD: u64 = 50_000_000;

/// How long before its limit a monotonic clock begins, at most.
const BEFORE_LIMIT: u64 = 30_000_000_000;

/// A request that reached a server and is not answered.
pub(crate) struct UnansweredRequest {
    pub(crate) at: Time,
    /// The event in which it arrived.
    pub(crate) step: u64,
    pub(crate) client: u64,
    pub(crate) id: RequestId,
}

/// The state of one node.
pub(crate) struct NodeState<M> {
    pub(crate) clock: NodeClock,
    pub(crate) storage: Storage,
    /// The server's random generator, a new one for each incarnation.
    pub(crate) rng: RngStream,
    /// How many servers were booted here.
    pub(crate) incarnation: u32,
    pub(crate) up: bool,
    /// How many faults pause the server.
    pub(crate) pause_count: u32,
    /// Events that arrived while the server was paused, each with the event that caused it.
    pub(crate) paused_events: Vec<(u64, Event<M>)>,
    /// Requests that reached this incarnation and that it has not answered.
    pub(crate) unanswered: Vec<UnansweredRequest>,
    /// When the timer that was pushed last fires; [`NEVER`] if none is valid.
    pub(crate) timer_due: Time,
    /// Promises that wait for the message that makes them, while a crash in the middle of a step is due.
    pub(crate) held_promises: Vec<ServerFact>,
    /// Whether the log was truncated and the server has not led since. Only kept while a fault waits for a trigger.
    pub(crate) has_truncated: bool,
    /// Why the server has fail-stopped, if it has.
    pub(crate) fail_stop_reason: Option<String>,
    /// Whether the disk was wiped, and no change that may be in force has added the server since.
    pub(crate) awaiting_rejoin: bool,
}

/// The clocks of a node.
pub(crate) struct NodeClock {
    pub(crate) current: Clock,
    /// What current faults add to the rate, in parts per million.
    drift: i64,
    /// The largest drift that leases allow for, in parts per million; unlimited without leases.
    max_drift: i64,
    /// The reading that it passes during the run; 0: none in particular.
    limit: u64,
    /// Draws for the readings at the beginning of each incarnation.
    draws: CounterRng,
}

/// The disk of a node, its syncs and its faults.
pub(crate) struct Storage {
    pub(crate) disk: Disk,
    /// The term and vote that were made durable last.
    pub(crate) saved_vote: (Term, Option<Node>),
    /// Whether durable bytes were ever damaged.
    pub(crate) corrupted: bool,
    /// Whether the disk is to be wiped as soon as the server is down.
    pub(crate) wipe_pending: bool,
    /// How often the disk was wiped.
    pub(crate) generation: u64,
    /// How many faults make syncs fail.
    pub(crate) error_faults: u32,
    /// How many syncs fail, although none need fail after them.
    pub(crate) single_errors: u32,
    /// How many bytes may have been appended, at most, before the disk is full: one limit for each fault.
    pub(crate) full_at: Vec<u64>,
    /// How many faults drop what a failed sync covered.
    pub(crate) dropping_faults: u32,
    /// How many faults stall syncs.
    pub(crate) stall_faults: u32,
    /// By what factor current faults lengthen a sync.
    pub(crate) slowdown: u64,
    /// Whether a sync of this incarnation has failed.
    pub(crate) sync_failed: bool,
    /// Syncs in flight. A loss of power cancels them.
    pub(crate) syncs_in_flight: Vec<SyncInFlight>,
    /// How many syncs were started.
    pub(crate) syncs_started: u32,
    /// Draws for the duration of each sync, by its number.
    pub(crate) sync_draws: CounterRng,
    /// Draws for the extra duration of a sync in the tail.
    pub(crate) sync_tail_draws: CounterRng,
    /// How often power was lost.
    power_losses: u64,
    /// How often durable bytes were to be damaged.
    bit_rots: u64,
}

/// A sync in flight.
#[derive(Clone, Copy)]
pub(crate) struct SyncInFlight {
    pub(crate) number: u32,
    /// The incarnation that started it, and the token to report.
    pub(crate) incarnation: u32,
    pub(crate) token: u64,
    /// What it makes durable.
    pub(crate) ticket: SyncTicket,
    /// When it ends, unless a fault changes the disk's speed.
    pub(crate) due: Time,
}

impl<M> NodeState<M> {
    pub(crate) fn new(plan: &Plan, node: Node) -> NodeState<M> {
        let seed = plan.seed;
        NodeState {
            clock: NodeClock {
                current: Clock::new(0, 0, 0),
                drift: 0,
                limit: plan.clock_limit.0,
                max_drift: plan.raft.lease_drift.map_or(i64::MAX, |drift| i64::from(drift.0)),
                draws: CounterRng::new(seed, label::CLOCK, [node, 0]),
            },
            storage: Storage {
                disk: Disk::new(),
                saved_vote: (0, None),
                corrupted: false,
                wipe_pending: false,
                generation: 0,
                error_faults: 0,
                single_errors: 0,
                full_at: Vec::new(),
                dropping_faults: 0,
                stall_faults: 0,
                slowdown: 1,
                sync_failed: false,
                syncs_in_flight: Vec::new(),
                syncs_started: 0,
                sync_draws: CounterRng::new(seed, label::DISK_SYNC, [node, 0]),
                sync_tail_draws: CounterRng::new(seed, label::DISK_TAIL, [node, 0]),
                power_losses: 0,
                bit_rots: 0,
            },
            rng: rng::stream(seed, label::NODE, [node, 0]),
            incarnation: 0,
            up: false,
            pause_count: 0,
            paused_events: Vec::new(),
            unanswered: Vec::new(),
            timer_due: NEVER,
            held_promises: Vec::new(),
            has_truncated: false,
            fail_stop_reason: None,
            awaiting_rejoin: false,
        }
    }

    /// Begins an incarnation. Its monotonic clock begins at a random reading, so that a reading from before a
    /// restart means nothing.
    pub(crate) fn begin_incarnation(&mut self, seed: u64, node: Node, now: Time) {
        self.incarnation += 1;
        self.up = true;
        self.pause_count = 0;
        self.timer_due = NEVER;
        self.fail_stop_reason = None;
        self.storage.sync_failed = false;
        self.rng = rng::stream(seed, label::NODE, [node, u64::from(self.incarnation)]);
        self.clock.begin_incarnation(self.incarnation, now);
    }

    /// The server is down.
    pub(crate) fn end_incarnation(&mut self) {
        self.up = false;
        self.pause_count = 0;
        self.paused_events.clear();
        self.unanswered.clear();
        self.timer_due = NEVER;
    }

    /// Whether a server runs here that can take part: its promises were neither lost nor damaged.
    pub(crate) fn is_participating(&self) -> bool {
        self.up && self.fail_stop_reason.is_none() && !self.awaiting_rejoin
    }
}

impl NodeClock {
    fn begin_incarnation(&mut self, incarnation: u32, now: Time) {
        let draw = self.draws.at(u64::from(incarnation)) >> 20;
        let shown = match self.limit {
            0 => draw,
            limit => limit.saturating_sub(draw % BEFORE_LIMIT),
        };
        let wall = self.current.wall(0);
        let first = || INITIAL_WALL_TIME + (draw % INITIAL_WALL_SPREAD) as i64;
        self.current = Clock::new(now, shown, if incarnation == 1 { first() } else { wall });
        self.add_drift(now, 0);
    }

    /// Changes the clock's rate. The sum of all drifts is limited to what the plan allows for leases.
    pub(crate) fn add_drift(&mut self, now: Time, by: i64) {
        self.drift += by;
        self.current.set_drift(now, self.drift.clamp(-self.max_drift, self.max_drift));
    }
}

impl Storage {
    /// Whether all syncs fail for a while.
    pub(crate) fn syncs_fail(&self) -> bool {
        let appended = self.disk.appended_bytes();
        self.error_faults > 0 || self.full_at.iter().any(|limit| appended > *limit)
    }

    /// Whether the sync that ends now fails.
    pub(crate) fn takes_sync_error(&mut self) -> bool {
        if self.syncs_fail() {
            return true;
        }
        let fails = self.single_errors > 0;
        self.single_errors -= u32::from(fails);
        fails
    }

    /// Loses power. Each loss has a generator of its own to decide which unsynced writes survive.
    pub(crate) fn lose_power(&mut self, seed: u64, node: Node) {
        self.power_losses += 1;
        self.syncs_in_flight.clear();
        self.disk.lose_power(&mut rng::stream(seed, label::DISK_DAMAGE, [node, self.power_losses]));
    }

    /// Damages what is synced; unless `anywhere`, only what something durable guards. Returns whether there was something
    /// to damage.
    pub(crate) fn damage(&mut self, how: Damage, anywhere: bool, seed: u64, node: Node) -> bool {
        self.bit_rots += 1;
        let mut draws = rng::stream(seed, label::DISK_BIT_ROT, [node, self.bit_rots]);
        let is_damaged = self.disk.damage_synced_bytes(how, anywhere, &mut draws);
        self.corrupted |= is_damaged;
        is_damaged
    }
}
