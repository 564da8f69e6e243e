//! The timeline of what matters: how a promise came to be broken, a line per event.
//!
//! What matters is in the causal past of what clashes (what happened on a node before, and what happened
//! where a message was sent before that), and changes something: a term, a vote, a log, a commit index, who lives. All
//! the rest is folded away, and counted. Events of one kind that follow each other share a line.

mod focus;
mod role;
mod spell;
mod teller;

pub(super) use focus::{index_of, request_of, requests_in};
pub(super) use spell::spans;

use super::grouped;
use crate::outcome::{Failure, Line, Record, Side, Verdict, Who};
use focus::Focus;
use invariants::{Fact, Node, Observed, Time};
use spell::Spell;
use std::collections::{BTreeMap, BTreeSet};
use teller::{Detail, Place, Teller, Told};

/// How many lines are a pleasure to read. With more of them what clients asked goes into spells, too; and where all of the
/// past is the cause, only the last ones are told.
const MOST_ROWS: usize = 40;

/// The timeline of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The line above the others.
    pub head: String,
    /// A line per event, or per spell of events of one kind.
    pub rows: Vec<String>,
    /// How many events each of these lines tells; what goes on in the line below tells them above.
    events: Vec<u64>,
    /// How many events these lines tell.
    pub told: u64,
    /// How many events are folded away.
    pub folded: u64,
    /// What clashes, each side in a few words: who made it true, and what.
    pub clash: Vec<String>,
    /// What was seen, with the terms of the places in the log that it names.
    pub seen: String,
}

/// The story of a run that was recorded with its timeline and its facts, in lines of at most this width. `None` where no
/// promise was broken.
#[must_use]
pub fn story(nodes: u64, record: &Record, width: usize) -> Option<Story> {
    let Verdict::Failed(failure) = &record.outcome.verdict else { return None };
    let each = told(nodes, record, failure, width, Detail::EachEntry);
    if each.rows.len() <= MOST_ROWS {
        return Some(each);
    }
    let mut spells = told(nodes, record, failure, width, Detail::Spells);
    let too_many = spells.rows.len().saturating_sub(MOST_ROWS);
    if !is_pinned(failure) && too_many > 0 {
        let cut: u64 = spells.events.drain(..too_many).sum();
        spells.rows.drain(..too_many);
        (spells.told, spells.folded) = (spells.told - cut, spells.folded + cut);
    }
    Some(spells)
}

/// The story in so much detail.
fn told(nodes: u64, record: &Record, failure: &Failure, width: usize, detail: Detail) -> Story {
    let events = events(record, failure);
    let past = past(&events, failure);
    let focus = Focus::of(failure);
    let led = record.facts.iter().filter_map(|fact| match fact.fact {
        Fact::Leads { term } => Some((term, fact.node)),
        _ => None,
    });
    let mut teller = Teller::new(nodes, width, &focus, led.collect(), detail);
    let mut rows = Rows::default();
    let mut clash = Vec::new();
    let clashing = |fact: &Observed| {
        failure
            .facts
            .as_ref()
            .is_some_and(|facts| facts.first.iter().chain([&facts.second]).any(|it| it == fact))
    };
    for (step, event) in &events {
        let marks = focus.marks(*step) || !event.sides.is_empty();
        let told = teller.tell(event, marks);
        clash.extend(event.facts.iter().filter(|fact| marks && clashing(fact)).map(|fact| {
            let whose = if is_of_a_server(&fact.fact) { 'n' } else { 'c' };
            clash_line(fact.step, fact.at, &format!("{whose}{}", fact.node), &teller.phrase(fact))
        }));
        clash.extend(
            event
                .sides
                .iter()
                .chain(&event.later)
                .map(|side| clash_line(side.step, side.at, &side.who.to_string(), &teller.words(side))),
        );
        match told {
            Some(told) if marks || event.is_of_the_world() || past.contains(step) => {
                rows.add(&teller, event, marks, told);
            }
            _ => rows.fold(),
        }
        // The end of the storm needs no words where something is asked from then on.
        let is_told = |line: &Line| event.later.iter().any(|side| side.at == line.at);
        for line in event.calm.into_iter().filter(|line| !is_told(line)) {
            rows.push(&teller, &Event { at: line.at, ..Event::default() }, false, &line.text);
        }
        for side in &event.later {
            let later = Event { at: side.at, sides: vec![side], ..Event::default() };
            rows.push(&teller, &later, true, &teller.words(side));
        }
    }
    rows.end_spell(&teller);
    let names: String = (1..=nodes).map(|node| format!("{:^3}", format!("n{node}"))).collect();
    let head = format!("{:>13} {:>6}  {}", "seconds", "folded", names.trim_end());
    let seen = teller.dated(&failure.sentence, None);
    let (folded, (rows, events)): (u64, (Vec<_>, Vec<u64>)) =
        (rows.all_folded, rows.rows.into_iter().unzip());
    Story { head, rows, told: events.iter().sum(), events, folded, clash, seen }
}

/// The rows of a story, as they come to be.
#[derive(Default)]
struct Rows {
    /// Each with how many events it tells.
    rows: Vec<(String, u64)>,
    /// The row that may yet go on.
    spell: Option<Spell>,
    /// How many events were folded away since the last one that was told, and in all.
    folded: u64,
    all_folded: u64,
}

impl Rows {
    /// An event that changes nothing here.
    fn fold(&mut self) {
        (self.folded, self.all_folded) = (self.folded + 1, self.all_folded + 1);
    }

    /// An event that has a row, or goes into one.
    fn add(&mut self, teller: &Teller<'_>, event: &Event<'_>, marks: bool, told: Told<'_>) {
        let Some(kind) = told.kind else { return self.push(teller, event, marks, &told.text) };
        let part = teller.part(event, &told, kind);
        match &mut self.spell {
            Some(spell) if spell.goes_on_with(&part) => spell.take(part, self.folded),
            _ => {
                self.end_spell(teller);
                self.spell = Some(Spell::new(part, told.text.clone(), self.folded));
            }
        }
        self.folded = 0;
    }

    /// An event that has a row of its own.
    fn push(&mut self, teller: &Teller<'_>, event: &Event<'_>, marks: bool, text: &str) {
        self.end_spell(teller);
        let (here, folded) = (&event.nodes(), self.folded);
        let place = Place { at: event.at, folded, here, standing: &teller.standing };
        self.rows.push((teller.row(&place, marks, text), 1));
        self.folded = 0;
    }

    fn end_spell(&mut self, teller: &Teller<'_>) {
        let Some(spell) = self.spell.take() else { return };
        let Spell { at, folded, here, standing, .. } = &spell;
        let place = Place { at: *at, folded: *folded, here, standing };
        if spell.events == 1 {
            return self.rows.push((teller.row(&place, false, &spell.alone), 1));
        }
        let lines = teller.rows(&place, &spell.words(teller.nodes));
        let events = [spell.events].into_iter().chain(std::iter::repeat(0));
        self.rows.extend(lines.into_iter().zip(events));
    }
}

/// Whether the clash is between certain events, and not a matter of what has not happened by a certain time.
fn is_pinned(failure: &Failure) -> bool {
    let is_of_all = |side: &Side| side.who == Who::All;
    failure.facts.is_some() || (!failure.sides.is_empty() && !failure.sides.iter().any(is_of_all))
}

/// A side of a clash: when, in which event, whose, and in words.
pub(super) fn clash_line(step: u64, at: Time, who: &str, words: &str) -> String {
    let seconds = format!("{}.{:09}s", at / 1_000_000_000, at % 1_000_000_000);
    format!("{seconds:>14}  {step:>8}  {who:<4}  {words}")
}

/// One event of a run.
#[derive(Default)]
struct Event<'a> {
    at: u64,
    cause: u64,
    lines: Vec<&'a Line>,
    facts: Vec<&'a Observed>,
    /// The sides of the clash that are no facts, and those that came true later, before the next event.
    sides: Vec<&'a Side>,
    later: Vec<&'a Side>,
    /// The end of the storm, if it came before the next event.
    calm: Option<&'a Line>,
}

impl Event<'_> {
    /// The servers that it concerns.
    fn nodes(&self) -> BTreeSet<Node> {
        let noted = self.lines.iter().map(|line| line.node).filter(|node| *node > 0);
        let sides = self.sides.iter().filter_map(|side| match side.who {
            Who::Server(node) => Some(node),
            Who::Client(_) | Who::All => None,
        });
        noted
            .chain(sides)
            .chain(self.facts.iter().filter(|fact| is_of_a_server(&fact.fact)).map(|fact| fact.node))
            .collect()
    }

    /// Whether it is a fault, which has no cause.
    fn is_of_the_world(&self) -> bool {
        let is_fault = |line: &&Line| {
            line.node == 0 && [FAULT, OVER, CALM].into_iter().any(|word| line.text.starts_with(word))
        };
        self.lines.iter().any(is_fault)
    }
}

/// How the world begins to speak of faults.
const FAULT: &str = "fault ";
const OVER: &str = "a fault is over";
const CALM: &str = "the storm is over";

/// Whether a server states it, and not a client.
const fn is_of_a_server(fact: &Fact) -> bool {
    !matches!(fact, Fact::WriteAcknowledged { .. } | Fact::ReadAsked { .. })
}

/// All events by their numbers. Those of the boot, before the first one, are number 0.
fn events<'a>(record: &'a Record, failure: &'a Failure) -> BTreeMap<u64, Event<'a>> {
    let mut events: BTreeMap<u64, Event<'a>> = BTreeMap::new();
    for line in &record.timeline {
        let event = events.entry(line.step).or_default();
        if event.lines.is_empty() {
            (event.at, event.cause) = (line.at, line.cause);
        }
        // What only time brings about is no event: it has the number of the one before.
        if line.node == 0 && line.text.starts_with(CALM) && line.at != event.at {
            event.calm = Some(line);
        } else {
            event.lines.push(line);
        }
    }
    for fact in &record.facts {
        let event = events.entry(fact.step).or_default();
        event.at = fact.at;
        event.facts.push(fact);
    }
    for side in &failure.sides {
        let is_new = !events.contains_key(&side.step);
        let event = events.entry(side.step).or_default();
        if is_new {
            event.at = side.at;
        }
        if event.at == side.at { event.sides.push(side) } else { event.later.push(side) }
    }
    events
}

/// The numbers of the events without which the clash would not be: what came before on the same node, and where it was
/// sent.
fn past(events: &BTreeMap<u64, Event<'_>>, failure: &Failure) -> BTreeSet<u64> {
    let mut before: BTreeMap<Node, Vec<u64>> = BTreeMap::new();
    for (step, event) in events {
        for node in event.nodes() {
            before.entry(node).or_default().push(*step);
        }
    }
    let mut open: BTreeSet<u64> = match &failure.facts {
        Some(facts) => facts.first.iter().chain([&facts.second]).map(|fact| fact.step).collect(),
        None if is_pinned(failure) => failure.sides.iter().map(|side| side.step).collect(),
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
