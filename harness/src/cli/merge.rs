//! The command `merge`.

use super::exit::{INVALID_INPUT, SUCCESS, VIOLATION};
use super::paths::Paths;
use super::{CommandResult, arguments, paths, print, print_json, print_message};
use crate::findings::known;
use crate::outcome::signature::FailureSignature;
use crate::plan::GENERATOR_VERSION;
use crate::plan::file::{self, display_path, error_reason};
use crate::report::html::sweep_html;
use crate::report::{self, SweepReport};
use crate::sweep::ledger::{self, Ledger, LedgerLock};
use crate::sweep::merge::{self, Merged, Problem};
use crate::sweep::{Baseline, Summary, corpus};
use crate::systems::SystemInfo;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Adds the results of several sweeps. Missing seeds, unreadable lines and missed canaries are failures. Parts that cannot
/// be added are named, and the others are added.
pub(super) fn merge(system: &SystemInfo, arguments: &arguments::MergeArgs) -> CommandResult {
    if let Some(html) = &arguments.html {
        Paths::default().add_output("--html", html)?;
    }
    let out = arguments.out.as_deref();
    let lock = out.map(|out| open_output(out, &arguments.folders, system)).transpose()?;
    let Merged { mut summary, problems, .. } = merge::merge(&arguments.folders, system)?;
    if let Some(folder) = &arguments.known {
        summary.settings.known = known::known_defects(folder, system, summary.settings.bug.as_deref())?;
    }
    if let Some(folder) = &arguments.baseline {
        summary.baseline = Some(baseline(folder, system, summary.settings.bug.as_deref())?);
    }
    if summary.generator_version != GENERATOR_VERSION {
        let version = summary.generator_version;
        print_message(&format!(
            "these seeds belong to generator version {version} and have other plans in this build"
        ));
    }
    problems.iter().for_each(|problem| print_message(&problem.message()));
    if let (Some(lock), Some(out)) = (lock, out) {
        copy_smallest_plans(&mut summary, out)?;
        let path = out.join(ledger::LEDGER_FILE);
        Ledger::create(lock, &summary).map_err(|error| {
            format!("{}: cannot be written: {}", display_path(&path), error_reason(&error))
        })?;
    }
    if let Some(folder) = &arguments.corpus {
        let names = corpus::collect(&summary, folder)?;
        let plans = if names.len() == 1 { "plan" } else { "plans" };
        print_message(&format!("{}: {} {plans} collected", display_path(folder), names.len()));
    }
    if let Some(html) = &arguments.html {
        let page = sweep_html(&summary, &pictures(&summary), html);
        file::write_text(html, &page).map_err(|error| error.to_string())?;
    }
    match arguments.json {
        true => print_json(&SweepReport {
            problems: problems.iter().map(ToString::to_string).collect(),
            ..SweepReport::of(&summary)
        })?,
        false => print(&(report::merge_problems(&problems) + &report::sweep_summary(&summary)))?,
    }
    Ok(exit_code(&summary, &problems))
}

fn exit_code(summary: &Summary, problems: &[Problem]) -> u8 {
    let is_failure = |problem: &Problem| matches!(problem, Problem::Damaged(_) | Problem::Missing(_));
    if problems.iter().any(Problem::is_left_out) {
        INVALID_INPUT
    } else if summary.is_success() && !problems.iter().any(is_failure) {
        SUCCESS
    } else {
        VIOLATION
    }
}

/// Locks the folder for the sum. It may hold an earlier sum, but not results of a sweep.
fn open_output(out: &Path, folders: &[PathBuf], system: &SystemInfo) -> Result<LedgerLock, String> {
    let name = display_path(out);
    let is_out = |folder: &&PathBuf| match (folder.canonicalize(), out.canonicalize()) {
        (Ok(folder), Ok(out)) => folder == out,
        _ => false,
    };
    if folders.iter().any(|folder| is_out(&folder)) {
        return Err(format!("--out {name} is one of the parts: choose another folder"));
    }
    let lock = ledger::lock(out, &mut |message| print_message(message))?;
    match ledger::read(out, system) {
        Ok(Some(read)) if read.header.merged.is_none() => {
            Err(format!("--out {name} has the results of a sweep: choose another folder"))
        }
        Ok(_) => {
            paths::remove_temporary_files(out);
            Ok(lock)
        }
        Err(error) => Err(format!("{error}: remove the ledger, or choose another folder")),
    }
}

/// Copies the smallest plan of each group of failures beside the sum, as far as they are there: the seeds reproduce the
/// others.
fn copy_smallest_plans(summary: &mut Summary, out: &Path) -> Result<(), String> {
    let smallest: BTreeSet<u64> =
        summary.groups().iter().filter_map(|group| group.smallest()).map(|failure| failure.seed).collect();
    for failure in summary.failures.iter_mut().filter(|failure| smallest.contains(&failure.seed)) {
        let Some(path) = failure.smallest_plan().map(Path::to_owned) else { continue };
        let Ok(text) = file::read_text(&path) else { continue };
        let copy = out.join(path.file_name().unwrap_or_default());
        file::write_text(&copy, &text).map_err(|error| error.to_string())?;
        failure.set_smallest_plan(copy);
    }
    Ok(())
}

/// How the failures of an earlier result, or of the cases that expect an open defect, look.
fn baseline(folder: &Path, system: &SystemInfo, bug: Option<&str>) -> Result<Baseline, String> {
    let mut signatures: BTreeSet<FailureSignature> = BTreeSet::new();
    let read = ledger::read(folder, system)?;
    let cases = match folder.is_dir() {
        true => known::known_defects(folder, system, bug)?,
        false => Vec::new(),
    };
    if read.is_none() && cases.is_empty() {
        return Err(format!(
            "--baseline {}: there are no results and no known defects",
            display_path(folder)
        ));
    }
    signatures
        .extend(read.into_iter().flat_map(|read| read.summary.failures).map(|failure| failure.signature));
    signatures.extend(cases.into_iter().map(|case| case.signature));
    Ok(Baseline { name: display_path(folder), signatures })
}

/// The pages of shrunk failures that still lie beside their plans, by seed.
fn pictures(summary: &Summary) -> BTreeMap<u64, PathBuf> {
    let beside = summary.failures.iter().filter_map(|failure| {
        let page = failure.plan.as_ref()?.with_extension("small.html");
        page.is_file().then_some((failure.seed, page))
    });
    beside.collect()
}
