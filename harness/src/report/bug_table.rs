//! The report of `harness bugs`, as a table and as JSON.

use super::with_thousands;
use crate::findings::bug_rates::{BugRun, RateSettings};
use crate::findings::exercised::ExercisedSeeds;
use crate::outcome::COMMIT;
use crate::plan::GENERATOR_VERSION;
use crate::server::BugInfo;
use crate::systems::SystemInfo;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;

/// Below so many failing seeds of 2,000, in any range, a bug is caught by chance more than by rule.
const THIN_PER_1000: f64 = 2.5;

/// How soon the bugs of a system are caught.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BugReport {
    /// The commit of this build.
    pub commit: String,
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The system.
    pub system: String,
    /// The settings.
    #[serde(flatten)]
    pub settings: RateSettings,
    /// Bugs that were caught in every range.
    pub caught: usize,
    /// Of these, how many within the seeds of the rate, in every range.
    pub caught_within_seeds: usize,
    /// Median over the bugs that were caught of the CPU time to the first catch, in seconds.
    pub cpu_seconds_median: Option<f64>,
    /// The 90th percentile of the same.
    pub cpu_seconds_p90: Option<f64>,
    /// The bugs, in the order of the catalogue. Those without a result are left out.
    pub bugs: Vec<BugRow>,
}

/// One bug over all its ranges.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BugRow {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The property that was predicted to fail first.
    pub expected: &'static str,
    /// The property by which most seeds failed.
    pub fired: Option<String>,
    /// How many seeds failed by each property.
    pub fired_by: BTreeMap<String, u64>,
    /// Whether it was caught in every range.
    pub caught: bool,
    /// In how many ranges it was caught, and how many there are.
    pub ranges_caught: usize,
    /// The number of ranges with a result.
    pub ranges: usize,
    /// How many seeds it takes to the first that fails: the median over the ranges; none if fewer than half caught it.
    pub seeds_to_catch: Option<f64>,
    /// The mean of the same; a range that did not catch it counts with all its seeds.
    pub seeds_to_catch_mean: f64,
    /// In how many of 1,000 seeds without a bug its line is exercised: in how many the bug would make a difference. None
    /// if the system does not count that.
    pub exercised_per_1000: Option<f64>,
    /// Seeds that ran, in all ranges.
    pub seeds: u64,
    /// Seeds that failed.
    pub failing: u64,
    /// Failing seeds of 1,000.
    pub failing_per_1000: f64,
    /// CPU time to the first catch, or of all seeds if there is none, in seconds: the median over the ranges.
    pub cpu_seconds: f64,
}

impl BugRow {
    fn new(bug: &BugInfo, runs: &[&BugRun], exercised: Option<&ExercisedSeeds>) -> BugRow {
        let mut fired_by: BTreeMap<String, u64> = BTreeMap::new();
        for (property, count) in runs.iter().flat_map(|run| &run.fired) {
            *fired_by.entry(property.clone()).or_default() += count;
        }
        let sum = |value: fn(&BugRun) -> u64| runs.iter().map(|run| value(run)).sum::<u64>();
        let (seeds, failing) = (sum(|run| run.seeds), sum(|run| run.failing));
        let ranges_caught = runs.iter().filter(|run| run.seeds_to_catch.is_some()).count();
        let needed = runs.iter().map(|run| run.seeds_to_catch.map_or(f64::INFINITY, |seeds| seeds as f64));
        BugRow {
            id: bug.id,
            name: bug.name,
            expected: bug.first,
            fired: fired_by.iter().max_by_key(|(_, count)| **count).map(|(property, _)| property.clone()),
            fired_by,
            caught: ranges_caught == runs.len(),
            ranges_caught,
            ranges: runs.len(),
            seeds_to_catch: quantile(needed.collect(), 0.5).filter(|seeds| seeds.is_finite()),
            seeds_to_catch_mean: runs.iter().map(|run| run.seeds_to_catch.unwrap_or(run.seeds)).sum::<u64>()
                as f64
                / runs.len().max(1) as f64,
            exercised_per_1000: exercised.and_then(|exercised| per_1000(exercised, bug)),
            seeds,
            failing,
            failing_per_1000: 1_000.0 * failing as f64 / seeds.max(1) as f64,
            cpu_seconds: quantile(runs.iter().map(|run| run.cpu_seconds).collect(), 0.5).unwrap_or_default(),
        }
    }

    /// Whether the property that was predicted is among those that failed.
    fn as_expected(&self) -> bool {
        self.fired_by.contains_key(self.expected)
    }
}

impl BugReport {
    /// The report about these results.
    #[must_use]
    pub fn new(
        system: &SystemInfo,
        settings: &RateSettings,
        bugs: &[&BugInfo],
        results: &[BugRun],
        exercised: Option<&ExercisedSeeds>,
    ) -> BugReport {
        let of = |bug: &&BugInfo| results.iter().filter(|run| run.bug == bug.name).collect::<Vec<_>>();
        let with_results = bugs.iter().map(|bug| (bug, of(bug))).filter(|(_, runs)| !runs.is_empty());
        let mut caught_within_seeds = 0;
        let mut rows = Vec::new();
        for (bug, runs) in with_results {
            let soon = |run: &&BugRun| run.seeds_to_catch.is_some_and(|needed| needed <= settings.seeds);
            caught_within_seeds += usize::from(runs.iter().all(soon));
            rows.push(BugRow::new(bug, &runs, exercised));
        }
        let caught: Vec<f64> = rows.iter().filter(|row| row.caught).map(|row| row.cpu_seconds).collect();
        BugReport {
            commit: COMMIT.to_owned(),
            generator_version: GENERATOR_VERSION,
            system: system.full_name(),
            settings: *settings,
            caught: caught.len(),
            caught_within_seeds,
            cpu_seconds_median: quantile(caught.clone(), 0.5),
            cpu_seconds_p90: quantile(caught, 0.9),
            bugs: rows,
        }
    }
}

/// The table, and what it comes to.
#[must_use]
pub fn bug_table(report: &BugReport) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header(["id", "bug", "caught by", "after", "per 1,000", "CPU s", "exercised"]);
    for row in &report.bugs {
        let fired = row.fired.as_deref().unwrap_or("NOT CAUGHT");
        table.add_row([
            row.id.to_owned(),
            row.name.to_owned(),
            fired.to_owned() + if row.fired.is_none() || row.as_expected() { "" } else { " *" },
            row.seeds_to_catch.map_or_else(|| "-".to_owned(), |seeds| with_thousands(seeds as u64)),
            format!("{:.1}", row.failing_per_1000),
            format!("{:.2}", row.cpu_seconds),
            row.exercised_per_1000.map_or_else(|| "-".to_owned(), |seeds| format!("{seeds:.1}")),
        ]);
    }
    for number in 3..7 {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n\n");
    let (caught, all) = (report.caught, report.bugs.len());
    let ranges = report.bugs.iter().map(|row| row.ranges).max().unwrap_or_default();
    let RateSettings { seeds, max_seeds, black_box, guided } = report.settings;
    let mut line = |line: String| text.extend([line.as_str(), "\n"]);
    line(format!(
        "{caught} of {all} caught within {} {}, {} of them within {}{}{}",
        with_thousands(max_seeds),
        if guided { "guided runs" } else { "seeds" },
        report.caught_within_seeds,
        with_thousands(seeds),
        if ranges > 1 { format!(", in each of {ranges} ranges") } else { String::new() },
        if black_box { "; only clients, panics and liveness count" } else { "" },
    ));
    if let (Some(median), Some(p90)) = (report.cpu_seconds_median, report.cpu_seconds_p90) {
        line(format!("CPU time to the first catch: median {median:.2} s, 90th percentile {p90:.2} s"));
    }
    let names = |wanted: &dyn Fn(&BugRow) -> bool| {
        report.bugs.iter().filter(|row| wanted(row)).map(|row| row.name).collect::<Vec<_>>().join(", ")
    };
    let other = names(&|row| row.fired.is_some() && !row.as_expected());
    if !other.is_empty() && !black_box {
        line(format!("* another property than the predicted one: {other}"));
    }
    let thin = names(&|row| row.fired.is_some() && row.failing_per_1000 < THIN_PER_1000);
    if !thin.is_empty() && !guided {
        line(format!("thin, fewer than 5 failing seeds of 2,000: {thin}"));
    }
    let missed = names(&|row| !row.caught);
    if !missed.is_empty() {
        line(format!("not caught in every range: {missed}"));
    }
    line("exercised: in how many of 1,000 seeds without a bug its line makes a difference".to_owned());
    line(format!("{} at {}, plans of generator {}", report.system, report.commit, report.generator_version));
    text
}

/// In how many seeds each line is exercised.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExercisedReport {
    /// The commit of this build.
    pub commit: String,
    /// Version of the plan generator.
    pub generator_version: u32,
    /// The system.
    pub system: String,
    /// How many seeds ran.
    pub seeds: u64,
    /// Its lines, the rarest first.
    pub lines: Vec<ExercisedRow>,
}

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ExercisedRow {
    /// The id of its bug.
    pub id: &'static str,
    /// The name of its bug.
    pub name: &'static str,
    /// The seeds in which it made a difference.
    pub seeds: u64,
    /// The same of 1,000.
    pub per_1000: f64,
}

impl ExercisedReport {
    /// The report about these bugs. A bug that is in none of the system's catalogues is left out.
    #[must_use]
    pub fn new(system: &SystemInfo, bugs: &[&'static BugInfo], exercised: ExercisedSeeds) -> ExercisedReport {
        let row = |bug: &&'static BugInfo| {
            Some(ExercisedRow {
                id: bug.id,
                name: bug.name,
                seeds: *exercised.lines.get(bug.name)?,
                per_1000: per_1000(&exercised, bug)?,
            })
        };
        let mut lines: Vec<_> = bugs.iter().filter_map(row).collect();
        lines.sort_by_key(|line| (line.seeds, line.id));
        ExercisedReport {
            commit: COMMIT.to_owned(),
            generator_version: GENERATOR_VERSION,
            system: system.full_name(),
            seeds: exercised.seeds,
            lines,
        }
    }
}

/// The table of exercised lines, the rarest first.
#[must_use]
pub fn exercised_table(report: &ExercisedReport) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header(["id", "bug", "seeds", "per 1,000"]);
    for row in &report.lines {
        let per_1000 = format!("{:.1}", row.per_1000);
        table.add_row([row.id.to_owned(), row.name.to_owned(), with_thousands(row.seeds), per_1000]);
    }
    for number in 2..4 {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let (seeds, never) =
        (with_thousands(report.seeds), report.lines.iter().filter(|line| line.seeds == 0).count());
    let rare = report.lines.iter().filter(|line| line.per_1000 < THIN_PER_1000).count();
    let (lines, system, commit) = (report.lines.len(), &report.system, &report.commit);
    format!(
        "{table}\n\n{lines} lines in {seeds} seeds: {never} never make a difference, {rare} in fewer than 5 of 2,000\n\
         {system} at {commit}, plans of generator {}\n",
        report.generator_version
    )
}

fn per_1000(exercised: &ExercisedSeeds, bug: &BugInfo) -> Option<f64> {
    let seeds = exercised.lines.get(bug.name)?;
    Some(1_000.0 * *seeds as f64 / exercised.seeds.max(1) as f64)
}

/// The value below which this share of the values lies, by nearest rank; none if there are no values.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads the table")]
mod tests {
    use super::*;
    use crate::systems::BUILT_IN;

    const BUG: BugInfo = BugInfo {
        name: "votes-twice",
        id: "X1",
        at: "",
        breaks: "",
        first: "one-vote-per-term",
        consequence: "",
    };
    const SETTINGS: RateSettings =
        RateSettings { seeds: 100, max_seeds: 1_000, black_box: false, guided: false };

    fn run(range: u64, seeds: u64, needed: Option<u64>, fired: &[(&str, u64)]) -> BugRun {
        BugRun {
            bug: BUG.name.to_owned(),
            range,
            seeds,
            failing: fired.iter().map(|(_, count)| count).sum(),
            seeds_to_catch: needed,
            fired: fired.iter().map(|(property, count)| ((*property).to_owned(), *count)).collect(),
            cpu_seconds: seeds as f64 / 100.0,
        }
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        assert_eq!(quantile(vec![], 0.5), None);
        assert_eq!(quantile(vec![3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile((1..=10).map(f64::from).collect(), 0.9), Some(9.0));
    }

    #[test]
    fn a_bug_is_caught_if_every_range_catches_it() {
        let both = [
            run(0, 100, Some(4), &[("liveness", 2), ("one-vote-per-term", 7)]),
            run(1, 600, Some(600), &[("liveness", 1)]),
        ];
        let report = BugReport::new(&BUILT_IN, &SETTINGS, &[&BUG], &both, None);
        let row = &report.bugs[0];
        assert_eq!((row.caught, row.fired.as_deref()), (true, Some("one-vote-per-term")));
        assert_eq!((row.failing, row.seeds, report.caught, report.caught_within_seeds), (10, 700, 1, 0));

        let one = [both[0].clone(), run(1, 1_000, None, &[])];
        let report = BugReport::new(&BUILT_IN, &SETTINGS, &[&BUG], &one, None);
        assert_eq!((report.bugs[0].caught, report.bugs[0].ranges_caught, report.caught), (false, 1, 0));
        assert_eq!(report.cpu_seconds_median, None);
    }

    #[test]
    fn the_table_names_what_was_missed_and_what_differs() {
        let report = BugReport::new(&BUILT_IN, &SETTINGS, &[&BUG], &[run(0, 1_000, None, &[])], None);
        let table = bug_table(&report);
        let has = |text: &str| table.lines().any(|line| line == text);
        assert!(has("not caught in every range: votes-twice"), "{table}");
        let other = [run(0, 100, Some(1), &[("liveness", 100)])];
        let table = bug_table(&BugReport::new(&BUILT_IN, &SETTINGS, &[&BUG], &other, None));
        let has = |text: &str| table.lines().any(|line| line == text);
        assert!(has("* another property than the predicted one: votes-twice"), "{table}");
    }
}
