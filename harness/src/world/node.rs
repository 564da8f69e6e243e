//! A place where a server can live: its clocks, its disk, and whether anybody is at home.

use super::clock::Clock;
use super::disk::{Disk, SyncTicket};
use super::event::Event;
use crate::plan::Plan;
use crate::rng::{self, CounterRng, RngStream};
use invariants::{Configuration, Fact, Index, Node, RequestId, Term, Time};

/// No timer is armed.
pub(crate) const NEVER: Time = Time::MAX;
/// What the first wall clock shows when a run begins: some day in this century.
const INITIAL_WALL_TIME: i64 = 1_700_000_000_000_000_000;
/// How far apart wall clocks are as long as nobody meddles with them: they are set by other clocks now and then.
const INITIAL_WALL_SPREAD: u64 = 50_000_000;

/// A request that reached a server which has not answered it.
pub(crate) struct UnansweredRequest {
    pub(crate) at: Time,
    /// The event in which it did.
    pub(crate) step: u64,
    pub(crate) client: u64,
    pub(crate) id: RequestId,
}

/// One node.
pub(crate) struct NodeState<M> {
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    /// How many servers have been booted here.
    pub(crate) incarnation: u32,
    pub(crate) up: bool,
    /// How many faults hold the server still.
    pub(crate) pause_count: u32,
    /// What arrived while it stood still.
    pub(crate) paused_events: Vec<Event<M>>,
    /// Requests that reached this incarnation and that it has not answered.
    pub(crate) unanswered: Vec<UnansweredRequest>,
    /// When the timer fires that was pushed last; [`NEVER`] if none counts.
    pub(crate) timer_due: Time,
    pub(crate) status: NodeStatus,
    /// The group as the server has it in its log, by the index of the entry that says so.
    pub(crate) configurations: Vec<(Index, Configuration)>,
    /// Why the server takes no part, if it said so.
    pub(crate) fail_stop_reason: Option<String>,
    /// Whether a bit of what was durable here has ever flipped.
    pub(crate) corrupted: bool,
    /// Whether the disk shall be emptied as soon as nobody is at home.
    pub(crate) wipe_pending: bool,
    /// How often it was emptied.
    pub(crate) disk_generation: u64,
    /// Whether it was emptied, and no change that may be in force has added the server since.
    pub(crate) awaiting_rejoin: bool,
    /// How many faults let the disk's syncs fail.
    pub(crate) sync_error_faults: u32,
    /// Whether a sync of this incarnation has failed.
    pub(crate) sync_failed: bool,
    /// By how much the faults at present stretch a sync, multiplied.
    pub(crate) sync_slowdown: u64,
    /// How many faults hold the disk's syncs.
    pub(crate) stall_faults: u32,
    /// Syncs in flight. A loss of power voids them.
    pub(crate) syncs_in_flight: Vec<SyncInFlight>,
    /// How many syncs were ever begun.
    pub(crate) syncs_started: u32,
    /// What the faults at present add to the clock's rate.
    drift: i64,
    /// What leases count on, at most; without leases anything goes.
    max_drift: i64,
    /// The server's own chance, a new one in each incarnation.
    pub(crate) rng: RngStream,
    /// How long syncs take, by their numbers.
    pub(crate) sync_draws: CounterRng,
    /// How much longer they do where they take much longer.
    pub(crate) sync_tail_draws: CounterRng,
    /// How often it lost its power.
    power_losses: u64,
    /// How often its disk rotted.
    bit_rots: u64,
    /// What its clocks show when an incarnation begins.
    clock_draws: CounterRng,
}

/// A sync in flight.
#[derive(Clone, Copy)]
pub(crate) struct SyncInFlight {
    pub(crate) number: u32,
    /// Who asked, and what it shall be told.
    pub(crate) incarnation: u32,
    pub(crate) token: u64,
    /// What it will have made durable.
    pub(crate) ticket: SyncTicket,
    /// When it ends, if nothing slows it or quickens it.
    pub(crate) due: Time,
}

/// Where a server stands, by the facts that it stated.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Its term.
    pub term: Term,
    /// The term that it leads.
    pub leading_term: Option<Term>,
    /// Its last log index.
    pub last_index: Index,
    /// Its commit index.
    pub commit_index: Index,
    /// The last index that its state machine took.
    pub applied_index: Index,
    /// The (term, vote) that is durable on its disk.
    pub vote: (Term, Option<Node>),
}

impl<M> NodeState<M> {
    pub(crate) fn new(plan: &Plan, node: Node) -> NodeState<M> {
        let seed = plan.seed;
        NodeState {
            clock: Clock::new(0, 0, 0),
            disk: Disk::new(),
            incarnation: 0,
            up: false,
            pause_count: 0,
            paused_events: Vec::new(),
            unanswered: Vec::new(),
            timer_due: NEVER,
            status: NodeStatus::default(),
            configurations: Vec::new(),
            fail_stop_reason: None,
            corrupted: false,
            wipe_pending: false,
            disk_generation: 0,
            awaiting_rejoin: false,
            sync_error_faults: 0,
            sync_failed: false,
            sync_slowdown: 1,
            stall_faults: 0,
            syncs_in_flight: Vec::new(),
            syncs_started: 0,
            drift: 0,
            max_drift: plan.raft.lease_drift.map_or(i64::MAX, |drift| i64::from(drift.0)),
            rng: rng::stream(seed, "node", [node, 0]),
            sync_draws: CounterRng::new(seed, "disk sync", [node, 0]),
            sync_tail_draws: CounterRng::new(seed, "disk tail", [node, 0]),
            power_losses: 0,
            bit_rots: 0,
            clock_draws: CounterRng::new(seed, "clock", [node, 0]),
        }
    }

    /// A new incarnation begins. Its monotonic clock begins anywhere: a time that was kept from before means nothing.
    pub(crate) fn begin_incarnation(&mut self, seed: u64, node: Node, now: Time) {
        self.incarnation += 1;
        self.up = true;
        self.pause_count = 0;
        self.timer_due = NEVER;
        self.fail_stop_reason = None;
        self.sync_failed = false;
        self.status = NodeStatus { vote: self.status.vote, ..NodeStatus::default() };
        self.rng = rng::stream(seed, "node", [node, u64::from(self.incarnation)]);
        let shown = self.clock_draws.at(u64::from(self.incarnation)) >> 20;
        let wall = self.clock.wall(0);
        let first = || INITIAL_WALL_TIME + (shown % INITIAL_WALL_SPREAD) as i64;
        self.clock = Clock::new(now, shown, if self.incarnation == 1 { first() } else { wall });
        self.add_drift(now, 0);
    }

    /// The clock's rate changes by so much. However much adds up: what a plan says of its clocks is true.
    pub(crate) fn add_drift(&mut self, now: Time, by: i64) {
        self.drift += by;
        self.clock.set_drift(now, self.drift.clamp(-self.max_drift, self.max_drift));
    }

    /// The power fails: what becomes of what was not synced is this loss's own chance.
    pub(crate) fn lose_power(&mut self, seed: u64, node: Node) {
        self.power_losses += 1;
        self.syncs_in_flight.clear();
        self.disk.lose_power(&mut rng::stream(seed, "damage", [node, self.power_losses]));
    }

    /// A bit of what is synced flips. Returns whether there was one.
    pub(crate) fn flip_synced_bit(&mut self, seed: u64, node: Node) -> bool {
        self.bit_rots += 1;
        let struck = self.disk.flip_synced_bit(&mut rng::stream(seed, "rot", [node, self.bit_rots]));
        self.corrupted |= struck;
        struck
    }

    /// Nobody is at home any more.
    pub(crate) fn end_incarnation(&mut self) {
        self.up = false;
        self.pause_count = 0;
        self.paused_events.clear();
        self.unanswered.clear();
        self.timer_due = NEVER;
        self.status.leading_term = None;
    }

    /// Takes note of the group that the server has in its log.
    pub(crate) fn update_configuration(&mut self, fact: &Fact) {
        match fact {
            Fact::Started { .. } => self.configurations.clear(),
            Fact::Truncated { after } => self.configurations.retain(|configured| configured.0 <= *after),
            Fact::SnapshotInstalled { last, configuration } => {
                self.configurations.clear();
                self.configurations.push((last.index, (**configuration).clone()));
            }
            Fact::Configured { index, configuration } => {
                self.configurations.push((*index, (**configuration).clone()));
            }
            _ => {}
        }
    }

    /// The group that is in force by what the server here says, if it has said. Nothing that is asked may become less by it.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.configurations.last().map(|configured| &configured.1)
    }

    /// Whether a server lives here that can take part: what it had promised was not lost or damaged.
    pub(crate) fn is_participating(&self) -> bool {
        self.up && self.fail_stop_reason.is_none() && !self.awaiting_rejoin
    }
}

impl NodeStatus {
    /// Takes note of what a server stated about itself.
    #[inline]
    pub(crate) fn update(&mut self, fact: &Fact) {
        match *fact {
            Fact::Started { term, last, .. } => (self.term, self.last_index) = (term, last.index),
            Fact::TermChanged { term } => self.term = term,
            Fact::Appended { index, .. } => self.last_index = index,
            Fact::Truncated { after } => self.last_index = after,
            Fact::SnapshotInstalled { last, .. } => self.last_index = last.index,
            Fact::Leads { term } => self.leading_term = Some(term),
            Fact::SteppedDown { .. } => self.leading_term = None,
            Fact::Committed { index } => self.commit_index = index,
            Fact::Applied { index, .. } | Fact::Restored { index, .. } => self.applied_index = index,
            _ => {}
        }
    }
}
