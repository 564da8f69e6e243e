//! What must hold on the table whatever happens. The names are those of `Bug::first`.

use super::disk::Disk;
use raft_core::{Entry, Index, LogId, Message, NodeId, Payload, Raft, RequestId, Term, Write};
use std::collections::{BTreeMap, BTreeSet};

/// Something that must never be, and was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub property: &'static str,
    pub sentence: String,
}

/// The memory of everything that was promised and done.
#[derive(Clone, Default)]
pub struct Watch {
    pub violations: Vec<Violation>,
    /// How many of them were told.
    pub told: usize,
    /// Who led which term in which incarnation, and the log that it had.
    leaders: BTreeMap<Term, (NodeId, u64, Vec<Term>)>,
    /// Whom a node's vote, once it had left, was for.
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// How far a node's log, by its own words, equals the one of the leader of a term.
    acknowledged_to: BTreeMap<NodeId, (Term, Index)>,
    /// What is committed, and in which term it was.
    committed: Vec<(Entry, Term)>,
    /// The payload of each entry and the term before it.
    entries: BTreeMap<(Index, Term), (Payload, Term)>,
    /// The newest write that a client knows of.
    acknowledged: Index,
    /// What a read must see at least.
    reads: BTreeMap<RequestId, Index>,
    answered: BTreeSet<RequestId>,
}

impl Watch {
    fn clash(&mut self, property: &'static str, sentence: String) {
        self.violations.push(Violation { property, sentence });
    }

    /// A message leaves.
    pub fn sends(&mut self, from: NodeId, to: NodeId, message: &Message, disk: &Disk) {
        match *message {
            Message::RequestVote { term, .. } => {
                if !disk.voted(term, from) {
                    self.clash(
                        "promises-after-durability",
                        format!("{from} campaigns in term {term}, not durably"),
                    );
                }
                self.votes_for(from, term, from);
            }
            Message::RequestVoteResponse { term, granted: true } => {
                if !disk.voted(term, to) {
                    self.clash(
                        "promises-after-durability",
                        format!("{from} votes for {to} in term {term}, not durably"),
                    );
                }
                self.votes_for(from, term, to);
            }
            Message::AppendEntriesResponse { term, matched, .. } => {
                let (newest, upto) = self.acknowledged_to.entry(from).or_insert((term, matched));
                *upto = if *newest == term { matched.max(*upto) } else { matched };
                *newest = term;
                let durable = &disk.durable;
                let matched = matched.0 as usize;
                let holds = durable.term == term
                    && durable.entries.len() >= matched
                    && self.leaders.get(&term).is_some_and(|(_, _, log)| {
                        log.len() >= matched
                            && (0..matched).all(|place| durable.entries[place].term == log[place])
                    });
                if !holds {
                    self.clash(
                        "promises-after-durability",
                        format!("{from} acknowledges {matched} in term {term} and does not have it durably"),
                    );
                }
            }
            _ => {}
        }
    }

    fn votes_for(&mut self, voter: NodeId, term: Term, candidate: NodeId) {
        let first = *self.votes.entry((voter, term)).or_insert(candidate);
        if first != candidate {
            self.clash(
                "one-vote-per-term",
                format!("{voter} votes for {candidate} and for {first} in term {term}"),
            );
        }
    }

    /// A write is issued: the log of `raft` changed.
    pub fn saves(&mut self, node: NodeId, raft: &Raft, write: &Write) {
        let mut previous = raft.log().term_at(write.after).expect("a write follows what the log has");
        for (index, entry) in (write.after.0 + 1..).map(Index).zip(write.entries.iter()) {
            let known = self
                .entries
                .entry((index, entry.term))
                .or_insert_with(|| (entry.payload.clone(), previous))
                .clone();
            if known != (entry.payload.clone(), previous) {
                self.clash("log-matching", format!("{node} has another {index}@{}", entry.term));
            }
            previous = entry.term;
        }
    }

    /// A step is over, and its effects are known. `commit` is what it was before.
    pub fn stepped(
        &mut self,
        node: NodeId,
        incarnation: u64,
        raft: &Raft,
        commit: Index,
        led: bool,
        disks: &[&Disk],
    ) {
        let terms =
            || (1..=raft.last().index.0).map(|index| raft.log().term_at(Index(index)).expect("in the log"));
        if raft.leads() {
            match self.leaders.get_mut(&raft.term()) {
                Some((leader, life, log)) if (*leader, *life) == (node, incarnation) => {
                    let known = log.len();
                    log.extend(terms().skip(known));
                }
                Some(&mut (leader, ..)) => {
                    self.clash("election-safety", format!("{leader} and {node} lead term {}", raft.term()));
                }
                None => {
                    self.leaders.insert(raft.term(), (node, incarnation, terms().collect()));
                    self.elected(node, raft, disks);
                }
            }
            if !led {
                self.complete(node, raft);
            }
        }
        if let Some(&(term, upto)) = self.acknowledged_to.get(&node)
            && term == raft.term()
            && raft.last().index < upto
        {
            self.clash(
                "acknowledged-stays",
                format!("{node} cuts its log back to {} and acknowledged {upto}", raft.last()),
            );
        }
        if raft.commit() < commit {
            self.clash("committed-stays", format!("{node} takes its commit index back to {}", raft.commit()));
        }
        if raft.last().index < raft.commit() {
            self.clash("committed-stays", format!("{node} cuts what it knows to be committed"));
            return;
        }
        if raft.commit() > commit {
            self.commits(node, raft, commit, disks);
        }
    }

    /// Somebody leads a term for the first time.
    fn elected(&mut self, node: NodeId, raft: &Raft, disks: &[&Disk]) {
        let votes = (1..=disks.len() as u64)
            .filter(|&voter| self.votes.get(&(NodeId(voter), raft.term())) == Some(&node))
            .count();
        let own = usize::from(
            !self.votes.contains_key(&(node, raft.term()))
                && disks[node.0 as usize - 1].voted(raft.term(), node),
        );
        if votes + own <= disks.len() / 2 {
            self.clash(
                "elected-by-quorum",
                format!("{node} leads term {} with {} votes", raft.term(), votes + own),
            );
        }
    }

    /// A new leader has everything that was committed in earlier terms.
    fn complete(&mut self, node: NodeId, raft: &Raft) {
        let lacks = (1..).map(Index).zip(&self.committed).find(|(index, (entry, term))| {
            *term < raft.term() && raft.log().term_at(*index) != Some(entry.term)
        });
        if let Some((index, (entry, _))) = lacks {
            let id = LogId { index, term: entry.term };
            self.clash(
                "leader-completeness",
                format!("{node} leads term {} without the committed {id}", raft.term()),
            );
        }
    }

    fn commits(&mut self, node: NodeId, raft: &Raft, before: Index, disks: &[&Disk]) {
        let mut log = raft.log().clone();
        let id = LogId {
            index: raft.commit(),
            term: raft.log().term_at(raft.commit()).expect("committed entries are in the log"),
        };
        if raft.leads() {
            if id.term != raft.term() {
                self.clash(
                    "own-term-commit",
                    format!("{node} leads term {} and commits {id} by counting", raft.term()),
                );
            }
            let have = disks.iter().filter(|disk| disk.ever_had(id)).count();
            if have <= disks.len() / 2 {
                self.clash("durable-quorum", format!("{node} commits {id}, which {have} have"));
            }
        }
        for (place, entry) in (before.0 as usize..).zip(log.entries(before.next(), raft.commit()).iter()) {
            match self.committed.get(place) {
                Some((known, _)) if known == entry => {}
                Some((known, _)) if !raft.leads() => {
                    let known = known.term;
                    self.clash(
                        "followers-commit",
                        format!("{node} commits {}@{}, and {known} is committed", place + 1, entry.term),
                    );
                }
                Some((known, _)) => {
                    let known = known.term;
                    self.clash(
                        "state-machine-safety",
                        format!("{node} commits {}@{}, and {known} is committed", place + 1, entry.term),
                    );
                }
                None if raft.leads() => self.committed.push((entry.clone(), raft.term())),
                None => {
                    self.clash(
                        "followers-commit",
                        format!("{node} commits {}@{}, which no leader has", place + 1, entry.term),
                    );
                    return;
                }
            }
        }
    }

    /// An entry is applied.
    pub fn applies(&mut self, node: NodeId, index: Index, entry: &Entry, disk: &Disk) {
        let place = index.0 as usize - 1;
        if let Some((known, _)) = self.committed.get(place)
            && known != entry
        {
            self.clash("state-machine-safety", format!("{node} applies another {index}@{}", entry.term));
        }
        if disk.durable.entries.get(place) != Some(entry) {
            self.clash(
                "apply-after-durability",
                format!("{node} applies {index}@{} not durably", entry.term),
            );
        }
    }

    /// A client asks to read.
    pub fn asks(&mut self, request: RequestId) {
        self.reads.insert(request, self.acknowledged);
    }

    /// A read is answered from a state with everything up to `applied`.
    pub fn reads(&mut self, node: NodeId, request: RequestId, applied: Index) {
        let at_least = self.reads[&request];
        if applied < at_least {
            self.clash("reads", format!("{node} reads at {applied}, and a client knows of {at_least}"));
        }
        self.answers(node, request, None);
    }

    /// A request is answered.
    pub fn answers(&mut self, node: NodeId, request: RequestId, applied: Option<Index>) {
        self.acknowledged = self.acknowledged.max(applied.unwrap_or_default());
        if !self.answered.insert(request) {
            self.clash("one-answer", format!("{node} answers request {} twice", request.0));
        }
    }

    /// Whether a request was answered.
    pub fn has_answered(&self, request: RequestId) -> bool {
        self.answered.contains(&request)
    }
}
