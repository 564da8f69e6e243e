//! Event groups: consecutive events of one kind in one row.
//!
//! While a leader replicates, every server appends every entry; without a leader, one candidate follows another. One
//! row says which servers did it and how far they got. Clashing events, faults and won elections always keep their
//! own row.

use super::relevance::Relevance;
use invariants::{Fact, LogId, Node, Observed, Role, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What the events of a group have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GroupKind {
    /// Entries are appended, acknowledged and committed.
    LogGrowth,
    /// Votes for one candidate.
    Votes(Term, Node),
    /// Candidacies that were not won and their votes, in terms that the clash does not involve.
    FailedElections,
}

impl GroupKind {
    /// The kind of an event with these facts; `None` if it needs its own row. `leaderships`: the leader of each term.
    pub(super) fn classify(
        facts: &[&Observed],
        relevance: &Relevance,
        leaderships: &BTreeSet<(Term, Node)>,
    ) -> Option<GroupKind> {
        let has_failed = |term: Term, candidate: Node| {
            !leaderships.contains(&(term, candidate)) && !relevance.is_about_term(term)
        };
        let mut kinds = facts.iter().filter_map(|observed| match &observed.fact {
            Fact::Appended { .. }
            | Fact::Acknowledged { .. }
            | Fact::Committed { .. }
            | Fact::Configured { .. } => Some(Some(GroupKind::LogGrowth)),
            Fact::Campaigned { term } if has_failed(*term, observed.node) => {
                Some(Some(GroupKind::FailedElections))
            }
            Fact::Voted { term, candidate } if has_failed(*term, *candidate) => {
                Some(Some(GroupKind::FailedElections))
            }
            Fact::Voted { term, candidate } => Some(Some(GroupKind::Votes(*term, *candidate))),
            // A vote or an entry implies its term.
            Fact::TermChanged { .. } if !relevance.has_fact_kind(&observed.fact) => None,
            _ => Some(None),
        });
        let kind = kinds.next()??;
        kinds.all(|other| other == Some(kind)).then_some(kind)
    }
}

/// A group that later events may still join.
pub(super) struct EventGroup {
    kind: GroupKind,
    /// Text of its first event, used if no other joins.
    pub(super) single_text: String,
    /// Number of its events.
    pub(super) events: u64,
    /// Events folded away before and within it.
    pub(super) folded: u64,
    /// Time of its last event, the servers involved, and all roles after it.
    pub(super) at: Time,
    pub(super) involved: BTreeSet<Node>,
    pub(super) roles: Vec<Role>,
    /// Entries appended by each server, in the order of first appends.
    appended: Vec<(Node, BTreeSet<LogId>)>,
    /// The highest entry each server claims.
    log_claims: BTreeMap<(Node, LogClaim), LogId>,
    configurations: Vec<String>,
    /// Candidates, their terms and their voters.
    candidates: Vec<(Node, BTreeSet<Term>, BTreeSet<Node>)>,
}

/// A claim about all entries up to an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum LogClaim {
    Acknowledges,
    Commits,
}

/// An event that can join a group.
pub(super) struct GroupMember<'a> {
    pub(super) kind: GroupKind,
    pub(super) at: Time,
    pub(super) involved: BTreeSet<Node>,
    pub(super) roles: Vec<Role>,
    pub(super) facts: &'a [&'a Observed],
    /// Claims about all entries up to an index.
    pub(super) log_claims: Vec<((Node, LogClaim), LogId)>,
    /// Configurations that took effect, as text.
    pub(super) configurations: Vec<String>,
}

impl EventGroup {
    /// Starts a group with an event: `single_text` is its own row, `folded` the events folded away before it.
    pub(super) fn new(member: GroupMember<'_>, single_text: String, folded: u64) -> EventGroup {
        let mut group = EventGroup {
            kind: member.kind,
            single_text,
            events: 0,
            folded: 0,
            at: 0,
            involved: BTreeSet::new(),
            roles: Vec::new(),
            appended: Vec::new(),
            log_claims: BTreeMap::new(),
            configurations: member.configurations.clone(),
            candidates: Vec::new(),
        };
        group.add(member, folded);
        group
    }

    /// Whether an event can join. A new configuration starts a new group.
    pub(super) fn accepts(&self, member: &GroupMember<'_>) -> bool {
        self.kind == member.kind && member.configurations.iter().all(|new| self.configurations.contains(new))
    }

    /// Adds an event, with the number of events folded away before it.
    pub(super) fn add(&mut self, member: GroupMember<'_>, folded: u64) {
        // The previous event loses its own row.
        self.folded += folded + u64::from(self.events > 0);
        self.events += 1;
        self.at = member.at;
        self.involved.extend(member.involved);
        self.roles = member.roles;
        self.log_claims.extend(member.log_claims);
        for observed in member.facts {
            match observed.fact {
                Fact::Appended { index, term, .. } => {
                    let entry = LogId { index, term };
                    match self.appended.iter_mut().find(|(node, _)| *node == observed.node) {
                        Some((_, entries)) => drop(entries.insert(entry)),
                        None => self.appended.push((observed.node, BTreeSet::from([entry]))),
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
        let position = known.unwrap_or_else(|| {
            self.candidates.push((node, BTreeSet::new(), BTreeSet::new()));
            self.candidates.len() - 1
        });
        &mut self.candidates[position]
    }

    /// The text of a group of more than one event.
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
        // Longest first: servers with a prefix of the same entries then need few words.
        rest.sort_by_key(|(_, entries)| std::cmp::Reverse(entries.len()));
        let mut clauses = Vec::new();
        while !rest.is_empty() {
            let (first, entries) = rest.remove(0);
            let last = entries.last().copied().unwrap_or_default();
            let mut ends = BTreeMap::from([(last, BTreeSet::from([*first]))]);
            rest.retain(|(node, others)| {
                // A prefix: its entries are the same, or precede the first one shown.
                let is_copy = others.last().is_some_and(|last| entries.contains(last))
                    && others.iter().all(|entry| Some(entry) < entries.first() || entries.contains(entry));
                if is_copy {
                    ends.entry(*others.last().expect("`is_copy` requires a last entry"))
                        .or_default()
                        .insert(*node);
                }
                !is_copy
            });
            clauses.extend(ends.iter().rev().map(|(end, nodes_there)| match *end == last {
                true if self.involved.len() == 1 => format!("appends {}", format_log_ranges(entries)),
                true if nodes_there.len() as u64 == nodes => {
                    format!("all append {}", format_log_ranges(entries))
                }
                true if nodes_there.len() == 1 => format!("n{first} appends {}", format_log_ranges(entries)),
                true => format!("{} append {}", format_nodes(nodes_there), format_log_ranges(entries)),
                false => format!("{} up to {end}", format_nodes(nodes_there)),
            }));
        }
        let format_claim = |(&(node, claim), last): (&(Node, LogClaim), &LogId)| {
            let verb = match claim {
                LogClaim::Acknowledges => "acknowledges",
                LogClaim::Commits => "commits",
            };
            let subject = if self.involved.len() == 1 { String::new() } else { format!("n{node} ") };
            format!("{subject}{verb} all up to {last}")
        };
        clauses.extend(self.log_claims.iter().map(format_claim));
        clauses.extend(self.configurations.iter().cloned());
        clauses.join("; ")
    }

    /// `failed elections: n4 campaigns in terms 2..7; n3 in term 2 (votes: n1, n6)`.
    fn summarize_failed_elections(&self) -> String {
        let clauses = self.candidates.iter().enumerate().map(|(position, (node, terms, voters))| {
            let verb = if position == 0 { " campaigns" } else { "" };
            let word = if terms.len() == 1 { "term" } else { "terms" };
            let votes =
                if voters.is_empty() { String::new() } else { format!(" (votes: {})", format_nodes(voters)) };
            format!("n{node}{verb} in {word} {}{votes}", format_number_ranges(terms).join(", "))
        });
        format!("failed elections: {}", clauses.collect::<Vec<_>>().join("; "))
    }
}

/// `n1, n2, n4`.
fn format_nodes(nodes: &BTreeSet<Node>) -> String {
    nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join(", ")
}

/// A subject with its verb: `n1, n2 vote`, or `votes` alone (the columns show which server).
fn subject_and_verb(nodes: &BTreeSet<Node>, verb: &str) -> String {
    if nodes.len() == 1 { format!("{verb}s") } else { format!("{} {verb}", format_nodes(nodes)) }
}

/// Entries, with runs within a term as ranges: `2@1..5@1, 6@2`.
fn format_log_ranges(entries: &BTreeSet<LogId>) -> String {
    let mut ranges: Vec<(LogId, LogId)> = Vec::new();
    for entry in entries {
        match ranges.last_mut() {
            Some((_, last)) if (last.index + 1, last.term) == (entry.index, entry.term) => *last = *entry,
            _ => ranges.push((*entry, *entry)),
        }
    }
    let formatted = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}..{last}"),
    });
    formatted.collect::<Vec<_>>().join(", ")
}

/// Numbers, with runs of three or more as ranges: `2..7`, `9`, `10`.
pub(in crate::report) fn format_number_ranges<'a>(numbers: impl IntoIterator<Item = &'a u64>) -> Vec<String> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let formatted = ranges.into_iter().flat_map(|(first, last)| match last - first {
        0 => vec![first.to_string()],
        1 => vec![first.to_string(), last.to_string()],
        _ => vec![format!("{first}..{last}")],
    });
    formatted.collect()
}
