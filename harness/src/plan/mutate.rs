//! Mutation: plans that differ from another plan in a few random places. They reach what the generator never draws, for
//! example plans that users write or edit by hand.
//!
//! [`mutate`] is a function of a plan, a donor and a number; all randomness comes from that number's stream. A mutation
//! is kept only if the plan still passes [`Plan::check`], so the result always does.

use super::faults::{Damage, Release, Shape, Slot};
use super::generate::{generate, limit_clock_faults, liveness_bounds};
use super::plan_rng::PlanRng;
use super::{Fault, LivenessBounds, Plan, Probability, SimDuration, Target, Trigger};
use crate::support::rng::label;

/// The most mutations of one plan.
const MAX_MUTATIONS: u64 = 10;
/// The most faults of a mutated plan: repeated copying would make runs slow.
const MAX_MUTATED_FAULTS: usize = 200;

/// One way to change a plan.
type Mutation = fn(&mut Plan, &Plan, &mut PlanRng);

/// All mutations, each with its weight.
const MUTATIONS: [(u64, Mutation); 12] = [
    (4, change_seed),
    (4, move_fault),
    (3, jitter_faults),
    (4, scale_duration),
    (4, retarget_fault),
    (4, copy_fault),
    (2, remove_fault),
    (3, change_trigger),
    (3, scale_strength),
    (4, copy_donor_faults),
    (6, copy_donor_knob),
    (1, copy_donor_knobs),
];

/// The mutated plan of this number: a generated plan, with another generated plan as donor.
#[must_use]
pub fn mutated_plan(number: u64) -> Plan {
    let donor = PlanRng::new(number, label::PLAN_DONOR, 0).in_range(0, u64::MAX >> 1);
    mutate(&generate(number), &generate(donor), number)
}

/// The plan after one to ten mutations, which may copy parts of the donor. The number's stream of mutations decides
/// everything.
#[must_use]
pub fn mutate(plan: &Plan, donor: &Plan, number: u64) -> Plan {
    let mut rng = PlanRng::new(number, label::PLAN_MUTATION, 0);
    let mut best = plan.clone();
    for _ in 0..rng.in_range(1, MAX_MUTATIONS) {
        let mut next = best.clone();
        rng.pick_weighted(&MUTATIONS)(&mut next, donor, &mut rng);
        make_valid(&mut next);
        if next.check().is_ok() {
            best = next;
        }
    }
    best
}

/// Repairs what a mutation made invalid elsewhere in the plan.
fn make_valid(plan: &mut Plan) {
    let (nodes, fault_phase) = (plan.nodes, plan.fault_phase);
    plan.raft.initial_voters = plan.raft.initial_voters.min(nodes);
    if !plan.raft.check_quorum {
        (plan.raft.lease_drift, plan.permanent_fault) = (None, None);
    }
    if let Some(permanent) = &mut plan.permanent_fault {
        wrap_node(&mut permanent.node, nodes);
        if plan.raft.lease_drift.is_some() {
            permanent.drift = 0;
        }
    }
    if let Some(calls) = &mut plan.clients.calls {
        calls.truncate(plan.clients.count as usize);
    }
    plan.faults.truncate(MAX_MUTATED_FAULTS);
    for fault in &mut plan.faults {
        fault.at.0 %= fault_phase.0.max(1);
        let has_trigger = fault.on.is_some();
        for target in fault.kind.targets_mut() {
            wrap_node(target, nodes);
            if *target == Target::TriggerNode && !has_trigger {
                *target = Target::Leader;
            }
        }
    }
    plan.faults.retain(|fault| fault.kind.invalid_field().is_none());
    if let Some(drift) = plan.raft.lease_drift {
        limit_clock_faults(drift, &mut plan.faults);
    }
    plan.faults.sort_by_key(|fault| fault.at);
    // Bounds belong to the plan they were made for; after other changes at least the generator's bounds are needed.
    let least = liveness_bounds(plan.permanent_fault);
    let LivenessBounds { leader, write, convergence, events } = &mut plan.bounds;
    for (bound, minimum) in [
        (leader, least.leader),
        (write, least.write),
        (convergence, least.convergence),
        (events, least.events),
    ] {
        *bound = minimum.max(*bound);
    }
}

/// Maps a server of a larger plan to one of this plan.
fn wrap_node(target: &mut Target, nodes: u64) {
    if let Target::Node(number) = target {
        *number = number.saturating_sub(1) % nodes.max(1) + 1;
    }
}

/// A random element; `None` if the list is empty.
fn pick_mut<'a, T>(list: &'a mut [T], rng: &mut PlanRng) -> Option<&'a mut T> {
    let last = (list.len() as u64).checked_sub(1)?;
    list.get_mut(rng.in_range(0, last) as usize)
}

/// The same faults with other random draws.
fn change_seed(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    // TOML integers are signed.
    plan.seed = rng.in_range(0, u64::MAX >> 1);
}

/// A time near this one, or any other.
fn pick_time_near(at: SimDuration, fault_phase: SimDuration, rng: &mut PlanRng) -> SimDuration {
    let span = rng.pick_weighted(&[(2, 5_000_000), (3, 100_000_000), (3, 2_000_000_000), (2, fault_phase.0)]);
    let latest = fault_phase.0.saturating_sub(1);
    let moved = at.0.saturating_sub(span) + rng.in_range(0, 2 * span);
    // Whole microseconds, as in generated plans.
    SimDuration(moved.min(latest) / 1_000 * 1_000)
}

fn move_fault(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let fault_phase = plan.fault_phase;
    if let Some(fault) = pick_mut(&mut plan.faults, rng) {
        fault.at = pick_time_near(fault.at, fault_phase, rng);
    }
}

/// Moves each fault by a small random span, so that the order of neighbours changes.
fn jitter_faults(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let span = rng.pick(&[3, 30, 300]);
    for fault in &mut plan.faults {
        fault.at = SimDuration(fault.at.0 + rng.millis(0, span).0);
    }
}

/// `percent` of the value, at least 1.
const fn scale_percent(value: u64, percent: u64) -> u64 {
    let scaled = value.saturating_mul(percent) / 100;
    if scaled == 0 { 1 } else { scaled }
}

fn scale_duration(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let Some(fault) = pick_mut(&mut plan.faults, rng) else { return };
    if let Some(lasts) = fault.kind.lasts_mut() {
        lasts.0 = scale_percent(lasts.0, rng.pick(&[2, 15, 40, 70, 150, 250, 600, 2_000]));
    }
}

/// A new target.
fn pick_new_target(nodes: u64, has_trigger: bool, rng: &mut PlanRng) -> Target {
    let node = Target::Node(rng.in_range(1, nodes));
    let trigger_node = if has_trigger { Target::TriggerNode } else { node };
    rng.pick_weighted(&[
        (4, node),
        (3, Target::Leader),
        (2, Target::Follower),
        (1, Target::LongestLog),
        (1, Target::NextLeader),
        (1, Target::SlowestDisk),
        (1, Target::TransferTarget),
        (1, Target::RemovedServer),
        (1, Target::Learners),
        (1, Target::NewestConfiguration),
        (2, trigger_node),
    ])
}

fn retarget_fault(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let nodes = plan.nodes;
    let Some(fault) = pick_mut(&mut plan.faults, rng) else { return };
    let has_trigger = fault.on.is_some();
    let mut targets = fault.kind.targets_mut();
    let last = targets.len() as u64;
    // One target, or all.
    let only = rng.in_range(0, last) as usize;
    for (index, target) in targets.iter_mut().enumerate() {
        if only == index || only == last as usize {
            **target = pick_new_target(nodes, has_trigger, rng);
        }
    }
}

/// Repeats a fault once or a few times, at other times.
fn copy_fault(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let fault_phase = plan.fault_phase;
    let Some(fault) = pick_mut(&mut plan.faults, rng).cloned() else { return };
    for _ in 0..rng.pick_weighted(&[(6, 1), (2, 2), (1, 5)]) {
        plan.faults.push(Fault { at: pick_time_near(fault.at, fault_phase, rng), ..fault.clone() });
    }
}

fn remove_fault(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let Some(kind) = pick_mut(&mut plan.faults, rng).map(|fault| fault.kind.index()) else { return };
    if rng.chance_percent(20) {
        return plan.faults.retain(|fault| fault.kind.index() != kind);
    }
    let index = rng.in_range(0, plan.faults.len() as u64 - 1);
    plan.faults.remove(index as usize);
}

/// Gives a fault another trigger, or none.
fn change_trigger(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let Some(fault) = pick_mut(&mut plan.faults, rng) else { return };
    fault.on = if rng.chance_percent(75) { Some(rng.pick(&Trigger::ALL)) } else { None };
    if fault.on.is_some() && rng.chance_percent(50) {
        fault.kind.targets_mut().into_iter().take(1).for_each(|target| *target = Target::TriggerNode);
    }
}

/// Scales what a fault does.
fn scale_strength(plan: &mut Plan, _: &Plan, rng: &mut PlanRng) {
    let has_strength = |fault: &&mut Fault| !fault.kind.clone().strengths().is_empty();
    let mut scalable: Vec<&mut Fault> = plan.faults.iter_mut().filter(has_strength).collect();
    let Some(fault) = pick_mut(&mut scalable, rng) else { return };
    let by = rng.pick(&[20, 60, 150, 300, 900]);
    for (_, slot) in fault.kind.strengths() {
        match slot {
            Slot::Target(_) | Slot::Targets(_) | Slot::Lasts(_) => {}
            Slot::Probability(probability) => {
                if rng.chance_percent(60) {
                    let scaled = scale_percent(u64::from(probability.0), by);
                    probability.0 = scaled.min(u64::from(Probability::CERTAIN.0)) as u32;
                }
            }
            Slot::Delay(span) | Slot::ClockJump(span) => span.0 = scale_percent(span.0, by),
            Slot::SyncFactor(factor) => *factor = scale_percent(*factor, by),
            Slot::Effects(effects) => *effects = rng.in_range(0, 12),
            Slot::ClockRate(value) | Slot::WallJump(value) => *value = scale_signed_percent(*value, by, rng),
            Slot::Flag(flag) => *flag = !*flag,
            Slot::Release(release) => *release = rng.pick(&Release::ALL),
            Slot::Damage(damage) => *damage = rng.pick(&Damage::ALL),
            Slot::Bytes(bytes) => *bytes = scale_percent(*bytes, by),
            Slot::Shape(shape) => *shape = rng.pick(&Shape::ALL),
        }
    }
}

/// `by` percent of the value, sometimes with the other sign.
fn scale_signed_percent(value: i64, by: u64, rng: &mut PlanRng) -> i64 {
    let scaled = scale_percent(value.unsigned_abs(), by).min(i64::MAX as u64) as i64;
    if rng.chance_percent(30) == (value < 0) { scaled } else { -scaled }
}

/// Copies faults of the donor: one, those of a time span, or all, sometimes moved in time. They join the plan's own
/// faults or replace them.
fn copy_donor_faults(plan: &mut Plan, donor: &Plan, rng: &mut PlanRng) {
    let latest = donor.fault_phase.0.saturating_sub(1);
    let copied: Vec<Fault> = match rng.in_range(1, 4) {
        1 => pick_mut(&mut donor.faults.clone(), rng).cloned().into_iter().collect(),
        2 => donor.faults.clone(),
        _ => {
            let from = rng.in_range(0, latest);
            let until = from.saturating_add(rng.millis(200, 6_000).0);
            donor.faults.iter().filter(|fault| (from..until).contains(&fault.at.0)).cloned().collect()
        }
    };
    let delay = if rng.chance_percent(50) { rng.in_range(0, latest) / 1_000 * 1_000 } else { 0 };
    if rng.chance_percent(25) {
        plan.faults.clear();
    }
    let moved = |fault: Fault| Fault { at: SimDuration(fault.at.0.saturating_add(delay)), ..fault };
    plan.faults.extend(copied.into_iter().map(moved));
}

/// Copies one setting of the donor.
fn copy_donor_knob(plan: &mut Plan, donor: &Plan, rng: &mut PlanRng) {
    rng.pick(KNOBS)(plan, donor);
}

/// Copies each setting of the donor with probability one half.
fn copy_donor_knobs(plan: &mut Plan, donor: &Plan, rng: &mut PlanRng) {
    for knob in KNOBS {
        if rng.chance_percent(50) {
            knob(plan, donor);
        }
    }
}

/// The settings that are copied together: mostly one field.
const KNOBS: &[fn(&mut Plan, &Plan)] = &[
    |plan, donor| plan.nodes = donor.nodes,
    |plan, donor| plan.fault_phase = donor.fault_phase,
    |plan, donor| {
        let (raft, other) = (&mut plan.raft, &donor.raft);
        raft.election_timeout = other.election_timeout;
        raft.election_timeout_spread = other.election_timeout_spread;
        raft.heartbeat = other.heartbeat;
    },
    |plan, donor| plan.raft.pre_vote = donor.raft.pre_vote,
    |plan, donor| plan.raft.check_quorum = donor.raft.check_quorum,
    |plan, donor| plan.raft.initial_voters = donor.raft.initial_voters,
    |plan, donor| plan.raft.batch = donor.raft.batch,
    |plan, donor| plan.raft.window = donor.raft.window,
    |plan, donor| plan.raft.max_in_flight_syncs = donor.raft.max_in_flight_syncs,
    |plan, donor| {
        plan.raft.lease_drift = donor.raft.lease_drift;
        plan.raft.check_quorum |= donor.raft.lease_drift.is_some();
    },
    |plan, donor| plan.raft.forward = donor.raft.forward,
    |plan, donor| plan.raft.batch_bytes = donor.raft.batch_bytes,
    |plan, donor| plan.raft.window_bytes = donor.raft.window_bytes,
    |plan, donor| plan.raft.uncommitted_bytes = donor.raft.uncommitted_bytes,
    |plan, donor| plan.raft.chunk = donor.raft.chunk,
    |plan, donor| plan.raft.requests = donor.raft.requests,
    |plan, donor| plan.raft.promotion_lag = donor.raft.promotion_lag,
    |plan, donor| plan.compaction = donor.compaction.clone(),
    |plan, donor| {
        plan.permanent_fault = donor.permanent_fault;
        plan.raft.check_quorum |= donor.permanent_fault.is_some();
        plan.raft.pre_vote |= donor.permanent_fault.is_some() && donor.raft.pre_vote;
    },
    |plan, donor| plan.network.delay = donor.network.delay,
    |plan, donor| plan.network.delay_spread = donor.network.delay_spread,
    |plan, donor| plan.network.tail = donor.network.tail,
    |plan, donor| plan.network.tail_spread = donor.network.tail_spread,
    |plan, donor| plan.network.loss = donor.network.loss,
    |plan, donor| plan.network.duplication = donor.network.duplication,
    |plan, donor| plan.network.reordering = donor.network.reordering,
    |plan, donor| plan.disk = donor.disk.clone(),
    |plan, donor| plan.clock_limit = donor.clock_limit,
    |plan, donor| {
        plan.clients.count = donor.clients.count;
        plan.clients.calls.clone_from(&donor.clients.calls);
    },
    |plan, donor| plan.clients.in_flight = donor.clients.in_flight,
    |plan, donor| plan.clients.think_time = donor.clients.think_time,
    |plan, donor| plan.clients.timeout = donor.clients.timeout,
    |plan, donor| plan.clients.attempts = donor.clients.attempts,
    |plan, donor| plan.clients.keys = donor.clients.keys,
    |plan, donor| plan.clients.reads = donor.clients.reads,
    |plan, donor| plan.clients.session = donor.clients.session,
    |plan, donor| plan.clients.random_target = donor.clients.random_target,
    |plan, donor| {
        plan.clients.command_bytes = donor.clients.command_bytes;
        plan.clients.command_bytes_spread = donor.clients.command_bytes_spread;
    },
    |plan, donor| plan.clients.load = donor.clients.load,
];

#[cfg(test)]
mod tests {
    use super::{KNOBS, MUTATIONS, mutate, mutated_plan};
    use crate::plan::plan_rng::PlanRng;
    use crate::plan::{file, generate};
    use proptest::prelude::*;

    #[test]
    fn each_mutation_changes_most_plans() {
        for (index, (_, mutation)) in MUTATIONS.iter().enumerate() {
            let changed = (0..100).filter(|&number| {
                let (plan, donor) = (generate(number), generate(number + 1));
                let mut next = plan.clone();
                mutation(&mut next, &donor, &mut PlanRng::new(number, "test", 0));
                next != plan
            });
            assert!(changed.count() > 40, "mutation {index} leaves most plans unchanged");
        }
    }

    #[test]
    fn each_setting_is_copied() {
        for (index, knob) in KNOBS.iter().enumerate() {
            let changed = (0..200).any(|number| {
                let plan = generate(number);
                let mut next = plan.clone();
                knob(&mut next, &generate(number + 1));
                next != plan
            });
            assert!(changed, "setting {index} is never copied");
        }
    }

    proptest! {
        #[test]
        fn a_mutated_plan_is_valid_survives_a_round_trip_and_is_reproducible(number: u64) {
            let plan = mutated_plan(number);
            prop_assert_eq!(plan.check(), Ok(()));
            prop_assert_eq!(file::from_text(&file::to_text(&plan)), Ok(plan.clone()));
            prop_assert_eq!(mutated_plan(number), plan);
        }

        #[test]
        fn a_plan_mutated_many_times_is_still_valid(number: u64) {
            let mut plan = generate(number);
            for step in 0..20 {
                plan = mutate(&plan, &generate(number ^ step), number.wrapping_add(step));
                prop_assert_eq!(plan.check(), Ok(()));
            }
        }
    }
}
