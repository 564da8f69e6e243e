//! The page of a run as one HTML file, without anything from elsewhere: the picture, its data, and the plain page.
//!
//! The template writes what can be read without the script; `axis.js`, `draw.js` and `page.js` draw the picture from the
//! JSON form in the page. All text is escaped: in the template by its formatter, in the data by `json_for_script`, and
//! the script only sets text.

mod sweep;

pub use sweep::sweep_html;
#[cfg(feature = "cli")]
pub(in crate::report) use sweep::{Group, NamedText, Plot, SweepPage};

use super::picture::{LogEntry, Picture, append_step_summary, shrunk_picture};
use super::{DEFAULT_WIDTH, PlanSource, run_page};
use crate::findings::investigate::ShrunkFinding;
use crate::outcome::Options;
use crate::plan::file;
use crate::systems::SystemInfo;
use invariants::Index;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use upon::{Engine, Value};

const TEMPLATE: &str = include_str!("run.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(include_str!("axis.js"), include_str!("draw.js"), include_str!("page.js"));

/// What the template shows.
#[derive(Serialize)]
struct Context<'a> {
    picture: &'a Picture,
    logs: LogTable,
    plain: &'a str,
    style: &'static str,
    script: &'static str,
    data: String,
}

/// The page of a run. `plain`: its plain page, for readers without a script and for screen readers.
#[must_use]
pub fn run_html(picture: &Picture, plain: &str) -> String {
    let mut engine = engine();
    engine.add_template("run", TEMPLATE).expect("the template is valid");
    let context = Context {
        picture,
        logs: LogTable::of(picture),
        plain,
        style: STYLE,
        script: SCRIPT,
        data: json_for_script(&picture.to_json()),
    };
    engine.template("run").render(context).to_string().expect("the template names what the context has")
}

/// An engine whose templates escape all values, except those that are marked `raw`.
fn engine() -> Engine<'static> {
    let mut engine = Engine::new();
    engine.set_default_formatter(&escape);
    engine.add_formatter("raw", upon::fmt::default);
    engine
}

/// Writes the page of a shrunk failure beside its plan: `x.html` beside `x.toml`. Appends the failure to the summary of the
/// step, if there is one. Returns the file.
///
/// # Errors
///
/// What could not be written: a sentence.
pub fn write_shrunk(
    system: &SystemInfo,
    smaller: &ShrunkFinding,
    plan: &Path,
    options: &Options,
) -> Result<PathBuf, String> {
    let source = PlanSource::File { path: plan, bug: None };
    let picture = shrunk_picture(system, smaller, source, options);
    append_step_summary(&picture)?;
    let (shrunk, width) = (Some(smaller.shrunk), DEFAULT_WIDTH);
    let plain = run_page(&smaller.result.plan, source, &smaller.record, shrunk, options, width);
    let path = plan.with_extension("html");
    file::write_text(&path, &run_html(&picture, &plain)).map_err(|error| error.to_string())?;
    Ok(path)
}

/// Text without markup.
fn escape(f: &mut upon::fmt::Formatter<'_>, value: &Value) -> upon::fmt::Result {
    let Value::String(text) = value else { return upon::fmt::default(f, value) };
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// JSON that cannot end the element that it is in. Only strings have these characters, and there an escape means the
/// same.
fn json_for_script(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(text, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => text.push(c),
        }
    }
    text
}

/// The logs of all servers, an index per row.
#[derive(Serialize)]
struct LogTable {
    heads: Vec<String>,
    rows: Vec<LogRow>,
    omitted: Index,
}

#[derive(Serialize)]
struct LogRow {
    index: Index,
    in_clash: bool,
    cells: Vec<LogCell>,
}

#[derive(Serialize)]
struct LogCell {
    text: String,
    class: &'static str,
}

impl LogTable {
    fn of(picture: &Picture) -> LogTable {
        let logs = &picture.logs;
        let indexes: BTreeSet<Index> =
            logs.iter().flat_map(|log| &log.entries).map(|entry| entry.index).collect();
        let row = |index: Index| {
            let entries: Vec<Option<&LogEntry>> =
                logs.iter().map(|log| log.entries.iter().find(|entry| entry.index == index)).collect();
            LogRow {
                index,
                in_clash: entries.iter().flatten().any(|entry| entry.in_clash),
                cells: entries.into_iter().map(cell).collect(),
            }
        };
        let head = |log: &super::picture::ServerLog| match log.term {
            Some(term) => format!("{} ({}, term {term})", log.lane, log.role),
            None => format!("{} ({})", log.lane, log.role),
        };
        LogTable {
            heads: logs.iter().map(head).collect(),
            rows: indexes.into_iter().map(row).collect(),
            omitted: logs.first().map_or(0, |log| log.omitted),
        }
    }
}

/// A cell: what a server holds at an index.
fn cell(entry: Option<&LogEntry>) -> LogCell {
    let Some(entry) = entry else { return LogCell { text: "-".to_owned(), class: "none" } };
    let text = match (entry.term, entry.durable) {
        (Some(term), Some(durable)) if term == durable => format!("term {term}, durable"),
        (Some(term), Some(durable)) => format!("term {term}, but on disk term {durable}"),
        (Some(term), None) => format!("term {term}, not durable"),
        (None, Some(durable)) => format!("only on disk: term {durable}"),
        (None, None) => "-".to_owned(),
    };
    let class = match (entry.committed, entry.term == entry.durable) {
        (true, _) => "committed",
        (false, true) => "durable",
        (false, false) => "memory",
    };
    LogCell { text: if entry.committed { text + ", committed" } else { text }, class }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
