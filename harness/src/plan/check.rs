//! What a plan must be so that it can be run.

use super::{Ailment, Chance, Clients, Compaction, Duration, FaultKind, MOST_NODES, Plan, Target, VERSION};
use crate::{bugs, names};
use std::fmt;

/// The longest that anything in a plan may take: thirty days. No sum of such durations overflows.
pub const LONGEST: Duration = Duration(30 * 24 * 3_600 * 1_000_000_000);
/// The most of what costs nothing before it is there: entries in a batch, messages in flight, attempts, ...
const MOST: u64 = 1_000_000;
/// The most bytes that a limit may allow.
const MOST_BYTES: u64 = 1 << 30;
/// The most clients: each has a link to and from each server.
const MOST_CLIENTS: u64 = 10_000;
/// The most requests that one client may have in flight: it looks through them at each answer.
const MOST_IN_FLIGHT: u64 = 1_000;
/// The most keys: the application keeps a table of them, and each snapshot holds it.
const MOST_KEYS: u64 = 100_000;
/// The most faults of a plan, and the most servers that one of them may name in one list.
const MOST_FAULTS: usize = 10_000;
const MOST_TARGETS: usize = 100;
/// The most events of a run.
pub const MOST_EVENTS: u64 = 100_000_000;
/// How many bytes a run may keep, by [`Plan::keeps`]: with what is there anyway it stays below 1 GiB.
const MOST_KEPT: u64 = 900 << 20;
/// How much faster or slower than true time a clock may run, in parts per million.
const MOST_DRIFT: i64 = 500_000;
/// How many times slower a disk may become.
const MOST_FACTOR: u64 = 1_000;

/// How many bytes are kept of a call, of a write besides, and of an entry in a log and on its disk. Measured.
const OF_A_CALL: u64 = 100;
const OF_A_WRITE: u64 = 400;
const OF_AN_ENTRY: u64 = 170;

/// Why a plan cannot be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unusable {
    /// The field that is wrong, as the file names it: `raft.heartbeat`, `fault 3 (crash): node`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.reason)
    }
}

impl std::error::Error for Unusable {}

impl Plan {
    /// Whether this plan can be run, and if not, the first reason why.
    ///
    /// # Errors
    ///
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), Unusable> {
        self.check_cluster()?;
        self.check_surroundings()?;
        self.check_clients()?;
        self.check_memory()?;
        if self.faults.len() > MOST_FAULTS {
            return unusable("fault", format!("is there {} times: {MOST_FAULTS} at most", self.faults.len()));
        }
        for (number, fault) in (1..).zip(&self.faults) {
            let name = |field: &str| format!("fault {number} ({}): {field}", fault.kind.name());
            if fault.at >= self.storm {
                return unusable(
                    name("at"),
                    format!("is {}, but the storm is over at {}", fault.at, self.storm),
                );
            }
            self.check_targets(&fault.kind, fault.on.is_some(), name)?;
            check_strength(&fault.kind, name)?;
        }
        Ok(())
    }

    fn check_cluster(&self) -> Result<(), Unusable> {
        if self.version != VERSION {
            let which = if self.version > VERSION { "newer" } else { "older" };
            return unusable(
                "version",
                format!("is {}, {which} than the {VERSION} that this build understands", self.version),
            );
        }
        if self.nodes == 0 {
            return unusable("nodes", format!("is 0: a plan needs between 1 and {MOST_NODES} servers"));
        }
        within("nodes", self.nodes, 1, MOST_NODES)?;
        if let Some(bug) = self.bug.as_deref().filter(|bug| bugs::find(bug).is_none()) {
            let all = bugs::all();
            let offer = names::unknown("bug", bug, all.iter().map(|bug| bug.name));
            return unusable("bug", format!("is \"{bug}\": {offer}"));
        }
        let raft = &self.raft;
        span("storm", self.storm, Duration(1))?;
        span("raft.election_timeout", raft.election_timeout, Duration(1))?;
        span("raft.election_timeout_spread", raft.election_timeout_spread, Duration(0))?;
        span("raft.heartbeat", raft.heartbeat, Duration(1))?;
        if raft.heartbeat >= raft.election_timeout {
            return unusable(
                "raft.heartbeat",
                format!(
                    "is {}: it must be less than the election timeout, {}",
                    raft.heartbeat, raft.election_timeout
                ),
            );
        }
        within("raft.batch", raft.batch, 1, MOST)?;
        within("raft.window", raft.window, 1, MOST)?;
        within("raft.syncs", raft.syncs, 1, MOST)?;
        within("raft.batch_bytes", raft.batch_bytes, 0, MOST_BYTES)?;
        within("raft.window_bytes", raft.window_bytes, 0, MOST_BYTES)?;
        within("raft.uncommitted_bytes", raft.uncommitted_bytes, 0, MOST_BYTES)?;
        within("raft.chunk", raft.chunk, 0, MOST_BYTES)?;
        within("raft.requests", raft.requests, 0, MOST)?;
        within("raft.promotion_lag", raft.promotion_lag, 0, MOST)?;
        within("raft.founders", raft.founders, 0, self.nodes)?;
        self.check_lease()?;
        self.check_compaction()?;
        self.check_held()?;
        within("bounds.leader", self.bounds.leader, 1, MOST)?;
        within("bounds.write", self.bounds.write, 1, MOST)?;
        within("bounds.convergence", self.bounds.convergence, 1, MOST)?;
        within("bounds.events", self.bounds.events, 1, MOST_EVENTS)
    }

    fn check_lease(&self) -> Result<(), Unusable> {
        let Some(drift) = self.raft.lease_drift else { return Ok(()) };
        if drift >= Chance::CERTAIN {
            return unusable(
                "raft.lease_drift",
                format!("is {drift}: a clock that may stand still bounds nothing, so it must be below 100%"),
            );
        }
        if !self.raft.check_quorum {
            return unusable(
                "raft.lease_drift",
                "needs `raft.check_quorum = true`: a lease is what voters promise with it".into(),
            );
        }
        // What a plan says of its clocks must be true: a lease that is cheated proves nothing.
        for (number, fault) in (1..).zip(&self.faults) {
            let reason = match fault.kind {
                FaultKind::ClockRate { drift: rate, .. } if rate.unsigned_abs() > u64::from(drift.0) => {
                    format!("is {rate} parts per million, but leases count on at most {drift}")
                }
                FaultKind::ClockJump { .. } => {
                    format!("is a jump, but leases count on clocks that keep within {drift} of true time")
                }
                _ => continue,
            };
            return unusable(format!("fault {number} ({}): drift", fault.kind.name()), reason);
        }
        Ok(())
    }

    fn check_held(&self) -> Result<(), Unusable> {
        let Some(held) = self.held else { return Ok(()) };
        if !self.raft.check_quorum {
            return unusable(
                "held",
                "needs `raft.check_quorum = true`: without it a leader that hears nobody leads on for ever"
                    .into(),
            );
        }
        // It spends everybody's votes, term after term, and hears of none.
        if held.ailment == Ailment::Deaf && !self.raft.pre_vote {
            return unusable(
                "held.ailment",
                "is \"deaf\": that needs `raft.pre_vote = true`, or a deaf candidate may be voted for for ever".into(),
            );
        }
        match held.node {
            Target::Node(number) if !(1..=self.nodes).contains(&number) => {
                let nodes = self.nodes;
                unusable("held.node", format!("is {number}, but the plan has servers 1 to {nodes}"))
            }
            Target::There => unusable("held.node", "is \"there\": it waits for no moment".into()),
            _ if held.drift.unsigned_abs() > MOST_DRIFT.unsigned_abs() => unusable(
                "held.drift",
                format!(
                    "is {}: it must be between {} and {MOST_DRIFT} parts per million",
                    held.drift, -MOST_DRIFT
                ),
            ),
            _ if self
                .raft
                .lease_drift
                .is_some_and(|drift| held.drift.unsigned_abs() > u64::from(drift.0)) =>
            {
                unusable(
                    "held.drift",
                    format!("is {} parts per million, which leases do not count on", held.drift),
                )
            }
            _ => Ok(()),
        }
    }

    fn check_compaction(&self) -> Result<(), Unusable> {
        let Some(Compaction { entries, bytes, every, trailing }) = self.compaction else { return Ok(()) };
        within("compaction.entries", entries, 0, MOST)?;
        within("compaction.trailing", trailing, 0, MOST)?;
        within("compaction.bytes", bytes, 0, MOST_BYTES)?;
        span("compaction.every", every, Duration(0))?;
        if (entries, bytes, every) == (0, 0, Duration(0)) {
            return unusable(
                "compaction",
                "never happens: give `entries`, `bytes` or `every`, or leave the table out".into(),
            );
        }
        Ok(())
    }

    fn check_surroundings(&self) -> Result<(), Unusable> {
        let (network, disk) = (&self.network, &self.disk);
        span("network.delay", network.delay, Duration(0))?;
        span("network.delay_spread", network.delay_spread, Duration(0))?;
        span("network.tail_spread", network.tail_spread, Duration(0))?;
        chance("network.tail", network.tail)?;
        chance("network.loss", network.loss)?;
        chance("network.duplication", network.duplication)?;
        chance("network.reordering", network.reordering)?;
        span("disk.sync", disk.sync, Duration(0))?;
        span("disk.sync_spread", disk.sync_spread, Duration(0))?;
        span("disk.tail_spread", disk.tail_spread, Duration(0))?;
        chance("disk.tail", disk.tail)
    }

    fn check_clients(&self) -> Result<(), Unusable> {
        let clients = &self.clients;
        within("clients.count", clients.count, 1, MOST_CLIENTS)?;
        within("clients.in_flight", clients.in_flight, 1, MOST_IN_FLIGHT)?;
        within("clients.attempts", clients.attempts, 1, MOST)?;
        // The first half of the keys are registers and the rest lists: there must be one of each.
        within("clients.keys", clients.keys, 2, MOST_KEYS)?;
        span("clients.pause", clients.pause, Duration(0))?;
        span("clients.patience", clients.patience, Duration(1))?;
        chance("clients.reads", clients.reads)?;
        span("clients.session", clients.session, Duration(0))?;
        chance("clients.anywhere", clients.anywhere)?;
        let calls = clients.calls.as_deref().unwrap_or_default();
        if calls.len() as u64 > clients.count {
            let (lists, count) = (calls.len(), clients.count);
            return unusable("clients.calls", format!("has {lists} lists, but the plan has {count} clients"));
        }
        calls.iter().flatten().try_for_each(|number| within("clients.calls", *number, 1, MOST))
    }

    /// What clients call is kept: by those who judge it, and, until it is compacted, in the log of each server.
    fn check_memory(&self) -> Result<(), Unusable> {
        let (calls, kept) = (self.calls(), self.keeps());
        if kept <= MOST_KEPT {
            return Ok(());
        }
        unusable(
            "clients.pause",
            format!(
                "is {}: with that, {} clients call up to {calls} times in {}, of which a run keeps about {} MiB, and it may \
                 keep {}; give them longer pauses or fewer events (`bounds.events`), or let logs be compacted more often",
                self.clients.pause,
                self.clients.count,
                self.storm,
                kept >> 20,
                MOST_KEPT >> 20
            ),
        )
    }

    /// How often clients call, at most: at each of their turns, and with three events at least for each call.
    fn calls(&self) -> u64 {
        let Clients { count, pause, .. } = &self.clients;
        let turns = match &self.clients.calls {
            Some(calls) => calls.iter().map(|calls| calls.len() as u64).sum(),
            // Pauses are drawn, and their mean is this one.
            None => count.saturating_mul(self.storm.0 / pause.0.max(1) + 1),
        };
        turns.min(self.bounds.events / 3)
    }

    /// About how many bytes a run keeps of what clients call.
    fn keeps(&self) -> u64 {
        let calls = self.calls();
        let reads = u128::from(calls) * u128::from(self.clients.reads.0.min(1_000_000)) / 1_000_000;
        let writes = calls - reads as u64;
        let log =
            self.compaction.as_ref().map_or(writes, |Compaction { entries, bytes, every, trailing }| {
                let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
                let every = (u128::from(writes) * u128::from(limit(every.0))
                    / u128::from(self.storm.0.max(1))) as u64;
                // A command has some ten bytes at least.
                limit(*entries).min(limit(*bytes) / 10).min(every).saturating_add(*trailing).min(writes)
            });
        calls * OF_A_CALL + writes * OF_A_WRITE + log * self.nodes * OF_AN_ENTRY
    }

    fn check_targets(
        &self,
        kind: &FaultKind,
        waits: bool,
        name: impl Fn(&str) -> String,
    ) -> Result<(), Unusable> {
        for (field, target) in kind.targets() {
            match target {
                Target::Node(number) if !(1..=self.nodes).contains(&number) => {
                    let nodes = self.nodes;
                    return unusable(
                        name(field),
                        format!("is {number}, but the plan has servers 1 to {nodes}"),
                    );
                }
                Target::There if !waits => {
                    return unusable(
                        name(field),
                        "is \"there\": that needs the moment to wait for, `on`".into(),
                    );
                }
                _ => {}
            }
        }
        if kind.targets().len() > MOST_TARGETS {
            let (field, _) = kind.targets()[MOST_TARGETS];
            return unusable(name(field), format!("names more than {MOST_TARGETS} servers"));
        }
        match kind {
            FaultKind::Cut { from, to, .. } if from == to => {
                unusable(name("to"), "is the same as `from`: no link leads from a server to itself".into())
            }
            FaultKind::Split { side, .. } if side.is_empty() => {
                unusable(name("side"), "is empty: a split needs at least one server on this side".into())
            }
            _ => Ok(()),
        }
    }
}

fn check_strength(kind: &FaultKind, name: impl Fn(&str) -> String) -> Result<(), Unusable> {
    if let Some(lasts) = kind.lasts() {
        span(&name("lasts"), lasts, Duration(1))?;
    }
    match kind {
        FaultKind::Weather { loss, duplication, reordering, delay, .. } => {
            chance(&name("loss"), *loss)?;
            chance(&name("duplication"), *duplication)?;
            chance(&name("reordering"), *reordering)?;
            span(&name("delay"), *delay, Duration(0))
        }
        FaultKind::SlowDisk { factor, .. } => within(&name("factor"), *factor, 1, MOST_FACTOR),
        FaultKind::ClockRate { drift, .. } if drift.abs_diff(0) > MOST_DRIFT.unsigned_abs() => unusable(
            name("drift"),
            format!("is {drift}: it must be between {} and {MOST_DRIFT} parts per million", -MOST_DRIFT),
        ),
        FaultKind::ClockJump { by, .. } => span(&name("by"), *by, Duration(1)),
        FaultKind::WallJump { by, .. } if by.unsigned_abs() > LONGEST.0 / 1_000_000 => {
            unusable(name("by"), format!("is {by}: a wall clock jumps by less than {LONGEST}"))
        }
        _ => Ok(()),
    }
}

fn unusable(field: impl Into<String>, reason: String) -> Result<(), Unusable> {
    Err(Unusable { field: field.into(), reason })
}

fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), Unusable> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    unusable(field, format!("is {value}: it must be between {least} and {most}"))
}

fn span(field: &str, value: Duration, least: Duration) -> Result<(), Unusable> {
    if (least..=LONGEST).contains(&value) {
        return Ok(());
    }
    unusable(field, format!("is {value}: it must be between {least} and {LONGEST}"))
}

fn chance(field: &str, value: Chance) -> Result<(), Unusable> {
    if value <= Chance::CERTAIN {
        return Ok(());
    }
    unusable(field, format!("is {value}: it must be between 0% and 100%"))
}
