//! The names that commands accept: lists them, and rejects unknown ones.

use super::{CommandResult, SUCCESS, print};
use crate::findings::case::{self, Case};
use crate::outcome::Options;
use crate::outcome::catalog as known;
use crate::plan::file::display_path;
use crate::plan::{FaultKind, Plan};
use crate::support::suggest;
use crate::systems::raft_core::bugs;
use invariants::current_property_name;
use std::fmt::Display;
use std::path::Path;

/// Lists all bugs, faults, properties and milestones.
pub(super) fn list() -> CommandResult {
    let bugs = bugs::all();
    let mut text =
        String::from("bugs (--bug NAME): name, number, the property that must detect it, consequence\n");
    if bugs.is_empty() {
        text += "  none: this build lacks the feature `bugs`\n";
    }
    for bug in &bugs {
        text += &format!("  {:<32} {:<4} {}\n    {}\n", bug.name, bug.id, bug.first, bug.consequence);
    }
    text += &section("faults (`kind` in a plan)", &FaultKind::ALL);
    let (optional, always): (Vec<_>, Vec<_>) =
        known::properties().into_iter().partition(|&(name, _)| known::can_be_disabled(name));
    text += &section("properties (--disable PROPERTY)", &optional);
    text += &section("properties that cannot be disabled", &always);
    let milestones: Vec<(&str, String)> =
        known::milestones().into_iter().map(|(name, line)| (name, without_full_stop(line))).collect();
    text += &section("milestones", &milestones);
    print(&text)?;
    Ok(SUCCESS)
}

/// A sentence in the style of the list: lower case, without its full stop.
fn without_full_stop(sentence: &str) -> String {
    let mut rest = sentence.trim_end_matches('.').chars();
    rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect()
}

fn section(title: &str, lines: &[(&str, impl Display)]) -> String {
    let lines = lines.iter().map(|(name, line)| format!("  {name:<32} {line}").trim_end().to_owned() + "\n");
    format!("\n{title}\n{}", lines.collect::<String>())
}

/// Rejects an unknown bug.
pub(super) fn check_bug(name: Option<&str>) -> Result<(), String> {
    match name {
        Some(name) if bugs::find(name).is_none() => {
            Err(suggest::unknown_name("bug", name, bugs::all().iter().map(|bug| bug.name)))
        }
        _ => Ok(()),
    }
}

/// Reads a case. A plan file is read as a case that is expected to pass.
pub(super) fn read_case_or_plan(path: &Path) -> Result<Case, String> {
    let case = case::read_case_or_plan(path).map_err(|error| error.to_string())?;
    check_bug_of(path, &case.plan)?;
    Ok(case)
}

/// Rejects a plan file with an unknown bug.
pub(super) fn check_bug_of(path: &Path, plan: &Plan) -> Result<(), String> {
    let bug = plan.bug.as_deref();
    check_bug(bug).map_err(|message| {
        format!("{}: `bug` is \"{}\": {message}", display_path(path), bug.unwrap_or_default())
    })
}

/// Options with these properties disabled. Accepts former names; rejects unknown names and properties that cannot be
/// disabled.
pub(super) fn options_with_disabled(names: &[String]) -> Result<Options, String> {
    let properties = known::properties();
    let known = || properties.iter().map(|&(known, _)| known);
    let mut disabled = Vec::with_capacity(names.len());
    for typed in names {
        let Some(name) = known().find(|name| [typed.as_str(), current_property_name(typed)].contains(name))
        else {
            return Err(suggest::unknown_name("property", typed, known()));
        };
        if !known::can_be_disabled(name) {
            return Err(format!("the property `{name}` cannot be disabled"));
        }
        disabled.push(name.to_owned());
    }
    Ok(Options { disabled, ..Options::default() })
}
