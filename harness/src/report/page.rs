//! What people read of one run.

use super::story::{Story, story};
use super::{command, counted, measured};
use crate::case::{Case, Shrunk};
use crate::outcome::{COMMIT, Failure, Line, Options, Outcome, Record, Verdict};
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

/// The page of a verdict: what came of the run; where a promise was broken also the facts that clash, the plan, the
/// timeline of what matters, what clients saw, how far it was shrunk, and what to type next.
#[must_use]
pub fn verdict(
    plan: &Plan,
    origin: Origin<'_>,
    record: &Record,
    shrunk: Option<Shrunk>,
    options: &Options,
) -> String {
    let outcome = &record.outcome;
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
        Verdict::Failed(failure) => {
            let story = story(plan.nodes, record).filter(|_| !record.timeline.is_empty());
            let (clash, tale) = (clash(failure, story.as_ref()), tale(plan, record, story.as_ref(), shrunk));
            format!(": {} broken\n\n{clash}{tale}", failure.property)
        }
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
        page += &next_steps(plan, origin, shrunk.is_some(), options);
    }
    page
}

/// How it came to be: the plan, the timeline, the clients, and how much there was before it was shrunk.
fn tale(plan: &Plan, record: &Record, story: Option<&Story>, shrunk: Option<Shrunk>) -> String {
    let mut text = format!("\nthe plan:\n{}", outline(plan));
    if let Some(story) = story {
        let (lines, folded) = (story.rows.len() as u64, story.folded);
        text += &format!(
            "\nhow it happened (L leads, c campaigns, f follows, x down; ! clashes):\n{}\n",
            story.head
        );
        story.rows.iter().for_each(|row| text += &format!("{row}\n"));
        text += &format!(
            "  {}; {} that changed nothing here folded away\n",
            counted(lines, "event told", "events told"),
            counted(folded, "event", "events")
        );
    }
    text += &asked(record);
    if let Some(Shrunk { faults, operations, runs }) = shrunk {
        text += &format!(
            "\nshrunk from {} and {} to {} and {}, in {}\n",
            counted(faults, "fault", "faults"),
            counted(operations, "operation", "operations"),
            plan.faults.len(),
            record.outcome.counts.operations,
            counted(runs, "run", "runs"),
        );
    }
    text
}

/// The plan in about ten lines.
fn outline(plan: &Plan) -> String {
    const FAULTS: usize = 5;
    let Plan { raft, network, disk, clients, .. } = plan;
    let on = |switch: bool, name: &str| if switch { format!(", {name}") } else { String::new() };
    let calls = clients.calls.as_ref().map_or_else(String::new, |calls| {
        let turns = |calls: &Vec<u64>| calls.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        let each = calls.iter().zip(1..).filter(|(calls, _)| !calls.is_empty());
        let each: Vec<String> =
            each.map(|(calls, client)| format!("c{client} at turn {}", turns(calls))).collect();
        if each.is_empty() { ", nobody calls".into() } else { format!(", calls only {}", each.join(", ")) }
    });
    let mut text = format!(
        "  {} of which {} found the group, storm {}, chance from seed {}\n",
        counted(plan.nodes, "server", "servers"),
        plan.founders(),
        plan.storm,
        plan.seed
    );
    text += &format!(
        "  elections after {} + {}, heartbeat {}, batch {}, window {}, syncs {}{}{}\n",
        raft.election_timeout,
        raft.election_timeout_spread,
        raft.heartbeat,
        raft.batch,
        raft.window,
        raft.syncs,
        on(raft.pre_vote, "pre-vote"),
        on(raft.check_quorum, "check-quorum"),
    );
    text += &format!(
        "  messages take {} + {}, {} lost, {} doubled, {} overtaken, {} slow\n",
        network.delay,
        network.delay_spread,
        network.loss,
        network.duplication,
        network.reordering,
        network.tail
    );
    text += &format!("  syncs take {} + {}, {} slow\n", disk.sync, disk.sync_spread, disk.tail);
    text += &format!(
        "  {} with a call each {}{calls}\n",
        counted(clients.count, "client", "clients"),
        clients.pause
    );
    for fault in plan.faults.iter().take(FAULTS) {
        text += &format!("  {fault}\n");
    }
    match plan.faults.len().saturating_sub(FAULTS) {
        0 if plan.faults.is_empty() => text += "  no faults\n",
        0 => {}
        more => text += &format!("  and {} more\n", counted(more as u64, "fault", "faults")),
    }
    text
}

/// The operations that clients called, the last ones if there are many.
fn asked(record: &Record) -> String {
    const TOLD: usize = 8;
    let history = &record.history;
    if history.is_empty() {
        return String::new();
    }
    let earlier = history.len().saturating_sub(TOLD);
    let mut text = String::from("\nwhat clients asked:\n");
    if earlier > 0 {
        text += &format!("  {} before these\n", counted(earlier as u64, "operation", "operations"));
    }
    for call in &history[earlier..] {
        let answer = match &call.returned {
            Some((at, response)) => format!("{response}, after {}", seconds(at - call.called)),
            None => "no answer".to_owned(),
        };
        text += &format!("  {}  {} {}: {answer}\n", seconds(call.called), call.id, call.operation);
    }
    text
}

/// What was promised, what was seen, and the facts that clash.
fn clash(failure: &Failure, story: Option<&Story>) -> String {
    let mut text = String::new();
    let properties = vocabulary::properties();
    if let Some((_, promise)) = properties.iter().find(|(name, _)| *name == failure.property) {
        text += &format!("  promised: {promise}\n");
    }
    text += &format!("  seen:     {}\n", failure.sentence.trim_end().replace('\n', "\n    "));
    if let Some(story) = story.filter(|story| !story.clash.is_empty()) {
        text.push('\n');
        story.clash.iter().for_each(|line| text += &format!("  {line}\n"));
    } else if let Some(facts) = &failure.facts {
        text.push('\n');
        for fact in facts.first.iter().chain([&facts.second]) {
            text += &format!("  {}\n", observed(fact));
        }
    }
    text
}

/// What to type after a failure.
fn next_steps(plan: &Plan, origin: Origin<'_>, is_small: bool, options: &Options) -> String {
    match origin {
        Origin::File { path, bug } => {
            let path = quoted(path);
            let run = command(&format!("run --plan {path}"), bug, &options.without);
            let mut text = format!("\nto see it all happen:\n  {run} --trace\n");
            if !is_small {
                let shrink = command(&format!("shrink {path}"), bug, &options.without);
                text += &format!("to make it smaller:\n  {shrink}\n");
            }
            let keep = command(&format!("keep {path}"), bug, &[]);
            text + &format!("to keep it for ever:\n  {keep} --name NAME\n")
        }
        Origin::Seed => {
            let (seed, bug) = (plan.seed, plan.bug.as_deref());
            let run = command(&format!("run --seed {seed}"), bug, &options.without);
            let shrink = command(&format!("shrink --seed {seed}"), bug, &options.without);
            let keep = command(&format!("keep --seed {seed}"), bug, &[]);
            format!(
                "\nto see it all happen:\n  {run} --trace\nto make it smaller:\n  {shrink}\nto keep it for ever:\n  \
                 {keep} --name NAME\n"
            )
        }
    }
}

/// A path as a shell takes it for one word.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The page of a stored case: whether it did what was expected of it.
#[must_use]
pub fn expectation(case: &Case, outcome: &Outcome) -> String {
    let story = case.story.trim_end();
    if case.is_met_by(outcome) {
        return format!("{story}\n\nas expected: {}\n", case.expect);
    }
    let missed = case.missed_by(outcome);
    let missed = if missed.is_empty() || !case.expect.is_met_by(&outcome.verdict) {
        String::new()
    } else {
        format!("; but it no longer reaches {}", missed.join(", "))
    };
    format!("{story}\n\nNEWS: expected was: {}{missed}\n", case.expect)
}

/// What came of a case with its bug switched off, where all promises must be kept.
#[must_use]
pub fn expectation_without_bug(bug: &str, verdict: &Verdict) -> String {
    let came = match verdict {
        Verdict::Kept => return format!("as expected without {bug}: all promises kept\n"),
        Verdict::Unknown(sentence) => format!("linearizability was not decided: {sentence}"),
        Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.sentence),
    };
    format!("NEWS: expected was without {bug}: all promises kept; but {came}\n")
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
