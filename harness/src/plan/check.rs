//! What a plan must be so that it can be run.

use super::{
    ClientConfig, CompactionConfig, FaultKind, MAX_NODES, PermanentFaultKind, Plan, Probability, SimDuration,
    Target, VERSION,
};
use crate::{bugs, names};
use std::fmt;

/// The longest that anything in a plan may take: thirty days. No sum of such durations overflows.
pub const MAX_DURATION: SimDuration = SimDuration(30 * 24 * 3_600 * 1_000_000_000);
/// The most of what costs nothing before it is there: entries in a batch, messages in flight, attempts, ...
const MAX_COUNT: u64 = 1_000_000;
/// The most bytes that a limit may allow.
const MAX_LIMIT_BYTES: u64 = 1 << 30;
/// The most clients: each has a link to and from each server.
const MAX_CLIENTS: u64 = 10_000;
/// The most requests that one client may have in flight: it looks through them at each answer.
const MAX_IN_FLIGHT: u64 = 1_000;
/// The most keys: the application keeps a table of them, and each snapshot holds it.
const MAX_KEYS: u64 = 100_000;
/// The most faults of a plan, and the most servers that one of them may name in one list.
const MAX_FAULTS: usize = 10_000;
const MAX_TARGETS: usize = 100;
/// The most events of a run.
pub const MAX_EVENTS: u64 = 100_000_000;
/// How many bytes a run may keep, by [`Plan::keeps`]: with what is there anyway it stays below 1 GiB.
const MAX_MEMORY: u64 = 900 << 20;
/// How much faster or slower than true time a clock may run, in parts per million.
const MAX_DRIFT: i64 = 500_000;
/// How many times slower a disk may become.
const MAX_FACTOR: u64 = 1_000;

/// How many bytes are kept of a call, of a write besides, and of an entry in a log and on its disk. Measured.
const BYTES_PER_CALL: u64 = 100;
const BYTES_PER_WRITE: u64 = 400;
const BYTES_PER_ENTRY: u64 = 170;

/// Why a plan cannot be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanError {
    /// The field that is wrong, as the file names it: `raft.heartbeat`, `fault 3 (crash): node`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.reason)
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Whether this plan can be run, and if not, the first reason why.
    ///
    /// # Errors
    ///
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        self.check_cluster()?;
        self.check_network_and_disk()?;
        self.check_clients()?;
        self.check_memory()?;
        if self.faults.len() > MAX_FAULTS {
            return plan_error(
                "fault",
                format!("is there {} times: {MAX_FAULTS} at most", self.faults.len()),
            );
        }
        for (number, fault) in (1..).zip(&self.faults) {
            let name = |field: &str| format!("fault {number} ({}): {field}", fault.kind.name());
            if fault.at >= self.storm {
                return plan_error(
                    name("at"),
                    format!("is {}, but the storm is over at {}", fault.at, self.storm),
                );
            }
            self.check_targets(&fault.kind, fault.on.is_some(), name)?;
            check_strength(&fault.kind, name)?;
        }
        Ok(())
    }

    fn check_cluster(&self) -> Result<(), PlanError> {
        if self.version != VERSION {
            let which = if self.version > VERSION { "newer" } else { "older" };
            return plan_error(
                "version",
                format!("is {}, {which} than the {VERSION} that this build understands", self.version),
            );
        }
        if self.nodes == 0 {
            return plan_error("nodes", format!("is 0: a plan needs between 1 and {MAX_NODES} servers"));
        }
        check_range("nodes", self.nodes, 1, MAX_NODES)?;
        if let Some(bug) = self.bug.as_deref().filter(|bug| bugs::find(bug).is_none()) {
            let all = bugs::all();
            let offer = names::unknown_name("bug", bug, all.iter().map(|bug| bug.name));
            return plan_error("bug", format!("is \"{bug}\": {offer}"));
        }
        let raft = &self.raft;
        check_duration("storm", self.storm, SimDuration(1))?;
        check_duration("raft.election_timeout", raft.election_timeout, SimDuration(1))?;
        check_duration("raft.election_timeout_spread", raft.election_timeout_spread, SimDuration(0))?;
        check_duration("raft.heartbeat", raft.heartbeat, SimDuration(1))?;
        if raft.heartbeat >= raft.election_timeout {
            return plan_error(
                "raft.heartbeat",
                format!(
                    "is {}: it must be less than the election timeout, {}",
                    raft.heartbeat, raft.election_timeout
                ),
            );
        }
        check_range("raft.batch", raft.batch, 1, MAX_COUNT)?;
        check_range("raft.window", raft.window, 1, MAX_COUNT)?;
        check_range("raft.syncs", raft.syncs, 1, MAX_COUNT)?;
        check_range("raft.batch_bytes", raft.batch_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.window_bytes", raft.window_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.uncommitted_bytes", raft.uncommitted_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.chunk", raft.chunk, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.requests", raft.requests, 0, MAX_COUNT)?;
        check_range("raft.promotion_lag", raft.promotion_lag, 0, MAX_COUNT)?;
        check_range("raft.founders", raft.founders, 0, self.nodes)?;
        self.check_lease()?;
        self.check_compaction()?;
        self.check_permanent_fault()?;
        check_range("bounds.leader", self.bounds.leader, 1, MAX_COUNT)?;
        check_range("bounds.write", self.bounds.write, 1, MAX_COUNT)?;
        check_range("bounds.convergence", self.bounds.convergence, 1, MAX_COUNT)?;
        check_range("bounds.events", self.bounds.events, 1, MAX_EVENTS)
    }

    fn check_lease(&self) -> Result<(), PlanError> {
        let Some(drift) = self.raft.lease_drift else { return Ok(()) };
        if drift >= Probability::CERTAIN {
            return plan_error(
                "raft.lease_drift",
                format!("is {drift}: a clock that may stand still bounds nothing, so it must be below 100%"),
            );
        }
        if !self.raft.check_quorum {
            return plan_error(
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
            return plan_error(format!("fault {number} ({}): drift", fault.kind.name()), reason);
        }
        Ok(())
    }

    fn check_permanent_fault(&self) -> Result<(), PlanError> {
        let Some(held) = self.held else { return Ok(()) };
        if !self.raft.check_quorum {
            return plan_error(
                "held",
                "needs `raft.check_quorum = true`: without it a leader that hears nobody leads on for ever"
                    .into(),
            );
        }
        // It spends everybody's votes, term after term, and hears of none.
        if held.ailment == PermanentFaultKind::Deaf && !self.raft.pre_vote {
            return plan_error(
                "held.ailment",
                "is \"deaf\": that needs `raft.pre_vote = true`, or a deaf candidate may be voted for for ever".into(),
            );
        }
        match held.node {
            Target::Node(number) if !(1..=self.nodes).contains(&number) => {
                let nodes = self.nodes;
                plan_error("held.node", format!("is {number}, but the plan has servers 1 to {nodes}"))
            }
            Target::TriggerNode => plan_error("held.node", "is \"there\": it waits for no moment".into()),
            _ if held.drift.unsigned_abs() > MAX_DRIFT.unsigned_abs() => plan_error(
                "held.drift",
                format!(
                    "is {}: it must be between {} and {MAX_DRIFT} parts per million",
                    held.drift, -MAX_DRIFT
                ),
            ),
            _ if self
                .raft
                .lease_drift
                .is_some_and(|drift| held.drift.unsigned_abs() > u64::from(drift.0)) =>
            {
                plan_error(
                    "held.drift",
                    format!("is {} parts per million, which leases do not count on", held.drift),
                )
            }
            _ => Ok(()),
        }
    }

    fn check_compaction(&self) -> Result<(), PlanError> {
        let Some(CompactionConfig { entries, bytes, every, trailing }) = self.compaction else {
            return Ok(());
        };
        check_range("compaction.entries", entries, 0, MAX_COUNT)?;
        check_range("compaction.trailing", trailing, 0, MAX_COUNT)?;
        check_range("compaction.bytes", bytes, 0, MAX_LIMIT_BYTES)?;
        check_duration("compaction.every", every, SimDuration(0))?;
        if (entries, bytes, every) == (0, 0, SimDuration(0)) {
            return plan_error(
                "compaction",
                "never happens: give `entries`, `bytes` or `every`, or leave the table out".into(),
            );
        }
        Ok(())
    }

    fn check_network_and_disk(&self) -> Result<(), PlanError> {
        let (network, disk) = (&self.network, &self.disk);
        check_duration("network.delay", network.delay, SimDuration(0))?;
        check_duration("network.delay_spread", network.delay_spread, SimDuration(0))?;
        check_duration("network.tail_spread", network.tail_spread, SimDuration(0))?;
        check_probability("network.tail", network.tail)?;
        check_probability("network.loss", network.loss)?;
        check_probability("network.duplication", network.duplication)?;
        check_probability("network.reordering", network.reordering)?;
        check_duration("disk.sync", disk.sync, SimDuration(0))?;
        check_duration("disk.sync_spread", disk.sync_spread, SimDuration(0))?;
        check_duration("disk.tail_spread", disk.tail_spread, SimDuration(0))?;
        check_probability("disk.tail", disk.tail)
    }

    fn check_clients(&self) -> Result<(), PlanError> {
        let clients = &self.clients;
        check_range("clients.count", clients.count, 1, MAX_CLIENTS)?;
        check_range("clients.in_flight", clients.in_flight, 1, MAX_IN_FLIGHT)?;
        check_range("clients.attempts", clients.attempts, 1, MAX_COUNT)?;
        // The first half of the keys are registers and the rest lists: there must be one of each.
        check_range("clients.keys", clients.keys, 2, MAX_KEYS)?;
        check_duration("clients.pause", clients.pause, SimDuration(0))?;
        check_duration("clients.patience", clients.patience, SimDuration(1))?;
        check_probability("clients.reads", clients.reads)?;
        check_duration("clients.session", clients.session, SimDuration(0))?;
        check_probability("clients.anywhere", clients.anywhere)?;
        let calls = clients.calls.as_deref().unwrap_or_default();
        if calls.len() as u64 > clients.count {
            let (lists, count) = (calls.len(), clients.count);
            return plan_error(
                "clients.calls",
                format!("has {lists} lists, but the plan has {count} clients"),
            );
        }
        calls.iter().flatten().try_for_each(|number| check_range("clients.calls", *number, 1, MAX_COUNT))
    }

    /// What clients call is kept: by those who judge it, and, until it is compacted, in the log of each server.
    fn check_memory(&self) -> Result<(), PlanError> {
        let (calls, kept) = (self.max_calls(), self.estimated_memory());
        if kept <= MAX_MEMORY {
            return Ok(());
        }
        plan_error(
            "clients.pause",
            format!(
                "is {}: with that, {} clients call up to {calls} times in {}, of which a run keeps about {} MiB, and it may \
                 keep {}; give them longer pauses or fewer events (`bounds.events`), or let logs be compacted more often",
                self.clients.pause,
                self.clients.count,
                self.storm,
                kept >> 20,
                MAX_MEMORY >> 20
            ),
        )
    }

    /// How often clients call, at most: at each of their turns, and with three events at least for each call.
    fn max_calls(&self) -> u64 {
        let ClientConfig { count, pause, .. } = &self.clients;
        let turns = match &self.clients.calls {
            Some(calls) => calls.iter().map(|calls| calls.len() as u64).sum(),
            // Pauses are drawn, and their mean is this one.
            None => count.saturating_mul(self.storm.0 / pause.0.max(1) + 1),
        };
        turns.min(self.bounds.events / 3)
    }

    /// About how many bytes a run keeps of what clients call.
    fn estimated_memory(&self) -> u64 {
        let calls = self.max_calls();
        let reads = u128::from(calls) * u128::from(self.clients.reads.0.min(1_000_000)) / 1_000_000;
        let writes = calls - reads as u64;
        let log = self.compaction.as_ref().map_or(
            writes,
            |CompactionConfig { entries, bytes, every, trailing }| {
                let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
                let every = (u128::from(writes) * u128::from(limit(every.0))
                    / u128::from(self.storm.0.max(1))) as u64;
                // A command has some ten bytes at least.
                limit(*entries).min(limit(*bytes) / 10).min(every).saturating_add(*trailing).min(writes)
            },
        );
        calls * BYTES_PER_CALL + writes * BYTES_PER_WRITE + log * self.nodes * BYTES_PER_ENTRY
    }

    fn check_targets(
        &self,
        kind: &FaultKind,
        waits: bool,
        name: impl Fn(&str) -> String,
    ) -> Result<(), PlanError> {
        for (field, target) in kind.targets() {
            match target {
                Target::Node(number) if !(1..=self.nodes).contains(&number) => {
                    let nodes = self.nodes;
                    return plan_error(
                        name(field),
                        format!("is {number}, but the plan has servers 1 to {nodes}"),
                    );
                }
                Target::TriggerNode if !waits => {
                    return plan_error(
                        name(field),
                        "is \"there\": that needs the moment to wait for, `on`".into(),
                    );
                }
                _ => {}
            }
        }
        if kind.targets().len() > MAX_TARGETS {
            let (field, _) = kind.targets()[MAX_TARGETS];
            return plan_error(name(field), format!("names more than {MAX_TARGETS} servers"));
        }
        match kind {
            FaultKind::Cut { from, to, .. } if from == to => {
                plan_error(name("to"), "is the same as `from`: no link leads from a server to itself".into())
            }
            FaultKind::Split { side, .. } if side.is_empty() => {
                plan_error(name("side"), "is empty: a split needs at least one server on this side".into())
            }
            _ => Ok(()),
        }
    }
}

fn check_strength(kind: &FaultKind, name: impl Fn(&str) -> String) -> Result<(), PlanError> {
    if let Some(lasts) = kind.lasts() {
        check_duration(&name("lasts"), lasts, SimDuration(1))?;
    }
    match kind {
        FaultKind::Weather { loss, duplication, reordering, delay, .. } => {
            check_probability(&name("loss"), *loss)?;
            check_probability(&name("duplication"), *duplication)?;
            check_probability(&name("reordering"), *reordering)?;
            check_duration(&name("delay"), *delay, SimDuration(0))
        }
        FaultKind::SlowDisk { factor, .. } => check_range(&name("factor"), *factor, 1, MAX_FACTOR),
        FaultKind::ClockRate { drift, .. } if drift.abs_diff(0) > MAX_DRIFT.unsigned_abs() => plan_error(
            name("drift"),
            format!("is {drift}: it must be between {} and {MAX_DRIFT} parts per million", -MAX_DRIFT),
        ),
        FaultKind::ClockJump { by, .. } => check_duration(&name("by"), *by, SimDuration(1)),
        FaultKind::WallJump { by, .. } if by.unsigned_abs() > MAX_DURATION.0 / 1_000_000 => {
            plan_error(name("by"), format!("is {by}: a wall clock jumps by less than {MAX_DURATION}"))
        }
        _ => Ok(()),
    }
}

fn plan_error(field: impl Into<String>, reason: String) -> Result<(), PlanError> {
    Err(PlanError { field: field.into(), reason })
}

fn check_range(field: &str, value: u64, least: u64, most: u64) -> Result<(), PlanError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    plan_error(field, format!("is {value}: it must be between {least} and {most}"))
}

fn check_duration(field: &str, value: SimDuration, least: SimDuration) -> Result<(), PlanError> {
    if (least..=MAX_DURATION).contains(&value) {
        return Ok(());
    }
    plan_error(field, format!("is {value}: it must be between {least} and {MAX_DURATION}"))
}

fn check_probability(field: &str, value: Probability) -> Result<(), PlanError> {
    if value <= Probability::CERTAIN {
        return Ok(());
    }
    plan_error(field, format!("is {value}: it must be between 0% and 100%"))
}
