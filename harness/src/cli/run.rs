//! The command `run`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::recording::{run_and_record, run_page};
use super::{CommandResult, arguments, catalog, print};
use crate::findings::case;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Feature;
use crate::report::PlanSource;
use crate::systems::SystemInfo;

pub(super) fn run(system: &SystemInfo, arguments: &arguments::RunArgs) -> CommandResult {
    let (source, overrides) = (&arguments.source, &arguments.overrides);
    catalog::check_bug(system, overrides.bug.as_deref())?;
    let options = catalog::options_with_disabled(&overrides.disable)?;
    let mut shrunk = None;
    let mut paths = Paths::default();
    let mut plan = match (&source.plan, source.seed) {
        (Some(path), _) => {
            paths.add_input("the plan", path);
            let case = case::read_case_or_plan(path, system).map_err(|error| error.to_string())?;
            shrunk = case.shrunk;
            case.plan
        }
        (None, Some(seed)) => arguments::reduce(system.plan(seed, None), &overrides.leave_out),
        (None, None) => return Err("a run needs --seed N or --plan FILE".into()),
    };
    if overrides.bug.is_some() {
        plan.bug.clone_from(&overrides.bug);
    }
    let (record, options) = run_and_record(system, &plan, &arguments.recording, paths, options)?;
    let left_out: Vec<&str> = overrides.leave_out.iter().map(Feature::name).collect();
    let origin = match &source.plan {
        Some(path) => PlanSource::File { path, bug: overrides.bug.as_deref() },
        None if left_out.is_empty() => PlanSource::Seed,
        None => PlanSource::SeedWithout(&left_out),
    };
    print(&run_page(system, &plan, origin, record.clone(), shrunk, &options))?;
    Ok(verdict_exit_code(&record.outcome))
}

fn verdict_exit_code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Passed | Verdict::Unknown(_) => SUCCESS,
        Verdict::Failed(_) => VIOLATION,
    }
}
