//! The command `merge`.

use super::exit::{SUCCESS, VIOLATION};
use super::paths::Paths;
use super::sweep_ledger::report_damage;
use super::{CommandResult, arguments, print, print_json, print_message};
use crate::findings::known;
use crate::plan::GENERATOR_VERSION;
use crate::plan::file::{self, display_path};
use crate::report::html::sweep_html;
use crate::report::{self, SweepReport};
use crate::sweep::{Summary, ledger};
use crate::systems::SystemInfo;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Adds the results of several sweeps. Missing seeds, unreadable lines and missed canaries are failures.
pub(super) fn merge(system: &SystemInfo, arguments: &arguments::MergeArgs) -> CommandResult {
    if let Some(html) = &arguments.html {
        Paths::default().add_output("--html", html)?;
    }
    let mut reads = Vec::new();
    for folder in &arguments.folders {
        let read = ledger::read(folder, system)?;
        let no_results =
            || format!("{}: there are no results", display_path(&folder.join(ledger::LEDGER_FILE)));
        let read = read.ok_or_else(no_results)?;
        report_damage(&read.damage);
        reads.push(read);
    }
    let damaged = reads.iter().any(|read| !read.damage.is_empty());
    let mut summary = ledger::merge(reads)?;
    if let Some(folder) = &arguments.known {
        summary.settings.known = known::known_defects(folder, system, summary.settings.bug.as_deref())?;
    }
    if summary.generator_version != GENERATOR_VERSION {
        let version = summary.generator_version;
        print_message(&format!(
            "these seeds belong to generator version {version} and have other plans in this build"
        ));
    }
    if summary.commits.len() > 1 {
        print_message(&format!("the results come from different commits: {}", summary.commits.join(", ")));
    }
    if let Some(html) = &arguments.html {
        let page = sweep_html(&summary, &pictures(&summary), html);
        file::write_text(html, &page).map_err(|error| error.to_string())?;
    }
    match arguments.json {
        true => print_json(&SweepReport::of(&summary))?,
        false => print(&report::sweep_summary(&summary))?,
    }
    Ok(if summary.is_success() && !damaged { SUCCESS } else { VIOLATION })
}

/// The pages of shrunk failures that still lie beside their plans, by seed.
fn pictures(summary: &Summary) -> BTreeMap<u64, PathBuf> {
    let beside = summary.failures.iter().filter_map(|failure| {
        let page = failure.plan.as_ref()?.with_extension("small.html");
        page.is_file().then_some((failure.seed, page))
    });
    beside.collect()
}
