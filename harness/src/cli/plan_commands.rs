//! The commands for one plan: `run`, `plan`, `add-case` and `replay`.

use super::exit::{SUCCESS, VIOLATION};
use super::long_sweep::env_var;
use super::paths::Paths;
use super::{CommandResult, arguments, catalog, print};
use crate::findings::case::{self, Case, DESCRIPTION_TEMPLATE, Expectation, ShrunkFrom};
use crate::findings::refresh;
use crate::findings::survey;
use crate::outcome::{Options, Outcome, RunRecord, Verdict};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan, file, generate};
use crate::report::{self, PlanSource};
use crate::support::text::{display_value, escape_lines};
use crate::systems::run;
use invariants::formats;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(super) fn run(arguments: &arguments::RunArgs) -> CommandResult {
    let (source, overrides) = (&arguments.source, &arguments.overrides);
    catalog::check_bug(overrides.bug.as_deref())?;
    let options = catalog::options_with_disabled(&overrides.disable)?;
    let mut shrunk = None;
    let mut paths = Paths::default();
    let mut plan = match (&source.plan, source.seed) {
        (Some(path), _) => {
            paths.add_input("the plan", path);
            let case = case::read_case_or_plan(path).map_err(|error| error.to_string())?;
            shrunk = case.shrunk;
            case.plan
        }
        (None, Some(seed)) => generate(seed),
        (None, None) => return Err("a run needs --seed N or --plan FILE".into()),
    };
    if overrides.bug.is_some() {
        plan.bug.clone_from(&overrides.bug);
    }
    let (record, options) = run_and_record(&plan, &arguments.recording, paths, options)?;
    let origin = match &source.plan {
        Some(path) => PlanSource::File { path, bug: overrides.bug.as_deref() },
        None => PlanSource::Seed,
    };
    print(&run_page(&plan, origin, record.clone(), shrunk, &options))?;
    Ok(verdict_exit_code(&record.outcome))
}

pub(super) fn plan(arguments: &arguments::PlanArgs) -> CommandResult {
    catalog::check_bug(arguments.bug.as_deref())?;
    let plan = Plan { bug: arguments.bug.clone(), ..generate(arguments.seed) };
    print(&file::to_text(&plan))?;
    Ok(SUCCESS)
}

pub(super) fn add_case(arguments: &arguments::AddCaseArgs) -> CommandResult {
    catalog::check_bug(arguments.bug.as_deref())?;
    let path = case::case_path(&arguments.name);
    if path.symlink_metadata().is_ok() {
        return Err(format!("{} already exists: choose another name", display_path(&path)));
    }
    let folder = Path::new(case::CASES_DIR);
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {} here: run this in the root of the repository",
            display_path(folder)
        ));
    }
    let mut paths = Paths::default();
    arguments.file.iter().for_each(|file| paths.add_input("the plan", file));
    paths.add_output("the case", &path)?;

    let source = match (&arguments.file, arguments.seed) {
        (Some(file), _) => Some(case::read_case_or_plan(file).map_err(|error| error.to_string())?),
        _ => None,
    };
    let mut plan = match (&source, arguments.seed) {
        (Some(source), _) => source.plan.clone(),
        (None, seed) => generate(seed.unwrap_or_default()),
    };
    if arguments.bug.is_some() {
        plan.bug.clone_from(&arguments.bug);
    }
    let seed = format!("seed {}", plan.seed);
    let outcome = run::run(&plan, &Options::default()).outcome;
    let expect = match (&plan.bug, &outcome.verdict) {
        (Some(_), Verdict::Failed(failure)) => Expectation::Caught(failure.property.clone()),
        (Some(bug), _) => {
            return Err(format!(
                "with the bug {bug}, {seed} violates no property: there is nothing to catch"
            ));
        }
        (None, Verdict::Unknown(_)) => {
            return Err(format!("{seed} is undecided: no expectation can be stored"));
        }
        (None, _) => Expectation::Passed,
    };
    let observed = match &outcome.verdict {
        Verdict::Failed(failure) => format!("{}: {}", failure.property, escape_lines(&failure.sentence)),
        _ => "All properties hold.".into(),
    };
    let origin = source.as_ref().map_or_else(
        || format!("Seed {}@{GENERATOR_VERSION}. {observed}\n", plan.seed),
        |source| {
            if source.description.is_empty() { format!("{observed}\n") } else { source.description.clone() }
        },
    );
    let description = format!("{DESCRIPTION_TEMPLATE}\n{origin}");
    let shrunk = source.and_then(|source| source.shrunk);
    let case = Case { shrunk, ..Case::new(description, expect, &outcome, plan) };
    case.write(&path).map_err(|error| error.to_string())?;
    print(&format!(
        "{}: now fill in its description; expected: {}\n  cargo run --release -- replay {}\n",
        display_path(&path),
        case.expect,
        display_path(&path)
    ))?;
    Ok(SUCCESS)
}

pub(super) fn replay(arguments: &arguments::ReplayArgs) -> CommandResult {
    let path = &arguments.file;
    let case = Case::read(path).map_err(|error| error.to_string())?;
    let mut paths = Paths::default();
    match arguments.refresh {
        true => paths.add_in_place("the case", path)?,
        false => paths.add_input("the case", path),
    }
    let (record, options) = run_and_record(&case.plan, &arguments.recording, paths, Options::default())?;
    let outcome = record.outcome.clone();
    let origin = PlanSource::File { path, bug: None };
    let page = run_page(&case.plan, origin, record, case.shrunk, &options);
    print(&format!("{page}\n{}", report::case_report(&case, &outcome)))?;
    let mut is_met = case.is_met_by(&outcome);
    if let Some(bug) = &case.plan.bug {
        // The failure must come from the bug: without it all properties must hold.
        let verdict = refresh::verdict_without_bug(&case.plan, &run::run);
        print(&report::case_report_without_bug(bug, &verdict))?;
        is_met &= verdict == Verdict::Passed;
    }
    if is_met {
        if arguments.refresh {
            refresh::rebuild_case(&case, case.plan.clone(), &outcome)
                .write(path)
                .map_err(|error| error.to_string())?;
        }
        return Ok(SUCCESS);
    }
    // Before reporting it as stale, try the same plan with other seeds.
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(refreshed) = refresh::find_refreshed_case(&case, &run::run, jobs) else {
        let seeds = refresh::REFRESH_SEEDS;
        print(&format!("stale: none of {seeds} other seeds meets the expectation either\n"))?;
        return Ok(VIOLATION);
    };
    if !arguments.refresh {
        let (seed, path) = (refreshed.plan.seed, display_path(path));
        print(&format!(
            "seed {seed} meets the expectation:\n  cargo run --release -- replay --refresh {path}\n"
        ))?;
        return Ok(VIOLATION);
    }
    refreshed.write(path).map_err(|error| error.to_string())?;
    print(&format!("refreshed: {} now has seed {}\n", display_path(path), refreshed.plan.seed))?;
    Ok(SUCCESS)
}

/// The page of a run. A failed one is run again with everything recorded that the page shows.
pub(super) fn run_page(
    plan: &Plan,
    origin: PlanSource<'_>,
    record: RunRecord,
    shrunk: Option<ShrunkFrom>,
    options: &Options,
) -> String {
    let record = match record.outcome.verdict {
        Verdict::Failed(_) => run::run(plan, &survey::record_everything(options)),
        _ => record,
    };
    report::run_page(plan, origin, &record, shrunk, options, report::page_width())
}

/// Runs a plan, prints the trace and writes the requested recordings.
fn run_and_record(
    plan: &Plan,
    recording: &arguments::RecordingArgs,
    mut paths: Paths,
    options: Options,
) -> Result<(RunRecord, Options), String> {
    let traced = init_tracing()?;
    for (role, path) in [("--facts", &recording.facts), ("--history", &recording.history)] {
        path.iter().try_for_each(|path| paths.add_output(role, path))?;
    }
    let options = Options {
        strict: recording.strict,
        trace: recording.trace || traced,
        facts: recording.facts.is_some(),
        history: recording.history.is_some(),
        ..options
    };
    let record = run::run(plan, &options);
    if let Some(path) = &recording.facts {
        write_recording(path, |output| formats::facts::write(output, &record.facts))?;
    }
    if let Some(path) = &recording.history {
        write_recording(path, |output| formats::histories::write(output, &record.history))?;
    }
    if recording.trace {
        let lines: String = record.trace.iter().map(|line| report::trace_line(line) + "\n").collect();
        print(&(lines + "\n"))?;
    }
    Ok((record, options))
}

/// Writes a recording to a file, completely or not at all.
fn write_recording(path: &Path, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), String> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| format!("{}: {error}", display_path(path)))?;
    let text = String::from_utf8(bytes).map_err(|error| format!("{}: {error}", display_path(path)))?;
    file::write_text(path, &text).map_err(|error| error.to_string())
}

/// Prints the trace as tracing events on standard error if `RUST_LOG` asks for it. Returns whether it does.
fn init_tracing() -> Result<bool, String> {
    let Some(directives) = env_var("RUST_LOG")? else { return Ok(false) };
    let filter: Targets = directives.parse().map_err(|error| {
        format!("RUST_LOG is `{}`, which is not a valid filter: {error}", display_value(&directives))
    })?;
    // madsim's own events would drown those of the run.
    let filter = filter.with_target("madsim", LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).without_time();
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map(|()| true)
        .map_err(|error| format!("tracing cannot be started: {error}"))
}

fn verdict_exit_code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Passed | Verdict::Unknown(_) => SUCCESS,
        Verdict::Failed(_) => VIOLATION,
    }
}
