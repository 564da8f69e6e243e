//! Spells: events of one kind, one after the other, that are told in one row.
//!
//! While a leader does its work each entry is appended by each server, and while nobody is elected one candidate follows
//! the other. A row for each of those says nothing that one for all does not: who, and how far. What clashes, what
//! faults do and who is elected never hide in a spell.

use super::relevance::Relevance;
use super::role::ShownRole;
use invariants::{Fact, LogId, Node, Observed, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What the events of a spell have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GroupKind {
    /// Logs become longer, and more of them is acknowledged and committed.
    LogGrowth,
    /// One candidate gets votes.
    Votes(Term, Node),
    /// Candidates who were never elected and their votes, in terms that the clash is not about.
    FailedElections,
}

impl GroupKind {
    /// The kind of an event that says only these facts; `None` if it has a row of its own. `led`: who led in which terms.
    pub(super) fn classify(
        facts: &[&Observed],
        relevance: &Relevance,
        led: &BTreeSet<(Term, Node)>,
    ) -> Option<GroupKind> {
        let is_vain =
            |term: Term, candidate: Node| !led.contains(&(term, candidate)) && !relevance.is_about_term(term);
        let mut kinds = facts.iter().filter_map(|observed| match &observed.fact {
            Fact::Appended { .. }
            | Fact::Acknowledged { .. }
            | Fact::Committed { .. }
            | Fact::Configured { .. } => Some(Some(GroupKind::LogGrowth)),
            Fact::Campaigned { term } if is_vain(*term, observed.node) => {
                Some(Some(GroupKind::FailedElections))
            }
            Fact::Voted { term, candidate } if is_vain(*term, *candidate) => {
                Some(Some(GroupKind::FailedElections))
            }
            Fact::Voted { term, candidate } => Some(Some(GroupKind::Votes(*term, *candidate))),
            // Whoever votes or appends in a term is in it.
            Fact::TermChanged { .. } if !relevance.has_fact_kind(&observed.fact) => None,
            _ => Some(None),
        });
        let kind = kinds.next()??;
        kinds.all(|other| other == Some(kind)).then_some(kind)
    }
}

/// A row that is being told, for as long as events of its kind follow.
pub(super) struct EventGroup {
    kind: GroupKind,
    /// What its first event said, for if it stays alone.
    pub(super) single_text: String,
    /// How many events it has.
    pub(super) events: u64,
    /// How many were folded away before and within it.
    pub(super) folded: u64,
    /// When its last event was, which servers it concerns, and how all stood in the end.
    pub(super) at: Time,
    pub(super) involved: BTreeSet<Node>,
    pub(super) roles: Vec<ShownRole>,
    /// What was appended, by whoever did so first at first.
    appended: Vec<(Node, BTreeSet<LogId>)>,
    /// How far each server does what it says of all up to a place.
    log_claims: BTreeMap<(Node, LogClaim), LogId>,
    configurations: Vec<String>,
    /// Candidates, in which terms, and who voted for them.
    candidates: Vec<(Node, BTreeSet<Term>, BTreeSet<Node>)>,
}

/// What a server says of all up to a place in its log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum LogClaim {
    Acknowledges,
    Commits,
}

/// An event that can be told in a spell.
pub(super) struct GroupMember<'a> {
    pub(super) kind: GroupKind,
    pub(super) at: Time,
    pub(super) involved: BTreeSet<Node>,
    pub(super) roles: &'a [ShownRole],
    pub(super) facts: &'a [&'a Observed],
    /// The places of the log up to which something was said of all.
    pub(super) log_claims: Vec<((Node, LogClaim), LogId)>,
    /// The groups that it began to use, in words.
    pub(super) configurations: Vec<String>,
}

impl EventGroup {
    /// Begins with an event, that alone would be told so, and before which so many were folded away.
    pub(super) fn new(part: GroupMember<'_>, alone: String, folded: u64) -> EventGroup {
        let mut spell = EventGroup {
            kind: part.kind,
            single_text: alone,
            events: 0,
            folded: 0,
            at: 0,
            involved: BTreeSet::new(),
            roles: Vec::new(),
            appended: Vec::new(),
            log_claims: BTreeMap::new(),
            configurations: part.configurations.clone(),
            candidates: Vec::new(),
        };
        spell.add(part, folded);
        spell
    }

    /// Whether an event can be told in it. A new group is no repetition.
    pub(super) fn accepts(&self, part: &GroupMember<'_>) -> bool {
        self.kind == part.kind && part.configurations.iter().all(|group| self.configurations.contains(group))
    }

    /// Goes on with an event, before which so many were folded away.
    pub(super) fn add(&mut self, part: GroupMember<'_>, folded: u64) {
        // The one before is no longer told by itself.
        self.folded += folded + u64::from(self.events > 0);
        self.events += 1;
        self.at = part.at;
        self.involved.extend(part.involved);
        self.roles = part.roles.to_vec();
        self.log_claims.extend(part.log_claims);
        for observed in part.facts {
            match observed.fact {
                Fact::Appended { index, term, .. } => {
                    let place = LogId { index, term };
                    match self.appended.iter_mut().find(|(node, _)| *node == observed.node) {
                        Some((_, entries)) => drop(entries.insert(place)),
                        None => self.appended.push((observed.node, BTreeSet::from([place]))),
                    }
                }
                Fact::Campaigned { term } => drop(self.candidate_mut(observed.node).1.insert(term)),
                Fact::Voted { term, candidate } => {
                    let candidate = self.candidate_mut(candidate);
                    candidate.1.insert(term);
                    candidate.2.insert(observed.node);
                }
                _ => {}
            }
        }
    }

    fn candidate_mut(&mut self, node: Node) -> &mut (Node, BTreeSet<Term>, BTreeSet<Node>) {
        let known = self.candidates.iter().position(|(candidate, ..)| *candidate == node);
        let place = known.unwrap_or_else(|| {
            self.candidates.push((node, BTreeSet::new(), BTreeSet::new()));
            self.candidates.len() - 1
        });
        &mut self.candidates[place]
    }

    /// All of it in a few words, if there is more than one event.
    pub(super) fn summarize(&self, nodes: u64) -> String {
        match self.kind {
            GroupKind::LogGrowth => self.summarize_log_growth(nodes),
            GroupKind::Votes(term, candidate) => {
                format!("{} for n{candidate} in term {term}", subject_and_verb(&self.involved, "vote"))
            }
            GroupKind::FailedElections => self.summarize_failed_elections(),
        }
    }

    /// `n1, n2, n3 append 2@1..12@1; n4 up to 9@1`.
    fn summarize_log_growth(&self, nodes: u64) -> String {
        let mut rest: Vec<&(Node, BTreeSet<LogId>)> = self.appended.iter().collect();
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
                true if self.involved.len() == 1 => format!("appends {}", format_log_ranges(entries)),
                true if who.len() as u64 == nodes => format!("all append {}", format_log_ranges(entries)),
                true if who.len() == 1 => format!("n{first} appends {}", format_log_ranges(entries)),
                true => format!("{} append {}", format_nodes(who), format_log_ranges(entries)),
                false => format!("{} up to {end}", format_nodes(who)),
            }));
        }
        let reaches = |(&(node, reach), place): (&(Node, LogClaim), &LogId)| {
            let verb = match reach {
                LogClaim::Acknowledges => "acknowledges",
                LogClaim::Commits => "commits",
            };
            let who = if self.involved.len() == 1 { String::new() } else { format!("n{node} ") };
            format!("{who}{verb} all up to {place}")
        };
        clauses.extend(self.log_claims.iter().map(reaches));
        clauses.extend(self.configurations.iter().cloned());
        clauses.join("; ")
    }

    /// `in vain: n4 campaigns in terms 2..7; n3 in term 2 (votes: n1, n6)`.
    fn summarize_failed_elections(&self) -> String {
        let told = self.candidates.iter().enumerate().map(|(place, (node, terms, voters))| {
            let verb = if place == 0 { " campaigns" } else { "" };
            let word = if terms.len() == 1 { "term" } else { "terms" };
            let votes =
                if voters.is_empty() { String::new() } else { format!(" (votes: {})", format_nodes(voters)) };
            format!("n{node}{verb} in {word} {}{votes}", format_number_ranges(terms).join(", "))
        });
        format!("in vain: {}", told.collect::<Vec<_>>().join("; "))
    }
}

/// `n1, n2, n4`.
fn format_nodes(nodes: &BTreeSet<Node>) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(", ")
}

/// Who does something: `n1, n2 vote`, `votes`.
fn subject_and_verb(nodes: &BTreeSet<Node>, verb: &str) -> String {
    if nodes.len() == 1 { format!("{verb}s") } else { format!("{} {verb}", format_nodes(nodes)) }
}

/// Places in a log, those of one term that follow each other as one: `2@1..5@1, 6@2`.
fn format_log_ranges(entries: &BTreeSet<LogId>) -> String {
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
pub(in crate::report) fn format_number_ranges<'a>(numbers: impl IntoIterator<Item = &'a u64>) -> Vec<String> {
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
