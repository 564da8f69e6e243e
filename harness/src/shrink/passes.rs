//! What can be left out of a plan, kind by kind.

use super::knobs::{DURATION_DEFAULTS, KNOB_DEFAULTS, PROBABILITIES};
use super::list::PlanList;
use crate::plan::{Fault, FaultKind, Plan, SimDuration, Target};
use std::ops::Range;

/// One kind of thing that can be left out.
pub(super) enum Pass {
    /// Parts of a list: all of it, halves, quarters, and in the end one by one.
    Remove(PlanList),
    /// These plans, one after another; and with how many other seeds it is worth trying them.
    Try(fn(&Plan) -> Vec<Plan>, u64),
}

/// With how many other seeds a proposal is tried again that takes something away.
pub(super) const SEEDS_PER_PROPOSAL: u64 = 20;
/// How many runs the proposals that take away most, and are few, may share.
const MAX_SHARED_SEEDS: u64 = 160;

impl Pass {
    /// With how many other seeds a proposal of this pass is tried, where it is one of so many. What hardly makes a plan
    /// smaller is not worth other chance; what takes away half of it at once is worth a lot.
    pub(super) fn other_seeds(&self, proposals: usize) -> u64 {
        match self {
            Pass::Remove(_) => (MAX_SHARED_SEEDS / proposals.max(1) as u64).max(SEEDS_PER_PROPOSAL),
            Pass::Try(_, seeds) => *seeds,
        }
    }
}

/// All of them, from what takes away most. The first one is the boldest: a shrinker begins with it.
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

/// Whatever is to happen before there is peace needs some time.
const MIN_FAULT_PHASE: u64 = MILLISECOND;
const MILLISECOND: u64 = 1_000_000;

/// The plan, changed.
fn modified(plan: &Plan, change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan.clone();
    change(&mut plan);
    plan
}

/// Without one kind of fault.
fn remove_fault_kinds(plan: &Plan) -> Vec<Plan> {
    let there = |kind: &usize| plan.faults.iter().any(|fault| fault.kind.index() == *kind);
    let kinds = (0..FaultKind::ALL.len()).filter(there);
    kinds.map(|kind| modified(plan, |plan| plan.faults.retain(|fault| fault.kind.index() != kind))).collect()
}

/// Only the first calls of each client, said one by one, so that they can be taken away one by one.
fn keep_first_calls(plan: &Plan) -> Vec<Plan> {
    let clients = &plan.clients;
    if clients.calls.is_some() {
        return Vec::new();
    }
    // A pause is at most twice its mean, and hundreds of them are hardly ever half as long.
    let most = (2 * plan.fault_phase.0 / clients.think_time.0.max(1)).clamp(8, 4_096);
    let counts = [0].into_iter().chain((0..).map(|power| 1 << power).take_while(|count| *count < 2 * most));
    counts
        .map(|count: u64| {
            let calls = (0..clients.count).map(|_| (1..=count).collect()).collect();
            modified(plan, |plan| plan.clients.calls = Some(calls))
        })
        .collect()
}

/// A shorter storm; what would break after it does not.
fn shorten_fault_phase(plan: &Plan) -> Vec<Plan> {
    let shorter = |storm: u64| {
        modified(plan, |plan| {
            plan.fault_phase = round_to_millis(storm);
            let storm = plan.fault_phase;
            plan.faults.retain(|fault| fault.at < storm);
        })
    };
    fractions(plan.fault_phase.0).filter(|storm| *storm >= MIN_FAULT_PHASE).map(shorter).collect()
}

/// Only what happens in one span of the time, and sooner: what breaks after hours may break after a second as well.
pub(super) fn keep_windows(plan: &Plan) -> Vec<Plan> {
    let storm = plan.fault_phase.0;
    // Whoever is to lead needs some time before, and what breaks may need some after.
    let margin = 2 * (plan.raft.election_timeout.0 + plan.raft.election_timeout_spread.0);
    let mut plans = Vec::new();
    for length in [8, 4, 2].map(|parts| storm / parts) {
        // From the end: there it was that it failed.
        for half in (0..(2 * storm).div_ceil(length.max(1)).saturating_sub(1)).rev() {
            let (from, to) = (half * length / 2, (half * length / 2 + length).min(storm));
            let sooner = from.saturating_sub(margin);
            let end = (to + margin).min(storm) - sooner;
            // A little is what cutting the storm and the gaps is for.
            if end <= storm / 16 * 14 && end >= MIN_FAULT_PHASE {
                plans.push(keep_window(plan, from..to, sooner, round_to_millis(end)));
            }
        }
    }
    plans
}

/// What happens in this span, so much sooner, in a storm of this length.
fn keep_window(plan: &Plan, span: Range<u64>, sooner: u64, storm: SimDuration) -> Plan {
    let pause = plan.clients.think_time.0.max(1);
    let all = || (0..plan.clients.count).map(|_| (1..=plan.fault_phase.0 / pause).collect()).collect();
    let calls: Vec<Vec<u64>> = plan.clients.calls.clone().unwrap_or_else(all);
    let turns = (span.start / pause)..=(span.end / pause);
    let kept = |calls: Vec<u64>| {
        let within = calls.into_iter().filter(|call| turns.contains(call));
        within.map(|call| call - sooner / pause).filter(|call| *call > 0).collect()
    };
    modified(plan, |plan| {
        plan.faults.retain(|fault| span.contains(&fault.at.0));
        plan.faults.iter_mut().for_each(|fault| fault.at.0 -= sooner);
        plan.clients.calls = Some(calls.into_iter().map(kept).collect());
        plan.fault_phase = storm;
        plan.faults.retain(|fault| fault.at < storm);
    })
}

/// A client less.
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

/// A server less. The ones after it get the numbers before theirs.
fn remove_node(plan: &Plan) -> Vec<Plan> {
    (1..=plan.nodes)
        .rev()
        .map(|gone| {
            modified(plan, |plan| {
                plan.nodes -= 1;
                if plan.raft.initial_voters >= gone {
                    plan.raft.initial_voters -= 1;
                }
                let moved = |target: Target| match target {
                    Target::Node(node) if node == gone => None,
                    Target::Node(node) if node > gone => Some(Target::Node(node - 1)),
                    other => Some(other),
                };
                let faults = std::mem::take(&mut plan.faults);
                plan.faults = faults.into_iter().filter_map(|fault| map_targets(fault, moved)).collect();
            })
        })
        .collect()
}

/// Everything from one fault on sooner.
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

/// A knob at its plain value, a chance at zero: all of them, and one by one.
fn reset_knobs(plan: &Plan) -> Vec<Plan> {
    let all = modified(plan, |plan| {
        KNOB_DEFAULTS.iter().for_each(|plain| plain(plan));
        PROBABILITIES.iter().for_each(|chance| chance(plan).0 = 0);
    });
    let knobs = KNOB_DEFAULTS.iter().map(|plain| modified(plan, plain));
    let chances = PROBABILITIES.iter().map(|chance| modified(plan, |plan| chance(plan).0 = 0));
    [all].into_iter().chain(knobs).chain(chances).collect()
}

/// A span of time at its plain value.
fn reset_durations(plan: &Plan) -> Vec<Plan> {
    let all = modified(plan, |plan| DURATION_DEFAULTS.iter().for_each(|(span, value)| *span(plan) = *value));
    let each = DURATION_DEFAULTS.iter().map(|(span, value)| modified(plan, |plan| *span(plan) = *value));
    [all].into_iter().chain(each).collect()
}

/// A fault that strikes fewer, or waits for no moment.
fn reduce_fault_targets(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut instead = |number: usize, fault: Fault| {
        plans.push(modified(plan, |plan| plan.faults[number] = fault));
    };
    for (number, fault) in plan.faults.iter().enumerate() {
        if fault.on.is_some() {
            let waits_for = |target| (target == Target::TriggerNode).then_some(());
            let there = fault.kind.targets().into_iter().find_map(|(_, target)| waits_for(target)).is_some();
            for node in 1..=if there { plan.nodes } else { 1 } {
                let named =
                    |target| Some(if target == Target::TriggerNode { Target::Node(node) } else { target });
                let kind = map_targets(fault.clone(), named).expect("nobody is taken away").kind;
                instead(number, Fault { on: None, kind, ..fault.clone() });
            }
        }
        for left_out in 0..fault.kind.targets().len() {
            let mut place = 0;
            let others = |target| {
                place += 1;
                (place != left_out + 1).then_some(target)
            };
            if let Some(smaller) = map_targets(fault.clone(), others) {
                instead(number, smaller);
            }
        }
    }
    plans
}

/// A fault that lasts less long, or is less hard.
fn weaken_faults(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    for number in 0..plan.faults.len() {
        let mut instead = |change: &dyn Fn(&mut FaultKind)| {
            plans.push(modified(plan, |plan| change(&mut plan.faults[number].kind)));
        };
        if let Some(lasts) = plan.faults[number].kind.lasts() {
            for shorter in fractions(lasts.0).filter(|shorter| *shorter >= MILLISECOND) {
                instead(&|kind| set_duration(kind, round_to_millis(shorter)));
            }
        }
        match &plan.faults[number].kind {
            FaultKind::DegradedNetwork { .. } => {
                for part in 0..4 {
                    instead(&|kind| {
                        if let FaultKind::DegradedNetwork { loss, duplication, reordering, delay, .. } = kind {
                            match part {
                                0 => loss.0 = 0,
                                1 => duplication.0 = 0,
                                2 => reordering.0 = 0,
                                _ => delay.0 /= 2,
                            }
                        }
                    });
                }
            }
            FaultKind::SlowDisk { .. } => instead(&|kind| {
                if let FaultKind::SlowDisk { factor, .. } = kind {
                    *factor = (*factor / 2).max(1);
                }
            }),
            FaultKind::ClockRate { .. } => instead(&|kind| {
                if let FaultKind::ClockRate { drift, .. } = kind {
                    *drift /= 2;
                }
            }),
            FaultKind::ClockJump { .. } => instead(&|kind| {
                if let FaultKind::ClockJump { by, .. } = kind {
                    by.0 = (by.0 / 2).max(1);
                }
            }),
            FaultKind::WallJump { .. } => instead(&|kind| {
                if let FaultKind::WallJump { by, .. } = kind {
                    *by /= 2;
                }
            }),
            FaultKind::Change { by_joint: true, .. } => instead(&|kind| {
                if let FaultKind::Change { by_joint, .. } = kind {
                    *by_joint = false;
                }
            }),
            _ => {}
        }
    }
    plans
}

/// Parts of a span, the shortest first: nothing, and so many sixteenths of it.
fn fractions(span: u64) -> impl Iterator<Item = u64> {
    [0, 1, 2, 4, 8, 12, 14, 15].into_iter().map(move |sixteenths| span / 16 * sixteenths)
}

/// A duration as a person writes it: whole milliseconds, where it has some.
fn round_to_millis(nanos: u64) -> SimDuration {
    SimDuration(if nanos < MILLISECOND { nanos } else { nanos / MILLISECOND * MILLISECOND })
}

fn set_duration(kind: &mut FaultKind, new: SimDuration) {
    match kind {
        FaultKind::Crash { lasts, .. }
        | FaultKind::PowerLoss { lasts, .. }
        | FaultKind::Pause { lasts, .. }
        | FaultKind::OneWayPartition { lasts, .. }
        | FaultKind::Partition { lasts, .. }
        | FaultKind::DegradedNetwork { lasts, .. }
        | FaultKind::SlowDisk { lasts, .. }
        | FaultKind::StalledDisk { lasts, .. }
        | FaultKind::DiskError { lasts, .. }
        | FaultKind::Wipe { lasts, .. }
        | FaultKind::ClockRate { lasts, .. } => *lasts = new,
        _ => {}
    }
}

/// A fault with other targets; `None` where it has lost one that it cannot do without. A loss of power whose last server
/// goes, goes with it: one without servers would strike them all.
fn map_targets(mut fault: Fault, mut other: impl FnMut(Target) -> Option<Target>) -> Option<Fault> {
    let mut list = |nodes: &mut Vec<Target>| {
        *nodes = nodes.iter().filter_map(|node| other(*node)).collect();
        nodes.len()
    };
    match &mut fault.kind {
        FaultKind::PowerLoss { nodes, .. } => {
            let all = nodes.is_empty();
            if list(nodes) == 0 && !all {
                return None;
            }
        }
        FaultKind::Partition { side, .. } => {
            if list(side) == 0 {
                return None;
            }
        }
        FaultKind::Change { voters, learners, remove, .. } => {
            if list(voters) + list(learners) + list(remove) == 0 {
                return None;
            }
        }
        FaultKind::OneWayPartition { from, to, .. } => (*from, *to) = (other(*from)?, other(*to)?),
        FaultKind::Transfer { to } => *to = other(*to)?,
        FaultKind::Crash { node, .. }
        | FaultKind::Pause { node, .. }
        | FaultKind::SlowDisk { node, .. }
        | FaultKind::StalledDisk { node, .. }
        | FaultKind::DiskError { node, .. }
        | FaultKind::Wipe { node, .. }
        | FaultKind::ClockRate { node, .. }
        | FaultKind::ClockJump { node, .. }
        | FaultKind::WallJump { node, .. }
        | FaultKind::BitRot { node } => *node = other(*node)?,
        FaultKind::DegradedNetwork { .. } | FaultKind::Leave => {}
    }
    Some(fault)
}
