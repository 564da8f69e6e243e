//! The verbs about one plan: `run`, `plan`, `keep` and `replay`.

use super::exit::{SUCCESS, VIOLATION};
use super::long_sweep::env_var;
use super::paths::Paths;
use super::{CommandResult, arguments, catalog, print};
use crate::case::{self, Case, DESCRIPTION_TEMPLATE, Expectation, ShrunkFrom};
use crate::outcome::{Options, Outcome, RunRecord, Verdict};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan, file, generate};
use crate::refresh;
use crate::report::{self, PlanSource};
use crate::text::{display_value, escape_lines};
use crate::{run, survey};
use invariants::formats;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use tracing_subscriber::filter::{Directive, EnvFilter};

pub(super) fn run(arguments: &arguments::RunArgs) -> CommandResult {
    let (source, changes) = (&arguments.source, &arguments.overrides);
    catalog::check_bug(changes.bug.as_deref())?;
    let options = catalog::options_with_disabled(&changes.without)?;
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
    if changes.bug.is_some() {
        plan.bug.clone_from(&changes.bug);
    }
    let (record, options) = run_and_record(&plan, &arguments.recording, paths, options)?;
    let origin = match &source.plan {
        Some(path) => PlanSource::File { path, bug: changes.bug.as_deref() },
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

pub(super) fn write_case(arguments: &arguments::KeepArgs) -> CommandResult {
    catalog::check_bug(arguments.bug.as_deref())?;
    let path = case::case_path(&arguments.name);
    if path.symlink_metadata().is_ok() {
        return Err(format!("{} is there already: choose another name", display_path(&path)));
    }
    let folder = Path::new(case::CASES_DIR);
    if !folder.is_dir() {
        return Err(format!(
            "there is no folder {} here: go to the top of the work tree",
            display_path(folder)
        ));
    }
    let mut paths = Paths::default();
    arguments.file.iter().for_each(|file| paths.add_input("the plan", file));
    paths.add_output("the case", &path)?;

    let found = match (&arguments.file, arguments.seed) {
        (Some(file), _) => Some(case::read_case_or_plan(file).map_err(|error| error.to_string())?),
        _ => None,
    };
    let mut plan = match (&found, arguments.seed) {
        (Some(found), _) => found.plan.clone(),
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
            return Err(format!("with the bug {bug} {seed} breaks no promise: there is nothing to catch"));
        }
        (None, Verdict::Unknown(_)) => {
            return Err(format!("{seed} stays undecided: nothing can be expected of it"));
        }
        (None, _) => Expectation::Passed,
    };
    let seen = match &outcome.verdict {
        Verdict::Failed(failure) => format!("{}: {}", failure.property, escape_lines(&failure.sentence)),
        _ => "All promises were kept.".into(),
    };
    let found_before = found.as_ref().map_or_else(
        || format!("Seed {}@{GENERATOR_VERSION}. {seen}\n", plan.seed),
        |found| if found.description.is_empty() { format!("{seen}\n") } else { found.description.clone() },
    );
    let story = format!("{DESCRIPTION_TEMPLATE}\n{found_before}");
    let shrunk = found.and_then(|found| found.shrunk);
    let case = Case { shrunk, ..Case::new(story, expect, &outcome, plan) };
    case.write(&path).map_err(|error| error.to_string())?;
    print(&format!(
        "{}: now fill in its story; expected is: {}\n  cargo run --release -- replay {}\n",
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
        // Whoever catches a bug that is not there catches nothing.
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
    // Before it is called stale: the same plan, with other chance.
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(near) = refresh::find_refreshed_case(&case, &run::run, jobs) else {
        let seeds = refresh::REFRESH_SEEDS;
        print(&format!("stale: none of {seeds} other seeds does what is expected either\n"))?;
        return Ok(VIOLATION);
    };
    if !arguments.refresh {
        let (seed, path) = (near.plan.seed, display_path(path));
        print(&format!(
            "with the seed {seed} it does what is expected:\n  cargo run --release -- replay --refresh {path}\n"
        ))?;
        return Ok(VIOLATION);
    }
    near.write(path).map_err(|error| error.to_string())?;
    print(&format!("refreshed: {} has the seed {} now\n", display_path(path), near.plan.seed))?;
    Ok(SUCCESS)
}

/// The page of a run. Of one that broke a promise all is kept that its page tells.
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

/// Runs a plan, prints the timeline and writes what was asked to be written.
fn run_and_record(
    plan: &Plan,
    watch: &arguments::RecordingArgs,
    mut paths: Paths,
    options: Options,
) -> Result<(RunRecord, Options), String> {
    let traced = init_tracing()?;
    for (what, path) in [("--facts", &watch.facts), ("--history", &watch.history)] {
        path.iter().try_for_each(|path| paths.add_output(what, path))?;
    }
    let options = Options {
        strict: watch.strict,
        trace: watch.trace || traced,
        facts: watch.facts.is_some(),
        history: watch.history.is_some(),
        ..options
    };
    let record = run::run(plan, &options);
    if let Some(path) = &watch.facts {
        write_recording(path, |output| formats::facts::write(output, &record.facts))?;
    }
    if let Some(path) = &watch.history {
        write_recording(path, |output| formats::histories::write(output, &record.history))?;
    }
    if watch.trace {
        let lines: String = record.trace.iter().map(|line| report::trace_line(line) + "\n").collect();
        print(&(lines + "\n"))?;
    }
    Ok((record, options))
}

/// Writes what was observed to a file, all of it or nothing.
fn write_recording(path: &Path, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), String> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| format!("{}: {error}", display_path(path)))?;
    let text = String::from_utf8(bytes).map_err(|error| format!("{}: {error}", display_path(path)))?;
    file::write_text(path, &text).map_err(|error| error.to_string())
}

/// Shows the timeline as tracing events on standard error, where `RUST_LOG` asks for them. Returns whether it does.
fn init_tracing() -> Result<bool, String> {
    let Some(wanted) = env_var("RUST_LOG")? else { return Ok(false) };
    let filter = EnvFilter::builder()
        .parse(&wanted)
        .map_err(|error| format!("RUST_LOG is `{}`, which is no filter: {error}", display_value(&wanted)))?;
    // What madsim itself has to say would bury the run.
    let silence: Directive =
        "madsim=off".parse().map_err(|error| format!("madsim cannot be silenced: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter.add_directive(silence))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .try_init()
        .map(|()| true)
        .map_err(|error| format!("tracing cannot be shown: {error}"))
}

fn verdict_exit_code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Passed | Verdict::Unknown(_) => SUCCESS,
        Verdict::Failed(_) => VIOLATION,
    }
}
