//! The verb that makes failing plans smaller: `shrink`.

use super::many::{STOP, listen_for_signals, writable};
use super::{BROKEN, Done, KEPT, arguments, known, print, say};
use crate::case::{self, Case, Expect, Shrunk};
use crate::outcome::{Options, Verdict};
use crate::plan::{GENERATOR_VERSION, Plan, generate};
use crate::report::{self, Origin, ShrinkProgress};
use crate::shrink::Settings;
use crate::survey::{self, Smaller};
use crate::sweep::{Found, Group, Summary};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
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
    let (mut plan, name) = match (&arguments.file, arguments.seed) {
        (Some(path), _) => {
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
    writable(&arguments.out)?;
    listen_for_signals("keeping the smallest plan so far; once more to end at once")?;

    let mut progress = ShrinkProgress::new(settings.runs);
    let smaller = survey::smaller(&plan, &options, &settings, &STOP, &mut |at| progress.show(at));
    progress.finish();
    let Some(smaller) = smaller else {
        return Err(format!("{name} breaks no promise: there is nothing to make smaller"));
    };
    let path = keep(&smaller, &name, &arguments.out, &options)?;
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
    Ok(BROKEN)
}

/// Writes a smaller plan as a case, beside the one that it came from.
fn keep(smaller: &Smaller, name: &str, out: &Path, options: &Options) -> Result<PathBuf, String> {
    let plan = smaller.shrunk.plan.clone();
    let Verdict::Failed(failure) = &smaller.record.outcome.verdict else {
        return Err(format!("what {name} was shrunk to does not fail when it is run again"));
    };
    let without: String = options.without.iter().map(|property| format!(", without {property}")).collect();
    let story = format!(
        "Shrunk from {name}@{GENERATOR_VERSION}{without}.\n{}: {}\n",
        failure.property, failure.sentence
    );
    let expect = match plan.bug {
        Some(_) => Expect::Caught(failure.property.clone()),
        None => Expect::Passed,
    };
    let made = Case::new(story, expect, &smaller.record.outcome, plan);
    let milestones = if made.expect == Expect::Passed { Vec::new() } else { made.milestones };
    let case = Case { shrunk: Some(was(smaller)), milestones, ..made };
    let path = out.join(format!("{}.small.toml", name.trim_end_matches(".small")));
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    case.write(&path).map_err(|error| error.to_string())?;
    Ok(path)
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
}

/// Makes a failure of each group of a sweep smaller: the one whose plan has the fewest faults.
pub(super) fn smallest_of_each_group(summary: &Summary) -> Groups {
    let sweep = &summary.settings;
    let options = Options { without: sweep.without.clone(), ..Options::default() };
    let settings = Settings { jobs: sweep.jobs, runs: RUNS_OF_A_GROUP };
    let Groups { mut text, mut left } = Groups::default();
    for (number, group) in summary.groups().iter().enumerate() {
        let found = smallest(group);
        if number >= GROUPS || STOP.load(Ordering::Relaxed) {
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
        if let Ok(path) = keep(&smaller, &name, &sweep.out, &options) {
            text += &format!(
                "{}: seed {} shrunk to {} faults and {} operations in {} runs\n  cargo run --release -- replay {}\n",
                smaller.shape,
                found.seed,
                smaller.after.faults,
                smaller.after.operations,
                smaller.shrunk.runs,
                path.display()
            );
            if !smaller.shrunk.done {
                left.push(report::shrink_on_line(&path, sweep));
            }
        }
    }
    Groups { text, left }
}

/// The failure of a group whose plan has the fewest faults; of several the first.
fn smallest<'a>(group: &Group<'a>) -> &'a Found {
    let faults = |found: &&&Found| generate(found.seed).faults.len();
    group.found.iter().min_by_key(faults).expect("a group has a failure")
}

/// Five failing seeds of each bug, and a table of how small they became.
fn survey(bug: Option<&str>, settings: &Settings) -> Done {
    listen_for_signals("ending after the plan that is being shrunk; once more to end at once")?;
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
    Ok(KEPT)
}

#[cfg(test)]
mod tests {
    use super::smallest;
    use crate::plan::generate;
    use crate::sweep::{Found, Group};

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
