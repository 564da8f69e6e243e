//! The command `sweep`.

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::shrink_groups::{ShrunkGroups, shrink_each_group};
use super::signals::{self, STOP_REQUESTED};
use super::sweep_ledger::open_sweep;
use super::{CommandResult, arguments, catalog, paths, print, print_json, print_message, shard};
use crate::plan::file::{display_path, error_reason};
use crate::plan::{Plan, generate};
use crate::report::{self, SweepProgress, SweepReport};
use crate::sweep::{self, Seeds, Summary, SweepSettings};
use crate::systems::raft_core::bugs;
use crate::systems::run;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// The default folder for failing plans.
const DEFAULT_OUT: &str = "failures";
/// The default number of seeds.
const DEFAULT_SEEDS: u64 = 2_000;
/// Seeds listed in a message.
const MAX_NAMED_SEEDS: usize = 8;

/// The bug of the canary plans: nearly every plan exposes it.
const CANARY_BUG: &str = "match-from-sent-index";
/// Number of canary plans.
const CANARY_PLANS: u64 = 20;

pub(super) fn sweep(arguments: &arguments::SweepArgs) -> CommandResult {
    catalog::check_bug(arguments.overrides.bug.as_deref())?;
    let disabled = catalog::options_with_disabled(&arguments.overrides.disable)?.disabled;
    let out = arguments.out.clone().unwrap_or_else(|| DEFAULT_OUT.into());
    paths::check_output_folder(&out)?;
    let time_limit = arguments.time_limit.map(|limit| Duration::from_nanos(limit.0));
    let part = shard::detect_shard(arguments)?;
    let requested = arguments.seeds.clone().or_else(|| time_limit.is_none().then_some(0..DEFAULT_SEEDS));
    let all_seeds = shard::all_seeds(requested, part)?;
    let settings = SweepSettings {
        seeds: shard::shard_seeds(&all_seeds, part)?,
        all_seeds,
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        time_limit,
        out,
        bug: arguments.overrides.bug.clone(),
        disabled,
        canary_plans: canary_plans(),
    };
    let (before, mut ledger) = open_sweep(arguments, &settings)?;
    let settings = before.settings.clone();
    paths::remove_temporary_files(&settings.out);
    let ran_before = before.ran.clone();
    signals::install_handlers("finishing the seeds in progress; a second signal ends at once")?;

    let mut progress = SweepProgress::new(&settings);
    let mut is_reported = false;
    let summary = sweep::resume(before, &run::run, &STOP_REQUESTED, &mut |summary| {
        progress.show(summary);
        let written = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(summary, false));
        if let (Err(error), Some(ledger), false) = (written, &ledger, is_reported) {
            let path = display_path(ledger.path());
            progress.print_line(&format!(
                "{path}: cannot be written: {}; retrying every second",
                error_reason(&error)
            ));
            is_reported = true;
        }
    });
    progress.finish();
    let mut write_errors = Vec::new();
    // Retry what could not be written before.
    let written = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(&summary, true));
    if let (Err(error), Some(ledger)) = (written, &ledger) {
        write_errors.push(format!(
            "{}: not all results were written: {}",
            display_path(ledger.path()),
            error_reason(&error)
        ));
    }
    write_errors.extend(missing_plan_files(&summary, &ran_before));

    let shrunk = match arguments.no_shrink {
        true => ShrunkGroups::default(),
        false => shrink_each_group(&summary),
    };
    write_errors.extend(shrunk.write_errors);
    let code = signals::exit_code_after(sweep_exit_code(&summary, &write_errors));
    match arguments.json {
        true => print_json(&SweepReport { not_written: write_errors.clone(), ..SweepReport::of(&summary) })?,
        false => print(&(report::sweep_summary(&summary) + &shrunk.text))?,
    }
    shrunk
        .remaining_commands
        .iter()
        .for_each(|line| print_message(&format!("not minimal, continue with: {line}")));
    write_errors.iter().for_each(|line| print_message(&format!("not written: {line}")));
    Ok(code)
}

/// The canary plans. None without the feature `bugs`.
fn canary_plans() -> Vec<Plan> {
    if bugs::find(CANARY_BUG).is_none() {
        return Vec::new();
    }
    (0..CANARY_PLANS).map(|seed| Plan { bug: Some(CANARY_BUG.to_owned()), ..generate(seed) }).collect()
}

/// The exit code of a sweep.
fn sweep_exit_code(summary: &Summary, write_errors: &[String]) -> u8 {
    if !write_errors.is_empty() {
        return INVALID_INPUT;
    }
    if summary.is_success() { SUCCESS } else { VIOLATION }
}

/// Failing seeds of this session whose plans are not on disk.
fn missing_plan_files(summary: &Summary, ran_before: &Seeds) -> Option<String> {
    let failures = summary.failures.iter().filter(|failure| !ran_before.contains(failure.seed));
    let lost = failures.filter(|failure| failure.plan.as_ref().is_none_or(|path| !path.exists()));
    let lost: Vec<String> = lost.map(|failure| failure.seed.to_string()).collect();
    let more = match lost.len().saturating_sub(MAX_NAMED_SEEDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = summary.first_write_error.as_deref().unwrap_or("they were removed during the sweep");
    (!lost.is_empty()).then(|| {
        let seeds = lost[..lost.len().min(MAX_NAMED_SEEDS)].join(", ");
        format!("the plans of the seeds {seeds}{more}: {reason}; the seeds reproduce them")
    })
}
