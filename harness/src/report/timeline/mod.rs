//! The timeline of what matters: how a promise came to be broken, a line per event.
//!
//! What matters is in the causal past of what clashes (what happened on a node before, and what happened
//! where a message was sent before that), and changes something: a term, a vote, a log, a commit index, who lives. All
//! the rest is folded away, and counted. Events of one kind that follow each other share a line.

mod relevance;
mod role;
mod event_group;
mod formatter;

pub(super) use event_group::format_number_ranges;
pub(super) use relevance::{index_of, request_of, requests_in};

use super::with_thousands;
use crate::outcome::{Actor, Evidence, Failure, RunRecord, TraceLine, Verdict};
use event_group::EventGroup;
use formatter::{Detail, FormattedEvent, RowContext, TimelineFormatter};
use invariants::{Fact, Node, Observed, Time};
use relevance::Relevance;
use std::collections::{BTreeMap, BTreeSet};

/// How many lines are a pleasure to read. With more of them what clients asked goes into spells, too; and where all of the
/// past is the cause, only the last ones are told.
const MAX_ROWS: usize = 40;

/// The timeline of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// The line above the others.
    pub header: String,
    /// A line per event, or per spell of events of one kind.
    pub rows: Vec<String>,
    /// How many events each of these lines tells; what goes on in the line below tells them above.
    events_per_row: Vec<u64>,
    /// How many events these lines tell.
    pub shown_events: u64,
    /// How many events are folded away.
    pub folded: u64,
    /// What clashes, each side in a few words: who made it true, and what.
    pub clash: Vec<String>,
    /// What was seen, with the terms of the places in the log that it names.
    pub observed: String,
}

/// The story of a run that was recorded with its timeline and its facts, in lines of at most this width. `None` where no
/// promise was broken.
#[must_use]
pub fn timeline(nodes: u64, record: &RunRecord, width: usize) -> Option<Timeline> {
    let Verdict::Failed(failure) = &record.outcome.verdict else { return None };
    let each = build_timeline(nodes, record, failure, width, Detail::EachEntry);
    if each.rows.len() <= MAX_ROWS {
        return Some(each);
    }
    let mut spells = build_timeline(nodes, record, failure, width, Detail::Grouped);
    let too_many = spells.rows.len().saturating_sub(MAX_ROWS);
    if !has_exact_events(failure) && too_many > 0 {
        let cut: u64 = spells.events_per_row.drain(..too_many).sum();
        spells.rows.drain(..too_many);
        (spells.shown_events, spells.folded) = (spells.shown_events - cut, spells.folded + cut);
    }
    Some(spells)
}

/// The story in so much detail.
fn build_timeline(
    nodes: u64,
    record: &RunRecord,
    failure: &Failure,
    width: usize,
    detail: Detail,
) -> Timeline {
    let events = collect_events(record, failure);
    let past = causal_past(&events, failure);
    let relevance = Relevance::from_failure(failure);
    let led = record.facts.iter().filter_map(|fact| match fact.fact {
        Fact::Leads { term } => Some((term, fact.node)),
        _ => None,
    });
    let mut teller = TimelineFormatter::new(nodes, width, &relevance, led.collect(), detail);
    let mut rows = RowBuilder::default();
    let mut clash = Vec::new();
    let clashing = |fact: &Observed| {
        failure
            .facts
            .as_ref()
            .is_some_and(|facts| facts.first.iter().chain([&facts.second]).any(|it| it == fact))
    };
    for (step, event) in &events {
        let marks = relevance.contains_step(*step) || !event.evidence.is_empty();
        let told = teller.format_event(event, marks);
        clash.extend(event.facts.iter().filter(|fact| marks && clashing(fact)).map(|fact| {
            let whose = if is_server_fact(&fact.fact) { 'n' } else { 'c' };
            evidence_line(fact.step, fact.at, &format!("{whose}{}", fact.node), &teller.describe_fact(fact))
        }));
        clash.extend(event.evidence.iter().chain(&event.later_evidence).map(|side| {
            evidence_line(side.step, side.at, &side.actor.to_string(), &teller.describe_evidence(side))
        }));
        match told {
            Some(told) if marks || event.is_fault() || past.contains(step) => {
                rows.add_event(&teller, event, marks, told);
            }
            _ => rows.fold_event(),
        }
        // The end of the storm needs no words where something is asked from then on.
        let is_told = |line: &TraceLine| event.later_evidence.iter().any(|side| side.at == line.at);
        for line in event.heal_line.into_iter().filter(|line| !is_told(line)) {
            rows.push_row(
                &teller,
                &TimelineEvent { at: line.at, ..TimelineEvent::default() },
                false,
                &line.text,
            );
        }
        for side in &event.later_evidence {
            let later = TimelineEvent { at: side.at, evidence: vec![side], ..TimelineEvent::default() };
            rows.push_row(&teller, &later, true, &teller.describe_evidence(side));
        }
    }
    rows.flush_group(&teller);
    let names: String = (1..=nodes).map(|node| format!("{:^3}", format!("n{node}"))).collect();
    let head = format!("{:>13} {:>6}  {}", "seconds", "folded", names.trim_end());
    let seen = teller.add_terms_to_indexes(&failure.sentence, None);
    let (folded, (rows, events)): (u64, (Vec<_>, Vec<u64>)) =
        (rows.total_folded, rows.rows.into_iter().unzip());
    Timeline {
        header: head,
        rows,
        shown_events: events.iter().sum(),
        events_per_row: events,
        folded,
        clash,
        observed: seen,
    }
}

/// The rows of a story, as they come to be.
#[derive(Default)]
struct RowBuilder {
    /// Each with how many events it tells.
    rows: Vec<(String, u64)>,
    /// The row that may yet go on.
    group: Option<EventGroup>,
    /// How many events were folded away since the last one that was told, and in all.
    folded: u64,
    total_folded: u64,
}

impl RowBuilder {
    /// An event that changes nothing here.
    fn fold_event(&mut self) {
        (self.folded, self.total_folded) = (self.folded + 1, self.total_folded + 1);
    }

    /// An event that has a row, or goes into one.
    fn add_event(
        &mut self,
        teller: &TimelineFormatter<'_>,
        event: &TimelineEvent<'_>,
        marks: bool,
        told: FormattedEvent<'_>,
    ) {
        let Some(kind) = told.group_kind else { return self.push_row(teller, event, marks, &told.text) };
        let part = teller.group_member(event, &told, kind);
        match &mut self.group {
            Some(spell) if spell.accepts(&part) => spell.add(part, self.folded),
            _ => {
                self.flush_group(teller);
                self.group = Some(EventGroup::new(part, told.text.clone(), self.folded));
            }
        }
        self.folded = 0;
    }

    /// An event that has a row of its own.
    fn push_row(
        &mut self,
        teller: &TimelineFormatter<'_>,
        event: &TimelineEvent<'_>,
        marks: bool,
        text: &str,
    ) {
        self.flush_group(teller);
        let (here, folded) = (&event.nodes(), self.folded);
        let place = RowContext { at: event.at, folded, involved: here, roles: &teller.roles };
        self.rows.push((teller.format_row(&place, marks, text), 1));
        self.folded = 0;
    }

    fn flush_group(&mut self, teller: &TimelineFormatter<'_>) {
        let Some(spell) = self.group.take() else { return };
        let EventGroup { at, folded, involved: here, roles: standing, .. } = &spell;
        let place = RowContext { at: *at, folded: *folded, involved: here, roles: standing };
        if spell.events == 1 {
            return self.rows.push((teller.format_row(&place, false, &spell.single_text), 1));
        }
        let lines = teller.format_wrapped_row(&place, &spell.summarize(teller.nodes));
        let events = [spell.events].into_iter().chain(std::iter::repeat(0));
        self.rows.extend(lines.into_iter().zip(events));
    }
}

/// Whether the clash is between certain events, and not a matter of what has not happened by a certain time.
fn has_exact_events(failure: &Failure) -> bool {
    let is_of_all = |side: &Evidence| side.actor == Actor::All;
    failure.facts.is_some() || (!failure.evidence.is_empty() && !failure.evidence.iter().any(is_of_all))
}

/// A side of a clash: when, in which event, whose, and in words.
pub(super) fn evidence_line(step: u64, at: Time, who: &str, words: &str) -> String {
    let seconds = format!("{}.{:09}s", at / 1_000_000_000, at % 1_000_000_000);
    format!("{seconds:>14}  {step:>8}  {who:<4}  {words}")
}

/// One event of a run.
#[derive(Default)]
struct TimelineEvent<'a> {
    at: u64,
    cause: u64,
    lines: Vec<&'a TraceLine>,
    facts: Vec<&'a Observed>,
    /// The sides of the clash that are no facts, and those that came true later, before the next event.
    evidence: Vec<&'a Evidence>,
    later_evidence: Vec<&'a Evidence>,
    /// The end of the storm, if it came before the next event.
    heal_line: Option<&'a TraceLine>,
}

impl TimelineEvent<'_> {
    /// The servers that it concerns.
    fn nodes(&self) -> BTreeSet<Node> {
        let noted = self.lines.iter().map(|line| line.node).filter(|node| *node > 0);
        let sides = self.evidence.iter().filter_map(|side| match side.actor {
            Actor::Server(node) => Some(node),
            Actor::Client(_) | Actor::All => None,
        });
        noted
            .chain(sides)
            .chain(self.facts.iter().filter(|fact| is_server_fact(&fact.fact)).map(|fact| fact.node))
            .collect()
    }

    /// Whether it is a fault, which has no cause.
    fn is_fault(&self) -> bool {
        let is_fault = |line: &&TraceLine| {
            line.node == 0
                && [FAULT_PREFIX, FAULT_END_PREFIX, HEAL_PREFIX]
                    .into_iter()
                    .any(|word| line.text.starts_with(word))
        };
        self.lines.iter().any(is_fault)
    }
}

/// How the world begins to speak of faults.
const FAULT_PREFIX: &str = "fault ";
const FAULT_END_PREFIX: &str = "a fault is over";
const HEAL_PREFIX: &str = "the storm is over";

/// Whether a server states it, and not a client.
const fn is_server_fact(fact: &Fact) -> bool {
    !matches!(fact, Fact::WriteAcknowledged { .. } | Fact::ReadAsked { .. })
}

/// All events by their numbers. Those of the boot, before the first one, are number 0.
fn collect_events<'a>(record: &'a RunRecord, failure: &'a Failure) -> BTreeMap<u64, TimelineEvent<'a>> {
    let mut events: BTreeMap<u64, TimelineEvent<'a>> = BTreeMap::new();
    for line in &record.trace {
        let event = events.entry(line.step).or_default();
        if event.lines.is_empty() {
            (event.at, event.cause) = (line.at, line.cause);
        }
        // What only time brings about is no event: it has the number of the one before.
        if line.node == 0 && line.text.starts_with(HEAL_PREFIX) && line.at != event.at {
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
    for side in &failure.evidence {
        let is_new = !events.contains_key(&side.step);
        let event = events.entry(side.step).or_default();
        if is_new {
            event.at = side.at;
        }
        if event.at == side.at { event.evidence.push(side) } else { event.later_evidence.push(side) }
    }
    events
}

/// The numbers of the events without which the clash would not be: what came before on the same node, and where it was
/// sent.
fn causal_past(events: &BTreeMap<u64, TimelineEvent<'_>>, failure: &Failure) -> BTreeSet<u64> {
    let mut before: BTreeMap<Node, Vec<u64>> = BTreeMap::new();
    for (step, event) in events {
        for node in event.nodes() {
            before.entry(node).or_default().push(*step);
        }
    }
    let mut open: BTreeSet<u64> = match &failure.facts {
        Some(facts) => facts.first.iter().chain([&facts.second]).map(|fact| fact.step).collect(),
        None if has_exact_events(failure) => failure.evidence.iter().map(|side| side.step).collect(),
        None => before.values().filter_map(|steps| steps.last().copied()).collect(),
    };
    let mut past = BTreeSet::new();
    while let Some(step) = open.pop_last() {
        let Some(event) = events.get(&step) else { continue };
        past.insert(step);
        for node in event.nodes() {
            let earlier = before[&node].partition_point(|other| *other < step);
            open.extend(earlier.checked_sub(1).map(|place| before[&node][place]));
        }
        // An event that nothing noted is its own cause at best: no way leads on from there.
        if event.cause < step {
            open.insert(event.cause);
        }
    }
    past
}

#[cfg(test)]
mod tests;
