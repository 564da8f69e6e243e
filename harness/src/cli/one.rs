//! The verbs about one plan: `run`, `plan`, `keep` and `replay`.

use super::{BROKEN, Done, KEPT, arguments, known, print};
use crate::case::{self, Case, Expect};
use crate::outcome::{Options, Outcome, Record, Verdict};
use crate::plan::{GENERATOR_VERSION, Plan, file, generate};
use crate::{report, run};
use serde::Serialize;
use std::path::Path;
use tracing_subscriber::filter::{Directive, EnvFilter};

pub(super) fn run(arguments: &arguments::Run) -> Done {
    let (source, changes) = (&arguments.source, &arguments.changes);
    known::bug(changes.bug.as_deref())?;
    let options = known::options_without(&changes.without)?;
    let mut plan = match (&source.plan, source.seed) {
        (Some(path), _) => case::read_plan(path).map_err(|error| error.to_string())?,
        (None, Some(seed)) => generate(seed),
        (None, None) => return Err("a run needs --seed N or --plan FILE".into()),
    };
    if changes.bug.is_some() {
        plan.bug.clone_from(&changes.bug);
    }
    let (record, options) = watched(&plan, &arguments.watch, options)?;
    print(&report::verdict(&plan, source.plan.as_deref(), &record.outcome, &options))?;
    Ok(code(&record.outcome))
}

pub(super) fn plan(arguments: &arguments::Plan) -> Done {
    known::bug(arguments.bug.as_deref())?;
    let plan = Plan { bug: arguments.bug.clone(), ..generate(arguments.seed) };
    print(&file::to_text(&plan))?;
    Ok(KEPT)
}

pub(super) fn keep(arguments: &arguments::Keep) -> Done {
    known::bug(arguments.bug.as_deref())?;
    let path = case::path_of(&arguments.name);
    if path.exists() {
        return Err(format!("{} is there already: choose another name", path.display()));
    }
    let folder = Path::new(case::FOLDER);
    if !folder.is_dir() {
        return Err(format!("there is no folder {} here: go to the top of the work tree", folder.display()));
    }

    let plan = Plan { bug: arguments.bug.clone(), ..generate(arguments.seed) };
    let outcome = run::run(&plan, &Options::default()).outcome;
    let expect = match (&plan.bug, &outcome.verdict) {
        (Some(_), Verdict::Failed(failure)) => Expect::Caught(failure.property.clone()),
        (Some(bug), _) => {
            return Err(format!(
                "with the bug {bug} seed {} breaks no promise: there is nothing to catch",
                plan.seed
            ));
        }
        (None, _) => Expect::Passed,
    };
    let seen = match &outcome.verdict {
        Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.sentence),
        _ => "All promises were kept.".into(),
    };
    let story = format!(
        "TODO: what happens here, why it once went wrong, and what mended it.\nSeed {}@{GENERATOR_VERSION}. {seen}\n",
        plan.seed
    );
    let case = Case { story, expect, plan };
    case.write(&path).map_err(|error| error.to_string())?;
    print(&format!(
        "{}: now fill in its story; expected is: {}\n  cargo run --release -- replay {}\n",
        path.display(),
        case.expect,
        path.display()
    ))?;
    Ok(KEPT)
}

pub(super) fn replay(arguments: &arguments::Replay) -> Done {
    let path = &arguments.file;
    let case = Case::read(path).map_err(|error| error.to_string())?;
    let (record, options) = watched(&case.plan, &arguments.watch, Options::default())?;
    let page = report::verdict(&case.plan, Some(path), &record.outcome, &options);
    print(&format!("{page}\n{}", report::expectation(&case, &record.outcome)))?;
    Ok(if case.expect.is_met_by(&record.outcome.verdict) { KEPT } else { BROKEN })
}

/// Runs a plan, prints the timeline and writes what was asked to be written.
fn watched(plan: &Plan, watch: &arguments::Watch, options: Options) -> Result<(Record, Options), String> {
    let options = Options {
        strict: watch.strict,
        timeline: watch.trace,
        facts: watch.facts.is_some(),
        history: watch.history.is_some(),
        ..options
    };
    show_tracing()?;
    let record = run::run(plan, &options);
    if let Some(path) = &watch.facts {
        write_lines(path, &record.facts)?;
    }
    if let Some(path) = &watch.history {
        write_lines(path, &record.history)?;
    }
    if watch.trace {
        let lines: String = record.timeline.iter().map(|line| report::timeline(line) + "\n").collect();
        print(&(lines + "\n"))?;
    }
    Ok((record, options))
}

/// Writes JSON lines, all of them or none.
fn write_lines(path: &Path, items: &[impl Serialize]) -> Result<(), String> {
    let mut text = String::new();
    for item in items {
        let line = serde_json::to_string(item).map_err(|error| format!("{}: {error}", path.display()))?;
        text += &line;
        text.push('\n');
    }
    file::write_text(path, &text).map_err(|error| error.to_string())
}

/// Shows the run's tracing events on standard error, where `RUST_LOG` asks for them.
fn show_tracing() -> Result<(), String> {
    let Some(wanted) = std::env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty()) else {
        return Ok(());
    };
    let filter = EnvFilter::builder()
        .parse(&wanted)
        .map_err(|error| format!("RUST_LOG is `{wanted}`, which is no filter: {error}"))?;
    // What madsim itself has to say would bury the run.
    let silence: Directive =
        "madsim=off".parse().map_err(|error| format!("madsim cannot be silenced: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter.add_directive(silence))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .try_init()
        .map_err(|error| format!("tracing cannot be shown: {error}"))
}

fn code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Kept | Verdict::Unknown(_) => KEPT,
        Verdict::Failed(_) => BROKEN,
    }
}
