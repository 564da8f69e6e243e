//! The passes: kinds of changes that make a plan smaller.

use super::knobs::{DURATION_DEFAULTS, KNOB_DEFAULTS, PROBABILITIES};
use super::list::PlanList;
use crate::plan::{Fault, FaultKind, Plan, SimDuration, Target};
use std::ops::Range;

/// One kind of change.
pub(super) enum Pass {
    /// Removes parts of a list: all of it, halves, quarters, down to single items.
    Remove(PlanList),
    /// Tries listed plans in order; and the number of other seeds each is worth.
    Try(fn(&Plan) -> Vec<Plan>, u64),
}

/// Other seeds for a proposal that removes something.
pub(super) const SEEDS_PER_PROPOSAL: u64 = 20;
/// Runs shared by the few proposals that remove most.
const MAX_SHARED_SEEDS: u64 = 160;

impl Pass {
    /// Other seeds for one of so many proposals of this pass. A proposal that hardly shrinks the plan is not worth
    /// other seeds; one that halves it is worth many.
    pub(super) fn other_seeds(&self, proposals: usize) -> u64 {
        match self {
            Pass::Remove(_) => (MAX_SHARED_SEEDS / proposals.max(1) as u64).max(SEEDS_PER_PROPOSAL),
            Pass::Try(_, seeds) => *seeds,
        }
    }
}

/// All passes, those that remove most first. The first one is the only one of [`super::ShrinkPhase::ShortPlans`].
pub(super) const PASSES: [Pass; 13] = [
    Pass::Try(keep_windows, 2 * SEEDS_PER_PROPOSAL),
    Pass::Try(remove_fault_kinds, 0),
    Pass::Remove(PlanList::Faults),
    Pass::Try(keep_first_calls, 0),
    Pass::Remove(PlanList::Calls),
    Pass::Try(shorten_fault_phase, 0),
    Pass::Try(remove_client, 0),
    Pass::Try(remove_node, SEEDS_PER_PROPOSAL),
    Pass::Try(shorten_gaps, 0),
    Pass::Try(reset_knobs, 0),
    Pass::Try(reset_durations, 0),
    Pass::Try(reduce_fault_targets, 0),
    Pass::Try(weaken_faults, 0),
];

/// The least fault phase.
const MIN_FAULT_PHASE: u64 = MILLISECOND;
const MILLISECOND: u64 = 1_000_000;

/// A changed copy of the plan.
fn modified(plan: &Plan, change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan.clone();
    change(&mut plan);
    plan
}

/// Without one kind of fault.
fn remove_fault_kinds(plan: &Plan) -> Vec<Plan> {
    let is_used = |kind: &usize| plan.faults.iter().any(|fault| fault.kind.index() == *kind);
    let kinds = (0..FaultKind::ALL.len()).filter(is_used);
    kinds.map(|kind| modified(plan, |plan| plan.faults.retain(|fault| fault.kind.index() != kind))).collect()
}

/// Only the first calls of each client, listed so that single calls can be removed.
fn keep_first_calls(plan: &Plan) -> Vec<Plan> {
    let clients = &plan.clients;
    if clients.calls.is_some() {
        return Vec::new();
    }
    // A think time is at most twice its mean, and the mean of hundreds is hardly ever below half of it.
    let most = (2 * plan.fault_phase.0 / clients.think_time.0.max(1)).clamp(8, 4_096);
    let counts = [0].into_iter().chain((0..).map(|power| 1 << power).take_while(|count| *count < 2 * most));
    counts
        .map(|count: u64| {
            let calls = (0..clients.count).map(|_| (1..=count).collect()).collect();
            modified(plan, |plan| plan.clients.calls = Some(calls))
        })
        .collect()
}

/// A shorter fault phase, without the faults after its end.
fn shorten_fault_phase(plan: &Plan) -> Vec<Plan> {
    let shorter = |fault_phase: u64| {
        modified(plan, |plan| {
            plan.fault_phase = round_to_millis(fault_phase);
            let fault_phase = plan.fault_phase;
            plan.faults.retain(|fault| fault.at < fault_phase);
        })
    };
    fractions(plan.fault_phase.0).filter(|fault_phase| *fault_phase >= MIN_FAULT_PHASE).map(shorter).collect()
}

/// Only what happens in one window of time, moved to the front: what fails late may fail early as well.
pub(super) fn keep_windows(plan: &Plan) -> Vec<Plan> {
    let fault_phase = plan.fault_phase.0;
    // A leader has to be elected before the window, and a failure may need time after it.
    let margin = 2 * (plan.raft.election_timeout.0 + plan.raft.election_timeout_spread.0);
    let mut plans = Vec::new();
    for length in [8, 4, 2].map(|parts| fault_phase / parts) {
        // From the end, where the failure was.
        for half in (0..(2 * fault_phase).div_ceil(length.max(1)).saturating_sub(1)).rev() {
            let (from, to) = (half * length / 2, (half * length / 2 + length).min(fault_phase));
            let shift = from.saturating_sub(margin);
            let end = (to + margin).min(fault_phase) - shift;
            // Smaller reductions are left to `shorten_fault_phase` and `shorten_gaps`.
            if end <= fault_phase / 16 * 14 && end >= MIN_FAULT_PHASE {
                plans.push(keep_window(plan, from..to, shift, round_to_millis(end)));
            }
        }
    }
    plans
}

/// What happens in a window, moved forward by `shift`, with a fault phase of this length.
fn keep_window(plan: &Plan, window: Range<u64>, shift: u64, fault_phase: SimDuration) -> Plan {
    let think_time = plan.clients.think_time.0.max(1);
    let all = || (0..plan.clients.count).map(|_| (1..=plan.fault_phase.0 / think_time).collect()).collect();
    let calls: Vec<Vec<u64>> = plan.clients.calls.clone().unwrap_or_else(all);
    let turns = (window.start / think_time)..=(window.end / think_time);
    let calls_in_window = |calls: Vec<u64>| {
        let within = calls.into_iter().filter(|call| turns.contains(call));
        within.map(|call| call - shift / think_time).filter(|call| *call > 0).collect()
    };
    modified(plan, |plan| {
        plan.faults.retain(|fault| window.contains(&fault.at.0));
        plan.faults.iter_mut().for_each(|fault| fault.at.0 -= shift);
        plan.clients.calls = Some(calls.into_iter().map(calls_in_window).collect());
        plan.fault_phase = fault_phase;
        plan.faults.retain(|fault| fault.at < fault_phase);
    })
}

/// One client less.
fn remove_client(plan: &Plan) -> Vec<Plan> {
    let without = |client: u64| {
        modified(plan, |plan| {
            plan.clients.count -= 1;
            if let Some(calls) = &mut plan.clients.calls
                && (client as usize) < calls.len()
            {
                calls.remove(client as usize);
            }
        })
    };
    (0..plan.clients.count).rev().map(without).collect()
}

/// One server less. Higher servers are renumbered.
fn remove_node(plan: &Plan) -> Vec<Plan> {
    (1..=plan.nodes)
        .rev()
        .map(|removed| {
            modified(plan, |plan| {
                plan.nodes -= 1;
                if plan.raft.initial_voters >= removed {
                    plan.raft.initial_voters -= 1;
                }
                let renumbered = |target: Target| match target {
                    Target::Node(node) if node == removed => None,
                    Target::Node(node) if node > removed => Some(Target::Node(node - 1)),
                    other => Some(other),
                };
                let faults = std::mem::take(&mut plan.faults);
                plan.faults = faults.into_iter().filter_map(|fault| map_targets(fault, renumbered)).collect();
            })
        })
        .collect()
}

/// All faults from one on, moved forward.
fn shorten_gaps(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    for first in 0..plan.faults.len() {
        let before = if first == 0 { 0 } else { plan.faults[first - 1].at.0 };
        let gap = plan.faults[first].at.0.saturating_sub(before);
        for shorter in fractions(gap).map(|shorter| round_to_millis(shorter).0) {
            plans.push(modified(plan, |plan| {
                for fault in &mut plan.faults[first..] {
                    fault.at = SimDuration(fault.at.0 - (gap - shorter));
                }
                plan.fault_phase = SimDuration((plan.fault_phase.0 - (gap - shorter)).max(MIN_FAULT_PHASE));
            }));
        }
    }
    plans
}

/// A knob at its default or a probability at zero: all of them, then each.
fn reset_knobs(plan: &Plan) -> Vec<Plan> {
    let all = modified(plan, |plan| {
        KNOB_DEFAULTS.iter().for_each(|set_default| set_default(plan));
        PROBABILITIES.iter().for_each(|probability| probability(plan).0 = 0);
    });
    let knobs = KNOB_DEFAULTS.iter().map(|set_default| modified(plan, set_default));
    let probabilities =
        PROBABILITIES.iter().map(|probability| modified(plan, |plan| probability(plan).0 = 0));
    [all].into_iter().chain(knobs).chain(probabilities).collect()
}

/// A duration at its default: all of them, then each.
fn reset_durations(plan: &Plan) -> Vec<Plan> {
    let all = modified(plan, |plan| {
        DURATION_DEFAULTS.iter().for_each(|(duration, value)| *duration(plan) = *value)
    });
    let each =
        DURATION_DEFAULTS.iter().map(|(duration, value)| modified(plan, |plan| *duration(plan) = *value));
    [all].into_iter().chain(each).collect()
}

/// A fault with fewer targets, or without its trigger.
fn reduce_fault_targets(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut replace = |number: usize, fault: Fault| {
        plans.push(modified(plan, |plan| plan.faults[number] = fault));
    };
    for (number, fault) in plan.faults.iter().enumerate() {
        if fault.on.is_some() {
            let is_trigger_node = |target| (target == Target::TriggerNode).then_some(());
            let uses_trigger_node =
                fault.kind.targets().into_iter().find_map(|(_, target)| is_trigger_node(target)).is_some();
            for node in 1..=if uses_trigger_node { plan.nodes } else { 1 } {
                let named =
                    |target| Some(if target == Target::TriggerNode { Target::Node(node) } else { target });
                let kind = map_targets(fault.clone(), named).expect("no target is removed").kind;
                replace(number, Fault { on: None, kind, ..fault.clone() });
            }
        }
        for left_out in 0..fault.kind.targets().len() {
            let mut position = 0;
            let others = |target| {
                position += 1;
                (position != left_out + 1).then_some(target)
            };
            if let Some(smaller) = map_targets(fault.clone(), others) {
                replace(number, smaller);
            }
        }
    }
    plans
}

/// A fault that is shorter or weaker.
fn weaken_faults(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    for number in 0..plan.faults.len() {
        if let Some(lasts) = plan.faults[number].kind.lasts() {
            for shorter in fractions(lasts.0).filter(|shorter| *shorter >= MILLISECOND) {
                plans.push(modified(plan, |plan| {
                    if let Some(lasts) = plan.faults[number].kind.lasts_mut() {
                        *lasts = round_to_millis(shorter);
                    }
                }));
            }
        }
        for part in 0..plan.faults[number].kind.clone().strengths().len() {
            let mut weaker = plan.clone();
            let (_, strength) = weaker.faults[number].kind.strengths().swap_remove(part);
            if strength.weaken() {
                plans.push(weaker);
            }
        }
    }
    plans
}

/// Shorter durations, ascending: some sixteenths of the given one.
fn fractions(duration: u64) -> impl Iterator<Item = u64> {
    [0, 1, 2, 4, 8, 12, 14, 15].into_iter().map(move |sixteenths| duration / 16 * sixteenths)
}

/// A duration rounded down to whole milliseconds, unless it is shorter than one.
fn round_to_millis(nanos: u64) -> SimDuration {
    SimDuration(if nanos < MILLISECOND { nanos } else { nanos / MILLISECOND * MILLISECOND })
}

/// A fault with other targets; `None` if it cannot do without a removed one.
fn map_targets(mut fault: Fault, other: impl FnMut(Target) -> Option<Target>) -> Option<Fault> {
    fault.kind.map_targets(other).then_some(fault)
}
