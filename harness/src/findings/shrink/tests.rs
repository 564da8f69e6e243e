use super::{ShrinkResult, ShrinkSettings, ShrinkStatus, Shrinker, shrink};
use crate::plan::{FaultKind, Plan, SimDuration, generate};
use proptest::prelude::*;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn settings(jobs: usize) -> ShrinkSettings {
    ShrinkSettings { jobs: NonZeroUsize::new(jobs).unwrap(), max_runs: 100_000 }
}

fn shrunk(plan: &Plan, jobs: usize, fails: impl Fn(&Plan) -> bool + Sync) -> ShrinkResult {
    shrink(plan, &settings(jobs), &fails, &AtomicBool::new(false), &mut |_: &ShrinkStatus<'_>| {})
}

/// A plan with many faults of all kinds.
fn large() -> Plan {
    (0..).map(generate).find(|plan| plan.faults.len() > 25 && plan.nodes == 7).unwrap()
}

/// Calls listed in the plan, if it lists them.
fn calls(plan: &Plan) -> Option<usize> {
    plan.clients.calls.as_ref().map(|calls| calls.iter().map(Vec::len).sum())
}

#[test]
fn plan_that_always_fails_shrinks_to_the_smallest_plan() {
    let plan = shrunk(&large(), 2, |_| true).plan;
    assert_eq!((plan.faults.len(), calls(&plan), plan.nodes, plan.clients.count), (0, Some(0), 1, 1));
    insta::assert_snapshot!(crate::plan::file::to_text(&plan));
}

#[test]
fn minimal_plan_stays_unchanged() {
    let plan = large();
    let result = shrunk(&plan, 2, |other| *other == plan);
    assert_eq!((&result.plan, result.is_minimal), (&plan, true));
}

#[test]
fn only_needed_faults_and_calls_stay() {
    let large = large();
    let (third, ninth) = (large.faults[3].kind.clone(), large.faults[9].kind.clone());
    let needs = |plan: &Plan| {
        let position = |kind: &FaultKind| plan.faults.iter().position(|fault| fault.kind == *kind);
        let called = |client: usize, number: u64| match &plan.clients.calls {
            None => true,
            Some(calls) => calls.get(client).is_some_and(|calls| calls.contains(&number)),
        };
        let in_order =
            matches!((position(&third), position(&ninth)), (Some(third), Some(ninth)) if third < ninth);
        in_order && called(1, 5) && called(0, 17) && plan.fault_phase > SimDuration::millis(900)
    };
    assert!(needs(&large));
    let plan = shrunk(&large, 2, needs).plan;
    assert_eq!(plan.faults.len(), 2);
    assert_eq!(plan.clients.calls, Some(vec![vec![17], vec![5]]));
    assert!(plan.fault_phase < SimDuration::millis(1_100), "{}", plan.fault_phase);
}

#[test]
fn other_seeds_are_tried_if_the_own_seed_fails_no_more() {
    let large = large();
    // One fault is enough, but only with one seed in ten.
    let fails = |plan: &Plan| plan.faults.len() >= 5 || (!plan.faults.is_empty() && plan.seed % 10 == 3);
    let plan = shrunk(&large, 2, fails).plan;
    assert_eq!((plan.faults.len(), plan.seed % 10), (1, 3));
}

#[test]
fn late_failure_is_first_searched_in_short_plans() {
    let large = large();
    let last = large.faults.last().unwrap().kind.clone();
    // With its own seed it fails at the full length without calls; with other seeds it needs calls and little time.
    let fails = |plan: &Plan| {
        let breaks = plan.faults.iter().any(|fault| fault.kind == last);
        let own = plan.seed == large.seed && plan.fault_phase == large.fault_phase;
        let other = plan.seed % 10 == 3 && calls(plan).is_some_and(|calls| calls >= 5);
        breaks && (own || other)
    };
    let plan = shrunk(&large, 2, fails).plan;
    assert!(plan.fault_phase.0 < large.fault_phase.0 / 4, "{} of {}", plan.fault_phase, large.fault_phase);
    assert_eq!((plan.faults.len(), calls(&plan)), (1, Some(5)));
}

#[test]
fn windows_keep_the_order_of_faults() {
    for plan in (0..50).map(generate) {
        for shorter in super::passes::keep_windows(&plan) {
            assert_eq!(shorter.check(), Ok(()), "seed {}", plan.seed);
            assert!(
                shorter.fault_phase.0 <= plan.fault_phase.0 / 8 * 7,
                "{} of {}",
                shorter.fault_phase,
                plan.fault_phase
            );
            let kinds = |plan: &Plan| plan.faults.iter().map(|fault| fault.kind.clone()).collect::<Vec<_>>();
            let (all, in_window) = (kinds(&plan), kinds(&shorter));
            let is_part = in_window.is_empty() || all.windows(in_window.len()).any(|part| *part == in_window);
            assert!(is_part, "seed {}: {in_window:?} of {all:?}", plan.seed);
            assert!(shorter.faults.iter().all(|fault| fault.at < shorter.fault_phase));
        }
    }
}

#[test]
fn search_ends_with_its_budget_or_on_stop_with_the_smallest_plan() {
    let large = large();
    let runs = AtomicU64::new(0);
    let fails = |_: &Plan| {
        runs.fetch_add(1, Ordering::Relaxed);
        true
    };
    let result = shrink(
        &large,
        &ShrinkSettings { max_runs: 3, ..settings(1) },
        &fails,
        &AtomicBool::new(false),
        &mut |_: &ShrinkStatus<'_>| {},
    );
    assert_eq!((result.runs, result.is_minimal, runs.into_inner()), (3, false, 3));
    assert!(result.plan.faults.len() < large.faults.len());

    let stop = AtomicBool::new(false);
    let mut smallest = large.clone();
    let result = shrink(&large, &settings(2), &|_| true, &stop, &mut |progress: &ShrinkStatus<'_>| {
        smallest = progress.best.clone();
        stop.store(progress.runs >= 5, Ordering::Relaxed);
    });
    assert_eq!((&result.plan, result.is_minimal), (&smallest, false));
}

/// The reference: one proposal after the other, without looking ahead.
fn one_by_one(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> (Plan, u64) {
    let (mut shrinker, mut runs) = (Shrinker::new(plan.clone()), 0);
    while let Some(proposal) = shrinker.proposal() {
        let result = fails(proposal);
        shrinker.record_result(result);
        runs += 1;
    }
    (shrinker.best().clone(), runs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever a plan needs to fail, the result contains it, no other fault or call can be removed, it is valid, and
    /// it is the same on one core and on three.
    #[test]
    fn the_result_is_minimal_and_the_same_for_any_number_of_cores(
        seed in 0_u64..1_000,
        needed in proptest::collection::vec(0_usize..30, 0..4),
        calls_needed in proptest::collection::btree_set((0_usize..2, 1_u64..60), 0..4),
        modulus in 1_u64..4,
    ) {
        let large = generate(seed);
        let needed: Vec<&FaultKind> =
            needed.iter().filter_map(|position| large.faults.get(*position)).map(|fault| &fault.kind).collect();
        let fails = |plan: &Plan| {
            let has = |kind: &&FaultKind| plan.faults.iter().any(|fault| fault.kind == **kind);
            let called = |(client, number): &(usize, u64)| {
                plan.clients.calls.as_ref().is_none_or(|calls| {
                    calls.get(*client).is_some_and(|calls| calls.contains(number))
                })
            };
            // The seed matters too, and deterministically.
            let seed_fails = plan.faults.len() > 6 || (plan.faults.len() as u64 + plan.seed).is_multiple_of(modulus);
            needed.iter().all(has) && calls_needed.iter().all(called) && seed_fails
        };
        if fails(&large) {
            let one = shrunk(&large, 1, fails);
            let three = shrunk(&large, 3, fails);
            prop_assert_eq!(&one, &three);
            prop_assert_eq!((one.plan.clone(), one.runs), one_by_one(&large, fails));
            prop_assert!(fails(&one.plan));
            prop_assert_eq!(one.plan.check(), Ok(()));
            for left_out in 0..one.plan.faults.len() {
                let mut fewer = one.plan.clone();
                fewer.faults.remove(left_out);
                prop_assert!(!fails(&fewer), "fault {} can be removed as well", left_out + 1);
            }
            for client in 0..one.plan.clients.calls.iter().flatten().count() {
                for left_out in 0..one.plan.clients.calls.as_ref().unwrap()[client].len() {
                    let mut fewer = one.plan.clone();
                    fewer.clients.calls.as_mut().unwrap()[client].remove(left_out);
                    prop_assert!(!fails(&fewer), "a call of client {} can be removed as well", client + 1);
                }
            }
        }
    }
}
