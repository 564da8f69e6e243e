//! How a sweep is getting on: a bar on a terminal (without the bar where it is narrow), plain lines otherwise. Always on standard error, so that standard
//! output holds the result alone.

use super::{first_line, grouped};
use crate::sweep::{Settings, Summary};
use crate::text::visible;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a plain line is written.
const PLAIN: Duration = Duration::from_secs(5);

/// In fewer columns the numbers would leave nothing of a bar but its brackets.
const LEAST_FOR_A_BAR: usize = 70;

/// How many failures are told one by one.
const TOLD: usize = 20;

/// Shows how a sweep is getting on.
pub struct Progress {
    bar: Option<ProgressBar>,
    next_line: Duration,
    failures_told: usize,
}

impl Progress {
    /// For a sweep that is set up like this.
    #[must_use]
    pub fn new(settings: &Settings) -> Progress {
        let bar = (!is_plain()).then(|| bar(settings));
        Progress { bar, next_line: PLAIN, failures_told: 0 }
    }

    /// Shows the sum so far. What was found is told at once.
    pub fn show(&mut self, summary: &Summary) {
        let untold = summary.failures.iter().enumerate().skip(self.failures_told);
        for (number, found) in untold.take_while(|&(number, _)| number <= TOLD) {
            match number {
                TOLD => self.say("further failures are only counted here; their plans are kept like these"),
                _ => self.say(&format!(
                    "seed {} broke {}: {}",
                    found.seed,
                    found.property,
                    first_line(&found.sentence)
                )),
            }
        }
        self.failures_told = summary.failures.len();
        let rate = grouped(summary.events_per_second() as u64);
        let left = time_left(summary).map_or_else(String::new, |left| format!(", {} left", roughly(left)));
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{rate} events/s, {} failed{left}", self.failures_told));
                match summary.settings.lasts {
                    Some(lasts) => bar.set_position(summary.took.min(lasts).as_secs()),
                    None => bar.set_position(summary.seeds),
                }
            }
            None if summary.took >= self.next_line => {
                self.next_line = summary.took + PLAIN;
                self.say(&format!(
                    "{} seeds, {rate} events/s, {} failed{left}",
                    grouped(summary.seeds),
                    self.failures_told
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
    pub fn say(&self, line: &str) {
        let line = visible(line);
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
        let bar = (!is_plain()).then(|| {
            let style = ProgressStyle::with_template(&template("runs", columns()));
            let bar = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is ours").progress_chars("#>-"));
            bar
        });
        ShrinkProgress { bar, next_line: Instant::now() + PLAIN }
    }

    /// Shows how small the plan is by now.
    pub fn show(&mut self, progress: &crate::shrink::Progress<'_>) {
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
                self.next_line = Instant::now() + PLAIN;
                drop(writeln!(std::io::stderr(), "shrinking, {} runs: {size}", grouped(progress.runs)));
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
fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
        || !std::io::stderr().is_terminal()
}

/// How wide the terminal is that the bar moves on.
fn columns() -> usize {
    console::Term::stderr().size().1.into()
}

/// What stands in the line of a bar. Where there is no room for a bar beside the numbers, these alone.
fn template(unit: &str, columns: usize) -> String {
    let bar = if columns < LEAST_FOR_A_BAR { "" } else { "[{wide_bar}] " };
    format!("{bar}{{pos}}/{{len}} {unit}, {{msg}}")
}

fn bar(settings: &Settings) -> ProgressBar {
    let (length, unit) = match settings.lasts {
        Some(lasts) => (lasts.as_secs(), "s"),
        None => (settings.seeds.end - settings.seeds.start, "seeds"),
    };
    let style = ProgressStyle::with_template(&template(unit, columns())).expect("the template is ours");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    bar.set_style(style.progress_chars("#>-"));
    bar
}

/// A duration as somebody wants to know it who waits for its end.
fn roughly(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}

/// How long the sweep will go on if it goes on like this.
fn time_left(summary: &Summary) -> Option<Duration> {
    let settings = &summary.settings;
    if let Some(lasts) = settings.lasts {
        return Some(lasts.saturating_sub(summary.took));
    }
    let left = (settings.seeds.end - settings.seeds.start).saturating_sub(summary.seeds);
    // None where nothing was run, or where nobody will see its end.
    Duration::try_from_secs_f64(summary.took.as_secs_f64() / summary.seeds as f64 * left as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn a_narrow_terminal_has_numbers_and_no_bar() {
        assert_eq!(template("seeds", 80), "[{wide_bar}] {pos}/{len} seeds, {msg}");
        assert_eq!(template("seeds", 40), "{pos}/{len} seeds, {msg}");
    }
}
