//! Events in words.

use super::event_group::{GroupKind, GroupMember, LogClaim};
use super::relevance::Relevance;
use super::role::ShownRole;
use super::{TimelineEvent, is_server_fact, with_thousands};
use crate::outcome::{Actor, Evidence, EvidenceKind};
use invariants::{ConfChangeResponse, Fact, Index, LogId, Node, Observed, Term, Time};
use std::collections::{BTreeMap, BTreeSet};

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    /// Whoever is the first to append an entry has a row for it, with the message that it comes from; and whoever commits
    /// one.
    EachEntry,
    /// All that can be told in a spell is.
    Grouped,
}

/// Tells events, and knows what was told before.
pub(super) struct TimelineFormatter<'a> {
    pub(super) nodes: u64,
    /// How wide a line may be.
    width: usize,
    relevance: &'a Relevance,
    /// Who led in which terms.
    leaderships: BTreeSet<(Term, Node)>,
    pub(super) roles: Vec<ShownRole>,
    /// The terms of all entries, for `index@term`.
    logs: BTreeMap<Node, BTreeMap<Index, Term>>,
    /// What each server acknowledged last, and to the leader of which term.
    acknowledged: BTreeMap<Node, (Term, Index)>,
    detail: Detail,
}

/// An event in words.
pub(super) struct FormattedEvent<'a> {
    pub(super) text: String,
    /// What is told, and the kind of spell that it can be told in.
    pub(super) facts: Vec<&'a Observed>,
    pub(super) group_kind: Option<GroupKind>,
}

/// A row: when, how much was folded before it, whom it concerns, and how all stand.
pub(super) struct RowContext<'a> {
    pub(super) at: Time,
    pub(super) folded: u64,
    pub(super) involved: &'a BTreeSet<Node>,
    pub(super) roles: &'a [ShownRole],
}

impl TimelineFormatter<'_> {
    pub(super) fn new(
        nodes: u64,
        width: usize,
        relevance: &Relevance,
        led: BTreeSet<(Term, Node)>,
        detail: Detail,
    ) -> TimelineFormatter<'_> {
        let standing = vec![ShownRole::Down; nodes as usize + 1];
        TimelineFormatter {
            nodes,
            width,
            relevance,
            leaderships: led,
            roles: standing,
            logs: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            detail,
        }
    }

    /// What an event changes, in words; `None` if nothing that matters.
    pub(super) fn format_event<'e>(
        &mut self,
        event: &TimelineEvent<'e>,
        marks: bool,
    ) -> Option<FormattedEvent<'e>> {
        let alone = |text| Some(FormattedEvent { text, facts: Vec::new(), group_kind: None });
        let fresh = |fact: &&Observed| matches!(fact.fact, Fact::Started { last, .. } if last.index == 0);
        if event.facts.iter().copied().filter(|fact| fresh(fact)).count() as u64 == self.nodes
            && self.nodes > 1
        {
            for fact in &event.facts {
                self.track_fact(fact);
            }
            return alone("all start with nothing".to_owned());
        }
        let facts = self.relevant_facts(event, marks);
        let mut said = self.describe_facts(&facts);
        for side in &event.evidence {
            if let EvidenceKind::Text(..) = side.kind {
                // Which server it is stands in the columns.
                let who = match side.actor {
                    Actor::Client(client) => format!("c{client} "),
                    Actor::Server(_) | Actor::All => String::new(),
                };
                said.push(who + &self.describe_evidence(side));
            }
        }
        let world = event.is_fault();
        // Whoever only heard of a term says so again as soon as it votes, campaigns or appends.
        let only_a_term = facts.iter().all(|fact| matches!(fact.fact, Fact::TermChanged { .. }));
        if only_a_term && !marks && !self.relevance.has_fact_kind(&Fact::TermChanged { term: 0 }) {
            said.clear();
        }
        let head = event.lines.first().filter(|line| world || !is_routine_line(&line.text));
        let head = head.map(|line| self.add_terms_to_indexes(&line.text, Some(line.node)));
        let text = match (said.is_empty(), head) {
            (true, Some(head)) if world => return alone(head),
            (true, _) => return None,
            // What it came to first: where a line is too long, it is the message that is cut short.
            (false, Some(head)) => format!("{}  ({head})", said.join(", ")),
            (false, None) => said.join(", "),
        };
        let is_of_an_entry =
            |fact: &&Observed| self.is_first_append(fact) || matches!(fact.fact, Fact::Committed { .. });
        let has_own_row =
            marks || world || (self.detail == Detail::EachEntry && facts.iter().any(is_of_an_entry));
        let kind =
            if has_own_row { None } else { GroupKind::classify(&facts, self.relevance, &self.leaderships) };
        Some(FormattedEvent { text, facts, group_kind: kind })
    }

    /// Whether an entry is appended that nobody else has.
    fn is_first_append(&self, observed: &Observed) -> bool {
        let Fact::Appended { index, term, .. } = observed.fact else { return false };
        let has = |(node, log): (&Node, &BTreeMap<Index, Term>)| {
            *node != observed.node && log.get(&index) == Some(&term)
        };
        !self.logs.iter().any(has)
    }

    /// The facts of an event that matter. Keeps up with all of them.
    fn relevant_facts<'e>(&mut self, event: &TimelineEvent<'e>, marks: bool) -> Vec<&'e Observed> {
        let mut facts = Vec::new();
        for fact in event.facts.iter().copied() {
            let is_news = self.track_fact(fact);
            let in_the_clash = marks && self.relevance.has_fact_kind(&fact.fact);
            if in_the_clash || (is_news && self.relevance.is_relevant(fact)) {
                facts.push(fact);
            }
        }
        facts
    }

    /// These facts in a few words each. Entries that come together are told together.
    fn describe_facts(&self, facts: &[&Observed]) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        let mut appended: Option<(Node, Index, Index, Term)> = None;
        for fact in facts {
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
            let phrase = self.describe_fact(fact);
            if !phrase.is_empty() {
                said.push(phrase);
            }
        }
        said
    }

    /// An event as a part of a spell.
    pub(super) fn group_member<'b>(
        &'b self,
        event: &TimelineEvent<'_>,
        told: &'b FormattedEvent<'_>,
        kind: GroupKind,
    ) -> GroupMember<'b> {
        let reached = told.facts.iter().filter_map(|observed| {
            let (reach, index) = match observed.fact {
                Fact::Acknowledged { index, .. } => (LogClaim::Acknowledges, index),
                Fact::Committed { index } => (LogClaim::Commits, index),
                _ => return None,
            };
            let term = self.logs.get(&observed.node).and_then(|log| log.get(&index));
            Some(((observed.node, reach), LogId { index, term: term.copied().unwrap_or_default() }))
        });
        let is_of_a_group = |observed: &&&Observed| matches!(observed.fact, Fact::Configured { .. });
        GroupMember {
            kind,
            at: event.at,
            involved: event.nodes(),
            roles: &self.roles,
            facts: &told.facts,
            log_claims: reached.collect(),
            configurations: told
                .facts
                .iter()
                .filter(is_of_a_group)
                .map(|fact| self.describe_fact(fact))
                .collect(),
        }
    }

    /// Keeps up with a node. Returns whether it had not said just this before.
    fn track_fact(&mut self, fact: &Observed) -> bool {
        if !is_server_fact(&fact.fact) {
            return true;
        }
        match fact.fact {
            // An answer to each heartbeat: only the first one promises anything.
            Fact::Acknowledged { term, index } => {
                return self.acknowledged.insert(fact.node, (term, index)) != Some((term, index));
            }
            Fact::Started { .. } | Fact::Truncated { .. } => drop(self.acknowledged.remove(&fact.node)),
            _ => {}
        }
        let log = self.logs.entry(fact.node).or_default();
        let standing = match fact.fact {
            Fact::Started { last, .. } => {
                log.retain(|index, _| *index <= last.index);
                Some(ShownRole::Follower)
            }
            Fact::Appended { index, term, .. } => {
                log.insert(index, term);
                None
            }
            Fact::Truncated { after } => {
                log.retain(|index, _| *index <= after);
                None
            }
            Fact::TermChanged { .. } | Fact::SteppedDown { .. } => Some(ShownRole::Follower),
            Fact::Campaigned { .. } => Some(ShownRole::Candidate),
            Fact::Leads { .. } => Some(ShownRole::Leader),
            Fact::Crashed | Fact::PowerLost => Some(ShownRole::Down),
            _ => None,
        };
        if let (Some(standing), Some(column)) = (standing, self.roles.get_mut(fact.node as usize)) {
            *column = standing;
        }
        true
    }

    /// A place in the log of a node as `index@term`. Where it has none there: in that of whoever leads, and then of
    /// anybody; so it is with clients, who have no log.
    fn format_index(&self, node: Option<Node>, index: Index) -> String {
        let leads = |node: &Node| self.roles[*node as usize] == ShownRole::Leader;
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
    pub(super) fn add_terms_to_indexes(&self, text: &str, node: Option<Node>) -> String {
        let is_digit = |c: char| c.is_ascii_digit();
        let (mut dated, mut done) = (String::new(), 0);
        while let Some(start) = text[done..].find(is_digit).map(|at| done + at) {
            let end = text[start..].find(|c| !is_digit(c)).map_or(text.len(), |length| start + length);
            dated += &text[done..start];
            match text[start..end].parse() {
                Ok(index) if is_log_index(&text[..start], &text[end..]) => {
                    dated += &self.format_index(node, index)
                }
                _ => dated += &text[start..end],
            }
            done = end;
        }
        dated + &text[done..]
    }

    /// A side of the clash in a few words.
    pub(super) fn describe_evidence(&self, side: &Evidence) -> String {
        let node = match side.actor {
            Actor::Server(node) => Some(node),
            Actor::Client(_) | Actor::All => None,
        };
        match &side.kind {
            EvidenceKind::Text(words, _) => self.add_terms_to_indexes(words, node),
            EvidenceKind::Fact(fact) => {
                let node = node.unwrap_or_default();
                self.describe_fact(&Observed { at: side.at, step: side.step, node, fact: fact.clone() })
            }
        }
    }

    /// A fact in a few words.
    pub(super) fn describe_fact(&self, fact: &Observed) -> String {
        let node = fact.node;
        let place = |index: &Index| self.format_index(Some(node), *index);
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
            Fact::Founded { voters } => format!("the group is founded by {} servers", voters.len()),
            Fact::ChangeRequested { change, .. } => format!("is asked by the operator: {change}"),
            Fact::ChangeAnswered { answer, .. } => {
                let answer = match answer {
                    ConfChangeResponse::Done => "it is done",
                    ConfChangeResponse::Refused => "it is refused",
                    ConfChangeResponse::Unknown => "unknown",
                };
                format!("answers the operator: {answer}")
            }
            Fact::WriteAcknowledged { index, write } => {
                format!("c{node} sees {write} done at {}", self.format_index(None, *index))
            }
            Fact::ReadAsked { read } => format!("c{node} asks {read}"),
        }
    }

    /// A line: when, how much was folded before it, how everybody stands, what happens. The clash has a mark.
    pub(super) fn format_row(&self, place: &RowContext<'_>, marks: bool, text: &str) -> String {
        let RowContext { at, folded, involved: here, roles: standing } = place;
        let columns: String = (1..=self.nodes)
            .map(|node| {
                let letter = standing[node as usize].letter();
                if here.contains(&node) { format!("[{letter}]") } else { format!(" {letter} ") }
            })
            .collect();
        let seconds = format!("{}.{:06}", at / 1_000_000_000, at / 1_000 % 1_000_000);
        let folded = if *folded == 0 { String::new() } else { format!("+{}", with_thousands(*folded)) };
        let mark = if marks { '!' } else { ' ' };
        let line = format!("{mark} {seconds:>11} {folded:>6}  {columns}  ");
        let room = self.width.saturating_sub(line.len());
        format!("{line}{}", truncate_line(text, room))
    }

    /// A line, and more below it until all is said.
    pub(super) fn format_wrapped_row(&self, place: &RowContext<'_>, text: &str) -> Vec<String> {
        let indent = self.format_row(place, false, "").len();
        // Without a few columns for words there is nothing to be won.
        let room = self.width.saturating_sub(indent).max(20);
        let mut lines: Vec<String> = vec![String::new()];
        for word in text.split(' ') {
            let line = lines.last_mut().expect("one at least");
            if line.is_empty() {
                line.push_str(word);
            } else if line.len() + 1 + word.len() <= room {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(format!("  {word}"));
            }
        }
        let below = lines.iter().skip(1).map(|line| format!("{:indent$}{line}", ""));
        [self.format_row(place, false, &lines[0])].into_iter().chain(below).collect()
    }
}

/// Whether a number that stands between these texts is a bare place in a log.
fn is_log_index(before: &str, after: &str) -> bool {
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
fn is_routine_line(text: &str) -> bool {
    text == "timer" || text.starts_with("sync ") || text.starts_with("starts with")
}

/// A text that fits: a longer one ends with dots.
fn truncate_line(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(room.saturating_sub(2));
    format!("{}..", text[..end].trim_end())
}
