//! Shrinks the failures of a sweep.

use super::shrink::{shrunk_file_name, shrunk_origin, write_case};
use super::signals::{self, STOP_REQUESTED};
use crate::findings::guard::{HANG_AFTER_SHORT, run_watched};
use crate::findings::investigate::Finding;
use crate::findings::shrink::ShrinkSettings;
use crate::outcome::{NO_ABORT, Options};
use crate::plan::file::display_path;
use crate::report::html::write_shrunk;
use crate::report::{self, ShrinkProgress};
use crate::support::program::{self, shell_quote};
use crate::sweep::{FailureGroup, FailureRecord, ShrunkPlan, Summary, SweepSettings};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Runs for each group of a sweep's failures.
const RUNS_PER_GROUP: u64 = 5_000;
/// Groups of a sweep that are shrunk.
const MAX_GROUPS: usize = 10;

/// Results of shrinking a sweep's failures.
#[derive(Default)]
pub(super) struct ShrunkGroups {
    /// One entry per shrunk failure.
    pub(super) text: String,
    /// The shrunk plans, each with its seed.
    pub(super) plans: Vec<(u64, ShrunkPlan)>,
    /// Commands that continue with failures that are not minimal.
    pub(super) remaining_commands: Vec<String>,
    /// The page of each shrunk failure, by its seed.
    pub(super) pictures: BTreeMap<u64, PathBuf>,
    /// Shrunk plans that could not be written, with the reason.
    pub(super) write_errors: Vec<String>,
}

/// Shrinks one failure of each group of a sweep: the one whose plan has the fewest faults.
pub(super) fn shrink_each_group(summary: &Summary) -> ShrunkGroups {
    let sweep = &summary.settings;
    let options = Options { disabled: sweep.disabled.clone(), ..Options::default() };
    let run = |plan: &_, options: &_| run_watched(&sweep.system, plan, options, HANG_AFTER_SHORT);
    // A smaller plan may end this process, too, before its results are printed.
    let may_abort = summary.failures.iter().any(|failure| failure.signature.property == NO_ABORT);
    let settings = ShrinkSettings { jobs: sweep.jobs, max_runs: RUNS_PER_GROUP };
    let ShrunkGroups { mut text, mut plans, mut remaining_commands, mut pictures, mut write_errors } =
        ShrunkGroups::default();
    let groups = summary.groups();
    let new_groups = groups.iter().filter(|group| group.known.is_empty());
    for (number, group) in new_groups.enumerate() {
        let failure = fewest_faults(group, sweep);
        if !failure.signature.has_outcome() {
            continue;
        }
        if number >= MAX_GROUPS || signals::is_stop_requested() || may_abort {
            remaining_commands.push(report::shrink_seed_command(failure.seed, sweep));
            continue;
        }
        let plan = sweep.plan(failure.seed);
        let mut progress = ShrinkProgress::new(settings.max_runs);
        let outcome = run(&plan, &options).outcome;
        let smaller = Finding::of(&plan, &outcome, &options).and_then(|finding| {
            finding.shrink(&settings, &run, &STOP_REQUESTED, &mut |at| progress.show(at))
        });
        progress.finish();
        // After a harness panic, or if it is not deterministic, there is nothing to shrink.
        let Some(smaller) = smaller else { continue };
        let bug = sweep.bug.as_ref().map(|bug| format!("-{bug}")).unwrap_or_default();
        let name = format!("seed-{}{bug}", failure.seed);
        let path = sweep.out.join(shrunk_file_name(&name));
        let written = write_case(&smaller.to_case(&shrunk_origin(&name), &sweep.system), &path);
        if let Err(message) = written {
            write_errors.push(format!("the shrunk plan of seed {}: {message}", failure.seed));
            continue;
        }
        text += &format!(
            "{}: seed {} shrunk to {} faults and {} operations in {} runs\n  {}\n",
            smaller.signature,
            failure.seed,
            smaller.result.plan.faults.len(),
            smaller.record.outcome.counts.operations,
            smaller.result.runs,
            program::command(&format!("replay {}", shell_quote(&path)))
        );
        let (faults, operations) =
            (smaller.result.plan.faults.len() as u64, smaller.record.outcome.counts.operations);
        plans.push((failure.seed, ShrunkPlan { path: path.clone(), faults, operations }));
        match write_shrunk(&sweep.system, &smaller, &path, &options) {
            Ok(picture) => {
                text += &format!("  picture: {}\n", display_path(&picture));
                pictures.insert(failure.seed, picture);
            }
            Err(error) => write_errors.push(error),
        }
        if !smaller.result.is_minimal {
            remaining_commands.push(report::continue_sweep_shrink_command(&path, sweep));
        }
    }
    ShrunkGroups { text, plans, remaining_commands, pictures, write_errors }
}

/// The failure of a group whose plan has the fewest faults; the first one of several.
fn fewest_faults<'a>(group: &FailureGroup<'a>, sweep: &SweepSettings) -> &'a FailureRecord {
    let faults = |failure: &&&FailureRecord| sweep.plan(failure.seed).faults.len();
    group.failures.iter().min_by_key(faults).expect("a group is never empty")
}

#[cfg(test)]
mod tests {
    use super::fewest_faults;
    use crate::outcome::signature::{FailureSignature, Roles};
    use crate::plan::generate;
    use crate::sweep::{FailureGroup, FailureRecord, SweepSettings};

    #[test]
    fn plan_with_the_fewest_faults_is_shrunk() {
        let signature = FailureSignature {
            property: "toast".into(),
            kind: "toast-fell".into(),
            location: None,
            roles: Roles::Unknown,
        };
        let failures = (0..40).map(|seed| FailureRecord {
            signature: signature.clone(),
            seed,
            plan: None,
            message: "the toast fell".into(),
            faults: None,
            shrunk: None,
        });
        let failures: Vec<FailureRecord> = failures.collect();
        let group = FailureGroup {
            signature: &signature,
            failures: failures.iter().collect(),
            count: 40,
            known: vec![],
        };
        let chosen = fewest_faults(&group, &SweepSettings::default()).seed;
        let faults = |seed| generate(seed).faults.len();
        assert!(
            faults(chosen) < faults(0),
            "the first plan must not have the fewest faults, or this test shows nothing"
        );
        assert!(
            (0..40)
                .all(|seed| faults(chosen) < faults(seed)
                    || (faults(chosen) == faults(seed) && chosen <= seed))
        );
    }
}
