//! The summary at the end of a sweep.

use super::{command, grouped, measured};
use crate::plan::GENERATOR_VERSION;
use crate::sweep::{Found, Summary, Tally};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many seeds are named for each property; the others are in the folder.
const NAMED: usize = 5;

/// What a person reads at the end of a sweep.
#[must_use]
pub fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    for table in [overview(summary), looked(summary), milestones(summary), faults(summary)] {
        // Where nothing was counted a table would only be its own head.
        if table.row_count() > 0 {
            writeln!(text, "{table}\n").expect("a string takes all");
        }
    }
    text + &failures(summary) + &last_line(summary)
}

fn overview(summary: &Summary) -> Table {
    let (counts, seeds) = (&summary.counts, summary.seeds);
    let mut table = columns(&["", "in all", "per seed"]);
    table.add_row(["seeds", &grouped(seeds), ""]);
    let mut row = |name: &str, count: u64| {
        let mean = if seeds == 0 { 0.0 } else { count as f64 / seeds as f64 };
        table.add_row([name.to_owned(), grouped(count), measured(mean)]);
    };
    row("events", counts.events);
    row("simulated seconds", counts.simulated / 1_000_000_000);
    row("client operations", counts.operations);
    row("  of unknown outcome", counts.unknown_operations);
    row("leader changes", counts.leader_changes);
    row("power losses", counts.power_losses);
    row("facts", counts.facts);
    let mut line = |name: &str, value: String| {
        table.add_row([name.to_owned(), value, String::new()]);
    };
    let heartbeats = (counts.heartbeats * 1_000).checked_div(counts.events).unwrap_or(0);
    line("heartbeats of all events", format!("{}.{} %", heartbeats / 10, heartbeats % 10));
    line("real seconds", measured(summary.took.as_secs_f64()));
    line("simulated / real time", measured(summary.simulated_per_second()));
    line("checked events / second", measured(summary.events_per_second()));
    line("  per core", measured(summary.events_per_second() / summary.cores() as f64));
    line("seeds kept", grouped(summary.kept));
    line("seeds undecided", grouped(summary.unknown));
    line("seeds failed", grouped(summary.failures.len() as u64));
    table
}

fn looked(summary: &Summary) -> Table {
    let mut table = columns(&["property", "looked"]);
    for tally in &summary.looked {
        // A property that never looked has not passed.
        let count = if tally.count == 0 { "0 (never)".into() } else { grouped(tally.count) };
        table.add_row([tally.name.to_owned(), count]);
    }
    table
}

fn milestones(summary: &Summary) -> Table {
    let mut table = columns(&["milestone", "reached", "in seeds"]);
    for Tally { name, count, seeds } in &summary.milestones {
        table.add_row([(*name).to_owned(), grouped(*count), grouped(*seeds)]);
    }
    table
}

fn faults(summary: &Summary) -> Table {
    let mut table = columns(&["fault", "struck", "in seeds"]);
    for Tally { name, count, seeds } in &summary.faults {
        table.add_row([(*name).to_owned(), grouped(*count), grouped(*seeds)]);
    }
    table
}

/// A table with this head; the first column holds names, the others numbers.
fn columns(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(head.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The failures, property by property, each with the line to type.
fn failures(summary: &Summary) -> String {
    let mut by_property: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for found in &summary.failures {
        by_property.entry(&found.property).or_default().push(found);
    }
    let settings = &summary.settings;
    let mut text = String::new();
    for (property, found) in by_property {
        let seeds = if found.len() == 1 { "seed" } else { "seeds" };
        text += &format!("{property}: broken by {} {seeds}\n", grouped(found.len() as u64));
        for found in found.iter().take(NAMED) {
            text += &format!("  seed {}: {}\n", found.seed, found.sentence);
            let line = command("run", found.seed, settings.bug.as_deref(), &settings.without);
            text += &format!("    {line} --trace\n");
            match &found.plan {
                Some(path) => text += &format!("    kept in {}\n", path.display()),
                None => text += "    could not be written; the seed says all of it\n",
            }
        }
        if let Some(more) = found.len().checked_sub(NAMED).filter(|&more| more > 0) {
            text += &format!("  and {} more in {}\n", grouped(more as u64), settings.out.display());
        }
        text.push('\n');
    }
    text
}

fn last_line(summary: &Summary) -> String {
    let end = if summary.cut_short { " (ended early)" } else { "" };
    let bug = summary.settings.bug.as_ref().map(|bug| format!(" with the bug {bug}")).unwrap_or_default();
    let verdict = match summary.failures.len() {
        0 if summary.seeds == 0 => "no seed was run".to_owned(),
        0 if summary.unknown == 0 => "all promises kept".to_owned(),
        0 => format!("no promise broken, {} undecided", grouped(summary.unknown)),
        1 => "1 seed broke a promise".to_owned(),
        many => format!("{} seeds broke a promise", grouped(many as u64)),
    };
    let (start, seeds) = (summary.settings.seeds.start, summary.seeds);
    format!(
        "seeds {start}..{}@{GENERATOR_VERSION}{bug}{end}: {verdict}; digest {:?}\n",
        start.saturating_add(seeds),
        summary.digest
    )
}
