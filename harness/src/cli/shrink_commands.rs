//! The verb that makes failing plans smaller: `shrink`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::{self, Paths};
use super::signals::{self, STOP_REQUESTED};
use super::{CommandResult, arguments, catalog, print, print_message};
use crate::case::{self, Case, Expectation, ShrunkFrom};
use crate::outcome::{Options, Verdict};
use crate::plan::file::{self, display_path};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, PlanSource, ShrinkProgress};
use crate::shrink::ShrinkSettings;
use crate::survey::{self, ShrunkFailure};
use crate::sweep::{FailureGroup, FailureRecord, Summary};
use crate::text::escape_lines;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

/// How many runs a group of a sweep's failures may take.
const RUNS_PER_GROUP: u64 = 5_000;
/// How many groups of a sweep are made smaller.
const MAX_GROUPS: usize = 10;

pub(super) fn shrink(arguments: &arguments::ShrinkArgs) -> CommandResult {
    let changes = &arguments.overrides;
    catalog::check_bug(changes.bug.as_deref())?;
    let options = catalog::options_with_disabled(&changes.without)?;
    let settings = ShrinkSettings {
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        max_runs: arguments.runs,
    };
    if arguments.survey {
        return survey(changes.bug.as_deref(), &settings);
    }
    let mut paths = Paths::default();
    let (mut plan, name) = match (&arguments.file, arguments.seed) {
        (Some(path), _) => {
            paths.add_input("the plan", path);
            let plan = case::read_plan(path).map_err(|error| error.to_string())?;
            (plan, path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        }
        (None, seed) => {
            let plan = generate(seed.unwrap_or_default());
            let bug = changes.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
            let name = format!("seed-{}{bug}", plan.seed);
            (plan, name)
        }
    };
    if changes.bug.is_some() {
        plan.bug.clone_from(&changes.bug);
    }
    paths::check_output_folder(&arguments.out)?;
    let path = arguments.out.join(shrunk_file_name(&name));
    // Where the folder is still to be made, nothing is in it.
    if arguments.out.exists() {
        paths.add_output("the smaller plan", &path)?;
    }
    paths::remove_temporary_files(&arguments.out);
    signals::install_handlers("keeping the smallest plan so far; once more to end at once")?;

    let mut progress = ShrinkProgress::new(settings.max_runs);
    let smaller =
        survey::shrink_failure(&plan, &options, &settings, &STOP_REQUESTED, &mut |at| progress.show(at));
    progress.finish();
    let Some(smaller) = smaller else {
        return Err(format!("{name} breaks no promise: there is nothing to make smaller"));
    };
    let case = shrunk_case(&smaller, &name, &options)?;
    if let Err(sentence) = write_case(&case, &path) {
        // What took so long is not lost.
        print(&case.to_text())?;
        return Err(format!("{sentence}; the smaller plan stands on standard output instead"));
    }
    let shrunk = &smaller.result;
    let page = report::run_page(
        &shrunk.plan,
        PlanSource::File { path: &path, bug: None },
        &smaller.record,
        Some(shrunk_from(&smaller)),
        &options,
        report::page_width(),
    );
    print(&page)?;
    if !shrunk.is_minimal {
        let on = report::continue_shrink_command(&path, &options);
        print_message(&format!("ended before nothing more could go; this goes on where it ended: {on}"));
    }
    Ok(signals::exit_code_after(VIOLATION))
}

/// The file for the smaller plan of one of this name. What was shrunk already gets a number, so that going on replaces
/// nothing that it reads.
fn shrunk_file_name(name: &str) -> String {
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

/// A smaller plan as a case.
fn shrunk_case(smaller: &ShrunkFailure, name: &str, options: &Options) -> Result<Case, String> {
    let plan = smaller.result.plan.clone();
    let Verdict::Failed(failure) = &smaller.record.outcome.verdict else {
        return Err(format!("what {name} was shrunk to does not fail when it is run again"));
    };
    let without: String = options.disabled.iter().map(|property| format!(", without {property}")).collect();
    let story = format!(
        "Shrunk from {name}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
        failure.property,
        escape_lines(&failure.sentence)
    );
    let expect = match plan.bug {
        Some(_) => Expectation::Caught(failure.property.clone()),
        None => Expectation::Passed,
    };
    let made = Case::new(story, expect, &smaller.record.outcome, plan);
    let milestones = if made.expect == Expectation::Passed { Vec::new() } else { made.milestones };
    Ok(Case { shrunk: Some(shrunk_from(smaller)), milestones, ..made })
}

/// Writes a case beside the plan that it came from.
fn write_case(case: &Case, path: &Path) -> Result<(), String> {
    let folder = file::parent_folder(path);
    std::fs::create_dir_all(folder).map_err(|error| {
        format!("{}: cannot be made: {}", display_path(folder), file::error_reason(&error))
    })?;
    case.write(path).map_err(|error| error.to_string())
}

/// What a plan was before it was shrunk.
fn shrunk_from(smaller: &ShrunkFailure) -> ShrunkFrom {
    let survey::FailureSize { faults, operations } = smaller.before;
    ShrunkFrom { faults, operations, runs: smaller.result.runs }
}

/// What came of making a sweep's failures smaller.
#[derive(Default)]
pub(super) struct ShrunkGroups {
    /// What is said of them.
    pub(super) text: String,
    /// What to type for those that were not made as small as they get.
    pub(super) remaining_commands: Vec<String>,
    /// Smaller plans that could not be written, and why.
    pub(super) write_errors: Vec<String>,
}

/// Makes a failure of each group of a sweep smaller: the one whose plan has the fewest faults.
pub(super) fn shrink_each_group(summary: &Summary) -> ShrunkGroups {
    let sweep = &summary.settings;
    let options = Options { disabled: sweep.disabled.clone(), ..Options::default() };
    let settings = ShrinkSettings { jobs: sweep.jobs, max_runs: RUNS_PER_GROUP };
    let ShrunkGroups { mut text, remaining_commands: mut left, write_errors: mut unwritten } =
        ShrunkGroups::default();
    for (number, group) in summary.groups().iter().enumerate() {
        let found = fewest_faults(group);
        if number >= MAX_GROUPS || signals::is_stop_requested() {
            left.push(report::shrink_seed_command(found.seed, sweep));
            continue;
        }
        let plan = Plan { bug: sweep.bug.clone(), ..generate(found.seed) };
        let mut progress = ShrinkProgress::new(settings.max_runs);
        let smaller =
            survey::shrink_failure(&plan, &options, &settings, &STOP_REQUESTED, &mut |at| progress.show(at));
        progress.finish();
        // A run that our own code broke off, or one that ends differently each time, has no smaller one.
        let Some(smaller) = smaller else { continue };
        let bug = sweep.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let name = format!("seed-{}{bug}", found.seed);
        let path = sweep.out.join(shrunk_file_name(&name));
        let written = shrunk_case(&smaller, &name, &options).and_then(|case| write_case(&case, &path));
        if let Err(sentence) = written {
            unwritten.push(format!("what seed {} was shrunk to: {sentence}", found.seed));
            continue;
        }
        text += &format!(
            "{}: seed {} shrunk to {} faults and {} operations in {} runs\n  cargo run --release -- replay {}\n",
            smaller.signature,
            found.seed,
            smaller.after.faults,
            smaller.after.operations,
            smaller.result.runs,
            display_path(&path)
        );
        if !smaller.result.is_minimal {
            left.push(report::continue_sweep_shrink_command(&path, sweep));
        }
    }
    ShrunkGroups { text, remaining_commands: left, write_errors: unwritten }
}

/// The failure of a group whose plan has the fewest faults; of several the first.
fn fewest_faults<'a>(group: &FailureGroup<'a>) -> &'a FailureRecord {
    let faults = |found: &&&FailureRecord| generate(found.seed).faults.len();
    group.failures.iter().min_by_key(faults).expect("a group has a failure")
}

/// Five failing seeds of each bug, and a table of how small they became.
fn survey(bug: Option<&str>, settings: &ShrinkSettings) -> CommandResult {
    signals::install_handlers("ending after the plan that is being shrunk; once more to end at once")?;
    let wanted = |name: &str| bug.is_none_or(|bug| bug == name);
    let lines = |plan: &Plan, record: &_| {
        report::timeline(plan.nodes, record, report::DEFAULT_WIDTH).map_or(0, |story| story.rows.len() as u64)
    };
    let rows = survey::survey(&wanted, settings, &lines, &STOP_REQUESTED, &mut |row| {
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
    use super::{fewest_faults, shrunk_file_name};
    use crate::plan::generate;
    use crate::sweep::{FailureGroup, FailureRecord};

    #[test]
    fn what_goes_on_shrinking_replaces_nothing_that_it_reads() {
        let names = ["seed-1", "seed-1.small", "seed-1.small-2", "seed-1.small-x", "a.smaller"];
        let right = [
            "seed-1.small.toml",
            "seed-1.small-2.toml",
            "seed-1.small-3.toml",
            "seed-1.small-x.small.toml",
            "a.smaller.small.toml",
        ];
        assert_eq!(names.map(shrunk_file_name), right);
    }

    #[test]
    fn the_plan_with_the_fewest_faults_is_the_one_to_shrink() {
        let found = (0..40).map(|seed| FailureRecord {
            property: "toast".into(),
            clash: "it fell".into(),
            seed,
            plan: None,
            sentence: "it fell".into(),
        });
        let found: Vec<FailureRecord> = found.collect();
        let group = FailureGroup { property: "toast", clash: "it fell", failures: found.iter().collect() };
        let chosen = fewest_faults(&group).seed;
        let faults = |seed| generate(seed).faults.len();
        assert!(faults(chosen) < faults(0), "the first has as few as any: this shows nothing");
        assert!(
            (0..40)
                .all(|seed| faults(chosen) < faults(seed)
                    || (faults(chosen) == faults(seed) && chosen <= seed))
        );
    }
}
