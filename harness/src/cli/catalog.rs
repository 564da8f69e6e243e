//! The names that commands accept: lists them, and rejects unknown ones.

use super::{CommandResult, SUCCESS, print};
use crate::outcome::Options;
use crate::outcome::catalog as known;
use crate::plan::{FaultKind, Feature, PROFILES};
use crate::support::suggest;
use crate::systems::SystemInfo;
use invariants::current_property_name;
use std::fmt::Display;

/// Lists all bugs, faults, properties and milestones.
pub(super) fn list(system: &SystemInfo) -> CommandResult {
    let bugs = system.bugs();
    let mut text =
        String::from("bugs (--bug NAME): name, number, the property that must detect it, consequence\n");
    if bugs.is_empty() {
        text += match cfg!(feature = "bugs") {
            true => "  none\n",
            false => "  none: this build lacks the feature `bugs`\n",
        };
    }
    for bug in &bugs {
        text += &format!("  {:<32} {:<4} {}\n    {}\n", bug.name, bug.id, bug.first, bug.consequence);
    }
    let own = system.profiles().iter().map(|profile| (profile.name, profile.about));
    let of_plans = PROFILES.iter().map(|profile| (profile.name, profile.about));
    let profiles: Vec<(&str, &str)> = own.chain(of_plans).collect();
    text += &section("profiles (--profile NAME)", &profiles);
    let knobs: Vec<(&str, String)> = system.knobs.iter().map(|knob| (knob.name, knob.to_string())).collect();
    if !knobs.is_empty() {
        text += &section("settings of this system only ([system] in a plan)", &knobs);
    }
    let unread: Vec<(&str, &str)> = system.unread.iter().map(|setting| (setting.name(), "")).collect();
    if !unread.is_empty() {
        text += &section("settings of a plan that this system does not read", &unread);
    }
    text += &section("faults (`kind` in a plan)", &FaultKind::ALL);
    let features: Vec<(&str, &str)> =
        Feature::all().iter().filter_map(|feature| Some((feature.name(), feature.about()?))).collect();
    text += &section("features that plans may rely on, beside faults (--leave-out FEATURE)", &features);
    let (optional, always): (Vec<_>, Vec<_>) =
        known::properties().into_iter().partition(|&(name, _)| known::can_be_disabled(name));
    text += &section("properties (--disable PROPERTY)", &optional);
    text += &section("properties that cannot be disabled", &always);
    text += &section("milestones", &system.milestones());
    print(&text)?;
    Ok(SUCCESS)
}

fn section(title: &str, lines: &[(&str, impl Display)]) -> String {
    let lines = lines.iter().map(|(name, line)| format!("  {name:<32} {line}").trim_end().to_owned() + "\n");
    format!("\n{title}\n{}", lines.collect::<String>())
}

/// Rejects an unknown bug.
pub(super) fn check_bug(system: &SystemInfo, name: Option<&str>) -> Result<(), String> {
    name.map_or(Ok(()), |name| system.check_bug(name))
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
