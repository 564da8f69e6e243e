//! Runs a plan for a command, with its recordings and its page.

use super::environment::env_var;
use super::paths::Paths;
use super::{arguments, print, print_message};
use crate::findings::case::ShrunkFrom;
use crate::findings::guard::run_watched;
use crate::findings::investigate::Finding;
use crate::outcome::{Engine, Options, Recording, RunRecord, catalog};
use crate::plan::file::display_path;
use crate::plan::{Plan, file};
use crate::report::{self, PlanSource};
use crate::support::text::display_value;
use crate::systems::SystemInfo;
use invariants::formats;
use std::io;
use std::path::Path;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A run with everything recorded that its page and its picture show: that of a failure; with `always`, any.
pub(super) fn record_for_page(
    system: &SystemInfo,
    plan: &Plan,
    record: RunRecord,
    always: bool,
    options: &Options,
) -> RunRecord {
    let again = match Finding::of(plan, &record.outcome, options) {
        // A run that hangs or aborts is not repeated.
        Some(finding) => finding.signature().has_outcome(),
        None => always,
    };
    match again {
        true => system.run(plan, &Options { record: Recording::PAGE, ..options.clone() }),
        false => record,
    }
}

/// The page of a run. A failed one is run again with everything recorded that the page shows.
pub(super) fn run_page(
    system: &SystemInfo,
    plan: &Plan,
    origin: PlanSource<'_>,
    record: RunRecord,
    shrunk: Option<ShrunkFrom>,
    options: &Options,
) -> String {
    let record = record_for_page(system, plan, record, false, options);
    report::run_page(plan, origin, &record, shrunk, options, report::page_width())
}

/// Runs a plan, prints the trace and writes the requested recordings.
pub(super) fn run_and_record(
    system: &SystemInfo,
    plan: &Plan,
    recording: &arguments::RecordingArgs,
    mut paths: Paths,
    options: Options,
) -> Result<(RunRecord, Options), String> {
    let traced = init_tracing()?;
    if plan.unlimited_damage {
        let names = catalog::resting_on_disks().join(", ");
        print_message(&format!("note: disks go bad without a limit; so nothing is asked of {names}"));
    }
    let unread = system.unread_in(plan);
    if !unread.is_empty() {
        print_message(&format!(
            "note: {} does not read {}, which this plan sets",
            system.name,
            unread.join(", ")
        ));
    }
    for (role, path) in [("--facts", &recording.facts), ("--history", &recording.history)] {
        path.iter().try_for_each(|path| paths.add_output(role, path))?;
    }
    let options = Options {
        engine: engine(system, recording)?,
        record: Recording {
            trace: recording.trace || traced,
            facts: recording.facts.is_some(),
            history: recording.history.is_some(),
            ..options.record
        },
        ..options
    };
    let record = run_watched(system, plan, &options, recording.hang.after());
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

/// The engine that the arguments choose.
fn engine(system: &SystemInfo, recording: &arguments::RecordingArgs) -> Result<Engine, String> {
    let chosen = if recording.strict { Some(Engine::Strict) } else { recording.engine };
    match (chosen, system.engine) {
        (Some(chosen), Some(only)) if chosen != only => Err(format!(
            "--engine {}: {} is made of tasks, which only the engine {} runs",
            chosen.name(),
            system.name,
            only.name()
        )),
        (Some(engine), _) | (None, Some(engine)) => Ok(engine),
        (None, None) => Ok(Engine::default()),
    }
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
