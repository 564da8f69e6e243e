//! The timeline of a failure: one row per relevant event.
//!
//! An event is relevant if it is in the causal past of the clash (earlier on the same server, or on the sender of a
//! message before it was sent) and changes something: a term, a vote, a log, a commit index, whether a server is up.
//! All others are folded away and counted. Consecutive events of one kind share a row (see [`event_group`]).

mod relevance;
mod event_group;
mod formatter;

pub(super) use event_group::format_number_ranges;

use super::lane::LaneId;
use super::{with_thousands, wrap};
use crate::outcome::{
    Actor, Evidence, Failure, LogLevel, LogLine, RunRecord, TraceEvent, TraceLine, Verdict,
};
use event_group::EventGroup;
use formatter::{Detail, FormattedEvent, RowContext, TimelineFormatter};
use invariants::{Fact, Node, Observed, Time};
use relevance::Relevance;
use std::collections::{BTreeMap, BTreeSet};

/// The most rows of a detailed timeline. Beyond it, appends and commits are grouped; and if the whole past is
/// relevant, only the last rows are shown.
const MAX_ROWS: usize = 40;

/// The most lines of a log that an event shows.
const MAX_LOGS: usize = 3;

/// The timeline of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// The line above the rows.
    pub header: String,
    /// One row per event or event group; long ones continue in further lines.
    pub rows: Vec<String>,
    /// Events shown by each line; 0 for a continuation line.
    events_per_row: Vec<u64>,
    /// Events shown in all rows.
    pub shown_events: u64,
    /// Events folded away.
    pub folded: u64,
    /// The clashing facts and evidence, a line each: time, event, server or client, text.
    pub clash: Vec<String>,
}

/// The timeline of a failed run that was recorded with trace and facts, at most `width` columns wide. `None` if the
/// run did not fail.
#[must_use]
pub fn timeline(nodes: u64, record: &RunRecord, width: usize) -> Option<Timeline> {
    let Verdict::Failed(failure) = &record.outcome.verdict else { return None };
    let each = build_timeline(nodes, record, failure, width, Detail::EachEntry);
    if each.rows.len() <= MAX_ROWS {
        return Some(each);
    }
    let mut grouped = build_timeline(nodes, record, failure, width, Detail::Grouped);
    let too_many = grouped.rows.len().saturating_sub(MAX_ROWS);
    if !has_exact_events(failure) && too_many > 0 {
        let cut: u64 = grouped.events_per_row.drain(..too_many).sum();
        grouped.rows.drain(..too_many);
        (grouped.shown_events, grouped.folded) = (grouped.shown_events - cut, grouped.folded + cut);
    }
    Some(grouped)
}

/// The timeline in this detail.
fn build_timeline(
    nodes: u64,
    record: &RunRecord,
    failure: &Failure,
    width: usize,
    detail: Detail,
) -> Timeline {
    let events = collect_events(record, &failure.evidence);
    let past = causal_past(&events, failure);
    let relevance = Relevance::from_failure(failure);
    let leaderships = record.facts.iter().filter_map(|fact| match fact.fact {
        Fact::Leads { term } => Some((term, fact.node)),
        _ => None,
    });
    let mut formatter = TimelineFormatter::new(nodes, width, &relevance, leaderships.collect(), detail);
    let mut rows = RowBuilder::default();
    let mut clash = Vec::new();
    for (step, event) in &events {
        let is_clash = relevance.contains_step(*step) || !event.evidence.is_empty();
        let formatted = formatter.format_event(event, is_clash);
        let sides = clash_sides(&formatter, event, failure, is_clash);
        clash.extend(sides.iter().map(|side| side.line()));
        match formatted {
            Some(formatted) if is_clash || event.is_fault() || past.contains(step) => {
                let has_own_row = formatted.group_kind.is_none();
                rows.add_event(&formatter, event, is_clash, formatted);
                // In a group nobody could tell whose they are.
                if has_own_row && detail == Detail::EachEntry {
                    event.logs().take(MAX_LOGS).for_each(|log| rows.add_log(&formatter, log));
                }
            }
            _ => rows.fold_event(),
        }
        // Later evidence at the time of healing replaces the row for it.
        let is_shown = |line: &TraceLine| event.later_evidence.iter().any(|item| item.at == line.at);
        for line in event.heal_line.into_iter().filter(|line| !is_shown(line)) {
            rows.push_row(
                &formatter,
                &TimelineEvent { at: line.at, ..TimelineEvent::default() },
                false,
                &line.event.to_string(),
            );
        }
        for item in &event.later_evidence {
            let later = TimelineEvent { at: item.at, evidence: vec![item], ..TimelineEvent::default() };
            rows.push_row(&formatter, &later, true, &formatter.describe_evidence(item));
        }
    }
    rows.flush_group(&formatter);
    let names: String = (1..=nodes).map(|node| format!("{:^3}", format!("n{node}"))).collect();
    let header = format!("{:>13} {:>6}  {}", "seconds", "folded", names.trim_end());
    let (folded, (rows, events)): (u64, (Vec<_>, Vec<u64>)) =
        (rows.total_folded, rows.rows.into_iter().unzip());
    Timeline { header, rows, shown_events: events.iter().sum(), events_per_row: events, folded, clash }
}

/// A side of the clash.
pub(super) struct ClashSide {
    pub(super) at: Time,
    pub(super) step: u64,
    /// The server or client; `None`: none in particular.
    pub(super) lane: Option<LaneId>,
    pub(super) text: String,
}

impl ClashSide {
    /// As a line of the plain page.
    fn line(&self) -> String {
        let actor = self.lane.map_or_else(|| "-".to_owned(), |lane| lane.to_string());
        evidence_line(self.step, self.at, &actor, &self.text)
    }
}

/// The sides of the clash in an event that the formatter has just formatted.
fn clash_sides(
    formatter: &TimelineFormatter<'_>,
    event: &TimelineEvent<'_>,
    failure: &Failure,
    is_clash: bool,
) -> Vec<ClashSide> {
    let is_clashing = |fact: &Observed| {
        failure.facts().is_some_and(|facts| facts.first.iter().chain([&facts.second]).any(|it| it == fact))
    };
    let facts = event.facts.iter().filter(|fact| is_clash && is_clashing(fact)).map(|fact| {
        let lane = if fact.fact.is_about_server() { LaneId::Server } else { LaneId::Client };
        ClashSide {
            at: fact.at,
            step: fact.step,
            lane: Some(lane(fact.node)),
            text: formatter.describe_fact(fact),
        }
    });
    let evidence = event.evidence.iter().chain(&event.later_evidence).map(|item| ClashSide {
        at: item.at,
        step: item.step,
        lane: match item.actor {
            Actor::Server(node) => Some(LaneId::Server(node)),
            Actor::Client(client) => Some(LaneId::Client(client)),
            Actor::All => None,
        },
        text: formatter.describe_evidence(item),
    });
    facts.chain(evidence).collect()
}

/// An event of a run with its text: what a picture is drawn from.
pub(super) struct DescribedEvent<'a> {
    pub(super) step: u64,
    pub(super) event: TimelineEvent<'a>,
    /// What it changes, as text; `None`: nothing.
    pub(super) effect: Option<String>,
    /// What triggered it.
    pub(super) trigger: Option<String>,
    /// Whether it is in the causal past of the clash.
    pub(super) in_past: bool,
    pub(super) is_clash: bool,
    pub(super) sides: Vec<ClashSide>,
}

/// All events of a run that was recorded with trace and facts, in order. In a run that did not fail, none is in a clash.
pub(super) fn describe_events(nodes: u64, record: &RunRecord) -> Vec<DescribedEvent<'_>> {
    let failure = match &record.outcome.verdict {
        Verdict::Failed(failure) => Some(&**failure),
        Verdict::Passed | Verdict::Unknown(_) => None,
    };
    let events = collect_events(record, failure.map_or(&[], |failure| failure.evidence.as_slice()));
    let past = failure.map(|failure| causal_past(&events, failure)).unwrap_or_default();
    let relevance = failure.map(Relevance::from_failure).unwrap_or_default();
    let mut formatter =
        TimelineFormatter::new(nodes, usize::MAX, &relevance, BTreeSet::new(), Detail::EachEntry);
    let described = events.into_iter().map(|(step, event)| {
        let is_clash = relevance.contains_step(step) || !event.evidence.is_empty();
        let formatted = formatter.format_event(&event, is_clash);
        let sides = failure.map(|failure| clash_sides(&formatter, &event, failure, is_clash));
        let (effect, trigger) = formatted.map_or((None, None), |it| (Some(it.effect), it.trigger));
        let in_past = past.contains(&step);
        DescribedEvent { step, event, effect, trigger, in_past, is_clash, sides: sides.unwrap_or_default() }
    });
    described.collect()
}

/// The rows of a timeline under construction.
#[derive(Default)]
struct RowBuilder {
    /// Each with the number of events it shows.
    rows: Vec<(String, u64)>,
    /// The last row, while it can still grow.
    group: Option<EventGroup>,
    /// Events folded away since the last row, and in all.
    folded: u64,
    total_folded: u64,
}

impl RowBuilder {
    /// Folds an event away.
    fn fold_event(&mut self) {
        (self.folded, self.total_folded) = (self.folded + 1, self.total_folded + 1);
    }

    /// Adds an event, to a group if possible.
    fn add_event(
        &mut self,
        formatter: &TimelineFormatter<'_>,
        event: &TimelineEvent<'_>,
        is_clash: bool,
        formatted: FormattedEvent<'_>,
    ) {
        let Some(kind) = formatted.group_kind else {
            return self.push_row(formatter, event, is_clash, &formatted.text());
        };
        let member = formatter.group_member(event, &formatted, kind);
        match &mut self.group {
            Some(group) if group.accepts(&member) => group.add(member, self.folded),
            _ => {
                self.flush_group(formatter);
                self.group = Some(EventGroup::new(member, formatted.text(), self.folded));
            }
        }
        self.folded = 0;
    }

    /// Adds an event in its own row.
    fn push_row(
        &mut self,
        formatter: &TimelineFormatter<'_>,
        event: &TimelineEvent<'_>,
        is_clash: bool,
        text: &str,
    ) {
        self.flush_group(formatter);
        let (involved, folded) = (&event.nodes(), self.folded);
        let context = RowContext { at: event.at, folded, involved, roles: &formatter.roles() };
        self.rows.push((formatter.format_row(&context, is_clash, text), 1));
        self.folded = 0;
    }

    /// Adds a line of a server's log below its event.
    fn add_log(&mut self, formatter: &TimelineFormatter<'_>, log: &LogLine) {
        self.rows.push((formatter.format_below(&format!("n{} {log}", log.node)), 0));
    }

    fn flush_group(&mut self, formatter: &TimelineFormatter<'_>) {
        let Some(group) = self.group.take() else { return };
        let EventGroup { at, folded, involved, roles, .. } = &group;
        let context = RowContext { at: *at, folded: *folded, involved, roles };
        if group.events == 1 {
            return self.rows.push((formatter.format_row(&context, false, &group.single_text), 1));
        }
        let lines = formatter.format_wrapped_row(&context, &group.summarize(formatter.nodes));
        let events = [group.events].into_iter().chain(std::iter::repeat(0));
        self.rows.extend(lines.into_iter().zip(events));
    }
}

/// Whether the clash is between certain events, and not a missed deadline.
pub(super) fn has_exact_events(failure: &Failure) -> bool {
    let is_of_all = |evidence: &Evidence| evidence.actor == Actor::All;
    failure.facts().is_some() || (!failure.evidence.is_empty() && !failure.evidence.iter().any(is_of_all))
}

/// A line of the clash: time, event, server or client, text.
pub(super) fn evidence_line(step: u64, at: Time, actor: &str, text: &str) -> String {
    let seconds = format!("{}.{:09}s", at / 1_000_000_000, at % 1_000_000_000);
    format!("{seconds:>14}  {step:>8}  {actor:<4}  {text}")
}

/// One event of a run.
#[derive(Default)]
pub(super) struct TimelineEvent<'a> {
    pub(super) at: u64,
    pub(super) cause: u64,
    pub(super) lines: Vec<&'a TraceLine>,
    pub(super) facts: Vec<&'a Observed>,
    /// Evidence without a fact, and evidence that arose later, before the next event.
    pub(super) evidence: Vec<&'a Evidence>,
    pub(super) later_evidence: Vec<&'a Evidence>,
    /// The start of the healed phase, if it came before the next event.
    pub(super) heal_line: Option<&'a TraceLine>,
}

impl TimelineEvent<'_> {
    /// The servers involved.
    pub(super) fn nodes(&self) -> BTreeSet<Node> {
        let in_trace = self.lines.iter().map(|line| line.node).filter(|node| *node > 0);
        let in_evidence = self.evidence.iter().filter_map(|evidence| match evidence.actor {
            Actor::Server(node) => Some(node),
            Actor::Client(_) | Actor::All => None,
        });
        in_trace
            .chain(in_evidence)
            .chain(self.facts.iter().filter(|fact| fact.fact.is_about_server()).map(|fact| fact.node))
            .collect()
    }

    /// What servers log in it, except for debugging.
    fn logs(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter().filter_map(|line| match &line.event {
            TraceEvent::Log(log) if log.level <= LogLevel::Info => Some(log),
            _ => None,
        })
    }

    /// Whether it is the begin or end of a fault, or the healing.
    pub(super) fn is_fault(&self) -> bool {
        self.lines.iter().any(|line| line.event.is_fault())
    }
}

/// All events by number. Events of the boot have number 0.
fn collect_events<'a>(record: &'a RunRecord, evidence: &'a [Evidence]) -> BTreeMap<u64, TimelineEvent<'a>> {
    let mut events: BTreeMap<u64, TimelineEvent<'a>> = BTreeMap::new();
    for line in &record.trace {
        let event = events.entry(line.step).or_default();
        if event.lines.is_empty() {
            (event.at, event.cause) = (line.at, line.cause);
        }
        // The healing is no event: it carries the number of the one before it.
        if line.event == TraceEvent::HealedPhaseBegins && line.at != event.at {
            event.heal_line = Some(line);
        } else {
            event.lines.push(line);
        }
    }
    for fact in &record.facts {
        let event = events.entry(fact.step).or_default();
        event.at = fact.at;
        event.facts.push(fact);
    }
    for evidence in evidence {
        let is_new = !events.contains_key(&evidence.step);
        let event = events.entry(evidence.step).or_default();
        if is_new {
            event.at = evidence.at;
        }
        if event.at == evidence.at {
            event.evidence.push(evidence)
        } else {
            event.later_evidence.push(evidence)
        }
    }
    events
}

/// The numbers of the events in the causal past of the clash.
fn causal_past(events: &BTreeMap<u64, TimelineEvent<'_>>, failure: &Failure) -> BTreeSet<u64> {
    let mut before: BTreeMap<Node, Vec<u64>> = BTreeMap::new();
    for (step, event) in events {
        for node in event.nodes() {
            before.entry(node).or_default().push(*step);
        }
    }
    let mut open: BTreeSet<u64> = match failure.facts() {
        Some(facts) => facts.first.iter().chain([&facts.second]).map(|fact| fact.step).collect(),
        None if has_exact_events(failure) => failure.evidence.iter().map(|evidence| evidence.step).collect(),
        None => before.values().filter_map(|steps| steps.last().copied()).collect(),
    };
    let mut past = BTreeSet::new();
    while let Some(step) = open.pop_last() {
        let Some(event) = events.get(&step) else { continue };
        past.insert(step);
        for node in event.nodes() {
            let earlier = before[&node].partition_point(|other| *other < step);
            open.extend(earlier.checked_sub(1).map(|position| before[&node][position]));
        }
        // An event without trace lines has no known cause.
        if event.cause < step {
            open.insert(event.cause);
        }
    }
    past
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads what the program prints")]
mod tests;
