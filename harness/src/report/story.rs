//! The timeline of what matters: how a promise came to be broken, a line per event.
//!
//! What matters is in the causal past of what clashes (what happened on a node before, and what happened
//! where a message was sent before that), and changes something: a term, a vote, a log, a commit index, who lives. All
//! the rest is folded away, and counted.

use super::grouped;
use crate::outcome::{Failure, Line, Record, Side, Verdict, What, Who};
use invariants::{Fact, Index, Node, Observed, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

/// How many of the last events are told where all of the past is the cause.
const MOST_ROWS: usize = 40;

/// The timeline of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Story {
    /// The line above the others.
    pub head: String,
    /// A line per event.
    pub rows: Vec<String>,
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
    let events = events(record, failure);
    let past = past(&events, failure);
    let focus = Focus::of(failure);
    let standing = vec![Standing::Down; nodes as usize + 1];
    let mut teller = Teller { nodes, width, standing, logs: BTreeMap::new() };
    let (mut rows, mut folded, mut all_folded) = (Vec::new(), 0_u64, 0);
    let mut clash = Vec::new();
    let clashing = |fact: &Observed| {
        failure
            .facts
            .as_ref()
            .is_some_and(|facts| facts.first.iter().chain([&facts.second]).any(|it| it == fact))
    };
    for (step, event) in &events {
        let marks = focus.marks(*step) || !event.sides.is_empty();
        let told = teller.tell(event, &focus, marks);
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
            Some(text) if marks || event.is_of_the_world() || past.contains(step) => {
                rows.push(teller.row(event, folded, marks, &text));
                folded = 0;
            }
            _ => (folded, all_folded) = (folded + 1, all_folded + 1),
        }
        // The end of the storm needs no words where something is asked from then on.
        let is_told = |line: &Line| event.later.iter().any(|side| side.at == line.at);
        for line in event.calm.into_iter().filter(|line| !is_told(line)) {
            let calm = Event { at: line.at, ..Event::default() };
            rows.push(teller.row(&calm, folded, false, &line.text));
            folded = 0;
        }
        for side in &event.later {
            let later = Event { at: side.at, sides: vec![side], ..Event::default() };
            rows.push(teller.row(&later, folded, true, &teller.words(side)));
            folded = 0;
        }
    }
    let too_many = rows.len().saturating_sub(MOST_ROWS);
    if !is_pinned(failure) && too_many > 0 {
        rows.drain(..too_many);
        all_folded += too_many as u64;
    }
    let names: String = (1..=nodes).map(|node| format!("{:^3}", format!("n{node}"))).collect();
    let head = format!("{:>13} {:>6}  {}", "seconds", "folded", names.trim_end());
    let seen = teller.dated(&failure.sentence, None);
    Some(Story { head, rows, folded: all_folded, clash, seen })
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

/// What the clash is about.
struct Focus {
    steps: Vec<u64>,
    kinds: Vec<std::mem::Discriminant<Fact>>,
    /// The lowest index that matters.
    index: Option<Index>,
}

impl Focus {
    fn of(failure: &Failure) -> Focus {
        let observed = failure.facts.iter().flat_map(|facts| facts.first.iter().chain([&facts.second]));
        let (mut steps, mut kinds, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
        for fact in observed {
            steps.push(fact.step);
            kinds.push(std::mem::discriminant(&fact.fact));
            indexes.extend(index_of(&fact.fact));
        }
        for side in &failure.sides {
            match &side.what {
                What::Fact(fact) => {
                    kinds.push(std::mem::discriminant(fact));
                    indexes.extend(index_of(fact));
                }
                What::Words(_, index) => indexes.extend(*index),
            }
        }
        Focus { steps, kinds, index: indexes.into_iter().min() }
    }

    /// Whether one of the two facts was stated in this event.
    fn marks(&self, step: u64) -> bool {
        self.steps.contains(&step)
    }

    /// Whether a fact changes something that the clash can be about.
    fn concerns(&self, fact: &Fact) -> bool {
        let late_enough = |index: Index| self.index.is_none_or(|lowest| index >= lowest);
        match fact {
            Fact::TermChanged { .. }
            | Fact::Leads { .. }
            | Fact::SteppedDown { .. }
            | Fact::Voted { .. }
            | Fact::Campaigned { .. }
            | Fact::Truncated { .. }
            | Fact::Crashed
            | Fact::PowerLost
            | Fact::Wiped
            | Fact::Started { .. }
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadServed { .. } => true,
            Fact::Configured { index, .. } => *index > 0,
            Fact::Appended { index, .. } => late_enough(*index),
            other => {
                self.kinds.contains(&std::mem::discriminant(other)) && index_of(other).is_none_or(late_enough)
            }
        }
    }
}

/// The place in the log that a fact is about.
pub(super) const fn index_of(fact: &Fact) -> Option<Index> {
    match fact {
        Fact::Appended { index, .. }
        | Fact::Committed { index }
        | Fact::Applied { index, .. }
        | Fact::Configured { index, .. }
        | Fact::Acknowledged { index, .. }
        | Fact::SavedEntry { index, .. }
        | Fact::WriteAcknowledged { index, .. } => Some(*index),
        Fact::Truncated { after } => Some(*after + 1),
        _ => None,
    }
}

/// What a column shows of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Down,
    Follows,
    Campaigns,
    Leads,
}

/// Tells events, and knows what was told before.
struct Teller {
    nodes: u64,
    /// How wide a line may be.
    width: usize,
    standing: Vec<Standing>,
    /// The terms of all entries, for `index@term`.
    logs: BTreeMap<Node, BTreeMap<Index, Term>>,
}

impl Teller {
    /// What an event changes, in words; `None` if nothing that matters.
    fn tell(&mut self, event: &Event<'_>, focus: &Focus, marks: bool) -> Option<String> {
        let mut said: Vec<String> = Vec::new();
        let fresh = |fact: &&Observed| matches!(fact.fact, Fact::Started { last, .. } if last.index == 0);
        if event.facts.iter().copied().filter(|fact| fresh(fact)).count() as u64 == self.nodes
            && self.nodes > 1
        {
            event.facts.iter().for_each(|fact| self.note(fact));
            return Some("all start with nothing".to_owned());
        }
        let mut appended: Option<(Node, Index, Index, Term)> = None;
        for fact in &event.facts {
            self.note(fact);
            let in_the_clash = marks && focus.kinds.contains(&std::mem::discriminant(&fact.fact));
            if !in_the_clash && !focus.concerns(&fact.fact) {
                continue;
            }
            // Entries that come together are told together.
            if let Fact::Appended { index, term, .. } = fact.fact {
                match &mut appended {
                    Some((node, _, last, of)) if (*node, *last + 1, *of) == (fact.node, index, term) => {
                        *last = index;
                        said.pop();
                    }
                    _ => appended = Some((fact.node, index, index, term)),
                }
                let (_, first, last, _) = appended.expect("just noted");
                said.push(if first == last {
                    format!("appends {first}@{term}")
                } else {
                    format!("appends {first}@{term}..{last}@{term}")
                });
                continue;
            }
            let phrase = self.phrase(fact);
            if !phrase.is_empty() {
                said.push(phrase);
            }
        }
        for side in &event.sides {
            if let What::Words(..) = side.what {
                // Which server it is stands in the columns.
                let who = match side.who {
                    Who::Client(client) => format!("c{client} "),
                    Who::Server(_) | Who::All => String::new(),
                };
                said.push(who + &self.words(side));
            }
        }
        let world = event.is_of_the_world();
        // Whoever only heard of a term says so again as soon as it votes, campaigns or appends.
        let only_a_term = event
            .facts
            .iter()
            .all(|fact| matches!(fact.fact, Fact::TermChanged { .. }) || !focus.concerns(&fact.fact));
        let about_terms =
            focus.kinds.iter().any(|kind| *kind == std::mem::discriminant(&Fact::TermChanged { term: 0 }));
        if only_a_term && !marks && !about_terms {
            said.clear();
        }
        let head = event.lines.first().filter(|line| world || !is_plain(&line.text));
        let head = head.map(|line| self.dated(&line.text, Some(line.node)));
        match (said.is_empty(), head) {
            (true, Some(head)) if world => Some(head),
            (true, _) => None,
            // What it came to first: where a line is too long, it is the message that is cut short.
            (false, Some(head)) => Some(format!("{}  ({head})", said.join(", "))),
            (false, None) => Some(said.join(", ")),
        }
    }

    /// Keeps up with a node.
    fn note(&mut self, fact: &Observed) {
        if !is_of_a_server(&fact.fact) {
            return;
        }
        let log = self.logs.entry(fact.node).or_default();
        let standing = match fact.fact {
            Fact::Started { last, .. } => {
                log.retain(|index, _| *index <= last.index);
                Some(Standing::Follows)
            }
            Fact::Appended { index, term, .. } => {
                log.insert(index, term);
                None
            }
            Fact::Truncated { after } => {
                log.retain(|index, _| *index <= after);
                None
            }
            Fact::TermChanged { .. } | Fact::SteppedDown { .. } => Some(Standing::Follows),
            Fact::Campaigned { .. } => Some(Standing::Campaigns),
            Fact::Leads { .. } => Some(Standing::Leads),
            Fact::Crashed | Fact::PowerLost => Some(Standing::Down),
            _ => None,
        };
        if let (Some(standing), Some(column)) = (standing, self.standing.get_mut(fact.node as usize)) {
            *column = standing;
        }
    }

    /// A place in the log of a node as `index@term`. Where it has none there: in that of whoever leads, and then of
    /// anybody; so it is with clients, who have no log.
    fn place(&self, node: Option<Node>, index: Index) -> String {
        let leads = |node: &Node| self.standing[*node as usize] == Standing::Leads;
        let term = |node: Node| self.logs.get(&node).and_then(|log| log.get(&index));
        let others = (1..=self.nodes).filter(leads).chain(1..=self.nodes);
        match node.into_iter().chain(others).find_map(term) {
            Some(term) => format!("{index}@{term}"),
            None if index == 0 => "0@0".into(),
            None => index.to_string(),
        }
    }

    /// A text in which places in the log of this node are written as `index@term`, also where whoever wrote it knew the
    /// index alone.
    fn dated(&self, text: &str, node: Option<Node>) -> String {
        let is_digit = |c: char| c.is_ascii_digit();
        let (mut dated, mut done) = (String::new(), 0);
        while let Some(start) = text[done..].find(is_digit).map(|at| done + at) {
            let end = text[start..].find(|c| !is_digit(c)).map_or(text.len(), |length| start + length);
            dated += &text[done..start];
            match text[start..end].parse() {
                Ok(index) if is_place(&text[..start], &text[end..]) => dated += &self.place(node, index),
                _ => dated += &text[start..end],
            }
            done = end;
        }
        dated + &text[done..]
    }

    /// A side of the clash in a few words.
    fn words(&self, side: &Side) -> String {
        let node = match side.who {
            Who::Server(node) => Some(node),
            Who::Client(_) | Who::All => None,
        };
        match &side.what {
            What::Words(words, _) => self.dated(words, node),
            What::Fact(fact) => {
                let node = node.unwrap_or_default();
                self.phrase(&Observed { at: side.at, step: side.step, node, fact: fact.clone() })
            }
        }
    }

    /// A fact in a few words.
    fn phrase(&self, fact: &Observed) -> String {
        let node = fact.node;
        let place = |index: &Index| self.place(Some(node), *index);
        match &fact.fact {
            Fact::Started { term, last, .. } => format!("n{node} starts in term {term}, log up to {last}"),
            Fact::TermChanged { term } => format!("term {term}"),
            Fact::Appended { index, .. } => format!("appends {}", place(index)),
            Fact::Truncated { after } => format!("cuts its log after {}", place(after)),
            Fact::Leads { term } => format!("leads term {term}"),
            Fact::SteppedDown { term } => format!("no longer leads term {term}"),
            Fact::Committed { index } => format!("commits {}", place(index)),
            Fact::Applied { index, request: Some(id), effect, .. } => {
                let how = if *effect { "" } else { " from memory" };
                format!("applies {} ({id}{how})", place(index))
            }
            Fact::Applied { index, .. } => format!("applies {}", place(index)),
            Fact::Configured { index, configuration } => format!("group {configuration} by {}", place(index)),
            Fact::SnapshotTaken { last, configuration, .. } => {
                format!("has a snapshot up to {last}, group {configuration}")
            }
            Fact::SnapshotInstalled { last, configuration } => {
                format!("installs a snapshot up to {last}, group {configuration}")
            }
            Fact::Restored { index, .. } => format!("restores its state as of {}", place(index)),
            Fact::Voted { term, candidate } => format!("votes for n{candidate} in term {term}"),
            Fact::Campaigned { term } => format!("campaigns in term {term}"),
            Fact::Acknowledged { term, index } => {
                format!("acknowledges {} to the leader of term {term}", place(index))
            }
            Fact::ReadServed { read, applied } => format!("serves {read} from {}", place(applied)),
            Fact::Saved { term, vote, .. } => match vote {
                Some(vote) => format!("durable: term {term}, vote n{vote}"),
                None => format!("durable: term {term}"),
            },
            Fact::SavedEntry { index, term, .. } => format!("durable: {index}@{term}"),
            Fact::SavedSnapshot { last, .. } => format!("durable: a snapshot up to {last}"),
            Fact::SavedRecovered => "durable: what it recovered".into(),
            Fact::Crashed => format!("n{node} crashes"),
            Fact::PowerLost => format!("n{node} loses power"),
            Fact::Wiped => format!("n{node} loses its disk"),
            Fact::Restarted | Fact::Quiet => String::new(),
            Fact::WriteAcknowledged { index, write } => {
                format!("c{node} sees {write} done at {}", self.place(None, *index))
            }
            Fact::ReadAsked { read } => format!("c{node} asks {read}"),
        }
    }

    /// A line: when, how much was folded before it, how everybody stands, what happens. The clash has a mark.
    fn row(&self, event: &Event<'_>, folded: u64, marks: bool, text: &str) -> String {
        let here = event.nodes();
        let columns: String = (1..=self.nodes)
            .map(|node| {
                let letter = match self.standing[node as usize] {
                    Standing::Down => 'x',
                    Standing::Follows => 'f',
                    Standing::Campaigns => 'c',
                    Standing::Leads => 'L',
                };
                if here.contains(&node) { format!("[{letter}]") } else { format!(" {letter} ") }
            })
            .collect();
        let seconds = format!("{}.{:06}", event.at / 1_000_000_000, event.at / 1_000 % 1_000_000);
        let folded = if folded == 0 { String::new() } else { format!("+{}", grouped(folded)) };
        let mark = if marks { '!' } else { ' ' };
        let line = format!("{mark} {seconds:>11} {folded:>6}  {columns}  ");
        let room = self.width.saturating_sub(line.len());
        format!("{line}{}", clipped(text, room))
    }
}

/// Whether a number that stands between these texts is a bare place in a log.
fn is_place(before: &str, after: &str) -> bool {
    const WORDS: [&str; 11] = [
        "index ",
        "matched ",
        "commit ",
        "committed ",
        "applied ",
        "log up to ",
        "read at ",
        "again at ",
        "effect at ",
        "state after ",
        "the one after ",
    ];
    // A request and where it was: `s1#2 at 3`.
    let of_a_request = before
        .strip_suffix(" at ")
        .and_then(|before| before.rsplit(' ').next())
        .is_some_and(|word| word.contains('#'));
    (of_a_request || WORDS.iter().any(|word| before.ends_with(word))) && !after.starts_with(['@', '.'])
}

/// Whether a line says no more than that time has passed: what came of it says the rest.
fn is_plain(text: &str) -> bool {
    text == "timer" || text.starts_with("sync ") || text.starts_with("starts with")
}

/// A text that fits: a longer one ends with dots.
fn clipped(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(room.saturating_sub(2));
    format!("{}..", text[..end].trim_end())
}
