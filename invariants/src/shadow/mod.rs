//! Every log, vote, term and configuration, rebuilt from facts alone.
//!
//! The shadow believes what it is told and judges nothing: properties compare a fact with the shadow *as it stood before
//! that fact*, and only then is the fact folded in. Each node has a log in memory and a log on disk; the world has the
//! table of all entries, the leaders of all terms, and the committed log.
//!
//! All logs begin at 0@0, also that of a server which keeps a snapshot in place of its log's beginning: what a snapshot
//! stands for is the committed log up to its last entry, and that is known.
//!
//! Nothing here walks a log. The exception is a restart, which walks back from the recovered end to the first entry that
//! the disk, or the memory before the crash, is known to have held: no more than was appended since.

mod fact_origin;
mod term_runs;
mod entries;
mod request_map;
mod logged_configurations;
mod applications;
mod node;

pub(crate) use applications::{Application, Applications};
pub(crate) use entries::{Entries, Entry};
pub(crate) use fact_origin::FactOrigin;
pub(crate) use logged_configurations::{LoggedConfiguration, LoggedConfigurations};
pub(crate) use node::{NodeShadow, count_prefix};
pub(crate) use request_map::RequestMap;
pub(crate) use term_runs::TermRuns;

use crate::fact::{Configuration, Fact, Index, LogId, Node, Observed, Term};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// One leader of one term, as it was when it was elected.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Who, and when it said so.
    pub origin: FactOrigin,
    /// Its incarnation.
    pub incarnation: u64,
    /// Its log at that time is the committed log up to here, and then goes on like this. `None`: not remembered, for there
    /// were too many to remember.
    log: Option<(Index, TermRuns)>,
}

/// So many runs of leaders' logs are remembered: a leader that commits leaves a few, and only terms and terms in which
/// nothing is committed leave as many as this.
const MAX_LEADER_LOG_RUNS: usize = 1 << 24;

/// The cluster as the facts so far describe it.
#[derive(Default, Debug)]
pub(crate) struct Shadow {
    /// All entries that any log ever held.
    pub entries: Entries,
    /// The first leader of each term. Elections are rare, so an ordered map does.
    pub leaderships: BTreeMap<Term, Leadership>,
    /// What leaders have committed, as far as the furthest of them.
    pub committed_log: TermRuns,
    /// What was first applied at each index.
    pub applications: Applications,
    /// All configurations that any log ever held.
    configurations: LoggedConfigurations,
    /// Whether any disk ever said that something is durable. Without such truths nothing can be asked of disks.
    pub disk_facts_seen: bool,
    /// Whether any vote or candidacy was ever stated.
    pub vote_facts_seen: bool,
    /// By which leader's fact, in which term of its, the committed log grew to which index.
    commits: Vec<(Index, Term, FactOrigin)>,
    /// The configuration that was stated at the highest index.
    newest_configuration: Option<(Index, Configuration)>,
    nodes: Vec<NodeShadow>,
    /// The place of each server.
    node_indexes: BTreeMap<Node, usize>,
    /// How many runs the logs in `leaderships` have.
    leader_log_runs: usize,
    /// Who leads which term now, by place.
    current_leaders: BTreeSet<(Term, usize)>,
    /// The servers whose disk was emptied and that no later configuration has let go yet: since which index, and where.
    wiped_members: BTreeSet<(Index, usize)>,
}

/// Among so few servers, a search along a line of neighbours beats a map.
const MAX_LINEAR_SEARCH: usize = 16;

impl Shadow {
    /// The place of a server in the shadow, which is made at its first fact.
    pub fn get_or_insert_node(&mut self, node: Node) -> usize {
        self.find_node(node).unwrap_or_else(|| {
            self.nodes.push(NodeShadow::new(node));
            self.node_indexes.insert(node, self.nodes.len() - 1);
            self.nodes.len() - 1
        })
    }

    fn find_node(&self, node: Node) -> Option<usize> {
        match self.nodes.len() {
            0..=MAX_LINEAR_SEARCH => self.nodes.iter().position(|known| known.id == node),
            _ => self.node_indexes.get(&node).copied(),
        }
    }

    /// The server at a place.
    pub fn node_at(&self, place: usize) -> &NodeShadow {
        &self.nodes[place]
    }

    /// A server by its number.
    pub fn node(&self, node: Node) -> Option<&NodeShadow> {
        self.find_node(node).map(|place| &self.nodes[place])
    }

    /// All servers.
    pub fn nodes(&self) -> &[NodeShadow] {
        &self.nodes
    }

    /// Whether another server than this one leads a term below `term`.
    pub fn has_other_leader_below(&self, term: Term, node: Node) -> bool {
        self.current_leaders.range(..(term, 0)).take(2).any(|&(_, place)| self.nodes[place].id != node)
    }

    /// The fact by which a leader first committed `index`; beyond the committed log, the newest such fact.
    pub fn commit_fact(&self, index: Index) -> Option<Observed> {
        let (index, _, seen) = self.find_commit(index)?;
        Some(seen.observed(Fact::Committed { index: *index }))
    }

    /// The term of the leader that first committed `index`.
    pub fn commit_term(&self, index: Index) -> Option<Term> {
        self.find_commit(index).map(|growth| growth.1)
    }

    fn find_commit(&self, index: Index) -> Option<&(Index, Term, FactOrigin)> {
        let position = self.commits.partition_point(|commit| commit.0 < index);
        self.commits.get(position).or(self.commits.last())
    }

    /// Whose fact committed the end of the committed log.
    pub fn last_committer(&self) -> Option<Node> {
        self.commits.last().map(|commit| commit.2.node)
    }

    /// The fact with which the leader of `term` announced itself.
    pub fn leader_fact(&self, term: Term) -> Option<Observed> {
        self.leaderships.get(&term).map(|leadership| leadership.origin.observed(Fact::Leads { term }))
    }

    /// What stands at `index` in the log of the leader of `term`: a leader never changes what it had when it was elected
    /// (paper, 5.3) and whatever it adds is of its own term. `None` if no such leader is known.
    pub fn term_in_leaders_log(&self, term: Term, index: Index) -> Option<Term> {
        let leadership = self.leaderships.get(&term)?;
        leadership.log.as_ref()?;
        Some(self.term_when_elected(leadership, index).unwrap_or(term))
    }

    /// Whether a leader had this entry when it was elected, as far as that is remembered.
    pub fn had_entry_when_elected(&self, leadership: &Leadership, id: LogId) -> bool {
        leadership.log.is_none() || self.term_when_elected(leadership, id.index) == Some(id.term)
    }

    fn term_when_elected(&self, leadership: &Leadership, index: Index) -> Option<Term> {
        let (shared, rest) = leadership.log.as_ref()?;
        if index <= *shared { self.committed_log.term_at(index) } else { rest.term_at(index) }
    }

    /// The configuration in force at `index` of the committed log, if it is known.
    pub fn configuration_at(&self, index: Index) -> Option<&LoggedConfiguration> {
        self.configurations.in_force(&self.committed_log, index)
    }

    /// Takes a server's fact in.
    pub fn apply_fact(&mut self, place: usize, observed: &Observed) {
        let seen = FactOrigin::of(observed);
        let node = &mut self.nodes[place];
        let led = node.leader_of;
        match observed.fact {
            Fact::Started { term, vote, base, last, .. } => {
                // The log in memory is asked first: it is mostly the longer one.
                let known = [&node.log, &node.durable.log, &self.committed_log];
                // Nobody ever wrote this entry: a clash by itself. If nobody was asked to notice, the disk is believed.
                let log =
                    log_ending_at(&self.entries, &known, last).unwrap_or_else(|| node.durable.log.clone());
                node.start(term, vote, base.index, log);
            }
            Fact::TermChanged { term } => node.change_term(term),
            Fact::Appended { index, term, entry } => {
                if let Some(previous) = node::truncate_before(&mut node.log, index) {
                    self.entries.record(previous, term, entry, seen);
                    node.log.append(term);
                }
            }
            Fact::Truncated { after } => node.truncate(after),
            Fact::Leads { term } => {
                node.leader_of = Some(term);
                let incarnation = node.incarnation;
                if let btree_map::Entry::Vacant(vacant) = self.leaderships.entry(term) {
                    // The committed log only grows, so what is shared with it stays.
                    let committed = self.committed_log.last();
                    let shared = if node.log.contains(committed) { committed.index } else { 0 };
                    let rest = node.log.suffix(shared);
                    let is_remembered = self.leader_log_runs + rest.run_count() <= MAX_LEADER_LOG_RUNS;
                    self.leader_log_runs += if is_remembered { rest.run_count() } else { 0 };
                    let log = is_remembered.then_some((shared, rest));
                    vacant.insert(Leadership { origin: seen, incarnation, log });
                }
            }
            Fact::SteppedDown { .. } => node.leader_of = None,
            Fact::Crashed | Fact::PowerLost => node.stop(),
            Fact::Committed { index } => {
                node.commit_index = node.commit_index.max(index);
                if let Some(term) = node.leader_of {
                    self.extend_committed(place, index, term, seen);
                }
            }
            Fact::Configured { index, ref configuration } => {
                // One at the log's beginning came with a snapshot: the entry that carries it may be an older one.
                if let Some(term) = node.log.term_at(index).filter(|_| index == 0 || index > node.compacted) {
                    self.configurations.record(LogId { index, term }, configuration, seen);
                }
                node.configure(index, configuration);
                if self.newest_configuration.as_ref().is_none_or(|newest| newest.0 <= index) {
                    self.newest_configuration = Some((index, (**configuration).clone()));
                }
                self.update_membership(index, configuration);
            }
            Fact::SnapshotInstalled { last, ref configuration } => {
                let known = [&self.committed_log, &node.log, &node.durable.log];
                let log = log_ending_at(&self.entries, &known, last).unwrap_or_else(|| {
                    // Nobody ever wrote it: a clash by itself. If nobody was asked to notice, what can be kept is.
                    let mut log = node.log.clone();
                    log.truncate(last.index);
                    log
                });
                node.install(log, last.index, configuration);
            }
            Fact::Applied { index, .. } => {
                self.applications.record(observed);
                node.applied_index = Some(index);
            }
            Fact::Restored { index, .. } => node.applied_index = Some(index),
            Fact::Voted { term, candidate } => {
                self.vote_facts_seen = true;
                node.record_vote(term, candidate, observed);
            }
            Fact::Campaigned { term } => {
                self.vote_facts_seen = true;
                node.record_vote(term, node.id, observed);
            }
            Fact::Acknowledged { term, index } => node.acknowledge(term, index, observed),
            Fact::Saved { term, vote, after } => {
                self.disk_facts_seen = true;
                node.save(term, vote, after);
            }
            Fact::SavedEntry { index, term, entry } => {
                self.disk_facts_seen = true;
                if let Some(previous) = node::truncate_before(&mut node.durable.log, index) {
                    self.entries.record(previous, term, entry, seen);
                    node.save_entry(index, term);
                }
            }
            Fact::SavedSnapshot { last, .. } => {
                self.disk_facts_seen = true;
                let is_news = !node.durable.log.contains(last);
                let known = [&self.committed_log, &node.log];
                let log = is_news.then(|| log_ending_at(&self.entries, &known, last)).flatten();
                node.save_snapshot(log);
            }
            Fact::SavedRecovered => {
                self.disk_facts_seen = true;
                node.save_recovered();
            }
            Fact::Wiped => {
                if let Some(since) = node.wiped_member_since() {
                    self.wiped_members.remove(&(since, place));
                }
                node.wipe(self.newest_configuration.as_ref());
                self.wiped_members.extend(node.wiped_member_since().map(|since| (since, place)));
            }
            Fact::SnapshotTaken { .. }
            | Fact::ReadServed { .. }
            | Fact::Restarted
            | Fact::Quiet
            | Fact::Founded { .. }
            | Fact::ChangeRequested { .. }
            | Fact::ChangeAnswered { .. }
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        if let Fact::Leads { term } = observed.fact {
            self.nodes[place].record_promise(term, observed);
        }
        let leads = self.nodes[place].leader_of;
        if leads != led {
            if let Some(led) = led {
                self.current_leaders.remove(&(led, place));
            }
            self.current_leaders.extend(leads.map(|term| (term, place)));
        }
    }

    /// A configuration was stated: a server with an emptied disk that it does without is let go, and one of its members
    /// that had been let go is taken in.
    fn update_membership(&mut self, index: Index, configuration: &Configuration) {
        let earlier: Vec<(Index, usize)> = self.wiped_members.range(..(index, 0)).copied().collect();
        for (since, place) in earlier {
            self.nodes[place].update_membership(index, configuration);
            if self.nodes[place].wiped_member_since().is_none() {
                self.wiped_members.remove(&(since, place));
            }
        }
        for member in configuration.members() {
            if let Some(place) = self.find_node(member) {
                self.nodes[place].update_membership(index, configuration);
            }
        }
    }

    /// A leader's commit index makes the committed log as long as its own is up to there.
    fn extend_committed(&mut self, place: usize, index: Index, term: Term, seen: FactOrigin) {
        let log = &self.nodes[place].log;
        let end = index.min(log.last().index);
        // A leader whose log contradicts what is committed is a clash; if nobody was asked to notice, the first stays.
        if end > self.committed_log.last().index && log.contains(self.committed_log.last()) {
            self.committed_log.extend_from(log, end);
            self.commits.push((end, term, seen));
        }
    }
}

/// The log that ends with `last`: by log matching the rest follows from its last entry, so it suffices to walk back to
/// an entry that one of the known logs holds. `None` if nobody ever wrote this entry.
fn log_ending_at(entries: &Entries, known: &[&TermRuns], last: LogId) -> Option<TermRuns> {
    let (mut at, mut walked) = (last, Vec::new());
    let known = loop {
        if let Some(log) = known.iter().find(|log| log.contains(at)) {
            break *log;
        }
        let entry = entries.find(at)?;
        walked.push(at.term);
        at = LogId { index: at.index - 1, term: entry.prev_log_term };
    };
    let mut log = known.clone();
    log.truncate(at.index);
    walked.into_iter().rev().for_each(|term| log.append(term));
    Some(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Digest;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Do {
        Append { term_grows: bool },
        Cut { after: Index },
        Write,
        Sync { records: usize, in_full: bool },
        Restart { kept: usize },
        Lead { entries: u64 },
        Install { end: usize },
        Compact { last: Index, base: Index },
    }

    fn verbs() -> impl Strategy<Value = Vec<Do>> {
        let verb = prop_oneof![
            6 => any::<bool>().prop_map(|term_grows| Do::Append { term_grows }),
            1 => (0..30u64).prop_map(|after| Do::Cut { after }),
            4 => Just(Do::Write),
            2 => (0..6usize, any::<bool>()).prop_map(|(records, in_full)| Do::Sync { records, in_full }),
            1 => (0..6usize).prop_map(|kept| Do::Restart { kept }),
            1 => (1..5u64).prop_map(|entries| Do::Lead { entries }),
            1 => (0..30usize).prop_map(|end| Do::Install { end }),
            1 => (0..30u64, 0..30u64).prop_map(|(last, base)| Do::Compact { last, base }),
        ];
        prop::collection::vec(verb, 0..150)
    }

    /// A whole log as a plain list of terms, and what of it a snapshot covers: where the log begins, and the snapshot ends.
    #[derive(Clone, Default)]
    struct Whole {
        terms: Vec<Term>,
        base: Index,
        last: Index,
    }

    impl Whole {
        fn id(&self, index: Index) -> LogId {
            LogId { index, term: index.checked_sub(1).map_or(0, |position| self.terms[position as usize]) }
        }

        fn end(&self) -> LogId {
            self.id(self.terms.len() as Index)
        }
    }

    /// The twin: one server whose logs are plain lists, and whose disk is a list of whole logs, one for each record: the
    /// first is durable, the last is the newest. Another one leads: what it appends is committed at once.
    struct Plain {
        shadow: Shadow,
        memory: Whole,
        records: Vec<Whole>,
        committed: Vec<Term>,
        /// Every entry that was ever durable.
        durable: Vec<LogId>,
    }

    impl Plain {
        fn says(&mut self, node: Node, fact: Fact) {
            let place = self.shadow.get_or_insert_node(node);
            self.shadow.apply_fact(place, &Observed { at: 0, step: 0, node, fact });
        }

        /// With a new snapshot, everything after its base may be stated again, or only what is new.
        fn sync(&mut self, records: usize, in_full: bool) {
            for _ in 0..records.min(self.records.len() - 1) {
                let old = self.records.remove(0);
                let new = self.records[0].clone();
                let mut same =
                    old.terms.iter().zip(&new.terms).take_while(|(left, right)| left == right).count();
                let mut after = (same < old.terms.len()).then_some(same as Index);
                let is_new = (old.base, old.last) != (new.base, new.last);
                if is_new && in_full {
                    (same, after) = (new.base as usize, Some(new.base));
                } else if is_new {
                    same = same.max(new.last as usize);
                }
                self.says(1, Fact::Saved { term: 0, vote: None, after });
                if is_new {
                    self.says(1, Fact::SavedSnapshot { base: new.id(new.base), last: new.id(new.last) });
                }
                for (position, &term) in new.terms.iter().enumerate().skip(same) {
                    self.says(1, Fact::SavedEntry { index: position as Index + 1, term, entry: Digest(0) });
                }
                self.durable.extend((1..=new.end().index).map(|index| new.id(index)));
            }
        }

        fn restart(&mut self, kept: usize) {
            self.memory = self.records[kept.min(self.records.len() - 1)].clone();
            let (base, last) = (self.memory.id(self.memory.base), self.memory.end());
            let entries = &self.memory.terms[base.index as usize..];
            let digest =
                entries.iter().fold(Digest::EMPTY, |digest, &term| digest.then_entry(term, Digest(0)));
            assert_eq!(self.shadow.entries.digest_between(base, last), Some(digest));
            self.says(1, Fact::Started { term: 0, vote: None, base, last, digest });
            self.agrees();
            self.records = vec![self.memory.clone()];
            self.durable.extend((1..=last.index).map(|index| self.memory.id(index)));
            self.says(1, Fact::SavedRecovered);
        }

        fn lead(&mut self, term: Term, entries: u64) {
            self.says(2, Fact::Leads { term });
            for _ in 0..entries {
                self.committed.push(term);
                let index = self.committed.len() as Index;
                self.says(2, Fact::Appended { index, term, entry: Digest(0) });
            }
            self.says(2, Fact::Committed { index: self.committed.len() as Index });
        }

        fn install(&mut self, end: usize) {
            let terms = self.committed[..end.min(self.committed.len())].to_vec();
            let last = terms.len() as Index;
            // What a snapshot once covered is not given up.
            if last < self.memory.last {
                return;
            }
            self.memory = Whole { terms, base: last, last };
            let (last, configuration) = (self.memory.id(last), Box::default());
            self.says(1, Fact::SnapshotInstalled { last, configuration });
        }

        /// Only what is committed goes into a snapshot.
        fn compact(&mut self, last: Index, base: Index) {
            let both = self.memory.terms.iter().zip(&self.committed);
            let same = both.take_while(|(left, right)| left == right).count() as Index;
            self.memory.last = last.min(same).max(self.memory.last);
            self.memory.base = base.min(self.memory.last).max(self.memory.base);
        }

        fn agrees(&self) {
            let node = self.shadow.node(1).expect("it has said something");
            for (log, plain) in [(&node.log, &self.memory), (&node.durable.log, &self.records[0])] {
                assert_eq!(log.last(), plain.end());
                for index in 1..=plain.end().index {
                    assert!(log.contains(plain.id(index)));
                }
            }
            assert_eq!(self.shadow.committed_log.last().index, self.committed.len() as Index);
            let newest = self.durable.iter().map(|id| id.term).max().unwrap_or(0);
            for term in 1..=newest + 1 {
                let of_term = self.durable.iter().filter(|id| id.term == term);
                assert_eq!(node.ever_durable(term), of_term.map(|id| id.index).max().unwrap_or(0));
            }
        }
    }

    proptest! {
        #[test]
        fn a_shadow_holds_what_the_server_holds(verbs in verbs()) {
            let mut plain = Plain {
                shadow: Shadow::default(),
                memory: Whole::default(),
                records: vec![Whole::default()],
                committed: vec![],
                durable: vec![],
            };
            // Two entries of one index and term must not differ in what is before them, so each cut and each loss is
            // followed by a term of its own, and so is each term that another one leads.
            let (mut term, mut fresh) = (1, false);
            plain.restart(0);
            for verb in verbs {
                match verb {
                    Do::Append { term_grows } => {
                        term += Term::from(term_grows || fresh);
                        fresh = false;
                        plain.memory.terms.push(term);
                        let index = plain.memory.end().index;
                        plain.says(1, Fact::Appended { index, term, entry: Digest(0) });
                    }
                    Do::Cut { after } => {
                        let after = after.max(plain.memory.last);
                        plain.memory.terms.truncate(after as usize);
                        plain.says(1, Fact::Truncated { after });
                        fresh = true;
                    }
                    Do::Write => plain.records.push(plain.memory.clone()),
                    Do::Sync { records, in_full } => plain.sync(records, in_full),
                    Do::Restart { kept } => {
                        plain.restart(kept);
                        fresh = true;
                    }
                    Do::Lead { entries } => {
                        term += 1;
                        plain.lead(term, entries);
                        fresh = true;
                    }
                    Do::Install { end } => {
                        plain.install(end);
                        fresh = true;
                    }
                    Do::Compact { last, base } => plain.compact(last, base),
                }
                plain.agrees();
            }
        }
    }
}
