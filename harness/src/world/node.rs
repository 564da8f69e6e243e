//! A place where a server can live: its clocks, its disk, and whether anybody is at home.

use super::clock::Clock;
use super::disk::{Disk, Ticket};
use super::event::Event;
use crate::plan::Plan;
use crate::rng::{self, Draws, Stream};
use invariants::{Configuration, Fact, Index, Node, RequestId, Term, Time};

/// No timer is armed.
pub(crate) const NEVER: Time = Time::MAX;
/// What the first wall clock shows when a run begins: some day in this century.
const FIRST_WALL: i64 = 1_700_000_000_000_000_000;
/// How far apart wall clocks are as long as nobody meddles with them: they are set by other clocks now and then.
const WALLS_APART: u64 = 50_000_000;

/// A request that reached a server which has not answered it.
pub(crate) struct Owed {
    pub(crate) at: Time,
    /// The event in which it did.
    pub(crate) step: u64,
    pub(crate) client: u64,
    pub(crate) id: RequestId,
}

/// One node.
pub(crate) struct Place<M> {
    pub(crate) clock: Clock,
    pub(crate) disk: Disk,
    /// How many servers have been booted here.
    pub(crate) incarnation: u32,
    pub(crate) up: bool,
    /// How many faults hold the server still.
    pub(crate) pauses: u32,
    /// What arrived while it stood still.
    pub(crate) held: Vec<Event<M>>,
    /// Requests that reached this incarnation and that it has not answered.
    pub(crate) owed: Vec<Owed>,
    /// When the timer fires that was pushed last; [`NEVER`] if none counts.
    pub(crate) armed: Time,
    pub(crate) standing: Standing,
    /// The group as the server has it in its log, by the index of the entry that says so.
    pub(crate) configurations: Vec<(Index, Configuration)>,
    /// Why the server takes no part, if it said so.
    pub(crate) refused: Option<String>,
    /// Whether a bit of what was durable here has ever flipped.
    pub(crate) rotten: bool,
    /// Whether the disk shall be emptied as soon as nobody is at home.
    pub(crate) doomed: bool,
    /// How often it was emptied.
    pub(crate) lives: u64,
    /// Whether it was emptied, and no change that may be in force has added the server since.
    pub(crate) wiped: bool,
    /// How many faults let the disk's syncs fail.
    pub(crate) refusals: u32,
    /// Whether a sync of this incarnation has failed.
    pub(crate) failed: bool,
    /// By how much the faults at present stretch a sync, multiplied.
    pub(crate) slowness: u64,
    /// How many faults hold the disk's syncs.
    pub(crate) stalls: u32,
    /// Syncs in flight. A loss of power voids them.
    pub(crate) syncing: Vec<Syncing>,
    /// How many syncs were ever begun.
    pub(crate) syncs_begun: u32,
    /// What the faults at present add to the clock's rate.
    drift: i64,
    /// What leases count on, at most; without leases anything goes.
    most_drift: i64,
    /// The server's own chance, a new one in each incarnation.
    pub(crate) own: Stream,
    /// How long syncs take, by their numbers.
    pub(crate) syncs: Draws,
    /// How much longer they do where they take much longer.
    pub(crate) sync_tails: Draws,
    /// How often it lost its power.
    losses: u64,
    /// How often its disk rotted.
    rots: u64,
    /// What its clocks show when an incarnation begins.
    clocks: Draws,
}

/// A sync in flight.
#[derive(Clone, Copy)]
pub(crate) struct Syncing {
    pub(crate) number: u32,
    /// Who asked, and what it shall be told.
    pub(crate) incarnation: u32,
    pub(crate) token: u64,
    /// What it will have made durable.
    pub(crate) ticket: Ticket,
    /// When it ends, if nothing slows it or quickens it.
    pub(crate) due: Time,
}

/// Where a server stands, by the facts that it stated.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its term.
    pub term: Term,
    /// The term that it leads.
    pub leads: Option<Term>,
    /// Its last log index.
    pub last: Index,
    /// Its commit index.
    pub committed: Index,
    /// The last index that its state machine took.
    pub applied: Index,
    /// The (term, vote) that is durable on its disk.
    pub vote: (Term, Option<Node>),
}

impl<M> Place<M> {
    pub(crate) fn new(plan: &Plan, node: Node) -> Place<M> {
        let seed = plan.seed;
        Place {
            clock: Clock::new(0, 0, 0),
            disk: Disk::new(),
            incarnation: 0,
            up: false,
            pauses: 0,
            held: Vec::new(),
            owed: Vec::new(),
            armed: NEVER,
            standing: Standing::default(),
            configurations: Vec::new(),
            refused: None,
            rotten: false,
            doomed: false,
            lives: 0,
            wiped: false,
            refusals: 0,
            failed: false,
            slowness: 1,
            stalls: 0,
            syncing: Vec::new(),
            syncs_begun: 0,
            drift: 0,
            most_drift: plan.raft.lease_drift.map_or(i64::MAX, |drift| i64::from(drift.0)),
            own: rng::stream(seed, "node", [node, 0]),
            syncs: Draws::new(seed, "disk sync", [node, 0]),
            sync_tails: Draws::new(seed, "disk tail", [node, 0]),
            losses: 0,
            rots: 0,
            clocks: Draws::new(seed, "clock", [node, 0]),
        }
    }

    /// A new incarnation begins. Its monotonic clock begins anywhere: a time that was kept from before means nothing.
    pub(crate) fn begin(&mut self, seed: u64, node: Node, now: Time) {
        self.incarnation += 1;
        self.up = true;
        self.pauses = 0;
        self.armed = NEVER;
        self.refused = None;
        self.failed = false;
        self.standing = Standing { vote: self.standing.vote, ..Standing::default() };
        self.own = rng::stream(seed, "node", [node, u64::from(self.incarnation)]);
        let shown = self.clocks.of(u64::from(self.incarnation)) >> 20;
        let wall = self.clock.wall(0);
        let first = || FIRST_WALL + (shown % WALLS_APART) as i64;
        self.clock = Clock::new(now, shown, if self.incarnation == 1 { first() } else { wall });
        self.drift(now, 0);
    }

    /// The clock's rate changes by so much. However much adds up: what a plan says of its clocks is true.
    pub(crate) fn drift(&mut self, now: Time, by: i64) {
        self.drift += by;
        self.clock.set_drift(now, self.drift.clamp(-self.most_drift, self.most_drift));
    }

    /// The power fails: what becomes of what was not synced is this loss's own chance.
    pub(crate) fn lose_power(&mut self, seed: u64, node: Node) {
        self.losses += 1;
        self.syncing.clear();
        self.disk.lose_power(&mut rng::stream(seed, "damage", [node, self.losses]));
    }

    /// A bit of what is synced flips. Returns whether there was one.
    pub(crate) fn rot(&mut self, seed: u64, node: Node) -> bool {
        self.rots += 1;
        let struck = self.disk.rot(&mut rng::stream(seed, "rot", [node, self.rots]));
        self.rotten |= struck;
        struck
    }

    /// Nobody is at home any more.
    pub(crate) fn end(&mut self) {
        self.up = false;
        self.pauses = 0;
        self.held.clear();
        self.owed.clear();
        self.armed = NEVER;
        self.standing.leads = None;
    }

    /// Takes note of the group that the server has in its log.
    pub(crate) fn note_group(&mut self, fact: &Fact) {
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
    pub(crate) fn takes_part(&self) -> bool {
        self.up && self.refused.is_none() && !self.wiped
    }
}

impl Standing {
    /// Takes note of what a server stated about itself.
    #[inline]
    pub(crate) fn note(&mut self, fact: &Fact) {
        match *fact {
            Fact::Started { term, last, .. } => (self.term, self.last) = (term, last.index),
            Fact::TermChanged { term } => self.term = term,
            Fact::Appended { index, .. } => self.last = index,
            Fact::Truncated { after } => self.last = after,
            Fact::SnapshotInstalled { last, .. } => self.last = last.index,
            Fact::Leads { term } => self.leads = Some(term),
            Fact::SteppedDown { .. } => self.leads = None,
            Fact::Committed { index } => self.committed = index,
            Fact::Applied { index, .. } | Fact::Restored { index, .. } => self.applied = index,
            _ => {}
        }
    }
}
