//! The verbs that run many plans: `sweep` and `bench`.

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::shrink_commands::{self, ShrunkGroups};
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, catalog, long_sweep, paths, print, print_json, print_message};
use crate::plan::file::{display_path, error_reason};
use crate::report::{self, SweepProgress, SweepReport};
use crate::sweep::{self, Seeds, Summary, SweepSettings};
use crate::{bench, run};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// The folder for failing plans where nothing else is said.
const DEFAULT_OUT: &str = "failures";
/// How many seeds are swept where nothing else is said.
const DEFAULT_SEEDS: u64 = 2_000;
/// How many seeds a sentence names.
const MAX_NAMED_SEEDS: usize = 8;

pub(super) fn sweep(arguments: &arguments::SweepArgs) -> CommandResult {
    catalog::check_bug(arguments.overrides.bug.as_deref())?;
    let without = catalog::options_with_disabled(&arguments.overrides.without)?.disabled;
    let out = arguments.out.clone().unwrap_or_else(|| DEFAULT_OUT.into());
    paths::check_output_folder(&out)?;
    let lasts = arguments.time_limit.map(|lasts| Duration::from_nanos(lasts.0));
    let shard = long_sweep::detect_shard(arguments)?;
    let asked = arguments.seeds.clone().or_else(|| lasts.is_none().then_some(0..DEFAULT_SEEDS));
    let shared = long_sweep::all_seeds(asked, shard)?;
    let settings = SweepSettings {
        seeds: long_sweep::shard_seeds(&shared, shard)?,
        all_seeds: shared,
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        time_limit: lasts,
        out,
        bug: arguments.overrides.bug.clone(),
        disabled: without,
        canary_plans: long_sweep::canary_plans(),
    };
    let (before, mut ledger) = long_sweep::open_sweep(arguments, &settings)?;
    let settings = before.settings.clone();
    paths::remove_temporary_files(&settings.out);
    let ran_before = before.ran.clone();
    signals::install_handlers("finishing the seeds that are under way; once more to end at once")?;

    let mut progress = SweepProgress::new(&settings);
    let mut is_told = false;
    let summary = sweep::resume(before, &run::run, &STOP_REQUESTED, &mut |summary| {
        progress.show(summary);
        let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(summary, false));
        if let (Err(error), Some(ledger), false) = (noted, &ledger, is_told) {
            let path = display_path(ledger.path());
            progress.print_line(&format!(
                "{path}: cannot be written: {}; it is tried again each second",
                error_reason(&error)
            ));
            is_told = true;
        }
    });
    progress.finish();
    let mut unwritten = Vec::new();
    // What could not be written before is written now, if it can be.
    let noted = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(&summary, true));
    if let (Err(error), Some(ledger)) = (noted, &ledger) {
        unwritten.push(format!(
            "{}: not all results are in it: {}",
            display_path(ledger.path()),
            error_reason(&error)
        ));
    }
    unwritten.extend(missing_plan_files(&summary, &ran_before));

    let small = match arguments.as_found {
        true => ShrunkGroups::default(),
        false => shrink_commands::shrink_each_group(&summary),
    };
    unwritten.extend(small.write_errors);
    let code = signals::exit_code_after(sweep_exit_code(&summary, &unwritten));
    match arguments.json {
        true => print_json(&SweepReport { not_written: unwritten.clone(), ..SweepReport::of(&summary) })?,
        false => print(&(report::sweep_summary(&summary) + &small.text))?,
    }
    small
        .remaining_commands
        .iter()
        .for_each(|line| print_message(&format!("not as small as it gets: {line}")));
    unwritten.iter().for_each(|line| print_message(&format!("not written: {line}")));
    Ok(code)
}

/// What a sweep came to.
fn sweep_exit_code(summary: &Summary, unwritten: &[String]) -> u8 {
    if !unwritten.is_empty() {
        return INVALID_INPUT;
    }
    if summary.is_success() { SUCCESS } else { VIOLATION }
}

/// The plans of failing seeds that this sweep should have written and that are not there.
fn missing_plan_files(summary: &Summary, ran_before: &Seeds) -> Option<String> {
    let found = summary.failures.iter().filter(|found| !ran_before.contains(found.seed));
    let lost = found.filter(|found| found.plan.as_ref().is_none_or(|path| !path.exists()));
    let lost: Vec<String> = lost.map(|found| found.seed.to_string()).collect();
    let more = match lost.len().saturating_sub(MAX_NAMED_SEEDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let why = summary.first_write_error.as_deref().unwrap_or("they were removed during the sweep");
    (!lost.is_empty()).then(|| {
        let seeds = lost[..lost.len().min(MAX_NAMED_SEEDS)].join(", ");
        format!("the plans of the seeds {seeds}{more}: {why}; the seeds say all of it")
    })
}

pub(super) fn bench(arguments: &arguments::BenchArgs) -> CommandResult {
    let bench_table = bench::measure();
    match arguments.json {
        true => print_json(&bench_table)?,
        false => print(&report::bench_table(&bench_table))?,
    }
    Ok(SUCCESS)
}
