//! What people read of one run.

use super::{command, grouped};
use crate::case::Case;
use crate::outcome::{Line, Options, Outcome, Verdict};
use crate::plan::{GENERATOR_VERSION, Plan};
use invariants::Observed;
use std::fmt::Write;
use std::path::Path;

/// The page of a verdict: what came of the run, the facts that clash, and what to type next. `file` is where the plan
/// came from; `None`: from its seed.
#[must_use]
pub fn verdict(plan: &Plan, file: Option<&Path>, outcome: &Outcome, options: &Options) -> String {
    let counts = &outcome.counts;
    let mut page = match file {
        Some(file) => format!("{}, {} servers", file.display(), plan.nodes),
        None => format!("seed {}@{GENERATOR_VERSION}, {} servers", plan.seed, plan.nodes),
    };
    if let Some(bug) = &plan.bug {
        page += &format!(", bug {bug}");
    }
    page += &match &outcome.verdict {
        Verdict::Kept => ": all promises kept\n".to_owned(),
        Verdict::Unknown(key) => format!(": no promise broken, but the search was not done: {key}\n"),
        Verdict::Failed(failure) => format!(": {} broken\n\n  {}\n", failure.property, failure.sentence),
    };
    if let Verdict::Failed(failure) = &outcome.verdict
        && let Some(facts) = &failure.facts
    {
        page.push('\n');
        for fact in facts.first.iter().chain([&facts.second]) {
            page += &format!("  {}\n", observed(fact));
        }
    }
    writeln!(
        page,
        "\n{} events in {} simulated, {} operations, {} leader changes, {} power losses\ndigest {:?}",
        grouped(counts.events),
        seconds(counts.simulated),
        grouped(counts.operations),
        grouped(counts.leader_changes),
        grouped(counts.power_losses),
        outcome.digest,
    )
    .expect("a string takes all");
    if matches!(outcome.verdict, Verdict::Failed(_)) {
        page += &next_steps(plan, file, options);
    }
    page
}

/// What to type after a failure.
fn next_steps(plan: &Plan, file: Option<&Path>, options: &Options) -> String {
    match file {
        Some(file) => {
            format!("\nto see it happen:\n  cargo run --release -- run --plan {} --trace\n", file.display())
        }
        None => {
            let bug = plan.bug.as_deref();
            let (run, keep) =
                (command("run", plan.seed, bug, &options.without), command("keep", plan.seed, bug, &[]));
            format!("\nto see it happen:\n  {run} --trace\nto keep it for ever:\n  {keep} --name NAME\n")
        }
    }
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
