//! What people and programs read of runs and sweeps. Plain ASCII, no escape codes.
//!
//! Tables and lists have eighty columns. The page of a run is as wide as the terminal that it is read in, and has a hundred
//! columns where it goes anywhere else ([`width`]). Its first line, what is to be typed and
//! the pictures of histories stay as they are, however wide. `--trace`, a line per event, is for searching in rather than for reading, and has what
//! width it needs.
//!
#![doc = include_str!("../../docs/failure-page.md")]

mod bench_table;
mod json;
mod timeline;
mod page;
mod progress;
mod table;
mod survey;

pub use bench_table::bench_table;
pub use json::{FailureReport, GroupReport, MilestoneReport, NamedCount, PropertyReport, SweepReport};
pub use page::{
    PlanSource, case_report, case_report_without_bug, continue_shrink_command, run_page, trace_line,
};
pub use progress::{ShrinkProgress, SweepProgress};
pub use survey::survey_table;
pub use table::sweep_summary;
pub use timeline::{Timeline, timeline};

use crate::sweep::SweepSettings;
use crate::text::display_line;
use std::path::Path;

/// How wide a page is where nobody can tell how wide it should be.
pub const DEFAULT_WIDTH: usize = 100;
/// The columns of a timeline need that much.
const MIN_WIDTH: usize = 60;

/// How wide a page shall be that goes to standard output.
#[must_use]
pub fn page_width() -> usize {
    let terminal = console::Term::stdout();
    let columns = if terminal.is_term() { terminal.size_checked().map(|(_, columns)| columns) } else { None };
    columns.map_or(DEFAULT_WIDTH, |columns| MIN_WIDTH.max(columns.into()))
}

/// A text of which no line is wider than this, as far as there are spaces to break it at. What follows is moved in. Lines
/// that are to be typed, or that belong to a picture, stay as they are.
fn fold(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let is_typed = bare.trim_start().starts_with("cargo run");
        let is_picture = bare.contains("--") && !bare.contains(['.', ':']);
        if bare.len() <= width || is_typed || is_picture {
            folded += line;
            continue;
        }
        let indent = bare.len() - bare.trim_start().len();
        let mut rest = bare;
        let mut first = true;
        while !rest.is_empty() {
            let room = if first { width } else { width.saturating_sub(indent + 4) };
            // The first space may be part of what a line begins with.
            let from = if first { indent + 1 } else { 1 };
            let end = match rest.len() <= room {
                true => rest.len(),
                false => rest
                    .char_indices()
                    .filter(|&(at, c)| c == ' ' && at >= from)
                    .map(|(at, _)| at)
                    .take_while(|&at| at <= room)
                    .last()
                    .or_else(|| rest[from..].find(' ').map(|at| from + at))
                    .unwrap_or(rest.len()),
            };
            if !first {
                folded.push('\n');
                folded += &" ".repeat(indent + 4);
            }
            folded += rest[..end].trim_end();
            rest = rest[end..].trim_start();
            first = false;
        }
        folded += &line[bare.len()..];
    }
    folded
}

/// A number as a person reads it: `12,345,678`.
fn with_thousands(number: u64) -> String {
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
fn format_measurement(number: f64) -> String {
    if number >= 100.0 { with_thousands(number.round() as u64) } else { format!("{number:.2}") }
}

/// A count of things: `1 power loss`, `2 power power_losses`.
fn pluralize(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", with_thousands(number), if number == 1 { one } else { many })
}

/// What to type for one more look: everything that made it what it was.
fn harness_command(verb_and_source: &str, bug: Option<&str>, without: &[String]) -> String {
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
pub fn shrink_seed_command(seed: u64, settings: &SweepSettings) -> String {
    let line = harness_command(&format!("shrink --seed {seed}"), settings.bug.as_deref(), &settings.disabled);
    format!("{line} --out {}", page::shell_quote(&settings.out))
}

/// What to type to go on making the plan in a file smaller.
#[must_use]
pub fn continue_sweep_shrink_command(file: &Path, settings: &SweepSettings) -> String {
    let line = harness_command(&format!("shrink {}", page::shell_quote(file)), None, &settings.disabled);
    format!("{line} --out {}", page::shell_quote(&settings.out))
}

/// What a failure says first. The rest of it has its place where there is room: on the page of the run.
fn first_line(sentence: &str) -> String {
    display_line(sentence.lines().next().unwrap_or(sentence))
}

#[cfg(test)]
mod tests;
