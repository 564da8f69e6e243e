//! How much load a group without faults carries, by its plan alone.
//!
//! A leader has at most so many commands on their way: as many as fit into one batch, times the batches in flight, and
//! within the limits in bytes, of what is uncommitted, and of pending requests. Each takes a round trip and a sync. So
//!
//! > capacity = commands in flight / (round trip + sync)
//!
//! with the longest ordinary delays, and no more than two batches that wait for each other's sync. The load of the
//! healed phase is half of that: [`Plan::load`].

use super::{Plan, Probability, SimDuration};

/// The most bytes of a command of the application, unless the plan makes it longer: its timestamp, session, numbers, key and
/// value.
const LARGEST_COMMAND: u64 = 40;
/// What a command counts beside its bytes against `raft.uncommitted_bytes`.
const UNCOMMITTED_OVERHEAD: u64 = 64;
/// For so many rounds calls arrive, unless the plan has fewer.
const LOAD_ROUNDS: u64 = 16;
/// So many rounds a call may take without counting as slow: one to reach the leader and to return, and one and a half each
/// for the batches before it and for its own, each of which may wait for a sync that is in flight.
const CALL_ROUNDS: u64 = 4;
/// So many more where a session is registered first: there and back, one batch, and a sync in flight.
const REGISTRATION_ROUNDS: u64 = 3;

/// What a group without faults carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// The most commands on their way to a majority at once; at least 1.
    pub in_flight: u64,
    /// A round trip and a sync, each at its longest ordinary.
    pub round: SimDuration,
}

/// An open-loop load: calls arrive at a steady rate, whether or not earlier ones are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// How many calls arrive.
    pub calls: u64,
    /// The time from one to the next.
    pub interval: SimDuration,
    /// How much later than the last arrival answers still count for the rate.
    pub allowance: SimDuration,
    /// The capacity of which it is half.
    pub capacity: Capacity,
}

impl Plan {
    /// The capacity of a group of this plan without faults.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let (raft, network, disk) = (&self.raft, &self.network, &self.disk);
        let command = self.largest_command();
        // 0 is no limit, and what is larger than a limit is still sent alone.
        let fits = |limit: u64, size: u64| if limit == 0 { u64::MAX } else { (limit / size).max(1) };
        let per_batch = raft.batch.min(fits(raft.batch_bytes, command));
        let in_flight = per_batch
            .saturating_mul(raft.window)
            .min(fits(raft.window_bytes, command))
            .min(fits(raft.uncommitted_bytes, command + UNCOMMITTED_OVERHEAD))
            .min(fits(raft.requests, 1));
        let delay = network.delay.0.saturating_add(network.delay_spread.0);
        let sync = disk.sync.0.saturating_add(disk.sync_spread.0);
        Capacity { in_flight, round: SimDuration(delay.saturating_mul(2).saturating_add(sync)) }
    }

    /// The load of the healed phase: half of the capacity, for some rounds. `None`: the plan has none, or it is left out,
    /// because messages are lost, or because half of the capacity is no more than one call per round.
    #[must_use]
    pub fn load(&self) -> Option<Load> {
        let capacity @ Capacity { in_flight, round } = self.capacity();
        if self.clients.load == 0 || self.network.loss > Probability(0) || in_flight / 2 <= 1 {
            return None;
        }
        let calls = self.clients.load.min((in_flight / 2).saturating_mul(LOAD_ROUNDS));
        let interval = SimDuration((round.0.saturating_mul(2) / in_flight).max(1));
        let registration = if self.clients.session.is_zero() { 0 } else { REGISTRATION_ROUNDS };
        let allowance = SimDuration(round.0.saturating_mul(CALL_ROUNDS + registration));
        Some(Load { calls, interval, allowance, capacity })
    }

    /// The most bytes of a command.
    pub(crate) fn largest_command(&self) -> u64 {
        LARGEST_COMMAND.max(self.clients.command_bytes + self.clients.command_bytes_spread)
    }
}

#[cfg(test)]
mod tests {
    use super::{Capacity, LARGEST_COMMAND, UNCOMMITTED_OVERHEAD};
    use crate::plan::{ClientConfig, Plan, Probability, SimDuration, generate};
    use std::collections::BTreeSet;

    /// Batches of 8, 4 of them in flight; a round trip of 2 × 10 ms and a sync of 5 ms.
    fn plan() -> Plan {
        let mut plan = generate(1);
        (plan.raft.batch, plan.raft.window) = (8, 4);
        (plan.raft.batch_bytes, plan.raft.window_bytes, plan.raft.uncommitted_bytes) = (0, 0, 0);
        plan.raft.requests = 0;
        (plan.network.delay, plan.network.delay_spread) = (SimDuration::millis(9), SimDuration::millis(1));
        (plan.disk.sync, plan.disk.sync_spread) = (SimDuration::millis(2), SimDuration::millis(3));
        plan.network.loss = Probability(0);
        (plan.clients.session, plan.clients.load) = (SimDuration(0), 1_000);
        plan
    }

    fn in_flight(change: impl FnOnce(&mut Plan)) -> u64 {
        let mut plan = plan();
        change(&mut plan);
        plan.capacity().in_flight
    }

    #[test]
    fn capacity_is_what_is_in_flight_over_a_round_trip_and_a_sync() {
        assert_eq!(plan().capacity(), Capacity { in_flight: 32, round: SimDuration::millis(25) });
        let load = plan().load().unwrap();
        // Half of 32 per 25 ms, for 16 rounds.
        assert_eq!((load.calls, load.interval), (16 * 16, SimDuration(25_000_000 / 16)));
        assert_eq!(load.allowance, SimDuration::millis(100));
        let expiring = ClientConfig { session: SimDuration(1), ..plan().clients };
        let load = Plan { clients: expiring, ..plan() }.load().unwrap();
        assert_eq!(load.allowance, SimDuration::millis(175));
    }

    #[test]
    fn each_limit_lowers_the_capacity() {
        let size = LARGEST_COMMAND;
        assert_eq!(in_flight(|plan| plan.raft.batch_bytes = 3 * size + size / 2), 3 * 4);
        assert_eq!(in_flight(|plan| plan.raft.batch_bytes = 1), 4, "a larger command is sent alone");
        assert_eq!(in_flight(|plan| plan.raft.batch_bytes = 100 * size), 32);
        assert_eq!(in_flight(|plan| plan.raft.window_bytes = 10 * size), 10);
        assert_eq!(in_flight(|plan| plan.raft.window_bytes = 1), 1);
        assert_eq!(in_flight(|plan| plan.raft.uncommitted_bytes = 7 * (size + UNCOMMITTED_OVERHEAD)), 7);
        assert_eq!(in_flight(|plan| plan.raft.requests = 5), 5);
        let padded = |plan: &mut Plan| {
            (plan.clients.command_bytes, plan.clients.command_bytes_spread) = (90, 10);
            plan.raft.batch_bytes = 250;
        };
        assert_eq!(in_flight(padded), 2 * 4);
        assert_eq!(in_flight(|plan| plan.raft.requests = 50), 32);
        assert_eq!(in_flight(|plan| (plan.raft.batch, plan.raft.window) = (u64::MAX, 2)), u64::MAX);
    }

    #[test]
    fn a_load_is_left_out_where_messages_are_lost_or_hardly_any_command_is_in_flight() {
        let has_load = |change: &dyn Fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.load().is_some()
        };
        assert!(has_load(&|plan| plan.network.duplication = Probability(1_000)));
        assert!(!has_load(&|plan| plan.network.loss = Probability(1)));
        assert!(!has_load(&|plan| plan.clients.load = 0));
        assert!(!has_load(&|plan| plan.raft.requests = 3), "3 / 2 is one call per round");
        assert!(has_load(&|plan| plan.raft.requests = 4));
    }

    #[test]
    fn no_load_needs_more_than_half_of_what_is_in_flight() {
        let mut rounds = BTreeSet::new();
        for plan in (0..500).map(generate) {
            let Some(load) = plan.load() else { continue };
            let Capacity { in_flight, round } = load.capacity;
            // One less: intervals are rounded down.
            let per_round = (round.0 - 1) / load.interval.0;
            assert!(per_round <= in_flight / 2 + 1, "{load:?}");
            assert!(load.calls <= plan.clients.load && load.calls > 0, "{load:?}");
            rounds.insert(load.calls * load.interval.0 / round.0);
        }
        assert!(rounds.len() > 4, "loads last for {rounds:?} rounds");
    }
}
