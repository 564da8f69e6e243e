//! The command `add-case`.

use super::arguments::reduce;
use super::exit::SUCCESS;
use super::paths::Paths;
use super::{CommandResult, arguments, catalog, print};
use crate::findings::case::{self, Case, DESCRIPTION_TEMPLATE, Expectation};
use crate::findings::child::run_in_child_first;
use crate::outcome::{Options, Verdict};
use crate::plan::GENERATOR_VERSION;
use crate::plan::file::display_path;
use crate::support::program::{self, shell_quote};
use crate::support::text::escape_lines;
use crate::systems::SystemInfo;
use std::path::Path;

pub(super) fn add_case(system: &SystemInfo, arguments: &arguments::AddCaseArgs) -> CommandResult {
    catalog::check_bug(system, arguments.bug.as_deref())?;
    let path = case::case_path(system, &arguments.name);
    if path.symlink_metadata().is_ok() {
        return Err(format!("{} already exists: choose another name", display_path(&path)));
    }
    let folder = Path::new(system.cases);
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
        (Some(file), _) => Some(case::read_case_or_plan(file, system).map_err(|error| error.to_string())?),
        _ => None,
    };
    let mut plan = match (&source, arguments.seed) {
        (Some(source), _) => source.plan.clone(),
        (None, seed) => reduce(system.plan(seed.unwrap_or_default(), None), &arguments.leave_out),
    };
    if arguments.bug.is_some() {
        plan.bug.clone_from(&arguments.bug);
    }
    let seed = format!("seed {}", plan.seed);
    let outcome = run_in_child_first(system, &plan, &Options::default(), arguments.hang.after())?.outcome;
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
        Verdict::Failed(failure) => {
            format!("{}: {}", failure.property, escape_lines(&failure.cause.to_string()))
        }
        _ => "All properties hold.".into(),
    };
    let origin = source.as_ref().map_or_else(
        || format!("Seed {}@{GENERATOR_VERSION}. {observed}\n", plan.seed),
        |source| {
            if source.description.is_empty() { format!("{observed}\n") } else { source.description.clone() }
        },
    );
    let description = format!("{DESCRIPTION_TEMPLATE}\n{origin}");
    let shrunk = source.as_ref().and_then(|source| source.shrunk);
    let version = system.recorded_version();
    let system = source.map_or_else(|| system.full_name(), |source| source.system);
    let case = Case { system, version, shrunk, ..Case::new(description, expect, &outcome, plan) };
    case.write(&path).map_err(|error| error.to_string())?;
    print(&format!(
        "{}: now fill in its description; expected: {}\n  {}\n",
        display_path(&path),
        case.expect,
        program::command(&format!("replay {}", shell_quote(&path)))
    ))?;
    Ok(SUCCESS)
}
