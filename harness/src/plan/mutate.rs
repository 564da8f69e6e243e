//! Plans near others: a plan, changed at random in a few places. Search of this kind finds failures that generated plans
//! do not: what users write by hand, or change by hand, is no draw of the generator either.
//!
//! [`mutate`] is a function of a plan, a donor and a number. All chance comes from the stream of that number. Each step is
//! kept only if the plan still passes [`Plan::check`], so the result always does.

use super::generate::{generate, limit_clock_faults, liveness_bounds};
use super::plan_rng::PlanRng;
use super::{Fault, FaultKind, LivenessBounds, Plan, Probability, SimDuration, Target, Trigger};

/// The most steps that lead from a plan to a mutated one.
const MAX_MUTATIONS: u64 = 10;
/// The most faults that a mutated plan has: copies of copies would make runs slow.
const MAX_MUTATED_FAULTS: usize = 200;

/// One way of changing a plan.
type Mutation = fn(&mut Plan, &Plan, &mut PlanRng);

/// All of them, each with its weight.
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

/// The mutated plan of this number: generated from it, with another generated plan as donor.
#[must_use]
pub fn mutated_plan(number: u64) -> Plan {
    let donor = PlanRng::new(number, "plan donor", 0).in_range(0, u64::MAX >> 1);
    mutate(&generate(number), &generate(donor), number)
}

/// The plan, changed in one to ten steps; what is taken over comes from the donor. The stream "plan mutation" of this
/// number decides everything.
#[must_use]
pub fn mutate(plan: &Plan, donor: &Plan, number: u64) -> Plan {
    let mut dice = PlanRng::new(number, "plan mutation", 0);
    let mut best = plan.clone();
    for _ in 0..dice.in_range(1, MAX_MUTATIONS) {
        let mut next = best.clone();
        dice.pick_weighted(&MUTATIONS)(&mut next, donor, &mut dice);
        make_valid(&mut next);
        if next.check().is_ok() {
            best = next;
        }
    }
    best
}

/// Makes valid again what one change left invalid elsewhere.
fn make_valid(plan: &mut Plan) {
    let (nodes, storm) = (plan.nodes, plan.storm);
    plan.raft.founders = plan.raft.founders.min(nodes);
    if !plan.raft.check_quorum {
        (plan.raft.lease_drift, plan.held) = (None, None);
    }
    if let Some(held) = &mut plan.held {
        wrap_node(&mut held.node, nodes);
        if plan.raft.lease_drift.is_some() {
            held.drift = 0;
        }
    }
    if let Some(calls) = &mut plan.clients.calls {
        calls.truncate(plan.clients.count as usize);
    }
    plan.faults.truncate(MAX_MUTATED_FAULTS);
    for fault in &mut plan.faults {
        fault.at.0 %= storm.0.max(1);
        let waits = fault.on.is_some();
        for target in fault.kind.targets_mut() {
            wrap_node(target, nodes);
            if *target == Target::TriggerNode && !waits {
                *target = Target::Leader;
            }
        }
    }
    plan.faults.retain(|fault| !matches!(fault.kind, FaultKind::Cut { from, to, .. } if from == to));
    if let Some(drift) = plan.raft.lease_drift {
        limit_clock_faults(drift, &mut plan.faults);
    }
    plan.faults.sort_by_key(|fault| fault.at);
    // Bounds are fit for the plan that they stand in; other knobs may need those of generated plans.
    let least = liveness_bounds(plan.held);
    let LivenessBounds { leader, write, convergence, events } = &mut plan.bounds;
    for (bound, least) in [
        (leader, least.leader),
        (write, least.write),
        (convergence, least.convergence),
        (events, least.events),
    ] {
        *bound = least.max(*bound);
    }
}

/// A server of a larger plan becomes one of this plan.
fn wrap_node(target: &mut Target, nodes: u64) {
    if let Target::Node(number) = target {
        *number = number.saturating_sub(1) % nodes.max(1) + 1;
    }
}

/// One of these, if there is any.
fn pick_mut<'a, T>(list: &'a mut [T], dice: &mut PlanRng) -> Option<&'a mut T> {
    let last = (list.len() as u64).checked_sub(1)?;
    list.get_mut(dice.in_range(0, last) as usize)
}

/// The same faults with other chance.
fn change_seed(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    // A TOML integer has a sign.
    plan.seed = dice.in_range(0, u64::MAX >> 1);
}

/// A time near this one, or any other.
fn pick_time_near(at: SimDuration, storm: SimDuration, dice: &mut PlanRng) -> SimDuration {
    let near = dice.pick_weighted(&[(2, 5_000_000), (3, 100_000_000), (3, 2_000_000_000), (2, storm.0)]);
    let latest = storm.0.saturating_sub(1);
    let moved = at.0.saturating_sub(near) + dice.in_range(0, 2 * near);
    // Whole microseconds, as in generated plans.
    SimDuration(moved.min(latest) / 1_000 * 1_000)
}

fn move_fault(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let storm = plan.storm;
    if let Some(fault) = pick_mut(&mut plan.faults, dice) {
        fault.at = pick_time_near(fault.at, storm, dice);
    }
}

/// All faults, each by its own small span: what depends on the order of two of them meets the other order.
fn jitter_faults(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let span = dice.pick(&[3, 30, 300]);
    for fault in &mut plan.faults {
        fault.at = SimDuration(fault.at.0 + dice.millis(0, span).0);
    }
}

/// Times this many percent, and never nothing.
const fn scale_percent(value: u64, percent: u64) -> u64 {
    let scaled = value.saturating_mul(percent) / 100;
    if scaled == 0 { 1 } else { scaled }
}

fn scale_duration(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let Some(fault) = pick_mut(&mut plan.faults, dice) else { return };
    if let Some(lasts) = fault.kind.lasts_mut() {
        lasts.0 = scale_percent(lasts.0, dice.pick(&[2, 15, 40, 70, 150, 250, 600, 2_000]));
    }
}

/// Who is struck instead.
fn pick_new_target(nodes: u64, waits: bool, dice: &mut PlanRng) -> Target {
    let node = Target::Node(dice.in_range(1, nodes));
    let there = if waits { Target::TriggerNode } else { node };
    dice.pick_weighted(&[
        (4, node),
        (3, Target::Leader),
        (2, Target::Follower),
        (1, Target::LongestLog),
        (2, there),
    ])
}

fn retarget_fault(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let nodes = plan.nodes;
    let Some(fault) = pick_mut(&mut plan.faults, dice) else { return };
    let waits = fault.on.is_some();
    let mut targets = fault.kind.targets_mut();
    let last = targets.len() as u64;
    // One of them, or all.
    let only = dice.in_range(0, last) as usize;
    for (place, target) in targets.iter_mut().enumerate() {
        if only == place || only == last as usize {
            **target = pick_new_target(nodes, waits, dice);
        }
    }
}

/// Once more, or a few times, at other times.
fn copy_fault(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let storm = plan.storm;
    let Some(fault) = pick_mut(&mut plan.faults, dice).cloned() else { return };
    for _ in 0..dice.pick_weighted(&[(6, 1), (2, 2), (1, 5)]) {
        plan.faults.push(Fault { at: pick_time_near(fault.at, storm, dice), ..fault.clone() });
    }
}

fn remove_fault(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let Some(kind) = pick_mut(&mut plan.faults, dice).map(|fault| fault.kind.index()) else { return };
    if dice.chance_percent(20) {
        return plan.faults.retain(|fault| fault.kind.index() != kind);
    }
    let place = dice.in_range(0, plan.faults.len() as u64 - 1);
    plan.faults.remove(place as usize);
}

/// A fault waits for a moment, for another one, or for none.
fn change_trigger(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let Some(fault) = pick_mut(&mut plan.faults, dice) else { return };
    fault.on = if dice.chance_percent(75) { Some(dice.pick(&Trigger::ALL)) } else { None };
    if fault.on.is_some() && dice.chance_percent(50) {
        fault.kind.targets_mut().into_iter().take(1).for_each(|target| *target = Target::TriggerNode);
    }
}

/// More or less of what a fault does.
fn scale_strength(plan: &mut Plan, _: &Plan, dice: &mut PlanRng) {
    let is_graded = |fault: &&mut Fault| {
        matches!(
            fault.kind,
            FaultKind::Weather { .. }
                | FaultKind::SlowDisk { .. }
                | FaultKind::ClockRate { .. }
                | FaultKind::ClockJump { .. }
                | FaultKind::WallJump { .. }
                | FaultKind::Change { .. }
        )
    };
    let mut graded: Vec<&mut Fault> = plan.faults.iter_mut().filter(is_graded).collect();
    let Some(fault) = pick_mut(&mut graded, dice) else { return };
    let by = dice.pick(&[20, 60, 150, 300, 900]);
    match &mut fault.kind {
        FaultKind::Weather { loss, duplication, reordering, delay, .. } => {
            for chance in [loss, duplication, reordering] {
                if dice.chance_percent(60) {
                    let scaled =
                        scale_percent(u64::from(chance.0), by).min(u64::from(Probability::CERTAIN.0));
                    *chance = Probability(scaled as u32);
                }
            }
            delay.0 = scale_percent(delay.0, by);
        }
        FaultKind::SlowDisk { factor, .. } => *factor = scale_percent(*factor, by),
        FaultKind::ClockRate { drift, .. } => *drift = scale_signed_percent(*drift, by, dice),
        FaultKind::ClockJump { by: span, .. } => span.0 = scale_percent(span.0, by),
        FaultKind::WallJump { by: span, .. } => *span = scale_signed_percent(*span, by, dice),
        FaultKind::Change { by_joint, .. } => *by_joint = !*by_joint,
        _ => {}
    }
}

/// Times this many percent, sometimes the other way.
fn scale_signed_percent(value: i64, by: u64, dice: &mut PlanRng) -> i64 {
    let scaled = scale_percent(value.unsigned_abs(), by).min(i64::MAX as u64) as i64;
    if dice.chance_percent(30) == (value < 0) { scaled } else { -scaled }
}

/// Faults of the donor: one, those of a span of its time, or all; some with the time moved. They join the plan's own
/// faults or replace them.
fn copy_donor_faults(plan: &mut Plan, donor: &Plan, dice: &mut PlanRng) {
    let latest = donor.storm.0.saturating_sub(1);
    let taken: Vec<Fault> = match dice.in_range(1, 4) {
        1 => pick_mut(&mut donor.faults.clone(), dice).cloned().into_iter().collect(),
        2 => donor.faults.clone(),
        _ => {
            let from = dice.in_range(0, latest);
            let until = from.saturating_add(dice.millis(200, 6_000).0);
            donor.faults.iter().filter(|fault| (from..until).contains(&fault.at.0)).cloned().collect()
        }
    };
    let later = if dice.chance_percent(50) { dice.in_range(0, latest) / 1_000 * 1_000 } else { 0 };
    if dice.chance_percent(25) {
        plan.faults.clear();
    }
    let moved = |fault: Fault| Fault { at: SimDuration(fault.at.0.saturating_add(later)), ..fault };
    plan.faults.extend(taken.into_iter().map(moved));
}

/// One knob as the donor has it.
fn copy_donor_knob(plan: &mut Plan, donor: &Plan, dice: &mut PlanRng) {
    dice.pick(KNOBS)(plan, donor);
}

/// Each knob as the donor has it, or as it is.
fn copy_donor_knobs(plan: &mut Plan, donor: &Plan, dice: &mut PlanRng) {
    for knob in KNOBS {
        if dice.chance_percent(50) {
            knob(plan, donor);
        }
    }
}

/// What is taken over together: mostly one field.
const KNOBS: &[fn(&mut Plan, &Plan)] = &[
    |plan, donor| plan.nodes = donor.nodes,
    |plan, donor| plan.storm = donor.storm,
    |plan, donor| {
        let (mine, other) = (&mut plan.raft, &donor.raft);
        mine.election_timeout = other.election_timeout;
        mine.election_timeout_spread = other.election_timeout_spread;
        mine.heartbeat = other.heartbeat;
    },
    |plan, donor| plan.raft.pre_vote = donor.raft.pre_vote,
    |plan, donor| plan.raft.check_quorum = donor.raft.check_quorum,
    |plan, donor| plan.raft.founders = donor.raft.founders,
    |plan, donor| plan.raft.batch = donor.raft.batch,
    |plan, donor| plan.raft.window = donor.raft.window,
    |plan, donor| plan.raft.syncs = donor.raft.syncs,
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
        plan.held = donor.held;
        plan.raft.check_quorum |= donor.held.is_some();
        plan.raft.pre_vote |= donor.held.is_some() && donor.raft.pre_vote;
    },
    |plan, donor| plan.network.delay = donor.network.delay,
    |plan, donor| plan.network.delay_spread = donor.network.delay_spread,
    |plan, donor| plan.network.tail = donor.network.tail,
    |plan, donor| plan.network.tail_spread = donor.network.tail_spread,
    |plan, donor| plan.network.loss = donor.network.loss,
    |plan, donor| plan.network.duplication = donor.network.duplication,
    |plan, donor| plan.network.reordering = donor.network.reordering,
    |plan, donor| plan.disk = donor.disk.clone(),
    |plan, donor| {
        plan.clients.count = donor.clients.count;
        plan.clients.calls.clone_from(&donor.clients.calls);
    },
    |plan, donor| plan.clients.in_flight = donor.clients.in_flight,
    |plan, donor| plan.clients.pause = donor.clients.pause,
    |plan, donor| plan.clients.patience = donor.clients.patience,
    |plan, donor| plan.clients.attempts = donor.clients.attempts,
    |plan, donor| plan.clients.keys = donor.clients.keys,
    |plan, donor| plan.clients.reads = donor.clients.reads,
    |plan, donor| plan.clients.session = donor.clients.session,
    |plan, donor| plan.clients.anywhere = donor.clients.anywhere,
];

#[cfg(test)]
mod tests {
    use super::{KNOBS, MUTATIONS, mutate, mutated_plan};
    use crate::plan::plan_rng::PlanRng;
    use crate::plan::{file, generate};
    use proptest::prelude::*;

    #[test]
    fn each_step_changes_plans() {
        for (place, (_, step)) in MUTATIONS.iter().enumerate() {
            let changed = (0..100).filter(|&number| {
                let (plan, donor) = (generate(number), generate(number + 1));
                let mut next = plan.clone();
                step(&mut next, &donor, &mut PlanRng::new(number, "test", 0));
                next != plan
            });
            assert!(changed.count() > 40, "step {place} leaves most plans as they are");
        }
    }

    #[test]
    fn each_knob_is_taken_over() {
        for (place, knob) in KNOBS.iter().enumerate() {
            let changed = (0..200).any(|number| {
                let plan = generate(number);
                let mut next = plan.clone();
                knob(&mut next, &generate(number + 1));
                next != plan
            });
            assert!(changed, "knob {place} takes nothing over");
        }
    }

    proptest! {
        #[test]
        fn a_mutated_plan_can_be_run_is_read_back_and_is_the_same_again(number: u64) {
            let plan = mutated_plan(number);
            prop_assert_eq!(plan.check(), Ok(()));
            prop_assert_eq!(file::from_text(&file::to_text(&plan)), Ok(plan.clone()));
            prop_assert_eq!(mutated_plan(number), plan);
        }

        #[test]
        fn a_plan_mutated_many_times_can_still_be_run(number: u64) {
            let mut plan = generate(number);
            for step in 0..20 {
                plan = mutate(&plan, &generate(number ^ step), number.wrapping_add(step));
                prop_assert_eq!(plan.check(), Ok(()));
            }
        }
    }
}
