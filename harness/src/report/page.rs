//! What people read of one run.

use super::timeline::{
    Timeline, evidence_line, format_number_ranges, index_of, request_of, requests_in, timeline,
};
use super::{fold, format_measurement, harness_command, pluralize};
use crate::case::{Case, ShrunkFrom};
use crate::outcome::{COMMIT, EvidenceKind, Failure, Options, Outcome, RunRecord, TraceLine, Verdict};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan, SimDuration};
use crate::text::display_line;
use crate::vocabulary;
use invariants::{Call, Fact, RequestId};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Where the plan of a run came from.
#[derive(Clone, Copy, Debug)]
pub enum PlanSource<'a> {
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
/// timeline of what matters, what clients saw, how far it was shrunk, and what to type next. Lines are folded at this
/// width ([`super::width`]), but for the first one, for pictures and for what is to be typed.
#[must_use]
pub fn run_page(
    plan: &Plan,
    origin: PlanSource<'_>,
    record: &RunRecord,
    shrunk: Option<ShrunkFrom>,
    options: &Options,
    width: usize,
) -> String {
    let outcome = &record.outcome;
    let counts = &outcome.counts;
    let mut page = match origin {
        PlanSource::File { path, .. } => display_path(path),
        PlanSource::Seed => format!("seed {} (generator {GENERATOR_VERSION})", plan.seed),
    };
    page += &format!(", {}", pluralize(plan.nodes, "server", "servers"));
    if let Some(bug) = &plan.bug {
        page += &format!(", bug {bug}");
    }
    page += &match &outcome.verdict {
        Verdict::Passed => ": all promises kept\n".to_owned(),
        Verdict::Unknown(key) => format!(": no promise broken, but the search was not done: {key}\n"),
        Verdict::Failed(failure) => {
            let story = timeline(plan.nodes, record, width).filter(|_| !record.trace.is_empty());
            let (clash, tale) = (
                conflict_section(failure, story.as_ref()),
                failure_details(plan, record, story.as_ref(), shrunk),
            );
            format!(": {} broken\n\n{clash}{tale}", failure.property)
        }
    };
    writeln!(
        page,
        "\n{} in {} s simulated, {}, {}, {}\ndigest {:?}, commit {COMMIT}",
        pluralize(counts.events, "event", "events"),
        format_measurement(counts.simulated as f64 / 1e9),
        pluralize(counts.operations, "operation", "operations"),
        pluralize(counts.leader_changes, "leader change", "leader changes"),
        pluralize(counts.power_losses, "power loss", "power losses"),
        outcome.digest,
    )
    .expect("a string takes all");
    if matches!(outcome.verdict, Verdict::Failed(_)) {
        page += &next_steps(plan, origin, shrunk.is_some(), options);
    }
    // What it came to stays in one line, for whoever looks for it in a log.
    let (head, rest) = page.split_once('\n').expect("more than a line");
    format!("{head}\n{}", fold(rest, width))
}

/// How it came to be: the plan, the timeline, the clients, and how much there was before it was shrunk.
fn failure_details(
    plan: &Plan,
    record: &RunRecord,
    story: Option<&Timeline>,
    shrunk: Option<ShrunkFrom>,
) -> String {
    let mut text = format!("\nthe plan:\n{}", plan_summary(plan));
    if let Some(story) = story {
        let (lines, told, folded) = (story.rows.len() as u64, story.shown_events, story.folded);
        text += &format!(
            "\nhow it happened (L leads, c campaigns, f follows, x down; ! clashes):\n{}\n",
            story.header
        );
        story.rows.iter().for_each(|row| text += &format!("{row}\n"));
        text += &format!(
            "  {}{}; {} that changed nothing here folded away\n",
            pluralize(told, "event told", "events told"),
            if told > lines { format!(" in {}", pluralize(lines, "line", "lines")) } else { String::new() },
            pluralize(folded, "event", "events")
        );
    }
    text += &client_operations(record);
    if let Some(shrunk) = shrunk {
        text += &shrink_summary(plan, record.outcome.counts.operations, shrunk);
    }
    text
}

/// How large it was before it was shrunk. What had to go is the plan's: without a fault or two it may take more operations
/// until it fails.
fn shrink_summary(plan: &Plan, left: u64, ShrunkFrom { faults, operations, runs }: ShrunkFrom) -> String {
    let (faults, runs) = (pluralize(faults, "fault", "faults"), pluralize(runs, "run", "runs"));
    let called = pluralize(operations, "operation", "operations");
    if left > operations {
        let left = pluralize(left, "operation", "operations");
        return format!(
            "\nshrunk from {faults} to {}, in {runs}; clients call {left} until it fails, and called {called} before\n",
            plan.faults.len()
        );
    }
    format!("\nshrunk from {faults} and {called} to {} and {left}, in {runs}\n", plan.faults.len())
}

/// The plan in about ten lines.
fn plan_summary(plan: &Plan) -> String {
    const FAULTS: usize = 5;
    let Plan { raft, network, disk, .. } = plan;
    let on = |switch: bool, name: &str| if switch { format!(", {name}") } else { String::new() };
    let mut text = format!(
        "  {} of which {} found the group, storm {}, chance from seed {}\n",
        pluralize(plan.nodes, "server", "servers"),
        plan.initial_voters(),
        plan.fault_phase,
        plan.seed
    );
    text += &format!(
        "  elections after {}, heartbeat {}, batch {}, window {}, syncs {}{}{}\n",
        format_range(raft.election_timeout, raft.election_timeout_spread),
        raft.heartbeat,
        raft.batch,
        raft.window,
        raft.max_in_flight_syncs,
        on(raft.pre_vote, "pre-vote"),
        on(raft.check_quorum, "check-quorum"),
    );
    text += &format!(
        "  messages take {}, {} lost, {} doubled, {} overtaken, {} slow\n",
        format_range(network.delay, network.delay_spread),
        network.loss,
        network.duplication,
        network.reordering,
        network.tail
    );
    text += &format!("  syncs take {}, {} slow\n", format_range(disk.sync, disk.sync_spread), disk.tail);
    text += &format!("  {}\n", clients_summary(plan));
    for fault in plan.faults.iter().take(FAULTS) {
        text += &format!("  {fault}\n");
    }
    match plan.faults.len().saturating_sub(FAULTS) {
        0 if plan.faults.is_empty() => text += "  no faults\n",
        0 => {}
        more => text += &format!("  and {} more\n", pluralize(more as u64, "fault", "faults")),
    }
    text
}

/// A span of time as its ends.
fn format_range(least: SimDuration, spread: SimDuration) -> String {
    match spread.0 {
        0 => least.to_string(),
        spread => format!("{least} to {}", SimDuration(least.0.saturating_add(spread))),
    }
}

/// Who calls, and when.
fn clients_summary(plan: &Plan) -> String {
    let clients = &plan.clients;
    let (count, pause) = (pluralize(clients.count, "client", "clients"), clients.think_time);
    let Some(calls) = &clients.calls else { return format!("{count} with a call each {pause}") };
    let turns = |calls: &[u64]| {
        let word = if calls.len() == 1 { "turn" } else { "turns" };
        format!("{word} {}", format_number_ranges(calls).join(" "))
    };
    let each = calls.iter().zip(1..).filter(|(calls, _)| !calls.is_empty());
    let each: Vec<String> =
        each.map(|(calls, client)| format!("c{client} at its {}", turns(calls))).collect();
    match each.is_empty() {
        true if clients.count == 1 => "1 client that calls nothing".to_owned(),
        true => format!("{count} that call nothing"),
        false => format!("{count} with a turn each {pause}, of whom call only {}", each.join(", ")),
    }
}

/// The operations that the clash concerns, and some more on the same keys; the last ones where it concerns none.
fn client_operations(record: &RunRecord) -> String {
    const TOLD: usize = 8;
    let history = &record.history;
    if history.is_empty() {
        return String::new();
    }
    let concerned = match &record.outcome.verdict {
        Verdict::Failed(failure) => conflicting_requests(failure, record),
        _ => BTreeSet::new(),
    };
    let of_clash = |call: &Call| concerned.contains(&call.id);
    let keys: BTreeSet<u64> =
        history.iter().filter(|call| of_clash(call)).map(|call| call.operation.key).collect();
    let last = history.iter().filter(|call| of_clash(call)).map(|call| call.called).max();
    // Those of the clash, then the nearest in time to the last of these on the same keys; of all, if there is none.
    let mut order: Vec<&Call> =
        history.iter().filter(|call| keys.is_empty() || keys.contains(&call.operation.key)).collect();
    order.sort_by_key(|call| {
        let distance = last.map_or(u64::MAX - call.called, |last| last.abs_diff(call.called));
        (!of_clash(call), distance)
    });
    order.truncate(TOLD);
    order.sort_by_key(|call| call.called);
    let mut text = String::from("\nwhat clients asked:\n");
    for call in &order {
        let mark = if of_clash(call) { '!' } else { ' ' };
        text += &format!("{mark} {:>13}  {} {}: ", format_seconds(call.called), call.id, call.operation);
        text += &match (&call.returned, record.rejections.get(&call.id)) {
            (Some((at, response)), _) => format!("{response}, after {}\n", format_seconds(at - call.called)),
            (None, Some(refused)) if refused.is_final => {
                let after = format_seconds(refused.at.saturating_sub(call.called));
                format!("refused by n{}, after {after}\n", refused.node)
            }
            (None, Some(refused)) => format!("no answer, but n{} refused a copy of it\n", refused.node),
            (None, None) => "no answer\n".to_owned(),
        };
    }
    let others = history.len() - order.len();
    if others > 0 {
        text += &format!("  and {}\n", pluralize(others as u64, "other operation", "other operations"));
    }
    text
}

/// The requests that a clash is about: those that its sides and its sentence name, and those at the places in the log that
/// it names.
fn conflicting_requests(failure: &Failure, record: &RunRecord) -> BTreeSet<RequestId> {
    let mut named: BTreeSet<RequestId> = requests_in(&failure.sentence).collect();
    named.extend(failure.evidence.iter().filter_map(|side| side.request));
    let of_facts = failure.facts.iter().flat_map(|facts| facts.first.iter().chain([&facts.second]));
    let of_sides = failure.evidence.iter().filter_map(|side| match &side.kind {
        EvidenceKind::Fact(fact) => Some(fact),
        EvidenceKind::Text(..) => None,
    });
    let mut indexes = BTreeSet::new();
    for fact in of_facts.map(|observed| &observed.fact).chain(of_sides) {
        indexes.extend(index_of(fact));
        named.extend(request_of(fact));
    }
    named.extend(record.facts.iter().filter_map(|observed| match observed.fact {
        Fact::Applied { index, request, .. } if indexes.contains(&index) => request,
        Fact::WriteAcknowledged { index, write } if indexes.contains(&index) => Some(write),
        _ => None,
    }));
    named
}

/// What was promised, what was seen, and what clashes.
fn conflict_section(failure: &Failure, story: Option<&Timeline>) -> String {
    let mut text = String::new();
    let properties = vocabulary::properties();
    if let Some((_, promise)) = properties.iter().find(|(name, _)| *name == failure.property) {
        text += &format!("  promised: {promise}\n");
    }
    let seen = story.map_or(&failure.sentence, |story| &story.observed);
    let seen: Vec<String> = seen.trim_end().split('\n').map(display_line).collect();
    text += &format!("  seen:     {}\n", seen.join("\n    "));
    if let Some(story) = story.filter(|story| !story.clash.is_empty()) {
        text.push('\n');
        story.clash.iter().for_each(|line| text += &format!("  {line}\n"));
    } else if let Some(facts) = &failure.facts {
        text.push('\n');
        for fact in facts.first.iter().chain([&facts.second]) {
            let who = format!("n{}", fact.node);
            text += &format!("  {}\n", evidence_line(fact.step, fact.at, &who, &fact_fields(&fact.fact)));
        }
    } else if !failure.evidence.is_empty() {
        text.push('\n');
        for side in &failure.evidence {
            let words = match &side.kind {
                EvidenceKind::Fact(fact) => fact_fields(fact),
                EvidenceKind::Text(words, _) => words.clone(),
            };
            text += &format!("  {}\n", evidence_line(side.step, side.at, &side.actor.to_string(), &words));
        }
    }
    text
}

/// What to type after a failure.
fn next_steps(plan: &Plan, origin: PlanSource<'_>, is_small: bool, options: &Options) -> String {
    match origin {
        PlanSource::File { path, bug } => {
            let path = shell_quote(path);
            let run = harness_command(&format!("run --plan {path}"), bug, &options.disabled);
            let mut text = format!("\nto see it all happen:\n  {run} --trace\n");
            if !is_small {
                let shrink = harness_command(&format!("shrink {path}"), bug, &options.disabled);
                text += &format!("to make it smaller:\n  {shrink}\n");
            }
            let keep = harness_command(&format!("keep {path}"), bug, &[]);
            text + &format!("to keep it for ever:\n  {keep} --name NAME\n")
        }
        PlanSource::Seed => {
            let (seed, bug) = (plan.seed, plan.bug.as_deref());
            let run = harness_command(&format!("run --seed {seed}"), bug, &options.disabled);
            let shrink = harness_command(&format!("shrink --seed {seed}"), bug, &options.disabled);
            let keep = harness_command(&format!("keep --seed {seed}"), bug, &[]);
            format!(
                "\nto see it all happen:\n  {run} --trace\nto make it smaller:\n  {shrink}\nto keep it for ever:\n  \
                 {keep} --name NAME\n"
            )
        }
    }
}

/// What to type so that shrinking goes on where it ended.
#[must_use]
pub fn continue_shrink_command(path: &Path, options: &Options) -> String {
    // The smaller plan stands in the folder that it came to, and the next one shall come there, too.
    let out = path.parent().filter(|out| !["", "failures"].map(Path::new).contains(out));
    let out = out.map_or_else(String::new, |out| format!(" --out {}", shell_quote(out)));
    harness_command(&format!("shrink {}{out}", shell_quote(path)), None, &options.disabled)
}

/// A path as a shell takes it for one word.
pub(super) fn shell_quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The page of a stored case: whether it did what was expected of it.
#[must_use]
pub fn case_report(case: &Case, outcome: &Outcome) -> String {
    let story = case.description.trim_end();
    if case.is_met_by(outcome) {
        return format!("{story}\n\nas expected: {}\n", case.expect);
    }
    let missed = case.missed_milestones(outcome);
    let missed = if missed.is_empty() || !case.expect.is_met_by(&outcome.verdict) {
        String::new()
    } else {
        format!("; but it no longer reaches {}", missed.join(", "))
    };
    format!("{story}\n\nNEWS: expected was: {}{missed}\n", case.expect)
}

/// What came of a case with its bug switched off, where all promises must be kept.
#[must_use]
pub fn case_report_without_bug(bug: &str, verdict: &Verdict) -> String {
    let came = match verdict {
        Verdict::Passed => return format!("as expected without {bug}: all promises kept\n"),
        Verdict::Unknown(sentence) => format!("linearizability was not decided: {sentence}"),
        Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.sentence),
    };
    format!("NEWS: expected was without {bug}: all promises kept; but {came}\n")
}

/// A line of the timeline, in fixed columns: when, which event, which server, what.
#[must_use]
pub fn trace_line(line: &TraceLine) -> String {
    let node = if line.node == 0 { "-".to_owned() } else { format!("n{}", line.node) };
    format!("{:>14}  {:>8}  {node:<4}  {}", format_seconds(line.at), line.step, line.text)
}

/// A fact in the words of its fields.
fn fact_fields(fact: &Fact) -> String {
    let mut text = String::new();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(fact) {
        if let Some(serde_json::Value::String(name)) = fields.get("fact") {
            text += &name.replace('_', " ");
        }
        for (field, value) in fields.iter().filter(|(field, _)| *field != "fact") {
            text += &format!(" {field}={}", value.to_string().replace('"', ""));
        }
    }
    text
}

/// Nanoseconds as seconds, to the last one, so that two moments never look the same.
fn format_seconds(nanos: u64) -> String {
    format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
