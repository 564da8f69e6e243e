//! Every log, vote, term and configuration, rebuilt from facts alone.
//!
//! The shadow believes what it is told and judges nothing: properties compare a fact with the shadow *as it stood before
//! that fact*, and only then is the fact folded in. Each node has a log in memory and a log on disk; the world has the
//! table of all entries, the leaders of all terms, and the committed log.
//!
//! Nothing here walks a log. The exception is a restart, which walks back from the recovered end to the first entry that
//! the disk, or the memory before the crash, is known to have held: no more than was appended since.

mod seen;
mod runs;
mod entries;
mod requests;
mod node;

pub(crate) use entries::Entries;
pub(crate) use node::NodeShadow;
pub(crate) use requests::Requests;
pub(crate) use runs::Runs;
pub(crate) use seen::Seen;

use crate::fact::{Fact, Index, LogId, Node, Observed, Term};
use std::collections::BTreeMap;

/// One leader of one term, as it was when it was elected.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Who, and when it said so.
    pub seen: Seen,
    /// Its incarnation.
    pub incarnation: u64,
    /// Its log at that time.
    pub log: Runs,
}

/// The cluster as the facts so far describe it.
#[derive(Default, Debug)]
pub(crate) struct Shadow {
    /// All entries that any log ever held.
    pub entries: Entries,
    /// The first leader of each term. Elections are rare, so an ordered map does.
    pub leaderships: BTreeMap<Term, Leadership>,
    /// What leaders have committed, as far as the furthest of them.
    pub committed: Runs,
    /// Whether any disk ever said that something is durable. Without such truths nothing can be asked of disks.
    pub disks_speak: bool,
    /// Whether any vote or candidacy was ever stated.
    pub votes_stated: bool,
    /// By which leader's fact, in which term of its, the committed log grew to which index.
    commits: Vec<(Index, Term, Seen)>,
    nodes: Vec<NodeShadow>,
}

impl Shadow {
    /// The place of a server in the shadow, which is made at its first fact.
    pub fn place(&mut self, node: Node) -> usize {
        // Clusters are small: a search along a line of neighbours beats a map.
        self.nodes.iter().position(|known| known.id == node).unwrap_or_else(|| {
            self.nodes.push(NodeShadow::new(node));
            self.nodes.len() - 1
        })
    }

    /// The server at a place.
    pub fn at(&self, place: usize) -> &NodeShadow {
        &self.nodes[place]
    }

    /// A server by its number.
    pub fn node(&self, node: Node) -> Option<&NodeShadow> {
        self.nodes.iter().find(|known| known.id == node)
    }

    /// All servers.
    pub fn nodes(&self) -> &[NodeShadow] {
        &self.nodes
    }

    /// The fact by which a leader first committed `index`; beyond the committed log, the newest such fact.
    pub fn commit_of(&self, index: Index) -> Option<Observed> {
        let (index, _, seen) = self.growth(index)?;
        Some(seen.fact(Fact::Committed { index: *index }))
    }

    /// The term of the leader that first committed `index`.
    pub fn committed_in(&self, index: Index) -> Option<Term> {
        self.growth(index).map(|growth| growth.1)
    }

    fn growth(&self, index: Index) -> Option<&(Index, Term, Seen)> {
        let position = self.commits.partition_point(|commit| commit.0 < index);
        self.commits.get(position).or(self.commits.last())
    }

    /// Whose fact committed the end of the committed log.
    pub fn last_committer(&self) -> Option<Node> {
        self.commits.last().map(|commit| commit.2.node)
    }

    /// The fact with which the leader of `term` announced itself.
    pub fn leads_of(&self, term: Term) -> Option<Observed> {
        self.leaderships.get(&term).map(|leadership| leadership.seen.fact(Fact::Leads { term }))
    }

    /// What stands at `index` in the log of the leader of `term`: a leader never changes what it had when it was elected
    /// (paper, 5.3) and whatever it adds is of its own term. `None` if no such leader is known.
    pub fn term_in_leaders_log(&self, term: Term, index: Index) -> Option<Term> {
        self.leaderships.get(&term).map(|leadership| leadership.log.term_at(index).unwrap_or(term))
    }

    /// Takes a server's fact in.
    pub fn fold(&mut self, place: usize, observed: &Observed) {
        let seen = Seen::of(observed);
        let node = &mut self.nodes[place];
        match observed.fact {
            Fact::Started { term, vote, last, .. } => {
                let log = recovered_log(&self.entries, node, last);
                node.start(term, vote, log);
            }
            Fact::TermChanged { term } => node.change_term(term),
            Fact::Appended { index, term, entry } => {
                if let Some(previous) = node::make_room(&mut node.log, index) {
                    self.entries.record(previous, term, entry, seen);
                    node.log.append(term);
                }
            }
            Fact::Truncated { after } => node.truncate(after),
            Fact::Leads { term } => {
                node.leads = Some(term);
                let (incarnation, log) = (node.incarnation, &node.log);
                self.leaderships.entry(term).or_insert_with(|| Leadership {
                    seen,
                    incarnation,
                    log: log.clone(),
                });
            }
            Fact::SteppedDown { .. } | Fact::Crashed | Fact::PowerLost => node.leads = None,
            Fact::Committed { index } => {
                node.committed = node.committed.max(index);
                if let Some(term) = node.leads {
                    self.commit(place, index, term, seen);
                }
            }
            Fact::Configured { index, ref configuration } => node.configure(index, configuration),
            Fact::Voted { term, candidate } => {
                self.votes_stated = true;
                node.vote(term, candidate, observed);
            }
            Fact::Campaigned { term } => {
                self.votes_stated = true;
                node.vote(term, node.id, observed);
            }
            Fact::Acknowledged { term, index } => node.acknowledge(term, index, observed),
            Fact::Saved { term, vote, after } => {
                self.disks_speak = true;
                node.save(term, vote, after);
            }
            Fact::SavedEntry { index, term, entry } => {
                self.disks_speak = true;
                if let Some(previous) = node::make_room(&mut node.durable.log, index) {
                    self.entries.record(previous, term, entry, seen);
                    node.save_entry(index, term);
                }
            }
            Fact::SavedRecovered => {
                self.disks_speak = true;
                node.save_recovered();
            }
            Fact::Wiped => node.wipe(),
            Fact::Applied { .. }
            | Fact::ReadServed { .. }
            | Fact::Restarted
            | Fact::WriteAcknowledged { .. }
            | Fact::ReadAsked { .. } => {}
        }
        if let Fact::Leads { term } = observed.fact {
            self.nodes[place].promise(term, observed);
        }
    }

    /// A leader's commit index makes the committed log as long as its own is up to there.
    fn commit(&mut self, place: usize, index: Index, term: Term, seen: Seen) {
        let log = &self.nodes[place].log;
        let end = index.min(log.last().index);
        // A leader whose log contradicts what is committed is a clash; if nobody was asked to notice, the first stays.
        if end > self.committed.last().index && log.contains(self.committed.last()) {
            self.committed.extend_from(log, end);
            self.commits.push((end, term, seen));
        }
    }
}

/// The log that ends with `last`: by log matching the rest follows from its last entry, so it suffices to walk back to
/// an entry that the disk or the memory of the former incarnation held.
fn recovered_log(entries: &Entries, node: &NodeShadow, last: LogId) -> Runs {
    let (mut at, mut walked) = (last, Vec::new());
    let known = loop {
        // The log in memory is asked first: it is mostly the longer one.
        if let Some(log) = [&node.log, &node.durable.log].into_iter().find(|log| log.contains(at)) {
            break log;
        }
        let Some(entry) = entries.find(at) else {
            // Nobody ever wrote this entry: a clash by itself. If nobody was asked to notice, the disk is believed.
            return node.durable.log.clone();
        };
        walked.push(at.term);
        at = LogId { index: at.index - 1, term: entry.previous };
    };
    let mut log = known.clone();
    log.truncate(at.index);
    walked.into_iter().rev().for_each(|term| log.append(term));
    log
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
        Sync { records: usize },
        Restart { kept: usize },
    }

    fn verbs() -> impl Strategy<Value = Vec<Do>> {
        let verb = prop_oneof![
            6 => any::<bool>().prop_map(|term_grows| Do::Append { term_grows }),
            1 => (0..30u64).prop_map(|after| Do::Cut { after }),
            4 => Just(Do::Write),
            2 => (0..6usize).prop_map(|records| Do::Sync { records }),
            1 => (0..6usize).prop_map(|kept| Do::Restart { kept }),
        ];
        prop::collection::vec(verb, 0..150)
    }

    /// The twin: one server whose logs are plain lists of terms, and whose disk is a list of whole logs, one for each
    /// record: the first is durable, the last is the newest.
    struct Plain {
        shadow: Shadow,
        memory: Vec<Term>,
        records: Vec<Vec<Term>>,
    }

    impl Plain {
        fn says(&mut self, fact: Fact) {
            let place = self.shadow.place(1);
            self.shadow.fold(place, &Observed { at: 0, step: 0, node: 1, fact });
        }

        fn sync(&mut self, records: usize) {
            for _ in 0..records.min(self.records.len() - 1) {
                let old = self.records.remove(0);
                let new = self.records[0].clone();
                let same = old.iter().zip(&new).take_while(|(left, right)| left == right).count();
                let after = (same < old.len()).then_some(same as Index);
                self.says(Fact::Saved { term: 0, vote: None, after });
                for (position, &term) in new.iter().enumerate().skip(same) {
                    self.says(Fact::SavedEntry { index: position as Index + 1, term, entry: Digest(0) });
                }
            }
        }

        fn restart(&mut self, kept: usize) {
            self.memory = self.records[kept.min(self.records.len() - 1)].clone();
            let last =
                LogId { index: self.memory.len() as Index, term: self.memory.last().copied().unwrap_or(0) };
            let (base, digest) = (LogId::default(), Digest::EMPTY);
            self.says(Fact::Started { term: 0, vote: None, base, last, digest });
        }

        fn agrees(&self) {
            let node = self.shadow.node(1).expect("it has said something");
            for (log, plain) in [(&node.log, &self.memory), (&node.durable.log, &self.records[0])] {
                assert_eq!(log.last().index as usize, plain.len());
                for (position, &term) in plain.iter().enumerate() {
                    assert_eq!(log.term_at(position as Index + 1), Some(term));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_shadow_holds_what_the_server_holds(verbs in verbs()) {
            let mut plain = Plain { shadow: Shadow::default(), memory: vec![], records: vec![vec![]] };
            // Two entries of one index and term must not differ in what is before them, so each cut and each loss is
            // followed by a term of its own.
            let (mut term, mut fresh) = (1, false);
            plain.restart(0);
            for verb in verbs {
                match verb {
                    Do::Append { term_grows } => {
                        term += Term::from(term_grows || fresh);
                        fresh = false;
                        plain.memory.push(term);
                        let index = plain.memory.len() as Index;
                        plain.says(Fact::Appended { index, term, entry: Digest(0) });
                    }
                    Do::Cut { after } => {
                        plain.memory.truncate(after as usize);
                        plain.says(Fact::Truncated { after });
                        fresh = true;
                    }
                    Do::Write => plain.records.push(plain.memory.clone()),
                    Do::Sync { records } => plain.sync(records),
                    Do::Restart { kept } => {
                        plain.restart(kept);
                        plain.agrees();
                        plain.records = vec![plain.memory.clone()];
                        plain.says(Fact::SavedRecovered);
                        fresh = true;
                    }
                }
                plain.agrees();
            }
        }
    }
}
