use super::{HARNESS_PANIC, Summary, SweepSettings, sweep};
use crate::findings::case::{Case, Expectation};
use crate::outcome::NO_HANG;
use crate::outcome::{
    Counts, DETERMINISM, Exercised, Failure, FailureCause, Options, Outcome, RunRecord, Verdict,
};
use crate::plan::Plan;
use crate::systems::BUILT_IN;
use invariants::Digest;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A run that takes a while, differs by seed, and fails if `fails` says so.
fn run(plan: &Plan, fails: impl Fn(u64) -> bool, noise: u64) -> RunRecord {
    std::thread::sleep(Duration::from_micros(plan.seed % 7 * 100));
    let verdict = match fails(plan.seed) {
        true => Verdict::Failed(Box::new(Failure::new("toast", FailureCause::Unstable { changes: 3 }))),
        false => Verdict::Passed,
    };
    let digests: Vec<Digest> =
        (0..10).map(|event| Digest(plan.seed).then(event + event / 6 * noise)).collect();
    let outcome = Outcome {
        verdict,
        counts: Counts { events: 10, ..Counts::default() },
        checks: vec![("toast", 10)],
        milestones: vec![("bread", plan.seed % 2)],
        faults: vec![],
        exercised: Exercised::default(),
        digest: digests[9],
    };
    RunRecord { digests, ..outcome.into() }
}

fn settings(seeds: Range<u64>, jobs: usize, out: &Path) -> SweepSettings {
    SweepSettings {
        system: BUILT_IN,
        all_seeds: seeds.clone(),
        seeds,
        jobs: NonZeroUsize::new(jobs).unwrap(),
        time_limit: None,
        out: out.join("failures"),
        bug: None,
        disabled: vec![],
        canary_plans: vec![],
        ..SweepSettings::default()
    }
}

fn run_sweep<F>(settings: &SweepSettings, run: F) -> Summary
where
    F: Fn(&Plan, &Options) -> RunRecord + Send + Sync + 'static,
{
    static NEVER: AtomicBool = AtomicBool::new(false);
    sweep(settings, Arc::new(run), &NEVER, &mut |_| {})
}

#[test]
fn summary_does_not_depend_on_the_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let one_of_50 = |plan: &Plan, _: &Options| run(plan, |seed| seed % 50 == 3, 0);
    let [one, many] = [1, 8].map(|jobs| run_sweep(&settings(10..210, jobs, folder.path()), one_of_50));
    assert_eq!(one.digest, many.digest);
    assert_eq!(one.failures, many.failures);
    assert_eq!((many.seeds, many.passed, many.counts.events), (200, 196, 2_000));
    assert_eq!((many.milestones[0].count, many.milestones[0].seeds), (100, 100));
    assert_eq!(many.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>(), [53, 103, 153, 203]);
    assert!(!many.cut_short);
}

#[test]
fn failure_is_confirmed_and_stored_as_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let runs = Arc::new(AtomicU64::new(0));
    let count = runs.clone();
    let counted = move |plan: &Plan, _: &Options| {
        count.fetch_add(1, Ordering::Relaxed);
        run(plan, |seed| seed == 2, 0)
    };
    let summary = run_sweep(&settings(0..4, 2, folder.path()), counted);
    // The failure is run three times, and the others again on this thread and on a fresh one.
    assert_eq!(runs.load(Ordering::Relaxed), 3 + 3 * 3);
    let case = Case::read(summary.failures[0].plan.as_deref().unwrap(), &BUILT_IN).unwrap();
    assert_eq!((case.plan.seed, case.expect), (2, Expectation::Passed));
    assert!(case.description.contains("leadership changed 3 times"), "{}", case.description);
}

#[test]
fn sweep_without_failures_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let summary = run_sweep(&settings(0..4, 2, folder.path()), |plan, _| run(plan, |_| false, 0));
    assert_eq!((summary.passed, std::fs::read_dir(folder.path()).unwrap().count()), (4, 0));
}

#[test]
fn nondeterminism_is_reported_with_its_first_event() {
    let folder = tempfile::tempdir().unwrap();
    let noise = AtomicU64::new(0);
    let nondeterministic =
        move |plan: &Plan, _: &Options| run(plan, |_| true, noise.fetch_add(1, Ordering::Relaxed));
    let summary = run_sweep(&settings(5..6, 1, folder.path()), nondeterministic);
    let failure = &summary.failures[0];
    assert_eq!(failure.signature.property, DETERMINISM);
    assert_eq!(failure.message, "two runs of the same plan differ from event 7 on");
}

#[test]
fn harness_panic_loses_no_other_seed() {
    let folder = tempfile::tempdir().unwrap();
    let panicking = |plan: &Plan, _: &Options| {
        assert!(plan.seed != 4, "seed {} panics", plan.seed);
        run(plan, |seed| seed == 1, 0)
    };
    let summary = run_sweep(&settings(0..8, 1, folder.path()), panicking);
    assert_eq!((summary.seeds, summary.passed), (8, 6));
    let failure = &summary.failures[1];
    assert_eq!((failure.signature.property.as_str(), failure.seed), (HARNESS_PANIC, 4));
    assert_eq!(failure.message, "the harness itself panicked: seed 4 panics");
}

#[test]
fn stopped_sweep_finishes_runs_in_progress() {
    let folder = tempfile::tempdir().unwrap();
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let settings = settings(0..u64::MAX, 3, folder.path());
    let mut done = 0;
    // Later seeds wait for the stop, so that the number of seeds does not depend on the machine: at most one per
    // worker is finished after it.
    let waiting = move |plan: &Plan, _: &Options| {
        while plan.seed >= 20 && !stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        run(plan, |_| false, 0)
    };
    let summary = sweep(&settings, Arc::new(waiting), stop, &mut |summary| {
        done = summary.seeds;
        stop.store(done >= 20, Ordering::Relaxed);
    });
    assert!(summary.cut_short && (20..=23).contains(&summary.seeds), "{} seeds", summary.seeds);
    assert_eq!(done, summary.seeds);

    let bounded = SweepSettings { time_limit: Some(Duration::from_millis(20)), ..settings };
    assert!(run_sweep(&bounded, |plan, _| run(plan, |_| false, 0)).seeds > 0);
}

/// A run that reached these milestones, with so many checks of one property.
fn run_with_coverage(
    milestones: [u64; 3],
    checks: u64,
) -> impl Fn(&Plan, &Options) -> RunRecord + Send + Sync + 'static {
    move |plan, _| {
        let mut record = run(plan, |_| false, 0);
        let [leaders, writes, reads] = milestones;
        record.outcome.milestones =
            vec![("leader-elected", leaders), ("write-acknowledged", writes), ("read-answered", reads)];
        record.outcome.checks = vec![("toast", 1), ("butter", checks)];
        record
    }
}

#[test]
fn sweep_of_any_size_fails_without_required_milestones() {
    let folder = tempfile::tempdir().unwrap();
    let run_with =
        |milestones| run_sweep(&settings(0..3, 2, folder.path()), run_with_coverage(milestones, 1));
    for (milestones, unseen) in [
        ([0, 0, 0], vec!["no leader", "no write", "no read"]),
        ([1, 0, 0], vec!["no write", "no read"]),
        ([1, 5, 0], vec!["no read"]),
        ([1, 1, 1], vec![]),
    ] {
        let summary = run_with(milestones);
        assert_eq!(summary.never_seen(), unseen);
        assert_eq!(summary.is_success(), unseen.is_empty());
    }
}

#[test]
fn large_sweep_fails_if_a_property_was_never_checked() {
    let folder = tempfile::tempdir().unwrap();
    for (seeds, is_success) in [(999, true), (1_000, false)] {
        let summary = run_sweep(&settings(0..seeds, 8, folder.path()), run_with_coverage([1, 1, 1], 0));
        assert_eq!(summary.never_checked(), ["butter"]);
        assert_eq!(summary.is_success(), is_success);
    }
}

#[test]
fn a_run_without_an_event_is_given_up_and_loses_no_other_seed() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = |plan: &Plan, options: &Options| {
        let progress = options.progress.as_ref().unwrap();
        for event in 0.. {
            match plan.seed {
                // It goes on: slow is not hanging.
                3 if event < 40 => progress.begin(event, 0, 1),
                4 | 6 => {}
                _ => break,
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        run(plan, |_| false, 0)
    };
    let settings = SweepSettings {
        hang_after: Duration::from_millis(400),
        records_in_flight: true,
        ..settings(0..9, 2, folder.path())
    };
    let summary = run_sweep(&settings, hanging);
    assert_eq!((summary.seeds, summary.passed, summary.stuck), (9, 7, 2));
    let failed = summary.failures.iter().map(|failure| (failure.seed, failure.signature.to_string()));
    let signature = "no-hang (hangs)".to_owned();
    assert_eq!(failed.collect::<Vec<_>>(), [(4, signature.clone()), (6, signature)]);
    let case = Case::read(summary.failures[0].plan.as_deref().unwrap(), &BUILT_IN).unwrap();
    assert_eq!((case.plan.seed, case.needs_child()), (4, true));
    assert_eq!(summary.failures[0].signature.property, NO_HANG);
    assert!(!folder.path().join("failures/in-flight.txt").exists());

    // Each hanging run keeps a thread, so there must not be too many.
    let few = SweepSettings { max_stuck: 1, jobs: NonZeroUsize::MIN, ..settings };
    let summary = run_sweep(&few, hanging);
    assert_eq!((summary.seeds, summary.stuck, summary.cut_short), (5, 1, true));
}
