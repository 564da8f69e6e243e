//! The verbs about one plan: `run`, `plan`, `keep` and `replay`.

use super::exit::{BROKEN, KEPT};
use super::overnight::variable;
use super::paths::Paths;
use super::{Done, arguments, known, print};
use crate::case::{self, Case, Expect, NO_STORY, Shrunk};
use crate::near;
use crate::outcome::{Options, Outcome, Record, Verdict};
use crate::plan::file::named;
use crate::plan::{GENERATOR_VERSION, Plan, file, generate};
use crate::report::{self, Origin};
use crate::text::{shown, visible_lines};
use crate::{run, survey};
use invariants::formats;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use tracing_subscriber::filter::{Directive, EnvFilter};

pub(super) fn run(arguments: &arguments::Run) -> Done {
    let (source, changes) = (&arguments.source, &arguments.changes);
    known::bug(changes.bug.as_deref())?;
    let options = known::options_without(&changes.without)?;
    let mut shrunk = None;
    let mut paths = Paths::default();
    let mut plan = match (&source.plan, source.seed) {
        (Some(path), _) => {
            paths.read("the plan", path);
            let case = case::read_either(path).map_err(|error| error.to_string())?;
            shrunk = case.shrunk;
            case.plan
        }
        (None, Some(seed)) => generate(seed),
        (None, None) => return Err("a run needs --seed N or --plan FILE".into()),
    };
    if changes.bug.is_some() {
        plan.bug.clone_from(&changes.bug);
    }
    let (record, options) = watched(&plan, &arguments.watch, paths, options)?;
    let origin = match &source.plan {
        Some(path) => Origin::File { path, bug: changes.bug.as_deref() },
        None => Origin::Seed,
    };
    print(&page(&plan, origin, record.clone(), shrunk, &options))?;
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
    if path.symlink_metadata().is_ok() {
        return Err(format!("{} is there already: choose another name", named(&path)));
    }
    let folder = Path::new(case::FOLDER);
    if !folder.is_dir() {
        return Err(format!("there is no folder {} here: go to the top of the work tree", named(folder)));
    }
    let mut paths = Paths::default();
    arguments.file.iter().for_each(|file| paths.read("the plan", file));
    paths.write("the case", &path)?;

    let found = match (&arguments.file, arguments.seed) {
        (Some(file), _) => Some(case::read_either(file).map_err(|error| error.to_string())?),
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
        (Some(_), Verdict::Failed(failure)) => Expect::Caught(failure.property.clone()),
        (Some(bug), _) => {
            return Err(format!("with the bug {bug} {seed} breaks no promise: there is nothing to catch"));
        }
        (None, Verdict::Unknown(_)) => {
            return Err(format!("{seed} stays undecided: nothing can be expected of it"));
        }
        (None, _) => Expect::Passed,
    };
    let seen = match &outcome.verdict {
        Verdict::Failed(failure) => format!("{}: {}", failure.property, visible_lines(&failure.sentence)),
        _ => "All promises were kept.".into(),
    };
    let found_before = found.as_ref().map_or_else(
        || format!("Seed {}@{GENERATOR_VERSION}. {seen}\n", plan.seed),
        |found| if found.story.is_empty() { format!("{seen}\n") } else { found.story.clone() },
    );
    let story = format!("{NO_STORY}\n{found_before}");
    let shrunk = found.and_then(|found| found.shrunk);
    let case = Case { shrunk, ..Case::new(story, expect, &outcome, plan) };
    case.write(&path).map_err(|error| error.to_string())?;
    print(&format!(
        "{}: now fill in its story; expected is: {}\n  cargo run --release -- replay {}\n",
        named(&path),
        case.expect,
        named(&path)
    ))?;
    Ok(KEPT)
}

pub(super) fn replay(arguments: &arguments::Replay) -> Done {
    let path = &arguments.file;
    let case = Case::read(path).map_err(|error| error.to_string())?;
    let mut paths = Paths::default();
    match arguments.refresh {
        true => paths.rewrite("the case", path)?,
        false => paths.read("the case", path),
    }
    let (record, options) = watched(&case.plan, &arguments.watch, paths, Options::default())?;
    let outcome = record.outcome.clone();
    let origin = Origin::File { path, bug: None };
    let page = page(&case.plan, origin, record, case.shrunk, &options);
    print(&format!("{page}\n{}", report::expectation(&case, &outcome)))?;
    let mut is_met = case.is_met_by(&outcome);
    if let Some(bug) = &case.plan.bug {
        // Whoever catches a bug that is not there catches nothing.
        let verdict = near::without_bug(&case.plan, &run::run);
        print(&report::expectation_without_bug(bug, &verdict))?;
        is_met &= verdict == Verdict::Kept;
    }
    if is_met {
        if arguments.refresh {
            near::renewed(&case, case.plan.clone(), &outcome)
                .write(path)
                .map_err(|error| error.to_string())?;
        }
        return Ok(KEPT);
    }
    // Before it is called stale: the same plan, with other chance.
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(near) = near::refreshed(&case, &run::run, jobs) else {
        let seeds = near::SEEDS;
        print(&format!("stale: none of {seeds} other seeds does what is expected either\n"))?;
        return Ok(BROKEN);
    };
    if !arguments.refresh {
        let (seed, path) = (near.plan.seed, named(path));
        print(&format!(
            "with the seed {seed} it does what is expected:\n  cargo run --release -- replay --refresh {path}\n"
        ))?;
        return Ok(BROKEN);
    }
    near.write(path).map_err(|error| error.to_string())?;
    print(&format!("refreshed: {} has the seed {} now\n", named(path), near.plan.seed))?;
    Ok(KEPT)
}

/// The page of a run. Of one that broke a promise all is kept that its page tells.
pub(super) fn page(
    plan: &Plan,
    origin: Origin<'_>,
    record: Record,
    shrunk: Option<Shrunk>,
    options: &Options,
) -> String {
    let record = match record.outcome.verdict {
        Verdict::Failed(_) => run::run(plan, &survey::watched(options)),
        _ => record,
    };
    report::verdict(plan, origin, &record, shrunk, options, report::width())
}

/// Runs a plan, prints the timeline and writes what was asked to be written.
fn watched(
    plan: &Plan,
    watch: &arguments::Watch,
    mut paths: Paths,
    options: Options,
) -> Result<(Record, Options), String> {
    let traced = show_tracing()?;
    for (what, path) in [("--facts", &watch.facts), ("--history", &watch.history)] {
        path.iter().try_for_each(|path| paths.write(what, path))?;
    }
    let options = Options {
        strict: watch.strict,
        timeline: watch.trace || traced,
        facts: watch.facts.is_some(),
        history: watch.history.is_some(),
        ..options
    };
    let record = run::run(plan, &options);
    if let Some(path) = &watch.facts {
        write_observed(path, |output| formats::facts::write(output, &record.facts))?;
    }
    if let Some(path) = &watch.history {
        write_observed(path, |output| formats::histories::write(output, &record.history))?;
    }
    if watch.trace {
        let lines: String = record.timeline.iter().map(|line| report::timeline(line) + "\n").collect();
        print(&(lines + "\n"))?;
    }
    Ok((record, options))
}

/// Writes what was observed to a file, all of it or nothing.
fn write_observed(path: &Path, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), String> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|error| format!("{}: {error}", named(path)))?;
    let text = String::from_utf8(bytes).map_err(|error| format!("{}: {error}", named(path)))?;
    file::write_text(path, &text).map_err(|error| error.to_string())
}

/// Shows the timeline as tracing events on standard error, where `RUST_LOG` asks for them. Returns whether it does.
fn show_tracing() -> Result<bool, String> {
    let Some(wanted) = variable("RUST_LOG")? else { return Ok(false) };
    let filter = EnvFilter::builder()
        .parse(&wanted)
        .map_err(|error| format!("RUST_LOG is `{}`, which is no filter: {error}", shown(&wanted)))?;
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

fn code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Kept | Verdict::Unknown(_) => KEPT,
        Verdict::Failed(_) => BROKEN,
    }
}
