//! The state of a cluster against a reference model of plain lists.

use super::ClusterState;
use crate::fact::{Digest, Fact, Index, LogId, Node, Observed, Term};
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
    cluster: ClusterState,
    memory: WholeLog,
    records: Vec<WholeLog>,
    committed: Vec<Term>,
    /// Every entry that was ever durable.
    durable: Vec<LogId>,
}

impl Reference {
    fn state(&mut self, node: Node, fact: Fact) {
        self.cluster.apply(&Observed { at: 0, step: 0, node, fact });
    }

    /// With a new snapshot, either everything after its base is stated again (`in_full`) or only the new entries.
    fn sync(&mut self, records: usize, in_full: bool) {
        for _ in 0..records.min(self.records.len() - 1) {
            let old = self.records.remove(0);
            let new = self.records[0].clone();
            let mut same = old.terms.iter().zip(&new.terms).take_while(|(left, right)| left == right).count();
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
        let digest = entries.iter().fold(Digest::EMPTY, |digest, &term| digest.then_entry(term, Digest(0)));
        assert_eq!(self.cluster.entries.digest_between(base, last), Some(digest));
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
        let node = self.cluster.server(1).expect("server 1 has stated facts");
        for (log, expected) in [(&node.log, &self.memory), (&node.durable.log, &self.records[0])] {
            assert_eq!(log.last(), expected.end());
            for index in 1..=expected.end().index {
                assert!(log.contains(expected.id(index)));
            }
        }
        assert_eq!(self.cluster.committed_log.last().index, self.committed.len() as Index);
        let newest_term = self.durable.iter().map(|id| id.term).max().unwrap_or(0);
        for term in 1..=newest_term + 1 {
            let of_term = self.durable.iter().filter(|id| id.term == term);
            assert_eq!(node.ever_durable(term), of_term.map(|id| id.index).max().unwrap_or(0));
        }
    }
}

proptest! {
    #[test]
    fn the_rebuilt_state_equals_the_state_of_the_server(operations in operations()) {
        let mut reference = Reference {
            cluster: ClusterState::default(),
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
