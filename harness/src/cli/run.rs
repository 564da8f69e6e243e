//! The command `run`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::recording::{record_for_page, run_and_record, run_page};
use super::{CommandResult, arguments, catalog, print, print_raw};
use crate::findings::case;
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Feature, file};
use crate::report::html::run_html;
use crate::report::picture::{PictureLimits, picture};
use crate::report::{self, PlanSource};
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
    if let Some(path) = &arguments.html {
        paths.add_output("--html", path)?;
    }
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
    if arguments.form.is_none() && arguments.html.is_none() {
        print(&run_page(system, &plan, origin, record.clone(), shrunk, &options))?;
        return Ok(verdict_exit_code(&record.outcome));
    }
    let record = record_for_page(system, &plan, record, true, &options);
    let limits = if shrunk.is_some() { PictureLimits::SHRUNK } else { PictureLimits::WHOLE };
    let picture = picture((system.name, &plan), origin, &record, shrunk, &options, limits);
    let page = |width| report::run_page(&plan, origin, &record, shrunk, &options, width);
    if let Some(path) = &arguments.html {
        let html = run_html(&picture, &page(report::DEFAULT_WIDTH));
        file::write_text(path, &html).map_err(|error| error.to_string())?;
    }
    match arguments.form {
        Some(form) => print_raw(&form.write(&picture))?,
        None => print(&page(report::page_width()))?,
    }
    Ok(verdict_exit_code(&record.outcome))
}

fn verdict_exit_code(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Passed | Verdict::Unknown(_) => SUCCESS,
        Verdict::Failed(_) => VIOLATION,
    }
}
