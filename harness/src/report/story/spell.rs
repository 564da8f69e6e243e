//! Spells: events of one kind, one after the other, that are told in one row.
//!
//! While a leader does its work each entry is appended by each server, and while nobody is elected one candidate follows
//! the other. A row for each of those says nothing that one for all does not: who, and how far. What clashes, what
//! faults do and who is elected never hide in a spell.

use super::focus::Focus;
use super::role::ShownRole;
use invariants::{Fact, LogId, Node, Observed, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What the events of a spell have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Logs become longer, and more of them is acknowledged and committed.
    Growth,
    /// One candidate gets votes.
    Votes(Term, Node),
    /// Candidates who were never elected and their votes, in terms that the clash is not about.
    Vain,
}

impl Kind {
    /// The kind of an event that says only these facts; `None` if it has a row of its own. `led`: who led in which terms.
    pub(super) fn of(facts: &[&Observed], focus: &Focus, led: &BTreeSet<(Term, Node)>) -> Option<Kind> {
        let is_vain =
            |term: Term, candidate: Node| !led.contains(&(term, candidate)) && !focus.is_about_term(term);
        let mut kinds = facts.iter().filter_map(|observed| match &observed.fact {
            Fact::Appended { .. }
            | Fact::Acknowledged { .. }
            | Fact::Committed { .. }
            | Fact::Configured { .. } => Some(Some(Kind::Growth)),
            Fact::Campaigned { term } if is_vain(*term, observed.node) => Some(Some(Kind::Vain)),
            Fact::Voted { term, candidate } if is_vain(*term, *candidate) => Some(Some(Kind::Vain)),
            Fact::Voted { term, candidate } => Some(Some(Kind::Votes(*term, *candidate))),
            // Whoever votes or appends in a term is in it.
            Fact::TermChanged { .. } if !focus.is_of_kind(&observed.fact) => None,
            _ => Some(None),
        });
        let kind = kinds.next()??;
        kinds.all(|other| other == Some(kind)).then_some(kind)
    }
}

/// A row that is being told, for as long as events of its kind follow.
pub(super) struct Spell {
    kind: Kind,
    /// What its first event said, for if it stays alone.
    pub(super) alone: String,
    /// How many events it has.
    pub(super) events: u64,
    /// How many were folded away before and within it.
    pub(super) folded: u64,
    /// When its last event was, which servers it concerns, and how all stood in the end.
    pub(super) at: Time,
    pub(super) here: BTreeSet<Node>,
    pub(super) standing: Vec<ShownRole>,
    /// What was appended, by whoever did so first at first.
    grown: Vec<(Node, BTreeSet<LogId>)>,
    /// How far each server does what it says of all up to a place.
    reached: BTreeMap<(Node, Reach), LogId>,
    groups: Vec<String>,
    /// Candidates, in which terms, and who voted for them.
    candidates: Vec<(Node, BTreeSet<Term>, BTreeSet<Node>)>,
}

/// What a server says of all up to a place in its log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Reach {
    Acknowledges,
    Commits,
}

/// An event that can be told in a spell.
pub(super) struct Part<'a> {
    pub(super) kind: Kind,
    pub(super) at: Time,
    pub(super) here: BTreeSet<Node>,
    pub(super) standing: &'a [ShownRole],
    pub(super) facts: &'a [&'a Observed],
    /// The places of the log up to which something was said of all.
    pub(super) reached: Vec<((Node, Reach), LogId)>,
    /// The groups that it began to use, in words.
    pub(super) groups: Vec<String>,
}

impl Spell {
    /// Begins with an event, that alone would be told so, and before which so many were folded away.
    pub(super) fn new(part: Part<'_>, alone: String, folded: u64) -> Spell {
        let mut spell = Spell {
            kind: part.kind,
            alone,
            events: 0,
            folded: 0,
            at: 0,
            here: BTreeSet::new(),
            standing: Vec::new(),
            grown: Vec::new(),
            reached: BTreeMap::new(),
            groups: part.groups.clone(),
            candidates: Vec::new(),
        };
        spell.take(part, folded);
        spell
    }

    /// Whether an event can be told in it. A new group is no repetition.
    pub(super) fn goes_on_with(&self, part: &Part<'_>) -> bool {
        self.kind == part.kind && part.groups.iter().all(|group| self.groups.contains(group))
    }

    /// Goes on with an event, before which so many were folded away.
    pub(super) fn take(&mut self, part: Part<'_>, folded: u64) {
        // The one before is no longer told by itself.
        self.folded += folded + u64::from(self.events > 0);
        self.events += 1;
        self.at = part.at;
        self.here.extend(part.here);
        self.standing = part.standing.to_vec();
        self.reached.extend(part.reached);
        for observed in part.facts {
            match observed.fact {
                Fact::Appended { index, term, .. } => {
                    let place = LogId { index, term };
                    match self.grown.iter_mut().find(|(node, _)| *node == observed.node) {
                        Some((_, entries)) => drop(entries.insert(place)),
                        None => self.grown.push((observed.node, BTreeSet::from([place]))),
                    }
                }
                Fact::Campaigned { term } => drop(self.candidate(observed.node).1.insert(term)),
                Fact::Voted { term, candidate } => {
                    let candidate = self.candidate(candidate);
                    candidate.1.insert(term);
                    candidate.2.insert(observed.node);
                }
                _ => {}
            }
        }
    }

    fn candidate(&mut self, node: Node) -> &mut (Node, BTreeSet<Term>, BTreeSet<Node>) {
        let known = self.candidates.iter().position(|(candidate, ..)| *candidate == node);
        let place = known.unwrap_or_else(|| {
            self.candidates.push((node, BTreeSet::new(), BTreeSet::new()));
            self.candidates.len() - 1
        });
        &mut self.candidates[place]
    }

    /// All of it in a few words, if there is more than one event.
    pub(super) fn words(&self, nodes: u64) -> String {
        match self.kind {
            Kind::Growth => self.growth(nodes),
            Kind::Votes(term, candidate) => {
                format!("{} for n{candidate} in term {term}", does(&self.here, "vote"))
            }
            Kind::Vain => self.vain(),
        }
    }

    /// `n1, n2, n3 append 2@1..12@1; n4 up to 9@1`.
    fn growth(&self, nodes: u64) -> String {
        let mut rest: Vec<&(Node, BTreeSet<LogId>)> = self.grown.iter().collect();
        // Whoever appends most is told first, and those that have the same then need few words.
        rest.sort_by_key(|(_, entries)| std::cmp::Reverse(entries.len()));
        let mut clauses = Vec::new();
        while !rest.is_empty() {
            let (first, entries) = rest.remove(0);
            let last = entries.last().copied().unwrap_or_default();
            let mut ends = BTreeMap::from([(last, BTreeSet::from([*first]))]);
            rest.retain(|(node, others)| {
                // What it has before these it had in common with them, for it has the same entry later.
                let is_copy = others.last().is_some_and(|last| entries.contains(last))
                    && others.iter().all(|entry| Some(entry) < entries.first() || entries.contains(entry));
                if is_copy {
                    ends.entry(*others.last().expect("just seen")).or_default().insert(*node);
                }
                !is_copy
            });
            clauses.extend(ends.iter().rev().map(|(end, who)| match *end == last {
                true if self.here.len() == 1 => format!("appends {}", ranges(entries)),
                true if who.len() as u64 == nodes => format!("all append {}", ranges(entries)),
                true if who.len() == 1 => format!("n{first} appends {}", ranges(entries)),
                true => format!("{} append {}", names(who), ranges(entries)),
                false => format!("{} up to {end}", names(who)),
            }));
        }
        let reaches = |(&(node, reach), place): (&(Node, Reach), &LogId)| {
            let verb = match reach {
                Reach::Acknowledges => "acknowledges",
                Reach::Commits => "commits",
            };
            let who = if self.here.len() == 1 { String::new() } else { format!("n{node} ") };
            format!("{who}{verb} all up to {place}")
        };
        clauses.extend(self.reached.iter().map(reaches));
        clauses.extend(self.groups.iter().cloned());
        clauses.join("; ")
    }

    /// `in vain: n4 campaigns in terms 2..7; n3 in term 2 (votes: n1, n6)`.
    fn vain(&self) -> String {
        let told = self.candidates.iter().enumerate().map(|(place, (node, terms, voters))| {
            let verb = if place == 0 { " campaigns" } else { "" };
            let word = if terms.len() == 1 { "term" } else { "terms" };
            let votes =
                if voters.is_empty() { String::new() } else { format!(" (votes: {})", names(voters)) };
            format!("n{node}{verb} in {word} {}{votes}", spans(terms).join(", "))
        });
        format!("in vain: {}", told.collect::<Vec<_>>().join("; "))
    }
}

/// `n1, n2, n4`.
fn names(nodes: &BTreeSet<Node>) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(", ")
}

/// Who does something: `n1, n2 vote`, `votes`.
fn does(nodes: &BTreeSet<Node>, verb: &str) -> String {
    if nodes.len() == 1 { format!("{verb}s") } else { format!("{} {verb}", names(nodes)) }
}

/// Places in a log, those of one term that follow each other as one: `2@1..5@1, 6@2`.
fn ranges(entries: &BTreeSet<LogId>) -> String {
    let mut ranges: Vec<(LogId, LogId)> = Vec::new();
    for entry in entries {
        match ranges.last_mut() {
            Some((_, last)) if (last.index + 1, last.term) == (entry.index, entry.term) => *last = *entry,
            _ => ranges.push((*entry, *entry)),
        }
    }
    let told = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}..{last}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Numbers, three or more that follow each other as one: `2..7`, `9`, `10`.
pub(in crate::report) fn spans<'a>(numbers: impl IntoIterator<Item = &'a u64>) -> Vec<String> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let told = spans.into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first}..{last}")],
    });
    told.collect()
}
