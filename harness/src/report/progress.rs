//! How a sweep is getting on: a bar on a terminal (without the bar where it is narrow), plain lines otherwise. Always on standard error, so that standard
//! output holds the result alone.

use super::{first_line, with_thousands};
use crate::sweep::{Summary, SweepSettings};
use crate::text::escape;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a plain line is written.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// In fewer columns the numbers would leave nothing of a bar but its brackets.
const MIN_COLUMNS_FOR_BAR: usize = 70;

/// How many failures are told one by one.
const MAX_REPORTED_FAILURES: usize = 20;

/// Shows how a sweep is getting on.
pub struct SweepProgress {
    bar: Option<ProgressBar>,
    next_line: Duration,
    failures_reported: usize,
}

impl SweepProgress {
    /// For a sweep that is set up like this.
    #[must_use]
    pub fn new(settings: &SweepSettings) -> SweepProgress {
        let bar = (!is_plain_output()).then(|| progress_bar(settings));
        SweepProgress { bar, next_line: PLAIN_INTERVAL, failures_reported: 0 }
    }

    /// Shows the sum so far. What was found is told at once.
    pub fn show(&mut self, summary: &Summary) {
        let untold = summary.failures.iter().enumerate().skip(self.failures_reported);
        for (number, found) in untold.take_while(|&(number, _)| number <= MAX_REPORTED_FAILURES) {
            match number {
                MAX_REPORTED_FAILURES => {
                    self.print_line("further failures are only counted here; their plans are kept like these")
                }
                _ => self.print_line(&format!(
                    "seed {} broke {}: {}",
                    found.seed,
                    found.property,
                    first_line(&found.sentence)
                )),
            }
        }
        self.failures_reported = summary.failures.len();
        let rate = with_thousands(summary.events_per_second() as u64);
        let left =
            time_left(summary).map_or_else(String::new, |left| format!(", {} left", format_roughly(left)));
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{rate} events/s, {} failed{left}", self.failures_reported));
                match summary.settings.time_limit {
                    Some(lasts) => bar.set_position(summary.elapsed.min(lasts).as_secs()),
                    None => bar.set_position(summary.seeds),
                }
            }
            None if summary.elapsed >= self.next_line => {
                self.next_line = summary.elapsed + PLAIN_INTERVAL;
                self.print_line(&format!(
                    "{} seeds, {rate} events/s, {} failed{left}",
                    with_thousands(summary.seeds),
                    self.failures_reported
                ));
            }
            None => {}
        }
    }

    /// Takes the bar away, so that nothing is left of it where the summary begins.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says a line beside the bar.
    pub fn print_line(&self, line: &str) {
        let line = escape(line);
        match &self.bar {
            Some(bar) => bar.println(line),
            // Nobody may be listening any more: that is no reason to end a sweep.
            None => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }
}

/// Shows how shrinking is getting on.
pub struct ShrinkProgress {
    bar: Option<ProgressBar>,
    next_line: Instant,
}

impl ShrinkProgress {
    /// For at most so many runs.
    #[must_use]
    pub fn new(runs: u64) -> ShrinkProgress {
        let bar = (!is_plain_output()).then(|| {
            let style = ProgressStyle::with_template(&bar_template("runs", terminal_columns()));
            let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is ours").progress_chars("#>-"));
            bar
        });
        ShrinkProgress { bar, next_line: Instant::now() + PLAIN_INTERVAL }
    }

    /// Shows how small the plan is by now.
    pub fn show(&mut self, progress: &crate::shrink::ShrinkStatus<'_>) {
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

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Whether nobody wants a bar, or nobody could see it move.
fn is_plain_output() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
        || !std::io::stderr().is_terminal()
}

/// How wide the terminal is that the bar moves on.
fn terminal_columns() -> usize {
    console::Term::stderr().size().1.into()
}

/// What stands in the line of a bar. Where there is no room for a bar beside the numbers, these alone.
fn bar_template(unit: &str, columns: usize) -> String {
    let bar = if columns < MIN_COLUMNS_FOR_BAR { "" } else { "[{wide_bar}] " };
    format!("{bar}{{pos}}/{{len}} {unit}, {{msg}}")
}

fn progress_bar(settings: &SweepSettings) -> ProgressBar {
    let (length, unit) = match settings.time_limit {
        Some(lasts) => (lasts.as_secs(), "s"),
        None => (settings.seeds.end - settings.seeds.start, "seeds"),
    };
    let style =
        ProgressStyle::with_template(&bar_template(unit, terminal_columns())).expect("the template is ours");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    bar.set_style(style.progress_chars("#>-"));
    bar
}

/// A duration as somebody wants to know it who waits for its end.
fn format_roughly(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

/// How long the sweep will go on if it goes on like this.
fn time_left(summary: &Summary) -> Option<Duration> {
    let settings = &summary.settings;
    if let Some(lasts) = settings.time_limit {
        return Some(lasts.saturating_sub(summary.elapsed));
    }
    let left = (settings.seeds.end - settings.seeds.start).saturating_sub(summary.seeds);
    // None where nothing was run, or where nobody will see its end.
    Duration::try_from_secs_f64(summary.elapsed.as_secs_f64() / summary.seeds as f64 * left as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::bar_template;

    #[test]
    fn a_narrow_terminal_has_numbers_and_no_bar() {
        assert_eq!(bar_template("seeds", 80), "[{wide_bar}] {pos}/{len} seeds, {msg}");
        assert_eq!(bar_template("seeds", 40), "{pos}/{len} seeds, {msg}");
    }
}
