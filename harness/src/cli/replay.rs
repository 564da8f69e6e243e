//! The command `replay`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::recording::{run_and_record, run_page};
use super::{CommandResult, arguments, catalog, print};
use crate::findings::case::Case;
use crate::findings::refresh;
use crate::findings::reproducer::verdict_without_bug;
use crate::outcome::{Options, Verdict};
use crate::plan::file::display_path;
use crate::report::{self, PlanSource};
use crate::systems::run;
use std::num::NonZeroUsize;
use std::thread;

pub(super) fn replay(arguments: &arguments::ReplayArgs) -> CommandResult {
    let path = &arguments.file;
    let case = Case::read(path).map_err(|error| error.to_string())?;
    catalog::check_bug_of(path, &case.plan)?;
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
        // The failure must come from the bug: without it all properties must hold.
        let verdict = verdict_without_bug(&case.plan, &Options::default(), &run::run);
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
    // Before reporting it as stale, try the same plan with other seeds.
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(refreshed) = refresh::find_refreshed_case(&case, &run::run, jobs) else {
        let seeds = refresh::REFRESH_SEEDS;
        print(&format!("stale: none of {seeds} other seeds meets the expectation either\n"))?;
        return Ok(VIOLATION);
    };
    if !arguments.refresh {
        let (seed, path) = (refreshed.plan.seed, display_path(path));
        print(&format!(
            "seed {seed} meets the expectation:\n  cargo run --release -- replay --refresh {path}\n"
        ))?;
        return Ok(VIOLATION);
    }
    refreshed.write(path).map_err(|error| error.to_string())?;
    print(&format!("refreshed: {} now has seed {}\n", display_path(path), refreshed.plan.seed))?;
    Ok(SUCCESS)
}
