//! For `cargo test`: a sweep of a system and a replay of its cases, in one line each.
//!
//! ```no_run
//! # use harness::systems::raft_core::RaftServer;
//! # enum MySystem {}
//! # impl harness::systems::System for MySystem {
//! #     const NAME: &'static str = "my-raft";
//! #     type Server = RaftServer;
//! # }
//! #[test]
//! fn two_hundred_seeds_pass() {
//!     harness::testing::sweep::<MySystem>(200);
//! }
//!
//! #[test]
//! fn all_cases_end_as_expected() {
//!     harness::testing::replay::<MySystem>("cases");
//! }
//! ```
//!
//! *In*: a [`System`]. *Out*: nothing, or a panic with the page of a failure. `MADSIM_TEST_SEED` sets the first seed of
//! all sweeps, `MADSIM_TEST_NUM` the number of seeds.

use crate::findings::case::{Case, Expectation};
use crate::findings::child::{self, run_in_child_first};
use crate::findings::guard::{HANG_AFTER, HANG_AFTER_SHORT, run_watched};
use crate::findings::investigate::investigate;
use crate::findings::known::{case_files, known_defects};
use crate::findings::reproducer::verdict_without_bug;
use crate::findings::shrink::ShrinkSettings;
use crate::outcome::{Options, Outcome, Verdict};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan};
use crate::report::html::write_shrunk;
use crate::report::{DEFAULT_WIDTH, PlanSource, run_page};
use crate::support::program;
use crate::sweep::{self, FailureRecord, KnownCount, Summary, SweepSettings};
use crate::systems::{System, SystemInfo};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// Nothing stops a sweep in a test.
static NEVER: AtomicBool = AtomicBool::new(false);
/// Folder for failing plans, in the folder of the package.
const OUT: &str = "failures";
/// The most runs for shrinking the failure that is shown.
const MAX_SHRINK_RUNS: u64 = 5_000;

/// Sweeps seeds on all cores. A failing seed is confirmed and its plan written to the folder `failures`; the smallest one
/// is shrunk.
///
/// # Panics
///
/// With the page of the shrunk failure and the command that repeats it, if a property was violated; and with a sentence
/// if the sweep cannot be trusted.
pub fn sweep<S: System>(seeds: u64) {
    sweep_system(&SystemInfo::of::<S>(), seeds, None);
}

/// The same, except that failures like a known defect do not count: the cases in the folder `known`, relative to that of the
/// package, that expect `open-defect`. Prints how often each was seen.
///
/// # Panics
///
/// As [`sweep()`], and if a case cannot be read.
pub fn sweep_with_known<S: System>(seeds: u64, known: impl AsRef<Path>) {
    sweep_system(&SystemInfo::of::<S>(), seeds, Some(known.as_ref()));
}

fn sweep_system(system: &SystemInfo, seeds: u64, known: Option<&Path>) {
    let system = *system;
    if child::serve(&system) {
        return;
    }
    program::set_for_tests(system.cargo_arguments);
    let first = number("MADSIM_TEST_SEED").unwrap_or(0);
    let range = first..first.saturating_add(number("MADSIM_TEST_NUM").unwrap_or(seeds));
    let settings = SweepSettings {
        system,
        seeds: range.clone(),
        all_seeds: range,
        jobs: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        time_limit: None,
        out: PathBuf::from(OUT),
        bug: None,
        disabled: Vec::new(),
        known: known.map_or_else(Vec::new, |folder| {
            known_defects(folder, &system, None).unwrap_or_else(|error| panic!("{error}"))
        }),
        canary_plans: sweep::canary_plans(),
        ..SweepSettings::default()
    };
    let run = move |plan: &Plan, options: &Options| system.run(plan, options);
    let summary = sweep::sweep(&settings, Arc::new(run), &NEVER, &mut |_| {});
    for KnownCount { defect, seeds, .. } in summary.known_counts() {
        println!("known defect {}, {}: {seeds} seeds", defect.case, defect.signature);
    }
    if !summary.is_success() {
        panic!("{}", failed_sweep(&summary));
    }
}

/// What to show of a sweep that failed.
fn failed_sweep(summary: &Summary) -> String {
    let settings = &summary.settings;
    let faults = |seed| settings.system.plan(seed, None).faults.len();
    let Some(failure) = summary.new_failures().min_by_key(|failure| faults(failure.seed)) else {
        let unchecked = summary.never_checked();
        return match (summary.canaries_missed, summary.never_seen().as_slice()) {
            (0, []) if unchecked.is_empty() => "too few seeds reached what most sweeps reach".to_owned(),
            (0, []) => format!("the sweep checked nothing of {}", unchecked.join(", ")),
            (0, unseen) => format!("the sweep saw {}", unseen.join(", ")),
            _ => "the harness did not catch a known bug before the first seed".to_owned(),
        };
    };
    let test = thread::current().name().unwrap_or_default().to_owned();
    let seed = failure.seed;
    format!(
        "{} of {} seeds failed; their plans are in the folder {OUT}\n\n{}\nrepeat it: MADSIM_TEST_SEED={seed} \
         MADSIM_TEST_NUM=1 cargo test {test}",
        summary.new_failures().count(),
        summary.seeds,
        shrunk_page(settings, failure).unwrap_or_else(|| failure.message.clone()),
    )
}

/// The page of a failing seed, shrunk, whose plan is written beside that of the seed.
fn shrunk_page(settings: &SweepSettings, failure: &FailureRecord) -> Option<String> {
    if !failure.signature.has_outcome() {
        return None;
    }
    let seed = failure.seed;
    let system = &settings.system;
    let options = Options::default();
    let run = |plan: &Plan, options: &Options| run_watched(system, plan, options, HANG_AFTER_SHORT);
    let finding = investigate(&system.plan(seed, None), &options, &run).ok()?;
    let shrink = ShrinkSettings { jobs: settings.jobs, max_runs: MAX_SHRINK_RUNS };
    let smaller = finding.shrink(&shrink, &run, &NEVER, &mut |_| {})?;
    let path = settings.out.join(format!("seed-{seed}.small.toml"));
    let case = smaller.to_case(&format!("Shrunk from seed-{seed}@{GENERATOR_VERSION}"), system);
    let written =
        case.write(&path).map_or_else(|error| format!("not written: {error}\n"), |()| String::new());
    let source = PlanSource::File { path: &path, bug: None };
    let picture = match write_shrunk(system, &smaller, &path, &options) {
        Ok(picture) => format!("picture: {}\n", display_path(&picture)),
        Err(error) => format!("no picture: {error}\n"),
    };
    let (plan, shrunk) = (&smaller.result.plan, Some(smaller.shrunk));
    Some(run_page(plan, source, &smaller.record, shrunk, &options, DEFAULT_WIDTH) + &picture + &written)
}

/// Replays all cases (`*.toml`) in a folder, which is relative to that of the package.
///
/// # Panics
///
/// If a case does not end as expected, with all of these; if a case cannot be read; and if there is none.
pub fn replay<S: System>(folder: impl AsRef<Path>) {
    let (folder, system) = (folder.as_ref(), SystemInfo::of::<S>());
    if child::serve(&system) {
        return;
    }
    program::set_for_tests(system.cargo_arguments);
    let cases = cases(folder);
    assert!(!cases.is_empty(), "there is no case in the folder {}", display_path(folder));
    let failed: Vec<String> = cases.iter().filter_map(|(_, path)| replay_case(path, &system).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// The cases in a folder: name and path, by name.
///
/// # Panics
///
/// If the folder cannot be read.
#[must_use]
pub fn cases(folder: &Path) -> Vec<(String, PathBuf)> {
    let cases = case_files(folder).unwrap_or_else(|error| panic!("{error}"));
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    cases.into_iter().map(|path| (name(&path), path)).collect()
}

/// Runs a case: it must end as expected, and a case with a bug must pass with the bug off.
///
/// # Errors
///
/// What was expected, what happened, and what to type.
pub fn replay_case(path: &Path, system: &SystemInfo) -> Result<(), String> {
    if child::serve(system) {
        return Ok(());
    }
    let case = Case::read(path, system).map_err(|error| error.to_string())?;
    let options = Options::default();
    let run = |plan: &Plan, options: &Options| run_watched(system, plan, options, HANG_AFTER);
    let record = match case.needs_child() {
        true => run_in_child_first(system, &case.plan, &options, HANG_AFTER_SHORT)?,
        false => run(&case.plan, &options),
    };
    let outcome = record.outcome;
    let actual =
        match case.plan.bug.as_ref().map(|_| verdict_without_bug(&case.plan, &Options::default(), &run)) {
            _ if !case.is_met_by(&outcome) => describe(&case, &outcome),
            None | Some(Verdict::Passed) => return Ok(()),
            Some(_) => "it fails without the bug, too".to_owned(),
        };
    let version = case.version_change(system).map(|change| format!(" ({change})")).unwrap_or_default();
    let file = display_path(path);
    let command = |arguments: &str| program::command(&format!("{arguments} {}", program::shell_quote(path)));
    Err(format!(
        "{file}\nexpected: {}\nactual: {actual}{version}\n\n{}\ninspect: {}\nif only its seed is stale: {}",
        case.expect,
        case.description,
        command("replay"),
        command("replay --refresh"),
    ))
}

/// How a run ended that is not what its case expects.
fn describe(case: &Case, outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Passed if case.expect == Expectation::Passed => {
            format!("it does not reach {} any more", case.missed_milestones(outcome).join(", "))
        }
        Verdict::Passed => "all properties held".to_owned(),
        Verdict::Unknown(sentence) => format!("linearizability was not decided: {sentence}"),
        Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.cause),
    }
}

/// The number in an environment variable.
///
/// # Panics
///
/// If it is not a number: a typing error must not select the usual seeds.
#[must_use]
pub fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {value:?}")))
}
