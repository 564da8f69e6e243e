//! The command `shrink`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::{self, Paths};
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, catalog, print, print_message};
use crate::findings::case::{self, Case};
use crate::findings::child::check_in_child;
use crate::findings::guard::{HANG_AFTER_SHORT, run_watched};
use crate::findings::investigate::investigate;
use crate::findings::shrink::ShrinkSettings;
use crate::findings::survey;
use crate::plan::file::{self, display_path};
use crate::plan::{GENERATOR_VERSION, Plan};
use crate::report::html::write_shrunk;
use crate::report::{self, PlanSource, ShrinkProgress};
use crate::systems::SystemInfo;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

pub(super) fn shrink(system: &SystemInfo, arguments: &arguments::ShrinkArgs) -> CommandResult {
    let overrides = &arguments.overrides;
    catalog::check_bug(system, overrides.bug.as_deref())?;
    let options = catalog::options_with_disabled(&overrides.disable)?;
    let settings = ShrinkSettings {
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        max_runs: arguments.runs,
    };
    if arguments.survey {
        return survey(system, overrides.bug.as_deref(), &settings);
    }
    let mut paths = Paths::default();
    let (mut plan, name) = match (&arguments.file, arguments.seed) {
        (Some(path), _) => {
            paths.add_input("the plan", path);
            let case = case::read_case_or_plan(path, system).map_err(|error| error.to_string())?;
            let plan = case.plan;
            (plan, path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        }
        (None, seed) => {
            let plan = arguments::reduce(system.plan(seed.unwrap_or_default(), None), &overrides.leave_out);
            let bug = overrides.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
            let name = format!("seed-{}{bug}", plan.seed);
            (plan, name)
        }
    };
    if overrides.bug.is_some() {
        plan.bug.clone_from(&overrides.bug);
    }
    paths::check_output_folder(&arguments.out)?;
    let path = arguments.out.join(shrunk_file_name(&name));
    // A folder that does not exist yet is empty.
    if arguments.out.exists() {
        paths.add_output("the shrunk plan", &path)?;
    }
    paths::remove_temporary_files(&arguments.out);
    signals::install_handlers("writing the smallest plan so far; a second signal ends at once")?;

    let mut progress = ShrinkProgress::new(settings.max_runs);
    if let Some(failure) = check_in_child(system, &plan, &options, HANG_AFTER_SHORT)? {
        return Err(format!("{name} cannot be shrunk, because its runs have no end: {}", failure.cause));
    }
    let run = |plan: &_, options: &_| run_watched(system, plan, options, HANG_AFTER_SHORT);
    let finding = investigate(&plan, &options, &run)
        .map_err(|_| format!("{name} violates no property: there is nothing to shrink"))?;
    let smaller = finding.shrink(&settings, &run, &STOP_REQUESTED, &mut |at| progress.show(at));
    progress.finish();
    let smaller =
        smaller.ok_or_else(|| format!("the plan {name} was shrunk to does not fail in another run"))?;
    let case = smaller.to_case(&shrunk_origin(&name), system);
    if let Err(message) = write_case(&case, &path) {
        // Print the result of the long search instead of losing it.
        print(&case.to_text())?;
        return Err(format!("{message}; the shrunk plan is printed to standard output instead"));
    }
    let shrunk = &smaller.result;
    let page = report::run_page(
        &shrunk.plan,
        PlanSource::File { path: &path, bug: None },
        &smaller.record,
        Some(smaller.shrunk),
        &options,
        report::page_width(),
    );
    print(&page)?;
    match write_shrunk(system, &smaller, &path, &options) {
        Ok(picture) => print_message(&format!("the picture of it: {}", display_path(&picture))),
        Err(error) => print_message(&format!("it has no picture: {error}")),
    }
    if !shrunk.is_minimal {
        let command = report::continue_shrink_command(&path, &options);
        print_message(&format!("the plan is not minimal; continue with: {command}"));
    }
    Ok(signals::exit_code_after(VIOLATION))
}

/// The file for the shrunk plan of `name`. A plan that was shrunk before gets a number, so that no input is replaced.
#[expect(clippy::disallowed_methods, reason = "the name of the file comes from outside")]
pub(super) fn shrunk_file_name(name: &str) -> String {
    let Some((stem, number)) = name.rsplit_once(".small") else { return format!("{name}.small.toml") };
    let number = match number.strip_prefix('-') {
        None if number.is_empty() => Some(1),
        None => None,
        Some(number) => number.parse::<u64>().ok(),
    };
    match number.and_then(|number| number.checked_add(1)) {
        Some(next) => format!("{stem}.small-{next}.toml"),
        None => format!("{name}.small.toml"),
    }
}

/// Where a shrunk plan comes from.
pub(super) fn shrunk_origin(name: &str) -> String {
    format!("Shrunk from {name}@{GENERATOR_VERSION}")
}

/// Writes a case, and creates its folder if needed.
pub(super) fn write_case(case: &Case, path: &Path) -> Result<(), String> {
    let folder = file::parent_folder(path);
    std::fs::create_dir_all(folder).map_err(|error| {
        format!("{}: cannot be created: {}", display_path(folder), file::error_reason(&error))
    })?;
    case.write(path).map_err(|error| error.to_string())
}

/// Shrinks five failing seeds of each bug and prints a table.
fn survey(system: &SystemInfo, bug: Option<&str>, settings: &ShrinkSettings) -> CommandResult {
    signals::install_handlers("ending after the current plan; a second signal ends at once")?;
    let wanted = |name: &str| bug.is_none_or(|bug| bug == name);
    let lines = |plan: &Plan, record: &_| {
        report::timeline(plan.nodes, record, report::DEFAULT_WIDTH)
            .map_or(0, |timeline| timeline.rows.len() as u64)
    };
    let rows = survey::survey(system, &wanted, settings, &lines, &STOP_REQUESTED, &mut |row| {
        print_message(&format!(
            "{} seed {}: {} faults, {} operations, {} lines, {:.1} s",
            row.bug,
            row.seed,
            row.after.faults,
            row.after.operations,
            row.timeline_lines,
            row.elapsed.as_secs_f64()
        ));
    });
    print(&report::survey_table(&rows))?;
    Ok(signals::exit_code_after(SUCCESS))
}

#[cfg(test)]
mod tests {
    use super::shrunk_file_name;

    #[test]
    fn shrunk_file_name_never_replaces_the_input() {
        let names = ["seed-1", "seed-1.small", "seed-1.small-2", "seed-1.small-x", "a.smaller"];
        let expected = [
            "seed-1.small.toml",
            "seed-1.small-2.toml",
            "seed-1.small-3.toml",
            "seed-1.small-x.small.toml",
            "a.smaller.small.toml",
        ];
        assert_eq!(names.map(shrunk_file_name), expected);
    }
}
