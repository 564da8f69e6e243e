//! The page of one run, and the report of one case.

use super::timeline::{Timeline, evidence_line, format_number_ranges, timeline};
use super::{Page, format_measurement, format_seconds, harness_command, pluralize};
use crate::findings::case::{Case, ShrunkFrom};
use crate::outcome::catalog;
use crate::outcome::signature::FailureSignature;
use crate::outcome::{
    COMMIT, EvidenceKind, Failure, FailureCause, LogLevel, Options, Outcome, RunRecord, TraceEvent,
    TraceLine, Verdict,
};
use crate::plan::file::display_path;
use crate::plan::{GENERATOR_VERSION, Plan, SimDuration};
use crate::support::program::shell_quote;
use crate::support::text::{display_line, display_lines};
use crate::systems::SystemInfo;
use invariants::linearizability::Line;
use invariants::{Call, Fact, RequestId};
use std::collections::BTreeSet;
use std::path::Path;

/// Where a plan came from.
#[derive(Clone, Copy, Debug)]
pub enum PlanSource<'a> {
    /// Generated from its seed.
    Seed,
    /// Generated from its seed, without features of these names.
    SeedWithout(&'a [&'static str]),
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
    let title = page_title(plan, origin, record);
    let mut page = Page { text: String::new(), width };
    // Whole, so that it can be found in a log.
    page.verbatim(&title);
    if let Verdict::Failed(failure) = &outcome.verdict {
        let timeline = timeline(plan.nodes, record, width).filter(|_| !record.trace.is_empty());
        add_clash(&mut page, failure, timeline.as_ref());
        add_plan(&mut page, plan);
        if let Some(timeline) = &timeline {
            add_timeline(&mut page, timeline);
        }
        add_logs(&mut page, record);
        add_client_operations(&mut page, record);
        if let Some(shrunk) = shrunk {
            page.blank();
            page.paragraph(&shrink_summary(plan, counts.operations, shrunk));
        }
    }
    let has_end = match &outcome.verdict {
        Verdict::Failed(failure) => FailureSignature::of(failure).has_outcome(),
        Verdict::Passed | Verdict::Unknown(_) => true,
    };
    if has_end {
        add_counts(&mut page, outcome);
    }
    if matches!(outcome.verdict, Verdict::Failed(_)) {
        page.blank();
        for (purpose, command) in next_steps(plan, origin, (has_end, shrunk.is_some()), options) {
            page.paragraph(&format!("to {purpose}:"));
            page.verbatim(&format!("  {command}"));
        }
    }
    page.text
}

/// The first line of a page: the plan, and whether all properties hold.
pub(super) fn page_title(plan: &Plan, origin: PlanSource<'_>, record: &RunRecord) -> String {
    let mut title = match origin {
        PlanSource::File { path, .. } => display_path(path),
        PlanSource::Seed => format!("seed {} (generator {GENERATOR_VERSION})", plan.seed),
        PlanSource::SeedWithout(names) => {
            format!("seed {} (generator {GENERATOR_VERSION}) without {}", plan.seed, names.join(", "))
        }
    };
    title += &format!(", {}", pluralize(plan.nodes, "server", "servers"));
    if let Some(bug) = &plan.bug {
        title += &format!(", bug {bug}");
    }
    title += &match &record.outcome.verdict {
        Verdict::Passed => ": all properties hold".to_owned(),
        Verdict::Unknown(key) => format!(": no violation found, but the search exceeded its budget: {key}"),
        Verdict::Failed(failure) => format!(": {} violated", failure.property),
    };
    title
}

/// How much happened, and the digest.
fn add_counts(page: &mut Page, outcome: &Outcome) {
    let counts = &outcome.counts;
    page.blank();
    page.paragraph(&format!(
        "{} in {} s simulated, {}, {}, {}",
        pluralize(counts.events, "event", "events"),
        format_measurement(counts.simulated as f64 / 1e9),
        pluralize(counts.operations, "operation", "operations"),
        pluralize(counts.leader_changes, "leader change", "leader changes"),
        pluralize(counts.power_losses, "power loss", "power losses"),
    ));
    page.paragraph(&format!("digest {:?}, commit {COMMIT}", outcome.digest));
}

/// The last lines of the servers' logs: those that are not for debugging, if there are any.
fn add_logs(page: &mut Page, record: &RunRecord) {
    const SHOWN: usize = 10;
    let logs = |most: LogLevel| {
        let is_shown =
            move |line: &&TraceLine| matches!(&line.event, TraceEvent::Log(log) if log.level <= most);
        record.trace.iter().filter(is_shown).collect::<Vec<_>>()
    };
    let (all, usual) = (logs(LogLevel::Trace), logs(LogLevel::Info));
    let shown = if usual.is_empty() { &all } else { &usual };
    let shown = &shown[shown.len().saturating_sub(SHOWN)..];
    if shown.is_empty() {
        return;
    }
    page.blank();
    page.paragraph("the last lines that servers log:");
    for line in shown {
        let text = display_line(&line.event.to_string());
        page.paragraph(&format!(
            "  {:>14}  {:>8}  n{} {text}",
            format_seconds(line.at),
            line.step,
            line.node
        ));
    }
    match all.len() - shown.len() {
        0 => {}
        more => page.paragraph(&format!("  and {} before", pluralize(more as u64, "line", "lines"))),
    }
}

pub(super) fn add_timeline(page: &mut Page, timeline: &Timeline) {
    let (lines, shown, folded) = (timeline.rows.len() as u64, timeline.shown_events, timeline.folded);
    page.blank();
    page.paragraph("timeline (L leads, c campaigns, f follows, x down; ! clash):");
    page.verbatim(&timeline.header);
    timeline.rows.iter().for_each(|row| page.verbatim(row));
    page.paragraph(&format!(
        "  {}{}; {} folded away",
        pluralize(shown, "event shown", "events shown"),
        if shown > lines { format!(" in {}", pluralize(lines, "line", "lines")) } else { String::new() },
        pluralize(folded, "unrelated event", "unrelated events")
    ));
}

/// The size before and after shrinking. Only the plan has to become smaller: with fewer faults, more operations may
/// be needed until it fails.
pub(super) fn shrink_summary(
    plan: &Plan,
    operations_now: u64,
    ShrunkFrom { faults, operations, runs }: ShrunkFrom,
) -> String {
    let before_faults = faults;
    let (faults, runs) = (pluralize(faults, "fault", "faults"), pluralize(runs, "run", "runs"));
    let before = pluralize(operations, "operation", "operations");
    if plan.faults.len() as u64 == before_faults && operations_now >= operations {
        return format!("not made smaller in {runs}");
    }
    if operations_now > operations {
        let now = pluralize(operations_now, "operation", "operations");
        return format!(
            "shrunk from {faults} to {}, in {runs}; {now} until it fails, {before} before",
            plan.faults.len()
        );
    }
    format!("shrunk from {faults} and {before} to {} and {operations_now}, in {runs}", plan.faults.len())
}

/// The plan in about ten lines.
fn add_plan(page: &mut Page, plan: &Plan) {
    const FAULTS: usize = 5;
    let Plan { raft, network, disk, .. } = plan;
    let on = |switch: bool, name: &str| if switch { format!(", {name}") } else { String::new() };
    page.blank();
    page.paragraph("the plan:");
    page.paragraph(&format!(
        "  {}, {}, fault phase {}, seed {}",
        pluralize(plan.nodes, "server", "servers"),
        pluralize(plan.initial_voters(), "initial voter", "initial voters"),
        plan.fault_phase,
        plan.seed
    ));
    page.paragraph(&format!(
        "  election timeout {}, heartbeat {}, batch {}, window {}, syncs {}{}{}",
        format_range(raft.election_timeout, raft.election_timeout_spread),
        raft.heartbeat,
        raft.batch,
        raft.window,
        raft.max_in_flight_syncs,
        on(raft.pre_vote, "pre-vote"),
        on(raft.check_quorum, "check-quorum"),
    ));
    page.paragraph(&format!(
        "  messages take {}, {} lost, {} duplicated, {} reordered, {} slow",
        format_range(network.delay, network.delay_spread),
        network.loss,
        network.duplication,
        network.reordering,
        network.tail
    ));
    page.paragraph(&format!(
        "  syncs take {}, {} slow",
        format_range(disk.sync, disk.sync_spread),
        disk.tail
    ));
    page.paragraph(&format!("  {}", clients_summary(plan)));
    for fault in plan.faults.iter().take(FAULTS) {
        page.paragraph(&format!("  {fault}"));
    }
    match plan.faults.len().saturating_sub(FAULTS) {
        0 if plan.faults.is_empty() && plan.permanent_fault.is_none() => page.paragraph("  no faults"),
        0 => {}
        more => page.paragraph(&format!("  and {}", pluralize(more as u64, "more fault", "more faults"))),
    }
    if let Some(fault) = plan.permanent_fault {
        page.paragraph(&format!("  in the healed phase: {fault}"));
    }
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
fn add_client_operations(page: &mut Page, record: &RunRecord) {
    const SHOWN: usize = 8;
    let history = &record.history;
    if history.is_empty() {
        return;
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
    page.blank();
    page.paragraph("client operations:");
    for call in &order {
        let mark = if is_in_clash(call) { '!' } else { ' ' };
        let end = operation_end(call, record);
        let called = format_seconds(call.called);
        page.paragraph(&format!("{mark} {called:>13}  {} {}: {end}", call.id, call.operation));
    }
    let others = history.len() - order.len();
    if others > 0 {
        page.paragraph(&format!("  and {}", pluralize(others as u64, "other operation", "other operations")));
    }
}

/// What the client of an operation saw, and after which time.
fn operation_end(call: &Call, record: &RunRecord) -> String {
    let end = match (&call.returned, record.rejections.get(&call.id)) {
        (Some((at, _)), _) => Some(at - call.called),
        (None, Some(rejection)) if rejection.is_final => Some(rejection.at.saturating_sub(call.called)),
        _ => None,
    };
    let after = end.map_or_else(String::new, |time| format!(", after {}", format_seconds(time)));
    operation_result(call, record) + &after
}

/// What the client of an operation saw.
pub(super) fn operation_result(call: &Call, record: &RunRecord) -> String {
    match (&call.returned, record.rejections.get(&call.id)) {
        (Some((_, response)), _) => response.to_string(),
        (None, Some(rejection)) if rejection.is_final => format!("rejected by n{}", rejection.node),
        (None, Some(rejection)) => format!("no response, but n{} rejected a copy of it", rejection.node),
        (None, None) => "no response before the run ended".to_owned(),
    }
}

/// The requests in the clash: those named by its evidence and its message, and those at the indexes it names.
pub(super) fn requests_in_clash(failure: &Failure, record: &RunRecord) -> BTreeSet<RequestId> {
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
pub(super) fn add_clash(page: &mut Page, failure: &Failure, timeline: Option<&Timeline>) {
    page.blank();
    let properties = catalog::properties();
    if let Some((_, requirement)) = properties.iter().find(|(name, _)| *name == failure.property) {
        page.paragraph(&format!("  expected: {requirement}"));
    }
    let mut start = "  observed: ";
    for line in cause_lines(&failure.cause) {
        match line {
            Line::Text(text) => page.paragraph(&format!("{start}{}", display_line(&text))),
            Line::Diagram(row) => page.verbatim(&format!("{start}{row}")),
        }
        start = "    ";
    }
    let clash: Vec<String> = if let Some(timeline) = timeline.filter(|timeline| !timeline.clash.is_empty()) {
        timeline.clash.clone()
    } else if let Some(facts) = failure.facts() {
        let facts = facts.first.iter().chain([&facts.second]);
        facts
            .map(|fact| {
                evidence_line(fact.step, fact.at, &format!("n{}", fact.node), &fact_fields(&fact.fact))
            })
            .collect()
    } else {
        let describe = |kind: &EvidenceKind| match kind {
            EvidenceKind::Fact(fact) => fact_fields(fact),
            other => other.describe(|index| index.to_string()),
        };
        let evidence = failure.evidence.iter();
        evidence
            .map(|item| evidence_line(item.step, item.at, &item.actor.to_string(), &describe(&item.kind)))
            .collect()
    };
    if !clash.is_empty() {
        page.blank();
        clash.iter().for_each(|line| page.paragraph(&format!("  {line}")));
    }
}

/// What was observed, line by line.
pub(super) fn cause_lines(cause: &FailureCause) -> Vec<Line> {
    match cause {
        FailureCause::History(explanation) => explanation.lines(),
        cause => display_lines(&cause.to_string()).map(Line::Text).collect(),
    }
}

/// The commands to continue with after a failure, each with its purpose.
pub(super) fn next_steps(
    plan: &Plan,
    origin: PlanSource<'_>,
    (has_end, is_shrunk): (bool, bool),
    options: &Options,
) -> Vec<(&'static str, String)> {
    let (run_source, source, bug) = match origin {
        PlanSource::File { path, bug } => {
            let path = shell_quote(path);
            (format!("--plan {path}"), path, bug)
        }
        PlanSource::SeedWithout(names) => {
            let left_out: String = names.iter().map(|name| format!(" --leave-out {name}")).collect();
            let source = format!("--seed {}{left_out}", plan.seed);
            (source.clone(), source, plan.bug.as_deref())
        }
        PlanSource::Seed => {
            let source = format!("--seed {}", plan.seed);
            (source.clone(), source, plan.bug.as_deref())
        }
    };
    let run = harness_command(&format!("run {run_source}"), bug, &options.disabled);
    let mut steps = match has_end {
        true => vec![("print every event", run + " --trace")],
        // The trace is printed at the end of a run.
        false => vec![("print every event up to there", format!("RUST_LOG=info {run}"))],
    };
    if has_end && !is_shrunk {
        steps.push(("shrink it", harness_command(&format!("shrink {source}"), bug, &options.disabled)));
    }
    let add_case = harness_command(&format!("add-case {source}"), bug, &[]);
    steps.push(("store it as a case", add_case + " --name NAME"));
    steps
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
pub fn case_report(case: &Case, outcome: &Outcome, system: &SystemInfo) -> String {
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
    let version = case.version_change(system).map(|change| format!("\n{change}")).unwrap_or_default();
    format!("{description}\n\nCHANGED: expected: {}{missing}{version}\n", case.expect)
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
