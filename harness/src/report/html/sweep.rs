//! The page of a sweep: groups of failures with their pictures, and plots of what was checked, reached and injected.

use super::{STYLE, engine};
use crate::report::{format_measurement, pluralize, with_thousands};
use crate::support::text::display_first_line;
use crate::sweep::{FailureGroup, Summary, Tally};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TEMPLATE: &str = include_str!("sweep.html");

#[derive(Serialize)]
struct Context {
    title: String,
    /// As in a picture: `passed` or `failed`.
    verdict: &'static str,
    facts: Vec<NamedText>,
    groups: Vec<Group>,
    plots: Vec<Plot>,
    commit: String,
    generator_version: u32,
    digest: String,
    style: &'static str,
}

#[derive(Serialize)]
struct NamedText {
    name: &'static str,
    text: String,
}

/// A group of failures.
#[derive(Serialize)]
struct Group {
    signature: String,
    message: String,
    seeds: String,
    first_seed: u64,
    /// The cases of the known defects that it shows; empty: none.
    known: String,
    /// Where the picture of its shrunk failure is; empty: it has none.
    picture: String,
}

/// A plot: a bar for each name.
#[derive(Serialize)]
struct Plot {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    has_seeds: bool,
    rows: Vec<PlotRow>,
}

#[derive(Serialize)]
struct PlotRow {
    name: String,
    count: String,
    seeds: String,
    /// The length of its bar.
    percent: String,
    /// `never`: it is zero.
    class: &'static str,
}

/// The page of a sweep. `pictures`: of a seed of some groups, the page of its shrunk failure. `page`: where this page will
/// lie; links are relative to it.
#[must_use]
pub fn sweep_html(summary: &Summary, pictures: &BTreeMap<u64, PathBuf>, page: &Path) -> String {
    let counts = &summary.counts;
    let (failed, _) = summary.failure_counts();
    let mut title = pluralize(summary.seeds, "seed", "seeds");
    if let Some(bug) = &summary.settings.bug {
        title += &format!(" with bug {bug}");
    }
    title += &match failed {
        0 => ": no new failures".to_owned(),
        failed => format!(": {} failed", with_thousands(failed)),
    };
    let mut facts = vec![
        NamedText { name: "Events", text: with_thousands(counts.events) },
        NamedText { name: "Checked events a second", text: format_measurement(summary.events_per_second()) },
        NamedText { name: "Simulated seconds", text: with_thousands(counts.simulated / 1_000_000_000) },
        NamedText { name: "Real seconds", text: format_measurement(summary.elapsed.as_secs_f64()) },
        NamedText { name: "Client operations", text: with_thousands(counts.operations) },
    ];
    let unseen = summary.never_seen();
    if !unseen.is_empty() {
        facts.push(NamedText { name: "Never seen", text: unseen.join(", ") });
    }
    if summary.canaries_missed > 0 {
        facts.push(NamedText { name: "Not to be trusted", text: "a worker missed the canary".to_owned() });
    }
    let context = Context {
        title,
        verdict: if summary.is_success() { "passed" } else { "failed" },
        facts,
        groups: summary.groups().iter().map(|group| describe(group, pictures, page)).collect(),
        plots: plots(summary),
        commit: summary.commits.join(", "),
        generator_version: summary.generator_version,
        digest: format!("{:?}", summary.digest),
        style: STYLE,
    };
    let mut engine = engine();
    engine.add_template("sweep", TEMPLATE).expect("the template is valid");
    engine.template("sweep").render(context).to_string().expect("the template names what the context has")
}

fn describe(group: &FailureGroup<'_>, pictures: &BTreeMap<u64, PathBuf>, page: &Path) -> Group {
    let picture = group.failures.iter().find_map(|failure| pictures.get(&failure.seed));
    Group {
        signature: group.signature.to_string(),
        message: display_first_line(&group.failures[0].message),
        seeds: pluralize(group.count, "seed", "seeds"),
        first_seed: group.failures[0].seed,
        known: group.known.join(", "),
        picture: picture.map_or_else(String::new, |picture| relative(picture, page)),
    }
}

/// The address of a file in a page: relative to the folder of the page, if the file lies below it.
fn relative(file: &Path, page: &Path) -> String {
    let resolve = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (file, page) = (resolve(file), resolve(page));
    let below = page.parent().and_then(|folder| file.strip_prefix(folder).ok()).unwrap_or(&file);
    below.to_string_lossy().chars().flat_map(encode).collect()
}

/// A character of a path in an address.
fn encode(c: char) -> Vec<char> {
    if c.is_ascii_alphanumeric() || ['/', '-', '_', '.', '~'].contains(&c) {
        return vec![c];
    }
    let mut bytes = [0; 4];
    let encoded: String = c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
    encoded.chars().collect()
}

fn plots(summary: &Summary) -> Vec<Plot> {
    let plot = |id, title, about, unit, tallies: &[Tally], has_seeds| {
        let most = tallies.iter().map(|tally| scale(tally, has_seeds, summary)).fold(0.0, f64::max);
        let rows = tallies.iter().map(|tally| row(tally, scale(tally, has_seeds, summary), most, has_seeds));
        Plot { id, title, about, unit, has_seeds, rows: rows.collect() }
    };
    let all = [
        plot(
            "properties",
            "Properties",
            "How often each property compared something that could have failed. The bars are logarithmic. A property \
             without checks has not passed.",
            "checks",
            &summary.checks,
            false,
        ),
        plot(
            "milestones",
            "Milestones",
            "How often each situation was reached. The bars show the share of the seeds.",
            "reached",
            &summary.milestones,
            true,
        ),
        plot(
            "faults",
            "Faults",
            "How often each kind of fault was injected. The bars show the share of the seeds.",
            "injected",
            &summary.faults,
            true,
        ),
    ];
    all.into_iter().filter(|plot| !plot.rows.is_empty()).collect()
}

/// The length of a bar: the share of the seeds, or the logarithm of the count.
fn scale(tally: &Tally, has_seeds: bool, summary: &Summary) -> f64 {
    match has_seeds {
        true => tally.seeds as f64 / summary.seeds.max(1) as f64,
        false => ((tally.count + 1) as f64).log10(),
    }
}

fn row(tally: &Tally, length: f64, most: f64, has_seeds: bool) -> PlotRow {
    let whole = if has_seeds { 1.0 } else { most.max(1.0) };
    PlotRow {
        name: tally.name.to_string(),
        count: with_thousands(tally.count),
        seeds: if has_seeds { with_thousands(tally.seeds) } else { String::new() },
        percent: format!("{:.1}", length / whole * 100.0),
        class: if tally.count == 0 { "never" } else { "" },
    }
}
