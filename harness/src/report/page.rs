//! What people read of one run.

use super::{command, counted, measured};
use crate::case::Case;
use crate::outcome::{COMMIT, Failure, Line, Options, Outcome, Verdict};
use crate::plan::{GENERATOR_VERSION, Plan};
use crate::vocabulary;
use invariants::Observed;
use std::fmt::Write;
use std::path::Path;

/// Where the plan of a run came from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// From its seed.
    Seed,
    /// From a file.
    File {
        /// Which.
        path: &'a Path,
        /// The bug that was switched on over what the file says.
        bug: Option<&'a str>,
    },
}

/// The page of a verdict: what came of the run, what was promised, the facts that clash, and what to type next.
#[must_use]
pub fn verdict(plan: &Plan, origin: Origin<'_>, outcome: &Outcome, options: &Options) -> String {
    let counts = &outcome.counts;
    let mut page = match origin {
        Origin::File { path, .. } => path.display().to_string(),
        Origin::Seed => format!("seed {}@{GENERATOR_VERSION}", plan.seed),
    };
    page += &format!(", {}", counted(plan.nodes, "server", "servers"));
    if let Some(bug) = &plan.bug {
        page += &format!(", bug {bug}");
    }
    page += &match &outcome.verdict {
        Verdict::Kept => ": all promises kept\n".to_owned(),
        Verdict::Unknown(key) => format!(": no promise broken, but the search was not done: {key}\n"),
        Verdict::Failed(failure) => format!(": {} broken\n\n{}", failure.property, clash(failure)),
    };
    writeln!(
        page,
        "\n{} in {} s simulated, {}, {}, {}\ndigest {:?}, commit {COMMIT}",
        counted(counts.events, "event", "events"),
        measured(counts.simulated as f64 / 1e9),
        counted(counts.operations, "operation", "operations"),
        counted(counts.leader_changes, "leader change", "leader changes"),
        counted(counts.power_losses, "power loss", "power losses"),
        outcome.digest,
    )
    .expect("a string takes all");
    if matches!(outcome.verdict, Verdict::Failed(_)) {
        page += &next_steps(plan, origin, options);
    }
    page
}

/// What was promised, what was seen, and the facts that clash.
fn clash(failure: &Failure) -> String {
    let mut text = String::new();
    let properties = vocabulary::properties();
    if let Some((_, promise)) = properties.iter().find(|(name, _)| *name == failure.property) {
        text += &format!("  promised: {promise}\n");
    }
    text += &format!("  seen:     {}\n", failure.sentence.trim_end().replace('\n', "\n    "));
    if let Some(facts) = &failure.facts {
        text.push('\n');
        for fact in facts.first.iter().chain([&facts.second]) {
            text += &format!("  {}\n", observed(fact));
        }
    }
    text
}

/// What to type after a failure.
fn next_steps(plan: &Plan, origin: Origin<'_>, options: &Options) -> String {
    match origin {
        Origin::File { path, bug } => {
            let run = command(&format!("run --plan {}", quoted(path)), bug, &options.without);
            format!("\nto see it happen:\n  {run} --trace\n")
        }
        Origin::Seed => {
            let (seed, bug) = (plan.seed, plan.bug.as_deref());
            let run = command(&format!("run --seed {seed}"), bug, &options.without);
            let keep = command(&format!("keep --seed {seed}"), bug, &[]);
            format!("\nto see it happen:\n  {run} --trace\nto keep it for ever:\n  {keep} --name NAME\n")
        }
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The page of a stored case: whether it did what was expected of it.
#[must_use]
pub fn expectation(case: &Case, outcome: &Outcome) -> String {
    let story = case.story.trim_end();
    match case.expect.is_met_by(&outcome.verdict) {
        true => format!("{story}\n\nas expected: {}\n", case.expect),
        false => format!("{story}\n\nNEWS: expected was: {}\n", case.expect),
    }
}

/// A line of the timeline, in fixed columns: when, which event, which server, what.
#[must_use]
pub fn timeline(line: &Line) -> String {
    let node = if line.node == 0 { "-".to_owned() } else { format!("n{}", line.node) };
    format!("{:>14}  {:>8}  {node:<4}  {}", seconds(line.at), line.step, line.text)
}

/// A fact in the words of its fields.
fn observed(observed: &Observed) -> String {
    let mut text = format!("{:>14}  {:>8}  n{:<3}", seconds(observed.at), observed.step, observed.node);
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&observed.fact) {
        if let Some(serde_json::Value::String(name)) = fields.get("fact") {
            text += &format!("  {}", name.replace('_', " "));
        }
        for (field, value) in fields.iter().filter(|(field, _)| *field != "fact") {
            text += &format!(" {field}={}", value.to_string().replace('"', ""));
        }
    }
    text
}

/// Nanoseconds as seconds, to the last one, so that two moments never look the same.
fn seconds(nanos: u64) -> String {
    format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
