//! What has a name: all of it listed, and what is unknown refused.

use super::{Done, KEPT, print};
use crate::outcome::Options;
use crate::plan::FaultKind;
use crate::{bugs, names, vocabulary};

/// Names all bugs, faults, properties and milestones.
pub(super) fn list() -> Done {
    let bugs = bugs::all();
    let mut text = String::from(
        "bugs (--bug NAME), each with its number, the property that must notice it, and its consequence\n",
    );
    if bugs.is_empty() {
        text += "  none: this build has been made without the feature `bugs`\n";
    }
    for bug in &bugs {
        text += &format!("  {:<32} {:<4} {}\n    {}\n", bug.name, bug.id, bug.first, bug.consequence);
    }
    text += &section("faults (`kind` in a plan)", &FaultKind::ALL);
    text += &section("properties (--without PROPERTY)", &vocabulary::properties());
    text += &section("milestones", &vocabulary::milestones());
    print(&text)?;
    Ok(KEPT)
}

fn section(head: &str, lines: &[(&str, &str)]) -> String {
    let lines = lines.iter().map(|(name, line)| format!("  {name:<32} {line}").trim_end().to_owned() + "\n");
    format!("\n{head}\n{}", lines.collect::<String>())
}

/// Refuses a bug that does not exist.
pub(super) fn bug(name: Option<&str>) -> Result<(), String> {
    match name {
        Some(name) if bugs::find(name).is_none() => {
            Err(names::unknown("bug", name, bugs::all().iter().map(|bug| bug.name)))
        }
        _ => Ok(()),
    }
}

/// Options without these properties; refuses one that does not exist.
pub(super) fn options_without(without: &[String]) -> Result<Options, String> {
    let properties = vocabulary::properties();
    for name in without {
        if !properties.iter().any(|&(known, _)| known == name) {
            return Err(names::unknown("property", name, properties.iter().map(|&(known, _)| known)));
        }
    }
    Ok(Options { without: without.to_vec(), ..Options::default() })
}
