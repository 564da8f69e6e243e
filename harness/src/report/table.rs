//! The summary of a sweep.

use super::{format_measurement, pluralize, seed_command, with_thousands, wrap};
use crate::findings::known::KnownDefect;
use crate::plan::file::display_path;
use crate::support::program::{self, shell_quote};
use crate::support::text::{display_first_line, escape};
use crate::sweep::merge::Problem;
use crate::sweep::{
    Baseline, BelowFloor, CorpusFailure, FailureGroup, FailureRecord, KnownCount, Summary, SweepSettings,
    Tally,
};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Width of the last lines.
const MAX_COLUMNS: usize = 80;
/// Seeds named per group. The rest is in the output folder.
const MAX_NAMED_SEEDS: usize = 5;

/// The summary that `sweep` and `merge` print.
#[must_use]
pub fn sweep_summary(summary: &Summary) -> String {
    let mut text = String::new();
    for table in
        [overview_table(summary), checks_table(summary), milestones_table(summary), faults_table(summary)]
    {
        // A table without rows would show only its header.
        if table.row_count() > 0 {
            writeln!(text, "{table}\n").expect("writing to a String cannot fail");
        }
    }
    text + &corpus_section(summary)
        + &failures_section(summary)
        + &known_section(summary)
        + &below_floor_section(summary)
        + &last_lines(summary)
}

/// What too few of the seeds reached.
fn below_floor_section(summary: &Summary) -> String {
    let below = summary.below_floor();
    if below.is_empty() {
        return String::new();
    }
    let mut table = new_table(&["reached too rarely", "in seeds", "at least"]);
    for BelowFloor { kind, name, seeds, floor } in below {
        table.add_row([format!("{kind} {name}"), with_thousands(seeds), with_thousands(floor)]);
    }
    format!("{table}\n\n")
}

/// What is wrong with the parts of a merge, before the summary.
#[must_use]
pub fn merge_problems(problems: &[Problem]) -> String {
    let line = |problem: &Problem| wrap(&problem.to_string(), MAX_COLUMNS, "", "    ").join("\n") + "\n";
    let lines: String = problems.iter().map(line).collect();
    if lines.is_empty() { lines } else { lines + "\n" }
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
    // A forged or merged ledger may hold any number: avoid overflow in the product.
    let permille = u128::from(counts.heartbeats) * 1_000;
    let heartbeats = permille.checked_div(u128::from(counts.events)).unwrap_or(0);
    line("heartbeats of all events", format!("{}.{} %", heartbeats / 10, heartbeats % 10));
    line("real seconds", format_measurement(summary.elapsed.as_secs_f64()));
    line("simulated / real time", format_measurement(summary.simulated_per_second()));
    line("checked events / second", format_measurement(summary.events_per_second()));
    line("  per core", format_measurement(summary.events_per_second() / summary.cores() as f64));
    line("seeds passed", with_thousands(summary.passed));
    line("seeds undecided", with_thousands(summary.unknown));
    let (failed, known) = summary.failure_counts();
    line("seeds failed", with_thousands(failed));
    if !summary.settings.known.is_empty() {
        line("seeds with known defects", with_thousands(known));
    }
    table
}

fn checks_table(summary: &Summary) -> Table {
    let mut table = new_table(&["property", "checks"]);
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
    let mut table = new_table(&["fault", "injected", "in seeds"]);
    for Tally { name, count, seeds } in &summary.faults {
        table.add_row([name.to_string(), with_thousands(*count), with_thousands(*seeds)]);
    }
    table
}

/// A count. Zero is marked: a property without checks has not passed.
fn format_count(count: u64) -> String {
    if count == 0 { "0 (never)".into() } else { with_thousands(count) }
}

/// A table with this header. The first column holds names, the others numbers.
fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(header.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The failures by property and clash, each with its command.
fn failures_section(summary: &Summary) -> String {
    let mut groups = summary.groups();
    groups.retain(|group| group.known.is_empty());
    let Some(Baseline { name, .. }) = &summary.baseline else { return group_lines(&groups, summary) };
    let (new, others): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| summary.is_new(group.signature) == Some(true));
    let title = |title: &str, groups: &[FailureGroup<'_>]| match groups.is_empty() {
        true => String::new(),
        false => format!("{title} {}:\n\n", escape(name)) + &group_lines(groups, summary),
    };
    let new_lines = match new.is_empty() {
        true => format!("NEW: nothing that is not in {}\n\n", escape(name)),
        false => title("NEW, not in", &new),
    };
    new_lines + &title("As in", &others)
}

/// These groups by property, each with its commands.
fn group_lines(groups: &[FailureGroup<'_>], summary: &Summary) -> String {
    let mut text = String::new();
    for groups in groups.chunk_by(|one, other| one.signature.property == other.signature.property) {
        let count = groups.iter().fold(0, |sum: u64, group| sum.saturating_add(group.count));
        text +=
            &format!("{}: violated by {}\n", groups[0].signature.property, pluralize(count, "seed", "seeds"));
        for group in groups {
            if groups.len() > 1 {
                let count = pluralize(group.count, "seed", "seeds");
                text += &format!("  {count} by: {}\n", group.signature.conflict());
            }
            text += &group_members(group, &summary.settings);
            if summary.merged.is_some() {
                text += &smallest_line(group);
            }
        }
        text.push('\n');
    }
    text
}

/// The plans of the corpus: how many ran, which fail, and which no longer do.
fn corpus_section(summary: &Summary) -> String {
    let count = |count: usize| pluralize(count as u64, "plan", "plans");
    if summary.corpus.is_empty() {
        return String::new();
    }
    let failures: Vec<&CorpusFailure> = summary.corpus_failures().collect();
    let mut text = format!("corpus: {} replayed, {} failed\n", count(summary.corpus.len()), failures.len());
    for CorpusFailure { signature, message, plan } in failures {
        text += &format!("  {signature}: {}\n", display_first_line(message));
        text += &format!("    {}\n", program::command(&format!("replay {}", shell_quote(plan))));
    }
    for run in summary.corpus.iter().filter(|run| run.failed_before && run.failure.is_none()) {
        text +=
            &format!("  {} failed before and passes now: if it is mended, remove it\n", escape(&run.name));
    }
    text + "\n"
}

/// Where the smallest plan of a group is.
fn smallest_line(group: &FailureGroup<'_>) -> String {
    let Some(failure) = group.smallest() else { return String::new() };
    let faults = pluralize(failure.plan_faults().unwrap_or_default(), "fault", "faults");
    let path = failure.smallest_plan().map(|path| format!(", in {}", display_path(path))).unwrap_or_default();
    let shrunk = if failure.shrunk.is_some() { ", shrunk" } else { "" };
    format!("  the smallest plan is of seed {}{shrunk}: {faults}{path}\n", failure.seed)
}

/// How often each known defect was seen.
fn known_section(summary: &Summary) -> String {
    let line = |count: &KnownCount<'_>| {
        let KnownCount { defect: KnownDefect { case, signature }, seeds, first_seed } = count;
        let seen = match first_seed {
            Some(first) => format!("{}, the first {first}", pluralize(*seeds, "seed", "seeds")),
            None => "did not appear in these seeds: is it mended? Replay its case".to_owned(),
        };
        let text = format!("known defect {}, {signature}: {seen}", escape(case));
        wrap(&text, MAX_COLUMNS, "", "    ").join("\n") + "\n"
    };
    let lines: String = summary.known_counts().iter().map(line).collect();
    if lines.is_empty() { lines } else { lines + "\n" }
}

/// The first seeds of a group, and the number of the others.
fn group_members(group: &FailureGroup<'_>, settings: &SweepSettings) -> String {
    let mut text = String::new();
    for failure in group.failures.iter().take(MAX_NAMED_SEEDS) {
        text += &format!("  seed {}: {}\n", failure.seed, display_first_line(&failure.message));
        let line = seed_command("run", failure.seed, settings);
        // A trace is printed at the end of a run.
        text += &match failure.signature.has_outcome() {
            true => format!("    {line} --trace\n"),
            false => format!("    RUST_LOG=info {line}\n"),
        };
        match &failure.plan {
            Some(path) => text += &format!("    stored in {}\n", display_path(path)),
            None => text += "    its plan could not be written; the seed reproduces it\n",
        }
    }
    let more = group.failures.get(MAX_NAMED_SEEDS..).unwrap_or_default();
    let unnamed = group.count.saturating_sub(group.failures.len().min(MAX_NAMED_SEEDS) as u64);
    if unnamed > 0 {
        let (count, out) = (with_thousands(unnamed), list_folders(more, &settings.out));
        text += &match more.iter().filter(|failure| failure.plan.is_none()).count() as u64 {
            0 => format!("  and {count} more in {out}\n"),
            unwritten => {
                format!(
                    "  and {count} more in {out}, except {} that could not be written\n",
                    pluralize(unwritten, "plan", "plans")
                )
            }
        };
    }
    text
}

/// The folders that hold these plans; after a merge there may be several.
fn list_folders(failures: &[&FailureRecord], out: &Path) -> String {
    let paths = failures.iter().filter_map(|failure| failure.plan.as_deref()?.parent());
    let mut folders: BTreeSet<&Path> = paths.collect();
    if folders.is_empty() {
        folders.insert(out);
    }
    folders.iter().map(|folder| display_path(folder)).collect::<Vec<_>>().join(", ")
}

/// `one, another and a third`.
fn join_with_and(names: &[&str]) -> String {
    match names {
        [first @ .., before, last] => {
            let first: String = first.iter().map(|name| format!("{name}, ")).collect();
            format!("{first}{before} and {last}")
        }
        names => names.concat(),
    }
}

/// What the plans and properties left out, because the system does not support it.
fn left_out_lines(summary: &Summary) -> String {
    let system = &summary.settings.system;
    let missing: Vec<&str> = system.supports.missing().into_iter().map(|(name, _)| name).collect();
    let mut texts = Vec::new();
    if !missing.is_empty() {
        let mut text = format!("{} does not support {}", system.name, join_with_and(&missing));
        let properties = summary.left_out();
        if !properties.is_empty() {
            text += &format!("; so nothing was checked by {}", join_with_and(&properties));
        }
        texts.push(text);
    }
    let not_asked = system.not_asked();
    if !not_asked.is_empty() {
        let names = join_with_and(&not_asked);
        texts.push(format!("disks go bad without a limit; so nothing was asked of {names}"));
    }
    if !system.unread.is_empty() {
        let unread: Vec<&str> = system.unread.iter().map(|setting| setting.name()).collect();
        texts.push(format!("{} does not read {}", system.name, join_with_and(&unread)));
    }
    texts.iter().map(|text| wrap(text, MAX_COLUMNS, "", "    ").join("\n") + "\n").collect()
}

fn last_lines(summary: &Summary) -> String {
    let canary = match summary.canaries_missed {
        0 => String::new(),
        missed => format!(
            "CANARY MISSED: {} did not catch a known bug before the first seed\n",
            pluralize(missed, "worker", "workers")
        ),
    };
    let missing = match summary.missing.is_empty() {
        true => String::new(),
        false => {
            format!("MISSING: seeds {} were not run, or their results cannot be read\n", summary.missing)
        }
    };
    let left_out = match summary.settings.left_out.as_slice() {
        [] => String::new(),
        left_out => format!(" without {} in plans", left_out.join(", ")),
    };
    let stuck = match summary.stuck {
        0 => String::new(),
        stuck if summary.cut_short && stuck >= summary.settings.max_stuck => {
            format!(
                "ENDED EARLY: {} and keep their threads\n",
                pluralize(stuck as u64, "run hangs", "runs hang")
            )
        }
        _ => String::new(),
    };
    let end = if summary.cut_short { " (ended early)" } else { "" };
    let bug = summary.settings.bug.as_ref().map(|bug| format!(" with the bug {bug}")).unwrap_or_default();
    let (unseen, unchecked) = (summary.never_seen(), summary.never_checked());
    let (failed, known) = summary.failure_counts();
    let has_failed = failed > 0;
    let in_corpus = summary.corpus_failures().count();
    let mut verdict = match failed {
        0 if in_corpus > 0 => format!("no violation, but {in_corpus} in the corpus"),
        0 if known > 0 => "no new violation".to_owned(),
        0 if summary.seeds == 0 => "no seed was run".to_owned(),
        0 if !summary.missing.is_empty() => "no violation in these".to_owned(),
        0 if summary.unknown > 0 || !unseen.is_empty() || !unchecked.is_empty() => "no violation".to_owned(),
        0 => "all properties hold".to_owned(),
        failures => format!("{} failed", pluralize(failures, "seed", "seeds")),
    };
    if summary.unknown > 0 && !has_failed {
        verdict += &format!(", {} undecided", with_thousands(summary.unknown));
    }
    if known > 0 {
        verdict += &format!(", {} with known defects", pluralize(known, "seed", "seeds"));
    }
    if !unseen.is_empty() {
        verdict += &format!(", and {} was ever seen", join_with_and(&unseen));
    }
    if !unchecked.is_empty() && !has_failed {
        verdict += &format!(", but no checks of {}", join_with_and(&unchecked));
    }
    let below_floor = summary.below_floor();
    if !below_floor.is_empty() {
        verdict += &format!(
            ", but {} reached too rarely",
            pluralize(below_floor.len() as u64, "thing was", "things were")
        );
    }
    let start = summary.settings.seeds.start;
    let ran = if summary.ran.is_empty() { format!("{start}..{start}") } else { summary.ran.to_string() };
    let commit = if summary.commits.len() > 1 { "commits" } else { "commit" };
    let version = summary.generator_version;
    let verdict = format!("seeds {ran}@{version}{bug}{left_out}{end}: {verdict}");
    let verdict = wrap(&verdict, MAX_COLUMNS, "", "    ").join("\n");
    let unsupported = left_out_lines(summary);
    let window = summary.settings.window.as_ref();
    let window = window.map(|window| escape(&window.to_string()).into_owned() + "\n").unwrap_or_default();
    format!(
        "{canary}{missing}{stuck}{unsupported}{window}{verdict}\ndigest {:?}, {commit} {}\n",
        summary.digest,
        summary.commits.join(", ")
    )
}
