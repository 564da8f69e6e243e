use super::{Batch, LEDGER_FILE, Ledger, LedgerContents, LedgerEntry, LedgerHeader, LedgerLock, read};
use crate::outcome::{Counts, Exercised, Failure, FailureCause, Options, Outcome, RunRecord, Verdict};
use crate::plan::{Plan, generate};
use crate::sweep::merge::Merge;
use crate::sweep::{Pace, Seeds, Summary, SweepSettings, Tally, resume, sweep};
use crate::systems::BUILT_IN;
use invariants::Digest;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static NEVER: AtomicBool = AtomicBool::new(false);

/// A run that fails for one of seven seeds.
fn run(plan: &Plan, _: &Options) -> RunRecord {
    let failure = || Failure::new("toast", FailureCause::Unstable { changes: 3 });
    let verdict = match plan.seed % 7 {
        0 => Verdict::Failed(Box::new(failure())),
        _ => Verdict::Passed,
    };
    let outcome = Outcome {
        verdict,
        counts: Counts { events: plan.seed, ..Counts::default() },
        checks: vec![("toast", plan.seed % 3)],
        milestones: vec![("bread", plan.seed % 2)],
        faults: vec![],
        exercised: Exercised::default(),
        digest: Digest(plan.seed),
    };
    outcome.into()
}

fn settings(seeds: Range<u64>, out: &Path) -> SweepSettings {
    let jobs = NonZeroUsize::new(2).unwrap();
    SweepSettings { all_seeds: seeds.clone(), seeds, jobs, out: out.into(), ..SweepSettings::default() }
}

/// Sweeps, writes after each seed, and stops after `until` seeds.
fn run_until(from: Summary, ledger: &mut Ledger, until: u64) -> Summary {
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let mut written = 0;
    let summary = resume(from, Arc::new(run), stop, &mut |summary| {
        if written < until {
            ledger.write_progress(summary, true).unwrap();
            written = summary.seeds;
        }
        stop.store(summary.seeds >= until, Ordering::Relaxed);
    });
    Summary { elapsed: Duration::ZERO, cut_short: false, ..summary }
}

fn uninterrupted(seeds: Range<u64>, out: &Path) -> Summary {
    let summary = sweep(&settings(seeds, out), Arc::new(run), &NEVER, &mut |_| {});
    Summary { elapsed: Duration::ZERO, ..summary }
}

fn read_back(folder: &Path) -> LedgerContents {
    read(folder, &BUILT_IN).unwrap().unwrap()
}

/// The sum of these parts, or why one of them is left out.
fn merge(reads: Vec<LedgerContents>) -> Result<Summary, String> {
    let mut merge = Merge::default();
    for (position, read) in reads.into_iter().enumerate() {
        merge.add(position, read);
    }
    let merged = merge.finish()?;
    match merged.problems.iter().find(|problem| problem.is_left_out()) {
        Some(problem) => Err(problem.reason()),
        None => Ok(merged.summary),
    }
}

fn lock(folder: &Path) -> Result<LedgerLock, String> {
    super::lock(folder, &mut |message| panic!("{message}"))
}

fn new_ledger(folder: &Path, summary: &Summary) -> Ledger {
    Ledger::create(lock(folder).unwrap(), summary).unwrap()
}

/// A ledger of the seeds 0..30 as a former version wrote it, with a batch for every three seeds.
fn former_lines(folder: &Path) -> Vec<String> {
    let header = LedgerHeader::from_summary(&Summary::new(&settings(0..30, folder)));
    let batch = |first: u64| {
        let sums = uninterrupted(first..first + 3, folder);
        LedgerEntry::Batch(Box::new(Batch { header: header.clone(), sums })).to_line().unwrap()
    };
    let batches = (0..30).step_by(3).map(batch);
    std::iter::once(LedgerEntry::Header(Box::new(header.clone())).to_line().unwrap()).chain(batches).collect()
}

/// A summary as text, without what depends on the real time, and the settings of the machine.
fn comparable(summary: &Summary) -> String {
    let jobs = NonZeroUsize::MIN;
    let settings = SweepSettings { jobs, ..summary.settings.clone() };
    // Which second an event falls into depends on the machine; that none is lost does not.
    let pace = Pace { seconds: 1, events: vec![summary.pace.events.iter().sum()] };
    let timeless = Summary { elapsed: Duration::ZERO, pace, ..summary.clone() };
    format!("{:?}", Summary { settings, ..timeless })
}

#[test]
fn killed_and_resumed_sweep_equals_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = Summary::new(&settings(10..150, folder.path()));
    let mut ledger = new_ledger(folder.path(), &fresh);
    run_until(fresh, &mut ledger, 40);
    drop(ledger);
    // Killed in the middle of a write.
    fs::write(folder.path().join(".writing-stray"), "half").unwrap();

    let read = read_back(folder.path());
    assert_eq!(read.damage, [""; 0]);
    assert_eq!(read.summary.seeds, 40);
    let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
    let resumed = run_until(read.summary, &mut ledger, u64::MAX);
    ledger.write_progress(&resumed, true).unwrap();
    let whole = uninterrupted(10..150, folder.path());
    assert_eq!(comparable(&resumed), comparable(&whole));
    let back = read_back(folder.path());
    assert!(back.is_finished());
    assert_eq!(comparable(&back.summary), comparable(&whole));
}

#[test]
fn a_ledger_does_not_grow_with_the_number_of_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = Summary::new(&settings(1..1_000_000_001, folder.path()));
    let mut ledger = new_ledger(folder.path(), &fresh);
    let mut length_after = |seeds: u64| {
        let checks = vec![Tally { name: "toast".into(), count: seeds, seeds }];
        let sums = Summary { ran: Seeds::from(1..1 + seeds), seeds, passed: seeds, checks, ..fresh.clone() };
        ledger.write_progress(&sums, true).unwrap();
        assert_eq!(read_back(folder.path()).summary.passed, seeds);
        fs::read(ledger.path()).unwrap().len()
    };
    let [short, long] = [10, 1_000_000_000].map(&mut length_after);
    assert!(long < short + 50, "{short} bytes, then {long}");
}

#[test]
fn the_interval_passes_between_two_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut sums = Summary::new(&settings(0..9, folder.path()));
    let mut ledger = new_ledger(folder.path(), &sums);
    let mut seeds_after = |millis, seeds| {
        sums = Summary {
            ran: Seeds::from(0..seeds),
            seeds,
            elapsed: Duration::from_millis(millis),
            ..sums.clone()
        };
        ledger.write_progress(&sums, false).unwrap();
        read_back(folder.path()).summary.seeds
    };
    assert_eq!(
        [(999, 2), (600_000, 5), (600_999, 7), (1_200_000, 8)].map(|(at, seeds)| seeds_after(at, seeds)),
        [0, 5, 5, 8]
    );
}

#[test]
fn damaged_line_is_reported_and_the_others_count() {
    let folder = tempfile::tempdir().unwrap();
    let lines = former_lines(folder.path());
    let whole = uninterrupted(0..30, folder.path());
    let with_line = |number: usize, line: String| {
        let mut lines = lines.clone();
        lines[number] = line;
        fs::write(folder.path().join(LEDGER_FILE), lines.concat()).unwrap();
        read_back(folder.path())
    };
    // The header, whose settings are in each line.
    let read = with_line(0, "\0\0\0\0\n".into());
    assert!(read.damage.len() == 1 && read.damage[0].contains("ledger.jsonl:1: "), "{:?}", read.damage);
    assert_eq!(comparable(&read.summary), comparable(&whole));
    // A last line that its writer did not finish.
    let read = with_line(10, lines[10][..200].into());
    assert_eq!((read.damage.len(), read.remaining()), (0, Seeds::from(27..30)));
    // A batch.
    let read = with_line(3, lines[3].replacen("\"passed\":", "\"passed\":1", 1));
    let [damage] = read.damage.as_slice() else { panic!("{:?}", read.damage) };
    assert!(damage.ends_with("ledger.jsonl:4: the line does not match its checksum"), "{damage}");
    assert!(!read.is_finished());
    let sum = merge(vec![read.clone()]).unwrap();
    assert_eq!((sum.seeds, sum.missing), (27, Seeds::from(6..9)));
    assert!(sum.cut_short);

    // Resumed, it runs the lost seeds only, and the damaged ledger is kept.
    let damaged = fs::read(folder.path().join(LEDGER_FILE)).unwrap();
    let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
    assert_eq!(fs::read(folder.path().join("ledger.damaged")).unwrap(), damaged);
    let lost_only = |plan: &Plan, options: &Options| {
        assert!((6..9).contains(&plan.seed), "seed {} was already run", plan.seed);
        run(plan, options)
    };
    let resumed = resume(read.summary, Arc::new(lost_only), &NEVER, &mut |_| {});
    ledger.write_progress(&resumed, true).unwrap();
    assert_eq!(comparable(&resumed), comparable(&whole));
    let back = read_back(folder.path());
    assert!(back.is_finished(), "{:?}", back.damage);
    assert_eq!(comparable(&back.summary), comparable(&whole));
}

/// Written before keys and properties were renamed.
#[test]
fn former_ledger_is_read_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(LEDGER_FILE), include_str!("former_ledger.jsonl")).unwrap();
    let read = read_back(folder.path());
    assert_eq!(read.damage, [""; 0]);
    assert_eq!(
        (read.header.settings.all_seeds.clone(), read.header.settings.time_limit),
        (0..4, Some(Duration::from_secs(8)))
    );
    assert_eq!(read.header.settings.disabled, ["read-safety"]);
    let sum = &read.summary;
    assert_eq!((sum.seeds, sum.passed, sum.canaries_missed), (2, 1, 2));
    let tallies = |tallies: &[Tally]| {
        tallies.iter().map(|tally| (tally.name.to_string(), tally.count)).collect::<Vec<_>>()
    };
    assert_eq!(
        tallies(&sum.checks),
        [("election-safety".to_owned(), 11), ("persist-before-reply".to_owned(), 2_786)]
    );
    assert_eq!(tallies(&sum.milestones), [("leader-elected".to_owned(), 13), ("split-vote".to_owned(), 4)]);
    assert_eq!(tallies(&sum.faults), [("crash".to_owned(), 5), ("partition".to_owned(), 3)]);
    let failure = &sum.failures[0];
    assert_eq!(
        (failure.signature.to_string().as_str(), failure.message.as_str()),
        ("liveness (no-leader)", "there is no leader")
    );
    assert_eq!(merge(vec![read.clone()]).unwrap().digest, sum.digest);
}

#[test]
fn a_ledger_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let assert_locked = || {
        let refused = lock(folder.path()).err().unwrap();
        assert!(refused.starts_with("another sweep is writing "), "{refused}");
    };
    let guard = lock(folder.path()).unwrap();
    assert_locked();
    let summary = Summary::new(&settings(0..9, folder.path()));
    let mut ledger = Ledger::create(guard, &summary).unwrap();
    assert_locked();
    ledger.write_progress(&summary, true).unwrap();
    assert_locked();
    drop(ledger);
    assert!(lock(folder.path()).is_ok());
}

#[test]
fn missed_canaries_are_remembered_after_resume() {
    let folder = tempfile::tempdir().unwrap();
    // The only canary plan does not fail.
    let settings = SweepSettings { canary_plans: vec![generate(1)], ..settings(0..60, folder.path()) };
    let fresh = Summary::new(&settings);
    let mut ledger = new_ledger(folder.path(), &fresh);
    let first = run_until(fresh, &mut ledger, 5);
    ledger.write_progress(&first, true).unwrap();
    drop(ledger);
    assert_eq!(first.canaries_missed, 2);
    let read = read_back(folder.path());
    assert_eq!(merge(vec![read.clone()]).unwrap().canaries_missed, 2);
    // The resumed session has no canary plans.
    let mut ledger = Ledger::resume(lock(folder.path()).unwrap(), &read).unwrap();
    let resumed = run_until(read.summary, &mut ledger, u64::MAX);
    ledger.write_progress(&resumed, true).unwrap();
    assert_eq!(
        (resumed.seeds, resumed.canaries_missed, read_back(folder.path()).summary.canaries_missed),
        (60, 2, 2)
    );
}

#[test]
fn sweep_with_a_time_limit_misses_only_gaps() {
    fn read(
        seeds: Range<u64>,
        all_seeds: Range<u64>,
        ran: impl Into<Seeds>,
        time_limit: Option<Duration>,
    ) -> LedgerContents {
        let folder = Path::new("somewhere");
        let settings = SweepSettings { all_seeds, time_limit, ..settings(seeds, folder) };
        let summary = Summary { ran: ran.into(), elapsed: Duration::from_secs(9), ..Summary::new(&settings) };
        LedgerContents {
            folder: folder.into(),
            header: LedgerHeader::from_summary(&summary),
            summary,
            damage: vec![],
        }
    }
    let limit = Some(Duration::from_secs(8));
    let missing = |reads: &[LedgerContents]| {
        let sum = merge(reads.to_vec()).unwrap();
        (sum.missing.to_string(), sum.cut_short)
    };
    let all = 0..u64::MAX;
    assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, limit)]), ("none".into(), false));
    let gap = vec![0..500, 600..700];
    assert_eq!(missing(&[read(all.clone(), all.clone(), gap, limit)]), ("500..600".into(), true));
    // Killed before its time limit.
    let longer = Some(Duration::from_secs(10));
    assert_eq!(missing(&[read(all.clone(), all.clone(), 0..500, longer)]), ("none".into(), true));
    // Each of three machines has a time limit; the third one is missing.
    let [one, two] = [0, 1_000].map(|first| first..first + 1_000);
    let parts = [one, two].map(|part| read(part.clone(), 0..3_000, part.start..part.start + 70, limit));
    assert_eq!(missing(&parts), ("2000..3000".into(), true));
    // Another sweep ran later seeds and left a gap.
    let later = read(900..1_000, 900..1_000, 900..1_000, None);
    let both = [read(all.clone(), all.clone(), 0..500, limit), later.clone()];
    assert_eq!(missing(&both), ("500..900".into(), true));
    // A sweep without a time limit must run all its seeds.
    assert_eq!(missing(&[read(0..900, 0..900, 0..500, None), later]), ("500..900".into(), true));
    let twice = [read(all.clone(), all.clone(), 0..500, limit), read(all.clone(), all, 0..20, limit)];
    let refused = merge(twice.to_vec()).unwrap_err();
    assert_eq!(refused, "the seeds 0..20 were swept twice: in somewhere and in somewhere");
}

#[test]
fn parts_of_several_machines_merge_and_no_seed_counts_twice() {
    let whole = tempfile::tempdir().unwrap();
    let parts: Vec<_> =
        [0..50, 50..80].into_iter().map(|seeds| (seeds, tempfile::tempdir().unwrap())).collect();
    let reads: Vec<LedgerContents> = parts
        .iter()
        .map(|(seeds, folder)| {
            let fresh = Summary::new(&settings(seeds.clone(), folder.path()));
            let mut ledger = new_ledger(folder.path(), &fresh);
            let summary = run_until(fresh, &mut ledger, u64::MAX);
            ledger.write_progress(&summary, true).unwrap();
            read_back(folder.path())
        })
        .collect();
    let sum = merge(reads.clone()).unwrap();
    let one = uninterrupted(0..80, whole.path());
    assert_eq!(
        (sum.seeds, &sum.ran, sum.passed, sum.counts, &sum.checks, sum.digest),
        (one.seeds, &one.ran, one.passed, one.counts, &one.checks, one.digest)
    );
    let seeds = |summary: &Summary| summary.failures.iter().map(|failure| failure.seed).collect::<Vec<_>>();
    assert_eq!(seeds(&sum), seeds(&one));
    let twice = merge([reads.clone(), reads].concat()).unwrap_err();
    assert!(twice.starts_with("the seeds 0..50 were swept twice: in "), "{twice}");
}
