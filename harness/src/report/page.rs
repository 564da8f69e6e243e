//! The page of one run, and the report of one case.

use super::timeline::{Timeline, evidence_line, format_number_ranges, timeline};
use super::{format_measurement, harness_command, pluralize, wrap};
use crate::findings::case::{Case, ShrunkFrom};
use crate::outcome::catalog;
use crate::outcome::{COMMIT, EvidenceKind, Failure, Options, Outcome, RunRecord, TraceLine, Verdict};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan, SimDuration};
use crate::support::program::shell_quote;
use crate::support::text::display_line;
use invariants::{Call, Fact, RequestId};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Where a plan came from.
#[derive(Clone, Copy, Debug)]
pub enum PlanSource<'a> {
    /// Generated from its seed.
    Seed,
    /// Read from a file.
    File {
        /// The file.
        path: &'a Path,
        /// The bug switched on by the command line.
        bug: Option<&'a str>,
    },
}

/// The page of a run: the verdict; after a violation also the clash, the plan, the timeline, client operations, how
/// far it was shrunk, and the next commands. Wrapped at `width`, except for the first line, pictures and commands.
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
        Verdict::Passed => ": all properties hold\n".to_owned(),
        Verdict::Unknown(key) => format!(": no violation found, but the search exceeded its budget: {key}\n"),
        Verdict::Failed(failure) => {
            let timeline = timeline(plan.nodes, record, width).filter(|_| !record.trace.is_empty());
            let (clash, details) = (
                clash_section(failure, timeline.as_ref()),
                failure_details(plan, record, timeline.as_ref(), shrunk),
            );
            format!(": {} violated\n\n{clash}{details}", failure.property)
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
    .expect("writing to a String cannot fail");
    if matches!(outcome.verdict, Verdict::Failed(_)) {
        page += &next_steps(plan, origin, shrunk.is_some(), options);
    }
    // The first line stays whole, so that it can be found in a log.
    let (first_line, rest) = page.split_once('\n').expect("a page has more than one line");
    format!("{first_line}\n{}", wrap(rest, width))
}

/// The plan, the timeline, the client operations, and the size before shrinking.
fn failure_details(
    plan: &Plan,
    record: &RunRecord,
    timeline: Option<&Timeline>,
    shrunk: Option<ShrunkFrom>,
) -> String {
    let mut text = format!("\nthe plan:\n{}", plan_summary(plan));
    if let Some(timeline) = timeline {
        let (lines, shown, folded) = (timeline.rows.len() as u64, timeline.shown_events, timeline.folded);
        text +=
            &format!("\ntimeline (L leads, c campaigns, f follows, x down; ! clash):\n{}\n", timeline.header);
        timeline.rows.iter().for_each(|row| text += &format!("{row}\n"));
        text += &format!(
            "  {}{}; {} folded away\n",
            pluralize(shown, "event shown", "events shown"),
            if shown > lines { format!(" in {}", pluralize(lines, "line", "lines")) } else { String::new() },
            pluralize(folded, "unrelated event", "unrelated events")
        );
    }
    text += &client_operations(record);
    if let Some(shrunk) = shrunk {
        text += &shrink_summary(plan, record.outcome.counts.operations, shrunk);
    }
    text
}

/// The size before and after shrinking. Only the plan has to become smaller: with fewer faults, more operations may
/// be needed until it fails.
fn shrink_summary(
    plan: &Plan,
    operations_now: u64,
    ShrunkFrom { faults, operations, runs }: ShrunkFrom,
) -> String {
    let (faults, runs) = (pluralize(faults, "fault", "faults"), pluralize(runs, "run", "runs"));
    let before = pluralize(operations, "operation", "operations");
    if operations_now > operations {
        let now = pluralize(operations_now, "operation", "operations");
        return format!(
            "\nshrunk from {faults} to {}, in {runs}; {now} until it fails, {before} before\n",
            plan.faults.len()
        );
    }
    format!("\nshrunk from {faults} and {before} to {} and {operations_now}, in {runs}\n", plan.faults.len())
}

/// The plan in about ten lines.
fn plan_summary(plan: &Plan) -> String {
    const FAULTS: usize = 5;
    let Plan { raft, network, disk, .. } = plan;
    let on = |switch: bool, name: &str| if switch { format!(", {name}") } else { String::new() };
    let mut text = format!(
        "  {}, {}, fault phase {}, seed {}\n",
        pluralize(plan.nodes, "server", "servers"),
        pluralize(plan.initial_voters(), "initial voter", "initial voters"),
        plan.fault_phase,
        plan.seed
    );
    text += &format!(
        "  election timeout {}, heartbeat {}, batch {}, window {}, syncs {}{}{}\n",
        format_range(raft.election_timeout, raft.election_timeout_spread),
        raft.heartbeat,
        raft.batch,
        raft.window,
        raft.max_in_flight_syncs,
        on(raft.pre_vote, "pre-vote"),
        on(raft.check_quorum, "check-quorum"),
    );
    text += &format!(
        "  messages take {}, {} lost, {} duplicated, {} reordered, {} slow\n",
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
        more => text += &format!("  and {}\n", pluralize(more as u64, "more fault", "more faults")),
    }
    text
}

/// A duration with its spread, as an interval.
fn format_range(least: SimDuration, spread: SimDuration) -> String {
    match spread.0 {
        0 => least.to_string(),
        spread => format!("{least} to {}", SimDuration(least.0.saturating_add(spread))),
    }
}

/// The clients and when they call.
fn clients_summary(plan: &Plan) -> String {
    let clients = &plan.clients;
    let (count, interval) = (pluralize(clients.count, "client", "clients"), clients.think_time);
    let Some(calls) = &clients.calls else { return format!("{count}, a call every {interval} each") };
    let turns = |calls: &[u64]| {
        let word = if calls.len() == 1 { "turn" } else { "turns" };
        format!("{word} {}", format_number_ranges(calls).join(" "))
    };
    let each = calls.iter().zip(1..).filter(|(calls, _)| !calls.is_empty());
    let each: Vec<String> = each.map(|(calls, client)| format!("c{client} at {}", turns(calls))).collect();
    match each.is_empty() {
        true if clients.count == 1 => "1 client that makes no calls".to_owned(),
        true => format!("{count} that make no calls"),
        false => format!("{count}, a turn every {interval} each; calls: {}", each.join(", ")),
    }
}

/// The operations in the clash and others on the same keys near them in time; the latest ones if there are none.
fn client_operations(record: &RunRecord) -> String {
    const SHOWN: usize = 8;
    let history = &record.history;
    if history.is_empty() {
        return String::new();
    }
    let in_clash = match &record.outcome.verdict {
        Verdict::Failed(failure) => requests_in_clash(failure, record),
        _ => BTreeSet::new(),
    };
    let is_in_clash = |call: &Call| in_clash.contains(&call.id);
    let keys: BTreeSet<u64> =
        history.iter().filter(|call| is_in_clash(call)).map(|call| call.operation.key).collect();
    let last = history.iter().filter(|call| is_in_clash(call)).map(|call| call.called).max();
    // First those of the clash, then by distance in time to the last of them.
    let mut order: Vec<&Call> =
        history.iter().filter(|call| keys.is_empty() || keys.contains(&call.operation.key)).collect();
    order.sort_by_key(|call| {
        let distance = last.map_or(u64::MAX - call.called, |last| last.abs_diff(call.called));
        (!is_in_clash(call), distance)
    });
    order.truncate(SHOWN);
    order.sort_by_key(|call| call.called);
    let mut text = String::from("\nclient operations:\n");
    for call in &order {
        let mark = if is_in_clash(call) { '!' } else { ' ' };
        text += &format!("{mark} {:>13}  {} {}: ", format_seconds(call.called), call.id, call.operation);
        text += &match (&call.returned, record.rejections.get(&call.id)) {
            (Some((at, response)), _) => format!("{response}, after {}\n", format_seconds(at - call.called)),
            (None, Some(rejection)) if rejection.is_final => {
                let after = format_seconds(rejection.at.saturating_sub(call.called));
                format!("rejected by n{}, after {after}\n", rejection.node)
            }
            (None, Some(rejection)) => {
                format!("no response, but n{} rejected a copy of it\n", rejection.node)
            }
            (None, None) => "no response\n".to_owned(),
        };
    }
    let others = history.len() - order.len();
    if others > 0 {
        text += &format!("  and {}\n", pluralize(others as u64, "other operation", "other operations"));
    }
    text
}

/// The requests in the clash: those named by its evidence and its message, and those at the indexes it names.
fn requests_in_clash(failure: &Failure, record: &RunRecord) -> BTreeSet<RequestId> {
    let mut requests: BTreeSet<RequestId> = failure.requests().into_iter().collect();
    requests.extend(failure.evidence.iter().filter_map(|evidence| evidence.request));
    let in_facts = failure.facts().into_iter().flat_map(|facts| facts.first.iter().chain([&facts.second]));
    let in_evidence = failure.evidence.iter().filter_map(|evidence| match &evidence.kind {
        EvidenceKind::Fact(fact) => Some(fact),
        _ => None,
    });
    let mut indexes = BTreeSet::new();
    for fact in in_facts.map(|observed| &observed.fact).chain(in_evidence) {
        indexes.extend(fact.index());
        requests.extend(fact.request());
    }
    requests.extend(record.facts.iter().filter_map(|observed| match observed.fact {
        Fact::Applied { index, request, .. } if indexes.contains(&index) => request,
        Fact::WriteAcknowledged { index, write } if indexes.contains(&index) => Some(write),
        _ => None,
    }));
    requests
}

/// What the property demands, what was observed, and the clashing facts.
fn clash_section(failure: &Failure, timeline: Option<&Timeline>) -> String {
    let mut text = String::new();
    let properties = catalog::properties();
    if let Some((_, requirement)) = properties.iter().find(|(name, _)| *name == failure.property) {
        text += &format!("  expected: {requirement}\n");
    }
    let observed: Vec<String> = failure.cause.to_string().trim_end().lines().map(display_line).collect();
    text += &format!("  observed: {}\n", observed.join("\n    "));
    if let Some(timeline) = timeline.filter(|timeline| !timeline.clash.is_empty()) {
        text.push('\n');
        timeline.clash.iter().for_each(|line| text += &format!("  {line}\n"));
    } else if let Some(facts) = failure.facts() {
        text.push('\n');
        for fact in facts.first.iter().chain([&facts.second]) {
            let node = format!("n{}", fact.node);
            text += &format!("  {}\n", evidence_line(fact.step, fact.at, &node, &fact_fields(&fact.fact)));
        }
    } else if !failure.evidence.is_empty() {
        text.push('\n');
        for evidence in &failure.evidence {
            let text_of_evidence = match &evidence.kind {
                EvidenceKind::Fact(fact) => fact_fields(fact),
                other => other.describe(|index| index.to_string()),
            };
            text += &format!(
                "  {}\n",
                evidence_line(evidence.step, evidence.at, &evidence.actor.to_string(), &text_of_evidence)
            );
        }
    }
    text
}

/// The commands to continue with after a failure.
fn next_steps(plan: &Plan, origin: PlanSource<'_>, is_shrunk: bool, options: &Options) -> String {
    match origin {
        PlanSource::File { path, bug } => {
            let path = shell_quote(path);
            let run = harness_command(&format!("run --plan {path}"), bug, &options.disabled);
            let mut text = format!("\nto print every event:\n  {run} --trace\n");
            if !is_shrunk {
                let shrink = harness_command(&format!("shrink {path}"), bug, &options.disabled);
                text += &format!("to shrink it:\n  {shrink}\n");
            }
            let add_case = harness_command(&format!("add-case {path}"), bug, &[]);
            text + &format!("to store it as a case:\n  {add_case} --name NAME\n")
        }
        PlanSource::Seed => {
            let (seed, bug) = (plan.seed, plan.bug.as_deref());
            let run = harness_command(&format!("run --seed {seed}"), bug, &options.disabled);
            let shrink = harness_command(&format!("shrink --seed {seed}"), bug, &options.disabled);
            let add_case = harness_command(&format!("add-case --seed {seed}"), bug, &[]);
            format!(
                "\nto print every event:\n  {run} --trace\nto shrink it:\n  {shrink}\nto store it as a case:\n  \
                 {add_case} --name NAME\n"
            )
        }
    }
}

/// The command that continues an interrupted shrink.
#[must_use]
pub fn continue_shrink_command(path: &Path, options: &Options) -> String {
    // The next smaller plan goes to the same folder.
    let out = path.parent().filter(|out| !["", "failures"].map(Path::new).contains(out));
    let out = out.map_or_else(String::new, |out| format!(" --out {}", shell_quote(out)));
    harness_command(&format!("shrink {}{out}", shell_quote(path)), None, &options.disabled)
}

/// The report of a stored case: its description, and whether its expectation is met.
#[must_use]
pub fn case_report(case: &Case, outcome: &Outcome) -> String {
    let description = case.description.trim_end();
    if case.is_met_by(outcome) {
        return format!("{description}\n\nas expected: {}\n", case.expect);
    }
    let missing = case.missed_milestones(outcome);
    let missing = if missing.is_empty() || !case.expect.is_met_by(&outcome.verdict) {
        String::new()
    } else {
        format!(", but it no longer reaches {}", missing.join(", "))
    };
    format!("{description}\n\nCHANGED: expected: {}{missing}\n", case.expect)
}

/// The verdict on a case with its bug switched off: all properties must hold.
#[must_use]
pub fn case_report_without_bug(bug: &str, verdict: &Verdict) -> String {
    let observed = match verdict {
        Verdict::Passed => return format!("as expected without {bug}: all properties hold\n"),
        Verdict::Unknown(key) => format!("linearizability was not decided: {key}"),
        Verdict::Failed(failure) => format!("{}: {}", failure.property, failure.cause),
    };
    format!("CHANGED: expected without {bug}: all properties hold; observed: {observed}\n")
}

/// A line of the trace in fixed columns: time, event, server, text.
#[must_use]
pub fn trace_line(line: &TraceLine) -> String {
    let node = if line.node == 0 { "-".to_owned() } else { format!("n{}", line.node) };
    format!("{:>14}  {:>8}  {node:<4}  {}", format_seconds(line.at), line.step, line.event)
}

/// A fact with the names of its fields.
fn fact_fields(fact: &Fact) -> String {
    let mut text = fact.name().to_owned();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(fact) {
        for (field, value) in fields.iter().filter(|(field, _)| *field != "fact") {
            text += &format!(" {field}=");
            text.extend(value.to_string().chars().filter(|c| *c != '"'));
        }
    }
    text
}

/// Nanoseconds as seconds with all digits, so that different times print differently.
fn format_seconds(nanos: u64) -> String {
    format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
