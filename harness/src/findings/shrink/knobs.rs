//! The knobs of a plan, one per line. A new knob is added only here.

use crate::plan::{Plan, Probability, SimDuration};

/// Sets a switch or number to its default, with which nothing happens that needs an explanation.
pub(super) const KNOB_DEFAULTS: &[fn(&mut Plan)] = &[
    |plan| plan.system.clear(),
    |plan| _ = plan.system.pop_first(),
    |plan| _ = plan.system.pop_last(),
    |plan| plan.raft.pre_vote = false,
    |plan| plan.raft.check_quorum = false,
    |plan| plan.raft.initial_voters = 0,
    |plan| plan.raft.batch = 64,
    |plan| plan.raft.window = 16,
    |plan| plan.raft.max_in_flight_syncs = 1,
    |plan| plan.permanent_fault = None,
    |plan| plan.compaction = None,
    |plan| plan.compaction.iter_mut().for_each(|compaction| compaction.trailing = 0),
    |plan| plan.raft.lease_drift = None,
    |plan| plan.raft.forward = false,
    |plan| plan.raft.batch_bytes = 0,
    |plan| plan.raft.window_bytes = 0,
    |plan| plan.raft.uncommitted_bytes = 0,
    |plan| plan.raft.chunk = 0,
    |plan| plan.raft.requests = 0,
    |plan| plan.raft.promotion_lag = 0,
    |plan| plan.clock_limit = SimDuration(0),
    |plan| plan.clients.session = SimDuration(0),
    |plan| plan.clients.in_flight = 1,
    |plan| plan.clients.attempts = 1,
    |plan| plan.clients.keys = 2,
    |plan| plan.clients.command_bytes_spread = 0,
    |plan| (plan.clients.command_bytes, plan.clients.command_bytes_spread) = (0, 0),
    |plan| plan.clients.load = 0,
];

/// Probabilities; shrunk to zero.
pub(super) const PROBABILITIES: &[fn(&mut Plan) -> &mut Probability] = &[
    |plan| &mut plan.network.loss,
    |plan| &mut plan.network.duplication,
    |plan| &mut plan.network.reordering,
    |plan| &mut plan.network.tail,
    |plan| &mut plan.disk.tail,
    |plan| &mut plan.clients.reads,
    |plan| &mut plan.clients.random_target,
];

/// A duration in a plan.
type DurationField = fn(&mut Plan) -> &mut SimDuration;

/// Durations with their defaults.
pub(super) const DURATION_DEFAULTS: &[(DurationField, SimDuration)] = &[
    (|plan| &mut plan.network.delay, SimDuration::millis(1)),
    (|plan| &mut plan.network.delay_spread, SimDuration(0)),
    (|plan| &mut plan.network.tail_spread, SimDuration(0)),
    (|plan| &mut plan.disk.sync, SimDuration::millis(1)),
    (|plan| &mut plan.disk.sync_spread, SimDuration(0)),
    (|plan| &mut plan.disk.tail_spread, SimDuration(0)),
    (|plan| &mut plan.raft.election_timeout, SimDuration::millis(300)),
    (|plan| &mut plan.raft.election_timeout_spread, SimDuration::millis(300)),
    (|plan| &mut plan.raft.heartbeat, SimDuration::millis(100)),
    (|plan| &mut plan.clients.think_time, SimDuration::millis(100)),
    (|plan| &mut plan.clients.timeout, SimDuration::millis(500)),
];
