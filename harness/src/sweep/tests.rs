use super::{HARNESS_PANIC, Summary, SweepSettings, sweep};
use crate::case::{Case, Expectation};
use crate::outcome::{Counts, DETERMINISM, Failure, Options, Outcome, RunRecord, Verdict};
use crate::plan::Plan;
use crate::reproducer::RunFn;
use invariants::Digest;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A run that takes a while, a different one for each seed, and breaks a promise where told.
fn run(plan: &Plan, breaks: impl Fn(u64) -> bool, flutter: u64) -> RunRecord {
    std::thread::sleep(Duration::from_micros(plan.seed % 7 * 100));
    let verdict = match breaks(plan.seed) {
        true => Verdict::Failed(Box::new(Failure {
            property: "toast".into(),
            sentence: "the toast fell on its buttered side".into(),
            facts: None,
            evidence: vec![],
        })),
        false => Verdict::Passed,
    };
    let digests: Vec<Digest> =
        (0..10).map(|event| Digest(plan.seed).then(event + event / 6 * flutter)).collect();
    let outcome = Outcome {
        verdict,
        counts: Counts { events: 10, ..Counts::default() },
        checks: vec![("toast", 10)],
        milestones: vec![("bread", plan.seed % 2)],
        faults: vec![],
        digest: digests[9],
    };
    RunRecord { digests, ..outcome.into() }
}

fn settings(seeds: Range<u64>, jobs: usize, out: &Path) -> SweepSettings {
    SweepSettings {
        all_seeds: seeds.clone(),
        seeds,
        jobs: NonZeroUsize::new(jobs).unwrap(),
        time_limit: None,
        out: out.join("failures"),
        bug: None,
        disabled: vec![],
        canary_plans: vec![],
    }
}

fn swept(settings: &SweepSettings, run: &RunFn<'_>) -> Summary {
    sweep(settings, run, &AtomicBool::new(false), &mut |_| {})
}

#[test]
fn the_sum_is_the_same_for_any_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let one_of_50 = |plan: &Plan, _: &Options| run(plan, |seed| seed % 50 == 3, 0);
    let [one, many] = [1, 8].map(|jobs| swept(&settings(10..210, jobs, folder.path()), &one_of_50));
    assert_eq!(one.digest, many.digest);
    assert_eq!(one.failures, many.failures);
    assert_eq!((many.seeds, many.passed, many.counts.events), (200, 196, 2_000));
    assert_eq!((many.milestones[0].count, many.milestones[0].seeds), (100, 100));
    assert_eq!(many.failures.iter().map(|found| found.seed).collect::<Vec<_>>(), [53, 103, 153, 203]);
    assert!(!many.cut_short);
}

#[test]
fn what_fails_is_run_again_and_kept_as_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let runs = AtomicU64::new(0);
    let counted = |plan: &Plan, _: &Options| {
        runs.fetch_add(1, Ordering::Relaxed);
        run(plan, |seed| seed == 2, 0)
    };
    let summary = swept(&settings(0..4, 2, folder.path()), &counted);
    assert_eq!(runs.into_inner(), 6);
    let case = Case::read(summary.failures[0].plan.as_deref().unwrap()).unwrap();
    assert_eq!((case.plan.seed, case.expect), (2, Expectation::Passed));
    assert!(case.description.contains("buttered side"), "{}", case.description);
}

#[test]
fn nothing_is_made_where_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let summary = swept(&settings(0..4, 2, folder.path()), &|plan, _| run(plan, |_| false, 0));
    assert_eq!((summary.passed, std::fs::read_dir(folder.path()).unwrap().count()), (4, 0));
}

#[test]
fn a_run_that_differs_is_reported_with_its_first_event() {
    let folder = tempfile::tempdir().unwrap();
    let flutter = AtomicU64::new(0);
    let fluttering = |plan: &Plan, _: &Options| run(plan, |_| true, flutter.fetch_add(1, Ordering::Relaxed));
    let summary = swept(&settings(5..6, 1, folder.path()), &fluttering);
    let found = &summary.failures[0];
    assert_eq!(found.property, DETERMINISM);
    assert_eq!(found.sentence, "two runs of the same plan differ from event 7 on");
}

#[test]
fn a_panic_of_our_own_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let breaking = |plan: &Plan, _: &Options| {
        assert!(plan.seed != 4, "seed {} hurts", plan.seed);
        run(plan, |seed| seed == 1, 0)
    };
    let summary = swept(&settings(0..8, 1, folder.path()), &breaking);
    assert_eq!((summary.seeds, summary.passed), (8, 6));
    let found = &summary.failures[1];
    assert_eq!((found.property.as_str(), found.seed), (HARNESS_PANIC, 4));
    assert_eq!(found.sentence, "the harness itself panicked: seed 4 hurts");
}

#[test]
fn a_sweep_that_is_stopped_sums_up_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let settings = settings(0..u64::MAX, 3, folder.path());
    let mut seen = 0;
    // Whoever has one of the later seeds waits, so that it does not depend on the machine how many come in meanwhile: one
    // for each worker at the most, which is brought to its end.
    let waiting = |plan: &Plan, _: &Options| {
        while plan.seed >= 20 && !stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        run(plan, |_| false, 0)
    };
    let summary = sweep(&settings, &waiting, &stop, &mut |summary| {
        seen = summary.seeds;
        stop.store(seen >= 20, Ordering::Relaxed);
    });
    assert!(summary.cut_short && (20..=23).contains(&summary.seeds), "{} seeds", summary.seeds);
    assert_eq!(seen, summary.seeds);

    let bounded = SweepSettings { time_limit: Some(Duration::from_millis(20)), ..settings };
    assert!(swept(&bounded, &|plan, _| run(plan, |_| false, 0)).seeds > 0);
}

/// A run in which these milestones were reached, and these properties looked.
fn tried(milestones: [u64; 3], looked: u64) -> impl Fn(&Plan, &Options) -> RunRecord + Sync {
    move |plan, _| {
        let mut record = run(plan, |_| false, 0);
        let [leaders, writes, reads] = milestones;
        record.outcome.milestones =
            vec![("leader-elected", leaders), ("write-acknowledged", writes), ("read-answered", reads)];
        record.outcome.checks = vec![("toast", 1), ("butter", looked)];
        record
    }
}

#[test]
fn a_sweep_in_which_nothing_was_tried_is_not_well_whatever_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let swept = |milestones| swept(&settings(0..3, 2, folder.path()), &tried(milestones, 1));
    for (milestones, unseen) in [
        ([0, 0, 0], vec!["no leader", "no write", "no read"]),
        ([1, 0, 0], vec!["no write", "no read"]),
        ([1, 5, 0], vec!["no read"]),
        ([1, 1, 1], vec![]),
    ] {
        let summary = swept(milestones);
        assert_eq!(summary.never_seen(), unseen);
        assert_eq!(summary.is_success(), unseen.is_empty());
    }
}

#[test]
fn in_a_large_sweep_a_property_that_never_looked_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    for (seeds, is_well) in [(999, true), (1_000, false)] {
        let summary = swept(&settings(0..seeds, 8, folder.path()), &tried([1, 1, 1], 0));
        assert_eq!(summary.never_checked(), ["butter"]);
        assert_eq!(summary.is_success(), is_well);
    }
}
