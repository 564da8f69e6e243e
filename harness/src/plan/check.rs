//! Validation: whether a plan can be run.

use super::faults::{MAX_EFFECTS, MAX_FACTOR, Slot};
use super::{
    ClientConfig, CompactionConfig, FaultKind, MAX_NODES, PermanentFaultKind, Plan, Probability, SimDuration,
    Target, VERSION,
};
use std::fmt;

/// The highest reading that clocks may be made to pass: 33 bits of milliseconds.
const MAX_CLOCK_LIMIT: SimDuration = SimDuration((1 << 33) * 1_000_000);
/// The longest duration in a plan: thirty days. No sum of such durations overflows.
pub(super) const MAX_DURATION: SimDuration = SimDuration(30 * 24 * 3_600 * 1_000_000_000);
/// The limit of counts that cost nothing until they are used: batch entries, messages in flight, attempts, ...
const MAX_COUNT: u64 = 1_000_000;
/// The largest byte limit.
const MAX_LIMIT_BYTES: u64 = 1 << 30;
/// The most clients: each has a link to and from each server.
const MAX_CLIENTS: u64 = 10_000;
/// The most requests that one client has in flight: each response searches them.
const MAX_IN_FLIGHT: u64 = 1_000;
/// The most bytes to which commands are padded.
const MAX_COMMAND_BYTES: u64 = 1 << 16;
/// The most calls of the load: each response searches those in flight.
const MAX_LOAD: u64 = 1_000;
/// The most keys: the application keeps a table of them, and each snapshot contains it.
const MAX_KEYS: u64 = 100_000;
/// The most faults of a plan, and the most targets of one fault.
const MAX_FAULTS: usize = 10_000;
const MAX_TARGETS: usize = 100;
/// The most events of a run.
pub const MAX_EVENTS: u64 = 100_000_000;
/// The most bytes that a run may need by [`Plan::estimated_memory`]: with everything else it stays below 1 GiB.
const MAX_MEMORY: u64 = 900 << 20;
/// The largest drift of a clock in parts per million of true time.
const MAX_DRIFT: i64 = 500_000;

/// Memory per call, additionally per write, and per log entry (with its disk record) of each server. Measured.
const BYTES_PER_CALL: u64 = 100;
const BYTES_PER_WRITE: u64 = 400;
const BYTES_PER_ENTRY: u64 = 170;

/// Why a plan cannot be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanError {
    /// The invalid field as the file names it: `raft.heartbeat`, `fault 3 (crash): node`.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.reason)
    }
}

impl std::error::Error for PlanError {}

impl PlanError {
    /// An error about a field.
    pub(crate) fn new(field: &str, reason: String) -> PlanError {
        PlanError { field: field.to_owned(), reason }
    }
}

impl Plan {
    /// Checks that this plan can be run.
    ///
    /// # Errors
    ///
    /// The first field that is invalid.
    pub fn check(&self) -> Result<(), PlanError> {
        self.check_cluster()?;
        self.check_network_and_disk()?;
        self.check_clients()?;
        self.check_memory()?;
        if self.faults.len() > MAX_FAULTS {
            return plan_error(
                "fault",
                format!("appears {} times: at most {MAX_FAULTS} faults are allowed", self.faults.len()),
            );
        }
        for (number, fault) in (1..).zip(&self.faults) {
            let name = |field: &str| format!("fault {number} ({}): {field}", fault.kind.name());
            if fault.at >= self.fault_phase {
                return plan_error(
                    name("at"),
                    format!("is {}, but the fault phase ends at {}", fault.at, self.fault_phase),
                );
            }
            self.check_targets(&fault.kind, fault.on.is_some(), name)?;
            check_fields(&mut fault.kind.clone(), name)?;
        }
        Ok(())
    }

    fn check_cluster(&self) -> Result<(), PlanError> {
        if self.version != VERSION {
            let order = if self.version > VERSION { "newer" } else { "older" };
            return plan_error(
                "version",
                format!("is {}, {order} than {VERSION}, which this build reads", self.version),
            );
        }
        if self.nodes == 0 {
            return plan_error("nodes", format!("is 0: a plan needs between 1 and {MAX_NODES} servers"));
        }
        check_range("nodes", self.nodes, 1, MAX_NODES)?;
        let raft = &self.raft;
        check_duration("fault_phase", self.fault_phase, SimDuration(1))?;
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
        check_range("raft.max_in_flight_syncs", raft.max_in_flight_syncs, 1, MAX_COUNT)?;
        check_range("raft.batch_bytes", raft.batch_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.window_bytes", raft.window_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.uncommitted_bytes", raft.uncommitted_bytes, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.chunk", raft.chunk, 0, MAX_LIMIT_BYTES)?;
        check_range("raft.requests", raft.requests, 0, MAX_COUNT)?;
        check_range("raft.promotion_lag", raft.promotion_lag, 0, MAX_COUNT)?;
        check_range("raft.initial_voters", raft.initial_voters, 0, self.nodes)?;
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
                format!(
                    "is {drift}: it must be below 100%, because a clock that may stand still bounds nothing"
                ),
            );
        }
        if !self.raft.check_quorum {
            return plan_error(
                "raft.lease_drift",
                "needs `raft.check_quorum = true`: leases depend on voters that reject candidates".into(),
            );
        }
        // Clock faults must respect the lease bound: a stale read under a broken bound proves nothing.
        for (number, fault) in (1..).zip(&self.faults) {
            for (field, slot) in fault.kind.clone().slots() {
                let reason = match slot {
                    Slot::ClockRate(rate) if rate.unsigned_abs() > u64::from(drift.0) => {
                        format!("is {rate} parts per million, but leases allow at most {drift}")
                    }
                    Slot::ClockJump(_) => {
                        format!(
                            "is a jump, but leases need clocks whose rate stays within {drift} of true time"
                        )
                    }
                    _ => continue,
                };
                return plan_error(format!("fault {number} ({}): {field}", fault.kind.name()), reason);
            }
        }
        Ok(())
    }

    fn check_permanent_fault(&self) -> Result<(), PlanError> {
        let Some(permanent) = self.permanent_fault else { return Ok(()) };
        if self.unlimited_damage {
            return plan_error(
                "permanent_fault",
                "is one of the healed phase, with which a run with `unlimited_damage` has nothing to do: it ends before".into(),
            );
        }
        if !self.raft.check_quorum {
            return plan_error(
                "permanent_fault",
                "needs `raft.check_quorum = true`: without it an isolated leader never steps down".into(),
            );
        }
        // Without pre-vote this server keeps raising the term and takes the votes, and never receives a response.
        if permanent.kind == PermanentFaultKind::InboundPartition && !self.raft.pre_vote {
            return plan_error(
                "permanent_fault.kind",
                "is \"inbound-partition\": it needs `raft.pre_vote = true`, or the server keeps winning votes in new terms".into(),
            );
        }
        match permanent.node {
            Target::Node(number) if !(1..=self.nodes).contains(&number) => {
                let nodes = self.nodes;
                plan_error(
                    "permanent_fault.node",
                    format!("is {number}, but the plan has servers 1 to {nodes}"),
                )
            }
            Target::TriggerNode => plan_error(
                "permanent_fault.node",
                "is \"trigger-node\", but a permanent fault has no trigger".into(),
            ),
            _ if self
                .raft
                .lease_drift
                .is_some_and(|drift| permanent.drift.unsigned_abs() > u64::from(drift.0)) =>
            {
                plan_error(
                    "permanent_fault.drift",
                    format!("is {} parts per million, more than leases allow", permanent.drift),
                )
            }
            _ => check_drift("permanent_fault.drift", permanent.drift),
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
                "never happens: set `entries`, `bytes` or `every`, or remove the table".into(),
            );
        }
        Ok(())
    }

    fn check_network_and_disk(&self) -> Result<(), PlanError> {
        let (network, disk) = (&self.network, &self.disk);
        if self.clock_limit > MAX_CLOCK_LIMIT {
            let problem = format!("is {}: it must be at most {MAX_CLOCK_LIMIT}", self.clock_limit);
            return plan_error("clock_limit", problem);
        }
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
        check_duration("clients.think_time", clients.think_time, SimDuration(0))?;
        check_duration("clients.timeout", clients.timeout, SimDuration(1))?;
        check_probability("clients.reads", clients.reads)?;
        check_duration("clients.session", clients.session, SimDuration(0))?;
        check_probability("clients.random_target", clients.random_target)?;
        check_range("clients.command_bytes", clients.command_bytes, 0, MAX_COMMAND_BYTES)?;
        check_range("clients.command_bytes_spread", clients.command_bytes_spread, 0, MAX_COMMAND_BYTES)?;
        check_range("clients.load", clients.load, 0, MAX_LOAD)?;
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

    /// Calls are kept in memory by the checkers and, until compaction, in the log of each server.
    fn check_memory(&self) -> Result<(), PlanError> {
        let (calls, bytes) = (self.max_calls(), self.estimated_memory());
        if bytes <= MAX_MEMORY {
            return Ok(());
        }
        plan_error(
            "clients.think_time",
            format!(
                "is {}: {} clients then make up to {calls} calls in {}, for which a run needs about {} MiB, and the limit is \
                 {} MiB; set a longer think time or fewer events (`bounds.events`), or compact logs more often",
                self.clients.think_time,
                self.clients.count,
                self.fault_phase,
                bytes >> 20,
                MAX_MEMORY >> 20
            ),
        )
    }

    /// The most calls that clients can make: one per turn, and each call needs at least three events.
    fn max_calls(&self) -> u64 {
        let ClientConfig { count, think_time, .. } = &self.clients;
        let turns = match &self.clients.calls {
            Some(calls) => calls.iter().map(|calls| calls.len() as u64).sum(),
            // Pauses are random with this mean.
            None => count.saturating_mul(self.fault_phase.0 / think_time.0.max(1) + 1),
        };
        turns.min(self.bounds.events / 3)
    }

    /// About how many bytes a run needs for the calls of clients.
    fn estimated_memory(&self) -> u64 {
        let calls = self.max_calls();
        let reads = u128::from(calls) * u128::from(self.clients.reads.0.min(1_000_000)) / 1_000_000;
        let writes = calls - reads as u64;
        let log = self.compaction.as_ref().map_or(
            writes,
            |CompactionConfig { entries, bytes, every, trailing }| {
                let limit = |limit: u64| if limit == 0 { u64::MAX } else { limit };
                let every = (u128::from(writes) * u128::from(limit(every.0))
                    / u128::from(self.fault_phase.0.max(1))) as u64;
                // A command has at least about ten bytes.
                limit(*entries).min(limit(*bytes) / 10).min(every).saturating_add(*trailing).min(writes)
            },
        );
        let padding = self.clients.command_bytes + self.clients.command_bytes_spread;
        calls * BYTES_PER_CALL + writes * BYTES_PER_WRITE + log * self.nodes * (BYTES_PER_ENTRY + padding)
    }

    fn check_targets(
        &self,
        kind: &FaultKind,
        has_trigger: bool,
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
                Target::TriggerNode if !has_trigger => {
                    return plan_error(name(field), "is \"trigger-node\": it needs a trigger, `on`".into());
                }
                _ => {}
            }
        }
        if kind.targets().len() > MAX_TARGETS {
            let (field, _) = kind.targets()[MAX_TARGETS];
            return plan_error(name(field), format!("names more than {MAX_TARGETS} servers"));
        }
        Ok(())
    }
}

/// Checks the fields of a fault by their roles.
fn check_fields(kind: &mut FaultKind, name: impl Fn(&str) -> String) -> Result<(), PlanError> {
    if let Some((field, reason)) = kind.invalid_field() {
        return plan_error(name(field), reason.to_owned());
    }
    for (field, slot) in kind.slots() {
        let field = name(field);
        match slot {
            Slot::Target(_)
            | Slot::Targets(_)
            | Slot::Flag(_)
            | Slot::Release(_)
            | Slot::Shape(_)
            | Slot::Damage(_) => {}
            Slot::Bytes(bytes) => check_range(&field, *bytes, 0, MAX_LIMIT_BYTES)?,
            Slot::Lasts(duration) | Slot::ClockJump(duration) => {
                check_duration(&field, *duration, SimDuration(1))?;
            }
            Slot::Delay(delay) => check_duration(&field, *delay, SimDuration(0))?,
            Slot::Probability(probability) => check_probability(&field, *probability)?,
            Slot::SyncFactor(factor) => check_range(&field, *factor, 1, MAX_FACTOR)?,
            Slot::Effects(effects) => check_range(&field, *effects, 0, MAX_EFFECTS)?,
            Slot::ClockRate(drift) => check_drift(&field, *drift)?,
            Slot::WallJump(by) if by.unsigned_abs() > MAX_DURATION.0 / 1_000_000 => {
                plan_error(field, format!("is {by}: a wall clock jumps by less than {MAX_DURATION}"))?;
            }
            Slot::WallJump(_) => {}
        }
    }
    Ok(())
}

fn check_drift(field: &str, drift: i64) -> Result<(), PlanError> {
    if drift.unsigned_abs() <= MAX_DRIFT.unsigned_abs() {
        return Ok(());
    }
    let reason = format!("is {drift}: it must be between {} and {MAX_DRIFT} parts per million", -MAX_DRIFT);
    plan_error(field, reason)
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
