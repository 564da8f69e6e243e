//! The state of the cluster, rebuilt from facts: every log, vote, term and configuration.
//!
//! The shadow checks nothing. Properties compare a fact with the shadow *before* the fact is applied. Each server has
//! a log in memory and a log on disk; the cluster has the table of all entries, the leaders of all terms, and the
//! committed log.
//!
//! All logs begin at 0@0, also where a server has replaced the beginning of its log with a snapshot: the snapshot
//! covers a prefix of the committed log, which is known.
//!
//! No operation walks a whole log. A restart walks from the recovered end back to the first entry that was known to
//! be on disk or in memory before: at most what was appended since.

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

/// The first leader of a term, as of its election.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Which server, and when it stated so.
    pub origin: FactOrigin,
    /// Its incarnation.
    pub incarnation: u64,
    /// Its log at its election: the committed log up to this index, followed by these entries. `None` if it was not
    /// recorded because of [`MAX_LEADER_LOG_RUNS`].
    log: Option<(Index, TermRuns)>,
}

/// At most this many runs of leaders' logs are recorded. A leader that commits leaves few; only a long sequence of
/// terms in which nothing commits reaches this limit.
const MAX_LEADER_LOG_RUNS: usize = 1 << 24;

/// The state of the cluster after the facts so far.
#[derive(Default, Debug)]
pub(crate) struct Shadow {
    /// All entries that any log ever held.
    pub entries: Entries,
    /// The first leader of each term.
    pub leaderships: BTreeMap<Term, Leadership>,
    /// The entries that leaders have committed.
    pub committed_log: TermRuns,
    /// What was first applied at each index.
    pub applications: Applications,
    /// All configurations that any log ever held.
    configurations: LoggedConfigurations,
    /// Whether a disk has stated that anything is durable. Without such facts durability cannot be checked.
    pub disk_facts_seen: bool,
    /// Whether any vote or candidacy was ever stated.
    pub vote_facts_seen: bool,
    /// How the committed log grew: to which index, in which leader's term, by which fact.
    commits: Vec<(Index, Term, FactOrigin)>,
    /// The configuration stated for the highest index.
    newest_configuration: Option<(Index, Configuration)>,
    nodes: Vec<NodeShadow>,
    /// Positions in `nodes`, by server number.
    positions: BTreeMap<Node, usize>,
    /// The number of runs in all logs of `leaderships`.
    leader_log_runs: usize,
    /// The current leaders: term and position in `nodes`.
    current_leaders: BTreeSet<(Term, usize)>,
    /// Servers whose disk was wiped and that no later configuration has removed yet: since which index, and position.
    wiped_members: BTreeSet<(Index, usize)>,
}

/// Up to this many servers, linear search is faster than a map.
const MAX_LINEAR_SEARCH: usize = 16;

impl Shadow {
    /// The position of a server, which is added at its first fact.
    pub(crate) fn get_or_insert_node(&mut self, node: Node) -> usize {
        self.find_node(node).unwrap_or_else(|| {
            self.nodes.push(NodeShadow::new(node));
            self.positions.insert(node, self.nodes.len() - 1);
            self.nodes.len() - 1
        })
    }

    fn find_node(&self, node: Node) -> Option<usize> {
        match self.nodes.len() {
            0..=MAX_LINEAR_SEARCH => self.nodes.iter().position(|known| known.id == node),
            _ => self.positions.get(&node).copied(),
        }
    }

    /// The server at a position.
    pub(crate) fn node_at(&self, position: usize) -> &NodeShadow {
        &self.nodes[position]
    }

    /// A server by its number.
    pub(crate) fn node(&self, node: Node) -> Option<&NodeShadow> {
        self.find_node(node).map(|position| &self.nodes[position])
    }

    /// All servers.
    pub(crate) fn nodes(&self) -> &[NodeShadow] {
        &self.nodes
    }

    /// Whether a server other than `node` leads a term below `term`.
    pub(crate) fn has_other_leader_below(&self, term: Term, node: Node) -> bool {
        self.current_leaders.range(..(term, 0)).take(2).any(|&(_, position)| self.nodes[position].id != node)
    }

    /// The fact by which a leader first committed `index`; after the end of the committed log, the last such fact.
    pub(crate) fn commit_fact(&self, index: Index) -> Option<Observed> {
        let (index, _, origin) = self.find_commit(index)?;
        Some(origin.observed(Fact::Committed { index: *index }))
    }

    /// The term of the leader that first committed `index`.
    pub(crate) fn commit_term(&self, index: Index) -> Option<Term> {
        self.find_commit(index).map(|commit| commit.1)
    }

    fn find_commit(&self, index: Index) -> Option<&(Index, Term, FactOrigin)> {
        let position = self.commits.partition_point(|commit| commit.0 < index);
        self.commits.get(position).or(self.commits.last())
    }

    /// The leader that committed the end of the committed log.
    pub(crate) fn last_committer(&self) -> Option<Node> {
        self.commits.last().map(|commit| commit.2.node)
    }

    /// The fact with which the leader of `term` stated its election.
    pub(crate) fn leader_fact(&self, term: Term) -> Option<Observed> {
        self.leaderships.get(&term).map(|leadership| leadership.origin.observed(Fact::Leads { term }))
    }

    /// The term at `index` in the log of the leader of `term`. A leader never changes the entries that it had at its
    /// election and appends only entries of its own term (paper, 5.3). `None` if no such leader is known.
    pub(crate) fn term_in_leaders_log(&self, term: Term, index: Index) -> Option<Term> {
        let leadership = self.leaderships.get(&term)?;
        leadership.log.as_ref()?;
        Some(self.term_when_elected(leadership, index).unwrap_or(term))
    }

    /// Whether a leader had this entry at its election; `true` if its log was not recorded.
    pub(crate) fn had_entry_when_elected(&self, leadership: &Leadership, id: LogId) -> bool {
        leadership.log.is_none() || self.term_when_elected(leadership, id.index) == Some(id.term)
    }

    fn term_when_elected(&self, leadership: &Leadership, index: Index) -> Option<Term> {
        let (shared, rest) = leadership.log.as_ref()?;
        if index <= *shared { self.committed_log.term_at(index) } else { rest.term_at(index) }
    }

    /// The configuration in force at `index` of the committed log, if known.
    pub(crate) fn configuration_at(&self, index: Index) -> Option<&LoggedConfiguration> {
        self.configurations.in_force(&self.committed_log, index)
    }

    /// Applies a server's fact.
    pub(crate) fn apply_fact(&mut self, position: usize, observed: &Observed) {
        let origin = FactOrigin::of(observed);
        let node = &mut self.nodes[position];
        let led_before = node.leader_of;
        match observed.fact {
            Fact::Started { term, vote, base, last, .. } => {
                // The log in memory comes first: it is mostly the longest.
                let known = [&node.log, &node.durable.log, &self.committed_log];
                // An entry that no server wrote is a violation. If that is not checked, assume the durable log.
                let log =
                    log_ending_at(&self.entries, &known, last).unwrap_or_else(|| node.durable.log.clone());
                node.start(term, vote, base.index, log);
            }
            Fact::TermChanged { term } => node.change_term(term),
            Fact::Appended { index, term, entry } => {
                if let Some(previous) = node::truncate_before(&mut node.log, index) {
                    self.entries.record(previous, term, entry, origin);
                    node.log.append(term);
                }
            }
            Fact::Truncated { after } => node.truncate(after),
            Fact::Leads { term } => {
                node.leader_of = Some(term);
                let incarnation = node.incarnation;
                if let btree_map::Entry::Vacant(vacant) = self.leaderships.entry(term) {
                    // The committed log only grows, so the shared prefix stays valid.
                    let committed = self.committed_log.last();
                    let shared = if node.log.contains(committed) { committed.index } else { 0 };
                    let rest = node.log.suffix(shared);
                    let is_remembered = self.leader_log_runs + rest.run_count() <= MAX_LEADER_LOG_RUNS;
                    self.leader_log_runs += if is_remembered { rest.run_count() } else { 0 };
                    let log = is_remembered.then_some((shared, rest));
                    vacant.insert(Leadership { origin, incarnation, log });
                }
            }
            Fact::SteppedDown { .. } => node.leader_of = None,
            Fact::Crashed | Fact::PowerLost => node.stop(),
            Fact::Committed { index } => {
                node.commit_index = node.commit_index.max(index);
                if let Some(term) = node.leader_of {
                    self.extend_committed(position, index, term, origin);
                }
            }
            Fact::Configured { index, ref configuration } => {
                // The configuration at the log's beginning came with a snapshot: an earlier entry may carry it.
                if let Some(term) = node.log.term_at(index).filter(|_| index == 0 || index > node.compacted) {
                    self.configurations.record(LogId { index, term }, configuration, origin);
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
                    // An entry that no server wrote is a violation. If that is not checked, keep what the log has.
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
                    self.entries.record(previous, term, entry, origin);
                    node.save_entry(index, term);
                }
            }
            Fact::SavedSnapshot { last, .. } => {
                self.disk_facts_seen = true;
                let is_new = !node.durable.log.contains(last);
                let known = [&self.committed_log, &node.log];
                let log = is_new.then(|| log_ending_at(&self.entries, &known, last)).flatten();
                node.save_snapshot(log);
            }
            Fact::SavedRecovered => {
                self.disk_facts_seen = true;
                node.save_recovered();
            }
            Fact::Wiped => {
                if let Some(since) = node.wiped_member_since() {
                    self.wiped_members.remove(&(since, position));
                }
                node.wipe(self.newest_configuration.as_ref());
                self.wiped_members.extend(node.wiped_member_since().map(|since| (since, position)));
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
            self.nodes[position].record_promise(term, observed);
        }
        let leads_now = self.nodes[position].leader_of;
        if leads_now != led_before {
            if let Some(term) = led_before {
                self.current_leaders.remove(&(term, position));
            }
            self.current_leaders.extend(leads_now.map(|term| (term, position)));
        }
    }

    /// A configuration was stated: it removes servers with a wiped disk that it does not list, and re-adds members
    /// that had been removed.
    fn update_membership(&mut self, index: Index, configuration: &Configuration) {
        let earlier: Vec<(Index, usize)> = self.wiped_members.range(..(index, 0)).copied().collect();
        for (since, position) in earlier {
            self.nodes[position].update_membership(index, configuration);
            if self.nodes[position].wiped_member_since().is_none() {
                self.wiped_members.remove(&(since, position));
            }
        }
        for member in configuration.members() {
            if let Some(position) = self.find_node(member) {
                self.nodes[position].update_membership(index, configuration);
            }
        }
    }

    /// A leader's commit index extends the committed log up to that index.
    fn extend_committed(&mut self, position: usize, index: Index, term: Term, origin: FactOrigin) {
        let log = &self.nodes[position].log;
        let end = index.min(log.last().index);
        // A leader that contradicts the committed log is a violation. If that is not checked, the first commit stays.
        if end > self.committed_log.last().index && log.contains(self.committed_log.last()) {
            self.committed_log.extend_from(log, end);
            self.commits.push((end, term, origin));
        }
    }
}

/// The log that ends with `last`: by log matching its last entry determines the rest, so this walks back only to an
/// entry that one of the known logs holds. `None` if no server wrote the entry.
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
    enum Operation {
        Append { term_grows: bool },
        Truncate { after: Index },
        Write,
        Sync { records: usize, in_full: bool },
        Restart { kept: usize },
        Lead { entries: u64 },
        Install { end: usize },
        Compact { last: Index, base: Index },
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            6 => any::<bool>().prop_map(|term_grows| Operation::Append { term_grows }),
            1 => (0..30u64).prop_map(|after| Operation::Truncate { after }),
            4 => Just(Operation::Write),
            2 => (0..6usize, any::<bool>()).prop_map(|(records, in_full)| Operation::Sync { records, in_full }),
            1 => (0..6usize).prop_map(|kept| Operation::Restart { kept }),
            1 => (1..5u64).prop_map(|entries| Operation::Lead { entries }),
            1 => (0..30usize).prop_map(|end| Operation::Install { end }),
            1 => (0..30u64, 0..30u64).prop_map(|(last, base)| Operation::Compact { last, base }),
        ];
        prop::collection::vec(operation, 0..150)
    }

    /// A whole log as a list of terms; with a snapshot, where the log begins (`base`) and the snapshot ends (`last`).
    #[derive(Clone, Default)]
    struct WholeLog {
        terms: Vec<Term>,
        base: Index,
        last: Index,
    }

    impl WholeLog {
        fn id(&self, index: Index) -> LogId {
            LogId { index, term: index.checked_sub(1).map_or(0, |position| self.terms[position as usize]) }
        }

        fn end(&self) -> LogId {
            self.id(self.terms.len() as Index)
        }
    }

    /// The reference model: server 1 with its logs as plain lists and its disk as a list of whole logs, one for each
    /// record; the first is durable, the last is the newest. Server 2 leads, and what it appends is committed at
    /// once.
    struct Reference {
        shadow: Shadow,
        memory: WholeLog,
        records: Vec<WholeLog>,
        committed: Vec<Term>,
        /// Every entry that was ever durable.
        durable: Vec<LogId>,
    }

    impl Reference {
        fn state(&mut self, node: Node, fact: Fact) {
            let position = self.shadow.get_or_insert_node(node);
            self.shadow.apply_fact(position, &Observed { at: 0, step: 0, node, fact });
        }

        /// With a new snapshot, either everything after its base is stated again (`in_full`) or only the new entries.
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
                self.state(1, Fact::Saved { term: 0, vote: None, after });
                if is_new {
                    self.state(1, Fact::SavedSnapshot { base: new.id(new.base), last: new.id(new.last) });
                }
                for (position, &term) in new.terms.iter().enumerate().skip(same) {
                    self.state(1, Fact::SavedEntry { index: position as Index + 1, term, entry: Digest(0) });
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
            self.state(1, Fact::Started { term: 0, vote: None, base, last, digest });
            self.check();
            self.records = vec![self.memory.clone()];
            self.durable.extend((1..=last.index).map(|index| self.memory.id(index)));
            self.state(1, Fact::SavedRecovered);
        }

        fn lead(&mut self, term: Term, entries: u64) {
            self.state(2, Fact::Leads { term });
            for _ in 0..entries {
                self.committed.push(term);
                let index = self.committed.len() as Index;
                self.state(2, Fact::Appended { index, term, entry: Digest(0) });
            }
            self.state(2, Fact::Committed { index: self.committed.len() as Index });
        }

        fn install(&mut self, end: usize) {
            let terms = self.committed[..end.min(self.committed.len())].to_vec();
            let last = terms.len() as Index;
            // A server never goes back behind its snapshot.
            if last < self.memory.last {
                return;
            }
            self.memory = WholeLog { terms, base: last, last };
            let (last, configuration) = (self.memory.id(last), Box::default());
            self.state(1, Fact::SnapshotInstalled { last, configuration });
        }

        /// A snapshot covers only committed entries.
        fn compact(&mut self, last: Index, base: Index) {
            let pairs = self.memory.terms.iter().zip(&self.committed);
            let same = pairs.take_while(|(left, right)| left == right).count() as Index;
            self.memory.last = last.min(same).max(self.memory.last);
            self.memory.base = base.min(self.memory.last).max(self.memory.base);
        }

        fn check(&self) {
            let node = self.shadow.node(1).expect("server 1 has stated facts");
            for (log, expected) in [(&node.log, &self.memory), (&node.durable.log, &self.records[0])] {
                assert_eq!(log.last(), expected.end());
                for index in 1..=expected.end().index {
                    assert!(log.contains(expected.id(index)));
                }
            }
            assert_eq!(self.shadow.committed_log.last().index, self.committed.len() as Index);
            let newest_term = self.durable.iter().map(|id| id.term).max().unwrap_or(0);
            for term in 1..=newest_term + 1 {
                let of_term = self.durable.iter().filter(|id| id.term == term);
                assert_eq!(node.ever_durable(term), of_term.map(|id| id.index).max().unwrap_or(0));
            }
        }
    }

    proptest! {
        #[test]
        fn the_shadow_equals_the_state_of_the_server(operations in operations()) {
            let mut reference = Reference {
                shadow: Shadow::default(),
                memory: WholeLog::default(),
                records: vec![WholeLog::default()],
                committed: vec![],
                durable: vec![],
            };
            // Two entries of one index and term must have the same prefix, so a new term starts after each
            // truncation, loss and leadership of server 2.
            let (mut term, mut fresh) = (1, false);
            reference.restart(0);
            for operation in operations {
                match operation {
                    Operation::Append { term_grows } => {
                        term += Term::from(term_grows || fresh);
                        fresh = false;
                        reference.memory.terms.push(term);
                        let index = reference.memory.end().index;
                        reference.state(1, Fact::Appended { index, term, entry: Digest(0) });
                    }
                    Operation::Truncate { after } => {
                        let after = after.max(reference.memory.last);
                        reference.memory.terms.truncate(after as usize);
                        reference.state(1, Fact::Truncated { after });
                        fresh = true;
                    }
                    Operation::Write => reference.records.push(reference.memory.clone()),
                    Operation::Sync { records, in_full } => reference.sync(records, in_full),
                    Operation::Restart { kept } => {
                        reference.restart(kept);
                        fresh = true;
                    }
                    Operation::Lead { entries } => {
                        term += 1;
                        reference.lead(term, entries);
                        fresh = true;
                    }
                    Operation::Install { end } => {
                        reference.install(end);
                        fresh = true;
                    }
                    Operation::Compact { last, base } => reference.compact(last, base),
                }
                reference.check();
            }
        }
    }
}
