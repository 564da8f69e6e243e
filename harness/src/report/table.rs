//! The summary at the end of a sweep.

use super::{first_line, fold, format_measurement, harness_command, pluralize, with_thousands};
use crate::plan::file::display_path;
use crate::sweep::{FailureGroup, FailureRecord, Summary, SweepSettings, Tally};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// How wide the verdict is at most.
const MAX_COLUMNS: usize = 80;
/// How many seeds are named for each group; the others are in the folder.
const MAX_NAMED_SEEDS: usize = 5;

/// What a person reads at the end of a sweep.
#[must_use]
pub fn sweep_summary(summary: &Summary) -> String {
    let mut text = String::new();
    for table in
        [overview_table(summary), checks_table(summary), milestones_table(summary), faults_table(summary)]
    {
        // Where nothing was counted a table would only be its own head.
        if table.row_count() > 0 {
            writeln!(text, "{table}\n").expect("a string takes all");
        }
    }
    text + &failures_section(summary) + &last_lines(summary)
}

fn overview_table(summary: &Summary) -> Table {
    let (counts, seeds) = (&summary.counts, summary.seeds);
    let mut table = new_table(&["", "in all", "per seed"]);
    table.add_row(["seeds", &with_thousands(seeds), ""]);
    let mut row = |name: &str, count: u64| {
        let mean = if seeds == 0 { 0.0 } else { count as f64 / seeds as f64 };
        table.add_row([name.to_owned(), with_thousands(count), format_measurement(mean)]);
    };
    row("events", counts.events);
    row("simulated seconds", counts.simulated / 1_000_000_000);
    row("client operations", counts.operations);
    row("  of unknown outcome", counts.unknown_operations);
    row("leader changes", counts.leader_changes);
    row("servers that lost power", counts.power_losses);
    row("facts", counts.facts);
    let mut line = |name: &str, value: String| {
        table.add_row([name.to_owned(), value, String::new()]);
    };
    // A ledger may hold any number: the product must not overflow.
    let permille = u128::from(counts.heartbeats) * 1_000;
    let heartbeats = permille.checked_div(u128::from(counts.events)).unwrap_or(0);
    line("heartbeats of all events", format!("{}.{} %", heartbeats / 10, heartbeats % 10));
    line("real seconds", format_measurement(summary.elapsed.as_secs_f64()));
    line("simulated / real time", format_measurement(summary.simulated_per_second()));
    line("checked events / second", format_measurement(summary.events_per_second()));
    line("  per core", format_measurement(summary.events_per_second() / summary.cores() as f64));
    line("seeds kept", with_thousands(summary.passed));
    line("seeds undecided", with_thousands(summary.unknown));
    line("seeds failed", with_thousands(summary.failures.len() as u64));
    table
}

fn checks_table(summary: &Summary) -> Table {
    let mut table = new_table(&["property", "looked"]);
    for tally in &summary.checks {
        table.add_row([tally.name.to_string(), format_count(tally.count)]);
    }
    table
}

fn milestones_table(summary: &Summary) -> Table {
    let mut table = new_table(&["milestone", "reached", "in seeds"]);
    for Tally { name, count, seeds } in &summary.milestones {
        table.add_row([name.to_string(), format_count(*count), with_thousands(*seeds)]);
    }
    table
}

fn faults_table(summary: &Summary) -> Table {
    let mut table = new_table(&["fault", "struck", "in seeds"]);
    for Tally { name, count, seeds } in &summary.faults {
        table.add_row([name.to_string(), with_thousands(*count), with_thousands(*seeds)]);
    }
    table
}

/// How often. What never happened shall not pass for a small number: a property that never looked has not passed.
fn format_count(count: u64) -> String {
    if count == 0 { "0 (never)".into() } else { with_thousands(count) }
}

/// A table with this head; the first column holds names, the others numbers.
fn new_table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(head.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The failures, property by property and clash by clash, each with the line to type.
fn failures_section(summary: &Summary) -> String {
    let groups = summary.groups();
    let mut text = String::new();
    for groups in groups.chunk_by(|one, other| one.property == other.property) {
        let count: usize = groups.iter().map(|group| group.failures.len()).sum();
        text += &format!("{}: broken by {}\n", groups[0].property, pluralize(count as u64, "seed", "seeds"));
        for group in groups {
            if groups.len() > 1 {
                let count = pluralize(group.failures.len() as u64, "seed", "seeds");
                text += &format!("  {count} by: {}\n", group.clash);
            }
            text += &group_members(group, &summary.settings);
        }
        text.push('\n');
    }
    text
}

/// The seeds of a group: the first few, and how many more there are.
fn group_members(group: &FailureGroup<'_>, settings: &SweepSettings) -> String {
    let mut text = String::new();
    for found in group.failures.iter().take(MAX_NAMED_SEEDS) {
        text += &format!("  seed {}: {}\n", found.seed, first_line(&found.sentence));
        let source = format!("run --seed {}", found.seed);
        let line = harness_command(&source, settings.bug.as_deref(), &settings.disabled);
        text += &format!("    {line} --trace\n");
        match &found.plan {
            Some(path) => text += &format!("    kept in {}\n", display_path(path)),
            None => text += "    its plan could not be written; the seed says all of it\n",
        }
    }
    let more = group.failures.get(MAX_NAMED_SEEDS..).unwrap_or_default();
    if !more.is_empty() {
        let (count, out) = (with_thousands(more.len() as u64), list_folders(more, &settings.out));
        text += &match more.iter().filter(|found| found.plan.is_none()).count() as u64 {
            0 => format!("  and {count} more in {out}\n"),
            lost => {
                format!(
                    "  and {count} more in {out}, but for {} not written\n",
                    pluralize(lost, "plan", "plans")
                )
            }
        };
    }
    text
}

/// Where these plans are: in one folder, or where the results of several sweeps were added in several.
fn list_folders(found: &[&FailureRecord], out: &Path) -> String {
    let paths = found.iter().filter_map(|found| found.plan.as_deref()?.parent());
    let mut folders: BTreeSet<&Path> = paths.collect();
    if folders.is_empty() {
        folders.insert(out);
    }
    folders.iter().map(|folder| display_path(folder)).collect::<Vec<_>>().join(", ")
}

/// Names as a person lists them: `one, another and a third`.
fn join_with_and(names: &[&str]) -> String {
    match names {
        [first @ .., before, last] => {
            let first: String = first.iter().map(|name| format!("{name}, ")).collect();
            format!("{first}{before} and {last}")
        }
        names => names.concat(),
    }
}

fn last_lines(summary: &Summary) -> String {
    let blind = match summary.canaries_missed {
        0 => String::new(),
        blind => format!(
            "BLIND: {} did not see a bug that was switched on before the first seed\n",
            pluralize(blind, "worker", "workers")
        ),
    };
    let missing = match summary.missing.is_empty() {
        true => String::new(),
        false => format!("MISSING: seeds {}: nobody ran them, or nobody can read it\n", summary.missing),
    };
    let end = if summary.cut_short { " (ended early)" } else { "" };
    let bug = summary.settings.bug.as_ref().map(|bug| format!(" with the bug {bug}")).unwrap_or_default();
    let (unseen, idle) = (summary.never_seen(), summary.never_checked());
    let is_broken = !summary.failures.is_empty();
    let mut verdict = match summary.failures.len() {
        0 if summary.seeds == 0 => "no seed was run".to_owned(),
        0 if !summary.missing.is_empty() => "no promise broken in these".to_owned(),
        0 if summary.unknown > 0 || !unseen.is_empty() || !idle.is_empty() => "no promise broken".to_owned(),
        0 => "all promises kept".to_owned(),
        failures => format!("{} broke a promise", pluralize(failures as u64, "seed", "seeds")),
    };
    if summary.unknown > 0 && !is_broken {
        verdict += &format!(", {} undecided", with_thousands(summary.unknown));
    }
    if !unseen.is_empty() {
        verdict += &format!(", and {} was ever seen", join_with_and(&unseen));
    }
    if !idle.is_empty() && !is_broken {
        verdict += &format!(", but {} never looked", join_with_and(&idle));
    }
    let start = summary.settings.seeds.start;
    let ran = if summary.ran.is_empty() { format!("{start}..{start}") } else { summary.ran.to_string() };
    let commit = if summary.commits.len() > 1 { "commits" } else { "commit" };
    let version = summary.generator_version;
    let verdict = fold(&format!("seeds {ran}@{version}{bug}{end}: {verdict}"), MAX_COLUMNS);
    format!(
        "{blind}{missing}{verdict}\ndigest {:?}, {commit} {}\n",
        summary.digest,
        summary.commits.join(", ")
    )
}
