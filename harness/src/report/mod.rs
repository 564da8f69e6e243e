//! Reports of runs and sweeps, for people and for programs. Plain ASCII, no escape codes.
//!
//! Tables and lists have 80 columns. The page of a run is as wide as the terminal, or [`DEFAULT_WIDTH`] columns if
//! standard output is no terminal ([`page_width`]). Its first line, commands and pictures of histories are never
//! wrapped, nor is `--trace`, which prints one line per event for searching.
//!
#![doc = include_str!("../../docs/failure-page.md")]
//!
#![doc = include_str!("../../docs/pictures.md")]

#[cfg(feature = "cli")]
mod bench_table;
mod json;
mod lane;
mod timeline;
mod page;
#[cfg(feature = "explore")]
mod explored;
pub mod picture;
pub mod html;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
mod table;
#[cfg(feature = "cli")]
mod survey;
#[cfg(feature = "cli")]
mod bug_table;
#[cfg(feature = "cli")]
mod guided;

#[cfg(feature = "cli")]
pub use bench_table::bench_table;
#[cfg(feature = "cli")]
pub use bug_table::{BugReport, ExercisedReport, bug_table, exercised_table};
#[cfg(feature = "explore")]
pub use explored::exploration_page;
#[cfg(feature = "cli")]
pub use guided::{GuidedFailure, GuidedReport, guided_html, guided_summary};
pub use json::{
    FailureReport, GroupReport, KnownReport, MilestoneReport, NamedCount, PropertyReport, SmallestReport,
    SweepReport, WindowReport,
};
pub use page::{
    PlanSource, case_report, case_report_without_bug, continue_shrink_command, run_page, trace_line,
};
#[cfg(feature = "cli")]
pub use progress::{ShrinkProgress, SweepProgress};
#[cfg(feature = "cli")]
pub use survey::survey_table;
#[cfg(feature = "cli")]
pub use table::{merge_problems, sweep_summary};
pub use timeline::{Timeline, timeline};

use crate::support::program::{self, shell_quote};
use crate::sweep::SweepSettings;
use std::borrow::Cow;
use std::path::Path;

/// Width of a page if standard output is no terminal.
pub const DEFAULT_WIDTH: usize = 100;
/// The least width: the columns of a timeline need it.
const MIN_WIDTH: usize = 60;

/// Width of a page that goes to standard output.
#[cfg(feature = "cli")]
#[must_use]
pub fn page_width() -> usize {
    let terminal = console::Term::stdout();
    let columns = if terminal.is_term() { terminal.size_checked().map(|(_, columns)| columns) } else { None };
    columns.map_or(DEFAULT_WIDTH, |columns| MIN_WIDTH.max(columns.into()))
}

/// A page under construction. Only its paragraphs are wrapped.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    /// Adds a line that is wrapped at spaces if it is too long, with continuation lines indented.
    fn paragraph(&mut self, line: &str) {
        let words = line.trim_start();
        let indent = &line[..line.len() - words.len()];
        for line in wrap(words, self.width, indent, &format!("{indent}    ")) {
            self.verbatim(&line);
        }
    }

    /// Adds a line that stays whole: a command, a row of a table or of a picture.
    fn verbatim(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.verbatim("");
    }
}

/// Wraps a text at spaces so that each line, with its indent, fits into `width`. A longer word stays whole.
fn wrap<'a>(text: &'a str, width: usize, first_indent: &str, indent: &str) -> Vec<Cow<'a, str>> {
    let options = textwrap::Options::new(width)
        .initial_indent(first_indent)
        .subsequent_indent(indent)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options)
}

/// A number with separators: `12,345,678`.
pub(crate) fn with_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured number: whole from 100 on, otherwise with two decimals.
fn format_measurement(number: f64) -> String {
    if number >= 100.0 { with_thousands(number.round() as u64) } else { format!("{number:.2}") }
}

/// A number with its noun: `1 power loss`, `2 power losses`.
fn pluralize(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", with_thousands(number), if number == 1 { one } else { many })
}

/// Nanoseconds as seconds with all digits, so that different times print differently.
fn format_seconds(nanos: u64) -> String {
    format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// A `harness` command line with the bug and the disabled properties of this run.
fn harness_command(verb_and_source: &str, bug: Option<&str>, disabled: &[String]) -> String {
    let mut line = program::command(verb_and_source);
    if let Some(bug) = bug {
        line += &format!(" --bug {bug}");
    }
    for property in disabled {
        line += &format!(" --disable {property}");
    }
    line
}

/// A command line about a seed of a sweep.
fn seed_command(verb: &str, seed: u64, settings: &SweepSettings) -> String {
    let source = format!("{verb} --seed {seed}");
    let mut line = harness_command(&source, settings.bug.as_deref(), &settings.disabled);
    for feature in &settings.left_out {
        line += &format!(" --leave-out {feature}");
    }
    line
}

/// The command that shrinks the failing plan of a seed.
#[must_use]
pub fn shrink_seed_command(seed: u64, settings: &SweepSettings) -> String {
    let line = seed_command("shrink", seed, settings);
    format!("{line} --out {}", shell_quote(&settings.out))
}

/// The command that continues to shrink the plan in a file.
#[must_use]
pub fn continue_sweep_shrink_command(file: &Path, settings: &SweepSettings) -> String {
    let line = harness_command(&format!("shrink {}", shell_quote(file)), None, &settings.disabled);
    format!("{line} --out {}", shell_quote(&settings.out))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
