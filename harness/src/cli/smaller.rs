//! The verb that makes failing plans smaller: `shrink`.

use super::exit::{BROKEN, KEPT};
use super::paths::{self, Paths};
use super::signals::{self, STOP};
use super::{Done, arguments, known, print, say};
use crate::case::{self, Case, Expect, Shrunk};
use crate::outcome::{Options, Verdict};
use crate::plan::file::{self, named};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, Origin, ShrinkProgress};
use crate::shrink::Settings;
use crate::survey::{self, Smaller};
use crate::sweep::{Found, Group, Summary};
use crate::text::visible_lines;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

/// How many runs a group of a sweep's failures may take.
const RUNS_OF_A_GROUP: u64 = 5_000;
/// How many groups of a sweep are made smaller.
const GROUPS: usize = 10;

pub(super) fn shrink(arguments: &arguments::Shrink) -> Done {
    let changes = &arguments.changes;
    known::bug(changes.bug.as_deref())?;
    let options = known::options_without(&changes.without)?;
    let settings = Settings {
        jobs: arguments.jobs.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        runs: arguments.runs,
    };
    if arguments.survey {
        return survey(changes.bug.as_deref(), &settings);
    }
    let mut paths = Paths::default();
    let (mut plan, name) = match (&arguments.file, arguments.seed) {
        (Some(path), _) => {
            paths.read("the plan", path);
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
    paths::folder(&arguments.out)?;
    let path = arguments.out.join(small(&name));
    // Where the folder is still to be made, nothing is in it.
    if arguments.out.exists() {
        paths.write("the smaller plan", &path)?;
    }
    paths::tidy(&arguments.out);
    signals::listen("keeping the smallest plan so far; once more to end at once")?;

    let mut progress = ShrinkProgress::new(settings.runs);
    let smaller = survey::smaller(&plan, &options, &settings, &STOP, &mut |at| progress.show(at));
    progress.finish();
    let Some(smaller) = smaller else {
        return Err(format!("{name} breaks no promise: there is nothing to make smaller"));
    };
    let case = as_case(&smaller, &name, &options)?;
    if let Err(sentence) = write(&case, &path) {
        // What took so long is not lost.
        print(&case.to_text())?;
        return Err(format!("{sentence}; the smaller plan stands on standard output instead"));
    }
    let shrunk = &smaller.shrunk;
    let page = report::verdict(
        &shrunk.plan,
        Origin::File { path: &path, bug: None },
        &smaller.record,
        Some(was(&smaller)),
        &options,
        report::width(),
    );
    print(&page)?;
    if !shrunk.done {
        let on = report::shrink_on(&path, &options);
        say(&format!("ended before nothing more could go; this goes on where it ended: {on}"));
    }
    Ok(signals::code(BROKEN))
}

/// The file for the smaller plan of one of this name. What was shrunk already gets a number, so that going on replaces
/// nothing that it reads.
fn small(name: &str) -> String {
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
fn as_case(smaller: &Smaller, name: &str, options: &Options) -> Result<Case, String> {
    let plan = smaller.shrunk.plan.clone();
    let Verdict::Failed(failure) = &smaller.record.outcome.verdict else {
        return Err(format!("what {name} was shrunk to does not fail when it is run again"));
    };
    let without: String = options.without.iter().map(|property| format!(", without {property}")).collect();
    let story = format!(
        "Shrunk from {name}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
        failure.property,
        visible_lines(&failure.sentence)
    );
    let expect = match plan.bug {
        Some(_) => Expect::Caught(failure.property.clone()),
        None => Expect::Passed,
    };
    let made = Case::new(story, expect, &smaller.record.outcome, plan);
    let milestones = if made.expect == Expect::Passed { Vec::new() } else { made.milestones };
    Ok(Case { shrunk: Some(was(smaller)), milestones, ..made })
}

/// Writes a case beside the plan that it came from.
fn write(case: &Case, path: &Path) -> Result<(), String> {
    let folder = file::folder_of(path);
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("{}: cannot be made: {}", named(folder), file::reason(&error)))?;
    case.write(path).map_err(|error| error.to_string())
}

/// What a plan was before it was shrunk.
fn was(smaller: &Smaller) -> Shrunk {
    let survey::Size { faults, operations } = smaller.before;
    Shrunk { faults, operations, runs: smaller.shrunk.runs }
}

/// What came of making a sweep's failures smaller.
#[derive(Default)]
pub(super) struct Groups {
    /// What is said of them.
    pub(super) text: String,
    /// What to type for those that were not made as small as they get.
    pub(super) left: Vec<String>,
    /// Smaller plans that could not be written, and why.
    pub(super) unwritten: Vec<String>,
}

/// Makes a failure of each group of a sweep smaller: the one whose plan has the fewest faults.
pub(super) fn smallest_of_each_group(summary: &Summary) -> Groups {
    let sweep = &summary.settings;
    let options = Options { without: sweep.without.clone(), ..Options::default() };
    let settings = Settings { jobs: sweep.jobs, runs: RUNS_OF_A_GROUP };
    let Groups { mut text, mut left, mut unwritten } = Groups::default();
    for (number, group) in summary.groups().iter().enumerate() {
        let found = smallest(group);
        if number >= GROUPS || signals::is_set() {
            left.push(report::shrink_line(found.seed, sweep));
            continue;
        }
        let plan = Plan { bug: sweep.bug.clone(), ..generate(found.seed) };
        let mut progress = ShrinkProgress::new(settings.runs);
        let smaller = survey::smaller(&plan, &options, &settings, &STOP, &mut |at| progress.show(at));
        progress.finish();
        // A run that our own code broke off, or one that ends differently each time, has no smaller one.
        let Some(smaller) = smaller else { continue };
        let bug = sweep.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let name = format!("seed-{}{bug}", found.seed);
        let path = sweep.out.join(small(&name));
        let written = as_case(&smaller, &name, &options).and_then(|case| write(&case, &path));
        if let Err(sentence) = written {
            unwritten.push(format!("what seed {} was shrunk to: {sentence}", found.seed));
            continue;
        }
        text += &format!(
            "{}: seed {} shrunk to {} faults and {} operations in {} runs\n  cargo run --release -- replay {}\n",
            smaller.shape,
            found.seed,
            smaller.after.faults,
            smaller.after.operations,
            smaller.shrunk.runs,
            named(&path)
        );
        if !smaller.shrunk.done {
            left.push(report::shrink_on_line(&path, sweep));
        }
    }
    Groups { text, left, unwritten }
}

/// The failure of a group whose plan has the fewest faults; of several the first.
fn smallest<'a>(group: &Group<'a>) -> &'a Found {
    let faults = |found: &&&Found| generate(found.seed).faults.len();
    group.found.iter().min_by_key(faults).expect("a group has a failure")
}

/// Five failing seeds of each bug, and a table of how small they became.
fn survey(bug: Option<&str>, settings: &Settings) -> Done {
    signals::listen("ending after the plan that is being shrunk; once more to end at once")?;
    let wanted = |name: &str| bug.is_none_or(|bug| bug == name);
    let lines = |plan: &Plan, record: &_| {
        report::story(plan.nodes, record, report::WIDTH).map_or(0, |story| story.rows.len() as u64)
    };
    let rows = survey::survey(&wanted, settings, &lines, &STOP, &mut |row| {
        say(&format!(
            "{} seed {}: {} faults, {} operations, {} lines, {:.1} s",
            row.bug,
            row.seed,
            row.after.faults,
            row.after.operations,
            row.lines,
            row.took.as_secs_f64()
        ));
    });
    print(&report::survey(&rows))?;
    Ok(signals::code(KEPT))
}

#[cfg(test)]
mod tests {
    use super::{small, smallest};
    use crate::plan::generate;
    use crate::sweep::{Found, Group};

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
        assert_eq!(names.map(small), right);
    }

    #[test]
    fn the_plan_with_the_fewest_faults_is_the_one_to_shrink() {
        let found = (0..40).map(|seed| Found {
            property: "toast".into(),
            clash: "it fell".into(),
            seed,
            plan: None,
            sentence: "it fell".into(),
        });
        let found: Vec<Found> = found.collect();
        let group = Group { property: "toast", clash: "it fell", found: found.iter().collect() };
        let chosen = smallest(&group).seed;
        let faults = |seed| generate(seed).faults.len();
        assert!(faults(chosen) < faults(0), "the first has as few as any: this shows nothing");
        assert!(
            (0..40)
                .all(|seed| faults(chosen) < faults(seed)
                    || (faults(chosen) == faults(seed) && chosen <= seed))
        );
    }
}
