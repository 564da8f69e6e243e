//! Formats events as text.

use super::event_group::{GroupKind, GroupMember, LogClaim};
use super::relevance::Relevance;
use super::{TimelineEvent, with_thousands, wrap};
use crate::outcome::{Actor, Evidence, EvidenceKind};
use crate::plan::SimDuration;
use invariants::{
    ClusterState, ConfChangeResponse, ConfirmedBy, Fact, Index, LogId, Node, Observed, Role, SessionOutcome,
    Term, Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Detail {
    /// The first append of an entry has its own row, with the message that caused it, and so has each commit.
    EachEntry,
    /// Whatever can join a group does.
    Grouped,
}

/// Formats events in order. It keeps the state of the cluster, so that it knows what an event changes.
pub(super) struct TimelineFormatter<'a> {
    pub(super) nodes: u64,
    /// Columns per line.
    width: usize,
    relevance: &'a Relevance,
    /// The leader of each term.
    leaderships: BTreeSet<(Term, Node)>,
    /// The state after the events so far.
    cluster: ClusterState,
    /// The last acknowledgement of each server, with the term of the leader it went to.
    acknowledged: BTreeMap<Node, (Term, Index)>,
    detail: Detail,
}

/// An event as text.
pub(super) struct FormattedEvent<'a> {
    /// What it changes.
    pub(super) effect: String,
    /// What triggered it, if that says more than the effect.
    pub(super) trigger: Option<String>,
    /// The facts shown, and the kind of group that the event can join.
    pub(super) facts: Vec<&'a Observed>,
    pub(super) group_kind: Option<GroupKind>,
}

/// Time, number of events folded before it, servers involved, and all roles of a row.
pub(super) struct RowContext<'a> {
    pub(super) at: Time,
    pub(super) folded: u64,
    pub(super) involved: &'a BTreeSet<Node>,
    pub(super) roles: &'a [Role],
}

impl FormattedEvent<'_> {
    /// Effect and trigger in one text. Effects first: a line that is too long is cut in the trigger.
    pub(super) fn text(&self) -> String {
        match &self.trigger {
            Some(trigger) => format!("{}  ({trigger})", self.effect),
            None => self.effect.clone(),
        }
    }
}

impl TimelineFormatter<'_> {
    pub(super) fn new(
        nodes: u64,
        width: usize,
        relevance: &Relevance,
        leaderships: BTreeSet<(Term, Node)>,
        detail: Detail,
    ) -> TimelineFormatter<'_> {
        TimelineFormatter {
            nodes,
            width,
            relevance,
            leaderships,
            cluster: ClusterState::default(),
            acknowledged: BTreeMap::new(),
            detail,
        }
    }

    /// The text of what an event changes; `None` if nothing relevant. `is_clash`: it is part of the clash.
    pub(super) fn format_event<'e>(
        &mut self,
        event: &TimelineEvent<'e>,
        is_clash: bool,
    ) -> Option<FormattedEvent<'e>> {
        let own_row =
            |effect| Some(FormattedEvent { effect, trigger: None, facts: Vec::new(), group_kind: None });
        let starts_empty =
            |fact: &&Observed| matches!(fact.fact, Fact::Started { last, .. } if last.index == 0);
        if event.facts.iter().copied().filter(|fact| starts_empty(fact)).count() as u64 == self.nodes
            && self.nodes > 1
        {
            for fact in &event.facts {
                self.track_fact(fact);
            }
            return own_row("all start empty".to_owned());
        }
        let facts = self.relevant_facts(event, is_clash);
        let mut phrases = self.describe_facts(&facts);
        for evidence in &event.evidence {
            if !matches!(evidence.kind, EvidenceKind::Fact(_)) {
                // The columns show which server.
                let actor = match evidence.actor {
                    Actor::Client(client) => format!("c{client} "),
                    Actor::Server(_) | Actor::All => String::new(),
                };
                phrases.push(actor + &self.describe_evidence(evidence));
            }
        }
        let is_fault = event.is_fault();
        // A server repeats a new term with its next vote, candidacy or append.
        let only_a_term = facts.iter().all(|fact| matches!(fact.fact, Fact::TermChanged { .. }));
        if only_a_term && !is_clash && !self.relevance.has_fact_kind(&Fact::TermChanged { term: 0 }) {
            phrases.clear();
        }
        let cause = event.lines.first().filter(|line| is_fault || !line.event.is_routine());
        let cause = cause.map(|line| line.event.to_string());
        let (effect, trigger) = match (phrases.is_empty(), cause) {
            (true, Some(cause)) if is_fault => return own_row(cause),
            (true, _) => return None,
            (false, cause) => (phrases.join(", "), cause),
        };
        let concerns_entry =
            |fact: &&Observed| self.is_first_append(fact) || matches!(fact.fact, Fact::Committed { .. });
        let has_own_row =
            is_clash || is_fault || (self.detail == Detail::EachEntry && facts.iter().any(concerns_entry));
        let kind =
            if has_own_row { None } else { GroupKind::classify(&facts, self.relevance, &self.leaderships) };
        Some(FormattedEvent { effect, trigger, facts, group_kind: kind })
    }

    /// Whether an entry is appended that no other server has.
    fn is_first_append(&self, observed: &Observed) -> bool {
        let Fact::Appended { index, term, .. } = observed.fact else { return false };
        let mut others = self.cluster.servers().iter().filter(|server| server.id != observed.node);
        !others.any(|server| server.term_at(index) == Some(term))
    }

    /// The relevant facts of an event. Tracks all of them.
    fn relevant_facts<'e>(&mut self, event: &TimelineEvent<'e>, is_clash: bool) -> Vec<&'e Observed> {
        let mut facts = Vec::new();
        for fact in event.facts.iter().copied() {
            let is_new = self.track_fact(fact);
            let in_clash = is_clash && self.relevance.has_fact_kind(&fact.fact);
            if in_clash || (is_new && self.relevance.is_relevant(fact)) {
                facts.push(fact);
            }
        }
        facts
    }

    /// The facts as phrases. Consecutive entries of one term share a phrase.
    fn describe_facts(&self, facts: &[&Observed]) -> Vec<String> {
        let mut phrases: Vec<String> = Vec::new();
        let mut appended: Option<(Node, Index, Index, Term)> = None;
        for fact in facts {
            if let Fact::Appended { index, term, .. } = fact.fact {
                match &mut appended {
                    Some((node, _, last, same_term))
                        if (*node, *last + 1, *same_term) == (fact.node, index, term) =>
                    {
                        *last = index;
                        phrases.pop();
                    }
                    _ => appended = Some((fact.node, index, index, term)),
                }
                let (_, first, last, _) = appended.expect("it was set above");
                phrases.push(if first == last {
                    format!("appends {first}@{term}")
                } else {
                    format!("appends {first}@{term}..{last}@{term}")
                });
                continue;
            }
            let phrase = self.describe_fact(fact);
            if !phrase.is_empty() {
                phrases.push(phrase);
            }
        }
        phrases
    }

    /// The event as a member of a group.
    pub(super) fn group_member<'b>(
        &'b self,
        event: &TimelineEvent<'_>,
        formatted: &'b FormattedEvent<'_>,
        kind: GroupKind,
    ) -> GroupMember<'b> {
        let log_claims = formatted.facts.iter().filter_map(|observed| {
            let (claim, index) = match observed.fact {
                Fact::Acknowledged { index, .. } => (LogClaim::Acknowledges, index),
                Fact::Committed { index } => (LogClaim::Commits, index),
                _ => return None,
            };
            let term = self.term_at(observed.node, index).unwrap_or_default();
            Some(((observed.node, claim), LogId { index, term }))
        });
        let is_configuration = |observed: &&&Observed| matches!(observed.fact, Fact::Configured { .. });
        GroupMember {
            kind,
            at: event.at,
            involved: event.nodes(),
            roles: self.roles(),
            facts: &formatted.facts,
            log_claims: log_claims.collect(),
            configurations: formatted
                .facts
                .iter()
                .filter(is_configuration)
                .map(|fact| self.describe_fact(fact))
                .collect(),
        }
    }

    /// Updates the state of the cluster. Returns false for a repeated acknowledgement.
    fn track_fact(&mut self, fact: &Observed) -> bool {
        self.cluster.apply(fact);
        match fact.fact {
            // A follower acknowledges each heartbeat: only the first acknowledgement of an index is news.
            Fact::Acknowledged { term, index } => {
                return self.acknowledged.insert(fact.node, (term, index)) != Some((term, index));
            }
            Fact::Started { .. } | Fact::Truncated { .. } => drop(self.acknowledged.remove(&fact.node)),
            _ => {}
        }
        true
    }

    /// The roles of all servers.
    pub(super) fn roles(&self) -> Vec<Role> {
        (1..=self.nodes).map(|node| self.role(node)).collect()
    }

    fn role(&self, node: Node) -> Role {
        self.cluster.server(node).map_or(Role::Down, |server| server.role)
    }

    fn term_at(&self, node: Node, index: Index) -> Option<Term> {
        self.cluster.server(node)?.term_at(index)
    }

    /// An index as `index@term`, with the term from the log of `node`, else of a leader, else of any server (clients
    /// have no log).
    fn format_index(&self, node: Option<Node>, index: Index) -> String {
        let leads = |node: &Node| matches!(self.role(*node), Role::Leader(_));
        let others = (1..=self.nodes).filter(leads).chain(1..=self.nodes);
        match node.into_iter().chain(others).find_map(|node| self.term_at(node, index)) {
            Some(term) => format!("{index}@{term}"),
            None => index.to_string(),
        }
    }

    /// A piece of evidence as text.
    pub(super) fn describe_evidence(&self, evidence: &Evidence) -> String {
        let node = match evidence.actor {
            Actor::Server(node) => Some(node),
            Actor::Client(_) | Actor::All => None,
        };
        match &evidence.kind {
            EvidenceKind::Fact(fact) => {
                let node = node.unwrap_or_default();
                self.describe_fact(&Observed {
                    at: evidence.at,
                    step: evidence.step,
                    node,
                    fact: fact.clone(),
                })
            }
            other => other.describe(|index| self.format_index(node, index)),
        }
    }

    /// A fact as text.
    pub(super) fn describe_fact(&self, fact: &Observed) -> String {
        let node = fact.node;
        let entry = |index: &Index| self.format_index(Some(node), *index);
        match &fact.fact {
            Fact::Started { term, last, .. } => format!("n{node} starts in term {term}, log up to {last}"),
            Fact::TermChanged { term } => format!("term {term}"),
            Fact::Appended { index, .. } => format!("appends {}", entry(index)),
            Fact::Truncated { after } => format!("truncates its log after {}", entry(after)),
            Fact::Leads { term } => format!("leads term {term}"),
            Fact::SteppedDown { term } => format!("no longer leads term {term}"),
            Fact::Committed { index } => format!("commits {}", entry(index)),
            Fact::Applied { index, request: Some(id), effect, session, .. } => {
                let how = match session.map(|used| used.outcome) {
                    Some(SessionOutcome::Forgotten) => ", old duplicate",
                    Some(SessionOutcome::Expired) => ", session expired",
                    _ if *effect => "",
                    _ => ", duplicate",
                };
                format!("applies {} ({id}{how})", entry(index))
            }
            Fact::Applied { index, .. } => format!("applies {}", entry(index)),
            Fact::Configured { index, configuration } => {
                format!("configuration {configuration} at {}", entry(index))
            }
            Fact::SnapshotTaken { last, configuration, .. } => {
                format!("takes a snapshot up to {last}, configuration {configuration}")
            }
            Fact::SnapshotInstalled { last, configuration } => {
                format!("installs a snapshot up to {last}, configuration {configuration}")
            }
            Fact::Restored { index, .. } => format!("restores its state as of {}", entry(index)),
            Fact::Voted { term, candidate } => format!("votes for n{candidate} in term {term}"),
            Fact::Campaigned { term } => format!("campaigns in term {term}"),
            Fact::Acknowledged { term, index } => {
                format!("acknowledges {} to the leader of term {term}", entry(index))
            }
            Fact::ToldToCampaign { term, leader: Some(leader) } => {
                format!("is told to campaign by n{leader}, as leader of term {term}")
            }
            Fact::ToldToCampaign { term, leader: None } => {
                format!("is told to campaign by the operator, in term {term}")
            }
            Fact::CampaignedByOrder { term } => format!("campaigns in term {term}, by order"),
            Fact::Redirected { leader } => format!("sends a client to n{leader}"),
            Fact::CommandRejected { reason, .. } => {
                format!("rejects a command of the operator because {reason}")
            }
            Fact::Kept { requests, promises, parts, .. } => {
                format!("keeps {requests} requests, {promises} promises and {parts} incomplete snapshots")
            }
            Fact::SizeKept { before, after } => format!("keeps {before}, and later {after}, besides"),
            Fact::EntriesSent { follower, entries, first: 0, .. } => {
                format!("sends {entries} entries to n{follower}")
            }
            Fact::EntriesSent { follower, entries: 0 | 1, first, .. } => {
                format!("sends {} to n{follower}", entry(first))
            }
            Fact::EntriesSent { follower, entries, first, .. } => {
                let last = first.saturating_add(entries - 1);
                format!("sends {}..{} to n{follower}", entry(first), entry(&last))
            }
            Fact::ChunkSent { follower, last, bytes, .. } => {
                format!("sends {bytes} bytes of the snapshot up to {last} to n{follower}")
            }
            Fact::Counts { term, follower, match_index, .. } => {
                format!("counts n{follower} up to {} as leader of term {term}", entry(match_index))
            }
            Fact::Identified { identity } => format!("has a disk with the identity {identity:016x}"),
            Fact::Answered { term } => format!("answers the leader of term {term}"),
            Fact::ReadArrived { read } => format!("gets {read}"),
            Fact::ReadConfirmed { read, term, index, by } => {
                let by = match by {
                    ConfirmedBy::Round => "by a round",
                    ConfirmedBy::Lease => "by its lease",
                    ConfirmedBy::Log => "in the log",
                };
                format!("confirms {read} at {} as leader of term {term}, {by}", entry(index))
            }
            Fact::ReadServed { read, applied } => format!("serves {read} from {}", entry(applied)),
            Fact::Saved { term, vote, .. } => match vote {
                Some(vote) => format!("durable: term {term}, vote n{vote}"),
                None => format!("durable: term {term}"),
            },
            Fact::SavedEntry { index, term, .. } => format!("durable: {index}@{term}"),
            Fact::SavedSnapshot { last, .. } => format!("durable: a snapshot up to {last}"),
            Fact::SavedRecovered => "durable: recovered state".into(),
            Fact::Crashed => format!("n{node} crashes"),
            Fact::PowerLost => format!("n{node} loses power"),
            Fact::Wiped => format!("n{node} loses its disk"),
            Fact::ClockChanged { jump: 0, rate } => {
                format!("the clock of n{node} has {}% of the rate of true time", *rate as f64 / 1e4)
            }
            Fact::ClockChanged { jump, .. } => {
                format!("the clock of n{node} jumps by {}", SimDuration(*jump))
            }
            Fact::LeasePromised { length } => {
                format!("promises to elect no other leader within {} of an answer", SimDuration(*length))
            }
            Fact::Damaged => format!("durable bytes of n{node} go bad"),
            Fact::Restarted | Fact::Quiet | Fact::Healed => String::new(),
            Fact::SessionLifetime { lifetime: 0 } => "sessions never expire".to_owned(),
            Fact::SessionLifetime { lifetime } => {
                format!("sessions expire after {} unused", SimDuration(*lifetime))
            }
            Fact::Founded { voters } => format!("cluster bootstrapped with {} initial voters", voters.len()),
            Fact::ChangeRequested { change, .. } => format!("gets a change request: {change}"),
            Fact::ChangeAnswered { answer, .. } => {
                let answer = match answer {
                    ConfChangeResponse::Done => "done",
                    ConfChangeResponse::Rejected => "rejected",
                    ConfChangeResponse::Unknown => "unknown",
                };
                format!("answers the change request: {answer}")
            }
            Fact::WriteAcknowledged { index, write } => {
                format!("c{node} sees {write} done at {}", self.format_index(None, *index))
            }
            Fact::ReadAsked { read } => format!("c{node} calls {read}"),
        }
    }

    /// A row: clash mark, time, folded events, roles, text.
    pub(super) fn format_row(&self, context: &RowContext<'_>, is_clash: bool, text: &str) -> String {
        let RowContext { at, folded, involved, roles } = context;
        let columns: String = (1..=self.nodes)
            .zip(*roles)
            .map(|(node, role)| {
                let letter = match role {
                    Role::Down => 'x',
                    Role::Follower => 'f',
                    Role::Candidate => 'c',
                    Role::Leader(_) => 'L',
                };
                if involved.contains(&node) { format!("[{letter}]") } else { format!(" {letter} ") }
            })
            .collect();
        let seconds = format!("{}.{:06}", at / 1_000_000_000, at / 1_000 % 1_000_000);
        let folded = if *folded == 0 { String::new() } else { format!("+{}", with_thousands(*folded)) };
        let mark = if is_clash { '!' } else { ' ' };
        let line = format!("{mark} {seconds:>11} {folded:>6}  {columns}  ");
        let room = self.width.saturating_sub(line.len());
        format!("{line}{}", truncate_line(text, room))
    }

    /// A line below a row, in the column of its text.
    pub(super) fn format_below(&self, text: &str) -> String {
        let roles = self.roles();
        let context = RowContext { at: 0, folded: 0, involved: &BTreeSet::new(), roles: &roles };
        let indent = self.format_row(&context, false, "").len();
        format!("{:indent$}{}", "", truncate_line(text, self.width.saturating_sub(indent)))
    }

    /// A row whose text continues in lines below it.
    pub(super) fn format_wrapped_row(&self, context: &RowContext<'_>, text: &str) -> Vec<String> {
        let indent = self.format_row(context, false, "").len();
        // Keep at least a few columns for text.
        let room = self.width.saturating_sub(indent).max(20);
        let lines = wrap(text, room, "", "  ");
        let continuation = lines.iter().skip(1).map(|line| format!("{:indent$}{line}", ""));
        [self.format_row(context, false, &lines[0])].into_iter().chain(continuation).collect()
    }
}

/// The text, cut to `room` and ended with dots if it is too long.
fn truncate_line(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(room.saturating_sub(2));
    format!("{}..", text[..end].trim_end())
}
