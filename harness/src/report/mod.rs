//! What people and programs read of runs and sweeps. Plain ASCII, eighty columns, no escape codes.

mod figures;
mod json;
mod story;
mod page;
mod progress;
mod table;
mod survey;

pub use figures::figures;
pub use json::{FailureReport, GroupReport, MilestoneReport, NamedCount, PropertyReport, SweepReport};
pub use page::{Origin, expectation, expectation_without_bug, timeline, verdict};
pub use progress::{Progress, ShrinkProgress};
pub use story::{Story, story};
pub use survey::survey;
pub use table::summary;

use crate::sweep::Settings;
use std::path::Path;

/// A number as a person reads it: `12,345,678`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured number as a person reads it: whole from a hundred on.
fn measured(number: f64) -> String {
    if number >= 100.0 { grouped(number.round() as u64) } else { format!("{number:.2}") }
}

/// A count of things: `1 power loss`, `2 power losses`.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// What to type for one more look: everything that made it what it was.
fn command(verb_and_source: &str, bug: Option<&str>, without: &[String]) -> String {
    let mut line = format!("cargo run --release -- {verb_and_source}");
    if let Some(bug) = bug {
        line += &format!(" --bug {bug}");
    }
    for property in without {
        line += &format!(" --without {property}");
    }
    line
}

/// What to type to make the failing plan of a seed smaller.
#[must_use]
pub fn shrink_line(seed: u64, settings: &Settings) -> String {
    let line = command(&format!("shrink --seed {seed}"), settings.bug.as_deref(), &settings.without);
    format!("{line} --out {}", page::quoted(&settings.out))
}

/// What to type to go on making the plan in a file smaller.
#[must_use]
pub fn shrink_on_line(file: &Path, settings: &Settings) -> String {
    let line = command(&format!("shrink {}", page::quoted(file)), None, &settings.without);
    format!("{line} --out {}", page::quoted(&settings.out))
}

/// What a failure says first. The rest of it has its place where there is room: on the page of the run.
fn first_line(sentence: &str) -> &str {
    sentence.lines().next().unwrap_or(sentence)
}

#[cfg(test)]
mod tests;
