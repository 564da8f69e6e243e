//! The command `sweep`.

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::paths::Paths;
use super::shrink_groups::{ShrunkGroups, shrink_each_group};
use super::signals::{self, STOP_REQUESTED};
use super::sweep_ledger::{OpenedSweep, add_seeds_without_end, open_sweep};
use super::{CommandResult, arguments, catalog, paths, print, print_json, print_message, shard};
use crate::findings::avoid::{self, COUNTED_PLANS, Cause};
use crate::findings::case;
use crate::findings::known::{self, KnownDefect};
use crate::plan::Feature;
use crate::plan::file::{self, display_path, error_reason};
use crate::report::html::sweep_html;
use crate::report::{self, SweepProgress, SweepReport};
use crate::sweep::corpus;
use crate::sweep::ledger::Ledger;
use crate::sweep::{self, Seeds, Summary, SweepRun, SweepSettings};
use crate::systems::{CASES_DIR, SystemInfo};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// The default folder for failing plans.
pub(super) const DEFAULT_OUT: &str = "failures";
/// A sweep that cannot go on in a new process ends after so many hanging runs.
const MAX_STUCK_PER_JOB: usize = 4;
/// Seeds listed in a message.
const MAX_NAMED_SEEDS: usize = 8;

pub(super) fn sweep(system: &SystemInfo, arguments: &arguments::SweepArgs) -> CommandResult {
    catalog::check_bug(system, arguments.overrides.bug.as_deref())?;
    let disabled = catalog::options_with_disabled(&arguments.overrides.disable)?.disabled;
    let out = arguments.out.clone().unwrap_or_else(|| DEFAULT_OUT.into());
    paths::check_output_folder(&out)?;
    if let Some(html) = &arguments.html {
        Paths::default().add_output("--html", html)?;
    }
    let time_limit = arguments.time_limit.map(|limit| Duration::from_nanos(limit.0));
    let part = shard::detect_part(arguments)?;
    let all_seeds = shard::requested_seeds(arguments, part.shard)?;
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let settings = SweepSettings {
        system: *system,
        seeds: shard::shard_seeds(&all_seeds, part.shard)?,
        all_seeds,
        shard: part.shard,
        window: arguments.window.clone(),
        jobs,
        time_limit,
        out,
        bug: arguments.overrides.bug.clone(),
        disabled,
        left_out: left_out(system, arguments, jobs)?,
        known: known_defects(system, arguments.known.as_deref(), arguments.overrides.bug.as_deref())?,
        canary_plans: sweep::canary_plans(),
        hang_after: arguments.hang.after(),
        records_in_flight: false,
        max_stuck: MAX_STUCK_PER_JOB * jobs.get(),
    };
    let OpenedSweep { summary: mut before, mut ledger, is_resumed } =
        open_sweep(arguments, &settings, part.is_scheduled)?;
    let can_restart = cfg!(unix) && ledger.is_some();
    if can_restart {
        before.settings.max_stuck = jobs.get();
    }
    paths::remove_temporary_files(&settings.out);
    signals::install_handlers("finishing the seeds in progress; a second signal ends at once")?;
    signals::limit_grace();
    let ran_before = before.ran.clone();
    if is_resumed {
        add_seeds_without_end(&mut before)?;
        let written = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(&before, true));
        written.map_err(|error| format!("the results cannot be written: {}", error_reason(&error)))?;
    }

    if let Some(folder) = &arguments.corpus {
        let runs = corpus::replay(folder, &before.settings, &before.corpus, &STOP_REQUESTED)?;
        before.corpus.extend(runs);
    }
    let mut progress = SweepProgress::new(&before);
    let mut reported = Reported::default();
    let system = *system;
    let run: SweepRun = Arc::new(move |plan, options| system.run(plan, options));
    let mut summary = sweep::resume(before, run, &STOP_REQUESTED, &mut |summary| {
        progress.show(summary);
        write_progress(ledger.as_mut(), summary, &progress, &mut reported);
        if signals::is_grace_over() {
            // The lock is removed, so that another machine need not observe it.
            drop(ledger.take());
            signals::exit_after_grace();
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
    let is_stuck = summary.stuck >= summary.settings.max_stuck && summary.cut_short;
    if is_stuck && can_restart && write_errors.is_empty() && !signals::is_stop_requested() {
        drop(ledger);
        return Err(restart(&summary));
    }

    let shrunk = match arguments.no_shrink {
        true => ShrunkGroups::default(),
        false => shrink_each_group(&summary),
    };
    write_errors.extend(shrunk.write_errors);
    if !shrunk.plans.is_empty() {
        summary.set_shrunk_plans(shrunk.plans);
        let written = ledger.as_mut().map_or(Ok(()), |ledger| ledger.write_progress(&summary, true));
        write_errors.extend(written.err().map(|error| format!("the shrunk plans: {}", error_reason(&error))));
    }
    if let Some(html) = &arguments.html {
        let page = sweep_html(&summary, &shrunk.pictures, html);
        write_errors.extend(file::write_text(html, &page).err().map(|error| error.to_string()));
    }
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
    if !summary.failures.is_empty() && arguments.known.is_none() && lacks_cases(&system) {
        print_message(&format!(
            "there is no folder {} here, so that no failure counts as a known defect; `--known DIR` names one",
            system.cases
        ));
    }
    Ok(code)
}

/// Whether a system that names a folder for its cases was started in a place where there is none.
fn lacks_cases(system: &SystemInfo) -> bool {
    system.cases != CASES_DIR && !Path::new(system.cases).is_dir()
}

/// What was done once during a sweep.
#[derive(Default)]
struct Reported {
    /// An error of the ledger was printed.
    error: bool,
    /// The ledger was written after the first signal.
    stop: bool,
}

/// Writes the ledger if it is time, or if the sweep is being stopped. An error is printed once. If another process writes
/// the ledger now, the sweep ends.
fn write_progress(
    ledger: Option<&mut Ledger>,
    summary: &Summary,
    progress: &SweepProgress,
    reported: &mut Reported,
) {
    let Some(ledger) = ledger else { return };
    let is_first_stop = signals::is_stop_requested() && !reported.stop;
    reported.stop |= is_first_stop;
    let Err(error) = ledger.write_progress(summary, is_first_stop) else { return };
    let is_lost = ledger.is_lost();
    if is_lost {
        STOP_REQUESTED.store(true, Ordering::Relaxed);
    }
    if !reported.error {
        let (path, reason) = (display_path(ledger.path()), error_reason(&error));
        let then = if is_lost { "the sweep ends" } else { "retrying every second" };
        progress.print_line(&format!("{path}: cannot be written: {reason}; {then}"));
        reported.error = true;
    }
}

/// The known defects in a folder. Without `--known` it is that of the system, if there is one.
pub(super) fn known_defects(
    system: &SystemInfo,
    folder: Option<&Path>,
    bug: Option<&str>,
) -> Result<Vec<KnownDefect>, String> {
    let usual = Path::new(system.cases);
    match folder {
        None if !usual.is_dir() => Ok(Vec::new()),
        folder => known::known_defects(folder.unwrap_or(usual), system, bug),
    }
}

/// The names of the features that are left out of the plans, sorted.
fn left_out(
    system: &SystemInfo,
    arguments: &arguments::SweepArgs,
    jobs: NonZeroUsize,
) -> Result<Vec<String>, String> {
    let mut left_out: Vec<Feature> = arguments.overrides.leave_out.clone();
    for path in &arguments.avoid {
        let case = case::read_case_or_plan(path, system).map_err(|error| error.to_string())?;
        let name = display_path(path);
        let causes =
            avoid::causes(&case, system, jobs).map_err(|reason| format!("--avoid {name}: {reason}"))?;
        let describe =
            |cause: &Cause| format!("{} ({} of {COUNTED_PLANS} plans)", cause.feature.name(), cause.plans);
        let others: Vec<String> = causes[1..].iter().map(describe).collect();
        let others = match others.is_empty() {
            true => String::new(),
            false => format!("; nor without {}", others.join(", ")),
        };
        print_message(&format!(
            "left out: {}, without which {name} does not fail{others}",
            describe(&causes[0])
        ));
        left_out.push(causes[0].feature);
    }
    let names: BTreeSet<&str> = left_out.iter().map(Feature::name).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Continues the sweep in a new process, without the threads that hang. Returns only why that failed.
#[cfg(unix)]
fn restart(summary: &Summary) -> String {
    use std::os::unix::process::CommandExt;
    print_message(&format!(
        "{} runs hang and keep their threads: the sweep goes on in a new process",
        summary.stuck
    ));
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.iter().all(|argument| argument != "--resume") {
        arguments.push("--resume".into());
    }
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    format!("the sweep cannot go on in a new process ({}): continue it with --resume", error_reason(&error))
}

/// Without Unix there is no way to replace a process.
#[cfg(not(unix))]
fn restart(_: &Summary) -> String {
    unreachable!("it is asked for on Unix only")
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
    let failures = summary.new_failures().filter(|failure| !ran_before.contains(failure.seed));
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
