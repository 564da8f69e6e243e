//! The command `replay`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::recording::{run_and_record, run_page};
use super::{CommandResult, arguments, print};
use crate::findings::case::Case;
use crate::findings::guard::run_watched;
use crate::findings::reproducer::verdict_without_bug;
use crate::findings::{child, refresh};
use crate::outcome::{Options, Outcome, Verdict};
use crate::plan::file::display_path;
use crate::report::{self, PlanSource};
use crate::support::program::{self, shell_quote};
use crate::systems::SystemInfo;
use std::num::NonZeroUsize;
use std::thread;

pub(super) fn replay(system: &SystemInfo, arguments: &arguments::ReplayArgs) -> CommandResult {
    let path = &arguments.file;
    let case = Case::read(path, system).map_err(|error| error.to_string())?;
    let mut paths = Paths::default();
    match arguments.refresh {
        true => paths.add_in_place("the case", path)?,
        false => paths.add_input("the case", path),
    }
    let hang_after = arguments.recording.hang.after();
    let in_child = match case.needs_child() {
        true => child::check_in_child(system, &case.plan, &Options::default(), hang_after)?,
        false => None,
    };
    let (record, options) = match in_child {
        Some(failure) => (Outcome::without_end(failure).into(), Options::default()),
        None => run_and_record(system, &case.plan, &arguments.recording, paths, Options::default())?,
    };
    let run = |plan: &_, options: &_| run_watched(system, plan, options, hang_after);
    let outcome = record.outcome.clone();
    let origin = PlanSource::File { path, bug: None };
    let page = run_page(system, &case.plan, origin, record, case.shrunk, &options);
    print(&format!("{page}\n{}", report::case_report(&case, &outcome, system)))?;
    let mut is_met = case.is_met_by(&outcome);
    if let Some(bug) = &case.plan.bug {
        // The failure must come from the bug: without it all properties must hold.
        let verdict = verdict_without_bug(&case.plan, &Options::default(), &run);
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
    // Other seeds may hang or abort, too: they are not tried.
    if case.needs_child() {
        return Ok(VIOLATION);
    }
    // Before reporting it as stale, try the same plan with other seeds.
    let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Some(refreshed) = refresh::find_refreshed_case(&case, &run, jobs) else {
        let seeds = refresh::REFRESH_SEEDS;
        print(&format!("stale: none of {seeds} other seeds meets the expectation either\n"))?;
        return Ok(VIOLATION);
    };
    if !arguments.refresh {
        let command = program::command(&format!("replay --refresh {}", shell_quote(path)));
        print(&format!("seed {} meets the expectation:\n  {command}\n", refreshed.plan.seed))?;
        return Ok(VIOLATION);
    }
    refreshed.write(path).map_err(|error| error.to_string())?;
    print(&format!("refreshed: {} now has seed {}\n", display_path(path), refreshed.plan.seed))?;
    Ok(SUCCESS)
}
