//! Progress of sweeps and shrinking: a bar on a terminal (only numbers if it is narrow), plain lines otherwise.
//! Always on standard error, so that standard output holds only the result.

#![expect(clippy::disallowed_types, reason = "progress is reported as time passes")]

use super::with_thousands;
use crate::support::text::{display_first_line, escape};
use crate::sweep::{FailureRecord, Summary, SweepSettings};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// With fewer columns the numbers leave no room for a bar.
const MIN_COLUMNS_FOR_BAR: usize = 70;

/// Failures printed one by one.
const MAX_REPORTED_FAILURES: usize = 20;

/// Shows the progress of a sweep.
pub struct SweepProgress {
    bar: Option<ProgressBar>,
    next_line: Duration,
    failures_seen: usize,
    /// Seeds that failed, except by known defects; in all, and before this process.
    failed: usize,
    failed_before: usize,
}

impl SweepProgress {
    /// Progress of a sweep from this summary on. Its failures are not printed again.
    #[must_use]
    pub fn new(before: &Summary) -> SweepProgress {
        let bar = (!is_plain_output()).then(|| progress_bar(&before.settings));
        let failed = before.new_failures().count();
        let failures_seen = before.failures.len();
        SweepProgress { bar, next_line: PLAIN_INTERVAL, failures_seen, failed, failed_before: failed }
    }

    /// Shows the sums so far, and prints each new failure at once.
    pub fn show(&mut self, summary: &Summary) {
        let unseen = summary.failures[self.failures_seen..].iter();
        let is_known = |failure: &&FailureRecord| summary.settings.is_known(&failure.signature);
        for failure in unseen.filter(|failure| !is_known(failure)) {
            self.failed += 1;
            let number = self.failed - self.failed_before - 1;
            match number {
                _ if number > MAX_REPORTED_FAILURES => {}
                MAX_REPORTED_FAILURES => self
                    .print_line("further failures are only counted here; their plans are stored like these"),
                _ => self.print_line(&format!(
                    "seed {} violated {}: {}",
                    failure.seed,
                    failure.signature.property,
                    display_first_line(&failure.message)
                )),
            }
        }
        self.failures_seen = summary.failures.len();
        let rate = with_thousands(summary.events_per_second() as u64);
        let left =
            time_left(summary).map_or_else(String::new, |left| format!(", {} left", format_roughly(left)));
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{rate} events/s, {} failed{left}", self.failed));
                match summary.settings.time_limit {
                    Some(limit) => bar.set_position(summary.elapsed.min(limit).as_secs()),
                    None => bar.set_position(summary.seeds),
                }
            }
            None if summary.elapsed >= self.next_line => {
                self.next_line = summary.elapsed + PLAIN_INTERVAL;
                self.print_line(&format!(
                    "{} seeds, {rate} events/s, {} failed{left}",
                    with_thousands(summary.seeds),
                    self.failed
                ));
            }
            None => {}
        }
    }

    /// Removes the bar before the summary is printed.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    /// Prints a line above the bar.
    pub fn print_line(&self, line: &str) {
        let line = escape(line);
        match &self.bar {
            Some(bar) => bar.println(line),
            // Standard error may be closed: that does not end a sweep.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }
}

/// Shows the progress of shrinking.
pub struct ShrinkProgress {
    bar: Option<ProgressBar>,
    next_line: Instant,
}

impl ShrinkProgress {
    /// For at most `runs` runs.
    #[must_use]
    pub fn new(runs: u64) -> ShrinkProgress {
        let bar = (!is_plain_output()).then(|| {
            let style = ProgressStyle::with_template(&bar_template("runs", terminal_columns()));
            let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is valid").progress_chars("#>-"));
            bar
        });
        ShrinkProgress { bar, next_line: Instant::now() + PLAIN_INTERVAL }
    }

    /// Shows the size of the plan so far.
    pub fn show(&mut self, progress: &crate::findings::shrink::ShrinkStatus<'_>) {
        let plan = progress.best;
        let calls = plan.clients.calls.as_ref().map(|calls| calls.iter().map(Vec::len).sum::<usize>());
        let calls = calls.map_or_else(String::new, |calls| format!(", {calls} calls"));
        let size = format!("{} faults{calls}, {} servers", plan.faults.len(), plan.nodes);
        match &self.bar {
            Some(bar) => {
                bar.set_message(size);
                bar.set_position(progress.runs);
            }
            None if Instant::now() >= self.next_line => {
                self.next_line = Instant::now() + PLAIN_INTERVAL;
                drop(writeln!(
                    std::io::stderr(),
                    "shrinking, {} runs: {size}",
                    with_thousands(progress.runs)
                ));
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether a bar is unwanted or impossible.
fn is_plain_output() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
        || !std::io::stderr().is_terminal()
}

/// Columns of the terminal that the bar is on.
fn terminal_columns() -> usize {
    console::Term::stderr().size().1.into()
}

/// Template of a bar line; without room for the bar, only the numbers.
fn bar_template(unit: &str, columns: usize) -> String {
    let bar = if columns < MIN_COLUMNS_FOR_BAR { "" } else { "[{wide_bar}] " };
    format!("{bar}{{pos}}/{{len}} {unit}, {{msg}}")
}

fn progress_bar(settings: &SweepSettings) -> ProgressBar {
    let (length, unit) = match settings.time_limit {
        Some(limit) => (limit.as_secs(), "s"),
        None => (settings.seeds.end - settings.seeds.start, "seeds"),
    };
    let style =
        ProgressStyle::with_template(&bar_template(unit, terminal_columns())).expect("the template is valid");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    bar.set_style(style.progress_chars("#>-"));
    bar
}

/// A duration in its largest useful unit.
fn format_roughly(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

/// Estimated time until the sweep ends.
fn time_left(summary: &Summary) -> Option<Duration> {
    let settings = &summary.settings;
    if let Some(limit) = settings.time_limit {
        return Some(limit.saturating_sub(summary.elapsed));
    }
    let left = (settings.seeds.end - settings.seeds.start).saturating_sub(summary.seeds);
    // None before the first seed is done, or if the estimate overflows.
    Duration::try_from_secs_f64(summary.elapsed.as_secs_f64() / summary.seeds as f64 * left as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::bar_template;

    #[test]
    fn narrow_terminal_shows_numbers_without_bar() {
        assert_eq!(bar_template("seeds", 80), "[{wide_bar}] {pos}/{len} seeds, {msg}");
        assert_eq!(bar_template("seeds", 40), "{pos}/{len} seeds, {msg}");
    }
}
