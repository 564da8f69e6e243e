//! The page of a sweep: groups of failures with their pictures, and plots of what was checked, reached and injected.

use super::{STYLE, engine};
use crate::report::{format_measurement, pluralize, with_thousands};
use crate::support::text::display_first_line;
use crate::sweep::{FailureGroup, Pace, Summary, Tally};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TEMPLATE: &str = include_str!("sweep.html");
/// The pictures of the first groups are a part of the page; those beyond this are only linked.
const MAX_EMBEDDED_BYTES: usize = 4_000_000;

/// What the page of a sweep shows.
#[derive(Serialize)]
pub(in crate::report) struct SweepPage {
    pub(in crate::report) title: String,
    /// As in a picture: `passed` or `failed`.
    pub(in crate::report) verdict: &'static str,
    pub(in crate::report) facts: Vec<NamedText>,
    pub(in crate::report) groups: Vec<Group>,
    pub(in crate::report) pace: Option<Columns>,
    pub(in crate::report) plots: Vec<Plot>,
    pub(in crate::report) commit: String,
    pub(in crate::report) generator_version: u32,
    /// Empty: the sweep has none.
    pub(in crate::report) digest: String,
}

#[derive(Serialize)]
struct Context {
    page: SweepPage,
    style: &'static str,
}

#[derive(Serialize)]
pub(in crate::report) struct NamedText {
    pub(in crate::report) name: &'static str,
    pub(in crate::report) text: String,
}

/// A group of failures.
#[derive(Default, Serialize)]
pub(in crate::report) struct Group {
    signature: String,
    message: String,
    /// How many there are, and how to find them.
    seeds: String,
    /// The cases of the known defects that it shows; empty: none.
    known: String,
    /// Where the picture of its shrunk failure is; empty: it has none.
    picture: String,
    /// The page with the picture; empty: it has none, or there is no room for it.
    embedded: String,
}

/// Events a second: a column for each interval.
#[derive(Serialize)]
pub(in crate::report) struct Columns {
    /// What they say, for readers that do not see them.
    alternative: String,
    count: usize,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    position: usize,
    /// In percent of the highest.
    top: String,
    height: String,
    title: String,
}

/// A plot: a bar for each name.
#[derive(Serialize)]
pub(in crate::report) struct Plot {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    has_seeds: bool,
    rows: Vec<PlotRow>,
}

#[derive(Serialize)]
pub(in crate::report) struct PlotRow {
    name: String,
    count: String,
    seeds: String,
    /// The length of its bar.
    percent: String,
    /// Where its bar must reach; empty: anywhere.
    floor: String,
    /// `never`: it is zero. `below`: it is below its floor.
    class: &'static str,
}

impl Group {
    /// A group whose failures were not shrunk.
    #[cfg(feature = "cli")]
    pub(in crate::report) fn without_picture(signature: &str, message: &str, seeds: String) -> Group {
        Group { signature: signature.to_owned(), message: message.to_owned(), seeds, ..Group::default() }
    }
}

/// Title and meaning of the plot of lines.
const LINES: (&str, &str) = (
    "Lines exercised",
    "In how many seeds each line on which correctness rests was exercised: the run would have gone on differently \
     without it. A line is named by the bug that leaves it out. The bars show the share of the seeds.",
);

impl Plot {
    /// In how many of `runs` each line was exercised, the rarest first.
    #[cfg(feature = "cli")]
    pub(in crate::report) fn of_lines(exercised: &BTreeMap<&'static str, u64>, runs: u64) -> Plot {
        let mut lines: Vec<_> = exercised.iter().map(|(name, count)| (*count, *name)).collect();
        lines.sort_unstable();
        let row = |(count, name): (u64, &str)| PlotRow {
            name: name.to_owned(),
            count: with_thousands(count),
            seeds: String::new(),
            percent: format!("{:.1}", count as f64 / runs.max(1) as f64 * 100.0),
            floor: String::new(),
            class: if count == 0 { "never" } else { "" },
        };
        let rows = lines.into_iter().map(row).collect();
        Plot { id: "line", title: LINES.0, about: LINES.1, unit: "runs", has_seeds: false, rows }
    }
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
    let mut room = MAX_EMBEDDED_BYTES;
    let groups = summary.groups();
    let groups = groups.iter().map(|group| describe(group, pictures, page, &mut room)).collect();
    let page = SweepPage {
        title,
        verdict: if summary.is_success() { "passed" } else { "failed" },
        facts,
        groups,
        pace: columns(&summary.pace),
        plots: plots(summary),
        commit: summary.commits.join(", "),
        generator_version: summary.generator_version,
        digest: format!("{:?}", summary.digest),
    };
    page.render()
}

impl SweepPage {
    /// The page.
    pub(in crate::report) fn render(self) -> String {
        let mut engine = engine();
        engine.add_template("sweep", TEMPLATE).expect("the template is valid");
        let context = Context { page: self, style: STYLE };
        engine.template("sweep").render(context).to_string().expect("the template names what the context has")
    }
}

/// `room`: how many bytes of pictures the page still takes.
fn describe(
    group: &FailureGroup<'_>,
    pictures: &BTreeMap<u64, PathBuf>,
    page: &Path,
    room: &mut usize,
) -> Group {
    let picture = group.failures.iter().find_map(|failure| pictures.get(&failure.seed));
    // A picture that cannot be read is still linked.
    let embedded = picture.and_then(|picture| std::fs::read_to_string(picture).ok());
    let embedded = embedded.filter(|text| text.len() <= *room).unwrap_or_default();
    *room -= embedded.len();
    Group {
        embedded,
        signature: group.signature.to_string(),
        message: display_first_line(&group.failures[0].message),
        seeds: format!("{}, first: {}", pluralize(group.count, "seed", "seeds"), group.failures[0].seed),
        known: group.known.join(", "),
        picture: picture.map_or_else(String::new, |picture| relative(picture, page)),
    }
}

/// The events a second of each interval; `None` if there was only one.
fn columns(pace: &Pace) -> Option<Columns> {
    let rates: Vec<f64> = pace.events.iter().map(|events| *events as f64 / pace.seconds as f64).collect();
    let most = rates.iter().copied().fold(0.0, f64::max);
    if rates.len() < 2 || most == 0.0 {
        return None;
    }
    // The last interval may have been cut short.
    let whole = &rates[..rates.len() - 1];
    let least = whole.iter().copied().fold(f64::INFINITY, f64::min);
    let interval = match pace.seconds {
        1 => "second".to_owned(),
        seconds => format!("{} seconds", with_thousands(seconds)),
    };
    let column = |(position, rate): (usize, &f64)| Column {
        position,
        top: format!("{:.1}", 100.0 - rate / most * 100.0),
        height: format!("{:.1}", rate / most * 100.0),
        title: format!("from second {}: {}", position as u64 * pace.seconds, format_measurement(*rate)),
    };
    Some(Columns {
        alternative: format!(
            "A column for each {interval} since the sweep, or each of its parts, began: {} to {} events a second. The last \
             column may stand for less time.",
            format_measurement(least),
            format_measurement(most)
        ),
        count: rates.len(),
        columns: rates.iter().enumerate().map(column).collect(),
    })
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
    let floors = summary.floors();
    let plot = |id, title, about, unit, tallies: &[Tally], has_seeds| {
        let most = tallies.iter().map(|tally| scale(tally, has_seeds, summary)).fold(0.0, f64::max);
        let floor = |tally: &Tally| floors.and_then(|it| it.floor_of(id, &tally.name, summary.seeds));
        let rows = tallies.iter().map(|tally| {
            let length = scale(tally, has_seeds, summary);
            with_floor(row(tally, length, most, has_seeds), tally, floor(tally), summary.seeds)
        });
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
            "milestone",
            "Milestones",
            "How often each situation was reached. The bars show the share of the seeds, and a line the share that a large \
             sweep of default plans must have.",
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
        plot("line", LINES.0, LINES.1, "seeds", &summary.exercised, true),
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
        floor: String::new(),
        class: if tally.count == 0 { "never" } else { "" },
    }
}

/// Marks in a row of seeds how many there must be.
fn with_floor(row: PlotRow, tally: &Tally, floor: Option<u64>, seeds: u64) -> PlotRow {
    let Some(floor) = floor else { return row };
    let class = if tally.seeds < floor { "below" } else { row.class };
    PlotRow { floor: format!("{:.1}", floor as f64 / seeds.max(1) as f64 * 100.0), class, ..row }
}
